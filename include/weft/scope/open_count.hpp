// Who of many, started on the way by each other, ends last: two counters in place of one.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>

#include <cstddef>

namespace weft::detail {

//   started_        the opener and all that were started so far     those who start
//   ended_          how many of these have ended                    those who end
//   opener_ended_
//
//   E1  an end's release → every later end's acquire   what it did, whom it started, and that the opener has ended
//
// Two counters, so that who starts and who ends need not pass a cache line to and fro; before the opener's end nobody who ends
// looks at started_. An end reads ended_, then opener_ended_ and started_, then steps ended_ on, which succeeds only where nobody has
// ended since it read it. Whoever has not ended at that moment, beside itself, was started by somebody who had not either, or by one
// whose end this one has acquired (E1): going back from one to the other, at least one of them is among the started_ that it has
// read. So it is the last exactly where ended_ has become started_. The step is its last touch.
/// Counts an opener and what it, and those that it started, have started. Any thread that has not ended may start.
class open_count : pinned {
 public:
  /// Returns how many had started before, the opener among them.
  std::size_t start() noexcept { return started_.fetch_add(1, memory_order_relaxed); }

  /// True: everybody has ended. If not, *this may be gone.
  [[nodiscard]] bool end() noexcept {
    auto ended = ended_.load(memory_order_acquire);  // acquire: E1.
    std::size_t all;
    do {
      all = opener_ended_.load(memory_order_relaxed) ? started_.load(memory_order_relaxed) : 0;
    } while (!ended_.compare_exchange_weak(ended, ended + 1, memory_order_acq_rel, memory_order_acquire));  // E1.
    return ended + 1 == all;
  }

  /// The same, by the opener.
  [[nodiscard]] bool end_of_opener() noexcept {
    opener_ended_.store(true, memory_order_relaxed);  // E1, by the step of ended_.
    return end();
  }

 private:
  atomic<bool> opener_ended_{false};
  // Padding, not alignment: it lies in frames of coroutines, which are aligned to 16 bytes.
  [[maybe_unused]] std::byte apart_[64];
  atomic<std::size_t> started_{1};
  [[maybe_unused]] std::byte apart_too_[64];
  atomic<std::size_t> ended_{0};
};

}  // namespace weft::detail
