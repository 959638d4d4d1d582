// In every benchmark program: BENCH_PEAK_MEMORY=FILE makes it write the most memory it has had in RAM, in KiB, when it ends.
// For benchmarks/report, which runs each case in a process of its own for that. It asks the process itself, since the ru_maxrss of
// a child begins with what the parent had when it started it.
#include <cstdio>
#include <cstdlib>

namespace {

class at_exit {
 public:
  ~at_exit() {
    char const* const name = std::getenv("BENCH_PEAK_MEMORY");
    if (!name) return;
    long kib = 0;
    if (std::FILE* const status = std::fopen("/proc/self/status", "r")) {
      char line[256];
      while (std::fgets(line, sizeof line, status) && std::sscanf(line, "VmHWM: %ld", &kib) != 1) continue;
      std::fclose(status);
    }
    if (std::FILE* const out = std::fopen(name, "w")) {
      std::fprintf(out, "%ld\n", kib);
      std::fclose(out);
    }
  }
} const peak_memory;

}  // namespace
