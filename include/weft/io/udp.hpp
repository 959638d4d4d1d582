// UDP: datagrams, each of which comes whole or not at all.
#pragma once

#include <weft/io/address.hpp>
#include <weft/io/operation.hpp>
#include <weft/io/reactor.hpp>
#include <weft/io/socket.hpp>
#include <weft/os/system_calls.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

namespace weft {

/// What came, and from whom.
class datagram {
 public:
  datagram(std::size_t size, bool cut_short, endpoint from) noexcept
      : size_(size), cut_short_(cut_short), from_(std::move(from)) {}

  /// Bytes at the beginning of the buffer. There are datagrams of 0 bytes.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The buffer was too small, the rest is lost.
  [[nodiscard]] bool cut_short() const noexcept { return cut_short_; }
  [[nodiscard]] endpoint const& from() const noexcept { return from_; }

 private:
  std::size_t size_;
  bool cut_short_;
  endpoint from_;
};

namespace detail {

class receive_from_awaiter : public io_operation {
 public:
  receive_from_awaiter(handle_record* r, std::span<std::byte> into) noexcept
      : io_operation(r, direction::reading, &receive_from_awaiter::attempt), into_(into) {}

  datagram await_resume() {
    if (error() != 0) throw_io(error(), "receive_from", finish_and_name());
    finish();
    return {std::min(size_, into_.size()), size_ > into_.size(),
            endpoint::from(reinterpret_cast<::sockaddr const*>(&from_), from_length_)};
  }

 private:
  static attempted attempt(io_operation& o) noexcept {
    auto& me = static_cast<receive_from_awaiter&>(o);
    for (;;) {
      me.from_length_ = sizeof me.from_;
      auto const n = sys::recvfrom(me.descriptor(), me.into_.data(), me.into_.size(), MSG_TRUNC,
                                   reinterpret_cast<::sockaddr*>(&me.from_), &me.from_length_);
      if (n >= 0) {
        me.size_ = static_cast<std::size_t>(n);
        me.keep(readiness::ready);
        return attempted::ended;
      }
      if (is_would_block(errno)) return attempted::would_block;
      if (errno == EINTR) continue;
      me.keep(readiness::ready);
      return me.fail(errno);
    }
  }

  std::span<std::byte> const into_;
  std::size_t size_ = 0;
  ::sockaddr_storage from_;
  ::socklen_t from_length_ = 0;
};

class [[nodiscard]] receive_from_operation {
 public:
  receive_from_operation(handle_record* r, std::span<std::byte> into) noexcept : record_(r), into_(into) {}
  auto operator co_await() const noexcept { return receive_from_awaiter(record_, into_); }

 private:
  handle_record* record_;
  std::span<std::byte> into_;
};

class send_to_awaiter : public io_operation {
 public:
  send_to_awaiter(handle_record* r, std::span<std::byte const> bytes, endpoint const& to) noexcept
      : io_operation(r, direction::writing, &send_to_awaiter::attempt), bytes_(bytes), to_(to) {
    let_others_finish();
  }

  void await_resume() {
    finish();
    if (error() != 0) throw_io(error(), "send_to", to_);
  }

 private:
  static attempted attempt(io_operation& o) noexcept {
    auto& me = static_cast<send_to_awaiter&>(o);
    ::sockaddr_storage to;
    auto const length = me.to_.to(to);
    for (;;) {
      auto const n = sys::sendto(me.descriptor(), me.bytes_.data(), me.bytes_.size(), MSG_NOSIGNAL,
                                 reinterpret_cast<::sockaddr const*>(&to), length);
      if (n >= 0) {
        me.keep(readiness::ready);
        return attempted::ended;
      }
      if (is_would_block(errno)) return attempted::would_block;
      if (errno != EINTR) return me.fail(errno);
    }
  }

  std::span<std::byte const> const bytes_;
  endpoint const to_;
};

class [[nodiscard]] send_to_operation {
 public:
  send_to_operation(handle_record* r, std::span<std::byte const> bytes, endpoint to) noexcept
      : record_(r), bytes_(bytes), to_(std::move(to)) {}
  auto operator co_await() const { return send_to_awaiter(record_, bytes_, to_); }

 private:
  handle_record* record_;
  std::span<std::byte const> bytes_;
  endpoint to_;
};

}  // namespace detail

/// Sends and receives datagrams. One task at a time receives; any number send; any thread may close. What is in flight at close(), or
/// begun after it, completes as stopped.
class udp_socket {
 public:
  /// Port 0 takes a free one, see local(). Throws std::system_error that names the address.
  [[nodiscard]] static udp_socket bind(endpoint const& at = endpoint::any()) {
    auto descriptor = detail::make_socket(at, SOCK_DGRAM);
    ::sockaddr_storage address;
    auto const length = at.to(address);
    if (detail::sys::bind(descriptor.get(), reinterpret_cast<::sockaddr*>(&address), length) != 0)
      detail::throw_io(errno, "bind", at);
    auto local = detail::local_name(descriptor.get());
    return udp_socket(detail::io_handle(std::move(descriptor), detail::short_read::says_nothing, std::move(local)));
  }

  /// co_await s.send_to(bytes, address);        the bytes stay until then; at most 65,507
  ///   completes   when the system has taken the datagram. Nobody says whether it arrives
  ///   on error    throws std::system_error that names the address; EMSGSIZE: too long
  ///   on stop     sends nothing, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto send_to(std::span<std::byte const> bytes, endpoint to) noexcept {
    return detail::send_to_operation(handle_.record(), bytes, std::move(to));
  }
  [[nodiscard]] auto send_to(std::string_view text, endpoint to) noexcept {
    return send_to(std::as_bytes(std::span(text)), std::move(to));
  }

  /// auto d = co_await s.receive_from(buffer);
  ///   completes   when a datagram has come
  ///   result      its size and its sender
  ///   on error    throws std::system_error that names this socket
  ///   on stop     takes no datagram, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto receive_from(std::span<std::byte> into) noexcept {
    return detail::receive_from_operation(handle_.record(), into);
  }

  /// What it is bound to.
  [[nodiscard]] endpoint const& local() const noexcept { return handle_.name(); }

  /// Operations in flight complete as stopped. Any thread, again and again.
  void close() noexcept { handle_.close(); }

  /// For options that weft has no name for, such as SO_BROADCAST: calls f(descriptor), which stays open meanwhile. False: closed.
  template <class F>
  bool with_descriptor(F&& f) const {
    return handle_.with_descriptor(static_cast<F&&>(f));
  }

 private:
  explicit udp_socket(detail::io_handle&& handle) noexcept : handle_(std::move(handle)) {}

  detail::io_handle handle_;  // named for what it is bound to
};

}  // namespace weft
