#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/misuse.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/latch.hpp>

#include <atomic>
#include <chrono>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::latch;
using weft::task;
using weft_test::ending;

static_assert(!std::is_copy_constructible_v<latch> && !std::is_move_constructible_v<latch>);

TEST_CASE("a latch of nothing is at zero from the start") {
  latch l(0);
  CHECK(l.try_wait());
  l.count_down(0);
  weft::pool pool{{.workers = 1}};
  pool.run(l.wait());
}

TEST_CASE("a latch is at zero after as many counts as it was made for, and stays there") {
  latch l(5);
  l.count_down();
  l.count_down(3);
  CHECK_FALSE(l.try_wait());
  l.count_down(0);
  CHECK_FALSE(l.try_wait());
  l.count_down();
  CHECK(l.try_wait());
  CHECK(l.try_wait());
}

TEST_CASE("all who wait for a latch go on with the last count, and none before") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  latch l(2);
  pool.run([&]() -> task<> {
    std::vector<weft::future<>> all;
    for (int i = 0; i < 5; ++i) all.push_back(weft::spawn(l.wait()));
    co_await weft_test::settle();
    l.count_down();
    co_await weft_test::settle();
    for (auto const& f : all) CHECK_FALSE(f.ready());
    l.count_down();
    for (auto& f : all) co_await std::move(f);
    co_await l.wait();
  });
}

TEST_CASE("tasks arrive at a latch and wait for each other there") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("latch_test: arrive");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  latch l(10);
  std::atomic<int> arrived{0}, early{0};
  auto one = [&]() -> task<> {
    ++arrived;
    co_await l.arrive_and_wait();
    if (arrived != 10) ++early;
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < 10; ++i) all.push_back(pool.spawn(one));
  for (auto& f : all) f.get();
  CHECK(early == 0);
}

TEST_CASE("arriving happens when it is awaited, not before") {
  weft::pool pool{{.workers = 1}};
  latch l(1);
  auto arrive = l.arrive_and_wait();
  CHECK_FALSE(l.try_wait());
  pool.run(std::move(arrive));
  CHECK(l.try_wait());
}

TEST_CASE("plain threads count down what tasks wait for, and what they did before is seen") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("latch_test: threads");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 10; ++round) {
    latch l(3);
    int values[3] = {};
    auto f = pool.spawn([&]() -> task<int> {
      co_await l.wait();
      co_return values[0] + values[1] + values[2];
    });
    std::vector<std::thread> threads;
    for (auto& v : values)
      threads.emplace_back([&l, &v] {
        v = 7;
        l.count_down();
      });
    for (auto& t : threads) t.join();
    CHECK(f.get() == 21);
  }
}

TEST_CASE("a stopped task no longer waits for its latch; a wait may also be bounded in time") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("latch_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  latch l(1);
  auto f = pool.spawn(l.wait());
  f.stop();
  CHECK(weft_test::ending_of(f) == ending::stopped);
  CHECK_THROWS_AS(pool.run(weft::timeout(2ms, l.wait())), weft::timed_out);
  l.count_down();
  pool.run(l.wait());
}

TEST_CASE("who has waited for a latch may destroy it, while the last to count is on its way out") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("latch_test: destroys");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 60; ++round) {
    auto* const l = new latch(2);
    auto counts = [](latch* p) -> task<> {
      p->count_down();
      co_return;
    };
    auto waits = [](latch* p) -> task<> {
      co_await p->wait();
      delete p;
    };
    auto a = pool.spawn(counts, l), b = pool.spawn(waits, l), c = pool.spawn(counts, l);
    a.get();
    b.get();
    c.get();
  }
}

TEST_CASE("misuse of a latch ends the program with a sentence") {
  weft_test::expect_misuse("counted down below zero", [] {
    latch l(1);
    l.count_down(2);
  });
  weft_test::expect_misuse("not negative", [] { latch const l(-1); });
}
