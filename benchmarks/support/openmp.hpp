// The OpenMP side of a benchmark: a team of as many threads as the benchmark's argument says.
#pragma once

#include "support/bench.hpp"

#include <omp.h>

namespace bench {

/// Calls f() in every iteration; parallel regions in it have the right number of threads. Afterwards the threads, which both
/// run-times leave spinning, are sent to sleep: the next benchmark is to have the cores.
template <class F>
void measure_with_team(benchmark::State& state, F&& f) {
  omp_set_dynamic(0);
  omp_set_num_threads(static_cast<int>(workers(state)));
  for (auto _ : state) f();
  omp_pause_resource_all(omp_pause_soft);
}

}  // namespace bench
