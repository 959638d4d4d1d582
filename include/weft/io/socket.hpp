// What all sockets share: making and naming them, reading and writing whole buffers, and errors that name the call and the peer.
#pragma once

#include <weft/io/address.hpp>
#include <weft/io/operation.hpp>
#include <weft/io/reactor.hpp>
#include <weft/os/file_handle.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace weft {

/// read_exactly: the other side ended before all had come.
class unexpected_end : public std::system_error {
 public:
  unexpected_end(std::size_t got, std::size_t wanted, std::string const& peer)
      : std::system_error(ENODATA, std::system_category(),
                          "read_exactly " + peer + ": ended after " + std::to_string(got) + " of " +
                              std::to_string(wanted) + " bytes"),
        received_(got) {}
  /// Bytes that came, at the beginning of the buffer.
  [[nodiscard]] std::size_t received() const noexcept { return received_; }

 private:
  std::size_t received_;
};

namespace detail {

[[noreturn]] inline void throw_io(int error, char const* call, endpoint const& peer) {
  throw std::system_error(error, std::system_category(), std::string(call) + " " + peer.to_string());
}

/// A socket that does not block and is not inherited by programs that are started.
inline file_handle make_socket(endpoint const& where, int type) {
  int const fd = ::socket(where.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw_io(errno, "socket", where);
  return file_handle::adopt(fd);
}

/// Of a socket's own end.
inline endpoint local_name(io_handle const& h) {
  ::sockaddr_storage name;
  ::socklen_t length = sizeof name;
  int error = EBADF;
  h.with_descriptor(
      [&](int fd) { error = ::getsockname(fd, reinterpret_cast<::sockaddr*>(&name), &length) == 0 ? 0 : errno; });
  if (error != 0) throw std::system_error(error, std::system_category(), "getsockname");
  return endpoint::from(reinterpret_cast<::sockaddr*>(&name), length);
}

[[nodiscard]] inline bool is_would_block(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK; }

/// How a byte stream is read and written.
struct socket_calls {
  static ssize_t read(int fd, std::span<std::byte> into) noexcept { return ::recv(fd, into.data(), into.size(), 0); }
  static ssize_t write(int fd, std::span<std::byte const> bytes) noexcept {
    return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
};

enum class read_until : std::uint8_t { something, full };

template <class Calls>
class read_awaiter : public io_operation {
 public:
  read_awaiter(handle_record* r, std::span<std::byte> into, read_until until, endpoint const& peer) noexcept
      : io_operation(r, direction::reading, &read_awaiter::attempt), into_(into), peer_(peer), until_(until) {
    if (into.empty()) try_first();
  }

  std::size_t await_resume() {
    finish();
    if (error() != 0) throw_io(error(), "read", peer_);
    if (until_ == read_until::full && done_ < into_.size())
      throw unexpected_end(done_, into_.size(), peer_.to_string());
    return done_;
  }

 private:
  static attempted attempt(io_operation& o) noexcept {
    auto& me = static_cast<read_awaiter&>(o);
    auto known = me.known();
    for (;;) {
      auto const rest = me.into_.subspan(me.done_);
      if (rest.empty()) {
        me.keep(known | readiness::ready);
        return attempted::ended;
      }
      auto const n = Calls::read(me.descriptor(), rest);
      if (n > 0) {
        auto const got = static_cast<std::size_t>(n);
        me.done_ += got;
        bool const emptied = got < rest.size() && !(known & readiness::hung_up) &&
                             me.record().after_short_read.load(memory_order_relaxed) == short_read::empties;
        if (me.until_ == read_until::something || me.done_ == me.into_.size()) {
          me.keep(emptied ? 0 : (known & readiness::hung_up) | readiness::ready);
          return attempted::ended;
        }
        if (emptied) return attempted::would_block;
      } else if (n == 0) {
        me.keep(readiness::hung_up);
        return attempted::ended;
      } else if (is_would_block(errno)) {
        return attempted::would_block;
      } else if (errno != EINTR) {
        me.keep(readiness::hung_up);
        return me.fail(errno);
      }
    }
  }

  std::span<std::byte> const into_;
  endpoint const& peer_;
  std::size_t done_ = 0;
  read_until const until_;
};

template <class Calls>
class write_awaiter : public io_operation {
 public:
  write_awaiter(handle_record* r, std::span<std::byte const> bytes, endpoint const& peer) noexcept
      : io_operation(r, direction::writing, &write_awaiter::attempt), bytes_(bytes), peer_(peer) {}

  void await_resume() {
    finish();
    if (error() != 0) throw_io(error(), "write", peer_);
  }

 private:
  static attempted attempt(io_operation& o) noexcept {
    auto& me = static_cast<write_awaiter&>(o);
    for (;;) {
      auto const rest = me.bytes_.subspan(me.done_);
      if (rest.empty()) break;
      auto const n = Calls::write(me.descriptor(), rest);
      if (n >= 0) me.done_ += static_cast<std::size_t>(n);
      else if (is_would_block(errno)) return attempted::would_block;
      else if (errno != EINTR) return me.fail(errno);
    }
    me.keep(readiness::ready);  // a guess, so that events that tell of it again change nothing
    return attempted::ended;
  }

  std::span<std::byte const> const bytes_;
  endpoint const& peer_;
  std::size_t done_ = 0;
};

template <class Calls>
class [[nodiscard]] read_operation {
 public:
  read_operation(handle_record* r, std::span<std::byte> into, read_until until, endpoint const& peer) noexcept
      : record_(r), into_(into), peer_(&peer), until_(until) {}
  auto operator co_await() const noexcept { return read_awaiter<Calls>(record_, into_, until_, *peer_); }

 private:
  handle_record* record_;
  std::span<std::byte> into_;
  endpoint const* peer_;
  read_until until_;
};

template <class Calls>
class [[nodiscard]] write_operation {
 public:
  write_operation(handle_record* r, std::span<std::byte const> bytes, endpoint const& peer) noexcept
      : record_(r), bytes_(bytes), peer_(&peer) {}
  auto operator co_await() const noexcept { return write_awaiter<Calls>(record_, bytes_, *peer_); }

 private:
  handle_record* record_;
  std::span<std::byte const> bytes_;
  endpoint const* peer_;
};

}  // namespace detail
}  // namespace weft
