#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/loop_inputs.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/find.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace weft_test;
using weft::parallel_all_of;
using weft::parallel_any_of;
using weft::parallel_find;
using weft::parallel_find_if;
using weft::parallel_none_of;

static_assert(std::same_as<decltype(parallel_find(std::declval<std::list<int>&>(), 1)), std::list<int>::iterator>);
static_assert(std::same_as<decltype(parallel_find(std::declval<std::vector<int>>(), 1)), std::ranges::dangling>);
static_assert(std::same_as<decltype(parallel_any_of(std::declval<std::vector<int>>(), [](int) { return 1; })), bool>);

namespace {

/// Numbers below `kinds`, so that there are many matches, or few, or none.
template <class C>
C some_numbers(seeded& random, std::size_t size, std::uint64_t kinds) {
  std::vector<int> v(size);
  for (auto& x : v) x = static_cast<int>(random.below(kinds));
  return C(v.begin(), v.end());
}

template <class C>
bool as_std(C const& c, weft::loop_options o) {
  auto const is_three = [](int v) { return v == 3; };
  auto const double_of = [](int v) { return 2 * v; };
  return parallel_find(c, 3, o) == std::ranges::find(c, 3) &&
         parallel_find(c, 6L, double_of, o) == std::ranges::find(c, 6L, double_of) &&
         parallel_find_if(c, is_three, o) == std::ranges::find_if(c, is_three) &&
         parallel_find_if(c, is_three, double_of, o) == std::ranges::find_if(c, is_three, double_of) &&
         parallel_any_of(c, is_three, o) == std::ranges::any_of(c, is_three) &&
         parallel_none_of(c, is_three, o) == std::ranges::none_of(c, is_three) &&
         parallel_all_of(c, is_three, o) == std::ranges::all_of(c, is_three) &&
         parallel_all_of(
             c, [](int v) { return v >= 0; }, double_of, o) &&
         parallel_any_of(
             c, [](int v) { return v == 6; }, double_of, o) == std::ranges::any_of(c, is_three) &&
         parallel_none_of(c, [](int v) { return v == 6; }, double_of, o) == std::ranges::none_of(c, is_three);
}

}  // namespace

TEST_CASE("searches find what those of std::ranges find, whatever the iterators") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("find_test: as std", std::chrono::seconds(60));
  seeded random;
  std::string wrong;  // outlives the balance: empty, it holds nothing
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  for (auto const size : loop_sizes()) {
    for (std::size_t const grain : {std::size_t{0}, std::size_t{1}, test_grain}) {
      for (std::uint64_t const kinds : {std::uint64_t{4}, std::uint64_t{1000}}) {
        auto const check = [&]<class C>(char const* name, std::type_identity<C>) {
          auto const c = some_numbers<C>(random, size, kinds);
          if (!pool.run([&] { return as_std(c, {.grain = grain}); }))
            wrong += std::string(name) + " of " + std::to_string(size) + " by " + std::to_string(grain) + "; ";
        };
        check("vector", std::type_identity<std::vector<int>>());
        check("deque", std::type_identity<std::deque<int>>());
        check("list", std::type_identity<std::list<int>>());
        check("forward_list", std::type_identity<std::forward_list<int>>());
      }
    }
  }
  CHECK(wrong == "");
}

TEMPLATE_TEST_CASE("a number is found at its first place, wherever that is", "", unsigned char, short, unsigned, double,
                   bool) {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("find_test: numbers");
  seeded random;
  weft::pool pool{{.workers = workers}};
  auto const from = std::make_unique<TestType[]>(10'000);
  std::span<TestType const> const all(from.get(), 10'000);
  int wrong = 0;
  for (int round = 0; round < 100; ++round) {
    auto const first = random.below(10'001), second = random.below(10'000);
    std::fill_n(from.get(), 10'000, TestType{0});
    from[second] = TestType{1};
    if (first < 10'000) from[first] = TestType{1};
    for (std::size_t const grain : {std::size_t{0}, std::size_t{70}}) {
      auto const found = pool.run([&] { return parallel_find(all, TestType{1}, {.grain = grain}); });
      wrong += found != std::ranges::find(all, TestType{1});
    }
    wrong += pool.run([&] { return parallel_find(all, TestType{0}); }) != std::ranges::find(all, TestType{0});
  }
  CHECK(wrong == 0);
}

TEST_CASE("in a million elements the first of several matches is found, also from a plain thread") {
  watchdog const guard("find_test: a million");
  std::vector<int> values(1'000'000);
  std::iota(values.begin(), values.end(), 0);
  values[900'000] = 700'000;
  CHECK(parallel_find(values, 700'000) - values.begin() == 700'000);
  CHECK(parallel_find(values, 900'000) == values.end());
  weft::pool pool{{.workers = 2}};
  CHECK(pool.run([&] { return *parallel_find_if(values, [](int v) { return v >= 654'321; }); }) == 654'321);
}

TEST_CASE("a search costs what lies before the match, not what lies behind it") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("find_test: cost");
  weft::pool pool{{.workers = workers}};
  constexpr int size = 10'000'000, at = 1000;
  std::atomic<int> calls{0}, behind{0};
  std::atomic<bool> reached{false};
  auto const is_match = [&](int v) {
    ++calls;
    if (v == at) reached = true;
    if (v > at) {
      // Those behind the match wait until somebody has looked at it, however long that takes; and then, the longer the more of them there
      // are, until it has said so: it may have lost its core in between.
      while (!reached) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::microseconds(behind++));
    }
    return v == at;
  };
  auto const range = std::views::iota(0, size);
  CHECK(pool.run([&] { return *parallel_find_if(range, is_match, {.grain = 10}); }) == at);
  CHECK(calls > at);
  // One chunk of each worker, and what they do while one of them says that it has found; with one worker there is no such time.
  CHECK(calls <= (workers == 1 ? at + 10 : size / 10));

  std::list<int> list(100'000);
  std::iota(list.begin(), list.end(), 0);
  calls = behind = 0;
  reached = false;
  CHECK(pool.run([&] { return *parallel_find_if(list, is_match, {.grain = 10}); }) == at);
  CHECK(calls <= (workers == 1 ? at + 10 : 50'000));
}

TEST_CASE("a range that never ends is searched, as far as the match") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("find_test: endless");
  weft::pool pool{{.workers = workers}};
  auto const found =
      pool.run([] { return *parallel_find_if(std::views::iota(1L), [](long v) { return v * v > 1'000'000; }); });
  CHECK(found == 1001);
  CHECK(pool.run([] { return parallel_any_of(std::views::iota(1), [](int v) { return v == 5000; }); }));
}

TEST_CASE("a condition that throws does so as in a search by one thread: unless a match lies before it") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("find_test: exceptions", std::chrono::seconds(60));
  seeded random;
  int wrong = 0;
  {
    balance const nothing_left;
    weft::pool pool{{.workers = workers}};
    for (int round = 0; round < 200; ++round) {
      auto const size = static_cast<int>(1 + random.below(2000));
      auto const place = [&] { return static_cast<int>(random.below(static_cast<std::uint64_t>(size) * 3 / 2 + 1)); };
      // Matches and failures, in any order; places beyond the end do not come.
      std::array<int, 2> const matches{place(), place()}, failures{place(), place()};
      auto const outcome = [&](auto const& search) {
        try {
          return search();
        } catch (int at) {
          return -1 - at;
        }
      };
      auto const is_match = [&](int v) {
        if (std::ranges::count(failures, v) != 0) throw v;
        return std::ranges::count(matches, v) != 0;
      };
      auto const range = std::views::iota(0, size);
      std::forward_list<int> const list(range.begin(), range.end());
      auto const expected =
          outcome([&] { return static_cast<int>(std::ranges::find_if(range, is_match) - range.begin()); });
      for (std::size_t const grain : {std::size_t{0}, std::size_t{3}}) {
        wrong += expected != outcome([&] {
                   return static_cast<int>(
                       pool.run([&] { return parallel_find_if(range, is_match, {.grain = grain}); }) - range.begin());
                 });
        wrong += expected != outcome([&] {
                   auto const i = pool.run([&] { return parallel_find_if(list, is_match, {.grain = grain}); });
                   return i == list.end() ? size : *i;
                 });
        wrong += outcome([&] { return static_cast<int>(std::ranges::any_of(range, is_match)); }) !=
                 outcome([&] { return static_cast<int>(pool.run([&] { return parallel_any_of(range, is_match); })); });
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("elements may be strings, over-aligned, bits, move-only, and compared with other types") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("find_test: elements");
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  bool const right = pool.run([] {
    std::vector<std::string> strings(1000, "a string that does not lie in the object");
    strings[700] = strings[800] = "another one";
    std::deque<aligned_number> aligned(1000);
    aligned[300].value = 5;
    std::vector<std::unique_ptr<int>> owners(1000);
    owners[600] = std::make_unique<int>(1);
    std::vector<bool> bits(1000);
    bits[999] = true;
    return parallel_find(strings, "another one", {.grain = 8}) - strings.begin() == 700 &&
           parallel_find(strings, 11u, &std::string::size, {.grain = 8}) - strings.begin() == 700 &&
           parallel_find(aligned, aligned_number{5}) - aligned.begin() == 300 &&
           parallel_find(aligned, 5, &aligned_number::value, {.grain = 8}) - aligned.begin() == 300 &&
           parallel_find_if(owners, [](auto const& p) { return p != nullptr; }) - owners.begin() == 600 &&
           parallel_find(bits, true, {.grain = 8}) - bits.begin() == 999 &&
           parallel_all_of(std::vector<int>(), [](int) { return false; }) &&
           !parallel_any_of(std::list<int>(), [](int) { return true; });
  });
  CHECK(right);
}

TEST_CASE("a comparison that throws ends the search, and nothing is leaked") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("find_test: throwing elements");
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  std::vector<throwing_element> values;
  for (int i = 0; i < 300; ++i) values.emplace_back(i);
  throwing_element const wanted(200);
  for (int k = 1; k < 250; k += 7) {
    throwing_element::throw_at(k);
    std::optional<std::ptrdiff_t> found;
    try {
      found = pool.run([&] { return parallel_find(values, wanted, {.grain = 5}); }) - values.begin();
    } catch (thrown_by_element const&) {
    }
    // One thread compares in order; several may compare beyond the match, where a failure does not count.
    if (found) CHECK(*found == 200);
    else CHECK(throwing_element::has_thrown());
    if (workers == 1) CHECK(found.has_value() == (k > 201));
    throwing_element::throw_at(0);
  }
}

TEST_CASE("a stop ends a search between chunks") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("find_test: stop");
  weft::pool pool{{.workers = workers}};
  std::atomic<int> calls{0};
  auto f = pool.spawn([&calls] { return parallel_any_of(std::views::iota(0LL), [&](auto) { return ++calls < 0; }); });
  while (calls < 1000) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
}

TEST_CASE("searches run inside loops, loops inside searches") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("find_test: nested");
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> wrong{0};
  auto const found = pool.run([&wrong]() -> weft::task<int> {
    co_await weft::this_task::yield();
    std::vector<int> values(2000);
    std::iota(values.begin(), values.end(), 0);
    weft::parallel_for(0, 100, [&](int i) {
      if (parallel_find(values, 20 * i) - values.begin() != 20 * i) ++wrong;
    });
    auto const at = parallel_find_if(values, [&values](int v) {
      return v >= 77 && parallel_any_of(values, [v](int w) { return w == 1999 - v; }, {.grain = 100});
    });
    co_return *at;
  });
  CHECK(wrong == 0);
  CHECK(found == 77);
}
