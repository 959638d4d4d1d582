// A hierarchical timing wheel: timers that link themselves, found by counting zeros in bitmaps. Inserting and removing cost the
// same for one timer as for a million, nothing is allocated, and a stretch without timers costs nothing, however long it is.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/intrusive.hpp>
#include <weft/os/clock.hpp>
#include <weft/time/timer.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ratio>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// First in, first out, and any timer leaves in constant time. A ring of which one word is kept, the first; the last is the one
/// before it. One thread at a time.
class timer_list {
 public:
  timer_list() = default;
  timer_list(timer_list&& other) noexcept : first_(std::exchange(other.first_, nullptr)) {}
  timer_list& operator=(timer_list&&) = delete;

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] timer_node* front() const noexcept { return timer_node::of(first_); }

  void push_back(timer_node* t) noexcept {
    list_link* const link = &t->link;
    if (!first_) {
      first_ = link->previous = link->next = link;
      return;
    }
    link->previous = first_->previous;
    link->next = first_;
    first_->previous->next = link;
    first_->previous = link;
  }

  void remove(timer_node* t) noexcept {
    list_link* const link = &t->link;
    list_link* const next = link->next;
    if (next == link) {
      first_ = nullptr;
    } else {
      link->previous->next = next;
      next->previous = link->previous;
      if (first_ == link) first_ = next;
    }
    link->previous = link->next = nullptr;
  }

  /// The oldest, or null.
  timer_node* pop_front() noexcept {
    timer_node* const t = front();
    if (t) remove(t);
    return t;
  }

  /// Takes all out and gives them, oldest first, to f, which may link them anew.
  template <class F>
  void drain(F f) noexcept {
    if (!first_) return;
    list_link* t = std::exchange(first_, nullptr);
    list_link* const last = t->previous;
    // A long list is one cache miss after the other. A scout that walks it from its end until the two meet fetches the second
    // half meanwhile.
    for (list_link const* scout = last;;) {
      list_link* const next = t->next;
      if (scout) {
        scout = scout == t || scout == next ? nullptr : scout->previous;
        __builtin_prefetch(scout, 1);
      }
      auto const done = t == last;
      f(timer_node::of(t));
      if (done) return;
      t = next;
    }
  }

 private:
  list_link* first_ = nullptr;
};

// Time is counted in ticks since the clock's epoch, the same for every wheel, so that timers of several workers that are due in
// the same tick are due at the same moment and cost one wake-up. A tick has 15 bits of nanoseconds, 33 µs: a shorter one makes
// a sleep no more exact, since the system adds 75 µs (timer slack and wake-up) and more; a longer one is felt.
//
// A timer's tick is the first that begins at or after its deadline. Written in digits, of 6, 10, 8, 8, 8 and 8 bits from the last one on,
// it differs from now_ in some highest digit: that digit's position is its level, the digit's value its slot. So
//
//   level 0   holds the ticks that share all but the last digit with now_, one tick in a slot; in now_'s own slot is what is due
//   level k   holds slots of as many ticks as fit the digits below, all later than all of level k − 1
//   a slot    of a higher level is later than now_'s digit there: the first bit of a level's bitmap is its earliest slot
//
// and the earliest timer is in the first slot of the lowest level in use. When now_ reaches the first tick of that slot, its
// timers move to lower levels, each at most once per level in its life. A timer's slot depends on its tick and now_ alone:
// timers of the same tick are always in the same slot, and leave in the order in which they came.
//
// Where timers are many, what they cost is cache misses. So the first two levels reach 2.1 s, and a timer within that is moved once; and
// the first holds 2.1 ms, so that what was moved there is still in the cache when it is due. (A million of 0.5 to 1.5 s moved twice with
// digits of 6 bits; with digits of 8 once, but 8.4 ms of them and of what they wake did not stay in the cache.)
//
// Six levels hold 48 bits of ticks, and 48 + 15 bits are all that the clock has: there is no deadline beyond the top level,
// and no slot is ever used for a second turn. (Wheels that wrap get this wrong after days of uptime: tokio#8334.) Only the
// clock's very last tick, 292 years from its epoch, never comes: a deadline that has to wait for it, such as
// time_point::max(), can be inserted and removed, and counts as none.
//
// Source: Varghese, Lauck, "Hashed and hierarchical timing wheels" (1987), scheme 7. The levels by highest differing digit, and
// with them the wheel without rotation, are folklore of its implementations.
namespace wheel {

inline constexpr std::array<unsigned, 6> digit_bits{6, 10, 8, 8, 8, 8};
inline constexpr unsigned levels = digit_bits.size();

struct level_shape {
  unsigned shift = 0;       // of its digit in a tick
  unsigned slots = 0;       // a multiple of 64
  unsigned first_slot = 0;  // of all levels' slots in a row
};
/// levels: the end, of no slots.
constexpr level_shape level_at(unsigned level) noexcept {
  level_shape l;
  for (unsigned i = 0; i != level; ++i) {
    l.shift += digit_bits[i];
    l.first_slot += 1u << digit_bits[i];
  }
  l.slots = level < levels ? 1u << digit_bits[level] : 0;
  return l;
}
inline constexpr std::array<level_shape, levels> shapes{level_at(0), level_at(1), level_at(2),
                                                        level_at(3), level_at(4), level_at(5)};
inline constexpr unsigned all_slots = level_at(levels).first_slot;

constexpr unsigned level_of_bit(unsigned bit) noexcept {
  return bit < shapes[1].shift ? 0 : bit < shapes[2].shift ? 1 : 2 + (bit - shapes[2].shift) / digit_bits[2];
}
constexpr unsigned level_of_slot(unsigned index) noexcept {
  return index < shapes[1].first_slot   ? 0
         : index < shapes[2].first_slot ? 1
                                        : 2 + (index - shapes[2].first_slot) / shapes[2].slots;
}

}  // namespace wheel

/// Guarded by its owner's lock.
class timer_wheel : pinned {
 public:
  static constexpr int tick_bits = 15;
  static constexpr clock::duration tick{std::int64_t{1} << tick_bits};
  static constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

  [[nodiscard]] bool empty() const noexcept { return levels_in_use_ == 0; }

  /// Tells the wheel how late it is, so that what is inserted next is put where it need not move far. Nothing expires.
  /// Constant time, amortised like expire.
  void advance(clock::time_point now) noexcept {
    timer_list none;
    expire(now, none, 0);
  }

  /// Takes any deadline; one that has passed is due at the next expire. Constant time.
  void insert(timer_node& t) noexcept {
    WEFT_ASSERT(t.place == timer_node::nowhere, "a timer is in one wheel, once, at a time");
    put(t, std::max(tick_after(t.deadline), now_));
  }

  /// False: it is not in the wheel, it has expired or was never inserted. Constant time.
  [[nodiscard]] bool remove(timer_node& t) noexcept {
    if (t.place == timer_node::nowhere) return false;
    slot& s = slots_[t.place];
    s.timers.remove(&t);
    if (s.timers.empty()) vacate(t.place);
    t.place = timer_node::nowhere;
    return true;
  }

  /// Moves the timers that are due behind those in `due`: earlier ticks first, within a tick in the order of insertion. None is
  /// early; a timer is due less than a tick after its deadline. With a limit, what is left over stays due. A `now` that lies
  /// back is ignored. Constant time for each timer over its life, however far the time has moved.
  void expire(clock::time_point now, timer_list& due, std::size_t at_most = no_limit) noexcept {
    auto const until = std::max(tick_begun(now), now_);
    while (!empty()) {
      auto const [index, begins] = first();
      if (begins > until) break;
      now_ = begins;
      if (index >= wheel::shapes[1].first_slot) {
        spread(index);
        continue;
      }
      slot& s = slots_[index];
      for (; !s.timers.empty(); --at_most) {
        if (at_most == 0) return;
        timer_node* const t = s.timers.pop_front();
        t->place = timer_node::nowhere;
        due.push_back(t);
      }
      vacate(index);
    }
    now_ = until;
  }

  /// When expire next has something to hand out; time_point::max(): never. Constant time.
  ///
  /// Exact, also for a timer in a high level, because each slot knows the earliest tick put into it: nobody is woken to move
  /// timers between levels. Too early only after the earliest of a slot with others in it was removed: then it may be that
  /// timer's time, and the expire at that time, which finds nothing, moves the slot's timers to slots that are exact again. So
  /// there is at most one vain wake-up for each slot whose earliest timer was removed. Never too late.
  [[nodiscard]] clock::time_point next_deadline() const noexcept {
    if (empty()) return clock::time_point::max();
    auto const earliest = slots_[first().index].earliest;
    return earliest == last_tick ? clock::time_point::max()
                                 : clock::time_point(tick * static_cast<std::int64_t>(earliest));
  }

 private:
  using ticks = std::uint64_t;

  static constexpr ticks last_tick = (ticks{1} << (63 - tick_bits)) - 1;

  // Of int64_t, or of another type as wide: libc++ counts in long long.
  static_assert(std::is_same_v<clock::duration::period, std::nano> && std::is_signed_v<clock::duration::rep> &&
                sizeof(clock::duration::rep) == sizeof(std::int64_t));
  static_assert(wheel::level_at(wheel::levels).shift + tick_bits >= 63, "every time of the clock has a place");
  static_assert(wheel::all_slots < timer_node::nowhere);

  struct slot {
    timer_list timers;
    ticks earliest = last_tick;  // no timer here is earlier
  };
  struct position {
    unsigned index;
    ticks begins;
  };

  // Times before the clock's epoch are long past, like the epoch itself.
  static ticks tick_begun(clock::time_point t) noexcept {
    auto const ns = t.time_since_epoch().count();
    return ns <= 0 ? 0 : std::min(static_cast<ticks>(ns) >> tick_bits, last_tick - 1);
  }
  static ticks tick_after(clock::time_point t) noexcept {
    auto const ns = t.time_since_epoch().count();
    return ns <= 0 ? 0 : std::min(((static_cast<ticks>(ns) - 1) >> tick_bits) + 1, last_tick);
  }

  // Not empty.
  [[nodiscard]] position first() const noexcept {
    auto const& l = wheel::shapes[static_cast<unsigned>(std::countr_zero(levels_in_use_))];
    auto word = l.first_slot / 64;
    while (in_use_[word] == 0) ++word;
    auto const index = word * 64 + static_cast<unsigned>(std::countr_zero(in_use_[word]));
    auto const above = now_ & ~((ticks{l.slots} << l.shift) - 1);
    return {index, above | ticks{index - l.first_slot} << l.shift};
  }

  void put(timer_node& t, ticks at) noexcept {
    auto const level = wheel::level_of_bit(static_cast<unsigned>(std::bit_width((at ^ now_) | 1)) - 1);
    auto const& l = wheel::shapes[level];
    auto const index = l.first_slot + (static_cast<unsigned>(at >> l.shift) & (l.slots - 1));
    slot& s = slots_[index];
    s.earliest = std::min(s.earliest, at);
    s.timers.push_back(&t);
    t.place = static_cast<std::uint16_t>(index);
    in_use_[index / 64] |= std::uint64_t{1} << (index % 64);
    levels_in_use_ |= 1u << level;
  }

  void vacate(unsigned index) noexcept {
    slots_[index].earliest = last_tick;
    in_use_[index / 64] &= ~(std::uint64_t{1} << (index % 64));
    if (in_use_[index / 64] != 0) return;
    auto const level = wheel::level_of_slot(index);
    auto const* const words = &in_use_[wheel::shapes[level].first_slot / 64];
    if (std::all_of(words, words + wheel::shapes[level].slots / 64, [](std::uint64_t w) { return w == 0; }))
      levels_in_use_ &= ~(1u << level);
  }

  // now_ is the first tick of the slot: its timers go down to where they differ from that.
  void spread(unsigned index) noexcept {
    auto timers = std::move(slots_[index].timers);
    vacate(index);
    timers.drain([this](timer_node* t) noexcept { put(*t, tick_after(t->deadline)); });
  }

  ticks now_ = 0;
  std::uint32_t levels_in_use_ = 0;                            // a bit for each level with a bit in in_use_
  std::array<std::uint64_t, wheel::all_slots / 64> in_use_{};  // a bit for each slot with timers
  std::array<slot, wheel::all_slots> slots_{};
};

}  // namespace weft::detail
