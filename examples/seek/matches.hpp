// matches: the lines of a text that hold the needle, their numbers, and how they are printed.
#pragma once

#include "needle.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace seek {

/// In vector registers: bytes are added up in bytes, as many as cannot overflow.
inline std::size_t count_newlines(char const* from, char const* to) noexcept {
  std::size_t count = 0;
  while (from != to) {
    auto const part = std::min<std::ptrdiff_t>(to - from, 128);
    unsigned char in_part = 0;
    for (std::ptrdiff_t i = 0; i < part; ++i) in_part = static_cast<unsigned char>(in_part + (from[i] == '\n'));
    count += in_part;
    from += part;
  }
  return count;
}

/// Calls found(line) for every line of the text with the needle in it, in order, without its newline; goes on while that
/// says true.
template <class Found>
void for_each_match(std::string_view text, needle const& wanted, Found found) {
  char const* from = text.data();
  char const* const end = from + text.size();
  while (char const* const match = wanted.find(from, end)) {
    auto const* const before = static_cast<char const*>(::memrchr(from, '\n', static_cast<std::size_t>(match - from)));
    auto const* const after = static_cast<char const*>(std::memchr(match, '\n', static_cast<std::size_t>(end - match)));
    char const* const line = before ? before + 1 : from;
    char const* const line_end = after ? after : end;
    if (!found(std::string_view(line, static_cast<std::size_t>(line_end - line))) || !after) return;
    from = after + 1;
  }
}

/// Numbers lines of one text that come in order. Counts newlines up to the last line asked for, no further.
class line_numbers {
 public:
  explicit line_numbers(std::string_view text, std::size_t first = 1) noexcept
      : counted_(text.data()), number_(first) {}

  std::size_t of(std::string_view line) noexcept {
    number_ += count_newlines(counted_, line.data());
    counted_ = line.data();
    return number_;
  }

 private:
  char const* counted_;
  std::size_t number_;
};

inline void append_number(std::string& out, std::size_t number) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

/// path:count
inline void append_count(std::string& out, std::string_view prefix, std::size_t count) {
  out += prefix;
  append_number(out, count);
  out += '\n';
}

/// path:number:line
inline void append_line(std::string& out, std::string_view prefix, std::size_t number, std::string_view line) {
  out += prefix;
  append_number(out, number);
  out += ':';
  out += line;
  out += '\n';
}

// grep -I reads blocks of 96 KiB and stops before the first with a NUL byte: what it has printed by then stays printed.
inline constexpr std::size_t binary_block = 96 * 1024;

/// What is searched of a text, which may be binary: the whole lines before the block with the first NUL byte. The text begins
/// with a block.
inline std::string_view before_binary(std::string_view text) noexcept {
  auto const nul = text.find('\0');
  if (nul == std::string_view::npos) return text;
  auto const blocks = text.substr(0, nul / binary_block * binary_block);
  return blocks.substr(0, blocks.rfind('\n') + 1);
}

}  // namespace seek
