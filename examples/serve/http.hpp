// http: what a client asks for, read strictly, in whatever pieces it comes: RFC 9110 and RFC 9112, of which a server of files needs
// little. Whatever is not certainly right is refused, as guesses about it are how requests get smuggled past a proxy.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace serve {

enum class status {
  ok = 200,
  partial_content = 206,
  moved_permanently = 301,
  not_modified = 304,
  bad_request = 400,
  not_found = 404,
  method_not_allowed = 405,
  request_timeout = 408,
  content_too_large = 413,
  uri_too_long = 414,
  range_not_satisfiable = 416,
  expectation_failed = 417,
  fields_too_large = 431,
  internal_error = 500,
  not_implemented = 501,
  version_not_supported = 505
};

enum class method { get, head, other };
enum class connection { close, keep };

struct request {
  method what = method::other;
  std::string target;  ///< as it came, without scheme and host
  std::string path;  ///< of the target, decoded: "/", "/a b/c.txt", "/a/"; no part of it is empty, or begins with a dot
  std::string query;  ///< of the target, as it came
  connection after = connection::keep;
  std::uint64_t content_length = 0;
  std::string range, if_range, if_none_match, if_modified_since;
};

namespace detail {

// RFC 9110, 5.6.2.
constexpr bool is_token(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
constexpr bool is_visible(char c) noexcept { return c > ' ' && c < '\x7F'; }
/// In the value of a field: text, spaces and tabs; no other control characters.
constexpr bool is_text(char c) noexcept {
  auto const u = static_cast<unsigned char>(c);
  return u == '\t' || (u >= ' ' && u != 0x7F);
}
constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr bool same_name(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, {}, lower, lower);
}
constexpr std::string_view without_spaces(std::string_view s) noexcept {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}
constexpr int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// What % stands before, decoded; nothing, where it is not two hexadecimal digits, or a NUL.
inline std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (text.size() - i < 3) return std::nullopt;
      int const high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    out += c;
  }
  return out;
}

/// Whole, in decimal, and nothing else.
inline std::optional<std::uint64_t> number(std::string_view text) noexcept {
  std::uint64_t n = 0;
  auto const* const end = text.data() + text.size();
  auto const [stop, error] = std::from_chars(text.data(), end, n);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return n;
}

}  // namespace detail

/// What a head may take: a client that sends more is refused before it has filled the memory.
struct head_limits {
  std::size_t line = 8 * 1024;  ///< bytes of the request line, or of a field's
  std::size_t all = 16 * 1024;  ///< bytes together
  std::size_t fields = 100;
};

/// Reads the head of one request. Feed it until it is done or has refused; then it is done for good.
class head_parser {
 public:
  enum class state { reading, done, refused };

  head_parser() = default;
  explicit head_parser(head_limits limits) : limits_(limits) {}

  /// Takes bytes up to the end of the head, and returns how many.
  std::size_t feed(std::string_view bytes) {
    std::size_t used = 0;
    while (state_ == state::reading && used < bytes.size()) {
      auto const rest = bytes.substr(used);
      auto const* const newline = static_cast<char const*>(std::memchr(rest.data(), '\n', rest.size()));
      auto const taken = newline ? static_cast<std::size_t>(newline - rest.data()) + 1 : rest.size();
      used += take(rest.substr(0, taken));
      if (newline && state_ == state::reading) end_line();
    }
    return used;
  }

  [[nodiscard]] state now() const noexcept { return state_; }
  /// Has anything come?
  [[nodiscard]] bool begun() const noexcept { return size_ != 0; }
  /// Why it has refused.
  [[nodiscard]] status why() const noexcept { return why_; }
  /// What has been asked, when it is done. As far as it was understood, when it has refused.
  [[nodiscard]] request& result() noexcept { return request_; }

 private:
  void refuse(status why) noexcept {
    state_ = state::refused;
    why_ = why;
  }

  // A part of a line. What cannot be in any line is refused at once: whoever speaks something else need not be waited for. Returns how many
  // bytes were looked at.
  std::size_t take(std::string_view part) {
    for (std::size_t i = 0; i < part.size(); ++i) {
      char const c = part[i];
      bool const after_return = line_.ends_with('\r');
      if (c == '\n' ? !after_return : after_return || (c != '\r' && !detail::is_text(c)))
        return refuse(status::bad_request), i + 1;
      if (++size_ > limits_.all || line_.size() >= limits_.line)
        return refuse(has_line_ ? status::fields_too_large : status::uri_too_long), i + 1;
      line_ += c;
    }
    return part.size();
  }

  void end_line() {
    auto const line = std::string_view(line_).substr(0, line_.size() - 2);
    if (!has_line_) {
      // One empty line before a request is forgiven (RFC 9112, 2.2).
      if (line.empty()) {
        if (std::exchange(forgiven_, true)) refuse(status::bad_request);
      } else {
        has_line_ = true;
        request_line(line);
      }
    } else if (line.empty()) {
      end_head();
    } else {
      field(line);
    }
    line_.clear();
  }

  void request_line(std::string_view line) {
    auto const first = line.find(' '), last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return refuse(status::bad_request);
    auto const name = line.substr(0, first), target = line.substr(first + 1, last - first - 1);
    auto const version = line.substr(last + 1);
    if (name.empty() || !std::ranges::all_of(name, detail::is_token) ||
        !std::ranges::all_of(target, detail::is_visible))
      return refuse(status::bad_request);
    if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.' || !is_digit(version[5]) ||
        !is_digit(version[7]))
      return refuse(status::bad_request);
    if (version[5] != '1') return refuse(status::version_not_supported);
    old_ = version[7] == '0';
    request_.after = old_ ? connection::close : connection::keep;
    request_.what = name == "GET" ? method::get : name == "HEAD" ? method::head : method::other;
    if (request_.what == method::other) {
      known_method_ = std::ranges::find(other_methods, name) != other_methods.end();
      if (target == "*") return;  // for OPTIONS
    }
    take_target(target);
  }

  void take_target(std::string_view target) {
    // A proxy's form is understood as well (RFC 9112, 3.2.2).
    if (auto const scheme = std::string_view("http://"); target.starts_with(scheme)) {
      auto const slash = target.find('/', scheme.size());
      target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    }
    if (!target.starts_with('/') || target.find('#') != std::string_view::npos) return refuse(status::bad_request);
    auto const question = target.find('?');
    auto path = detail::decoded(target.substr(0, question));
    if (!path) return refuse(status::bad_request);
    request_.target = target;
    request_.path = std::move(*path);
    if (question != std::string_view::npos) request_.query = target.substr(question + 1);
    check_path();
  }

  // Parts that are empty name something else than they seem to; those that begin with a dot lead out of the folder, or to what is hidden.
  void check_path() {
    std::string_view rest = std::string_view(request_.path).substr(1);
    while (!rest.empty()) {
      auto const slash = rest.find('/');
      if (slash == 0) return refuse(status::bad_request);
      if (rest.front() == '.') return refuse(status::not_found);
      rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    }
  }

  void field(std::string_view line) {
    if (++fields_ > limits_.fields) return refuse(status::fields_too_large);
    auto const colon = line.find(':');
    // A line that begins with a space would continue the one before, as nobody does any more.
    if (colon == std::string_view::npos || colon == 0 || !std::ranges::all_of(line.substr(0, colon), detail::is_token))
      return refuse(status::bad_request);
    auto const name = line.substr(0, colon), value = detail::without_spaces(line.substr(colon + 1));
    auto const is = [name](std::string_view known) { return detail::same_name(name, known); };
    if (is("Host")) {
      if (std::exchange(has_host_, true)) refuse(status::bad_request);
    } else if (is("Content-Length")) {
      auto const length = detail::number(value);
      if (!length || std::exchange(has_length_, true)) return refuse(status::bad_request);
      request_.content_length = *length;
    } else if (is("Transfer-Encoding")) {
      coded_ = true;
    } else if (is("Connection")) {
      take_connection(value);
    } else if (is("Expect")) {
      expects_ = true;
    } else if (is("Range")) {
      once(request_.range, value);
    } else if (is("If-Range")) {
      once(request_.if_range, value);
    } else if (is("If-None-Match")) {
      once(request_.if_none_match, value);
    } else if (is("If-Modified-Since")) {
      once(request_.if_modified_since, value);
    }
  }

  void once(std::string& field, std::string_view value) {
    if (!field.empty()) return refuse(status::bad_request);
    field = value;
  }

  void take_connection(std::string_view list) {
    while (!list.empty()) {
      auto const comma = list.find(',');
      auto const word = detail::without_spaces(list.substr(0, comma));
      if (detail::same_name(word, "close")) closes_ = true;
      else if (detail::same_name(word, "keep-alive")) keeps_ = true;
      list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    }
  }

  void end_head() {
    if (closes_) request_.after = connection::close;
    else if (old_ && keeps_) request_.after = connection::keep;
    if (!has_host_ && !old_) return refuse(status::bad_request);
    // Both a length and a coding, or a coding in a version that has none, is how requests are smuggled.
    if (coded_) return refuse(has_length_ || old_ ? status::bad_request : status::not_implemented);
    if (expects_) return refuse(status::expectation_failed);
    if (request_.what == method::other)
      return refuse(known_method_ ? status::method_not_allowed : status::not_implemented);
    state_ = state::done;
  }

  static constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
  static constexpr std::array<std::string_view, 7> other_methods{"POST",    "PUT",   "DELETE", "CONNECT",
                                                                 "OPTIONS", "TRACE", "PATCH"};

  head_limits limits_;
  state state_ = state::reading;
  status why_ = status::bad_request;
  request request_;
  std::string line_;
  std::size_t size_ = 0, fields_ = 0;
  bool forgiven_ = false, has_line_ = false, old_ = false, known_method_ = false;
  bool has_host_ = false, has_length_ = false, coded_ = false, expects_ = false, closes_ = false, keeps_ = false;
};

/// A part of something: `size` bytes from `first` on.
struct byte_range {
  std::uint64_t first = 0, size = 0;
  friend bool operator==(byte_range const&, byte_range const&) = default;
};

enum class range_asked { none, satisfiable, unsatisfiable };

/// Which part of `size` bytes a Range field asks for. What is not one range of bytes asks for none: all of it answers that
/// (RFC 9110, 14.2).
inline range_asked asked_range(std::string_view field, std::uint64_t size, byte_range& part) noexcept {
  constexpr std::string_view unit = "bytes=";
  if (field.size() < unit.size() || !detail::same_name(field.substr(0, unit.size()), unit)) return range_asked::none;
  auto const spec = detail::without_spaces(field.substr(unit.size()));
  auto const dash = spec.find('-');
  if (dash == std::string_view::npos) return range_asked::none;
  auto const from = spec.substr(0, dash), to = spec.substr(dash + 1);
  auto const first = detail::number(from), last = detail::number(to);
  if ((!from.empty() && !first) || (!to.empty() && !last) || (!first && !last)) return range_asked::none;
  if (!first) {  // so many at the end
    if (*last == 0 || size == 0) return range_asked::unsatisfiable;
    part.size = std::min(*last, size);
    part.first = size - part.size;
    return range_asked::satisfiable;
  }
  if (last && *last < *first) return range_asked::none;
  if (*first >= size) return range_asked::unsatisfiable;
  part.first = *first;
  part.size = (last ? std::min(*last, size - 1) : size - 1) - *first + 1;
  return range_asked::satisfiable;
}

}  // namespace serve
