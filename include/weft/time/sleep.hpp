// sleep_for, sleep_until: a task waits for a time, and its worker does something else.
#pragma once

#include <weft/coro/suspension.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/run_loop.hpp>
#include <weft/time/sleeper.hpp>
#include <weft/time/timers.hpp>

#include <chrono>
#include <coroutine>
#include <memory>
#include <utility>

namespace weft {

namespace detail {

/// The timers of a pool: made with the first timer.
inline timer_service& timers_of(scheduler& home) {
  driver* d = home.installed_driver();
  if (!d) d = home.install_driver(std::make_unique<timer_service>());
  return *static_cast<timer_service*>(d);
}

/// The wait of one task. Its stop registration is with the context's stop state, its timer with the pool's timers: neither is kept here.
class sleep_awaiter : public native_awaiter, sleeper, stop_registration {
 public:
  explicit sleep_awaiter(clock::time_point until) noexcept
      : sleeper(until), stop_registration(&sleep_awaiter::ask_to_stop) {}
  ~sleep_awaiter() {
    if constexpr (resumes_at_the_end) leave_stop();
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> task) {
    begin(task);
    context& around = ambient();
    if (around.stop && around.stop->stop_requested()) throw weft::stopped{};
    auto const now = clock::now();
    if (deadline <= now) return false;
    if (timers_of(*around.home).add(*current_worker(), *this, now)) around.home->deadline_moved();
    if (stop_state* const stop = around.stop) {
      auto const where = place_to_register(*stop);
      if (stop->at(where).add(*this)) registered_ = where;
      else ask_to_stop(this);
    }
    return arm();
  }

  /// Nobody touches the awaiter any more when it goes on.
  void await_resume() {
    leave_stop();
    if (sleeper::stopped()) throw weft::stopped{};
  }

 private:
  void leave_stop() noexcept {
    if (registered_ != nowhere_registered)
      ambient().stop->at(std::exchange(registered_, nowhere_registered)).remove(*this);
  }

  static void ask_to_stop(stop_registration* r) noexcept {
    auto* const self = static_cast<sleep_awaiter*>(r);
    if (timers_of(*self->ambient().home).remove(*self)) self->wake_by_stop();  // Past here *self may be gone.
  }
};
static_assert(sizeof(sleep_awaiter) == 64);

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
[[nodiscard]] auto sleep_for(std::chrono::duration<Rep, Period> const& d) noexcept {
  return detail::sleep_operation(detail::deadline_after(d));
}

}  // namespace weft
