#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/misuse.hpp"
#include "support/on_one_worker.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/channel/watch.hpp>
#include <weft/combine/select.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using weft::on;
using weft::select;
using weft::task;
using weft::watch;
using weft_test::ending;
using weft_test::on_one_worker;
using weft_test::settle;

TEST_CASE("a watch has a value from the start, and gives copies of the latest") {
  watch<std::string> w("one");
  CHECK(w.get() == "one");
  w.set("two");
  CHECK(w.get() == "two");
  w.update([](std::string& s) { s += " and a half"; });
  CHECK(w.get() == "two and a half");
  watch<int> const zero;
  CHECK(zero.get() == 0);
}

TEST_CASE("what a subscription begins with is no news, unless it has seen nothing") {
  watch<int> w(1);
  auto s = w.subscribe();
  auto fresh = w.subscribe(watch<int>::seen::nothing);
  CHECK_FALSE(s.has_changed());
  CHECK_FALSE(s.try_receive());
  CHECK(fresh.has_changed());
  CHECK(fresh.try_receive() == 1);
  CHECK_FALSE(fresh.try_receive());
  CHECK(w.subscriptions() == 2);
}

TEST_CASE("a subscription receives the latest value once, not each on the way") {
  watch<int> w(0);
  auto s = w.subscribe(), t = w.subscribe();
  w.set(1);
  CHECK(s.try_receive() == 1);
  w.set(2);
  w.set(3);
  CHECK(s.has_changed());
  CHECK(s.try_receive() == 3);
  CHECK_FALSE(s.try_receive());
  CHECK(t.try_receive() == 3);
}

TEST_CASE("a value that nobody subscribes to is there for those who subscribe later, as no news") {
  watch<int> w(1);
  w.set(2);
  {
    auto gone = w.subscribe();
    w.set(3);
    CHECK(gone.has_changed());
  }
  w.set(4);
  auto s = w.subscribe();
  CHECK_FALSE(s.has_changed());
  CHECK(w.get() == 4);
  w.close();
  CHECK_FALSE(s.try_receive());
  w.set(5);  // nobody is told any more, and who looks finds it
  CHECK(s.try_receive() == 5);
  CHECK_FALSE(s.try_receive());
}

TEST_CASE("all who wait for a change are woken by one") {
  on_one_worker("watch_test: wakes", []() -> task<> {
    watch<int> w(0);
    auto s = w.subscribe(), t = w.subscribe();
    auto first = weft::spawn(s.receive()), second = weft::spawn(t.receive());
    co_await settle();
    CHECK_FALSE(first.ready());
    w.set(5);
    auto v = co_await std::move(first);
    CHECK(v == 5);
    v = co_await std::move(second);
    CHECK(v == 5);
    // The same value again is news: somebody has set it.
    w.set(5);
    v = co_await s.receive();
    CHECK(v == 5);
  });
}

TEST_CASE("after the close the last value is received if it has not been seen, and then nothing") {
  on_one_worker("watch_test: close", []() -> task<> {
    watch<int> w(0);
    auto s = w.subscribe(), t = w.subscribe();
    auto waiting = weft::spawn(t.receive());
    co_await settle();
    w.set(1);
    w.close();
    auto v = co_await s.receive();
    CHECK(v == 1);
    v = co_await s.receive();
    CHECK_FALSE(v);
    v = co_await std::move(waiting);
    CHECK(v == 1);
    waiting = weft::spawn(t.receive());
    v = co_await std::move(waiting);
    CHECK_FALSE(v);
    CHECK(w.get() == 1);
  });
}

TEST_CASE("a close wakes those who wait for a change") {
  on_one_worker("watch_test: close wakes", []() -> task<> {
    watch<int> w(0);
    auto s = w.subscribe();
    auto waiting = weft::spawn(s.receive());
    co_await settle();
    w.close();
    auto const v = co_await std::move(waiting);
    CHECK_FALSE(v);
  });
}

TEST_CASE("an update that fails tells nobody") {
  watch<int> w(1);
  auto s = w.subscribe();
  CHECK_THROWS_AS(w.update([](int&) { throw std::runtime_error("no"); }), std::runtime_error);
  CHECK_FALSE(s.has_changed());
  CHECK(w.get() == 1);
  w.set(2);
  CHECK(s.try_receive() == 2);
}

TEST_CASE("a stopped receive does not lose the change") {
  on_one_worker("watch_test: stop", []() -> task<> {
    watch<int> w(0);
    auto s = w.subscribe();
    auto waiting = weft::spawn(s.receive());
    co_await settle();
    waiting.stop();
    CHECK(weft_test::ending_of(waiting) == ending::stopped);
    w.set(3);
    auto const v = co_await s.receive();
    CHECK(v == 3);
  });
}

TEST_CASE("whatever receives are stopped, the last value is received in the end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("watch_test: stops");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr int count = 200;
  watch<int> w(0);
  auto s = w.subscribe();
  auto setting = pool.spawn([&w]() -> task<> {
    for (int i = 1; i <= count; ++i) {
      w.set(i);
      co_await weft::this_task::yield();
    }
    w.close();
  });
  int last = 0, wrong = 0;
  for (bool open = true; open;) {
    auto receiving = pool.spawn(s.receive());
    for (auto spin = random.below(200); spin != 0; --spin) weft::detail::relax();
    receiving.stop();
    try {
      auto const v = receiving.get();
      open = v.has_value();
      wrong += open && *v <= last;
      last = v.value_or(last);
    } catch (weft::stopped const&) {
    }
  }
  setting.get();
  CHECK(wrong == 0);
  CHECK(last == count);
}

TEST_CASE("a watch is one of several things that a select waits for") {
  on_one_worker("watch_test: select", []() -> task<> {
    watch<int> a(0), b(0);
    auto s = a.subscribe(), t = b.subscribe();
    auto selecting = weft::spawn(select(on(s.receive(), [](std::optional<int> v) { return *v; }),
                                        on(t.receive(), [](std::optional<int> v) { return -*v; })));
    co_await settle();
    b.set(4);
    int const v = co_await std::move(selecting);
    CHECK(v == -4);
  });
}

TEST_CASE("every subscription sees values that only grow, and the last one in the end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("watch_test: many");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  watch<int> w(0);
  std::vector<weft::future<int>> last;
  for (int i = 0; i < 5; ++i)
    last.push_back(pool.spawn([s = w.subscribe()]() mutable -> task<int> {
      int seen = 0;
      while (auto v = co_await s.receive()) {
        if (*v <= seen) co_return -1;
        seen = *v;
      }
      co_return seen;
    }));
  auto setting = pool.spawn([&w] {
    for (int i = 1; i <= 2000; ++i) w.set(i);
    w.close();
  });
  setting.get();
  for (auto& l : last) CHECK(l.get() == 2000);
}

TEST_CASE("a watch outlives its subscriptions") {
  weft_test::expect_misuse("a watch is destroyed before its subscriptions", [] {
    auto w = std::make_unique<watch<int>>(1);
    auto const s = w->subscribe();
    w.reset();
  });
}
