// Unix sockets: connections inside this machine, named by a path.
#pragma once

#include <weft/coro/task.hpp>
#include <weft/io/address.hpp>
#include <weft/io/listen.hpp>
#include <weft/io/socket.hpp>
#include <weft/io/stream.hpp>
#include <weft/os/system_calls.hpp>
#include <weft/time/sleep.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace weft {

namespace detail {
class unix_accept_awaiter;
}

/// A connection inside this machine, see socket_stream for reading and writing it. Its peer has no name, unless it was connected to.
template <class = void>
class basic_unix_stream : public detail::socket_stream {
 public:
  /// No connection: every operation on it fails.
  basic_unix_stream() noexcept = default;

  /// auto s = co_await unix_stream::connect(endpoint::parse("unix:/run/service"));
  ///   completes   when the connection is made
  ///   result      the stream
  ///   on error    throws std::system_error that names the path
  ///   on stop     gives up, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] static task<basic_unix_stream> connect(endpoint to);

 private:
  friend class detail::unix_accept_awaiter;
  using socket_stream::socket_stream;
};
using unix_stream = basic_unix_stream<>;

/// Where connections come in. One task at a time accepts; any thread may close. Its path is removed with it.
class unix_listener {
 public:
  /// Listens from here on, at a path where nothing is yet. Throws std::system_error that names the path.
  [[nodiscard]] static unix_listener bind(endpoint const& at, listen_options options = {}) {
    auto descriptor = detail::make_listening_socket(at, options.backlog);
    auto local = detail::local_name(descriptor.get());
    return unix_listener(detail::io_handle(std::move(descriptor), detail::short_read::says_nothing, std::move(local)));
  }

  unix_listener(unix_listener&&) noexcept = default;
  unix_listener& operator=(unix_listener&& other) noexcept {
    close();
    handle_ = std::move(other.handle_);
    return *this;
  }
  ~unix_listener() { close(); }

  /// auto s = co_await l.accept();
  ///   completes   when somebody has connected
  ///   result      the unix_stream
  ///   on error    throws std::system_error; where descriptors or memory are short (EMFILE, ENFILE, ENOBUFS, ENOMEM) the connection
  ///               waits, and accept may be tried again later
  ///   on stop     accepts nothing, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] detail::accept_operation<detail::unix_accept_awaiter> accept() noexcept;

  /// What it is bound to.
  [[nodiscard]] endpoint const& local() const noexcept { return handle_.name(); }

  /// An accept in flight completes as stopped. Any thread, again and again.
  void close() noexcept {
    // Once: afterwards the path may be another listener's.
    handle_.close([this] {
      // The whole of a string: it ends with a zero, and no memory is needed for a copy.
      if (auto const path = local().path(); !path.empty() && path.front() != '@') detail::sys::unlink(path.data());
    });
  }

 private:
  explicit unix_listener(detail::io_handle&& handle) noexcept : handle_(std::move(handle)) {}

  detail::io_handle handle_;  // named for what it is bound to
};

namespace detail {

class unix_accept_awaiter : public accept_awaiter {
 public:
  using accept_awaiter::accept_awaiter;
  unix_stream await_resume() {
    auto descriptor = take();
    // A read ends early where descriptors were sent along, and says nothing about what is behind.
    return unix_stream(io_handle(std::move(descriptor), short_read::says_nothing, peer()));
  }
};

}  // namespace detail

template <class T>
task<basic_unix_stream<T>> basic_unix_stream<T>::connect(endpoint to) {
  using namespace std::chrono_literals;
  for (auto pause = 1ms;; pause = std::min(2 * pause, 50ms)) {
    detail::io_handle handle(detail::make_socket(to, SOCK_STREAM), detail::short_read::says_nothing, to);
    bool const connected = co_await detail::connect_awaiter(handle.record(), to);
    if (connected) co_return basic_unix_stream(std::move(handle));
    co_await sleep_for(pause);  // no event tells when the listener has room
  }
}

inline detail::accept_operation<detail::unix_accept_awaiter> unix_listener::accept() noexcept {
  return detail::accept_operation<detail::unix_accept_awaiter>(handle_.record());
}

}  // namespace weft
