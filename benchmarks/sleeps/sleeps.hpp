// What the sleeping programs share: how long each sleeps, and what is printed.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace sleeps {

using namespace std::chrono_literals;

inline constexpr std::size_t usual = 1'000'000;
inline constexpr std::chrono::nanoseconds shortest = 500ms, longest = 1500ms;

/// Evenly between the two; the first one sleeps longest. Every language has the same.
class lengths {
 public:
  explicit lengths(std::size_t count) : count_(count) {}
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  std::chrono::nanoseconds next() noexcept {
    if (!begun_) {
      begun_ = true;
      return longest;
    }
    seed_ = seed_ * 6364136223846793005u + 1442695040888963407u;
    return shortest + std::chrono::nanoseconds((seed_ >> 33) % 1'000'000'000u);
  }

 private:
  std::size_t count_;
  std::uint64_t seed_ = 42;
  bool begun_ = false;
};

inline double resident_bytes() {
  long pages = 0;
  if (std::FILE* const f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%*s %ld", &pages) != 1) pages = 0;
    std::fclose(f);
  }
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// From its making until it prints.
class measurement {
 public:
  void print(std::size_t awake, std::size_t count, double bytes) const {
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - begun_ - longest;
    if (awake != count) {
      std::fprintf(stderr, "%zu of %zu woke up\n", awake, count);
      std::_Exit(1);
    }
    std::printf("%.3f %.3f %.0f\n", took.count(), cpu_seconds() - cpu_, bytes / static_cast<double>(count));
  }

 private:
  static double cpu_seconds() {
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
  }

  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  double cpu_ = cpu_seconds();
};

}  // namespace sleeps
