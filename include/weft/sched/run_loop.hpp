// What a worker does all day: find a job, run it; find none, search; still none, sleep. README.md has the proof.
#pragma once

#include <weft/os/simulation.hpp>
#include <weft/os/thread_state.hpp>
#include <weft/sched/resume.hpp>
#include <weft/sched/scheduler.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace weft::detail {

// ── ways in ──

// With injection_lock_ held, after the jobs were put there.
inline void scheduler::count_injected(std::size_t more) noexcept {
  injected_.store(injected_.load(memory_order_relaxed) + more, memory_order_seq_cst);  // sleep E1: a producer's step.
}

inline void scheduler::inject(ready_job* j) noexcept {
  small_lock const guard(injection_lock_);
  injection_.push(j);
  count_injected(1);
}

inline void scheduler::submit(ready_job* j) noexcept {
  worker* const self = current_worker();
  if (self && &self->home == this && self->kind != worker_kind::external) {
    if (!self->ring.push(j)) {
      // Full: the older half goes where everybody finds it, in one go.
      std::array<ready_job*, worker::ring_capacity / 2> half;
      auto const count = self->ring.steal(half.data(), half.size());
      small_lock const guard(injection_lock_);
      for (std::size_t i = 0; i < count; ++i) injection_.push(half[i]);
      injection_.push(j);
      count_injected(count + 1);
    }
    notify_work();
  } else {
    // Once the job can be seen, whoever waits for it may end the pool; the end waits until this thread has left.
    entering_.fetch_add(1, memory_order_relaxed);
    inject(j);
    notify_work();
    entering_.fetch_sub(1, memory_order_release);  // release → shut_down's acquire. Past here *this may be gone.
  }
}

inline void scheduler::submit_woken(worker& self, ready_job* j) noexcept {
  if (self.kind == worker_kind::external) return submit(j);
  // seq_cst: sleep E1, a producer's step; its acquire half takes the former job from whoever put it there.
  if (ready_job* const former = self.lifo.exchange(j, memory_order_seq_cst)) return submit(former);
  notify_of_woken();
}

inline void scheduler::submit_woken(ready_job* j) noexcept {
  worker* const self = current_worker();
  if (self && &self->home == this) return submit_woken(*self, j);
  submit(j);
}

inline void scheduler::submit_behind(ready_job* j) noexcept {
  worker* const self = current_worker();
  if (!self || &self->home != this || self->kind == worker_kind::external || !self->ring.push(j)) return submit(j);
  notify_of_woken();
}

// Would somebody take a job, or would a spare, in the place of one who is blocked?
// One alone who is idle while loops have lent their places is there for what comes from outside: see stands_by.
inline bool scheduler::work_is_missed() const noexcept {
  auto const most = spares_stand_by() ? 1u : 0u;
  if (idle.hungry_beyond(most)) return true;
  return surplus_.load(memory_order_seq_cst) < 0 &&  // seq_cst: begin_blocking.
         !spare_failed_.load(memory_order_relaxed);
}

[[gnu::noinline, gnu::cold]] inline void scheduler::share(worker& self) noexcept {
  if (!self.deque.publish()) return;
  if (!work_is_missed()) {
    // Nobody asks: the next pushes stay private, unless somebody comes while we say so.
    self.deque.clear_want();  // deque E4
    if (!work_is_missed()) return arm_monitor();
    self.deque.raise_want();
  }
  notify_work();
}

[[gnu::noinline, gnu::cold]] inline bool scheduler::push_looking_up(worker& self, job* j) noexcept {
  if (!self.deque.push(j)) return false;
  if (self.deque.wanted()) share(self);
  return true;
}

inline void scheduler::wake(int index) noexcept {
  if (index == idle_set::somebody_seated) return installed_events()->interrupt();  // seats E2.
  worker& sleeper = worker_at(static_cast<unsigned>(index));
  sleeper.sleep.unpark();
}

// A producer's second step. One look is enough where everybody is busy, nobody is held and nobody blocked.
inline bool scheduler::nobody_to_call() const noexcept {
  // seq_cst: begin_blocking.
  return idle.idle() == 0 && held_.load(memory_order_relaxed) == 0 && surplus_.load(memory_order_seq_cst) >= 0;
}

inline void scheduler::notify_work() noexcept {
  if (nobody_to_call()) arm_monitor();
  else call_somebody();
}

// Work that its worker will mostly run at once.
inline void scheduler::notify_of_woken() noexcept {
  if (nobody_to_call()) return arm_monitor();
  // One who dozes may be held; if so, and nobody else is idle, it is to be called. Relaxed: doze E1.
  if (dozing_.load(memory_order_relaxed) && idle.idle() != 0) return;
  call_somebody();
}

[[gnu::noinline]] inline void scheduler::call_somebody() noexcept {
  auto const watcher = timekeeper_.load(memory_order_relaxed);
  auto index = idle.claim_sleeper(idle_set::claim::unless_searching, idle_set::nobody, watcher);
  if (index == idle_set::nobody) {
    if (idle.searching() != 0) return;
    // Nobody sleeps and nobody searches. A sleeper may be held for a plain thread, a worker may be blocked.
    if (held_.load(memory_order_relaxed) != 0 && reclaim_held())
      index = idle.claim_sleeper(idle_set::claim::unless_searching, idle_set::nobody, watcher);
    if (index == idle_set::nobody) {
      if (surplus_.load(memory_order_seq_cst) < 0) start_spare_if_short();  // seq_cst: begin_blocking.
      return arm_monitor();
    }
  }
  if (worker* const self = current_worker()) self->wakes.add();
  wake(index);
}

// ── finding work ──

inline void scheduler::poll_driver(worker& self) noexcept {
  poll_timers(self);
  poll_events(self, 100 * ticks_per_microsecond);
}

inline void scheduler::poll_timers(worker& self, driver::in_use what) noexcept {
  driver* const d = installed_driver();
  if (!d || d->next_deadline() == clock::time_point::max()) return;
  auto const now = clock::now();
  if (d->next_deadline() <= now) d->poll(self, now, what);
}

// One for us, and a fair share of the others into our ring.
inline job* scheduler::take_injected(worker& self) noexcept {
  if (injected_.load(memory_order_relaxed) == 0) return nullptr;
  std::array<ready_job*, 1 + worker::ring_capacity / 2> taken;
  std::size_t got;
  {
    small_lock const guard(injection_lock_);
    auto const count = injected_.load(memory_order_relaxed);
    if (count == 0) return nullptr;
    auto const room = worker::ring_capacity / 2 - std::min(worker::ring_capacity / 2, self.ring.size());
    got = injection_.pop(taken.data(), 1 + std::min((count - 1) / size_, room));
    // Relaxed: it goes down. Who reads an older count looks for more than there is, and finds out with the lock.
    injected_.store(count - got, memory_order_relaxed);
  }
  if (got == 1) return taken[0];
  // The room was counted, and only we fill it.
  for (std::size_t i = 1; i < got; ++i)
    if (!self.ring.push(taken[i])) inject(taken[i]);
  notify_work();
  return taken[0];
}

// A job that has waited long is in nobody's cache.
inline void scheduler::prefetch(ready_job const* later) noexcept {
  constexpr std::uintptr_t line = 64, most = 3;
  auto const begin = reinterpret_cast<std::uintptr_t>(later);
  for (std::uintptr_t i = 0; i != most; ++i) __builtin_prefetch(reinterpret_cast<void const*>(begin + i * line), 1);
}

inline job* scheduler::find_local(worker& self) noexcept {
  ++self.tick;
  // What was just woken, where nothing comes before it: the same as below, in few instructions.
  if (self.lifo_streak < worker::lifo_budget && self.tick % 8 != 0 && self.tick % 61 != 0 &&
      self.deque.mark() == self.deque.bottom() && self.lifo.load(memory_order_relaxed)) {
    if (job* const j = self.lifo.exchange(nullptr, memory_order_relaxed)) {  // relaxed: put there by this thread
      ++self.lifo_streak;
      return j;
    }
  }
  return find_local_in_order(self);
}

[[gnu::noinline]] inline job* scheduler::find_local_in_order(worker& self) noexcept {
  // Now and then the oldest first, so that nobody waits for ever behind those who keep themselves busy.
  if (self.tick % 8 == 0 && events_.load(memory_order_relaxed)) {
    // Whatever comes has its turn behind what is here. Fetched while the ring is full, it would overflow into the injection queue, and
    // lose that turn to what comes later; what has is fetched from there first.
    bool const much_to_do = self.ring.size() >= worker::ring_capacity / 4;
    job* const j = much_to_do ? nullptr : take_injected(self);
    poll_events(self, (much_to_do ? 1000 : 100) * ticks_per_microsecond);
    if (j) return j;
  }
  if (self.tick % 61 == 0) {
    poll_timers(self);
    if (job* const j = take_injected(self)) return j;
    if (job* const j = self.ring.pop()) return j;
  }
  if (self.deque.mark() != self.deque.bottom()) {
    if (self.deque.pop()) return self.deque.item_at(self.deque.mark());
    self.deque.settle(self.deque.bottom());
  }
  if (self.lifo_streak < worker::lifo_budget && self.lifo.load(memory_order_relaxed)) {
    if (job* const j = self.lifo.exchange(nullptr, memory_order_relaxed)) {  // as above
      ++self.lifo_streak;
      return j;
    }
  }
  self.lifo_streak = 0;
  if (job* const j = self.ring.pop()) {
    prefetch(self.ring.ahead(2));
    return j;
  }
  if (job* const j = self.lifo.exchange(nullptr, memory_order_relaxed)) return j;  // as above
  return take_injected(self);
}

// Has `victim`, which has one job ready, been seen in one and the same job for so many ticks? One victim is watched at a time.
inline bool scheduler::has_stayed(worker& self, worker const& victim, std::uint64_t patience) const noexcept {
  // Relaxed: a guess. Who sees an old number begins to watch anew.
  auto& watched = self.watched;
  auto const job = victim.jobs.get();
  if (watched.victim == &victim) {
    if (watched.job == job) return ticks() - watched.since >= patience;
    // It gets on: the next that is found has its turn, or somebody who is stuck would wait for ever beside it.
    watched.victim = nullptr;
    self.saw_one = true;
    return false;
  }
  if (!watched.victim) {
    watched = {&victim, job, ticks()};
    self.saw_one = true;
  }
  return false;
}

// One job alone in a ring is its owner's next, so it is taken only from one who does not get on with it.
inline job* scheduler::take_ready_of_others(worker& self, unsigned start) noexcept {
  constexpr auto patience = ticks_per_microsecond;
  bool const at_once = modelled || current_simulation();
  auto const count = worker_count();
  for (unsigned i = 0; i < count; ++i) {
    worker& victim = worker_at((start + i) % count);
    if (&victim == &self) continue;
    if (!at_once && victim.ring.size() == 1 && !has_stayed(self, victim, patience)) continue;
    std::array<ready_job*, worker::ring_capacity / 2> taken;
    if (auto const n = victim.ring.steal(taken.data(), taken.size())) {
      self.steals.add();
      self.watched.victim = nullptr;
      for (std::size_t k = 1; k < n; ++k)
        if (!self.ring.push(taken[k])) inject(taken[k]);
      if (n > 1) notify_work();
      return taken[0];
    }
  }
  return nullptr;
}

// A job that was just woken runs soon where its waker is, when that one waits. Two tasks that send each other messages would otherwise be
// pulled apart again and again, and each message would cost what it costs to get its cache lines from another core. So it is taken only
// from a worker that has been seen in one and the same job for a while.
inline job* scheduler::take_woken_of_others(worker& self, unsigned start) noexcept {
  constexpr auto patience = modelled ? 0 : 5 * ticks_per_microsecond;
  auto const has_woken = [](worker const& w) { return w.lifo.load(memory_order_relaxed) != nullptr; };
  auto const count = worker_count();
  for (unsigned i = 0; i < count; ++i) {
    worker& victim = worker_at((start + i) % count);
    if (&victim == &self || !has_woken(victim) || !has_stayed(self, victim, patience)) continue;
    self.watched.victim = nullptr;
    if (job* const j = victim.lifo.exchange(nullptr, memory_order_acquire)) return j;  // acquire: from its waker.
  }
  auto& watched = self.watched;
  if (watched.victim && !has_woken(*watched.victim) && watched.victim->ring.size() != 1) watched.victim = nullptr;
  return nullptr;
}

// A spare that stands for a loop adds nothing by computing a part of one: the loop goes on and has its core. It waits for what comes
// from outside, which would find it inside the loop instead. That is for one: of two who are idle, the other may help. And not while
// somebody is blocked for what a part may have to bring: the loop itself, perhaps, which does not go on then.
//   E  seq_cst, all: the spare counts itself idle, then looks at loops_lent_ and in_need_ and for others who are idle, then at the work; who
//      changes one of them looks for sleepers after that. So one of the two sees the other, and a spare that stands by no longer is woken.
inline bool scheduler::stands_by(worker const& self) const noexcept {
  return self.kind == worker_kind::spare && spares_stand_by() && idle.idle() <= 1;
}
inline bool scheduler::spares_stand_by() const noexcept {
  return loops_lent_.load(memory_order_seq_cst) != 0 && in_need_.load(memory_order_seq_cst) == 0;  // E of stands_by.
}

// Jobs of others: ready ones, then the oldest of a deque, then the one just woken, which its waker would run soon. Not for a spare,
// which stands for somebody who is stuck: in a pool full of loops it would find parts of them for ever, and nothing else.
inline job* scheduler::find_anywhere(worker& self) noexcept {
  if (job* const j = take_injected(self)) return j;
  auto const count = worker_count();
  auto const start = self.random.below(count);
  if (job* const j = take_ready_of_others(self, start)) return j;
  bool const spare = self.kind == worker_kind::spare;
  if (spare)
    if (job* const j = take_woken_of_others(self, start)) return j;
  if (stands_by(self)) return nullptr;
  for (unsigned i = 0; i < count; ++i) {
    worker& victim = worker_at((start + i) % count);
    job* stolen_job = nullptr;
    if (&victim != &self && victim.deque.steal(stolen_job) == stolen::item) {
      self.steals.add();
      self.victim = &victim;
      return stolen_job;
    }
  }
  return spare ? nullptr : take_woken_of_others(self, start);
}

// Every look is seq_cst: the sleeper's second look of E1.
inline bool scheduler::work_visible(look_at what) const noexcept {
  // sleep E1: inject.
  if (injected_.load(memory_order_seq_cst) != 0) return true;
  auto const count = worker_count();
  for (unsigned i = 0; i < count; ++i) {
    worker const& w = worker_at(i);
    if (!w.ring.empty()) return true;
    if (what != look_at::all_but_deques && w.deque.looks_stealable()) return true;
    // sleep E1: submit_woken.
    if (what != look_at::all_but_woken && w.lifo.load(memory_order_seq_cst)) return true;
  }
  return false;
}

// Is there anything that `self`, which is idle, would take?
inline bool scheduler::work_visible_to(worker const& self) const noexcept {
  return work_visible(stands_by(self) ? look_at::all_but_deques : look_at::all);
}

// Those who wait in joins do not count as free: they take no ready jobs.
inline bool scheduler::ready_jobs_wait() const noexcept {
  if (idle.searching() != 0 || idle.sleeping() != 0) return false;
  if (injected_.load(memory_order_relaxed) != 0) return true;
  auto const count = worker_count();
  for (unsigned i = 0; i < count; ++i)
    if (worker const& w = worker_at(i); w.ring.size() != 0 || w.lifo.load(memory_order_relaxed)) return true;
  return false;
}

// ── running ──

inline void scheduler::run_job(worker& self, job* j) noexcept {
  self.jobs.add();
  if (self.victim) {
    run_taken(self, j);
    self.victim = nullptr;
  } else {
    j->act(j, self, job_order::run);
  }
  self.current = nullptr;
  if (self.lent.load(memory_order_relaxed)) [[unlikely]]
    take_place_back(self);
}

// A stolen job has a number, which those who wait for it use to tell whether this thread is still at it.
inline void scheduler::run_taken(worker& self, job* j) noexcept {
  auto const outer = self.running.load(memory_order_relaxed);
  // Relaxed: a helper reads it after its exchange on our deque, which carries what we did before we published there.
  self.running.store(holder::of(self.index, ++self.last_number).word, memory_order_relaxed);
  j->act(j, self, job_order::run);
  self.running.store(outer, memory_order_relaxed);
}

inline bool scheduler::retire_if_surplus(worker& self) noexcept {
  return self.kind == worker_kind::spare && surplus_.load(memory_order_relaxed) > 0 && retire(self);
}

inline void scheduler::run(worker& self) noexcept {
  while (open_.load(memory_order_acquire) == 0) futex_wait(open_, 0);  // acquire: the constructor.
  set_current_worker(&self);
  self.thread_number.store(this_thread_number(), memory_order_relaxed);
  if (self.kind == worker_kind::spare) cpus_.apply_to_this_thread();
  simulation* const world = current_simulation();
  for (;;) {
    if (world) [[unlikely]]
      world->step();
    if (retire_if_surplus(self)) continue;
    if (job* const next = find_local(self)) {
      run_job(self, next);
      continue;
    }
    if (exiting_.load(memory_order_relaxed)) break;

    idle.begin_search();
    if (search_and_sleep(self) == awake::ended) break;
  }
  set_current_worker(nullptr);
}

// Called as a searcher, and done when it has run a job or is awake for something else. Who was woken to search and finds nothing yet stays
// a searcher: there may be a job that is still its waker's (take_woken_of_others), and nobody else is to be woken for that.
inline scheduler::awake scheduler::search_and_sleep(worker& self) noexcept {
  for (job* found = nullptr;; found = find_local(self)) {
    self.saw_one = false;
    if (!found && (found = search(self))) self.from_driver = false;
    // What is due would not let it sleep.
    if (!found) poll_timers(self, driver::in_use::waited_for), found = find_local(self);
    self.vain_searches = !found && self.saw_one ? self.vain_searches + 1 : 0;
    if (found) {
      leave_search();
      run_job(self, found);
      return awake::idle;
    }
    if (auto const how = sleep(self); how != awake::searching) return how;
    if (self.kind == worker_kind::spare && surplus_.load(memory_order_relaxed) > 0) {
      leave_search();
      return awake::idle;
    }
  }
}

inline job* scheduler::search(worker& self) noexcept {
  // More searchers than half the workers would only get in each other's way; and who has just run what came from outside is
  // called by the next event or by a producer, wherever it comes from. In a simulated world, where time stands still meanwhile, one
  // look is as good as many.
  if (self.from_driver || idle.searching() * 2 > size_ + 1 || current_simulation()) return find_anywhere(self);
  // A wake-up across cores costs 30 to 45 µs, so a search may last that long.
  auto const until = clock::now() + std::chrono::microseconds(50);
  do {
    if (job* const j = find_anywhere(self)) return j;
    // Each look at what a worker writes all the time costs that worker, too.
    for (int i = 0, most = self.watched.victim ? looks(48) : looks(16); i < most; ++i) relax();
    if (events_unwatched()) {
      poll_events(self, 10 * ticks_per_microsecond);
      if (job* const j = self.ring.pop()) return j;
    }
  } while (clock::now() < until && !exiting_.load(memory_order_relaxed));
  return nullptr;
}

// Producers left their wakes to this searcher, which has found one job. Somebody else is there for the others if one sleeps, is held
// for a plain thread, or is due as a spare: seq_cst, after the step out of the count.
inline void scheduler::leave_search() noexcept {
  auto const left = idle.end_search();
  if (left.searchers) return;
  // seq_cst: begin_blocking. Relaxed: who is held has been taken out of the same word, and was counted as held before that.
  if (left.sleepers || left.seated || surplus_.load(memory_order_seq_cst) < 0 ||
      held_.load(memory_order_relaxed) != 0) {
    if (work_visible()) notify_work();
    else if (left.sleepers && !left.seated) events_watched();
  }
  if (!left.sleepers && !left.seated) watch_left_alone();
}

// Nobody else is idle.
inline void scheduler::watch_left_alone() noexcept {
  if (monitor_state_.load(memory_order_seq_cst) == monitor_state::awake) return;  // seq_cst: monitor E1
  if (something_to_watch() || work_visible()) arm_monitor();
}

// ── sleeping ──

// Called as a searcher.
inline scheduler::awake scheduler::sleep(worker& self) noexcept {
  auto const own = static_cast<int>(self.index);
  self.parks.add();
  self.from_driver = false;
  if (event_driver* const events = installed_events(); events && events->watches() && idle.sit_down())
    return sleep_in_driver(self, *events);
  idle.announce_sleep(self.index);
  look_before_sleep(self);
  bool const watched = leaves_woken_alone(self);
  bool dozes = watched && !dozing_.exchange(true, memory_order_relaxed);  // doze E1
  auto doze_ends = dozes ? clock::now() + longest_doze : clock::time_point::max();
  if (watched ? work_visible(look_at::all_but_woken) : work_visible_to(self)) {
    auto const index =
        idle.claim_sleeper(idle_set::claim::unless_searching, own, timekeeper_.load(memory_order_relaxed));
    if (index != idle_set::nobody && index != own) wake(index);
  }
  // Relaxed: shut_down unparks everybody after it has said so.
  while (idle.asleep(self.index) && !exiting_.load(memory_order_relaxed)) {
    auto const deadline = keep_time(self, false);
    bool const due = deadline != clock::time_point::max() && deadline <= clock::now();
    if (due || events_unwatched()) {
      auto const index = idle.claim_sleeper(idle_set::claim::always, own);
      if (index == own) break;
      if (index != idle_set::nobody) wake(index);
      // Held, or claimed this moment: what is due is made ready, and the one who is woken for it runs it.
      if (due) {
        poll_timers(self, driver::in_use::waited_for);
        continue;
      }
    }
    if (dozes && clock::now() >= doze_ends) {
      dozes = false, doze_ends = clock::time_point::max();
      dozing_.store(false, memory_order_relaxed);  // doze E1
      idle.synchronise();
      auto const index = idle.claim_sleeper(idle_set::claim::always, own);
      if (index == own) break;
      // Held: who is woken looks in its place, and dozes in its place if there is something to watch. If nobody sleeps, who searches
      // or has a job does that when it leaves the count.
      if (index != idle_set::nobody) wake(index);
    }
    self.sleep.park(std::min(deadline, doze_ends));
  }
  if (dozes) dozing_.store(false, memory_order_relaxed);  // doze E1
  if (exiting_.load(memory_order_relaxed)) return awake::ended;
  poll_timers(self);
  stop_keeping_time(self);
  return awake::searching;
}

// Two tasks that send each other messages have a woken job in their worker's LIFO slot again and again, each of which that worker runs
// itself a moment later; a task that gives way is often the next in its worker's ring. Who has looked on for two whole searches, and had
// nothing to take, dozes: a sleep that ends after a millisecond at the latest, in a search. As long as somebody does, nobody else is woken
// for such a job, nor stays awake for one in a slot.
//   E1  Who leaves a job to the one who dozes has made it visible, then reads idle's word, then dozing_. Who dozes no longer says so, then
//       steps on that word, then looks at all work, as a searcher that sleeps or leaves the count, or at who sleeps. Where the step comes
//       first, the reading acquires it, and dozing_ is seen cleared; where the reading comes first, the look after the step sees the job,
//       since these are seq_cst. In the same way who falls asleep steps on the word, then looks at dozing_: it finds it cleared, or is found.
//       So dozing_ itself is relaxed.
inline bool scheduler::leaves_woken_alone(worker const& self) const noexcept {
  return self.vain_searches >= dozes_after_.load(memory_order_relaxed) && self.kind == worker_kind::regular &&
         !current_simulation();
}

// After it was announced.
inline void scheduler::look_before_sleep(worker& self) noexcept {
  auto const count = worker_count();
  for (unsigned i = 0; i < count; ++i) worker_at(i).deque.raise_want();  // deque E4
  if (self.lent.load(memory_order_seq_cst)) take_place_back(self);       // monitor E2
  if (closing_.load(memory_order_seq_cst)) closed_.notify_all();         // the closer counts again
  if (stands_by(self)) arm_monitor();                                    // the loops may not compute
}

// Until when a sleeper sleeps: one of them watches the deadline.
inline clock::time_point scheduler::keep_time(worker& self, bool take_over) noexcept {
  auto const own = static_cast<int>(self.index);
  driver* const d = installed_driver();
  if (!d || d->next_deadline() == clock::time_point::max()) return clock::time_point::max();
  if (take_over) {
    timekeeper_.store(own, memory_order_seq_cst);  // deadline_moved.
  } else {
    int expected = idle_set::nobody;
    // seq_cst: deadline_moved.
    if (!timekeeper_.compare_exchange_strong(expected, own, memory_order_seq_cst) && expected != own)
      return clock::time_point::max();
  }
  return d->next_deadline();  // seq_cst, after timekeeper_: deadline_moved sees us, or we see its deadline.
}

inline void scheduler::stop_keeping_time(worker& self) noexcept {
  auto own = static_cast<int>(self.index);
  // seq_cst: deadline_moved, which may have found nobody, and nudged this one, before it was claimed for something else (take_bit).
  auto const keeper = timekeeper_.load(memory_order_seq_cst);
  if (keeper != own && keeper != idle_set::nobody) return;
  // seq_cst: deadline_moved.
  if (keeper == own && !timekeeper_.compare_exchange_strong(own, idle_set::nobody, memory_order_seq_cst)) return;
  deadline_moved();  // somebody else watches now
}

inline void scheduler::deadline_moved() noexcept {
  // seq_cst: sleep.
  auto watcher = timekeeper_.load(memory_order_seq_cst);
  if (watcher == idle_set::nobody) {
    driver* const d = installed_driver();
    if (!d || d->next_deadline() == clock::time_point::max()) return;
    watcher = idle.some_sleeper();
    if (watcher == idle_set::nobody) return idle.seated() != 0 ? nudge_seat() : arm_monitor();
  }
  // Still asleep by the set: it looks at the deadline and sleeps on.
  worker& sleeper = worker_at(static_cast<unsigned>(watcher));
  if (sleeper.in_driver.load(memory_order_acquire)) nudge_seat();  // seats E3
  else sleeper.sleep.unpark();
}

inline driver* scheduler::install_driver(std::unique_ptr<driver> d) noexcept {
  driver* expected = nullptr;
  // See installed_driver.
  if (driver_.compare_exchange_strong(expected, d.get(), memory_order_seq_cst)) return d.release();
  return expected;
}

}  // namespace weft::detail
