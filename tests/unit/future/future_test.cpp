#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/future/tasks.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/shared_future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::future;
using weft::promise;
using weft::task;
using weft_test::count_failure;
using weft_test::counted;
using weft_test::failures_reported;
using weft_test::later;
using weft_test::until_stopped;

static_assert(!std::is_copy_constructible_v<future<int>> && std::is_nothrow_move_constructible_v<future<int>>);
static_assert(std::is_nothrow_default_constructible_v<future<int>>);
static_assert(std::is_same_v<weft::await_result_t<future<std::string>>, std::string>);

TEST_CASE("a default-made future is not valid") {
  future<int> f;
  CHECK_FALSE(f.valid());
  f = weft::make_ready_future(1);
  CHECK(f.valid());
  auto const g = std::move(f);
  CHECK_FALSE(f.valid());
  CHECK(g.valid());
}

TEST_CASE("get on a plain thread blocks until the result is there") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: get");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 100; ++i) {
    auto f = pool.spawn(later, i);
    CHECK(f.valid());
    CHECK(f.get() == i);
    CHECK_FALSE(f.valid());
  }
}

TEST_CASE("wait_for and wait_until give up in time, and the result can be waited for again") {
  weft_test::watchdog const guard("future_test: wait_for");
  weft_test::balance const balance;
  promise<int> p;
  auto f = p.get_future();
  CHECK_FALSE(f.wait_for(0s));
  CHECK_FALSE(f.wait_for(-1s));
  CHECK_FALSE(f.wait_for(1ms));
  CHECK_FALSE(f.wait_until(weft::clock::now() - 1s));
  CHECK_FALSE(f.wait_until(weft::clock::now() + 1ms));
  CHECK(f.valid());
  p.set_value(2);
  CHECK(f.wait_for(0s));
  CHECK(f.wait_for(std::chrono::hours::max()));
  CHECK(f.wait_until(weft::clock::time_point::max()));
  f.wait();
  CHECK(f.ready());
  CHECK(f.get() == 2);
}

TEST_CASE("a wait without an end on another thread's promise ends when it is kept") {
  weft_test::watchdog const guard("future_test: the longest wait");
  weft_test::balance const balance;
  for (int i = 0; i < 50; ++i) {
    promise<> p;
    auto f = p.get_future();
    std::thread keeper([&p] { p.set_value(); });
    CHECK(f.wait_for(std::chrono::hours::max()));
    keeper.join();
    f.get();
  }
}

TEST_CASE("timeouts that race with the result lose nothing") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: wait_for races");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 300; ++i) {
    auto f = pool.spawn(later, i);
    while (!f.wait_for(std::chrono::microseconds(i % 50))) {
    }
    CHECK(f.get() == i);
  }
}

TEST_CASE("get on the only worker runs what has not begun, 200 deep") {
  weft_test::watchdog const guard("future_test: nested get");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  auto nested = [](auto& self, int depth) -> int {
    if (depth == 0) return 0;
    return weft::spawn([&self, depth] { return self(self, depth - 1); }).get() + 1;
  };
  CHECK(pool.run([&nested] { return nested(nested, 200); }) == 200);
}

TEST_CASE("get on a worker gives its place to a spare where the work has begun and waits") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: get with spares");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto nested = [](auto& self, int depth) -> task<int> {
    co_await weft::this_task::yield();
    if (depth == 0) co_return 0;
    auto f = weft::spawn([&self, depth] { return self(self, depth - 1); });
    co_await weft::this_task::yield();
    int const below = f.get();
    co_await weft::this_task::yield();
    co_return below + 1;
  };
  CHECK(pool.run([&nested] { return nested(nested, 30); }) == 30);
}

TEST_CASE("on a worker that waits for a promise, the pool keeps its size") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: promise kept by the pool");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  // As many waiters as workers; whoever keeps the promises needs a place, too.
  std::vector<promise<int>> promises(workers);
  std::vector<future<int>> waiters;
  for (unsigned i = 0; i < workers; ++i)
    waiters.push_back(pool.spawn([f = promises[i].get_future()]() mutable { return f.get(); }));
  auto keeper = pool.spawn([&promises] {
    int i = 0;
    for (auto& p : promises) p.set_value(++i);
  });
  keeper.get();
  int sum = 0;
  for (auto& f : waiters) sum += f.get();
  CHECK(sum == static_cast<int>(workers * (workers + 1) / 2));
}

TEST_CASE("wait_for on a worker times out and lets others run meanwhile") {
  weft_test::watchdog const guard("future_test: wait_for on a worker");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  promise<> p;
  auto never = p.get_future();
  bool const late = pool.run([&never] { return !never.wait_for(2ms); });
  CHECK(late);
  bool const kept = pool.run([&] {
    auto f = weft::spawn([&p] { p.set_value(); });
    return never.wait_for(1h) && f.wait_for(1h);
  });
  CHECK(kept);
}

TEST_CASE("a future hands over references, what only moves, nothing, and exceptions") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: kinds");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int number = 1;
  CHECK(&pool.spawn([&number]() -> int& { return number; }).get() == &number);
  CHECK(*pool.spawn([] { return std::make_unique<int>(2); }).get() == 2);
  pool.spawn([] {}).get();
  CHECK_THROWS_WITH(pool.spawn([] { throw std::runtime_error("gone wrong"); }).get(), "gone wrong");
  auto fails_later = []() -> task<std::string> {
    co_await weft::this_task::yield();
    throw std::runtime_error("later");
  };
  CHECK_THROWS_WITH(pool.spawn(fails_later).get(), "later");
}

TEST_CASE("a task awaits futures of its own pool, of another pool, and of several at once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: co_await");
  weft_test::balance const balance;
  weft::pool other{{.workers = 1}};
  weft::pool pool{{.workers = workers}};
  int const sum = pool.run([&]() -> task<int> {
    int total = co_await weft::spawn(later, 1);
    total += co_await other.spawn(later, 10);
    auto ready = weft::make_ready_future(100);
    total += co_await ready;
    auto [a, b] = co_await weft::when_all(weft::spawn(later, 1000), other.spawn(later, 10'000));
    total += a + b;
    co_return weft::pool::current() == &pool ? total : -1;
  });
  CHECK(sum == 11'111);
}

TEST_CASE("an exception comes out of an awaited future") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: awaited exception");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const what = pool.run([]() -> task<std::string> {
    std::string got;
    try {
      co_await weft::spawn([]() -> int { throw std::runtime_error("awaited"); });
    } catch (std::runtime_error const& e) {
      got = e.what();
    }
    co_return got;
  });
  CHECK(what == "awaited");
}

TEST_CASE("a task that is stopped leaves the future it awaits, and the work goes on") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: stop of the waiter");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    promise<int> p;
    std::atomic<bool> begun{false};
    auto waiter = pool.spawn(
        [&begun](future<int> f) -> task<int> {
          begun = true;
          co_return co_await std::move(f);
        },
        p.get_future());
    if (i % 2 == 0)
      while (!begun) std::this_thread::yield();
    waiter.stop();
    CHECK_THROWS_AS(waiter.get(), weft::stopped);
    p.set_value(i);
  }
}

TEST_CASE("stops and results that come at the same moment deliver one of them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: stop races");
  weft_test::balance const balance;
  counted::reset();
  weft::pool pool{{.workers = workers}};
  int values = 0, stops = 0;
  for (int i = 0; i < 200; ++i) {
    promise<counted> p;
    auto waiter =
        pool.spawn([](future<counted> f) -> task<counted> { co_return co_await std::move(f); }, p.get_future());
    auto keeper = pool.spawn([&p] { p.set_value(counted(1)); });
    waiter.stop();
    try {
      values += waiter.get().value();
    } catch (weft::stopped const&) {
      ++stops;
    }
    keeper.get();
  }
  CHECK(values + stops == 200);
  CHECK(counted::live() == 0);
}

TEST_CASE("stop asks the work, and the work answers as it likes") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto f = pool.spawn(until_stopped);
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);

  auto g = pool.spawn([]() -> task<int> {
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    co_return 5;
  });
  g.stop();
  g.stop();
  CHECK(g.get() == 5);

  auto h = weft::make_ready_future(1);
  h.stop();
  CHECK(h.get() == 1);
}

TEST_CASE("who awaits work that somebody else stops sees stopped, and is not stopped itself") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: somebody else's stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const work = pool.spawn(until_stopped).share();
  std::atomic<int> begun{0};
  auto waits = [&begun, work]() -> task<bool> {
    ++begun;
    bool seen = false;
    try {
      co_await work;
    } catch (weft::stopped const&) {
      seen = true;
    }
    co_await weft::this_task::checkpoint();
    co_return seen && !weft::this_task::stop_token().stop_requested();
  };
  auto first = pool.spawn(waits), second = pool.spawn(waits);
  while (begun != 2) std::this_thread::yield();
  work.stop();
  CHECK(first.get());
  CHECK(second.get());
}

TEST_CASE("a task and what it awaits are stopped together, in either order, and it ends once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: stopped together");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 50; ++i) {
    auto const work = pool.spawn(until_stopped).share();
    auto waiter = pool.spawn([work]() -> task<> { co_await work; });
    if (i % 2 == 0) work.stop();
    waiter.stop();
    if (i % 2 != 0) work.stop();
    CHECK_THROWS_AS(waiter.get(), weft::stopped);
    CHECK_THROWS_AS(work.get(), weft::stopped);
  }
}

TEST_CASE("a task that catches its stop and returns has returned, and a stop at its last step comes too late") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: stop caught");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto catches = pool.spawn([]() -> task<int> {
    int got = 0;
    try {
      co_await weft::sleep_for(std::chrono::hours(1));
    } catch (weft::stopped const&) {
      got = 4;
    }
    co_return got;
  });
  catches.stop();
  CHECK(catches.get() == 4);

  promise<future<int>*> own;
  auto at_the_end = pool.spawn([f = own.get_future()]() mutable -> task<int> {
    future<int>* const self = co_await f;
    self->stop();
    co_return 5;
  });
  own.set_value(&at_the_end);
  at_the_end.wait();
  CHECK(at_the_end.get() == 5);
}

TEST_CASE("a stop is not used up: every wait after it ends as stopped, until the task does") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: every wait");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto f = pool.spawn([]() -> task<int> {
    int caught = 0;
    for (int i = 0; i < 10; ++i) {
      promise<> never_kept;
      auto never = never_kept.get_future();
      try {
        if (i % 2 == 0) co_await weft::sleep_for(std::chrono::hours(1));
        else co_await std::move(never);
      } catch (weft::stopped const&) {
        ++caught;
      }
    }
    co_return caught;
  });
  f.stop();
  CHECK(f.get() == 10);
}

TEST_CASE("a plain thread gives up waiting, stops the work, and learns how it has ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: given up");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto waits = pool.spawn([]() -> task<> { co_await weft::sleep_for(std::chrono::hours(1)); });
  CHECK_FALSE(waits.wait_for(1ms));
  waits.stop();
  CHECK(waits.wait_for(1h));
  CHECK_THROWS_AS(waits.get(), weft::stopped);
  auto fails = pool.spawn([]() -> task<> {
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    throw std::runtime_error("on its way out");
  });
  CHECK_FALSE(fails.wait_for(1ms));
  fails.stop();
  CHECK_THROWS_WITH(fails.get(), "on its way out");
}

TEST_CASE("dropping a future neither waits nor stops the work") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: dropped");
  weft_test::balance const balance;
  std::atomic<int> ended{0};
  std::atomic<bool> go{false};
  {
    weft::pool pool{{.workers = workers}};
    for (int i = 0; i < 50; ++i) {
      static_cast<void>(pool.spawn([&]() -> task<> {
        while (!go) co_await weft::this_task::yield();
        ++ended;
      }));
    }
    CHECK(ended == 0);
    go = true;
    pool.shutdown(weft::drain_or_stop::drain);
    CHECK(ended == 50);
  }
}

TEST_CASE("a value that nobody asks for is destroyed") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: unread values");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    for (int i = 0; i < 20; ++i) {
      static_cast<void>(pool.spawn([i] { return counted(i); }));
      auto kept = pool.spawn([i] { return counted(i); });
      if (i % 2 == 0) kept.wait();
    }
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a future that outlives its pool still holds the value") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("future_test: outlives its pool");
  weft_test::balance const balance;
  future<std::string> value;
  future<> stopped, done;
  {
    weft::pool pool{{.workers = workers}};
    value = pool.spawn([] { return std::string(100, 'v'); });
    value.wait();
    stopped = pool.spawn(until_stopped);
    done = pool.spawn([]() -> task<> {
      auto nap = weft::sleep_for(1ms);
      co_await nap;
    });
    done.wait();
  }
  CHECK(value.ready());
  CHECK(stopped.ready());
  CHECK(value.get() == std::string(100, 'v'));
  CHECK_THROWS_AS(stopped.get(), weft::stopped);
  done.stop();
  done.get();
}

TEST_CASE("a future that outlives its pool may hold a failure, asked for or not") {
  weft_test::watchdog const guard("future_test: a failure outlives its pool");
  failures_reported = 0;
  weft_test::balance const balance;
  future<> asked, dropped;
  {
    auto const pool = std::make_unique<weft::pool>(weft::pool_options{.workers = 1, .on_failure = &count_failure});
    asked = pool->spawn([] { throw std::runtime_error("asked for"); });
    dropped = pool->spawn([] { throw std::runtime_error("never asked for"); });
    asked.wait();
    dropped.wait();
  }
  CHECK_THROWS_WITH(asked.get(), "asked for");
  CHECK(failures_reported == 0);
  dropped = future<>();
  CHECK(failures_reported == 1);
}
