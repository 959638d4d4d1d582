#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "unit/parallel/sorting.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/merge.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <functional>
#include <iterator>
#include <list>
#include <ranges>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::parallel_merge;
using weft_test::fragile;
using weft_test::fragile_operation;
using weft_test::pattern;

static_assert(std::same_as<decltype(parallel_merge(std::declval<std::vector<int>&>(), std::declval<std::list<int>&>(),
                                                   std::declval<int*>())),
                           std::ranges::merge_result<std::vector<int>::iterator, std::list<int>::iterator, int*>>);
static_assert(std::same_as<decltype(parallel_merge(std::declval<std::vector<int>>(), std::declval<std::span<int>>(),
                                                   std::declval<int*>())),
                           std::ranges::merge_result<std::ranges::dangling, std::span<int>::iterator, int*>>);

namespace {

struct placed {
  std::uint32_t key = 0;
  int place = 0;
  friend bool operator==(placed const&, placed const&) = default;
};

std::vector<placed> sorted_values(pattern p, std::size_t size, int first_place, weft_test::seeded& random) {
  auto keys = weft_test::values_of<std::uint32_t>(p, size, random);
  std::sort(keys.begin(), keys.end());
  std::vector<placed> values;
  for (auto const k : keys) values.push_back({k, first_place++});
  return values;
}

constexpr auto by_key = [](placed const& a, placed const& b) { return a.key < b.key; };

}  // namespace

TEST_CASE("two sorted ranges become one, those of the first in front of their equals") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("merge_test: patterns", std::chrono::seconds(60));
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  constexpr std::size_t sizes[] = {0, 1, 2, 3, 10, 1000, 5001};
  for (auto const p : {pattern::random, pattern::equal, pattern::few_unique, pattern::skewed})
    for (auto const first : sizes)
      for (auto const second : sizes)
        for (std::size_t const grain : {0u, 1u, 77u}) {
          if (grain == 1 && first + second > 1500) continue;  // slow, and nothing new
          INFO(weft_test::name(p) << ", sizes " << first << " and " << second << ", grain " << grain);
          auto const a = sorted_values(p, first, 0, random), b = sorted_values(p, second, 1'000'000, random);
          std::vector<placed> expected(a.size() + b.size()), merged(a.size() + b.size()), projected = merged;
          std::merge(a.begin(), a.end(), b.begin(), b.end(), expected.begin(), by_key);
          auto const ends = pool.run([&] { return parallel_merge(a, b, merged.begin(), by_key, {.grain = grain}); });
          CHECK(merged == expected);
          CHECK(ends.in1 == a.end());
          CHECK(ends.in2 == b.end());
          CHECK(ends.out == merged.end());
          pool.run([&] {
            parallel_merge(a, b, projected.begin(), std::ranges::less{}, &placed::key, &placed::key, {.grain = grain});
          });
          CHECK(projected == expected);
        }
}

TEST_CASE("a million and a few elements are merged") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("merge_test: many", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (std::size_t const second : {3u, 400'000u}) {
    auto a = weft_test::values_of<std::uint32_t>(pattern::random, 600'000, random);
    auto b = weft_test::values_of<std::uint32_t>(pattern::random, second, random);
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    std::vector<std::uint32_t> expected(a.size() + b.size()), merged(expected.size());
    std::merge(a.begin(), a.end(), b.begin(), b.end(), expected.begin());
    pool.run([&] { parallel_merge(a, b, merged.begin()); });
    CHECK(merged == expected);
  }
}

TEST_CASE("orders that fall, projections that differ, ranges of different elements") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("merge_test: orders");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<int> falling;
  std::deque<short> halves;
  for (int i = 2000; i-- > 0;) falling.push_back(i), halves.push_back(static_cast<short>(i * 2));
  std::vector<int> merged(4000), expected(4000);
  std::ranges::merge(falling, halves, expected.begin(), std::greater<>{});
  pool.run([&] { parallel_merge(falling, halves, merged.begin(), std::greater<>{}, {.grain = 50}); });
  CHECK(merged == expected);
  auto const twice = [](int v) { return v * 2; };
  std::ranges::merge(falling, halves, expected.begin(), std::greater<>{}, twice);
  pool.run([&] { parallel_merge(falling, halves, merged.begin(), std::greater<>{}, twice, {.grain = 50}); });
  CHECK(merged == expected);

  std::vector<std::string> words, others;
  for (int i = 0; i < 3000; ++i) words.push_back("word " + std::to_string(i)), others.push_back(std::to_string(i * 3));
  std::sort(words.begin(), words.end());
  std::sort(others.begin(), others.end());
  std::deque<std::string> all(6000), expected_words(6000);
  std::ranges::merge(words, others, expected_words.begin());
  pool.run([&] { parallel_merge(words, others, all.begin(), {.grain = 100}); });
  CHECK(all == expected_words);

  std::vector<bool> const zeros_and_ones{false, false, true, true}, ones{true, true};
  std::vector<int> bits(6);
  pool.run([&] { parallel_merge(zeros_and_ones, ones, bits.begin(), {.grain = 1}); });
  CHECK(bits == std::vector<int>{0, 0, 1, 1, 1, 1});
}

TEST_CASE("ranges that can only be walked, and destinations that only go on, are merged by the caller") {
  weft_test::watchdog const guard("merge_test: walks");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  std::list<int> const list{1, 3, 5};
  std::forward_list<int> const forward{2, 3, 4};
  std::vector<int> const expected{1, 2, 3, 3, 4, 5};
  std::vector<int> merged;
  pool.run([&] { parallel_merge(list, forward, std::back_inserter(merged)); });
  CHECK(merged == expected);
  std::istringstream text("2 3 4");
  std::vector<int> read(6);
  auto const ends = parallel_merge(list, std::views::istream<int>(text), read.begin(), {});
  CHECK(read == expected);
  CHECK(ends.out == read.end());
  merged.clear();
  parallel_merge(std::vector<int>{1, 3, 5}, std::vector<int>{2, 3, 4}, std::back_inserter(merged));
  CHECK(merged == expected);
}

TEST_CASE("a comparison or a copy that fails comes out of a merge, and nothing leaks") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  auto const kind = GENERATE(fragile_operation::compare, fragile_operation::copy);
  weft_test::watchdog const guard("merge_test: failures", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const by_value = [](fragile const& a, fragile const& b) { return a.key() < b.key(); };
  auto a = weft_test::fragile_values(300, 50, random), b = weft_test::fragile_values(400, 50, random);
  std::sort(a.begin(), a.end(), by_value);
  std::sort(b.begin(), b.end(), by_value);
  int wrong = 0, failures = 0;
  for (std::int64_t nth = 0;; nth += 1 + nth / 10) {
    std::vector<fragile> merged(700);
    fragile::fail(kind, nth);
    bool thrown = false;
    try {
      pool.run([&] { parallel_merge(a, b, merged.begin(), std::less<>{}, {.grain = 30}); });
    } catch (weft_test::fragile_failure const&) {
      thrown = true;
    }
    bool const failed = fragile::failed();
    fragile::fail(fragile_operation::none, 0);
    wrong += thrown != failed || fragile::living != 1400;
    if (!failed) {
      wrong += !std::is_sorted(merged.begin(), merged.end(), by_value);
      break;
    }
    ++failures;
  }
  CHECK(wrong == 0);
  CHECK(failures > 20);
  a.clear(), b.clear();
  CHECK(fragile::living == 0);
}

TEST_CASE("an order that contradicts itself takes no element from beyond a range") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("merge_test: contradictions");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const a = weft_test::values_of<int>(pattern::random, 2000, random);
  auto const b = weft_test::values_of<int>(pattern::random, 3000, random);
  auto from = a;
  from.insert(from.end(), b.begin(), b.end());
  std::sort(from.begin(), from.end());
  std::vector<int> merged(5000);
  std::atomic<std::uint32_t> state{static_cast<std::uint32_t>(random())};
  pool.run([&] {
    parallel_merge(a, b, merged.begin(),
                   [&](int, int) { return (state.fetch_add(0x9E3779B9u) * 0x85EBCA6Bu >> 19 & 1) != 0; },
                   {.grain = 10});
  });
  CHECK(std::all_of(merged.begin(), merged.end(),
                    [&](int v) { return std::binary_search(from.begin(), from.end(), v); }));
}

TEST_CASE("a stop ends a merge between chunks; a merge from a plain thread is a plain call") {
  weft_test::watchdog const guard("merge_test: stop", std::chrono::seconds(60));
  weft_test::seeded random;
  weft::pool pool{{.workers = 2}};
  std::vector<int> a(50'000), b(50'000), merged(100'000);
  for (int i = 0; i < 50'000; ++i) a[static_cast<std::size_t>(i)] = 2 * i, b[static_cast<std::size_t>(i)] = 2 * i + 1;
  std::atomic<bool> asked{false};
  auto f = pool.spawn([&] {
    parallel_merge(a, b, merged.begin(), [&](int x, int y) {
      asked = true;
      while (!weft::this_task::stop_token().stop_requested()) std::this_thread::yield();
      return x < y;
    });
  });
  while (!asked) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  parallel_merge(a, b, merged.begin());
  CHECK(std::is_sorted(merged.begin(), merged.end()));
  CHECK(merged.back() == 99'999);
  CHECK(weft::pool::current() == nullptr);
}
