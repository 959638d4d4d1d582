#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::sleep_for;
using weft::sleep_until;
using weft::task;

namespace {

task<> sleeps(weft::clock::duration d) { co_await sleep_for(d); }

/// All of them at once.
task<> all_of(std::vector<task<>> tasks) {
  auto operation = weft::when_all(std::move(tasks));
  co_await std::move(operation);
}

}  // namespace

TEST_CASE("a sleep is never shorter than asked for") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: never early");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> early{0};
  std::vector<weft::clock::duration> lengths(200);
  for (auto& d : lengths) d = std::chrono::nanoseconds(random.below(20'000'000));
  auto one = [&early](weft::clock::duration d) -> task<> {
    auto const until = weft::clock::now() + d;
    co_await sleep_for(d);
    early += weft::clock::now() < until;
    auto const next = weft::clock::now() + d / 4;
    co_await sleep_until(next);
    early += weft::clock::now() < next;
  };
  pool.run([&]() -> task<> {
    std::vector<task<>> all;
    for (auto const d : lengths) all.push_back(one(d));
    co_await all_of(std::move(all));
  });
  CHECK(early == 0);
}

TEST_CASE("a sleep of nothing, of less than nothing, or until a time that has passed ends at once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: no time");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  pool.run([]() -> task<> {
    for (int i = 0; i < 100; ++i) {
      co_await sleep_for(0s);
      co_await sleep_for(-1h);
      co_await sleep_for(weft::clock::duration::min());
      co_await sleep_until(weft::clock::now());
      co_await sleep_until(weft::clock::now() - 1h);
      co_await sleep_until(weft::clock::time_point());
      co_await sleep_until(weft::clock::time_point::min());
    }
  });
}

TEST_CASE("a sleep can be kept, moved and handed to any verb") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: verbs");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto kept = sleep_for(1ms);
  auto moved = std::move(kept);
  pool.run(std::move(moved));
  pool.spawn(sleep_until(weft::clock::now() + 1ms)).get();
  pool.run(weft::when_all(sleep_for(1ms), sleep_for(0ms)));
  auto f = pool.spawn(sleep_for(1h));
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
}

TEST_CASE("a task resumes in its pool, with its token, after each sleep") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: resumes on");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool const right = pool.run([&pool]() -> task<bool> {
    auto const token = weft::this_task::stop_token();
    bool same = true;
    for (int i = 0; i < 20; ++i) {
      co_await sleep_for(100us);
      same = same && weft::pool::current() == &pool && weft::this_task::stop_token() == token;
    }
    co_return same;
  });
  CHECK(right);
}

TEST_CASE("sleepers wake when their time has come, and those who sleep longer do not") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: order");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 5; ++round) {
    // Each waits for all of the shorter ones, so the order of a few that are due at once does not matter.
    std::atomic<int> woken{0};
    std::vector<int> order(20);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    std::shuffle(order.begin(), order.end(), random);
    bool const slept_on = pool.run([&]() -> task<bool> {
      auto longer = weft::spawn(sleeps, 1h);
      auto const begin = weft::clock::now();
      auto one = [&woken, begin](int i) -> task<> {
        co_await sleep_until(begin + i * 500us);
        ++woken;
        while (woken <= i) co_await weft::this_task::yield();
      };
      std::vector<task<>> all;
      for (int const i : order) all.push_back(one(i));
      co_await all_of(std::move(all));
      bool const asleep = !longer.ready();
      longer.stop();
      co_return asleep;
    });
    CHECK(woken == 20);
    CHECK(slept_on);
  }
}

TEST_CASE("a sleep as long as can be said is a sleep until stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: the longest");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> asleep{0};
  auto one = [&asleep](auto d) -> task<> {
    ++asleep;
    co_await sleep_for(d);
  };
  auto until = [&asleep](weft::clock::time_point t) -> task<> {
    ++asleep;
    co_await sleep_until(t);
  };
  std::vector<weft::future<>> all;
  all.push_back(pool.spawn(one, std::chrono::hours::max()));
  all.push_back(pool.spawn(one, weft::clock::duration::max()));
  all.push_back(pool.spawn(one, std::chrono::duration<double>(1e30)));
  all.push_back(pool.spawn(one, std::chrono::duration<double>(std::numeric_limits<double>::infinity())));
  all.push_back(pool.spawn(one, std::chrono::duration<std::uint64_t>(std::numeric_limits<std::uint64_t>::max())));
  all.push_back(pool.spawn(one, std::chrono::duration<int, std::ratio<3600 * 24 * 365>>(300)));
  all.push_back(pool.spawn(until, weft::clock::time_point::max()));
  all.push_back(pool.spawn(until, weft::clock::time_point::max() - 1ns));
  while (asleep < static_cast<int>(all.size())) std::this_thread::yield();
  pool.run(sleeps, 2ms);
  for (auto const& f : all) CHECK_FALSE(f.ready());
  for (auto& f : all) f.stop();
  for (auto& f : all) CHECK_THROWS_AS(f.get(), weft::stopped);
}

TEST_CASE("a duration beyond the clock's ends is held there, above and below zero") {
  using weft::detail::whole_duration;
  using clock_duration = weft::clock::duration;
  CHECK(whole_duration(std::chrono::hours::max()) == clock_duration::max());
  CHECK(whole_duration(std::chrono::hours::min()) == clock_duration::min());
  CHECK(whole_duration(std::chrono::duration<double>(1e30)) == clock_duration::max());
  CHECK(whole_duration(std::chrono::duration<double>(-1e30)) == clock_duration::min());
  CHECK(whole_duration(clock_duration::min()) == clock_duration::min());
  CHECK(whole_duration(std::chrono::duration<double, std::nano>(-1.5)) == clock_duration(-1));
  CHECK(whole_duration(-2h) == -2h);
}

TEST_CASE("a stop ends a sleep, before it begins, while it lasts and at its end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 50; ++i) {
    auto f = pool.spawn(sleeps, 1h);
    if (i % 2 == 0) std::this_thread::yield();
    f.stop();
    CHECK_THROWS_AS(f.get(), weft::stopped);
  }
  // At the moment of its end: one or the other, and nothing is left.
  int ended = 0, stopped = 0;
  for (int i = 0; i < 200; ++i) {
    auto f = pool.spawn(sleeps, std::chrono::microseconds(i % 50));
    if (i % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(i % 50));
    f.stop();
    try {
      f.get();
      ++ended;
    } catch (weft::stopped const&) {
      ++stopped;
    }
  }
  CHECK(ended + stopped == 200);
}

TEST_CASE("a pool that is destroyed while tasks sleep does not wait for the end of their sleep") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: the pool's end");
  weft_test::balance const balance;
  std::vector<weft::future<>> all;
  {
    weft::pool pool{{.workers = workers}};
    for (int i = 0; i < 100; ++i) all.push_back(pool.spawn(sleeps, 1h));
    pool.run(sleeps, 1ms);
  }
  for (auto& f : all) CHECK_THROWS_AS(f.get(), weft::stopped);
  all.clear();
}

TEST_CASE("a hundred thousand sleeps at once all end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: a hundred thousand", std::chrono::seconds(120));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const count = weft::detail::small_capacities ? 10'000 : 100'000;
  std::atomic<int> woken{0}, early{0};
  pool.run([&]() -> task<> {
    auto one = [&](weft::clock::time_point until) -> task<> {
      co_await sleep_until(until);
      early += weft::clock::now() < until;
      ++woken;
    };
    auto const begin = weft::clock::now();
    std::vector<task<>> all;
    for (int i = 0; i < count; ++i) all.push_back(one(begin + std::chrono::microseconds(i * 37LL % 200'000)));
    co_await all_of(std::move(all));
  });
  CHECK(woken == count);
  CHECK(early == 0);
}

TEST_CASE("ten thousand sleepers are stopped at once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: stopped at once", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool const stopped = pool.run([]() -> task<bool> {
    co_await weft::with_scope([](weft::scope& s) -> task<> {
      for (int i = 0; i < 10'000; ++i) s.spawn(sleeps, std::chrono::hours(1 + i));
      co_await sleep_for(2ms);
      s.stop();
    });
    co_return true;
  });
  CHECK(stopped);
}

TEST_CASE("a sleeper wakes although the only worker always has something ready to run") {
  weft_test::watchdog const guard("sleep_test: a busy worker", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  std::atomic<bool> woken{false};
  std::vector<weft::future<>> busy;
  for (int i = 0; i < 10; ++i)
    busy.push_back(pool.spawn([&woken]() -> task<> {
      while (!woken) co_await weft::this_task::yield();
    }));
  pool.run(sleeps, 1ms);
  woken = true;
  for (auto& f : busy) f.get();
}

TEST_CASE("a sleeper wakes although every worker computes in a loop") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: workers in loops", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> woken{false}, asleep{false}, late{false};
  auto sleeper = pool.spawn([&]() -> task<> {
    asleep = true;
    co_await sleep_for(20ms);
    woken = true;
  });
  while (!asleep) std::this_thread::yield();
  // Sixteen loops of a sanitized build on two cores leave a new thread little.
  auto const patience = weft::clock::now() + 50s;
  std::vector<weft::future<>> loops;
  for (unsigned i = 0; i < workers; ++i)
    loops.push_back(pool.spawn([&] {
      weft::parallel_for(0, std::numeric_limits<int>::max(), [&](int) {
        // ThreadSanitizer has a lock for each atomic, and readers that look all the time, preempted while they hold it, have kept its
        // writer waiting for seconds.
        for (auto const until = weft::clock::now() + 50us; weft::clock::now() < until;) {
        }
        if (woken) throw std::runtime_error("the end of the loop");
        if (weft::clock::now() > patience) late = true, throw std::runtime_error("the end of patience");
      });
    }));
  for (auto& f : loops) CHECK_THROWS(f.get());
  CHECK_FALSE(late);
  sleeper.get();
}

TEST_CASE("sleeps that are set one after the other, each shorter than the one before, wake in time for the shortest") {
  // An earlier deadline interrupts the wait for a later one; patience is counted in seconds, not in milliseconds.
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sleep_test: earlier deadlines");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<weft::future<>> longer;
  for (int i = 10; i != 0; --i) {
    longer.push_back(pool.spawn(sleeps, std::chrono::hours(i)));
    std::this_thread::sleep_for(200us);
  }
  pool.run(sleeps, 1ms);
  for (auto& f : longer) f.stop();
  for (auto& f : longer) CHECK_THROWS_AS(f.get(), weft::stopped);
}

TEST_CASE("two pools keep their own time") {
  weft_test::watchdog const guard("sleep_test: two pools");
  weft_test::balance const balance;
  weft::pool first{{.workers = 1}};
  weft::pool second{{.workers = 1}};
  auto there = [&second]() -> task<bool> {
    co_await sleep_for(1ms);
    co_return weft::pool::current() == &second;
  };
  bool const right = first.run([&]() -> task<bool> {
    auto f = second.spawn(there);
    co_await sleep_for(1ms);
    bool const here = weft::pool::current() == &first;
    co_return co_await std::move(f) && here;
  });
  CHECK(right);
}
