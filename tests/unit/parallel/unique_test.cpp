#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/explosive.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/unique.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::loop_options;
using weft::parallel_unique;
using weft_test::explosive;

static_assert(std::same_as<decltype(parallel_unique(std::declval<std::vector<int>&>())),
                           decltype(std::ranges::unique(std::declval<std::vector<int>&>()))>);
static_assert(std::same_as<decltype(parallel_unique(std::declval<std::vector<int>>())), std::ranges::dangling>);

namespace {

/// What std keeps, with n − 1 comparisons.
template <class T, class Equal>
void check_unique(weft::pool& pool, std::vector<T> const& from, Equal equal, loop_options o) {
  auto expected = from;
  auto const expected_rest = std::ranges::unique(expected, equal);
  auto got = from;
  std::atomic<std::size_t> calls{0};
  auto const rest = pool.run([&] {
    return parallel_unique(
        got,
        [&](T const& a, T const& b) {
          ++calls;
          return equal(a, b);
        },
        o);
  });
  CHECK(rest.end() == got.end());
  CHECK(calls == (from.empty() ? 0 : from.size() - 1));
  REQUIRE(rest.begin() - got.begin() == expected_rest.begin() - expected.begin());
  CHECK(std::equal(expected.begin(), expected_rest.begin(), got.begin()));
}

/// Runs of random lengths, `mean` at the average.
std::vector<std::uint32_t> runs(std::size_t size, std::uint64_t mean, weft_test::seeded& random) {
  std::vector<std::uint32_t> v(size);
  std::uint32_t value = 0;
  for (auto& x : v) x = value += random.below(mean) == 0 ? 1 : 0;
  return v;
}

}  // namespace

TEST_CASE("the first of each run stays, whatever the size, the grain and the workers") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const size = GENERATE(as<std::size_t>(), 0, 1, 2, 3, 10, 255, 256, 257, 1000, 4095, 4096, 4097, 20'000);
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 33, 3000);
  weft_test::watchdog const guard("unique_test: sizes", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (std::uint64_t const mean : {1u, 2u, 10u, 500u, 1'000'000u}) {
    auto const from = runs(size, mean, random);
    check_unique(pool, from, std::equal_to<>(), {.grain = grain});
    std::vector<std::string> words;
    if (size > 5000) continue;
    for (auto v : from) words.push_back("a word that is not short at all: " + std::to_string(v));
    check_unique(pool, words, std::equal_to<>(), {.grain = grain});
  }
}

TEST_CASE("a million elements, with a comparison that takes its time now and then") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("unique_test: large", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  check_unique(pool, runs(1'000'000, 3, random),
               [](std::uint32_t a, std::uint32_t b) {
                 if (a % 8192 == 0) std::this_thread::yield();
                 return a == b;
               },
               {});
}

TEST_CASE("ranges of every kind, and what only moves, by what a projection makes of the elements") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 7);
  weft_test::watchdog const guard("unique_test: ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  loop_options const o{.grain = grain};
  std::vector<int> numbers(1000), expected(334);
  for (int i = 0; i < 1000; ++i) numbers[static_cast<std::size_t>(i)] = i / 3;
  for (int i = 0; i < 334; ++i) expected[static_cast<std::size_t>(i)] = i;
  auto const check = [&](auto range) {
    auto const rest = pool.run([&] { return parallel_unique(range, o); });
    CHECK(rest.end() == range.end());
    CHECK(std::ranges::equal(std::ranges::subrange(range.begin(), rest.begin()), expected));
  };
  check(numbers);
  check(std::list<int>(numbers.begin(), numbers.end()));
  check(std::forward_list<int>(numbers.begin(), numbers.end()));
  check(std::deque<int>(numbers.begin(), numbers.end()));

  std::vector<std::unique_ptr<int>> pointers;
  for (int i = 0; i < 1000; ++i) pointers.push_back(std::make_unique<int>(i));
  auto const rest =
      pool.run([&] { return parallel_unique(pointers, std::equal_to<>(), [](auto const& p) { return *p / 7; }, o); });
  CHECK(rest.size() == 1000 - 143);
  for (int i = 0; i < 143; ++i) CHECK(*pointers[static_cast<std::size_t>(i)] == 7 * i);

  struct point {
    int x, y;
  };
  std::vector<point> points;
  for (int i = 0; i < 1000; ++i) points.push_back({i / 5, i});
  auto const others = pool.run([&] { return parallel_unique(points, {}, &point::x, o); });
  CHECK(others.size() == 800);
  for (int i = 0; i < 200; ++i) CHECK(points[static_cast<std::size_t>(i)].y == 5 * i);

  std::vector<bool> bits(1000, true);
  for (std::size_t i = 300; i < 600; ++i) bits[i] = false;
  CHECK(pool.run([&] { return parallel_unique(bits, o); }).begin() - bits.begin() == 3);
  CHECK((bits[0] && !bits[1] && bits[2]));
  // Part of a range, without its neighbours.
  auto part = std::views::counted(numbers.begin() + 100, 500);
  pool.run([&] { parallel_unique(part, o); });
  for (int i = 0; i < 100; ++i) CHECK(numbers[static_cast<std::size_t>(i)] == i / 3);
  for (int i = 600; i < 1000; ++i) CHECK(numbers[static_cast<std::size_t>(i)] == i / 3);
}

TEST_CASE("a call from a plain thread is a plain call") {
  weft_test::watchdog const guard("unique_test: from a plain thread");
  std::vector<int> v{1, 1, 2, 2, 2, 1};
  CHECK(parallel_unique(v).size() == 3);
  CHECK(v[2] == 1);
  CHECK(weft::pool::current() == nullptr);
}

TEST_CASE("an exception from a comparison or a move comes out, and leaves valid elements and nothing else") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("unique_test: exceptions", std::chrono::seconds(60));
  weft_test::balance const balance;
  {
    weft::pool pool{{.workers = workers}};
    int thrown = 0, ended = 0;
    for (int every = 1; every < 3000; every += 1 + every / 3) {
      std::vector<explosive> values;
      values.reserve(500);
      for (int i = 0; i < 500; ++i) values.emplace_back(i / 2);
      explosive::arm(every);
      try {
        pool.run([&] { parallel_unique(values, {.grain = 20}); });
        ++ended;
      } catch (std::runtime_error const&) {
        ++thrown;
      }
      explosive::disarm();
      CHECK(explosive::live() == 500);
      CHECK(std::ranges::all_of(values, &explosive::valid));
    }
    CHECK(thrown > 0);
    CHECK(ended > 0);
  }
  CHECK(explosive::live() == 0);
}

TEST_CASE("a stop ends the comparisons between blocks") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("unique_test: stop", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> calls{0};
  std::atomic<bool> stopped{false};
  std::vector<int> values(100'000, 1);
  auto f = pool.spawn([&] {
    parallel_unique(values,
                    [&](int a, int b) {
                      ++calls;
                      while (!stopped && calls > 1000) std::this_thread::yield();
                      return a == b;
                    },
                    {.grain = 10});
  });
  while (calls <= 1000) std::this_thread::yield();
  f.stop();
  stopped = true;
  CHECK_THROWS_AS(f.get(), weft::stopped);
}
