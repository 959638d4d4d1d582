#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/pool.hpp>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

using weft::task;

namespace {

task<bool> child_sees(weft::stop_token parents) {
  co_await weft::this_task::yield();
  co_return weft::this_task::stop_token() == parents;
}

}  // namespace

TEST_CASE("a thread without a task has a token that never stops") {
  auto const token = weft::this_task::stop_token();
  CHECK_FALSE(token.stop_possible());
  CHECK_FALSE(token.stop_requested());
  token.throw_if_stopped();
}

TEST_CASE("a task has one stop token, before and after it was suspended, and so have the tasks it awaits") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("this_task_test: one token");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool const same = pool.run([]() -> task<bool> {
    auto const token = weft::this_task::stop_token();
    bool right = token.stop_possible();
    for (int i = 0; i < 20; ++i) {
      co_await weft::this_task::yield();
      right = right && weft::this_task::stop_token() == token;
      right = right && co_await child_sees(token);
    }
    co_return right;
  });
  CHECK(same);
}

TEST_CASE("a plain function that is run has a token, and each run has its own") {
  weft::pool pool{{.workers = 1}};
  bool const own = pool.run([] {
    auto const outer = weft::this_task::stop_token();
    bool const nested_differs = weft::run([outer] { return !(weft::this_task::stop_token() == outer); });
    return outer.stop_possible() && nested_differs && weft::this_task::stop_token() == outer;
  });
  CHECK(own);
}

TEST_CASE("a stop reaches children, forked calls and loop chunks") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("this_task_test: inherited");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> begun{false};
  std::atomic<int> seen{0};
  auto work = [&]() -> task<> {
    begun = true;
    auto const mine = weft::this_task::stop_token();
    while (!mine.stop_requested()) co_await weft::this_task::yield();
    auto look = [&]() -> task<> {
      if (weft::this_task::stop_token().stop_requested()) ++seen;
      co_return;
    };
    co_await look();
    co_await weft::when_all(look(), look());
    weft::fork_join([&] { seen += weft::this_task::stop_token().stop_requested(); },
                    [&] { seen += weft::this_task::stop_token().stop_requested(); });
  };
  auto f = pool.spawn(work);
  while (!begun) std::this_thread::yield();
  f.stop();
  f.get();
  CHECK(seen == 5);
}

TEST_CASE("the runs on a pool are asked to stop when it is destroyed") {
  weft_test::watchdog const guard("this_task_test: the pool's end");
  weft_test::balance const balance;
  bool stopped = false;
  {
    weft::pool pool{{.workers = 1}};
    auto f = pool.spawn([&stopped]() -> task<> {
      auto const token = weft::this_task::stop_token();
      while (!token.stop_requested()) co_await weft::this_task::yield();
      stopped = true;
    });
  }
  CHECK(stopped);
}

TEST_CASE("yield lets those who are ready have their turn, in order") {
  weft_test::watchdog const guard("this_task_test: yield");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  std::vector<int> turns;
  pool.run([&turns]() -> task<> {
    auto each = [&turns](int who) -> task<> {
      for (int i = 0; i < 3; ++i) {
        turns.push_back(who);
        co_await weft::this_task::yield();
      }
    };
    co_await weft::when_all(each(0), each(1), each(2));
  });
  CHECK(turns.size() == 9);
  // Whoever yields goes behind the others: in each round everybody has one turn.
  for (std::size_t round = 0; round < 9; round += 3) {
    auto const sum = turns[round] + turns[round + 1] + turns[round + 2];
    CHECK(sum == 3);
  }
}

TEST_CASE("checkpoint goes on, unless a stop was asked for: then it throws") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("this_task_test: checkpoint");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> rounds{0};
  auto endless = [&rounds]() -> task<> {
    for (;;) {
      co_await weft::this_task::checkpoint();
      ++rounds;
    }
  };
  auto f = pool.spawn(endless);
  while (rounds < 100) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
}

TEST_CASE("a task that only yields does not keep another from running") {
  weft_test::watchdog const guard("this_task_test: yield is fair");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  std::atomic<bool> done{false};
  auto f = pool.spawn([&done]() -> task<> {
    while (!done) co_await weft::this_task::yield();
  });
  pool.run([&done] { done = true; });
  f.get();
  CHECK(done);
}
