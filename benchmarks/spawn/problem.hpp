// A million tasks that do next to nothing, started one by one and joined: what starting and ending one costs. An item is a task.
// bench_smoke: --benchmark_filter=10k/weft
#pragma once

#include "support/bench.hpp"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace bench::spawn {

inline constexpr std::size_t few = 10'000, many = 1'000'000;

/// Each task makes its own mark, so that nothing is lost or done twice unseen.
class marks {
 public:
  explicit marks(std::size_t count) : done_(count) {}
  void set(std::size_t i) noexcept { ++done_[i]; }
  void expect_all_set_once() {
    for (auto& d : done_) {
      expect(static_cast<unsigned>(d), 1u);
      d = 0;
    }
  }

 private:
  std::vector<unsigned char> done_;
};

/// 0 + 1 + … + (n − 1)
constexpr std::uint64_t sum_below(std::uint64_t n) { return n * (n - 1) / 2; }

}  // namespace bench::spawn
