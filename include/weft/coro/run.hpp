// run: the way from plain code into the pool and back: blocks the caller until the result is there.
#pragma once

#include <weft/coro/root.hpp>
#include <weft/sched/external.hpp>
#include <weft/sched/nested.hpp>
#include <weft/sched/pool.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

//   word   pending ── wait ──▶ waited ── signal ──▶ ended, and the waiter is woken
//          pending ── signal ──▶ ended
//
//   E1  signal's release → wait's acquire   the result
//
/// Where a thread waits for one end. The waiter owns it: signal touches it last by its exchange, then uses the address alone.
class one_end : pinned {
 public:
  void wait() noexcept { static_cast<void>(wait_until(clock::time_point::max())); }

  /// False: the deadline came first.
  [[nodiscard]] bool wait_until(clock::time_point deadline) noexcept {
    std::uint32_t seen = pending;
    word_.compare_exchange_strong(seen, waited, memory_order_relaxed);
    while (!signalled()) {
      if (deadline != clock::time_point::max() && clock::now() >= deadline) return false;
      futex_wait(word_, waited, deadline);
    }
    return true;
  }
  void signal() noexcept {
    if (word_.exchange(ended, memory_order_release) == waited) futex_wake(word_, 1);  // release: E1.
  }
  [[nodiscard]] bool signalled() const noexcept { return word_.load(memory_order_acquire) == ended; }  // acquire: E1.

 private:
  static constexpr std::uint32_t pending = 0, waited = 1, ended = 2;
  atomic<std::uint32_t> word_{pending};
};

template <class T>
struct end_and_result {
  one_end end;
  result_slot<T> slot;
};

/// A root on the stack of the thread that waits for it.
template <class X, class... Args>
class blocking_run : end_and_result<result_of<X, Args...>>, root<X, Args...> {
  using root_type = root<X, Args...>;

 public:
  using result = result_of<X, Args...>;

  template <class... Values>
  explicit blocking_run(scheduler& home, Values&&... values)
      : root_type(home, &home.stop(), this->slot, &blocking_run::ended, std::forward<Values>(values)...) {}

  result run() {
    scheduler& home = this->home();
    worker* const self = current_worker();
    home.root_started(self);
    if (self && &self->home == &home && self->kind != worker_kind::external) {
      // Its own pool: at once, on this stack.
      run_nested(*self, [&] { this->begin(*self); });
      if (!this->end.signalled())
        block_worker(*self, [this](clock::time_point deadline) { return this->end.wait_until(deadline); });
    } else {
      home.submit(this);
      if (self) block_worker(*self, [this](clock::time_point deadline) { return this->end.wait_until(deadline); });
      else this->end.wait();
    }
    return this->slot.take();
  }

 private:
  static void ended(root_type* r, worker& self) noexcept {
    static_cast<blocking_run*>(r)->end.signal();  // Past here *r is gone.
    self.home.root_ended(&self);
  }
};

template <class X, class... Args>
result_of<X, Args...> run_on(scheduler& home, X&& x, Args&&... args) {
  return blocking_run<std::decay_t<X>, std::decay_t<Args>...>(home, std::forward<X>(x), std::forward<Args>(args)...)
      .run();
}

inline void submit_and_sleep(scheduler& home, function_ref<void()> call) { run_on(home, call); }

}  // namespace detail

template <class X, class... Args>
decltype(auto) pool::run(X&& x, Args&&... args) {
  static_assert(
      runnable<X, Args...>,
      "pool::run takes a callable with its arguments, or an awaitable alone; arguments are moved: std::ref to borrow");
  if constexpr (runnable<X, Args...>) return detail::run_on(core_, std::forward<X>(x), std::forward<Args>(args)...);
}

/// Runs x on a pool and returns its result, or throws what it threw: asyncio.run, block_on. x is a callable or a coroutine function
/// with its arguments, which are moved (std::ref to borrow), or an awaitable. Blocks the calling thread. From a plain
/// thread, on the default pool; from a worker, on its own pool: there x begins at once, on the same stack, and if it has to
/// wait, the worker's place goes to a spare, so that no pool deadlocks.
template <class X, class... Args>
decltype(auto) run(X&& x, Args&&... args) {
  static_assert(
      runnable<X, Args...>,
      "run takes a callable with its arguments, or an awaitable alone; arguments are moved: std::ref to borrow");
  if constexpr (runnable<X, Args...>)
    return detail::run_on(detail::ambient_scheduler(), std::forward<X>(x), std::forward<Args>(args)...);
}

}  // namespace weft
