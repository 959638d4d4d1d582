#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/misuse.hpp"
#include "support/stack_depth.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/future/tasks.hpp"

#include <weft/base/config.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/select.hpp>
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
using weft::shared_future;
using weft::task;
using weft_test::count_failure;
using weft_test::counted;
using weft_test::failures_reported;
using weft_test::later;
using weft_test::until_stopped;

static_assert(std::is_copy_constructible_v<shared_future<int>> &&
              std::is_nothrow_move_constructible_v<shared_future<int>>);
static_assert(std::is_nothrow_default_constructible_v<shared_future<>>);
static_assert(std::is_same_v<weft::await_result_t<shared_future<std::string>>, std::string const&>);
static_assert(std::is_same_v<weft::await_result_t<shared_future<int&>>, int&>);
static_assert(std::is_same_v<weft::await_result_t<shared_future<>>, void>);

namespace {

task<int> reads(shared_future<counted> f) {
  counted const& v = co_await f;
  co_return v.value();
}

}  // namespace

TEST_CASE("share consumes the future, and copies of what it gives are valid until they are moved from") {
  weft_test::watchdog const guard("shared_future_test: validity");
  weft_test::balance const balance;
  auto f = weft::make_ready_future(7);
  auto s = f.share();
  CHECK_FALSE(f.valid());
  auto const copy = s;
  auto const moved = std::move(s);
  CHECK_FALSE(s.valid());
  CHECK(copy.valid());
  CHECK(moved.ready());
  CHECK(copy.get() == 7);
  CHECK(copy.get() == 7);
  CHECK(&copy.get() == &moved.get());
  s = copy;
  CHECK(s.get() == 7);
  CHECK_FALSE(shared_future<int>().valid());
}

TEST_CASE(
    "every reader gets the same value where it stands, which is neither copied nor moved, and dies with the last "
    "copy") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: one value");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    promise<counted> p;
    auto s = p.get_future().share();
    std::vector<future<int>> readers;
    for (int i = 0; i < 20; ++i) readers.push_back(pool.spawn(reads, s));
    p.set_value(counted(5));
    for (auto& r : readers) CHECK(r.get() == 5);
    CHECK(s.get().value() == 5);
    CHECK(counted::copies() == 0);
    CHECK(counted::live() == 1);
    s = {};
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a shared future hands over references, nothing, and what cannot be copied") {
  weft_test::watchdog const guard("shared_future_test: kinds");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  int number = 1;
  auto const reference = pool.spawn([&number]() -> int& { return number; }).share();
  CHECK(&reference.get() == &number);
  auto const owner = pool.spawn([] { return std::make_unique<int>(2); }).share();
  CHECK(*owner.get() == 2);
  auto const nothing = pool.spawn([] {}).share();
  nothing.get();
  int const sum = pool.run([=]() -> task<int> {
    int& n = co_await reference;
    co_await nothing;
    co_return n;
  });
  CHECK(sum == 1);
}

TEST_CASE("several plain threads wait for one result") {
  weft_test::watchdog const guard("shared_future_test: plain threads");
  weft_test::balance const balance;
  for (int round = 0; round < 20; ++round) {
    promise<int> p;
    auto const s = p.get_future().share();
    std::atomic<int> sum{0};
    {
      std::vector<std::thread> readers;
      for (int i = 0; i < 4; ++i) readers.emplace_back([s, &sum] { sum += s.get(); });
      p.set_value(round);
      for (auto& t : readers) t.join();
    }
    CHECK(sum == 4 * round);
  }
}

TEST_CASE("wait_for gives up in time, and the other readers still wait") {
  weft_test::watchdog const guard("shared_future_test: wait_for");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  promise<int> p;
  auto const s = p.get_future().share();
  auto reader = pool.spawn([s]() { return s.get(); });
  CHECK_FALSE(s.wait_for(0s));
  CHECK_FALSE(s.wait_for(1ms));
  CHECK_FALSE(s.wait_until(weft::clock::now() + 1ms));
  bool const late = pool.run([s] { return !s.wait_for(1ms); });
  CHECK(late);
  p.set_value(3);
  CHECK(s.wait_for(0s));
  CHECK(s.wait_for(std::chrono::hours::max()));
  CHECK(reader.get() == 3);
}

TEST_CASE("waits that time out race with the result and lose nothing") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: wait_for races");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 200; ++i) {
    auto const s = pool.spawn(later, i).share();
    auto reader = pool.spawn([s]() -> task<int> { co_return co_await s; });
    while (!s.wait_for(std::chrono::microseconds(i % 50))) {
    }
    CHECK(s.get() == i);
    CHECK(reader.get() == i);
  }
}

TEST_CASE("get on the only worker runs shared work that has not begun") {
  weft_test::watchdog const guard("shared_future_test: inline");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  int const sum = pool.run([] {
    auto const s = weft::spawn(later, 4).share();
    return s.get() + s.get();
  });
  CHECK(sum == 8);
  int const awaited = pool.run([]() -> task<int> {
    auto const s = weft::spawn([] { return 5; }).share();
    int total = co_await s;
    total += co_await s;
    co_return total;
  });
  CHECK(awaited == 10);
}

TEST_CASE("readers go on in the order in which they came") {
  weft_test::watchdog const guard("shared_future_test: order");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  promise<> p;
  auto const s = p.get_future().share();
  std::vector<int> order;
  std::vector<future<>> readers;
  int waiting = 0;
  auto reader = [&](int i) -> task<> {
    ++waiting;
    co_await s;
    order.push_back(i);
  };
  pool.run([&]() -> task<> {
    for (int i = 0; i < 10; ++i) readers.push_back(weft::spawn(reader, i));
    while (waiting != 10) co_await weft::this_task::yield();
    p.set_value();
  });
  for (auto& r : readers) r.get();
  CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("ten thousand tasks wait for one result") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: many", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  promise<int> p;
  auto const s = p.get_future().share();
  std::atomic<int> sum{0};
  std::vector<future<>> readers;
  auto reader = [&sum](shared_future<int> f) -> task<> { sum += co_await f; };
  constexpr int count = weft::detail::small_capacities ? 1000 : 10'000;
  for (int i = 0; i < count; ++i) readers.push_back(pool.spawn(reader, s));
  p.set_value(1);
  for (auto& r : readers) r.get();
  CHECK(sum == count);
}

TEST_CASE("every reader of a failure gets it, and it is not reported to the pool as well") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: failure");
  failures_reported = 0;
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers, .on_failure = &count_failure}};
    auto s = pool.spawn([]() -> int { throw std::runtime_error("for all"); }).share();
    CHECK_THROWS_WITH(s.get(), "for all");
    CHECK_THROWS_WITH(s.get(), "for all");
    CHECK_THROWS_WITH(pool.run([s]() -> task<int> { co_return co_await s; }), "for all");
    s = {};
  }
  CHECK(failures_reported == 0);
}

TEST_CASE("a failure that no reader has asked for is reported when the last copy goes") {
  weft_test::watchdog const guard("shared_future_test: unread failure");
  failures_reported = 0;
  weft::pool pool{{.workers = 1, .on_failure = &count_failure}};
  auto s = pool.spawn([] { throw std::runtime_error("nobody asks"); }).share();
  auto copy = s;
  s.wait();
  s = {};
  CHECK(failures_reported == 0);
  copy = {};
  pool.shutdown(weft::drain_or_stop::drain);
  CHECK(failures_reported == 1);
}

TEST_CASE("readers of a promise that is not kept are told so") {
  weft_test::watchdog const guard("shared_future_test: broken");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  shared_future<int> s;
  {
    promise<int> p;
    s = p.get_future().share();
  }
  CHECK_THROWS_AS(s.get(), weft::broken_promise);
  CHECK_THROWS_AS(pool.run(s), weft::broken_promise);
}

TEST_CASE("a reader that is stopped leaves, and the work and the other readers go on") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: stop of one");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 50; ++i) {
    promise<int> p;
    auto const s = p.get_future().share();
    auto read = [](shared_future<int> f) -> task<int> { co_return co_await f; };
    auto first = pool.spawn(read, s), second = pool.spawn(read, s), third = pool.spawn(read, s);
    second.stop();
    CHECK_THROWS_AS(second.get(), weft::stopped);
    p.set_value(i);
    CHECK(first.get() == i);
    CHECK(third.get() == i);
  }
}

TEST_CASE("stops of shared readers that race with the result deliver one of the two") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: stop races");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int values = 0, stops = 0;
  for (int i = 0; i < 100; ++i) {
    promise<int> p;
    auto const s = p.get_future().share();
    std::vector<future<int>> readers;
    for (int r = 0; r < 4; ++r)
      readers.push_back(pool.spawn([](shared_future<int> f) -> task<int> { co_return co_await f; }, s));
    auto keeper = pool.spawn([&p] { p.set_value(1); });
    for (auto& r : readers) r.stop();
    for (auto& r : readers) {
      try {
        values += r.get();
      } catch (weft::stopped const&) {
        ++stops;
      }
    }
    keeper.get();
  }
  CHECK(values + stops == 400);
}

TEST_CASE("stop of a shared future asks the work, and all readers see it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: stop of the work");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const s = pool.spawn(until_stopped).share();
  auto const copy = s;
  s.stop();
  CHECK_THROWS_AS(s.get(), weft::stopped);
  CHECK_THROWS_AS(copy.get(), weft::stopped);
}

TEST_CASE("then of a shared future gives each its own future, computing or waiting, and may be called again") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: then");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const s = pool.spawn(later, 20).share();
  auto doubled = s.then([](int const& v) { return 2 * v; });
  auto waited = s.then([](int const& v) -> task<std::string> {
    co_await weft::this_task::yield();
    co_return std::to_string(v);
  });
  auto nothing = s.then([](int) {});
  CHECK(doubled.get() == 40);
  CHECK(waited.get() == "20");
  nothing.get();
  auto const none = pool.spawn([] {}).share();
  CHECK(none.then([] { return 3; }).get() == 3);

  auto const failed = pool.spawn([]() -> int { throw std::runtime_error("passes by"); }).share();
  bool called = false;
  CHECK_THROWS_WITH(failed.then([&called](int) { called = true; }).get(), "passes by");
  CHECK_FALSE(called);
}

TEST_CASE("a continuation of a shared future can be stopped before the result is there") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: stop of then");
  weft_test::balance const balance;
  promise<int> p;
  weft::pool pool{{.workers = workers}};
  pool.run([&p] {
    auto const s = p.get_future().share();
    auto next = s.then([](int v) { return v; });
    auto other = s.then([](int v) { return v + 1; });
    next.stop();
    try {
      next.get();
      return;
    } catch (weft::stopped const&) {
      p.set_value(1);
    }
    if (other.get() != 2) throw std::logic_error("the other continuation was lost");
  });
}

TEST_CASE("all copies may go while the work runs, and while readers wait") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: dropped");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    for (int i = 0; i < 50; ++i) {
      promise<counted> p;
      auto s = p.get_future().share();
      auto reader = pool.spawn(reads, s);
      if (i % 2 == 0) s = {};
      auto keeper = pool.spawn([&p, i] { p.set_value(counted(i)); });
      s = {};
      CHECK(reader.get() == i);
      keeper.get();
      static_cast<void>(pool.spawn([i] { return counted(i); }).share());
    }
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a shared future outlives its pool with the value") {
  weft_test::watchdog const guard("shared_future_test: outlives its pool");
  weft_test::balance const balance;
  shared_future<std::string> s;
  {
    weft::pool pool{{.workers = 2}};
    s = pool.spawn([] { return std::string(100, 's'); }).share();
    s.wait();
  }
  CHECK(s.get() == std::string(100, 's'));
}

TEST_CASE("readers in when_all, and on several pools, share one result") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: combined");
  weft_test::balance const balance;
  weft::pool other{{.workers = 1}};
  weft::pool pool{{.workers = workers}};
  promise<int> p;
  auto const s = p.get_future().share();
  auto elsewhere =
      other.spawn([s, &other]() -> task<bool> { co_return co_await s == 6 && weft::pool::current() == &other; });
  auto here = pool.spawn([s, &pool]() -> task<int> {
    auto [a, b] = co_await weft::when_all(s, s);
    co_return weft::pool::current() == &pool ? a + b : -1;
  });
  p.set_value(6);
  CHECK(elsewhere.get());
  CHECK(here.get() == 12);
}

TEST_CASE("a shared future in a select takes part until it is ready, and loses nothing when another case happens") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_future_test: select");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  promise<int> p;
  auto const s = p.get_future().share();
  auto both = pool.spawn([s, &p]() -> task<int> {
    int total = 0;
    for (int i = 0; i < 3; ++i)
      total +=
          co_await weft::select(weft::on(s, [](int v) { return v; }), weft::on(weft::sleep_for(1ms), [] { return 1; }));
    p.set_value(10);
    total +=
        co_await weft::select(weft::on(s, [](int v) { return v; }), weft::on(weft::sleep_for(1h), [] { return 1; }));
    total += co_await weft::select(weft::on(s, [](int v) { return v; }), weft::otherwise([] { return 100; }));
    co_return total;
  });
  CHECK(both.get() == 23);
}

TEST_CASE("a million awaits of shared results that are there, or become so at once, do not build up the stack") {
  weft_test::watchdog const guard("shared_future_test: awaits in a loop", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft_test::stack_depth depth;
  int const count = weft::detail::small_capacities ? 50'000 : 1'000'000;
  int const sum = pool.run([&]() -> task<int> {
    int total = 0;
    auto const ready = weft::make_ready_future(1).share();
    for (int i = 0; i < count; ++i) {
      total += co_await ready;
      depth.look();
    }
    for (int i = 0; i < count / 10; ++i) {
      auto const begins_here = weft::spawn([] { return 1; }).share();
      total += co_await begins_here;
      depth.look();
    }
    co_return total;
  });
  CHECK(sum == count + count / 10);
  CHECK(depth.bytes() <= 64 * 1024);
}

TEST_CASE("misuse of a shared future ends the program with a sentence") {
  weft_test::expect_misuse("has no result", [] { static_cast<void>(shared_future<int>().ready()); });
  weft_test::expect_misuse("consumed once", [] {
    future<int> f;
    static_cast<void>(f.share());
  });
}
