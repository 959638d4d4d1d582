// Awaiting what was not made for weft: whatever thread a foreign awaitable resumes on, the task goes on in its own pool.
#pragma once

#include <weft/coro/concepts.hpp>
#include <weft/coro/promise.hpp>
#include <weft/sched/scheduler.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// The coroutine whose handle a foreign awaitable gets. Resumed, it puts the task into its pool's queue, and is gone.
class homecoming {
 public:
  struct promise_type : cached_allocation {
    homecoming get_return_object() noexcept {
      return homecoming(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }  // cannot be: nothing in there throws
  };
  std::coroutine_handle<> handle;

 private:
  explicit homecoming(std::coroutine_handle<> h) noexcept : handle(h) {}
};

template <class = void>  // config.hpp: WEFT_DEFINE_FRIENDS
homecoming come_home(resumption* task, scheduler* home) {
  home->submit_woken(task);
  co_return;
}

/// Stands between a task and a foreign awaiter, which it owns or, for an lvalue, borrows.
template <class A>
class foreign_awaiter : public native_awaiter {
 public:
  explicit foreign_awaiter(A&& a) : inner_(get_awaiter(static_cast<A&&>(a))) {}
  foreign_awaiter(foreign_awaiter const&) = delete;
  foreign_awaiter& operator=(foreign_awaiter const&) = delete;
  // Resumed through the queue, the guard has run and is gone; otherwise it never began.
  ~foreign_awaiter() {
    if (guard_ && !resumption_.ran) guard_.destroy();
  }

  [[nodiscard]] bool await_ready() { return static_cast<bool>(inner_.await_ready()); }

  template <weft_promise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) {
    context* const ambient = parent.promise().ambient();
    resumption_.handle = parent;
    resumption_.ambient = ambient;
    auto const guard = come_home<>(&resumption_, ambient->home).handle;
    guard_ = guard;
    using result = decltype(inner_.await_suspend(guard));
    // After a suspension that began, *this may be gone: only locals are touched.
    if constexpr (std::is_void_v<result>) {
      inner_.await_suspend(guard);
      return std::noop_coroutine();
    } else if constexpr (std::is_same_v<result, bool>) {
      if (inner_.await_suspend(guard)) return std::noop_coroutine();
      return parent;
    } else {
      std::coroutine_handle<> const next = inner_.await_suspend(guard);
      return next == guard ? std::coroutine_handle<>(parent) : next;
    }
  }

  decltype(auto) await_resume() { return inner_.await_resume(); }

 private:
  using inner = decltype(get_awaiter(std::declval<A>()));
  inner inner_;
  struct marked : resumption {
    marked() noexcept { act = &marked::run; }
    bool ran = false;
    static void run(job* j, worker& self, job_order) noexcept {
      auto& r = *static_cast<marked*>(j);
      r.ran = true;
      self.current = r.ambient;
      resume(self, r.handle);  // Past here *j may be gone.
    }
  } resumption_;
  std::coroutine_handle<> guard_;
};

/// An awaiter where it stands, for compilers that copy one which await_transform returns by reference.
template <class A>
class awaiter_reference {
 public:
  explicit awaiter_reference(A& a) noexcept : a_(a) {}
  [[nodiscard]] bool await_ready() { return a_.await_ready(); }
  template <weft_promise Promise>
  decltype(auto) await_suspend(std::coroutine_handle<Promise> h) {
    return a_.await_suspend(h);
  }
  decltype(auto) await_resume() { return a_.await_resume(); }

 private:
  A& a_;
};

template <class A>
decltype(auto) promise_base::await_transform(A&& a) noexcept(native_awaitable<A> && awaiter_never_throws<A>()) {
  static_assert(awaitable<A>,
                "co_await in a weft::task needs an awaitable: a task, a future, or anything with await_ready, "
                "await_suspend and await_resume, or with operator co_await");
  if constexpr (!native_awaitable<A>) return foreign_awaiter<A>(static_cast<A&&>(a));
  else if constexpr (awaiter<A> && awaiters_are_copied) return awaiter_reference<std::remove_reference_t<A>>(a);
  else if constexpr (awaiter<A>) return static_cast<A&&>(a);
  else return get_awaiter(static_cast<A&&>(a));
}

}  // namespace weft::detail
