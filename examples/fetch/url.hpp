// url: where something is, as far as fetch goes there: http[s]://host[:port][/path][?query].
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace fetch {

struct bad_url : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

struct url {
  enum class scheme { http, https };
  scheme how = scheme::http;
  std::string host;  ///< without the brackets of [::1]
  std::uint16_t port = 80;
  std::string authority;  ///< host and port as they stood there
  std::string target;     ///< path and query, with the slash in front

  /// Throws bad_url.
  static url parse(std::string_view text) {
    auto const wrong = [text](char const* why) { return bad_url(std::string(text) + ": " + why); };
    auto const begin = begin_of(text.starts_with("https:") ? scheme::https : scheme::http);
    if (!text.starts_with(begin)) throw wrong("not an http:// or https:// address");
    // What is sent as it is must not end the line that it is sent in.
    if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c != '\x7F'; }))
      throw wrong("not a character of an address");
    auto rest = text.substr(begin.size());
    rest = rest.substr(0, rest.find('#'));
    auto const end = rest.find_first_of("/?");
    url u;
    if (begin == begin_of(scheme::https)) u.how = scheme::https, u.port = 443;
    u.authority = rest.substr(0, end);
    if (end != std::string_view::npos) u.target = rest.substr(end);
    if (!u.target.starts_with('/')) u.target.insert(0, "/");
    std::string_view host = u.authority;
    if (host.find('@') != std::string_view::npos) throw wrong("names and passwords are not for the address");
    if (auto const colon = host.rfind(':');
        colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
      auto const port = host.substr(colon + 1);
      auto const [stop, error] = std::from_chars(port.data(), port.data() + port.size(), u.port);
      if (error != std::errc() || stop != port.data() + port.size() || u.port == 0) throw wrong("not a port");
      host = host.substr(0, colon);
    }
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.empty()) throw wrong("no host");
    u.host = host;
    return u;
  }

  /// Where a Location field leads to from here. Throws bad_url.
  [[nodiscard]] url resolved(std::string_view location) const {
    if (location.find("://") < location.find_first_of("/?#")) return parse(location);  // a scheme
    if (location.starts_with("//")) return parse((how == scheme::https ? "https:" : "http:") + std::string(location));
    auto const base = std::string(begin_of(how)) + authority;
    if (location.starts_with('/')) return parse(base + std::string(location));
    auto const path = target.substr(0, target.find('?'));
    return parse(base + path.substr(0, path.rfind('/') + 1) + std::string(location));
  }

  [[nodiscard]] static constexpr std::string_view begin_of(scheme s) noexcept {
    return s == scheme::https ? "https://" : "http://";
  }

  /// A name for a file with what is there.
  [[nodiscard]] std::string file_name() const {
    auto const path = target.substr(0, target.find('?'));
    auto name = path.substr(path.rfind('/') + 1);
    if (name.empty()) return "index.html";
    if (name.front() == '.') name.front() = '_';  // nothing hidden, and no "..".
    return name;
  }
};

}  // namespace fetch
