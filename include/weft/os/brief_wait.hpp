// A wait of a few instructions for another thread, which may have been preempted in them.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/os/simulation.hpp>

#if !WEFT_MODEL
#include <time.h>
#endif

namespace weft::detail {

/// A short spin, longer from one look to the next, then naps, which make the other run, whatever its priority. Not sched_yield: who
/// yields stands behind everybody who computes on its core, for a time slice of each. Measured on Linux 6.18, two cores, sixteen threads
/// at one lock and two processes that compute beside: the longest wait for the lock was 160 ms with yields, 67 ms with naps.
///   for (brief_wait w; !there(); w.pause()) {}
class brief_wait : pinned {
 public:
  /// After each vain look.
  void pause() noexcept {
#if WEFT_MODEL
    relax();
#else
    if (simulation* const world = current_simulation()) [[unlikely]]
      return world->step();
    constexpr unsigned spins = 8, longest_spin = 5, longest_nap = 6;
    if (turn_ < spins) {
      for (unsigned i = 0, many = 2u << (turn_ < longest_spin ? turn_ : longest_spin - 1); i != many; ++i) relax();
    } else {
      auto const doublings = turn_ - spins;
      timespec const nap{0, 1000L << (doublings < longest_nap ? doublings : longest_nap)};
      ::nanosleep(&nap, nullptr);  // a signal ends it early
      if (doublings == longest_nap) return;
    }
    ++turn_;
#endif
  }

 private:
  [[maybe_unused]] unsigned turn_ = 0;
};

}  // namespace weft::detail
