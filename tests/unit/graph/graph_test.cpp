#include "support/allocations.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/seeded.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/graph/graph.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::graph;
using weft::node;
using weft::task;
using weft_test::counted;

namespace {

std::vector<unsigned> with_three() {
  auto counts = weft_test::worker_counts();
  if (counts.size() > 1) counts.push_back(3);
  return counts;
}

[[gnu::noinline]] void work_for(std::chrono::nanoseconds time) {
  auto const end = weft::clock::now() + time;
  while (weft::clock::now() < end) {
  }
}

/// Runs g in both ways in turns.
void run_in(weft::pool& pool, graph& g, int turn) {
  if (turn % 2 == 0) pool.run([&g] { g.run(); });
  else pool.run([&g] { return g.run_async(); });
}

}  // namespace

static_assert(std::same_as<decltype(std::declval<graph&>().add([] { return 1; })), node<int>>);
static_assert(std::same_as<decltype(std::declval<graph&>().add([] {})), node<>>);
static_assert(std::same_as<decltype(std::declval<graph&>().add([]() -> task<char> { co_return 'c'; })), node<char>>);
static_assert(std::same_as<decltype(std::declval<graph&>().add([](int const& i) -> int const& { return i; },
                                                               std::declval<node<int>>())),
                           node<int const&>>);
static_assert(!std::copy_constructible<graph> && !std::movable<graph>);

TEST_CASE("a function is called with the results of its predecessors, in the order of its arguments") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("graph_test: results");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  graph g;
  int calls = 0;
  auto const a = g.add([] { return 3; });
  auto const b = g.add([](int i) { return std::to_string(i); }, a);
  auto const done = g.add([&calls] { ++calls; });
  auto const c = g.add([](std::string const& s, int const& i) { return s + '+' + std::to_string(i); }, b, done, a);
  auto const all = g.add(
      [](weft::node_results<int> r, std::string const& s) {
        int sum = 0;
        for (int i : r) sum += i;
        return s + '=' + std::to_string(sum) + '/' + std::to_string(r.size()) + '/' + std::to_string(r[1]);
      },
      std::vector{a, a}, c);
  auto const after = g.add([&calls] { return ++calls; }, all, std::array{done, done});
  CHECK(g.size() == 6);
  for (int turn = 0; turn < 4; ++turn) {
    run_in(pool, g, turn);
    CHECK(a.get() == 3);
    CHECK(c.get() == "3+3");
    CHECK(all.get() == "3+3=6/2/3");
    CHECK(calls == 2 * (turn + 1));
    CHECK(after.get() == calls);
    CHECK_NOTHROW(done.get());
  }
}

TEST_CASE("a graph without nodes runs, and so does one of one node") {
  weft_test::watchdog const guard("graph_test: small");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  graph g;
  for (int turn = 0; turn < 2; ++turn) run_in(pool, g, turn);
  int calls = 0;
  g.add([&calls] { ++calls; });
  for (int turn = 0; turn < 2; ++turn) run_in(pool, g, turn);
  CHECK(calls == 2);
}

TEST_CASE("results may be references, and what only moves stays where it is or is taken") {
  weft_test::watchdog const guard("graph_test: references, move-only");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  graph g;
  std::vector<int> data{1, 2, 3};
  auto const made = g.add([] { return std::make_unique<int>(7); });
  auto const seen = g.add([](std::unique_ptr<int> const& p) -> int& { return *p; }, made);
  auto const all = g.add([&data]() -> std::vector<int>& { return data; });
  auto const changed = g.add([](std::vector<int>& v, int& i) { v[0] = ++i; }, all, seen);
  auto const same = g.add([](std::vector<int> const& v) { return &v; }, all);
  pool.run([&g] { g.run(); });
  CHECK(data[0] == 8);
  CHECK(*made.get() == 8);
  CHECK(&all.get() == &data);
  CHECK(same.get() == &data);
  CHECK_NOTHROW(changed.get());
  auto const mine = made.take();
  CHECK(*mine == 8);
  pool.run([&g] { g.run(); });
  CHECK(*made.get() == 8);
}

TEST_CASE("in random graphs every function is called once in each run, after all of its predecessors") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("graph_test: random", 60s);
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 6; ++round) {
    auto const count = 1 + random.below(2000);
    auto const reach = 1 + random.below(60), most = random.below(5), waiting_every = 2 + random.below(200);
    graph g;
    std::vector<node<std::uint64_t>> nodes;
    std::vector<std::vector<std::size_t>> before(count);
    std::vector<std::atomic<int>> calls(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<node<std::uint64_t>> from;
      for (auto n = random.below(most + 1); n != 0 && i != 0; --n) {
        auto const other = i - 1 - random.below(std::min<std::size_t>(i, reach));
        before[i].push_back(other);
        from.push_back(nodes[other]);
      }
      auto const sum = [&calls, i](weft::node_results<std::uint64_t> r) {
        std::uint64_t all = i + 1;
        for (auto v : r) all += 31 * v;
        ++calls[i];
        return all;
      };
      if (i % waiting_every == 0)
        nodes.push_back(g.add(
            [sum](weft::node_results<std::uint64_t> r) -> task<std::uint64_t> {
              co_await weft::this_task::yield();
              co_return sum(r);
            },
            from));
      else nodes.push_back(g.add(sum, from));
    }
    std::vector<std::uint64_t> expected(count);
    for (std::size_t i = 0; i < count; ++i) {
      expected[i] = i + 1;
      for (auto const b : before[i]) expected[i] += 31 * expected[b];
    }
    for (int turn = 0; turn < 4; ++turn) {
      run_in(pool, g, turn);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < count; ++i) wrong += calls[i] != turn + 1 || nodes[i].get() != expected[i];
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("nodes that do not depend on each other run at the same time") {
  weft_test::watchdog const guard("graph_test: at the same time");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 4}};
  graph g;
  std::atomic<int> here{0}, there{0};
  auto const meet = [](std::atomic<int>& count) {
    ++count;
    while (count % 4 != 0) std::this_thread::yield();
  };
  std::vector<node<>> first;
  for (int i = 0; i < 4; ++i) first.push_back(g.add([&] { meet(here); }));
  auto const middle = g.add([] {}, first);
  for (int i = 0; i < 4; ++i) g.add([&] { meet(there); }, middle);
  for (int turn = 0; turn < 10; ++turn) run_in(pool, g, turn);
  CHECK(here == 40);
  CHECK(there == 40);
}

TEST_CASE("chains and fans of any length take no stack") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("graph_test: long", 60s);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  graph g;
  auto last = g.add([] { return 0; });
  for (int i = 0; i < 20'000; ++i) last = g.add([](int n) { return n + 1; }, last);
  std::vector<node<int>> fan;
  for (int i = 0; i < 20'000; ++i) fan.push_back(g.add([](int n) { return n; }, last));
  for (int i = 0; i < 5'000; ++i) fan.push_back(g.add([] { return 1; }));
  auto const sum = g.add(
      [](weft::node_results<int> r) {
        long long all = 0;
        for (int v : r) all += v;
        return all;
      },
      fan);
  for (int turn = 0; turn < 2; ++turn) {
    run_in(pool, g, turn);
    CHECK(sum.get() == 20'000LL * 20'000 + 5'000);
  }
}

TEST_CASE("what a function throws is thrown by the run; what depends on it is not called, and the graph runs again") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("graph_test: exceptions");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    graph g;
    int bad = -1;
    std::vector<node<counted>> nodes;
    std::array<std::atomic<int>, 30> calls{};
    for (int i = 0; i < 30; ++i) {
      auto const f = [&bad, &calls, i](weft::node_results<counted>) {
        ++calls[static_cast<std::size_t>(i)];
        if (i == bad) throw std::runtime_error(std::to_string(i));
        return counted(i);
      };
      std::vector<node<counted>> before;
      if (i >= 3) before = {nodes[static_cast<std::size_t>(i - 3)], nodes[static_cast<std::size_t>(i / 2)]};
      nodes.push_back(g.add(f, before));
    }
    for (int turn = 0; turn < 31; ++turn) {
      bad = turn;
      for (auto& c : calls) c = 0;
      if (bad == 30) {
        run_in(pool, g, turn);
      } else {
        CHECK_THROWS_WITH(run_in(pool, g, turn), std::to_string(bad));
        CHECK_THROWS_WITH(nodes[static_cast<std::size_t>(bad)].get(), std::to_string(bad));
      }
      for (int i = 0; i < 30; ++i) {
        auto const& n = nodes[static_cast<std::size_t>(i)];
        int const called = calls[static_cast<std::size_t>(i)];
        if (called > 1 || (bad == 30 && called != 1)) FAIL("called " << called << " times");
        if (called == 0) CHECK_THROWS_AS(n.get(), std::logic_error);
        else if (i != bad) CHECK(n.get().value() == i);
        if (i > bad && (i - bad) % 3 == 0) CHECK(called == 0);  // descends from it
      }
    }
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("of several failures that of the node added first is thrown, and a failure asks those that run to stop") {
  weft_test::watchdog const guard("graph_test: several failures");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 4}};
  graph g;
  std::atomic<int> here{0};
  for (int i = 0; i < 4; ++i) {
    g.add([&here, i] {
      ++here;
      while (here % 4 != 0) std::this_thread::yield();
      throw std::runtime_error(std::to_string(i));
    });
  }
  for (int turn = 0; turn < 4; ++turn) CHECK_THROWS_WITH(run_in(pool, g, turn), "0");

  graph stops;
  std::atomic<bool> begun{false};
  stops.add([&begun] {
    begun = true;
    weft::parallel_for(0, 1'000'000'000, [](int) { work_for(10us); }, {.grain = 1});  // hours
  });
  stops.add([&begun]() -> task<> {
    begun = true;
    co_await weft::sleep_for(1h);
  });
  stops.add([&begun] {
    while (!begun) std::this_thread::yield();
    throw std::runtime_error("enough");
  });
  for (int turn = 0; turn < 2; ++turn) CHECK_THROWS_WITH(run_in(pool, stops, turn), "enough");
}

TEST_CASE("a stop ends a graph between nodes, and what waits in it") {
  auto const workers = GENERATE(from_range(with_three()));
  bool const waits = GENERATE(false, true);
  weft_test::watchdog const guard("graph_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  graph g;
  std::atomic<int> calls{0};
  if (waits) {
    for (int i = 0; i < 3; ++i)
      g.add([&calls]() -> task<> {
        ++calls;
        co_await weft::sleep_for(1h);
      });
  } else {
    auto last = g.add([&calls] { ++calls; });
    for (int i = 0; i < 5'000; ++i)
      last = g.add(
          [&calls] {
            ++calls;
            work_for(1ms);
          },
          last);
  }
  for (int turn = 0; turn < 2; ++turn) {
    calls = 0;
    auto f = turn == 0 ? pool.spawn([&g] { g.run(); }) : pool.spawn([&g]() -> task<> {
      auto run = g.run_async();
      co_await run;
    });
    while (calls < 3) std::this_thread::yield();
    f.stop();
    CHECK_THROWS_AS(f.get(), weft::stopped);
  }
}

TEST_CASE("functions that wait do so at the same time, whichever way the graph is run") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("graph_test: waiting");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  graph g;
  std::atomic<int> here{0};
  std::vector<node<int>> all;
  auto const start = g.add([] { return 1; });
  for (int i = 0; i < 20; ++i) {
    all.push_back(g.add(
        [&here](int one) -> task<int> {
          ++here;
          while (here % 20 != 0) co_await weft::this_task::yield();
          co_return one;
        },
        start));
  }
  auto const sum = g.add(
      [](weft::node_results<int> r) -> task<int> {
        int n = 0;
        for (int v : r) n += v;
        co_await weft::sleep_for(100us);
        co_return n;
      },
      all);
  auto const after = g.add([](int n) { return n + 1; }, sum);
  for (int turn = 0; turn < 4; ++turn) {
    run_in(pool, g, turn);
    CHECK(after.get() == 21);
  }
}

TEST_CASE("plain threads run graphs with the default pool's help") {
  weft_test::watchdog const guard("graph_test: plain threads");
  std::array<long, 4> results{};
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&result] {
      graph g;
      std::vector<node<long>> parts;
      for (int i = 0; i < 200; ++i) {
        parts.push_back(g.add([i] {
          work_for(2us);
          return long{i};
        }));
      }
      auto const sum = g.add(
          [](weft::node_results<long> r) -> task<long> {
            long n = 0;
            for (long v : r) n += v;
            co_await weft::sleep_for(10us);
            co_return n;
          },
          parts);
      for (int turn = 0; turn < 5; ++turn) g.run();
      result = sum.get();
    });
  }
  for (auto& t : threads) t.join();
  CHECK(results == std::array<long, 4>{19900, 19900, 19900, 19900});
}

TEST_CASE("a graph in a node, in a loop, in a forked call; a lock may be held across a run") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("graph_test: nested", 60s);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::mutex lock;
  auto const fan = [](graph& g, auto f) {
    auto const first = g.add([] {});
    std::vector<node<>> all;
    for (int i = 0; i < 8; ++i) all.push_back(g.add(f, first));
    g.add([] {}, all);
  };
  std::atomic<int> leaves{0};
  auto const leaf = [&leaves] {
    work_for(1us);
    ++leaves;
  };
  auto const inner = [&] {
    std::lock_guard const guarded(lock);
    graph g;
    fan(g, leaf);
    g.run();
  };
  auto const outer = [&] {
    graph g;
    fan(g, inner);
    g.run();
  };
  pool.run([&] {
    weft::parallel_for(0, 6, [&](int) { outer(); }, {.grain = 1});
    weft::fork_join(outer, outer);
  });
  CHECK(leaves == 8 * 8 * 8);
}

TEST_CASE("a function that blocks on other work of the pool does not stop it") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("graph_test: blocking");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  graph g;
  auto const first = g.add([] {});
  std::atomic<int> sum{0};
  for (int i = 0; i < 20; ++i)
    g.add(
        [&sum] {
          sum += weft::run([]() -> task<int> {
            int const one = 1;
            co_await weft::sleep_for(100us);
            co_return one;
          });
        },
        first);
  for (int turn = 0; turn < 2; ++turn) run_in(pool, g, turn);
  CHECK(sum == 40);
}

TEST_CASE("a run allocates nothing") {
  weft_test::watchdog const guard("graph_test: allocations");
  weft_test::unmonitored_pool pool{{.workers = 1}};  // nobody waits, so no spare is started
  graph g;
  auto last = g.add([] { return 0; });
  for (int i = 0; i < 300; ++i) {
    auto const left = g.add([](int n) { return n; }, last), right = g.add([](int n) { return n + 1; }, last);
    last = g.add([](int a, int b) { return std::max(a, b); }, left, right);
  }
  pool.run([&] {
    g.run();
    auto const before = weft_test::allocation_count();
    for (int turn = 0; turn < 10; ++turn) g.run();
    CHECK(weft_test::allocation_count() == before);
  });
  CHECK(last.get() == 300);
}

TEST_CASE("nodes that are empty or another graph's are refused, and a running graph stays as it is") {
  weft_test::watchdog const guard("graph_test: misuse");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  graph g, other;
  auto const foreign = other.add([] { return 1; });
  node<int> const empty;
  CHECK(!empty);
  CHECK(foreign);
  CHECK_THROWS_AS(g.add([](int) {}, foreign), std::invalid_argument);
  CHECK_THROWS_AS(g.add([](int) {}, empty), std::invalid_argument);
  CHECK_THROWS_AS(g.add([](weft::node_results<int>) {}, std::vector{foreign, empty}), std::invalid_argument);
  CHECK(g.size() == 0);
  CHECK_THROWS_AS(foreign.get(), std::logic_error);
  CHECK_THROWS_AS(empty.get(), std::logic_error);

  std::string adding, running, awaiting;
  auto const message = [](auto f) -> std::string {
    try {
      f();
    } catch (std::logic_error const& e) {
      return e.what();
    }
    return "nothing was thrown";
  };
  g.add([&] {
    adding = message([&] { g.add([] {}); });
    running = message([&] { g.run(); });
    awaiting = message([&] { weft::run(g.run_async()); });
  });
  pool.run([&g] { g.run(); });
  CHECK(adding == "weft::graph: it is running");
  CHECK(running == adding);
  CHECK(awaiting == adding);
  CHECK(g.size() == 1);
}

TEST_CASE("an add without memory adds nothing") {
  weft_test::watchdog const guard("graph_test: no memory");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  graph g;
  auto const first = g.add([] { return 1; });
  std::size_t failures = 0;
  for (int nth = 0;; ++nth) {
    weft_test::failing_allocation const fails(nth);
    auto const before = g.size();
    try {
      g.add([](weft::node_results<int> r, int i) { return i + static_cast<int>(r.size()); }, std::vector{first, first},
            first);
    } catch (std::bad_alloc const&) {
      ++failures;
      CHECK(g.size() == before);
    }
    if (!fails.happened()) break;
  }
  CHECK(failures >= 3);
  pool.run([&g] { g.run(); });
  CHECK(first.get() == 1);
}

TEST_CASE("results and functions live as long as the graph, and no longer") {
  weft_test::watchdog const guard("graph_test: lives");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = 2}};
    graph g;
    auto const a = g.add([held = counted(5)] { return held; });
    g.add([](counted const& c) { return counted(c.value()); }, a);
    CHECK(counted::live() == 1);
    for (int turn = 0; turn < 3; ++turn) run_in(pool, g, turn);
    CHECK(counted::live() == 3);
  }
  CHECK(counted::live() == 0);
}
