// Stops that go astray, ends of pools, and tasks that keep others from their turn.
#include "zoo/zoo.hpp"

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/channel/channel.hpp>
#include <weft/combine/race.hpp>
#include <weft/combine/select.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/combine/when_any.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/pipe.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/scope/scope.hpp>
#include <weft/sync/event.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::task;

TEST_CASE("a stop that comes as a timed call ends is seen at the next wait, and not swallowed (cpython#86296)") {
  zoo::show("cpython#86296", [](weft::pool& pool) {
    for (int i = 0; i < 20; ++i) {
      std::atomic<bool> running{false};
      auto f = pool.spawn([&running]() -> task<> {
        // Without the stop it never ends.
        for (;;) {
          running = true;
          co_await weft::timeout(1h, weft::this_task::yield());
          co_await weft::this_task::checkpoint();
        }
      });
      while (!running) std::this_thread::yield();
      f.stop();
      CHECK_THROWS_AS(f.get(), weft::stopped);
    }
  });
}

TEST_CASE("a stop before, while or after a wait begins ends it (asio#1574)") {
  zoo::show("asio#1574", [](weft::pool& pool) {
    for (int i = 0; i < 40; ++i) {
      auto f = pool.spawn([]() -> task<> { co_await weft::sleep_for(1h); });
      for (int turn = 0; turn < i % 8; ++turn) std::this_thread::yield();
      f.stop();
      CHECK_THROWS_AS(f.get(), weft::stopped);
    }
  });
}

TEST_CASE("children that end inside of the call that stops them take nothing away from it (stdexec#2115)") {
  zoo::show("stdexec#2115", [](weft::pool& pool) {
    pool.run([]() -> task<> {
      for (int i = 0; i < 100; ++i) {
        weft::event never;
        auto waits = [&never]() -> task<> { co_await never.wait(); };
        auto ends = []() -> task<> { co_await weft::this_task::yield(); };
        auto first = weft::when_any(waits(), waits(), ends(), waits(), ends(), waits());
        static_cast<void>(co_await std::move(first));
        auto raced = weft::race(waits(), ends(), waits(), ends());
        co_await std::move(raced);
      }
    });
  });
}

TEST_CASE("what waits for a thing that never comes ends with its timeout (corosio#119)") {
  zoo::show("corosio#119", [](weft::pool& pool) {
    weft::event never;
    weft::channel<int> silent(0);
    CHECK_THROWS_AS(pool.run(weft::timeout(1ms, never.wait())), weft::timed_out);
    CHECK_THROWS_AS(pool.run(weft::timeout(1ms, silent.receive())), weft::timed_out);
    CHECK_THROWS_AS(pool.run(weft::timeout(1ms, silent.send(1))), weft::timed_out);
    CHECK_THROWS_AS(pool.run(weft::timeout(1ms, weft::when_all(never.wait(), silent.receive()))), weft::timed_out);
  });
}

TEST_CASE(
    "a message whose receiver goes on with something else is not lost: the stream comes to its end (tokio#5947)") {
  zoo::show("tokio#5947", [](weft::pool& pool) {
    int const received = pool.run([]() -> task<int> {
      weft::channel<int> messages(0);
      auto sends = [&messages]() -> task<> {
        for (int i = 0; i < 200; ++i) co_await messages.send(i);
        messages.close();
      };
      auto sender = weft::spawn(sends);
      int got = 0;
      for (bool open = true; open;) {
        co_await weft::select(weft::on(messages.receive(),
                                       [&](std::optional<int> v) {
                                         open = v.has_value();
                                         got += open;
                                       }),
                              weft::on(weft::sleep_for(20us), [] {}));
      }
      co_await std::move(sender);
      co_return got;
    });
    CHECK(received == 200);
  });
}

TEST_CASE("a blocking call that looks at its task's token ends when the task is stopped (cpython#107505)") {
  zoo::show("cpython#107505", [](weft::pool& pool) {
    std::atomic<bool> begun{false};
    auto f = pool.spawn([&begun]() -> task<int> {
      auto const token = weft::this_task::stop_token();
      auto call = weft::blocking([&begun, token] {
        begun = true;
        while (!token.stop_requested()) std::this_thread::sleep_for(100us);
        return 1;
      });
      co_return co_await call;
    });
    while (!begun) std::this_thread::yield();
    f.stop();
    CHECK(f.get() == 1);
  });
}

TEST_CASE("a pool ends while blocking calls are under way and others wait for a thread (tokio#2119, tokio#6463)") {
  zoo::show("tokio#2119", [](weft::pool& pool) {
    static_cast<void>(pool);
    std::atomic<int> ended{0};
    {
      weft::pool small{{.workers = 1, .max_blocking = 1}};
      std::vector<weft::future<>> dropped;
      for (int i = 0; i < 8; ++i) {
        dropped.push_back(small.spawn([&ended]() -> task<> {
          weft::detail::scope_exit const counts([&ended] { ++ended; });
          auto call = weft::blocking([] { std::this_thread::sleep_for(1ms); });
          co_await call;
        }));
      }
    }
    CHECK(ended == 8);
  });
}

TEST_CASE("tasks that start tasks while their pool is told to end: all of them end (libcoro#420, tensorflow#932)") {
  zoo::show("libcoro#420", [](weft::pool& pool) {
    std::atomic<int> begun{0}, ended{0};
    auto tree = [&](auto self, int depth) -> task<> {
      ++begun;
      weft::detail::scope_exit const counts([&ended] { ++ended; });
      for (int i = 0; i < 3 && depth != 0; ++i) static_cast<void>(weft::spawn(self, self, depth - 1));
      co_await weft::this_task::yield();
    };
    {
      weft::pool other{{.workers = pool.size()}};
      static_cast<void>(other.spawn(tree, tree, 5));
      while (begun < 5) std::this_thread::yield();
    }
    CHECK(begun == ended);
  });
}

TEST_CASE("a pool ends although its tasks wait for events that nobody will set (capy#216)") {
  zoo::show("capy#216", [](weft::pool& pool) {
    weft::event never;
    std::atomic<int> waiting{0}, ended{0};
    {
      weft::pool other{{.workers = pool.size()}};
      std::vector<weft::future<>> all;
      for (int i = 0; i < 20; ++i) {
        all.push_back(other.spawn([&]() -> task<> {
          weft::detail::scope_exit const counts([&ended] { ++ended; });
          ++waiting;
          co_await weft::when_all(never.wait(), weft::sleep_for(1h));
        }));
      }
      while (waiting < 20) std::this_thread::yield();
    }
    CHECK(ended == 20);
  });
}

TEST_CASE("two tasks that wake each other for ever do not keep the one that stops them from its turn (tokio#2349)") {
  zoo::show("tokio#2349", [](weft::pool& pool) {
    weft::channel<int> there(0), back(0);
    auto ping = [&]() -> task<> {
      for (;;) {
        co_await there.send(1);
        co_await back.receive();
      }
    };
    auto pong = [&]() -> task<> {
      for (;;) {
        co_await there.receive();
        co_await back.send(1);
      }
    };
    auto both = pool.spawn(weft::when_all(ping, pong));
    auto stops = pool.spawn([&both] { both.stop(); });
    stops.get();
    CHECK_THROWS_AS(both.get(), weft::stopped);
  });
}

TEST_CASE("bytes arrive while every worker computes until they have (datafusion#13692)") {
  zoo::show("datafusion#13692", [](weft::pool& pool) {
    std::atomic<bool> arrived{false};
    weft::pipe p;
    auto reads = pool.spawn([&]() -> task<> {
      std::byte byte{};
      co_await p.reader.read_exactly(std::span(&byte, 1));
      arrived = true;
    });
    std::vector<weft::future<>> computing;
    for (unsigned i = 0; i < pool.size(); ++i) {
      computing.push_back(pool.spawn([&arrived] {
        while (!arrived) weft::parallel_for(0, 10'000, [](int) {});
      }));
    }
    auto writes = pool.spawn([&]() -> task<> { co_await p.writer.write("x"); });
    for (auto& f : computing) f.get();
    reads.get();
    writes.get();
  });
}

TEST_CASE("with room for one child at a time, children that start children come to an end (cpython#115201)") {
  zoo::show("cpython#115201", [](weft::pool& pool) {
    std::atomic<int> children{0};
    pool.run([&children]() -> task<> {
      auto body = [&children](weft::scope& s) {
        auto child = [&children, &s](auto self, int depth) -> task<> {
          ++children;
          if (depth != 0) s.spawn(self, self, depth - 1);
          co_await weft::this_task::yield();
        };
        s.spawn(child, child, 20);
      };
      auto all = weft::with_scope(std::move(body), {.limit = 1});
      co_await std::move(all);
    });
    CHECK(children == 21);
  });
}
