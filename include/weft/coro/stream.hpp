// stream<T>: a sequence that a coroutine gives one element at a time, and may wait for anything in between.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/coro/foreign.hpp>
#include <weft/coro/promise.hpp>
#include <weft/sched/resume.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// A coroutine that gives elements by co_yield and waits by co_await: `while (auto v = co_await s.next()) use(*v);`. It has not begun
/// when it is made, and runs only while somebody awaits next(): as part of that task, with its stop token, on its pool. So nothing of
/// it runs when it is dropped: the locals of the coroutine are destroyed where it stands. For a producer that runs ahead of its reader,
/// spawn one that sends into a channel. One allocation, from a per-worker cache. Movable; one task at a time.
///
///   co_yield v;      an element, moved into the reader's optional; of a constant or named v, copied: co_yield std::move(v) moves it
///
/// std::optional<T> v = co_await s.next();
///   completes   with the next element, or when the coroutine has ended
///   result      the element; nothing: the coroutine has ended, now or before
///   on error    throws what the coroutine threw, once; the stream has ended then
///   on stop     goes on: what the coroutine itself waits for completes as stopped, which ends it unless it catches that
///   resumes on  the worker where the coroutine yielded, which belongs to the pool it was awaited on
template <class T>
class [[nodiscard]] stream {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && std::move_constructible<T>,
                "stream<T> gives objects that can be moved; for a reference, give a pointer");

 public:
  class promise_type;
  class next_operation;

  stream(stream&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  stream& operator=(stream&& other) noexcept {
    stream old(std::move(*this));
    handle_ = std::exchange(other.handle_, {});
    return *this;
  }
  ~stream();

  [[nodiscard]] next_operation next() noexcept;

  /// Whether next() would give nothing, and not wait. False says no more than that the end has not been reached yet.
  [[nodiscard]] bool ended() const noexcept { return handle().done(); }

 private:
  explicit stream(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}

  std::coroutine_handle<promise_type> handle() const noexcept {
    WEFT_ASSERT(handle_, "this stream has been moved from");
    return handle_;
  }

  std::coroutine_handle<promise_type> handle_;
};

template <class T>
class stream<T>::promise_type : public detail::promise_base {
 public:
  stream get_return_object() noexcept { return stream(std::coroutine_handle<promise_type>::from_promise(*this)); }
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { failure_ = std::current_exception(); }

  struct yielded {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept {
      return detail::transfer(self.promise().reader_);
    }
    void await_resume() const noexcept {}
  };

  // What is yielded lives in the coroutine until it is resumed, a temporary too.
  yielded yield_value(T&& v) noexcept {
    element_ = std::addressof(v);
    movable_ = true;
    return {};
  }
  yielded yield_value(T const& v) noexcept
    requires std::copy_constructible<T>
  {
    element_ = const_cast<T*>(std::addressof(v));
    movable_ = false;
    return {};
  }

 private:
  friend class stream;
  friend class next_operation;

  template <detail::weft_promise Promise>
  void begin_for(std::coroutine_handle<Promise> reader) noexcept {
    this->continue_with(reader);
    reader_ = reader;
    running_ = true;
  }

  std::optional<T> take() {
    running_ = false;
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    T* const element = std::exchange(element_, nullptr);
    if (!element) return std::nullopt;
    if constexpr (std::copy_constructible<T>)
      if (!movable_) return std::optional<T>(std::as_const(*element));
    return std::optional<T>(std::move(*element));
  }

  std::coroutine_handle<> reader_;  // who awaits next()
  T* element_ = nullptr;
  std::exception_ptr failure_;
  bool movable_ = false;
  bool running_ = false;  // between the beginning and the end of a next()
};

/// What next() returns.
template <class T>
class [[nodiscard]] stream<T>::next_operation : public detail::native_awaiter {
 public:
  [[nodiscard]] bool await_ready() const noexcept { return handle_.done(); }

  template <detail::weft_promise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> reader) noexcept {
    auto& producer = handle_.promise();
    WEFT_ASSERT(!producer.running_, "a stream has one reader at a time: another task is awaiting its next()");
    producer.begin_for(reader);
    return detail::transfer(handle_);
  }

  std::optional<T> await_resume() { return handle_.promise().take(); }

 private:
  friend class stream;
  explicit next_operation(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}
  std::coroutine_handle<promise_type> handle_;
};

template <class T>
stream<T>::~stream() {
  if (!handle_) return;
  WEFT_ASSERT(!handle_.promise().running_, "a stream is dropped while a task awaits its next()");
  handle_.destroy();
}

template <class T>
auto stream<T>::next() noexcept -> next_operation {
  return next_operation(handle());
}

}  // namespace weft
