#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/concurrent/parking.hpp>
#include <weft/sched/idle.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace {

using weft::detail::idle_set;
using weft::detail::parker;
using claim = idle_set::claim;
constexpr int nobody = idle_set::nobody;

void fall_asleep(idle_set& s, unsigned index) {
  s.begin_search();
  s.announce_sleep(index);
}

}  // namespace

TEST_CASE("searchers, sleepers and joins are counted, and each makes the set hungry") {
  idle_set s;
  CHECK_FALSE(s.hungry());
  s.begin_search();
  CHECK(s.hungry());
  CHECK(s.searching() == 1);
  s.announce_sleep(5);
  CHECK(s.searching() == 0);
  CHECK(s.sleeping() == 1);
  CHECK(s.hungry());
  CHECK(s.claim_sleeper(claim::always) == 5);
  CHECK(s.searching() == 1);
  CHECK(s.sleeping() == 0);
  static_cast<void>(s.end_search());
  CHECK_FALSE(s.hungry());
  s.begin_join();
  CHECK(s.hungry_hint());
  CHECK(s.searching() == 0);
  CHECK(s.sleeping() == 0);
  s.end_join();
  CHECK_FALSE(s.hungry());
}

TEST_CASE("a sleeper sleeps on until it is claimed") {
  idle_set s;
  fall_asleep(s, 3);
  CHECK(s.asleep(3));
  CHECK(s.some_sleeper() == 3);
  CHECK(s.claim_sleeper(claim::unless_searching) == 3);
  CHECK_FALSE(s.asleep(3));
  CHECK(s.some_sleeper() == nobody);
  CHECK(s.claim_sleeper(claim::always) == nobody);
}

TEST_CASE("while somebody searches nobody is woken, unless always is asked for") {
  idle_set s;
  fall_asleep(s, 0);
  s.begin_search();
  CHECK(s.claim_sleeper(claim::unless_searching) == nobody);
  CHECK(s.claim_sleeper(claim::always) == 0);
  CHECK(s.searching() == 2);
}

TEST_CASE("the favourite is taken if it sleeps, the last choice only if nobody else does") {
  idle_set s;
  for (unsigned i : {1u, 64u, 700u, 1023u}) fall_asleep(s, i);
  CHECK(s.claim_sleeper(claim::always, 700) == 700);
  CHECK(s.claim_sleeper(claim::always, 700, 1) == 64);
  CHECK(s.claim_sleeper(claim::always, nobody, 1) == 1023);
  CHECK(s.claim_sleeper(claim::always, nobody, 1) == 1);
  CHECK(s.claim_sleeper(claim::always, nobody, 1) == nobody);
  CHECK(s.searching() == 4);
}

TEST_CASE("every sleeper can be claimed, each once") {
  auto const s = std::make_unique<idle_set>();
  for (unsigned i = 0; i != idle_set::capacity; ++i) fall_asleep(*s, i);
  CHECK(s->sleeping() == idle_set::capacity);
  std::set<int> claimed;
  for (unsigned i = 0; i != idle_set::capacity; ++i) claimed.insert(s->claim_sleeper(claim::always));
  CHECK(claimed.size() == idle_set::capacity);
  CHECK(*claimed.begin() == 0);
  CHECK(s->claim_sleeper(claim::always) == nobody);
}

TEST_CASE("a held sleeper sleeps on, is claimed by nobody, and can be claimed once it has been put back") {
  idle_set s;
  fall_asleep(s, 7);
  fall_asleep(s, 8);
  CHECK(s.hold_sleeper(2, nobody) == nobody);
  CHECK(s.hold_sleeper(1, 7) == 8);
  CHECK(s.hold_sleeper(1, 7) == nobody);
  CHECK(s.asleep(8));
  CHECK(s.sleeping() == 1);
  CHECK(s.searching() == 0);
  CHECK(s.claim_sleeper(claim::always, 8) == 7);
  CHECK(s.claim_sleeper(claim::always, 8) == nobody);
  CHECK(s.asleep(8));
  s.put_back(8);
  CHECK(s.sleeping() == 1);
  CHECK(s.claim_sleeper(claim::always) == 8);
  CHECK_FALSE(s.asleep(8));
}

// The protocol alone: tokens instead of jobs, and threads that do nothing but look for them.
TEST_CASE("workers that sleep by the protocol miss no token, whoever holds them asleep meanwhile") {
  weft_test::watchdog const dog("idle set: no lost wake-up");
  weft_test::seeded random;
  constexpr unsigned workers = 3;
  constexpr int tokens = weft::detail::thread_sanitized ? 1000 : 5000;
  idle_set s;
  std::array<parker, workers> parkers;
  std::atomic<int> visible{0}, taken{0};
  std::atomic<bool> ended{false}, nobody_holds{false};
  auto const wake = [&](int index) {
    if (index != nobody) parkers[static_cast<unsigned>(index)].unpark();
  };
  auto const take = [&] {
    int have = visible.load();
    while (have > 0 && !visible.compare_exchange_weak(have, have - 1)) {
    }
    if (have > 0) ++taken;
    return have > 0;
  };
  std::vector<std::thread> threads;
  for (unsigned index = 0; index != workers; ++index)
    threads.emplace_back([&, index] {
      while (!ended.load()) {
        s.begin_search();
        for (;;) {  // as a searcher
          bool const found = take();
          if (!found) {
            s.announce_sleep(index);
            if (visible.load() > 0) wake(s.claim_sleeper(claim::unless_searching, static_cast<int>(index)));
            while (s.asleep(index) && !ended.load()) parkers[index].park();
            if (ended.load()) return;
            continue;
          }
          static_cast<void>(s.end_search());
          if (visible.load() > 0) wake(s.claim_sleeper(claim::unless_searching));
          break;
        }
      }
    });
  std::thread holder([&, seed = random()] {
    std::minstd_rand own(static_cast<unsigned>(seed) | 1u);
    while (!nobody_holds.load()) {
      int const held = s.hold_sleeper(1, nobody);
      for (auto spin = own() % 200; spin != 0; --spin) weft::detail::relax();
      if (held == nobody) continue;
      s.put_back(static_cast<unsigned>(held));
      if (visible.load() > 0) wake(s.claim_sleeper(claim::unless_searching));
    }
  });
  for (int i = 0; i != tokens; ++i) {
    ++visible;
    wake(s.claim_sleeper(claim::unless_searching));
    if (random.below(4) == 0)
      while (taken.load() != i + 1) std::this_thread::yield();
  }
  while (taken.load() != tokens) std::this_thread::yield();
  nobody_holds = true;
  holder.join();
  while (s.sleeping() != workers) std::this_thread::yield();
  CHECK(s.searching() == 0);
  ended = true;
  for (auto& p : parkers) p.unpark();
  for (auto& t : threads) t.join();
}
