// Making connections and taking them, for every kind of stream socket.
#pragma once

#include <weft/io/address.hpp>
#include <weft/io/operation.hpp>
#include <weft/io/reactor.hpp>
#include <weft/io/socket.hpp>
#include <weft/os/file_handle.hpp>
#include <weft/os/system_calls.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace weft {

/// How a listener is made.
struct listen_options {
  int backlog = 1024;  ///< connections that wait to be accepted, at most
};

namespace detail {

/// Accepts one connection and keeps its descriptor and who it is.
class accept_awaiter : public io_operation {
 public:
  explicit accept_awaiter(handle_record* r) noexcept : io_operation(r, direction::reading, &accept_awaiter::attempt) {}

 protected:
  file_handle take() {
    if (error() != 0) throw_io(error(), "accept", finish_and_name());
    finish();
    return std::move(accepted_);
  }
  [[nodiscard]] endpoint peer() const {
    return endpoint::from(reinterpret_cast<::sockaddr const*>(&peer_), peer_length_);
  }

 private:
  static attempted attempt(io_operation& o) noexcept {
    auto& me = static_cast<accept_awaiter&>(o);
    for (;;) {
      me.peer_length_ = sizeof me.peer_;
      int const fd = sys::accept4(me.descriptor(), reinterpret_cast<::sockaddr*>(&me.peer_), &me.peer_length_,
                                  SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        me.accepted_ = file_handle::adopt(fd);
        me.keep(readiness::ready);
        return attempted::ended;
      }
      switch (errno) {
        case EAGAIN: return attempted::would_block;
        // It came and went, or the network reports what happened to it.
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH: continue;
        default:
          // Whatever waits there goes on waiting, and there is no event for it any more.
          me.keep(readiness::ready);
          return me.fail(errno);
      }
    }
  }

  file_handle accepted_;
  ::sockaddr_storage peer_;
  ::socklen_t peer_length_ = 0;
};

template <class Awaiter>
class [[nodiscard]] accept_operation {
 public:
  explicit accept_operation(handle_record* r) noexcept : record_(r) {}
  auto operator co_await() const noexcept { return Awaiter(record_); }

 private:
  handle_record* record_;
};

/// Makes the connection of a socket that has none.
class connect_awaiter : public io_operation {
 public:
  connect_awaiter(handle_record* r, endpoint const& to) noexcept
      : io_operation(r, direction::writing, &connect_awaiter::attempt), to_(to) {}

  /// False: a unix socket's listener has no room; no event tells of room.
  bool await_resume() {
    finish();
    if (error() == EAGAIN) return false;
    if (error() != 0) throw_io(error(), "connect", to_);
    return true;
  }

 private:
  // Asked again, connect tells how the first call went.
  static attempted attempt(io_operation& o) noexcept {
    auto& me = static_cast<connect_awaiter&>(o);
    ::sockaddr_storage address;
    auto const length = me.to_.to(address);
    for (;;) {
      if (sys::connect(me.descriptor(), reinterpret_cast<::sockaddr*>(&address), length) == 0 || errno == EISCONN)
        return attempted::ended;
      if (errno == EINPROGRESS || errno == EALREADY) return attempted::would_block;
      if (errno != EINTR) return me.fail(errno);
    }
  }

  endpoint const& to_;
};

/// Throws std::system_error that names the address.
inline file_handle make_listening_socket(endpoint const& at, int backlog) {
  auto descriptor = make_socket(at, SOCK_STREAM);
  int const one = 1;
  if (at.type() != endpoint::kind::unix_path)
    sys::setsockopt(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  ::sockaddr_storage address;
  auto const length = at.to(address);
  if (sys::bind(descriptor.get(), reinterpret_cast<::sockaddr*>(&address), length) != 0) throw_io(errno, "bind", at);
  if (sys::listen(descriptor.get(), backlog) != 0) throw_io(errno, "listen", at);
  return descriptor;
}

}  // namespace detail
}  // namespace weft
