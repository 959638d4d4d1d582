#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/explosive.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/combine/tasks.hpp"

#include <weft/base/config.hpp>
#include <weft/base/results.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/outcome.hpp>
#include <weft/combine/when_all_settled.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::outcome;
using weft::task;
using weft::when_all_settled;
using weft_test::awaited;
using weft_test::counted;
using weft_test::explosive;
using weft_test::fails;
using weft_test::later;
using weft_test::nothing;
using weft_test::now;

namespace {

task<> sleeps(weft::clock::duration d) { co_await weft::sleep_for(d); }

std::string what_of(std::exception_ptr const& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (std::exception const& e) {
    return e.what();
  }
}

}  // namespace

static_assert(std::same_as<awaited<decltype(when_all_settled(now(1), [] { return 'c'; }))>,
                           weft::results<outcome<int>, outcome<char>>>);
static_assert(std::same_as<awaited<decltype(when_all_settled(nothing(), [] {}))>, weft::results<outcome<>, outcome<>>>);
static_assert(std::same_as<awaited<decltype(when_all_settled(std::declval<std::vector<task<int&>>>()))>,
                           std::vector<outcome<int&>>>);

TEST_CASE("when_all_settled says of each how it ended, in order: with a value, a failure, or stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_settled_test: outcomes");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int number = 0;
  std::string const said = pool.run([&number]() -> task<std::string> {
    auto stops = []() -> task<> {
      throw weft::stopped();
      co_return;
    };
    auto owned = [] { return std::make_unique<int>(5); };
    auto reference = [&number]() -> int& { return number; };
    auto [a, b, c, d, e, f, g, h] =
        co_await when_all_settled(now(1), fails("two"), stops, nothing(), owned, reference, weft::spawn(later, 7),
                                  [] { throw std::logic_error("eight"); });
    f.value() = 6;
    std::string all = std::to_string(a.value()) + what_of(b.exception());
    all += c.stopped() ? "stopped" : "?";
    all += d.value() == weft::unit{} ? "unit" : "?";
    co_return all + std::to_string(*e.value()) + std::to_string(*f) + std::to_string(g.value()) +
        what_of(h.exception());
  });
  CHECK(said == "1twostoppedunit567eight");
  CHECK(number == 6);
}

TEST_CASE("a failure among settled ones stops nobody: all of them run to their end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_settled_test: nobody is stopped");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> ended{0};
    bool const right = pool.run([&ended]() -> task<bool> {
      auto fails_at_once = []() -> task<> {
        throw std::logic_error("at once");
        co_return;
      };
      auto waits = [&ended]() -> task<bool> {
        for (int turn = 0; turn < 10; ++turn) co_await weft::this_task::checkpoint();
        ++ended;
        co_return weft::this_task::stop_token().stop_requested();
      };
      auto [first, a, b, c] = co_await when_all_settled(fails_at_once, waits, waits, [&ended] { ++ended; });
      co_return first.failed() && !a.value() && !b.value() && c.has_value();
    });
    CHECK(right);
    CHECK(ended == 3);
  }
}

TEST_CASE("a settled range gives an outcome for each, of tasks, functions and other containers alike") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  int const count = GENERATE(0, 1, 2, 1000);
  weft_test::watchdog const guard("when_all_settled_test: ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const wrong = pool.run([count]() -> task<int> {
    auto one = [](int i) -> task<int> {
      if (i % 2 == 0) co_await weft::this_task::yield();
      if (i % 3 == 0) throw std::runtime_error(std::to_string(i));
      if (i % 7 == 0) throw weft::stopped();
      co_return i;
    };
    std::vector<task<int>> tasks;
    for (int i = 0; i < count; ++i) tasks.push_back(one(i));
    std::list<std::function<task<int>()>> functions;
    for (int i = 0; i < count; ++i) functions.emplace_back([one, i] { return one(i); });
    auto of_tasks = when_all_settled(std::move(tasks));
    auto const a = co_await std::move(of_tasks);
    auto of_functions = when_all_settled(functions);
    auto const b = co_await std::move(of_functions);
    int wrong_ones = a.size() != static_cast<std::size_t>(count) || b.size() != a.size();
    for (auto const* const all : {&a, &b}) {
      for (int i = 0; i < count; ++i) {
        auto const& o = (*all)[static_cast<std::size_t>(i)];
        if (i % 3 == 0) wrong_ones += !o.failed() || what_of(o.exception()) != std::to_string(i);
        else if (i % 7 == 0) wrong_ones += !o.stopped();
        else wrong_ones += o.value_or(-1) != i;
      }
    }
    co_return wrong_ones;
  });
  CHECK(wrong == 0);
}

TEST_CASE("a stop from outside makes the outcomes stopped, and when_all_settled gives them all the same") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_settled_test: stopped from outside");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    std::atomic<bool> here{false};
    auto f = pool.spawn([&here]() -> task<bool> {
      here = true;
      auto value_all_the_same = []() -> task<int> {
        while (!weft::this_task::stop_token().stop_requested()) co_await weft::this_task::yield();
        co_return 1;
      };
      auto [a, b, c] = co_await when_all_settled(sleeps(1h), value_all_the_same, sleeps(2h));
      co_return a.stopped() && b.value_or(0) == 1 && c.stopped();
    });
    while (i % 2 == 0 && !here) std::this_thread::yield();
    f.stop();
    CHECK(f.get());
  }
}

TEST_CASE("a value that cannot be moved out is an outcome that failed") {
  weft_test::watchdog const guard("when_all_settled_test: throwing moves");
  {
    weft::pool pool{{.workers = 1}};
    for (std::int64_t every = 1; every < 12; ++every) {
      int failed = 0;
      pool.run([&failed, every]() -> task<> {
        auto make = [] { return explosive(3); };
        explosive::arm(every);
        auto pack = when_all_settled(make, make);
        auto const both = co_await std::move(pack);
        std::vector<std::function<explosive()>> functions(2, make);
        auto range = when_all_settled(std::move(functions));
        auto const all = co_await std::move(range);
        explosive::disarm();
        for (auto const* const o : {&both.first, &both.second, &all[0], &all[1]}) {
          if (o->failed()) failed += what_of(o->exception()) == "use " + std::to_string(every);
          else if ((*o)->value() != 3 || !(*o)->valid()) failed = -100;
        }
      });
      CHECK(failed >= 0);
      if (every == 1) CHECK(failed == 4);
    }
  }
  CHECK(explosive::live() == 0);
}

TEST_CASE("a settled operation can be kept and moved, and one that is dropped begins nothing") {
  weft_test::watchdog const guard("when_all_settled_test: an operation");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  bool begun = false;
  {
    auto operation = when_all_settled([c = counted(1)] { return counted(c.value() + 1); }, [] { return counted(3); });
    auto moved = std::move(operation);
    auto const [a, b] = pool.run(std::move(moved));
    CHECK(a->value() == 2);
    CHECK(b->value() == 3);
    auto const dropped = when_all_settled([c = counted(2), &begun] { begun = c.value() == 2; }, [] {});
  }
  CHECK(counted::copies() == 0);
  CHECK(counted::live() == 0);
  CHECK_FALSE(begun);
}

TEST_CASE("trees of settled children lose no failure") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_settled_test: trees", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  // Counts the failures below, by outcomes that carry the counts up.
  auto tree = [](auto& self, std::uint64_t seed, int depth) -> task<int> {
    auto const h = seed * 0x9E3779B97F4A7C15u;
    if ((h >> 40) % 4 == 0) co_await weft::this_task::yield();
    if (depth == 0) {
      if ((h >> 45) % 3 == 0) throw std::runtime_error("leaf");
      co_return 0;
    }
    auto [a, b] = co_await when_all_settled(self(self, h + 1, depth - 1), self(self, h + 2, depth - 1));
    int const failures = (a ? *a : 1) + (b ? *b : 1);
    co_return failures;
  };
  auto plain = [](auto& self, std::uint64_t seed, int depth) -> int {
    auto const h = seed * 0x9E3779B97F4A7C15u;
    if (depth == 0) return (h >> 45) % 3 == 0;
    return self(self, h + 1, depth - 1) + self(self, h + 2, depth - 1);
  };
  for (int i = 0; i < 10; ++i) {
    auto const seed = random();
    int const depth = weft::detail::small_capacities ? 7 : 10;
    CHECK(pool.run([&] { return tree(tree, seed, depth); }) == plain(plain, seed, depth));
  }
}
