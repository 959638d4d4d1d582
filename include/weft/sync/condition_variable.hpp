// condition_variable: tasks that hold a mutex wait until what it guards has become what they need.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/coro/task.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/waiter.hpp>

#include <concepts>
#include <coroutine>
#include <utility>

namespace weft {

/// Waits with a mutex. A notified task is moved from this queue to the mutex's: it goes on when it has the mutex, so notify_all
/// wakes one task after the other, not all at once. No spurious wake-ups. 24 bytes, no allocation but for the frame of wait with a
/// predicate. Any thread may notify, with the mutex or without; all who wait at one time use the same mutex. Destroyed
/// while waited for, it asserts.
class condition_variable {
 public:
  condition_variable() noexcept = default;
  ~condition_variable() { WEFT_ASSERT(queue_.empty(), "a condition_variable is destroyed while tasks wait for it"); }

  /// co_await cv.wait(l);
  ///   completes   when it was notified and has the mutex again
  ///   on error    never fails
  ///   on stop     leaves the queue, and completes as stopped when it has the mutex again: l owns it in every case. A notification
  ///               that came before the stop counts; one that comes after it goes to the next in the queue
  ///   resumes on  the pool it was awaited on
  /// l owns a mutex, and stays where it is meanwhile.
  [[nodiscard]] auto wait(mutex::guard& l) noexcept;

  /// co_await cv.wait(l, pred);   while (!pred()) co_await cv.wait(l);
  /// on error: throws what pred throws, and l owns the mutex.
  template <std::predicate Predicate>
  task<> wait(mutex::guard& l, Predicate pred);

  /// Lets the one who has waited longest go on, if there is one. A notification that nobody waits for is forgotten.
  void notify_one() noexcept {
    if (!awaited_.load(detail::memory_order_relaxed)) return;
    waiting* next = nullptr;
    {
      detail::small_lock const locked(lock_);
      next = static_cast<waiting*>(queue_.pop_claimed());
      note_if_empty();
    }
    if (next) next->go_for_mutex();  // Past here *this may be gone.
  }

  /// Lets all go on who wait now, in order.
  void notify_all() noexcept {
    if (!awaited_.load(detail::memory_order_relaxed)) return;
    detail::waiter_queue won;
    {
      detail::small_lock const locked(lock_);
      queue_.claim_all(won);
      note_if_empty();
    }
    while (auto* const next = static_cast<waiting*>(won.pop_front()))
      next->go_for_mutex();  // Past here *this may be gone.
  }

 private:
  class wait_awaiter;
  class wait_operation;

  struct waiting : detail::waiter {
    waiting(detail::selection& s, mutex& own) noexcept : waiter(s), guarded_by(own) {}

    // By whoever has claimed it: it has the mutex now, or stands in its queue, where unlock gives it the mutex unasked.
    void go_for_mutex() noexcept {
      hand_on();
      if (guarded_by.acquire_or_enqueue(*this) == detail::enqueued::completed) fire();  // Past here *this may be gone.
    }
    mutex& guarded_by;
  };

  // With lock_.
  void note_if_empty() noexcept {
    if (queue_.empty()) awaited_.store(false, detail::memory_order_relaxed);
  }

  // Whether somebody waits. Who notifies after having held the mutex, or after anything else that comes after the wait, sees it.
  detail::atomic<bool> awaited_{false};
  detail::small_mutex lock_;
  detail::waiter_queue queue_;  // guarded by lock_; of waitings
};

class condition_variable::wait_awaiter : public detail::native_awaiter, detail::selection, waiting {
 public:
  wait_awaiter(condition_variable& cv, mutex& m) noexcept
      : selection(&wait_awaiter::stop), waiting(static_cast<selection&>(*this), m), cv_(cv) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <detail::weft_promise Promise>
  [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> task) noexcept {
    selection::begin(task);
    {
      detail::small_lock const locked(cv_.lock_);
      cv_.queue_.push_back(this);
      cv_.awaited_.store(true, detail::memory_order_relaxed);
    }
    // From here on a notification finds this waiter. It may get the mutex, and fire, before the next line has returned.
    waiting::guarded_by.release();
    if (!selection::accept_stop()) stop(this);
    return selection::arm();
  }

  void await_resume() {
    selection::forget_stop();
    if (!selection::winner) throw stopped{};
  }

 private:
  static void stop(detail::stop_registration* r) noexcept {
    auto& me = *static_cast<wait_awaiter*>(static_cast<selection*>(r));
    if (!me.selection::claim()) return;
    {
      detail::small_lock const locked(me.cv_.lock_);
      if (me.cv_.queue_.leave(me)) me.cv_.note_if_empty();
    }
    me.go_for_mutex();  // Past here *r may be gone.
  }

  condition_variable& cv_;
};

class [[nodiscard]] condition_variable::wait_operation {
 public:
  wait_operation(condition_variable& cv, mutex& m) noexcept : cv_(&cv), mutex_(&m) {}
  auto operator co_await() const noexcept { return wait_awaiter(*cv_, *mutex_); }

 private:
  condition_variable* cv_;
  mutex* mutex_;
};

inline auto condition_variable::wait(mutex::guard& l) noexcept {
  WEFT_ASSERT(l.owns(), "a condition_variable is waited for with a guard that owns its mutex");
  return wait_operation(*this, *l.mutex_);
}

template <std::predicate Predicate>
task<> condition_variable::wait(mutex::guard& l, Predicate pred) {
  [[maybe_unused]] int const keeps_gcc_12_sane = 0;
  while (!pred()) co_await wait(l);
}

}  // namespace weft
