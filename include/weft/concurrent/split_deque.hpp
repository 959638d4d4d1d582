// The split deque: the owner pushes and pops its youngest item with plain loads and stores; thieves take the oldest item
// of the part that the owner has published.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/os/pages.hpp>

#include <cstddef>
#include <cstdint>

namespace weft::detail {

/// How an attempt to steal ended.
enum class stolen { item, lost_race, empty };

//   slots:   | null | ... taken ... | ... public ... | ... private ... |
//            0      1             head             split             tail
//
//   owner    writes slots at tail and moves tail; publishes by moving split up, takes back by moving it down
//   thief    moves head up by one, only while head < split; then reads the slot and stores null there
//   head and split share one word, so that they are read and changed together.
//
//   E1  publish's release → steal's acquire (through later exchanges, a release sequence)   the slots and what they point to
//   E2  the thief's release of null → the owner's acquire of null   the thief has read the slot: it may be written again
//   E3  seq_cst: publish, then its caller's look for sleepers; a sleeper's announcement, then its look at the public part
//   E4  seq_cst: clear_want, then its caller's look for sleepers; a sleeper's announcement, then raise_want
//
// Why a stale word is harmless: a thief reads the slot after its exchange. If the word came back to what it had read (taken back
// and published again), slot `head` is public now and holds what is public now. Why a slot is never written under a thief:
// the owner lowers tail, split or head past a taken slot only after it has read null there (settle, or the join whose own
// slot it was: the thief stores null before it reports the job done).
// Why the top decides: items leave in order, so if the youngest was taken, all older ones were; nothing of the owner is live.
//
// The slots are one reservation of address space that is paid for as it is touched. It does not grow: a push into a full
// deque is refused, and the caller runs the item itself at once, which is always correct.
// Sources: Acar, Charguéraud, Rainey (PPoPP 2013); van Dijk, van de Pol, "Lace" (2014).
/// Owner members are for the owning thread alone; the others are for any thread. T is an object type, items are T*.
template <class T>
class split_deque : pinned {
 public:
  using slot = atomic<T*>;
  using position = slot*;

  /// Throws std::bad_alloc when not even a small reservation can be had.
  explicit split_deque(std::size_t capacity) : memory_(capacity * sizeof(slot)) {
    slots_ = static_cast<slot*>(memory_.data());  // zero pages: null slots
    limit_ = slots_ + memory_.size() / sizeof(slot);
    tail_ = split_ = slots_ + 1;
    ends_.store(pack(1, 1), memory_order_relaxed);
  }

  // ── owner ──

  /// Where the next item goes.
  [[nodiscard]] position mark() const noexcept { return tail_; }

  /// False: full, nothing was pushed.
  [[nodiscard]] bool push(T* item) noexcept {
    slot* const t = tail_;
    if (t == limit_) [[unlikely]]
      return false;
    t->store(item, memory_order_relaxed);
    tail_ = t + 1;
    return true;
  }

  /// push in two steps, for several at once: has_room, then as many times push_into_room.
  [[nodiscard]] bool has_room(std::size_t count) const noexcept {
    return static_cast<std::size_t>(limit_ - tail_) >= count;
  }
  void push_into_room(T* item) noexcept {
    tail_->store(item, memory_order_relaxed);
    ++tail_;
  }

  /// pop for a plain frame that pushed at p: all that was pushed above is gone again. p comes from a register, so that the next
  /// push does not wait for a load of what the last pop has stored. False: the slot was public: take_back comes next.
  [[nodiscard]] bool pop_private(position p) noexcept {
    WEFT_ASSERT(tail_ == p + 1, "a frame left items in the deque");
    tail_ = p;
    return p >= split_;
  }

  /// Takes the youngest slot. True: it is the owner's. False: a thief has it; the slot stays in place (see drop_taken, settle).
  [[nodiscard]] bool pop() noexcept {
    slot* const t = tail_ - 1;
    tail_ = t;
    if (t >= split_) [[likely]]
      return true;
    return take_back();
  }

  /// After pop_private has said false. True: the slot is the owner's, and half of the other public items with it while nobody asks for
  /// work, so that the next pops are private again. False: as pop's.
  [[nodiscard, gnu::noinline]] bool take_back() noexcept {
    auto const index = static_cast<std::uint32_t>(tail_ - slots_);
    auto seen = ends_.load(memory_order_relaxed);
    while (head_of(seen) <= index) {
      auto const keep = wanted() ? index : head_of(seen) + (index - head_of(seen)) / 2;
      // Relaxed: the owner takes back what it wrote itself, and an exchange continues E1's release sequence.
      if (ends_.compare_exchange_weak(seen, pack(head_of(seen), keep), memory_order_relaxed)) {
        split_ = slots_ + keep;
        return true;
      }
    }
    split_ = ++tail_;
    return false;
  }

  /// The youngest item, or null where it was taken or nothing is there.
  [[nodiscard]] T* top() const noexcept { return tail_[-1].load(memory_order_relaxed); }
  [[nodiscard]] T* item_at(position p) const noexcept { return p->load(memory_order_relaxed); }

  [[nodiscard]] position bottom() const noexcept { return slots_ + 1; }

  /// Does anybody ask for work? The owner looks at each push and between chunks.
  [[nodiscard]] bool wanted() const noexcept { return want_.load(memory_order_relaxed); }

  /// Publishes all private items, oldest first. False: there was none.
  bool publish() noexcept {
    auto const count = static_cast<std::uint64_t>(tail_ - split_);
    if (count == 0) return false;
    split_ = tail_;
    ends_.fetch_add(count << 32, memory_order_seq_cst);  // E3; its release half: E1.
    return true;
  }

  /// Does the public part hold an item?
  [[nodiscard]] bool has_public() const noexcept {
    auto const e = ends_.load(memory_order_relaxed);
    return head_of(e) < split_of(e);
  }

  /// Is nothing of the owner's here: neither private nor public?
  [[nodiscard]] bool idle() const noexcept { return tail_ == split_ && !has_public(); }

  void clear_want() noexcept { want_.store(false, memory_order_seq_cst); }  // E4.

  /// The slot at `p` was taken, its thief has reported the end (so null is there), and nothing above is live.
  void drop_taken(position p) noexcept {
    WEFT_ASSERT(p->load(memory_order_relaxed) == nullptr, "a taken slot is dropped before its thief has read it");
    lower_to(p);
  }

  /// Nothing of the owner's is live: gives taken slots back down to `floor`, as far as their thieves have read them.
  void settle(position floor) noexcept {
    slot* t = tail_;
    while (t > floor && t[-1].load(memory_order_acquire) == nullptr) --t;  // acquire: E2.
    if (t != tail_) lower_to(t);
  }

  // ── any thread ──

  /// Takes the oldest public item.
  stolen steal(T*& item) noexcept {
    // acquire: E1, for one that finds nothing and goes by what it has seen.
    auto seen = ends_.load(memory_order_acquire);
    if (head_of(seen) >= split_of(seen)) {
      // Relaxed look first: many thieves would otherwise write this line in turns.
      if (!wanted()) want_.store(true, memory_order_relaxed);
      return stolen::empty;
    }
    // acquire: E1. release is not needed: what the thief did before is of no interest to the next one.
    if (!ends_.compare_exchange_strong(seen, seen + 1, memory_order_acquire, memory_order_relaxed))
      return stolen::lost_race;
    slot& s = slots_[head_of(seen)];
    item = s.load(memory_order_relaxed);
    s.store(nullptr, memory_order_release);  // release: E2.
    // The last public item: whoever comes next will want more.
    if (head_of(seen) + 1 == split_of(seen)) want_.store(true, memory_order_relaxed);
    return stolen::item;
  }

  /// A sleeper's second look (E3).
  [[nodiscard]] bool looks_stealable() const noexcept {
    // E3.
    auto const e = ends_.load(memory_order_seq_cst);
    return head_of(e) < split_of(e);
  }

  void raise_want() noexcept { want_.store(true, memory_order_seq_cst); }  // E4.

 private:
  static std::uint64_t pack(std::uint64_t head, std::uint64_t split) noexcept { return split << 32 | head; }
  static std::uint32_t head_of(std::uint64_t ends) noexcept { return static_cast<std::uint32_t>(ends); }
  static std::uint32_t split_of(std::uint64_t ends) noexcept { return static_cast<std::uint32_t>(ends >> 32); }

  // No thief can succeed here: the public part is empty before and after, and head moves only where head < split.
  void lower_to(slot* t) noexcept {
    tail_ = split_ = t;
    auto const index = static_cast<std::uint64_t>(t - slots_);
    ends_.store(pack(index, index), memory_order_relaxed);  // relaxed: nothing is published by it
  }

  alignas(cache_line) slot* tail_;
  slot* split_;  // the owner's copy of the word's split
  slot* limit_;
  slot* slots_;
  reserved_pages memory_;
  alignas(cache_line) atomic<std::uint64_t> ends_;
  alignas(cache_line) atomic<bool> want_{true};
};

}  // namespace weft::detail
