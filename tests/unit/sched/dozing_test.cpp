// What was just woken is left to its worker, unless that one stays in its job: who watches, who dozes, who is called.
#include "support/catch.hpp"
#include "support/private_member.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sched/jobs.hpp"

#include <weft/coro/run.hpp>
#include <weft/sched/external.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

namespace weft_test {

struct take_ready {
  using type = weft::detail::job* (weft::detail::scheduler::*)(weft::detail::worker&, unsigned) noexcept;
  friend type member_of(take_ready);
};
struct take_woken {
  using type = weft::detail::job* (weft::detail::scheduler::*)(weft::detail::worker&, unsigned) noexcept;
  friend type member_of(take_woken);
};
template struct opens<take_ready, &weft::detail::scheduler::take_ready_of_others>;
template struct opens<take_woken, &weft::detail::scheduler::take_woken_of_others>;

}  // namespace weft_test

namespace {

using namespace std::chrono_literals;
using weft::detail::external_membership;
using weft::detail::job;
using weft::detail::ready_job;
using weft::detail::worker;
using weft_test::blocked_worker;
using weft_test::falls_asleep;
using weft_test::root_job;
using weft_test::unmonitored_pool;

constexpr int rounds = weft::detail::small_capacities ? 20 : 40;  // slow with sanitizers
constexpr unsigned never = ~0u;

/// Never run.
struct idle_job : ready_job {
  idle_job() noexcept : ready_job([](job*, worker&, weft::detail::job_order) noexcept {}) {}
};

enum class left_in { slot, ring };

/// A root that leaves another to its worker, as one that was woken or as one that gives way, and stays until it has run.
void leave_and_stay(weft::pool& p, left_in where) {
  std::atomic<int> ended{0};
  root_job left([&ended](worker&) {
    auto& counter = ended;
    ++counter;
  });
  root_job stays([&](worker& self) {
    auto& counter = ended;
    self.home.root_started(&self);
    if (where == left_in::slot) self.home.submit_woken(self, &left);
    else self.home.submit_behind(&left);
    while (counter.load() != 1) std::this_thread::yield();
    ++counter;
  });
  stays.submit(p);
  while (ended.load() != 2) std::this_thread::yield();
}

/// How often the worker has gone to sleep.
std::uint64_t parks_of(weft::pool& p, unsigned index) { return weft::scheduler_of(p).worker_at(index).parks.get(); }

}  // namespace

TEST_CASE("an idle worker that watches one get on looks at the next, and takes what that one does not get on with") {
  weft_test::watchdog const dog("dozing: two are watched");
  auto const where = GENERATE(left_in::slot, left_in::ring);
  unmonitored_pool p({.workers = 3});
  // All three are in a job, so that nobody takes anything meanwhile: one looks about as if it were idle, at two that stay where they are.
  std::array<std::atomic<worker*>, 3> who{};
  std::atomic<unsigned> begun{0}, ended{0};
  idle_job always_another, left;
  job *first = nullptr, *taken = nullptr;
  auto const meet = [&](worker& self) {
    auto& counter = ended;
    auto const role = begun.fetch_add(1);
    who[role] = &self;
    if (role == 0) {
      for (auto& w : who)
        while (w.load() == nullptr) std::this_thread::yield();
      worker &gets_on = *who[1].load(), &stays = *who[2].load();
      auto const look = [&](unsigned from) {
        job* const j = (self.home.*member_of(weft_test::take_ready{}))(self, from);
        return j ? j : (self.home.*member_of(weft_test::take_woken{}))(self, from);
      };
      gets_on.lifo.store(&always_another);
      first = look(gets_on.index);
      if (where == left_in::slot) stays.lifo.store(&left);
      else static_cast<void>(stays.ring.push(&left));
      // Each look finds the one in another job, with another one woken. A few thousand of them last longer than the patience.
      for (unsigned i = 0; i != 1'000'000 && !taken; ++i) {
        gets_on.jobs.add();
        taken = look(i % 3);
      }
      gets_on.lifo.store(nullptr);
      stays.lifo.store(nullptr);
      static_cast<void>(stays.ring.pop());
      ++counter;
    } else {
      while (counter.load() == 0) std::this_thread::yield();
      ++counter;
    }
  };
  root_job one(meet), two(meet), three(meet);
  one.submit(p), two.submit(p), three.submit(p);
  while (ended.load() != 3) std::this_thread::yield();
  CHECK(first == nullptr);
  CHECK(taken == static_cast<job*>(&left));
}

TEST_CASE("what a worker that stays leaves behind runs elsewhere, also where all others doze") {
  weft_test::watchdog const dog("dozing: left to one that stays");
  auto const workers = GENERATE(2u, 3u, 16u);
  auto const where = GENERATE(left_in::slot, left_in::ring);
  unmonitored_pool p({.workers = workers});
  weft::scheduler_of(p).doze_after(0);
  for (int round = 0; round != rounds; ++round) leave_and_stay(p, where);
}

TEST_CASE("what a worker that stays leaves behind runs elsewhere while the one who dozes is held for a plain thread") {
  weft_test::watchdog const dog("dozing: the one who dozes is held");
  auto const workers = GENERATE(2u, 3u, 16u);
  auto const where = GENERATE(left_in::slot, left_in::ring);
  unmonitored_pool p({.workers = workers});
  auto& home = weft::scheduler_of(p);
  home.doze_after(0);
  for (int round = 0; round != rounds; ++round) {
    external_membership const one(home);
    REQUIRE(one.joined());
    leave_and_stay(p, where);
  }
}

TEST_CASE("one who dozes and is held for a plain thread hands the watch over once, and wakes nobody after that") {
  weft_test::watchdog const dog("dozing: held, with nothing to watch");
  unmonitored_pool p({.workers = 2});
  auto& home = weft::scheduler_of(p);
  for (bool held = false; !held;) {
    home.doze_after(never);
    REQUIRE(falls_asleep(p));
    // The first is called for a root, and mostly dozes behind it, again and again, while the other sleeps on.
    home.doze_after(0);
    p.run([] {});
    auto const parks = [&p] { return parks_of(p, 0) + parks_of(p, 1); };
    for (auto const before = parks(); parks() - before < 3;) std::this_thread::yield();
    external_membership const joined(home);
    REQUIRE(joined.joined());
    held = weft::detail::current_worker()->held.load() == 0;
    if (!held) continue;
    home.doze_after(never);
    auto const before = parks_of(p, 1);
    std::this_thread::sleep_for(50ms);
    CHECK(parks_of(p, 1) - before <= 3);
  }
  CHECK(falls_asleep(p));
}

TEST_CASE("a spare does not doze: it sleeps until it is called") {
  weft_test::watchdog const dog("dozing: a spare");
  unmonitored_pool p({.workers = 1});
  auto& home = weft::scheduler_of(p);
  home.doze_after(0);
  blocked_worker const blocked(p);
  REQUIRE(falls_asleep(p));
  REQUIRE(p.stats().spares == 1);
  auto const before = p.stats().parks;
  std::this_thread::sleep_for(30ms);
  CHECK(p.stats().parks == before);
}

TEST_CASE("a pool ends while a worker dozes, also where that one has just been held") {
  weft_test::watchdog const dog("dozing: the end");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const how = GENERATE(weft::drain_or_stop::drain, weft::drain_or_stop::stop);
  for (int round = 0; round != rounds; ++round) {
    unmonitored_pool p({.workers = workers});
    auto& home = weft::scheduler_of(p);
    home.doze_after(0);
    if (round % 2 != 0) p.run([] {});
    if (round % 4 >= 2) external_membership const joined(home);
    p.shutdown(how);
    CHECK(p.stats().queued == 0);
  }
}
