#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/loop_inputs.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/for_2d.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace weft_test;
using weft::parallel_for_2d;

namespace {

/// Is every place of the grid visited once?
bool covers(std::size_t rows, std::size_t columns, weft::loop_options o) {
  std::vector<std::atomic<unsigned char>> seen(rows * columns);
  std::atomic<bool> outside{false};
  parallel_for_2d(
      rows, columns,
      [&](std::size_t r, std::size_t c) {
        if (r < rows && c < columns) ++seen[r * columns + c];
        else outside = true;
      },
      o);
  return !outside && std::ranges::all_of(seen, [](auto const& times) { return times == 1; });
}

}  // namespace

TEST_CASE("every place of a grid is visited once, whatever its shape, the grain and the workers") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("for_2d_test: cover", std::chrono::seconds(60));
  seeded random;
  std::string wrong;  // outlives the balance: empty, it holds nothing
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  auto const check = [&](std::size_t rows, std::size_t columns) {
    for (std::size_t const grain : {std::size_t{0}, std::size_t{1}, test_grain, std::size_t{5000}}) {
      if (grain == 1 && rows * columns > 10'000) continue;  // slow, and nothing new
      if (!pool.run([&] { return covers(rows, columns, {.grain = grain}); }))
        wrong += std::to_string(rows) + " by " + std::to_string(columns) + ", grain " + std::to_string(grain) + "; ";
    }
  };
  for (std::size_t const rows : {0u, 1u, 2u, 31u, 32u, 33u, 65u})
    for (std::size_t const columns : {0u, 1u, 2u, 63u, 64u, 65u, 129u, 200u}) check(rows, columns);
  check(1, 3000);
  check(3000, 1);
  check(700, 3);
  for (int i = 0; i < 5; ++i) check(random.below(200), random.below(200));
  CHECK(wrong == "");
}

TEST_CASE("a million places, also from a plain thread") {
  watchdog const guard("for_2d_test: a million");
  CHECK(covers(1000, 1000, {}));
  weft::pool pool{{.workers = 2}};
  CHECK(pool.run([] { return covers(500, 2000, {}); }));
}

TEST_CASE("a body gets rows and columns in the types that it was given them in; negative ones are none") {
  weft::pool pool{{.workers = 2}};
  std::atomic<int> calls{0};
  pool.run([&calls] {
    parallel_for_2d(std::int8_t{100}, 3u, [&calls](auto r, auto c) {
      static_assert(std::same_as<decltype(r), std::int8_t> && std::same_as<decltype(c), unsigned>);
      calls += r < 100 && c < 3;
    });
    parallel_for_2d(-1, 10, [&calls](int, int) { calls += 1000; });
    parallel_for_2d(10, -1L, [&calls](int, long) { calls += 1000; });
    parallel_for_2d(0, 10, [&calls](int, int) { calls += 1000; });
  });
  CHECK(calls == 300);
}

TEST_CASE("what is visited one after the other lies together: few rows and few columns at any length") {
  watchdog const guard("for_2d_test: locality");
  weft::pool pool{{.workers = 1}};
  std::vector<std::pair<int, int>> order;
  pool.run([&order] { parallel_for_2d(1000, 1500, [&order](int r, int c) { order.emplace_back(r, c); }); });
  REQUIRE(order.size() == 1'500'000);
  for (std::size_t const stretch : {2048u, 32'768u, 262'144u}) {
    std::size_t worst = 0;
    for (std::size_t first = 0; first + stretch <= order.size(); first += stretch) {
      std::set<int> rows, columns;
      for (std::size_t i = first; i < first + stretch; ++i) {
        rows.insert(order[i].first);
        columns.insert(order[i].second);
      }
      worst = std::max(worst, rows.size() + columns.size());
    }
    // A square has 2 √n rows and columns; rows one after the other have 1500 columns from the first stretch on.
    CAPTURE(stretch, worst);
    CHECK(static_cast<double>(worst * worst) <= 40.0 * static_cast<double>(stretch));
  }
}

TEST_CASE("failures come out of a grid, all calls have ended, and nothing is leaked") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("for_2d_test: exceptions");
  balance const nothing_left;
  weft::pool pool{{.workers = workers}};
  for (int at = 0; at < 100; at += 11) {
    std::atomic<int> inside{0};
    auto const body = [&](int r, int c) {
      ++inside;
      std::string const something(100, 'x');
      --inside;
      if (r == at && c == 99 - at) throw std::runtime_error(std::to_string(at));
    };
    CHECK_THROWS_WITH(pool.run([&] { parallel_for_2d(100, 100, body, {.grain = 7}); }), std::to_string(at));
    CHECK(inside == 0);
  }
}

TEST_CASE("a stop ends a grid between chunks, and grids run inside tasks and grids") {
  auto const workers = GENERATE(from_range(loop_workers()));
  watchdog const guard("for_2d_test: stop");
  weft::pool pool{{.workers = workers}};
  std::atomic<int> calls{0};
  auto f = pool.spawn([&calls] { parallel_for_2d(1 << 30, 1 << 30, [&calls](int, int) { ++calls; }); });
  while (calls < 1000) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  calls = 0;
  pool.run([&calls]() -> weft::task<> {
    co_await weft::this_task::yield();
    parallel_for_2d(5, 6, [&calls](int, int) { parallel_for_2d(7, 8, [&calls](int, int) { ++calls; }); });
  });
  CHECK(calls == 5 * 6 * 7 * 8);
}
