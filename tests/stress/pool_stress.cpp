// Random things done to pools from many sides at once. Nothing is lost or run twice, and in the end all workers sleep.
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sched/jobs.hpp"

#include <weft/coro/run.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/external.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

using weft::pool;
using weft::detail::external_membership;
using weft::detail::worker;

/// What the jobs of one pool have in common.
struct playground {
  pool& p;
  std::atomic<std::int64_t> begun{0}, ended{0};
  std::atomic<int> wrong{0};
};

/// A sum over a random tree of forks, in which some leaves wait for the pool.
std::uint64_t forks(playground& ground, std::minstd_rand& random, int depth) {
  if (depth == 0) {
    if (random() % 64 == 0) return static_cast<std::uint64_t>(ground.p.run([] { return 1; }));
    return 1;
  }
  std::minstd_rand left(static_cast<unsigned>(random())), right(static_cast<unsigned>(random()));
  auto const [a, b] =
      weft::fork_join([&] { return forks(ground, left, depth - 1); }, [&] { return forks(ground, right, depth - 1); });
  return a + b;
}

/// A job that owns itself, does one thing, and begets others.
class player : public weft::detail::ready_job {
 public:
  static void submit(playground& ground, std::uint64_t seed, int generation) {
    auto* const j = new player(ground, seed, generation);
    auto& home = weft::scheduler_of(ground.p);
    ++ground.begun;
    home.root_started(weft::detail::current_worker());
    if (seed % 3 == 0) home.submit_woken(j);
    else home.submit(j);
  }

 private:
  player(playground& ground, std::uint64_t seed, int generation)
      : ready_job(&player::run), ground_(ground), random_(static_cast<unsigned>(seed) | 1u), generation_(generation) {}

  static void run(weft::detail::job* j, worker& self, weft::detail::job_order) noexcept {
    std::unique_ptr<player> const me(static_cast<player*>(static_cast<ready_job*>(j)));
    me->play(self);
    ++me->ground_.ended;
    self.home.root_ended(&self);
  }

  void play(worker& self) {
    switch (random_() % 8) {
      case 0: {
        int const depth = static_cast<int>(random_() % 8);
        if (forks(ground_, random_, depth) != std::uint64_t{1} << depth) ++ground_.wrong;
        break;
      }
      case 1:
        weft::detail::block_worker(self, [this](weft::clock::time_point) {
          std::this_thread::sleep_for(microseconds(random_() % 200));
          return true;
        });
        break;
      case 2:
        if (ground_.p.run([n = generation_] { return n; }) != generation_) ++ground_.wrong;
        break;
      case 3: std::this_thread::yield(); break;
      default:
        for (auto spin = random_() % 2000; spin != 0; --spin) weft::detail::relax();
    }
    if (generation_ == 0) return;
    for (auto children = random_() % 4; children != 0; --children) submit(ground_, random_(), generation_ - 1);
  }

  static std::chrono::microseconds microseconds(std::uint64_t n) {
    return std::chrono::microseconds(static_cast<std::int64_t>(n));
  }

  playground& ground_;
  std::minstd_rand random_;
  int const generation_;
};

}  // namespace

TEST_CASE("a pool stays whole whatever its jobs and plain threads do to it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  CAPTURE(workers);
  weft_test::watchdog const dog("pool stress", std::chrono::seconds(100));
  weft_test::seeded random;
  weft_test::balance const memory;
  auto const until = weft::clock::now() + std::chrono::seconds(2);
  while (weft::clock::now() < until) {
    pool p({.workers = workers});
    playground ground{p};
    std::vector<std::thread> plain;
    for (int t = 0; t != 3; ++t)
      plain.emplace_back([&, seed = random()] {
        std::minstd_rand own(static_cast<unsigned>(seed) | 1u);
        for (int i = 0; i != 30; ++i) {
          switch (own() % 4) {
            case 0: player::submit(ground, own(), 3); break;
            case 1:
              if (p.run([&] { return forks(ground, own, 5); }) != 32) ++ground.wrong;
              break;
            case 2: {
              external_membership const joined(weft::scheduler_of(p));
              if (joined.joined() && forks(ground, own, 7) != 128) ++ground.wrong;
              break;
            }
            default:
              for (auto spin = own() % 20000; spin != 0; --spin) weft::detail::relax();
          }
        }
      });
    for (auto& t : plain) t.join();
    if (random.below(2) == 0) {
      while (ground.ended.load() != ground.begun.load()) std::this_thread::yield();
      REQUIRE(weft_test::falls_asleep(p));
    }
    p.shutdown(weft::drain_or_stop::drain);
    REQUIRE(ground.begun == ground.ended);
    REQUIRE(ground.wrong == 0);
    REQUIRE(p.stats().queued == 0);
  }
}
