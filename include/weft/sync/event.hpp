// event: tasks wait until something has happened; auto_event: each time that it happens lets one of them go on.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/sync/waiter.hpp>

#include <cstdint>

namespace weft {

namespace detail {

/// Whether an event begins as one that has been set.
enum class event_state : std::uint32_t { unset = 0, set = 1 };

//   word_    value   queue_      who may change the word
//   unset    0       empty       anybody
//   set      1       empty       anybody
//   awaited  2       not empty   who holds lock_
//
// set of an awaited event claims waiters under lock_ and goes back to unset there; what it then stores outside the lock is its last touch
// of the event: whoever finds it set may destroy it.
//
//   E1  set's release → acquire of wait and reset    what was done before. set is a read-modify-write even where it changes
//       nothing: a reset that comes after it in the word's order sees what was done before, one that comes before lets it set.
//
/// What the two kinds of event share.
class event_word : pinned {
 public:
  static constexpr std::uint32_t unset = 0, set = 1, awaited = 2;

  explicit event_word(event_state s) noexcept : word_(static_cast<std::uint32_t>(s)) {}
  ~event_word() {
    WEFT_ASSERT(word_.load(memory_order_relaxed) != awaited, "an event is destroyed while tasks wait for it");
  }

  [[nodiscard]] bool is_set() const noexcept { return word_.load(memory_order_acquire) == set; }  // E1.

  // True: it was set, and is no more.
  bool clear() noexcept {
    auto expected = set;
    return word_.compare_exchange_strong(expected, unset, memory_order_acquire, memory_order_relaxed);  // E1.
  }

  // completed: it is set, and with clear_it no more; the caller claims w. waits: w stands in the queue. lost: its task has been asked to stop.
  enum class when_set { leave_it, clear_it };
  enqueued take_or_enqueue(waiter& w, when_set what) noexcept {
    small_lock const locked(lock_);
    auto seen = word_.load(memory_order_relaxed);
    while (seen != awaited) {
      auto const next = seen == unset ? awaited : what == when_set::clear_it ? unset : set;
      bool const was_set = seen == set;
      if (!word_.compare_exchange_weak(seen, next, memory_order_acquire, memory_order_relaxed)) continue;  // E1.
      if (was_set) return enqueued::completed;
      break;
    }
    if (queue_.stand(w)) return enqueued::waits;
    note_if_empty();
    return enqueued::lost;
  }

  void leave(waiter& w) noexcept {
    small_lock const locked(lock_);
    if (queue_.leave(w)) note_if_empty();
  }

  void set_for_all() noexcept {
    waiter_queue won;
    while (!set_unless_awaited()) {
      small_lock const locked(lock_);
      queue_.claim_all(won);
      if (word_.load(memory_order_relaxed) == awaited) note_if_empty();
    }
    won.fire_all();
  }

  void set_for_one() noexcept {
    waiter* next = nullptr;
    while (!next && !set_unless_awaited()) {
      small_lock const locked(lock_);
      next = queue_.pop_claimed();
      if (word_.load(memory_order_relaxed) == awaited) note_if_empty();
    }
    if (next) next->fire();  // Past here *this may be gone.
  }

 private:
  bool set_unless_awaited() noexcept {
    auto seen = word_.load(memory_order_relaxed);
    while (seen != awaited)
      if (word_.compare_exchange_weak(seen, set, memory_order_release, memory_order_relaxed)) return true;  // E1.
    return false;
  }

  // With lock_, where the word is awaited.
  void note_if_empty() noexcept {
    if (queue_.empty()) word_.store(unset, memory_order_relaxed);
  }

  atomic<std::uint32_t> word_;
  small_mutex lock_;
  waiter_queue queue_;  // guarded by lock_
};

}  // namespace detail

using detail::event_state;

/// A door: once set, it stays open for all until it is reset. 24 bytes, no allocation. Any thread; from a plain thread:
/// `run(e.wait());`. Destroyed while waited for, it asserts; whoever has come through may destroy it.
class event {
 public:
  explicit event(event_state s = event_state::unset) noexcept : word_(s) {}

  /// co_await e.wait();
  ///   completes   at once if it is set, else with the next set(), even if it is reset right after
  ///   on error    never fails
  ///   on stop     leaves the queue, and completes as stopped; a set() that came before the stop counts
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto wait() noexcept { return wait_operation(word_); }

  /// Lets all who wait go on, in order, and all who come later. What was done before is seen by them.
  void set() noexcept { word_.set_for_all(); }
  /// From here on wait() waits. Those who have been let go already are not held back.
  void reset() noexcept { static_cast<void>(word_.clear()); }
  /// Never waits.
  [[nodiscard]] bool try_wait() const noexcept { return word_.is_set(); }
  [[nodiscard]] bool is_set() const noexcept { return word_.is_set(); }

 private:
  class [[nodiscard]] wait_operation : public detail::waitable_operation<wait_operation> {
   public:
    using node = detail::waiter;
    static constexpr bool can_wait_alone = true;

    explicit wait_operation(detail::event_word& w) noexcept : word_(&w) {}
    bool try_complete() noexcept { return word_->is_set(); }
    detail::enqueued enqueue(node& w) noexcept {
      auto const said = word_->take_or_enqueue(w, detail::event_word::when_set::leave_it);
      if (said != detail::enqueued::completed) return said;
      return w.claim() ? detail::enqueued::completed : detail::enqueued::lost;
    }
    detail::left withdraw(node& w) noexcept {
      word_->leave(w);
      return detail::left::now;
    }
    void take() const noexcept {}

   private:
    detail::event_word* word_;
  };

  detail::event_word word_;
};

/// A turnstile: each set() lets one through, who is there or who comes next; more than one set() that nobody has used yet count as one.
/// 24 bytes, no allocation. Any thread; from a plain thread: `run(e.wait());`. Destroyed while waited for, it asserts;
/// whoever has come through may destroy it.
class auto_event {
 public:
  explicit auto_event(event_state s = event_state::unset) noexcept : word_(s) {}

  /// co_await e.wait();
  ///   completes   when a set() is there for this task, in order of arrival
  ///   on error    never fails
  ///   on stop     leaves the queue, uses up no set(), and completes as stopped; a set() that it was given before the stop counts
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto wait() noexcept { return wait_operation(word_); }

  void set() noexcept { word_.set_for_one(); }
  /// Takes back a set() that nobody has used.
  void reset() noexcept { static_cast<void>(word_.clear()); }
  /// True: it was set, and the caller has used it up. Never waits.
  [[nodiscard]] bool try_wait() noexcept { return word_.clear(); }
  [[nodiscard]] bool is_set() const noexcept { return word_.is_set(); }

 private:
  class [[nodiscard]] wait_operation : public detail::waitable_operation<wait_operation> {
   public:
    using node = detail::waiter;
    static constexpr bool can_wait_alone = true;

    explicit wait_operation(detail::event_word& w) noexcept : word_(&w) {}
    bool try_complete() noexcept { return word_->clear(); }
    detail::enqueued enqueue(node& w) noexcept {
      auto const said = word_->take_or_enqueue(w, detail::event_word::when_set::clear_it);
      if (said != detail::enqueued::completed || w.claim()) return said;
      word_->set_for_one();
      return detail::enqueued::lost;
    }
    detail::left withdraw(node& w) noexcept {
      word_->leave(w);
      return detail::left::now;
    }
    void take() const noexcept {}

   private:
    detail::event_word* word_;
  };

  detail::event_word word_;
};

}  // namespace weft
