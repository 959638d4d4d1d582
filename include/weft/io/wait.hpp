// Waiting for any descriptor of somebody else's library.
#pragma once

#include <weft/coro/task.hpp>
#include <weft/io/operation.hpp>
#include <weft/io/reactor.hpp>
#include <weft/io/socket.hpp>
#include <weft/os/file_handle.hpp>

#include <fcntl.h>
#include <poll.h>

#include <cerrno>
#include <string>
#include <utility>

namespace weft {

namespace detail {

/// Is there something now? An end or an error is something. EBADF and the like are errors.
class descriptor_look {
 public:
  descriptor_look(int fd, short what) noexcept {
    ::pollfd p{.fd = fd, .events = what, .revents = 0};
    int n;
    do n = ::poll(&p, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0) error_ = errno;
    else if (p.revents & POLLNVAL) error_ = EBADF;
    else ready_ = n > 0;
  }
  [[nodiscard]] bool ready() const noexcept { return ready_; }
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  bool ready_ = false;
  int error_ = 0;
};

class descriptor_wait : public io_operation {
 public:
  descriptor_wait(handle_record* r, direction way) noexcept
      : io_operation(r, way, &descriptor_wait::attempt), what_(way == direction::reading ? POLLIN : POLLOUT) {
    try_first();
  }
  void await_resume() {
    finish();
    if (error() != 0) throw_io(error(), "wait", "descriptor");
  }

 private:
  static attempted attempt(io_operation& o) noexcept {
    auto& me = static_cast<descriptor_wait&>(o);
    descriptor_look const look(me.descriptor(), me.what_);
    if (look.error() != 0) return me.fail(look.error());
    return look.ready() ? attempted::ended : attempted::would_block;
  }

  short const what_;
};

}  // namespace detail

/// co_await wait_readable(fd);        any descriptor: its owner reads it, and may close it meanwhile
///   completes   when a read would not wait: something is there, or the end, or an error; at once where it is so now
///   on error    throws std::system_error: the descriptor is not open, or descriptors are short, since a copy is watched meanwhile
///   on stop     ends at once, as stopped
///   resumes on  the pool it was awaited on
[[nodiscard]] task<> wait_readable(int fd);

/// co_await wait_writable(fd); the same for writing.
[[nodiscard]] task<> wait_writable(int fd);

template <class>
class descriptor_wait_bodies {
  // A copy of the descriptor is watched, so that whatever its owner does with the number, nobody else's is.
  static task<> wait(int fd, detail::direction way) {
    detail::descriptor_look const look(fd, way == detail::direction::reading ? POLLIN : POLLOUT);
    auto const name = "descriptor " + std::to_string(fd);
    if (look.error() != 0) detail::throw_io(look.error(), "wait", name);
    if (look.ready()) co_return;
    int const copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) detail::throw_io(errno, "wait", name);
    detail::io_handle const handle(detail::file_handle::adopt(copy), detail::short_read::says_nothing);
    co_await detail::descriptor_wait(handle.record(), way);
  }

  friend task<> wait_readable(int fd) { return wait(fd, detail::direction::reading); }
  friend task<> wait_writable(int fd) { return wait(fd, detail::direction::writing); }
};
WEFT_DEFINE_FRIENDS(descriptor_wait_bodies);

}  // namespace weft
