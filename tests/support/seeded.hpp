// Random numbers for a test that can be had again.
#pragma once

#include "support/catch.hpp"

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>

namespace weft_test {

/// A random generator with a new seed in each run; a failure in its scope prints the seed, and WEFT_SEED=<seed> sets it.
/// One thread: give the others seeds drawn from it.
class seeded {
 public:
  using result_type = std::uint64_t;

  seeded() : seed_(choose()), engine_(seed_), message_(builder() << "WEFT_SEED=" << seed_) {}

  std::uint64_t seed() const noexcept { return seed_; }
  result_type operator()() { return engine_(); }
  /// Evenly from [0, bound).
  std::uint64_t below(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(engine_);
  }

  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }

 private:
  static std::uint64_t choose() {
    if (char const* const text = std::getenv("WEFT_SEED")) return std::strtoull(text, nullptr, 10);
    return std::random_device{}();
  }
  static Catch::MessageBuilder builder() { return {"", CATCH_INTERNAL_LINEINFO, Catch::ResultWas::Info}; }

  std::uint64_t seed_;
  std::mt19937_64 engine_;
  Catch::ScopedMessage message_;
};

}  // namespace weft_test
