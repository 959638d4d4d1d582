// TCP: tcp_listener accepts connections, tcp_stream is one.
#pragma once

#include <weft/coro/task.hpp>
#include <weft/io/address.hpp>
#include <weft/io/dns.hpp>
#include <weft/io/listen.hpp>
#include <weft/io/socket.hpp>
#include <weft/io/stream.hpp>
#include <weft/os/system_calls.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

namespace weft {

/// Whether small writes wait for those before them to be acknowledged (Nagle's algorithm).
enum class no_delay { off, on };

namespace detail {
class tcp_accept_awaiter;
template <class Awaiter>
class accept_operation;
}  // namespace detail

/// A TCP connection, see socket_stream for reading and writing it. New ones have no_delay on.
template <class = void>
class basic_tcp_stream : public detail::socket_stream {
 public:
  /// No connection: every operation on it fails.
  basic_tcp_stream() noexcept = default;

  /// auto s = co_await tcp_stream::connect(endpoint::parse("127.0.0.1:80"));
  ///   completes   when the connection is made
  ///   result      the stream
  ///   on error    throws std::system_error that names the address
  ///   on stop     gives up, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] static task<basic_tcp_stream> connect(endpoint to);

  /// auto s = co_await tcp_stream::connect("example.org", 80);      one address of the host after the other, until one answers
  ///   completes   when a connection is made
  ///   result      the stream
  ///   on error    throws std::system_error: why the last address failed, or why the name was not found
  ///   on stop     gives up, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] static task<basic_tcp_stream> connect(std::string host, std::uint16_t port);

  /// Throws std::system_error.
  void set_no_delay(no_delay how) {
    int error = EBADF;
    int const value = how == no_delay::on ? 1 : 0;
    handle_.with_descriptor([&](int fd) {
      error = detail::sys::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) == 0 ? 0 : errno;
    });
    if (error != 0) detail::throw_io(error, "setsockopt", peer());
  }

 private:
  friend class detail::tcp_accept_awaiter;
  using socket_stream::socket_stream;
};
using tcp_stream = basic_tcp_stream<>;

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
  [[nodiscard]] detail::accept_operation<detail::tcp_accept_awaiter> accept() noexcept;

  /// What it is bound to.
  [[nodiscard]] endpoint const& local() const noexcept { return handle_.name(); }

  /// An accept in flight completes as stopped. Any thread, again and again.
  void close() noexcept { handle_.close(); }

 private:
  explicit tcp_listener(detail::io_handle&& handle) noexcept : handle_(std::move(handle)) {}

  detail::io_handle handle_;  // named for what it is bound to
};

namespace detail {

inline void set_no_delay_of(file_handle const& descriptor) noexcept {
  int const one = 1;
  sys::setsockopt(descriptor.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

class tcp_accept_awaiter : public accept_awaiter {
 public:
  using accept_awaiter::accept_awaiter;
  tcp_stream await_resume() {
    auto descriptor = take();
    set_no_delay_of(descriptor);
    return tcp_stream(io_handle(std::move(descriptor), short_read::empties, peer()));
  }
};

}  // namespace detail

template <class T>
task<basic_tcp_stream<T>> basic_tcp_stream<T>::connect(endpoint to) {
  auto descriptor = detail::make_socket(to, SOCK_STREAM);
  detail::set_no_delay_of(descriptor);
  detail::io_handle handle(std::move(descriptor), detail::short_read::empties, to);
  bool const connected = co_await detail::connect_awaiter(handle.record(), to);
  if (!connected) detail::throw_io(EAGAIN, "connect", to);
  co_return basic_tcp_stream(std::move(handle));
}

template <class T>
task<basic_tcp_stream<T>> basic_tcp_stream<T>::connect(std::string host, std::uint16_t port) {
  auto const addresses = co_await resolve(std::move(host), std::to_string(port));
  std::exception_ptr failure;
  for (auto const& address : addresses) {
    try {
      auto stream = co_await connect(address);
      co_return stream;
    } catch (std::system_error const&) {
      failure = std::current_exception();
    }
  }
  std::rethrow_exception(failure);  // resolve gives at least one address
}

inline tcp_listener tcp_listener::bind(endpoint const& at, listen_options options) {
  auto descriptor = detail::make_listening_socket(at, options.backlog);
  auto local = detail::local_name(descriptor.get());
  return tcp_listener(detail::io_handle(std::move(descriptor), detail::short_read::says_nothing, std::move(local)));
}

inline detail::accept_operation<detail::tcp_accept_awaiter> tcp_listener::accept() noexcept {
  return detail::accept_operation<detail::tcp_accept_awaiter>(handle_.record());
}

}  // namespace weft
