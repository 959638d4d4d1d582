#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/map.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
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

using namespace std::chrono_literals;
using weft::parallel_map;
using weft::task;
using weft_test::counted;

namespace {

std::vector<int> numbers(int count) {
  std::vector<int> v(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) v[static_cast<std::size_t>(i)] = i;
  return v;
}

struct no_default {
  explicit no_default(int v) : value(v) {}
  no_default(no_default&&) = default;
  no_default& operator=(no_default&&) = default;
  int value;
};

}  // namespace

static_assert(std::same_as<decltype(parallel_map(std::declval<std::vector<int>&>(), [](int) { return std::string(); })),
                           std::vector<std::string>>);
static_assert(std::same_as<decltype(parallel_map(std::declval<std::vector<int>&>(), [](int& v) -> int& { return v; })),
                           std::vector<int>>);
static_assert(std::same_as<weft::await_result_t<decltype(parallel_map(std::declval<std::vector<int>&>(),
                                                                      [](int) -> task<char> { co_return 'c'; }))>,
                           std::vector<char>>);

TEST_CASE("a map gives f of every element, in their order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  int const size = GENERATE(0, 1, 2, 3, 1000, 1'000'000);
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 5);
  weft_test::watchdog const guard("map_test: order", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const from = numbers(size);
  auto const squares = pool.run([&] { return parallel_map(from, [](int v) { return 2 * v + 1; }, {.grain = grain}); });
  REQUIRE(squares.size() == from.size());
  int wrong = 0;
  for (std::size_t i = 0; i < from.size(); ++i) wrong += squares[i] != 2 * from[i] + 1;
  CHECK(wrong == 0);
}

TEST_CASE("a map makes what only moves, what has no default, and bool") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("map_test: kinds of results");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    auto const from = numbers(1000);
    pool.run([&from] {
      auto const pointers = parallel_map(from, [](int v) { return std::make_unique<int>(v); });
      auto const without_default = parallel_map(from, [](int v) { return no_default(v); });
      std::vector<bool> const bits = parallel_map(from, [](int v) { return v % 3 == 0; });
      auto const texts = parallel_map(from, [](int v) { return std::to_string(v); });
      auto const counts = parallel_map(from, [](int v) { return counted(v); });
      for (std::size_t i = 0; i < from.size(); ++i) {
        if (*pointers[i] != from[i] || without_default[i].value != from[i] || bits[i] != (from[i] % 3 == 0) ||
            texts[i] != std::to_string(from[i]) || counts[i].value() != from[i])
          throw std::logic_error("wrong at " + std::to_string(i));
      }
    });
    CHECK(counted::copies() == 0);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a map may give references to bits") {
  weft_test::watchdog const guard("map_test: bits");
  weft::pool pool{{.workers = 2}};
  std::vector<bool> bits(1000);
  auto references = pool.run([&bits] { return parallel_map(bits, [](auto bit) { return bit; }); });
  REQUIRE(references.size() == 1000);
  references[7] = true;
  CHECK(bits[7]);
  CHECK(std::ranges::count(bits, true) == 1);
}

TEST_CASE("a map reads ranges of every kind") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("map_test: ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  pool.run([] {
    auto const twice = [](int v) { return 2 * v; };
    std::vector<int> const expected{0, 2, 4, 6, 8};
    auto const check = [&](std::vector<int> const& got) {
      if (got != expected) throw std::logic_error("a range was read wrongly");
    };
    check(parallel_map(std::list<int>{0, 1, 2, 3, 4}, twice));
    check(parallel_map(std::forward_list<int>{0, 1, 2, 3, 4}, twice));
    check(parallel_map(std::views::iota(0, 5), twice));
    check(
        parallel_map(std::views::iota(0, 10) | std::views::filter([](int v) { return v % 2 == 0; }), std::identity()));
    int const array[] = {0, 1, 2, 3, 4};
    check(parallel_map(array, twice));
    std::vector<bool> const bits{false, true, true};
    if (parallel_map(bits, [](bool b) { return b ? 1 : 0; }) != std::vector<int>{0, 1, 1})
      throw std::logic_error("bits");
    struct point {
      int x;
    };
    std::vector<point> const points{{0}, {2}, {4}, {6}, {8}};
    check(parallel_map(points, &point::x));
  });
}

TEST_CASE("a map from a plain thread is a plain call") {
  weft_test::watchdog const guard("map_test: from a plain thread");
  CHECK(parallel_map(numbers(4), [](int v) { return v * v; }) == std::vector<int>{0, 1, 4, 9});
}

TEST_CASE("when f throws, what has been made is destroyed") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  int const at = GENERATE(0, 1, 500, 999);
  weft_test::watchdog const guard("map_test: exceptions");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const from = numbers(1000);
  auto map = [&from, at] {
    return parallel_map(from, [at](int v) {
      if (v == at) throw std::runtime_error("at " + std::to_string(v));
      return std::pair(counted(v), no_default(v));
    });
  };
  CHECK_THROWS_WITH(pool.run(map), "at " + std::to_string(at));
  CHECK(counted::live() == 0);
}

TEST_CASE("an f that waits makes the map awaitable, in order and with at most so many in flight") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const limit = GENERATE(as<std::size_t>(), 0, 1, 5);
  weft_test::watchdog const guard("map_test: waiting");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<std::size_t> inside{0}, most{0};
  auto f = [&](int v) -> task<std::string> {
    auto const now = ++inside;
    auto before = most.load();
    while (before < now && !most.compare_exchange_weak(before, now)) {
    }
    for (int i = 0; i < v % 4; ++i) co_await weft::this_task::yield();
    --inside;
    co_return std::to_string(v);
  };
  auto const from = numbers(500);
  auto const texts =
      pool.run([&]() -> task<std::vector<std::string>> { co_return co_await parallel_map(from, f, {.limit = limit}); });
  REQUIRE(texts.size() == 500);
  int wrong = 0;
  for (std::size_t i = 0; i < 500; ++i) wrong += texts[i] != std::to_string(i);
  CHECK(wrong == 0);
  CHECK(most <= (limit == 0 ? 1024 : limit));
}

TEST_CASE("a waiting map gives units for void, bools, and what has no default; ranges are borrowed or moved in") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("map_test: waiting, kinds");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool const right = pool.run([]() -> task<bool> {
    auto nothing = [](int) -> task<> { co_await weft::this_task::yield(); };
    auto is_odd = [](int v) -> task<bool> {
      co_await weft::this_task::yield();
      co_return v % 2 == 1;
    };
    auto make = [](int v) -> task<no_default> { co_return no_default(v); };
    auto count = [](int v) -> task<counted> { co_return counted(v); };
    auto future = [](int v) { return weft::spawn([v] { return v; }); };
    auto const from = numbers(20);
    std::vector<weft::unit> const units = co_await parallel_map(from, nothing);
    std::vector<bool> const odd = co_await parallel_map(from, is_odd);
    auto of_moved = parallel_map(numbers(20), make);
    auto const made = co_await std::move(of_moved);
    auto const counts = co_await parallel_map(from, count, {.limit = 3});
    auto const of_futures = co_await parallel_map(from, future);
    auto const of_view = co_await parallel_map(std::views::iota(0, 20), is_odd);
    auto of_list = parallel_map(std::list<int>(3, 1), is_odd);
    auto const listed = co_await std::move(of_list);
    bool all = units.size() == 20 && listed == std::vector<bool>(3, true) && of_view == odd;
    for (int i = 0; i < 20; ++i) {
      auto const at = static_cast<std::size_t>(i);
      all = all && odd[at] == (i % 2 == 1) && made[at].value == i && counts[at].value() == i && of_futures[at] == i;
    }
    auto of_nothing = parallel_map(std::vector<int>(), is_odd);
    auto const empty = co_await std::move(of_nothing);
    co_return all&& empty.empty();
  });
  CHECK(right);
  CHECK(counted::live() == 0);
}

TEST_CASE("a failure of a waiting map stops the others, and what has been made is destroyed") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("map_test: waiting, failures");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto f = [](int v) -> task<counted> {
    if (v == 50) throw std::runtime_error("fifty");
    if (v > 50) co_await weft::sleep_for(1h);
    co_return counted(v);
  };
  auto const from = numbers(1000);
  CHECK_THROWS_WITH(pool.run([&]() -> task<> { static_cast<void>(co_await parallel_map(from, f, {.limit = 4})); }),
                    "fifty");
  CHECK(counted::live() == 0);
}

TEST_CASE("a waiting map that is dropped without having been awaited destroys what it holds") {
  counted::reset();
  {
    std::vector<counted> elements(3);
    auto const dropped =
        parallel_map(std::move(elements), [c = counted(1)](counted const&) -> task<int> { co_return c.value(); });
    CHECK(counted::live() == 4);
  }
  CHECK(counted::live() == 0);
}
