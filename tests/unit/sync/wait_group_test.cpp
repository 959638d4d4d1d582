#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/misuse.hpp"
#include "support/seeded.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/wait_group.hpp>

#include <atomic>
#include <chrono>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::task;
using weft::wait_group;
using weft_test::ending;

static_assert(!std::is_copy_constructible_v<wait_group> && !std::is_move_constructible_v<wait_group>);

TEST_CASE("a wait_group that counts nothing does not hold anybody up") {
  weft::pool pool{{.workers = 1}};
  wait_group g;
  CHECK(g.try_wait());
  pool.run(g.wait());
  g.add(2);
  CHECK(g.count() == 2);
  CHECK_FALSE(g.try_wait());
  g.done();
  g.done();
  pool.run(g.wait());
}

TEST_CASE("wait ends when everything has been counted out, not before") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("wait_group_test: all done");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  wait_group g(16);
  wait_group all_out(16);
  std::atomic<int> before{0}, early{0};
  auto one = [&]() -> task<> {
    ++before;
    g.done();
    co_await g.wait();
    if (before != 16) ++early;
    all_out.done();
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < 16; ++i) all.push_back(pool.spawn(one));
  pool.run(all_out.wait());
  CHECK(early == 0);
  CHECK(g.count() == 0);
}

TEST_CASE("a wait_group is used again and again") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("wait_group_test: again");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  wait_group g;
  std::atomic<int> n{0};
  int const total = pool.run([&]() -> task<int> {
    for (int round = 0; round < 50; ++round) {
      g.add(4);
      for (int i = 0; i < 4; ++i)
        static_cast<void>(weft::spawn([&] {
          ++n;
          g.done();
        }));
      co_await g.wait();
      if (n != 4 * (round + 1)) co_return -1;
    }
    co_return n;
  });
  CHECK(total == 200);
}

TEST_CASE("what is counted in while others are under way is waited for, too") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("wait_group_test: more");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  wait_group g;
  std::atomic<int> leaves{0};
  struct grower {
    static task<> grow(wait_group& group, std::atomic<int>& count, int depth) {
      if (depth == 0) ++count;
      for (int i = 0; depth != 0 && i < 2; ++i) {
        group.add();
        static_cast<void>(weft::spawn(&grower::grow, std::ref(group), std::ref(count), depth - 1));
      }
      co_await weft::this_task::yield();
      group.done();
    }
  };
  g.add();
  static_cast<void>(pool.spawn(&grower::grow, std::ref(g), std::ref(leaves), 6));
  pool.run(g.wait());
  CHECK(leaves == 64);
}

TEST_CASE("several that count out at once bring the count to zero once") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  wait_group g(10);
  pool.run([&]() -> task<> {
    auto f = weft::spawn(g.wait()), h = weft::spawn(g.wait());
    co_await weft_test::settle();
    g.done(9);
    co_await weft_test::settle();
    CHECK_FALSE(f.ready());
    g.done(1);
    co_await std::move(f);
    co_await std::move(h);
  });
}

TEST_CASE("a stopped task no longer waits for its group, and the count stays") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("wait_group_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  wait_group g(1);
  auto f = pool.spawn(g.wait());
  f.stop();
  CHECK(weft_test::ending_of(f) == ending::stopped);
  CHECK(g.count() == 1);
  CHECK_THROWS_AS(pool.run(weft::timeout(2ms, g.wait())), weft::timed_out);
  g.done();
  CHECK(g.try_wait());
}

TEST_CASE("waits that are stopped at random do not keep the count from zero") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("wait_group_test: random stops");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 20; ++round) {
    wait_group g(3);
    std::vector<weft::future<>> waits, dones;
    for (int i = 0; i < 8; ++i) waits.push_back(pool.spawn(g.wait()));
    for (int i = 0; i < 3; ++i) dones.push_back(pool.spawn([&] { g.done(); }));
    std::vector<int> asked;
    for (auto& f : waits) {
      asked.push_back(random.below(2) == 0);
      if (asked.back()) f.stop();
    }
    for (auto& f : dones) f.get();
    for (std::size_t i = 0; i < waits.size(); ++i) {
      auto const end = weft_test::ending_of(waits[i]);
      CHECK((end == ending::value || (end == ending::stopped && asked[i])));
    }
    CHECK(g.try_wait());
  }
}

TEST_CASE("who has waited for a group may destroy it, while the last to count out is on its way") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("wait_group_test: destroys");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 60; ++round) {
    auto* const g = new wait_group(2);
    auto counts = [](wait_group* p) -> task<> {
      p->done();
      co_return;
    };
    auto waits = [](wait_group* p) -> task<> {
      co_await p->wait();
      delete p;
    };
    auto a = pool.spawn(counts, g), b = pool.spawn(waits, g), c = pool.spawn(counts, g);
    a.get();
    b.get();
    c.get();
  }
}

TEST_CASE("counting out what was not counted in ends the program with a sentence") {
  weft_test::expect_misuse("counted below zero", [] {
    wait_group g(1);
    g.done();
    g.done();
  });
}
