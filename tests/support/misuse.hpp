// Misuse ends the program with a sentence: looked at from a process of its own.
#pragma once

#include "support/catch.hpp"
#include "support/keep_counts.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace weft_test {

/// Calls f in a child made by fork(), and checks that it aborts and says the sentence on standard error. f starts no thread. Nothing
/// in builds that do not look for misuse.
template <class F>
void expect_misuse(std::string const& sentence, F&& f) {
#if defined(NDEBUG)
  static_cast<void>(f);
  CHECK_FALSE(sentence.empty());
#else
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  pid_t const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Catch's handler would report the signal as a failure of this test.
    std::signal(SIGABRT, SIG_DFL);
    keep_counts_at_abort();
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    f();
    std::_Exit(EXIT_SUCCESS);
  }
  ::close(ends[1]);
  std::string said;
  char buffer[256];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK_THAT(said, Catch::Matchers::ContainsSubstring(sentence));
#endif
}

}  // namespace weft_test
