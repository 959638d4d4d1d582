// What every coroutine of weft carries: its context, and where to go at its end.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/frame_allocator.hpp>
#include <weft/sched/job.hpp>
#include <weft/sched/resume.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace weft::detail {

class promise_base;

/// Whoever is to be told of a task's end, other than a coroutine that awaits it. at_end is called in the task's final suspension:
/// it returns what to go on with, and destroys nothing of the task.
struct completion {
  using function = std::coroutine_handle<> (*)(completion*, promise_base& ended) noexcept;
  explicit completion(function f) noexcept : at_end(f) {}
  function at_end;
};

/// Base of every awaiter made for weft: it resumes its task only on a worker of the task's pool, in the task's context.
struct native_awaiter {};

template <class A>
concept native_awaitable =
    std::derived_from<std::remove_reference_t<decltype(get_awaiter(std::declval<A>()))>, native_awaiter>;

class promise_base : public cached_allocation, pinned {
 public:
  /// The awaiting coroutine goes on at the end; its context is the task's.
  template <class Promise>
  void continue_with(std::coroutine_handle<Promise> parent) noexcept {
    ambient_ = parent.promise().ambient();
    next_ = reinterpret_cast<std::uintptr_t>(parent.address());
  }

  /// `c` is told at the end; the task runs in a context of its own.
  void complete_with(completion& c, context& own) noexcept {
    ambient_ = &own;
    next_ = reinterpret_cast<std::uintptr_t>(&c) | completion_bit;
  }

  [[nodiscard]] context* ambient() const noexcept { return ambient_; }

  /// Where a task goes at its end, and its context until then.
  struct end_and_context {
    context* ambient;
    std::uintptr_t next;
  };

  /// From here on the task runs in a context of its own, and `c` is told of its end, which then goes on with what was there before:
  /// end_as, once.
  [[nodiscard]] end_and_context exchange_end(completion& c, context& own) noexcept {
    end_and_context const before{ambient_, next_ & ~failed_bit};
    complete_with(c, own);
    return before;
  }
  /// Returns what to go on with.
  [[nodiscard]] std::coroutine_handle<> end_as(end_and_context const& before) noexcept {
    ambient_ = before.ambient;
    next_ = before.next | (next_ & failed_bit);
    return go_on();
  }

  /// Whom complete_with has named, or null: a coroutine goes on at the end.
  [[nodiscard]] completion* told() const noexcept {
    return (next_ & completion_bit) ? reinterpret_cast<completion*>(next_ & ~bits) : nullptr;
  }

  /// Has it ended with an exception?
  [[nodiscard]] bool failed() const noexcept { return (next_ & failed_bit) != 0; }

  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct final_awaiter {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    WEFT_INLINE_AT_END std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      promise_base& me = self.promise();
      return me.go_on();  // Past here *this may be gone.
    }
    void await_resume() const noexcept {}
  };
  final_awaiter final_suspend() const noexcept { return {}; }

  /// What is not made for weft's workers is awaited through a guard that brings the task back to its pool. Throws what operator
  /// co_await throws: one may move what a user gave, or allocate.
  template <class A>
  decltype(auto) await_transform(A&& a) noexcept(native_awaitable<A> && awaiter_never_throws<A>());

 protected:
  void note_failure() noexcept { next_ |= failed_bit; }

 private:
  static constexpr std::uintptr_t completion_bit = 1, failed_bit = 2, bits = 3;

  [[gnu::always_inline]] std::coroutine_handle<> go_on() noexcept {
    auto* const next = reinterpret_cast<void*>(next_ & ~bits);
    if (next_ & completion_bit) {
      auto* const c = static_cast<completion*>(next);
      return c->at_end(c, *this);  // Past here *this may be gone.
    }
    return transfer(std::coroutine_handle<>::from_address(next));
  }

  // Both are set when the coroutine is begun, and not before.
  context* ambient_;
  std::uintptr_t next_;  // the address of a coroutine or, with completion_bit, of a completion
};

template <class P>
concept weft_promise = std::derived_from<P, promise_base>;

}  // namespace weft::detail
