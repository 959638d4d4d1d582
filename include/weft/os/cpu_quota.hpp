// How many cores this process may keep busy: the affinity mask ∩ the cgroup CPU quota ∩ WEFT_THREADS.
// A pool sized to the machine instead is throttled in a container: its workers use up the quota early in each period
// and then all of them stand still (oneTBB#190, golang/go#73193).
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/function.hpp>
#include <weft/os/affinity.hpp>
#include <weft/os/cgroup.hpp>
#include <weft/os/text_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#if defined(__linux__)
#include <sys/auxv.h>
#include <unistd.h>
#else
#include <cstdio>
#endif

namespace weft {

/// The number of cores that this process may keep busy, at least 1: the smallest of
///   - the CPUs in the calling thread's affinity mask, which the threads it creates inherit;
///   - the CPU quota of its control groups and all their ancestors, cgroup v1 and v2, rounded up to whole cores;
///   - the environment variable WEFT_THREADS, where it is set and the program does not run with raised privileges.
///
/// A WEFT_THREADS that is not a whole number of 1 or more is ignored, with one line on standard error per process.
/// Every call looks again, some tens of small files: ask once per pool, not per task. Any thread may call it, but not
/// while another changes the environment. Throws std::bad_alloc alone.
[[nodiscard]] unsigned usable_cores();

namespace detail {

enum class limit_source { affinity_mask, cgroup_v1_quota, cgroup_v2_quota, environment };

/// A number of cores, and what limits it so.
struct cpu_limit {
  unsigned cores;  ///< at least 1
  limit_source source;
  std::string explanation;  ///< for a person: "the affinity mask allows 8"
};

/// What usable_cores() answers, with its reason.
[[nodiscard]] cpu_limit current_cpu_limit();

/// The same for any machine: so many CPUs in the mask, these files, this value of WEFT_THREADS (null: not set).
/// `complain` receives the line about a value that is not understood.
[[nodiscard]] cpu_limit cpu_limit_of(std::size_t cpus_in_mask, file_reader read, char const* requested,
                                     function_ref<void(std::string const& line)> complain);

/// What this program may do that whoever started it may not.
enum class privileges { usual, raised };

/// raised: AT_SECURE (setuid, file capabilities).
[[nodiscard]] inline privileges privileges_of_program() noexcept {
#if defined(__linux__)
  if (::getauxval(AT_SECURE) != 0) return privileges::raised;
#endif
  return privileges::usual;
}

/// The value of an environment variable, or null where it is not set or must not be trusted: whoever started the program has fewer
/// rights than the program.
[[nodiscard]] inline char const* trusted_environment(char const* name) noexcept {
  return privileges_of_program() == privileges::raised ? nullptr : std::getenv(name);
}

/// Writes a line to standard error. False: nothing was written.
inline bool complain(std::string const& line) {
#if defined(__linux__)
  return ::write(STDERR_FILENO, line.data(), line.size()) >= 0;
#else
  return std::fwrite(line.data(), 1, line.size(), stderr) == line.size();
#endif
}

/// Writes the first line it is given to standard error, and no other.
WEFT_SHARED inline void complain_once(std::string const& line) {
  [[maybe_unused]] static bool const written = complain(line);
}

/// Part of a message: one line whatever the text holds, and nothing that a terminal obeys.
inline std::string on_one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return line;
}

/// The same, and not too long a one.
inline std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 64;
  return "\"" + on_one_line(text.substr(0, longest)) + (text.size() > longest ? "...\"" : "\"");
}

inline cpu_limit stricter(cpu_limit a, cpu_limit b) { return b.cores < a.cores ? std::move(b) : std::move(a); }

inline cpu_limit cpu_limit_of(std::size_t cpus_in_mask, file_reader read, char const* requested,
                              function_ref<void(std::string const& line)> complain) {
  constexpr std::size_t most = std::numeric_limits<unsigned>::max();
  auto const cpus = static_cast<unsigned>(std::clamp<std::size_t>(cpus_in_mask, 1, most));
  cpu_limit limit{cpus, limit_source::affinity_mask, "the affinity mask allows " + std::to_string(cpus)};

  if (auto const quota = strictest_cpu_quota(read)) {
    auto const is_v1 = quota->version == cgroup_version::v1;
    auto const source = is_v1 ? limit_source::cgroup_v1_quota : limit_source::cgroup_v2_quota;
    auto why = on_one_line(quota->file) + " allows " + std::to_string(quota->bandwidth.quota_us) +
               " us of CPU time in " + std::to_string(quota->bandwidth.period_us) + " us";
    limit = stricter(std::move(limit), {quota->bandwidth.cores(), source, std::move(why)});
  }

  std::string_view const wish = requested != nullptr ? requested : "";
  if (wish.empty()) return limit;  // WEFT_THREADS= in a shell takes the variable back
  auto const threads = whole_number<unsigned>(wish);
  if (threads.value_or(0) == 0) {
    complain("weft: WEFT_THREADS=" + quoted(wish) + " is ignored: expected a whole number, 1 or more; using " +
             std::to_string(limit.cores) + " (" + limit.explanation + ")\n");
    return limit;
  }
  auto why = "WEFT_THREADS is " + std::to_string(*threads);
  return stricter(std::move(limit), {*threads, limit_source::environment, std::move(why)});
}

inline cpu_limit current_cpu_limit() {
  auto const read = [](std::string const& path) { return read_text_file(path); };
  return cpu_limit_of(allowed_cpus().size(), read, trusted_environment("WEFT_THREADS"),
                      [](std::string const& line) { complain_once(line); });
}

}  // namespace detail

inline unsigned usable_cores() { return detail::current_cpu_limit().cores; }

}  // namespace weft
