// What the programs of this folder's users make of their command lines.
#pragma once

#include <charconv>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace web {

struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What stands behind an option, from least to most. Throws usage_error.
template <class Number>
Number number(char const* option, std::string_view text, Number least, Number most) {
  Number n{};
  auto const [stop, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || stop != text.data() + text.size() || !(n >= least && n <= most))
    throw usage_error(std::string(option) + ": not '" + std::string(text) + "'");
  return n;
}

}  // namespace web
