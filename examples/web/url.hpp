// url: where something is, as far as these programs go there: http[s]://host[:port][/path][?query].
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace web {

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
    auto const wrong = [text](char const* why) { return bad_url(shown(text) + ": " + why); };
    auto const begin = begin_of(text.starts_with("https:") ? scheme::https : scheme::http);
    if (!text.starts_with(begin)) throw wrong("not an http:// or https:// address");
    // What is sent as it is must not end the line that it is sent in.
    if (!std::ranges::all_of(text, printable)) throw wrong("not a character of an address");
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
    if (host.empty() || host.find_first_of("[]") != std::string_view::npos) throw wrong("no host");
    u.host = host;
    return u;
  }

  /// Where a link or a Location field leads to from here, without "." and ".." on the way (RFC 3986, 5.2). Throws bad_url.
  [[nodiscard]] url resolved(std::string_view location) const {
    auto const whole = [&]() -> std::string {
      auto const colon = location.find(':');
      if (colon < location.find_first_of("/?#")) return std::string(location);  // a scheme
      if (location.starts_with("//")) return (how == scheme::https ? "https:" : "http:") + std::string(location);
      if (location.starts_with('/')) return origin() + std::string(location);
      if (location.empty() || location.starts_with('#')) return to_string();
      auto const path = target.substr(0, target.find('?'));
      if (location.starts_with('?')) return origin() + path + std::string(location);
      return origin() + path.substr(0, path.rfind('/') + 1) + std::string(location);
    };
    auto u = parse(whole());
    u.target = without_dots(u.target);
    return u;
  }

  /// Scheme, host and port: who answers.
  [[nodiscard]] std::string origin() const { return std::string(begin_of(how)) + authority; }
  [[nodiscard]] std::string to_string() const { return origin() + target; }

  [[nodiscard]] static constexpr std::string_view begin_of(scheme s) noexcept {
    return s == scheme::https ? "https://" : "http://";
  }

  /// A character that an address may have in it: no blank, nothing that a terminal obeys, nothing beyond ASCII.
  [[nodiscard]] static bool printable(char c) noexcept { return c > ' ' && c < '\x7F'; }

  /// For a message: the beginning of it, if it is long, and with '?' for what is not printable.
  [[nodiscard]] static std::string shown(std::string_view text) {
    constexpr std::size_t longest = 200;
    std::string s(text.substr(0, longest));
    std::ranges::replace_if(s, [](char c) { return !printable(c); }, '?');
    return text.size() > longest ? s + "..." : s;
  }

  /// A path and query of which no part is "." or "..", which leads to the same.
  [[nodiscard]] static std::string without_dots(std::string_view target) {
    auto const query = std::min(target.find('?'), target.size());
    auto rest = target.substr(0, query);
    std::string path;
    while (!rest.empty()) {
      auto const end = std::min(rest.find('/', 1), rest.size());
      auto const part = rest.substr(0, end);
      bool const last = end == rest.size();
      if (part == "/..") path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
      if (part != "/." && part != "/..") path += part;
      else if (last) path += '/';
      rest.remove_prefix(end);
    }
    return path + std::string(target.substr(query));
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

}  // namespace web
