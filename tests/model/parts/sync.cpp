// What tasks wait for each other with: semaphore, shared_mutex, wait_group, latch, condition_variable. Two tasks on two workers, or a task
// and a plain thread; who has waited may destroy it.
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/latch.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>
#include <weft/sync/wait_group.hpp>

#include <model/model.hpp>
#include <model/parts/pool.hpp>

namespace {

using weft::task;
using weft_model::expect;
using weft_model::small_pool;
using weft_model::together;

task<> with_permit(weft::semaphore& s, int& plain) {
  auto const p = co_await s.acquire();
  ++plain;
}

void one_permit() {
  small_pool p(2);
  weft::semaphore s(1);
  int plain = 0;
  together([&] { p.run(with_permit(s, plain)); }, [&] { p.run(with_permit(s, plain)); });
  expect(plain == 2 && s.available() == 1, "one after the other, and the permit is back");
}
weft_model::part const s1("sync: a semaphore with one permit", one_permit, {1, 0});

// What is released by a thread that has done something is acquired with that; who is stopped takes nothing.
void released() {
  small_pool p(1);
  auto* const s = new weft::semaphore(0);
  int plain = 0;
  together([&] { plain = 1, s->release(); },
           [&] {
             p.run(with_permit(*s, plain));
             delete s;
           });
  expect(plain == 2, "what was done before the release is seen");
}
weft_model::part const s2("sync: a permit is released to one who waits", released, {1, 0});

void stopped_or_served() {
  small_pool p(1);
  weft::semaphore s(0);
  int plain = 0;
  auto f = p.spawn(with_permit, std::ref(s), std::ref(plain));
  together([&] { f.stop(); }, [&] { s.release(); });
  try {
    f.get();
    expect(plain == 1, "served");
  } catch (weft::stopped const&) {
    expect(plain == 0, "stopped");
  }
  expect(s.available() == 1, "the permit is not lost");
}
weft_model::part const s3("sync: one who waits for a permit is stopped", stopped_or_served, {1, 0});

task<> reads(weft::shared_mutex& m, int const& plain) {
  auto const l = co_await m.lock_shared();
  [[maybe_unused]] int const volatile seen = plain;  // a race where the lock does not keep the writer out
}
task<> writes(weft::shared_mutex& m, int& plain) {
  auto const l = co_await m.lock();
  ++plain;
}

void reader_and_writer() {
  small_pool p(2);
  weft::shared_mutex m;
  int plain = 0;
  together([&] { p.run(reads(m, plain)); }, [&] { p.run(writes(m, plain)); });
  expect(plain == 1, "written once");
}
weft_model::part const m1("sync: a shared_mutex, a reader and a writer", reader_and_writer, {1, 0});

void readers_and_writer() {
  small_pool p(2);
  weft::shared_mutex m;
  int plain = 0;
  together([&] { p.run(reads(m, plain)); }, [&] { p.run(reads(m, plain)); }, [&] { p.run(writes(m, plain)); });
  expect(plain == 1, "written once");
}
weft_model::part const m2("sync: a shared_mutex, two readers and a writer", readers_and_writer, {1, 0});

task<> waits_for(weft::wait_group& g) {
  int one_local = 0;
  static_cast<void>(one_local);
  co_await g.wait();
}

void group() {
  small_pool p(1);
  auto* const g = new weft::wait_group(2);
  int a = 0, b = 0;
  together([&] { a = 1, g->done(); }, [&] { b = 1, g->done(); },
           [&] {
             p.run(waits_for(*g));
             expect(a == 1 && b == 1, "what was done before is seen");
             delete g;
           });
}
weft_model::part const g1("sync: a wait_group dies when it has been waited for", group, {1, 0});

void group_looked_at() {
  auto* const g = new weft::wait_group(2);
  int a = 0, b = 0;
  together([&] { a = 1, g->done(); }, [&] { b = 1, g->done(); },
           [&] {
             while (!g->try_wait()) weft::detail::relax();
             expect(a == 1 && b == 1, "what was done before is seen");
             delete g;
           });
}
weft_model::part const g2("sync: a wait_group that is looked at", group_looked_at, {3, 3});

task<> waits_at(weft::latch& l) {
  int one_local = 0;
  static_cast<void>(one_local);
  co_await l.wait();
}

void counted_down() {
  small_pool p(1);
  auto* const l = new weft::latch(2);
  int a = 0, b = 0;
  together([&] { a = 1, l->count_down(); }, [&] { b = 1, l->count_down(); },
           [&] {
             p.run(waits_at(*l));
             expect(a == 1 && b == 1, "what was done before is seen");
             delete l;
           });
}
weft_model::part const l1("sync: a latch dies when it has been waited for", counted_down, {1, 0});

task<> waits_until_set(weft::mutex& m, weft::condition_variable& cv, bool const& set) {
  auto l = co_await m.lock();
  while (!set) co_await cv.wait(l);
}
task<> sets(weft::mutex& m, weft::condition_variable& cv, bool& set) {
  auto const l = co_await m.lock();
  set = true;
  cv.notify_one();
}

void notified() {
  small_pool p(2);
  weft::mutex m;
  weft::condition_variable cv;
  bool set = false;
  together([&] { p.run(waits_until_set(m, cv, set)); }, [&] { p.run(sets(m, cv, set)); });
}
weft_model::part const v1("sync: a condition_variable", notified, {1, 0});

task<> with_permits(weft::semaphore& s, std::size_t n) {
  auto const p = co_await s.acquire(n);
  expect(p.count() == n, "all of them");
}

// semaphore E1: one who wants more than there is leaves the queue. What was there goes back into the word, with what its giver had done.
void left_waiting_for_more() {
  small_pool p(1);
  weft::semaphore s(0);
  int plain = 0;
  together([&] { plain = 1, s.release(); },
           [&] {
             auto f = p.spawn(with_permits, std::ref(s), std::size_t{2});
             f.stop();
             f.wait();
           },
           [&] {
             for (;;) {
               auto const got = s.try_acquire();
               if (got) break;
               weft::detail::relax();
             }
             expect(plain == 1, "what was done before the release is seen");
           });
}
weft_model::part const s4("sync: one who waits for two permits leaves", left_waiting_for_more, {1, 1});

// shared_mutex E1: a writer that stands before readers leaves; who comes in after that sees what was written under the lock before.
task<> locks(weft::shared_mutex& m) { auto const l = co_await m.lock(); }
void writer_leaves() {
  small_pool p(1);
  weft::shared_mutex m;
  int plain = 0;
  together(
      [&] {
        {
          auto const l = m.try_lock();
          if (l) plain = 1;
        }
        auto const r = m.try_lock_shared();
        auto f = p.spawn(locks, std::ref(m));
        f.stop();
        f.wait();
      },
      [&] {
        for (int i = 0; i != 3; ++i) {
          auto const r = m.try_lock_shared();
          if (r) {
            [[maybe_unused]] int const volatile seen = plain;  // a race where an order is missing
          } else {
            weft::detail::relax();
          }
        }
      });
}
weft_model::part const m3("sync: a writer leaves the queue of a shared_mutex", writer_leaves, {1, 1});

// The same, and who comes in does so between the writer's leaving and the reader's: by what the one that left has written.
void reader_stays() {
  small_pool p(1);
  weft::shared_mutex m;
  int plain = 0;
  weft::detail::atomic<bool> left{false}, looked{false};  // relaxed: they hand over nothing
  together(
      [&] {
        {
          auto const l = m.try_lock();
          plain = 1;
        }
        auto const r = m.try_lock_shared();
        auto f = p.spawn(locks, std::ref(m));
        f.stop();
        f.wait();
        left.store(true, weft::detail::memory_order_relaxed);
        while (!looked.load(weft::detail::memory_order_relaxed)) weft::detail::relax();
      },
      [&] {
        while (!left.load(weft::detail::memory_order_relaxed)) weft::detail::relax();
        {
          auto const r = m.try_lock_shared();
          if (r) {
            [[maybe_unused]] int const volatile seen = plain;  // a race where an order is missing
          }
        }
        looked.store(true, weft::detail::memory_order_relaxed);
      });
}
weft_model::part const m4("sync: a writer leaves the queue of a shared_mutex that a reader holds", reader_stays,
                          {1, 1});

// mutex E1: the only one who waits is asked to stop while the holder unlocks; nobody is left to hand it to.
task<> locks_once(weft::mutex& m) { auto const l = co_await m.lock(); }
void nobody_to_hand_over_to() {
  small_pool p(1);
  weft::mutex m;
  int plain = 0;
  auto held = m.try_lock();
  auto f = p.spawn(locks_once, std::ref(m));
  together([&] { f.stop(); }, [&] { plain = 1, held.unlock(); },
           [&] {
             for (;;) {
               auto const l = m.try_lock();
               if (l) break;
               weft::detail::relax();
             }
             expect(plain == 1, "what was done under the lock is seen");
           });
  f.wait();
}
weft_model::part const u1("sync: who waits for a mutex is stopped while it is unlocked", nobody_to_hand_over_to,
                          {1, 1});

}  // namespace
