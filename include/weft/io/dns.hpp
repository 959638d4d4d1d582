// Names of hosts: looked up on the threads for calls that block, because the system's own resolver does.
#pragma once

#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/address.hpp>
#include <weft/io/socket.hpp>

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

/// What getaddrinfo says went wrong.
class resolve_category final : public std::error_category {
 public:
  char const* name() const noexcept override { return "getaddrinfo"; }
  std::string message(int error) const override { return ::gai_strerror(error); }
};

inline std::error_category const& resolve_errors() noexcept {
  static resolve_category const category;
  return category;
}

inline std::vector<endpoint> look_up(std::string const& host, std::string const& service) {
  auto const what = "resolve " + host + ":" + service;
  // Longer ones are no names, and have been cut short by resolvers, into other names.
  constexpr std::size_t longest_name = 253;
  if (host.empty() || host.size() > longest_name || host.find('\0') != std::string::npos ||
      service.find('\0') != std::string::npos)
    throw std::system_error(EAI_NONAME, resolve_errors(), what);
  ::addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  ::addrinfo* found = nullptr;
  int error = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &found);
  // Where there is no network but this machine, addresses as text and localhost are to be found all the same.
  if (error == EAI_NONAME || error == EAI_ADDRFAMILY) {
    hints.ai_flags = 0;
    error = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &found);
  }
  if (error == EAI_SYSTEM) throw_io(errno, "resolve", host + ":" + service);
  if (error != 0) throw std::system_error(error, resolve_errors(), what);
  std::unique_ptr<::addrinfo, decltype(&::freeaddrinfo)> const list(found, &::freeaddrinfo);
  std::vector<endpoint> addresses;
  for (auto const* a = list.get(); a; a = a->ai_next) {
    auto e = endpoint::from(a->ai_addr, a->ai_addrlen);
    if (e.type() != endpoint::kind::none && std::find(addresses.begin(), addresses.end(), e) == addresses.end())
      addresses.push_back(std::move(e));
  }
  if (addresses.empty()) throw std::system_error(EAI_NONAME, resolve_errors(), what);
  return addresses;
}

}  // namespace detail

/// auto addresses = co_await resolve("example.org", "80");       also "https"; addresses written as numbers come back as they are
///   completes   when the name has been looked up, on a blocking thread
///   result      its addresses, at least one, the one to try first in front
///   on error    throws std::system_error that names the host, with the resolver's reason: no such name, no server that answers
///   on stop     one that has not begun is not made, and completes as stopped
///   resumes on  the pool it was awaited on
[[nodiscard]] task<std::vector<endpoint>> resolve(std::string host, std::string service);

template <class>
class resolve_bodies {
  static task<std::vector<endpoint>> ask(std::string host, std::string service) {
    auto call = blocking([&host, &service] { return detail::look_up(host, service); });
    co_return co_await std::move(call);
  }

  friend task<std::vector<endpoint>> resolve(std::string host, std::string service) {
    return ask(std::move(host), std::move(service));
  }
};
WEFT_DEFINE_FRIENDS(resolve_bodies);

}  // namespace weft
