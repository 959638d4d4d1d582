// blocking(f): a call that blocks its thread, made where it does no harm. One that takes a stop_token is told when its task is asked to stop.
#pragma once

#include <weft/base/result.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/os/call_interrupter.hpp>
#include <weft/sched/locals.hpp>
#include <weft/sched/membership.hpp>

#include <concepts>
#include <functional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// Calls f(args...), or f(token, args...) where it takes that alone: so what takes anything gets what it was given.
template <class F, class... Args>
decltype(auto) call_with_token(stop_token token, F&& f, Args&&... args) {
  if constexpr (std::invocable<F, Args...>) return std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
  else return std::invoke(std::forward<F>(f), std::move(token), std::forward<Args>(args)...);
}

template <class F, class... Args>
class blocking_awaiter : public stoppable_suspension<blocking_awaiter<F, Args...>>, blocking_call {
 public:
  using result = decltype(call_with_token(stop_token(), std::declval<F>(), std::declval<Args>()...));

  explicit blocking_awaiter(std::tuple<F, Args...>&& work)
      : blocking_call(&blocking_awaiter::call), work_(std::move(work)) {}

  result await_resume() {
    this->finish_wait();
    return slot_.take();
  }

 private:
  friend class stoppable_suspension<blocking_awaiter>;

  bool start() {
    if (this->ambient->stop && this->ambient->stop->stop_requested()) throw stopped{};
    threads_ = &this->ambient->home->blocking();
    if (auto const error = threads_->submit(*this))
      throw std::system_error(error, "weft::blocking: no thread could be started");
    return true;
  }

  bool withdraw() noexcept { return threads_->cancel(*this); }

  static void call(blocking_call* c) noexcept {
    auto& me = *static_cast<blocking_awaiter*>(c);
    settle_with(me.slot_, [&me]() -> result {
      auto const token = make_stop_token(me.ambient->stop);
      token.throw_if_stopped();  // a thread has become free by the same stop
      runs_for_task const around(*me.ambient);
      auto const make = [&]() -> result {
        return std::apply(
            [&](F& f, Args&... args) -> result { return call_with_token(token, std::move(f), std::move(args)...); },
            me.work_);
      };
      if constexpr (std::invocable<F, Args...>) {
        return make();
      } else {
        // By its first parameter f says that it ends when it is told to; so do the waits that it has begun.
        call_interrupter interrupter;
        stop_callback const on_stop(token, [&interrupter]() noexcept { interrupter.interrupt(); });
        return make();
      }
    });
    me.fire();  // Past here *c may be gone.
  }

  std::tuple<F, Args...> work_;
  result_slot<result> slot_;
  blocking_threads* threads_ = nullptr;
};

template <class F, class... Args>
class [[nodiscard]] blocking_operation {
 public:
  explicit blocking_operation(std::tuple<F, Args...>&& work) : work_(std::move(work)) {}
  auto operator co_await() { return blocking_awaiter<F, Args...>(std::move(work_)); }

 private:
  std::tuple<F, Args...> work_;
};

}  // namespace detail

/// What blocking takes: f(args...) or f(stop_token, args...).
template <class F, class... Args>
concept blocking_callable = callable_with<F, Args...> || callable_with<F, stop_token, Args...>;

// What has begun is never left behind: f may refer to whatever the awaiting task keeps alive. f ends by itself, where it takes a token: it looks at
// it between steps that are short, after a system call that has failed with EINTR, or has a stop_callback that ends a wait of another kind
// (notifies a condition). A call that takes no token knows nothing of stops, and none of its system calls is interrupted.
/// co_await blocking(f, args...);      f and args are moved in (std::ref to borrow)
///   calls       f(args...), or f(token, args...) with the task's stop_token where f takes one first; this_task::stop_token() is the same
///   completes   when f has returned, on one of the threads that the pool sets aside for this, at most pool_options::max_blocking;
///               calls beyond that wait their turn, in order
///   result      what f returned, also after a stop
///   on error    throws what f threw, weft::stopped among it; std::system_error where no thread could be started
///   on stop     a call that has not begun is not made and completes as stopped; one that has begun is waited for. Where f takes the
///               token, the system calls in which it waits fail with EINTR from the stop on, again and again until it returns, unless
///               the program itself uses the signal for that, SIGRTMAX - 5
///   resumes on  the pool it was awaited on
template <class F, class... Args>
  requires blocking_callable<F, Args...>
[[nodiscard]] auto blocking(F&& f, Args&&... args) {
  using parts = std::tuple<std::decay_t<F>, std::decay_t<Args>...>;
  return detail::blocking_operation<std::decay_t<F>, std::decay_t<Args>...>(
      parts(std::forward<F>(f), std::forward<Args>(args)...));
}

}  // namespace weft
