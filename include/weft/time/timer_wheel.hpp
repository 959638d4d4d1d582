// A hierarchical timing wheel: timers that link themselves, found by counting zeros in bitmaps. Inserting and removing cost the
// same for one timer as for a million, nothing is allocated, and a stretch without timers costs nothing, however long it is.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/intrusive.hpp>
#include <weft/os/clock.hpp>

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

class worker;

/// Something to do at a time. Whoever makes one sets the first two members and keeps it in place while it is in a wheel, or
/// taken out of one and not fired yet.
struct timer : list_link {
  /// Does what is due, and runs nobody's code: the worker that looks at the clock may stand on frames that hold locks. The timer
  /// belongs to its maker again, and may be destroyed or added anew in here.
  using function = void (*)(timer&, worker&) noexcept;

  timer() = default;
  timer(clock::time_point d, function f) noexcept : deadline(d), fire(f) {}
  timer(timer const&) = delete;
  timer& operator=(timer const&) = delete;

  static constexpr std::uint16_t nowhere = 0xFFFF;

  clock::time_point deadline{};    // constant from insert until fired or removed
  function fire = nullptr;         // the wheel does not call it
  std::uint16_t place = nowhere;   // in the wheel; guarded by the lock that guards the wheel
  std::uint16_t keeper = nowhere;  // of a timer_service: whose wheel it was added to
};

/// First in, first out, and any timer leaves in constant time. A ring of which one word is kept, the first; the last is the one
/// before it. One thread at a time.
class timer_list {
 public:
  timer_list() = default;
  timer_list(timer_list&& other) noexcept : first_(std::exchange(other.first_, nullptr)) {}
  timer_list& operator=(timer_list&&) = delete;

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] timer* front() const noexcept { return static_cast<timer*>(first_); }

  void push_back(timer* t) noexcept {
    list_link* const link = t;
    if (!first_) {
      first_ = link->previous = link->next = link;
      return;
    }
    link->previous = first_->previous;
    link->next = first_;
    first_->previous->next = link;
    first_->previous = link;
  }

  void remove(timer* t) noexcept {
    list_link* const link = t;
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
  timer* pop_front() noexcept {
    timer* const t = front();
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
      f(static_cast<timer*>(t));
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
// A timer's tick is the first that begins at or after its deadline. Written in digits of six bits, it differs from now_ in
// some highest digit: that digit's position is its level, the digit's value its slot. So
//
//   level 0   holds the ticks that share all but the last digit with now_, one tick in a slot; in now_'s own slot is what is due
//   level k   holds slots of 64^k ticks each, all later than all of level k − 1
//   a slot    of a higher level is later than now_'s digit there: the first bit of a level's bitmap is its earliest slot
//
// and the earliest timer is in the first slot of the lowest level in use. When now_ reaches the first tick of that slot, its
// timers move to lower levels, each at most once per level in its life. A timer's slot depends on its tick and now_ alone:
// timers of the same tick are always in the same slot, and leave in the order in which they came.
//
// Eight levels hold 48 bits of ticks, and 48 + 15 bits are all that the clock has: there is no deadline beyond the top level,
// and no slot is ever used for a second turn. (Wheels that wrap get this wrong after days of uptime: tokio#8334.) Only the
// clock's very last tick, 292 years from its epoch, never comes: a deadline that has to wait for it, such as
// time_point::max(), can be inserted and removed, and counts as none.
//
// Source: Varghese, Lauck, "Hashed and hierarchical timing wheels" (1987), scheme 7. The levels by highest differing digit, and
// with them the wheel without rotation, are folklore of its implementations.
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
  void insert(timer& t) noexcept {
    WEFT_ASSERT(t.place == timer::nowhere, "a timer is in one wheel, once, at a time");
    put(t, std::max(tick_after(t.deadline), now_));
  }

  /// False: it is not in the wheel, it has expired or was never inserted. Constant time.
  [[nodiscard]] bool remove(timer& t) noexcept {
    if (t.place == timer::nowhere) return false;
    slot& s = slots_[t.place];
    s.timers.remove(&t);
    if (s.timers.empty()) vacate(t.place);
    t.place = timer::nowhere;
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
      if (index >= fan) {
        spread(index);
        continue;
      }
      slot& s = slots_[index];
      for (; !s.timers.empty(); --at_most) {
        if (at_most == 0) return;
        timer* const t = s.timers.pop_front();
        t->place = timer::nowhere;
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

  static constexpr unsigned digit_bits = 6, fan = 1u << digit_bits;
  static constexpr unsigned levels = (63 - tick_bits + digit_bits - 1) / digit_bits;
  static constexpr ticks last_tick = (ticks{1} << (63 - tick_bits)) - 1;

  static_assert(std::is_same_v<clock::duration, std::chrono::duration<std::int64_t, std::nano>>);
  static_assert(levels * digit_bits + tick_bits >= 63, "every time of the clock has a place");

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
    auto const level = static_cast<unsigned>(std::countr_zero(levels_in_use_));
    auto const digit = static_cast<unsigned>(std::countr_zero(in_use_[level]));
    auto const above = (level + 1) * digit_bits;
    return {level * fan + digit, (now_ >> above << above) | ticks{digit} << (level * digit_bits)};
  }

  void put(timer& t, ticks at) noexcept {
    auto const level = (static_cast<unsigned>(std::bit_width((at ^ now_) | (fan - 1))) - 1) / digit_bits;
    auto const digit = static_cast<unsigned>(at >> (level * digit_bits)) & (fan - 1);
    auto const index = level * fan + digit;
    slot& s = slots_[index];
    s.earliest = std::min(s.earliest, at);
    s.timers.push_back(&t);
    t.place = static_cast<std::uint16_t>(index);
    in_use_[level] |= std::uint64_t{1} << digit;
    levels_in_use_ |= 1u << level;
  }

  void vacate(unsigned index) noexcept {
    slots_[index].earliest = last_tick;
    auto const level = index / fan;
    in_use_[level] &= ~(std::uint64_t{1} << (index % fan));
    if (in_use_[level] == 0) levels_in_use_ &= ~(1u << level);
  }

  // now_ is the first tick of the slot: its timers go down to where they differ from that.
  void spread(unsigned index) noexcept {
    auto timers = std::move(slots_[index].timers);
    vacate(index);
    timers.drain([this](timer* t) noexcept { put(*t, tick_after(t->deadline)); });
  }

  ticks now_ = 0;
  std::uint32_t levels_in_use_ = 0;             // a bit for each level with a bit in in_use_
  std::array<std::uint64_t, levels> in_use_{};  // a bit for each slot with timers
  std::array<slot, levels * fan> slots_{};
};

}  // namespace weft::detail
