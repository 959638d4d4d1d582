// How many workers the pools of a test have.
#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft_test {

/// One, two and more workers than there are cores; or the one number in the environment variable WEFT_TEST_WORKERS.
///
///   auto const workers = GENERATE(from_range(weft_test::worker_counts()));
inline std::vector<unsigned> worker_counts() {
  char const* const text = std::getenv("WEFT_TEST_WORKERS");
  if (text == nullptr) return {1, 2, 16};
  char* end = nullptr;
  unsigned long const count = std::strtoul(text, &end, 10);
  if (*end != '\0' || count == 0 || count > 1024) {
    throw std::runtime_error("WEFT_TEST_WORKERS is not a number of workers: " + std::string(text));
  }
  return {static_cast<unsigned>(count)};
}

}  // namespace weft_test
