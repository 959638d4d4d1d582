// TCP: tcp_listener accepts connections, tcp_stream is one.
#pragma once

#include <weft/coro/task.hpp>
#include <weft/io/address.hpp>
#include <weft/io/socket.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

namespace weft {

/// Whether small writes wait for those before them to be acknowledged (Nagle's algorithm).
enum class no_delay { off, on };

namespace detail {
class accept_operation;
class connect_awaiter;
}  // namespace detail

/// A connection, both ways. Closed with its owner; its descriptor is not inherited by programs that are started. At one time one task
/// reads and one writes (a second gets std::logic_error); any may shut down and close. New ones have no_delay on.
///
/// An error is a std::system_error that names the call and the peer, such as ECONNRESET or, for a write to a peer that has gone, EPIPE;
/// no signal is raised. After close() every operation fails with EBADF.
class tcp_stream {
 public:
  /// No connection: every operation on it fails.
  tcp_stream() noexcept = default;

  /// auto s = co_await tcp_stream::connect(endpoint::parse("127.0.0.1:80"));
  ///   completes   when the connection is made
  ///   result      the stream
  ///   on error    throws std::system_error that names the address
  ///   on stop     gives up, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] static task<tcp_stream> connect(endpoint to);

  /// auto n = co_await s.read(buffer);
  ///   completes   when at least one byte has come, or the other side has ended; at once where the buffer is empty
  ///   result      the number of bytes at the beginning of the buffer; 0: the end
  ///   on error    throws std::system_error that names the peer
  ///   on stop     takes no bytes, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto read(std::span<std::byte> into) noexcept {
    return stream_read(handle_.record(), into, detail::read_until::something, peer_);
  }

  /// co_await s.read_exactly(buffer);
  ///   completes   when the buffer is full
  ///   result      its size
  ///   on error    throws weft::unexpected_end if the other side has ended before; std::system_error that names the peer
  ///   on stop     completes as stopped; what has come until then is lost
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto read_exactly(std::span<std::byte> into) noexcept {
    return stream_read(handle_.record(), into, detail::read_until::full, peer_);
  }

  /// co_await s.write(bytes);         the bytes stay until then
  ///   completes   when the system has taken all of them
  ///   on error    throws std::system_error that names the peer; a part may have been sent
  ///   on stop     completes as stopped; a part may have been sent
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto write(std::span<std::byte const> bytes) noexcept {
    return stream_write(handle_.record(), bytes, peer_);
  }
  [[nodiscard]] auto write(std::string_view text) noexcept { return write(std::as_bytes(std::span(text))); }

  /// The other side reads the end after what has been written. Reading goes on. Nothing, where the connection has ended.
  void shutdown_write() noexcept {
    handle_.with_descriptor([](int fd) { ::shutdown(fd, SHUT_WR); });
  }

  /// Ends both ways. Operations in flight complete as stopped. Any thread, again and again.
  void close() noexcept { handle_.close(); }

  /// Throws std::system_error.
  void set_no_delay(no_delay how) { set_option(IPPROTO_TCP, TCP_NODELAY, how == no_delay::on ? 1 : 0); }

  /// The other side. Constant.
  [[nodiscard]] endpoint const& peer() const noexcept { return peer_; }
  /// This side. Throws std::system_error.
  [[nodiscard]] endpoint local() const { return detail::local_name(handle_); }

  /// For options that weft has no name for: calls f(descriptor), which stays open meanwhile. False: closed.
  template <class F>
  bool with_descriptor(F&& f) const {
    return handle_.with_descriptor(static_cast<F&&>(f));
  }

 private:
  friend class detail::accept_operation;
  using stream_read = detail::read_operation<detail::socket_calls>;
  using stream_write = detail::write_operation<detail::socket_calls>;

  tcp_stream(detail::io_handle&& handle, endpoint peer) noexcept : handle_(std::move(handle)), peer_(std::move(peer)) {}

  void set_option(int level, int name, int value) {
    int error = EBADF;
    handle_.with_descriptor(
        [&](int fd) { error = ::setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : errno; });
    if (error != 0) detail::throw_io(error, "setsockopt", peer_);
  }

  detail::io_handle handle_;
  endpoint peer_;
};

/// How a listener is made.
struct listen_options {
  int backlog = 1024;  ///< connections that wait to be accepted, at most
};

/// Where connections come in. One task at a time accepts; any thread may close.
class tcp_listener {
 public:
  /// Listens from here on; port 0 takes a free one, see local(). A port whose last owner has ended can be taken at once. Throws
  /// std::system_error that names the address.
  [[nodiscard]] static tcp_listener bind(endpoint const& at, listen_options options = {});

  /// auto s = co_await l.accept();
  ///   completes   when somebody has connected
  ///   result      the tcp_stream
  ///   on error    throws std::system_error; where descriptors or memory are short (EMFILE, ENFILE, ENOBUFS, ENOMEM) the connection
  ///               waits, and accept may be tried again later
  ///   on stop     accepts nothing, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] detail::accept_operation accept() noexcept;

  /// What it is bound to.
  [[nodiscard]] endpoint const& local() const noexcept { return local_; }

  /// An accept in flight completes as stopped. Any thread, again and again.
  void close() noexcept { handle_.close(); }

 private:
  tcp_listener(detail::io_handle&& handle, endpoint local) noexcept
      : handle_(std::move(handle)), local_(std::move(local)) {}

  detail::io_handle handle_;
  endpoint local_;
};

namespace detail {

/// Accepts one connection and keeps its descriptor and who it is.
class accept_awaiter : public io_operation {
 public:
  accept_awaiter(handle_record* r, endpoint const& local) noexcept
      : io_operation(r, direction::reading, &accept_awaiter::attempt), local_(local) {}

 protected:
  file_handle take() {
    finish();
    if (error() != 0) throw_io(error(), "accept", local_);
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
      int const fd = ::accept4(me.descriptor(), reinterpret_cast<::sockaddr*>(&me.peer_), &me.peer_length_,
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

  endpoint const& local_;
  file_handle accepted_;
  ::sockaddr_storage peer_;
  ::socklen_t peer_length_ = 0;
};

class [[nodiscard]] accept_operation {
 public:
  accept_operation(handle_record* r, endpoint const& local) noexcept : record_(r), local_(&local) {}

  class awaiter : public accept_awaiter {
   public:
    using accept_awaiter::accept_awaiter;
    tcp_stream await_resume() {
      auto descriptor = take();
      int const one = 1;
      ::setsockopt(descriptor.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      return {io_handle(std::move(descriptor), short_read::empties), peer()};
    }
  };
  auto operator co_await() const noexcept { return awaiter(record_, *local_); }

 private:
  handle_record* record_;
  endpoint const* local_;
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
      if (::connect(me.descriptor(), reinterpret_cast<::sockaddr*>(&address), length) == 0 || errno == EISCONN)
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
    ::setsockopt(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  ::sockaddr_storage address;
  auto const length = at.to(address);
  if (::bind(descriptor.get(), reinterpret_cast<::sockaddr*>(&address), length) != 0) throw_io(errno, "bind", at);
  if (::listen(descriptor.get(), backlog) != 0) throw_io(errno, "listen", at);
  return descriptor;
}

}  // namespace detail

inline task<tcp_stream> tcp_stream::connect(endpoint to) {
  auto descriptor = detail::make_socket(to, SOCK_STREAM);
  int const one = 1;
  ::setsockopt(descriptor.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  detail::io_handle handle(std::move(descriptor), detail::short_read::empties);
  static_cast<void>(co_await detail::connect_awaiter(handle.record(), to));
  co_return tcp_stream(std::move(handle), std::move(to));
}

inline tcp_listener tcp_listener::bind(endpoint const& at, listen_options options) {
  detail::io_handle handle(detail::make_listening_socket(at, options.backlog), detail::short_read::says_nothing);
  auto local = detail::local_name(handle);
  return {std::move(handle), std::move(local)};
}

inline detail::accept_operation tcp_listener::accept() noexcept { return {handle_.record(), local_}; }

}  // namespace weft
