#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/misuse.hpp"
#include "support/seeded.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/barrier.hpp>

#include <atomic>
#include <cstddef>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using weft::barrier;
using weft::task;
using weft_test::ending;

static_assert(!std::is_copy_constructible_v<barrier<>> && !std::is_move_constructible_v<barrier<>>);

TEST_CASE("a barrier for one never waits") {
  weft::pool pool{{.workers = 1}};
  barrier b(1);
  pool.run([&]() -> task<> {
    for (int i = 0; i < 3; ++i) co_await b.arrive_and_wait();
  });
}

TEST_CASE("nobody passes a barrier before the last one has arrived") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  barrier b(3);
  pool.run([&]() -> task<> {
    auto one = weft::spawn(b.arrive_and_wait()), two = weft::spawn(b.arrive_and_wait());
    co_await weft_test::settle();
    CHECK_FALSE(one.ready());
    CHECK_FALSE(two.ready());
    co_await b.arrive_and_wait();
    co_await std::move(one);
    co_await std::move(two);
  });
}

TEST_CASE(
    "a barrier holds everybody back in every phase, and the completion runs once in each, before anybody goes on") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("barrier_test: phases");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr int tasks = 8, phases = 50;
  std::atomic<int> arrived{0}, wrong{0};
  int completed = 0;  // plain: the barrier orders the completion and those who go on
  barrier b(tasks, [&]() noexcept {
    // Nobody has begun the next phase.
    if (arrived != tasks * (completed + 1)) ++wrong;
    ++completed;
  });
  auto one = [&]() -> task<> {
    for (int phase = 1; phase <= phases; ++phase) {
      ++arrived;
      co_await b.arrive_and_wait();
      // The next completion cannot have run: this task has not arrived again.
      if (completed != phase) ++wrong;
    }
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < tasks; ++i) all.push_back(pool.spawn(one));
  for (auto& f : all) f.get();
  CHECK(completed == phases);
  CHECK(wrong == 0);
}

TEST_CASE("arriving and waiting can be two steps, with work in between") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  barrier b(2);
  pool.run([&]() -> task<> {
    auto const mine = b.arrive();
    CHECK_FALSE(b.try_wait(mine));
    auto other = weft::spawn(b.arrive_and_wait());
    co_await weft_test::settle();
    CHECK(b.try_wait(mine));
    co_await b.wait(mine);  // the phase has ended: no waiting
    co_await std::move(other);
    auto const next = b.arrive();
    CHECK_FALSE(b.try_wait(next));
    auto waiting = weft::spawn(b.wait(next));
    co_await weft_test::settle();
    CHECK_FALSE(waiting.ready());
    co_await b.arrive_and_wait();
    co_await std::move(waiting);
  });
}

TEST_CASE("one who drops out is expected no more from the next phase on") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  int completed = 0;
  barrier b(3, [&]() noexcept { ++completed; });
  pool.run([&]() -> task<> {
    auto one = weft::spawn(b.arrive_and_wait()), two = weft::spawn(b.arrive_and_wait());
    co_await weft_test::settle();
    b.arrive_and_drop();
    co_await std::move(one);
    co_await std::move(two);
    CHECK(completed == 1);
    auto three = weft::spawn(b.arrive_and_wait());
    co_await weft_test::settle();
    CHECK_FALSE(three.ready());
    co_await b.arrive_and_wait();
    co_await std::move(three);
    CHECK(completed == 2);
  });
}

TEST_CASE("several arrivals at once count as many") {
  weft::pool pool{{.workers = 1}};
  barrier b(5);
  static_cast<void>(b.arrive(4));
  auto const none = b.arrive(0);
  CHECK_FALSE(b.try_wait(none));
  pool.run(b.arrive_and_wait());
  CHECK(b.try_wait(none));
}

TEST_CASE("a stopped task takes its arrival back: the others wait for somebody else") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  barrier b(3);
  pool.run([&]() -> task<> {
    auto one = weft::spawn(b.arrive_and_wait()), two = weft::spawn(b.arrive_and_wait());
    co_await weft_test::settle();
    one.stop();
    co_await weft_test::settle();
    CHECK(weft_test::ending_of(one) == ending::stopped);
    auto three = weft::spawn(b.arrive_and_wait());
    co_await weft_test::settle();
    CHECK_FALSE(two.ready());
    CHECK_FALSE(three.ready());
    co_await b.arrive_and_wait();
    co_await std::move(two);
    co_await std::move(three);
  });
}

TEST_CASE("an arrival of its own step counts, even if the wait for it is stopped") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  barrier b(2);
  pool.run([&]() -> task<> {
    auto one = weft::spawn(b.wait(b.arrive()));
    co_await weft_test::settle();
    one.stop();
    co_await weft_test::settle();
    CHECK(weft_test::ending_of(one) == ending::stopped);
    co_await b.arrive_and_wait();
  });
}

TEST_CASE("tasks that are more than a barrier expects pass in whole phases, and who is left over waits") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  int phases = 0;
  barrier b(3, [&]() noexcept { ++phases; });
  pool.run([&]() -> task<> {
    std::vector<weft::future<>> all;
    for (int i = 0; i < 8; ++i) all.push_back(weft::spawn(b.arrive_and_wait()));
    co_await weft_test::settle();
    CHECK(phases == 2);
    for (std::size_t i = 0; i < 6; ++i) CHECK(all[i].ready());
    CHECK_FALSE(all[6].ready());
    CHECK_FALSE(all[7].ready());
    co_await b.arrive_and_wait();
    CHECK(phases == 3);
    for (auto& f : all) co_await std::move(f);
  });
}

TEST_CASE("when all who wait at a barrier have been stopped it is as it was at first") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  int phases = 0;
  barrier b(3, [&]() noexcept { ++phases; });
  pool.run([&]() -> task<> {
    for (int round = 0; round < 3; ++round) {
      auto one = weft::spawn(b.arrive_and_wait()), two = weft::spawn(b.arrive_and_wait());
      co_await weft_test::settle();
      one.stop();
      two.stop();
      CHECK(weft_test::ending_of(one) == ending::stopped);
      CHECK(weft_test::ending_of(two) == ending::stopped);
      CHECK(phases == round);
      auto three = weft::spawn(b.arrive_and_wait()), four = weft::spawn(b.arrive_and_wait());
      co_await weft_test::settle();
      CHECK_FALSE(three.ready());
      co_await b.arrive_and_wait();
      co_await std::move(three);
      co_await std::move(four);
      CHECK(phases == round + 1);
    }
  });
}

TEST_CASE("arrivals and stops at random: each phase has as many as the barrier expects") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("barrier_test: random stops");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 80; ++round) {
    std::atomic<int> phases{0};
    barrier b(4, [&]() noexcept { ++phases; });
    std::vector<weft::future<>> all;
    // No more than it expects: a fifth might come while the completion runs.
    for (int i = 0; i < 4; ++i) all.push_back(pool.spawn(b.arrive_and_wait()));
    for (auto& f : all)
      if (random.below(3) == 0) f.stop();
    // Whoever is left over is let go at last.
    for (auto& f : all) f.stop();
    int through = 0;
    for (auto& f : all) through += weft_test::ending_of(f) == ending::value;
    // An arrival counts, too, whose stop comes when all the others are there; the last one of a phase always goes through.
    CHECK(through <= 4 * phases);
    CHECK(through >= phases);
    // All others have taken theirs back: the next phase begins with none.
    int const before = phases;
    static_cast<void>(b.arrive(3));
    CHECK(phases == before);
    static_cast<void>(b.arrive());
    CHECK(phases == before + 1);
  }
}

TEST_CASE("plain threads and tasks meet at a barrier") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("barrier_test: threads");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  barrier b(4);
  std::atomic<int> met{0};
  auto one = [&]() -> task<> {
    for (int i = 0; i < 20; ++i) co_await b.arrive_and_wait();
    ++met;
  };
  auto f = pool.spawn(one), g = pool.spawn(one);
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) pool.run(b.arrive_and_wait());
      ++met;
    });
  for (auto& t : threads) t.join();
  f.get();
  g.get();
  CHECK(met == 4);
}

TEST_CASE("whoever has come through the last phase may destroy the barrier") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("barrier_test: destroys");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  struct shared {
    barrier<> b{3};
    std::atomic<int> users{3};
  };
  for (int round = 0; round < 60; ++round) {
    auto* const s = new shared;
    auto one = [](shared* p) -> task<> {
      co_await p->b.arrive_and_wait();
      if (--p->users == 0) delete p;
    };
    auto a = pool.spawn(one, s), b = pool.spawn(one, s), c = pool.spawn(one, s);
    a.get();
    b.get();
    c.get();
  }
}

TEST_CASE("misuse of a barrier ends the program with a sentence") {
  weft_test::expect_misuse("more arrive at a barrier than it expects", [] {
    barrier b(1);
    static_cast<void>(b.arrive(2));
  });
  weft_test::expect_misuse("not negative", [] { barrier const b(-1); });
}
