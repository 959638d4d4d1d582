#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/misuse.hpp"
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
#include <weft/sync/condition_variable.hpp>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::condition_variable;
using weft::mutex;
using weft::task;
using weft_test::ending;

static_assert(!std::is_copy_constructible_v<condition_variable> && !std::is_move_constructible_v<condition_variable>);

namespace {

/// What the tasks of a test share.
struct room {
  mutex m;
  condition_variable cv;
  std::vector<int> order;  // guarded by m
  bool open = false;       // guarded by m
};

task<> waits_once(room& r, int i) {
  auto l = co_await r.m.lock();
  co_await r.cv.wait(l);
  if (!l.owns() || !r.m.is_locked()) std::abort();
  r.order.push_back(i);
}

/// With one worker: `count` tasks that wait, in order.
std::vector<weft::future<>> waiting(room& r, int count) {
  std::vector<weft::future<>> all;
  for (int i = 0; i < count; ++i) all.push_back(weft::spawn(waits_once, std::ref(r), i));
  return all;
}

}  // namespace

TEST_CASE("wait gives the mutex away while it waits, and has it again when it goes on") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  pool.run([&]() -> task<> {
    auto f = weft::spawn(waits_once, std::ref(r), 1);
    co_await weft_test::settle();
    CHECK_FALSE(r.m.is_locked());
    {
      auto const l = co_await r.m.lock();
      r.cv.notify_one();
      co_await weft_test::settle();
      CHECK_FALSE(f.ready());  // it was notified, but the mutex is held here
    }
    co_await std::move(f);
    CHECK_FALSE(r.m.is_locked());
  });
}

TEST_CASE("notify_one lets one task go on, the one that has waited longest") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  pool.run([&]() -> task<> {
    auto all = waiting(r, 5);
    co_await weft_test::settle();
    for (std::size_t i = 0; i < all.size(); ++i) {
      CHECK(r.order.size() == i);
      r.cv.notify_one();
      co_await weft_test::settle();
    }
    for (auto& f : all) co_await std::move(f);
  });
  CHECK(r.order == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("notify_all lets everybody go on who waits, in order, and nobody who comes later") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  pool.run([&]() -> task<> {
    auto all = waiting(r, 5);
    co_await weft_test::settle();
    r.cv.notify_all();
    auto later = weft::spawn(waits_once, std::ref(r), 9);
    co_await weft_test::settle();
    CHECK(r.order == std::vector<int>{0, 1, 2, 3, 4});
    CHECK_FALSE(later.ready());
    for (auto& f : all) co_await std::move(f);
    r.cv.notify_all();
    co_await std::move(later);
  });
  CHECK(r.order.back() == 9);
}

TEST_CASE("a notification that nobody waits for is forgotten") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  pool.run([&]() -> task<> {
    r.cv.notify_one();
    r.cv.notify_all();
    auto f = weft::spawn(waits_once, std::ref(r), 1);
    co_await weft_test::settle();
    CHECK_FALSE(f.ready());
    r.cv.notify_one();
    co_await std::move(f);
  });
}

TEST_CASE("notify_all wakes no herd: each goes on when the one before has unlocked") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  int inside = 0, most = 0;
  auto one = [&]() -> task<> {
    auto l = co_await r.m.lock();
    co_await r.cv.wait(l);
    most = std::max(most, ++inside);
    co_await weft_test::settle();
    --inside;
  };
  pool.run([&]() -> task<> {
    std::vector<weft::future<>> all;
    for (int i = 0; i < 6; ++i) all.push_back(weft::spawn(one));
    co_await weft_test::settle();
    auto l = co_await r.m.lock();
    r.cv.notify_all();
    l.unlock();
    CHECK(r.m.is_locked());  // handed to the first of them
    for (auto& f : all) co_await std::move(f);
  });
  CHECK(most == 1);
}

TEST_CASE("wait with a predicate waits until it is so, and not at all where it is so already") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  int looked = 0;
  auto one = [&]() -> task<> {
    auto l = co_await r.m.lock();
    co_await r.cv.wait(l, [&] {
      ++looked;
      return r.open;
    });
    CHECK(l.owns());
  };
  pool.run([&]() -> task<> {
    auto f = weft::spawn(one);
    co_await weft_test::settle();
    r.cv.notify_one();
    co_await weft_test::settle();
    CHECK_FALSE(f.ready());
    CHECK(looked == 2);
    {
      auto const l = co_await r.m.lock();
      r.open = true;
      r.cv.notify_one();
    }
    co_await std::move(f);
    CHECK(looked == 3);
    co_await one();
    CHECK(looked == 4);
  });
}

TEST_CASE("what the predicate throws is thrown by wait, and the mutex is held") {
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  room r;
  pool.run([&]() -> task<> {
    auto l = co_await r.m.lock();
    bool thrown = false;
    try {
      co_await r.cv.wait(l, []() -> bool { throw std::runtime_error("no"); });
    } catch (std::runtime_error const&) {
      thrown = true;
    }
    CHECK(thrown);
    CHECK(l.owns());
    CHECK(r.m.is_locked());
  });
}

TEST_CASE("a stopped wait ends as stopped, with the mutex held") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("condition_variable_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  room r;
  std::atomic<int> inside{0}, held{0};
  auto one = [&]() -> task<> {
    auto l = co_await r.m.lock();
    ++inside;
    try {
      co_await r.cv.wait(l);
    } catch (weft::stopped const&) {
      held += l.owns() && r.m.is_locked();
      throw;
    }
  };
  auto f = pool.spawn(one), g = pool.spawn(one);
  while (inside != 2) std::this_thread::yield();
  pool.run(r.m.lock()).unlock();  // who gets it after them finds both waiting
  f.stop();
  g.stop();
  CHECK(weft_test::ending_of(f) == ending::stopped);
  CHECK(weft_test::ending_of(g) == ending::stopped);
  CHECK(held == 2);
  CHECK_FALSE(r.m.is_locked());
}

TEST_CASE("a stopped wait that finds the mutex held comes back when it is free") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  pool.run([&]() -> task<> {
    auto f = weft::spawn(waits_once, std::ref(r), 1);
    co_await weft_test::settle();
    auto l = co_await r.m.lock();
    f.stop();
    co_await weft_test::settle();
    CHECK_FALSE(f.ready());
    l.unlock();
    co_await weft_test::settle();
    CHECK(f.ready());
    CHECK(weft_test::ending_of(f) == ending::stopped);
    CHECK_FALSE(r.m.is_locked());
  });
}

TEST_CASE("a notification that came before the stop counts") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  pool.run([&]() -> task<> {
    auto f = weft::spawn(waits_once, std::ref(r), 1);
    co_await weft_test::settle();
    auto l = co_await r.m.lock();
    r.cv.notify_one();
    f.stop();  // it waits for the mutex by now
    l.unlock();
    co_await std::move(f);
  });
  CHECK(r.order == std::vector<int>{1});
}

TEST_CASE("a notification is not wasted on a stopped task") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  pool.run([&]() -> task<> {
    auto all = waiting(r, 3);
    co_await weft_test::settle();
    all[0].stop();
    r.cv.notify_one();
    co_await std::move(all[1]);
    CHECK(r.order == std::vector<int>{1});
    CHECK(weft_test::ending_of(all[0]) == ending::stopped);
    CHECK_FALSE(all[2].ready());
    r.cv.notify_one();
    co_await std::move(all[2]);
  });
}

TEST_CASE("one that waits again goes behind those who wait already") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  auto again_and_again = [&](int i) -> task<> {
    auto l = co_await r.m.lock();
    for (int n = 0; n < 3; ++n) {
      co_await r.cv.wait(l);
      r.order.push_back(i);
    }
  };
  pool.run([&]() -> task<> {
    std::vector<weft::future<>> all;
    for (int i = 0; i < 3; ++i) all.push_back(weft::spawn(again_and_again, i));
    co_await weft_test::settle();
    for (int i = 0; i < 9; ++i) {
      r.cv.notify_one();
      co_await weft_test::settle();
    }
    for (auto& f : all) co_await std::move(f);
  });
  CHECK(r.order == std::vector<int>{0, 1, 2, 0, 1, 2, 0, 1, 2});
}

TEST_CASE("a notification goes to one who waited when it was given, not to one who came in between") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  pool.run([&]() -> task<> {
    auto first = weft::spawn(waits_once, std::ref(r), 1);
    co_await weft_test::settle();
    auto l = co_await r.m.lock();
    r.cv.notify_one();
    auto second = weft::spawn(waits_once, std::ref(r), 2);
    co_await weft_test::settle();
    l.unlock();
    co_await weft_test::settle();
    CHECK(first.ready());
    CHECK_FALSE(second.ready());
    r.cv.notify_one();
    co_await std::move(first);
    co_await std::move(second);
  });
  CHECK(r.order == std::vector<int>{1, 2});
}

TEST_CASE("no more are woken than notifications were given") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  pool.run([&]() -> task<> {
    auto all = waiting(r, 4);
    co_await weft_test::settle();
    {
      auto const l = co_await r.m.lock();
      r.cv.notify_one();
      r.cv.notify_one();
    }
    co_await weft_test::settle();
    CHECK(r.order == std::vector<int>{0, 1});
    r.cv.notify_all();
    for (auto& f : all) co_await std::move(f);
  });
}

TEST_CASE("a wait within a time comes back with the mutex") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("condition_variable_test: timeout");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  room r;
  bool const held = pool.run([&]() -> task<bool> {
    auto l = co_await r.m.lock();
    try {
      co_await weft::timeout(2ms, r.cv.wait(l));
    } catch (weft::timed_out const&) {
    }
    co_return l.owns() && r.m.is_locked();
  });
  CHECK(held);
}

TEST_CASE("a wait that is stopped again and again while it waits for its mutex comes back with it, once") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  room r;
  pool.run([&]() -> task<> {
    auto notified = weft::spawn(waits_once, std::ref(r), 1), stopped = weft::spawn(waits_once, std::ref(r), 2);
    co_await weft_test::settle();
    auto l = co_await r.m.lock();
    r.cv.notify_one();
    for (int i = 0; i < 3; ++i) {
      notified.stop();
      stopped.stop();
      co_await weft_test::settle();
      CHECK_FALSE(notified.ready());
      CHECK_FALSE(stopped.ready());
    }
    l.unlock();
    co_await std::move(notified);
    CHECK(weft_test::ending_of(stopped) == ending::stopped);
    CHECK_FALSE(r.m.is_locked());
  });
  CHECK(r.order == std::vector<int>{1});
}

TEST_CASE("two condition variables of one mutex have waiters of their own") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  mutex m;
  condition_variable odd, even;
  std::vector<int> order;  // guarded by m
  auto waits = [&](condition_variable& cv, int i) -> task<> {
    auto l = co_await m.lock();
    co_await cv.wait(l);
    order.push_back(i);
  };
  pool.run([&]() -> task<> {
    std::vector<weft::future<>> all;
    for (int i = 0; i < 6; ++i) all.push_back(weft::spawn(waits, std::ref(i % 2 == 0 ? even : odd), i));
    co_await weft_test::settle();
    odd.notify_one();
    co_await weft_test::settle();
    even.notify_all();
    co_await weft_test::settle();
    CHECK(order == std::vector<int>{1, 0, 2, 4});
    odd.notify_all();
    for (auto& f : all) co_await std::move(f);
  });
  CHECK(order == std::vector<int>{1, 0, 2, 4, 3, 5});
}

TEST_CASE("a bounded buffer between producers and consumers passes everything once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("condition_variable_test: buffer");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  condition_variable not_empty, not_full;
  std::deque<int> buffer;  // guarded by m
  constexpr int each = 300;
  auto producer = [&](int base) -> task<> {
    for (int i = 0; i < each; ++i) {
      auto l = co_await m.lock();
      while (buffer.size() == 4) co_await not_full.wait(l);
      buffer.push_back(base + i);
      not_empty.notify_one();
    }
  };
  auto consumer = [&]() -> task<long> {
    long sum = 0;
    for (int i = 0; i < each; ++i) {
      auto l = co_await m.lock();
      while (buffer.empty()) co_await not_empty.wait(l);
      sum += buffer.front();
      buffer.pop_front();
      not_full.notify_one();
    }
    co_return sum;
  };
  std::vector<weft::future<>> producers;
  std::vector<weft::future<long>> consumers;
  for (int i = 0; i < 3; ++i) {
    producers.push_back(pool.spawn(producer, i * each));
    consumers.push_back(pool.spawn(consumer));
  }
  long sum = 0;
  for (auto& f : producers) f.get();
  for (auto& f : consumers) sum += f.get();
  CHECK(sum == 3L * each * (3L * each - 1) / 2);
}

TEST_CASE("waits, notifications and stops at random: every notification that somebody waited for wakes somebody") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("condition_variable_test: random stops");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  condition_variable cv;
  int tokens = 0;  // guarded by m
  for (int round = 0; round < 20; ++round) {
    constexpr int takers = 12;
    auto take = [&]() -> task<> {
      auto l = co_await m.lock();
      while (tokens == 0) co_await cv.wait(l);
      --tokens;
    };
    auto give = [&](int n) -> task<> {
      for (int i = 0; i < n; ++i) {
        auto const l = co_await m.lock();
        ++tokens;
        cv.notify_one();
      }
    };
    std::vector<weft::future<>> all;
    for (int i = 0; i < takers; ++i) all.push_back(pool.spawn(take));
    auto giver = pool.spawn(give, takers);
    for (auto& f : all)
      if (random.below(2) == 0) f.stop();
    giver.get();
    // There is a token for each of them: whoever was not stopped must end.
    int taken = 0;
    for (auto& f : all) taken += weft_test::ending_of(f) == ending::value;
    CHECK(taken + tokens == takers);
    tokens = 0;
  }
}

TEST_CASE("waiting with a guard that owns nothing ends the program with a sentence") {
  weft_test::expect_misuse("with a guard that owns its mutex", [] {
    mutex m;
    condition_variable cv;
    auto l = m.try_lock();
    l.unlock();
    static_cast<void>(cv.wait(l));
  });
}
