// A job that waits for another occupies its worker: whatever else may run must find a worker all the same.
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "unit/sched/jobs.hpp"

#include <weft/channel/channel.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/sched/external.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace {

constexpr int rounds = weft::detail::small_capacities ? 50 : 300;  // slow with sanitizers

using weft::pool;
using weft::detail::external_membership;
using weft::detail::worker;
using weft_test::blocked_worker;
using weft_test::root_job;
using weft_test::unmonitored_pool;

/// Brings jobs to a pool from a thread of its own, as soon as they are offered.
class second_thread {
 public:
  second_thread() : thread_([this] { serve(); }) {}
  ~second_thread() {
    ended_ = true;
    thread_.join();
  }
  void offer(pool& p, weft::detail::ready_job& j) {
    pool_ = &p;
    offered_ = &j;
  }
  void wait() const {
    while (offered_.load() != nullptr) std::this_thread::yield();
  }

 private:
  void serve() {
    unsigned idle_turns = 0;
    while (!ended_.load()) {
      auto* const j = offered_.load();
      if (j == nullptr) {
        if (++idle_turns % 1024 == 0) std::this_thread::yield();
        continue;
      }
      weft::scheduler_of(*pool_.load()).submit(j);
      offered_ = nullptr;
    }
  }
  std::atomic<pool*> pool_{nullptr};
  std::atomic<weft::detail::ready_job*> offered_{nullptr};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

/// Two jobs that end only when both have begun.
void two_jobs_meet(pool& p, second_thread& other, std::uint64_t head_start) {
  std::atomic<int> begun{0}, ended{0};
  auto const meet = [&](worker&) {
    ++begun;
    while (begun.load() != 2) std::this_thread::yield();
  };
  auto const counted = [&ended, meet](worker& w) {
    auto& counter = ended;
    meet(w);
    ++counter;
  };
  root_job one(counted), two(counted);
  auto& home = weft::scheduler_of(p);
  home.root_started(nullptr);
  home.root_started(nullptr);
  other.offer(p, two);
  for (; head_start != 0; --head_start) weft::detail::relax();
  home.submit(&one);
  other.wait();
  while (ended.load() != 2) std::this_thread::yield();
}

using messages = weft::channel<int>;

weft::task<> answer(messages& there, messages& back) {
  while (auto v = co_await there.receive()) co_await back.send(*v);
}
weft::task<> wait_for(messages& c, std::atomic<bool>& came) {
  co_await c.receive();
  came = true;
}
/// Exchanges messages, then wakes somebody and keeps its worker until that one has run.
weft::task<> exchange_and_stay(messages& there, messages& back, messages& woken, std::atomic<bool> const& came) {
  for (int i = 0; i != 30 * rounds; ++i) {
    co_await there.send(i);
    co_await back.receive();
  }
  co_await woken.send(0);
  while (!came.load()) std::this_thread::yield();
  there.close();
}

}  // namespace

TEST_CASE("who is woken after many messages runs on another worker while its waker computes") {
  weft_test::watchdog const dog("wake-up: woken after many messages");
  auto const workers = GENERATE(2u, 3u, 16u);
  unmonitored_pool p({.workers = workers});
  for (int round = 0; round != 10; ++round) {
    messages there, back, woken;
    std::atomic<bool> came{false};
    p.run(weft::when_all(wait_for(woken, came), answer(there, back), exchange_and_stay(there, back, woken, came)));
    CHECK(came);
  }
  CHECK(weft_test::falls_asleep(p));
}

TEST_CASE("two jobs that need each other both get a worker, whenever they come") {
  weft_test::watchdog const dog("wake-up: two jobs meet");
  weft_test::seeded random;
  auto const workers = GENERATE(2u, 16u);
  unmonitored_pool p({.workers = workers});
  second_thread other;
  for (int round = 0; round != rounds; ++round) {
    two_jobs_meet(p, other, random.below(500));
    // Now and then they meet workers that sleep, else such as are on their way there.
    for (auto spin = random.below(8000); spin != 0; --spin) weft::detail::relax();
  }
  CHECK(weft_test::falls_asleep(p));
}

TEST_CASE("two jobs that need each other both get a thread while a worker is blocked") {
  weft_test::watchdog const dog("wake-up: two jobs meet beside a blocked worker");
  weft_test::seeded random;
  second_thread other;
  for (int round = 0; round != rounds; ++round) {
    unmonitored_pool p({.workers = 2});
    blocked_worker const blocked(p);
    for (auto spin = random.below(8000); spin != 0; --spin) weft::detail::relax();
    two_jobs_meet(p, other, random.below(500));
    REQUIRE(p.stats().spares == 1);
  }
}

TEST_CASE("two jobs that need each other both get a worker while a plain thread has joined in") {
  weft_test::watchdog const dog("wake-up: two jobs meet beside a plain thread");
  weft_test::seeded random;
  second_thread other;
  unmonitored_pool p({.workers = 2});
  for (int round = 0; round != rounds; ++round) {
    if (random.below(2) == 0) REQUIRE(weft_test::falls_asleep(p));
    external_membership const joined(weft::scheduler_of(p));
    two_jobs_meet(p, other, random.below(500));
  }
  CHECK(weft_test::falls_asleep(p));
}

TEST_CASE("as many jobs as there are workers can meet") {
  weft_test::watchdog const dog("wake-up: all workers meet");
  constexpr unsigned workers = 8;
  unmonitored_pool p({.workers = workers});
  for (int round = 0; round != 50; ++round) {
    std::atomic<unsigned> begun{0}, ended{0};
    auto const meet = [&](worker&) {
      auto& counter = ended;
      ++begun;
      while (begun.load() != workers) std::this_thread::yield();
      ++counter;
    };
    std::vector<std::unique_ptr<root_job<decltype(meet)>>> jobs;
    for (unsigned i = 0; i != workers; ++i) jobs.push_back(std::make_unique<root_job<decltype(meet)>>(meet));
    for (auto& j : jobs) j->submit(p);
    while (ended.load() != workers) std::this_thread::yield();
  }
}

TEST_CASE("plain threads that join in and leave disturb no count and no wake-up") {
  weft_test::watchdog const dog("wake-up: plain threads come and go");
  auto const workers = GENERATE(1u, 2u, 4u);
  unmonitored_pool p({.workers = workers});
  auto& home = weft::scheduler_of(p);
  std::vector<std::thread> plain;
  for (int t = 0; t != 3; ++t)
    plain.emplace_back([&] {
      for (int i = 0; i != 500; ++i) external_membership const joined(home);
    });
  for (int i = 0; i != 500; ++i) p.run([] {});
  for (auto& t : plain) t.join();
  CHECK(weft_test::falls_asleep(p));
  CHECK(home.idle.sleeping() == workers);
}

TEST_CASE("tokens that are left over wake nobody, neither sleepers nor those that are held asleep") {
  weft_test::watchdog const dog("wake-up: stale tokens");
  unmonitored_pool p({.workers = 2});
  auto& home = weft::scheduler_of(p);
  auto const nudge_all = [&] {
    for (unsigned i = 0; i != p.size(); ++i) home.worker_at(i).sleep.unpark();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  REQUIRE(weft_test::falls_asleep(p));
  nudge_all();
  CHECK(home.idle.sleeping() == 2);
  {
    external_membership const joined(home);
    nudge_all();
    CHECK(home.idle.searching() == 0);
    CHECK(home.idle.sleeping() == 1);
  }
  CHECK(home.idle.searching() == 0);
  CHECK(home.idle.sleeping() == 2);
  CHECK(p.run([] { return 3; }) == 3);
}

TEST_CASE("as many plain threads join in as there are places, the others are told that there is none") {
  weft_test::watchdog const dog("wake-up: more plain threads than places");
  unmonitored_pool p({.workers = 2});
  auto& home = weft::scheduler_of(p);
  std::atomic<int> joined{0}, refused{0}, asked{0};
  constexpr int threads = 70;
  std::vector<std::thread> plain;
  for (int t = 0; t != threads; ++t)
    plain.emplace_back([&] {
      external_membership const mine(home);
      ++(mine.joined() ? joined : refused);
      ++asked;
      while (asked.load() != threads) std::this_thread::yield();
    });
  for (auto& t : plain) t.join();
  CHECK(joined == 64);
  CHECK(refused == threads - 64);
  external_membership const again(home);
  CHECK(again.joined());
}
