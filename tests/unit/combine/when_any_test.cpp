#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/seeded.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/combine/tasks.hpp"

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/combine/when_any.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using weft::any_result;
using weft::task;
using weft::when_any;
using weft_test::awaited;
using weft_test::counted;
using weft_test::fails;
using weft_test::later;
using weft_test::nothing;
using weft_test::now;

namespace {

task<> sleeps(weft::clock::duration d) { co_await weft::sleep_for(d); }
task<int> sleeps_for_ever(std::atomic<int>& ended) {
  weft::detail::scope_exit const counts([&ended] { ++ended; });
  co_await weft::sleep_for(std::chrono::hours::max());
  co_return 0;
}
/// Waits for the stop, and gives a value all the same.
task<int> value_when_stopped(int v) {
  auto const token = weft::this_task::stop_token();
  while (!token.stop_requested()) co_await weft::this_task::yield();
  co_return v;
}

}  // namespace

static_assert(std::same_as<awaited<decltype(when_any(
                               now(1), [] { return 'c'; }, nothing()))>,
                           any_result<std::variant<int, char, weft::unit>>>);
static_assert(std::same_as<awaited<decltype(when_any(std::declval<task<int&>>(), now(1)))>,
                           any_result<std::variant<std::reference_wrapper<int>, int>>>);
static_assert(std::same_as<awaited<decltype(when_any(std::declval<std::vector<task<int>>>()))>, any_result<int>>);
static_assert(std::same_as<awaited<decltype(when_any(std::declval<std::vector<task<>>>()))>, any_result<weft::unit>>);

TEST_CASE("when_any gives the value of the first to finish, and which one it was") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_any_test: the first");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> ended{0};
  bool const right = pool.run([&ended]() -> task<bool> {
    auto const [index, value] = co_await when_any(sleeps_for_ever(ended), later(2), sleeps(1h));
    co_return index == 1 && std::get<1>(value) == 2;
  });
  CHECK(right);
}

TEST_CASE("when_any takes tasks, functions, futures, references and what only moves, and nothing becomes a unit") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_any_test: kinds");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int number = 0;
  std::string const said = pool.run([&number]() -> task<std::string> {
    std::string all;
    auto const owned = co_await when_any(sleeps(1h), [] { return std::make_unique<int>(1); });
    all += std::to_string(*std::get<1>(owned.value));
    auto const reference = co_await when_any([&number]() -> int& { return number; }, sleeps(1h));
    std::get<0>(reference.value).get() = 2;
    all += std::to_string(number);
    auto const future = co_await when_any(sleeps(1h), weft::spawn(later, 3));
    all += std::to_string(std::get<1>(future.value));
    auto const unit = co_await when_any(nothing(), sleeps(1h));
    all += std::get<0>(unit.value) == weft::unit{} ? "unit" : "?";
    auto const function_of_task = co_await when_any(sleeps(1h), [] { return later(5); });
    co_return all + std::to_string(std::get<1>(function_of_task.value));
  });
  CHECK(said == "123unit5");
}

TEST_CASE("the losers have been stopped and have ended when when_any gives its result") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_any_test: losers are joined");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> began{0}, ended{0};
    bool const right = pool.run([&]() -> task<bool> {
      auto loser = [&](counted) -> task<int> {
        ++began;
        weft::detail::scope_exit const counts([&ended] { ++ended; });
        try {
          co_await weft::sleep_for(1h);
        } catch (weft::stopped const&) {
        }
        // Asked to stop, it takes its time.
        for (int turn = 0; turn < 20; ++turn) co_await weft::this_task::yield();
        co_return 0;
      };
      auto winner = [&began]() -> task<int> {
        while (began != 2) co_await weft::this_task::yield();
        co_return 1;
      };
      auto const first = co_await when_any(loser(counted(1)), winner, loser(counted(2)));
      co_return first.index == 1 && ended == 2;
    });
    CHECK(right);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("those that have not begun when the first has finished never begin") {
  weft_test::watchdog const guard("when_any_test: never begun");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  int begun = 0;
  auto const first = pool.run(when_any([&begun] { return ++begun; }, [&begun] { return ++begun; }, later(3)));
  CHECK(first.index == 0);
  CHECK(begun == 1);

  std::vector<std::function<int()>> functions;
  for (int i = 0; i < 100; ++i) functions.emplace_back([&begun] { return ++begun; });
  CHECK(pool.run(when_any(std::move(functions))).value == 2);
  CHECK(begun == 2);
}

TEST_CASE("a failure finishes a when_any like a value: it is thrown, and the others are stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_any_test: failure");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> ended{0};
  CHECK_THROWS_WITH(pool.run(when_any(sleeps_for_ever(ended), fails("first"), sleeps(1h))), "first");
  auto no_task = []() -> task<int> { return throw std::logic_error("no task"), now(1); };
  CHECK_THROWS_WITH(pool.run(when_any(sleeps(1h), no_task)), "no task");
  // Stopped by itself, while nobody has asked this one to stop: that is how it has finished.
  CHECK_THROWS_AS(pool.run(when_any(sleeps(1h), [] { throw weft::stopped(); })), weft::stopped);
}

TEST_CASE("a failure that comes after the first has finished is nobody's business") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_any_test: late failure");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto fails_when_stopped = []() -> task<> {
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    throw std::runtime_error("late");
  };
  auto const first = pool.run(when_any(fails_when_stopped, later(4), fails_when_stopped));
  CHECK(first.index == 1);
  CHECK(std::get<1>(first.value) == 4);
}

TEST_CASE("a stop from outside goes through when_any as a stop") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_any_test: stopped from outside");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    auto f = pool.spawn(when_any(sleeps(1h), sleeps(2h), sleeps(3h)));
    if (i % 2 == 0) std::this_thread::yield();
    f.stop();
    CHECK_THROWS_AS(f.get(), weft::stopped);
  }
}

TEST_CASE("under a stop from outside, a value counts more than a failure, and a failure more than the stop") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_any_test: values under a stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto fails_when_stopped = []() -> task<> {
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    throw std::runtime_error("while it was stopped");
  };
  // A value that is given late, after the others have ended as stopped.
  auto slow_value = []() -> task<int> {
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    for (int turn = 0; turn < 20; ++turn) co_await weft::this_task::yield();
    co_return 6;
  };
  for (int i = 0; i < 10; ++i) {
    std::atomic<bool> here{false};
    auto started = [&here]() -> task<> {
      here = true;
      co_await weft::sleep_for(1h);
    };
    auto value = pool.spawn(when_any(sleeps(1h), fails_when_stopped, slow_value, started));
    while (!here) std::this_thread::yield();
    value.stop();
    auto const first = value.get();
    CHECK(first.index == 2);

    here = false;
    auto failure = pool.spawn(when_any(sleeps(1h), fails_when_stopped, started));
    while (!here) std::this_thread::yield();
    failure.stop();
    CHECK_THROWS_WITH(failure.get(), "while it was stopped");

    here = false;
    std::vector<std::function<task<>()>> range;
    range.emplace_back([] { return sleeps(1h); });
    range.emplace_back(fails_when_stopped);
    range.emplace_back(started);
    auto of_range = pool.spawn(when_any(std::move(range)));
    while (!here) std::this_thread::yield();
    of_range.stop();
    CHECK_THROWS_WITH(of_range.get(), "while it was stopped");
  }
}

TEST_CASE("the stop of the losers reaches nobody but them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_any_test: the parent goes on");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool const stopped = pool.run([]() -> task<bool> {
    auto other = weft::spawn([]() -> task<int> {
      for (int turn = 0; turn < 50; ++turn) co_await weft::this_task::checkpoint();
      co_return 1;
    });
    static_cast<void>(co_await when_any(later(1), sleeps(1h)));
    co_await weft::this_task::checkpoint();
    int const v = co_await std::move(other);
    co_return weft::this_task::stop_token().stop_requested() || v != 1;
  });
  CHECK_FALSE(stopped);
}

TEST_CASE("losers leave the queues of locks and events, which go on without them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_any_test: queues are left");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool const right = pool.run([]() -> task<bool> {
    weft::mutex m;
    weft::event e;
    auto held = co_await m.lock();
    for (int i = 0; i < 20; ++i) {
      auto const first = co_await when_any(m.lock(), e.wait(), later(i));
      if (first.index != 2) co_return false;
    }
    held.unlock();
    auto again = m.try_lock();
    co_return static_cast<bool>(again);
  });
  CHECK(right);
}

TEST_CASE("when_any of a range gives the index in it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const count = GENERATE(1u, 2u, 1000u);
  weft_test::watchdog const guard("when_any_test: ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool const right = pool.run([count]() -> task<bool> {
    auto one = [count](std::size_t i) -> task<std::size_t> {
      if (i != count / 2) co_await weft::sleep_for(1h);
      co_return i* i;
    };
    std::vector<task<std::size_t>> tasks;
    for (std::size_t i = 0; i < count; ++i) tasks.push_back(one(i));
    auto of_tasks = when_any(std::move(tasks));
    auto const a = co_await std::move(of_tasks);

    std::list<std::function<task<std::size_t>()>> functions;
    for (std::size_t i = 0; i < count; ++i) functions.emplace_back([one, i] { return one(i); });
    auto of_functions = when_any(functions);
    auto const b = co_await std::move(of_functions);
    auto const expected = count / 2;
    co_return a.index == expected&& a.value == expected* expected&& b.index == expected&& b.value == a.value;
  });
  CHECK(right);
}

TEST_CASE("when_any of an empty range says at once that nothing can be first") {
  CHECK_THROWS_AS(when_any(std::vector<task<int>>()), std::invalid_argument);
}

TEST_CASE("functions that only compute run side by side, and may look whether somebody has finished") {
  weft_test::watchdog const guard("when_any_test: plain functions");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  std::atomic<bool> spinning{false};
  auto const first = pool.run(when_any(
      [&spinning] {
        spinning = true;
        auto const token = weft::this_task::stop_token();
        while (!token.stop_requested()) std::this_thread::yield();
        return 1;
      },
      [&spinning] {
        while (!spinning) std::this_thread::yield();
        return 2;
      }));
  CHECK(first.index == 1);
}

TEST_CASE("a result in time or none: when_any with a sleep") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_any_test: with a sleep");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK(pool.run(when_any(weft::sleep_for(1ms), value_when_stopped(1))).index == 0);
  CHECK(pool.run(when_any(weft::sleep_for(1h), later(1))).index == 1);
  CHECK_THROWS_AS(pool.run(weft::timeout(1ms, when_any(sleeps(1h), sleeps(1h)))), weft::timed_out);
}

TEST_CASE("when_any can be kept and moved, its result moves no more than it must, and dropped it begins nothing") {
  weft_test::watchdog const guard("when_any_test: an operation");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  bool begun = false;
  {
    auto operation = when_any([c = counted(1)] { return counted(c.value() + 1); }, [] { return 3; });
    auto moved = std::move(operation);
    auto const first = pool.run(std::move(moved));
    CHECK(std::get<0>(first.value).value() == 2);
    auto const dropped = when_any([c = counted(2), &begun] { begun = c.value() == 2; }, [] {});
  }
  CHECK(counted::copies() == 0);
  CHECK(counted::live() == 0);
  CHECK_FALSE(begun);
}

TEST_CASE("many that finish at the same moment: one is first, all have ended, nothing is left") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_any_test: at the same moment", std::chrono::seconds(60));
  weft_test::seeded random;
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const seed = random();
  int const wrong = pool.run([seed]() -> task<int> {
    constexpr int rounds = weft::detail::small_capacities ? 100 : 400;
    int wrong_ones = 0;
    auto s = seed;
    for (int i = 0; i < rounds; ++i) {
      weft::event go;
      std::atomic<int> running{0};
      auto one = [&](counted c, int turns) -> task<counted> {
        ++running;
        weft::detail::scope_exit const ends([&running] { --running; });
        co_await go.wait();
        for (int turn = 0; turn < turns; ++turn) co_await weft::this_task::checkpoint();
        if (turns == 3) throw std::runtime_error("one of those");
        co_return std::move(c);
      };
      auto sets = [&go]() -> task<counted> {
        co_await weft::this_task::yield();
        go.set();
        co_await weft::sleep_for(1h);
        co_return counted(0);
      };
      auto draw = [&s] { return static_cast<int>((s = s * 6364136223846793005u + 1442695040888963407u) >> 33) % 4; };
      try {
        auto any = when_any(one(counted(1), draw()), one(counted(2), draw()), sets(), one(counted(3), draw()));
        auto const first = co_await std::move(any);
        wrong_ones += first.index == 2;
      } catch (std::runtime_error const&) {
      }
      wrong_ones += running != 0;
    }
    co_return wrong_ones;
  });
  CHECK(wrong == 0);
  CHECK(counted::live() == 0);
}
