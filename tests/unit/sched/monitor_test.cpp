// Workers stuck in one job: what waits runs all the same.
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sched/jobs.hpp"

#include <weft/coro/run.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/thread_state.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string_view>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft::pool;
using weft::detail::parse_activity;
using weft::detail::thread_activity;

namespace {

enum class stuck { computing, asleep };

/// Until `over`, without anything that the pool could notice by itself.
void stay(stuck how, std::atomic<bool> const& over) {
  while (!over) {
    if (how == stuck::asleep) std::this_thread::sleep_for(20ms);
  }
}

void spin_for(std::chrono::microseconds time) {
  for (auto const until = weft::clock::now() + time; weft::clock::now() < until;) {
  }
}

/// The most that were inside at a time.
class crowd {
 public:
  void enter() {
    int const now = ++inside_;
    for (int seen = most_; seen < now && !most_.compare_exchange_weak(seen, now);) {
    }
  }
  void leave() { --inside_; }
  int most() const { return most_; }

 private:
  std::atomic<int> inside_{0}, most_{0};
};

}  // namespace

TEST_CASE("the letter behind a thread's name tells what the thread does, whatever its name") {
  CHECK(parse_activity("12 (weft) R 1 2 3") == thread_activity::runs);
  CHECK(parse_activity("12 (weft) S 1 2 3") == thread_activity::waits);
  CHECK(parse_activity("12 (weft) D 1 2 3") == thread_activity::waits);
  CHECK(parse_activity("12 () R (x) S 1") == thread_activity::waits);
  CHECK(parse_activity("12 (weft) Z 1 2 3") == thread_activity::unknown);
  CHECK(parse_activity("12 (weft)") == thread_activity::unknown);
  CHECK(parse_activity("12 (weft) ") == thread_activity::unknown);
  CHECK(parse_activity("") == thread_activity::unknown);
}

TEST_CASE("a thread that waits is told from one that runs") {
  weft_test::watchdog const dog("monitor: a thread that waits");
  auto const self = weft::detail::this_thread_number();
  CHECK(weft::detail::activity_of(self) == thread_activity::runs);
  std::atomic<pid_t> number{0};
  std::atomic<std::uint32_t> over{0};
  std::thread sleeper([&] {
    number = weft::detail::this_thread_number();
    while (over == 0) weft::detail::futex_wait(over, 0);
  });
  while (number == 0) std::this_thread::yield();
  while (weft::detail::activity_of(number) != thread_activity::waits) std::this_thread::sleep_for(1ms);
  over = 1;
  weft::detail::futex_wake_all(over);
  sleeper.join();
  CHECK(weft::detail::activity_of(-1) == thread_activity::unknown);
}

TEST_CASE("while every worker is stuck in a job, another job runs") {
  weft_test::watchdog const dog("monitor: a job beside stuck ones");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const how = GENERATE(stuck::computing, stuck::asleep);
  std::atomic<bool> over{false};
  std::atomic<unsigned> begun{0};
  pool p({.workers = workers});
  std::vector<weft::future<>> all;
  for (unsigned i = 0; i != workers; ++i)
    all.push_back(p.spawn([&] {
      ++begun;
      stay(how, over);
    }));
  while (begun != workers) std::this_thread::yield();
  p.run([&] { over = true; });
  for (auto& f : all) f.get();
  CHECK(over);
}

TEST_CASE("a sleep ends while every worker is stuck in a job") {
  weft_test::watchdog const dog("monitor: a sleep beside stuck jobs");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const how = GENERATE(stuck::computing, stuck::asleep);
  std::atomic<bool> over{false}, waits{false};
  std::atomic<unsigned> begun{0};
  pool p({.workers = workers});
  auto alarm = p.spawn([&]() -> weft::task<> {
    waits = true;
    co_await weft::sleep_for(20ms);
    over = true;
  });
  while (!waits) std::this_thread::yield();
  std::vector<weft::future<>> all;
  for (unsigned i = 0; i != workers; ++i)
    all.push_back(p.spawn([&] {
      ++begun;
      stay(how, over);
    }));
  for (auto& f : all) f.get();
  alarm.get();
  CHECK(begun == workers);
}

TEST_CASE("jobs that sleep in the kernel, many more than workers, end as if there were enough workers") {
  weft_test::watchdog const dog("monitor: many sleepers");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  // Each leaves only when all are inside.
  constexpr int jobs = 40;
  std::atomic<int> inside{0};
  pool p({.workers = workers});
  std::vector<weft::future<>> all;
  for (int i = 0; i != jobs; ++i)
    all.push_back(p.spawn([&] {
      ++inside;
      while (inside != jobs) std::this_thread::sleep_for(5ms);
    }));
  for (auto& f : all) f.get();
  CHECK(inside == jobs);
  CHECK(p.stats().spares + workers >= jobs);
}

TEST_CASE("a loop that has lent its place and waits for a job that it has forked has it run by the spare") {
  weft_test::watchdog const dog("monitor: a lent loop that waits for its own");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  pool p({.workers = workers});
  std::atomic<int> ran{0};
  auto const loop = p.spawn([&] {
    std::atomic<bool> once{false};
    constexpr int count = 3000;
    weft::parallel_for(0, count,
                       [&](int i) {
                         spin_for(10us);
                         if (!once.exchange(true))
                           for (int k = 0; k != 10; ++k) static_cast<void>(p.spawn([&] { ++ran; }));
                         // However late the spare: the loop computes until it has come.
                         while (i == count - 1 && ran < 10) weft::detail::relax();
                         if (ran != 10) return;
                         weft::promise<> second;
                         auto came = second.get_future();
                         std::atomic<int> begun{0};
                         auto const branch = [&] { ++begun == 1 ? came.get() : second.set_value(); };
                         weft::fork_join(branch, branch);
                         ++ran;
                       },
                       {.grain = 1});
  });
  loop.wait();
  CHECK(ran > 10);
}

TEST_CASE("while a loop that has lent its place waits in the kernel, another part of it runs") {
  weft_test::watchdog const dog("monitor: a lent loop asleep");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  pool p({.workers = workers});
  std::atomic<int> ran{0};
  std::atomic<bool> waits{false}, last{false};
  auto const loop = p.spawn([&] {
    std::atomic<int> begun{0}, furthest{-1};
    std::atomic<std::thread::id> furthest_by{};
    constexpr int count = 10000;
    weft::parallel_for(0, count,
                       [&](int i) {
                         if (i == count - 1) last = true;
                         if (waits) return;
                         spin_for(10us);
                         if (++begun == 1)
                           for (int k = 0; k != 10; ++k) static_cast<void>(p.spawn([&] { ++ran; }));
                         // The spare has had its time to fall asleep. Who sleeps keeps what it has not left for others: not the end.
                         auto const me = std::this_thread::get_id();
                         bool const another_is_further = i < furthest && furthest_by.load() != me;
                         if (begun >= 3000 && ran == 10 && another_is_further && !waits.exchange(true))
                           while (!last) std::this_thread::sleep_for(5ms);
                         if (i > furthest) furthest_by = me, furthest = i;
                       },
                       {.grain = 1});
  });
  loop.wait();
  CHECK(last);
}

TEST_CASE("a queue of long computations gets no more than one spare for each worker") {
  weft_test::watchdog const dog("monitor: long computations");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  crowd inside;
  pool p({.workers = workers});
  std::vector<weft::future<>> all;
  for (unsigned i = 0; i != 10 * workers + 20; ++i)
    all.push_back(p.spawn([&] {
      inside.enter();
      auto const until = weft::clock::now() + 4ms;
      while (weft::clock::now() < until) weft::detail::relax();
      inside.leave();
    }));
  for (auto& f : all) f.get();
  CHECK(inside.most() <= static_cast<int>(2 * workers));
}

TEST_CASE("a forked call that sleeps in the kernel does not keep its sibling waiting for the core") {
  weft_test::watchdog const dog("monitor: a forked call asleep");
  std::atomic<bool> over{false};
  pool p({.workers = 2});
  p.run([&] {
    // The root and a spawned job hold both workers; the forked right side is public and waits for one of them.
    auto other = weft::spawn([&] { stay(stuck::asleep, over); });
    weft::fork_join([&] { stay(stuck::asleep, over); }, [&] { over = true; });
    other.get();
  });
  CHECK(over);
}

TEST_CASE("after a stuck job has returned, a pool goes to sleep with the workers it began with") {
  weft_test::watchdog const dog("monitor: back to rest");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  pool p({.workers = workers});
  for (int round = 0; round != 3; ++round) {
    std::atomic<bool> over{false};
    std::vector<weft::future<>> all;
    for (unsigned i = 0; i != workers; ++i) all.push_back(p.spawn([&] { stay(stuck::asleep, over); }));
    p.run([&] { over = true; });
    for (auto& f : all) f.get();
    CHECK(weft_test::falls_asleep(p));
  }
  CHECK(p.stats().spares <= workers + 1);
}

TEST_CASE("a pool ends while its monitor looks for stuck workers") {
  weft_test::watchdog const dog("monitor: the end");
  for (int round = 0; round != 100; ++round) {
    pool p({.workers = 2});
    for (int i = 0; i != 8; ++i)
      static_cast<void>(
          p.spawn([round] { std::this_thread::sleep_for(std::chrono::microseconds(100 * (round % 20))); }));
    p.shutdown(weft::drain_or_stop::drain);
    CHECK(p.stats().jobs >= 8);
  }
}
