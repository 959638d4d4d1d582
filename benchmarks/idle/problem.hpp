// A pool that has worked and has nothing to do: the time shown is the CPU time, user and system, of the whole process in 5 s.
#pragma once

#include "support/bench.hpp"

#include <atomic>
#include <chrono>
#include <thread>

namespace bench::idle {

/// Lets what is spinning come to rest, then measures.
inline void measure(benchmark::State& state) {
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    double const before = cpu_seconds();
    std::this_thread::sleep_for(std::chrono::seconds(5));
    state.SetIterationTime(cpu_seconds() - before);
  }
}

inline void each_worker_count(benchmark::internal::Benchmark* b) {
  b->ArgName("workers")->UseManualTime()->Iterations(1)->Arg(1)->Arg(2)->Arg(16);
}

/// What the pool does first: a loop of this many bodies that count.
inline constexpr int bodies = 100'000;
inline void body(std::atomic<int>& count) { count.fetch_add(1, std::memory_order_relaxed); }

}  // namespace bench::idle
