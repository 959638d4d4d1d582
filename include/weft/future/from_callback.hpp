// from_callback<T>: awaits a call that reports its end by calling back.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/future/future.hpp>
#include <weft/future/state.hpp>
#include <weft/sched/worker.hpp>

#include <cstdint>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

//   called_      false ── the first call's exchange ──▶ true: it alone sets the result
//   callbacks_   copies of the callback; they hold one reference to the state together
//
//   E1  drop's release → the last drop's acquire   what was done with the other copies
//
/// What an awaiting task and the callbacks of its call share.
template <class T>
class callback_state final : public future_state<T> {
 public:
  callback_state() noexcept : future_state<T>(2, nullptr) {}

  void add_callback() noexcept { callbacks_.fetch_add(1, memory_order_relaxed); }
  void drop_callback() noexcept {
    if (callbacks_.fetch_sub(1, memory_order_acq_rel) != 1) return;  // E1.
    if (!called_.load(memory_order_relaxed)) fail(std::make_exception_ptr(broken_promise{}));
    this->release();
  }

  template <class... Value>
  void succeed(Value&&... value) noexcept {
    if (!claim()) return;
    try {
      this->result().set_value(std::forward<Value>(value)...);
    } catch (...) {
      this->result().set_failure(std::current_exception());
    }
    this->complete();
  }
  void fail(std::exception_ptr failure) noexcept {
    if (!claim()) return;
    this->result().set_failure(std::move(failure));
    this->complete();
  }

 private:
  bool claim() noexcept {
    bool const first = !called_.exchange(true, memory_order_relaxed);
    WEFT_ASSERT(first, "a callback of from_callback is called once, whichever of its copies");
    return first;
  }

  atomic<std::uint32_t> callbacks_{1};
  atomic<bool> called_{false};
};

template <class T, class... Value>
concept callback_value =
    (std::is_void_v<T> && sizeof...(Value) == 0) ||
    (std::is_reference_v<T> && sizeof...(Value) == 1 && (std::is_convertible_v<Value, T> && ...)) ||
    (std::is_object_v<T> && std::is_constructible_v<T, Value...>);

template <class T, class F>
class callback_awaiter;

}  // namespace detail

/// What from_callback hands to the call that is awaited. It and its copies are called once, from any thread, at once or later;
/// that outlives a task that was stopped meanwhile, and does nothing then. When the last copy goes without having been called, the task gets
/// weft::broken_promise. One word; copies count in an atomic.
template <class T = void>
class callback {
 public:
  callback(callback const& other) noexcept : state_(other.state_) {
    if (state_) state_->add_callback();
  }
  callback(callback&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  callback& operator=(callback other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~callback() {
    if (state_) state_->drop_callback();
  }

  /// The result, made of these arguments; what making it throws is the result then.
  template <class... Value>
    requires detail::callback_value<T, Value...>
  void operator()(Value&&... value) const noexcept {
    state().succeed(std::forward<Value>(value)...);
  }

  /// The call has failed; weft::stopped: it was cancelled. A null pointer is delivered as std::invalid_argument.
  void set_exception(std::exception_ptr failure) const noexcept {
    state().fail(
        detail::given_failure(std::move(failure), "weft::callback::set_exception: expected an exception, got null"));
  }
  void set_stopped() const noexcept { set_exception(std::make_exception_ptr(stopped{})); }

 private:
  template <class, class>
  friend class detail::callback_awaiter;
  explicit callback(detail::callback_state<T>* owned) noexcept : state_(owned) {}

  detail::callback_state<T>& state() const noexcept {
    WEFT_ASSERT(state_, "this callback has been moved from");
    return *state_;
  }

  detail::callback_state<T>* state_;
};

namespace detail {

template <class T, class F>
class callback_awaiter : public stoppable_suspension<callback_awaiter<T, F>>, listener {
 public:
  explicit callback_awaiter(F&& f)
      : listener([](listener* l) noexcept { static_cast<callback_awaiter*>(l)->fire(); }), f_(std::move(f)) {}

  [[nodiscard]] bool await_ready() {
    context const* const around = current_worker()->current;
    if (around->stop && around->stop->stop_requested()) throw stopped{};
    auto* const s = new callback_state<T>;
    state_ = state_pointer<T>(s);
    static_cast<void>(std::invoke(std::move(f_), callback<T>(s)));
    return s->ready();
  }

  T await_resume() {
    this->finish_wait();
    return state_->result().take();
  }

 private:
  friend class stoppable_suspension<callback_awaiter>;
  bool start() noexcept { return state_->attach(*this); }
  bool withdraw() noexcept { return state_->detach(*this); }

  F f_;
  state_pointer<T> state_;
};

template <class T, class F>
class [[nodiscard]] callback_operation {
 public:
  explicit callback_operation(F f) : f_(std::move(f)) {}
  auto operator co_await() { return callback_awaiter<T, F>(std::move(f_)); }

 private:
  F f_;
};

}  // namespace detail

/// T v = co_await from_callback<T>([](auto done) { legacy_call(done); });
///   completes   when done, a weft::callback<T>, or a copy of it has been called: done(value), done() for void, done.set_exception(e)
///   result      what it was called with
///   on error    throws what it was given, or what the function threw; weft::broken_promise if done goes without having been called
///   on stop     a call that has not begun is not made. One that has is left alone: the task completes as stopped at once, and what done
///               brings later is dropped, so what the call writes to must not be the task's own. To end the call early, register a
///               weft::stop_callback in it on this_task::stop_token()
///   resumes on  the pool it was awaited on
/// The function runs when it is awaited, once, as part of the task, and lives until the task goes on. One block from the per-worker cache.
template <class T = void, class F>
  requires std::invocable<std::decay_t<F>, callback<T>>
[[nodiscard]] auto from_callback(F&& f) {
  return detail::callback_operation<T, std::decay_t<F>>(std::forward<F>(f));
}

}  // namespace weft
