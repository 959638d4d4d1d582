// In programs that count what has run (g++ --coverage, linked with -u __gcov_dump): a process that ends otherwise than by exit() writes its
// counts down before.
#pragma once

#include <csignal>

extern "C" [[gnu::weak]] void __gcov_dump();

namespace weft_test {

/// Nothing in other programs.
inline void keep_counts() noexcept {
  if (&__gcov_dump) __gcov_dump();
}

/// The same where it aborts.
inline void keep_counts_at_abort() noexcept {
  if (&__gcov_dump) std::signal(SIGABRT, [](int) { keep_counts(); });
}

}  // namespace weft_test
