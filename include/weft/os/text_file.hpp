// Small text files of /proc and /sys: how to read one, and the lines, fields and numbers in them.
// Whoever interprets such files takes a file_reader, so that tests and fuzzers can put any machine in its place.
#pragma once

#include <weft/base/function.hpp>

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace weft::detail {

/// Gives the text of the file at an absolute path, or nothing where it cannot be read. Does not throw but for memory.
using file_reader = function_ref<std::optional<std::string>(std::string const& path)>;

/// The file_reader of the real machine. Reads at most 16 MiB; a file that fails half-way counts as unreadable.
[[nodiscard]] std::optional<std::string> read_text_file(std::string const& path);

/// Cuts the text before the first separator off the front of `rest` and returns it; all of `rest` where there is none.
[[nodiscard]] constexpr std::string_view cut(std::string_view& rest, char separator) noexcept {
  auto const end = rest.find(separator);
  auto const field = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return field;
}

/// The text without the white space around it.
[[nodiscard]] constexpr std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view blank = " \t\r\n";
  auto const first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

/// The whole text as a decimal number: nothing where there is a sign, a blank, anything else, or too large a value.
template <class Number>
  requires std::is_unsigned_v<Number>
[[nodiscard]] std::optional<Number> whole_number(std::string_view text) noexcept {
  Number value{};
  auto const end = text.data() + text.size();
  auto const parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

#if defined(__unix__) || defined(__APPLE__)

inline std::optional<std::string> read_text_file(std::string const& path) {
  constexpr std::size_t block = 4096;
  constexpr std::size_t largest = std::size_t{16} << 20;

  struct open_file {
    int descriptor;
    ~open_file() {
      if (descriptor >= 0) ::close(descriptor);
    }
  };
  open_file const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.descriptor < 0) return std::nullopt;

  std::string text;
  while (text.size() < largest) {
    auto const old_size = text.size();
    text.resize(old_size + block);
    auto const got = ::read(file.descriptor, text.data() + old_size, block);
    text.resize(old_size + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got == 0) break;
    if (got < 0 && errno != EINTR) return std::nullopt;
  }
  return text;
}

#else

inline std::optional<std::string> read_text_file(std::string const&) { return std::nullopt; }

#endif

}  // namespace weft::detail
