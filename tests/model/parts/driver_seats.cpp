// Idle workers that wait for events from outside, with a driver whose events a modelled thread makes: no event is lost or left lying.
#include <weft/concurrent/mutex.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/sched/driver.hpp>
#include <weft/time/sleep.hpp>

#include <chrono>
#include <memory>
#include <model/model.hpp>
#include <model/parts/deadline.hpp>
#include <model/parts/pool.hpp>
#include <support/private_member.hpp>

namespace weft_test {

struct lend_place {
  using type = void (weft::detail::scheduler::*)(weft::detail::worker&) noexcept;
  friend type member_of(lend_place);
};
template struct opens<lend_place, &weft::detail::scheduler::lend_place_of>;

}  // namespace weft_test

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::small_pool;
using weft_model::together;

/// As epoll: an event wakes one of those who wait, an interrupt one of them, too; what nobody has seen is kept. Interrupts are merged as in
/// io/backend/epoll.hpp, with no other edge than that one's.
class events : public event_driver {
 public:
  bool watches() const noexcept override { return watches_.load(memory_order_seq_cst); }

  bool poll(ready_batch& batch) noexcept override {
    bool interrupted = false;
    {
      small_lock const guard(lock_);
      batch.append(std::move(came_));
      interrupted = std::exchange(interrupted_, false);
    }
    return interrupted && clear();
  }

  void wait_until(ready_batch& batch, weft::clock::time_point deadline) noexcept override {
    auto const seen = epoch_.load(memory_order_seq_cst);
    if (take(batch)) return;
    futex_wait(epoch_, seen, deadline);
    take(batch);
  }

  void interrupt() noexcept override {
    if (pending_.exchange(true, memory_order_release)) return;
    {
      small_lock const guard(lock_);
      interrupted_ = true;
    }
    tell_one();
  }

  // ── the outside world ──

  void watch(scheduler& s) noexcept {
    watches_.store(true, memory_order_seq_cst);
    s.events_watched();
  }
  void happen(ready_job& j) noexcept {
    {
      small_lock const guard(lock_);
      came_.push(&j);
    }
    tell_one();
  }

 private:
  bool take(ready_batch& batch) noexcept {
    {
      small_lock const guard(lock_);
      if (ready_job* const j = came_.pop()) {
        batch.push(j);
        return true;
      }
      if (!std::exchange(interrupted_, false)) return false;
    }
    return clear();
  }
  bool clear() noexcept {
    pending_.exchange(false, memory_order_acquire);
    return true;
  }
  void tell_one() noexcept {
    epoch_.fetch_add(1, memory_order_seq_cst);
    futex_wake(epoch_, 1);
  }

  atomic<bool> watches_{false};
  atomic<bool> pending_{false};  // an interrupt that nobody has seen
  atomic<std::uint32_t> epoch_{0};
  small_mutex lock_;
  ready_batch came_;          // guarded by lock_
  bool interrupted_ = false;  // guarded by lock_
};

struct event_job : ready_job {
  event_job() noexcept
      : ready_job([](job* j, worker&, job_order) noexcept {
          auto& me = *static_cast<event_job*>(j);
          ++me.runs;
          me.ran.signal();
        }) {}
  int runs = 0;
  one_end ran;
};

template <class Events = events>
Events& install(small_pool& p) {
  auto& s = weft::scheduler_of(p);
  auto* const e = new Events;
  s.install_events(std::unique_ptr<event_driver>(e));
  return *e;
}

template <unsigned Workers>
void one_event() {
  small_pool p(Workers);
  events& e = install(p);
  event_job j;
  e.watch(weft::scheduler_of(p));
  e.happen(j);
  j.ran.wait();
  expect(j.runs == 1, "it has run once");
}
weft_model::part const p1("driver_seats: an event, one worker", one_event<1>, {2, 0});
weft_model::part const p2("driver_seats: an event, two workers", one_event<2>, {1, 0});

void two_events() {
  small_pool p(2);
  events& e = install(p);
  event_job a, b;
  e.watch(weft::scheduler_of(p));
  together([&] { e.happen(a); }, [&] { e.happen(b); });
  a.ran.wait();
  b.ran.wait();
  expect(a.runs == 1 && b.runs == 1, "each has run once");
}
weft_model::part const p3("driver_seats: two events", two_events, {1, 0});

// A root must interrupt somebody who sits, while an event comes.
template <unsigned Workers>
void event_and_root() {
  small_pool p(Workers);
  events& e = install(p);
  event_job j;
  int data = 0;
  e.watch(weft::scheduler_of(p));
  together([&] { e.happen(j); }, [&] { p.run([&] { ++data; }); });
  j.ran.wait();
  expect(data == 1 && j.runs == 1, "both have run");
}
weft_model::part const p4("driver_seats: an event and a root, one worker", event_and_root<1>, {1, 0});
weft_model::part const p5("driver_seats: an event and a root, two workers", event_and_root<2>, {1, 0});

// An event's job and a root that need each other: who gets up with the event wakes somebody for the root, or is woken for it.
void event_meets_root() {
  small_pool p(2);
  events& e = install(p);
  atomic<int> begun{0};
  struct meeting : ready_job {
    explicit meeting(atomic<int>& b) noexcept
        : ready_job([](job* j, worker&, job_order) noexcept {
            auto& me = *static_cast<meeting*>(j);
            me.begun.fetch_add(1, memory_order_acq_rel);
            while (me.begun.load(memory_order_acquire) != 2) relax();
            me.ran.signal();
          }),
          begun(b) {}
    atomic<int>& begun;
    one_end ran;
  } j(begun);
  e.watch(weft::scheduler_of(p));
  together([&] { e.happen(j); },
           [&] {
             p.run([&] {
               begun.fetch_add(1, memory_order_acq_rel);
               while (begun.load(memory_order_acquire) != 2) relax();
             });
           });
  j.ran.wait();
}
weft_model::part const p7("driver_seats: an event and a root that need two workers", event_meets_root, {1, 0});

// E3: who sits in the driver watches the clock, while the worker that has set the timer is kept busy.
weft::task<> sleeps_and_tells(atomic<bool>& woken) {
  co_await weft::sleep_until(weft::clock::now() + std::chrono::milliseconds(1));
  woken.store(true, memory_order_release);
}
void deadline_in_a_seat() {
  small_pool p(2);
  events& e = install(p);
  e.watch(weft::scheduler_of(p));
  atomic<bool> woken{false};
  together([&] { p.run(sleeps_and_tells(woken)); },
           [&] {
             p.run([&] {
               while (!woken.load(memory_order_acquire)) relax();
             });
           });
}
weft_model::part const p8("driver_seats: a deadline comes while the other worker is busy", deadline_in_a_seat, {1, 0});

// Begins to be watched while the workers go to sleep.
void watched_late() {
  small_pool p(1);
  events& e = install(p);
  event_job j;
  int data = 0;
  together(
      [&] {
        e.watch(weft::scheduler_of(p));
        e.happen(j);
      },
      [&] { p.run([&] { ++data; }); });
  j.ran.wait();
  expect(data == 1 && j.runs == 1, "both have run");
}
weft_model::part const p6("driver_seats: watched while the workers fall asleep", watched_late, {1, 0});

// E1: the driver itself is new, and the only worker is about to fall asleep without having seen it.
void installed_late() {
  small_pool p(1);
  auto& s = weft::scheduler_of(p);
  event_job j;
  while (s.idle.searching() == 0 && s.idle.sleeping() == 0) relax();
  events& e = install(p);
  e.watch(s);
  e.happen(j);
  j.ran.wait();
  expect(j.runs == 1, "it has run once");
}
weft_model::part const p9("driver_seats: installed while the worker falls asleep", installed_late, {2, 1});

// E3: the deadline is moved twice. Who sits beside the keeper of the time takes over with the first, and the keeper gets up, with an event that
// keeps it busy until the second has come.
void taken_over() {
  using std::chrono::hours, std::chrono::milliseconds;
  small_pool p(2);
  events& e = install(p);
  auto& d = weft_model::one_deadline::install(p);
  struct staying : ready_job {
    staying() noexcept
        : ready_job([](job* j, worker&, job_order) noexcept {
            auto& me = *static_cast<staying*>(j);
            me.begun.store(true, memory_order_relaxed);
            me.over.wait();
            me.ran.signal();
          }) {}
    atomic<bool> begun{false};
    one_end over, ran;
  } j;
  e.watch(weft::scheduler_of(p));
  d.move_to(p, weft::clock::now() + hours(24));
  d.move_to(p, weft::clock::now() + hours(23));
  e.happen(j);
  while (!j.begun.load(memory_order_relaxed)) relax();
  d.must_come(p, milliseconds(1));
  j.over.signal();
  j.ran.wait();
}
weft_model::part const p10("driver_seats: who keeps the time is taken over from", taken_over, {2, 1});

// One sits with the time when the deadline is moved, or is about to sit or to get up.
void moved_in_a_seat() {
  using std::chrono::hours, std::chrono::milliseconds;
  small_pool p(2);
  events& e = install(p);
  auto& d = weft_model::one_deadline::install(p);
  event_job j;
  e.watch(weft::scheduler_of(p));
  d.move_to(p, weft::clock::now() + hours(24));
  together([&] { e.happen(j); }, [&] { d.must_come(p, milliseconds(1)); });
  j.ran.wait();
}
weft_model::part const p11("driver_seats: the deadline is moved while an event comes", moved_in_a_seat, {1, 1});

// The driver comes while the pool is shut down, which deletes it, or leaves it to the destructor.
void installed_at_the_end() {
  small_pool p(1);
  together([&] { install(p); }, [&] { p.shutdown(weft::drain_or_stop::drain); });
}
weft_model::part const p12("driver_seats: installed while the pool is shut down", installed_at_the_end, {2, 1});

// E4: all that sit leave, and those who are about to sit.
template <unsigned Workers>
void ends() {
  small_pool p(Workers);
  events& e = install(p);
  e.watch(weft::scheduler_of(p));
  p.shutdown(weft::drain_or_stop::drain);
}
weft_model::part const p13("driver_seats: shut down while two workers sit down", ends<2>, {2, 1});
weft_model::part const p14("driver_seats: shut down while three workers sit down", ends<3>, {1, 1});

// E4: the end's interrupt is merged with one that was there before.
void ends_behind_an_interrupt() {
  small_pool p(1);
  events& e = install(p);
  e.watch(weft::scheduler_of(p));
  e.interrupt();
  p.shutdown(weft::drain_or_stop::drain);
}
weft_model::part const p20("driver_seats: shut down behind an interrupt", ends_behind_an_interrupt, {2, 2});

// E3: who keeps the time sits down in a driver that is new, between two looks of who moves the deadline.
void installed_while_moved() {
  using std::chrono::hours;
  small_pool p(1);
  auto& d = weft_model::one_deadline::install(p);
  d.move_to(p, weft::clock::now() + hours(24));
  together([&] { d.move_to(p, weft::clock::now() + hours(23)); }, [&] { install(p).watch(weft::scheduler_of(p)); });
}
weft_model::part const p21("driver_seats: installed while a deadline is moved", installed_while_moved, {2, 2});

// Monitor E2: the monitor has found a worker in one job twice, and lends its place while it may be on its way into a seat, or out of one.
// Whoever sits there behind that has its place.
class seats_of_owners : public events {
 public:
  void wait_until(ready_batch& batch, weft::clock::time_point deadline) noexcept override {
    look();
    events::wait_until(batch, deadline);
    look();
  }
  void lent_by_now() noexcept { lent_.store(true, memory_order_release); }

 private:
  void look() const noexcept {
    if (lent_.load(memory_order_acquire))
      expect(!current_worker()->lent.load(memory_order_relaxed), "who sits has its place");
  }
  atomic<bool> lent_{false};
};

template <unsigned Workers>
void lent_while_it_sits_down() {
  small_pool p(Workers);
  auto& e = install<seats_of_owners>(p);
  auto& s = weft::scheduler_of(p);
  e.watch(s);
  worker* found = nullptr;
  p.run([&] { found = current_worker(); });
  found->jobs_seen = found->jobs.get();
  (s.*member_of(weft_test::lend_place{}))(*found);
  e.lent_by_now();
}
weft_model::part const p22("driver_seats: its place is lent while the worker sits down", lent_while_it_sits_down<1>,
                           {2, 1});
weft_model::part const p23("driver_seats: its place is lent while two workers sit down", lent_while_it_sits_down<2>,
                           {1, 1});

}  // namespace
