#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/local.hpp>
#include <weft/coro/resume_on.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/stream.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::pool;
using weft::task;
using weft::this_task::resume_on;
using weft_test::counted;

namespace {

task<pool*> where() {
  co_await weft::this_task::yield();
  co_return pool::current();
}

task<int> moves(pool& to, int v) {
  co_await resume_on(to);
  if (pool::current() != &to) co_return -1;
  co_await weft::this_task::yield();
  co_return pool::current() == &to ? v : -2;
}

}  // namespace

TEST_CASE("resume_on brings the rest of a task to another pool, with what it awaits, and back again") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("resume_on_test: there and back");
  weft_test::balance const balance;
  pool other{{.workers = 2}};
  pool home{{.workers = workers}};
  bool const right = home.run([&]() -> task<bool> {
    bool good = pool::current() == &home;
    for (int i = 0; i < 20; ++i) {
      co_await resume_on(home);  // where it is already
      good = good && pool::current() == &home && co_await where() == &home;
      co_await resume_on(other);
      good = good && pool::current() == &other && co_await where() == &other;
      auto [a, b] = co_await weft::when_all(where(), where());
      good = good && a == &other && b == &other;
      good = good && co_await weft::spawn(where) == &other;
      co_await weft::sleep_for(10us);
      good = good && pool::current() == &other;
      co_await resume_on(other);
      good = good && pool::current() == &other;
      co_await resume_on(home);
    }
    co_return good;
  });
  CHECK(right);
}

TEST_CASE("a task that ends elsewhere hands its result to whoever awaits it, at home") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("resume_on_test: results");
  weft_test::balance const balance;
  pool first{{.workers = 1}}, second{{.workers = 2}};
  pool home{{.workers = workers}};
  bool const right = home.run([&]() -> task<bool> {
    bool good = true;
    for (int i = 0; i < 50; ++i) {
      good = good && co_await moves(first, i) == i && pool::current() == &home;
      auto [a, b, c] = co_await weft::when_all(moves(first, 1), moves(second, 2), moves(home, 3));
      good = good && a == 1 && b == 2 && c == 3 && pool::current() == &home;
      std::string caught;
      try {
        auto fails = [](pool& to) -> task<> {
          co_await resume_on(to);
          throw std::runtime_error("elsewhere");
        };
        co_await weft::when_all(fails(second), fails(first));
      } catch (std::runtime_error const& e) {
        caught = e.what();
      }
      good = good && caught == "elsewhere" && pool::current() == &home;
    }
    co_return good;
  });
  CHECK(right);
  CHECK(home.run(moves, std::ref(first), 5) == 5);
  CHECK(home.spawn(moves, std::ref(second), 6).get() == 6);
}

TEST_CASE("tasks that moved may call tasks that move on, and each comes back to where it was called") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("resume_on_test: nested");
  weft_test::balance const balance;
  pool a{{.workers = 1}}, b{{.workers = 1}};
  pool home{{.workers = workers}};
  auto chain = [&](auto& self, int depth) -> task<int> {
    pool& to = depth % 2 ? a : b;
    co_await resume_on(to);
    int const below = depth == 0 ? 0 : co_await self(self, depth - 1);
    co_return pool::current() == &to ? below + 1 : -1000;
  };
  CHECK(home.run([&] { return chain(chain, 100); }) == 101);
}

TEST_CASE("a task that is away is stopped by whoever could stop it at home, and by the pool where it is") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("resume_on_test: stop");
  counted::reset();
  {
    weft_test::balance const balance;
    pool home{{.workers = workers}};
    for (int i = 0; i < 20; ++i) {
      std::optional<pool> other(std::in_place, weft::pool_options{.workers = 1});
      std::atomic<bool> there{false};
      auto f = home.spawn([&]() -> task<> {
        counted const own(1);
        co_await resume_on(*other);
        there = true;
        co_await weft::sleep_for(1h);
      });
      while (!there) std::this_thread::yield();
      if (i % 2 == 0) f.stop();
      else other.reset();  // waits for the task that it has been lent
      CHECK_THROWS_AS(f.get(), weft::stopped);
    }
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a pool waits for tasks that came to it, and for its own that are away") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("resume_on_test: shutdown");
  weft_test::balance const balance;
  std::atomic<int> ended{0};
  {
    pool outer{{.workers = workers}};
    {
      pool inner{{.workers = 1}};
      for (int i = 0; i < 20; ++i) {
        auto visit = [&ended](pool& to) -> task<> {
          try {
            co_await resume_on(to);
            co_await weft::this_task::yield();
            co_await weft::this_task::yield();
          } catch (std::logic_error const&) {
            // It has been shut down meanwhile.
          }
          ++ended;
        };
        static_cast<void>(outer.spawn(visit, std::ref(inner)));
        static_cast<void>(inner.spawn(visit, std::ref(outer)));
      }
      outer.shutdown(weft::drain_or_stop::drain);
      inner.shutdown(weft::drain_or_stop::drain);
    }
  }
  CHECK(ended == 40);
}

TEST_CASE("a pool that has been shut down takes no task, and the task goes on where it is") {
  weft_test::watchdog const guard("resume_on_test: refused");
  weft_test::balance const balance;
  pool closed{{.workers = 1}};
  closed.shutdown(weft::drain_or_stop::drain);
  pool home{{.workers = 1}};
  bool const right = home.run([&]() -> task<bool> {
    bool refused = false;
    try {
      co_await resume_on(closed);
    } catch (std::logic_error const&) {
      refused = true;
    }
    co_await weft::this_task::yield();
    co_return refused&& pool::current() == &home;
  });
  CHECK(right);
}

TEST_CASE("a task keeps its locals and the callbacks on its stop token when it moves") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("resume_on_test: locals");
  weft_test::balance const balance;
  static weft::local<int> const id{0};
  pool other{{.workers = 1}};
  pool home{{.workers = workers}};
  std::atomic<int> calls{0};
  std::atomic<bool> there{false};
  auto f = home.spawn(weft::with(id, 4, [&]() -> task<int> {
    auto count = [&calls] { ++calls; };
    weft::stop_callback const before(weft::this_task::stop_token(), count);
    co_await resume_on(other);
    weft::stop_callback const away(weft::this_task::stop_token(), count);
    co_await resume_on(home);
    weft::stop_callback const after(weft::this_task::stop_token(), count);
    co_await resume_on(other);
    there = true;
    while (calls != 3) co_await weft::this_task::yield();
    co_return *id;
  }));
  while (!there) std::this_thread::yield();
  f.stop();
  CHECK(f.get() == 4);
}

TEST_CASE("a stream that awaits what moves to another pool gives each element where its reader is") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("resume_on_test: a stream");
  weft_test::balance const balance;
  pool other{{.workers = 1}};
  pool home{{.workers = workers}};
  auto const produces = [](pool& to) -> weft::stream<int> {
    for (int i = 0; i < 20; ++i) {
      int const v = co_await moves(to, i);
      pool* const here = pool::current();
      co_yield here == &to ? -1 : v;
    }
    co_await moves(to, 20);
  };
  bool const right = home.run([&]() -> task<bool> {
    auto s = produces(other);
    bool good = true;
    for (int i = 0; i < 20; ++i) {
      auto const v = co_await s.next();
      good = good && v == i && pool::current() == &home;
    }
    auto const end = co_await s.next();
    co_return good && !end && pool::current() == &home;
  });
  CHECK(right);
}

TEST_CASE("tasks that move to and fro between small pools are neither lost nor run twice") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("resume_on_test: to and fro");
  weft_test::balance const balance;
  pool a{{.workers = workers}};
  pool b{{.workers = 2}};
  std::atomic<int> steps{0};
  auto wander = [&](int n) -> task<> {
    for (int i = 0; i < n; ++i) {
      co_await resume_on(i % 2 ? a : b);
      ++steps;
    }
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < 40; ++i) all.push_back((i % 2 ? a : b).spawn(wander, 50));
  for (auto& f : all) f.get();
  CHECK(steps == 40 * 50);
}
