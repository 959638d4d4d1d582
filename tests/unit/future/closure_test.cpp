// A lambda that is a coroutine keeps its captures in itself: who keeps the lambda, and who warns where nobody does.
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using weft::task;
using weft_test::counted;

namespace {

/// What f leaves on standard error, which goes into a pipe meanwhile.
template <class F>
std::string said_by(F&& f) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  std::fflush(stderr);
  int const own = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  f();
  std::fflush(stderr);
  ::dup2(own, STDERR_FILENO);
  ::close(own);
  ::close(ends[1]);
  std::string said;
  char buffer[256];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  return said;
}

/// Whether it is the warning, in a build that gives it.
bool warned_of(std::string const& said, std::string_view verb) {
  return said.find("weft: " + std::string(verb) + " was given the task of a lambda with captures") == 0;
}
constexpr bool warns = WEFT_WATCH_CLOSURES != 0;

template <class F>
task<int> borrows_by_value(F f) {
  co_await weft::this_task::yield();
  co_return f();
}

class never_defined;
[[maybe_unused]] task<int> takes_incomplete(never_defined&, void (&)(), int (&)[2]) { co_return 1; }

struct with_member {
  int value;
  task<int> read() {
    co_await weft::this_task::yield();
    co_return value;
  }
};

}  // namespace

TEST_CASE("spawn, when_all and a scope keep the lambda whose coroutine they run, with its captures") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("closure_test: kept");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    std::vector<weft::future<int>> spawned;
    for (int i = 0; i < 20; ++i)
      spawned.push_back(pool.spawn([i, c = counted(1)]() -> task<int> {
        for (int n = 0; n < 5; ++n) co_await weft::this_task::yield();
        co_return i* c.value();
      }));
    int sum = 0;
    for (auto& f : spawned) sum += f.get();
    CHECK(sum == 190);

    std::atomic<int> total{0};
    int const both = pool.run([&total]() -> task<int> {
      auto const make = [](int v) {
        return [v, c = counted(v)]() -> task<int> {
          co_await weft::this_task::yield();
          co_return v + c.value();
        };
      };
      auto all = weft::when_all(make(1), make(10));
      auto [a, b] = co_await std::move(all);
      auto const body = [&total, &make](weft::scope& s) -> task<> {
        for (int i = 0; i < 10; ++i) s.spawn([&total, work = make(i)]() -> task<> { total += co_await work(); });
        co_return;
      };
      co_await weft::with_scope(body);
      co_return a + b;
    });
    CHECK(both == 22);
    CHECK(total == 90);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a debug build of GCC says, once, where spawn is given a lambda's task in place of the lambda") {
  weft_test::watchdog const guard("closure_test: warned");
  weft::pool pool{{.workers = 1}};
  int captured = 3;  // not const: then it need not be captured
  auto const lambda = [captured]() -> task<int> { co_return captured; };
  auto const first = said_by([&] { CHECK(pool.spawn(lambda()).get() == 3); });
  CHECK(warned_of(first, "spawn") == warns);
  if (warns) CHECK_THAT(first, Catch::Matchers::ContainsSubstring("lambda"));
  CHECK(said_by([&] { CHECK(pool.spawn(lambda()).get() == 3); }).empty());

  auto const in_scope = [captured](int v) -> task<> {
    co_await weft::this_task::yield();
    if (captured != v) throw v;
  };
  auto const body = [&in_scope](weft::scope& s) -> task<> {
    s.spawn(in_scope(3));
    co_await weft::this_task::yield();
  };
  CHECK(warned_of(said_by([&] { pool.run(weft::with_scope(body)); }), "scope::spawn") == warns);
}

TEST_CASE("nothing is said of lambdas that are kept, awaited or without captures, of functions, and of members") {
  weft_test::watchdog const guard("closure_test: not warned");
  weft::pool pool{{.workers = 1}};
  int captured = 3;  // not const: then it need not be captured
  auto const lambda = [captured](int v) -> task<int> { co_return captured + v; };
  auto const plain = [](int v) -> task<int> { co_return v; };
  auto const adds = [captured] { return captured; };
  with_member object{5};
  auto const said = said_by([&] {
    CHECK(pool.spawn(lambda, 1).get() == 4);
    CHECK(pool.run(lambda(1)) == 4);
    CHECK(pool.spawn(plain(1)).get() == 1);
    CHECK(pool.spawn(borrows_by_value(adds)).get() == 3);
    CHECK(pool.spawn(object.read()).get() == 5);
    CHECK(pool.run([&]() -> task<int> {
      auto kept = lambda(2);
      auto [a, b] = co_await weft::when_all(lambda(1), std::move(kept));
      co_return a + b + co_await lambda(0);
    }) == 12);
  });
  CHECK(said == "");
}
