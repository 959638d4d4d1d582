#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "unit/parallel/sorting.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/nth_element.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::parallel_nth_element;
using weft_test::fragile;
using weft_test::fragile_operation;
using weft_test::pattern;

static_assert(std::same_as<decltype(parallel_nth_element(std::declval<std::vector<int>&>(),
                                                         std::declval<std::vector<int>::iterator>())),
                           std::vector<int>::iterator>);

namespace {

/// Is the right element at `nth`, with the same elements as before in the range, and each on its side?
template <class Values, class Comp>
bool selects(weft::pool& pool, Values values, std::size_t nth, Comp comp, weft::loop_options options) {
  auto sorted = values;
  std::sort(sorted.begin(), sorted.end(), comp);
  auto const place = values.begin() + static_cast<std::ptrdiff_t>(nth);
  pool.run([&] {
    if (parallel_nth_element(values, place, comp, options) != values.end()) throw std::logic_error("not the end");
  });
  if (nth != values.size()) {
    if (*place != sorted[nth]) return false;
    for (auto i = values.begin(); i != place; ++i)
      if (comp(*place, *i)) return false;
    for (auto i = place; i != values.end(); ++i)
      if (comp(*i, *place)) return false;
  }
  std::sort(values.begin(), values.end(), comp);
  return values == sorted;
}

}  // namespace

TEST_CASE("the nth element is the one that sorting would put there, and divides the others") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("nth_element_test: patterns", std::chrono::seconds(60));
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  for (auto const p : weft_test::all_patterns)
    for (std::size_t const size : {1u, 2u, 3u, 24u, 25u, 26u, 599u, 600u, 601u, 4000u})
      for (std::size_t const grain : {0u, 64u})
        for (auto const nth : {std::size_t{0}, size / 100, size / 2, size - 1, size, random.below(size)}) {
          INFO(weft_test::name(p) << ", size " << size << ", grain " << grain << ", nth " << nth);
          auto const values = weft_test::values_of<std::uint32_t>(p, size, random);
          CHECK(selects(pool, values, nth, std::ranges::less{}, {.grain = grain}));
          if (size == 601) {
            CHECK(selects(pool, values, nth, std::greater<>{}, {.grain = grain}));
            std::deque<std::string> words;
            for (auto const v : values) words.push_back(std::to_string(v));
            CHECK(selects(pool, words, nth, std::ranges::less{}, {.grain = grain}));
          }
        }
  for (auto const p : {pattern::random, pattern::few_unique, pattern::organ_pipe})
    CHECK(selects(pool, weft_test::values_of<std::uint32_t>(p, 60'000, random), 20'000, std::less<>{}, {}));
}

TEST_CASE("projections, elements that only move, empty ranges, parts of a range") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 64);
  weft_test::watchdog const guard("nth_element_test: kinds");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::unique_ptr<int>> owners;
  for (int i = 0; i < 5000; ++i) owners.push_back(std::make_unique<int>(i));
  std::shuffle(owners.begin(), owners.end(), random);
  auto const value = [](auto const& o) { return *o; };
  pool.run([&] { parallel_nth_element(owners, owners.begin() + 1234, {}, value, {.grain = grain}); });
  CHECK(*owners[1234] == 1234);
  pool.run([&] { parallel_nth_element(owners, owners.begin() + 1234, std::greater<>{}, value, {.grain = grain}); });
  CHECK(*owners[1234] == 4999 - 1234);
  std::vector<int> none;
  CHECK(pool.run([&] { return parallel_nth_element(none, none.begin()); }) == none.end());
  std::vector<int> part{9, 5, 4, 3, 2, 1, 0};
  pool.run([&] {
    std::span const middle(part.data() + 1, 5);
    parallel_nth_element(middle, middle.begin() + 2, {.grain = grain});
  });
  CHECK(part[3] == 3);
  CHECK(part[0] == 9);
  CHECK(part[6] == 0);
}

TEST_CASE("a comparison or a move that fails comes out of a selection, and every element is still there once") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  auto const kind = GENERATE(fragile_operation::compare, fragile_operation::move);
  weft_test::watchdog const guard("nth_element_test: failures", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int wrong = 0, failures = 0;
  for (std::uint64_t const keys : {3u, 100'000u}) {
    for (std::int64_t nth = 0;; nth += 1 + nth / 8) {
      auto values = weft_test::fragile_values(900, keys, random);
      fragile::fail(kind, nth);
      bool thrown = false;
      try {
        pool.run([&] { parallel_nth_element(values, values.begin() + 300, std::less<>{}, {.grain = 40}); });
      } catch (weft_test::fragile_failure const&) {
        thrown = true;
      }
      bool const failed = fragile::failed();
      fragile::fail(fragile_operation::none, 0);
      wrong += thrown != failed || !weft_test::all_there(values) || fragile::living != 900;
      if (!failed) break;
      ++failures;
    }
  }
  CHECK(wrong == 0);
  CHECK(failures > 50);
  CHECK(fragile::living == 0);
}

TEST_CASE("selection takes about 1.5 n comparisons at random, and is never quadratic") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("nth_element_test: comparisons", std::chrono::seconds(60));
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  constexpr std::size_t size = 100'000;
  for (std::size_t const nth : {0u, 1000u, 50'000u, 99'999u}) {
    auto values = weft_test::values_of<std::uint32_t>(pattern::random, size, random);
    std::atomic<std::uint64_t> comparisons{0};
    auto const place = values.begin() + static_cast<std::ptrdiff_t>(nth);
    pool.run([&] { parallel_nth_element(values, place, [&](auto a, auto b) { return ++comparisons, a < b; }); });
    CHECK(static_cast<double>(comparisons) < 4.0 * size);
  }
  for (std::size_t const grain : {0u, 64u}) {
    constexpr std::size_t few = 10'000;
    weft_test::killer adversary(few);
    std::vector<std::size_t> values(few);
    for (std::size_t i = 0; i < few; ++i) values[i] = i;
    pool.run([&] {
      parallel_nth_element(values, values.begin() + few / 2,
                           [&](std::size_t a, std::size_t b) { return adversary.less(a, b); }, {.grain = grain});
    });
    CHECK(static_cast<double>(adversary.comparisons()) < 5 * weft_test::n_log_n(few));
  }
}

TEST_CASE("an order that contradicts itself leaves the same elements") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("nth_element_test: contradictions");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto values = weft_test::values_of<std::uint32_t>(pattern::random, 5000, random);
  auto expected = values;
  std::atomic<std::uint32_t> state{static_cast<std::uint32_t>(random())};
  pool.run([&] {
    parallel_nth_element(values, values.begin() + 2000,
                         [&](auto, auto) { return (state.fetch_add(0x9E3779B9u) * 0x85EBCA6Bu >> 19 & 1) != 0; },
                         {.grain = 64});
    parallel_nth_element(values, values.begin() + 2000, [](auto, auto) { return true; }, {.grain = 64});
  });
  std::sort(values.begin(), values.end());
  std::sort(expected.begin(), expected.end());
  CHECK(values == expected);
}

TEST_CASE("a stop ends a selection with every element in its range; from a plain thread it is a plain call") {
  weft_test::watchdog const guard("nth_element_test: stop", std::chrono::seconds(60));
  weft_test::seeded random;
  weft::pool pool{{.workers = 2}};
  auto const values = weft_test::values_of<std::uint32_t>(pattern::random, 60'000, random);
  auto sorted = values;
  std::sort(sorted.begin(), sorted.end());
  auto numbers = values;
  std::atomic<bool> asked{false};
  auto f = pool.spawn([&] {
    parallel_nth_element(numbers, numbers.begin() + 30'000, [&](auto a, auto b) {
      asked = true;
      while (!weft::this_task::stop_token().stop_requested()) std::this_thread::yield();
      return a < b;
    });
  });
  while (!asked) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  parallel_nth_element(numbers, numbers.begin() + 30'000);
  CHECK(numbers[30'000] == sorted[30'000]);
  CHECK(weft::pool::current() == nullptr);
  std::sort(numbers.begin(), numbers.end());
  CHECK(numbers == sorted);
}
