// The plain join underneath fork_join: what a thief, a helper and a waiting owner do to one another.
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sched/jobs.hpp"

#include <weft/concurrent/mutex.hpp>
#include <weft/coro/run.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/external.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using weft::fork_join;
using weft::pool;
using weft::detail::current_worker;
using weft::detail::external_membership;

std::uint64_t leaves(int depth) {
  if (depth == 0) return 1;
  auto const [a, b] = fork_join([=] { return leaves(depth - 1); }, [=] { return leaves(depth - 1); });
  return a + b;
}

/// The other half of a fork may run at the same time, and may run afterwards: no half waits for the other for ever.
void wait_a_little(std::atomic<bool> const& flag) {
  auto const until = weft::clock::now() + std::chrono::milliseconds(50);
  while (!flag.load() && weft::clock::now() < until) std::this_thread::yield();
}

}  // namespace

TEST_CASE("a tree of forks has all its leaves, and leaves the deques empty") {
  weft_test::watchdog const dog("join: tree");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  pool p({.workers = workers});
  for (int round = 0; round != 20; ++round) REQUIRE(p.run([] { return leaves(10); }) == 1024);
  REQUIRE(weft_test::falls_asleep(p));
  auto& home = weft::scheduler_of(p);
  for (unsigned i = 0; i != home.worker_count(); ++i) {
    CHECK(home.worker_at(i).running.load() == 0);
    CHECK(home.worker_at(i).waiting_for.load() == 0);
  }
  CHECK_FALSE(home.idle.searching());
}

TEST_CASE("a chain of forks deeper than the deque runs inline where there is no room") {
  weft_test::watchdog const dog("join: deep chain");
  constexpr std::size_t depth = 2000;  // more than the deque of a checked build
  struct chain {
    static std::size_t length(std::size_t left) {
      if (left == 0) return 0;
      auto const [a, b] = fork_join([=] { return length(left - 1); }, [] { return std::size_t{1}; });
      return a + b;
    }
  };
  pool p({.workers = 2});
  CHECK(p.run([] { return chain::length(depth); }) == depth);
}

TEST_CASE("a lock held across a fork is never wanted by the thread that holds it") {
  weft_test::watchdog const dog("join: lock held across a join");
  auto const workers = GENERATE(2u, 4u);
  pool p({.workers = workers});
  weft::detail::small_mutex lock;
  int entered = 0;  // guarded by lock
  auto const body = [&] {
    for (int i = 0; i != 100; ++i) {
      weft::detail::small_lock const guard(lock);
      ++entered;
      if (leaves(4) != 16) std::abort();
    }
  };
  p.run([&] { fork_join(body, body, body, body); });
  CHECK(entered == 400);
}

TEST_CASE("a stolen call that throws hands its exception over, and the first of two wins") {
  weft_test::watchdog const dog("join: exceptions");
  pool p({.workers = 2});
  std::atomic<bool> second_began{false};
  p.run([&] {
    CHECK_THROWS_WITH(fork_join([&] { wait_a_little(second_began); },
                                [&] {
                                  second_began = true;
                                  throw std::runtime_error("second");
                                }),
                      "second");
    second_began = false;
    CHECK_THROWS_WITH(fork_join(
                          [&] {
                            wait_a_little(second_began);
                            throw std::runtime_error("first");
                          },
                          [&] {
                            second_began = true;
                            throw std::runtime_error("second");
                          }),
                      "first");
  });
}

TEST_CASE("a stolen call is asked to stop when the owner's has thrown, and is waited for") {
  weft_test::watchdog const dog("join: asked to stop");
  pool p({.workers = 2});
  int stolen = 0;
  while (stolen == 0) {
    std::atomic<bool> began{false}, stopped{false};
    auto const body = [&] {
      fork_join(
          [&] {
            wait_a_little(began);
            throw std::runtime_error("first");
          },
          [&] {
            began = true;
            while (!current_worker()->current->stop->stop_requested()) std::this_thread::yield();
            stopped = true;
          });
    };
    CHECK_THROWS_AS(p.run(body), std::runtime_error);
    CHECK(began == stopped);
    if (began) ++stolen;
  }
}

TEST_CASE("stopping what forked stops what was stolen from it") {
  weft_test::watchdog const dog("join: stop from above");
  pool p({.workers = 2});
  std::atomic<bool> began{false}, stopped{false};
  std::thread asker([&] {
    while (!began.load()) std::this_thread::yield();
    weft::scheduler_of(p).stop().request_stop();
  });
  p.run([&] {
    fork_join([&] { wait_a_little(began); },
              [&] {
                began = true;
                while (!current_worker()->current->stop->stop_requested()) std::this_thread::yield();
                stopped = true;
              });
  });
  asker.join();
  CHECK(stopped);
}

TEST_CASE("an owner that waits helps its thief") {
  weft_test::watchdog const dog("join: helps its thief");
  pool p({.workers = 2});
  int helps = 0;
  while (helps == 0) {
    std::atomic<bool> taken{false}, helped{false};
    std::thread::id owner, thief, helper;
    p.run([&] {
      owner = std::this_thread::get_id();
      fork_join([&] { wait_a_little(taken); },
                [&] {
                  thief = std::this_thread::get_id();
                  taken = true;
                  fork_join([&] { wait_a_little(helped); },
                            [&] {
                              helper = std::this_thread::get_id();
                              helped = true;
                            });
                });
    });
    if (owner != thief && helper == owner) ++helps;
  }
}

TEST_CASE("a plain thread that blocks in a call it took from a worker does not take the pool with it") {
  weft_test::watchdog const dog("join: blocked plain thread");
  auto const workers = GENERATE(1u, 2u);
  pool p({.workers = workers});
  external_membership const joined(weft::scheduler_of(p));
  for (int round = 0; round != 20; ++round) {
    std::atomic<bool> g_began{false}, q_began{false};
    int answer = 0;
    fork_join([&] { wait_a_little(g_began); },
              [&] {
                g_began = true;
                fork_join([&] { wait_a_little(q_began); },
                          [&] {
                            q_began = true;
                            // Long enough for the owner to park.
                            std::this_thread::sleep_for(std::chrono::milliseconds(2));
                            answer = p.run([] { return 42; });
                          });
              });
    REQUIRE(answer == 42);
  }
}

TEST_CASE("blocking waits nested in stolen calls all end, on any number of workers") {
  weft_test::watchdog const dog("join: nested blocking");
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  pool p({.workers = workers});
  struct tree {
    static int sum(pool& q, int depth) {
      if (depth == 0) return 1;
      auto const [a, b] = fork_join([&, depth] { return q.run([&q, depth] { return sum(q, depth - 1); }); },
                                    [&, depth] { return sum(q, depth - 1); });
      return a + b;
    }
  };
  for (int round = 0; round != 5; ++round) REQUIRE(p.run([&] { return tree::sum(p, 6); }) == 64);
  CHECK(weft_test::falls_asleep(p));
}

TEST_CASE("any number of waits inside of each other count as one thread that waits") {
  pool p({.workers = 1});
  p.run([] {
    weft::detail::worker& self = *current_worker();
    auto const& idle = self.home.idle;
    REQUIRE_FALSE(idle.hungry());
    {
      constexpr int more_than_16_bits = 70'000;
      std::deque<weft::detail::joining> waits;
      for (int i = 0; i != more_than_16_bits; ++i) waits.emplace_back(self);
      CHECK(idle.hungry());
      CHECK(idle.seated() == 0);
      CHECK(idle.sleeping() == 0);
    }
    CHECK_FALSE(idle.hungry());
  });
}
