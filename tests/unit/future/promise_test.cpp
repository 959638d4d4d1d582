#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::future;
using weft::promise;
using weft_test::counted;

static_assert(!std::is_copy_constructible_v<promise<int>> && std::is_nothrow_move_constructible_v<promise<int>>);
static_assert(!std::is_copy_assignable_v<promise<int>> && std::is_nothrow_move_assignable_v<promise<int>>);

namespace {

struct throws_when_made {
  explicit throws_when_made(bool now) {
    if (now) throw std::runtime_error("not made");
  }
};

}  // namespace

TEST_CASE("a promise gives its future a value, a reference, something that only moves, or nothing") {
  weft_test::balance const balance;
  promise<int> number;
  auto number_future = number.get_future();
  CHECK_FALSE(number_future.ready());
  number.set_value(3);
  CHECK(number_future.ready());
  CHECK(number_future.get() == 3);
  CHECK_FALSE(number_future.valid());

  int target = 0;
  promise<int&> reference;
  auto reference_future = reference.get_future();
  reference.set_value(target);
  CHECK(&reference_future.get() == &target);

  promise<std::unique_ptr<int>> owner;
  auto owner_future = owner.get_future();
  owner.set_value(std::make_unique<int>(4));
  CHECK(*owner_future.get() == 4);

  promise<> nothing;
  auto nothing_future = nothing.get_future();
  nothing.set_value();
  nothing_future.get();

  promise<std::string> text;
  auto text_future = text.get_future();
  text.set_value("converted");
  CHECK(text_future.get() == "converted");
}

TEST_CASE("a promise gives an exception, or that its work was stopped") {
  weft_test::balance const balance;
  promise<int> failed;
  auto failed_future = failed.get_future();
  failed.set_exception(std::make_exception_ptr(std::out_of_range("far")));
  CHECK_THROWS_WITH(failed_future.get(), "far");

  promise<> was_stopped;
  auto stopped_future = was_stopped.get_future();
  was_stopped.set_stopped();
  CHECK_THROWS_AS(stopped_future.get(), weft::stopped);
}

TEST_CASE("a promise that is given null for an exception delivers an error, not a success") {
  promise<> p;
  auto f = p.get_future();
  p.set_exception(nullptr);
  CHECK_THROWS_AS(f.get(), std::invalid_argument);
  promise<int> q;
  auto g = q.get_future();
  q.set_exception(nullptr);
  CHECK_THROWS_AS(g.get(), std::invalid_argument);
}

TEST_CASE("a promise that is destroyed without having been kept is broken") {
  weft_test::balance const balance;
  future<int> left_alone;
  {
    promise<int> p;
    left_alone = p.get_future();
    CHECK_FALSE(left_alone.ready());
  }
  CHECK(left_alone.ready());
  CHECK_THROWS_AS(left_alone.get(), weft::broken_promise);

  // Assigning over it breaks it as well.
  promise<int> first;
  auto f = first.get_future();
  first = promise<int>();
  CHECK_THROWS_AS(f.get(), weft::broken_promise);
}

TEST_CASE("a promise nobody has asked for a future may be kept, broken or moved") {
  weft_test::balance const balance;
  counted::reset();
  {
    promise<counted> unused;
    promise<counted> kept;
    kept.set_value(counted(1));
    promise<counted> moved = std::move(unused);
    moved.set_value(counted(2));
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a moved promise keeps its future") {
  weft_test::balance const balance;
  promise<int> first;
  auto f = first.get_future();
  auto second = std::move(first);
  promise<int> third;
  third = std::move(second);
  third.set_value(8);
  CHECK(f.get() == 8);
}

TEST_CASE("a value whose constructor throws leaves the promise to be kept in another way") {
  weft_test::balance const balance;
  promise<throws_when_made> p;
  auto f = p.get_future();
  CHECK_THROWS_WITH(p.set_value(true), "not made");
  CHECK_FALSE(f.ready());
  p.set_value(false);
  CHECK(f.ready());
  f.get();
}

TEST_CASE("a future that is dropped before its promise is kept does no harm, and the value is destroyed") {
  weft_test::balance const balance;
  counted::reset();
  promise<counted> p;
  static_cast<void>(p.get_future());
  p.set_value(counted(3));
  CHECK(counted::live() == 0);
}

TEST_CASE("a ready future is ready") {
  weft_test::balance const balance;
  auto number = weft::make_ready_future(5);
  CHECK(number.ready());
  CHECK(number.get() == 5);
  auto nothing = weft::make_ready_future();
  CHECK(nothing.ready());
  nothing.get();
  std::string const text = "copied";
  CHECK(weft::make_ready_future(text).get() == text);
}

TEST_CASE("a promise kept on one plain thread wakes whoever waits on another") {
  weft_test::watchdog const guard("promise_test: two threads");
  weft_test::balance const balance;
  for (int i = 0; i < 200; ++i) {
    promise<int> p;
    auto f = p.get_future();
    std::thread keeper([kept = std::move(p), i]() mutable { kept.set_value(i); });
    CHECK(f.get() == i);
    keeper.join();
  }
}

TEST_CASE("a task awaits what a plain thread promises, and goes on in its pool") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("promise_test: awaited");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 50; ++i) {
    promise<int> p;
    auto f = p.get_future();
    auto result = pool.spawn(
        [&pool](future<int> given) -> weft::task<int> {
          int const v = co_await std::move(given);
          co_return weft::pool::current() == &pool ? v : -1;
        },
        std::move(f));
    std::thread keeper([kept = std::move(p), i]() mutable { kept.set_value(i); });
    CHECK(result.get() == i);
    keeper.join();
  }
}

TEST_CASE("a broken promise reaches the task that awaits it") {
  weft_test::watchdog const guard("promise_test: broken while awaited");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  auto p = std::make_unique<promise<>>();
  auto result = pool.spawn([](future<> given) -> weft::task<> { co_await std::move(given); }, p->get_future());
  p.reset();
  CHECK_THROWS_AS(result.get(), weft::broken_promise);
}
