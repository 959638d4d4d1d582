#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sched/jobs.hpp"

#include <weft/coro/run.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using weft::drain_or_stop;
using weft::pool;
using weft::detail::worker;
using weft_test::root_job;

using counting_job = root_job<std::function<void(worker&)>>;

bool each_is_one(std::vector<std::atomic<int>> const& counts) {
  return std::all_of(counts.begin(), counts.end(), [](auto const& n) { return n == 1; });
}

}  // namespace

TEST_CASE("a pool has as many workers as were asked for, and they sleep when there is nothing to do") {
  weft_test::watchdog const dog("pool: size");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  pool p({.workers = workers});
  CHECK(p.size() == workers);
  CHECK(p.stats().workers == workers);
  REQUIRE(weft_test::falls_asleep(p));
  auto const before = p.stats();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  CHECK(p.stats().parks == before.parks);
  CHECK(p.stats().spares == 0);
}

TEST_CASE("what plain threads submit runs, and runs once") {
  weft_test::watchdog const dog("pool: submitted by plain threads");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  constexpr std::size_t threads = 3, each = 1000;
  std::vector<std::atomic<int>> runs(threads * each);
  std::vector<std::unique_ptr<counting_job>> jobs;
  for (auto& n : runs) jobs.push_back(std::make_unique<counting_job>([&n](worker&) { ++n; }));
  pool p({.workers = workers});
  std::vector<std::thread> submitters;
  for (std::size_t t = 0; t != threads; ++t)
    submitters.emplace_back([&, t] {
      for (std::size_t i = 0; i != each; ++i) jobs[t * each + i]->submit(p);
    });
  for (auto& t : submitters) t.join();
  p.shutdown(drain_or_stop::drain);
  CHECK(each_is_one(runs));
  CHECK(p.stats().jobs == threads * each);
  CHECK(p.stats().queued == 0);
}

TEST_CASE("what one job submits in a burst runs once, also where it overflows the worker's ring") {
  weft_test::watchdog const dog("pool: submitted by a worker");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::vector<std::atomic<int>> runs(3 * worker::ring_capacity);
  std::vector<std::unique_ptr<counting_job>> jobs;
  for (auto& n : runs) jobs.push_back(std::make_unique<counting_job>([&n](worker&) { ++n; }));
  pool p({.workers = workers});
  root_job burst([&](worker&) {
    for (auto& j : jobs) j->submit(p);
  });
  burst.submit(p);
  p.shutdown(drain_or_stop::drain);
  CHECK(each_is_one(runs));
}

TEST_CASE("jobs that submit jobs: the whole tree runs before a shutdown returns") {
  weft_test::watchdog const dog("pool: a tree of jobs");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  constexpr std::size_t nodes = 4095;
  std::vector<std::atomic<int>> runs(nodes);
  std::vector<std::unique_ptr<counting_job>> jobs(nodes);
  pool p({.workers = workers});
  for (std::size_t i = 0; i != nodes; ++i)
    jobs[i] = std::make_unique<counting_job>([&, i](worker&) {
      ++runs[i];
      if (2 * i + 2 < nodes) {
        jobs[2 * i + 1]->submit(p);
        jobs[2 * i + 2]->submit(p);
      }
    });
  jobs[0]->submit(p);
  p.shutdown(drain_or_stop::drain);
  CHECK(each_is_one(runs));
}

TEST_CASE("two jobs that wake each other for ever do not starve a third") {
  weft_test::watchdog const dog("pool: LIFO starvation");
  std::atomic<bool> third_ran{false};
  pool p({.workers = 1});
  auto& home = weft::scheduler_of(p);
  struct player : weft::detail::ready_job {
    player() : ready_job(nullptr) {}
    player* partner = nullptr;
    std::atomic<bool>* ended = nullptr;
  } one, two;
  auto const play = [](weft::detail::job* j, worker& self, weft::detail::job_order) noexcept {
    auto& me = static_cast<player&>(*j);
    if (!me.ended->load()) return self.home.submit_woken(self, me.partner);
    self.home.root_ended(&self);
  };
  one.act = two.act = play;
  one.partner = &two;
  two.partner = &one;
  one.ended = two.ended = &third_ran;
  root_job third([&](worker&) { third_ran = true; });
  home.root_started(nullptr);
  home.submit(&one);
  SECTION("that stands in the injection queue") { third.submit(p); }
  SECTION("that stands in the ring") {
    root_job from_inside([&](worker&) { third.submit(p); });
    from_inside.submit(p);
    while (!third_ran.load()) std::this_thread::yield();
  }
  p.shutdown(drain_or_stop::drain);
  CHECK(third_ran);
}

TEST_CASE("a pool that is destroyed with work in flight runs it to its end, and leaves no memory behind") {
  weft_test::watchdog const dog("pool: destroyed with work in flight");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::vector<std::atomic<int>> runs(500);
  std::vector<std::unique_ptr<counting_job>> jobs;
  for (auto& n : runs) jobs.push_back(std::make_unique<counting_job>([&n](worker&) { ++n; }));
  weft_test::balance const memory;
  for (std::size_t round = 0; round != 5; ++round) {
    pool p({.workers = workers});
    for (std::size_t i = 0; i != 100; ++i) jobs[100 * round + i]->submit(p);
  }
  CHECK(each_is_one(runs));
}

TEST_CASE("a pool that comes and goes without any work does so at once") {
  weft_test::watchdog const dog("pool: created and destroyed");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  for (int i = 0; i != 50; ++i) pool p({.workers = workers});
}

TEST_CASE("shutting down again, or from several threads, does nothing more") {
  weft_test::watchdog const dog("pool: shutdown twice");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::atomic<bool> started{false}, may_end{false};
  pool p({.workers = workers});
  root_job slow([&](worker&) {
    started = true;
    while (!may_end.load()) std::this_thread::yield();
  });
  slow.submit(p);
  while (!started.load()) std::this_thread::yield();
  std::thread one([&] { p.shutdown(drain_or_stop::drain); }), two([&] { p.shutdown(drain_or_stop::stop); });
  may_end = true;
  one.join();
  two.join();
  p.shutdown(drain_or_stop::drain);
}

TEST_CASE("a pool that has been shut down refuses with an exception") {
  weft_test::watchdog const dog("pool: used after shutdown");
  pool p({.workers = 2});
  CHECK(p.run([] { return 7; }) == 7);
  p.shutdown(drain_or_stop::drain);
  CHECK_THROWS_AS(p.run([] { return 7; }), std::logic_error);
  CHECK_THROWS_AS(p.run([] { return 7; }), std::logic_error);
}

TEST_CASE("run against shutdown: either it runs or it is refused, and nobody waits for ever") {
  weft_test::watchdog const dog("pool: run against shutdown");
  for (int round = 0; round != 200; ++round) {
    pool p({.workers = 1});
    std::atomic<bool> go{false};
    std::atomic<int> begun{0}, returned{0};
    std::thread runner([&] {
      while (!go.load()) {
      }
      try {
        for (;;) {
          p.run([&] { ++begun; });
          ++returned;
        }
      } catch (std::logic_error const&) {
      }
    });
    go = true;
    for (int spin = 0; spin != 20 * round; ++spin) weft::detail::relax();
    p.shutdown(drain_or_stop::drain);
    runner.join();
    REQUIRE(begun == returned);
  }
}

TEST_CASE("a job that another thread brings may end the pool before that thread has left it") {
  weft_test::watchdog const dog("pool: ended by a job that was just brought");
  for (int round = 0; round != 300; ++round) {
    std::atomic<bool> go{false};
    auto p = std::make_unique<pool>(weft::pool_options{.workers = 1});
    auto& home = weft::scheduler_of(*p);
    root_job last([](worker&) {});
    home.root_started(nullptr);  // as a task that waits for something outside
    std::thread outside([&] {
      while (!go.load()) {
      }
      home.submit_woken(&last);
    });
    go = true;
    p.reset();
    outside.join();
  }
}

TEST_CASE("the current pool is the one whose worker runs the code") {
  weft_test::watchdog const dog("pool: current");
  pool one({.workers = 1}), two({.workers = 2});
  CHECK(pool::current() == nullptr);
  CHECK(one.run([] { return pool::current(); }) == &one);
  CHECK(two.run([&] { return one.run([] { return pool::current(); }); }) == &one);
  CHECK(two.run([&] {
    one.run([] {});
    return pool::current();
  }) == &two);
}

TEST_CASE("workers that are kept each to one CPU do their work") {
  weft_test::watchdog const dog("pool: pinned");
  pool p({.workers = 3, .pin = weft::pinning::on});
  CHECK(p.size() == 3);
  CHECK(p.run([] { return 1; }) == 1);
}
