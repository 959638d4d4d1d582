#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/misuse.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/combine/select.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/interval.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::interval;
using weft::missed_ticks;
using weft::task;
using weft::detail::tick_schedule;

static_assert(sizeof(interval) <= 24);
static_assert(std::is_copy_constructible_v<interval>);

namespace {

constexpr auto at(weft::clock::duration d) { return weft::clock::time_point(d); }

/// Of the thread that calls: nothing else runs on it meanwhile.
void busy_until(weft::clock::time_point t) {
  while (weft::clock::now() < t) std::this_thread::sleep_for(100us);
}

}  // namespace

TEST_CASE("ticks that come in time are one period each, on an even grid, whatever is done with those that are missed") {
  for (auto const policy : {missed_ticks::skip, missed_ticks::burst}) {
    tick_schedule s(at(100s), 10s, policy);
    for (int i = 1; i <= 5; ++i) {
      CHECK(s.next() == at(100s + i * 10s));
      CHECK(s.take(at(100s + i * 10s + 1s)) == 1);
    }
  }
  tick_schedule s(at(100s), 10s, missed_ticks::delay);
  for (int i = 1; i <= 5; ++i) {
    CHECK(s.next() == at(100s + i * 10s));
    CHECK(s.take(at(100s + i * 10s)) == 1);
  }
}

TEST_CASE("skip: a late tick stands for all that were missed, and the next is back on the grid") {
  tick_schedule s(at(0s), 10s, missed_ticks::skip);
  CHECK(s.take(at(35s)) == 3);
  CHECK(s.next() == at(40s));
  CHECK(s.take(at(50s)) == 2);  // due at the very moment: it has passed
  CHECK(s.next() == at(60s));
  CHECK(s.take(at(69'999'999'999ns)) == 1);
  CHECK(s.next() == at(70s));
}

TEST_CASE("burst: each missed tick is there at once, and none is lost") {
  tick_schedule s(at(0s), 10s, missed_ticks::burst);
  for (int i = 1; i <= 3; ++i) {
    CHECK(s.next() == at(i * 10s));
    CHECK(s.take(at(35s)) == 1);
  }
  CHECK(s.next() == at(40s));
}

TEST_CASE("delay: after a late tick a whole period passes") {
  tick_schedule s(at(0s), 10s, missed_ticks::delay);
  CHECK(s.take(at(35s)) == 1);
  CHECK(s.next() == at(45s));
}

TEST_CASE("what skipped ticks stand for adds up to the time that has passed") {
  weft_test::seeded random;
  for (int round = 0; round < 100; ++round) {
    auto const period = std::chrono::nanoseconds(1 + random.below(1'000'000));
    auto const begin = at(std::chrono::nanoseconds(random.below(1'000'000'000)));
    tick_schedule s(begin, period, missed_ticks::skip);
    std::uint64_t periods = 0;
    auto now = begin;
    for (int i = 0; i < 50; ++i) {
      now = std::max(now, s.next()) + std::chrono::nanoseconds(random.below(5'000'000));
      periods += s.take(now);
      REQUIRE(s.next() > now);
      REQUIRE(s.next() - now <= period);
      REQUIRE(s.next() == begin + (static_cast<std::int64_t>(periods) + 1) * period);
    }
  }
}

TEST_CASE("a schedule holds at the ends of the clock") {
  constexpr auto end = weft::clock::time_point::max();
  tick_schedule forever(at(5s), weft::clock::duration::max(), missed_ticks::skip);
  CHECK(forever.next() == end);
  tick_schedule late(end - 15s, 10s, missed_ticks::skip);
  CHECK(late.next() == end - 5s);
  CHECK(late.take(end - 1s) == 1);
  CHECK(late.next() == end);
  CHECK(late.take(end) == 1);
  CHECK(late.next() == end);
  tick_schedule early(weft::clock::time_point::min(), 10s, missed_ticks::skip);
  CHECK(early.next() == at(10s));
  tick_schedule shortest(at(0s), 1ns, missed_ticks::skip);
  CHECK(shortest.take(end) == static_cast<std::uint64_t>(end.time_since_epoch().count()));
  CHECK(interval(std::chrono::hours::max()).next() == end);
  CHECK(interval(at(0s), std::chrono::duration<double>(1e-10)).period() == 1ns);
  CHECK(interval(at(0s), 1.5s).next() == at(1500ms));
}

TEST_CASE("an interval does not drift, and never ticks early") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("interval_test: no drift");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const begin = weft::clock::now();
  std::uint64_t periods = 0;
  int early = 0;
  auto const last = pool.run([&]() -> task<weft::clock::time_point> {
    interval every(begin, 3ms);
    while (periods < 20) {
      auto const due = every.next();
      periods += co_await every.tick();
      early += weft::clock::now() < due;
      co_await weft::sleep_for(1ms);
    }
    co_return every.next();
  });
  CHECK(early == 0);
  CHECK(last == begin + (periods + 1) * 3ms);
}

TEST_CASE("the first tick comes a period after the interval was made") {
  weft_test::watchdog const guard("interval_test: first tick");
  weft::pool pool{{.workers = 2}};
  auto const begin = weft::clock::now();
  interval every{20ms};
  pool.run(every.tick());  // from a plain thread, and handed to a verb
  CHECK(weft::clock::now() - begin >= 20ms);
  CHECK(every.next() - begin >= 40ms);
  CHECK(every.period() == 20ms);
}

TEST_CASE("a task that was held up gets the missed ticks as one, and their number") {
  weft_test::watchdog const guard("interval_test: skip");
  weft::pool pool{{.workers = 1}};
  auto const begin = weft::clock::now();
  interval every(begin, 5ms);
  auto const periods = pool.run([&]() -> task<std::uint64_t> {
    busy_until(begin + 23ms);
    auto const n = co_await every.tick();
    co_return n;
  });
  CHECK(periods >= 4);
  CHECK(every.next() == begin + (periods + 1) * 5ms);
}

TEST_CASE("bursts make up for every tick at once, and a delay for none") {
  weft_test::watchdog const guard("interval_test: burst and delay");
  weft::pool pool{{.workers = 1}};
  auto const begin = weft::clock::now();
  interval burst(begin, 5ms, missed_ticks::burst), delay(begin, 5ms, missed_ticks::delay);
  weft::clock::time_point held_up_until;
  pool.run([&]() -> task<> {
    busy_until(begin + 23ms);
    held_up_until = weft::clock::now();
    for (int i = 0; i < 4; ++i) co_await burst.tick();
    co_await delay.tick();
  });
  CHECK(burst.next() == begin + 25ms);
  CHECK(delay.next() >= held_up_until + 5ms);
}

TEST_CASE("a wait for a tick that is stopped leaves the tick to the next wait") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("interval_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  interval rarely{1h};
  auto const due = rarely.next();
  auto waiting = pool.spawn(rarely.tick());
  std::this_thread::sleep_for(1ms);
  waiting.stop();
  CHECK_THROWS_AS(waiting.get(), weft::stopped);
  CHECK_THROWS_AS(pool.run(weft::timeout(1ms, rarely.tick())), weft::timed_out);
  CHECK(rarely.next() == due);

  interval never{weft::clock::duration::max()};
  CHECK_THROWS_AS(pool.run(weft::timeout(1ms, never.tick())), weft::timed_out);

  // One that is due, too: a loop that never has to wait can be stopped.
  interval behind(weft::clock::now() - 1h, 1ns, missed_ticks::burst);
  auto endless = pool.spawn([&]() -> task<> {
    for (;;) co_await behind.tick();
  });
  std::this_thread::sleep_for(1ms);
  endless.stop();
  CHECK_THROWS_AS(endless.get(), weft::stopped);
}

TEST_CASE("reset counts from now on") {
  weft_test::watchdog const guard("interval_test: reset");
  weft::pool pool{{.workers = 1}};
  interval every(weft::clock::now() - 1h, 10ms);
  auto const before = weft::clock::now();
  every.reset();
  CHECK(every.next() >= before + 10ms);
  CHECK(every.next() <= weft::clock::now() + 10ms);
  pool.run(every.tick());
  CHECK(weft::clock::now() >= before + 10ms);
}

TEST_CASE("many intervals tick beside each other") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("interval_test: many");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const begin = weft::clock::now();
  std::atomic<int> wrong{0};
  auto one = [&](int number) -> task<> {
    auto const period = std::chrono::microseconds(500 + 37 * number);
    interval every(begin, period);
    std::uint64_t periods = 0;
    while (every.next() < begin + 20ms) periods += co_await every.tick();
    wrong += every.next() != begin + (periods + 1) * period;
  };
  pool.run([&]() -> task<> {
    std::vector<task<>> all;
    for (int i = 0; i < 100; ++i) all.push_back(one(i));
    auto together = weft::when_all(std::move(all));
    co_await std::move(together);
  });
  CHECK(wrong == 0);
}

TEST_CASE("select takes a tick among others, and a tick that loses stays") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("interval_test: select");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const begin = weft::clock::now();
  interval often(begin, 2ms), rarely(begin, 1h);
  auto const [ticks, periods] = pool.run([&]() -> task<std::pair<int, std::uint64_t>> {
    std::pair<int, std::uint64_t> seen{};
    while (seen.first < 5) {
      auto one = weft::select(weft::on(often.tick(), [&](std::uint64_t n) { seen.second += n; }),
                              weft::on(rarely.tick(), [&] { seen.first = 1000; }));
      co_await std::move(one);
      ++seen.first;
    }
    co_return seen;
  });
  CHECK(ticks == 5);
  CHECK(periods >= 5);
  CHECK(often.next() == begin + (periods + 1) * 2ms);
  CHECK(rarely.next() == begin + 1h);
}

TEST_CASE("an interval of no length ends the program with a sentence") {
  weft_test::expect_misuse("the period of an interval is longer than nothing", [] { interval const none{0s}; });
  weft_test::expect_misuse("the period of an interval is longer than nothing", [] { interval const less{-1s}; });
}
