#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/combine/shield.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::deadline;
using weft::task;
using weft::timeout;
using weft_test::counted;

namespace {

task<int> later(int v) {
  co_await weft::this_task::yield();
  co_return v;
}
task<> sleeps(weft::clock::duration d) { co_await weft::sleep_for(d); }
task<> until_stopped() {
  for (;;) co_await weft::this_task::checkpoint();
}
/// Waits for the stop, and gives a value all the same.
task<int> value_when_stopped(int v) {
  auto const token = weft::this_task::stop_token();
  while (!token.stop_requested()) co_await weft::this_task::yield();
  co_return v;
}

}  // namespace

static_assert(std::same_as<weft::await_result_t<decltype(timeout(1s, later, 1))>, int>);
static_assert(std::same_as<weft::await_result_t<decltype(timeout(1s, later(1)))>, int>);
static_assert(std::same_as<weft::await_result_t<decltype(deadline(weft::clock::now(), [] {}))>, void>);

TEST_CASE("what ends in time gives its result: a value, a reference, something that only moves, nothing") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: in time");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int number = 0;
  int const sum = pool.run([&number]() -> task<int> {
    int total = co_await timeout(1h, later, 1);
    total += co_await timeout(1h, later(10));
    total += co_await timeout(1h, [] { return 100; });
    int& same = co_await timeout(1h, [&number]() -> int& { return number; });
    same = 5;
    auto const owned = co_await timeout(1h, [](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(1000));
    co_await timeout(1h, [] {});
    total += co_await deadline(weft::clock::now() + 1h, later, 10'000);
    co_return total + *owned;
  });
  CHECK(sum == 11'111);
  CHECK(number == 5);
  CHECK(pool.run(timeout(1h, later, 3)) == 3);
}

TEST_CASE("what does not end in time is asked to stop, and timed_out is thrown when it has") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: too late");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK_THROWS_AS(pool.run(timeout(1ms, until_stopped)), weft::timed_out);
  CHECK_THROWS_AS(pool.run(timeout(1ms, sleeps, 1h)), weft::timed_out);
  CHECK_THROWS_AS(pool.run(timeout(1ms, sleeps(1h))), weft::timed_out);
  CHECK_THROWS_AS(pool.run(deadline(weft::clock::now() + 1ms, sleeps, 1h)), weft::timed_out);
  auto holds = [](counted) -> task<> { co_await weft::sleep_for(1h); };
  CHECK_THROWS_AS(pool.run(timeout(1ms, holds, counted(1))), weft::timed_out);
  CHECK(counted::live() == 0);
}

TEST_CASE("a deadline that has passed stops what waits, and lets through what does not look") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: passed already");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK_THROWS_AS(pool.run(timeout(0s, sleeps, 1h)), weft::timed_out);
  CHECK_THROWS_AS(pool.run(timeout(-1h, sleeps, 1h)), weft::timed_out);
  CHECK_THROWS_AS(pool.run(deadline(weft::clock::time_point(), sleeps, 1h)), weft::timed_out);
  CHECK_THROWS_AS(pool.run(deadline(weft::clock::time_point::min(), until_stopped)), weft::timed_out);
  CHECK(pool.run(timeout(0s, [] { return 4; })) == 4);
}

TEST_CASE("a value that comes after the stop is delivered all the same") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: a value after the stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK(pool.run(timeout(1ms, value_when_stopped, 7)) == 7);
  auto fails_when_stopped = []() -> task<> {
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    throw std::runtime_error("its own failure");
  };
  CHECK_THROWS_WITH(pool.run(timeout(1ms, fails_when_stopped)), "its own failure");
}

TEST_CASE("a failure in time is thrown as it is") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: failures");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK_THROWS_WITH(pool.run(timeout(1h, [] { throw std::runtime_error("early"); })), "early");
  // Stopped for a reason of its own: that is not the deadline's doing.
  CHECK_THROWS_AS(pool.run(timeout(1h, [] { throw weft::stopped(); })), weft::stopped);
}

TEST_CASE("the nearer of two nested deadlines counts") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: nested");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto inner_first = pool.run([]() -> task<std::string> {
    std::string who;
    auto inner = [&who]() -> task<int> {
      try {
        co_await timeout(1ms, sleeps, 1h);
      } catch (weft::timed_out const&) {
        who += "inner";
      }
      co_return 1;
    };
    int const v = co_await timeout(1h, inner);
    co_return who + std::to_string(v);
  });
  CHECK(inner_first == "inner1");
  CHECK_THROWS_AS(pool.run(timeout(1ms, [] { return timeout(1h, sleeps, 1h); })), weft::timed_out);
  CHECK_THROWS_AS(pool.run(timeout(1h, [] { return timeout(1h, [] { return timeout(1ms, sleeps, 1h); }); })),
                  weft::timed_out);
}

TEST_CASE("a deadline at the end of time, or a duration beyond it, never comes") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: the longest");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK(pool.run(deadline(weft::clock::time_point::max(), later, 1)) == 1);
  CHECK(pool.run(timeout(std::chrono::hours::max(), later, 2)) == 2);
  CHECK(pool.run(timeout(weft::clock::duration::max(), later, 3)) == 3);
  CHECK(pool.run(timeout(std::chrono::duration<double>(1e300), later, 4)) == 4);
  CHECK(pool.run(deadline(weft::clock::time_point::max() - 1ns, later, 5)) == 5);
}

TEST_CASE("a stop from outside goes through the timeout as a stop") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: stopped from outside");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    auto f = pool.spawn(timeout(1h, sleeps, 1h));
    if (i % 2 == 0) std::this_thread::yield();
    f.stop();
    CHECK_THROWS_AS(f.get(), weft::stopped);
  }
}

TEST_CASE("a timeout of when_all stops all of them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: when_all");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK_THROWS_AS(pool.run(timeout(1ms, weft::when_all(sleeps(1h), until_stopped(), sleeps(2h)))), weft::timed_out);
  bool const both = pool.run([]() -> task<bool> {
    auto [a, b] = co_await timeout(1h, weft::when_all(later(1), [] { return 2; }));
    co_return a == 1 && b == 2;
  });
  CHECK(both);
}

TEST_CASE("a blocking call that is under way holds its timeout up, and its value is delivered") {
  weft_test::watchdog const guard("timeout_test: blocking");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  std::atomic<bool> begun{false};
  auto call = [&begun]() -> task<int> {
    auto const token = weft::this_task::stop_token();
    auto blocks = weft::blocking([&begun, token] {
      begun = true;
      while (!token.stop_requested()) std::this_thread::yield();
      return 6;
    });
    co_return co_await blocks;
  };
  // Where its thread comes too late the call is not made; then it is given more time.
  int got = 0;
  for (auto limit = 20ms; got == 0; limit *= 2) {
    try {
      got = pool.run(timeout(limit, call));
    } catch (weft::timed_out const&) {
      REQUIRE_FALSE(begun);
    }
  }
  CHECK(got == 6);
  CHECK(begun);
}

TEST_CASE("ends and deadlines that come at the same moment deliver one of them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: races", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const wrong = pool.run([]() -> task<int> {
    int other = 0;
    for (int i = 0; i < 500; ++i) {
      auto const d = std::chrono::microseconds(i % 100);
      try {
        co_await timeout(d, sleeps, d);
      } catch (weft::timed_out const&) {
      } catch (...) {
        ++other;
      }
    }
    co_return other;
  });
  CHECK(wrong == 0);
}

TEST_CASE("a thousand timeouts at once, half of them too short") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: many", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const late = pool.run([]() -> task<int> {
    auto one = [](int i) -> task<int> {
      int late_here = 0;
      try {
        if (i % 2 == 0) co_await timeout(1ms, sleeps, 1h);
        else co_await timeout(1h, later, i);
      } catch (weft::timed_out const&) {
        late_here = 1;
      }
      co_return late_here;
    };
    std::vector<task<int>> all;
    for (int i = 0; i < 1000; ++i) all.push_back(one(i));
    auto operation = weft::when_all(std::move(all));
    int total = 0;
    for (int const v : co_await std::move(operation)) total += v;
    co_return total;
  });
  CHECK(late == 500);
}

TEST_CASE("a stop callback of a timeout may take a lock that a loop or a run is called with") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  enum class with_lock { loops, runs };
  auto const holder = GENERATE(with_lock::loops, with_lock::runs);
  weft_test::watchdog const guard("timeout_test: a lock in a stop callback");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::mutex lock;
  std::atomic<bool> is_held{false}, called{false};
  auto limited = pool.spawn([&]() -> task<> {
    while (!is_held) co_await weft::sleep_for(1ms);
    auto work = [&]() -> task<> {
      weft::stop_callback const on_stop(weft::this_task::stop_token(), [&]() noexcept {
        called = true;
        std::lock_guard const hold(lock);
      });
      co_await weft::sleep_for(1h);
    };
    bool late = false;
    try {
      co_await timeout(5ms, work);
    } catch (weft::timed_out const&) {
      late = true;
    }
    if (!late) throw std::runtime_error("not late");
  });
  auto holding = pool.spawn([&] {
    std::lock_guard const hold(lock);
    is_held = true;
    if (holder == with_lock::loops) {
      // Each chunk is followed by a look at the timers, with the lock held.
      weft::parallel_for(0, 100'000,
                         [&](int) {
                           if (!called) std::this_thread::sleep_for(1ms);
                         },
                         {.grain = 1});
    } else {
      while (!called) std::this_thread::sleep_for(1ms);
      weft::run([]() -> task<> {
        co_await weft::this_task::yield();
        co_await weft::this_task::yield();
      });
    }
  });
  holding.get();
  limited.get();
  CHECK(called);
}

TEST_CASE("a timeout stops a loop between its chunks, though every worker computes") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: a loop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<std::int64_t> calls{0};
  auto forever = [&calls] {
    weft::parallel_for(std::int64_t{0}, std::numeric_limits<std::int64_t>::max(), [&calls](std::int64_t) { ++calls; });
  };
  CHECK_THROWS_AS(pool.run(timeout(10ms, forever)), weft::timed_out);
}

TEST_CASE("a timeout that is dropped without having been awaited destroys what it holds") {
  counted::reset();
  {
    auto const dropped = timeout(1h, [](counted) {}, counted(1));
    CHECK(counted::live() == 1);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("who is stopped by a deadline may clean up before it ends, and timed_out is thrown all the same") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: cleans up");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int cleaned = 0;
  auto work = [&cleaned]() -> task<> {
    bool asked = false;
    try {
      co_await weft::sleep_for(1h);
    } catch (weft::stopped const&) {
      asked = true;
    }
    if (!asked) co_return;
    cleaned = co_await weft::shield(later, 1);
    throw weft::stopped();
  };
  CHECK_THROWS_AS(pool.run(timeout(1ms, work)), weft::timed_out);
  CHECK(cleaned == 1);
}

TEST_CASE("the stop of a deadline is not used up: who catches it and waits again is stopped again") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: waits again");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int caught = 0;
  auto stubborn = [&caught]() -> task<> {
    for (int i = 0; i < 3; ++i) {
      try {
        co_await weft::sleep_for(1h);
      } catch (weft::stopped const&) {
        ++caught;
      }
    }
    co_await weft::sleep_for(1h);
  };
  CHECK_THROWS_AS(pool.run(timeout(1ms, stubborn)), weft::timed_out);
  CHECK(caught == 3);
}

TEST_CASE("when an inner deadline has been caught, the outer one still stops what follows") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: one deadline after the other");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool inner = false;
  auto work = [&inner]() -> task<> {
    try {
      co_await timeout(1ms, sleeps, 1h);
    } catch (weft::timed_out const&) {
      inner = true;
    }
    co_await weft::sleep_for(1h);
  };
  // Where the outer one comes too soon for the inner one, it gets more time.
  auto limit = 20ms;
  while (!inner) {
    CHECK_THROWS_AS(pool.run(timeout(limit, work)), weft::timed_out);
    limit *= 2;
  }
}

TEST_CASE("deadlines that have passed together when somebody looks, or are the same, are one timed_out") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: together");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto busy = []() -> task<> {
    for (auto const until = weft::clock::now() + 5ms; weft::clock::now() < until;) std::this_thread::yield();
    co_await weft::sleep_for(1h);
  };
  CHECK_THROWS_AS(pool.run(timeout(1ms, [&busy] { return timeout(2ms, busy); })), weft::timed_out);
  CHECK_THROWS_AS(pool.run(timeout(2ms, [&busy] { return timeout(1ms, busy); })), weft::timed_out);
  auto const t = weft::clock::now() + 1ms;
  CHECK_THROWS_AS(pool.run(deadline(t, [t] { return deadline(t, sleeps, 1h); })), weft::timed_out);
}

TEST_CASE("a stopped task bounds its last work by a timeout under a shield; without one the timeout ends as stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: after a stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool bounded = false, stopped_again = false;
  auto f = pool.spawn([&]() -> task<> {
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    try {
      co_await timeout(1h, sleeps, 1h);
    } catch (weft::stopped const&) {
      stopped_again = true;
    }
    auto last = weft::shield(timeout(1ms, sleeps, 1h));
    try {
      co_await std::move(last);
    } catch (weft::timed_out const&) {
      bounded = true;
    }
  });
  f.stop();
  f.get();
  CHECK(stopped_again);
  CHECK(bounded);
}

TEST_CASE("what is there already is had within no time at all, and within less") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("timeout_test: there already");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (auto const limit : {0s, -1s}) {
    CHECK(pool.run(timeout(limit, weft::make_ready_future(5))) == 5);
    weft::mutex m;
    CHECK(pool.run(timeout(limit, m.lock())).owns());
    CHECK_FALSE(m.is_locked());
    weft::event e(weft::event_state::set);
    pool.run(timeout(limit, e.wait()));
  }
}

TEST_CASE("a result that came before the stop from outside is delivered through the timeout") {
  weft_test::watchdog const guard("timeout_test: a result before the stop");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft::promise<int> p;
  pool.run([&p]() -> task<> {
    auto f = weft::spawn(timeout(1h, p.get_future()));
    for (int turn = 0; turn < 10; ++turn) co_await weft::this_task::yield();
    CHECK_FALSE(f.ready());
    p.set_value(3);
    f.stop();
    int const got = co_await std::move(f);
    CHECK(got == 3);
  });
}
