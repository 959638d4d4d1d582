// What the system says a thread is doing: on a CPU or ready for one, or waiting for something in the kernel.
#pragma once

#include <weft/os/simulation.hpp>

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <string_view>

namespace weft::detail {

/// The kernel's number of the calling thread; numbers are used again after a thread has ended.
inline pid_t this_thread_number() noexcept {
  if (simulation* const world = current_simulation()) return static_cast<pid_t>(world->this_thread());
  return static_cast<pid_t>(::syscall(SYS_gettid));
}

enum class thread_activity {
  runs,    // or would, if a CPU were free
  waits,   // in a system call: asleep, for a lock, for a disk
  unknown  // no such thread, no /proc, no descriptor left
};

/// The activity that a line of /proc/<process>/task/<thread>/stat tells: the letter behind the name, which may itself hold
/// brackets and blanks.
[[nodiscard]] inline thread_activity parse_activity(std::string_view stat) noexcept {
  auto const name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= stat.size()) return thread_activity::unknown;
  switch (stat[name_end + 2]) {
    case 'R': return thread_activity::runs;
    case 'S':
    case 'D': return thread_activity::waits;
    default: return thread_activity::unknown;
  }
}

/// What a thread of this process does at this moment. Some µs: it reads a file of /proc. Does not allocate.
[[nodiscard]] inline thread_activity activity_of(pid_t thread) noexcept {
  if (simulation* const world = current_simulation())
    return world->blocked(static_cast<std::uintptr_t>(thread)) ? thread_activity::waits : thread_activity::runs;
  std::array<char, 48> path;
  std::snprintf(path.data(), path.size(), "/proc/self/task/%ld/stat", static_cast<long>(thread));
  int const fd = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return thread_activity::unknown;
  std::array<char, 256> text;
  auto const got = ::read(fd, text.data(), text.size());
  ::close(fd);
  if (got <= 0) return thread_activity::unknown;
  return parse_activity(std::string_view(text.data(), static_cast<std::size_t>(got)));
}

/// CPU time that a thread of this process has used since it began; zero where there is no such thread. About a µs. The number of a
/// thread's CPU clock is made as pthread_getcpuclockid makes it, which needs the thread to be alive.
[[nodiscard]] inline std::chrono::nanoseconds cpu_time_of(pid_t thread) noexcept {
  if (current_simulation()) return {};  // what runs there takes no time
  constexpr unsigned of_a_thread = 4, as_scheduled = 2;
  auto const id = static_cast<clockid_t>(~static_cast<unsigned>(thread) << 3 | of_a_thread | as_scheduled);
  std::timespec used{};
  if (::clock_gettime(id, &used) != 0) return {};
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace weft::detail
