// A plain join of jobs that are not known beforehand: each may bring forth others, on any worker, and the frame that waits helps those
// who run them.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/sched/join.hpp>
#include <weft/sched/nested.hpp>
#include <weft/sched/scheduler.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace weft::detail {

//   left_    ends to come. Whoever brings it to 0 wakes the waiter; its last touch is that step, the address of the waiter's parker it has copied before.
//   parts_   the holders of jobs of this join that thieves are running: hints where to help
//
//   E1  an end's release → the last end's, and the waiter's acquire   what was done before it
//   E2  the release of a holder → the waiter's acquire               that the thief runs a job of this join under that number
//
// Helping is that of a plain join (join.hpp): what lies in a thief's deque while it shows the number of a job descends from that job. It is done
// only while nothing of the waiter's own is live in its deque: those who help the waiter in turn would take that for a part of this join.
/// Lives in the frame that waits, or as long as the last end.
class open_join : pinned {
 public:
  /// Before anybody knows of it. `waiter`: whose frame will wait; null: nobody's.
  void begin(std::size_t ends, worker* waiter) noexcept {
    left_.store(ends, memory_order_relaxed);
    waiter_ = waiter;
  }

  /// One more end, by somebody who has not ended.
  void expect() noexcept { left_.fetch_add(1, memory_order_relaxed); }

  /// The same by the waiter itself: nobody is woken, and nothing is gone.
  bool end_here(std::size_t ends) noexcept { return left_.fetch_sub(ends, memory_order_acq_rel) == ends; }  // E1.

  /// True: these were the last. Then, or where there is a waiter, *this may be gone.
  bool end(std::size_t ends) noexcept {
    worker* const waiter = waiter_;
    if (left_.fetch_sub(ends, memory_order_acq_rel) != ends) return false;  // E1.
    if (waiter) waiter->sleep.unpark();
    return true;
  }

  /// A worker that runs a job of this join shows it as long as this lives.
  class part : pinned {
   public:
    part(open_join& j, worker const& self) noexcept {
      auto const word = self.running.load(memory_order_relaxed);
      if (word == 0) return;  // not a stolen job: it has no number
      auto& place = j.parts_[self.index % most_parts];
      std::uint64_t none = 0;
      // release: E2. A place that is taken is not waited for: one hint less.
      if (place.compare_exchange_strong(none, word, memory_order_release, memory_order_relaxed)) place_ = &place;
    }
    ~part() {
      if (place_) place_->store(0, memory_order_relaxed);
    }

   private:
    atomic<std::uint64_t>* place_ = nullptr;
  };

  /// The waiter, whose deque is as it was before the first job. Returns when all have ended.
  void wait(worker& self) noexcept {
    if (ended()) return;
    bool all = false;
    {
      joining const counted(self);
      join_patience patience(self.home);
      do {
        all = ended();
        if (all) break;
        if (help_someone(self)) patience.helped();
      } while (!patience.over());
    }
    if (!all) {
      block_in_join(self, [&](clock::time_point deadline) {
        self.sleep.park(deadline);
        return ended();
      });
    }
    self.waiting_for.store(0, memory_order_relaxed);
  }

 private:
  static constexpr std::size_t most_parts = 64;

  [[nodiscard]] bool ended() const noexcept { return left_.load(memory_order_acquire) == 0; }  // acquire: E1.

  bool help_someone(worker& self) noexcept {
    if (!self.deque.idle()) return false;
    auto const count = std::min<std::size_t>(most_parts, self.home.worker_count());
    for (std::size_t i = 0; i < count; ++i) {
      holder const who{parts_[i].load(memory_order_acquire)};  // acquire: E2.
      if (!who || who.index() == self.index) continue;
      // release: whoever reads it and then our `running` sees which job this wait belongs to.
      self.waiting_for.store(who.word, memory_order_release);
      if (forked::help(self, who)) return true;
    }
    return false;
  }

  atomic<std::size_t> left_{0};
  worker* waiter_ = nullptr;
  std::array<atomic<std::uint64_t>, most_parts> parts_{};
};

}  // namespace weft::detail
