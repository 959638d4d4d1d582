#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/by_hand.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sync/barrier.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>
#include <weft/sync/wait_group.hpp>
#include <weft/sync/waiter.hpp>

#include <algorithm>
#include <atomic>
#include <deque>
#include <random>
#include <thread>
#include <vector>

using weft::detail::claims;
using weft::detail::enqueued;
using weft::detail::left;
using weft::detail::selection;
using weft::detail::waiter;
using weft::detail::waiter_queue;
using weft_test::ending;
using weft_test::loose;
using weft_test::takes_or_leaves;
using weft_test::waits_or_is_passed_by;

namespace {

/// Threads that begin together.
template <class F>
void at_once(unsigned count, F f) {
  std::atomic<unsigned> there{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      ++there;
      while (there != count) std::this_thread::yield();
      f(i);
    });
  for (auto& t : threads) t.join();
}

}  // namespace

static_assert(!std::is_copy_constructible_v<waiter> && !std::is_move_constructible_v<waiter>);

TEST_CASE("of all who claim a selection one wins, and it is the winner's waiter that the task goes on with") {
  weft_test::watchdog const guard("waiter_test: one wins");
  for (int round = 0; round < 200; ++round) {
    loose s;
    waiter a(s), b(s), c(s);
    waiter* const each[] = {&a, &b, &c};
    std::atomic<int> won{0};
    std::atomic<waiter*> winner{nullptr};
    at_once(3, [&](unsigned i) {
      if (!each[i]->claim()) return;
      ++won;
      winner = each[i];
    });
    REQUIRE(won == 1);
    REQUIRE(s.winner == winner);
    REQUIRE(s.claimed());
  }
}

TEST_CASE("a rendezvous claims both sides or neither") {
  loose a, b, c;
  CHECK(waiter::claim_both(a.self, b.self) == claims::both);
  CHECK(a.winner == &a.self);
  CHECK(b.winner == &b.self);
  CHECK(waiter::claim_both(c.self, a.self) == claims::theirs_is_lost);
  CHECK_FALSE(c.claimed());
  CHECK(waiter::claim_both(a.self, c.self) == claims::mine_is_lost);
  CHECK_FALSE(c.claimed());
  CHECK(c.self.claim());
}

TEST_CASE("two cases of one select do not meet each other") {
  loose s;
  waiter other(s);
  CHECK(waiter::claim_both(s.self, other) == claims::same_task);
  CHECK_FALSE(s.claimed());
}

TEST_CASE("what is there is taken for a task that waits for it, and left by a task that goes on with something else") {
  weft::mutex m;
  takes_or_leaves([&] { return m.lock(); }, [&] { return !m.is_locked(); });
  CHECK_FALSE(m.is_locked());
  weft::shared_mutex shared;
  takes_or_leaves([&] { return shared.lock(); }, [&] { return shared.try_lock().owns(); });
  takes_or_leaves([&] { return shared.lock_shared(); }, [&] { return shared.try_lock().owns(); });
  CHECK(shared.try_lock().owns());
  weft::semaphore s(2);
  takes_or_leaves([&] { return s.acquire(2); }, [&] { return s.available() == 2; });
  CHECK(s.available() == 2);
  weft::event door(weft::event_state::set);
  takes_or_leaves([&] { return door.wait(); }, [&] { return door.is_set(); });
  CHECK(door.is_set());
  weft::auto_event once(weft::event_state::set);
  takes_or_leaves([&] { return once.wait(); }, [&] { return once.is_set(); });
  CHECK_FALSE(once.is_set());
  weft::wait_group group;
  takes_or_leaves([&] { return group.wait(); }, [&] { return group.try_wait(); });
  weft::barrier b(1);
  takes_or_leaves([&] { return b.wait(b.arrive()); }, [] { return true; });
}

TEST_CASE("who waits leaves the queue, and is passed by where its task goes on with something else") {
  weft::mutex m;
  auto lock = m.try_lock();
  waits_or_is_passed_by([&] { return m.lock(); }, [&] { lock.unlock(); }, [&] { return !m.is_locked(); });
  weft::shared_mutex shared;
  auto alone = shared.try_lock();
  waits_or_is_passed_by([&] { return shared.lock_shared(); }, [&] { alone.unlock(); },
                        [&] { return shared.try_lock().owns(); });
  auto together = shared.try_lock_shared();
  waits_or_is_passed_by([&] { return shared.lock(); }, [&] { together.unlock(); },
                        [&] { return shared.try_lock().owns(); });
  weft::semaphore s(0);
  waits_or_is_passed_by([&] { return s.acquire(2); }, [&] { s.release(3); }, [&] { return s.available() == 3; });
  weft::event door;
  waits_or_is_passed_by([&] { return door.wait(); }, [&] { door.set(); }, [&] { return door.is_set(); });
  weft::auto_event once;
  waits_or_is_passed_by([&] { return once.wait(); }, [&] { once.set(); }, [&] { return once.is_set(); });
  weft::wait_group group(1);
  waits_or_is_passed_by([&] { return group.wait(); }, [&] { group.done(); }, [&] { return group.try_wait(); });
  weft::barrier b(2);
  auto const first = b.arrive();
  waits_or_is_passed_by([&] { return b.wait(first); }, [&] { b.arrive_and_drop(); }, [] { return true; });
}

TEST_CASE("many who would meet each other at once end in pairs") {
  weft_test::watchdog const guard("waiter_test: pairs");
  weft_test::seeded random;
  constexpr unsigned threads = 4;
  constexpr std::size_t each = 200;
  std::deque<loose> all(threads * each);
  std::vector<std::atomic<std::size_t>> partner(all.size());
  for (auto& p : partner) p = all.size();
  std::vector<std::uint64_t> seeds;
  for (unsigned i = 0; i < threads; ++i) seeds.push_back(random());
  std::atomic<int> wrong{0};
  at_once(threads, [&](unsigned t) {
    std::minstd_rand own(static_cast<unsigned>(seeds[t]) | 1u);
    // Neighbours have near addresses and are owned by different threads, each from its own end: both orders of address occur.
    for (std::size_t i = 0; i < each; ++i) {
      auto const mine = (t % 2 == 0 ? i : each - 1 - i) * threads + t;
      for (int tries = 0; tries < 20; ++tries) {
        auto const theirs = (mine + 1 + own() % 9) % all.size();
        if (theirs == mine) continue;
        auto const outcome = waiter::claim_both(all[mine].self, all[theirs].self);
        if (outcome == claims::mine_is_lost) break;
        if (outcome == claims::theirs_is_lost) continue;
        if (partner[mine].exchange(theirs) != all.size()) ++wrong;
        if (partner[theirs].exchange(mine) != all.size()) ++wrong;
        break;
      }
    }
  });
  CHECK(wrong == 0);
  std::size_t met = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i].claimed() == (partner[i] != all.size()));
    if (!all[i].claimed()) continue;
    ++met;
    CHECK(partner[partner[i]] == i);
    CHECK(all[i].winner == &all[i].self);
  }
  CHECK(met > 0);
}

TEST_CASE("a queue gives its first waiter that can still be claimed, and forgets those that cannot") {
  loose a, b, c;
  waiter_queue q;
  for (loose* s : {&a, &b, &c}) q.push_back(&s->self);
  CHECK(a.claim());
  CHECK(q.pop_claimed() == &b.self);
  CHECK_FALSE(q.leave(a.self));
  CHECK(q.leave(c.self));
  CHECK_FALSE(q.leave(c.self));
  CHECK(q.pop_claimed() == nullptr);
  CHECK(q.empty());
}

TEST_CASE("a waiter that was handed on is had by whoever claims it next") {
  loose a;
  CHECK(a.self.claim());
  CHECK_FALSE(a.self.claim());
  a.self.hand_on();
  CHECK(a.self.claim());
  CHECK(&a.self.owner() == &a);
}

namespace {

/// Something that a thread of its own gives, and that cannot be kept away from its waiter once it is under way: a timer, a callback.
class gift {
 public:
  class operation : public weft::detail::waitable_operation<operation> {
   public:
    using node = waiter;
    explicit operation(gift& g) : gift_(&g) {}
    bool try_complete() { return false; }
    enqueued enqueue(node& w) {
      gift_->waits_ = &w;
      return enqueued::waits;
    }
    left withdraw(node&) noexcept { return gift_->waits_.exchange(nullptr) ? left::now : left::later; }
    int take() { return 7; }

   private:
    gift* gift_;
  };

  operation get() { return operation(*this); }

  /// Two steps, as a callback has them: taken from its list, then called.
  waiter* set_out() { return waits_.exchange(nullptr); }
  static void arrive(waiter* w) {
    if (w->claim()) w->fire();
    else w->owner().came_too_late();
  }
  bool awaited() const { return waits_ != nullptr; }

 private:
  std::atomic<waiter*> waits_{nullptr};
};

static_assert(weft::detail::selectable<gift::operation>);
static_assert(weft::awaitable<gift::operation>);

}  // namespace

TEST_CASE("what is under way to a stopped task is waited for, however late it comes") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("waiter_test: under way");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 50; ++round) {
    gift g;
    auto f = pool.spawn(g.get());
    while (!g.awaited()) std::this_thread::yield();
    waiter* const w = g.set_out();
    // With one worker: afterwards the task is suspended. With more, it may still be on the way there, where it finds the
    // gift before it looks for a stop.
    pool.run([] {});
    f.stop();
    CHECK_FALSE(f.ready());
    gift::arrive(w);
    auto const end = weft_test::ending_of(f);
    CHECK((end == ending::stopped || (end == ending::value && workers != 1)));
  }
}

TEST_CASE("a gift and a stop that come at the same time: one of them is what the task goes on with") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("waiter_test: gift and stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int given = 0, stopped = 0;
  for (int round = 0; round < 60; ++round) {
    gift g;
    auto f = pool.spawn(g.get());
    std::atomic<bool> begun{false};
    std::thread giver([&] {
      begun = true;
      waiter* w = nullptr;
      for (int i = 0; i < 1000 && !w; ++i) w = g.set_out();
      if (w) gift::arrive(w);
    });
    while (!begun) std::this_thread::yield();
    f.stop();
    try {
      int const got = f.get();
      CHECK(got == 7);
      ++given;
    } catch (weft::stopped const&) {
      ++stopped;
    }
    giver.join();
  }
  CHECK(given + stopped == 60);
}
