// endpoint: where a socket is or is to be: an IP address with a port, or a path in the file system.
#pragma once

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

/// The address of one end of a connection, or of nothing yet. A value; one thread at a time.
class endpoint {
 public:
  enum class kind : std::uint8_t { none, ipv4, ipv6, unix_path };

  /// "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80", "unix:/path" or "unix:@name" (abstract: no file). Numbers alone: names are what
  /// resolve() is for. Throws std::invalid_argument that quotes the text and says what is wrong with it.
  [[nodiscard]] static endpoint parse(std::string_view text);

  /// This machine alone, IPv4. Port 0: any that is free.
  [[nodiscard]] static endpoint loopback(std::uint16_t port = 0) noexcept { return ipv4(INADDR_LOOPBACK, port); }
  /// Every address of this machine, IPv4.
  [[nodiscard]] static endpoint any(std::uint16_t port = 0) noexcept { return ipv4(INADDR_ANY, port); }
  /// "/path", or "@name". Throws std::invalid_argument if it is longer than the system takes: 107 bytes.
  [[nodiscard]] static endpoint unix_path(std::string path);

  [[nodiscard]] kind type() const noexcept { return kind_; }
  /// Of a path: 0.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// Of an IP address: empty. An abstract name begins with '@'.
  [[nodiscard]] std::string_view path() const noexcept { return path_ ? std::string_view(*path_) : std::string_view(); }
  /// The same with another port. Not of a path.
  [[nodiscard]] endpoint with_port(std::uint16_t port) const;

  /// What parse takes; "unix:" for the other end of a socket that has no name, "" for none.
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(endpoint const& a, endpoint const& b) noexcept { return a.equals(b); }

  // ── for those who call the system themselves ──

  /// From what the system gave. Families other than IP and unix are none.
  [[nodiscard]] static endpoint from(::sockaddr const* address, ::socklen_t length);
  /// Fills in `storage`, returns its length.
  ::socklen_t to(::sockaddr_storage& storage) const noexcept;
  [[nodiscard]] int family() const noexcept;

 private:
  static endpoint ipv4(std::uint32_t address, std::uint16_t port) noexcept {
    endpoint e;
    e.kind_ = kind::ipv4;
    e.port_ = port;
    for (int i = 0; i < 4; ++i) e.ip_[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
    return e;
  }

  [[nodiscard]] bool equals(endpoint const& other) const noexcept {
    return kind_ == other.kind_ && port_ == other.port_ && ip_ == other.ip_ && scope_ == other.scope_ &&
           path() == other.path();
  }

  [[noreturn]] static void reject(std::string_view text, char const* why) {
    throw std::invalid_argument("weft::endpoint: \"" + std::string(text) + "\": " + why);
  }
  static std::uint16_t parse_port(std::string_view whole, std::string_view digits);
  static endpoint parse_ipv6(std::string_view whole, std::string_view inside, std::uint16_t port);

  kind kind_ = kind::none;
  std::uint16_t port_ = 0;
  std::uint32_t scope_ = 0;                  // of IPv6: the interface
  std::array<std::uint8_t, 16> ip_{};        // in the order of the network; of IPv4 the first four
  std::shared_ptr<std::string const> path_;  // few have one; a copy needs no memory, and does not fail
};

inline std::uint16_t endpoint::port() const noexcept { return port_; }

inline endpoint endpoint::with_port(std::uint16_t port) const {
  endpoint e = *this;
  e.port_ = port;
  return e;
}

inline endpoint endpoint::unix_path(std::string path) {
  if (path.empty()) reject("unix:", "the path is empty");
  // A path ends with a zero byte, an abstract name begins with one in the place of its '@'.
  if (path.size() > sizeof(::sockaddr_un::sun_path) - (path[0] == '@' ? 0 : 1))
    reject("unix:" + path, "the path is longer than a socket's name may be");
  if (path.find('\0') != std::string::npos) reject("unix:" + path, "a zero byte in the path");
  endpoint e;
  e.kind_ = kind::unix_path;
  e.path_ = std::make_shared<std::string const>(std::move(path));
  return e;
}

inline std::uint16_t endpoint::parse_port(std::string_view whole, std::string_view digits) {
  std::uint32_t port = 0;
  auto const* const end = digits.data() + digits.size();
  if (digits.empty()) reject(whole, "the port is missing");
  auto const [stop, error] = std::from_chars(digits.data(), end, port);
  if (stop != end || error == std::errc::invalid_argument) reject(whole, "the port is not a number");
  if (error != std::errc{} || port > 65535) reject(whole, "the port is above 65535");
  return static_cast<std::uint16_t>(port);
}

inline endpoint endpoint::parse_ipv6(std::string_view whole, std::string_view inside, std::uint16_t port) {
  endpoint e;
  e.kind_ = kind::ipv6;
  e.port_ = port;
  if (auto const percent = inside.find('%'); percent != std::string_view::npos) {
    std::string const name(inside.substr(percent + 1));
    auto const [stop, error] = std::from_chars(name.data(), name.data() + name.size(), e.scope_);
    if (error != std::errc{} || stop != name.data() + name.size()) e.scope_ = ::if_nametoindex(name.c_str());
    if (e.scope_ == 0) reject(whole, "there is no such network interface");
    inside = inside.substr(0, percent);
  }
  if (::inet_pton(AF_INET6, std::string(inside).c_str(), e.ip_.data()) != 1) reject(whole, "not an IPv6 address");
  return e;
}

inline endpoint endpoint::parse(std::string_view text) {
  using namespace std::string_view_literals;
  if (text.find('\0') != std::string_view::npos) reject(text, "a zero byte");
  if (text.starts_with("unix:"sv)) return unix_path(std::string(text.substr(5)));
  if (text.starts_with('[')) {
    auto const close = text.find(']');
    if (close == std::string_view::npos) reject(text, "there is no ']' to the '['");
    if (close + 1 == text.size()) reject(text, "the port is missing");
    if (text[close + 1] != ':') reject(text, "a ':' and the port are to follow the ']'");
    return parse_ipv6(text, text.substr(1, close - 1), parse_port(text, text.substr(close + 2)));
  }
  auto const colon = text.rfind(':');
  if (colon == std::string_view::npos) reject(text, "the port is missing: \"address:port\"");
  auto const address = text.substr(0, colon);
  if (address.find(':') != std::string_view::npos) reject(text, "an IPv6 address is written in brackets: [::1]:80");
  endpoint e;
  e.kind_ = kind::ipv4;
  e.port_ = parse_port(text, text.substr(colon + 1));
  if (::inet_pton(AF_INET, std::string(address).c_str(), e.ip_.data()) != 1)
    reject(text, "not an IPv4 address (a name? resolve(host, port) looks names up)");
  return e;
}

inline std::string endpoint::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text;
  switch (kind_) {
    case kind::none: return "";
    case kind::unix_path: return "unix:" + std::string(path());
    case kind::ipv4:
      ::inet_ntop(AF_INET, ip_.data(), text.data(), text.size());
      return std::string(text.data()) + ":" + std::to_string(port_);
    case kind::ipv6: break;
  }
  ::inet_ntop(AF_INET6, ip_.data(), text.data(), text.size());
  std::string scope;
  if (scope_ != 0) {
    std::array<char, IF_NAMESIZE> name;
    scope = "%" + (::if_indextoname(scope_, name.data()) ? std::string(name.data()) : std::to_string(scope_));
  }
  return "[" + std::string(text.data()) + scope + "]:" + std::to_string(port_);
}

inline int endpoint::family() const noexcept {
  switch (kind_) {
    case kind::none: return AF_UNSPEC;
    case kind::ipv4: return AF_INET;
    case kind::ipv6: return AF_INET6;
    case kind::unix_path: return AF_UNIX;
  }
  return AF_UNSPEC;
}

inline ::socklen_t endpoint::to(::sockaddr_storage& storage) const noexcept {
  std::memset(&storage, 0, sizeof storage);
  switch (kind_) {
    case kind::none: return 0;
    case kind::ipv4: {
      ::sockaddr_in a{};
      a.sin_family = AF_INET;
      a.sin_port = htons(port_);
      std::memcpy(&a.sin_addr, ip_.data(), sizeof a.sin_addr);
      std::memcpy(&storage, &a, sizeof a);
      return sizeof a;
    }
    case kind::ipv6: {
      ::sockaddr_in6 a{};
      a.sin6_family = AF_INET6;
      a.sin6_port = htons(port_);
      a.sin6_scope_id = scope_;
      std::memcpy(&a.sin6_addr, ip_.data(), sizeof a.sin6_addr);
      std::memcpy(&storage, &a, sizeof a);
      return sizeof a;
    }
    case kind::unix_path: break;
  }
  ::sockaddr_un a{};
  a.sun_family = AF_UNIX;
  auto const name = path();
  bool const abstract = name.starts_with('@');
  if (!name.empty()) std::memcpy(a.sun_path, name.data(), std::min(name.size(), sizeof a.sun_path));
  if (abstract) a.sun_path[0] = '\0';
  std::memcpy(&storage, &a, sizeof a);
  if (name.empty()) return offsetof(::sockaddr_un, sun_path);  // one zero byte more would be an abstract name
  // The system gives names that fill sun_path, without a zero byte behind them.
  auto const length = offsetof(::sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1);
  return static_cast<::socklen_t>(std::min(length, sizeof a));
}

inline endpoint endpoint::from(::sockaddr const* address, ::socklen_t length) {
  endpoint e;
  if (length < sizeof(::sa_family_t)) return e;
  switch (address->sa_family) {
    case AF_INET: {
      ::sockaddr_in a;
      if (length < sizeof a) return e;
      std::memcpy(&a, address, sizeof a);
      e.kind_ = kind::ipv4;
      e.port_ = ntohs(a.sin_port);
      std::memcpy(e.ip_.data(), &a.sin_addr, sizeof a.sin_addr);
      break;
    }
    case AF_INET6: {
      ::sockaddr_in6 a;
      if (length < sizeof a) return e;
      std::memcpy(&a, address, sizeof a);
      e.kind_ = kind::ipv6;
      e.port_ = ntohs(a.sin6_port);
      e.scope_ = a.sin6_scope_id;
      std::memcpy(e.ip_.data(), &a.sin6_addr, sizeof a.sin6_addr);
      break;
    }
    case AF_UNIX: {
      ::sockaddr_un a{};
      auto const given = std::min<std::size_t>(length, sizeof a);
      std::memcpy(&a, address, given);
      e.kind_ = kind::unix_path;
      auto const bytes = given - offsetof(::sockaddr_un, sun_path);
      if (bytes == 0) break;
      auto name = a.sun_path[0] == '\0' ? "@" + std::string(a.sun_path + 1, bytes - 1)
                                        : std::string(a.sun_path, ::strnlen(a.sun_path, bytes));
      // A file whose name begins with '@' is not an abstract one; if it leaves no room to say so, it has no name here.
      if (a.sun_path[0] == '@') name.insert(0, "./");
      if (a.sun_path[0] == '@' && name.size() >= sizeof a.sun_path) break;
      e.path_ = std::make_shared<std::string const>(std::move(name));
      break;
    }
    default: break;
  }
  return e;
}

}  // namespace weft
