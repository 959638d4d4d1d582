// Who sleeps and who is woken: the proof in include/weft/sched/README.md, run. Work is a count that the queues stand for.
#include <weft/concurrent/parking.hpp>
#include <weft/sched/idle.hpp>

#include <array>
#include <model/model.hpp>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::together;

/// The steps of scheduler::run, search, sleep, leave_search and notify_work, with a number for the work.
class small_pool {
 public:
  void produce() {
    work_.fetch_add(1, memory_order_seq_cst);
    notify();
  }

  /// Works until all of `total` has been done.
  void run(unsigned index, int total) {
    for (;;) {
      if (take()) {
        done(total);
        continue;
      }
      if (done_.load(memory_order_acquire) >= total) return;
      idle_.begin_search();
      if (take()) {
        leave_search();
        done(total);
        continue;
      }
      sleep(index, total);
    }
  }

 private:
  bool take() {
    for (auto seen = work_.load(memory_order_relaxed); seen != 0;)
      if (work_.compare_exchange_weak(seen, seen - 1, memory_order_seq_cst)) return true;
    return false;
  }

  void done(int total) {
    if (done_.fetch_add(1, memory_order_acq_rel) + 1 != total) return;
    for (parker& p : sleep_) p.unpark();
  }

  void notify() {
    auto const index = idle_.claim_sleeper(idle_set::claim::unless_searching);
    if (index != idle_set::nobody) sleep_[static_cast<std::size_t>(index)].unpark();
  }

  void leave_search() {
    auto const left = idle_.end_search();
    if (!left.searchers && left.sleepers && work_.load(memory_order_seq_cst) != 0) notify();
  }

  void sleep(unsigned index, int total) {
    auto const own = static_cast<int>(index);
    idle_.announce_sleep(index);
    if (work_.load(memory_order_seq_cst) != 0) {
      auto const woken = idle_.claim_sleeper(idle_set::claim::unless_searching, own);
      if (woken != idle_set::nobody && woken != own) sleep_[static_cast<std::size_t>(woken)].unpark();
    }
    while (idle_.asleep(index)) {
      if (done_.load(memory_order_acquire) >= total) return;
      sleep_[index].park();
    }
    if (take()) {
      leave_search();
      done(total);
    } else {
      leave_search();
    }
  }

  idle_set idle_;
  atomic<int> work_{0}, done_{0};
  std::array<parker, 2> sleep_;
};

void one_worker() {
  small_pool p;
  together([&] { p.run(0, 1); }, [&] { p.produce(); });
}
weft_model::part const p1("idle: one worker, one job", one_worker, {3, 2});

void one_worker_two_jobs() {
  small_pool p;
  together([&] { p.run(0, 2); }, [&] { p.produce(), p.produce(); });
}
weft_model::part const p2("idle: one worker, two jobs", one_worker_two_jobs);

void two_workers() {
  small_pool p;
  together([&] { p.run(0, 1); }, [&] { p.run(1, 1); }, [&] { p.produce(); });
}
weft_model::part const p3("idle: two workers, one job", two_workers);

void two_producers() {
  small_pool p;
  together([&] { p.run(0, 2); }, [&] { p.produce(); }, [&] { p.produce(); });
}
weft_model::part const p4("idle: one worker, two producers", two_producers);

// Two sleep. The job and the worker that runs it: another job must find the other.
void nobody_is_left_behind() {
  small_pool p;
  together([&] { p.run(0, 2); }, [&] { p.run(1, 2); }, [&] { p.produce(), p.produce(); });
}
weft_model::part const p5("idle: two workers, two jobs", nobody_is_left_behind);

// A plain thread holds a sleeper while a producer wants to wake it; it is put back, and looks at the work after that.
void held() {
  idle_set idle;
  atomic<int> work{0};
  parker sleep;
  idle.begin_search();
  idle.announce_sleep(0);
  together(
      [&] {
        while (idle.asleep(0)) sleep.park();
        idle.end_search();
      },
      [&] {
        auto const mine = idle.hold_sleeper(0, idle_set::nobody);
        if (mine == idle_set::nobody) return;
        idle.put_back(static_cast<unsigned>(mine));
        if (work.load(memory_order_seq_cst) != 0 &&
            idle.claim_sleeper(idle_set::claim::unless_searching) != idle_set::nobody)
          sleep.unpark();
      },
      [&] {
        work.store(1, memory_order_seq_cst);
        if (idle.claim_sleeper(idle_set::claim::unless_searching) != idle_set::nobody) sleep.unpark();
      });
  expect(idle.sleeping() == 0 && idle.searching() == 0, "the counts are as at the beginning");
}
weft_model::part const p6("idle: a sleeper is held and put back", held, {3, 2});

// A plain thread holds the only sleeper, and keeps it; a producer finds nobody. One of the two sees the other, and gives the sleeper back:
// the steps of scheduler::enter_external and notify_work.
void held_while_work_comes() {
  idle_set idle;
  atomic<int> work{0}, held{idle_set::nobody}, held_count{0};
  parker sleep;
  idle.begin_search();
  idle.announce_sleep(0);
  auto const notify = [&] {
    if (idle.claim_sleeper(idle_set::claim::unless_searching) == idle_set::nobody) {
      if (idle.searching() != 0 || held_count.load(memory_order_relaxed) == 0) return;
      auto const mine = held.exchange(idle_set::nobody, memory_order_seq_cst);
      if (mine == idle_set::nobody) return;
      idle.put_back(static_cast<unsigned>(mine));
      held_count.fetch_sub(1, memory_order_relaxed);
      if (idle.claim_sleeper(idle_set::claim::unless_searching) == idle_set::nobody) return;
    }
    sleep.unpark();
  };
  together(
      [&] {
        while (idle.asleep(0)) sleep.park();
        expect(work.load(memory_order_seq_cst) == 1, "it was woken for the work");
      },
      [&] {
        held_count.fetch_add(1, memory_order_relaxed);
        auto const mine = idle.hold_sleeper(0, idle_set::nobody);
        if (mine == idle_set::nobody) {
          held_count.fetch_sub(1, memory_order_relaxed);
        } else {
          held.store(mine, memory_order_seq_cst);
          if (work.load(memory_order_seq_cst) != 0) notify();
        }
      },
      [&] {
        work.store(1, memory_order_seq_cst);
        notify();
      });
}
weft_model::part const p11("idle: a sleeper is held while work comes", held_while_work_comes, {3, 2});

// E2: a sleeper that finds itself claimed sees what the claimer did before.
void claim_carries_data() {
  idle_set idle;
  int plain = 0;
  idle.begin_search();
  idle.announce_sleep(0);
  together([&] { plain = 1, static_cast<void>(idle.claim_sleeper(idle_set::claim::always)); },
           [&] {
             while (idle.asleep(0)) relax();
             expect(plain == 1, "what was written before the claim is seen");
           });
}
weft_model::part const p9("idle: a claim carries what was written before", claim_carries_data, {4, 3});

// A claimer may take the bit of one that is not counted yet, in place of another's.
void sleeper_carries_data() {
  idle_set idle;
  std::array<int, 2> plain{};
  idle.begin_search(), idle.begin_search();
  auto const sleep = [&](unsigned i) { plain[i] = 1, idle.announce_sleep(i); };
  together([&] { sleep(0); }, [&] { sleep(1); },
           [&] {
             int const claimed = idle.claim_sleeper(idle_set::claim::always, 1);
             if (claimed >= 0)
               expect(plain[static_cast<std::size_t>(claimed)] == 1, "what it did before it slept is seen");
           });
}
weft_model::part const p10("idle: a claimer sees what a sleeper did before", sleeper_carries_data, {3, 2});

// Two who claim find two sleepers, each its own.
void claimed_by_two() {
  idle_set idle;
  for (unsigned i = 0; i != 2; ++i) idle.begin_search(), idle.announce_sleep(i);
  std::array<int, 2> found{-1, -1};
  together([&] { found[0] = idle.claim_sleeper(idle_set::claim::always); },
           [&] { found[1] = idle.claim_sleeper(idle_set::claim::always, 0); });
  expect(found[0] >= 0 && found[1] >= 0 && found[0] != found[1], "two claims find two sleepers");
  expect(!idle.asleep(0) && !idle.asleep(1) && idle.sleeping() == 0 && idle.searching() == 2, "both are awake");
}
weft_model::part const p7("idle: two claims, two sleepers", claimed_by_two, {4, 3});

// Seats: a claim is for whoever takes it; those in seats are as many as the count and the claims not taken yet.
void seats() {
  idle_set idle;
  atomic<int> claims{0};
  idle.begin_search();
  expect(idle.sit_down(), "a seat is free");
  together(
      [&] {
        idle_set::left_behind left{};
        if (idle.get_up(left)) return;
        for (auto seen = claims.load(memory_order_seq_cst);;) {
          if (seen == 0) {
            relax();
            seen = claims.load(memory_order_seq_cst);
          } else if (claims.compare_exchange_weak(seen, seen - 1, memory_order_seq_cst)) {
            break;
          }
        }
        idle.end_search();
      },
      [&] {
        if (idle.claim_sleeper(idle_set::claim::unless_searching) == idle_set::somebody_seated)
          claims.fetch_add(1, memory_order_seq_cst);
      });
  expect(idle.seated() == 0 && idle.searching() == 0 && claims.load(memory_order_relaxed) == 0, "nobody is left over");
}
weft_model::part const p8("idle: one in a seat gets up, or is claimed", seats, {4, 3});

// Seats E1: one who sat gets up and goes to sleep while somebody begins to watch events again. Who watches must not take the seat for
// taken, and the sleeper sees that there is something to watch: the steps of scheduler::events_watched and sleep.
void watched_again() {
  idle_set idle;
  atomic<bool> watches{false};
  parker sleep;
  idle.begin_search();
  expect(idle.sit_down(), "a seat is free");
  auto const unwatched = [&] { return watches.load(memory_order_seq_cst) && idle.seated() == 0; };
  together(
      [&] {
        idle_set::left_behind left{};
        expect(idle.get_up(left), "nobody has called it");
        idle.begin_search();
        idle.announce_sleep(0);
        while (idle.asleep(0)) {
          if (unwatched() && idle.claim_sleeper(idle_set::claim::always, 0) == 0) break;
          if (idle.asleep(0)) sleep.park();
        }
        idle.end_search();
      },
      [&] {
        watches.store(true, memory_order_seq_cst);
        if (unwatched() && idle.claim_sleeper(idle_set::claim::unless_searching) == 0) sleep.unpark();
      });
}
weft_model::part const p12("idle: events are watched again while one who sat falls asleep", watched_again, {3, 2});

// Who moves the clock finds a sleeper to tell, or the sleeper sees the new time: the steps of scheduler::deadline_moved.
void clock_is_moved() {
  idle_set idle;
  atomic<int> time{0};
  parker sleep;
  idle.begin_search();
  together(
      [&] {
        idle.announce_sleep(0);
        while (time.load(memory_order_seq_cst) == 0) sleep.park();
      },
      [&] {
        time.store(1, memory_order_seq_cst);
        if (idle.some_sleeper() == 0) sleep.unpark();
      });
}
weft_model::part const p13("idle: the clock is moved while one falls asleep", clock_is_moved, {4, 3});

// The same with one that was held, and is put back by somebody who looks at the clock after that.
void clock_is_moved_while_held() {
  idle_set idle;
  atomic<int> time{0};
  parker sleep;
  idle.begin_search();
  idle.announce_sleep(0);
  expect(idle.hold_sleeper(0, idle_set::nobody) == 0, "it sleeps");
  together(
      [&] {
        while (time.load(memory_order_seq_cst) == 0) sleep.park();
      },
      [&] {
        idle.put_back(0);
        if (time.load(memory_order_seq_cst) != 0) sleep.unpark();
      },
      [&] {
        time.store(1, memory_order_seq_cst);
        if (idle.some_sleeper() == 0) sleep.unpark();
      });
}
weft_model::part const p14("idle: the clock is moved while a sleeper is held", clock_is_moved_while_held, {3, 2});

}  // namespace
