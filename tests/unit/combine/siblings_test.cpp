#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/stack_depth.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/siblings.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using weft::task;
using weft::when_all;

namespace {

task<int> yields(int times) {
  for (int i = 0; i < times; ++i) co_await weft::this_task::yield();
  co_return times;
}

}  // namespace

TEST_CASE("siblings that nobody takes are run by one worker, one after the other, on little stack") {
  weft_test::watchdog const guard("siblings_test: one worker");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft_test::stack_depth depth;
  int const count = weft::detail::small_capacities ? 20'000 : 200'000;
  auto one = [&depth]() -> task<> {
    depth.look();
    co_return;
  };
  pool.run([&]() -> task<> {
    std::vector<task<>> all;
    for (int i = 0; i < count; ++i) all.push_back(one());
    auto operation = when_all(std::move(all));
    co_await std::move(operation);
    depth.look();
  });
  CHECK(depth.bytes() <= 64 * 1024);
}

TEST_CASE("siblings that wait for each other by awaiting all come to the meeting") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("siblings_test: a meeting");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> here{0};
    auto meet = [&here]() -> task<> {
      ++here;
      while (here < 4) co_await weft::this_task::yield();
    };
    pool.run([&meet]() -> task<> { co_await when_all(meet(), meet(), meet(), meet()); });
    CHECK(here == 4);
  }
}

TEST_CASE("a sibling that suspends leaves the others to its worker") {
  weft_test::watchdog const guard("siblings_test: suspended");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  std::atomic<bool> opened{false};
  // The first can only end when the last has run.
  auto waits = [&opened]() -> task<> {
    while (!opened) co_await weft::this_task::yield();
  };
  auto opens = [&opened]() -> task<> {
    opened = true;
    co_return;
  };
  pool.run([&]() -> task<> { co_await when_all(waits(), waits(), waits(), opens()); });
  CHECK(opened);
}

TEST_CASE("siblings that suspend in every pattern meet at their parent") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("siblings_test: patterns", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int wrong = 0;
  for (int pattern = 0; pattern < 81; ++pattern) {
    int const a = pattern % 3, b = pattern / 3 % 3, c = pattern / 9 % 3, d = pattern / 27;
    int const sum = pool.run([=]() -> task<int> {
      auto [v, w, x, y] = co_await when_all(yields(a), yields(b), yields(c), yields(d));
      co_return v + 10 * w + 100 * x + 1000 * y;
    });
    wrong += sum != a + 10 * b + 100 * c + 1000 * d;
  }
  CHECK(wrong == 0);
}

TEST_CASE("siblings within siblings, each of which suspends at random, end exactly once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("siblings_test: random", std::chrono::seconds(120));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> leaves{0};
  auto node = [&leaves](auto& self, std::uint64_t seed, int depth) -> task<> {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    auto const choice = (seed >> 33) % 8;
    if (choice == 0) co_await weft::this_task::yield();
    if (depth == 0) {
      ++leaves;
      co_return;
    }
    if (choice == 1) {
      std::vector<task<>> three;
      for (unsigned i = 0; i < 3; ++i) three.push_back(self(self, seed + i, depth - 1));
      auto operation = when_all(std::move(three));
      co_await std::move(operation);
    } else {
      co_await when_all(self(self, seed + 1, depth - 1), self(self, seed + 2, depth - 1),
                        self(self, seed + 3, depth - 1));
    }
    if (choice == 2) co_await weft::this_task::yield();
  };
  int const depth = weft::detail::small_capacities ? 6 : 8;
  int expected = 5;
  for (int i = 0; i < depth; ++i) expected *= 3;
  for (int i = 0; i < 5; ++i) {
    auto const seed = random();
    pool.run([&] { return node(node, seed, depth); });
  }
  CHECK(leaves == expected);
}

TEST_CASE("the siblings of a run on a worker's own stack are left to others where they suspend") {
  weft_test::watchdog const guard("siblings_test: nested run");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  // The nested run's children stand in the deque above those of the outer task.
  int const sum = pool.run([]() -> task<int> {
    auto inner = []() -> task<int> {
      auto [a, b, c] = co_await when_all(yields(1), yields(2), yields(3));
      co_return a + b + c;
    };
    auto [x, y, z] =
        co_await when_all([&inner] { return weft::run(inner); }, [&inner] { return weft::run(inner); }, yields(1));
    co_return x + y + z;
  });
  CHECK(sum == 13);
}

TEST_CASE("a child sees the group's token, which stops when one of the group fails") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("siblings_test: token");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> begun{false}, told{false};
  auto watches = [&]() -> task<> {
    auto const token = weft::this_task::stop_token();
    bool called = false;
    {
      auto note = [&called] { called = true; };
      weft::stop_callback const callback(token, note);
      begun = true;
      while (!token.stop_requested()) co_await weft::this_task::yield();
    }  // whoever calls it has returned from it
    told = called;
  };
  auto fails = [&begun]() -> task<> {
    while (!begun) co_await weft::this_task::yield();
    throw std::runtime_error("told you");
  };
  CHECK_THROWS_AS(pool.run([&]() -> task<> { co_await when_all(watches(), fails()); }), std::runtime_error);
  CHECK(told);
}
