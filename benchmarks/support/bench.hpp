// What all benchmarks share: names and worker counts, answers that are checked, and what a process has used.
#pragma once

#include <weft/os/cpu_quota.hpp>

#include <benchmark/benchmark.h>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <source_location>

// A benchmark is called case/library, and case/library/workers:n where the library uses threads: BENCHMARK(f)->Name("fib36/weft").
// The report takes the names apart. Where libraries run the same case in different sizes, each says how many items it
// has done (count_items), and the report compares the time per item.
namespace bench {

/// Threads of the machine that a benchmark may use.
inline unsigned cores() { return weft::usable_cores(); }

/// 1, 2, 4, … workers, and as many as there are cores; at least 1 and 2.
inline void worker_counts(benchmark::internal::Benchmark* b) {
  b->ArgName("workers");
  unsigned const most = std::max(2u, cores());
  for (unsigned n = 1; n < most; n *= 2) b->Arg(n);
  b->Arg(most);
}

/// The same, by the clock on the wall; the CPU time shown beside it is that of all threads.
inline void each_worker_count(benchmark::internal::Benchmark* b) {
  worker_counts(b);
  b->UseRealTime()->MeasureProcessCPUTime();
}

[[nodiscard]] inline unsigned workers(benchmark::State const& state) { return static_cast<unsigned>(state.range(0)); }

inline void count_items(benchmark::State& state, std::int64_t each_iteration) {
  state.SetItemsProcessed(state.iterations() * each_iteration);
}

/// A wrong answer ends the process: a time without a right answer means nothing.
template <std::equality_comparable T>
void expect(T const& got, T const& expected, std::source_location where = std::source_location::current()) {
  if (got == expected) return;
  std::cerr << where.file_name() << ':' << where.line() << ": wrong answer " << got << ", expected " << expected
            << std::endl;
  std::_Exit(EXIT_FAILURE);
}

/// User and system time of the process, in seconds.
[[nodiscard]] inline double cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  auto const seconds = [](timeval const& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(u.ru_utime) + seconds(u.ru_stime);
}

/// Memory of the process that is in RAM now, in bytes.
[[nodiscard]] inline double resident_bytes() {
  double pages = 0;
  if (std::FILE* const f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%*s %lf", &pages) != 1) pages = 0;
    std::fclose(f);
  }
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace bench
