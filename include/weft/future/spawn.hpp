// spawn: start something now and go on; then: what is to happen with its result.
#pragma once

#include <weft/coro/root.hpp>
#include <weft/future/future.hpp>
#include <weft/sched/pool.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

//   begun_   false ── the queue's or the waiter's exchange ──▶ true: whoever made it so runs the work
//
// References: one for the future, one for the entry in the queue, which becomes the run's. A waiter that begins the work inline
// adds one for its run; the entry then finds that there is nothing to do.
/// Work that has been spawned, its callable and its result in one block.
template <class X, class... Args>
class spawned : public future_state<result_of<X, Args...>>, public root<X, Args...> {
  using state = future_state<result_of<X, Args...>>;
  using root_type = root<X, Args...>;

 public:
  template <class... Values>
  explicit spawned(scheduler& home, Values&&... values)
      : state(2, &home),
        root_type(home, &home.stop(), state::result(), &spawned::ended, std::forward<Values>(values)...) {
    static_cast<ready_job*>(this)->act = &spawned::begin_unless_begun;
  }

  void request_stop() noexcept override { this->stop().request_stop(); }

  /// Not to be begun by anybody, not even by who waits for it, until it is let go.
  void hold_back() noexcept { held_back_.store(true, memory_order_relaxed); }
  void let_go() noexcept { held_back_.store(false, memory_order_release); }  // release → begin_inline's acquire

  void begin_inline(worker& self, typename state::inline_work what) noexcept override {
    if (bound_work<X, Args...>::waits && what == state::inline_work::computing) return;
    if (&self.home != &root_type::home() || held_back_.load(memory_order_acquire)) return;  // acquire: let_go.
    if (begun_.exchange(true, memory_order_relaxed)) return;
    this->add_reference();
    run_nested(self, [&] { this->begin(self); });
  }

 private:
  static void begin_unless_begun(job* j, worker& self, job_order) noexcept {
    auto* const me = static_cast<spawned*>(static_cast<ready_job*>(j));
    if (me->begun_.exchange(true, memory_order_relaxed)) me->release();
    else me->begin(self);
  }

  static void ended(root_type* r, worker& self) noexcept {
    auto* const me = static_cast<spawned*>(r);
    me->complete();
    me->release();
    self.home.root_ended(&self);
  }

  atomic<bool> begun_{false};
  atomic<bool> held_back_{false};
};

/// A root that is about to start, counted: no longer if something throws before it is kept.
class counted_root : pinned {
 public:
  explicit counted_root(scheduler& home) : home_(home), self_(current_worker()) { home.root_started(self_); }
  ~counted_root() {
    if (!kept_) home_.root_ended(self_);
  }
  void keep() noexcept { kept_ = true; }

 private:
  scheduler& home_;
  worker* self_;
  bool kept_ = false;
};

template <class... Values>
concept can_be_kept = (std::constructible_from<std::decay_t<Values>, Values> && ...);

template <class X, class... Args>
future<result_of<X, Args...>> spawn_on(scheduler& home, X&& x, Args&&... args) {
  warn_if_of_closure(x, "spawn");
  counted_root counted(home);
  auto* const s =
      new spawned<std::decay_t<X>, std::decay_t<Args>...>(home, std::forward<X>(x), std::forward<Args>(args)...);
  counted.keep();
  home.submit(s);
  return future_access::make(state_pointer<result_of<X, Args...>>(s));
}

/// What then() runs: the state before, and what to do with its result.
template <class T, class F>
struct continuation {
  future_state<T>* before;  // the chain keeps it
  F f;
  decltype(auto) operator()() && {
    if (!before->ready()) throw stopped{};
    if constexpr (std::is_void_v<T>) {
      before->result().take();
      return std::invoke(std::move(f));
    } else {
      return std::invoke(std::move(f), before->result().take());
    }
  }
};

//   Who takes the listener out of the state before, by its completion or by detach, lets the work go: one of them alone can.
//
/// Work that begins when the state before it is ready, or when it is asked to stop.
template <class T, class F>
class chained final : public spawned<continuation<T, F>>, listener, stop_registration {
  using base = spawned<continuation<T, F>>;

 public:
  static future<result_of<continuation<T, F>>> start(scheduler& home, state_pointer<T> before, F f) {
    counted_root counted(home);
    auto* const me = new chained(home, std::move(before), std::move(f));
    counted.keep();
    auto result = future_access::make(state_pointer<result_of<continuation<T, F>>>(me));
    me->add_reference();
    // Registered first: a stop that comes before the listener is attached finds nothing to detach, and is seen below (state E4).
    static_cast<void>(me->stop().add(*me));
    if (!me->before_->attach(*me)) me->go();
    else if (me->stop().stop_requested()) give_up(me);
    me->release();
    return result;
  }

  ~chained() override { this->stop().remove(*this); }

 private:
  chained(scheduler& home, state_pointer<T>&& before, F&& f)
      : base(home, continuation<T, F>{&*before, std::move(f)}),
        listener([](listener* l) noexcept { static_cast<chained&>(*l).go(); }),
        stop_registration(&chained::give_up),
        before_(std::move(before)) {
    this->hold_back();
  }

  static void give_up(stop_registration* r) noexcept {
    auto& me = static_cast<chained&>(*r);
    if (me.before_->detach(me)) me.go();
  }

  // Let go last: a waiter that begins the work may end it, and then its pool. Until then only what has been submitted begins it, and
  // submit may be left while that ends the pool.
  void go() noexcept {
    this->add_reference();
    static_cast<root<continuation<T, F>>*>(this)->home().submit_woken(this);
    this->let_go();
    this->release();
  }

  state_pointer<T> before_;  // kept to the end: a stop may come after the work has ended
};

}  // namespace detail

template <class X, class... Args>
auto pool::spawn(X&& x, Args&&... args) {
  static_assert(runnable<X, Args...>,
                "pool::spawn takes a callable with its arguments, or an awaitable alone; arguments are moved: std::ref "
                "to borrow");
  static_assert(detail::can_be_kept<X, Args...>, "pool::spawn keeps what it is given: std::move what cannot be copied");
  if constexpr (runnable<X, Args...> && detail::can_be_kept<X, Args...>)
    return detail::spawn_on(core_, std::forward<X>(x), std::forward<Args>(args)...);
}

/// Starts x now, on the current pool, else on the default one, and returns a future of its result: Go's go, create_task,
/// std::async. x is a callable or a coroutine function with its arguments, which are moved (std::ref to borrow), or an awaitable.
/// It is the root of a tree of its own: dropping or awaiting the future does not stop it, future::stop() and the
/// pool's end do. Any thread. One allocation, from a per-worker cache, and one for a coroutine's frame. Throws std::bad_alloc, and
/// std::logic_error on a pool that has been shut down; then nothing has begun.
/// A lambda that is a coroutine is given itself, and kept: `spawn(f, args...)`. Its task alone, `spawn(f(args...))`, has nothing but a
/// pointer to the captures; builds without NDEBUG say so on standard error, with GCC.
template <class X, class... Args>
auto spawn(X&& x, Args&&... args) {
  static_assert(
      runnable<X, Args...>,
      "spawn takes a callable with its arguments, or an awaitable alone; arguments are moved: std::ref to borrow");
  static_assert(detail::can_be_kept<X, Args...>, "spawn keeps what it is given: std::move what cannot be copied");
  if constexpr (runnable<X, Args...> && detail::can_be_kept<X, Args...>)
    return detail::spawn_on(detail::ambient_scheduler(), std::forward<X>(x), std::forward<Args>(args)...);
}

template <class T>
template <class F>
auto future<T>::then(F&& f) {
  detail::scheduler* const home = state()->home();
  return detail::chained<T, std::decay_t<F>>::start(home ? *home : detail::ambient_scheduler(), std::move(state_),
                                                    std::forward<F>(f));
}

}  // namespace weft
