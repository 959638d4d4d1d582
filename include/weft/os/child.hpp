// Starting a program as a child of this process, with the descriptors it is to have and no others, and asking how it has ended.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/os/file_handle.hpp>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace weft::detail {

/// What a child is to be. Everything is borrowed.
struct child_plan {
  std::string_view program;        ///< a path, if it has a slash; else looked for in the elements of `path`
  std::string_view path;           ///< as the variable PATH
  std::span<char* const> argv;     ///< ends with null
  std::span<char* const> environ;  ///< ends with null
  int directory = -1;              ///< an open one, in which it begins; -1: that of this process
  /// Element i becomes the child's descriptor i; -1, in the first three: as it is here. There are three at least.
  std::span<int const> descriptors;
  bool own_group = false;  ///< it leads a new process group, of its own number
};

/// Starts it, and waits until the program has taken the place of this one in it (or could not), as posix_spawn does. The child has the
/// descriptors that were planned, open and nothing else; no signal blocked; SIGPIPE as it is by default, since programs of the shell
/// count on it, and what else is ignored here ignored there, as nohup would have it. 0, or an error number: ENOENT where there
/// is no such program, EACCES where there is one that may not be executed, E2BIG for too many arguments.
[[nodiscard]] int start_child(child_plan const& plan, pid_t& pid);

/// How a child has ended.
struct child_end {
  int code = 0;    ///< what it has returned from main
  int signal = 0;  ///< the signal that has killed it, or 0
  bool dumped_core = false;
};

/// What reap_child says.
enum class reaped {
  running,  ///< not ended yet
  ended,    ///< it has been taken out of the system's table: its number may now be another's
  lost      ///< somebody else has done so, or the system, where SIGCHLD is ignored: nobody can tell how it ended
};

/// Never waits.
[[nodiscard]] inline reaped reap_child(pid_t pid, child_end& end) noexcept {
  ::siginfo_t info{};
  int error;
  do error = ::waitid(P_PID, static_cast<::id_t>(pid), &info, WEXITED | WNOHANG) == 0 ? 0 : errno;
  while (error == EINTR);
  if (error != 0) return reaped::lost;
  if (info.si_pid == 0) return reaped::running;
  if (info.si_code == CLD_EXITED) end.code = info.si_status;
  else end.signal = info.si_status;
  end.dumped_core = info.si_code == CLD_DUMPED;
  return reaped::ended;
}

/// Nobody has reaped it, whether it has ended or not: its number is still its own, and so is that of its group.
[[nodiscard]] inline bool is_unreaped(pid_t pid) noexcept {
  ::siginfo_t info{};
  int said;
  do said = ::waitid(P_PID, static_cast<::id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
  while (said != 0 && errno == EINTR);
  return said == 0;
}

/// A descriptor of a child that has not been reaped: readable when it has ended. None where the system has no such thing, forbids
/// it, or is short of descriptors.
[[nodiscard]] inline std::optional<file_handle> open_child([[maybe_unused]] pid_t pid) noexcept {
#if defined(SYS_pidfd_open)
  auto const fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd >= 0) return file_handle::adopt(fd);
#endif
  return std::nullopt;
}

/// Sends a signal to the child of such a descriptor, and to no other process, whatever has become of it. 0, or an error number: ESRCH
/// where it has been reaped.
[[nodiscard]] inline int signal_child([[maybe_unused]] int descriptor, [[maybe_unused]] int signal) noexcept {
#if defined(SYS_pidfd_send_signal)
  return ::syscall(SYS_pidfd_send_signal, descriptor, signal, nullptr, 0) == 0 ? 0 : errno;
#else
  return ENOSYS;
#endif
}

/// "Terminated"; null where the system has no word for it. Constant memory.
[[nodiscard]] inline char const* describe_signal([[maybe_unused]] int signal) noexcept {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
  return ::sigdescr_np(signal);
#else
  return nullptr;
#endif
}

// ── bodies ──

/// The list of what is done in the child before its program begins.
class child_actions : pinned {
 public:
  child_actions() noexcept : error_(::posix_spawn_file_actions_init(&actions_)), made_(error_ == 0) {}
  ~child_actions() {
    if (made_) ::posix_spawn_file_actions_destroy(&actions_);
  }
  void change_directory(int directory) noexcept {
    note([&] { return ::posix_spawn_file_actions_addfchdir_np(&actions_, directory); });
  }
  void copy(int from, int to) noexcept {
    note([&] { return ::posix_spawn_file_actions_adddup2(&actions_, from, to); });
  }
  void close_from([[maybe_unused]] int first) noexcept {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    note([&] { return ::posix_spawn_file_actions_addclosefrom_np(&actions_, first); });
#endif
  }
  [[nodiscard]] int error() const noexcept { return error_; }
  [[nodiscard]] ::posix_spawn_file_actions_t const* get() const noexcept { return &actions_; }

 private:
  template <class F>
  void note(F add) noexcept {
    if (error_ == 0) error_ = add();
  }
  ::posix_spawn_file_actions_t actions_;
  int error_;
  bool made_;
};

class child_attributes : pinned {
 public:
  explicit child_attributes(bool own_group) noexcept : error_(::posix_spawnattr_init(&attributes_)) {
    if (error_ != 0) return;
    ::sigset_t none, by_default;
    ::sigemptyset(&none);
    ::sigemptyset(&by_default);
    ::sigaddset(&by_default, SIGPIPE);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &by_default);
    int const flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (own_group ? POSIX_SPAWN_SETPGROUP : 0);
    ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
    ::posix_spawnattr_setpgroup(&attributes_, 0);
  }
  ~child_attributes() {
    if (error_ == 0) ::posix_spawnattr_destroy(&attributes_);
  }
  [[nodiscard]] int error() const noexcept { return error_; }
  [[nodiscard]] ::posix_spawnattr_t const* get() const noexcept { return &attributes_; }

 private:
  ::posix_spawnattr_t attributes_;
  int error_;
};

[[nodiscard]] inline bool is_not_there(int error) noexcept {
  return error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG || error == ELOOP;
}

/// Tries the program at each place where it may be, as execvp does. try_one(path) gives 0 or an error number.
template <class F>
int try_places(child_plan const& plan, F try_one) {
  if (plan.program.empty()) return ENOENT;
  if (plan.program.find('/') != std::string_view::npos) return try_one(std::string(plan.program));
  int const relative_to = plan.directory >= 0 ? plan.directory : AT_FDCWD;
  int result = ENOENT;
  for (auto rest = plan.path;;) {
    auto const colon = rest.find(':');
    std::string place(rest.substr(0, colon));
    if (!place.empty()) place += '/';
    place += plan.program;
    // Looked for first: a child that finds nothing costs as much as one that does. Whether it may be executed, that one finds out.
    int error = ::faccessat(relative_to, place.c_str(), F_OK, 0) == 0 ? 0 : errno;
    if (!is_not_there(error)) error = try_one(place);
    if (error == 0) return 0;
    if (error == EACCES) result = EACCES;
    else if (!is_not_there(error)) return error;
    if (colon == std::string_view::npos) return result;
    rest.remove_prefix(colon + 1);
  }
}

inline int start_child(child_plan const& plan, pid_t& pid) {
  auto const count = static_cast<int>(plan.descriptors.size());
  // Copied out of the way first: none is overwritten by another before it has been used.
  std::vector<file_handle> aside;
  aside.reserve(plan.descriptors.size() + 1);
  auto const out_of_the_way = [&](int fd) {
    if (fd < 0 || fd >= count) return fd;
    int const copy = ::fcntl(fd, F_DUPFD_CLOEXEC, count);
    if (copy >= 0) aside.push_back(file_handle::adopt(copy));
    return copy;
  };

  child_actions actions;
  if (plan.directory >= 0) {
    int const directory = out_of_the_way(plan.directory);
    if (directory < 0) return errno;
    actions.change_directory(directory);
  }
  std::vector<int> sources;
  for (int const fd : plan.descriptors) {
    sources.push_back(out_of_the_way(fd));
    if (fd >= 0 && sources.back() < 0) return errno;
  }
  for (int to = 0; to < count; ++to)
    if (int const from = sources[static_cast<std::size_t>(to)]; from >= 0) actions.copy(from, to);
  actions.close_from(count);
  child_attributes const attributes(plan.own_group);
  if (actions.error() != 0) return actions.error();
  if (attributes.error() != 0) return attributes.error();

  return try_places(plan, [&](std::string const& place) {
    return ::posix_spawn(&pid, place.c_str(), actions.get(), attributes.get(), plan.argv.data(), plan.environ.data());
  });
}

}  // namespace weft::detail
