// task<T>: work that waits. A coroutine that starts when it is awaited, and goes on where it was awaited when it ends.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/config.hpp>
#include <weft/base/result.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/foreign.hpp>
#include <weft/coro/frame_allocator.hpp>
#include <weft/coro/promise.hpp>
#include <weft/sched/closures.hpp>
#include <weft/sched/resume.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {
struct task_access;
}

/// A coroutine that has not begun. Owns its frame: one allocation, from a per-worker cache. `co_await` moves it: it runs to
/// its end as part of the awaiting task, with that task's stop token, and its result or exception arrives there. Awaited
/// at most once. A task that is dropped without having been awaited never begins; its arguments are destroyed.
///
/// co_await t;
///   completes   when the coroutine has ended
///   result      what it co_returns, moved; references stay references
///   on error    throws what the coroutine threw
///   on stop     goes on: what the coroutine itself waits for completes as stopped
///   resumes on  the worker where the coroutine ended, which belongs to the pool it was awaited on
///
/// One thread at a time.
template <class T = void>
class [[nodiscard]] WEFT_TRIVIAL_ABI task {
 public:
  class promise_type;

  task(task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  task& operator=(task&& other) noexcept {
    task old(std::move(*this));
    handle_ = std::exchange(other.handle_, {});
    return *this;
  }
  ~task() {
    if (handle_) handle_.destroy();
  }

  /// False once it has been moved from or awaited.
  [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(handle_); }

  class awaiter;
  [[nodiscard]] awaiter operator co_await() noexcept { return awaiter(std::move(*this)); }

 private:
  friend struct detail::task_access;
  explicit task(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class T>
class task_promise : public promise_base {
 public:
  template <class U = T>
    requires std::is_constructible_v<T, U&&> || (std::is_reference_v<T> && std::is_convertible_v<U &&, T>)
  void return_value(U&& value) {
    result.set_value(std::forward<U>(value));
  }
  void unhandled_exception() noexcept {
    this->note_failure();
    result.set_failure(std::current_exception());
  }

  result_slot<T> result;
};

template <>
class task_promise<void> : public promise_base {
 public:
  void return_void() noexcept { result.set_value(); }
  void unhandled_exception() noexcept {
    this->note_failure();
    result.set_failure(std::current_exception());
  }

  result_slot<void> result;
};

/// For those who start tasks other than by co_await.
struct task_access {
  template <class T>
  static std::coroutine_handle<typename task<T>::promise_type> handle(task<T>& t) noexcept {
    return t.handle_;
  }
  /// The coroutine, which is the caller's to destroy from here on.
  template <class T>
  static std::coroutine_handle<typename task<T>::promise_type> release(task<T>& t) noexcept {
    return std::exchange(t.handle_, {});
  }
  template <class T>
  static task<T> make(std::coroutine_handle<typename task<T>::promise_type> h) noexcept {
    return task<T>(h);
  }
};

}  // namespace detail

template <class T>
class task<T>::promise_type : public detail::task_promise<T> {
 public:
#if WEFT_WATCH_CLOSURES
  promise_type() noexcept = default;
  template <class First, class... Rest>
  explicit promise_type(First& first, Rest&...) noexcept {
    using object = std::remove_cvref_t<First>;
    if constexpr (detail::captures_something<object>())
      detail::closures_of_this_thread().object_seen(std::coroutine_handle<promise_type>::from_promise(*this).address(),
                                                    std::addressof(first), detail::kind_of_closure<object>);
  }
  static void* operator new(std::size_t bytes) {
    void* const frame = detail::allocate_block(bytes);
    detail::closures_of_this_thread().frame_made(frame, bytes);
    return frame;
  }
  static void operator delete(void* p, std::size_t bytes) noexcept { detail::deallocate_block(p, bytes); }
#endif

  task get_return_object() noexcept {
    return detail::task_access::make<T>(std::coroutine_handle<promise_type>::from_promise(*this));
  }
};

template <class T>
class task<T>::awaiter : public detail::native_awaiter {
 public:
  explicit awaiter(task&& t) noexcept : task_(std::move(t)) {
    WEFT_ASSERT(task_.valid(), "a task is awaited once: this one has been moved from or awaited already");
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <detail::weft_promise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
    auto const child = task_.handle_;
    child.promise().continue_with(parent);
    return detail::transfer(child);
  }

  T await_resume() { return task_.handle_.promise().result.take(); }

 private:
  task task_;
};

}  // namespace weft
