// html: what a page says, and where it links to. No parser of all of HTML: one pass over the tags, which is enough for both.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace crawl {

/// A reader of pages. Where a page is cut off or wrong it gives what can be made out; it never fails.
class html {
 public:
  explicit html(std::string_view page) : rest_(page) {
    while (!rest_.empty()) {
      auto const tag = rest_.find('<');
      text_ += decoded(rest_.substr(0, tag));
      if (tag == std::string_view::npos) break;
      rest_.remove_prefix(tag);
      text_ += ' ';
      read_tag();
    }
  }

  /// Without tags, scripts, styles and comments.
  [[nodiscard]] std::string& text() noexcept { return text_; }
  /// As they stand in the page, in its order.
  [[nodiscard]] std::vector<std::string>& links() noexcept { return links_; }
  /// What links are relative to; "": the page itself.
  [[nodiscard]] std::string const& base() const noexcept { return base_; }

 private:
  static bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }
  static bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
  static char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
  static bool same(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

  /// Behind the next `end`, or at the end of the page.
  void skip_past(std::string_view end) {
    auto const at = rest_.find(end);
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at + end.size());
  }
  std::string_view take(std::size_t count) {
    auto const taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  template <class Predicate>
  std::string_view take_while(Predicate predicate) {
    return take(static_cast<std::size_t>(std::ranges::find_if_not(rest_, predicate) - rest_.begin()));
  }

  void read_tag() {
    if (rest_.starts_with("<!--")) {
      take(4);
      return skip_past("-->");
    }
    if (rest_.starts_with("<!") || rest_.starts_with("<?") || rest_.starts_with("</")) return skip_past(">");
    take(1);
    if (rest_.empty() || !is_letter(rest_.front())) {
      text_ += '<';
      return;
    }
    auto const name = take_while([](char c) { return !is_space(c) && c != '>' && c != '/'; });
    bool const links = same(name, "a") || same(name, "area"), is_base = same(name, "base");
    while (auto const a = next_attribute()) {
      if (!same(a->name, "href")) continue;
      if (links) links_.push_back(decoded(a->value));
      else if (is_base && base_.empty()) base_ = decoded(a->value);
    }
    for (std::string_view const silent : {"script", "style"})
      if (same(name, silent)) skip_to_end_of(silent);
  }

  struct attribute {
    std::string_view name, value;
  };
  /// Nothing: the tag has ended.
  std::optional<attribute> next_attribute() {
    take_while([](char c) { return is_space(c) || c == '/'; });
    if (rest_.empty()) return std::nullopt;
    if (rest_.front() == '>') {
      take(1);
      return std::nullopt;
    }
    attribute a;
    auto const begin = rest_;
    take(1);  // whatever it is
    take_while([](char c) { return !is_space(c) && c != '=' && c != '>' && c != '/'; });
    a.name = begin.substr(0, begin.size() - rest_.size());
    take_while(is_space);
    if (!rest_.starts_with('=')) return a;
    take(1);
    take_while(is_space);
    if (rest_.starts_with('"') || rest_.starts_with('\'')) {
      char const quote = take(1).front();
      a.value = take_while([quote](char c) { return c != quote; });
      take(1);
    } else {
      a.value = take_while([](char c) { return !is_space(c) && c != '>'; });
    }
    return a;
  }

  void skip_to_end_of(std::string_view name) {
    for (skip_past("</"); !rest_.empty(); skip_past("</"))
      if (same(rest_.substr(0, name.size()), name)) return skip_past(">");
  }

  /// With the characters that &amp; and the like stand for; of those with names, the usual few.
  static std::string decoded(std::string_view text) {
    std::string out;
    while (!text.empty()) {
      auto const mark = text.find('&');
      out += text.substr(0, mark);
      if (mark == std::string_view::npos) break;
      text.remove_prefix(mark);
      auto const end = text.substr(0, 12).find(';');
      if (end == std::string_view::npos || !append(out, text.substr(1, end - 1))) {
        out += '&';
        text.remove_prefix(1);
      } else {
        text.remove_prefix(end + 1);
      }
    }
    return out;
  }

  static bool append(std::string& out, std::string_view name) {
    struct named {
      std::string_view name, text;
    };
    for (auto const& [known, text] :
         {named{"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"nbsp", " "}})
      if (name == known) return out += text, true;
    if (!name.starts_with('#')) return false;
    name.remove_prefix(1);
    bool const hexadecimal = name.starts_with('x') || name.starts_with('X');
    if (hexadecimal) name.remove_prefix(1);
    std::uint32_t c = 0;
    auto const [stop, error] = std::from_chars(name.data(), name.data() + name.size(), c, hexadecimal ? 16 : 10);
    if (name.empty() || error != std::errc() || stop != name.data() + name.size() || c == 0 || c > 0x10FFFF)
      return false;
    append_utf8(out, c);
    return true;
  }

  static void append_utf8(std::string& out, std::uint32_t c) {
    auto const tail = [&](int shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3F)); };
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += static_cast<char>(0xC0 | c >> 6);
      tail(0);
    } else if (c < 0x10000) {
      out += static_cast<char>(0xE0 | c >> 12);
      tail(6);
      tail(0);
    } else {
      out += static_cast<char>(0xF0 | c >> 18);
      tail(12);
      tail(6);
      tail(0);
    }
  }

  std::string_view rest_;
  std::string text_, base_;
  std::vector<std::string> links_;
};

}  // namespace crawl
