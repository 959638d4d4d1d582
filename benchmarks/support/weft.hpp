// The weft side of a benchmark: a pool that is there before the clock starts.
#pragma once

#include "support/bench.hpp"

#include <weft/weft.hpp>

#include <utility>

namespace bench {

/// A pool of as many workers as the benchmark's argument says.
class pool_of {
 public:
  explicit pool_of(benchmark::State const& state) : pool_({.workers = workers(state)}) {
    expect(pool_.size(), workers(state));
  }

  /// Calls f() in every iteration, from inside the pool: entering it is not part of the time.
  template <class F>
  void measure(benchmark::State& state, F&& f) {
    pool_.run([&] {
      for (auto _ : state) f();
    });
  }

  weft::pool& operator*() noexcept { return pool_; }
  weft::pool* operator->() noexcept { return &pool_; }

 private:
  weft::pool pool_;
};

}  // namespace bench
