// generator<T>: a sequence that a coroutine computes one element at a time, as a range.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/coro/frame_allocator.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {
class generator_frame;
}

/// A coroutine that gives elements by co_yield, while somebody iterates over it: `for (auto& x : g)`. An input range, owner of its frame: one
/// allocation, from a per-worker cache. It runs on the thread that asks for the next element, and does not wait: what waits is a
/// weft::stream. Dropped before its end, it destroys the locals of the coroutine where it stands. One thread at a time.
///
///   co_yield v;             an element: a reference to v itself, which the reader may change or move from; of a constant v, to a copy.
///                           With generator<U&> and generator<U const&> elements are references as written, and nothing is copied
///   co_yield other_of_T();  all elements of another generator<T>, moved in; however deep, an element costs the same,
///                           and neither elements nor destruction build up the stack
///
/// An exception comes out of begin() or ++, and ends the generator; one of a generator that was yielded comes out of that
/// co_yield first.
template <class T>
class [[nodiscard]] generator {
 public:
  using value_type = std::remove_cvref_t<T>;
  using reference = std::conditional_t<std::is_reference_v<T>, T, T&>;

  class promise_type;
  class iterator;

  generator(generator&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  generator& operator=(generator&& other) noexcept {
    generator old(std::move(*this));
    handle_ = std::exchange(other.handle_, {});
    return *this;
  }
  ~generator() {
    if (!handle_) return;
    handle_.promise().destroy_nested();
    handle_.destroy();
  }

  /// Runs to the first element; called again, stands where the last iterator stands.
  [[nodiscard]] iterator begin();
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class promise_type;
  explicit generator(std::coroutine_handle<promise_type> h) noexcept : handle_(h) {}
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

//   a.innermost_ ──▶ c ── parent_ ──▶ b ── parent_ ──▶ a      a, the outermost, yields the elements of b, and b those of c
//
// The reader's loop resumes the innermost and looks why it has come back: with an element; as the parent of a new innermost; at its end.
// So the stack holds one coroutine at a time, however deep they nest and however many end without an element.
// A reader that drops the outermost before its end destroys in such a loop, too: the innermost first, and tells its parent
// by the parent's innermost_.
/// What the promises of all generators have. The outermost alone has elements and, until they are destroyed, an innermost.
class generator_frame : public cached_allocation, pinned {
 public:
  explicit generator_frame(std::coroutine_handle<> own) noexcept : handle_(own) {}

  /// Of the outermost: runs to the next element. False: there is none.
  bool advance() {
    element_ = nullptr;
    begun_ = true;
    for (;;) {
      generator_frame* const running = innermost_;
      running->handle_.resume();
      if (element_) return true;
      if (running != innermost_) continue;
      if (running == this) break;
      innermost_ = running->parent_;
    }
    rethrow();
    return false;
  }

  /// Of the outermost, before it is destroyed: destroys all that it is in the middle of yielding.
  void destroy_nested() noexcept {
    for (auto last = innermost_; last != this;) {
      auto const parent = last->parent_;
      parent->innermost_ = last;
      last->handle_.destroy();
      last = parent;
    }
  }

  [[nodiscard]] bool begun() const noexcept { return begun_; }
  [[nodiscard]] bool ended() const noexcept { return handle_.done(); }
  [[nodiscard]] void* element() const noexcept { return element_; }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  std::suspend_always final_suspend() const noexcept { return {}; }
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { failure_ = std::current_exception(); }

 protected:
  void give(void const* element) noexcept { outermost_->element_ = const_cast<void*>(element); }
  void enter(generator_frame& child) noexcept {
    child.outermost_ = outermost_;
    child.parent_ = this;
    child.begun_ = true;
    outermost_->innermost_ = &child;
  }
  /// Of one that is destroyed: has destroy_nested destroyed the child?
  [[nodiscard]] bool has_lost(generator_frame const& child) const noexcept { return innermost_ == &child; }
  void rethrow() {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  std::coroutine_handle<> const handle_;
  generator_frame* outermost_ = this;
  generator_frame* parent_ = nullptr;
  generator_frame* innermost_ = this;
  void* element_ = nullptr;
  std::exception_ptr failure_;
  bool begun_ = false;
};

}  // namespace detail

template <class T>
class generator<T>::promise_type : public detail::generator_frame {
  using object = std::remove_reference_t<T>;

 public:
  promise_type() noexcept : generator_frame(std::coroutine_handle<promise_type>::from_promise(*this)) {}
  generator get_return_object() noexcept { return generator(std::coroutine_handle<promise_type>::from_promise(*this)); }

  // What is yielded lives in the coroutine until it is resumed, a temporary too.
  std::suspend_always yield_value(object& v) noexcept
    requires(!std::is_rvalue_reference_v<T>)
  {
    give(std::addressof(v));
    return {};
  }
  std::suspend_always yield_value(object&& v) noexcept
    requires(!std::is_lvalue_reference_v<T> && !std::is_const_v<object>)
  {
    give(std::addressof(v));
    return {};
  }
  auto yield_value(object const& v)
    requires(!std::is_reference_v<T> && !std::is_const_v<T> && std::copy_constructible<T>)
  {
    return copied(*this, v);
  }
  auto yield_value(generator&& other) noexcept { return nested(*this, std::move(other)); }

  template <class A>
  void await_transform(A&&) {
    static_assert(sizeof(A) == 0, "a generator does not wait: co_await belongs in a weft::task or a weft::stream");
  }

 private:
  class copied : public std::suspend_always {
   public:
    copied(promise_type& p, object const& v) : element_(v) { p.give(std::addressof(element_)); }

   private:
    object element_;
  };

  class nested {
   public:
    nested(promise_type& p, generator&& other) noexcept : parent_(p), child_(std::move(other)) {
      WEFT_ASSERT(child_.handle_ && !child_.handle_.promise().begun(), "a generator that is yielded has not begun");
    }
    ~nested() {
      if (parent_.has_lost(child_.handle_.promise())) child_.handle_ = {};
    }
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept { parent_.enter(child_.handle_.promise()); }
    void await_resume() { child_.handle_.promise().rethrow(); }

   private:
    promise_type& parent_;
    generator child_;
  };
};

/// Copies stand at the same element.
template <class T>
class generator<T>::iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using iterator_category = std::input_iterator_tag;
  using difference_type = std::ptrdiff_t;
  using value_type = generator::value_type;
  using reference = generator::reference;
  using pointer = std::add_pointer_t<reference>;

  iterator() noexcept = default;

  reference operator*() const noexcept {
    return static_cast<reference>(*static_cast<std::remove_reference_t<T>*>(at_->element()));
  }
  pointer operator->() const noexcept { return std::addressof(**this); }

  iterator& operator++() {
    at_->advance();
    return *this;
  }
  void operator++(int) { ++*this; }

  friend bool operator==(iterator const& i, std::default_sentinel_t) noexcept { return !i.at_ || i.at_->ended(); }

 private:
  friend class generator;
  explicit iterator(detail::generator_frame& at) noexcept : at_(&at) {}
  detail::generator_frame* at_ = nullptr;
};

template <class T>
auto generator<T>::begin() -> iterator {
  WEFT_ASSERT(handle_, "this generator has been moved from");
  auto& frame = handle_.promise();
  if (!frame.begun()) frame.advance();
  return iterator(frame);
}

}  // namespace weft
