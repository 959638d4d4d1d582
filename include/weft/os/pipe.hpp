// Pipes that do not block, and writing to one whose reader has gone without a signal.
#pragma once

#include <weft/os/file_handle.hpp>
#include <weft/os/system_calls.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <ctime>
#include <utility>

namespace weft::detail {

/// Reading end, writing end; neither blocks, both close on exec. Throws std::system_error.
[[nodiscard]] inline std::pair<file_handle, file_handle> make_pipe() {
  std::array<int, 2> fds;
  if (sys::pipe2(fds.data(), O_NONBLOCK | O_CLOEXEC) != 0) throw_errno("pipe2", "");
  return {file_handle::adopt(fds[0]), file_handle::adopt(fds[1])};
}

/// As write(2), but EPIPE comes without SIGPIPE: the signal is held back on this thread meanwhile, and taken if it was raised.
/// What other threads do with the signal is not touched.
[[nodiscard]] inline ssize_t write_without_signal(int fd, void const* bytes, std::size_t count) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return sys::write(fd, bytes, count);
  ::sigset_t pipe_signal, before;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  auto const n = ::write(fd, bytes, count);
  int const error = errno;
  if (n < 0 && error == EPIPE) {
    std::timespec const at_once{};
    while (::sigtimedwait(&pipe_signal, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  if (::sigismember(&before, SIGPIPE) == 0) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return n;
}

}  // namespace weft::detail
