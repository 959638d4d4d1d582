#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/loop_inputs.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/extremum.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <ranges>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace weft_test;
using weft::parallel_max_element;
using weft::parallel_min_element;
using weft::parallel_minmax_element;

static_assert(std::same_as<decltype(parallel_min_element(std::declval<std::list<int>&>())), std::list<int>::iterator>);
static_assert(std::same_as<decltype(parallel_max_element(std::declval<std::vector<int>>())), std::ranges::dangling>);
static_assert(std::same_as<decltype(parallel_minmax_element(std::declval<std::deque<int>&>())),
                           std::ranges::minmax_element_result<std::deque<int>::iterator>>);

namespace {

template <class C, class... Order>
bool as_std(C const& c, weft::loop_options o, Order... order) {
  auto const expected = std::ranges::minmax_element(c, order...);
  auto const got = parallel_minmax_element(c, order..., o);
  return parallel_min_element(c, order..., o) == std::ranges::min_element(c, order...) &&
         parallel_max_element(c, order..., o) == std::ranges::max_element(c, order...) && got.min == expected.min &&
         got.max == expected.max;
}

}  // namespace

TEST_CASE("extremes are those of std::ranges, of equal elements the same ones, whatever the iterators") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("extremum_test: as std", std::chrono::seconds(60));
  seeded random;
  std::string wrong;  // outlives the balance: empty, it holds nothing
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  for (auto const size : loop_sizes()) {
    for (std::uint64_t const kinds : {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{1'000'000}}) {
      std::vector<int> values(size);
      for (auto& v : values) v = static_cast<int>(random.below(kinds)) - 5;
      auto const check = [&](auto const& c, std::size_t grain) {
        weft::loop_options const o{.grain = grain};
        auto const half = [](int v) { return v / 2; };
        bool const right = pool.run([&] {
          return as_std(c, o) && as_std(c, o, std::ranges::greater{}) && as_std(c, o, std::less<>{}) &&
                 as_std(c, o, std::ranges::less{}, half) && as_std(c, o, [](int a, int b) { return a % 7 < b % 7; });
        });
        if (!right)
          wrong += std::to_string(size) + " of " + std::to_string(kinds) + " by " + std::to_string(grain) + "; ";
      };
      for (std::size_t const grain : {std::size_t{0}, std::size_t{1}, test_grain}) {
        check(values, grain);
        check(std::deque<int>(values.begin(), values.end()), grain);
        check(std::list<int>(values.begin(), values.end()), grain);
        check(std::forward_list<int>(values.begin(), values.end()), grain);
      }
    }
  }
  CHECK(wrong == "");
}

TEMPLATE_TEST_CASE("extremes of numbers are those of std::ranges, wherever they lie", "", signed char, std::uint16_t,
                   int, std::uint64_t, float, double) {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("extremum_test: numbers", std::chrono::seconds(60));
  seeded random;
  weft::pool pool{{.workers = workers}};
  int wrong = 0;
  for (int round = 0; round < 40; ++round) {
    auto const size = random.below(round % 2 == 0 ? 5000 : 600);
    auto const kinds = round % 3 == 0 ? 3 : 120;
    std::vector<TestType> values(size);
    for (auto& v : values) v = static_cast<TestType>(random.below(static_cast<std::uint64_t>(kinds)));
    switch (round % 5) {
      case 0: std::ranges::sort(values); break;
      case 1: std::ranges::sort(values, std::ranges::greater{}); break;
      case 2:
        if (size != 0) {
          values[random.below(size)] = std::numeric_limits<TestType>::lowest();
          values[random.below(size)] = std::numeric_limits<TestType>::max();
        }
        break;
      default: break;
    }
    for (std::size_t const grain : {std::size_t{0}, std::size_t{100}, std::size_t{1000}})
      wrong += !pool.run([&] { return as_std(values, {.grain = grain}); });
  }
  CHECK(wrong == 0);
}

TEST_CASE("the extremes of a million elements, also from a plain thread") {
  watchdog const guard("extremum_test: a million");
  seeded random;
  std::vector<unsigned> values(1'000'000);
  for (auto& v : values) v = static_cast<unsigned>(random());
  CHECK(as_std(values, {}));
  weft::pool pool{{.workers = 2}};
  CHECK(pool.run([&] { return as_std(values, {}); }));
  CHECK(pool.run([&] { return as_std(values, {}, std::ranges::less{}, std::negate<>{}); }));
}

TEST_CASE("elements may be strings, over-aligned, bits and move-only") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("extremum_test: elements");
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  bool const right = pool.run([] {
    std::vector<std::string> strings;
    std::vector<aligned_number> aligned;
    std::vector<std::unique_ptr<int>> owners;
    std::vector<bool> bits;
    for (int i = 0; i < 1000; ++i) {
      strings.push_back(std::to_string(i * 7919 % 1000) + " and some more text");
      aligned.push_back({i * 7919 % 1000});
      owners.push_back(std::make_unique<int>(i * 7919 % 1000));
      bits.push_back(i > 500);
    }
    auto const pointed = [](auto const& p) { return *p; };
    return as_std(strings, {.grain = 8}) && as_std(strings, {.grain = 8}, std::ranges::less{}, &std::string::size) &&
           as_std(aligned, {.grain = 8}) && as_std(bits, {.grain = 8}) &&
           *parallel_min_element(owners, {}, pointed, {.grain = 8}) == owners[0] &&
           **parallel_max_element(owners, std::ranges::less{}, pointed) == 999;
  });
  CHECK(right);
}

TEST_CASE("a comparison may change itself where it is called by one thread") {
  weft::pool pool{{.workers = 1}};
  std::vector<int> const values{3, 1, 4, 1, 5};
  auto const counting = [n = 0](int a, int b) mutable { return ++n > 0 && a < b; };
  pool.run([&] {
    CHECK(parallel_min_element(values, counting) == values.begin() + 1);
    CHECK(parallel_max_element(values, counting) == values.begin() + 4);
    CHECK(parallel_minmax_element(values, counting).max == values.begin() + 4);
  });
}

TEST_CASE("extremes take as many comparisons as those of std::ranges, and a few for each chunk and steal") {
  weft::pool pool{{.workers = 1}};
  std::vector<int> values(100'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int>(i * 7919 % values.size());
  std::atomic<int> comparisons{0};
  auto const less = [&comparisons](int a, int b) { return ++comparisons, a < b; };
  pool.run([&] { CHECK(*parallel_min_element(values, less) == 0); });
  CHECK(comparisons <= 99'999 + 10);
  comparisons = 0;
  pool.run([&] { CHECK(*parallel_minmax_element(values, less).max == 99'999); });
  CHECK(comparisons <= 150'000 + 500);
}

TEST_CASE("a comparison that throws comes out, and nothing is leaked") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("extremum_test: throwing elements");
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  std::vector<throwing_element> values;
  for (int i = 0; i < 300; ++i) values.emplace_back(i * 7 % 300);
  for (int k = 1; k < 600; k += 29) {
    throwing_element::throw_at(k);
    try {
      auto const both = pool.run([&] { return parallel_minmax_element(values, {.grain = 5}); });
      CHECK(both.min->value() == 0);
      CHECK(both.max->value() == 299);
      CHECK(!throwing_element::has_thrown());
    } catch (thrown_by_element const&) {
      CHECK(throwing_element::has_thrown());
    }
    throwing_element::throw_at(0);
  }
}

TEST_CASE("a stop ends a look for extremes between chunks") {
  weft::pool pool{{.workers = 2}};
  std::atomic<int> calls{0};
  auto f = pool.spawn([&] {
    return *parallel_min_element(std::views::iota(0LL, 1LL << 60), {}, [&](long long v) { return ++calls, v; });
  });
  while (calls < 1000) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
}
