#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/explosive.hpp"
#include "support/seeded.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/combine/tasks.hpp"

#include <weft/base/config.hpp>
#include <weft/base/results.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <numeric>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using weft::task;
using weft::when_all;
using weft_test::awaited;
using weft_test::counted;
using weft_test::explosive;
using weft_test::fails;
using weft_test::later;
using weft_test::nothing;
using weft_test::now;

namespace {

task<int&> reference(int& v) {
  co_await weft::this_task::yield();
  co_return v;
}
task<std::unique_ptr<int>> owned(int v) { co_return std::make_unique<int>(v); }

task<int> until_stopped(std::atomic<int>& ended) {
  weft::detail::scope_exit const counts([&ended] { ++ended; });
  for (;;) co_await weft::this_task::checkpoint();
}

struct explosive_callable {
  int operator()() const noexcept { return value.value(); }
  explosive value{1};
};

/// All of a vector, by when_all.
template <class X>
auto all_of(std::vector<X> x) -> task<std::vector<weft::detail::unit_if_void<weft::result_of<X>>>> {
  auto operation = when_all(std::move(x));
  co_return co_await std::move(operation);
}

}  // namespace

static_assert(std::same_as<awaited<decltype(when_all(now(1), [] { return 'c'; }))>, weft::results<int, char>>);
static_assert(std::same_as<awaited<decltype(when_all(nothing(), [] {}))>, weft::results<weft::unit, weft::unit>>);
static_assert(std::same_as<awaited<decltype(when_all(std::declval<task<int&>>(), now(1)))>, weft::results<int&, int>>);
static_assert(std::same_as<awaited<decltype(when_all(std::declval<std::vector<task<int>>>()))>, std::vector<int>>);
static_assert(std::same_as<awaited<decltype(when_all(std::declval<std::vector<task<>>>()))>, std::vector<weft::unit>>);
static_assert(std::same_as<awaited<decltype(when_all(std::declval<std::vector<task<int&>>>()))>,
                           std::vector<std::reference_wrapper<int>>>);
static_assert(std::is_move_constructible_v<decltype(when_all(now(1), now(2)))>);
static_assert(std::is_move_constructible_v<decltype(when_all(std::declval<std::vector<task<int>>>()))>);
static_assert(
    std::same_as<awaited<decltype(when_all(std::declval<std::vector<task<int>>>(), 0L, std::plus<>()))>, long>);

TEST_CASE("when_all gives all results in order, of tasks, functions, futures and other awaitables alike") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: results");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int number = 4;
  bool const right = pool.run([&number]() -> task<bool> {
    auto [a, b, c, d, e, f] = co_await when_all(
        now(1), later(2), [] { return std::string("three"); }, reference(number), owned(5), weft::spawn(later, 6));
    co_return a == 1 && b == 2 && c == "three" && &d == &number && *e == 5 && f == 6;
  });
  CHECK(right);
}

TEST_CASE("when_all of nothing but void gives units") {
  weft_test::watchdog const guard("when_all_test: void");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  int calls = 0;
  auto const units = pool.run([&calls]() -> task<bool> {
    auto const both = co_await when_all(nothing(), [&calls] { ++calls; });
    co_return both.first == weft::unit{} && both.second == weft::unit{};
  });
  CHECK(units);
  CHECK(calls == 1);
}

TEST_CASE("when_all takes from two to sixteen") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: sixteen");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const sum = pool.run([]() -> task<int> {
    auto [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = co_await when_all(
        now(1), later(2), now(3), later(4), now(5), later(6), now(7), later(8), now(9), later(10), now(11), later(12),
        now(13), later(14), [] { return 15; }, later(16));
    co_return a + 2 * b + c + 2 * d + e + 2 * f + g + 2 * h + i + 2 * j + k + 2 * l + m + 2 * n + o + 2 * p;
  });
  CHECK(sum == 64 + 2 * 72);
}

TEST_CASE("a callable that returns something to await is awaited") {
  weft_test::watchdog const guard("when_all_test: callables");
  weft::pool pool{{.workers = 2}};
  int const sum = pool.run([]() -> task<int> {
    auto const ten = [] { return later(10); };
    auto [a, b] = co_await when_all(ten, [] { return 1; });
    co_return a + b;
  });
  CHECK(sum == 11);
}

TEST_CASE("when_all of one worker runs the first at once, and the others in order") {
  weft_test::watchdog const guard("when_all_test: order of begin");
  weft_test::unmonitored_pool pool{{.workers = 1}};
  std::string order;
  pool.run([&order]() -> task<> {
    auto note = [&order](char c) -> task<> {
      order += c;
      co_return;
    };
    co_await when_all(note('a'), [&order] { order += 'b'; }, note('c'), note('d'));
  });
  CHECK(order == "abcd");
}

TEST_CASE("when_all can be kept, moved and run, and its results move no more than they must") {
  weft_test::watchdog const guard("when_all_test: an operation");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  auto operation = when_all([c = counted(1)] { return counted(c.value() + 1); }, [] { return counted(3); });
  auto moved = std::move(operation);
  auto [a, b] = pool.run(std::move(moved));
  CHECK(a.value() == 2);
  CHECK(b.value() == 3);
  CHECK(counted::copies() == 0);
}

TEST_CASE("a when_all that is dropped without having been awaited destroys what it holds") {
  counted::reset();
  bool begun = false;
  {
    auto const body = [](bool& b, counted) -> task<> {
      b = true;
      co_return;
    };
    auto const dropped = when_all(body(begun, counted(1)), [c = counted(2), &begun] { begun = c.value() == 2; });
    CHECK(counted::live() == 2);
  }
  CHECK(counted::live() == 0);
  CHECK_FALSE(begun);
}

TEST_CASE("the children and their results are gone when the awaiting expression has ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: lifetimes");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const gives = [](counted c) -> task<counted> {
    co_await weft::this_task::yield();
    co_return std::move(c);
  };
  int live = -1;
  pool.run([&]() -> task<> {
    auto const both = co_await when_all(gives(counted(1)), gives(counted(2)));
    live = counted::live() * (both.first.value() + both.second.value());
  });
  CHECK(live == 2 * 3);
  CHECK(counted::live() == 0);
  CHECK(counted::copies() == 0);
}

TEST_CASE("the first failure is thrown when all have ended, and the others are asked to stop") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: failure");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> ended{0};
    auto const what = pool.run([&ended]() -> task<std::string> {
      std::string got;
      try {
        co_await when_all(until_stopped(ended), until_stopped(ended), fails("the only failure"), until_stopped(ended));
      } catch (std::runtime_error const& e) {
        got = e.what();
      }
      co_return got + std::to_string(ended);
    });
    // One that had not begun when the failure came never begins, and counts for nothing.
    CHECK_THAT(what, Catch::Matchers::ContainsSubstring("the only failure"));
  }
}

TEST_CASE("children that have not begun when one fails never begin") {
  weft_test::watchdog const guard("when_all_test: never begun");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  int begun = 0;
  auto fails_at_once = []() -> task<> {
    throw std::logic_error("at once");
    co_return;
  };
  auto counts = [&begun]() -> task<> {
    ++begun;
    co_return;
  };
  CHECK_THROWS_WITH(
      pool.run([&]() -> task<> { co_await when_all(counts(), fails_at_once(), counts(), [&begun] { ++begun; }); }),
      "at once");
  CHECK(begun == 1);

  // The same in a range, with functions.
  begun = 0;
  std::vector<std::function<void()>> functions;
  for (int i = 0; i < 100; ++i)
    functions.emplace_back([&begun, i] {
      ++begun;
      if (i == 9) throw std::logic_error("the tenth");
    });
  CHECK_THROWS_WITH(pool.run([&] { return all_of(std::move(functions)); }), "the tenth");
  CHECK(begun == 10);
}

TEST_CASE("a function that fails before it has made its task is a failure like any other") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: no task");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto no_task = []() -> task<int> { return throw std::logic_error("no task"), now(1); };
  CHECK_THROWS_WITH(pool.run(when_all(now(1), no_task)), "no task");
  CHECK_THROWS_WITH(pool.run(when_all(no_task, now(1))), "no task");
}

TEST_CASE("of several failures one is thrown, and the others are gone") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: several failures");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 50; ++i) {
    CHECK_THROWS_AS(pool.run(when_all(
                        fails("a"), fails("b"), [] { throw std::runtime_error("c"); }, fails("d"))),
                    std::runtime_error);
  }
}

TEST_CASE("children inherit the stop of their parent") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: stop inherited");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> ended{0};
    auto f = pool.spawn(
        [&ended]() -> task<> { co_await when_all(until_stopped(ended), until_stopped(ended), until_stopped(ended)); });
    if (i % 2 == 0) std::this_thread::yield();
    f.stop();
    CHECK_THROWS_AS(f.get(), weft::stopped);
  }
}

TEST_CASE("a child that ends as stopped by itself ends when_all like a failure, and stops its siblings") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: stopped by itself");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> ended{0};
  auto stops = [&ended]() -> task<int> {
    co_await weft::this_task::yield();
    ++ended;
    throw weft::stopped();
  };
  CHECK_THROWS_AS(pool.run(when_all(until_stopped(ended), stops, until_stopped(ended))), weft::stopped);
  CHECK(ended >= 1);
  std::vector<std::function<task<int>()>> range(3, [&ended] { return until_stopped(ended); });
  range.emplace_back(stops);
  CHECK_THROWS_AS(pool.run(when_all(range)), weft::stopped);
}

TEST_CASE("a failure stops its siblings and nobody else") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: the parent goes on");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool const stopped = pool.run([]() -> task<bool> {
    bool caught = false;
    try {
      co_await when_all(now(1), fails("inner"));
    } catch (std::runtime_error const&) {
      caught = true;
    }
    auto const token = weft::this_task::stop_token();
    auto [a, b] = co_await when_all(now(1), later(2));
    co_return !caught || token.stop_requested() || a + b != 3;
  });
  CHECK_FALSE(stopped);
}

TEST_CASE("a range of 0, 1, 2, 1000 or 100,000 tasks gives its results in order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  int const count = GENERATE(0, 1, 2, 1000, 100'000);
  bool const waits = GENERATE(false, true);
  weft_test::watchdog const guard("when_all_test: ranges", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const results = pool.run([count, waits]() -> task<std::vector<int>> {
    std::vector<task<int>> all;
    for (int i = 0; i < count; ++i) all.push_back(waits ? later(i) : now(i));
    auto operation = when_all(std::move(all));
    co_return co_await std::move(operation);
  });
  REQUIRE(results.size() == static_cast<std::size_t>(count));
  int wrong = 0;
  for (int i = 0; i < count; ++i) wrong += results[static_cast<std::size_t>(i)] != i;
  CHECK(wrong == 0);
}

TEST_CASE("a range may be of functions, of futures, of another container or a view") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: kinds of ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const sum = pool.run([]() -> task<int> {
    int total = 0;
    std::vector<std::function<int()>> functions;
    for (int i = 0; i < 10; ++i) functions.emplace_back([i] { return i; });
    auto of_functions = when_all(std::move(functions));
    for (int const v : co_await std::move(of_functions)) total += v;

    std::list<task<int>> list;
    for (int i = 0; i < 10; ++i) list.push_back(later(i));
    auto of_list = when_all(list);
    for (int const v : co_await std::move(of_list)) total += v;

    std::vector<weft::future<int>> futures;
    for (int i = 0; i < 10; ++i) futures.push_back(weft::spawn(later, i));
    auto of_futures = when_all(std::move(futures));
    for (int const v : co_await std::move(of_futures)) total += v;

    auto of_view = when_all(std::views::iota(0, 10) | std::views::transform(later));
    for (int const v : co_await std::move(of_view)) total += v;

    auto const odd = [](int i) { return i % 2 == 1; };
    auto of_unsized = when_all(std::views::iota(0, 10) | std::views::filter(odd) | std::views::transform(later));
    for (int const v : co_await std::move(of_unsized)) total += v;

    std::array<task<int>, 2> array{now(100), now(200)};
    auto of_span = when_all(std::span(array));
    for (int const v : co_await std::move(of_span)) total += v;
    co_return total;
  });
  CHECK(sum == 4 * 45 + 25 + 300);
}

TEST_CASE("a reference into a child of a range leads to it as long as the operation is there") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const count = GENERATE(1u, 2u, 3u, 20u);
  weft_test::watchdog const guard("when_all_test: references into children");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto own = [](std::string text) -> task<std::string&> {
    auto& mine = text;
    co_return mine;
  };
  auto const size = pool.run([&]() -> task<std::size_t> {
    std::vector<task<std::string&>> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(own(std::string(100 + i, 'x')));
    auto operation = when_all(std::move(all));
    auto const got = co_await std::move(operation);
    std::size_t sum = 0;
    for (auto const& s : got) sum += s.get().size();
    co_return sum;
  });
  CHECK(size == count * 100 + count * (count - 1) / 2);
}

TEST_CASE("an operation on a range that has been moved away has nothing left") {
  weft_test::watchdog const guard("when_all_test: moved");
  std::size_t const count = GENERATE(1u, 2u, 3u, 20u);
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  pool.run([&]() -> task<> {
    std::vector<task<int>> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(now(1));
    auto first = when_all(std::move(all));
    auto second = std::move(first);
    auto const none = co_await std::move(first);
    auto const every = co_await std::move(second);
    CHECK(none.empty());
    CHECK(every.size() == count);
  });
}

TEST_CASE("a range is folded in order, from the value that is given") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  int const count = GENERATE(0, 1, 2, 4, 5, 1000);
  bool const waits = GENERATE(false, true);
  weft_test::watchdog const guard("when_all_test: folds");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const append = [](std::unique_ptr<std::vector<int>> so_far, int value) {
    so_far->push_back(value);
    return so_far;
  };
  auto const fold = [&append](int n, bool later_on) -> task<std::unique_ptr<std::vector<int>>> {
    auto const one = [later_on](int i) { return later_on ? later(i) : now(i); };
    auto all = when_all(std::views::iota(0, n) | std::views::transform(one), std::make_unique<std::vector<int>>(1, -1),
                        append);
    co_return co_await std::move(all);
  };
  auto const folded = pool.run(fold, count, waits);
  std::vector<int> expected(static_cast<std::size_t>(count) + 1);
  std::iota(expected.begin(), expected.end(), -1);
  CHECK(*folded == expected);
}

TEST_CASE("a fold takes functions, references and what gives nothing, and converts as its operation says") {
  weft_test::watchdog const guard("when_all_test: what is folded");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  int one = 1, two = 2;
  pool.run([&one, &two]() -> task<> {
    std::vector<std::function<int()>> functions(3, [] { return 14; });
    auto sum = when_all(functions, std::int64_t{1} << 40, std::plus<>());
    auto const total = co_await std::move(sum);
    CHECK(total == (std::int64_t{1} << 40) + 42);

    std::vector<task<int&>> references;
    references.push_back(reference(one));
    references.push_back(reference(two));
    auto largest = when_all(std::move(references), &one, [](int* a, int& b) { return *a < b ? &b : a; });
    int const* const found = co_await std::move(largest);
    CHECK(found == &two);

    std::vector<task<>> of_nothing;
    for (int i = 0; i < 7; ++i) of_nothing.push_back(nothing());
    auto number = when_all(std::move(of_nothing), 0, [](int n, weft::unit) { return n + 1; });
    int const ended = co_await std::move(number);
    CHECK(ended == 7);
  });
}

TEST_CASE("a fold whose operation throws, or one of whose children fails, leaves nothing behind") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  int const count = GENERATE(1, 3, 9);
  bool const child_fails = GENERATE(false, true);
  weft_test::watchdog const guard("when_all_test: a fold that throws");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    auto const gives = [](int i, int n, bool fails) -> task<counted> {
      co_await weft::this_task::yield();
      if (fails && i == n - 1) throw std::runtime_error("a child");
      co_return counted(i);
    };
    int live = -1;
    bool const thrown = pool.run([&]() -> task<bool> {
      auto all = when_all(
          std::views::iota(0, count) | std::views::transform([&](int i) { return gives(i, count, child_fails); }), 0,
          [last = count - 1](int sum, counted const& value) {
            if (value.value() == last) throw std::logic_error("the operation");
            return sum + 1;
          });
      bool caught = false;
      try {
        co_await std::move(all);
      } catch (std::runtime_error const&) {
        caught = child_fails;
      } catch (std::logic_error const&) {
        caught = !child_fails;
      }
      live = counted::live();  // the operation is still here, its children are not
      co_return caught;
    });
    CHECK(thrown);
    CHECK(live == 0);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a range of one is that one: its result, its failure and its stop are as of co_await alone") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: a range of one");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const one = [](task<int> t) {
    std::vector<task<int>> all;
    all.push_back(std::move(t));
    return when_all(std::move(all));
  };
  pool.run([&one]() -> task<> {
    auto gives = one(later(5));
    auto const given = co_await std::move(gives);
    CHECK(given == std::vector<int>(1, 5));

    auto failing = one(fails("alone"));
    bool caught = false;
    try {
      co_await std::move(failing);
    } catch (std::runtime_error const& e) {
      caught = std::string_view(e.what()) == "alone";
    }
    CHECK(caught);
    CHECK_FALSE(weft::this_task::stop_token().stop_requested());
  });
  auto waits_for_stop = [](std::atomic<bool>& began) -> task<int> {
    began = true;
    while (!weft::this_task::stop_token().stop_requested()) co_await weft::this_task::yield();
    co_return 7;
  };
  std::atomic<bool> began{false};
  auto future = pool.spawn([&]() -> task<std::vector<int>> {
    auto operation = one(waits_for_stop(began));
    co_return co_await std::move(operation);
  });
  while (!began) std::this_thread::yield();
  future.stop();
  CHECK(future.get() == std::vector<int>(1, 7));
}

TEST_CASE("a range of few or many can be moved before it is awaited, and its children are gone when it has been") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  int const count = GENERATE(1, 2, 4, 5, 100);
  weft_test::watchdog const guard("when_all_test: a range that moves");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const gives = [](counted c) -> task<counted> {
    co_await weft::this_task::yield();
    co_return std::move(c);
  };
  int sum = 0, live = -1;
  pool.run([&]() -> task<> {
    auto made = when_all(std::views::iota(0, count) | std::views::transform([&](int i) { return gives(counted(i)); }));
    auto moved = std::move(made);
    {
      auto const all = co_await std::move(moved);
      live = counted::live();
      for (counted const& c : all) sum += c.value();
    }
    live -= count;
    if (counted::live() != 0) live = -1;
  });
  CHECK(sum == count * (count - 1) / 2);
  CHECK(live == 0);
  CHECK(counted::copies() == 0);
}

TEST_CASE("an empty range of tasks that give nothing ends at once") {
  weft::pool pool{{.workers = 1}};
  CHECK(pool.run(all_of(std::vector<task<>>())).empty());
}

TEST_CASE("a range of tasks that give references gives references") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: a range of references");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int a = 1, b = 2;
  pool.run([&]() -> task<> {
    std::vector<task<int&>> tasks;
    tasks.push_back(reference(a));
    tasks.push_back(reference(b));
    auto operation = when_all(std::move(tasks));
    auto const both = co_await std::move(operation);
    both[0].get() = 10;
    both[1].get() = 20;
  });
  CHECK(a == 10);
  CHECK(b == 20);
}

TEST_CASE("when_all gives nothing before the last has ended, in whatever order they end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: the last");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool const right = pool.run([]() -> task<bool> {
    weft::event first, second;
    std::atomic<int> begun{0};
    std::atomic<bool> complete{false};
    auto waits = [&begun](weft::event& e, int v) -> task<int> {
      ++begun;
      co_await e.wait();
      co_return v;
    };
    auto all = [&]() -> task<int> {
      auto [a, b] = co_await when_all(waits(first, 1), waits(second, 2));
      complete = true;
      co_return a + 10 * b;
    };
    auto sum = weft::spawn(all);
    while (begun != 2) co_await weft::this_task::yield();
    second.set();
    for (int turn = 0; turn < 20; ++turn) co_await weft::this_task::yield();
    bool const too_early = complete;
    first.set();
    co_return co_await std::move(sum) == 21 && !too_early;
  });
  CHECK(right);
}

TEST_CASE("callables of an lvalue range are copied, as those of a pack are") {
  weft_test::watchdog const guard("when_all_test: an lvalue range");
  weft::pool pool{{.workers = 1}};
  std::vector<std::function<int()>> functions(3, [] { return 1; });
  CHECK(pool.run(when_all(functions)).size() == 3);
  int still_there = 0;
  for (auto const& f : functions) still_there += f != nullptr;
  CHECK(still_there == 3);
}

TEST_CASE("a failure in a long range stops those that run, and none is lost") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: failure in a range", std::chrono::seconds(60));
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto each = [](counted c) -> task<counted> {
    co_await weft::this_task::yield();
    if (c.value() == 1777) throw std::runtime_error("one of many");
    co_await weft::this_task::checkpoint();
    co_return std::move(c);
  };
  CHECK_THROWS_WITH(pool.run([&each]() -> task<> {
    std::vector<task<counted>> all;
    for (int i = 0; i < 5000; ++i) all.push_back(each(counted(i)));
    auto operation = when_all(std::move(all));
    co_await std::move(operation);
  }),
                    "one of many");
  CHECK(counted::live() == 0);
}

namespace {

/// A tree that is drawn from a seed: its value by plain recursion and by tasks.
std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdU;
  x ^= x >> 29;
  return x;
}
std::uint64_t plain(std::uint64_t seed, int depth) {
  auto const h = mix(seed + static_cast<std::uint64_t>(depth));
  if (depth == 0 || h % 16 == 0) return h;
  if (h % 3 == 0) return mix(plain(h, depth - 1) + 3 * plain(h + 1, depth - 1) + 5 * plain(h + 2, depth - 1));
  return mix(plain(h, depth - 1) + 3 * plain(h + 1, depth - 1));
}
task<std::uint64_t> tree(std::uint64_t seed, int depth) {
  auto const h = mix(seed + static_cast<std::uint64_t>(depth));
  if (h % 5 == 0) co_await weft::this_task::yield();
  if (depth == 0 || h % 16 == 0) co_return h;
  if (h % 3 == 0) {
    auto [a, b, c] =
        co_await when_all(tree(h, depth - 1), [h, depth] { return plain(h + 1, depth - 1); }, tree(h + 2, depth - 1));
    if (h % 7 == 0) co_await weft::this_task::yield();
    co_return mix(a + 3 * b + 5 * c);
  }
  if (h % 11 == 0) {
    // A plain call between tasks.
    auto [a, b] =
        weft::fork_join([h, depth] { return plain(h, depth - 1); }, [h, depth] { return plain(h + 1, depth - 1); });
    co_return mix(a + 3 * b);
  }
  auto [a, b] = co_await when_all(tree(h, depth - 1), tree(h + 1, depth - 1));
  co_return mix(a + 3 * b);
}

}  // namespace

TEST_CASE("nested trees of when_all give what a plain recursion gives") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: trees", std::chrono::seconds(120));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 10; ++i) {
    auto const seed = random();
    int const depth = weft::detail::small_capacities ? 9 : 12;
    CHECK(pool.run(tree(seed, depth)) == plain(seed, depth));
  }
}

TEST_CASE("where moving a callable of a range throws, nothing is left of it and of those before it") {
  weft_test::watchdog const guard("when_all_test: a range whose moves throw");
  int failed = 0;
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = 1}};
    for (int every = 1; every != 6; ++every) {
      auto const three = [every]() -> task<std::size_t> {
        std::vector<explosive_callable> callables(3);
        explosive::arm(every);
        weft::detail::scope_exit const calm([]() noexcept { explosive::disarm(); });
        auto operation = when_all(std::move(callables));
        co_return (co_await std::move(operation)).size();
      };
      try {
        auto const count = pool.run(three);
        CHECK(count == 3);
      } catch (std::runtime_error const&) {
        ++failed;
      }
    }
  }
  CHECK(failed == 3);
  CHECK(explosive::live() == 0);
}

TEST_CASE("failures anywhere in nested trees come out at the top, and nothing is left") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("when_all_test: failing trees", std::chrono::seconds(120));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto failing = [](auto& self, std::uint64_t seed, int depth) -> task<int> {
    auto const h = mix(seed + static_cast<std::uint64_t>(depth));
    if (h % 4 == 0) co_await weft::this_task::yield();
    if (h % 61 == 0) throw std::runtime_error("somewhere");
    if (depth == 0) co_return 1;
    auto [a, b] = co_await when_all(self(self, h, depth - 1), self(self, h + 1, depth - 1));
    co_return a + b;
  };
  // What a plain recursion says: does any node fail?
  auto fails_plainly = [](auto& self, std::uint64_t seed, int depth) -> bool {
    auto const h = mix(seed + static_cast<std::uint64_t>(depth));
    if (h % 61 == 0) return true;
    return depth != 0 && (self(self, h, depth - 1) || self(self, h + 1, depth - 1));
  };
  int wrong = 0;
  for (int i = 0; i < 50; ++i) {
    auto const seed = random();
    bool failed = false;
    try {
      static_cast<void>(pool.run([&] { return failing(failing, seed, 5); }));
    } catch (std::runtime_error const&) {
      failed = true;
    }
    wrong += failed != fails_plainly(fails_plainly, seed, 5);
  }
  CHECK(wrong == 0);
}
