// The clock of a pool: who watches the earliest deadline and who moves it, with a driver that is one deadline and nothing else; and the wheels of
// its timers, with plain threads that set and expire timers by themselves.
#include <weft/coro/run.hpp>
#include <weft/sched/external.hpp>
#include <weft/time/sleep.hpp>
#include <weft/time/timers.hpp>

#include <chrono>
#include <model/model.hpp>
#include <model/parts/deadline.hpp>
#include <model/parts/pool.hpp>

namespace {

using namespace std::chrono_literals;
using namespace weft::detail;
using in_use = driver::in_use;
using weft_model::expect;
using weft_model::one_deadline;
using weft_model::small_pool;
using weft_model::together;

// ── the keeper of the time ──

// sleep E1 of the clock: the workers fall asleep, by a late deadline or none, when an early one comes.
template <unsigned Workers>
void earlier() {
  small_pool p(Workers);
  one_deadline& d = one_deadline::install(p);
  d.move_to(p, weft::clock::now() + 24h);
  d.must_come(p, 1ms);
}
weft_model::part const k1("clock: an earlier deadline, one worker", earlier<1>, {2, 1});
weft_model::part const k2("clock: an earlier deadline, two workers", earlier<2>, {2, 1});
weft_model::part const k3("clock: an earlier deadline, three workers", earlier<3>, {1, 1});

// The driver itself is new.
template <unsigned Workers>
void first() {
  small_pool p(Workers);
  one_deadline::install(p).must_come(p, 1ms);
}
weft_model::part const k4("clock: a first deadline, one worker", first<1>, {2, 1});
weft_model::part const k5("clock: a first deadline, two workers", first<2>, {2, 1});

// Whoever keeps the time may be called away by a root, which stays until the deadline has come: another keeps it.
template <unsigned Workers>
void called_away() {
  small_pool p(Workers);
  one_deadline& d = one_deadline::install(p);
  d.move_to(p, weft::clock::now() + 1ms);
  p.run([&] { d.wait_for(2ms); });
}
weft_model::part const k6("clock: who keeps the time is called away, two workers", called_away<2>, {2, 1});
weft_model::part const k7("clock: who keeps the time is called away, three workers", called_away<3>, {1, 1});

// The same while a deadline comes, the first or an earlier one: the other is to be nudged, not the one who has been called away.
template <bool BesideALateOne>
void called_away_and_moved() {
  small_pool p(2);
  one_deadline& d = one_deadline::install(p);
  if constexpr (BesideALateOne) d.move_to(p, weft::clock::now() + 24h);
  one_end over;
  together(
      [&] {
        d.must_come(p, 1ms);
        over.signal();
      },
      [&] { p.run([&] { over.wait(); }); });
}
weft_model::part const k8("clock: who keeps the time is called away, and the deadline is moved",
                          called_away_and_moved<true>, {1, 1});
weft_model::part const k10("clock: one is called away, and a first deadline comes", called_away_and_moved<false>,
                           {1, 1});

// Two are called away, one of whom may have kept the time, and one may have been nudged to; the third keeps it.
void two_called_away() {
  small_pool p(3);
  one_deadline& d = one_deadline::install(p);
  d.move_to(p, weft::clock::now() + 24h);
  one_end over, over_too;
  together(
      [&] {
        d.must_come(p, 1ms);
        over.signal();
        over_too.signal();
      },
      [&] { p.run([&] { over.wait(); }); }, [&] { p.run([&] { over_too.wait(); }); });
}
weft_model::part const k9("clock: two are called away, and the deadline is moved", two_called_away, {1, 1});

// ── sleepers that are held for plain threads ──

void spin_until(atomic<bool> const& flag) {
  while (!flag.load(memory_order_acquire)) relax();
}

// A plain thread has held a sleeper while the first deadline came. The sleeper is put back for a root that computes: by give_place, if that
// thread blocks for the root itself; by reclaim_held, if another does. A searcher may take the root.
enum class blocks { itself, another };
template <blocks Who>
void put_back_for_a_root() {
  small_pool p(2);
  auto& s = weft::scheduler_of(p);
  one_deadline& d = one_deadline::install(p);
  atomic<bool> begun{false}, moved{false};
  auto const root = [&] { p.run([&] { d.wait_for(2ms); }); };
  auto const busy = [&] {
    p.run([&] {
      begun.store(true, memory_order_release);
      spin_until(moved);
    });
  };
  auto const holds = [&] {
    spin_until(begun);
    external_membership const membership(s);
    expect(membership.joined(), "there is a place");
    d.move_to(p, weft::clock::now() + 1ms);
    moved.store(true, memory_order_release);
    if constexpr (Who == blocks::itself) root();
  };
  if constexpr (Who == blocks::itself) together(busy, holds);
  else together(busy, holds, [&] { spin_until(moved), root(); });
}
weft_model::part const k11("clock: a plain thread puts a sleeper back, and blocks", put_back_for_a_root<blocks::itself>,
                           {1, 0});
weft_model::part const k12("clock: a sleeper is put back for a root that a searcher takes",
                           put_back_for_a_root<blocks::another>, {1, 0});

// ── timers ──

struct counting_timer : timer {
  explicit counting_timer(weft::clock::time_point t) noexcept
      : timer(t, [](timer& due, worker&) noexcept {
          auto& me = static_cast<counting_timer&>(due);
          ++me.fired;
          me.ran.signal();
        }) {}
  int fired = 0;
  one_end ran;
};

/// A thread that is a worker of `p` for as long as this lives, and sets and expires timers that the pool itself does not know of.
class wheel_user {
 public:
  explicit wheel_user(small_pool& p) : membership_(weft::scheduler_of(p)) {
    expect(membership_.joined(), "there is a place");
  }
  void add(timer_service& all, timer& t) { static_cast<void>(all.add(*current_worker(), t)); }
  void poll(timer_service& all, weft::clock::time_point now, in_use what = in_use::left) {
    all.poll(*current_worker(), now, what);
  }

 private:
  external_membership membership_;
};

/// But for the grain of a wheel.
void no_later_than(timer_service const& all, counting_timer const& t) {
  expect(t.fired == 0 && all.next_deadline() <= t.deadline + 1ms, "the earliest deadline is not later than a timer");
}

// E2 and E3: one wheel has nothing left and its poller makes the earliest deadline later, while the first timer of another is set.
template <unsigned Others>
void raised_and_set() {
  small_pool p(1);
  timer_service all;
  auto const now = weft::clock::now();
  counting_timer due(now + 1ms);
  counting_timer late[]{counting_timer(now + 24h), counting_timer(now + 25h)};
  {
    wheel_user me(p);
    me.add(all, due);
    auto const other = [&](unsigned i) {
      wheel_user user(p);
      user.add(all, late[i]);
    };
    if constexpr (Others == 1) together([&] { other(0); }, [&] { me.poll(all, now + 10ms); });
    else together([&] { other(0); }, [&] { other(1); }, [&] { me.poll(all, now + 10ms); });
    expect(due.fired == 1, "what was due has been fired");
    for (unsigned i = 0; i != Others; ++i) {
      no_later_than(all, late[i]);
      expect(all.remove(late[i]), "it was in its wheel");
    }
  }
}
weft_model::part const t1("clock: a timer is set while another's wheel is polled", raised_and_set<1>, {2, 2});
weft_model::part const t2("clock: two timers are set while another's wheel is polled", raised_and_set<2>, {2, 2});

// The first timer of one wheel is set and expired while that of another is set.
void set_and_set() {
  small_pool p(1);
  timer_service all;
  auto const now = weft::clock::now();
  counting_timer due(now + 1ms), late(now + 24h);
  {
    wheel_user me(p);
    together(
        [&] {
          wheel_user user(p);
          user.add(all, late);
        },
        [&] {
          me.add(all, due);
          me.poll(all, now + 10ms);
        });
    expect(due.fired == 1, "what was due has been fired");
    no_later_than(all, late);
    expect(all.remove(late), "it was in its wheel");
  }
}
weft_model::part const t3("clock: two first timers are set, one is due", set_and_set, {2, 2});

// Two look at wheels that are due, and a third timer is set.
template <in_use What>
void polled_by_two() {
  small_pool p(1);
  timer_service all;
  auto const now = weft::clock::now();
  counting_timer due(now + 1ms), late(now + 24h);
  {
    wheel_user me(p);
    me.add(all, due);
    together(
        [&] {
          wheel_user user(p);
          user.poll(all, now + 10ms, What);
          user.add(all, late);
        },
        [&] { me.poll(all, now + 10ms, What); });
    if constexpr (What == in_use::left)
      me.poll(all, now + 10ms);  // one of the two may have left the wheel to the other
    expect(due.fired == 1, "what was due has been fired, once");
    no_later_than(all, late);
    expect(all.remove(late), "it was in its wheel");
  }
}
weft_model::part const t4("clock: a wheel is polled by two", polled_by_two<in_use::left>, {2, 2});
weft_model::part const t5("clock: a wheel is polled by two who wait for each other", polled_by_two<in_use::waited_for>,
                          {2, 2});

// E1: the workers fall asleep when a plain thread sets a timer, the first or an earlier one.
template <unsigned Workers, bool BesideALateOne>
void set_by_a_plain_thread() {
  small_pool p(Workers);
  auto& s = weft::scheduler_of(p);
  counting_timer late(weft::clock::now() + 24h), soon(weft::clock::now() + 1ms);
  wheel_user me(p);
  auto& all = timers_of(s);
  auto const set = [&](timer& t) {
    if (all.add(*current_worker(), t)) s.deadline_moved();
  };
  if constexpr (BesideALateOne) set(late);
  weft_model::due_by((weft::clock::now() + 3ms).time_since_epoch().count());
  set(soon);
  soon.ran.wait();
  weft_model::due_by(weft_model::never);
  if (BesideALateOne && !all.remove(late)) late.ran.wait();
}
weft_model::part const t6("clock: a first timer is set while the worker falls asleep", set_by_a_plain_thread<1, false>,
                          {2, 1});
weft_model::part const t7("clock: an earlier timer is set while the worker falls asleep",
                          set_by_a_plain_thread<1, true>, {2, 1});
weft_model::part const t8("clock: an earlier timer is set while three workers fall asleep",
                          set_by_a_plain_thread<3, true>, {1, 1});

}  // namespace
