#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/loop_inputs.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/transform.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <deque>
#include <forward_list>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <numeric>
#include <ranges>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace weft_test;
using weft::parallel_copy;
using weft::parallel_fill;
using weft::parallel_generate;
using weft::parallel_transform;

static_assert(
    std::same_as<decltype(parallel_transform(std::declval<std::vector<int>&>(), (long*)nullptr, std::negate<>{})),
                 std::ranges::unary_transform_result<std::vector<int>::iterator, long*>>);
static_assert(std::same_as<decltype(parallel_copy(std::declval<std::vector<int>>(), (long*)nullptr)),
                           std::ranges::copy_result<std::ranges::dangling, long*>>);
static_assert(std::same_as<decltype(parallel_fill(std::declval<std::list<int>&>(), 1)), std::list<int>::iterator>);
static_assert(std::same_as<decltype(parallel_generate(std::declval<std::vector<int>>(), [] { return 1; })),
                           std::ranges::dangling>);
static_assert(!weft::multipass_output<std::back_insert_iterator<std::vector<int>>, int>);
static_assert(!weft::multipass_output<int*, std::string>);
static_assert(weft::multipass_output<std::vector<bool>::iterator, bool>);

namespace {

template <class C = std::vector<int>>
C numbers(std::size_t size) {
  std::vector<int> v(size);
  std::iota(v.begin(), v.end(), 1);
  return C(v.begin(), v.end());
}

int squared(int v) { return v % 1009 * (v % 1009); }

/// transform, copy, fill and generate from In to Out give what std::ranges gives.
template <class In, class Out>
bool as_std(std::size_t size, weft::loop_options options) {
  auto const from = numbers<In>(size);
  Out expected(size + 3), got(size + 3);
  bool right = true;
  auto const check = [&](auto const& e, auto const& g) {
    right = right && expected == got && std::distance(expected.begin(), e.out) == std::distance(got.begin(), g.out) &&
            e.in == g.in;
  };
  check(std::ranges::transform(from, expected.begin(), squared),
        parallel_transform(from, got.begin(), squared, options));
  check(std::ranges::transform(from, expected.begin(), squared, std::negate<>{}),
        parallel_transform(from, got.begin(), squared, std::negate<>{}, options));
  check(std::ranges::copy(from, expected.begin()), parallel_copy(from, got.begin(), options));

  // Lengths differ in either way.
  auto const longer = numbers<In>(size + 5);
  auto const two = [&](auto const& a, auto const& b) {
    auto const e = std::ranges::transform(a, b, expected.begin(), std::plus<>{}, std::negate<>{}, squared);
    auto const g = parallel_transform(a, b, got.begin(), std::plus<>{}, std::negate<>{}, squared, options);
    right = right && expected == got && e.in1 == g.in1 && e.in2 == g.in2 &&
            std::distance(expected.begin(), e.out) == std::distance(got.begin(), g.out);
    std::ranges::transform(a, b, expected.begin(), std::minus<>{});
    parallel_transform(a, b, got.begin(), std::minus<>{}, options);
    right = right && expected == got;
  };
  two(from, longer);
  two(longer, from);

  std::ranges::fill(expected, 7);
  right = right && parallel_fill(got, 7, options) == got.end() && expected == got;
  std::atomic<int> calls{0};
  right = right && parallel_generate(got, [&calls] { return ++calls, 9; }, options) == got.end();
  std::ranges::generate(expected, [] { return 9; });
  return right && expected == got && calls == static_cast<int>(size + 3);
}

}  // namespace

TEST_CASE("transform, copy, fill and generate do what those of std::ranges do, whatever the iterators") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("transform_test: as std", std::chrono::seconds(60));
  std::string wrong;  // outlives the balance: empty, it holds nothing
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  auto const check = [&](char const* kinds, auto const& run, std::size_t size, std::size_t grain) {
    if (!pool.run([&] { return run(size, weft::loop_options{.grain = grain}); }))
      wrong += std::string(kinds) + " of " + std::to_string(size) + " by " + std::to_string(grain) + "; ";
  };
  for (auto const size : loop_sizes()) {
    for (std::size_t const grain : {std::size_t{0}, std::size_t{1}, test_grain}) {
      check("vector to vector", as_std<std::vector<int>, std::vector<int>>, size, grain);
      check("deque to vector", as_std<std::deque<int>, std::vector<int>>, size, grain);
      check("vector to deque", as_std<std::vector<int>, std::deque<long>>, size, grain);
      check("list to vector", as_std<std::list<int>, std::vector<int>>, size, grain);
      check("forward_list to list", as_std<std::forward_list<int>, std::list<int>>, size, grain);
      check("vector to forward_list", as_std<std::vector<int>, std::forward_list<int>>, size, grain);
    }
  }
  CHECK(wrong == "");
}

TEST_CASE("a million elements are transformed, copied, filled and generated, also from a plain thread") {
  watchdog const guard("transform_test: a million");
  CHECK(as_std<std::vector<int>, std::vector<int>>(1'000'000, {}));
  weft::pool pool{{.workers = 2}};
  CHECK(pool.run([] { return as_std<std::vector<int>, std::vector<int>>(1'000'000, {}); }));
}

TEST_CASE("out may be where the elements come from, and pointers are iterators") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("transform_test: in place");
  weft::pool pool{{.workers = workers}};
  auto values = numbers(10'000);
  auto expected = values;
  std::ranges::transform(expected, expected.begin(), squared);
  auto const end = pool.run([&] { return parallel_transform(values, values.begin(), squared, {.grain = 16}).out; });
  CHECK(end == values.end());
  CHECK(values == expected);
  int plain[100] = {}, other[100] = {};
  auto const r = pool.run([&] { return parallel_transform(plain, other, [](int v) { return v + 3; }); });
  CHECK(r.out == other + 100);
  CHECK(std::ranges::count(other, 3) == 100);
}

TEST_CASE("one range may be endless, where another ends") {
  weft::pool pool{{.workers = 2}};
  std::vector<long> got(1000);
  auto const values = numbers(1000);
  pool.run([&] { parallel_transform(values, std::views::iota(1L), got.begin(), std::multiplies<>{}); });
  bool right = true;
  for (long i = 0; i < 1000; ++i) right = right && got[static_cast<std::size_t>(i)] == (i + 1) * (i + 1);
  CHECK(right);
  std::list<int> const listed(values.begin(), values.end());
  auto const short_one = numbers<std::forward_list<int>>(10);
  auto const r = pool.run([&] { return parallel_transform(listed, short_one, got.begin(), std::plus<>{}); });
  CHECK(r.in2 == short_one.end());
  CHECK(std::distance(listed.begin(), r.in1) == 10);
  CHECK(got[9] == 20);
}

TEST_CASE("elements may be move-only, over-aligned, strings, and results of other types") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("transform_test: elements");
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  pool.run([] {
    auto const values = numbers(1000);
    std::vector<std::unique_ptr<int>> owners(1000);
    parallel_transform(values, owners.begin(), [](int v) { return std::make_unique<int>(v); }, {.grain = 8});
    std::vector<std::unique_ptr<int>> others(1000);
    parallel_transform(owners, others.begin(), [](std::unique_ptr<int>& p) { return std::move(p); }, {.grain = 8});
    parallel_generate(owners, [] { return std::make_unique<int>(5); });
    std::vector<aligned_number> aligned(1000), copied(1000);
    parallel_transform(others, aligned.begin(), [](std::unique_ptr<int> const& p) { return aligned_number{*p}; });
    parallel_copy(aligned, copied.begin(), {.grain = 8});
    std::vector<std::string> strings(1000), copies(1000);
    parallel_transform(copied, strings.begin(), [](int v) { return std::to_string(v) + " and some more text"; },
                       &aligned_number::value, {.grain = 8});
    parallel_copy(strings, copies.begin(), {.grain = 8});
    for (std::size_t i = 0; i < 1000; ++i) {
      auto const n = static_cast<int>(i) + 1;
      if (*others[i] != n || *owners[i] != 5 || copies[i] != std::to_string(n) + " and some more text")
        throw std::logic_error("wrong element");
    }
    // The value may be one of the elements.
    parallel_fill(copies, copies[500], {.grain = 8});
    if (std::ranges::count(copies, strings[500]) != 1000) throw std::logic_error("wrong fill");
  });
}

TEST_CASE("bits of a vector<bool> are written beside each other, and none is lost") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("transform_test: bits", std::chrono::seconds(60));
  seeded random;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 20; ++round) {
    auto const before = static_cast<std::ptrdiff_t>(random.below(200));
    auto const size = 1 + static_cast<std::size_t>(random.below(20'000));
    CAPTURE(before, size);
    std::vector<int> from(size);
    for (auto& v : from) v = static_cast<int>(random.below(100));
    std::vector<bool> got(size + 300), expected(size + 300), copy(size + 300);
    auto const odd = [](int v) { return v % 2 == 1; };
    std::transform(from.begin(), from.end(), expected.begin() + before, odd);
    auto const end = pool.run(
        [&] { return parallel_transform(from, got.begin() + before, odd, {.grain = 1 + random.below(3)}).out; });
    CHECK(end == got.begin() + before + static_cast<std::ptrdiff_t>(size));
    CHECK(got == expected);
    pool.run([&] { parallel_copy(got, copy.begin(), {.grain = 1}); });
    CHECK(copy == expected);
    // From a place inside a word to another inside a word.
    auto const some = std::ranges::subrange(expected.begin() + before, expected.begin() + before + 100);
    pool.run([&] { parallel_copy(some, copy.begin() + 31, {.grain = 1}); });
    std::copy(some.begin(), some.end(), expected.begin() + 31);
    if (before > 131) CHECK(copy == expected);
    pool.run([&] { parallel_fill(got, true, {.grain = 1}); });
    CHECK(std::ranges::count(got, true) == std::ssize(got));
    pool.run([&] { weft::parallel_for(got, [](std::vector<bool>::reference b) { b.flip(); }, {.grain = 1}); });
    CHECK(std::ranges::count(got, true) == 0);
    pool.run([&] { parallel_generate(got | std::views::reverse, [] { return true; }, {.grain = 1}); });
    CHECK(std::ranges::count(got, true) == std::ssize(got));
    std::atomic<int> calls{0};
    pool.run([&] {
      parallel_transform(got | std::views::drop(7), got.begin() + 7, [&](bool b) { return ++calls, !b; }, {.grain = 1});
    });
    CHECK(std::ranges::count(got, true) == 7);
    CHECK(calls == static_cast<int>(got.size()) - 7);
  }
}

TEST_CASE("an element that throws as it is written ends the loop; all elements are valid and nothing is leaked") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("transform_test: throwing elements", std::chrono::seconds(60));
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  std::vector<throwing_element> from, to(500);
  for (int i = 0; i < 500; ++i) from.emplace_back(i + 1);
  for (int k = 1; k <= 700; k += 23) {
    for (int what = 0; what < 4; ++what) {
      throwing_element::throw_at(k);
      bool thrown = false;
      try {
        pool.run([&] {
          weft::loop_options const o{.grain = 4};
          if (what == 0) parallel_copy(from, to.begin(), o);
          else if (what == 1) parallel_fill(to, from[3], o);
          else if (what == 2)
            parallel_transform(
                from, to.begin(), [](throwing_element const& e) -> throwing_element const& { return e; }, o);
          else parallel_generate(to, [&]() -> throwing_element const& { return from[7]; }, o);
        });
      } catch (thrown_by_element const&) {
        thrown = true;
      }
      CHECK(thrown == throwing_element::has_thrown());
      throwing_element::throw_at(0);
      int wrong = 0;
      for (auto const& e : to) wrong += e.value() < 0 || e.value() > 500;
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("a stop ends a transform between chunks") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("transform_test: stop");
  weft::pool pool{{.workers = workers}};
  std::vector<int> values(100'000);
  std::atomic<int> calls{0};
  auto f = pool.spawn([&] {
    for (;;) parallel_transform(values, values.begin(), [&calls](int v) { return ++calls, v + 1; });
  });
  while (calls < 1000) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  // Also where one thread writes all.
  std::vector<bool> bits(100'000);
  auto g = pool.spawn([&bits] {
    while (!weft::this_task::stop_token().stop_requested()) std::this_thread::yield();
    parallel_fill(bits | std::views::reverse, true);
  });
  g.stop();
  CHECK_THROWS_AS(g.get(), weft::stopped);
  CHECK(std::ranges::count(bits, true) == 0);
}

TEST_CASE("transforms run inside coroutines and inside each other") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("transform_test: nested");
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  auto const sum = pool.run([]() -> weft::task<int> {
    std::vector<int> rows(30);
    co_await weft::this_task::yield();
    parallel_transform(std::views::iota(0, 30), rows.begin(),
                       [](int r) {
                         std::vector<int> row(100);
                         parallel_fill(row, r, {.grain = 5});
                         return std::accumulate(row.begin(), row.end(), 0);
                       },
                       {.grain = 1});
    co_return std::accumulate(rows.begin(), rows.end(), 0);
  });
  CHECK(sum == 100 * 29 * 30 / 2);
}
