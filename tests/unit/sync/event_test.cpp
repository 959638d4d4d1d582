#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::auto_event;
using weft::event;
using weft::event_state;
using weft::task;
using weft_test::ending;

static_assert(!std::is_copy_constructible_v<event> && !std::is_move_constructible_v<event>);
static_assert(!std::is_copy_constructible_v<auto_event> && !std::is_move_constructible_v<auto_event>);

namespace {

template <class Event>
task<> waits_and_notes(Event& e, std::vector<int>& order, int i) {
  co_await e.wait();
  order.push_back(i);
}

}  // namespace

TEST_CASE("an event is unset at first, unless made otherwise, and is set and reset any number of times") {
  event e;
  CHECK_FALSE(e.is_set());
  CHECK_FALSE(e.try_wait());
  e.set();
  e.set();
  CHECK(e.try_wait());
  CHECK(e.is_set());
  e.reset();
  e.reset();
  CHECK_FALSE(e.is_set());
  e.set();
  CHECK(e.is_set());
  CHECK(event(event_state::set).is_set());
}

TEST_CASE("waiting for an event that is set does not wait") {
  weft_test::unmonitored_pool pool{{.workers = 1}};
  pool.run([]() -> task<> {
    event const* never = nullptr;
    event e(event_state::set);
    bool other_ran = false;
    auto other = weft::spawn([&] { other_ran = true; });
    for (int i = 0; i < 100; ++i) co_await e.wait();
    CHECK_FALSE(other_ran);
    CHECK(never == nullptr);
    co_await std::move(other);
  });
}

TEST_CASE("set lets all who wait go on, in the order in which they came") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  event e;
  std::vector<int> order;
  pool.run([&]() -> task<> {
    std::vector<weft::future<>> all;
    for (int i = 0; i < 3; ++i) all.push_back(weft::spawn(waits_and_notes<event>, std::ref(e), std::ref(order), i));
    co_await weft_test::settle();
    CHECK(order.empty());
    e.set();
    CHECK(order.empty());  // set does not run them itself
    for (auto& f : all) co_await std::move(f);
    co_await e.wait();
  });
  CHECK(order == std::vector<int>{0, 1, 2});
}

TEST_CASE("a reset right after the set holds nobody back who was waiting") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  event e;
  pool.run([&]() -> task<> {
    auto waiting = weft::spawn(e.wait());
    co_await weft_test::settle();
    e.set();
    e.reset();
    co_await std::move(waiting);
    CHECK_FALSE(e.is_set());
    auto later = weft::spawn(e.wait());
    co_await weft_test::settle();
    CHECK_FALSE(later.ready());
    e.set();
    co_await std::move(later);
  });
}

TEST_CASE("what was written before set is there after wait") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("event_test: publishes");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 40; ++round) {
    event e;
    int value = 0;
    auto reads = [&]() -> task<int> {
      co_await e.wait();
      co_return value;
    };
    auto f = pool.spawn(reads);
    auto g = pool.spawn(reads);
    value = round;
    e.set();
    CHECK(f.get() == round);
    CHECK(g.get() == round);
  }
}

TEST_CASE("a thousand tasks wait for one event") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("event_test: thousand");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  event e;
  std::atomic<int> through{0};
  auto one = [&]() -> task<> {
    co_await e.wait();
    ++through;
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(pool.spawn(one));
  CHECK(through == 0);
  e.set();
  for (auto& f : all) f.get();
  CHECK(through == 1000);
}

TEST_CASE("a stopped task no longer waits for its event, and the others do") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("event_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  event e;
  auto f = pool.spawn(e.wait()), g = pool.spawn(e.wait());
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK_FALSE(g.ready());
  e.set();
  g.get();
}

TEST_CASE("a set before the stop counts") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  event e;
  pool.run([&]() -> task<> {
    auto f = weft::spawn(e.wait());
    co_await weft_test::settle();
    e.set();
    f.stop();
    co_await std::move(f);
  });
}

TEST_CASE("a wait within a time gives up, and the event may be set afterwards") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("event_test: timeout");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  event e;
  CHECK_THROWS_AS(pool.run(weft::timeout(2ms, e.wait())), weft::timed_out);
  e.set();
  pool.run(weft::timeout(1h, e.wait()));
}

TEST_CASE("who waited may destroy the event as soon as it goes on") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("event_test: destroys");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 60; ++round) {
    auto* const e = new event;
    auto waits = [](event* p) -> task<> {
      co_await p->wait();
      delete p;
    };
    auto f = pool.spawn(waits, e);
    e->set();
    f.get();
  }
}

TEST_CASE("an auto_event is used up by one wait, and several sets that nobody has used are one") {
  auto_event e;
  CHECK_FALSE(e.try_wait());
  e.set();
  e.set();
  CHECK(e.is_set());
  CHECK(e.try_wait());
  CHECK_FALSE(e.try_wait());
  e.set();
  e.reset();
  CHECK_FALSE(e.try_wait());
  auto_event set_at_first(event_state::set);
  CHECK(set_at_first.try_wait());
  CHECK_FALSE(set_at_first.is_set());
}

TEST_CASE("each set lets one task through an auto_event, in the order of arrival") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  auto_event e;
  std::vector<int> order;
  pool.run([&]() -> task<> {
    std::vector<weft::future<>> all;
    for (int i = 0; i < 4; ++i)
      all.push_back(weft::spawn(waits_and_notes<auto_event>, std::ref(e), std::ref(order), i));
    co_await weft_test::settle();
    for (int i = 0; i < 4; ++i) {
      e.set();
      CHECK_FALSE(e.is_set());  // given to the first who waits, not to all who look
      co_await weft_test::settle();
      CHECK(order.size() == static_cast<std::size_t>(i) + 1);
    }
    for (auto& f : all) co_await std::move(f);
  });
  CHECK(order == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("two sets while two wait let both through") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  auto_event e;
  pool.run([&]() -> task<> {
    auto a = weft::spawn(e.wait()), b = weft::spawn(e.wait());
    co_await weft_test::settle();
    e.set();
    e.set();
    co_await std::move(a);
    co_await std::move(b);
    CHECK_FALSE(e.is_set());
  });
}

TEST_CASE("a set that a stopped task would have got goes to the next one") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  auto_event e;
  pool.run([&]() -> task<> {
    auto a = weft::spawn(e.wait()), b = weft::spawn(e.wait());
    co_await weft_test::settle();
    a.stop();
    e.set();
    co_await std::move(b);
    CHECK(weft_test::ending_of(a) == ending::stopped);
    auto c = weft::spawn(e.wait());
    co_await weft_test::settle();
    c.stop();
    co_await weft_test::settle();
    e.set();  // nobody is left: it is kept
    CHECK(e.is_set());
    CHECK(weft_test::ending_of(c) == ending::stopped);
  });
}

TEST_CASE("an auto_event wakes a consumer who resets and looks again: nothing produced stays unseen") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("event_test: consumer");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto_event something;
  std::atomic<int> produced{0};
  constexpr int all = 2000;
  auto consumer = [&]() -> task<int> {
    int seen = 0, wakes = 0;
    while (seen < all) {
      co_await something.wait();
      ++wakes;
      seen = produced.load(std::memory_order_relaxed);
    }
    co_return wakes;
  };
  auto f = pool.spawn(consumer);
  for (int i = 0; i < all; ++i) {
    produced.store(i + 1, std::memory_order_relaxed);
    something.set();
  }
  CHECK(f.get() <= all);
}

TEST_CASE("sets and stops at random: each set lets one through or is kept") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("event_test: random stops");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 20; ++round) {
    auto_event e;
    std::vector<weft::future<>> all;
    for (int i = 0; i < 10; ++i) all.push_back(pool.spawn(e.wait()));
    int const sets = static_cast<int>(random.below(6));
    std::thread setter([&] {
      for (int i = 0; i < sets; ++i) e.set();
    });
    for (auto& f : all)
      if (random.below(2) == 0) f.stop();
    setter.join();
    for (auto& f : all) f.stop();
    int through = 0;
    for (auto& f : all) through += weft_test::ending_of(f) == ending::value;
    bool const kept = e.try_wait();
    // Sets without a waiter between them are one: at most as many as were made, and not none if any was.
    CHECK(through + kept <= sets);
    CHECK((through + kept > 0) == (sets > 0));
  }
}

TEST_CASE("a set and a stop that come together: the set has let the wait through, or is kept for the next") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("event_test: set and stop");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto_event e;
  for (int i = 0; i < 300; ++i) {
    auto waiting = pool.spawn(e.wait());
    auto setting = pool.spawn([&e] { e.set(); });
    for (auto spin = random.below(300); spin != 0; --spin) weft::detail::relax();
    waiting.stop();
    setting.get();
    bool const through = weft_test::ending_of(waiting) == ending::value;
    CHECK(e.try_wait() != through);
  }
}
