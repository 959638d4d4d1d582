// sleep_for, sleep_until: a task waits for a time, and its worker does something else.
#pragma once

#include <weft/coro/suspension.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/run_loop.hpp>
#include <weft/time/timers.hpp>

#include <chrono>
#include <memory>

namespace weft {

namespace detail {

/// The timers of a pool: made with the first timer.
inline timer_service& timers_of(scheduler& home) {
  driver* d = home.installed_driver();
  if (!d) d = home.install_driver(std::make_unique<timer_service>());
  return *static_cast<timer_service*>(d);
}

class sleep_awaiter : public stoppable_suspension<sleep_awaiter>, timer {
 public:
  explicit sleep_awaiter(clock::time_point until) noexcept
      : timer(until, [](timer& t, worker&) noexcept { static_cast<sleep_awaiter&>(t).suspension::fire(); }) {}

  void await_resume() { finish_wait(); }

 private:
  friend class stoppable_suspension<sleep_awaiter>;

  bool start() {
    if (ambient->stop && ambient->stop->stop_requested()) throw stopped{};
    auto const now = clock::now();
    if (deadline <= now) return false;
    timers_ = &timers_of(*ambient->home);
    if (timers_->add(*current_worker(), *this, now)) ambient->home->deadline_moved();
    return true;
  }

  bool withdraw() noexcept { return timers_->remove(*this); }

  timer_service* timers_ = nullptr;
};

class [[nodiscard]] sleep_operation {
 public:
  explicit sleep_operation(clock::time_point until) noexcept : until_(until) {}
  auto operator co_await() const noexcept { return sleep_awaiter(until_); }
  [[nodiscard]] clock::time_point until() const noexcept { return until_; }

 private:
  clock::time_point until_;
};

}  // namespace detail

/// co_await sleep_until(t);
///   completes   at t or soon after, never before; at once where t has passed
///   on error    std::bad_alloc, where a worker's first timer finds no memory
///   on stop     ends at once, as stopped
///   resumes on  the pool it was awaited on
[[nodiscard]] inline auto sleep_until(clock::time_point t) noexcept { return detail::sleep_operation(t); }

/// co_await sleep_for(d); the same, d from now. A duration beyond the clock's end sleeps until stopped.
template <class Rep, class Period>
[[nodiscard]] auto sleep_for(std::chrono::duration<Rep, Period> d) noexcept {
  return detail::sleep_operation(detail::deadline_after(d));
}

}  // namespace weft
