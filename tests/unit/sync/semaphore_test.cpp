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
#include <weft/sync/semaphore.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::semaphore;
using weft::task;
using weft_test::ending;

static_assert(!std::is_copy_constructible_v<semaphore> && !std::is_move_constructible_v<semaphore>);
static_assert(!std::is_copy_constructible_v<semaphore::permit> &&
              std::is_nothrow_move_constructible_v<semaphore::permit>);
static_assert(std::is_same_v<weft::await_result_t<decltype(std::declval<semaphore&>().acquire())>, semaphore::permit>);

namespace {

task<> takes_and_notes(semaphore& s, std::size_t n, std::vector<int>& order, int i) {
  auto const p = co_await s.acquire(n);
  order.push_back(i);
}

}  // namespace

TEST_CASE("permits are taken while there are any, and come back with the end of the permit") {
  semaphore s(3);
  CHECK(s.available() == 3);
  auto a = s.try_acquire();
  auto b = s.try_acquire(2);
  CHECK(a.count() == 1);
  CHECK(b.count() == 2);
  CHECK(s.available() == 0);
  CHECK_FALSE(s.try_acquire());
  a.release();
  CHECK_FALSE(a.owns());
  CHECK(a.count() == 0);
  CHECK(s.available() == 1);
  CHECK_FALSE(s.try_acquire(2));
  CHECK(s.available() == 1);
  b = {};
  CHECK(s.available() == 3);
}

TEST_CASE("a permit moves, and is given back once") {
  semaphore s(2);
  {
    auto a = s.try_acquire(2);
    auto b = std::move(a);
    CHECK_FALSE(a.owns());
    CHECK(b.count() == 2);
    CHECK(s.available() == 0);
  }
  CHECK(s.available() == 2);
}

TEST_CASE("a forgotten permit does not come back") {
  semaphore s(2);
  s.try_acquire().forget();
  CHECK(s.available() == 1);
  s.release();
  CHECK(s.available() == 2);
}

TEST_CASE("a semaphore may begin with nothing, and be given permits later") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("semaphore_test: nothing at first");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  semaphore s(0);
  CHECK_FALSE(s.try_acquire());
  auto f = pool.spawn(s.acquire());
  std::this_thread::sleep_for(1ms);
  CHECK_FALSE(f.ready());
  s.release();
  {
    auto const p = f.get();
    CHECK(p.owns());
  }
  CHECK(s.available() == 1);
}

TEST_CASE("no more tasks are inside than there are permits, and as many as there are") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("semaphore_test: bound");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  semaphore s(4);
  std::atomic<int> inside{0}, most{0};
  auto one = [&]() -> task<> {
    for (int i = 0; i < 50; ++i) {
      auto const p = co_await s.acquire();
      int const now = ++inside;
      for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
      }
      // There are permits for so many, whoever comes first.
      co_await weft_test::until([&] { return most >= 4; });
      co_await weft::this_task::yield();
      --inside;
    }
  };
  pool.run([&]() -> task<> {
    std::vector<weft::future<>> all;
    for (int i = 0; i < 20; ++i) all.push_back(weft::spawn(one));
    for (auto& f : all) co_await std::move(f);
  });
  CHECK(most == 4);
  CHECK(s.available() == 4);
}

TEST_CASE("permits are given in the order of arrival") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  semaphore s(0);
  std::vector<int> order;
  pool.run([&]() -> task<> {
    std::vector<weft::future<>> all;
    for (int i = 0; i < 10; ++i) all.push_back(weft::spawn(takes_and_notes, std::ref(s), 1u, std::ref(order), i));
    co_await weft_test::settle();
    s.release();
    for (auto& f : all) co_await std::move(f);
  });
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(order.size() == 10);
}

TEST_CASE("one who asks for many is not passed by those who ask for few") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  semaphore s(2);
  std::vector<int> order;
  pool.run([&]() -> task<> {
    auto held = co_await s.acquire();
    auto many = weft::spawn(takes_and_notes, std::ref(s), 2u, std::ref(order), 1);
    co_await weft_test::settle();
    auto few = weft::spawn(takes_and_notes, std::ref(s), 1u, std::ref(order), 2);
    co_await weft_test::settle();
    CHECK(order.empty());
    CHECK(s.available() == 1);
    CHECK_FALSE(s.try_acquire());  // there is one, but it is spoken for
    held.release();
    co_await std::move(many);
    co_await std::move(few);
  });
  CHECK(order == std::vector<int>{1, 2});
  CHECK(s.available() == 2);
}

TEST_CASE("permits that come one by one are saved up for who asks for many") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  semaphore s(0);
  pool.run([&]() -> task<> {
    auto f = weft::spawn(s.acquire(3));
    co_await weft_test::settle();
    s.release();
    s.release();
    co_await weft_test::settle();
    CHECK_FALSE(f.ready());
    CHECK(s.available() == 2);
    s.release();
    auto const p = co_await std::move(f);
    CHECK(p.count() == 3);
    CHECK(s.available() == 0);
  });
  CHECK(s.available() == 3);
}

TEST_CASE("one release of many lets as many go on, and keeps what is left") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  semaphore s(0);
  pool.run([&]() -> task<> {
    std::vector<weft::future<semaphore::permit>> all;
    for (int i = 0; i < 3; ++i) all.push_back(weft::spawn(s.acquire()));
    co_await weft_test::settle();
    s.release(5);
    CHECK(s.available() == 2);
    for (auto& f : all) {
      auto const p = co_await std::move(f);
      CHECK(p.owns());
    }
  });
  CHECK(s.available() == 5);
}

TEST_CASE("more permits than a semaphore can count are never had, by asking or by waiting") {
  weft_test::watchdog const guard("semaphore_test: too many");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  semaphore s(1);
  auto const acquires = [&](std::size_t n) -> task<> {
    auto p = co_await s.acquire(n);
    p.forget();
  };
  for (auto const n : {semaphore::max, semaphore::max + 1, semaphore::max + 2, 2 * semaphore::max + 1}) {
    auto p = s.try_acquire(n);
    CHECK_FALSE(p.owns());
    p.forget();
    CHECK_THROWS_AS(pool.run(weft::timeout(1ms, acquires(n))), weft::timed_out);
    CHECK(s.available() == 1);
  }
}

TEST_CASE("no permits at all are had when those who came before have had theirs") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  semaphore s(0);
  pool.run([&]() -> task<> {
    {
      auto const p = co_await s.acquire(0);
      CHECK(p.owns());
      CHECK(p.count() == 0);
    }
    auto one = weft::spawn(s.acquire());
    co_await weft_test::settle();
    auto none = weft::spawn(s.acquire(0));
    co_await weft_test::settle();
    CHECK_FALSE(none.ready());
    s.release();
    auto const first = co_await std::move(one);
    auto const second = co_await std::move(none);
    CHECK(first.count() == 1);
    CHECK(second.count() == 0);
  });
  CHECK(s.available() == 1);
}

TEST_CASE("a stopped task leaves the queue and takes no permit") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("semaphore_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  semaphore s(1);
  auto f = pool.spawn(s.acquire(2));
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(s.available() == 1);
  CHECK(s.try_acquire().owns());
}

TEST_CASE("when one who asked for many is stopped, those it held up go on") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  semaphore s(2);
  pool.run([&]() -> task<> {
    auto many = weft::spawn(s.acquire(5));
    co_await weft_test::settle();
    auto few = weft::spawn(s.acquire());
    auto some = weft::spawn(s.acquire(2));
    co_await weft_test::settle();
    CHECK_FALSE(few.ready());
    many.stop();
    auto p = co_await std::move(few);
    CHECK(p.owns());
    CHECK_FALSE(some.ready());
    p.release();
    auto const q = co_await std::move(some);
    CHECK(q.count() == 2);
    CHECK(weft_test::ending_of(many) == ending::stopped);
  });
  CHECK(s.available() == 2);
}

TEST_CASE("a permit that was given before the stop is delivered") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  semaphore s(0);
  pool.run([&]() -> task<> {
    auto f = weft::spawn(s.acquire());
    co_await weft_test::settle();
    s.release();
    f.stop();
    auto const p = co_await std::move(f);
    CHECK(p.owns());
  });
  CHECK(s.available() == 1);
}

TEST_CASE("a permit that nobody takes out of its future comes back with the future") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("semaphore_test: dropped future");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  semaphore s(1);
  {
    auto f = pool.spawn(s.acquire());
    f.wait();
    CHECK(s.available() == 0);
  }
  pool.shutdown(weft::drain_or_stop::drain);
  CHECK(s.available() == 1);
}

TEST_CASE("an acquire within a time gives up without a trace") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("semaphore_test: timeout");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  semaphore s(1);
  CHECK_THROWS_AS(pool.run(weft::timeout(2ms, s.acquire(2))), weft::timed_out);
  CHECK(s.available() == 1);
  CHECK(pool.run(weft::timeout(1h, s.acquire())).owns());
}

TEST_CASE("producers and consumers that are plain threads and tasks") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("semaphore_test: producers");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  semaphore items(0);
  std::atomic<int> taken{0};
  auto consumer = [&]() -> task<> {
    for (int i = 0; i < 100; ++i) {
      (co_await items.acquire()).forget();
      ++taken;
    }
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < 4; ++i) all.push_back(pool.spawn(consumer));
  std::vector<std::thread> producers;
  for (int t = 0; t < 2; ++t)
    producers.emplace_back([&] {
      for (int i = 0; i < 100; ++i) items.release(2);
    });
  for (auto& t : producers) t.join();
  for (auto& f : all) f.get();
  CHECK(taken == 400);
  CHECK(items.available() == 0);
}

TEST_CASE("acquires of random sizes are stopped at random, and every permit is there in the end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("semaphore_test: random stops");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  semaphore s(7);
  for (int round = 0; round < 20; ++round) {
    std::vector<weft::future<>> all;
    auto one = [&](std::size_t n) -> task<> {
      auto const p = co_await s.acquire(n);
      co_await weft::this_task::yield();
      if (p.count() != n) std::abort();
    };
    for (int i = 0; i < 20; ++i) all.push_back(pool.spawn(one, random.below(8)));
    for (auto& f : all)
      if (random.below(2) == 0) f.stop();
    for (auto& f : all) CHECK(weft_test::ending_of(f) != ending::failed);
    CHECK(s.available() == 7);
  }
}

TEST_CASE("one who comes after the release, and before the permit's new holder has run, gets in line behind it") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  semaphore s(1);
  std::vector<int> order;
  pool.run([&]() -> task<> {
    auto held = co_await s.acquire();
    auto first = weft::spawn(takes_and_notes, std::ref(s), 1u, std::ref(order), 1);
    auto second = weft::spawn(takes_and_notes, std::ref(s), 1u, std::ref(order), 2);
    co_await weft_test::settle();
    held.release();
    CHECK_FALSE(s.try_acquire());
    auto const late = co_await s.acquire();
    order.push_back(3);
    co_await std::move(first);
    co_await std::move(second);
  });
  CHECK(order == std::vector<int>{1, 2, 3});
  CHECK(s.available() == 1);
}

TEST_CASE("a permit that comes to a task which ends at once goes on to the next, all along the queue") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  semaphore s(0);
  pool.run([&]() -> task<> {
    std::vector<weft::future<semaphore::permit>> all;
    for (int i = 0; i < 10; ++i) all.push_back(weft::spawn(s.acquire()));
    co_await weft_test::settle();
    s.release();
    // Too late for the first: it has its permit. The others leave the queue.
    for (std::size_t i = 0; i < all.size(); ++i)
      if (i % 3 != 1) all[i].stop();
    co_await weft_test::settle();
    CHECK(all[0].ready());
    CHECK_FALSE(all[1].ready());
    static_cast<void>(weft_test::ending_of(all[0]));  // the permit comes back with it
    for (std::size_t const i : {1u, 4u, 7u}) {
      auto const p = co_await std::move(all[i]);
      CHECK(p.owns());
    }
    for (std::size_t const i : {2u, 3u, 5u, 6u, 8u, 9u}) CHECK(weft_test::ending_of(all[i]) == ending::stopped);
  });
  CHECK(s.available() == 1);
}

TEST_CASE("whoever gives back the last permit may destroy the semaphore at once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("semaphore_test: destroys");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 60; ++round) {
    auto* const s = new semaphore(0);
    auto gives = [](semaphore* p) -> task<> {
      p->release();
      co_return;
    };
    auto takes = [](semaphore* p) -> task<> {
      (co_await p->acquire(3)).forget();
      delete p;
    };
    std::vector<weft::future<>> all;
    all.push_back(pool.spawn(takes, s));
    for (int i = 0; i < 3; ++i) all.push_back(pool.spawn(gives, s));
    for (auto& f : all) f.get();
  }
}

TEST_CASE("misuse of a semaphore ends the program with a sentence") {
  weft_test::expect_misuse("a permit is given back once", [] {
    semaphore s(1);
    auto p = s.try_acquire();
    p.release();
    p.release();
  });
  weft_test::expect_misuse("more permits than it can count", [] {
    semaphore s(1);
    s.release(semaphore::max);
  });
  weft_test::expect_misuse("more permits than it can count", [] { semaphore const s(semaphore::max + 1); });
}
