// Misuse ends the program with a sentence that says what was wrong, in builds without NDEBUG.
#pragma once

#include <weft/base/config.hpp>

#include <cstdio>
#include <cstdlib>

namespace weft::detail {

[[noreturn, gnu::noinline, gnu::cold]] inline void misuse(char const* sentence, char const* file, int line) noexcept {
#if WEFT_MODEL
  weft_model::misuse(sentence, file, line);
#endif
  std::fprintf(stderr, "weft: %s (%s:%d)\n", sentence, file, line);
  std::abort();
}

}  // namespace weft::detail

#if defined(NDEBUG)
#define WEFT_ASSERT(condition, sentence) static_cast<void>(0)
#else
#define WEFT_ASSERT(condition, sentence) \
  ((condition) ? static_cast<void>(0) : ::weft::detail::misuse(sentence, __FILE__, __LINE__))
#endif
