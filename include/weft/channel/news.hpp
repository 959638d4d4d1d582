// What broadcast and watch have in common: tasks that each wait for something newer than what they have seen.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/sync/waiter.hpp>

#include <utility>

namespace weft::detail {

/// The queue of those who wait. Whoever publishes something wakes them all; each then looks, copies and remembers for itself, so that
/// neither copies nor their failures are the publisher's. The lock is one that sleeps: copies are made under it.
class news : pinned {
 public:
  /// Calls f() with the lock, which makes something new, then wakes everybody.
  template <class F>
  void publish(F&& f) {
    waiter_queue told;
    {
      small_lock const locked(lock_);
      f();
      waiting_.claim_all(told);
    }
    told.fire_all();  // Past here *this may be gone.
  }

  /// f() with the lock.
  template <class F>
  decltype(auto) look(F&& f) const {
    small_lock const locked(lock_);
    return std::forward<F>(f)();
  }

  /// is_new is called with the lock.
  template <class F>
  enqueued wait_unless(F is_new, waiter& w) noexcept {
    small_lock const locked(lock_);
    if (is_new()) return w.claim() ? enqueued::completed : enqueued::lost;
    waiting_.push_back(&w);
    return enqueued::waits;
  }
  void leave(waiter& w) noexcept {
    small_lock const locked(lock_);
    waiting_.leave(w);
  }
  [[nodiscard]] bool awaited() const noexcept {
    small_lock const locked(lock_);
    return !waiting_.empty();
  }

 private:
  mutable small_mutex lock_;
  waiter_queue waiting_;  // guarded by lock_
};

/// Waits until Subscription has something to take. It provides source() (a news), is_new(), called with its lock, and take(). What it
/// has stays there for it: so being woken is not yet having it, and a stop in between loses nothing.
template <class Subscription>
class [[nodiscard]] news_operation : public waitable_operation<news_operation<Subscription>> {
 public:
  using node = waiter;

  explicit news_operation(Subscription& s) noexcept : to_(&s) {}
  bool try_complete() noexcept {
    return to_->source().look([this] { return to_->is_new(); });
  }
  enqueued enqueue(node& n) noexcept {
    return to_->source().wait_unless([this] { return to_->is_new(); }, n);
  }
  left withdraw(node& n) noexcept {
    to_->source().leave(n);
    return left::now;
  }
  [[nodiscard]] auto take() { return to_->take(); }

 private:
  Subscription* to_;
};

}  // namespace weft::detail
