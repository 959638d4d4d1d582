// Asking work to stop: stop_source says it, stop_token is asked, stop_callback is called.
//
// A state lives inside its source and knows its parent: asking a source asks everything below it, and a look at a token walks
// up. A child links itself into its parent only when something registers a callback, so that a fork pays nothing for
// being stoppable. Nothing here allocates.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/spin_lock.hpp>
#include <weft/os/futex.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <utility>

namespace weft {

/// What a stopped operation throws: neither a result nor a failure.
struct stopped : std::exception {
  char const* what() const noexcept override { return "weft: stopped"; }
};

namespace detail {

/// Is this failure the answer of something that was asked to stop?
[[nodiscard]] inline bool is_stopped(std::exception_ptr const& failure) noexcept {
  try {
    std::rethrow_exception(failure);
  } catch (stopped const&) {
    return true;
  } catch (...) {
    return false;
  }
}

/// One registration in a stop_state. invoke is called at most once, on the thread that asks for the stop.
class stop_registration : pinned {
 public:
  using invoke_function = void (*)(stop_registration*) noexcept;
  explicit stop_registration(invoke_function invoke) noexcept : invoke_(invoke), previous_(nullptr) {}

 private:
  friend class stop_state;
  struct raw {};
  explicit stop_registration(raw) noexcept {
  }  // a word of it is written before it is registered, and none if it never is
  invoke_function invoke_;
  stop_registration* next_;       // guarded by the state's lock
  stop_registration** previous_;  // guarded by the state's lock; null: not in the list
};

class stop_stripes;

//   requested_  false ── request_stop ──▶ true, for good
//   callbacks   guarded by lock_: those still to be called
//   asker       guarded by lock_: who is calling them, and which one it is calling now
//
//   E1  request_stop's release → stop_requested's acquire   what the asker wrote before asking is seen by who is asked
//
// A callback is taken from the list under the lock and called outside it. Removing one that is being called on another thread
// waits until it has returned; removing it on the same thread (inside itself) returns at once, and the asker then touches the
// registration no more. No lock is held while a callback runs; a child takes its parent's lock with its own held, a parent
// never a child's. A state may be destroyed inside one of its own callbacks, on the asking thread; on another thread it is destroyed only
// after request_stop has returned: whoever asks sees to that, and a child's link to its parent does.
//
// A state under which many tasks wait at the same time, on many workers, may have stripes: states below it that take registrations in its
// place, each from some of the workers, so that they do not meet at one lock.
//
//   E2  spread's release → is_spread's acquire   the stripes
//
/// Any thread may ask, look and register. Must outlive its tokens, registrations and linked children.
class stop_state : stop_registration {  // with its parent
 public:
  explicit stop_state(stop_state* parent = nullptr) noexcept : stop_registration(raw{}), parent_(parent) {}

  /// The parent, of a state that has been made without one and that nobody else has seen.
  void set_parent(stop_state* parent) noexcept { parent_ = parent; }

  /// Nothing will register any more: the parent may go before this one.
  void leave_parent() noexcept {
    if (!linked_) return;
    parent_->remove(*this);
    linked_ = false;
  }

  ~stop_state() {
    if (met_) [[unlikely]]
      part();
  }

  [[nodiscard]] bool stop_requested() const noexcept {
    for (stop_state const* s = this; s; s = s->parent_)
      if (s->requested_.load(memory_order_acquire)) return true;  // acquire: E1.
    return false;
  }

  [[nodiscard]] stop_state* parent() const noexcept { return parent_; }

  /// True: this call was the first. It returns when all callbacks have been called.
  bool request_stop() noexcept {
    lock_.lock();
    if (requested_.load(memory_order_relaxed)) {
      lock_.unlock();
      return false;
    }
    requested_.store(true, memory_order_release);  // release: E1.
    call_all();
    return true;
  }

  /// request_stop in two halves, for a thread that must not run the code of others: after say_stop, whoever looks sees the stop, and
  /// nothing registers with this state any more. first_with_callbacks: the caller sees to it that call_back is called, once, by anybody.
  enum class said { before, first, first_with_callbacks };
  [[nodiscard]] said say_stop() noexcept {
    spin_lock const guard(lock_);
    if (requested_.load(memory_order_relaxed)) return said::before;
    requested_.store(true, memory_order_release);  // release: E1.
    return met_ && meeting_.callbacks ? said::first_with_callbacks : said::first;
  }
  void call_back() noexcept {
    lock_.lock();
    call_all();
  }

  /// False: the stop has been asked for already, nothing was registered.
  [[nodiscard]] bool add(stop_registration& callback) noexcept {
    spin_lock const guard(lock_);
    if (requested_.load(memory_order_relaxed)) return false;
    if (!met_) [[unlikely]]
      meet();
    if (parent_ && !linked_) [[unlikely]]
      if (!link_to_parent()) return false;
    callback.next_ = meeting_.callbacks;
    callback.previous_ = &meeting_.callbacks;
    if (meeting_.callbacks) meeting_.callbacks->previous_ = &callback.next_;
    meeting_.callbacks = &callback;
    return true;
  }

  /// True: the callback has been taken out, and will not be called. False: it is being called, or has been. For somebody who keeps the
  /// registration and the state alive in another way: it does not wait.
  [[nodiscard]] bool take_out(stop_registration& callback) noexcept {
    spin_lock const guard(lock_);
    if (!callback.previous_) return false;
    unlink(callback);
    return true;
  }

  /// Where what waits on a worker registers: in this state or a stripe of it, `at(place)`, which is also where it is removed.
  using place = std::uint8_t;
  [[nodiscard]] bool is_spread() const noexcept {
    return spread_.load(memory_order_acquire);  // acquire: E2.
  }
  [[nodiscard]] static place place_for(unsigned worker) noexcept;  // once it is spread; else place 0
  [[nodiscard]] stop_state& at(place p) noexcept;

  /// From now on registrations are spread. The stripes are of this state, and there are none yet.
  void spread(stop_stripes& stripes) noexcept {
    stripes_ = &stripes;
    spread_.store(true, memory_order_release);  // release: E2.
  }

  /// Afterwards the callback is not running on another thread and will not be called. It may be one that add has refused.
  void remove(stop_registration& callback) noexcept {
    lock_.lock();
    if (callback.previous_) {
      unlink(callback);
    } else if (met_) {
      meeting& m = meeting_;
      while (m.asker && m.asker->running == &callback && m.asker->thread != this_thread_identity()) {
        auto const seen = m.returned.load(memory_order_relaxed);
        ++m.waiters;
        lock_.unlock();
        futex_wait(m.returned, seen);
        lock_.lock();
        --m.waiters;
      }
    }
    lock_.unlock();
  }

 private:
  struct asking {
    std::uintptr_t thread;
    stop_registration* running;
    bool gone;
  };

  // What is needed once somebody has registered; few states come to that.
  struct meeting {
    stop_registration* callbacks = nullptr;
    asking* asker = nullptr;
    std::uint32_t waiters = 0;
    atomic<std::uint32_t> returned{0};  // moves when a callback has returned and somebody waits for that
  };

  // With lock_.
  [[gnu::noinline]] void meet() noexcept {
    ::new (static_cast<void*>(&meeting_)) meeting();
    met_ = true;
  }
  // With lock_.
  [[nodiscard, gnu::noinline]] bool link_to_parent() noexcept {
    invoke_ = [](stop_registration* r) noexcept { static_cast<stop_state*>(r)->request_stop(); };
    previous_ = nullptr;
    return linked_ = parent_->add(*this);
  }
  [[gnu::noinline]] void part() noexcept {
    leave_parent();
    if (meeting_.asker) meeting_.asker->gone = true;  // destroyed inside one of its own callbacks
    meeting_.~meeting();
  }

  // With lock_, which it lets go.
  void call_all() noexcept {
    if (!met_) return lock_.unlock();
    asking now{.thread = this_thread_identity(), .running = nullptr, .gone = false};
    meeting& m = meeting_;
    m.asker = &now;
    while (stop_registration* const callback = m.callbacks) {
      unlink(*callback);
      now.running = callback;
      lock_.unlock();
      callback->invoke_(callback);  // Past here *callback may be gone.
      if (now.gone) return;         // and so may *this
      lock_.lock();
      now.running = nullptr;
      if (m.waiters != 0) {
        m.returned.fetch_add(1, memory_order_relaxed);
        futex_wake_all(m.returned);
      }
    }
    m.asker = nullptr;
    lock_.unlock();
  }

  static void unlink(stop_registration& callback) noexcept {
    *callback.previous_ = callback.next_;
    if (callback.next_) callback.next_->previous_ = callback.previous_;
    callback.previous_ = nullptr;
  }

  // A state of when_all is born for each call, so few words are written at birth.
  stop_state* parent_;
  atomic<bool> requested_{false};
  atomic<bool> spread_{false};
  bool met_ = false;     // guarded by lock_: meeting_ has been made
  bool linked_ = false;  // guarded by lock_; registered with the parent: only then is the base more than raw
  spin_mutex lock_;
  stop_stripes* stripes_;  // set before spread_
  union {
    meeting meeting_;  // guarded by lock_, raw until met_
  };
};

/// Owned by whoever owns the state that they take registrations for, and gone before it.
class stop_stripes : pinned {
 public:
  static constexpr unsigned count = modelled ? 2 : 8;
  explicit stop_stripes(stop_state& of) noexcept : stop_stripes(of, std::make_index_sequence<count>{}) {}

 private:
  friend class stop_state;
  struct alignas(cache_line) stripe : stop_state {
    explicit stripe(stop_state& of, std::size_t) noexcept : stop_state(&of) {}
  };
  template <std::size_t... I>
  stop_stripes(stop_state& of, std::index_sequence<I...>) noexcept : stripes_{stripe(of, I)...} {}
  std::array<stripe, count> stripes_;
};

inline stop_state& stop_state::at(place p) noexcept { return p == 0 ? *this : stripes_->stripes_[p - 1]; }

inline stop_state::place stop_state::place_for(unsigned worker) noexcept {
  return static_cast<place>(1 + worker % stop_stripes::count);
}

}  // namespace detail

/// Asks whether to stop. Copyable, two words at most; valid while its stop_source or task lives. Any thread.
class stop_token {
 public:
  stop_token() noexcept = default;

  /// True once the source or one above it has been asked to stop. Cost: a load per level.
  [[nodiscard]] bool stop_requested() const noexcept { return state_ && state_->stop_requested(); }

  /// False: there is no source, the answer above is always no.
  [[nodiscard]] bool stop_possible() const noexcept { return state_ != nullptr; }

  /// Throws weft::stopped if a stop has been asked for.
  void throw_if_stopped() const {
    if (stop_requested()) throw stopped{};
  }

  friend bool operator==(stop_token, stop_token) noexcept = default;

 private:
  friend class stop_source;
  template <class>
  friend class stop_callback;
  friend stop_token make_stop_token(detail::stop_state*) noexcept;
  detail::stop_state* state_ = nullptr;
};

inline stop_token make_stop_token(detail::stop_state* state) noexcept {
  stop_token token;
  token.state_ = state;
  return token;
}

/// Says stop. Pinned: its tokens point into it and must not outlive it. Any thread may ask.
class stop_source : detail::pinned {
 public:
  stop_source() noexcept = default;
  /// A source below another: it is stopped when that one is.
  explicit stop_source(stop_token parent) noexcept : state_(parent.state_) {}

  /// True: this call was the first to ask. The callbacks are called here, before it returns.
  bool request_stop() noexcept { return state_.request_stop(); }
  [[nodiscard]] bool stop_requested() const noexcept { return state_.stop_requested(); }
  [[nodiscard]] stop_token get_token() & noexcept { return make_stop_token(&state_); }
  stop_token get_token() && = delete;  // it would point into a source that is gone

 private:
  detail::stop_state state_;
};

/// Calls `f` when a stop is asked for: on the asking thread, or at once, here, if it has been asked for already. f must not
/// throw. The destructor returns only when f is not running on another thread. Allocates nothing.
template <class F>
class stop_callback : detail::stop_registration {
 public:
  stop_callback(stop_token token, F f)
      : stop_registration([](stop_registration* r) noexcept { static_cast<stop_callback*>(r)->f_(); }),
        f_(std::move(f)),
        state_(token.state_) {
    if (state_ && !state_->add(*this)) {
      state_ = nullptr;
      f_();
    }
  }

  ~stop_callback() {
    if (state_) state_->remove(*this);
  }

 private:
  F f_;
  detail::stop_state* state_;
};

}  // namespace weft
