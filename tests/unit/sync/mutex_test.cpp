#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/misuse.hpp"
#include "support/seeded.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::mutex;
using weft::task;
using weft_test::ending;

static_assert(!std::is_copy_constructible_v<mutex> && !std::is_move_constructible_v<mutex>);
static_assert(!std::is_copy_constructible_v<mutex::guard> && std::is_nothrow_move_constructible_v<mutex::guard>);
static_assert(std::is_same_v<weft::await_result_t<decltype(std::declval<mutex&>().lock())>, mutex::guard>);
static_assert(sizeof(mutex) <= 24);

namespace {

task<> locks_and_notes(mutex& m, std::vector<int>& order, int i) {
  auto const l = co_await m.lock();
  order.push_back(i);
}

}  // namespace

TEST_CASE("a mutex that nobody holds is locked at once, and unlocked by the end of its guard") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  CHECK_FALSE(m.is_locked());
  bool const right = pool.run([&]() -> task<bool> {
    bool ok = true;
    {
      auto const l = co_await m.lock();
      ok = l.owns() && m.is_locked();
    }
    co_return ok && !m.is_locked();
  });
  CHECK(right);
}

TEST_CASE("try_lock takes a free mutex, and nothing from whoever holds one") {
  mutex m;
  auto a = m.try_lock();
  CHECK(a.owns());
  auto b = m.try_lock();
  CHECK_FALSE(b);
  a.unlock();
  CHECK_FALSE(a.owns());
  CHECK(m.try_lock().owns());
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("a guard can be moved and assigned: what it held before is unlocked") {
  mutex m, n;
  auto a = m.try_lock();
  auto b = std::move(a);
  CHECK_FALSE(a.owns());
  CHECK(b.owns());
  auto c = n.try_lock();
  c = std::move(b);
  CHECK(c.owns());
  CHECK_FALSE(n.is_locked());
  CHECK(m.is_locked());
  c = {};
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("a plain thread locks through run, and may unlock where it is") {
  weft::pool pool{{.workers = 1}};
  mutex m;
  {
    auto l = pool.run(m.lock());
    CHECK(l.owns());
    CHECK_FALSE(m.try_lock());
  }
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("what the mutex guards is touched by one task at a time") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("mutex_test: exclusion");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  long sum = 0;
  int inside = 0, most_inside = 0;
  auto one = [&]() -> task<> {
    for (int i = 0; i < 300; ++i) {
      auto const l = co_await m.lock();
      most_inside = std::max(most_inside, ++inside);
      if (i % 8 == 0) co_await weft::this_task::yield();
      ++sum;
      --inside;
    }
  };
  pool.run([&]() -> task<> {
    std::vector<task<>> all;
    for (int i = 0; i < 32; ++i) all.push_back(one());
    co_await weft_test::all_of(std::move(all));
  });
  CHECK(sum == 300 * 32);
  CHECK(most_inside == 1);
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("tasks get the mutex in the order in which they asked") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  mutex m;
  std::vector<int> order;
  pool.run([&]() -> task<> {
    auto l = co_await m.lock();
    std::vector<weft::future<>> waiting;
    for (int i = 0; i < 10; ++i) waiting.push_back(weft::spawn(locks_and_notes, std::ref(m), std::ref(order), i));
    co_await weft_test::settle();
    CHECK(order.empty());
    l.unlock();
    for (auto& f : waiting) co_await std::move(f);
  });
  REQUIRE(order.size() == 10);
  for (int i = 0; i < 10; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("unlock hands the mutex over: nobody who comes in between gets it first") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  mutex m;
  std::vector<int> order;
  pool.run([&]() -> task<> {
    auto l = co_await m.lock();
    auto waiting = weft::spawn(locks_and_notes, std::ref(m), std::ref(order), 1);
    co_await weft_test::settle();
    l.unlock();
    // The waiting task has not run yet, and the mutex is its own already.
    CHECK(m.is_locked());
    CHECK_FALSE(m.try_lock());
    auto const again = co_await m.lock();
    order.push_back(2);
    co_await std::move(waiting);
  });
  CHECK(order == std::vector<int>{1, 2});
}

TEST_CASE("each unlock wakes one task, not all of them") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  mutex m;
  int awake = 0;
  mutex gate;
  auto one = [&]() -> task<> {
    auto const l = co_await m.lock();
    ++awake;
    auto const held_up = co_await gate.lock();
  };
  pool.run([&]() -> task<> {
    auto closed = co_await gate.lock();
    auto l = co_await m.lock();
    std::vector<weft::future<>> waiting;
    for (int i = 0; i < 10; ++i) waiting.push_back(weft::spawn(one));
    co_await weft_test::settle();
    l.unlock();
    co_await weft_test::settle();
    CHECK(awake == 1);
    closed.unlock();
    for (auto& f : waiting) co_await std::move(f);
  });
  CHECK(awake == 10);
}

TEST_CASE("a mutex is held across other waits, and unlocked on another worker than it was locked on") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("mutex_test: across waits");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  int value = 0;
  auto one = [&]() -> task<> {
    auto l = co_await m.lock();
    int const seen = value;
    for (int i = 0; i < 5; ++i) co_await weft::this_task::yield();
    value = seen + 1;
    l.unlock();
    co_await weft::this_task::yield();
  };
  pool.run([&]() -> task<> {
    std::vector<weft::future<>> all;
    for (int i = 0; i < 50; ++i) all.push_back(weft::spawn(one));
    for (auto& f : all) co_await std::move(f);
  });
  CHECK(value == 50);
}

TEST_CASE("a task that waits for a mutex and is stopped leaves the queue") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("mutex_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  auto l = m.try_lock();
  auto f = pool.spawn(m.lock());
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(m.is_locked());
  l.unlock();
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("a stop in the middle of the queue leaves the order of the others alone") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  mutex m;
  std::vector<int> order;
  pool.run([&]() -> task<> {
    auto l = co_await m.lock();
    std::vector<weft::future<>> waiting;
    for (int i = 0; i < 5; ++i) waiting.push_back(weft::spawn(locks_and_notes, std::ref(m), std::ref(order), i));
    co_await weft_test::settle();
    waiting[0].stop();
    waiting[2].stop();
    waiting[4].stop();
    co_await weft_test::settle();
    CHECK(waiting[0].ready());
    CHECK_FALSE(waiting[1].ready());
    CHECK(weft_test::ending_of(waiting[0]) == ending::stopped);
    CHECK(weft_test::ending_of(waiting[2]) == ending::stopped);
    CHECK(weft_test::ending_of(waiting[4]) == ending::stopped);
    l.unlock();
    co_await std::move(waiting[1]);
    co_await std::move(waiting[3]);
  });
  CHECK(order == std::vector<int>{1, 3});
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("a mutex that was handed over before the stop is delivered, not lost") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  mutex m;
  pool.run([&]() -> task<> {
    auto l = co_await m.lock();
    auto waiting = weft::spawn(m.lock());
    co_await weft_test::settle();
    l.unlock();
    waiting.stop();  // too late: the mutex is its own
    auto const got = co_await std::move(waiting);
    CHECK(got.owns());
    CHECK(m.is_locked());
  });
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("a stop just before the unlock: the next in the queue gets the mutex") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  mutex m;
  pool.run([&]() -> task<> {
    auto l = co_await m.lock();
    auto first = weft::spawn(m.lock());
    auto second = weft::spawn(m.lock());
    co_await weft_test::settle();
    first.stop();
    l.unlock();
    auto const got = co_await std::move(second);
    CHECK(got.owns());
    CHECK(weft_test::ending_of(first) == ending::stopped);
  });
}

TEST_CASE("a task that was stopped before it asks still gets what is free, and does not wait for what is not") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  mutex m;
  auto one = [&](weft::future<>* self) -> task<> {
    self->stop();
    {
      auto const l = co_await m.lock();
      CHECK(l.owns());
    }
    auto const held = m.try_lock();
    auto const never = co_await m.lock();
    FAIL("waited for what the task holds itself");
  };
  weft::future<> f;
  pool.run([&]() -> task<> {
    f = weft::spawn(one, &f);
    co_await weft_test::settle();
    CHECK(weft_test::ending_of(f) == ending::stopped);
  });
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("a lock within a time is delivered or times out, and takes nothing with it then") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("mutex_test: timeout");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  auto held = m.try_lock();
  CHECK_THROWS_AS(pool.run(weft::timeout(2ms, m.lock())), weft::timed_out);
  held.unlock();
  auto const got = pool.run(weft::timeout(1h, m.lock()));
  CHECK(got.owns());
}

TEST_CASE("a task that fails or is stopped with the mutex held unlocks it on its way out") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("mutex_test: way out");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  CHECK_THROWS_AS(pool.run([&]() -> task<> {
    auto const l = co_await m.lock();
    throw std::runtime_error("no");
  }),
                  std::runtime_error);
  CHECK_FALSE(m.is_locked());
  CHECK_THROWS_AS(pool.run(weft::timeout(1ms,
                                         [&]() -> task<> {
                                           auto const l = co_await m.lock();
                                           co_await weft::sleep_for(1h);
                                         })),
                  weft::timed_out);
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("one that locks again and again does not starve another") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("mutex_test: fairness");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  weft::event begun;  // greedy has had the lock
  std::atomic<bool> done{false};
  auto greedy = [&]() -> task<> {
    while (!done) {
      auto const l = co_await m.lock();
      begun.set();
      co_await weft::this_task::yield();
    }
  };
  auto modest = [&]() -> task<> {
    co_await begun.wait();
    for (int i = 0; i < 20; ++i) {
      auto const l = co_await m.lock();
      co_await weft::this_task::yield();
    }
    done = true;
  };
  auto f = pool.spawn(greedy), g = pool.spawn(modest);
  g.get();
  f.get();
}

TEST_CASE("the end of the pool stops those who wait") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("mutex_test: end of the pool");
  weft_test::balance const balance;
  mutex m;
  auto l = m.try_lock();
  std::vector<weft::future<mutex::guard>> waiting;
  {
    weft::pool pool{{.workers = workers}};
    for (int i = 0; i < 10; ++i) waiting.push_back(pool.spawn(m.lock()));
  }
  for (auto& f : waiting) CHECK(weft_test::ending_of(f) == ending::stopped);
}

TEST_CASE("two pools share a mutex, and each task goes on in its own") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("mutex_test: two pools");
  weft_test::balance const balance;
  weft::pool a{{.workers = workers}}, b{{.workers = workers}};
  mutex m;
  std::atomic<int> wrong{0};
  long sum = 0;
  auto one = [&](weft::pool& mine) -> task<> {
    for (int i = 0; i < 100; ++i) {
      auto const l = co_await m.lock();
      if (weft::pool::current() != &mine) ++wrong;
      ++sum;
      if (i % 16 == 0) co_await weft::this_task::yield();
    }
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(a.spawn(one, std::ref(a)));
    all.push_back(b.spawn(one, std::ref(b)));
  }
  for (auto& f : all) f.get();
  CHECK(wrong == 0);
  CHECK(sum == 800);
}

TEST_CASE("plain threads and tasks take turns") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("mutex_test: threads and tasks");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  long sum = 0;
  auto one = [&]() -> task<> {
    for (int i = 0; i < 30; ++i) {
      auto const l = co_await m.lock();
      ++sum;
    }
  };
  auto f = pool.spawn(one);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 30; ++i) {
        auto const l = pool.run(m.lock());
        ++sum;
      }
    });
  for (auto& t : threads) t.join();
  f.get();
  CHECK(sum == 120);
}

TEST_CASE("whoever unlocks last may destroy the mutex at once, even while another is on its way out of unlock") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("mutex_test: last one destroys");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  struct shared {
    mutex m;
    int users = 3;  // guarded by m
  };
  for (int round = 0; round < 60; ++round) {
    auto* const s = new shared;
    auto leaves = [](shared* p) -> task<> {
      auto l = co_await p->m.lock();
      bool const last = --p->users == 0;
      l.unlock();
      if (last) delete p;
    };
    std::vector<weft::future<>> all;
    for (int i = 0; i < 3; ++i) all.push_back(pool.spawn(leaves, s));
    for (auto& f : all) f.get();
  }
}

TEST_CASE("locks that many wait for are stopped at random, and none is lost") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("mutex_test: random stops");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  long got = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<weft::future<>> all;
    auto one = [&]() -> task<> {
      auto const l = co_await m.lock();
      ++got;
      co_await weft::this_task::yield();
    };
    long const before = got;
    for (int i = 0; i < 20; ++i) all.push_back(pool.spawn(one));
    for (auto& f : all)
      if (random.below(2) == 0) f.stop();
    long values = 0;
    for (auto& f : all) values += weft_test::ending_of(f) == ending::value;
    CHECK(got - before == values);
    CHECK_FALSE(m.is_locked());
  }
}

TEST_CASE("misuse of a mutex ends the program with a sentence") {
  weft_test::expect_misuse("a guard unlocks once", [] {
    mutex m;
    auto l = m.try_lock();
    l.unlock();
    l.unlock();
  });
  weft_test::expect_misuse("destroyed while it is held", [] {
    auto m = std::make_unique<mutex>();
    auto l = m->try_lock();
    m.reset();
    std::_Exit(0);
  });
}
