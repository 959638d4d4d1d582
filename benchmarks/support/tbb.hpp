// The TBB side of a benchmark: an arena of as many threads as the benchmark's argument says.
#pragma once

#include "support/bench.hpp"

#include <tbb/task_arena.h>

namespace bench {

/// Calls f() in every iteration, from inside an arena.
template <class F>
void measure_in_arena(benchmark::State& state, F&& f) {
  tbb::task_arena arena(static_cast<int>(workers(state)));
  arena.execute([&] {
    for (auto _ : state) f();
  });
}

}  // namespace bench
