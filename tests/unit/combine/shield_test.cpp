#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/stack_depth.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/select.hpp>
#include <weft/combine/shield.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/local.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

using namespace std::chrono_literals;
using weft::shield;
using weft::task;
using weft_test::counted;

namespace {

task<int> later(int v) {
  co_await weft::this_task::yield();
  co_return v;
}
task<> sleeps(weft::clock::duration d) { co_await weft::sleep_for(d); }
task<int> many_checkpoints(std::atomic<bool>& begun, int v) {
  begun = true;
  for (int turn = 0; turn < 30; ++turn) co_await weft::this_task::checkpoint();
  co_await weft::sleep_for(1ms);
  co_return v;
}

}  // namespace

static_assert(std::same_as<weft::await_result_t<decltype(shield(later, 1))>, int>);
static_assert(std::same_as<weft::await_result_t<decltype(shield(later(1)))>, int>);
static_assert(std::same_as<weft::await_result_t<decltype(shield([] {}))>, void>);

TEST_CASE("a shield gives what is in it: a value, a reference, something that only moves, nothing") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shield_test: results");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int number = 0;
  int const sum = pool.run([&number]() -> task<int> {
    int total = co_await shield(later, 1);
    total += co_await shield(later(10));
    total += co_await shield([] { return 100; });
    int& same = co_await shield([&number]() -> int& { return number; });
    same = 5;
    auto const owned = co_await shield([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(1000));
    co_await shield([] {});
    co_await shield(sleeps, 1ms);
    total += co_await shield(weft::spawn(later, 10'000));
    co_return total + *owned;
  });
  CHECK(sum == 11'111);
  CHECK(number == 5);
  CHECK(pool.run(shield(later, 3)) == 3);
}

TEST_CASE("what is shielded is not stopped by the stop of its task, and its result is delivered") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shield_test: not stopped");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    std::atomic<bool> begun{false};
    auto f = pool.spawn([&begun]() -> task<int> {
      int const v = co_await shield(many_checkpoints, std::ref(begun), 7);
      co_return weft::this_task::stop_token().stop_requested() ? v : -1;
    });
    while (!begun) std::this_thread::yield();
    f.stop();
    int const got = f.get();
    // The stop may be that slow.
    CHECK((got == 7 || got == -1));
  }
}

TEST_CASE("after the shield the task sees the stop at its next wait") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shield_test: the next wait");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> finished{false};
  weft::event go_on;
  std::atomic<bool> inside{false};
  auto f = pool.spawn([&]() -> task<> {
    co_await shield([&]() -> task<> {
      inside = true;
      co_await go_on.wait();
      finished = true;
    });
    co_await weft::sleep_for(1h);
  });
  while (!inside) std::this_thread::yield();
  f.stop();
  CHECK_FALSE(f.wait_for(5ms));
  go_on.set();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(finished);
}

TEST_CASE("a task that has been stopped already can still finish something under a shield") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shield_test: stopped before");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  weft::mutex m;
  std::string written;
  auto f = pool.spawn([&]() -> task<> {
    bool was_stopped = false;
    try {
      co_await weft::sleep_for(1h);
    } catch (weft::stopped const&) {
      was_stopped = true;
    }
    if (!was_stopped) co_return;
    // Without the shield the sleep would end at once.
    auto const before = weft::clock::now();
    co_await shield([&]() -> task<> {
      auto const lock = co_await m.lock();
      co_await weft::sleep_for(2ms);
      auto [a, b] = co_await weft::when_all(later(1), later(2));
      written = "flushed " + std::to_string(a + b);
    });
    if (weft::clock::now() - before < 2ms) written += " too soon";
    co_await weft::this_task::checkpoint();
    written += " and went on";
  });
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(written == "flushed 3");
}

TEST_CASE("a when_all under a shield is not stopped, and of a when_all only the children that have no shield are") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shield_test: when_all");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> begun{0}, went_on{0}, stopped{0};
  weft::event go_on;
  auto waits = [&]() -> task<int> {
    ++begun;
    bool asked = false;
    try {
      co_await go_on.wait();
    } catch (weft::stopped const&) {
      asked = true;
    }
    ++(asked ? stopped : went_on);
    if (asked) throw weft::stopped();
    co_return 1;
  };
  auto all_shielded = pool.spawn([&]() -> task<int> {
    auto both = weft::when_all(waits, waits);
    auto [a, b] = co_await shield(std::move(both));
    co_return a + b;
  });
  auto one_shielded = pool.spawn([&]() -> task<int> {
    auto both = weft::when_all(shield(waits), waits);
    auto [a, b] = co_await std::move(both);
    co_return a + b;
  });
  while (begun != 4) std::this_thread::yield();
  all_shielded.stop();
  one_shielded.stop();
  while (stopped != 1) std::this_thread::yield();
  CHECK_FALSE(one_shielded.ready());  // joins the one that is shielded
  CHECK_FALSE(all_shielded.ready());
  go_on.set();
  CHECK(all_shielded.get() == 2);
  CHECK_THROWS_AS(one_shielded.get(), weft::stopped);
  CHECK(went_on == 3);
  CHECK(stopped == 1);
}

TEST_CASE("inside a shield there is no stop to ask about, and outside there is again") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shield_test: tokens");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto possible = [] { return weft::this_task::stop_token().stop_possible(); };
  auto possible_in_a_task = [possible]() -> task<bool> {
    bool const before = possible();
    co_await weft::this_task::yield();
    co_return before || possible();
  };
  bool const right = pool.run([&]() -> task<bool> {
    auto const mine = weft::this_task::stop_token();
    if (!mine.stop_possible()) co_return false;
    bool const inside = co_await shield(possible) || co_await shield(possible_in_a_task);
    auto no_task = []() -> task<> { throw std::logic_error("no task"); };
    bool thrown = false;
    try {
      co_await shield([&]() -> task<> { throw std::logic_error("no task"); });
    } catch (std::logic_error const&) {
      thrown = weft::this_task::stop_token() == mine;
    }
    try {
      co_await shield(no_task);
    } catch (std::logic_error const&) {
      thrown = thrown && weft::this_task::stop_token() == mine;
    }
    co_return !inside && thrown && weft::this_task::stop_token() == mine;
  });
  CHECK(right);
}

TEST_CASE("what is shielded inherits the locals of its task") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shield_test: locals");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  weft::local<int> const number(0);
  int const sum = pool.run([&number]() -> task<int> {
    auto looks = [&number] { return *number; };
    auto looks_later = [&number]() -> task<int> {
      co_await weft::this_task::yield();
      co_return *number;
    };
    auto shielded = [&]() -> task<int> {
      int const computed = co_await shield(looks);
      int const waited = co_await shield(looks_later);
      co_return computed + 10 * waited + 100 * *number;
    };
    co_return co_await weft::with(number, 4, shielded);
  });
  CHECK(sum == 444);
}

TEST_CASE("what throws under a shield throws where it was awaited") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shield_test: failures");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK_THROWS_WITH(pool.run(shield([] { throw std::runtime_error("computing"); })), "computing");
  CHECK_THROWS_WITH(pool.run(shield([]() -> task<> {
    co_await weft::this_task::yield();
    throw std::runtime_error("waiting");
  })),
                    "waiting");
  CHECK_THROWS_AS(pool.run(shield([] { throw weft::stopped(); })), weft::stopped);
}

TEST_CASE("a timeout inside a shield stops what it bounds, one outside waits for the shield") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shield_test: timeouts");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK_THROWS_AS(pool.run(shield(weft::timeout(1ms, sleeps, 1h))), weft::timed_out);
  // Its value comes late, and counts.
  auto slow = []() -> task<int> {
    co_await weft::sleep_for(5ms);
    co_return 4;
  };
  CHECK(pool.run(weft::timeout(1ms, shield(slow))) == 4);
}

TEST_CASE(
    "everything that waits can be waited for under a shield: locks, events, selects, blocking calls, loops, siblings") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shield_test: waits");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const sum = pool.run([]() -> task<int> {
    weft::mutex m;
    weft::event e;
    auto all = [&]() -> task<int> {
      auto held = co_await m.lock();
      auto waits = [&]() -> task<int> {
        auto const lock = co_await m.lock();
        co_return 1;
      };
      auto gives = [&]() -> task<int> {
        co_await weft::this_task::yield();
        held.unlock();
        e.set();
        co_return 10;
      };
      auto [a, b] = co_await weft::when_all(waits, gives);
      co_await e.wait();
      weft::event never;
      int const chosen = co_await weft::select(weft::on(never.wait(), [] { return 0; }),
                                               weft::on(weft::sleep_for(1ms), [] { return 100; }));
      int const blocked = co_await weft::blocking([] { return 1000; });
      std::atomic<int> turns{0};
      weft::parallel_for(0, 1000, [&turns](int) { ++turns; });
      co_return a + b + chosen + blocked + turns * 10;
    };
    co_return co_await shield(all);
  });
  CHECK(sum == 11'111);
}

TEST_CASE("the end of a pool waits for what is shielded") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("shield_test: the end of a pool");
  weft_test::balance const balance;
  std::atomic<bool> begun{false}, finished{false};
  {
    weft::pool pool{{.workers = workers}};
    auto f = pool.spawn([&]() -> task<> {
      co_await shield([&]() -> task<> {
        begun = true;
        co_await weft::sleep_for(10ms);
        finished = true;
      });
    });
    while (!begun) std::this_thread::yield();
  }
  CHECK(finished);
}

TEST_CASE("shields one after the other and one in the other need little stack") {
  weft_test::watchdog const guard("shield_test: stack");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft_test::stack_depth depth;
  int const times = weft::detail::small_capacities ? 2'000 : 20'000;
  auto looks = [&depth]() -> task<> {
    depth.look();
    co_return;
  };
  auto nested = [&depth](auto& self, int levels) -> task<> {
    if (levels == 0) depth.look();
    else co_await shield(self(self, levels - 1));
  };
  pool.run([&]() -> task<> {
    for (int i = 0; i < times; ++i) {
      co_await shield(looks);
      co_await shield([&depth] { depth.look(); });
    }
    co_await shield(nested(nested, times));
    depth.look();
  });
  CHECK(depth.bytes() <= 64 * 1024);
}

TEST_CASE("a shield that is dropped without having been awaited destroys what it holds") {
  counted::reset();
  {
    auto const dropped = shield([](counted) {}, counted(1));
    CHECK(counted::live() == 1);
  }
  CHECK(counted::live() == 0);
}
