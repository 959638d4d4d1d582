// What all sockets share: making and naming them, and errors that name the call and the peer.
#pragma once

#include <weft/io/address.hpp>
#include <weft/io/operation.hpp>
#include <weft/io/reactor.hpp>
#include <weft/os/file_handle.hpp>
#include <weft/os/system_calls.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace weft {

namespace detail {

[[noreturn]] inline void throw_io(int error, char const* call, std::string const& what) {
  throw std::system_error(error, std::system_category(), what.empty() ? call : std::string(call) + " " + what);
}
[[noreturn]] inline void throw_io(int error, char const* call, endpoint const& peer) {
  throw_io(error, call, peer.to_string());
}

/// A socket that does not block and is not inherited by programs that are started.
inline file_handle make_socket(endpoint const& where, int type) {
  int const fd = sys::socket(where.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw_io(errno, "socket", where);
  return file_handle::adopt(fd);
}

/// Of a socket's own end.
inline endpoint local_name(int fd) {
  ::sockaddr_storage name;
  ::socklen_t length = sizeof name;
  if (sys::getsockname(fd, reinterpret_cast<::sockaddr*>(&name), &length) != 0)
    throw std::system_error(errno, std::system_category(), "getsockname");
  return endpoint::from(reinterpret_cast<::sockaddr*>(&name), length);
}

[[nodiscard]] inline bool is_would_block(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace detail
}  // namespace weft
