// retry: something that fails now and then, tried again after a while, and a while longer each time.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/root.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/worker.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

/// Whether a failure is worth another try: retry's default, all but weft::stopped, which never is.
[[nodiscard]] inline bool any_failure(std::exception_ptr const&) noexcept { return true; }

/// The same for failures of these types alone, and what is derived from them: {.retries = retry_on<std::system_error, timed_out>}.
template <class... E>
  requires(sizeof...(E) > 0)
[[nodiscard]] bool retry_on(std::exception_ptr const& failure) noexcept;

/// How often and how long.
struct retry_options {
  unsigned tries = 3;  ///< in all; 0: any number
  std::chrono::nanoseconds first_delay =
      std::chrono::milliseconds(100);                             ///< after the first failure, and doubled after each
  std::chrono::nanoseconds max_delay = std::chrono::seconds(30);  ///< but never more than this
  bool (*retries)(std::exception_ptr const&) = &any_failure;      ///< which failures are worth another try
};

namespace detail {

template <class E>
[[nodiscard]] bool is_failure_of(std::exception_ptr const& failure) noexcept {
  try {
    std::rethrow_exception(failure);
  } catch (E const&) {
    return true;
  } catch (...) {
    return false;
  }
}

/// Delays that double up to the longest, each drawn anew from its upper half: those who failed together do not come back together.
/// Of the ways to draw it, the one that also keeps a distance ("equal jitter", M. Brooker, Exponential Backoff and Jitter, 2015).
class backoff {
 public:
  using duration = std::chrono::nanoseconds;

  backoff(duration first, duration most) noexcept
      : most_(std::max(most, duration::zero())), next_(std::clamp(first, duration::zero(), most_)) {}

  [[nodiscard]] duration draw(random_source& random) noexcept {
    auto const whole = static_cast<std::uint64_t>(next_.count());
    auto const half = whole / 2;
    next_ = next_ > most_ / 2 ? most_ : next_ * 2;
    return duration(static_cast<duration::rep>(whole - random.next() % (half + 1)));
  }

 private:
  duration most_, next_;
};

/// weft::stopped, with the failure that was to be retried inside: std::rethrow_if_nested finds it.
[[noreturn, gnu::noinline, gnu::cold]] inline void throw_stopped_after(std::exception_ptr const& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (...) {
    std::throw_with_nested(stopped{});
  }
}

template <class R, class X, class... Args>
task<R> try_again_and_again(retry_options o, X x, Args... args) {
  backoff delays(o.first_delay, o.max_delay);
  for (unsigned tried = 1;; ++tried) {
    std::exception_ptr failure;
    try {
      if constexpr (awaitable<std::invoke_result_t<X&, Args...>>) {
        auto attempt = as_task(std::invoke(x, Args(args)...));
        if constexpr (std::is_void_v<R>) {
          co_await std::move(attempt);
          co_return;
        } else {
          co_return co_await std::move(attempt);
        }
      } else if constexpr (std::is_void_v<R>) {
        std::invoke(x, Args(args)...);
        co_return;
      } else {
        co_return std::invoke(x, Args(args)...);
      }
    } catch (stopped const&) {
      throw;
    } catch (...) {
      failure = std::current_exception();
    }
    if ((o.tries != 0 && tried >= o.tries) || !o.retries(failure)) std::rethrow_exception(std::move(failure));
    auto const delay = delays.draw(current_worker()->random);
    try {
      if (delay > delay.zero()) co_await sleep_for(delay);
      else co_await this_task::checkpoint();
    } catch (stopped const&) {
      throw_stopped_after(failure);
    }
  }
}

/// Can be called again and again: X as it stands, each time with copies of the arguments.
template <class X, class... Args>
concept repeatable =
    std::invocable<std::decay_t<X>&, std::decay_t<Args>...> && (std::copy_constructible<std::decay_t<Args>> && ...);

template <class X, class... Args>
using repeated_result = typename settled<std::invoke_result_t<std::decay_t<X>&, std::decay_t<Args>...>>::type;

}  // namespace detail

template <class... E>
  requires(sizeof...(E) > 0)
bool retry_on(std::exception_ptr const& failure) noexcept {
  return (detail::is_failure_of<E>(failure) || ...);
}

/// co_await retry({.tries = 5, .first_delay = 10ms, .max_delay = 2s}, x, args...);
///   completes   when a try succeeds, fails in a way that is not retried, or was the last. x is a callable or a coroutine function,
///               called anew for each try, with copies of the arguments (std::ref to borrow)
///   result      x's
///   on error    throws what the last try threw. Every failure is retried but weft::stopped; options.retries narrows that
///   on stop     x inherits it. Between two tries it ends at once, as weft::stopped, in which the last failure is nested
///   resumes on  the pool it was awaited on
/// The delay after the nth failure is drawn from the upper half of first_delay · 2ⁿ⁻¹, at most max_delay. To bound each try, put a
/// timeout inside: retry({}, [] { return timeout(1s, fetch); }). One block from the per-worker cache.
template <class X, class... Args>
[[nodiscard]] auto retry(retry_options options, X&& x, Args&&... args) {
  constexpr bool can_be_repeated = detail::repeatable<X, Args...>;
  static_assert(can_be_repeated,
                "retry takes a callable, with arguments that can be copied: it is called anew for each try, and an "
                "awaitable is awaited only once");
  WEFT_ASSERT(options.retries, "retry has to know which failures to retry: any_failure, retry_on<E...>, or a function");
  if constexpr (can_be_repeated)
    return detail::try_again_and_again<detail::repeated_result<X, Args...>, std::decay_t<X>, std::decay_t<Args>...>(
        options, std::forward<X>(x), std::forward<Args>(args)...);
}

}  // namespace weft
