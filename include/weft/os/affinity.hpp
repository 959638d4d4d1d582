// The CPUs on which the calling thread may run, for machines of any size.
#pragma once

#include <weft/base/function.hpp>

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <numeric>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#else
#include <thread>
#endif

namespace weft::detail {

/// The ids of the CPUs in the calling thread's affinity mask, ascending, never empty. Threads inherit the mask of the
/// thread that creates them. Where the system does not tell, every CPU that is online, numbered from 0.
[[nodiscard]] std::vector<unsigned> allowed_cpus();

inline constexpr std::size_t bits_per_mask_word = sizeof(unsigned long) * CHAR_BIT;

/// Fills a zeroed mask of so many bytes and returns 0, or returns an error number: EINVAL where the mask is too short.
using mask_query = function_ref<int(unsigned long* mask, std::size_t bytes)>;

/// The CPUs set in the mask that `query` fills; none where it fails. The kernel rejects a mask shorter than its own
/// without telling the size it wants, and the fixed cpu_set_t ends at 1024 CPUs: the mask grows until it fits.
[[nodiscard]] std::vector<unsigned> cpus_in_mask(mask_query query, int too_short);

inline std::vector<unsigned> cpus_in_mask(mask_query query, int too_short) {
  constexpr std::size_t first_try = 1024;
  constexpr std::size_t most_cpus = std::size_t{1} << 20;

  std::vector<unsigned> cpus;
  for (auto size = first_try; size <= most_cpus; size *= 2) {
    std::vector<unsigned long> mask(size / bits_per_mask_word);
    auto const error = query(mask.data(), mask.size() * sizeof(unsigned long));
    if (error == too_short) continue;
    if (error != 0) break;
    for (std::size_t cpu = 0; cpu < size; ++cpu) {
      if ((mask[cpu / bits_per_mask_word] >> (cpu % bits_per_mask_word) & 1u) != 0) {
        cpus.push_back(static_cast<unsigned>(cpu));
      }
    }
    break;
  }
  return cpus;
}

inline std::vector<unsigned> allowed_cpus() {
#if defined(__linux__)
  auto const ask_kernel = [](unsigned long* mask, std::size_t bytes) {
    return ::sched_getaffinity(0, bytes, reinterpret_cast<cpu_set_t*>(mask)) == 0 ? 0 : errno;
  };
  auto cpus = cpus_in_mask(ask_kernel, EINVAL);
  if (!cpus.empty()) return cpus;
  auto const online = ::sysconf(_SC_NPROCESSORS_ONLN);
  cpus.resize(online > 0 ? static_cast<std::size_t>(online) : 1);
#else
  std::vector<unsigned> cpus(std::max(1u, std::thread::hardware_concurrency()));
#endif
  std::iota(cpus.begin(), cpus.end(), 0u);
  return cpus;
}

/// The mask of the thread that made it, to be given to another: threads inherit that of their creator, whoever that is.
class cpu_mask {
 public:
  cpu_mask() noexcept {
#if defined(__linux__)
    known_ = ::sched_getaffinity(0, sizeof(words_), reinterpret_cast<cpu_set_t*>(words_.data())) == 0;
#endif
  }

  /// Where the mask is not known, the thread keeps its own.
  void apply_to_this_thread() const noexcept {
#if defined(__linux__)
    if (known_) ::sched_setaffinity(0, sizeof(words_), reinterpret_cast<cpu_set_t const*>(words_.data()));
#endif
  }

 private:
  static constexpr std::size_t most_cpus = 8192;  // no kernel is built for more
  std::array<unsigned long, most_cpus / bits_per_mask_word> words_{};
  bool known_ = false;
};

}  // namespace weft::detail
