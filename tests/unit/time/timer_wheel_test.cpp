#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/coro/run.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/timer_wheel.hpp>
#include <weft/time/timers.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using weft::clock;
using weft::detail::timer;
using weft::detail::timer_list;
using weft::detail::timer_service;
using weft::detail::timer_wheel;
using weft::detail::worker;

constexpr auto tick = timer_wheel::tick;
constexpr auto forever = clock::time_point::max();
constexpr auto year = std::chrono::hours(24 * 365);
// An hour of uptime, on the border of a tick.
constexpr auto start = clock::time_point(tick * (1h / tick));

constexpr std::uint64_t scaled(std::uint64_t n) { return weft::detail::small_capacities ? n / 10 : n; }

constexpr auto tick_ns = static_cast<std::uint64_t>(tick.count());
constexpr auto last_tick = static_cast<std::uint64_t>(forever.time_since_epoch().count()) / tick_ns;  // never comes

std::uint64_t ns_of(clock::time_point t) {
  return static_cast<std::uint64_t>(std::max(t, clock::time_point{}).time_since_epoch().count());
}
std::uint64_t tick_begun(clock::time_point t) { return std::min(ns_of(t) / tick_ns, last_tick - 1); }
std::uint64_t tick_after(clock::time_point t) { return std::min((ns_of(t) + tick_ns - 1) / tick_ns, last_tick); }
clock::time_point time_of(std::uint64_t ticks) {
  return ticks == last_tick ? forever : clock::time_point(ticks * tick);
}

/// d from now, or the clock's end.
clock::time_point later(clock::time_point now, std::uint64_t ns) {
  auto const left = ns_of(forever) - ns_of(now);
  return ns >= left ? forever : now + std::chrono::nanoseconds(ns);
}

std::vector<timer*> expired(timer_wheel& wheel, clock::time_point now, std::size_t at_most = timer_wheel::no_limit) {
  timer_list due;
  wheel.expire(now, due, at_most);
  std::vector<timer*> all;
  while (auto* const t = due.pop_front()) all.push_back(static_cast<timer*>(t));
  return all;
}

using timers = std::vector<timer*>;

/// Any number of bits, each as likely as the next.
std::uint64_t any_magnitude(weft_test::seeded& random, unsigned bits) {
  return random() >> (64 - 1 - random.below(bits));
}

/// The same as the wheel, and simple.
class oracle {
 public:
  bool removed_any = false;

  void insert(timer& t) { places_[&t] = order_.emplace(std::max(tick_after(t.deadline), now_), &t); }

  bool remove(timer& t) {
    auto const found = places_.find(&t);
    if (found == places_.end()) return false;
    order_.erase(found->second);
    places_.erase(found);
    return true;
  }

  timers expire(clock::time_point now, std::size_t at_most) {
    auto const until = std::max(tick_begun(now), now_);
    timers all;
    while (!order_.empty() && order_.begin()->first <= until && all.size() < at_most) {
      all.push_back(order_.begin()->second);
      places_.erase(order_.begin()->second);
      order_.erase(order_.begin());
    }
    now_ = order_.empty() ? until : std::min(until, order_.begin()->first);
    return all;
  }

  clock::time_point next() const { return order_.empty() ? forever : time_of(order_.begin()->first); }
  std::size_t size() const { return order_.size(); }

 private:
  std::multimap<std::uint64_t, timer*> order_;  // equal keys in the order of insertion
  std::map<timer*, std::multimap<std::uint64_t, timer*>::iterator> places_;
  std::uint64_t now_ = 0;
};

}  // namespace

static_assert(sizeof(timer) <= 40);
static_assert(sizeof(timer_wheel) <= 35 * 1024);

// ── the wheel ──

TEST_CASE("an empty wheel has no deadline and nothing to expire, however far the time moves") {
  timer_wheel wheel;
  CHECK(wheel.empty());
  for (auto const now : {clock::time_point::min(), clock::time_point{}, start, start + 10 * year, forever}) {
    CHECK(wheel.next_deadline() == forever);
    CHECK(expired(wheel, now).empty());
  }
}

TEST_CASE("a timer is never early, and due less than a tick after its deadline") {
  for (auto const delay :
       {0ns, 1ns, tick - 1ns, tick, tick + 1ns, 63 * tick, 64 * tick, 64 * tick + 1ns, 4095 * tick, 4096 * tick,
        std::chrono::nanoseconds(1s), std::chrono::nanoseconds(1h), std::chrono::nanoseconds(10 * year)}) {
    for (auto const offset : {0ns, 1ns, tick / 2, tick - 1ns}) {
      timer_wheel wheel;
      auto const now = start + offset;
      wheel.advance(now);
      timer t(now + delay, nullptr);
      wheel.insert(t);
      auto const due = wheel.next_deadline();
      CHECK(due >= t.deadline - (delay < tick ? tick : 0ns));  // a passed tick is due at once
      CHECK(due < t.deadline + tick);
      if (t.deadline > now) CHECK(expired(wheel, t.deadline - 1ns).empty());
      CHECK(expired(wheel, std::max(due, t.deadline + tick - 1ns)) == timers{&t});
      CHECK(wheel.empty());
      CHECK_FALSE(wheel.remove(t));
    }
  }
}

TEST_CASE("the wheel's next deadline is the moment at which expire finds something, and no moment before it is") {
  timer_wheel wheel;
  timer t(start + 12345678ns, nullptr);
  wheel.insert(t);
  auto const due = wheel.next_deadline();
  CHECK(expired(wheel, due - 1ns).empty());
  CHECK(wheel.next_deadline() == due);
  CHECK(expired(wheel, due) == timers{&t});
}

TEST_CASE("deadlines before the epoch, at it, in the past and now are due at once, in the order of insertion") {
  timer_wheel wheel;
  wheel.advance(start);
  timer a(clock::time_point{}, nullptr), b(start, nullptr), c(start - 1h, nullptr),
      d(clock::time_point::min(), nullptr);
  for (timer* const t : {&a, &b, &c, &d}) wheel.insert(*t);
  CHECK(wheel.next_deadline() <= start);
  CHECK(expired(wheel, start) == timers{&a, &b, &c, &d});
}

TEST_CASE("a deadline that only the clock's last tick would reach never comes, and can be removed") {
  timer_wheel wheel;
  timer last(forever, nullptr), almost(forever - 1ns, nullptr), before(forever - 2 * tick, nullptr);
  wheel.insert(last);
  CHECK_FALSE(wheel.empty());
  CHECK(wheel.next_deadline() == forever);
  wheel.insert(almost);
  CHECK(wheel.next_deadline() == forever);
  wheel.advance(start);
  CHECK(expired(wheel, forever).empty());
  CHECK(wheel.next_deadline() == forever);
  CHECK(wheel.remove(last));
  CHECK(wheel.remove(almost));
  CHECK(wheel.empty());

  timer_wheel another;
  another.insert(last);
  another.insert(before);
  CHECK(another.next_deadline() < forever);
  CHECK(another.next_deadline() >= before.deadline);
  CHECK(expired(another, another.next_deadline() - 1ns).empty());
  CHECK(expired(another, forever) == timers{&before});
  CHECK(another.remove(last));
}

TEST_CASE("a removed timer does not expire, and is removed once") {
  timer_wheel wheel;
  timer a(start + 1ms, nullptr), b(start + 1ms, nullptr), c(start + 1ms, nullptr);
  CHECK_FALSE(wheel.remove(a));
  for (timer* const t : {&a, &b, &c}) wheel.insert(*t);
  CHECK(wheel.remove(b));
  CHECK_FALSE(wheel.remove(b));
  CHECK(expired(wheel, start + 2ms) == timers{&a, &c});
  CHECK_FALSE(wheel.remove(a));
  b.deadline = start + 5ms;
  wheel.insert(b);  // again
  CHECK(wheel.remove(b));
  CHECK(wheel.empty());
  CHECK(wheel.next_deadline() == forever);
}

TEST_CASE("timers of one tick leave in the order of insertion, whatever level they came through") {
  timer_wheel wheel;
  auto const deadline = start + 40 * year;
  std::deque<timer> all;
  timers expected;
  // Each is inserted at half the distance that is left, so at ever lower levels.
  for (auto left = std::chrono::nanoseconds(40 * year); left > 0ns; left /= 2) {
    CHECK(expired(wheel, deadline - left).empty());
    wheel.insert(all.emplace_back(deadline, nullptr));
    expected.push_back(&all.back());
    CHECK(wheel.next_deadline() >= deadline);
    CHECK(wheel.next_deadline() < deadline + tick);
  }
  CHECK(expired(wheel, deadline + tick) == expected);
}

TEST_CASE("with a limit, what is left over stays due and in order") {
  timer_wheel wheel;
  std::deque<timer> all;
  timers expected;
  for (int i = 0; i < 10; ++i) {
    wheel.insert(all.emplace_back(start + (i / 4) * 1s, nullptr));
    expected.push_back(&all.back());
  }
  auto const now = start + 1h;
  timers taken;
  CHECK(expired(wheel, now, 0).empty());
  while (!wheel.empty()) {
    CHECK(wheel.next_deadline() <= now);
    auto const some = expired(wheel, now, 3);
    CHECK(some.size() == std::min<std::size_t>(3, 10 - taken.size()));
    taken.insert(taken.end(), some.begin(), some.end());
  }
  CHECK(taken == expected);
}

TEST_CASE("a clock that goes back or stands still neither fires nor loses a timer") {
  timer_wheel wheel;
  CHECK(expired(wheel, start).empty());
  timer a(start + 1s, nullptr), b(start + 10 * year, nullptr), c(start - 30min, nullptr);
  wheel.insert(a);
  CHECK(expired(wheel, start - 1h).empty());
  CHECK(expired(wheel, clock::time_point::min()).empty());
  wheel.insert(b);
  CHECK(wheel.next_deadline() >= a.deadline);
  CHECK(wheel.next_deadline() < a.deadline + tick);
  for (int i = 0; i < 100; ++i) CHECK(expired(wheel, start).empty());
  CHECK(expired(wheel, start + 2s) == timers{&a});
  wheel.insert(c);  // passed, by the latest time the wheel was told
  CHECK(expired(wheel, start - 1h) == timers{&c});
  CHECK(expired(wheel, start + 11 * year) == timers{&b});
}

TEST_CASE("a jump over years expires everything on the way, in order") {
  timer_wheel wheel;
  std::deque<timer> all;
  timers expected;
  for (int bit = 15; bit < 62; ++bit)
    all.emplace_back(start + std::chrono::nanoseconds(std::int64_t{1} << bit), nullptr);
  for (auto t = all.rbegin(); t != all.rend(); ++t) wheel.insert(*t);
  for (auto& t : all) expected.push_back(&t);
  CHECK(expired(wheel, start + 200 * year) == expected);
}

TEST_CASE("a wheel that has turned 2^40 ticks still tells every tick from the next") {
  constexpr auto turned = std::int64_t{1} << 40;
  timer_wheel wheel;
  auto now = start;
  // In strides across the borders of all levels, each with a timer just before and just behind its end.
  for (std::int64_t stride = 1; stride < turned; stride *= 3) {
    auto const end = now + tick * stride;
    timer before(end - tick, nullptr), at(end, nullptr), behind(end + 1ns, nullptr);
    for (timer* const t : {&behind, &at, &before}) wheel.insert(*t);
    CHECK(wheel.next_deadline() == std::max(now, before.deadline));
    CHECK(expired(wheel, end - 1ns) == timers{&before});
    CHECK(wheel.next_deadline() == end);
    CHECK(expired(wheel, end) == timers{&at});
    CHECK(wheel.next_deadline() == end + tick);
    CHECK(expired(wheel, end + tick) == timers{&behind});
    now = end + tick;
  }
  CHECK((now - start) / tick > turned / 2);
}

TEST_CASE("a timer that waits for days is woken once: nobody is woken to move timers between levels") {
  weft_test::seeded random;
  for (int round = 0; round < 200; ++round) {
    timer_wheel wheel;
    wheel.advance(start);
    std::deque<timer> all;
    for (int i = 0; i < 50; ++i) wheel.insert(all.emplace_back(later(start, any_magnitude(random, 62)), nullptr));
    std::size_t fired = 0;
    for (auto due = wheel.next_deadline(); due != forever; due = wheel.next_deadline()) {
      auto const some = expired(wheel, due);
      if (some.empty()) FAIL("woken for nothing at " << due.time_since_epoch().count());
      for (timer const* const t : some)
        if (due < t->deadline || (due >= t->deadline + tick && t->deadline > start)) FAIL("not in its tick");
      fired += some.size();
    }
    for (auto& t : all) fired += wheel.remove(t) ? 1 : 0;  // of the clock's last tick
    CHECK(fired == all.size());
  }
}

TEST_CASE("removals cost at most one vain wake-up each, and never a late one") {
  weft_test::seeded random;
  for (int round = 0; round < 200; ++round) {
    timer_wheel wheel;
    auto now = start;
    wheel.advance(now);
    std::deque<timer> all;
    std::uint64_t vain = 0, removals = 0;
    for (int i = 0; i < 200; ++i) wheel.insert(all.emplace_back(later(start, any_magnitude(random, 50)), nullptr));
    while (!wheel.empty()) {
      if (wheel.remove(all[random.below(all.size())])) ++removals;
      auto const due = wheel.next_deadline();
      if (due == forever) break;
      now = std::max(now, due);
      auto const some = expired(wheel, now);
      if (some.empty()) ++vain;
      for (timer const* const t : some)
        if (t->deadline > now || now >= std::max(t->deadline, start) + tick) FAIL("not in its tick");
    }
    CHECK(vain <= removals);
  }
}

TEST_CASE("the wheel does what a sorted map does, over any range of time") {
  weft_test::seeded random;
  auto const with_removals = GENERATE(false, true);
  for (std::uint64_t round = 0; round < scaled(400); ++round) {
    timer_wheel wheel;
    oracle expected;
    auto now = round % 2 == 0 ? clock::time_point{} : start;
    auto const bits = static_cast<unsigned>(20 + random.below(43));  // of the longest delay
    std::deque<timer> all(1 + random.below(300));
    for (auto& t : all) t.deadline = forever;
    for (int step = 0; step < 1000; ++step) {
      timer& t = all[random.below(all.size())];
      switch (random.below(8)) {
        case 0:
        case 1:
        case 2:
        case 3:
          if (t.place != timer::nowhere) break;
          t.deadline = later(now, any_magnitude(random, bits));
          if (random.below(16) == 0)
            t.deadline = clock::time_point(std::chrono::nanoseconds(any_magnitude(random, 63)));
          if (random.below(64) == 0) t.deadline = forever;
          if (random.below(4) == 0) t.deadline = time_of(tick_begun(t.deadline));
          wheel.insert(t);
          expected.insert(t);
          break;
        case 4:
          if (with_removals && wheel.remove(t) != expected.remove(t)) FAIL("remove");
          break;
        case 5:
          wheel.advance(now);
          expected.expire(now, 0);
          break;
        default: {
          if (random.below(4) == 0 && wheel.next_deadline() != forever) now = std::max(now, wheel.next_deadline());
          else now = later(now, any_magnitude(random, bits));
          if (now > forever - 1h) now = forever - 1h;
          auto const told = random.below(8) == 0 ? now - std::chrono::nanoseconds(any_magnitude(random, 40)) : now;
          auto const at_most = random.below(4) == 0 ? random.below(20) : timer_wheel::no_limit;
          if (expired(wheel, told, at_most) != expected.expire(told, at_most)) FAIL("expire");
        }
      }
      if (wheel.empty() != (expected.size() == 0)) FAIL("empty");
      if (wheel.next_deadline() > expected.next()) FAIL("a late deadline");
      if (!with_removals && wheel.next_deadline() != expected.next()) FAIL("an inexact deadline");
    }
    CHECK(expired(wheel, forever) == expected.expire(forever, timer_wheel::no_limit));
    for (auto& t : all)
      if (t.place != timer::nowhere) CHECK(wheel.remove(t));
    CHECK(wheel.empty());
  }
}

// ── the timers of a pool ──

namespace {

/// Workers of a pool that its threads do not know of: for the calls that want one.
class own_workers {
 public:
  explicit own_workers(unsigned count) {
    auto& home = scheduler_of(pool_);
    for (unsigned i = 0; i < count; ++i) workers_.push_back(std::make_unique<worker>(home, i, home.depot()));
  }
  worker& operator[](unsigned i) { return *workers_[i]; }

 private:
  weft::pool pool_{{.workers = 1}};
  std::vector<std::unique_ptr<worker>> workers_;
};

struct counting_timer : timer {
  counting_timer() : timer({}, [](timer& t, worker&) noexcept { ++static_cast<counting_timer&>(t).fired; }) {}
  int fired = 0;
};

}  // namespace

TEST_CASE("a service reports the earliest deadline of all workers, and add tells when it moved forward") {
  own_workers workers(3);
  timer_service service;
  CHECK(service.next_deadline() == forever);
  counting_timer a, b, c, d;
  a.deadline = start + 10 * tick;
  b.deadline = start + 5 * tick;
  c.deadline = start + 7 * tick;
  d.deadline = start + 5 * tick;
  CHECK_FALSE(service.remove(a));
  CHECK(service.add(workers[0], a, start));
  CHECK(service.add(workers[1], b, start));
  CHECK_FALSE(service.add(workers[2], c, start));
  CHECK_FALSE(service.add(workers[0], d, start));
  CHECK(service.next_deadline() == b.deadline);

  service.poll(workers[2], b.deadline - 1ns);
  CHECK(b.fired + d.fired == 0);
  service.poll(workers[2], b.deadline);
  CHECK(b.fired == 1);
  CHECK(d.fired == 1);
  CHECK(service.next_deadline() == c.deadline);
  CHECK_FALSE(service.remove(b));

  CHECK(service.remove(c));
  CHECK_FALSE(service.remove(c));
  CHECK(service.next_deadline() <= a.deadline);
  service.poll(workers[1], service.next_deadline());  // the removed one's time, at the earliest
  CHECK(service.next_deadline() == a.deadline);
  service.poll(workers[1], a.deadline);
  CHECK(a.fired == 1);
  CHECK(c.fired == 0);
  CHECK(service.next_deadline() == forever);
}

TEST_CASE("what a poll leaves over is due at the next one") {
  own_workers workers(2);
  timer_service service;
  std::deque<counting_timer> all(3 * timer_service::batch + 1);
  for (auto& t : all) {
    t.deadline = start;
    static_cast<void>(service.add(workers[1], t, start));
  }
  for (int polls = 0; polls < 4; ++polls) {
    CHECK(service.next_deadline() <= start);
    service.poll(workers[0], start);
  }
  CHECK(service.next_deadline() == forever);
  CHECK(std::all_of(all.begin(), all.end(), [](auto const& t) { return t.fired == 1; }));
}

TEST_CASE("a timer can be added again, and destroyed, from where it fires") {
  struct again : timer {
    again(timer_service& s, int n) : timer(start, &act), service(s), left(n) {}
    static void act(timer& t, worker& self) noexcept {
      auto& me = static_cast<again&>(t);
      if (me.left-- == 0) {
        delete &me;
        return;
      }
      me.deadline += 1ms;
      static_cast<void>(me.service.add(self, me, me.deadline - 1ms));
    }
    timer_service& service;
    int left;
  };
  own_workers workers(2);
  timer_service service;
  CHECK(service.add(workers[0], *new again(service, 100), start));
  unsigned polls = 0;
  for (; service.next_deadline() != forever; ++polls) service.poll(workers[polls % 2], service.next_deadline());
  CHECK(polls == 101);
}

namespace {

/// A timer that several threads set, remove and wait for.
struct contended_timer : timer {
  contended_timer() : timer({}, &act) {}
  static void act(timer& t, worker&) noexcept {
    auto& me = static_cast<contended_timer&>(t);
    if (me.now->load() < t.deadline.time_since_epoch().count()) me.early.fetch_add(1);
    me.fired.fetch_add(1);
  }

  std::mutex users;  // no add races with an add or a remove
  std::atomic<std::int64_t>* now = nullptr;
  std::atomic<std::uint64_t> fired{0}, early{0};
  std::uint64_t added = 0, removed = 0;  // guarded by users
};

}  // namespace

TEST_CASE("of remove and fire exactly one has the timer, however many threads add, remove and poll") {
  weft_test::watchdog const dog("timers under contention", 120s);
  weft_test::seeded random;
  constexpr unsigned threads = 4;
  auto const count = GENERATE(std::size_t{3}, std::size_t{64}, std::size_t{2000});
  auto const steps = scaled(100'000);
  std::atomic<std::int64_t> now{start.time_since_epoch().count()};
  auto const read_now = [&] { return clock::time_point(std::chrono::nanoseconds(now.load())); };
  own_workers workers(threads + 1);
  timer_service service;
  std::deque<contended_timer> all(count);
  for (auto& t : all) t.now = &now;
  std::atomic<std::uint64_t> removed_and_fired{0};
  std::atomic<unsigned> running{threads};

  auto const act = [&](unsigned index, std::uint64_t seed) {
    weft::detail::random_source dice(seed);
    worker& self = workers[index];
    for (std::uint64_t step = 0; step < steps; ++step) {
      auto& t = all[dice.below(static_cast<std::uint32_t>(all.size()))];
      auto const choice = dice.below(8);
      if (choice < 3) {
        std::unique_lock const lock(t.users, std::try_to_lock);
        if (!lock || t.fired.load() + t.removed != t.added) continue;
        t.deadline = read_now() + std::chrono::nanoseconds(dice.below(1u << dice.below(28)));
        ++t.added;
        static_cast<void>(service.add(self, t, read_now()));
      } else if (choice < 5) {
        std::unique_lock const lock(t.users, std::try_to_lock);
        if (!lock) continue;
        auto const idle = t.fired.load() + t.removed == t.added;
        if (service.remove(t)) {
          if (idle) removed_and_fired.fetch_add(1);
          ++t.removed;
        } else {
          while (t.fired.load() + t.removed != t.added) std::this_thread::yield();  // it fires, now or soon
        }
      } else if (choice < 7) {
        service.poll(self, read_now(), choice == 5 ? timer_service::in_use::left : timer_service::in_use::waited_for);
      } else {
        now.fetch_add(dice.below(1u << dice.below(22)));
      }
    }
    running.fetch_sub(1);
    // A timer that somebody waits for may have been taken by nobody yet but be due: those who are done poll for the others.
    while (running.load() != 0) service.poll(self, read_now()), std::this_thread::yield();
  };
  std::vector<std::thread> pool;
  for (unsigned i = 0; i < threads; ++i) pool.emplace_back(act, i, random());
  for (auto& thread : pool) thread.join();

  // What is left fires at the deadlines that the service announces, each within its tick: no deadline was lost.
  std::uint64_t late = 0;
  for (auto due = service.next_deadline(); due != forever; due = service.next_deadline()) {
    auto const before = now.load();
    now.store(std::max<std::int64_t>(before, due.time_since_epoch().count()));
    std::vector<std::uint64_t> fired;
    for (auto& t : all) fired.push_back(t.fired.load());
    service.poll(workers[threads], read_now());
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].fired.load() != fired[i] && all[i].deadline.time_since_epoch().count() > before &&
          read_now() >= all[i].deadline + tick)
        ++late;
  }
  std::uint64_t unbalanced = 0, early = 0, added = 0;
  for (auto& t : all) {
    unbalanced += t.fired.load() + t.removed == t.added ? 0 : 1;
    early += t.early.load();
    added += t.added;
  }
  CHECK(added > 0);
  CHECK(unbalanced == 0);
  CHECK(early == 0);
  CHECK(late == 0);
  CHECK(removed_and_fired.load() == 0);
}

TEST_CASE("a pool that sleeps wakes for each of its timers") {
  weft_test::watchdog const dog("timers of a sleeping pool", 120s);
  weft_test::seeded random;
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  struct real_timer : timer {
    explicit real_timer() : timer({}, &act) {}
    static void act(timer& t, worker&) noexcept {
      auto& me = static_cast<real_timer&>(t);
      if (clock::now() < t.deadline) me.early = true;
      me.done.store(true);
      me.done.notify_one();
    }
    bool early = false;
    std::atomic<bool> done{false};
  };
  weft::pool pool{{.workers = workers}};
  auto& home = scheduler_of(pool);
  auto* const service = static_cast<timer_service*>(home.install_driver(std::make_unique<timer_service>()));
  std::uint64_t early = 0;
  for (std::uint64_t round = 0; round < scaled(1000); ++round) {
    std::deque<real_timer> all(1 + random.below(4));
    for (auto& t : all) {
      auto const delay = std::chrono::nanoseconds(random.below(std::uint64_t{1} << (10 + random.below(11))));
      pool.run([&] {
        auto const now = clock::now();
        t.deadline = now + delay;
        if (service->add(*weft::detail::current_worker(), t, now)) home.deadline_moved();
      });
    }
    for (auto& t : all) {
      t.done.wait(false);
      early += t.early ? 1 : 0;
    }
  }
  CHECK(early == 0);
}
