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
  explicit stop_registration(invoke_function invoke) noexcept : invoke_(invoke) {}

 private:
  friend class stop_state;
  invoke_function invoke_;
  stop_registration* next_ = nullptr;       // guarded by the state's lock
  stop_registration** previous_ = nullptr;  // guarded by the state's lock; null: not in the list
};

//   requested_  false ── request_stop ──▶ true, for good
//   callbacks_  guarded by lock_: those still to be called
//   asker_      guarded by lock_: who is calling them, and which one it is calling now
//
//   E1  request_stop's release → stop_requested's acquire   what the asker wrote before asking is seen by who is asked
//
// A callback is taken from the list under the lock and called outside it. Removing one that is being called on another thread
// waits until it has returned; removing it on the same thread (inside itself) returns at once, and the asker then touches the
// registration no more. No lock is held while a callback runs; a child takes its parent's lock with its own held, a parent
// never a child's. A state may be destroyed inside one of its own callbacks, on the asking thread; on another thread it is destroyed only
// after request_stop has returned: whoever asks sees to that, and a child's link to its parent does.
/// Any thread may ask, look and register. Must outlive its tokens, registrations and linked children.
class stop_state : pinned {
 public:
  explicit stop_state(stop_state* parent = nullptr) noexcept : parent_(parent) {}

  /// Nothing will register any more: the parent may go before this one.
  void leave_parent() noexcept {
    if (!linked_) return;
    parent_->remove(link_);
    link_.~parent_link();
    linked_ = false;
  }

  ~stop_state() {
    leave_parent();
    if (asker_) asker_->gone = true;  // destroyed inside one of its own callbacks
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
    return callbacks_ ? said::first_with_callbacks : said::first;
  }
  void call_back() noexcept {
    lock_.lock();
    call_all();
  }

  /// False: the stop has been asked for already, nothing was registered.
  [[nodiscard]] bool add(stop_registration& callback) noexcept {
    spin_lock const guard(lock_);
    if (requested_.load(memory_order_relaxed)) return false;
    if (parent_ && !linked_) {
      ::new (static_cast<void*>(&link_)) parent_link(this);
      if (!parent_->add(link_)) return false;
      linked_ = true;
    }
    callback.next_ = callbacks_;
    callback.previous_ = &callbacks_;
    if (callbacks_) callbacks_->previous_ = &callback.next_;
    callbacks_ = &callback;
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

  /// Afterwards the callback is not running on another thread and will not be called.
  void remove(stop_registration& callback) noexcept {
    lock_.lock();
    if (callback.previous_) {
      unlink(callback);
    } else {
      while (asker_ && asker_->running == &callback && asker_->thread != this_thread_identity()) {
        auto const seen = returned_.load(memory_order_relaxed);
        ++waiters_;
        lock_.unlock();
        futex_wait(returned_, seen);
        lock_.lock();
        --waiters_;
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

  struct parent_link : stop_registration {
    explicit parent_link(stop_state* s) noexcept
        : stop_registration([](stop_registration* r) noexcept { static_cast<parent_link*>(r)->child->request_stop(); }),
          child(s) {}
    stop_state* child;
  };

  // With lock_, which it lets go.
  void call_all() noexcept {
    asking now{.thread = this_thread_identity(), .running = nullptr, .gone = false};
    asker_ = &now;
    while (stop_registration* const callback = callbacks_) {
      unlink(*callback);
      now.running = callback;
      lock_.unlock();
      callback->invoke_(callback);  // Past here *callback may be gone.
      if (now.gone) return;         // and so may *this
      lock_.lock();
      now.running = nullptr;
      if (waiters_ != 0) {
        returned_.fetch_add(1, memory_order_relaxed);
        futex_wake_all(returned_);
      }
    }
    asker_ = nullptr;
    lock_.unlock();
  }

  static void unlink(stop_registration& callback) noexcept {
    *callback.previous_ = callback.next_;
    if (callback.next_) callback.next_->previous_ = callback.previous_;
    callback.previous_ = nullptr;
  }

  stop_state* parent_;
  atomic<bool> requested_{false};
  bool linked_ = false;  // guarded by lock_; link_ lives while it is set
  spin_mutex lock_;
  std::uint32_t waiters_ = 0;               // guarded by lock_
  atomic<std::uint32_t> returned_{0};       // moves when a callback has returned and somebody waits for that
  stop_registration* callbacks_ = nullptr;  // guarded by lock_
  asking* asker_ = nullptr;                 // guarded by lock_
  union {
    parent_link link_;  // raw until the first registration, so that a state costs a few stores
  };
};

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
