// timeout, deadline: something, but not for ever.
#pragma once

#include <weft/combine/siblings.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/os/clock.hpp>
#include <weft/time/sleep.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// What timeout and deadline throw when the time was up first.
struct timed_out : std::exception {
  char const* what() const noexcept override { return "weft: timed out"; }
};

namespace detail {

//   ends_   2: the work, and the timer's say; whoever brings it to 0 brings the task back
//
//   The work ends: it removes the timer. Removed: the timer has no say any more, both ends are the work's. Not removed: the timer
//   fires or has fired, and has an end of its own. The timer asks the work to stop before it counts its end, so the stop
//   state is there while it is asked.
//
//   A timer fires on whatever worker looks at the clock, perhaps between two chunks of a loop whose caller holds a lock, or as the one
//   searcher that everybody relies on. So the timer says stop, which loops see at once; calling back whoever has registered is for a job.
//
//   E1  an end's release → the last end's acquire   the result, and late_
//
template <class X, class... Args>
class deadline_awaiter : public native_awaiter, public suspension, timer {
 public:
  using result = result_of<X, Args...>;

  deadline_awaiter(clock::time_point t, std::tuple<X, Args...>&& parts)
      : timer(t, &deadline_awaiter::time_is_up), parts_(std::move(parts)) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  bool await_suspend(std::coroutine_handle<Promise> parent) {
    this->begin(parent);
    timers_ = &timers_of(*this->ambient->home);
    std::apply([this](X& x, Args&... args) { work_.emplace(*this, std::move(x), std::move(args)...); }, parts_);
    if (deadline != clock::time_point::max()) {
      if (timers_->add(*current_worker(), *this)) this->ambient->home->deadline_moved();
    }
    this->ambient->home->submit_woken(&*work_);
    return this->arm();
  }

  result await_resume() {
    // A result that was there before the time was up, or that the work gave all the same, is delivered.
    if (late_ && slot_.has_failure() && is_stopped(slot_.failure())) throw timed_out{};
    return slot_.take();
  }

 private:
  struct work : root<X, Args...> {
    template <class... Values>
    explicit work(deadline_awaiter& a, Values&&... values)
        : root<X, Args...>(*a.ambient->home, a.ambient->stop, a.slot_, &work::ended, std::forward<Values>(values)...),
          awaiter(a) {}
    static void ended(root<X, Args...>* r, worker&) noexcept {
      auto& a = static_cast<work*>(r)->awaiter;
      a.end(a.deadline == clock::time_point::max() || a.timers_->remove(a) ? 2 : 1);  // Past here a may be gone.
    }
    deadline_awaiter& awaiter;
  };

  /// The callbacks of those who have registered with the work's stop state.
  struct calling_back : ready_job {
    explicit calling_back(deadline_awaiter& a) noexcept : ready_job(&calling_back::run), awaiter(a) {}
    static void run(job* j, worker&, job_order) noexcept {
      auto& a = static_cast<calling_back*>(static_cast<ready_job*>(j))->awaiter;
      a.work_->stop().call_back();
      a.end(1);  // Past here *j may be gone.
    }
    deadline_awaiter& awaiter;
  };

  static void time_is_up(timer& t, worker&) noexcept {
    auto& me = static_cast<deadline_awaiter&>(t);
    me.late_ = true;
    if (me.work_->stop().say_stop() == stop_state::said::first_with_callbacks)
      me.ambient->home->submit_woken(&me.calling_back_);
    else me.end(1);
    // Past here t may be gone.
  }

  void end(int ends) noexcept {
    if (ends_.fetch_sub(ends, memory_order_acq_rel) == ends) suspension::fire();  // E1.
  }

  std::tuple<X, Args...> parts_;
  timer_service* timers_ = nullptr;
  result_slot<result> slot_;
  std::optional<work> work_;
  calling_back calling_back_{*this};
  atomic<int> ends_{2};
  bool late_ = false;
};

template <class X, class... Args>
class [[nodiscard]] deadline_operation {
 public:
  template <class... Values>
  explicit deadline_operation(clock::time_point t, Values&&... values)
      : deadline_(t), parts_(std::forward<Values>(values)...) {}
  auto operator co_await() { return deadline_awaiter<X, Args...>(deadline_, std::move(parts_)); }

 private:
  clock::time_point deadline_;
  std::tuple<X, Args...> parts_;
};

}  // namespace detail

/// co_await deadline(t, x, args...);      x: a callable or a coroutine function with its arguments, or an awaitable
///   completes   when x has ended; when the time is up, x is asked to stop and waited for
///   result      x's, also where x gives one after it was asked to stop
///   on error    throws what x threw; weft::timed_out where x stopped because the time was up
///   on stop     goes on: x inherits the stop
///   resumes on  the pool it was awaited on
template <class X, class... Args>
  requires runnable<X, Args...>
[[nodiscard]] auto deadline(clock::time_point t, X&& x, Args&&... args) {
  return detail::deadline_operation<std::decay_t<X>, std::decay_t<Args>...>(t, std::forward<X>(x),
                                                                            std::forward<Args>(args)...);
}

/// co_await timeout(2s, x, args...); the same, from the moment of the call of timeout.
template <class Rep, class Period, class X, class... Args>
  requires runnable<X, Args...>
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d, X&& x, Args&&... args) {
  return deadline(detail::deadline_after(d), std::forward<X>(x), std::forward<Args>(args)...);
}

}  // namespace weft
