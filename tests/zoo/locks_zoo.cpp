// Locks held across parallel work, and queues from which somebody vanishes: a waiter that takes up foreign work meets the lock that
// it holds itself, and a wake-up that goes to somebody who has left is lost.
#include "zoo/zoo.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/channel/actor.hpp>
#include <weft/channel/channel.hpp>
#include <weft/combine/select.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/combine/when_any.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/graph/graph.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/parallel/reduce.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::task;

TEST_CASE("a lock held across a parallel loop is not wanted by the thread that holds it (rayon#592)") {
  zoo::show("rayon#592", [](weft::pool& pool) {
    std::mutex m;
    long total = 0;
    std::vector<weft::future<>> all;
    for (int i = 0; i < 16; ++i) {
      all.push_back(pool.spawn([&m, &total] {
        std::lock_guard const lock(m);
        std::atomic<int> sum{0};
        weft::parallel_for(0, 200, [&sum](int j) { sum += j; });
        total += sum;
      }));
    }
    for (auto& f : all) f.get();
    CHECK(total == 16 * 19'900);
  });
}

TEST_CASE("something made once, by a parallel loop, is made while all others wait for it (rayon#1251)") {
  zoo::show("rayon#1251", [](weft::pool& pool) {
    std::once_flag once;
    int table = 0;
    std::atomic<int> seen{0};
    pool.run([&] {
      weft::parallel_for(0, 64,
                         [&](int) {
                           std::call_once(once, [&table] {
                             std::atomic<int> sum{0};
                             weft::parallel_for(0, 100, [&sum](int i) { sum += i; });
                             table = sum;
                           });
                           seen += table;
                         },
                         {.grain = 1});
    });
    CHECK(seen == 64 * 4950);
  });
}

TEST_CASE("both sides of a fork hold the same lock across a parallel reduction (rayon#1142)") {
  zoo::show("rayon#1142", [](weft::pool& pool) {
    std::mutex m;
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 0);
    auto side = [&] {
      std::lock_guard const lock(m);
      return weft::parallel_reduce(numbers, 0);
    };
    int const sum = pool.run([&] {
      auto [a, b, c, d] = weft::fork_join(side, side, side, side);
      return a + b + c + d;
    });
    CHECK(sum == 4 * 499'500);
  });
}

TEST_CASE("a lock held while a future is waited for is not wanted by whoever waits (feral#104)") {
  zoo::show("feral#104", [](weft::pool& pool) {
    std::mutex m;
    int total = 0;
    std::vector<weft::future<>> all;
    for (int i = 0; i < 12; ++i) {
      all.push_back(pool.spawn([&m, &total] {
        std::lock_guard const lock(m);
        auto one = weft::spawn([]() -> task<int> {
          co_await weft::this_task::yield();
          co_return 1;
        });
        total += one.get();
      }));
    }
    for (auto& f : all) f.get();
    CHECK(total == 12);
  });
}

TEST_CASE("a lock held across the run of a graph, by tasks that all want it (TileDB#1994)") {
  zoo::show("TileDB#1994, a graph", [](weft::pool& pool) {
    std::mutex m;
    std::atomic<int> nodes{0};
    std::vector<weft::future<>> all;
    for (int i = 0; i < 8; ++i) {
      all.push_back(pool.spawn([&] {
        std::lock_guard const lock(m);
        weft::graph g;
        auto first = g.add([&nodes] { ++nodes; });
        auto left = g.add([&nodes] { ++nodes; }, first);
        auto right = g.add([&nodes] { ++nodes; }, first);
        g.add([&nodes] { ++nodes; }, left, right);
        g.run();
      }));
    }
    for (auto& f : all) f.get();
    CHECK(nodes == 32);
  });
}

TEST_CASE("tasks that hold a mutex across waits and parallel loops all have their turn (foyer#42)") {
  zoo::show("foyer#42", [](weft::pool& pool) {
    int const total = pool.run([]() -> task<int> {
      weft::mutex m;
      int sum = 0;
      auto one = [&]() -> task<> {
        auto const lock = co_await m.lock();
        co_await weft::this_task::yield();
        std::atomic<int> count{0};
        weft::parallel_for(0, 50, [&count](int) { ++count; });
        sum += count;
      };
      std::vector<task<>> tasks;
      for (int i = 0; i < 50; ++i) tasks.push_back(one());
      auto all = weft::when_all(std::move(tasks));
      co_await std::move(all);
      co_return sum;
    });
    CHECK(total == 2500);
  });
}

TEST_CASE("stops from a stop callback that wants the lock its task holds at that moment (libunifex#670)") {
  zoo::show("libunifex#670", [](weft::pool& pool) {
    for (int i = 0; i < 20; ++i) {
      std::mutex m;
      std::atomic<bool> called{false};
      auto f = pool.spawn([&]() -> task<> {
        weft::stop_callback const wants_lock(weft::this_task::stop_token(), [&] {
          std::lock_guard const lock(m);
          called = true;
        });
        {
          std::lock_guard const lock(m);
          std::this_thread::yield();
        }
        co_await weft::sleep_for(1h);
      });
      f.stop();
      CHECK_THROWS_AS(f.get(), weft::stopped);
      CHECK(called);
    }
  });
}

TEST_CASE("a permit that reaches a task as it leaves the queue goes to the next one (tokio, semaphore and timeout)") {
  zoo::show("permits and timeouts", [](weft::pool& pool) {
    int const in_time = pool.run([]() -> task<int> {
      weft::semaphore permits(1);
      std::atomic<int> got{0};
      auto impatient = [&](int i) -> task<> {
        try {
          auto const permit = co_await weft::timeout(std::chrono::microseconds(i % 50), permits.acquire());
          ++got;
          co_await weft::this_task::yield();
        } catch (weft::timed_out const&) {
        }
      };
      std::vector<task<>> tasks;
      for (int i = 0; i < 300; ++i) tasks.push_back(impatient(i));
      auto all = weft::when_all(std::move(tasks));
      co_await std::move(all);
      // Were one lost, this would wait for ever.
      auto const last = co_await permits.acquire();
      co_return got;
    });
    CHECK(in_time <= 300);
  });
}

TEST_CASE("a notification that reaches a waiter that is being stopped wakes somebody else (cpython, Condition)") {
  zoo::show("notifications and stops", [](weft::pool& pool) {
    pool.run([]() -> task<> {
      weft::mutex m;
      weft::condition_variable cv;
      for (int round = 0; round < 30; ++round) {
        int tokens = 0, taken = 0;
        auto takes = [&]() -> task<> {
          auto lock = co_await m.lock();
          co_await cv.wait(lock, [&tokens] { return tokens != 0; });
          --tokens;
          ++taken;
        };
        auto leaves = weft::spawn(takes);
        auto stays = weft::spawn(takes);
        co_await weft::this_task::yield();
        {
          auto const lock = co_await m.lock();
          ++tokens;
          cv.notify_one();
        }
        leaves.stop();
        bool left_empty_handed = false;
        try {
          co_await std::move(leaves);
        } catch (weft::stopped const&) {
          left_empty_handed = true;
        }
        if (!left_empty_handed) {
          auto const lock = co_await m.lock();
          ++tokens;
          cv.notify_one();
        }
        co_await std::move(stays);
      }
    });
  });
}

TEST_CASE("two tasks that each send to the other and receive from it meet, also without buffers (Go, select)") {
  zoo::show("mutual sends", [](weft::pool& pool) {
    int const got = pool.run([]() -> task<int> {
      weft::channel<int> there(0), back(0);
      auto talks = [](weft::channel<int>& out, weft::channel<int>& in) -> task<int> {
        int sent = 0, received = 0;
        while (sent < 100 || received < 100) {
          if (sent == 100) received += (co_await in.receive()).has_value();
          else if (received == 100) sent += co_await out.send(1);
          else
            co_await weft::select(weft::on(out.send(1), [&sent] { ++sent; }),
                                  weft::on(in.receive(), [&received](std::optional<int>) { ++received; }));
        }
        co_return received;
      };
      auto [a, b] = co_await weft::when_all(talks(there, back), talks(back, there));
      co_return a + b;
    });
    CHECK(got == 200);
  });
}

TEST_CASE("a ring of tasks with channels of capacity one passes its token round on any number of workers (Go, ring)") {
  zoo::show("a ring", [](weft::pool& pool) {
    int const token = pool.run([]() -> task<int> {
      constexpr std::size_t members = 50;
      std::deque<weft::channel<int>> links;
      for (std::size_t i = 0; i < members; ++i) links.emplace_back(1);
      auto member = [](weft::channel<int>& in, weft::channel<int>& out) -> task<> {
        while (auto const v = co_await in.receive())
          if (!co_await out.send(*v + 1)) break;
        out.close();
      };
      std::vector<task<>> all;
      for (std::size_t i = 1; i < members; ++i) all.push_back(member(links[i - 1], links[i]));
      auto others = weft::spawn(weft::when_all(std::move(all)));
      int v = 0;
      for (int round = 0; round < 20; ++round) {
        co_await links.front().send(v);
        v = (co_await links.back().receive()).value();
      }
      links.front().close();
      co_await std::move(others);
      co_return v;
    });
    CHECK(token == 20 * 49);
  });
}

TEST_CASE("actors that post to each other while they are called all get to the end (actix, a cycle of actors)") {
  zoo::show("a cycle of actors", [](weft::pool& pool) {
    struct counter {
      int value = 0;
    };
    int const sum = pool.run([]() -> task<int> {
      weft::actor<counter> a, b;
      auto ping = [&b](counter& c) -> task<> {
        ++c.value;
        b.post([](counter& other) { ++other.value; });
        // Waits for the other while it is itself waited for.
        co_await b.call([](counter& other) { ++other.value; });
      };
      for (int i = 0; i < 50; ++i) {
        a.post(ping);
        co_await a.call(ping);
      }
      int const of_a = co_await a.call([](counter& c) { return c.value; });
      int const of_b = co_await b.call([](counter& c) { return c.value; });
      co_return of_a + of_b;
    });
    CHECK(sum == 300);
  });
}
