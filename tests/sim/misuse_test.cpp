// What takes several tasks to be done wrong: a world has them on one thread, so that a child made by fork() can run it.
#include "support/misuse.hpp"

#include "support/catch.hpp"

#include <weft/channel/oneshot.hpp>
#include <weft/combine/retry.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/stream.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/from_callback.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/graph/graph.hpp>
#include <weft/parallel/for_2d.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>
#include <weft/sim/sim.hpp>
#include <weft/sync/barrier.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/wait_group.hpp>

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

using weft::task;

namespace {

/// That the program, run in a world, ends with this sentence.
template <class Program>
void expect_misuse_in_world(std::string const& sentence, Program program) {
  weft_test::expect_misuse(sentence, [&program] {
    weft::sim world;
    world.run(program);
  });
}

/// One task waits for what is in the box; then the box is emptied.
template <class T, class Waits, class... Arguments>
auto emptied_while(Waits waits, Arguments... arguments) {
  return [waits, ... arguments = arguments]() -> task<> {
    auto box = std::make_unique<T>(arguments...);
    auto const waiting = weft::spawn(waits, std::ref(*box));
    for (int i = 0; i != 100; ++i) co_await weft::this_task::yield();
    box.reset();
  };
}

task<int> one() { co_return 1; }

weft::stream<int> yields_ones(weft::auto_event& go) {
  for (;;) {
    co_await go.wait();
    co_yield 1;
  }
}

task<> next_of(weft::stream<int>& s) { co_await s.next(); }

}  // namespace

TEST_CASE("what is destroyed while a task waits for it ends the program with a sentence") {
  expect_misuse_in_world(
      "a barrier is destroyed while tasks wait for it",
      emptied_while<weft::barrier<>>([](weft::barrier<>& b) -> task<> { co_await b.arrive_and_wait(); }, 2));
  expect_misuse_in_world("an event is destroyed while tasks wait for it",
                         emptied_while<weft::event>([](weft::event& e) -> task<> { co_await e.wait(); }));
  expect_misuse_in_world("a semaphore is destroyed while tasks wait for it",
                         emptied_while<weft::semaphore>(
                             [](weft::semaphore& s) -> task<> { auto const permit = co_await s.acquire(); }, 0));
  expect_misuse_in_world("a wait_group is destroyed while tasks wait for it",
                         emptied_while<weft::wait_group>([](weft::wait_group& g) -> task<> { co_await g.wait(); }, 1));
  expect_misuse_in_world(
      "a oneshot is destroyed while tasks wait in it",
      emptied_while<weft::oneshot<int>>([](weft::oneshot<int>& o) -> task<> { co_await o.receive(); }));
  expect_misuse_in_world("a condition_variable is destroyed while tasks wait for it",
                         emptied_while<weft::condition_variable>([](weft::condition_variable& c) -> task<> {
                           weft::mutex m;
                           auto lock = co_await m.lock();
                           co_await c.wait(lock);
                         }));
  expect_misuse_in_world("a graph is destroyed while it runs", emptied_while<weft::graph>([](weft::graph& g) -> task<> {
                           weft::event never;
                           g.add([&never] { return never.wait(); });
                           co_await g.run_async();
                         }));
}

TEST_CASE("a stream that a task reads is neither read by another nor dropped") {
  expect_misuse_in_world("a stream has one reader at a time", []() -> task<> {
    weft::auto_event never;
    auto s = yields_ones(never);
    auto first = next_of(s), second = next_of(s);
    co_await weft::when_all(std::move(first), std::move(second));
  });
  expect_misuse_in_world("a stream is dropped while a task awaits its next()", []() -> task<> {
    weft::auto_event never;
    auto s = std::make_unique<weft::stream<int>>(yields_ones(never));
    auto const reading = weft::spawn(next_of, std::ref(*s));
    for (int i = 0; i != 100; ++i) co_await weft::this_task::yield();
    s.reset();
  });
}

TEST_CASE("what can be awaited once is awaited once, whoever awaits it") {
  auto const sentence = "a task is awaited once: this one has been moved from or awaited already";
  expect_misuse_in_world(sentence, []() -> task<> {
    auto t = one();
    co_await std::move(t);
    co_await std::move(t);
  });
  expect_misuse_in_world(sentence, []() -> task<> {
    auto t = one();
    co_await std::move(t);
    co_await weft::when_all(std::move(t), one());
  });
  expect_misuse_in_world(sentence, []() -> task<> {
    auto t = one();
    co_await std::move(t);
    co_await weft::with_scope([&t](weft::scope& s) { s.spawn(std::move(t)); });
  });
  expect_misuse_in_world("a future is consumed once", []() -> task<> {
    auto f = weft::spawn(one);
    co_await std::move(f);
    co_await std::move(f);
  });
}

TEST_CASE("a promise is kept once, and has one future") {
  weft_test::expect_misuse("a promise is kept once", [] {
    weft::promise<int> p;
    p.set_value(1);
    p.set_value(2);
  });
  weft_test::expect_misuse("a promise has one future", [] {
    weft::promise<int> p;
    auto const first = p.get_future();
    auto const second = p.get_future();
  });
  weft_test::expect_misuse("a promise has one future, and gives it before it is kept", [] {
    weft::promise<int> p;
    p.set_value(1);
    auto const late = p.get_future();
  });
  expect_misuse_in_world("this callback has been moved from", []() -> task<> {
    co_await weft::from_callback<int>([](weft::callback<int> done) {
      auto const other = std::move(done);
      done(1);
    });
  });
}

TEST_CASE("a loop or a retry that cannot be meant ends the program with a sentence") {
  weft_test::expect_misuse("parallel_for from a negative to an unsigned number",
                           [] { weft::parallel_for(-1, 10u, [](unsigned) {}); });
  weft_test::expect_misuse("parallel_for_2d over more places than std::size_t can count", [] {
    auto const most = std::numeric_limits<std::size_t>::max();
    weft::parallel_for_2d(most, std::size_t{2}, [](std::size_t, std::size_t) {});
  });
  expect_misuse_in_world("retry has to know which failures to retry",
                         []() -> task<> { co_await weft::retry({.retries = nullptr}, one); });
}

TEST_CASE("a pool is not shut down from inside, and a world has a worker") {
  expect_misuse_in_world("a pool cannot be shut down from inside", []() -> task<> {
    weft::pool::current()->shutdown(weft::drain_or_stop::drain);
    co_return;
  });
  weft_test::expect_misuse("a world has at least one worker", [] { weft::sim const none({.workers = 0}); });
}
