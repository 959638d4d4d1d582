#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/combine/retry.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

using namespace std::chrono_literals;
using weft::retry;
using weft::task;
using weft_test::counted;

namespace {

constexpr weft::retry_options quick{.tries = 5, .first_delay = 1us, .max_delay = 10us};

/// Fails until it has been called so many times.
task<int> works_at(int& calls, int nth) {
  co_await weft::this_task::yield();
  if (++calls < nth) throw std::runtime_error("try " + std::to_string(calls));
  co_return calls;
}

}  // namespace

static_assert(std::is_trivially_destructible_v<weft::retry_options>);
static_assert(
    std::same_as<weft::await_result_t<decltype(retry({}, works_at, std::declval<std::reference_wrapper<int>>(), 1))>,
                 int>);
static_assert(std::same_as<weft::await_result_t<decltype(retry({}, [] {}))>, void>);

TEST_CASE("what succeeds is not tried again") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("retry_test: success");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int calls = 0, number = 0;
  CHECK(pool.run(retry({.tries = 5, .first_delay = 1h, .max_delay = 1h}, works_at, std::ref(calls), 1)) == 1);
  CHECK(calls == 1);
  pool.run([&]() -> task<> {
    int& same = co_await retry({}, [&number]() -> int& { return number; });
    same = 3;
    auto const owned = co_await retry({}, [] { return std::make_unique<int>(4); });
    number += *owned;
    co_await retry({}, [&calls] { ++calls; });
    co_await retry({}, [&calls]() -> task<> {
      ++calls;
      co_return;
    });
    number += co_await retry({}, [] { return weft::spawn([] { return 10; }); });
  });
  CHECK(number == 17);
  CHECK(calls == 3);
}

TEST_CASE("what fails is tried again until it succeeds") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("retry_test: tried again");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int calls = 0;
  CHECK(pool.run(retry(quick, works_at, std::ref(calls), 4)) == 4);
  calls = 0;
  auto computes = [&calls] {
    if (++calls < 3) throw std::runtime_error("not yet");
    return calls;
  };
  CHECK(pool.run(retry(quick, computes)) == 3);
  // A function that fails before it has made its task is a try like any other.
  calls = 0;
  auto no_task = [&calls]() -> task<int> {
    return ++calls < 3 ? throw std::logic_error("no task") : works_at(calls, 1);
  };
  CHECK(pool.run(retry(quick, no_task)) == 4);
}

TEST_CASE("when all tries have failed, the failure of the last one is thrown") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("retry_test: all tries");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int calls = 0;
  CHECK_THROWS_WITH(pool.run(retry(quick, works_at, std::ref(calls), 100)), "try 5");
  CHECK(calls == 5);
  calls = 0;
  CHECK_THROWS_WITH(pool.run(retry({.tries = 1, .first_delay = 1h}, works_at, std::ref(calls), 100)), "try 1");
  CHECK(calls == 1);
}

TEST_CASE("no number of tries means any number") {
  weft_test::watchdog const guard("retry_test: any number");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  int calls = 0;
  CHECK(pool.run(retry({.tries = 0, .first_delay = 0ns}, works_at, std::ref(calls), 500)) == 500);
}

TEST_CASE("stopped is never tried again, whoever says it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("retry_test: stopped");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int calls = 0;
  auto stops = [&calls] {
    ++calls;
    throw weft::stopped();
  };
  CHECK_THROWS_AS(pool.run(retry(quick, stops)), weft::stopped);
  CHECK(calls == 1);
}

TEST_CASE("a stop between two tries ends the retry at once, with the last failure inside") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("retry_test: stop between tries");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (auto const delay : {std::chrono::nanoseconds(1h), std::chrono::nanoseconds(0)}) {
    std::atomic<int> calls{0};
    auto fails = [&calls]() -> task<> {
      ++calls;
      throw std::runtime_error("what went wrong");
      co_return;
    };
    auto f = pool.spawn(retry({.tries = 0, .first_delay = delay, .max_delay = delay}, fails));
    while (calls == 0) std::this_thread::yield();
    f.stop();
    std::string inside;
    try {
      f.get();
    } catch (weft::stopped const& s) {
      try {
        std::rethrow_if_nested(s);
      } catch (std::runtime_error const& e) {
        inside = e.what();
      }
    }
    CHECK(inside == "what went wrong");
  }
}

TEST_CASE("a stop while a try is under way goes into the try") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("retry_test: stop of a try");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> calls{0};
  auto waits = [&calls]() -> task<> {
    ++calls;
    co_await weft::sleep_for(1h);
  };
  auto f = pool.spawn(retry(quick, waits));
  while (calls == 0) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(calls == 1);
}

TEST_CASE("a timeout around a retry bounds all tries, one inside bounds each, and is tried again") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("retry_test: timeouts");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto fails = [] { throw std::runtime_error("always"); };
  CHECK_THROWS_AS(pool.run(weft::timeout(2ms, retry({.tries = 0, .first_delay = 1h, .max_delay = 1h}, fails))),
                  weft::timed_out);
  int calls = 0;
  auto slow_at_first = [&calls]() -> task<int> {
    if (++calls < 3) co_await weft::sleep_for(1h);
    co_return calls;
  };
  auto bounded = [&slow_at_first] { return weft::timeout(20ms, slow_at_first); };
  CHECK(pool.run(retry(quick, bounded)) == 3);
}

TEST_CASE("only the failures that are said to be worth it are tried again") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("retry_test: which failures");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int calls = 0;
  auto fails_in_turn = [&calls] {
    switch (++calls) {
      case 1: throw std::system_error(std::make_error_code(std::errc::connection_refused));
      case 2: throw weft::timed_out();
      case 3: throw std::logic_error("not worth it");
      default: return calls;
    }
  };
  auto options = quick;
  options.retries = &weft::retry_on<std::system_error, weft::timed_out>;
  CHECK_THROWS_WITH(pool.run(retry(options, fails_in_turn)), "not worth it");
  CHECK(calls == 3);
  calls = 0;
  // A base stands for what is derived from it.
  options.retries = &weft::retry_on<std::exception>;
  CHECK(pool.run(retry(options, fails_in_turn)) == 4);
  calls = 0;
  options.retries = [](std::exception_ptr const&) { return false; };
  CHECK_THROWS_AS(pool.run(retry(options, fails_in_turn)), std::system_error);
  CHECK(calls == 1);
}

TEST_CASE("delays double up to the longest, and each is drawn from the upper half of its range") {
  weft_test::seeded seed;
  weft::detail::random_source random(seed());
  weft::detail::backoff delays(10ms, 2s);
  std::chrono::nanoseconds whole = 10ms;
  for (int i = 0; i < 100; ++i) {
    auto const d = delays.draw(random);
    CHECK(d <= whole);
    CHECK(d >= whole / 2);
    whole = std::min<std::chrono::nanoseconds>(whole * 2, 2s);
  }
}

TEST_CASE("two that failed together do not come back together") {
  weft_test::seeded seed;
  weft::detail::random_source random(seed());
  std::set<std::chrono::nanoseconds> seen;
  for (int i = 0; i < 100; ++i) seen.insert(weft::detail::backoff(1s, 1s).draw(random));
  CHECK(seen.size() > 90);
}

TEST_CASE("delays of zero, below zero, beyond the longest and at the end of time stay in their bounds") {
  weft_test::seeded seed;
  weft::detail::random_source random(seed());
  using std::chrono::nanoseconds;
  auto within = [&random](nanoseconds first, nanoseconds most, nanoseconds at_most) {
    weft::detail::backoff delays(first, most);
    bool right = true;
    for (int i = 0; i < 200; ++i) {
      auto const d = delays.draw(random);
      right = right && d >= 0ns && d <= at_most;
    }
    return right;
  };
  CHECK(within(0ns, 1s, 0ns));
  CHECK(within(-1s, 1s, 0ns));
  CHECK(within(1s, -1s, 0ns));
  CHECK(within(10s, 1s, 1s));
  CHECK(within(1ns, nanoseconds::max(), nanoseconds::max()));
  CHECK(within(nanoseconds::max(), nanoseconds::max(), nanoseconds::max()));
  CHECK(within(nanoseconds::min(), nanoseconds::min(), 0ns));
}

TEST_CASE("between two tries at least half of the delay passes") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("retry_test: delays");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int calls = 0;
  auto const before = weft::clock::now();
  CHECK(pool.run(retry({.tries = 3, .first_delay = 4ms, .max_delay = 6ms}, works_at, std::ref(calls), 3)) == 3);
  CHECK(weft::clock::now() - before >= 2ms + 3ms);
}

TEST_CASE("each try gets copies of the arguments, as they were given") {
  weft_test::watchdog const guard("retry_test: arguments");
  counted::reset();
  weft_test::balance const balance;
  {
    weft::pool pool{{.workers = 1}};
    int tries = 0;
    auto takes = [&tries](std::string s, counted c) -> task<std::string> {
      co_await weft::this_task::yield();
      s += std::to_string(c.value());
      if (++tries < 3) throw std::runtime_error(s);
      co_return std::move(s);
    };
    CHECK(pool.run(retry(quick, takes, std::string("argument "), counted(1))) == "argument 1");
    CHECK(counted::copies() == 3);
    {
      auto const dropped = retry(quick, takes, std::string(), counted(2));
      CHECK(counted::live() == 1);
    }
  }
  CHECK(counted::live() == 0);
}
