// Scopes that fail or are stopped, one in the other too: who is asked to stop, what is thrown, and that all have ended before.
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/combine/shield.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

using namespace std::chrono_literals;
using weft::scope;
using weft::task;
using weft::with_scope;

namespace {

/// Those who wait until they are stopped.
struct crowd {
  std::atomic<int> begun{0}, stopped{0};

  task<> waits() {
    ++begun;
    bool asked = false;
    try {
      co_await weft::sleep_for(1h);
    } catch (weft::stopped const&) {
      asked = true;
    }
    if (!asked) co_return;
    ++stopped;
    throw weft::stopped();
  }
  /// Stopped, it fails.
  task<> fails_when_stopped(char const* what) {
    ++begun;
    bool asked = false;
    try {
      co_await weft::sleep_for(1h);
    } catch (weft::stopped const&) {
      asked = true;
    }
    if (asked) throw std::runtime_error(what);
  }
  task<> fails_when_begun(int count, char const* what) {
    while (begun < count) co_await weft::this_task::yield();
    throw std::runtime_error(what);
  }
};

}  // namespace

TEST_CASE(
    "a child that fails when the body has ended stops the others, and what comes after the scope is not reached") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: after the body");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd c;
  bool reached = false;
  CHECK_THROWS_WITH(pool.run([&]() -> task<> {
    co_await with_scope([&c](scope& s) {
      for (int i = 0; i < 3; ++i) s.spawn(&crowd::waits, &c);
      s.spawn(&crowd::fails_when_begun, &c, 3, "a child");
    });
    reached = true;
  }),
                    "a child");
  CHECK(c.stopped == 3);
  CHECK_FALSE(reached);
}

TEST_CASE("where several children fail, the body and those that wait are stopped, and one of the failures is thrown") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: several failures");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd c;
  CHECK_THROWS_WITH(pool.run(with_scope([&c](scope& s) -> task<> {
    for (int i = 0; i < 3; ++i) s.spawn(&crowd::fails_when_begun, &c, 2, "one of three");
    s.spawn(&crowd::waits, &c);
    co_await c.waits();
  })),
                    "one of three");
  CHECK(c.stopped == 2);
}

TEST_CASE("a stop from outside reaches the body and each child once, and all have ended when it comes out") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: stop from outside");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd c;
  auto f = pool.spawn(with_scope([&c](scope& s) -> task<> {
    for (int i = 0; i < 5; ++i) s.spawn(&crowd::waits, &c);
    co_await c.waits();
  }));
  while (c.begun != 6) std::this_thread::yield();
  CHECK_FALSE(f.ready());
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(c.stopped == 6);
}

TEST_CASE("what children throw when they are stopped from outside comes out, through all the scopes around them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: failures under a stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd c;
  auto f = pool.spawn(with_scope([&c](scope& outer) -> task<> {
    outer.spawn(&crowd::waits, &c);
    co_await with_scope([&c](scope& s) -> task<> {
      for (int i = 0; i < 3; ++i) s.spawn(&crowd::fails_when_stopped, &c, "while it was stopped");
      co_await c.waits();
    });
  }));
  while (c.begun != 5) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_WITH(f.get(), "while it was stopped");
  CHECK(c.stopped == 2);
}

TEST_CASE("a failure of the outer scope stops the inner one in its body, and is what is thrown") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: from the outside in");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd c;
  CHECK_THROWS_WITH(pool.run(with_scope([&c](scope& outer) -> task<> {
    outer.spawn(&crowd::fails_when_begun, &c, 2, "outside");
    co_await with_scope([&c](scope& s) {
      for (int i = 0; i < 2; ++i) s.spawn(&crowd::waits, &c);
    });
  })),
                    "outside");
  CHECK(c.stopped == 2);
}

TEST_CASE("a failure of the inner scope goes through the body to the outer one and stops its children") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: from the inside out");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd c;
  CHECK_THROWS_WITH(pool.run(with_scope([&c](scope& outer) -> task<> {
    outer.spawn(&crowd::waits, &c);
    co_await with_scope([&c](scope& s) { s.spawn(&crowd::fails_when_begun, &c, 1, "inside"); });
  })),
                    "inside");
  CHECK(c.stopped == 1);
}

TEST_CASE("a failure of an inner scope that the body catches stops nobody outside") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: caught");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> caught{false};
  int ended = 0;
  pool.run(with_scope([&](scope& outer) -> task<> {
    outer.spawn([&]() -> task<> {
      while (!caught) co_await weft::this_task::checkpoint();
      ++ended;
    });
    try {
      co_await with_scope([](scope& s) { s.spawn([] { throw std::runtime_error("inside"); }); });
    } catch (std::runtime_error const&) {
      caught = true;
    }
    co_await weft::this_task::checkpoint();
  }));
  CHECK(caught);
  CHECK(ended == 1);
}

TEST_CASE("a body that takes its time after the stop is waited for, and a child that fails meanwhile is heard") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: a slow end");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd c;
  bool cleaned = false;
  auto const slow = []() -> task<> {
    for (int turn = 0; turn < 20; ++turn) co_await weft::this_task::yield();
  };
  auto f = pool.spawn(with_scope([&](scope& s) -> task<> {
    s.spawn(&crowd::fails_when_stopped, &c, "meanwhile");
    bool asked = false;
    try {
      co_await c.waits();
    } catch (weft::stopped const&) {
      asked = true;
    }
    if (asked) co_await weft::shield(slow);
    cleaned = asked;
  }));
  while (c.begun != 2) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_WITH(f.get(), "meanwhile");
  CHECK(cleaned);
}

TEST_CASE(
    "in a scope without children a stop of the body is the stop, and what the body throws in its place is thrown") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: no children");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd c;
  auto stopped = pool.spawn(with_scope([&c](scope&) { return c.waits(); }));
  auto fails = pool.spawn(with_scope([&c](scope&) { return c.fails_when_stopped("in its place"); }));
  while (c.begun != 2) std::this_thread::yield();
  stopped.stop();
  fails.stop();
  CHECK_THROWS_AS(stopped.get(), weft::stopped);
  CHECK_THROWS_WITH(fails.get(), "in its place");
}

TEST_CASE("of a child's failure and those that its stop leads to, the child's is thrown") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: the first failure");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd c;
  CHECK_THROWS_WITH(pool.run(with_scope([&c](scope& s) -> task<> {
    s.spawn(&crowd::fails_when_begun, &c, 2, "the first");
    s.spawn(&crowd::fails_when_stopped, &c, "a child, stopped");
    co_await c.fails_when_stopped("the body, stopped");
  })),
                    "the first");
}

TEST_CASE("children that keep spawning others are all stopped by one failure") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: hydra");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> heads{0};
  auto hydra = [&heads](auto& self, scope& s) -> task<> {
    bool const grows = ++heads < 500;
    co_await weft::this_task::checkpoint();
    if (!grows) co_await weft::sleep_for(1h);
    for (int i = 0; i < 2; ++i) s.spawn([&self, &s] { return self(self, s); });
  };
  CHECK_THROWS_WITH(pool.run(with_scope([&](scope& s) {
    s.spawn([&hydra, &s] { return hydra(hydra, s); });
    s.spawn([&heads]() -> task<> {
      while (heads < 10) co_await weft::this_task::yield();
      throw std::runtime_error("enough");
    });
  })),
                    "enough");
  CHECK(heads >= 10);
}

TEST_CASE("a child that is spawned when all others have ended is waited for like them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: one after the other");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> ended{0};
  pool.run(with_scope([&ended](scope& s) -> task<> {
    for (int i = 0; i < 20; ++i) {
      s.spawn([&ended]() -> task<> {
        co_await weft::this_task::yield();
        ++ended;
      });
      while (i != 19 && ended <= i) co_await weft::this_task::yield();
    }
  }));
  CHECK(ended == 20);
}

TEST_CASE("a child that ends as stopped though nobody has asked it to is a failure of its scope") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: stopped by itself");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd c;
  CHECK_THROWS_AS(pool.run(with_scope([&c](scope& s) {
    s.spawn(&crowd::waits, &c);
    s.spawn([&c]() -> task<> {
      while (c.begun != 1) co_await weft::this_task::yield();
      throw weft::stopped();
    });
  })),
                  weft::stopped);
  CHECK(c.stopped == 1);
}

TEST_CASE("what is spawned in a scope that has been stopped, or has failed, begins and ends at its first wait") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: spawned after the stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd after_stop, after_failure;
  pool.run(with_scope([&](scope& s) {
    s.stop();
    for (int i = 0; i < 5; ++i) s.spawn(&crowd::waits, &after_stop);
  }));
  CHECK(after_stop.begun == 5);
  CHECK(after_stop.stopped == 5);
  CHECK_THROWS_WITH(pool.run(with_scope([&](scope& s) -> task<> {
    s.spawn([] { throw std::runtime_error("early"); });
    while (!s.stop_requested()) co_await weft::this_task::yield();
    for (int i = 0; i < 5; ++i) s.spawn(&crowd::waits, &after_failure);
  })),
                    "early");
  CHECK(after_failure.begun == 5);
  CHECK(after_failure.stopped == 5);
}

TEST_CASE("scopes that are stopped from outside end from the inside out") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("nested_scopes_test: order of ends");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  crowd c;
  std::string order;  // each scope is joined by the one around it
  auto level = [&](auto& self, int depth) -> task<> {
    bool asked = false;
    try {
      co_await with_scope([&](scope& s) -> task<> {
        s.spawn(&crowd::waits, &c);
        if (depth != 0) co_await self(self, depth - 1);
        else co_await c.waits();
      });
    } catch (weft::stopped const&) {
      asked = true;
    }
    order += static_cast<char>('0' + depth);
    if (asked) throw weft::stopped();
  };
  auto f = pool.spawn([&level] { return level(level, 3); });
  while (c.begun != 5) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(order == "0123");
  CHECK(c.stopped == 5);
}
