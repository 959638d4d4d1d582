// Vector clocks, and what travels along an edge between threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace weft_model {

inline constexpr unsigned most_threads = 8;

/// For each thread, how many of its events are known of.
class vector_clock {
 public:
  [[nodiscard]] std::uint32_t of(unsigned thread) const noexcept { return at_[thread]; }
  void set(unsigned thread, std::uint32_t time) noexcept { at_[thread] = time; }
  [[nodiscard]] bool covers(unsigned thread, std::uint32_t time) const noexcept { return time <= at_[thread]; }
  void join(vector_clock const& other) noexcept {
    for (unsigned t = 0; t != most_threads; ++t) at_[t] = std::max(at_[t], other.at_[t]);
  }

 private:
  std::array<std::uint32_t, most_threads> at_{};
};

/// What a thread knows, and hands on by a release.
struct knowledge {
  vector_clock happened;  // events that happen before
  vector_clock
      seen;  // these, and what seq_cst fences have made visible: bounds what may be read, and orders no plain access
  vector_clock strong;      // seq_cst operations that strongly happen before what comes next, as counts
  std::uint32_t fence = 0;  // the last seq_cst fence in it, as its place in S

  void join(knowledge const& other) noexcept {
    happened.join(other.happened);
    seen.join(other.seen);
    strong.join(other.strong);
    fence = std::max(fence, other.fence);
  }
};

/// What a store hands to those who read it. Synchronisation from a seq_cst operation to a seq_cst operation counts as strong by itself.
struct message {
  knowledge all;
  vector_clock strong_from_seq_cst;
  bool empty = true;

  void join(message const& other) noexcept {
    if (other.empty) return;
    all.join(other.all);
    strong_from_seq_cst.join(other.strong_from_seq_cst);
    empty = false;
  }
};

}  // namespace weft_model
