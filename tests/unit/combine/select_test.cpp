#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/meeting.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/combine/select.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/latch.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>
#include <weft/sync/wait_group.hpp>
#include <weft/time/sleep.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::auto_event;
using weft::event;
using weft::event_state;
using weft::mutex;
using weft::on;
using weft::otherwise;
using weft::select;
using weft::semaphore;
using weft::sleep_for;
using weft::task;
using weft_test::ending;

static_assert(weft::detail::can_be_selected<decltype(sleep_for(1s))>);
static_assert(weft::detail::can_be_selected<weft::future<int>&>);
static_assert(weft::detail::can_be_selected<weft::future<int>>);
static_assert(weft::detail::can_be_selected<decltype(std::declval<weft::latch&>().wait())>);
static_assert(!weft::detail::can_be_selected<weft::task<int>>);
static_assert(!weft::detail::can_be_selected<decltype(std::declval<weft::latch&>().arrive_and_wait())>);

namespace {

// What most cases call, the same types everywhere: each select of other types has the whole of it compiled.
class gives {
 public:
  explicit gives(int value) noexcept : value_(value) {}
  int operator()() const noexcept { return value_; }

 private:
  int value_;
};
struct gets {
  int operator()(int v) const noexcept { return v; }
};
struct nothing {
  void operator()() const noexcept {}
};

}  // namespace

TEST_CASE("a select whose only case can happen is that case") {
  weft::pool pool{{.workers = 1}};
  event e(event_state::set);
  CHECK(pool.run(select(on(e.wait(), gives(7)))) == 7);
}

TEST_CASE("a select takes the case that can happen, and leaves the others alone") {
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  event never;
  semaphore s(1);
  mutex m;
  auto held = m.try_lock();
  for (int i = 0; i < 20; ++i) {
    int const which = pool.run(select(on(never.wait(), gives(1)),
                                      on(s.acquire(),
                                         [](semaphore::permit p) {
                                           p.release();
                                           return 2;
                                         }),
                                      on(m.lock(), gives(3)), on(sleep_for(1h), gives(4))));
    CHECK(which == 2);
    CHECK(s.available() == 1);
  }
  held.unlock();
  CHECK(m.try_lock().owns());
}

TEST_CASE("a select waits until one of its cases can happen") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  event a, b;
  pool.run([&]() -> task<> {
    auto f = weft::spawn(select(on(a.wait(), gives('a')), on(b.wait(), gives('b'))));
    co_await weft_test::settle();
    CHECK_FALSE(f.ready());
    b.set();
    int const which = co_await std::move(f);
    CHECK(which == 'b');
  });
}

TEST_CASE("otherwise happens if nothing else can, and only then") {
  weft::pool pool{{.workers = 1}};
  auto_event e;
  auto look = [&] { return select(on(e.wait(), gives(1)), otherwise(gives(0))); };
  CHECK(pool.run(look()) == 0);
  e.set();
  CHECK(pool.run(look()) == 1);
  CHECK(pool.run(look()) == 0);
}

namespace {

/// Never happens; but whenever a select looks at it, a permit that one of two semaphores has moves to the other: it comes there before
/// it goes here.
class moves_permit : public weft::detail::waitable_operation<moves_permit> {
 public:
  using node = weft::detail::waiter;
  moves_permit(semaphore& a, semaphore& b) noexcept : a_(&a), b_(&b) {}
  bool try_complete() noexcept {
    move();
    return false;
  }
  weft::detail::enqueued enqueue(node&) noexcept {
    move();
    return weft::detail::enqueued::waits;
  }
  weft::detail::left withdraw(node&) noexcept { return weft::detail::left::now; }
  void take() noexcept {}

 private:
  void move() noexcept {
    if (a_->available() == 0) std::swap(a_, b_);
    b_->release();
    if (auto p = a_->try_acquire()) p.forget();
  }
  semaphore* a_;
  semaphore* b_;
};

}  // namespace

TEST_CASE("otherwise is not called where at every moment one of the cases could happen") {
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  for (int i = 0; i < 100; ++i) {
    semaphore a(1), b(0);
    auto take = gives(1);
    int const which = pool.run(select(on(a.acquire(), take), on(moves_permit(a, b), gives(2)), on(b.acquire(), take),
                                      on(moves_permit(a, b), gives(2)), otherwise(gives(3))));
    CHECK(which == 1);
    CHECK(a.available() + b.available() == 1);
  }
}

TEST_CASE("an otherwise waits for nothing, and leaves no trace in the queues") {
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  mutex m;
  semaphore s(0);
  event e;
  weft::promise<int> p;
  auto f = p.get_future();
  auto held = m.try_lock();
  for (int i = 0; i < 3; ++i) {
    auto look = select(on(m.lock(), gives(1)), on(s.acquire(), gives(2)), on(e.wait(), gives(3)),
                       on(f, [](int) { return 4; }), on(sleep_for(1h), gives(5)), otherwise(gives(6)));
    CHECK(pool.run(std::move(look)) == 6);
  }
  held.unlock();
  CHECK_FALSE(m.is_locked());
  s.release();
  CHECK(s.available() == 1);
  p.set_value(1);
  CHECK(f.get() == 1);
}

TEST_CASE("of several cases that can happen a random one does, each of them about as often") {
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  event e(event_state::set), never;
  std::array<int, 4> const counts = pool.run([&]() -> task<std::array<int, 4>> {
    std::array<int, 4> n{};
    for (int i = 0; i < 4000; ++i) {
      int const which = co_await select(on(e.wait(), gives(0)), on(never.wait(), gives(1)), on(e.wait(), gives(2)),
                                        on(e.wait(), gives(3)));
      ++n[static_cast<std::size_t>(which)];
    }
    co_return n;
  });
  CHECK(counts[1] == 0);
  // 1333 expected; 12 standard deviations of 30.
  for (std::size_t const i : {0u, 2u, 3u}) CHECK((counts[i] > 970 && counts[i] < 1700));
}

TEST_CASE("a case that can always happen does not starve the others") {
  weft::pool pool{{.workers = 1}};
  event always(event_state::set);
  auto_event sometimes;
  int const turns = pool.run([&]() -> task<int> {
    int n = 0;
    sometimes.set();
    for (bool other = false; !other; ++n)
      other = 1 == co_await select(on(always.wait(), gives(0)), on(sometimes.wait(), gives(1)));
    co_return n;
  });
  CHECK(turns < 200);
}

TEST_CASE("a select gives its function what the operation gave, or calls it without") {
  weft::pool pool{{.workers = 1}};
  semaphore s(3);
  auto f = weft::make_ready_future(std::make_unique<int>(4));
  CHECK(pool.run(select(on(s.acquire(2), [](semaphore::permit p) { return p.count(); }))) == 2);
  CHECK(pool.run(select(on(s.acquire(2), [] { return std::size_t{9}; }))) == 9);
  CHECK(s.available() == 3);
  CHECK(*pool.run(select(on(f, [](std::unique_ptr<int> p) { return p; }))) == 4);
}

TEST_CASE("the functions of a select agree on a type, or return nothing") {
  weft::pool pool{{.workers = 1}};
  event e(event_state::set), never;
  auto both = [&] {
    return select(on(e.wait(), [] { return 1; }), on(never.wait(), [] { return 2L; }), otherwise([] { return 1.5; }));
  };
  static_assert(std::is_same_v<weft::await_result_t<decltype(both())>, double>);
  CHECK(pool.run(both()) == 1.0);
  int seen = 0;
  auto none = [&] { return select(on(e.wait(), [&] { ++seen; }), on(never.wait(), [] {})); };
  static_assert(std::is_void_v<weft::await_result_t<decltype(none())>>);
  pool.run(none());
  CHECK(seen == 1);
}

TEST_CASE("a function of a select may wait: its result is awaited after the others have been left") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("select_test: waiting functions");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  event e(event_state::set), never;
  std::string const text = pool.run(select(on(e.wait(),
                                              [kept = std::string(50, 'x')]() -> task<std::string> {
                                                for (int i = 0; i < 3; ++i) co_await weft::this_task::yield();
                                                co_return kept;
                                              }),
                                           on(never.wait(), [] { return "a literal"; })));
  CHECK(text == std::string(50, 'x'));
  bool done = false;
  pool.run(select(on(never.wait(), [] {}), otherwise([&]() -> task<> {
                    co_await weft::this_task::yield();
                    done = true;
                  })));
  CHECK(done);
}

TEST_CASE("what a function of a select throws is thrown; so is the failure of a future that happened") {
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  event e(event_state::set);
  CHECK_THROWS_AS(pool.run(select(on(e.wait(), [] { throw std::runtime_error("no"); }))), std::runtime_error);
  weft::promise<int> p;
  auto f = p.get_future();
  p.set_exception(std::make_exception_ptr(std::logic_error("failed")));
  CHECK_THROWS_AS(pool.run(select(on(f, [](int) {}))), std::logic_error);
}

TEST_CASE("a select bounds a wait by a sleep") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("select_test: sleep");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  event never;
  CHECK(pool.run(select(on(never.wait(), gives(1)), on(sleep_for(2ms), gives(2)))) == 2);
  CHECK(pool.run(select(on(sleep_for(1h), gives(1)), on(sleep_for(1ms), gives(2)))) == 2);
  CHECK(pool.run(select(on(sleep_for(0s), gives(1)), on(sleep_for(1h), gives(2)))) == 1);
}

TEST_CASE("a future that lost a select is as it was") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("select_test: future");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  weft::promise<int> p;
  auto f = p.get_future();
  for (int i = 0; i < 3; ++i) CHECK(pool.run(select(on(f, gets()), on(sleep_for(1ms), gives(-1)))) == -1);
  CHECK(f.valid());
  p.set_value(6);
  CHECK(pool.run(select(on(f, gets()), on(sleep_for(1h), gives(-1)))) == 6);
  CHECK_FALSE(f.valid());
}

TEST_CASE("a future may stand in several cases of a select, and happens once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("select_test: a future in several cases");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const choose = [](weft::future<int>& f) {
    return select(on(f, gets()), on(f, [](int v) { return 10 * v; }), on(f, [](int v) { return 100 * v; }));
  };
  std::array<bool, 3> seen{};
  int rounds = 0;
  for (; rounds < 1000 && !(seen[0] && seen[1] && seen[2]); ++rounds) {
    weft::promise<int> p;
    auto f = p.get_future();
    auto chosen = pool.spawn(choose(f));
    if (rounds % 2 == 0) std::this_thread::yield();  // it waits already, or it is there in time
    p.set_value(7);
    int const got = chosen.get();
    CHECK_FALSE(f.valid());
    REQUIRE((got == 7 || got == 70 || got == 700));
    seen[got == 7 ? 0 : got == 70 ? 1 : 2] = true;
  }
  CHECK(rounds < 1000);  // which of them is chance
  // Another case happens, and none of the three is left behind.
  weft::promise<int> p;
  auto f = p.get_future();
  auto none = gives(-1);
  gets const id;
  CHECK(pool.run(select(on(f, id), on(f, id), on(sleep_for(1ms), none))) == -1);
  CHECK(pool.run(select(on(f, id), on(f, id), otherwise(none))) == -1);
  p.set_value(7);
  CHECK(f.get() == 7);
}

TEST_CASE("a select for a future that another task waits for fails, and the other task gets it") {
  weft_test::watchdog const guard("select_test: somebody else's future");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft::promise<int> p;
  auto f = p.get_future();
  gets const id;
  auto none = gives(-1);
  pool.run([&]() -> task<> {
    auto other = weft::spawn(select(on(f, id), on(sleep_for(1h), none)));
    co_await weft_test::settle();
    bool failed = false;
    try {
      static_cast<void>(co_await select(on(f, id), on(sleep_for(1h), none)));
    } catch (std::logic_error const&) {
      failed = true;
    }
    CHECK(failed);
    p.set_value(7);
    int const got = co_await std::move(other);
    CHECK(got == 7);
  });
}

TEST_CASE("the first of several futures") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("select_test: first future");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 50; ++round) {
    event go;
    auto slow = pool.spawn([&]() -> task<int> {
      co_await go.wait();
      co_return 1;
    });
    auto quick = pool.spawn(gives(2));
    int const first = pool.run(select(on(slow, gets()), on(quick, gets())));
    CHECK(first == 2);
    go.set();
    CHECK(slow.get() == 1);
  }
}

TEST_CASE("the future of a failed task is a case that happens") {
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  event never;
  auto f = pool.spawn([]() -> task<int> {
    co_await weft::this_task::yield();
    throw std::logic_error("failed");
  });
  CHECK_THROWS_AS(pool.run(select(on(f, gets()), on(never.wait(), gives(0)))), std::logic_error);
}

TEST_CASE("a lock that lost a select is not taken, and its place in the queue is free") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  mutex m;
  event e;
  pool.run([&]() -> task<> {
    auto held = co_await m.lock();
    auto f = weft::spawn(select(on(m.lock(), gives(1)), on(e.wait(), gives(2))));
    co_await weft_test::settle();
    auto next = weft::spawn(m.lock());
    co_await weft_test::settle();
    e.set();
    int const which = co_await std::move(f);
    CHECK(which == 2);
    held.unlock();
    auto const l = co_await std::move(next);
    CHECK(l.owns());
  });
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("a giver that reaches a select which has gone on with something else gives to the next") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  mutex m;
  semaphore s(0);
  event e;
  pool.run([&]() -> task<> {
    auto held = co_await m.lock();
    auto f = weft::spawn(select(on(m.lock(), gives(1)), on(e.wait(), gives(2)), on(s.acquire(), gives(3))));
    co_await weft_test::settle();
    auto next = weft::spawn(m.lock());
    auto permit = weft::spawn(s.acquire());
    co_await weft_test::settle();
    e.set();        // the select has gone on, but has not run yet: its waiters still stand in the other queues
    held.unlock();  // not for the select any more
    s.release();
    auto const l = co_await std::move(next);
    auto const p = co_await std::move(permit);
    CHECK(l.owns());
    CHECK(p.owns());
    int const which = co_await std::move(f);
    CHECK(which == 2);
  });
}

TEST_CASE("a lost acquire of many lets those go on whom it held up") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  semaphore s(1);
  event e;
  pool.run([&]() -> task<> {
    auto f = weft::spawn(select(on(s.acquire(5), gives(1)), on(e.wait(), gives(2))));
    co_await weft_test::settle();
    auto one = weft::spawn(s.acquire());
    co_await weft_test::settle();
    CHECK_FALSE(one.ready());
    e.set();
    auto const p = co_await std::move(one);
    CHECK(p.owns());
    int const which = co_await std::move(f);
    CHECK(which == 2);
  });
}

TEST_CASE("one select may wait for the same thing twice, and gets it once") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  auto_event e;
  semaphore s(0);
  pool.run([&]() -> task<> {
    auto f = weft::spawn(
        select(on(e.wait(), gives(1)), on(e.wait(), gives(1)), on(s.acquire(), gives(2)), on(s.acquire(), gives(2))));
    co_await weft_test::settle();
    s.release();
    int const which = co_await std::move(f);
    CHECK(which == 2);
    CHECK(s.available() == 1);
    e.set();
    CHECK(e.is_set());
  });
}

TEST_CASE("a stopped select leaves all its queues") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("select_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex m;
  semaphore s(0);
  event e;
  weft::promise<> p;
  auto never = p.get_future();
  auto held = m.try_lock();
  auto f = pool.spawn(select(on(m.lock(), nothing()), on(s.acquire(), nothing()), on(e.wait(), nothing()),
                             on(never, nothing()), on(sleep_for(1h), nothing())));
  f.stop();
  CHECK(weft_test::ending_of(f) == ending::stopped);
  held.unlock();
  CHECK_FALSE(m.is_locked());
  s.release();
  CHECK(s.available() == 1);
  CHECK(never.valid());
}

TEST_CASE("a task that was stopped before its select gets what is there, or the otherwise, and does not wait") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  event set(event_state::set), never;
  weft::future<> f;
  auto one = [&]() -> task<> {
    f.stop();
    int const there = co_await select(on(set.wait(), gives(1)), on(never.wait(), gives(2)));
    CHECK(there == 1);
    int const other = co_await select(on(never.wait(), gives(1)), otherwise(gives(2)));
    CHECK(other == 2);
    co_await select(on(never.wait(), nothing()), on(sleep_for(1h), nothing()));
    FAIL("waited");
  };
  pool.run([&]() -> task<> {
    f = weft::spawn(one);
    co_await weft_test::settle();
    CHECK(weft_test::ending_of(f) == ending::stopped);
  });
}

TEST_CASE("what happened before the stop counts") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  semaphore s(0);
  event never;
  pool.run([&]() -> task<> {
    auto f = weft::spawn(select(on(s.acquire(), [](semaphore::permit p) { return p.count(); }),
                                on(never.wait(), [] { return std::size_t{0}; })));
    co_await weft_test::settle();
    s.release();
    f.stop();
    auto const got = co_await std::move(f);
    CHECK(got == 1);
  });
  CHECK(s.available() == 1);
}

TEST_CASE("an operation that is kept can be selected on again and again until it happens") {
  weft::pool pool{{.workers = 1}};
  event e;
  auto wait = e.wait();
  int const tries = pool.run([&]() -> task<int> {
    int n = 0;
    for (bool there = false; !there; ++n) {
      if (n == 3) e.set();
      there = 1 == co_await select(on(wait, gives(1)), on(sleep_for(100us), gives(0)));
    }
    co_return n;
  });
  CHECK(tries >= 4);
}

TEST_CASE("selects stand in other verbs: when_all, timeout, spawn") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("select_test: verbs");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  event never;
  auto_event e;
  e.set();
  CHECK_THROWS_AS(pool.run(weft::timeout(2ms, select(on(never.wait(), nothing())))), weft::timed_out);
  auto const both = pool.run(
      weft::when_all(select(on(e.wait(), gives(1)), on(never.wait(), gives(2))), select(on(sleep_for(1ms), gives(3)))));
  CHECK(both.first == 1);
  CHECK(both.second == 3);
}

TEST_CASE("selects on two mutexes from both ends: each gets one, none is lost, nobody waits for ever") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("select_test: two mutexes");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  mutex a, b;
  long in_a = 0, in_b = 0;
  auto one = [&](bool turned) -> task<> {
    for (int i = 0; i < 150; ++i) {
      mutex& first = turned ? b : a;
      mutex& second = turned ? a : b;
      auto l = co_await select(on(first.lock(), [](mutex::guard g) { return g; }),
                               on(second.lock(), [](mutex::guard g) { return g; }));
      // Which one it is: the other one may be locked, too, but not by this task.
      if (i % 4 == 0) co_await weft::this_task::yield();
      l.unlock();
      auto both_a = co_await a.lock();
      ++in_a;
      both_a.unlock();
      auto both_b = co_await b.lock();
      ++in_b;
    }
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < 8; ++i) all.push_back(pool.spawn(one, i % 2 == 0));
  for (auto& f : all) f.get();
  CHECK(in_a == 1200);
  CHECK(in_b == 1200);
  CHECK_FALSE(a.is_locked());
  CHECK_FALSE(b.is_locked());
}

namespace {

/// Cannot be waited for.
class refuses : public weft::detail::waitable_operation<refuses> {
 public:
  using node = weft::detail::waiter;
  bool try_complete() noexcept { return false; }
  weft::detail::enqueued enqueue(node&) { throw std::bad_alloc(); }
  weft::detail::left withdraw(node&) noexcept { return weft::detail::left::now; }
  void take() noexcept {}
};

}  // namespace

TEST_CASE("a case that cannot be waited for fails the select, and the others are left") {
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  mutex m;
  semaphore s(0);
  auto held = m.try_lock();
  CHECK_THROWS_AS(pool.run(refuses()), std::bad_alloc);
  for (int i = 0; i < 20; ++i) {
    CHECK_THROWS_AS(pool.run(select(on(m.lock(), nothing()), on(refuses(), nothing()), on(sleep_for(1h), nothing()),
                                    on(s.acquire(), nothing()))),
                    std::bad_alloc);
  }
  held.unlock();
  CHECK_FALSE(m.is_locked());
  s.release();
  CHECK(s.available() == 1);
}

TEST_CASE("a select does not meet itself, and meets another") {
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft_test::meeting here;
  pool.run([&]() -> task<> {
    gets const id;
    auto a = weft::spawn(select(on(here.meet(1), id), on(here.meet(2), id)));
    co_await weft_test::settle();
    CHECK_FALSE(a.ready());
    auto b = weft::spawn(here.meet(5));
    int const from_b = co_await std::move(a);
    int const from_a = co_await std::move(b);
    CHECK(from_b == 5);
    CHECK((from_a == 1 || from_a == 2));
  });
}

TEST_CASE("selects that find each other in two places at once meet once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("select_test: two places");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr std::size_t tasks = 24;
  for (int round = 0; round < 20; ++round) {
    weft_test::meeting left, right;
    std::array<std::atomic<int>, tasks> met{};
    auto one = [&](int me) -> task<> {
      gets const id;
      int const other = me % 2 == 0 ? co_await select(on(left.meet(me), id), on(right.meet(me), id))
                                    : co_await select(on(right.meet(me), id), on(left.meet(me), id));
      met[static_cast<std::size_t>(me)] = other + 1;
    };
    std::vector<weft::future<>> all;
    for (std::size_t i = 0; i < tasks; ++i) all.push_back(pool.spawn(one, static_cast<int>(i)));
    for (auto& f : all)
      if (random.below(4) == 0) f.stop();
    // Whoever was not stopped meets somebody, but for one at most, who is left over.
    for (std::size_t waiting = tasks; waiting > 1;) {
      std::this_thread::yield();
      waiting = 0;
      for (auto& f : all) waiting += !f.ready();
    }
    for (auto& f : all) f.stop();
    for (std::size_t i = 0; i < tasks; ++i) {
      auto const end = weft_test::ending_of(all[i]);
      CHECK((end == ending::value) == (met[i] != 0));
    }
    for (std::size_t i = 0; i < tasks; ++i) {
      if (met[i] == 0) continue;
      auto const other = static_cast<std::size_t>(met[i] - 1);
      CHECK(other != i);
      CHECK(met[other] == static_cast<int>(i) + 1);
    }
  }
}

TEST_CASE("everything at once: locks, permits, sets, sleeps and futures against random stops, and nothing is lost") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("select_test: everything");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 30; ++round) {
    mutex m;
    semaphore s(2);
    auto_event e;
    weft::shared_mutex rw;
    std::atomic<int> sets_used{0}, early{0};
    constexpr int tasks = 12;
    std::vector<weft::promise<int>> promises(tasks);
    std::vector<weft::future<int>> given(tasks);
    for (std::size_t i = 0; i < tasks; ++i) given[i] = promises[i].get_future();
    auto one = [&](weft::future<int>& f) -> task<> {
      for (int i = 0; i < 20; ++i) {
        int const which = co_await select(on(m.lock(),
                                             [](mutex::guard) -> task<int> {
                                               co_await weft::this_task::yield();
                                               co_return 1;
                                             }),
                                          on(s.acquire(2), gives(2)),
                                          on(e.wait(),
                                             [&] {
                                               ++sets_used;
                                               return 3;
                                             }),
                                          on(rw.lock(), [](weft::shared_mutex::guard) { return 4; }),
                                          on(rw.lock_shared(), [](weft::shared_mutex::shared_guard) { return 5; }),
                                          on(sleep_for(i % 3 == 0 ? 20us : 1h), gives(6)));
        if (which < 1 || which > 6) ++early;
      }
      int const last = co_await select(on(f, gets()), on(e.wait(), [&] {
                                         ++sets_used;
                                         return -1;
                                       }));
      if (last == 0) ++early;
    };
    std::vector<weft::future<>> all;
    for (std::size_t i = 0; i < tasks; ++i) all.push_back(pool.spawn(one, std::ref(given[i])));
    int sets = 0;
    for (std::size_t i = 0; i < tasks; ++i) {
      if (random.below(3) == 0) all[i].stop();
      if (random.below(2) == 0) {
        e.set();
        ++sets;
      }
      promises[i].set_value(static_cast<int>(i) + 1);
    }
    for (auto& f : all) CHECK(weft_test::ending_of(f) != ending::failed);
    CHECK(early == 0);
    CHECK(sets_used + e.is_set() <= sets);
    CHECK_FALSE(m.is_locked());
    CHECK(s.available() == 2);
    CHECK(rw.try_lock().owns());
  }
}
