// endpoint: a text that parses prints as one that parses to the same, and means what getaddrinfo takes it for; the same bytes as a socket's
// address come back from the endpoint as they were.
#include "fuzz.hpp"

#include <weft/io/address.hpp>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using weft::endpoint;
using weft_fuzz::must;

std::optional<endpoint> parsed(std::string_view text) {
  try {
    return endpoint::parse(text);
  } catch (std::invalid_argument const& e) {
    must(std::string_view(e.what()).find(text.substr(0, text.find('\0'))) != std::string_view::npos,
         "who is refused is told the text", text);
    return std::nullopt;
  }
}

/// What getaddrinfo reads in the two halves of an IP address and a port; nothing where it refuses them.
std::optional<endpoint> read_by_system(std::string_view text) {
  auto const colon = text.rfind(':');
  if (colon == std::string_view::npos || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::string host(text.substr(0, colon));
  std::string const port(text.substr(colon + 1));
  ::addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    hints.ai_family = AF_INET6;
  }
  ::addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return std::nullopt;
  auto const e = endpoint::from(found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return e;
}

/// Whether the system's looser habits end here: digits alone are a port, one of 16 bits, and four decimal numbers an IPv4 address.
bool is_strict(std::string_view text) {
  auto const colon = text.rfind(':');
  auto const host = text.substr(0, colon), port = text.substr(colon + 1);
  auto const is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (port.empty() || port.size() > 8 || !std::all_of(port.begin(), port.end(), is_digit)) return false;
  if (std::stoul(std::string(port)) > 65535) return false;
  if (host.starts_with('[')) return host.find('%') == std::string_view::npos;
  int dots = 0, digits = 0;
  for (std::size_t i = 0; i != host.size(); ++i) {
    if (host[i] == '.') ++dots, digits = 0;
    else if (!is_digit(host[i]) || (digits++ == 1 && host[i - 1] == '0')) return false;
  }
  return dots == 3;
}

void check_text(std::string_view text) {
  auto const e = parsed(text);
  auto const system = read_by_system(text);
  bool const is_path = text.starts_with("unix:");
  if (!e) {
    must(!system || is_path || !is_strict(text), "what the system takes for an address and a port is one", text);
    if (is_path) {
      auto const path = text.substr(5);
      must(path.empty() || path.size() + (path[0] == '@' ? 0 : 1) > sizeof(::sockaddr_un::sun_path) ||
               path.find('\0') != std::string_view::npos,
           "a path that a socket's name has room for is taken", text);
    }
    return;
  }
  auto const printed = e->to_string();
  auto const again = parsed(printed);
  must(again.has_value(), "what is printed parses", printed);
  must(*again == *e, "what is printed parses to the same", printed);
  must(again->to_string() == printed, "there is one way to print it", printed);
  if (is_path) must(e->path() == text.substr(5) && e->port() == 0, "a path is what follows unix:", text);
  else if (system && text.find('%') == std::string_view::npos)
    must(*system == *e, "it means what the system takes it for", text);
  else must(system || text.find('%') != std::string_view::npos, "the system takes it, too", text);
  must(is_path || (e->with_port(7).port() == 7 && e->with_port(7).with_port(e->port()) == *e), "only the port changes",
       text);

  ::sockaddr_storage storage;
  auto const length = e->to(storage);
  must(storage.ss_family == e->family(), "the family is the address's", text);
  must(endpoint::from(reinterpret_cast<::sockaddr const*>(&storage), length) == *e, "it comes back from the system",
       text);
}

void check_address(std::string_view bytes) {
  ::sockaddr_storage given{};
  auto const size = std::min(bytes.size(), sizeof(::sockaddr_un));
  if (size != 0) std::memcpy(&given, bytes.data(), size);
  auto const e = endpoint::from(reinterpret_cast<::sockaddr const*>(&given), static_cast<::socklen_t>(size));
  if (e.type() == endpoint::kind::none) {
    must(e == endpoint() && e.to_string().empty(), "nothing is nothing", bytes);
    return;
  }
  ::sockaddr_storage storage;
  auto const length = e.to(storage);
  must(length <= sizeof(::sockaddr_un) && storage.ss_family == given.ss_family, "the system would take it back", bytes);
  auto const back = endpoint::from(reinterpret_cast<::sockaddr const*>(&storage), length);
  must(back == e, "an address that was given back is the same", bytes);
  if (e.type() != endpoint::kind::unix_path) {
    must(e.port() == ntohs(reinterpret_cast<::sockaddr_in const&>(given).sin_port), "the port is the system's", bytes);
    auto const again = parsed(e.to_string());
    must(again && *again == e, "what came from the system prints as what parses", bytes);
    return;
  }
  // A file's name ends with a zero byte; an abstract one begins with it, and has the length that is told.
  ::sockaddr_un was{}, is{};
  std::memcpy(&was, &given, size);
  std::memcpy(&is, &storage, std::min<std::size_t>(length, sizeof is));
  bool const abstract = size > offsetof(::sockaddr_un, sun_path) && was.sun_path[0] == '\0';
  if (e.path().empty()) return;
  must((is.sun_path[0] == '\0') == abstract, "a file stays a file", bytes);
  must(!abstract || (length == size && std::memcmp(was.sun_path, is.sun_path, size - 2) == 0),
       "an abstract name keeps every byte", bytes);
  if (e.path().find('\0') != std::string_view::npos) return;
  auto const again = parsed(e.to_string());
  must(again.has_value() || e.path().size() == sizeof was.sun_path, "a name from the system prints as what parses",
       bytes);
  must(!again || *again == e, "a name from the system prints as itself", bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  check_text(weft_fuzz::text_of(data, size));
  check_address(weft_fuzz::text_of(data, size));
  return 0;
}
