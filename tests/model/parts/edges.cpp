// What a pool hands over at its edges, with as little beside it as can be: a worker that blocks while another computes, jobs that only one who
// falls asleep can take, plain threads that come and go, and the last moments before the end.
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/blocking_threads.hpp>
#include <weft/sched/external.hpp>
#include <weft/sync/event.hpp>

#include <functional>
#include <model/model.hpp>
#include <model/parts/pool.hpp>
#include <stdexcept>

namespace {

using namespace weft::detail;
using weft::task;
using weft_model::expect;
using weft_model::small_pool;
using weft_model::together;

void block_until(one_end& end) {
  block_worker(*current_worker(), [&](weft::clock::time_point deadline) { return end.wait_until(deadline); });
}
void spin_until(atomic<bool> const& flag) {
  while (!flag.load(memory_order_acquire)) relax();
}

// ── a spare that is owed ──

// E of begin_blocking: one blocks and the other computes until a third root has run. Whoever brings that, or blocks, or leaves the search
// to compute, starts the spare.
void third_is_needed() {
  small_pool p(2);
  one_end blocked_for;
  atomic<bool> computed_for{false};
  together([&] { p.run([&] { block_until(blocked_for); }); }, [&] { p.run([&] { spin_until(computed_for); }); },
           [&] {
             p.run([&] {
               blocked_for.signal();
               computed_for.store(true, memory_order_release);
             });
           });
}
weft_model::part const s1("edges: one blocks, one computes, a third is needed", third_is_needed, {1, 1});

// The same where it is the right half of a fork, which is published once and not looked at again.
void fork_needs_a_spare() {
  small_pool p(2);
  one_end blocked_for;
  atomic<bool> begun{false};
  together([&] { p.run([&] { block_until(blocked_for); }); },
           [&] {
             p.run([&] {
               weft::fork_join(
                   [&] {
                     current_worker()->home.share(*current_worker());
                     spin_until(begun);
                   },
                   [&] {
                     begun.store(true, memory_order_release);
                     blocked_for.signal();
                   });
             });
           });
}
weft_model::part const s2("edges: one blocks for the half of another's fork", fork_needs_a_spare, {1, 1});

// ── jobs that one who falls asleep must see ──

// worker_count: the deque of one who has just joined in is looked at.
void fork_of_a_plain_thread() {
  small_pool p(1);
  atomic<bool> begun{false};
  external_membership const membership(weft::scheduler_of(p));
  expect(membership.joined(), "there is a place");
  weft::fork_join(
      [&] {
        current_worker()->home.share(*current_worker());
        spin_until(begun);
      },
      [&] { begun.store(true, memory_order_release); });
}
weft_model::part const n1("edges: the fork of a plain thread is stolen", fork_of_a_plain_thread, {2, 2});

// sleep E1 of the LIFO slot: who wakes a task computes until that has gone on.
task<> goes_on(weft::event& e, atomic<bool>& gone_on) {
  int one_local = 0;
  static_cast<void>(one_local);
  co_await e.wait();
  gone_on.store(true, memory_order_release);
}
void waker_computes() {
  small_pool p(2);
  weft::event e;
  atomic<bool> gone_on{false};
  together([&] { p.run(goes_on(e, gone_on)); },
           [&] {
             p.run([&] {
               e.set();
               spin_until(gone_on);
             });
           });
}
weft_model::part const n2("edges: who wakes a task computes until it has gone on", waker_computes, {1, 1});

// ── plain threads ──

// enter_external's acquire: who comes next has the place as the one before it left it.
void one_place_for_two() {
  small_pool p(1);
  int a = 0, b = 0;
  auto const come = [&](int& plain) {
    external_membership const membership(weft::scheduler_of(p));
    expect(membership.joined(), "there is a place");
    weft::fork_join([&] { ++plain; }, [] {});
  };
  together([&] { come(a); }, [&] { come(b); });
  expect(a == 1 && b == 1, "each has run once");
}
weft_model::part const x1("edges: two plain threads join in, one after the other", one_place_for_two, {1, 0});

// The first to ask makes the blocking threads; the other finds them made.
void blocking_threads_of_two() {
  small_pool p(1);
  auto const look = [&] { expect(weft::scheduler_of(p).blocking().running() == 0, "none has been started"); };
  together(look, look);
}
weft_model::part const x2("edges: two ask for blocking threads", blocking_threads_of_two, {1, 1});

// entering_: a job ends the pool while its submitter is on the way out.
struct signalling_job : ready_job {
  signalling_job() noexcept
      : ready_job([](job* j, worker&, job_order) noexcept { static_cast<signalling_job*>(j)->ran.signal(); }) {}
  one_end ran;
};
void ended_under_a_submitter() {
  auto* const p = new small_pool(1);
  signalling_job j;
  together([&] { weft::scheduler_of(*p).submit(&j); },
           [&] {
             j.ran.wait();
             delete p;
           });
}
weft_model::part const x3("edges: a pool ends under a submitter", ended_under_a_submitter, {1, 1});

// ── the end ──

// root_ended's release: the closer that sees the end of a root sees what that root has started, which waits for somebody outside.
task<> waits(weft::event& e, int& ran) {
  int one_local = 0;
  static_cast<void>(one_local);
  co_await e.wait();
  ++ran;
}
void a_root_is_left_waiting() {
  small_pool p(1);
  weft::event e;
  int ran = 0;
  bool refused = false;
  together(
      [&] {
        try {
          p.run([&] { static_cast<void>(p.spawn(waits, std::ref(e), std::ref(ran))); });
        } catch (std::logic_error const&) {
          refused = true;
        }
      },
      [&] { e.set(); }, [&] { p.shutdown(weft::drain_or_stop::drain); });
  expect(refused || ran == 1, "what a root has started has run when the pool has ended");
}
weft_model::part const e1("edges: a root starts another that waits, and the pool is shut down", a_root_is_left_waiting,
                          {1, 1});

// retire: a spare that runs dry tells the closer, as one who goes to sleep does.
void spare_ends_last() {
  small_pool p(1);
  atomic<bool> go{false};
  together(
      [&] {
        try {
          p.run([&] {
            one_end begun;
            static_cast<void>(p.spawn([&] {
              begun.signal();
              spin_until(go);
            }));
            block_until(begun);
          });
        } catch (std::logic_error const&) {
        }
      },
      [&] { go.store(true, memory_order_release); }, [&] { p.shutdown(weft::drain_or_stop::drain); });
}
weft_model::part const e2("edges: a spare ends the last root while the pool is shut down", spare_ends_last, {1, 1});

// root_ended by a plain thread: a root that could not begin, as one for which there is no memory.
void root_that_cannot_begin() {
  small_pool p(1);
  auto& s = weft::scheduler_of(p);
  together(
      [&] {
        try {
          s.root_started(nullptr);
        } catch (std::logic_error const&) {
          return;
        }
        s.root_ended(nullptr);
      },
      [&] { p.shutdown(weft::drain_or_stop::drain); });
}
weft_model::part const e3("edges: a root cannot begin while the pool is shut down", root_that_cannot_begin, {1, 1});

}  // namespace
