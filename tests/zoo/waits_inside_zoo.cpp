// Plain waits inside a pool's own work: on most pools each takes a worker away until none is left.
#include "zoo/zoo.hpp"

#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/parallel/reduce.hpp>
#include <weft/sync/event.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::task;

TEST_CASE("a task that spawns others on its own pool and blocks until they have ended does so (taskflow#575)") {
  zoo::show("taskflow#575", [](weft::pool& pool) {
    int const sum = pool.run([] {
      std::vector<weft::future<int>> all;
      for (int i = 0; i < 20; ++i) all.push_back(weft::spawn([i] { return i; }));
      int total = 0;
      for (auto& f : all) total += f.get();
      return total;
    });
    CHECK(sum == 190);
  });
}

TEST_CASE("a recursion that waits for a future at every level needs no worker per level (BS::thread_pool#95)") {
  zoo::show("thread-pool#95", [](weft::pool& pool) {
    std::function<int(int)> const fib = [&fib](int n) -> int {
      if (n < 2) return n;
      auto left = weft::spawn([&fib, n] { return fib(n - 1); });
      int const right = fib(n - 2);
      return left.get() + right;
    };
    CHECK(pool.run([&fib] { return fib(12); }) == 144);
  });
}

TEST_CASE("every worker blocks on a result that only a task behind them can give (concurrencpp#61)") {
  zoo::show("concurrencpp#61", [](weft::pool& pool) {
    weft::promise<int> kept;
    auto promised = kept.get_future();
    std::mutex m;
    std::condition_variable cv;
    bool there = false;
    std::vector<weft::future<int>> waiting;
    for (int i = 0; i < 8; ++i) {
      waiting.push_back(pool.spawn([&] {
        std::unique_lock lock(m);
        cv.wait(lock, [&there] { return there; });
        return 1;
      }));
    }
    auto gives = pool.spawn([&] {
      std::lock_guard const lock(m);
      there = true;
      cv.notify_all();
      kept.set_value(1);
    });
    int sum = promised.get();
    for (auto& f : waiting) sum += f.get();
    gives.get();
    CHECK(sum == 9);
  });
}

TEST_CASE("a task that runs something on the pool it runs on, and blocks for it, goes on (stdexec#1305)") {
  zoo::show("stdexec#1305", [](weft::pool& pool) {
    auto sleeps = []() -> task<int> {
      co_await weft::sleep_for(1ms);
      co_return 1;
    };
    int const sum = pool.run([&]() -> task<int> {
      co_await weft::this_task::yield();
      co_return pool.run(sleeps) + weft::run([&] { return pool.run(sleeps) + weft::run(sleeps); });
    });
    CHECK(sum == 3);
  });
}

TEST_CASE("a worker that waits for what comes after a promise lets the pool keep the promise (folly#1160)") {
  zoo::show("folly#1160", [](weft::pool& pool) {
    int const v = pool.run([] {
      weft::promise<int> p;
      auto chained = p.get_future().then([](int i) { return i + 1; }).then([](int i) {
        return weft::spawn([i] { return i + 1; });
      });
      auto keeper = weft::spawn([&p]() -> task<> {
        co_await weft::sleep_for(1ms);
        p.set_value(1);
      });
      int const got = chained.get();
      keeper.get();
      return got;
    });
    CHECK(v == 3);
  });
}

TEST_CASE("waits that block in every worker at once, with more behind them, all end (folly#1864)") {
  zoo::show("folly#1864", [](weft::pool& pool) {
    auto waits_for_two = [] {
      auto a = weft::spawn([]() -> task<int> {
        co_await weft::sleep_for(1ms);
        co_return 1;
      });
      auto b = weft::spawn([] { return 1; });
      return a.get() + b.get();
    };
    std::vector<weft::future<int>> all;
    for (int i = 0; i < 16; ++i) all.push_back(pool.spawn(waits_for_two));
    int sum = 0;
    for (auto& f : all) sum += f.get();
    CHECK(sum == 32);
  });
}

TEST_CASE("a result that has to be produced on the thread that waits for it is produced there (stlab#222)") {
  zoo::show("stlab#222", [](weft::pool& pool) {
    int const v = pool.run([] {
      auto inner = weft::spawn([] { return weft::spawn([] { return weft::spawn([] { return 5; }).get(); }).get(); });
      return inner.get();
    });
    CHECK(v == 5);
  });
}

TEST_CASE("a parallel loop inside a parallel loop inside a task inside a loop ends (TileDB#1994)") {
  zoo::show("TileDB#1994", [](weft::pool& pool) {
    std::atomic<int> count{0};
    pool.run([&count] {
      weft::parallel_for(0, 8, [&count](int) {
        auto inner = weft::spawn([&count] {
          weft::parallel_for(0, 8, [&count](int) { weft::parallel_for(0, 8, [&count](int) { ++count; }); });
        });
        inner.get();
      });
    });
    CHECK(count == 512);
  });
}

TEST_CASE("tasks that block until all of them are there all come, many more than workers (tokio#4730)") {
  zoo::show("tokio#4730", [](weft::pool& pool) {
    constexpr int count = 6;
    std::barrier meeting(count);
    std::vector<weft::future<>> all;
    for (int i = 0; i < count; ++i) all.push_back(pool.spawn([&meeting] { meeting.arrive_and_wait(); }));
    for (auto& f : all) f.get();
  });
}

TEST_CASE("a timer fires while every worker spins until it has (tokio#4730, cascadia#128)") {
  zoo::show("tokio#4730, a timer", [](weft::pool& pool) {
    std::atomic<bool> fired{false};
    auto timer = pool.spawn([&fired]() -> task<> {
      co_await weft::sleep_for(2ms);
      fired = true;
    });
    std::vector<weft::future<>> spinning;
    for (unsigned i = 0; i < pool.size(); ++i)
      spinning.push_back(pool.spawn([&fired] {
        while (!fired) {
        }
      }));
    for (auto& f : spinning) f.get();
    timer.get();
  });
}

TEST_CASE("futures that are dropped inside the pool's work wait for nobody (std::async in a task)") {
  zoo::show("dropped futures", [](weft::pool& pool) {
    weft::event open;
    std::atomic<int> ended{0};
    pool.run([&] {
      for (int i = 0; i < 10; ++i) {
        // The temporary's end would be a wait, with std::async.
        static_cast<void>(weft::spawn([&]() -> task<> {
          co_await open.wait();
          ++ended;
        }));
      }
      open.set();
    });
    pool.shutdown(weft::drain_or_stop::drain);
    CHECK(ended == 10);
  });
}

TEST_CASE("two pools whose workers run things on each other and block for them go on (concurrencpp#61, two pools)") {
  zoo::show("two pools", [](weft::pool& pool) {
    weft::pool other{{.workers = 1}};
    std::function<int(int)> const to_and_fro = [&](int depth) -> int {
      if (depth == 0) return 0;
      weft::pool& next = depth % 2 == 0 ? pool : other;
      return 1 + next.run([&to_and_fro, depth] { return to_and_fro(depth - 1); });
    };
    auto one = pool.spawn([&] { return to_and_fro(9); });
    auto two = other.spawn([&] { return to_and_fro(8); });
    CHECK(one.get() + two.get() == 17);
  });
}

TEST_CASE("std::future and weft wait for each other across the border, on either side of the pool") {
  zoo::show("std::future", [](weft::pool& pool) {
    std::promise<int> from_outside;
    auto outside = from_outside.get_future();
    auto blocks = pool.spawn([&outside] { return outside.get(); });
    auto gives = pool.spawn([&from_outside] { from_outside.set_value(weft::spawn([] { return 4; }).get()); });
    CHECK(blocks.get() == 4);
    gives.get();
  });
}
