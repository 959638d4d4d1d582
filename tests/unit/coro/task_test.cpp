#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/stack_depth.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using weft::task;
using weft_test::counted;

static_assert(!std::is_copy_constructible_v<task<int>> && !std::is_copy_assignable_v<task<int>>);
static_assert(std::is_nothrow_move_constructible_v<task<int>> && std::is_nothrow_move_assignable_v<task<int>>);
static_assert(!std::is_default_constructible_v<task<int>>);
static_assert(sizeof(task<std::string>) == sizeof(void*));

namespace {

constexpr int scaled(int n) { return weft::detail::small_capacities ? n / 10 : n; }

task<int> value(int v) { co_return v; }
task<> nothing() { co_return; }
task<int&> reference(int& v) { co_return v; }
task<int const&> constant_reference(int const& v) { co_return v; }
task<std::unique_ptr<int>> move_only(int v) { co_return std::make_unique<int>(v); }
task<counted> counts(int v) { co_return counted(v); }

task<int> fails(std::string what) {
  co_await nothing();
  throw std::runtime_error(what);
}

struct not_default_constructible {
  explicit not_default_constructible(int v) : value(v) {}
  int value;
};
task<not_default_constructible> from_int(int v) { co_return not_default_constructible(v); }

struct throws_when_copied {
  throws_when_copied() = default;
  throws_when_copied(throws_when_copied const&) { throw std::runtime_error("copied"); }
};
task<throws_when_copied> copies(throws_when_copied const& original) { co_return original; }

task<std::size_t> takes(counted, std::string const text, std::unique_ptr<int> number) {
  co_await nothing();
  co_return text.size() + static_cast<std::size_t>(*number);
}

task<int> yields_first(int v) {
  co_await weft::this_task::yield();
  co_return v;
}

}  // namespace

TEST_CASE("a task hands a value, a reference, something that only moves, or nothing to whoever awaits it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("task_test: results");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int number = 1;
  bool const same = pool.run([&number]() -> task<bool> {
    co_await nothing();
    int& same_number = co_await reference(number);
    same_number = co_await value(41);
    int const& constant = co_await constant_reference(number);
    auto const owned = co_await move_only(1);
    auto const built = co_await from_int(7);
    number += *owned + built.value;
    co_return &same_number == &number && &constant == &number;
  });
  CHECK(same);
  CHECK(number == 49);
}

TEST_CASE("a result is moved, never copied, and destroyed once") {
  counted::reset();
  {
    weft::pool pool{{.workers = 1}};
    auto const got = pool.run([]() -> task<counted> {
      auto first = co_await counts(5);
      co_await counts(6);
      co_return std::move(first);
    });
    CHECK(got.value() == 5);
    CHECK(counted::copies() == 0);
    CHECK(counted::live() == 1);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("an exception passes through every task that awaits, unless one catches it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("task_test: exceptions");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto passes = [](int depth, auto& self) -> task<int> {
    if (depth == 0) co_return co_await fails("the deepest one");
    co_return co_await self(depth - 1, self) + 1;
  };
  auto catches = [&passes]() -> task<std::string> {
    std::string what;
    try {
      co_await passes(50, passes);
    } catch (std::runtime_error const& e) {
      what = e.what();
    }
    co_return what;
  };
  CHECK(pool.run(catches) == "the deepest one");
  CHECK_THROWS_AS(pool.run([&passes] { return passes(3, passes); }), std::runtime_error);
}

TEST_CASE("a result that cannot be made is the task's failure") {
  weft::pool pool{{.workers = 1}};
  throws_when_copied const original;
  CHECK_THROWS_WITH(pool.run([&original]() -> task<> {
    auto const copy = co_await copies(original);
    static_cast<void>(copy);
  }),
                    "copied");
}

TEST_CASE("a task that is dropped without having been awaited never begins, and its arguments are destroyed") {
  counted::reset();
  bool begun = false;
  auto const body = [](bool& b, counted, std::string) -> task<> {
    b = true;
    co_return;
  };
  {
    weft_test::balance const balance;
    {
      auto const dropped = body(begun, counted(1), std::string(100, 'x'));
      CHECK(counted::live() == 1);
    }
    CHECK(counted::live() == 0);
    CHECK_FALSE(begun);
  }
}

TEST_CASE("a task's arguments are moved into its frame and are gone when it has been awaited") {
  counted::reset();
  weft::pool pool{{.workers = 2}};
  bool gone = false;
  auto const got = pool.run([&gone]() -> task<std::size_t> {
    auto n = co_await takes(counted(1), std::string(90, 'x'), std::make_unique<int>(10));
    gone = counted::live() == 0;
    co_return n;
  });
  CHECK(got == 100);
  CHECK(gone);
  CHECK(counted::copies() == 0);
}

TEST_CASE("a moved task is the same task, and what it is assigned to is destroyed") {
  counted::reset();
  auto const body = [](counted c) -> task<int> { co_return c.value(); };
  weft::pool pool{{.workers = 1}};
  auto first = body(counted(1));
  auto second = body(counted(2));
  CHECK(counted::live() == 2);
  CHECK(first.valid());
  first = std::move(second);
  CHECK(counted::live() == 1);
  CHECK(first.valid());
  CHECK_FALSE(second.valid());
  auto third = std::move(first);
  CHECK_FALSE(first.valid());
  CHECK(pool.run(std::move(third)) == 2);
  CHECK(counted::live() == 0);
}

TEST_CASE("a named task is awaited where it stands, once") {
  weft::pool pool{{.workers = 1}};
  CHECK(pool.run([]() -> task<bool> {
    auto t = value(3);
    bool const before = t.valid();
    int const v = co_await t;
    co_return before&& v == 3 && !t.valid();
  }));
}

TEST_CASE("a chain of tasks waits where the innermost of them waits, and goes on from there") {
  weft_test::watchdog const guard("task_test: a chain that waits");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft::event go_on;
  std::string steps;
  auto inner = [&]() -> task<int> {
    steps += 'a';
    co_await go_on.wait();
    steps += 'b';
    co_return 1;
  };
  auto outer = [&]() -> task<int> {
    steps += 'c';
    int const v = co_await inner();
    steps += 'd';
    co_return v + 1;
  };
  pool.run([&]() -> task<> {
    auto f = weft::spawn(outer);
    for (int turn = 0; turn < 5; ++turn) co_await weft::this_task::yield();
    CHECK(steps == "ca");
    CHECK_FALSE(f.ready());
    go_on.set();
    int const v = co_await std::move(f);
    CHECK(v == 2);
  });
  CHECK(steps == "cabd");
}

TEST_CASE("what a task returns by name is copied where it is constant, and else moved") {
  counted::reset();
  auto const constant = []() -> task<counted> {
    counted const c(1);
    co_return c;
  };
  auto const moved = []() -> task<counted> {
    counted c(2);
    co_return c;
  };
  {
    weft::pool pool{{.workers = 1}};
    CHECK(pool.run(constant).value() == 1);
    CHECK(counted::copies() == 1);
    CHECK(pool.run(moved).value() == 2);
    CHECK(counted::copies() == 1);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a task goes on where its child ended, on any worker, with everything the child wrote") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("task_test: children on other workers");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto sums = [](auto& self, int depth) -> task<int> {
    if (depth == 0) co_return co_await yields_first(1);
    int const left = co_await self(self, depth - 1);
    co_await weft::this_task::yield();
    int const right = co_await self(self, depth - 1);
    co_return left + right;
  };
  CHECK(pool.run([&sums] { return sums(sums, 9); }) == 512);
}

TEST_CASE("a chain of 200,000 tasks that await each other neither overflows the stack going down nor coming back") {
  weft_test::watchdog const guard("task_test: a long chain", std::chrono::seconds(120));
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft_test::stack_depth depth;
  auto chain = [&depth](auto& self, int n) -> task<std::int64_t> {
    depth.look();
    if (n == 0) co_return 0;
    auto const rest = co_await self(self, n - 1);
    depth.look();
    co_return rest + 1;
  };
  auto const length = scaled(200'000);
  CHECK(pool.run([&] { return chain(chain, length); }) == length);
  CHECK(depth.bytes() <= 64 * 1024);
}

TEST_CASE("an exception comes up a chain of 20,000 tasks") {
  weft_test::watchdog const guard("task_test: an exception through a long chain", std::chrono::seconds(120));
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  auto chain = [](auto& self, int n) -> task<> {
    if (n == 0) throw std::logic_error("bottom");
    co_await self(self, n - 1);
  };
  auto const length = scaled(20'000);
  CHECK_THROWS_AS(pool.run([&] { return chain(chain, length); }), std::logic_error);
}

TEST_CASE("ten million awaits in a loop grow the stack by at most 64 KiB") {
  weft_test::watchdog const guard("task_test: awaits in a loop", std::chrono::seconds(180));
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft_test::stack_depth depth;
  auto one = [&depth](std::int64_t i) -> task<std::int64_t> {
    depth.look();
    co_return i & 1;
  };
  auto const count = scaled(10'000'000);
  auto loop = [&]() -> task<std::int64_t> {
    std::int64_t sum = 0;
    for (int i = 0; i < count; ++i) {
      sum += co_await one(i);
      depth.look();
    }
    co_return sum;
  };
  CHECK(pool.run(loop) == count / 2);
  CHECK(depth.bytes() <= 64 * 1024);
}

namespace {

task<std::int64_t> odd(weft_test::stack_depth& depth, int n);
task<std::int64_t> even(weft_test::stack_depth& depth, int n) {
  depth.look();
  if (n == 0) co_return 1;
  auto const left = co_await odd(depth, n - 1);
  co_return left + co_await odd(depth, n - 1);
}
task<std::int64_t> odd(weft_test::stack_depth& depth, int n) {
  depth.look();
  if (n == 0) co_return 1;
  auto const left = co_await even(depth, n - 1);
  auto const right = co_await even(depth, n - 1);
  depth.look();
  co_return left + right;
}

}  // namespace

TEST_CASE("ten million awaits in mutual recursion grow the stack by at most 64 KiB") {
  weft_test::watchdog const guard("task_test: mutual recursion", std::chrono::seconds(180));
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft_test::stack_depth depth;
  // 2^(n+1) - 1 tasks: 8 million, and a tenth of it.
  int const levels = weft::detail::small_capacities ? 18 : 22;
  CHECK(pool.run(even(depth, levels)) == std::int64_t{1} << levels);
  CHECK(depth.bytes() <= 64 * 1024);
}

TEST_CASE("tasks that take turns with the stack of a plain call do not build it up") {
  // A coroutine that runs another to its end by a nested run comes back each time.
  weft_test::watchdog const guard("task_test: nested run in a loop", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft_test::stack_depth depth;
  auto one = [&depth](int i) -> task<int> {
    depth.look();
    co_return i % 2;
  };
  int const sum = pool.run([&]() -> task<int> {
    int total = 0;
    for (int i = 0; i < 1000; ++i) {
      int const nested = weft::run([&] { return one(i); });
      total += nested + co_await one(i);
      depth.look();
    }
    co_return total;
  });
  CHECK(sum == 1000);
  CHECK(depth.bytes() <= 64 * 1024);
}
