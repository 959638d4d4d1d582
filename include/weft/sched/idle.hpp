// Who sleeps, who searches, who is to be woken: the sleep/wake protocol alone. README.md of this folder has the proof.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>

#include <array>
#include <bit>
#include <cstdint>

namespace weft::detail {

//   word_        | called | seated | joining | sleeping | searching |   12, 4, and three times 16 bits
//   asleep_      a bit for every worker: it is to sleep on
//   claimable_   a bit for every worker: it is counted as sleeping, and whoever lowers the count may take it
//
//   step of a worker                             word_                        claimable_       asleep_
//   runs out of work                             searching + 1
//   finds some                                   searching − 1
//   finds none, announces sleep                  searching − 1, sleeping + 1  set before       set before
//   finds none, sits down in the driver          searching − 1, seated + 1
//   gets up by itself                            seated − 1
//   gets up because one was called               called − 1
//   step of a waker
//   claims a sleeper, who wakes as a searcher    sleeping − 1, searching + 1  cleared after    cleared after that
//   claims one that is seated                    seated − 1, searching + 1, called + 1
//   step of a plain thread that joins in
//   holds a sleeper, who sleeps on               sleeping − 1                 cleared after
//   puts it back                                 sleeping + 1                 set before
//
//   E1  seq_cst on both sides: a producer makes work visible, then reads word_; a worker changes word_, then looks at all work.
//       Producer first: the worker's look sees the work. Worker first: the producer sees the sleeper, and claims one.
//   E2  a waker's release of asleep_ → the sleeper's acquire
//
// There are never fewer claimable bits than sleepers counted, because a bit is set before and cleared after: whoever has lowered
// the count finds one. A sleeper wakes for nothing but its bit in asleep_, which only a claim clears, so it never takes itself
// for a searcher that nobody has counted.
//
// Who sits in the driver sleeps without a name: the system wakes one of them, and nobody knows which. A claim of a seat is therefore
// for whoever takes it (see driver_seats.hpp). Those in seats are as many as the seated and the called. Both are in one word, so that
// who gets up finds either itself or a call there, and waits for nobody.
/// Any thread.
class idle_set : pinned {
 public:
  static constexpr unsigned capacity = modelled ? 8 : 1024;  // of each field of word_, too: a thread is counted once
  static constexpr int nobody = -1, somebody_seated = -2;
  static constexpr unsigned seats = 2;  // a leader and a standby

  /// Does anybody search, sleep, or wait in a join? Then what is published should be all there is.
  [[nodiscard]] bool hungry() const noexcept { return word_.load(memory_order_seq_cst) != 0; }
  [[nodiscard]] bool hungry_hint() const noexcept { return word_.load(memory_order_relaxed) != 0; }

  [[nodiscard]] unsigned searching() const noexcept { return field(word_.load(memory_order_relaxed), searching_one); }
  /// Those in seats included. E1: a waker looks for sleepers.
  [[nodiscard]] unsigned sleeping() const noexcept {
    // E1.
    auto const word = word_.load(memory_order_seq_cst);
    return field(word, sleeping_one) + field(word, seated_one);
  }
  /// Those who search or sleep. E1: one who has just begun to sees at least itself, and of two one sees both.
  [[nodiscard]] unsigned idle() const noexcept {
    auto const word = word_.load(memory_order_seq_cst);  // E1.
    return field(word, searching_one) + field(word, sleeping_one) + field(word, seated_one);
  }
  /// Do more than `most` search or sleep, or does anybody wait in a join?
  [[nodiscard]] bool hungry_beyond(unsigned most) const noexcept {
    auto const word = word_.load(memory_order_seq_cst);  // E1.
    return field(word, joining_one) != 0 ||
           field(word, searching_one) + field(word, sleeping_one) + field(word, seated_one) > most;
  }
  // E1: as sleeping.
  [[nodiscard]] unsigned seated() const noexcept { return field(word_.load(memory_order_seq_cst), seated_one); }

  void begin_search() noexcept { word_.fetch_add(searching_one, memory_order_seq_cst); }  // E1.

  struct left_behind {
    bool searchers, sleepers, seated;  // sleepers: not in seats
  };

  /// Whom it leaves. Without other searchers, the wakes that were left to this one are its duty now.
  left_behind end_search() noexcept {
    return left_in(word_.fetch_sub(searching_one, memory_order_seq_cst) - searching_one);  // E1.
  }

  /// The searcher sits down in the driver, if a seat is free. It looks at all work once more after this.
  [[nodiscard]] bool sit_down() noexcept {
    auto seen = word_.load(memory_order_relaxed);
    do {
      if (field(seen, seated_one) >= seats) return false;
    } while (!word_.compare_exchange_weak(seen, seen - searching_one + seated_one, memory_order_seq_cst));  // E1.
    return true;
  }

  /// One that sits gets up for something that came to it. True: by itself. False: all that sit have been called, so it is a searcher.
  [[nodiscard]] bool get_up(left_behind& left) noexcept {
    auto seen = word_.load(memory_order_relaxed);
    bool by_itself;
    std::uint64_t next;
    do {
      by_itself = field(seen, seated_one) != 0;
      next = seen - (by_itself ? seated_one : called_one);
    } while (!word_.compare_exchange_weak(seen, next, memory_order_seq_cst));  // E1.
    left = left_in(next);
    return by_itself;
  }

  /// One that sits takes a call, if there is one, and is a searcher then. Says how many there were.
  [[nodiscard]] unsigned take_call() noexcept {
    auto seen = word_.load(memory_order_seq_cst);  // seats E2.
    do {
      if (field(seen, called_one) == 0) return 0;
    } while (!word_.compare_exchange_weak(seen, seen - called_one, memory_order_seq_cst));  // seats E2.
    return field(seen, called_one);
  }
  [[nodiscard]] unsigned called() const noexcept {
    return field(word_.load(memory_order_seq_cst), called_one);  // seats E2.
  }

  /// One that is seated claims itself, unless somebody searches, or has claimed it.
  [[nodiscard]] bool get_up_to_search() noexcept {
    auto seen = word_.load(memory_order_seq_cst);  // E1.
    do {
      if (field(seen, searching_one) != 0 || field(seen, seated_one) == 0) return false;
    } while (!word_.compare_exchange_weak(seen, seen - seated_one + searching_one, memory_order_seq_cst));  // E1.
    return true;
  }

  // deque E3, E4: the thief that publishes sees the joiner. A thread counts once, however many of its frames wait (see joining).
  void begin_join() noexcept { word_.fetch_add(joining_one, memory_order_seq_cst); }
  void end_join() noexcept { word_.fetch_sub(joining_one, memory_order_relaxed); }

  /// The searcher `index` is about to sleep. It looks at all work once more after this.
  void announce_sleep(unsigned index) noexcept {
    asleep_[index / 64].fetch_or(bit(index), memory_order_relaxed);
    claimable_[index / 64].fetch_or(bit(index), memory_order_seq_cst);
    word_.fetch_add(sleeping_one - searching_one, memory_order_seq_cst);  // E1.
  }

  /// Not claimed yet? The sleeper asks before each park.
  [[nodiscard]] bool asleep(unsigned index) const noexcept {
    return (asleep_[index / 64].load(memory_order_acquire) & bit(index)) != 0;  // acquire: E2.
  }

  enum class claim { unless_searching, always };

  /// A sleeper who is now a searcher and must be unparked by the caller, or nobody. `favourite` is taken if it sleeps;
  /// `last_choice` only if nobody else does. Where all that sleep are seated, somebody_seated: one is called, and the caller interrupts.
  [[nodiscard]] int claim_sleeper(claim when, int favourite = nobody, int last_choice = nobody) noexcept {
    auto seen = word_.load(memory_order_seq_cst);  // E1.
    std::uint64_t from;
    do {
      if (when == claim::unless_searching && field(seen, searching_one) != 0) return nobody;
      from = field(seen, sleeping_one) != 0 ? sleeping_one : seated_one;
      if (field(seen, from) == 0) return nobody;
    } while (!word_.compare_exchange_weak(seen, seen - from + searching_one + (from == seated_one ? called_one : 0),
                                          memory_order_seq_cst));  // E1.
    if (from == seated_one) return somebody_seated;
    auto const index = take_bit(favourite, last_choice);
    asleep_[static_cast<unsigned>(index) / 64].fetch_and(~bit(static_cast<unsigned>(index)),
                                                         memory_order_release);  // release: E2.
    return index;
  }

  /// Takes a sleeper out of the set without waking it, if more than `keep` sleep: nobody is to wake it until put_back.
  [[nodiscard]] int hold_sleeper(unsigned keep, int last_choice) noexcept {
    auto seen = word_.load(memory_order_seq_cst);
    do {
      if (field(seen, sleeping_one) <= keep) return nobody;
    } while (!word_.compare_exchange_weak(seen, seen - sleeping_one, memory_order_seq_cst));  // E1.
    return take_bit(nobody, last_choice);
  }

  /// The caller looks at all work after this, as after announce_sleep.
  void put_back(unsigned index) noexcept {
    claimable_[index / 64].fetch_or(bit(index), memory_order_seq_cst);
    word_.fetch_add(sleeping_one, memory_order_seq_cst);  // E1.
  }

  /// A seq_cst step between what the caller did and what it looks at next, for those who neither begin nor end to search.
  void synchronise() const noexcept { word_.fetch_add(0, memory_order_seq_cst); }

  /// Any sleeper, left asleep: somebody to nudge. A hint.
  [[nodiscard]] int some_sleeper() const noexcept {
    for (unsigned w = 0; w < claimable_.size(); ++w)
      // seq_cst: the bit was set before the sleeper looked at the clock; who moved the clock looks here after that.
      if (auto const bits = claimable_[w].load(memory_order_seq_cst))
        return static_cast<int>(w * 64) + std::countr_zero(bits);
    return nobody;
  }

 private:
  static constexpr std::uint64_t searching_one = 1, sleeping_one = std::uint64_t{1} << 16,
                                 joining_one = std::uint64_t{1} << 32, seated_one = std::uint64_t{1} << 48,
                                 called_one = std::uint64_t{1} << 52;

  static unsigned field(std::uint64_t word, std::uint64_t one) noexcept {
    return static_cast<unsigned>((word / one) & (one == seated_one ? 0xF : 0xFFFF));
  }
  static left_behind left_in(std::uint64_t word) noexcept {
    return {field(word, searching_one) != 0, field(word, sleeping_one) != 0, field(word, seated_one) != 0};
  }
  static std::uint64_t bit(unsigned index) noexcept { return std::uint64_t{1} << (index % 64); }

  bool clear_bit(unsigned index) noexcept {
    // acquire: what the sleeper did before it announced itself comes before what its claimer does to it. seq_cst: who has moved the clock
    // and found this sleeper's bit (some_sleeper) comes before what the sleeper, claimed, sees of the clock.
    return (claimable_[index / 64].fetch_and(~bit(index), memory_order_seq_cst) & bit(index)) != 0;
  }

  // The caller has lowered the count, so there is a bit for it, if not in this round then in the next.
  int take_bit(int favourite, int last_choice) noexcept {
    if (favourite != nobody && clear_bit(static_cast<unsigned>(favourite))) return favourite;
    for (;;) {
      for (unsigned w = 0; w < claimable_.size(); ++w) {
        auto bits = claimable_[w].load(memory_order_relaxed);
        if (last_choice != nobody && static_cast<unsigned>(last_choice) / 64 == w)
          bits &= ~bit(static_cast<unsigned>(last_choice));
        for (; bits != 0; bits &= bits - 1) {
          auto const index = w * 64 + static_cast<unsigned>(std::countr_zero(bits));
          if (clear_bit(index)) return static_cast<int>(index);
        }
      }
      if (last_choice != nobody && clear_bit(static_cast<unsigned>(last_choice))) return last_choice;
    }
  }

  // Changed by read-modify-writes alone: who reads one of them acquires what came with those before it.
  alignas(cache_line) mutable atomic<std::uint64_t> word_{0};
  alignas(cache_line) std::array<atomic<std::uint64_t>, (capacity + 63) / 64> claimable_{};
  alignas(cache_line) std::array<atomic<std::uint64_t>, (capacity + 63) / 64> asleep_{};
};

}  // namespace weft::detail
