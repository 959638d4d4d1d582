// guarded<T>: a value that can only be touched with its mutex held.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/task.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/waiter.hpp>

#include <concepts>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// A value and the mutex that guards it: whoever wants the value hands in what is to be done with it. First come, first
/// served. Any thread; from a plain thread: `run(g.with(f));`.
template <class T>
class guarded : detail::pinned {
 public:
  /// The value, made of these arguments.
  template <class... Args>
    requires std::constructible_from<T, Args...>
  explicit guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  /// auto x = co_await g.with([](T& value) { …; return x; });
  ///   completes   when f has been called with the value, the mutex held
  ///   result      f's, by value: no reference into what is guarded gets out
  ///   on error    throws what f throws; the mutex is free again
  ///   on stop     leaves the queue before f is called, and completes as stopped
  ///   resumes on  the pool it was awaited on
  /// f may be a coroutine function, or return something else to await: it is awaited with the mutex held, and kept until its end.
  /// A function that computes costs no allocation.
  template <class F>
    requires std::invocable<F&, T&>
  [[nodiscard]] auto with(F&& f) {
    using function = std::decay_t<F>;
    static_assert(!std::is_reference_v<std::invoke_result_t<function&, T&>>,
                  "guarded::with returns values: a reference would outlive the lock");
    if constexpr (detail::waiting_body<function, T&>) return with_waiting<function>(std::forward<F>(f));
    else return with_operation<function>(*this, std::forward<F>(f));
  }

  /// The same if nobody holds the mutex: f's result in an optional, or for void, whether f was called. f computes. Never waits.
  template <class F>
    requires detail::computing_body<F, T&>
  [[nodiscard]] auto try_with(F&& f) {
    using result = std::invoke_result_t<F&, T&>;
    static_assert(!std::is_reference_v<result>, "guarded::try_with returns values: a reference would outlive the lock");
    auto const l = mutex_.try_lock();
    if constexpr (std::is_void_v<result>) {
      if (l) std::invoke(f, value_);
      return l.owns();
    } else {
      return l ? std::optional<result>(std::invoke(f, value_)) : std::nullopt;
    }
  }

 private:
  using lock_operation = decltype(std::declval<mutex&>().lock());

  template <class F>
  class [[nodiscard]] with_operation : public detail::waitable_operation<with_operation<F>> {
   public:
    using node = typename lock_operation::node;

    template <class G>
    with_operation(guarded& g, G&& f) : guarded_(&g), lock_(g.mutex_.lock()), f_(std::forward<G>(f)) {}
    bool try_complete() noexcept { return lock_.try_complete(); }
    detail::enqueued enqueue(node& w) noexcept { return lock_.enqueue(w); }
    detail::left withdraw(node& w) noexcept { return lock_.withdraw(w); }
    auto take() {
      auto const l = lock_.take();
      return std::invoke(f_, guarded_->value_);
    }
    void give_back() noexcept { lock_.give_back(); }

   private:
    guarded* guarded_;
    lock_operation lock_;
    F f_;
  };

  template <class F>
  task<await_result_t<std::invoke_result_t<F&, T&>>> with_waiting(F f) {
    auto const l = co_await mutex_.lock();
    if constexpr (std::is_void_v<await_result_t<std::invoke_result_t<F&, T&>>>) co_await std::invoke(f, value_);
    else co_return co_await std::invoke(f, value_);
  }

  mutex mutex_;
  T value_;  // guarded by mutex_
};

template <class T>
guarded(T) -> guarded<T>;

}  // namespace weft
