// The other side of a connection in tests: plain blocking sockets, so that weft is tested against the system and not against itself.
#pragma once

#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/io/address.hpp>
#include <weft/io/tcp.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace weft_test {

/// A socket that blocks. One thread at a time.
class plain_socket {
 public:
  explicit plain_socket(int fd) noexcept : fd_(fd) {}
  plain_socket(plain_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  plain_socket& operator=(plain_socket&&) = delete;
  ~plain_socket() { close(); }

  static plain_socket connect(weft::endpoint const& to) {
    auto s = unconnected(to);
    s.connect_to(to);
    return s;
  }
  static plain_socket unconnected(weft::endpoint const& to) {
    return plain_socket(checked(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)));
  }
  void connect_to(weft::endpoint const& to) const {
    ::sockaddr_storage address;
    auto const length = to.to(address);
    checked(::connect(fd_, reinterpret_cast<::sockaddr*>(&address), length));
    send_at_once();
  }

  /// Has an address, and does not listen: whoever connects there is refused, and nobody else has it as long as this lives.
  static plain_socket bound(weft::endpoint const& at) {
    plain_socket s = unconnected(at);
    ::sockaddr_storage address;
    auto const length = at.to(address);
    checked(::bind(s.fd_, reinterpret_cast<::sockaddr*>(&address), length));
    return s;
  }
  static plain_socket listen(int backlog = 16) {
    plain_socket s(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    ::sockaddr_storage address;
    auto const length = weft::endpoint::loopback().to(address);
    checked(::bind(s.fd_, reinterpret_cast<::sockaddr*>(&address), length));
    checked(::listen(s.fd_, backlog));
    return s;
  }
  plain_socket accept() const {
    plain_socket s(checked(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)));
    s.send_at_once();
    return s;
  }
  weft::endpoint local() const {
    ::sockaddr_storage name;
    ::socklen_t length = sizeof name;
    checked(::getsockname(fd_, reinterpret_cast<::sockaddr*>(&name), &length));
    return weft::endpoint::from(reinterpret_cast<::sockaddr*>(&name), length);
  }

  /// All of it. False: the other side has gone.
  bool send(std::string_view text, int flags = 0) const {
    while (!text.empty()) {
      auto const n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL | flags);
      if (n < 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// What comes first, "" for the end.
  std::string receive(std::size_t most = 4096) const {
    std::string text(most, '\0');
    auto const n = ::recv(fd_, text.data(), text.size(), 0);
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return text;
  }
  std::string receive_exactly(std::size_t count) const {
    std::string text;
    while (text.size() < count) {
      auto const part = receive(count - text.size());
      if (part.empty()) break;
      text += part;
    }
    return text;
  }
  std::string receive_all() const {
    std::string text;
    for (;;) {
      auto const part = receive();
      if (part.empty()) return text;
      text += part;
    }
  }
  void shutdown_write() const { ::shutdown(fd_, SHUT_WR); }
  /// The other side gets a reset.
  void reset() {
    ::linger const at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int fd() const noexcept { return fd_; }

 private:
  static int checked(int result) {
    if (result < 0) throw std::system_error(errno, std::system_category(), "plain_socket");
    return result;
  }
  // Without, a byte waits for the acknowledgement of the one before it, 40 ms.
  void send_at_once() const {
    int const one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  int fd_;
};

/// A stream of weft and the plain socket at its other end.
struct half_plain {
  weft::tcp_stream stream;
  plain_socket peer;

  static weft::task<half_plain> connect() {
    auto const listener = plain_socket::listen();
    auto stream = co_await weft::tcp_stream::connect(listener.local());
    co_return half_plain{std::move(stream), listener.accept()};
  }
  half_plain(weft::tcp_stream s, plain_socket p) : stream(std::move(s)), peer(std::move(p)) {}
};

/// Two streams of weft, connected.
struct stream_pair {
  weft::tcp_stream client, server;

  static weft::task<stream_pair> connect() {
    auto listener = weft::tcp_listener::bind(weft::endpoint::loopback());
    auto client = co_await weft::tcp_stream::connect(listener.local());
    auto server = co_await listener.accept();
    co_return stream_pair(std::move(client), std::move(server));
  }
  stream_pair(weft::tcp_stream c, weft::tcp_stream s) : client(std::move(c)), server(std::move(s)) {}
};

inline std::string text_of(std::span<std::byte const> bytes) {
  return std::string(reinterpret_cast<char const*>(bytes.data()), bytes.size());
}

/// An address of the loopback network that no other process takes: its ports are this one's alone, also those that were closed again.
inline weft::endpoint own_address(std::uint16_t port = 0) {
  auto const id = static_cast<std::uint32_t>(::getpid());
  auto const part = [&](int shift) { return std::to_string(id >> shift & 255); };
  return weft::endpoint::parse("127." + std::to_string(64 + (id >> 16 & 63)) + "." + part(8) + "." + part(0) + ":" +
                               std::to_string(port));
}

/// What comes until the other side ends.
template <class Stream>
weft::task<std::string> read_all(Stream& s) {
  std::string text;
  std::array<std::byte, 4096> buffer;
  for (;;) {
    auto const n = co_await s.read(buffer);
    if (n == 0) co_return text;
    text += text_of(std::span(buffer).first(n));
  }
}

template <class Stream>
weft::task<std::string> read_some(Stream& s, std::size_t most) {
  std::string text(most, '\0');
  auto const n = co_await s.read(std::as_writable_bytes(std::span(text)));
  text.resize(n);
  co_return text;
}

/// Begins what uses an object, on a pool of one worker without a monitor: back when it waits, or is over.
template <class Pool, class Use>
auto begin_on(Pool& pool, Use use) {
  bool begun = false;
  auto future = pool.spawn([](bool& flag, Use what) -> weft::task<> {
    flag = true;
    co_await what();
  }(begun, std::move(use)));
  pool.run([&]() -> weft::task<> {
    while (!begun) co_await weft::this_task::yield();
  });
  return future;
}

/// FNV-1a.
class checksum {
 public:
  void add(std::span<std::byte const> bytes) noexcept {
    for (auto const b : bytes) hash_ = (hash_ ^ static_cast<std::uint64_t>(b)) * 1099511628211u;
    size_ += bytes.size();
  }
  std::uint64_t size() const noexcept { return size_; }
  friend bool operator==(checksum const&, checksum const&) = default;

 private:
  std::uint64_t hash_ = 14695981039346656037u, size_ = 0;
};

/// In this scope the process may have no more descriptors than it has now, and `spare` more.
class few_descriptors {
 public:
  explicit few_descriptors(unsigned spare) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    int const next = ::dup(0);
    ::close(next);
    auto limit = before_;
    limit.rlim_cur = static_cast<::rlim_t>(next) + spare;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  few_descriptors(few_descriptors const&) = delete;
  few_descriptors& operator=(few_descriptors const&) = delete;
  ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  ::rlimit before_;
};

}  // namespace weft_test
