// future<T>: the result of something that has been started, and promise<T>: where such a result comes from.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/future/state.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/nested.hpp>

#include <algorithm>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

template <class T = void>
class shared_future;

namespace detail {
struct future_access;
}

/// What a future throws whose promise was destroyed without having been kept.
struct broken_promise : std::exception {
  char const* what() const noexcept override { return "weft: a promise was destroyed without a value or an exception"; }
};

/// The result of something started elsewhere. get(), co_await and then() consume it, once. Dropping one neither waits nor stops
/// anything: the work goes on, and a failure that nobody receives goes to the pool's handler. Movable; one thread at a time.
///
/// co_await f;
///   completes   when the result is there
///   result      the value, moved
///   on error    throws what the work threw; weft::broken_promise
///   on stop     leaves, and completes as stopped; the work goes on
///   resumes on  the pool it was awaited on
template <class T = void>
class future {
 public:
  future() noexcept = default;

  /// False: default-made, moved from or consumed.
  [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(state_); }
  /// Whether get() would return at once. Never waits.
  [[nodiscard]] bool ready() const noexcept { return state()->ready(); }

  /// Blocks until the result is there; returns it or throws the failure. On a worker: what has not begun runs here, at once;
  /// otherwise the worker gives its place to a spare, so that no pool deadlocks.
  T get() {
    wait();
    auto const taken = std::move(state_);
    return taken->result().take();
  }

  void wait() const { static_cast<void>(wait_until(clock::time_point::max())); }

  /// True: the result is there. False: the time is up.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> d) const {
    return wait_until(detail::deadline_after(d));
  }
  bool wait_until(clock::time_point deadline) const;

  /// Asks the work to stop; its result is then likely weft::stopped. Does not wait.
  void stop() { state()->request_stop(); }

  /// A future of f(value), or of f() for void, run when the result is there, on the pool that computes it, which must still
  /// exist; of a promise, on the current or default pool. A failure passes f by. f may return something to await. Defined in
  /// future/spawn.hpp.
  template <class F>
  auto then(F&& f);

  /// The same result for several readers; this future is consumed. Defined in future/shared_future.hpp.
  [[nodiscard]] shared_future<T> share();

  class awaiter;
  [[nodiscard]] awaiter operator co_await() noexcept { return awaiter(std::move(*this)); }

 private:
  friend struct detail::future_access;
  explicit future(detail::state_pointer<T> s) noexcept : state_(std::move(s)) {}

  detail::state_pointer<T> const& state() const noexcept {
    WEFT_ASSERT(valid(), "a future is consumed once: this one has been moved from, awaited or asked already");
    return state_;
  }

  detail::state_pointer<T> state_;
};

namespace detail {

struct future_access {
  template <class T>
  static future<T> make(state_pointer<T> s) noexcept {
    return future<T>(std::move(s));
  }
  template <class T>
  static state_pointer<T> take(future<T>& f) noexcept {
    return std::move(f.state_);
  }
  template <class T>
  static state_pointer<T> const& look(future<T> const& f) noexcept {
    return f.state();
  }
};

/// A thread that waits.
class waiting_thread : public listener {
 public:
  waiting_thread() noexcept : listener([](listener* l) noexcept { static_cast<waiting_thread*>(l)->end.signal(); }) {}
  one_end end;
};

/// Blocks until s is ready (true) or the time is up (false). Thread is what s notifies.
template <class Thread, class State>
bool block_until_ready(State& s, clock::time_point deadline) {
  if (s.ready()) return true;
  worker* const self = current_worker();
  if (self && self->kind != worker_kind::external && deadline == clock::time_point::max()) {
    s.begin_inline(*self, State::inline_work::any);
    if (s.ready()) return true;
  }
  Thread here;
  if (!s.attach(here)) return true;
  bool in_time = false;
  // True: waited long enough, one way or the other.
  auto const wait = [&](clock::time_point at_most) {
    in_time = here.end.wait_until(std::min(deadline, at_most));
    if (!in_time && at_most < deadline) return false;
    // Late, and called all the same: the call is about to end.
    if (!in_time && !s.detach(here)) {
      here.end.wait();
      in_time = true;
    }
    return true;
  };
  if (self) block_worker(*self, wait);
  else wait(deadline);
  return in_time;
}

}  // namespace detail

template <class T>
bool future<T>::wait_until(clock::time_point deadline) const {
  return detail::block_until_ready<detail::waiting_thread>(*state(), deadline);
}

template <class T>
class future<T>::awaiter : public detail::stoppable_suspension<typename future<T>::awaiter>, detail::listener {
 public:
  explicit awaiter(future&& f) noexcept
      : listener([](listener* l) noexcept { static_cast<awaiter*>(l)->fire(); }),
        state_((f.state(), std::move(f.state_))) {}
  // Moved only before it is awaited.
  awaiter(awaiter&& other) noexcept : awaiter(future(std::move(other.state_))) {}

  // What only computes and has not begun is computed here and now: cheaper than two ways through the queues.
  [[nodiscard]] bool await_ready() const noexcept {
    if (state_->ready()) return true;
    state_->begin_inline(*detail::current_worker(), detail::future_state<T>::inline_work::computing);
    return state_->ready();
  }

  T await_resume() {
    this->finish_wait();
    return state_->result().take();
  }

 private:
  friend class detail::stoppable_suspension<awaiter>;
  bool start() noexcept { return state_->attach(*this); }
  bool withdraw() noexcept { return state_->detach(*this); }

  detail::state_pointer<T> state_;
};

/// The other end of a future, which computes nothing: an exception that nobody asks for is dropped with it. The one who keeps it sets a value or an exception once. Any thread, one at a time. Destroyed
/// without having been kept, it leaves weft::broken_promise.
template <class T = void>
class promise {
 public:
  promise() : state_(new shared) {}
  promise(promise&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)), future_taken_(other.future_taken_) {}
  promise& operator=(promise&& other) noexcept {
    promise old(std::move(*this));
    state_ = std::exchange(other.state_, nullptr);
    future_taken_ = other.future_taken_;
    return *this;
  }
  ~promise() {
    if (state_) set_exception(std::make_exception_ptr(broken_promise{}));
  }

  /// The future; once.
  [[nodiscard]] future<T> get_future() {
    WEFT_ASSERT(state_ && !future_taken_, "a promise has one future, and gives it before it is kept");
    future_taken_ = true;
    state_->add_reference();
    return detail::future_access::make(detail::state_pointer<T>(state_));
  }

  template <class... Value>
    requires((std::is_void_v<T> && sizeof...(Value) == 0) || (!std::is_void_v<T> && sizeof...(Value) == 1))
  void set_value(Value&&... value) {
    auto* const s = kept();
    s->result().set_value(std::forward<Value>(value)...);
    finish();
  }
  /// A null pointer is delivered as std::invalid_argument.
  void set_exception(std::exception_ptr failure) noexcept {
    kept()->result().set_failure(
        detail::given_failure(std::move(failure), "weft::promise::set_exception: expected an exception, got null"));
    finish();
  }
  void set_stopped() noexcept { set_exception(std::make_exception_ptr(stopped{})); }

 private:
  struct shared final : detail::future_state<T> {
    shared() noexcept : detail::future_state<T>(1, nullptr) {}
  };

  shared* kept() const noexcept {
    WEFT_ASSERT(state_, "a promise is kept once");
    return state_;
  }
  void finish() noexcept {
    auto* const s = std::exchange(state_, nullptr);
    s->complete();
    s->release();
  }

  shared* state_;
  bool future_taken_ = false;
};

/// A future whose result is there.
template <class T>
[[nodiscard]] future<std::decay_t<T>> make_ready_future(T&& value) {
  promise<std::decay_t<T>> p;
  auto f = p.get_future();
  p.set_value(std::forward<T>(value));
  return f;
}
[[nodiscard]] inline future<> make_ready_future() {
  promise<> p;
  auto f = p.get_future();
  p.set_value();
  return f;
}

}  // namespace weft
