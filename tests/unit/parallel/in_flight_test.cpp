#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/in_flight.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft::task;
using weft::detail::keep_in_flight;

TEST_CASE("everything is begun once, with never more in flight than the limit") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const count = GENERATE(as<std::size_t>(), 0, 1, 2, 100, 3000);
  std::size_t const limit = GENERATE(as<std::size_t>(), 0, 1, 2, 50);
  weft_test::watchdog const guard("in_flight_test: limit");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::atomic<int>> begun(count);
  std::atomic<std::size_t> inside{0}, most{0};
  auto each = [&](std::size_t i) -> task<> {
    auto const now = ++inside;
    auto before = most.load();
    while (before < now && !most.compare_exchange_weak(before, now)) {
    }
    ++begun[i];
    if (i % 3 != 0) co_await weft::this_task::yield();
    --inside;
  };
  pool.run([&] { return keep_in_flight(count, limit, each); });
  CHECK(std::all_of(begun.begin(), begun.end(), [](auto const& n) { return n == 1; }));
  CHECK(most <= (limit == 0 ? weft::detail::default_in_flight : limit));
}

TEST_CASE("with a limit of one they run one after the other, in order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("in_flight_test: one after the other");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::size_t> order;
  auto each = [&order](std::size_t i) -> task<> {
    co_await weft::this_task::yield();
    order.push_back(i);
  };
  pool.run([&] { return keep_in_flight(200, 1, each); });
  CHECK(order.size() == 200);
  CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("as many as the limit are in flight at the same time") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("in_flight_test: at the same time");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<std::size_t> here{0};
  // In groups of ten: nobody leaves before the tenth has come.
  auto each = [&here](std::size_t i) -> task<> {
    ++here;
    while (here < (i / 10 + 1) * 10) co_await weft::this_task::yield();
  };
  pool.run([&] { return keep_in_flight(200, 10, each); });
  CHECK(here == 200);
}

TEST_CASE("after a failure no more are begun, those in flight are asked to stop, and all have ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("in_flight_test: failure");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> begun{0}, ended{0};
  auto each = [&](std::size_t i) -> task<> {
    ++begun;
    weft::detail::scope_exit const counts([&ended] { ++ended; });
    if (i == 5) throw std::runtime_error("the sixth");
    if (i < 5) co_return;
    co_await weft::sleep_for(1h);
  };
  CHECK_THROWS_WITH(pool.run([&] { return keep_in_flight(1000, 4, each); }), "the sixth");
  CHECK(begun == ended);
  CHECK(begun < 20);
}

TEST_CASE("a function that fails before it has made its task is a failure like any other") {
  weft_test::watchdog const guard("in_flight_test: no task");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  auto each = [](std::size_t i) -> task<> {
    auto const sleep = []() -> task<> { co_await weft::sleep_for(1h); };
    return i == 3 ? throw std::logic_error("no task") : sleep();
  };
  CHECK_THROWS_WITH(pool.run([&] { return keep_in_flight(10, 5, each); }), "no task");
}

TEST_CASE("what is awaited may be anything: futures too") {
  weft_test::watchdog const guard("in_flight_test: futures");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  std::atomic<int> sum{0};
  auto each = [&sum](std::size_t i) { return weft::spawn([&sum, i] { sum += static_cast<int>(i); }); };
  pool.run([&] { return keep_in_flight(100, 10, each); });
  CHECK(sum == 4950);
}

TEST_CASE("a stop ends those in flight, and no more are begun") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("in_flight_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> begun{0};
  auto each = [&begun](std::size_t) -> task<> {
    ++begun;
    co_await weft::sleep_for(1h);
  };
  auto f = pool.spawn([&] { return keep_in_flight(1000, 7, each); });
  while (begun < 7) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(begun == 7);
}
