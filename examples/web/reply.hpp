// reply: what a server says before the content.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace web {

/// The server speaks something else than HTTP.
struct bad_reply : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class framing { length, chunks, until_end };

struct reply {
  int status = 0;
  framing how = framing::until_end;
  std::uint64_t length = 0;  ///< with framing::length
  std::string location;
  std::string type;  ///< of the content, in small letters, without parameters: "text/html"

  /// From all lines before the empty one. Throws bad_reply.
  static reply parse(std::string_view head) {
    reply r;
    auto line = take_line(head);
    if (line.size() < 12 || !line.starts_with("HTTP/1.") || line[8] != ' ') throw bad_reply("no HTTP/1.1 answer");
    auto const code = number<int>(line.substr(9, 3), 10);
    if (!code || *code < 100 || (line.size() > 12 && line[12] != ' ')) throw bad_reply("an answer without a status");
    r.status = *code;
    std::optional<std::uint64_t> length;
    while (!head.empty()) {
      line = take_line(head);
      auto const colon = line.find(':');
      if (colon == std::string_view::npos || colon == 0) throw bad_reply("an answer with a line that is no field");
      auto const name = line.substr(0, colon);
      auto value = line.substr(colon + 1);
      while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
      while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
      if (same(name, "Content-Length")) {
        auto const n = number<std::uint64_t>(value, 10);
        if (!n || (length && *length != *n)) throw bad_reply("an answer without a certain length");
        length = n;
      } else if (same(name, "Transfer-Encoding")) {
        if (!same(value, "chunked")) throw bad_reply("an answer in an unknown coding");
        r.how = framing::chunks;
      } else if (same(name, "Location")) {
        r.location = value;
      } else if (same(name, "Content-Type")) {
        r.type = value.substr(0, value.find_first_of("; \t"));
        std::ranges::transform(r.type, r.type.begin(), lower);
      }
    }
    if (r.status < 200 || r.status == 204 || r.status == 304) length = 0;
    if (length && r.how != framing::chunks) {
      r.how = framing::length;
      r.length = *length;
    }
    return r;
  }

  /// How long the next piece is, by the line before it. Throws bad_reply.
  static std::uint64_t chunk_size(std::string_view line) {
    auto const n = number<std::uint64_t>(line.substr(0, line.find_first_of("; \t")), 16);
    if (!n) throw bad_reply("a piece without a size");
    return *n;
  }

 private:
  static std::string_view take_line(std::string_view& text) {
    auto const end = text.find("\r\n");
    auto const line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    return line;
  }

  template <class Number>
  static std::optional<Number> number(std::string_view text, int base) {
    Number n{};
    auto const [stop, error] = std::from_chars(text.data(), text.data() + text.size(), n, base);
    if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
    return n;
  }

  static char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
  static bool same(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }
};

}  // namespace web
