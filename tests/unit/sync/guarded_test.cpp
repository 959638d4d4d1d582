#include "support/balance.hpp"
#include "support/catch.hpp"
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
#include <weft/sync/guarded.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::guarded;
using weft::task;
using weft_test::ending;

static_assert(!std::is_copy_constructible_v<guarded<int>> && !std::is_move_constructible_v<guarded<int>>);

TEST_CASE("what is guarded is changed and read by what is handed in") {
  weft::pool pool{{.workers = 1}};
  guarded g(std::string("a"));
  pool.run(g.with([](std::string& s) { s += 'b'; }));
  CHECK(pool.run(g.with([](std::string const& s) { return s.size(); })) == 2);
  CHECK(pool.run(g.with([](std::string& s) { return std::move(s); })) == "ab");
}

TEST_CASE("the value is made in place, and need not move") {
  weft::pool pool{{.workers = 1}};
  struct pinned_value {
    pinned_value(int a, int b) : sum(a + b) {}
    pinned_value(pinned_value const&) = delete;
    int sum;
  };
  guarded<pinned_value> g(1, 2);
  CHECK(pool.run(g.with([](pinned_value& v) { return v.sum; })) == 3);
  guarded<int> zero;
  CHECK(pool.run(g.with([](pinned_value&) { return std::make_unique<int>(5); })) != nullptr);
  CHECK(pool.run(zero.with([](int& v) { return v; })) == 0);
}

TEST_CASE("one at a time, on every worker") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("guarded_test: one at a time");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  guarded<long> sum(0);
  auto one = [&]() -> task<> {
    for (int i = 0; i < 200; ++i) {
      auto add = sum.with([](long& v) { ++v; });
      co_await std::move(add);
    }
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < 10; ++i) all.push_back(pool.spawn(one));
  for (auto& f : all) f.get();
  CHECK(pool.run(sum.with([](long& v) { return v; })) == 2000);
}

TEST_CASE("a coroutine that is handed in is awaited with the lock held, and kept until its end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("guarded_test: coroutine");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  guarded<int> g(0);
  std::vector<weft::future<int>> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(pool.spawn(g.with([text = std::string(100, 'x')](int& v) -> task<int> {
      int const seen = v;
      for (int k = 0; k < 5; ++k) co_await weft::this_task::yield();
      v = seen + 1;
      co_return text == std::string(100, 'x') ? 1 : 0;
    })));
  }
  int right = 0;
  for (auto& f : all) right += f.get();
  CHECK(right == 10);
  CHECK(pool.run(g.with([](int& v) { return v; })) == 10);
  pool.run(g.with([](int& v) -> task<> {
    ++v;
    co_return;
  }));
  CHECK(pool.run(g.with([](int& v) { return v; })) == 11);
}

TEST_CASE("what the function throws is thrown, and the lock is free again") {
  weft::pool pool{{.workers = 1}};
  guarded<int> g(1);
  CHECK_THROWS_AS(pool.run(g.with([](int&) { throw std::runtime_error("no"); })), std::runtime_error);
  CHECK_THROWS_AS(pool.run(g.with([](int&) -> task<> {
    co_await weft::this_task::yield();
    throw std::runtime_error("no");
  })),
                  std::runtime_error);
  CHECK(g.try_with([](int& v) { return v; }) == 1);
}

TEST_CASE("try_with calls the function if nobody is at it, and else not") {
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  guarded<int> g(1);
  CHECK(g.try_with([](int& v) { ++v; }));
  CHECK(g.try_with([](int& v) { return v; }) == 2);
  bool const refused = pool.run(g.with([&](int&) {
    bool called = false;
    bool const had = g.try_with([&](int&) { called = true; });
    return !had && !called && g.try_with([](int& v) { return v; }) == std::nullopt;
  }));
  CHECK(refused);
}

TEST_CASE("a stopped task never gets to the value") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  guarded<int> g(0);
  bool called = false;
  pool.run([&]() -> task<> {
    auto holder = weft::spawn(g.with([](int&) -> task<> { co_await weft_test::settle(); }));
    co_await weft::this_task::yield();
    auto f = weft::spawn(g.with([&](int&) { called = true; }));
    co_await weft::this_task::yield();
    f.stop();
    co_await std::move(holder);
    CHECK(weft_test::ending_of(f) == ending::stopped);
  });
  CHECK_FALSE(called);
}
