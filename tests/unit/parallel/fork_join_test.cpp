#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/base/results.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::fork_join;
using weft::task;
using weft_test::counted;

namespace {

int fib(int n) {
  if (n < 2) return n;
  auto [a, b] = fork_join([n] { return fib(n - 1); }, [n] { return fib(n - 2); });
  return a + b;
}

struct takes_time {
  int operator()() const {
    auto volatile sum = 0;
    for (int i = 0; i < 20'000; ++i) sum = sum + 1;
    return 1;
  }
};

}  // namespace

static_assert(std::same_as<decltype(fork_join([] { return 1; }, [] { return 'c'; })), weft::results<int, char>>);
static_assert(std::same_as<decltype(fork_join([] {}, [] {})), weft::results<weft::unit, weft::unit>>);
static_assert(std::same_as<decltype(fork_join([]() -> int& { throw 1; }, [] { return 1; })), weft::results<int&, int>>);

TEST_CASE("fork_join gives the results of from two to sixteen calls, in order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: arities");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  pool.run([] {
    auto [a, b] = fork_join([] { return 1; }, [] { return std::string("two"); });
    if (a != 1 || b != "two") throw std::logic_error("two");
    auto [c, d, e] = fork_join([] { return 1; }, [] { return 2L; }, [] { return '3'; });
    if (c != 1 || d != 2 || e != '3') throw std::logic_error("three");
    auto [f, g, h, i, j] = fork_join([] { return 1; }, [] {}, [] { return 3; }, takes_time(), [] { return 5; });
    if (f != 1 || !(g == weft::unit{}) || h != 3 || i != 1 || j != 5) throw std::logic_error("five");
    auto n = [](int v) { return [v] { return v; }; };
    auto [k, l, m, o, p, q, r, s, t, u, v, w, x, y, z, zz] = fork_join(
        n(1), n(2), n(3), n(4), n(5), n(6), n(7), n(8), n(9), n(10), n(11), n(12), n(13), n(14), n(15), n(16));
    int const all[] = {k, l, m, o, p, q, r, s, t, u, v, w, x, y, z, zz};
    for (int index = 0; index < 16; ++index)
      if (all[index] != index + 1) throw std::logic_error("sixteen");
  });
}

TEST_CASE("fork_join from a plain thread works on the default pool and gives the thread back") {
  weft_test::watchdog const guard("fork_join_test: from a plain thread");
  auto [a, b] = fork_join([] { return weft::pool::current(); }, [] { return weft::pool::current(); });
  CHECK(a == &weft::default_pool());
  CHECK(b == &weft::default_pool());
  CHECK(weft::pool::current() == nullptr);
  CHECK_THROWS_WITH(fork_join([] { throw std::runtime_error("left"); }, [] {}), "left");
  CHECK(weft::pool::current() == nullptr);
  CHECK(fib(15) == 610);
}

TEST_CASE("a recursion by fork_join gives what the plain one gives") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: fib", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK(pool.run(fib, 20) == 6765);
}

TEST_CASE("fork_join hands over references, what only moves and what can be neither copied nor made by default") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: kinds of results");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  struct no_default {
    explicit no_default(int v) : value(v) {}
    no_default(no_default&&) = default;
    int value;
  };
  int left = 0, right = 0;
  for (int i = 0; i < 100; ++i) {
    bool const right_ones = pool.run([&] {
      auto [a, b] =
          fork_join([&left]() -> int& { return left; }, [&right]() -> int& { return takes_time()() ? right : right; });
      auto [c, d] = fork_join([] { return std::make_unique<int>(1); }, [] { return std::make_unique<int>(2); });
      auto [e, f, g] =
          fork_join([] { return no_default(1); }, [] { return counted(2); }, [&left]() -> int& { return left; });
      return &a == &left && &b == &right && *c == 1 && *d == 2 && e.value == 1 && f.value() == 2 && &g == &left;
    });
    CHECK(right_ones);
  }
  CHECK(counted::live() == 0);
  CHECK(counted::copies() == 0);
}

TEST_CASE("callables are borrowed, not moved: they may be lvalues, const or move-only") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: callables");
  counted::reset();
  weft::pool pool{{.workers = workers}};
  auto stateful = [n = 0]() mutable { return ++n; };
  auto const constant = [c = counted(5)] { return c.value(); };
  auto owner = [p = std::make_unique<int>(7)] { return *p; };
  int const sum = pool.run([&] {
    auto [a, b] = fork_join(stateful, constant);
    auto [c, d, e] = fork_join(owner, stateful, constant);
    return a + b + c + d + e;
  });
  CHECK(sum == 1 + 5 + 7 + 2 + 5);
  CHECK(counted::copies() == 0);
  CHECK(counted::moves() == 0);
}

TEST_CASE("an exception from either side is thrown when both have ended, the lower index first") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: exceptions");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const fails = [](char const* what) {
    return [what]() -> counted {
      takes_time()();
      throw std::runtime_error(what);
    };
  };
  auto const gives = [] {
    takes_time()();
    return counted(1);
  };
  for (int i = 0; i < 50; ++i) {
    CHECK_THROWS_WITH(pool.run([&] { fork_join(fails("left"), gives); }), "left");
    CHECK_THROWS_WITH(pool.run([&] { fork_join(gives, fails("right")); }), "right");
    CHECK_THROWS_WITH(pool.run([&] { fork_join(fails("left"), fails("right")); }), "left");
    CHECK_THROWS_WITH(pool.run([&] { fork_join(gives, gives, fails("third"), fails("fourth"), gives); }), "third");
    CHECK_THROWS_WITH(
        pool.run([&] { fork_join(gives, fails("second"), fails("third"), gives, fails("fifth"), gives); }), "second");
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("what has not begun when the first call throws is not run, and what has is waited for") {
  weft_test::watchdog const guard("fork_join_test: not begun");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  int runs = 0;
  CHECK_THROWS_AS(pool.run([&runs] { fork_join([] { throw 1; }, [&runs] { ++runs; }); }), int);
  CHECK_THROWS_AS(
      pool.run([&runs] { fork_join([] { throw 1; }, [&runs] { ++runs; }, [&runs] { ++runs; }, [&runs] { ++runs; }); }),
      int);
  CHECK(runs == 0);

  weft::pool two{{.workers = 2}};
  for (int i = 0; i < 50; ++i) {
    std::atomic<int> begun{0}, ended{0};
    CHECK_THROWS_AS(two.run([&] {
      fork_join([] { takes_time()(), throw 1; },
                [&] {
                  ++begun;
                  takes_time()();
                  ++ended;
                });
    }),
                    int);
    CHECK(begun == ended);
  }
}

namespace {

/// Fails to be moved on the second move: out of a call, and into the results.
struct fails_to_move {
  explicit fails_to_move(bool f) : fails(f) {}
  fails_to_move(fails_to_move&& other) : fails(other.fails) {
    if (fails) throw std::runtime_error("move");
  }
  bool fails;
  counted held{1};
};

}  // namespace

TEST_CASE("a first result that cannot be moved waits for the call that was taken") {
  auto const workers = GENERATE(1u, 2u);
  weft_test::watchdog const guard("fork_join_test: a move that fails");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    for (int i = 0; i < 20; ++i) {
      std::atomic<int> begun{0}, ended{0};
      auto const waits = [&] {
        for (int k = 0; k < 10'000 && begun == 0; ++k) std::this_thread::yield();
        return fails_to_move(true);
      };
      auto const takes = [&] {
        ++begun;
        takes_time()();
        ++ended;
        return counted(2);
      };
      CHECK_THROWS_WITH(pool.run([&] { fork_join(waits, takes); }), "move");
      CHECK(begun == ended);
      auto const moves = [&] {
        for (int k = 0; k < 10'000 && begun == 1; ++k) std::this_thread::yield();
        return fails_to_move(false);
      };
      pool.run([&] {
        auto const [first, second] = fork_join(moves, takes);
        if (first.held.value() != 1 || second.value() != 2) throw std::logic_error("wrong result");
      });
    }
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a call that was taken is asked to stop when the other throws") {
  weft_test::watchdog const guard("fork_join_test: stop of the other side");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  for (int i = 0; i < 20; ++i) {
    std::atomic<bool> begun{false};
    CHECK_THROWS_WITH(pool.run([&] {
      fork_join(
          [&begun] {
            // Long enough for the other worker to come, and no longer than for ever where it does not.
            for (int k = 0; k < 200'000 && !begun; ++k) std::this_thread::yield();
            throw std::runtime_error("enough");
          },
          [&begun] {
            begun = true;
            while (!weft::this_task::stop_token().stop_requested()) std::this_thread::yield();
          });
    }),
                      "enough");
  }
}

TEST_CASE("both sides see the stop token of the task that forks") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: stop token");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> go{false};
  std::atomic<int> told{0};
  auto f = pool.spawn([&] {
    auto const look = [&] {
      go = true;
      while (!weft::this_task::stop_token().stop_requested()) std::this_thread::yield();
      ++told;
    };
    fork_join(look, look, look);
  });
  while (!go) std::this_thread::yield();
  f.stop();
  f.get();
  CHECK(told == 3);
}

TEST_CASE("a lock held across fork_join does not deadlock through an unrelated job") {
  // rayon-rs/rayon#592: many jobs take one lock and fork inside; a waiting thread that ran another of them would deadlock.
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: a lock across fork_join", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::mutex lock;
  int inside = 0, wrong = 0;  // guarded by lock
  auto job = [&] {
    std::lock_guard const hold(lock);
    wrong += inside++ != 0;
    fork_join(takes_time(), takes_time(), takes_time(), takes_time());
    --inside;
  };
  pool.run([&job] {
    std::vector<weft::future<>> all;
    for (int i = 0; i < 100; ++i) all.push_back(weft::spawn(job));
    fork_join(job, job, job, job);
    for (auto& f : all) f.get();
  });
  CHECK(wrong == 0);
}

TEST_CASE("a recursive lock shows that a join runs nothing of its caller's other work") {
  // With a recursive mutex, foreign work on the same stack would get in.
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: a recursive lock", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::recursive_mutex lock;
  int inside = 0, wrong = 0;  // guarded by lock
  auto critical = [&] {
    std::lock_guard const hold(lock);
    wrong += inside++ != 0;
    fork_join(takes_time(), takes_time());
    --inside;
  };
  auto split = [&critical](auto& self, int n) -> void {
    if (n == 0) return critical();
    fork_join([&self, n] { self(self, n - 1); }, [&self, n] { self(self, n - 1); });
  };
  pool.run([&split] { split(split, 6); });
  CHECK(wrong == 0);
}

TEST_CASE("fork_join inside tasks, tasks inside fork_join, and both inside each other") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: with tasks", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto mixed = [](auto& self, int depth) -> task<int> {
    if (depth == 0) {
      co_await weft::this_task::yield();
      co_return 1;
    }
    auto [a, b] = fork_join([&self, depth] { return weft::run([&self, depth] { return self(self, depth - 1); }); },
                            [] { return fib(8); });
    co_await weft::this_task::yield();
    auto [c, d] = fork_join([] { return fib(5); }, [] { return 1; });
    co_return a + b - 21 + c - 5 + d - 1 + 1;
  };
  CHECK(pool.run([&mixed] { return mixed(mixed, 6); }) == 7);
}

TEST_CASE("fork_join of bodies that wait is awaited") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: waiting bodies");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const sum = pool.run([]() -> task<int> {
    auto waits = [](int v) {
      return [v]() -> task<int> {
        int const kept = v;
        co_await weft::this_task::yield();
        co_return kept;
      };
    };
    auto const one = waits(1), ten = waits(10);
    auto [a, b, c] = co_await fork_join(one, ten, [] { return 100; });
    co_return a + b + c;
  });
  CHECK(sum == 111);
}

TEST_CASE("a sort by fork_join sorts, whatever the workers") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: sort", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::uint64_t> values(weft::detail::small_capacities ? 20'000 : 200'000);
  for (auto& v : values) v = random.below(values.size());
  auto expected = values;
  std::sort(expected.begin(), expected.end());
  auto sort = [](auto& self, std::uint64_t* first, std::uint64_t* last) -> void {
    if (last - first < 100) return std::sort(first, last);
    auto* const middle = first + (last - first) / 2;
    fork_join([&self, first, middle] { self(self, first, middle); },
              [&self, middle, last] { self(self, middle, last); });
    std::inplace_merge(first, middle, last);
  };
  pool.run([&] { sort(sort, values.data(), values.data() + values.size()); });
  CHECK(values == expected);
}

TEST_CASE("a recursion deeper than the deque still gives the right result") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("fork_join_test: deep", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  // One item of the deque for each level; 1024 fit under sanitizers.
  auto deep = [](auto& self, int n) -> int {
    if (n == 0) return 0;
    auto [a, b] = fork_join([&self, n] { return self(self, n - 1); }, [] { return 1; });
    return a + b;
  };
  CHECK(pool.run([&deep] { return deep(deep, 3000); }) == 3000);
}

TEST_CASE("many plain threads fork at once, more than there are places for them to join in") {
  int const count = GENERATE(1, 8, 100);
  weft_test::watchdog const guard("fork_join_test: plain threads", std::chrono::seconds(60));
  std::atomic<int> wrong{0}, here{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < count; ++t)
    threads.emplace_back([&] {
      ++here;
      while (here < count) std::this_thread::yield();
      for (int i = 0; i < 20; ++i) {
        auto [a, b, c] = fork_join([] { return fib(10); }, [i] { return i; }, [&here] { return here.load(); });
        wrong += a != 55 || b != i || c != count;
        try {
          fork_join([] { takes_time()(); }, [] { throw std::runtime_error("right"); });
          ++wrong;
        } catch (std::runtime_error const&) {
        }
      }
    });
  for (auto& t : threads) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("while a worker is blocked a spare takes what another one forks") {
  weft_test::watchdog const guard("fork_join_test: spare for a fork", std::chrono::seconds(60));
  for (int round = 0; round < 6; ++round) {
    weft::pool pool{{.workers = 2}};
    weft::promise<> let_go;
    std::atomic<bool> blocks{false};
    auto blocked = pool.spawn([&blocks, f = let_go.get_future()]() mutable {
      blocks = true;
      f.get();
    });
    pool.run([&] {
      while (!blocks) std::this_thread::yield();
      // Forks that nobody asks for, before the other one is blocked and after.
      for (int i = 0; i < 1000; ++i) weft::fork_join([] {}, [] {});
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (round % 2 == 0) weft::fork_join([] {}, [] {});
      std::atomic<bool> taken{false};
      weft::fork_join(
          [&] {
            while (!taken) std::this_thread::yield();
          },
          [&] { taken = true; });
    });
    let_go.set_value();
    blocked.get();
  }
}
