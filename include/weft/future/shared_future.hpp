// shared_future<T>: one result for several readers.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/intrusive.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/driver.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {
template <class T>
class shared_state;
struct shared_access;
}  // namespace detail

/// The result of something started elsewhere, for any number of readers: future::share() makes one, and it is copied. Each copy may be
/// asked and awaited as often as wanted, and gives the value where it stands, which lives as long as any copy. Dropping all of
/// them neither waits nor stops anything; a failure that none of them has thrown goes to the pool's handler then. Any thread
/// may use the copies; one thread at a time each single one.
///
/// co_await s;
///   completes   when the result is there; those who wait go on in the order in which they came
///   result      the value, as a reference to constant; a reference stays what it is
///   on error    throws what the work threw, to each reader; weft::broken_promise
///   on stop     this reader leaves, and completes as stopped; the work and the other readers go on
///   resumes on  the pool it was awaited on
template <class T>
class shared_future {
 public:
  /// What a reader gets.
  using reference = std::conditional_t<std::is_void_v<T>, void, std::add_lvalue_reference_t<T const>>;

  shared_future() noexcept = default;
  shared_future(shared_future const& other) noexcept : state_(other.state_) {
    if (state_) state_->add_reference();
  }
  shared_future(shared_future&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  shared_future& operator=(shared_future other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~shared_future() {
    if (state_) state_->release();
  }

  /// False: default-made or moved from.
  [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }
  /// Whether get() would return at once. Never waits.
  [[nodiscard]] bool ready() const noexcept { return state().ready(); }

  /// Blocks until the result is there; returns it where it stands, or throws the failure. On a worker like future::get().
  reference get() const {
    wait();
    return state().read();
  }

  void wait() const { static_cast<void>(wait_until(clock::time_point::max())); }

  /// True: the result is there. False: the time is up.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> d) const {
    return wait_until(detail::deadline_after(d));
  }
  bool wait_until(clock::time_point deadline) const;

  /// Asks the work to stop, for all readers. Does not wait.
  void stop() const { state().request_stop(); }

  /// A future of f(value), or of f() for void, run when the result is there, on the pool that computes it, which must still
  /// exist; of a promise, on the current or default pool. A failure passes f by. f may return something to await; the value
  /// lives until that has ended. Two blocks from the per-worker cache.
  template <class F>
  auto then(F&& f) const;

  class awaiter;
  [[nodiscard]] awaiter operator co_await() const noexcept { return awaiter(*this); }

 private:
  friend struct detail::shared_access;
  explicit shared_future(detail::shared_state<T>* owned) noexcept : state_(owned) {}

  detail::shared_state<T>& state() const noexcept {
    WEFT_ASSERT(state_, "this shared_future has no result: it was made without one, or moved from");
    return *state_;
  }

  detail::shared_state<T>* state_ = nullptr;
};

namespace detail {

/// Whoever waits for a shared result. is_ready is called once, on the thread that completes it.
struct shared_reader : list_link {
  enum class among { one, several };  // who go on
  using function = void (*)(shared_reader*, among) noexcept;
  explicit shared_reader(function f) noexcept : is_ready(f) {}
  function is_ready;
};

//   A reader stands in readers_, or has been taken out by its own detach, or by the completion, which then calls it.
//   The future's state is ready before the completion takes lock_: an attach that finds it not ready, under lock_, comes before that.
//
//   E1  release of a reference → the last one's acquire   everything before destruction
//
/// What the readers share: it listens to the future's own state in their place. Any thread.
template <class T>
class shared_state final : public cached_allocation, listener, pinned {
 public:
  using inline_work = typename future_state<T>::inline_work;

  /// One reference is the caller's.
  static shared_state* make(state_pointer<T>&& source) {
    auto* const me = new shared_state(std::move(source));
    if (!me->source_->attach(*me)) me->release();
    return me;
  }

  [[nodiscard]] bool ready() const noexcept { return source_->ready(); }
  void begin_inline(worker& self, inline_work what) noexcept { source_->begin_inline(self, what); }
  void request_stop() noexcept { source_->request_stop(); }
  [[nodiscard]] scheduler* home() const noexcept { return source_->home(); }

  /// False: ready already, the reader will not be called.
  [[nodiscard]] bool attach(shared_reader& r) noexcept {
    small_lock const guard(lock_);
    if (ready()) return false;
    readers_.push_back(&r);
    return true;
  }

  /// True: the reader will not be called. False: it has been or is being called.
  [[nodiscard]] bool detach(shared_reader& r) noexcept {
    small_lock const guard(lock_);
    if (!r.linked()) return false;
    readers_.remove(&r);
    return true;
  }

  /// Once it is ready.
  typename shared_future<T>::reference read() {
    if (source_->result().has_failure()) failure_thrown_.store(true, memory_order_relaxed);
    return source_->result().peek();
  }

  void add_reference() noexcept { references_.fetch_add(1, memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1, memory_order_acq_rel) == 1) delete this;  // E1.
  }

 private:
  explicit shared_state(state_pointer<T>&& source) noexcept
      : listener([](listener* l) noexcept { static_cast<shared_state*>(l)->completed(); }),
        source_(std::move(source)) {}
  ~shared_state() {
    // A failure that has reached somebody is no longer the pool's handler's.
    if (failure_thrown_.load(memory_order_relaxed)) static_cast<void>(source_->result().take_failure());
  }

  void completed() noexcept {
    auto how = shared_reader::among::one;
    for (bool first = true;; first = false) {
      shared_reader* next;
      {
        small_lock const guard(lock_);
        next = readers_.pop_front();
        if (first && !readers_.empty()) how = shared_reader::among::several;
      }
      if (!next) break;
      next->is_ready(next, how);  // Past here *next may be gone.
    }
    release();
  }

  state_pointer<T> const source_;
  atomic<std::uint32_t> references_{2};  // the copies', and one until it is ready
  atomic<bool> failure_thrown_{false};
  small_mutex lock_;
  intrusive_list<shared_reader> readers_;  // guarded by lock_
};

struct shared_access {
  template <class T>
  static shared_future<T> make(shared_state<T>* owned) noexcept {
    return shared_future<T>(owned);
  }
  template <class T>
  static shared_state<T>& look(shared_future<T> const& f) noexcept {
    return f.state();
  }
};

/// A thread that waits for a shared result.
class sharing_thread : public shared_reader {
 public:
  sharing_thread() noexcept
      : shared_reader([](shared_reader* r, among) noexcept { static_cast<sharing_thread*>(r)->end.signal(); }) {}
  one_end end;
};

/// What shared_future::then() runs. A function, not a lambda: its arguments live in its frame.
template <class R, class T, class F>
task<R> after_shared(shared_future<T> before, F f) {
  [[maybe_unused]] int const keeps_gcc_12_sane = 0;
  co_await before;
  auto call = [&]() -> decltype(auto) {
    if constexpr (std::is_void_v<T>) return std::invoke(std::move(f));
    else return std::invoke(std::move(f), before.get());
  };
  if constexpr (awaitable<decltype(call())>) {
    auto waiting = call();
    if constexpr (std::is_void_v<R>) co_await std::move(waiting);
    else co_return co_await std::move(waiting);
  } else if constexpr (std::is_void_v<R>) {
    call();
  } else {
    co_return call();
  }
}

template <class T, class F>
struct shared_then_result {
  using type = std::invoke_result_t<F, T const&>;
};
template <class T, class F>
  requires std::is_void_v<T>
struct shared_then_result<T, F> {
  using type = std::invoke_result_t<F>;
};

}  // namespace detail

template <class T>
shared_future<T> future<T>::share() {
  WEFT_ASSERT(valid(), "a future is consumed once: this one has been moved from, awaited or asked already");
  return detail::shared_access::make(detail::shared_state<T>::make(std::move(state_)));
}

template <class T>
bool shared_future<T>::wait_until(clock::time_point deadline) const {
  return detail::block_until_ready<detail::sharing_thread>(state(), deadline);
}

template <class T>
template <class F>
auto shared_future<T>::then(F&& f) const {
  using f_type = std::decay_t<F>;
  using result = typename detail::settled<typename detail::shared_then_result<T, f_type>::type>::type;
  detail::scheduler* const home = state().home();
  return detail::spawn_on(home ? *home : detail::ambient_scheduler(), &detail::after_shared<result, T, f_type>, *this,
                          std::forward<F>(f));
}

template <class T>
class shared_future<T>::awaiter : public detail::stoppable_suspension<typename shared_future<T>::awaiter>,
                                  detail::shared_reader {
 public:
  explicit awaiter(shared_future const& f) noexcept : shared_reader(&awaiter::wake), future_(f) {}
  // Moved only before it is awaited.
  awaiter(awaiter&& other) noexcept : awaiter(other.future_) {}

  [[nodiscard]] bool await_ready() const noexcept {
    auto& s = future_.state();
    if (s.ready()) return true;
    s.begin_inline(*detail::current_worker(), detail::shared_state<T>::inline_work::computing);
    return s.ready();
  }

  reference await_resume() {
    this->finish_wait();
    return future_.state().read();
  }

 private:
  friend class detail::stoppable_suspension<awaiter>;
  bool start() noexcept { return future_.state().attach(*this); }
  bool withdraw() noexcept { return future_.state().detach(*this); }

  // Several go behind what is ready, so that they keep their order; one alone goes in front.
  static void wake(shared_reader* r, among how) noexcept {
    auto& me = *static_cast<awaiter*>(r);
    if (how == among::one) return me.fire();
    detail::scheduler& home = *me.ambient->home;
    detail::ready_batch armed;
    me.fire_into(armed, home);  // Past here me may be gone, unless it is in the batch.
    if (detail::ready_job* const j = armed.pop()) home.submit(j);
  }

  shared_future const future_;
};

}  // namespace weft
