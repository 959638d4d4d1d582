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
#include <weft/sync/shared_mutex.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::shared_mutex;
using weft::task;
using weft_test::ending;

static_assert(!std::is_copy_constructible_v<shared_mutex> && !std::is_move_constructible_v<shared_mutex>);
static_assert(!std::is_copy_constructible_v<shared_mutex::guard> &&
              std::is_nothrow_move_constructible_v<shared_mutex::guard>);
static_assert(!std::is_copy_constructible_v<shared_mutex::shared_guard>);
static_assert(!std::is_constructible_v<shared_mutex::guard, shared_mutex::shared_guard>);

namespace {

task<> reads(shared_mutex& m, std::string& order, char name) {
  auto const l = co_await m.lock_shared();
  order += name;
  co_await weft_test::settle();
  order += '.';
}

task<> writes(shared_mutex& m, std::string& order, char name) {
  auto const l = co_await m.lock();
  order += name;
  co_await weft_test::settle();
  order += '.';
}

}  // namespace

TEST_CASE("many readers share it, a writer has it alone") {
  shared_mutex m;
  auto a = m.try_lock_shared();
  auto b = m.try_lock_shared();
  CHECK(a.owns());
  CHECK(b.owns());
  CHECK_FALSE(m.try_lock());
  a.unlock();
  CHECK_FALSE(m.try_lock());
  b.unlock();
  auto w = m.try_lock();
  CHECK(w.owns());
  CHECK_FALSE(m.try_lock_shared());
  CHECK_FALSE(m.try_lock());
  w = {};
  CHECK(m.try_lock_shared().owns());
  CHECK(m.try_lock().owns());
}

TEST_CASE("readers go in while readers are inside") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_mutex_test: readers");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  shared_mutex m;
  std::atomic<int> inside{0};
  // Each waits inside for all the others.
  auto one = [&]() -> task<> {
    auto const l = co_await m.lock_shared();
    ++inside;
    co_await weft_test::until([&] { return inside == 8; });
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < 8; ++i) all.push_back(pool.spawn(one));
  for (auto& f : all) f.get();
  CHECK(m.try_lock().owns());
}

TEST_CASE("a waiting writer is not passed by readers, and readers not by writers: first come, first served") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  shared_mutex m;
  std::string order;
  pool.run([&]() -> task<> {
    auto held = co_await m.lock_shared();
    std::vector<weft::future<>> all;
    all.push_back(weft::spawn(writes, std::ref(m), std::ref(order), 'W'));
    co_await weft_test::settle();
    CHECK_FALSE(m.try_lock_shared());  // it would pass the writer
    all.push_back(weft::spawn(reads, std::ref(m), std::ref(order), 'a'));
    all.push_back(weft::spawn(reads, std::ref(m), std::ref(order), 'b'));
    co_await weft_test::settle();
    all.push_back(weft::spawn(writes, std::ref(m), std::ref(order), 'X'));
    co_await weft_test::settle();
    all.push_back(weft::spawn(reads, std::ref(m), std::ref(order), 'c'));
    co_await weft_test::settle();
    CHECK(order.empty());
    held.unlock();
    for (auto& f : all) co_await std::move(f);
  });
  CHECK(order == "W.ab..X.c.");
}

TEST_CASE("the last reader to leave lets the writer in") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  shared_mutex m;
  pool.run([&]() -> task<> {
    auto a = co_await m.lock_shared();
    auto b = co_await m.lock_shared();
    auto writer = weft::spawn(m.lock());
    co_await weft_test::settle();
    a.unlock();
    co_await weft_test::settle();
    CHECK_FALSE(writer.ready());
    b.unlock();
    auto const w = co_await std::move(writer);
    CHECK(w.owns());
  });
}

TEST_CASE("when a waiting writer is stopped, the readers behind it go in") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  shared_mutex m;
  pool.run([&]() -> task<> {
    auto held = co_await m.lock_shared();
    auto writer = weft::spawn(m.lock());
    co_await weft_test::settle();
    auto reader = weft::spawn(m.lock_shared());
    co_await weft_test::settle();
    CHECK_FALSE(reader.ready());
    writer.stop();
    auto const r = co_await std::move(reader);
    CHECK(r.owns());
    CHECK(weft_test::ending_of(writer) == ending::stopped);
    CHECK(m.try_lock_shared().owns());
  });
  CHECK(m.try_lock().owns());
}

TEST_CASE("a stopped reader in the queue leaves no trace") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  shared_mutex m;
  pool.run([&]() -> task<> {
    auto held = co_await m.lock();
    auto reader = weft::spawn(m.lock_shared());
    auto writer = weft::spawn(m.lock());
    co_await weft_test::settle();
    reader.stop();
    held.unlock();
    auto const w = co_await std::move(writer);
    CHECK(w.owns());
    CHECK(weft_test::ending_of(reader) == ending::stopped);
  });
  CHECK(m.try_lock().owns());
}

TEST_CASE("a shared_mutex that was handed over before the stop is delivered") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  shared_mutex m;
  pool.run([&]() -> task<> {
    auto held = co_await m.lock();
    auto reader = weft::spawn(m.lock_shared());
    co_await weft_test::settle();
    held.unlock();
    reader.stop();
    auto const r = co_await std::move(reader);
    CHECK(r.owns());
    CHECK_FALSE(m.try_lock());
  });
}

TEST_CASE("readers see one state, writers change it alone, however many there are of each") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_mutex_test: hammer");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  shared_mutex m;
  long a = 0, b = 0;
  std::atomic<int> wrong{0};
  auto writer = [&]() -> task<> {
    for (int i = 0; i < 100; ++i) {
      auto const l = co_await m.lock();
      ++a;
      if (i % 4 == 0) co_await weft::this_task::yield();
      ++b;
    }
  };
  auto reader = [&]() -> task<> {
    for (int i = 0; i < 200; ++i) {
      auto const l = co_await m.lock_shared();
      long const seen = a;
      if (i % 4 == 0) co_await weft::this_task::yield();
      if (seen != b) ++wrong;
    }
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(pool.spawn(writer));
    all.push_back(pool.spawn(reader));
    all.push_back(pool.spawn(reader));
  }
  for (auto& f : all) f.get();
  CHECK(wrong == 0);
  CHECK(a == 500);
  CHECK(b == 500);
  CHECK(m.try_lock().owns());
}

TEST_CASE("readers and writers stopped at random: nobody keeps it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_mutex_test: random stops");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  shared_mutex m;
  int writers = 0;  // guarded by m
  std::atomic<int> wrong{0};
  for (int round = 0; round < 20; ++round) {
    auto reader = [&]() -> task<> {
      auto const l = co_await m.lock_shared();
      if (writers != 0) ++wrong;
      co_await weft::this_task::yield();
      if (writers != 0) ++wrong;
    };
    auto writer = [&]() -> task<> {
      auto const l = co_await m.lock();
      if (++writers != 1) ++wrong;
      co_await weft::this_task::yield();
      --writers;
    };
    std::vector<weft::future<>> all;
    for (int i = 0; i < 20; ++i) {
      if (random.below(3) == 0) all.push_back(pool.spawn(writer));
      else all.push_back(pool.spawn(reader));
    }
    for (auto& f : all)
      if (random.below(2) == 0) f.stop();
    for (auto& f : all) CHECK(weft_test::ending_of(f) != ending::failed);
    CHECK(m.try_lock().owns());
  }
  CHECK(wrong == 0);
}

TEST_CASE("a shared_mutex is locked within a time or not at all, from a plain thread too") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_mutex_test: timeout");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  shared_mutex m;
  auto const r = pool.run(m.lock_shared());
  CHECK_THROWS_AS(pool.run(weft::timeout(2ms, m.lock())), weft::timed_out);
  auto const s = pool.run(weft::timeout(1h, m.lock_shared()));
  CHECK(s.owns());
}

TEST_CASE("the last holder of a shared_mutex may destroy it at once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shared_mutex_test: destroys");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  struct shared {
    shared_mutex m;
    std::atomic<int> users{4};
  };
  for (int round = 0; round < 60; ++round) {
    auto* const s = new shared;
    auto reader = [](shared* p) -> task<> {
      auto l = co_await p->m.lock_shared();
      l.unlock();
      if (--p->users == 0) delete p;
    };
    auto writer = [](shared* p) -> task<> {
      auto l = co_await p->m.lock();
      l.unlock();
      if (--p->users == 0) delete p;
    };
    std::vector<weft::future<>> all;
    for (int i = 0; i < 2; ++i) {
      all.push_back(pool.spawn(reader, s));
      all.push_back(pool.spawn(writer, s));
    }
    for (auto& f : all) f.get();
  }
}

TEST_CASE("misuse of a shared_mutex ends the program with a sentence") {
  weft_test::expect_misuse("a guard unlocks once", [] {
    shared_mutex m;
    auto l = m.try_lock_shared();
    l.unlock();
    l.unlock();
  });
  weft_test::expect_misuse("destroyed while it is held", [] {
    auto m = std::make_unique<shared_mutex>();
    auto l = m->try_lock_shared();
    m.reset();
    std::_Exit(0);
  });
}
