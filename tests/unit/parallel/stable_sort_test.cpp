#include "support/allocations.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "unit/parallel/sorting.hpp"

#include <weft/base/function.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/stable_sort.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
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

using weft::parallel_stable_sort;
using weft_test::fragile;
using weft_test::fragile_operation;
using weft_test::pattern;

static_assert(
    std::same_as<decltype(parallel_stable_sort(std::declval<std::vector<int>&>())), std::vector<int>::iterator>);
static_assert(std::same_as<decltype(parallel_stable_sort(std::declval<std::vector<int>>())), std::ranges::dangling>);

namespace {

constexpr std::size_t sizes[] = {0,  1,  2,  3,   15,  16,  17,  31,  32,   33,   47,   48,
                                 49, 63, 64, 127, 255, 256, 257, 511, 1000, 1023, 1025, 4097};

/// A key, and where it stood: equal only to itself.
template <class Key>
struct placed {
  Key key;
  std::uint32_t place;
  friend bool operator==(placed const&, placed const&) = default;
};

template <class Key>
std::vector<placed<Key>> placed_values(pattern p, std::size_t size, weft_test::seeded& random) {
  auto const keys = weft_test::values_of<Key>(p, size, random);
  std::vector<placed<Key>> values;
  for (std::uint32_t i = 0; i < size; ++i) values.push_back({keys[i], i});
  return values;
}

// Orders that are not the standard's. One type for each type of elements: each type of comparison has the whole of a sort compiled.
template <class T>
using order = std::function<bool(T const&, T const&)>;

void run_in(weft::pool& pool, weft::detail::function_ref<void()> work) { pool.run(work); }

bool comes_first(fragile const& a, fragile const& b) {
  return std::pair(a.key(), a.number()) < std::pair(b.key(), b.number());
}

template <class Values, class Comp, class Proj>
bool sorts_like_std(weft::pool& pool, Values values, Comp comp, Proj proj, weft::loop_options options) {
  auto expected = values;
  std::ranges::stable_sort(expected, comp, proj);
  run_in(pool, [&] {
    if (parallel_stable_sort(values, comp, proj, options) != values.end()) throw std::logic_error("not the end");
  });
  return values == expected;
}

}  // namespace

TEST_CASE("equal elements keep their order, in every pattern and size") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("stable_sort_test: patterns", std::chrono::seconds(60));
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  using element = placed<std::uint32_t>;
  auto const check = [&](pattern p, std::size_t size, std::size_t grain) {
    INFO(weft_test::name(p) << ", size " << size << ", grain " << grain);
    auto values = placed_values<std::uint32_t>(p, size, random);
    CHECK(sorts_like_std(pool, values, std::ranges::less{}, &element::key, {.grain = grain}));
    for (auto& v : values) v.key %= 50;
    CHECK(sorts_like_std(pool, values, std::greater<>{}, &element::key, {.grain = grain}));
    CHECK(sorts_like_std(pool, values, order<element>([](auto& a, auto& b) { return a.key < b.key; }), std::identity{},
                         {.grain = grain}));
  };
  for (auto const size : sizes)
    for (std::size_t const grain : {0u, 1u, 100u}) check(pattern::random, size, grain);
  for (auto const p : weft_test::all_patterns) {
    check(p, 3000, 0);
    check(p, 3000, 60);
  }
  check(pattern::few_unique, 50'000, 0);
  check(pattern::random, 100'000, 0);
}

TEST_CASE("numbers that can be told apart though they are equal keep their order: zeros") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("stable_sort_test: zeros");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<double> values(10'000);
  for (auto& v : values) v = random.below(2) != 0 ? static_cast<double>(random.below(3)) : -0.0;
  auto expected = values;
  std::stable_sort(expected.begin(), expected.end());
  run_in(pool, [&] { parallel_stable_sort(values, {.grain = 100}); });
  auto const same = [](double a, double b) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
  };
  CHECK(std::equal(values.begin(), values.end(), expected.begin(), expected.end(), same));
  std::vector<std::int16_t> numbers = weft_test::values_of<std::int16_t>(pattern::random, 5000, random);
  CHECK(sorts_like_std(pool, numbers, std::less<>{}, std::identity{}, {.grain = 100}));
}

TEST_CASE("strings, elements that only move, elements in blocks, a part, a range that runs backwards") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 70);
  weft_test::watchdog const guard("stable_sort_test: elements");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<placed<std::string>> words;
  for (std::uint32_t i = 0; i < 4000; ++i) words.push_back({"a word " + std::to_string(random.below(90)), i});
  CHECK(sorts_like_std(pool, words, std::ranges::less{}, &placed<std::string>::key, {.grain = grain}));
  std::deque<placed<std::string>> const in_blocks(words.begin(), words.end());
  CHECK(sorts_like_std(pool, in_blocks, std::ranges::greater{}, &placed<std::string>::key, {.grain = grain}));

  std::vector<std::unique_ptr<placed<int>>> owners;
  for (std::uint32_t i = 0; i < 4000; ++i)
    owners.push_back(std::make_unique<placed<int>>(placed<int>{static_cast<int>(random.below(30)), i}));
  run_in(pool, [&] { parallel_stable_sort(owners, {}, [](auto const& o) { return o->key; }, {.grain = grain}); });
  CHECK(std::is_sorted(owners.begin(), owners.end(), [](auto const& a, auto const& b) {
    return std::pair(a->key, a->place) < std::pair(b->key, b->place);
  }));

  auto part = placed_values<std::uint32_t>(pattern::few_unique, 3000, random);
  auto expected = part;
  order<placed<std::uint32_t>> const by_key = [](auto const& a, auto const& b) { return a.key < b.key; };
  std::stable_sort(expected.begin() + 100, expected.begin() + 2000, by_key);
  std::stable_sort(expected.rbegin(), expected.rend() - 2000, by_key);
  run_in(pool, [&] {
    parallel_stable_sort(std::span(part).subspan(100, 1900), by_key, {.grain = grain});
    parallel_stable_sort(std::views::reverse(part) | std::views::take(1000), by_key, {.grain = grain});
  });
  CHECK(part == expected);
}

TEST_CASE("a stable sort from a plain thread is a plain call") {
  weft_test::watchdog const guard("stable_sort_test: from a plain thread");
  weft_test::seeded random;
  auto values = placed_values<std::uint32_t>(pattern::few_unique, 20'000, random);
  auto expected = values;
  order<placed<std::uint32_t>> const by_key = [](auto const& a, auto const& b) { return a.key < b.key; };
  std::stable_sort(expected.begin(), expected.end(), by_key);
  parallel_stable_sort(values, by_key);
  CHECK(values == expected);
  CHECK(weft::pool::current() == nullptr);
}

TEST_CASE("a comparison or a move that fails comes out of a stable sort, and every element is still there once") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  auto const kind = GENERATE(fragile_operation::compare, fragile_operation::move);
  weft_test::watchdog const guard("stable_sort_test: failures", std::chrono::seconds(120));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int wrong = 0, failures = 0;
  for (std::size_t const size : {2u, 20u, 90u, 900u}) {
    for (std::int64_t nth = 0;; nth += 1 + nth / (size < 100 ? 40 : 6)) {
      auto values = weft_test::fragile_values(size, 200, random);
      fragile::fail(kind, nth);
      bool thrown = false;
      try {
        run_in(pool, [&] { parallel_stable_sort(values, std::less<>{}, {.grain = 40}); });
      } catch (weft_test::fragile_failure const&) {
        thrown = true;
      }
      bool const failed = fragile::failed();
      fragile::fail(fragile_operation::none, 0);
      wrong += thrown != failed || !weft_test::all_there(values) || fragile::living != static_cast<int>(size);
      if (!failed) {
        wrong += !std::is_sorted(values.begin(), values.end(), comes_first);
        break;
      }
      ++failures;
    }
  }
  CHECK(wrong == 0);
  CHECK(failures > 50);
  CHECK(fragile::living == 0);
}

TEST_CASE("a comparison that fails while elements are in the buffer brings them all back") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("stable_sort_test: failing comparisons", std::chrono::seconds(120));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int wrong = 0, failures = 0;
  for (std::int64_t nth = 0;; nth += 1 + nth / 8) {
    std::vector<std::unique_ptr<int>> owners;
    std::vector<std::uint32_t> cheap;
    for (std::uint32_t i = 0; i < 1500; ++i)
      owners.push_back(std::make_unique<int>(static_cast<int>(i))), cheap.push_back(i);
    std::shuffle(owners.begin(), owners.end(), random);
    std::shuffle(cheap.begin(), cheap.end(), random);
    int thrown = 0;
    auto attempt = [&](auto& values, auto value_of) {
      std::atomic<std::int64_t> left{nth};
      try {
        run_in(pool, [&] {
          using element = std::ranges::range_value_t<decltype(values)>;
          parallel_stable_sort(values, order<element>([&](element const& a, element const& b) {
                                 if (left.fetch_sub(1) == 0) throw std::runtime_error("nth");
                                 return value_of(a) < value_of(b);
                               }),
                               {.grain = 100});
        });
      } catch (std::runtime_error const&) {
        ++thrown;
      }
      std::vector<bool> seen(values.size());
      for (auto const& v : values) seen[static_cast<std::size_t>(value_of(v))] = true;
      wrong += std::count(seen.begin(), seen.end(), false) != 0;
    };
    bool lost = std::any_of(owners.begin(), owners.end(), [](auto const& o) { return o == nullptr; });
    attempt(owners, [&](auto const& o) { return o ? *o : (lost = true, 0); });
    attempt(cheap, [](std::uint32_t v) { return v; });
    wrong += lost;
    if (thrown == 0) break;
    failures += thrown;
  }
  CHECK(wrong == 0);
  CHECK(failures > 80);
}

TEST_CASE("comparisons: n log n at most, n where the range is sorted or falls") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("stable_sort_test: comparisons");
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  constexpr std::size_t size = 40'000;
  auto count = [&](pattern p) {
    auto values = weft_test::values_of<std::uint32_t>(p, size, random);
    std::atomic<std::uint64_t> comparisons{0};
    run_in(pool, [&] {
      parallel_stable_sort(values, order<std::uint32_t>([&](auto a, auto b) { return ++comparisons, a < b; }));
    });
    CHECK(std::is_sorted(values.begin(), values.end()));
    return static_cast<double>(comparisons);
  };
  CHECK(count(pattern::sorted) < 1.01 * size);
  CHECK(count(pattern::reversed) < 1.01 * size);
  CHECK(count(pattern::equal) < 1.01 * size);
  for (auto const p : weft_test::all_patterns) CHECK(count(p) < 1.3 * weft_test::n_log_n(size));
  weft_test::killer adversary(size);
  std::vector<std::uint32_t> values(size);
  for (std::uint32_t i = 0; i < size; ++i) values[i] = i;
  run_in(pool, [&] {
    parallel_stable_sort(values, order<std::uint32_t>([&](auto a, auto b) { return adversary.less(a, b); }));
  });
  CHECK(static_cast<double>(adversary.comparisons()) < 1.3 * weft_test::n_log_n(size));
}

TEST_CASE("an order that contradicts itself gives some order of the same elements, stably sorted") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("stable_sort_test: contradictions");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const numbers = weft_test::values_of<std::uint32_t>(pattern::random, 5000, random);
  std::vector<std::string> words;
  for (auto const v : numbers) words.push_back(std::to_string(v));
  auto const check = [&](auto values) {
    std::atomic<std::uint32_t> state{static_cast<std::uint32_t>(random())};
    auto expected = values;
    run_in(pool, [&] {
      using element = std::ranges::range_value_t<decltype(values)>;
      parallel_stable_sort(values, order<element>([&](auto const&, auto const&) {
                             return (state.fetch_add(0x9E3779B9u) * 0x85EBCA6Bu >> 19 & 1) != 0;
                           }),
                           {.grain = 100});
      parallel_stable_sort(values, order<element>([](auto const&, auto const&) { return true; }), {.grain = 100});
    });
    std::sort(values.begin(), values.end());
    std::sort(expected.begin(), expected.end());
    return values == expected;
  };
  CHECK(check(numbers));
  CHECK(check(words));
}

TEST_CASE("a stop ends a stable sort with every element in its range") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("stable_sort_test: stop", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const values = weft_test::values_of<std::uint32_t>(pattern::random, 20'000, random);
  auto expected = values;
  std::sort(expected.begin(), expected.end());
  for (std::int64_t const after : {0, 10, 2000, 40'000, 100'000}) {
    auto numbers = values;
    std::atomic<std::int64_t> left{after};
    std::atomic<bool> asked{false};
    auto f = pool.spawn([&] {
      parallel_stable_sort(numbers, order<std::uint32_t>([&](std::uint32_t a, std::uint32_t b) {
                             if (left.fetch_sub(1) == 0) {
                               asked = true;
                               while (!weft::this_task::stop_token().stop_requested()) std::this_thread::yield();
                             }
                             return a < b;
                           }),
                           {.grain = 100});
    });
    while (!asked) std::this_thread::yield();
    f.stop();
    CHECK_THROWS_AS(f.get(), weft::stopped);
    std::sort(numbers.begin(), numbers.end());
    CHECK(numbers == expected);
  }
}

TEST_CASE("without memory a stable sort is stable all the same") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("stable_sort_test: no memory", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const values = placed_values<std::uint32_t>(pattern::few_unique, 3000, random);
  auto expected = values;
  order<placed<std::uint32_t>> const by_key = [](auto const& a, auto const& b) { return a.key < b.key; };
  std::stable_sort(expected.begin(), expected.end(), by_key);
  std::vector<std::string> words, sorted_words;
  for (auto const& v : values) words.push_back(std::to_string(v.key));
  sorted_words = words;
  std::stable_sort(sorted_words.begin(), sorted_words.end());
  int wrong = 0, failures = 0;
  for (std::int64_t nth = 0; nth < 4; ++nth) {
    auto cheap = values;
    auto strings = words;
    auto few = weft_test::fragile_values(1000, 20, random);
    run_in(pool, [&] {
      {
        weft_test::failing_allocation const failure(nth);
        parallel_stable_sort(cheap, by_key, {.grain = 100});
        failures += failure.happened();
      }
      {
        weft_test::failing_allocation const failure(nth);
        parallel_stable_sort(strings, {.grain = 100});
      }
      {
        weft_test::failing_allocation const failure(nth);
        parallel_stable_sort(few, std::less<>{}, {.grain = 100});
      }
    });
    wrong += cheap != expected || strings != sorted_words;
    wrong += !std::is_sorted(few.begin(), few.end(), comes_first);
  }
  CHECK(wrong == 0);
  CHECK(failures > 0);
}
