#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/misuse.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/future/std_future.hpp>
#include <weft/sched/pool.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

using namespace std::chrono_literals;
using weft::task;
using weft_test::counted;

namespace {

std::atomic<int> failures_reported{0};
void count_failure(std::exception_ptr) noexcept { ++failures_reported; }

}  // namespace

TEST_CASE("a std::future gets the result of a future, before or after it is there, and the future is consumed") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("std_future_test: results");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto ready = weft::make_ready_future(std::string("ready"));
  auto from_ready = weft::to_std_future(ready);
  CHECK_FALSE(ready.valid());
  CHECK(from_ready.wait_for(0s) == std::future_status::ready);
  CHECK(from_ready.get() == "ready");

  for (int i = 0; i < 50; ++i) {
    std::future<int> f = weft::to_std_future(pool.spawn([i]() -> task<int> {
      co_await weft::this_task::yield();
      co_return i;
    }));
    CHECK(f.get() == i);
  }
}

TEST_CASE("a std::future gets references, what only moves, and nothing") {
  weft_test::watchdog const guard("std_future_test: kinds");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  int number = 0;
  CHECK(&weft::to_std_future(pool.spawn([&number]() -> int& { return number; })).get() == &number);
  CHECK(*weft::to_std_future(pool.spawn([] { return std::make_unique<int>(2); })).get() == 2);
  weft::to_std_future(pool.spawn([] {})).get();
}

TEST_CASE("failures, stops and broken promises arrive in a std::future, which reports them to nobody else") {
  weft_test::watchdog const guard("std_future_test: failures");
  failures_reported = 0;
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = 2, .on_failure = &count_failure}};
    std::future<int> failed;
    {
      weft::pool ends{{.workers = 1}};
      failed = weft::to_std_future(ends.spawn([]() -> int { throw std::runtime_error("gone wrong"); }));
      ends.shutdown(weft::drain_or_stop::drain);
    }
    // Nobody else holds the exception now: ThreadSanitizer does not see how libstdc++ counts those who do.
    CHECK_THROWS_WITH(failed.get(), "gone wrong");
    auto stopping = pool.spawn([]() -> task<> {
      for (;;) co_await weft::this_task::checkpoint();
    });
    stopping.stop();
    CHECK_THROWS_AS(weft::to_std_future(stopping).get(), weft::stopped);
    std::future<int> broken;
    {
      weft::promise<int> p;
      broken = weft::to_std_future(p.get_future());
    }
    CHECK_THROWS_AS(broken.get(), weft::broken_promise);
    static_cast<void>(weft::to_std_future(pool.spawn([] { throw std::runtime_error("dropped"); })));
  }
  CHECK(failures_reported == 0);
}

TEST_CASE("a std::future that is dropped neither blocks nor stops the work") {
  weft_test::watchdog const guard("std_future_test: dropped");
  counted::reset();
  std::atomic<int> ended{0};
  std::atomic<bool> go{false};
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = 1}};
    for (int i = 0; i < 10; ++i)
      static_cast<void>(weft::to_std_future(pool.spawn([&]() -> task<counted> {
        while (!go) co_await weft::this_task::yield();
        ++ended;
        co_return counted(1);
      })));
    CHECK(ended == 0);
    go = true;
    pool.shutdown(weft::drain_or_stop::drain);
  }
  CHECK(ended == 10);
  CHECK(counted::live() == 0);
}

TEST_CASE("results that race with to_std_future arrive once") {
  weft_test::watchdog const guard("std_future_test: races");
  counted::reset();
  {
    weft_test::balance const balance;
    for (int i = 0; i < 200; ++i) {
      weft::promise<counted> p;
      auto f = p.get_future();
      std::thread keeper([&p, i] { p.set_value(counted(i)); });
      auto bridged = weft::to_std_future(std::move(f));
      CHECK(bridged.get().value() == i);
      keeper.join();
    }
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a future that has been consumed makes no std::future") {
  weft_test::expect_misuse("consumed once", [] {
    weft::future<int> f;
    static_cast<void>(weft::to_std_future(f));
  });
}
