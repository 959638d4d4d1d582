#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "unit/parallel/sorting.hpp"

#include <weft/base/function.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/sort.hpp>
#include <weft/parallel/stable_sort.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::parallel_sort;
using weft_test::fragile;
using weft_test::fragile_operation;
using weft_test::pattern;

static_assert(std::same_as<decltype(parallel_sort(std::declval<std::vector<int>&>())), std::vector<int>::iterator>);
static_assert(std::same_as<decltype(parallel_sort(std::declval<std::vector<int>>())), std::ranges::dangling>);
static_assert(std::same_as<decltype(parallel_sort(std::declval<std::span<int>>())), std::span<int>::iterator>);

namespace {

/// Around the sizes where the code takes another way.
constexpr std::size_t sizes[] = {0,   1,   2,   3,   4,   15,  16,  23,  24,   25,   31,   32,   33,   63,   64,  65,
                                 127, 128, 255, 256, 257, 511, 512, 513, 1000, 1023, 1024, 1025, 4095, 4096, 4097};

struct pair {
  std::uint32_t key;
  std::uint32_t number;
  friend bool operator==(pair const&, pair const&) = default;
};

struct named {
  std::string name;
  int number;
  friend bool operator==(named const&, named const&) = default;
};

struct alignas(128) wide {
  int key;
};

// Orders that are not the standard's. One type for each type of elements: each type of comparison has the whole of a sort compiled.
template <class T>
using order = std::function<bool(T const&, T const&)>;

void run_in(weft::pool& pool, weft::detail::function_ref<void()> work) { pool.run(work); }

enum class direction { rising, falling };

/// By a comparison that means what `way` says.
template <class Values, class Comp>
bool sorts_like_std(weft::pool& pool, Values values, direction way, Comp comp, weft::loop_options options) {
  auto expected = values;
  std::sort(expected.begin(), expected.end());
  if (way == direction::falling) std::reverse(expected.begin(), expected.end());
  run_in(pool, [&] {
    if (parallel_sort(values, comp, options) != values.end()) throw std::logic_error("not the end");
  });
  return values == expected;
}

/// The standard's less, or also its greater, and one that it does not know.
enum class tried { less, more };

template <class T, tried Which = tried::less>
void check_type(weft::pool& pool, weft_test::seeded& random, std::size_t size, std::size_t grain) {
  for (auto const p : weft_test::all_patterns) {
    auto const values = weft_test::values_of<T>(p, size, random);
    INFO(weft_test::name(p) << ", size " << size << ", grain " << grain << ", bytes " << sizeof(T));
    CHECK(sorts_like_std(pool, values, direction::rising, std::ranges::less{}, {.grain = grain}));
    if constexpr (Which == tried::more) {
      CHECK(sorts_like_std(pool, values, direction::falling, std::greater<>{}, {.grain = grain}));
      CHECK(sorts_like_std(pool, values, direction::rising, order<T>(std::less<T>()), {.grain = grain}));
    }
  }
}

/// Are these the same, apart from their order?
template <class Values>
bool same_elements(Values a, Values b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

}  // namespace

TEST_CASE("numbers of every type, in every pattern, are sorted as std::sort does") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_test: numbers", std::chrono::seconds(60));
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  for (std::size_t const grain : {0u, 1u}) {
    check_type<std::uint8_t, tried::more>(pool, random, 3000, grain);
    check_type<std::int16_t>(pool, random, 3000, grain);
    check_type<std::uint16_t>(pool, random, 5000, grain);
    check_type<std::int32_t, tried::more>(pool, random, 3000, grain);
    check_type<std::uint64_t>(pool, random, 3000, grain);
    check_type<std::int64_t>(pool, random, 3000, grain);
    check_type<float>(pool, random, 3000, grain);
    check_type<double, tried::more>(pool, random, 3000, grain);
  }
}

TEST_CASE("sizes around every threshold are sorted") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_test: sizes", std::chrono::seconds(60));
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  for (auto const size : sizes)
    for (std::size_t const grain : {0u, 1u, 300u})
      for (auto const p : {pattern::random, pattern::few_unique}) {
        INFO(weft_test::name(p) << ", size " << size << ", grain " << grain);
        auto const values = weft_test::values_of<std::uint32_t>(p, size, random);
        CHECK(sorts_like_std(pool, values, direction::rising, std::ranges::less{}, {.grain = grain}));
        CHECK(
            sorts_like_std(pool, values, direction::falling, order<std::uint32_t>(std::greater<>()), {.grain = grain}));
        std::vector<std::string> words;
        for (auto const v : values) words.push_back("word " + std::to_string(v % 1000));
        CHECK(sorts_like_std(pool, words, direction::rising, std::ranges::less{}, {.grain = grain}));
        CHECK(sorts_like_std(pool, words, direction::falling, order<std::string>(std::greater<>()), {.grain = grain}));
      }
}

TEST_CASE("a hundred thousand of each pattern and a million at random are sorted") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_test: many", std::chrono::seconds(120));
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  for (auto const p : weft_test::all_patterns) {
    INFO(weft_test::name(p));
    CHECK(sorts_like_std(pool, weft_test::values_of<std::uint32_t>(p, 100'000, random), direction::rising,
                         std::less<>{}, {}));
  }
  CHECK(sorts_like_std(pool, weft_test::values_of<std::uint64_t>(pattern::skewed, 100'000, random), direction::rising,
                       std::less<>{}, {}));
  CHECK(sorts_like_std(pool, weft_test::values_of<std::int32_t>(pattern::random, 100'000, random), direction::falling,
                       order<std::int32_t>(std::greater<>()), {}));
  auto values = weft_test::values_of<std::uint32_t>(pattern::random, 1'000'000, random);
  auto const sum = [](auto const& v) {
    std::uint64_t s = 0, squares = 0;
    for (std::uint64_t const x : v) s += x, squares += x * x;
    return std::pair(s, squares);
  };
  auto const before = sum(values);
  run_in(pool, [&] { parallel_sort(values); });
  CHECK(std::is_sorted(values.begin(), values.end()));
  CHECK(sum(values) == before);
}

TEST_CASE("infinities and zeros are sorted as numbers; NaN harms nothing but the order") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_test: floats");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr std::array<double, 10> special{0.0,
                                           -0.0,
                                           infinity,
                                           -infinity,
                                           std::numeric_limits<double>::denorm_min(),
                                           -std::numeric_limits<double>::denorm_min(),
                                           std::numeric_limits<double>::max(),
                                           std::numeric_limits<double>::lowest(),
                                           1.0,
                                           -1.0};
  std::vector<double> values(20'000);
  for (auto& v : values) v = special[random.below(special.size())];
  CHECK(sorts_like_std(pool, values, direction::rising, std::less<>{}, {.grain = 100}));
  CHECK(sorts_like_std(pool, values, direction::falling, std::ranges::greater{}, {.grain = 100}));

  for (auto& v : values)
    if (random.below(10) == 0) v = std::numeric_limits<double>::quiet_NaN();
  auto const bits = [](std::vector<double> const& v) {
    std::vector<std::uint64_t> all;
    for (auto const x : v) all.push_back(std::bit_cast<std::uint64_t>(x));
    return all;
  };
  auto const before = bits(values);
  run_in(pool, [&] { parallel_sort(values, {.grain = 100}); });
  CHECK(same_elements(bits(values), before));
  run_in(pool, [&] { parallel_sort(values, order<double>(std::less<>()), {.grain = 100}); });
  CHECK(same_elements(bits(values), before));
}

TEST_CASE("a projection, by member or by function, gives the key") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 64);
  weft_test::watchdog const guard("sort_test: projections");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<pair> pairs(10'000);
  for (std::uint32_t i = 0; i < pairs.size(); ++i) pairs[i] = {static_cast<std::uint32_t>(random.below(5000)), i};
  auto const by_key = [](pair const& a, pair const& b) { return a.key < b.key; };
  auto const by_number = [](pair const& a, pair const& b) { return a.number < b.number; };
  auto sorted = pairs;
  run_in(pool, [&] { parallel_sort(sorted, std::ranges::less{}, &pair::key, {.grain = grain}); });
  CHECK(std::is_sorted(sorted.begin(), sorted.end(), by_key));
  run_in(pool, [&] { parallel_sort(sorted, {}, &pair::number); });
  CHECK(sorted == pairs);
  run_in(pool, [&] { parallel_sort(sorted, std::greater<>{}, [](pair const& p) { return p.key; }, {.grain = grain}); });
  CHECK(std::is_sorted(sorted.rbegin(), sorted.rend(), by_key));
  std::sort(sorted.begin(), sorted.end(), by_number);
  CHECK(sorted == pairs);

  std::vector<named> names(3000);
  for (int i = 0; i < 3000; ++i) names[static_cast<std::size_t>(i)] = {std::to_string(random.below(1000)), i};
  auto named_sorted = names;
  run_in(pool, [&] { parallel_sort(named_sorted, std::ranges::greater{}, &named::name, {.grain = grain}); });
  CHECK(std::is_sorted(named_sorted.begin(), named_sorted.end(), [](auto& a, auto& b) { return b.name < a.name; }));
  run_in(pool, [&] { parallel_sort(named_sorted, {}, &named::number, {.grain = grain}); });
  CHECK(named_sorted == names);
}

TEST_CASE("elements that only move, and elements that are aligned to more than most") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 50);
  weft_test::watchdog const guard("sort_test: elements");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::unique_ptr<int>> owners;
  std::vector<int> expected;
  for (int i = 0; i < 6000; ++i) {
    expected.push_back(static_cast<int>(random.below(4000)));
    owners.push_back(std::make_unique<int>(expected.back()));
  }
  std::sort(expected.begin(), expected.end());
  run_in(pool, [&] { parallel_sort(owners, std::less<>{}, [](auto const& p) { return *p; }, {.grain = grain}); });
  CHECK(std::equal(owners.begin(), owners.end(), expected.begin(), [](auto const& p, int v) { return *p == v; }));

  std::vector<wide> aligned(6000);
  for (auto& a : aligned) a.key = static_cast<int>(random.below(4000));
  run_in(pool, [&] { parallel_sort(aligned, {}, &wide::key, {.grain = grain}); });
  CHECK(std::is_sorted(aligned.begin(), aligned.end(), [](wide const& a, wide const& b) { return a.key < b.key; }));
}

TEST_CASE("a grain of everything sorts without sharing") {
  std::size_t const grain = GENERATE(as<std::size_t>(), 1'000'000, SIZE_MAX);
  weft_test::watchdog const guard("sort_test: grain");
  weft_test::seeded random;
  weft::pool pool{{.workers = 2}};
  for (int const kind : {0, 1}) {
    std::vector<std::unique_ptr<int>> owners;
    for (int i = 0; i < 6000; ++i) owners.push_back(std::make_unique<int>(static_cast<int>(random.below(4000))));
    auto const less = [](auto const& a, auto const& b) { return *a < *b; };
    run_in(pool, [&] {
      if (kind == 0) parallel_sort(owners, less, {.grain = grain});
      else weft::parallel_stable_sort(owners, less, {.grain = grain});
    });
    CHECK(std::is_sorted(owners.begin(), owners.end(), less));
    std::deque<int> deque;
    for (auto const& p : owners) deque.push_front(*p % 100);
    run_in(pool, [&] {
      if (kind == 0) parallel_sort(deque, {.grain = grain});
      else weft::parallel_stable_sort(deque, {.grain = grain});
    });
    CHECK(std::is_sorted(deque.begin(), deque.end()));
  }
}

TEST_CASE("any random access range is sorted: deque, array, span, a part, a range that runs backwards") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 50);
  weft_test::watchdog const guard("sort_test: ranges");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const values = weft_test::values_of<int>(pattern::random, 20'000, random);
  std::deque<int> deque(values.begin(), values.end());
  CHECK(sorts_like_std(pool, deque, direction::rising, std::less<>{}, {.grain = grain}));
  std::deque<std::string> words;
  for (auto const v : values) words.push_back(std::to_string(v % 100));
  CHECK(sorts_like_std(pool, words, direction::rising, std::less<>{}, {.grain = grain}));

  run_in(pool, [&] {
    int few[] = {3, 1, 2};
    if (parallel_sort(few) != few + 3 || few[0] != 1 || few[2] != 3) throw std::logic_error("array");
    std::array<int, 2> two{2, 1};
    parallel_sort(two, {});
    if (two[0] != 1) throw std::logic_error("std::array");
    auto part = values;
    auto const middle = part.begin() + 7000;
    parallel_sort(std::ranges::subrange(part.begin(), middle), {.grain = grain});
    if (!std::is_sorted(part.begin(), middle) || !std::equal(middle, part.end(), values.begin() + 7000))
      throw std::logic_error("subrange");
    auto backwards = values;
    parallel_sort(std::views::reverse(backwards), {.grain = grain});
    if (!std::is_sorted(backwards.rbegin(), backwards.rend())) throw std::logic_error("reverse");
    auto counted = values;
    parallel_sort(std::views::counted(counted.begin(), 100) | std::views::drop(10));
    if (!std::is_sorted(counted.begin() + 10, counted.begin() + 100)) throw std::logic_error("drop");
    parallel_sort(std::span<int>());
  });
}

TEST_CASE("a sort from a plain thread, and sorts inside loops and tasks, are plain calls") {
  weft_test::watchdog const guard("sort_test: callers", std::chrono::seconds(60));
  weft_test::seeded random;
  auto values = weft_test::values_of<std::uint32_t>(pattern::random, 50'000, random);
  auto others = values;
  parallel_sort(values, {.grain = 500});
  CHECK(std::is_sorted(values.begin(), values.end()));
  CHECK(weft::pool::current() == nullptr);
  parallel_sort(others, order<std::uint32_t>(std::greater<>()));
  CHECK(std::is_sorted(others.rbegin(), others.rend()));

  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft::pool pool{{.workers = workers}};
  std::vector<std::vector<std::uint32_t>> many;
  for (int i = 0; i < 20; ++i) many.push_back(weft_test::values_of<std::uint32_t>(pattern::random, 3000, random));
  run_in(pool, [&] { weft::parallel_for(many, [](auto& each) { parallel_sort(each, {.grain = 100}); }); });
  CHECK(std::all_of(many.begin(), many.end(), [](auto const& v) { return std::is_sorted(v.begin(), v.end()); }));
}

TEST_CASE("a comparison or a move that fails comes out, and every element is still there once") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  auto const kind = GENERATE(fragile_operation::compare, fragile_operation::move);
  weft_test::watchdog const guard("sort_test: failures", std::chrono::seconds(120));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int wrong = 0, failures = 0;
  for (std::size_t const size : {2u, 20u, 70u, 900u}) {
    for (std::uint64_t const keys : {3u, 100'000u}) {
      for (std::int64_t nth = 0;; nth += 1 + nth / (size < 100 ? 40 : 6)) {
        auto values = weft_test::fragile_values(size, keys, random);
        fragile::fail(kind, nth);
        bool thrown = false;
        try {
          run_in(pool, [&] { parallel_sort(values, std::less<>{}, {.grain = 40}); });
        } catch (weft_test::fragile_failure const&) {
          thrown = true;
        }
        bool const failed = fragile::failed();
        fragile::fail(fragile_operation::none, 0);
        wrong += thrown != failed || !weft_test::all_there(values) || fragile::living != static_cast<int>(size);
        if (!failed) {
          wrong += !std::is_sorted(values.begin(), values.end());
          break;
        }
        ++failures;
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(failures > 100);
  CHECK(fragile::living == 0);
}

TEST_CASE("sorting copies nothing: elements that fail to be copied are only moved") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_test: copies");
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  auto values = weft_test::fragile_values(3000, 1000, random);
  fragile::fail(fragile_operation::copy, 0);
  run_in(pool, [&] { parallel_sort(values, std::less<>{}, {.grain = 100}); });
  CHECK_FALSE(fragile::failed());
  fragile::fail(fragile_operation::none, 0);
  CHECK(std::is_sorted(values.begin(), values.end()));
}

TEST_CASE("a comparison of cheap elements that fails at the nth call loses and doubles none") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_test: failing comparisons", std::chrono::seconds(120));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<int> numbers(5000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int>(i);
  int wrong = 0, failures = 0;
  for (std::int64_t nth = 0;; nth += 1 + nth / 8) {
    auto values = numbers;
    std::shuffle(values.begin(), values.end(), random);
    std::atomic<std::int64_t> left{nth};
    bool thrown = false;
    try {
      run_in(pool, [&] {
        parallel_sort(values, order<int>([&](int a, int b) {
                        if (left.fetch_sub(1) == 0) throw std::runtime_error("nth");
                        return a < b;
                      }),
                      {.grain = 300});
      });
    } catch (std::runtime_error const&) {
      thrown = true;
    }
    bool const was_sorted = std::is_sorted(values.begin(), values.end());
    std::sort(values.begin(), values.end());
    wrong += values != numbers || thrown != (left < 0);
    if (!thrown) {
      wrong += !was_sorted;
      break;
    }
    ++failures;
  }
  CHECK(wrong == 0);
  CHECK(failures > 50);
}

TEST_CASE("no input makes it quadratic: the adversary of quicksort, and the input it leaves behind") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_test: killer", std::chrono::seconds(120));
  weft::pool pool{{.workers = workers}};
  for (std::size_t const size : {500u, 20'000u}) {
    for (std::size_t const grain : {0u, 100u}) {
      INFO("size " << size << ", grain " << grain);
      {
        // Elements that are cheap to move.
        weft_test::killer adversary(size);
        std::vector<std::size_t> values(size);
        for (std::size_t i = 0; i < size; ++i) values[i] = i;
        run_in(pool, [&] {
          parallel_sort(values, order<std::size_t>([&](std::size_t a, std::size_t b) { return adversary.less(a, b); }),
                        {.grain = grain});
        });
        CHECK(static_cast<double>(adversary.comparisons()) < 5 * weft_test::n_log_n(size));
        auto input = adversary.ranks();
        for (auto& r : input) r = std::min(r, size);
        std::atomic<std::uint64_t> comparisons{0};
        run_in(pool, [&] {
          parallel_sort(input, order<std::size_t>([&](std::size_t a, std::size_t b) {
                          ++comparisons;
                          return a < b;
                        }),
                        {.grain = grain});
        });
        CHECK(std::is_sorted(input.begin(), input.end()));
        CHECK(static_cast<double>(comparisons) < 5 * weft_test::n_log_n(size));
      }
      {
        // And elements that are not.
        weft_test::killer adversary(size);
        std::vector<std::unique_ptr<std::size_t>> values;
        for (std::size_t i = 0; i < size; ++i) values.push_back(std::make_unique<std::size_t>(i));
        run_in(pool, [&] {
          parallel_sort(values, [&](auto const& a, auto const& b) { return adversary.less(*a, *b); }, {.grain = grain});
        });
        CHECK(static_cast<double>(adversary.comparisons()) < 5 * weft_test::n_log_n(size));
      }
    }
  }
}

TEST_CASE("sorted and falling ranges cost about one comparison for each element, equal ones not many more") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_test: patterns");
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  constexpr std::size_t size = 50'000;
  auto count = [&](pattern p) {
    auto cheap = weft_test::values_of<std::uint32_t>(p, size, random);
    std::deque<std::uint32_t> in_blocks(cheap.begin(), cheap.end());
    std::atomic<std::uint64_t> comparisons{0}, in_deque{0};
    run_in(pool, [&] {
      parallel_sort(cheap, order<std::uint32_t>([&](auto a, auto b) { return ++comparisons, a < b; }));
      parallel_sort(in_blocks, order<std::uint32_t>([&](auto a, auto b) { return ++in_deque, a < b; }));
    });
    CHECK(std::is_sorted(cheap.begin(), cheap.end()));
    CHECK(std::is_sorted(in_blocks.begin(), in_blocks.end()));
    return static_cast<double>(std::max<std::uint64_t>(comparisons, in_deque)) / static_cast<double>(size);
  };
  CHECK(count(pattern::sorted) < 1.01);
  CHECK(count(pattern::reversed) < 1.01);
  CHECK(count(pattern::equal) < 1.01);
  CHECK(count(pattern::few_unique) < 12);
  CHECK(count(pattern::random) < 22);
}

TEST_CASE("an order that contradicts itself gives some order of the same elements") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_test: contradictions", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int turn = 0; turn < 4; ++turn) {
    auto const values = weft_test::values_of<std::uint32_t>(pattern::random, 6000, random);
    std::atomic<std::uint32_t> state{static_cast<std::uint32_t>(random())};
    auto const some_order = [&](auto const&, auto const&) {
      return (state.fetch_add(0x9E3779B9u) * 0x85EBCA6Bu >> (17 + turn) & 1) != 0;
    };
    auto cheap = values;
    std::vector<std::string> words;
    for (auto const v : values) words.push_back(std::to_string(v));
    auto shuffled = words;
    run_in(pool, [&] {
      parallel_sort(cheap, order<std::uint32_t>(some_order), {.grain = 200});
      parallel_sort(shuffled, order<std::string>(some_order), {.grain = 200});
      parallel_sort(cheap, order<std::uint32_t>([](auto, auto) { return true; }), {.grain = 200});
      parallel_sort(shuffled, order<std::string>([](auto const&, auto const&) { return true; }), {.grain = 200});
    });
    CHECK(same_elements(cheap, values));
    CHECK(same_elements(shuffled, words));
  }
}

TEST_CASE("a stop ends a sort with every element in its range") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_test: stop", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const values = weft_test::values_of<std::uint32_t>(pattern::random, 30'000, random);
  int stopped = 0;
  for (std::int64_t const after : {0, 10, 2000, 40'000, 200'000}) {
    for (bool const cheap : {true, false}) {
      auto numbers = values;
      std::deque<std::uint32_t> in_blocks(values.begin(), values.end());
      std::atomic<std::int64_t> left{after};
      std::atomic<bool> asked{false};
      order<std::uint32_t> const slow_once = [&](std::uint32_t a, std::uint32_t b) {
        if (left.fetch_sub(1) <= 0) {
          asked = true;
          // Until the stop has arrived: no worker gets to the end meanwhile.
          while (!weft::this_task::stop_token().stop_requested()) std::this_thread::yield();
        }
        return a < b;
      };
      auto f = pool.spawn([&] {
        if (cheap) parallel_sort(numbers, slow_once, {.grain = 100});
        else parallel_sort(in_blocks, slow_once, {.grain = 100});
      });
      while (!asked) std::this_thread::yield();
      f.stop();
      try {
        f.get();
      } catch (weft::stopped const&) {
        ++stopped;
      }
      if (!cheap) numbers.assign(in_blocks.begin(), in_blocks.end());
      CHECK(same_elements(numbers, values));
    }
  }
  CHECK(stopped == 10);
  // Asked before it began.
  auto numbers = values;
  auto f = pool.spawn([&] {
    while (!weft::this_task::stop_token().stop_requested()) std::this_thread::yield();
    parallel_sort(numbers);
  });
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(numbers == values);
}

TEST_CASE("without memory it sorts all the same") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_test: no memory", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const values = weft_test::values_of<std::uint32_t>(pattern::random, 5000, random);
  auto expected = values;
  std::sort(expected.begin(), expected.end());
  int wrong = 0, failures = 0;
  for (std::int64_t nth = 0; nth < 60; ++nth) {
    for (bool const by_number : {true, false}) {
      auto numbers = values;
      run_in(pool, [&] {
        weft_test::failing_allocation const failure(nth);
        if (by_number) parallel_sort(numbers, {.grain = 300});
        else parallel_sort(numbers, order<std::uint32_t>(std::less<>()), {.grain = 300});
        failures += failure.happened();
      });
      wrong += numbers != expected;
    }
  }
  CHECK(wrong == 0);
  CHECK(failures > 10);
}
