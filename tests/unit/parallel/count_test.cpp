#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/loop_inputs.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/count.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <deque>
#include <forward_list>
#include <list>
#include <ranges>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace weft_test;
using weft::parallel_count;
using weft::parallel_count_if;

static_assert(std::same_as<decltype(parallel_count(std::declval<std::vector<int>>(), 1)), std::ptrdiff_t>);

TEST_CASE("counts are those of std::ranges, whatever the iterators") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("count_test: as std", std::chrono::seconds(60));
  seeded random;
  std::string wrong;  // outlives the balance: empty, it holds nothing
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  for (auto const size : loop_sizes()) {
    std::vector<int> values(size);
    for (auto& v : values) v = static_cast<int>(random.below(5));
    auto const is_odd = [](int v) { return v % 2 != 0; };
    auto const next = [](int v) { return v + 1; };
    auto const check = [&](auto const& c, std::size_t grain) {
      weft::loop_options const o{.grain = grain};
      bool const right = pool.run([&] {
        // Not std::ranges::count: for libc++ 3 is true, and it counts that in a vector<bool>.
        return parallel_count(c, 3, o) == std::ranges::count_if(c, [](int v) { return v == 3; }) &&
               parallel_count(c, 3L, next, o) == std::ranges::count(c, 3L, next) &&
               parallel_count_if(c, is_odd, o) == std::ranges::count_if(c, is_odd) &&
               parallel_count_if(c, is_odd, next, o) == std::ranges::count_if(c, is_odd, next);
      });
      if (!right) wrong += std::to_string(size) + " by " + std::to_string(grain) + "; ";
    };
    for (std::size_t const grain : {std::size_t{0}, std::size_t{1}, test_grain}) {
      check(values, grain);
      check(std::deque<int>(values.begin(), values.end()), grain);
      check(std::list<int>(values.begin(), values.end()), grain);
      check(std::forward_list<int>(values.begin(), values.end()), grain);
      check(std::vector<bool>(values.begin(), values.end()), grain);
    }
  }
  CHECK(wrong == "");
}

TEST_CASE("a million elements are counted, also from a plain thread, and elements of many kinds") {
  watchdog const guard("count_test: a million");
  auto const range = std::views::iota(0, 1'000'000);
  CHECK(parallel_count_if(range, [](int v) { return v % 7 == 0; }) == 142'858);
  weft::pool pool{{.workers = 2}};
  CHECK(pool.run([&] { return parallel_count_if(range, [](int v) { return v % 7 == 0; }); }) == 142'858);
  std::vector<std::string> strings(1000, "one");
  strings[3] = "two";
  CHECK(pool.run([&] { return parallel_count(strings, "one", {.grain = 8}); }) == 999);
  std::vector<aligned_number> aligned(1000);
  CHECK(pool.run([&] { return parallel_count(aligned, 0, &aligned_number::value, {.grain = 8}); }) == 1000);
}

TEST_CASE("a comparison that throws ends the count, and nothing is leaked") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("count_test: throwing elements");
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  std::vector<throwing_element> values;
  for (int i = 0; i < 300; ++i) values.emplace_back(i % 10);
  throwing_element const wanted(7);
  for (int k = 1; k < 400; k += 13) {
    throwing_element::throw_at(k);
    std::ptrdiff_t count = -1;
    try {
      count = pool.run([&] { return parallel_count(values, wanted, {.grain = 5}); });
    } catch (thrown_by_element const&) {
    }
    CHECK(count == (k > 300 ? 30 : -1));
    throwing_element::throw_at(0);
  }
}

TEST_CASE("a stop ends a count between chunks") {
  weft::pool pool{{.workers = 2}};
  std::atomic<int> calls{0};
  auto f = pool.spawn(
      [&] { return parallel_count_if(std::views::iota(0LL, 1LL << 60), [&](auto) { return ++calls > 0; }); });
  while (calls < 1000) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
}
