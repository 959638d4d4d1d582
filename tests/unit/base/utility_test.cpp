#include "support/catch.hpp"

#include <weft/base/utility.hpp>

#include <array>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <type_traits>

namespace {

using weft::unit;
using weft::detail::pinned;
using weft::detail::random_source;
using weft::detail::scope_exit;
using weft::detail::unit_if_void;

struct stays : pinned {};

}  // namespace

static_assert(std::is_same_v<unit_if_void<void>, unit>);
static_assert(std::is_same_v<unit_if_void<int&>, int&>);
static_assert(unit{} == unit{});
static_assert(!std::is_copy_constructible_v<stays> && !std::is_move_constructible_v<stays>);
static_assert(!std::is_copy_assignable_v<stays> && !std::is_move_assignable_v<stays>);

TEST_CASE("scope_exit acts when its scope is left, by an exception too") {
  int acted = 0;
  {
    scope_exit const count([&] { ++acted; });
    CHECK(acted == 0);
  }
  CHECK(acted == 1);
  try {
    scope_exit const count([&] { ++acted; });
    throw std::runtime_error("leave");
  } catch (std::runtime_error const&) {
    CHECK(acted == 2);
  }
}

TEST_CASE("random numbers below a bound stay below it and reach every value") {
  random_source random(7);
  for (std::uint32_t bound : {1u, 2u, 3u, 10u, 17u}) {
    std::set<std::uint32_t> seen;
    for (int i = 0; i != 2000; ++i) {
      auto const n = random.below(bound);
      REQUIRE(n < bound);
      seen.insert(n);
    }
    CHECK(seen.size() == bound);
  }
  for (int i = 0; i != 1000; ++i) REQUIRE(random.below(UINT32_MAX) < UINT32_MAX);
}

TEST_CASE("random numbers below a bound are about evenly spread") {
  random_source random(1);
  std::array<int, 8> count{};
  for (int i = 0; i != 80000; ++i) ++count[random.below(8)];
  for (auto const n : count) CHECK((n > 9000 && n < 11000));
}

TEST_CASE("a random source never gets stuck at one number, whatever its seed") {
  for (std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, UINT64_MAX, std::uint64_t{0x9E3779B97F4A7C15u}}) {
    random_source random(seed);
    std::set<std::uint64_t> seen;
    for (int i = 0; i != 100; ++i) seen.insert(random.next());
    CHECK(seen.size() == 100);
  }
}

TEST_CASE("neighbouring seeds give different numbers") {
  std::set<std::uint64_t> first;
  for (std::uint64_t seed = 0; seed != 1000; ++seed) first.insert(random_source(seed).next());
  CHECK(first.size() == 1000);
}
