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
#include <weft/combine/race.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
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
using weft::race;
using weft::task;
using weft_test::awaited;
using weft_test::counted;
using weft_test::fails;
using weft_test::later;
using weft_test::nothing;
using weft_test::now;

namespace {

task<int> sleeps(weft::clock::duration d) {
  co_await weft::sleep_for(d);
  co_return 0;
}

}  // namespace

static_assert(std::same_as<awaited<decltype(race(now(1), now(2)))>, int>);
static_assert(std::same_as<awaited<decltype(race(now(1), [] { return 2L; }))>, long>);
static_assert(std::same_as<awaited<decltype(race([] { return "a"; }, [] { return std::string(); }))>, std::string>);
static_assert(std::same_as<awaited<decltype(race(nothing(), [] {}))>, void>);
static_assert(std::same_as<awaited<decltype(race(std::declval<task<int&>>(), std::declval<task<int&>>()))>, int&>);
static_assert(std::same_as<awaited<decltype(race(std::declval<task<int&>>(), now(1)))>, int>);
static_assert(std::same_as<awaited<decltype(race(nothing(), now(1)))>, std::variant<weft::unit, int>>);
static_assert(std::same_as<awaited<decltype(race(std::declval<std::vector<task<int&>>>()))>, int&>);
static_assert(std::same_as<awaited<decltype(race(std::declval<std::vector<task<>>>()))>, void>);

TEST_CASE("a race gives the first value, also where others have failed before") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("race_test: the first value");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK(pool.run(race(sleeps(1h), later(2), sleeps(2h))) == 2);
  CHECK(pool.run(race(
            fails("a"),
            [] {
              throw std::logic_error("b");
              return 0;
            },
            later(3), sleeps(1h))) == 3);
  auto no_task = []() -> task<int> { return throw std::logic_error("no task"), now(1); };
  CHECK(pool.run(race(no_task, later(4))) == 4);
  CHECK(pool.run(race(
            [] {
              throw weft::stopped();
              return 0;
            },
            later(5))) == 5);
}

TEST_CASE("a race that nobody wins throws the failure that came last") {
  weft_test::watchdog const guard("race_test: nobody wins");
  weft_test::balance const balance;
  // On one worker, who says that he fails has failed before the next one runs.
  weft_test::unmonitored_pool pool{{.workers = 1}};
  int failed = 0;
  auto fails_as = [&failed](int nth, char const* what) -> task<int> {
    while (failed != nth) co_await weft::this_task::yield();
    ++failed;
    throw std::runtime_error(what);
  };
  CHECK_THROWS_WITH(pool.run(race(fails_as(1, "second"), fails_as(2, "last"), fails_as(0, "first"))), "last");
  failed = 0;
  std::vector<task<int>> range;
  range.push_back(fails_as(2, "last of a range"));
  range.push_back(fails_as(1, "second"));
  range.push_back(fails_as(0, "first"));
  CHECK_THROWS_WITH(pool.run(race(std::move(range))), "last of a range");
}

TEST_CASE("of failures that come at the same moment a race throws one, when all have ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("race_test: failures at the same moment");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 100; ++i) {
    std::atomic<int> ended{0};
    auto fails_here = [&ended](int turns) -> task<int> {
      weft::detail::scope_exit const counts([&ended] { ++ended; });
      for (int turn = 0; turn < turns; ++turn) co_await weft::this_task::yield();
      throw std::runtime_error("lost");
    };
    CHECK_THROWS_WITH(pool.run(race(fails_here(i % 3), fails_here(1), fails_here(0), fails_here(2))), "lost");
    CHECK(ended == 4);
  }
}

TEST_CASE("a race gives references, what only moves, and nothing at all") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("race_test: kinds");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int number = 0, calls = 0;
  pool.run([&]() -> task<> {
    auto reference = [&number]() -> int& { return number; };
    int& same = co_await race(reference, reference);
    same = 5;
    auto own = [](int v) { return [v] { return std::make_unique<int>(v); }; };
    auto const owned = co_await race(own(1), own(1));
    calls += *owned;
    co_await race(nothing(), [] {});
    auto const either = co_await race([] { throw std::runtime_error("not this"); }, [] { return std::string("this"); });
    calls += std::get<1>(either) == "this";
    calls += co_await race([]() -> short { return 1; }, weft::spawn(later, 1)) == 1;
  });
  CHECK(number == 5);
  CHECK(calls == 3);
}

TEST_CASE("the losers of a race have been stopped and have ended when it gives its result") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("race_test: losers are joined");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> began{0}, ended{0};
    bool const right = pool.run([&]() -> task<bool> {
      auto loser = [&](counted) -> task<int> {
        ++began;
        weft::detail::scope_exit const counts([&ended] { ++ended; });
        co_await weft::sleep_for(1h);
        co_return 0;
      };
      auto winner = [&began]() -> task<int> {
        while (began != 2) co_await weft::this_task::yield();
        co_return 1;
      };
      int const v = co_await race(loser(counted(1)), winner, loser(counted(2)));
      co_return v == 1 && ended == 2;
    });
    CHECK(right);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("in a race of one worker the next begins when the one before has failed, and none after a success") {
  weft_test::watchdog const guard("race_test: one after the other");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  int begun = 0;
  auto fails_here = [&begun]() -> int { throw std::runtime_error(std::to_string(++begun)); };
  auto succeeds = [&begun] { return ++begun; };
  CHECK(pool.run(race(fails_here, fails_here, succeeds, succeeds, fails_here)) == 3);
  CHECK(begun == 3);
  CHECK_THROWS_WITH(pool.run(race(fails_here, fails_here)), "5");

  begun = 0;
  std::vector<std::function<int()>> functions(10, fails_here);
  functions.emplace_back(succeeds);
  functions.emplace_back(succeeds);
  CHECK(pool.run(race(functions)) == 11);
  functions.resize(10);
  CHECK_THROWS_WITH(pool.run(race(std::move(functions))), "21");
}

TEST_CASE("a stop from outside goes through a race, unless there is a value all the same") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("race_test: stopped from outside");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto value_when_stopped = []() -> task<int> {
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    co_return 8;
  };
  for (int i = 0; i < 20; ++i) {
    auto stopped = pool.spawn(race(sleeps(1h), sleeps(2h)));
    if (i % 2 == 0) std::this_thread::yield();
    stopped.stop();
    CHECK_THROWS_AS(stopped.get(), weft::stopped);

    auto value = pool.spawn(race(sleeps(1h), value_when_stopped, sleeps(2h)));
    if (i % 2 == 0) std::this_thread::yield();
    value.stop();
    CHECK(value.get() == 8);
  }
  CHECK_THROWS_AS(pool.run(weft::timeout(1ms, race(sleeps(1h), sleeps(2h)))), weft::timed_out);
}

TEST_CASE("a race may be of a range of any kind, but not of an empty one") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("race_test: ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const sum = pool.run([]() -> task<int> {
    std::vector<task<int>> tasks;
    for (int i = 0; i < 1000; ++i) tasks.push_back(i == 777 ? later(777) : i % 2 == 0 ? fails("even") : sleeps(1h));
    auto of_tasks = race(std::move(tasks));
    int total = co_await std::move(of_tasks);
    std::list<std::function<task<int>()>> functions(1, [] { return later(1); });
    auto of_functions = race(functions);
    total += co_await std::move(of_functions);
    std::vector<task<>> of_nothing;
    of_nothing.push_back(nothing());
    auto nothings = race(std::move(of_nothing));
    co_await std::move(nothings);
    co_return total;
  });
  CHECK(sum == 778);
  CHECK_THROWS_AS(race(std::vector<task<int>>()), std::invalid_argument);
}

TEST_CASE("races of racers that fail, win and are stopped at random give what can be given, and leave nothing") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("race_test: at random", std::chrono::seconds(60));
  weft_test::seeded random;
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto racer = [](counted c, std::uint64_t h) -> task<counted> {
    for (std::uint64_t turn = 0; turn < h % 4; ++turn) co_await weft::this_task::checkpoint();
    if (h % 3 == 0) throw std::runtime_error("lost");
    co_return std::move(c);
  };
  int wrong = 0;
  int const rounds = weft::detail::small_capacities ? 200 : 1000;
  for (int i = 0; i < rounds; ++i) {
    std::uint64_t const h[] = {random(), random(), random()};
    bool const can_win = h[0] % 3 != 0 || h[1] % 3 != 0 || h[2] % 3 != 0;
    bool won = false;
    try {
      won = pool.run(race(racer(counted(1), h[0]), racer(counted(2), h[1]), racer(counted(3), h[2]))).value() > 0;
    } catch (std::runtime_error const&) {
    }
    wrong += won != can_win;
  }
  CHECK(wrong == 0);
  CHECK(counted::live() == 0);
}
