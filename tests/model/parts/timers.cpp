// Timers: each fires once or is removed, and nobody sleeps past the earliest.
#include <weft/combine/timeout.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/time/sleep.hpp>

#include <chrono>
#include <cstdint>
#include <model/model.hpp>
#include <model/parts/pool.hpp>
#include <utility>

namespace {

using namespace std::chrono_literals;
using weft::task;
using weft_model::expect;
using weft_model::small_pool;
using weft_model::together;

task<> sleeps_until(weft::clock::time_point t) {
  co_await weft::sleep_until(t);
  expect(weft::clock::now() >= t, "not before its time");
}

// While it sleeps, the pool may not sleep past that, but for the grain of the wheel.
task<> sleeps_at_most(std::chrono::nanoseconds d) {
  auto const t = weft::clock::now() + d;
  weft_model::due_by((t + 1ms).time_since_epoch().count());
  co_await weft::sleep_until(t);
  weft_model::due_by(weft_model::never);
}

void one_sleep() {
  small_pool p(1);
  p.run(sleeps_at_most(1ms));
}
weft_model::part const p1("timers: one sleeps", one_sleep, {2, 1});

template <unsigned Workers>
void two_sleep() {
  small_pool p(Workers);
  auto const now = weft::clock::now();
  together([&] { p.run(sleeps_until(now + 2ms)); }, [&] { p.run(sleeps_until(now + 1ms)); });
}
weft_model::part const p2("timers: two sleep, one worker", two_sleep<1>, {1, 0});
weft_model::part const p3("timers: two sleep, two workers", two_sleep<2>, {1, 0});

// Somebody sleeps by a late deadline when an early one comes.
template <unsigned Workers>
void earlier() {
  small_pool p(Workers);
  together([&] { p.run(sleeps_until(weft::clock::now() + 24h)); }, [&] { p.run(sleeps_at_most(1ms)); });
}
weft_model::part const p4("timers: an earlier one comes, one worker", earlier<1>, {1, 0});
weft_model::part const p5("timers: an earlier one comes, two workers", earlier<2>, {1, 0});

// Stopped or fired.
void stopped() {
  small_pool p(2);
  auto f = p.spawn(sleeps_until, weft::clock::now() + 1ms);
  int ran = 0;
  together([&] { f.stop(); }, [&] { p.run([&] { ++ran; }); });
  try {
    f.get();
  } catch (weft::stopped const&) {
  }
  expect(ran == 1, "the root has run");
}
weft_model::part const p6("timers: one is stopped", stopped, {1, 1});

// The worker that set the timer is kept busy until it has fired: somebody else watches the clock.
task<> sleeps_and_tells(weft::detail::atomic<bool>& woken) {
  co_await weft::sleep_until(weft::clock::now() + 1ms);
  woken.store(true, weft::detail::memory_order_release);
}
void beside_one_who_is_busy() {
  small_pool p(2);
  weft::detail::atomic<bool> woken{false};
  together([&] { p.run(sleeps_and_tells(woken)); },
           [&] {
             p.run([&] {
               while (!woken.load(weft::detail::memory_order_acquire)) weft::detail::relax();
             });
           });
}
weft_model::part const p8("timers: one sleeps, the other worker is busy", beside_one_who_is_busy, {1, 0});

// A root comes while the only worker keeps the time.
void sleep_and_root() {
  small_pool p(1);
  int ran = 0;
  together([&] { p.run(sleeps_at_most(1ms)); }, [&] { p.run([&] { ++ran; }); });
  expect(ran == 1, "it has run");
}
weft_model::part const p7("timers: one sleeps, a root comes", sleep_and_root, {1, 0});

// One keeps the time by a late deadline, one sleeps beside it, and a third sets an early one: it must find who keeps the time.
weft_model::part const p9("timers: an earlier one comes, three workers", earlier<3>, {1, 1});

// timeout E1: the work ends at the moment at which its time is up.
task<int> ends_in_time(weft::clock::time_point t) {
  auto work = weft::deadline(t, [t] {
    while (weft::clock::now() < t) weft::detail::relax();
    return 1;
  });
  int const got = co_await std::move(work);
  co_return got;
}
void up_and_ended() {
  small_pool p(2);
  expect(p.run(ends_in_time(weft::clock::now() + 300us)) == 1, "what the work gave is delivered");
}
weft_model::part const p10("timers: the work ends when its time is up", up_and_ended, {1, 1});

}  // namespace
