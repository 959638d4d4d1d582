// What the fuzzers share: the entry that libFuzzer, or corpus.cpp where there is none, calls with each input, and how a finding ends it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace weft_fuzz {

/// Ends the program with the sentence, and what it is about, unless it is so.
inline void must(bool so, char const* sentence, std::string_view about = {}) {
  if (so) return;
  std::string shown;
  for (char const c : about) {
    char code[8];
    if (c >= ' ' && c <= '~') shown += c;
    else std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(c)), shown += code;
  }
  std::fprintf(stderr, "fuzz: not so: %s\n  %s\n", sentence, shown.c_str());
  std::abort();
}

inline std::string_view text_of(std::uint8_t const* data, std::size_t size) {
  return {reinterpret_cast<char const*>(data), size};
}

}  // namespace weft_fuzz
