// Byte streams: reading and writing whole buffers, the same for TCP, unix sockets and pipes.
#pragma once

#include <weft/coro/concepts.hpp>
#include <weft/io/address.hpp>
#include <weft/io/operation.hpp>
#include <weft/io/reactor.hpp>
#include <weft/io/socket.hpp>
#include <weft/os/system_calls.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

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

template <class S>
concept reads_bytes = requires(S& s, std::span<std::byte> into) {
  { s.read(into) } -> awaitable;
  requires std::same_as<await_result_t<decltype(s.read(into))>, std::size_t>;
};
template <class S>
concept writes_bytes = requires(S& s, std::span<std::byte const> bytes) {
  { s.write(bytes) } -> awaitable;
};

/// How a byte stream is read and written.
struct socket_calls {
  static std::string name(endpoint const& peer) { return peer.to_string(); }
  static ssize_t read(int fd, std::span<std::byte> into) noexcept { return sys::recv(fd, into.data(), into.size(), 0); }
  static ssize_t write(int fd, std::span<std::byte const> bytes) noexcept {
    return sys::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
};

enum class read_until : std::uint8_t { something, full };

template <class Calls>
class read_awaiter : public io_operation {
 public:
  read_awaiter(handle_record* r, std::span<std::byte> into, read_until until) noexcept
      : io_operation(r, direction::reading, &read_awaiter::attempt), until_(until), into_(into) {
    if (into.empty()) try_first();
  }

  std::size_t await_resume() {
    if (error() != 0) throw_io(error(), "read", Calls::name(finish_and_name()));
    if (until_ == read_until::full && done_ < into_.size())
      throw unexpected_end(done_, into_.size(), Calls::name(finish_and_name()));
    finish();
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

  read_until const until_;  // first: beside the small ones of the base
  std::span<std::byte> const into_;
  std::size_t done_ = 0;
};

template <class Calls>
class write_awaiter : public io_operation {
 public:
  write_awaiter(handle_record* r, std::span<std::byte const> bytes) noexcept
      : io_operation(r, direction::writing, &write_awaiter::attempt), bytes_(bytes) {}

  void await_resume() {
    if (error() != 0) throw_io(error(), "write", Calls::name(finish_and_name()));
    finish();
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
  std::size_t done_ = 0;
};

template <class Calls, read_until Until>
class [[nodiscard]] read_operation {
 public:
  read_operation(handle_record* r, std::span<std::byte> into) noexcept : record_(r), into_(into) {}
  auto operator co_await() const noexcept { return read_awaiter<Calls>(record_, into_, Until); }

 private:
  handle_record* record_;
  std::span<std::byte> into_;
};

template <class Calls>
class [[nodiscard]] write_operation {
 public:
  write_operation(handle_record* r, std::span<std::byte const> bytes) noexcept : record_(r), bytes_(bytes) {}
  auto operator co_await() const noexcept { return write_awaiter<Calls>(record_, bytes_); }

 private:
  handle_record* record_;
  std::span<std::byte const> bytes_;
};

/// A connection, both ways, of any kind of socket: see tcp_stream and unix_stream. At one time one task reads and one writes (a second
/// gets std::logic_error); any may shut down and close. Closed with its owner; the descriptor is not inherited by programs that are
/// started. What is in flight at close(), or begun after it, completes as stopped; one that was moved from gives EBADF.
///
/// An error is a std::system_error that names the call and the peer, such as ECONNRESET or, for a write to a peer that has gone, EPIPE;
/// no signal is raised.
class socket_stream {
 public:
  /// No connection: every operation on it fails.
  socket_stream() noexcept = default;

  /// auto n = co_await s.read(buffer);
  ///   completes   when at least one byte has come, or the other side has ended; at once where the buffer is empty
  ///   result      the number of bytes at the beginning of the buffer; 0: the end
  ///   on error    throws std::system_error that names the peer
  ///   on stop     takes no bytes, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto read(std::span<std::byte> into) noexcept {
    return read_operation<socket_calls, read_until::something>(handle_.record(), into);
  }

  /// auto n = co_await s.read_exactly(buffer);
  ///   completes   when the buffer is full
  ///   result      its size
  ///   on error    throws weft::unexpected_end if the other side has ended before; std::system_error that names the peer
  ///   on stop     completes as stopped; what has come until then is lost
  ///   resumes on  the pool it was awaited on
  auto read_exactly(std::span<std::byte> into) noexcept {
    return read_operation<socket_calls, read_until::full>(handle_.record(), into);
  }

  /// co_await s.write(bytes);         the bytes stay until then
  ///   completes   when the system has taken all of them
  ///   on error    throws std::system_error that names the peer; a part may have been sent
  ///   on stop     completes as stopped; a part may have been sent
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto write(std::span<std::byte const> bytes) noexcept {
    return write_operation<socket_calls>(handle_.record(), bytes);
  }
  [[nodiscard]] auto write(std::string_view text) noexcept { return write(std::as_bytes(std::span(text))); }

  /// The other side reads the end after what has been written. Reading goes on. Nothing, where the connection has ended.
  void shutdown_write() noexcept {
    handle_.with_descriptor([](int fd) { sys::shutdown(fd, SHUT_WR); });
  }

  /// Ends both ways. Operations in flight complete as stopped. Any thread, again and again.
  void close() noexcept { handle_.close(); }

  /// The other side. Constant.
  [[nodiscard]] endpoint const& peer() const noexcept { return handle_.name(); }
  /// This side. Throws std::system_error.
  [[nodiscard]] endpoint local() const {
    endpoint name;
    if (!handle_.with_descriptor([&](int fd) { name = local_name(fd); }))
      throw std::system_error(EBADF, std::system_category(), "getsockname");
    return name;
  }

  /// For options that weft has no name for: calls f(descriptor), which stays open meanwhile. False: closed.
  template <class F>
  bool with_descriptor(F&& f) const {
    return handle_.with_descriptor(static_cast<F&&>(f));
  }

 protected:
  explicit socket_stream(io_handle&& handle) noexcept : handle_(std::move(handle)) {}

  io_handle handle_;  // named for the peer
};

}  // namespace detail
}  // namespace weft
