#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/utility.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/generator.hpp>
#include <weft/coro/local.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/stream.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/graph/graph.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/parallel/map.hpp>
#include <weft/parallel/pipeline.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::local;
using weft::task;
using weft::with;
using weft_test::counted;

static_assert(!std::is_copy_constructible_v<local<int>> && !std::is_move_constructible_v<local<int>>);

namespace {

local<int> const id{-1};
local<std::string> const text;
local<counted> const value{counted(0)};

task<int> reads() {
  int const first = *id;
  co_await weft::this_task::yield();
  co_return first == *id ? first : -100;
}

}  // namespace

TEST_CASE("a local has its fallback where nothing is bound, on any thread") {
  CHECK(*id == -1);
  CHECK(text->empty());
  CHECK_FALSE(id.bound());
  std::thread([] {
    if (*id != -1 || id.bound()) throw std::logic_error("not the fallback");
  }).join();
  weft::pool pool{{.workers = 1}};
  CHECK(pool.run(reads) == -1);
}

TEST_CASE("with binds a value for a plain call, nests, and unbinds at its end, by an exception too") {
  weft_test::balance const balance;
  auto const look = [] { return *id; };
  CHECK(with(id, 1, look) == 1);
  int const nested = with(id, 1, [&look] {
    int const inner = with(id, 2, look);
    int const other = with(text, "x", [] { return *id + static_cast<int>(text->size()); });
    return 100 * *id + 10 * inner + other;
  });
  CHECK(nested == 122);
  CHECK_THROWS_AS(with(id, 3, [] { throw std::runtime_error("out"); }), std::runtime_error);
  CHECK(*id == -1);
  int number = 5;
  int& same = with(id, 1, [&number]() -> int& { return number; });
  CHECK(&same == &number);
}

TEST_CASE("with binds a value for a task, across its waits and for all that it awaits, and for nobody else") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("local_test: tasks");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const got = pool.run([]() -> task<std::vector<int>> {
    std::vector<int> seen;
    seen.push_back(co_await with(id, 1, reads));
    seen.push_back(co_await with(id, 2, reads()));
    seen.push_back(*id);
    auto outer = []() -> task<int> {
      int const inner = co_await with(id, 4, reads);
      int const own = co_await reads();
      co_return 10 * inner + own;
    };
    seen.push_back(co_await with(id, 3, outer));
    seen.push_back(*id);
    co_return seen;
  });
  CHECK(got == std::vector<int>{1, 2, -1, 43, -1});
}

TEST_CASE("a task's failure or stop passes through with, and the binding is gone after it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("local_test: failures");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    auto const fails = []() -> task<> {
      co_await weft::this_task::yield();
      throw std::runtime_error("inside");
    };
    auto const throws_at_once = []() -> task<> { throw std::logic_error("no task"); };
    auto const makes_none = [](bool now) -> task<> {
      if (now) throw std::logic_error("not even a task");
      return []() -> task<> { co_return; }();
    };
    bool const right = pool.run([&]() -> task<bool> {
      int caught = 0;
      try {
        co_await with(value, counted(1), fails);
      } catch (std::runtime_error const&) {
        ++caught;
      }
      try {
        co_await with(value, counted(2), throws_at_once);
      } catch (std::logic_error const&) {
        ++caught;
      }
      try {
        co_await with(value, counted(3), makes_none, true);
      } catch (std::logic_error const&) {
        ++caught;
      }
      co_return caught == 3 && !value.bound();
    });
    CHECK(right);
    auto stopping = pool.spawn([]() -> task<> {
      auto const waits = []() -> task<> { co_await weft::sleep_for(1h); };
      co_await with(value, counted(4), waits);
    });
    stopping.stop();
    CHECK_THROWS_AS(stopping.get(), weft::stopped);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a binding is still there while a task that was stopped, or has ended, destroys its locals") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("local_test: destructors");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> seen{0};
  auto const looks = [&seen](bool waits) -> task<> {
    auto look = [&seen] { seen += *id; };
    weft::detail::scope_exit const at_end(look);
    if (waits) co_await weft::sleep_for(1h);
  };
  pool.run(with(id, 1, looks, false));
  CHECK(seen == 1);
  auto stopping = pool.spawn(with(id, 40, looks, true));
  stopping.stop();
  CHECK_THROWS_AS(stopping.get(), weft::stopped);
  CHECK((seen == 41 || seen == 1));  // a task that had not begun has no locals
}

TEST_CASE("children of when_all, timeout and fork_join inherit a binding, and their own bind for themselves alone") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("local_test: children");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto family = []() -> task<bool> {
    bool right = true;
    for (int i = 0; i < 50; ++i) {
      auto own = [](int v) -> task<int> { co_return co_await with(id, v, reads); };
      auto [a, b, c, d] = co_await weft::when_all(reads(), own(1), own(2), [] { return *id; });
      right = right && a == 7 && b == 1 && c == 2 && d == 7;
      right = right && co_await weft::timeout(1h, reads) == 7;
      auto [e, f, g] =
          weft::fork_join([] { return *id; }, [] { return with(id, 8, [] { return *id; }); }, [] { return *id; });
      right = right && e == 7 && f == 8 && g == 7 && *id == 7;
    }
    co_return right;
  };
  CHECK(pool.run([&family]() -> task<bool> { co_return co_await with(id, 7, family); }));
}

TEST_CASE("loop chunks inherit a binding, wherever they run") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("local_test: loops");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const loops = [] {
    std::atomic<int> wrong{0};
    weft::parallel_for(0, 20'000,
                       [&wrong](int) {
                         if (*id != 5) ++wrong;
                       },
                       {.grain = 10});
    std::vector<int> const numbers(2000, 1);
    for (int v : weft::parallel_map(numbers, [](int) { return *id; }))
      if (v != 5) ++wrong;
    auto const waiting = [&wrong](int) -> task<> {
      co_await weft::this_task::yield();
      if (*id != 5) ++wrong;
    };
    weft::run(weft::parallel_for(0, 200, waiting));
    return wrong.load();
  };
  CHECK(pool.run([&loops] { return with(id, 5, loops); }) == 0);
}

TEST_CASE("a plain thread that joins a pool for a loop, or runs something on one, passes its bindings on") {
  weft_test::watchdog const guard("local_test: plain threads");
  weft::pool pool{{.workers = 2}};
  std::atomic<int> wrong{0};
  with(id, 6, [&] {
    for (int round = 0; round < 20; ++round)
      weft::parallel_for(0, 5000,
                         [&wrong](int) {
                           if (*id != 6) ++wrong;
                         },
                         {.grain = 10});
    if (pool.run(reads) != 6) ++wrong;
    if (pool.spawn(reads).get() != 6) ++wrong;
  });
  CHECK(wrong == 0);
  CHECK(*id == -1);
}

TEST_CASE("what is spawned inherits the bindings of its spawner, and keeps them alive") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("local_test: spawn");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    weft::promise<> go;
    auto gate = go.get_future();
    auto const waits = [](weft::future<> f) -> task<int> {
      co_await std::move(f);
      co_return value->value();
    };
    weft::future<int> late, chained;
    pool.run([&] {
      with(value, counted(9), [&] { late = weft::spawn(waits, std::move(gate)); });
      with(id, 4, [&] { chained = weft::spawn([] { return 1; }).then([](int v) { return v + *id; }); });
    });
    CHECK(counted::live() == 1);
    go.set_value();
    CHECK(late.get() == 9);
    CHECK(chained.get() == 5);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a child of a scope inherits from whoever spawns it, and may outlive that binding") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("local_test: scope");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> sum{0};
  auto const child = [&sum]() -> task<> { sum += co_await reads(); };
  auto const body = [&child](weft::scope& s) -> task<> {
    s.spawn(child);
    for (int i = 10; i < 13; ++i) with(id, i, [&] { s.spawn(child); });
    co_return;
  };
  pool.run([&body]() -> task<> { co_await with(id, 1, weft::with_scope(body)); });
  CHECK(sum == 1 + 10 + 11 + 12);
}

TEST_CASE("blocking calls, graphs and pipelines see the bindings of their caller") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("local_test: elsewhere");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const look = [] { return *id; };
  auto everywhere = [&look]() -> task<std::vector<int>> {
    std::vector<int> seen;
    seen.push_back(co_await weft::blocking(look));
    weft::graph g;
    auto const first = g.add(look);
    auto const second = g.add([](int before) { return before == *id ? *id : 0; }, first);
    g.run();
    seen.push_back(second.get());
    std::atomic<int> through{0};
    int next = 0;
    auto source = [&next]() -> std::optional<int> {
      if (next == 100) return std::nullopt;
      return next++;
    };
    auto stage = [](int) { return *id; };
    auto sink = [&through](int v) { through += v; };
    weft::pipeline(source) | weft::parallel(4, stage) | weft::into(sink);
    seen.push_back(through / 100);
    co_return seen;
  };
  auto const seen = pool.run([&everywhere]() -> task<std::vector<int>> { co_return co_await with(id, 3, everywhere); });
  CHECK(seen == std::vector<int>{3, 3, 3});
}

TEST_CASE("a generator and a stream see the bindings of whoever reads") {
  weft_test::watchdog const guard("local_test: generators");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  auto const generates = []() -> weft::generator<int> {
    for (;;) co_yield int{*id};
  };
  auto const streams = []() -> weft::stream<int> {
    for (;;) {
      co_await weft::this_task::yield();
      co_yield int{*id};
    }
  };
  auto g = generates();
  CHECK(with(id, 1, [&g] { return *g.begin(); }) == 1);
  auto const seen = pool.run([&streams]() -> task<std::vector<int>> {
    std::vector<int> got;
    auto s = streams();
    auto const next = [&s]() -> task<int> { co_return (co_await s.next()).value(); };
    got.push_back(co_await with(id, 1, next));
    got.push_back(co_await with(id, 2, next));
    got.push_back(co_await next());
    co_return got;
  });
  CHECK(seen == std::vector<int>{1, 2, -1});
}

TEST_CASE("a hundred tasks with bindings of their own do not see each other's") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("local_test: many");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const loops = []() -> task<bool> {
    int const mine = *id;
    bool right = true;
    for (int i = 0; i < 20; ++i) {
      co_await weft::this_task::yield();
      right = right && *id == mine && co_await with(id, mine + 1000, reads) == mine + 1000;
    }
    co_return right;
  };
  std::vector<weft::future<bool>> all;
  for (int i = 0; i < 100; ++i) all.push_back(pool.spawn(with(id, i, loops)));
  bool right = true;
  for (auto& f : all) right = f.get() && right;
  CHECK(right);
}

TEST_CASE("a task has the name that it was given, and so have its children; without one it has none") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("local_test: names");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const name = [] { return std::string(weft::this_task::name()); };
  auto const later = []() -> task<std::string> {
    co_await weft::this_task::yield();
    co_return std::string(weft::this_task::name());
  };
  CHECK(weft::this_task::name().empty());
  CHECK(pool.run(name).empty());
  CHECK(pool.run(weft::named("computes", name)) == "computes");
  CHECK(pool.spawn(weft::named("waits, under a name that is longer than a short string", later)).get() ==
        "waits, under a name that is longer than a short string");
  auto const family = [&]() -> task<std::string> {
    auto [a, b] = co_await weft::when_all(later(), weft::named("child", later));
    std::string const c = co_await weft::named("other", later());
    co_return a + " " + b + " " + c + " " + name();
  };
  CHECK(pool.run(weft::named("parent", family)) == "parent child other parent");
  std::string const both =
      with(id, 1, [&] { return weft::named("call", [&] { return name() + std::to_string(*id); })(); });
  CHECK(both == "call1");
}
