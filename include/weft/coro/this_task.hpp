// this_task: what the running task may ask of its surroundings, and how it gives way to others.
#pragma once

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/promise.hpp>
#include <weft/sched/locals.hpp>
#include <weft/sched/scheduler.hpp>

#include <coroutine>

namespace weft {

namespace detail {

/// Puts the task behind all that is ready.
class yield_awaiter : public native_awaiter, resumption {
 public:
  enum class then { go_on, check_stop };
  explicit yield_awaiter(then what) noexcept : then_(what) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) noexcept {
    handle = task;
    ambient = task.promise().ambient();
    ambient->home->submit_behind(this);  // Past here *this may be gone.
  }

  void await_resume() const {
    if (then_ == then::check_stop && ambient->stop && ambient->stop->stop_requested()) throw stopped{};
  }

 private:
  then then_;
};

}  // namespace detail

namespace this_task {

/// The stop token of the running task, or of the task whose loop chunk, forked call or blocking call this is; one that never stops where
/// there is none. Valid as long as the task. Any thread.
[[nodiscard]] inline stop_token stop_token() noexcept { return make_stop_token(detail::ambient_stop()); }

/// co_await yield();
///   completes   when the others that were ready have had their turn
///   on error    never fails
///   on stop     goes on
///   resumes on  the pool it was awaited on
[[nodiscard]] inline auto yield() noexcept { return detail::yield_awaiter(detail::yield_awaiter::then::go_on); }

/// co_await checkpoint();
///   completes   when the others that were ready have had their turn
///   on stop     throws weft::stopped
///   resumes on  the pool it was awaited on
[[nodiscard]] inline auto checkpoint() noexcept {
  return detail::yield_awaiter(detail::yield_awaiter::then::check_stop);
}

}  // namespace this_task
}  // namespace weft
