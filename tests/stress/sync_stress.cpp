// Hundreds of thousands of races between what is given and a stop. What was given is counted, and what was had: nothing is lost, and
// nothing is had twice.
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/meeting.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/base/config.hpp>
#include <weft/combine/select.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/barrier.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>
#include <weft/sync/wait_group.hpp>
#include <weft/time/sleep.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using weft::on;
using weft::select;
using weft::task;
using weft_test::ending;

constexpr std::size_t batch = 32;
/// Batches of a test for each number of workers; with three numbers, about 100,000 races each.
constexpr int batches = weft::detail::small_capacities ? 60 : 1000;

constexpr auto limit = std::chrono::seconds(250);

/// How the futures of one batch ended.
struct tally {
  std::size_t values = 0, stopped = 0, failed = 0;
};

/// Makes a batch of futures, then calls give() on the pool and stops a random part of them at the same time, in random order.
template <class T, class Make, class Give>
tally race(weft::pool& pool, std::minstd_rand& random, Make make, Give give) {
  std::vector<weft::future<T>> all;
  for (std::size_t i = 0; i < batch; ++i) all.push_back(make(i));
  auto given = pool.spawn(give);
  std::size_t const first = random() % batch, step = random() % batch | 1u;
  std::size_t const count = random() % (batch + 1);
  for (std::size_t i = 0; i < count; ++i) {
    all[(first + i * step) % batch].stop();
    if (random() % 8 == 0) std::this_thread::yield();
  }
  given.get();
  for (auto& f : all) f.stop();
  tally t;
  for (auto& f : all) switch (weft_test::ending_of(f)) {
      case ending::value: ++t.values; break;
      case ending::stopped: ++t.stopped; break;
      case ending::failed: ++t.failed; break;
    }
  return t;
}

}  // namespace

TEST_CASE("stress: permits released while those who wait are stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sync_stress: semaphore", limit);
  weft_test::seeded seeds;
  std::minstd_rand random(static_cast<unsigned>(seeds()) | 1u);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::size_t values = 0, stopped = 0, wrong = 0;
  for (int b = 0; b < batches || values == 0 || stopped == 0; ++b) {
    weft::semaphore s(0);
    std::atomic<std::size_t> had{0};
    std::size_t const permits = random() % (2 * batch);
    auto one = [&](std::size_t n) -> task<> {
      auto p = co_await s.acquire(n);
      had += p.count();
      p.forget();
    };
    auto const t = race<void>(
        pool, random, [&](std::size_t i) { return pool.spawn(one, i % 5); },
        [&] {
          for (std::size_t given = 0; given < permits;) {
            auto const n = given % 3 + 1 < permits - given ? given % 3 + 1 : permits - given;
            s.release(n);
            given += n;
          }
        });
    wrong += had + s.available() != permits || t.failed != 0;
    values += t.values;
    stopped += t.stopped;
  }
  CHECK(wrong == 0);
}

TEST_CASE("stress: a mutex handed over while those who wait are stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sync_stress: mutex", limit);
  weft_test::seeded seeds;
  std::minstd_rand random(static_cast<unsigned>(seeds()) | 1u);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::size_t stopped = 0, wrong = 0;
  for (int b = 0; b < batches || stopped == 0; ++b) {
    weft::mutex m;
    std::size_t had = 0, inside = 0;  // guarded by m
    auto one = [&](std::size_t i) -> task<> {
      auto const l = co_await m.lock();
      wrong += ++inside != 1;
      ++had;
      if (i % 4 == 0) co_await weft::this_task::yield();
      --inside;
    };
    auto held = m.try_lock();
    auto const t = race<void>(pool, random, [&](std::size_t i) { return pool.spawn(one, i); }, [&] { held.unlock(); });
    wrong += had != t.values || m.is_locked() || t.failed != 0;
    stopped += t.stopped;
  }
  CHECK(wrong == 0);
}

TEST_CASE("stress: a shared_mutex handed over while readers and writers are stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sync_stress: shared_mutex", limit);
  weft_test::seeded seeds;
  std::minstd_rand random(static_cast<unsigned>(seeds()) | 1u);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<std::size_t> wrong{0};
  std::size_t stopped = 0;
  for (int b = 0; b < batches || stopped == 0; ++b) {
    weft::shared_mutex m;
    std::atomic<int> readers{0}, writers{0};
    std::atomic<std::size_t> had{0};
    auto one = [&](std::size_t i) -> task<> {
      if (i % 3 == 0) {
        auto const l = co_await m.lock();
        wrong += ++writers != 1 || readers != 0;
        ++had;
        if (i % 2 == 0) co_await weft::this_task::yield();
        --writers;
      } else {
        auto const l = co_await m.lock_shared();
        ++readers;
        wrong += writers != 0;
        ++had;
        if (i % 2 == 0) co_await weft::this_task::yield();
        --readers;
      }
    };
    auto held = m.try_lock();
    auto const t = race<void>(pool, random, [&](std::size_t i) { return pool.spawn(one, i); }, [&] { held.unlock(); });
    wrong += had != t.values || !m.try_lock() || t.failed != 0;
    stopped += t.stopped;
  }
  CHECK(wrong == 0);
}

TEST_CASE("stress: notifications and stops") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sync_stress: condition_variable", limit);
  weft_test::seeded seeds;
  std::minstd_rand random(static_cast<unsigned>(seeds()) | 1u);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::size_t wrong = 0, stopped = 0;
  for (int b = 0; b < batches || stopped == 0; ++b) {
    weft::mutex m;
    weft::condition_variable cv;
    std::size_t tokens = 0, had = 0;  // guarded by m
    std::size_t const given = random() % batch;
    bool const one_by_one = random() % 2 == 0;
    auto one = [&]() -> task<> {
      auto l = co_await m.lock();
      while (tokens == 0) {
        bool was_stopped = false;
        try {
          co_await cv.wait(l);
        } catch (weft::stopped const&) {
          was_stopped = true;
        }
        wrong += !l.owns();
        if (was_stopped) throw weft::stopped();
      }
      --tokens;
      ++had;
    };
    auto give = [&]() -> task<> {
      for (std::size_t i = 0; i < given; ++i) {
        auto const l = co_await m.lock();
        ++tokens;
        if (one_by_one) cv.notify_one();
        else cv.notify_all();
      }
    };
    auto const t = race<void>(pool, random, [&](std::size_t) { return pool.spawn(one); }, give);
    wrong += had != t.values || had + tokens != given || m.is_locked() || t.failed != 0;
    stopped += t.stopped;
  }
  CHECK(wrong == 0);
}

TEST_CASE("stress: events, groups and barriers against stops") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sync_stress: event", limit);
  weft_test::seeded seeds;
  std::minstd_rand random(static_cast<unsigned>(seeds()) | 1u);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::size_t wrong = 0, stopped = 0;
  for (int b = 0; b < batches || stopped == 0; ++b) {
    weft::event door;
    weft::auto_event turnstile;
    weft::wait_group group(3);
    weft::barrier meet(batch / 4);
    std::atomic<std::size_t> through{0};
    auto one = [&](std::size_t i) -> task<> {
      switch (i % 4) {
        case 0: co_await door.wait(); break;
        case 1: co_await group.wait(); break;
        case 2:
          co_await turnstile.wait();
          ++through;
          break;
        default: co_await meet.arrive_and_wait();
      }
    };
    std::size_t const sets = random() % 8;
    auto const t = race<void>(
        pool, random, [&](std::size_t i) { return pool.spawn(one, i); },
        [&] {
          group.done();
          for (std::size_t i = 0; i < sets; ++i) turnstile.set();
          door.set();
          group.done(2);
        });
    auto const seen = through + turnstile.is_set();
    wrong += seen > sets || (seen == 0) != (sets == 0) || !group.try_wait() || t.failed != 0;
    stopped += t.stopped;
  }
  CHECK(wrong == 0);
}

TEST_CASE("stress: selects over permits, a turnstile, sleeps and futures against givers and stops") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sync_stress: select", limit);
  weft_test::seeded seeds;
  std::minstd_rand random(static_cast<unsigned>(seeds()) | 1u);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::size_t wrong = 0, stopped = 0;
  for (int b = 0; b < batches || stopped == 0; ++b) {
    weft::semaphore left(0), right(0);
    weft::mutex m;
    std::array<weft::promise<int>, batch> promises;
    std::array<weft::future<int>, batch> futures;
    for (std::size_t i = 0; i < batch; ++i) futures[i] = promises[i].get_future();
    std::atomic<std::size_t> had_left{0}, had_right{0}, had_value{0}, late{0};
    auto one = [&](std::size_t i) -> task<> {
      auto take = [](std::atomic<std::size_t>& had) {
        return [&had](weft::semaphore::permit p) {
          had += p.count();
          p.forget();
        };
      };
      auto selecting = select(on(left.acquire(i % 3 + 1), take(had_left)), on(right.acquire(), take(had_right)),
                              on(futures[i], [&](int) { ++had_value; }), on(m.lock(), [](weft::mutex::guard) {}),
                              on(weft::sleep_for(i % 4 == 0 ? 5us : 1h), [&] { ++late; }));
      co_await std::move(selecting);
    };
    std::size_t const lefts = random() % batch, rights = random() % 8;
    auto held = m.try_lock();
    auto const t = race<void>(
        pool, random, [&](std::size_t i) { return pool.spawn(one, i); },
        [&] {
          for (std::size_t i = 0; i < batch; ++i) {
            if (i < lefts) left.release();
            if (i < rights) right.release();
            if (i % 8 == 3) promises[i].set_value(1);
            if (i == batch / 2) held.unlock();
          }
        });
    wrong += had_left + left.available() != lefts || had_right + right.available() != rights || m.is_locked() ||
             t.failed != 0;
    // A future that did not happen still has its value.
    std::size_t kept = 0;
    for (std::size_t i = 3; i < batch; i += 8) kept += futures[i].valid() && futures[i].ready();
    wrong += kept + had_value != batch / 8;
    stopped += t.stopped;
  }
  CHECK(wrong == 0);
}

TEST_CASE("stress: selects meet selects in two places, and some are stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sync_stress: meetings", limit);
  weft_test::seeded seeds;
  std::minstd_rand random(static_cast<unsigned>(seeds()) | 1u);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::size_t wrong = 0, meetings = 0, stopped = 0;
  for (int b = 0; b < batches || meetings == 0 || stopped == 0; ++b) {
    weft_test::meeting left, right;
    std::array<std::atomic<std::size_t>, batch> met{};
    auto one = [&](std::size_t i) -> task<> {
      auto id = [](int v) { return v; };
      int const me = static_cast<int>(i);
      int other = 0;
      if (i % 3 == 0) other = co_await left.meet(me);
      else if (i % 3 == 1) other = co_await select(on(left.meet(me), id), on(right.meet(me), id));
      else other = co_await select(on(right.meet(me), id), on(left.meet(me), id), on(right.meet(me), id));
      met[i] = static_cast<std::size_t>(other) + 1;
    };
    auto const t = race<void>(pool, random, [&](std::size_t i) { return pool.spawn(one, i); }, [] {});
    std::size_t in_pairs = 0;
    for (std::size_t i = 0; i < batch; ++i) {
      if (met[i] == 0) continue;
      ++in_pairs;
      auto const other = met[i] - 1;
      wrong += other == i || other >= batch || met[other] != i + 1;
    }
    wrong += in_pairs != t.values || in_pairs % 2 != 0 || t.failed != 0;
    meetings += in_pairs / 2;
    stopped += t.stopped;
  }
  CHECK(wrong == 0);
}
