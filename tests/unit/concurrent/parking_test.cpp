#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/concurrent/parking.hpp>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace {

using weft::clock;
using weft::detail::event_count;
using weft::detail::parker;
using namespace std::chrono_literals;

}  // namespace

TEST_CASE("a token given before the owner parks is not lost, and two are one") {
  weft_test::watchdog const dog("parker: token before park");
  parker p;
  p.unpark();
  p.unpark();
  p.park();
  auto const deadline = clock::now() + 20ms;
  p.park(deadline);
  CHECK(clock::now() >= deadline);
}

TEST_CASE("a deadline in the past does not block, and takes a token along") {
  weft_test::watchdog const dog("parker: past deadline");
  parker p;
  p.park(clock::time_point::min());
  p.park(clock::time_point{});
  p.park(clock::now());
  p.unpark();
  p.park(clock::time_point::min());
  auto const deadline = clock::now() + 20ms;
  p.park(deadline);
  CHECK(clock::now() >= deadline);
}

TEST_CASE("what was written before unpark is read after park") {
  weft_test::watchdog const dog("parker: ping-pong");
  constexpr int rounds = 5000;
  parker ping, pong;
  int value = 0;  // plain: handed over by the parkers alone
  std::thread other([&] {
    for (int i = 0; i != rounds; ++i) {
      ping.park();
      ++value;
      pong.unpark();
    }
  });
  for (int i = 0; i != rounds; ++i) {
    ++value;
    ping.unpark();
    pong.park();
  }
  other.join();
  CHECK(value == 2 * rounds);
}

TEST_CASE("tokens that meet a deadline are never lost") {
  weft_test::watchdog const dog("parker: token against deadline");
  parker p;
  std::atomic<int> given{0};
  std::atomic<bool> ended{false};
  std::thread giver([&] {
    for (int i = 1; i != 3000; ++i) {
      given.store(i);
      p.unpark();
      while (given.load() == i) std::this_thread::yield();
    }
    ended = true;
    p.unpark();
  });
  while (!ended.load()) {
    p.park(clock::now() + std::chrono::microseconds(given.load() % 50));
    given.store(0);
  }
  giver.join();
}

TEST_CASE("a notification between the announcement and the wait is not slept through") {
  weft_test::watchdog const dog("event count: announced");
  event_count e;
  auto const key = e.prepare_wait();
  e.notify_one();
  CHECK(e.wait(key));
}

TEST_CASE(
    "a notification before the announcement does not count, and neither does one after the waiter has cancelled") {
  weft_test::watchdog const dog("event count: too early");
  event_count e;
  e.notify_all();
  auto const first = e.prepare_wait();
  e.cancel_wait();
  e.notify_all();
  auto const second = e.prepare_wait();
  CHECK(first == second);
  auto const deadline = clock::now() + 20ms;
  CHECK_FALSE(e.wait(second, deadline));
  CHECK(clock::now() >= deadline);
}

TEST_CASE("notify_all wakes every waiter, notify_one one after the other") {
  weft_test::watchdog const dog("event count: many waiters");
  constexpr int waiters = 4;
  bool const all = GENERATE(false, true);
  event_count e;
  std::atomic<int> permits{0}, woken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i != waiters; ++i)
    threads.emplace_back([&] {
      for (;;) {
        auto const key = e.prepare_wait();
        int have = permits.load();
        while (have > 0 && !permits.compare_exchange_weak(have, have - 1)) {
        }
        if (have > 0) {
          e.cancel_wait();
          break;
        }
        e.wait(key);
      }
      ++woken;
    });
  if (all) {
    permits = waiters;
    e.notify_all();
  } else {
    for (int i = 0; i != waiters; ++i) {
      ++permits;
      e.notify_one();
    }
  }
  for (auto& t : threads) t.join();
  CHECK(woken == waiters);
}

TEST_CASE("a waiter and a notifier that meet at every step never miss each other") {
  weft_test::watchdog const dog("event count: ping-pong");
  constexpr int rounds = 5000;
  event_count e;
  std::atomic<int> turn{0};
  auto const play = [&](int parity) {
    for (int i = parity; i < rounds; i += 2) {
      while (turn.load() != i) {
        auto const key = e.prepare_wait();
        if (turn.load() == i) e.cancel_wait();
        else e.wait(key);
      }
      turn.store(i + 1);
      e.notify_one();
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  CHECK(turn == rounds);
}
