#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/sched/pool.hpp>

#include <atomic>
#include <concepts>
#include <coroutine>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::task;
using weft_test::counted;

namespace {

int add(int a, int b) { return a + b; }
task<int> add_later(int a, int b) {
  co_await weft::this_task::yield();
  co_return a + b;
}
task<> append(std::string& to, std::string text) {
  to += text;
  co_return;
}

struct ready_value {
  bool await_ready() { return true; }
  void await_suspend(std::coroutine_handle<>) {}
  int await_resume() { return 17; }
};

struct account {
  int balance = 0;
  int add(int v) { return balance += v; }
  task<int> add_later(int v) {
    co_await weft::this_task::yield();
    co_return balance += v;
  }
};

}  // namespace

static_assert(std::same_as<decltype(weft::run(add, 1, 2)), int>);
static_assert(std::same_as<decltype(weft::run(add_later, 1, 2)), int>);
static_assert(std::same_as<decltype(std::declval<weft::pool&>().run(add_later, 1, 2)), int>);
static_assert(std::same_as<decltype(weft::run([]() -> int& { throw 1; })), int&>);

TEST_CASE("run takes a function, a coroutine function, a task, another awaitable or a member function") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("run_test: kinds");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK(pool.run(add, 1, 2) == 3);
  CHECK(pool.run(add_later, 1, 2) == 3);
  CHECK(pool.run(add_later(1, 2)) == 3);
  CHECK(pool.run(ready_value{}) == 17);
  ready_value named;
  CHECK(pool.run(named) == 17);
  CHECK(pool.run([] { return std::string("text"); }) == "text");
  account a;
  CHECK(pool.run(&account::add, std::ref(a), 5) == 5);
  CHECK(pool.run(&account::add_later, &a, 5) == 10);
  pool.run([] {});
  pool.run([]() -> task<> { co_return; });
}

TEST_CASE("run from a plain thread uses the default pool") {
  CHECK(weft::run([] { return weft::pool::current(); }) == &weft::default_pool());
  CHECK(weft::run(add_later(20, 22)) == 42);
  CHECK(weft::pool::current() == nullptr);
}

TEST_CASE("run on a pool runs on that pool, before and after a suspension") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft::pool pool{{.workers = workers}};
  bool const right = pool.run([&pool]() -> task<bool> {
    bool const before = weft::pool::current() == &pool;
    co_await weft::this_task::yield();
    co_return before&& weft::pool::current() == &pool;
  });
  CHECK(right);
}

TEST_CASE("run moves its arguments, and borrows what is wrapped in std::ref") {
  counted::reset();
  weft::pool pool{{.workers = 1}};
  counted const kept(3);
  CHECK(pool.run([](counted c) { return c.value(); }, kept) == 3);
  CHECK(counted::copies() == 1);
  CHECK(pool.run([](counted c) { return c.value(); }, counted(4)) == 4);
  CHECK(counted::copies() == 1);
  CHECK(pool.run([](std::unique_ptr<int> p) -> task<int> { co_return *p; }, std::make_unique<int>(6)) == 6);
  CHECK(pool.run([](counted const& c) { return &c; }, std::cref(kept)) == &kept);
  CHECK(counted::copies() == 1);

  std::string text;
  pool.run(append, std::ref(text), "one ");
  pool.run(append, std::ref(text), std::string("two"));
  CHECK(text == "one two");
  CHECK(counted::live() == 1);
}

TEST_CASE("run hands over references and things that only move") {
  weft::pool pool{{.workers = 2}};
  int number = 1;
  int& same = pool.run([&number]() -> int& { return number; });
  CHECK(&same == &number);
  int& also = pool.run([&number]() -> task<int&> {
    co_await weft::this_task::yield();
    co_return number;
  });
  CHECK(&also == &number);
  CHECK(*pool.run([] { return std::make_unique<int>(9); }) == 9);
}

TEST_CASE("run throws what was thrown, and the callable is destroyed before it does") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const throws = [c = counted(1)]() -> int { throw std::out_of_range("no such thing"); };
  CHECK_THROWS_WITH(pool.run(throws), "no such thing");
  CHECK(counted::live() == 1);
  auto const throws_later = [](counted) -> task<> {
    co_await weft::this_task::yield();
    throw 42;
  };
  CHECK_THROWS_AS(pool.run(throws_later, counted(2)), int);
  CHECK(counted::live() == 1);
  // A function that throws before it has made the task.
  auto const throws_at_once = [](int) -> task<int> { return throw std::logic_error("no task"), add_later(1, 2); };
  CHECK_THROWS_WITH(pool.run(throws_at_once, 1), "no task");
}

TEST_CASE("run inside run inside run ends on a pool of one worker") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("run_test: nested");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  // One level begins at once on the same stack; where it has to wait, it gives its place to a spare.
  auto nested = [](auto& self, int depth) -> task<int> {
    co_await weft::this_task::yield();
    if (depth == 0) co_return 1;
    int const below = weft::run([&self, depth] { return self(self, depth - 1); });
    co_await weft::this_task::yield();
    co_return below + 1;
  };
  CHECK(pool.run([&nested] { return nested(nested, 20); }) == 21);

  auto plain = [](auto& self, int depth) -> int {
    return depth == 0 ? 0 : 1 + weft::run([&self, depth] { return self(self, depth - 1); });
  };
  CHECK(pool.run([&plain] { return plain(plain, 200); }) == 200);
}

TEST_CASE("run nested in run throws through both") {
  weft_test::watchdog const guard("run_test: nested exceptions");
  weft::pool pool{{.workers = 1}};
  auto inner = []() -> task<int> {
    co_await weft::this_task::yield();
    throw std::runtime_error("inner");
  };
  CHECK_THROWS_WITH(pool.run([&inner] { return weft::run(inner); }), "inner");
  CHECK(pool.run(add_later, 1, 1) == 2);
}

TEST_CASE("a worker of one pool may run something on another, and come back") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("run_test: two pools");
  weft_test::balance const balance;
  weft::pool outer{{.workers = workers}};
  weft::pool inner{{.workers = 1}};
  auto on_inner = [&inner]() -> task<bool> {
    co_await weft::this_task::yield();
    co_return weft::pool::current() == &inner;
  };
  bool const right = outer.run([&]() -> task<bool> {
    bool const there = inner.run(on_inner);
    bool const back = weft::pool::current() == &outer;
    co_await weft::this_task::yield();
    co_return there&& back&& weft::pool::current() == &outer;
  });
  CHECK(right);
  // There and back and there again: each side waits for the other, and neither runs dry.
  auto ping = [&](auto& self, int n) -> int {
    if (n == 0) return 0;
    auto& other = weft::pool::current() == &outer ? inner : outer;
    return 1 + other.run([&self, n] { return self(self, n - 1); });
  };
  CHECK(outer.run([&ping] { return ping(ping, 20); }) == 20);
}

TEST_CASE("many plain threads run things on one pool at once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("run_test: many threads");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) sum += pool.run(add_later, i, 1);
    });
  for (auto& t : threads) t.join();
  CHECK(sum == 8 * 5050);
}

TEST_CASE("nothing can be run on a pool that has been shut down") {
  weft::pool pool{{.workers = 1}};
  pool.shutdown(weft::drain_or_stop::drain);
  bool begun = false;
  CHECK_THROWS_AS(pool.run([&begun] { begun = true; }), std::logic_error);
  CHECK_FALSE(begun);
}

TEST_CASE("a parallel loop inside run keeps to the pool of the run") {
  weft::pool pool{{.workers = 2}};
  std::atomic<int> elsewhere{0};
  pool.run([&] {
    weft::parallel_for(0, 1000, [&](int) {
      if (weft::pool::current() != &pool) ++elsewhere;
    });
  });
  CHECK(elsewhere == 0);
}
