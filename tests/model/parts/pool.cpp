// The whole scheduler: a pool of one or two workers, plain threads outside, joins that are stolen, and the end of it.
#include <weft/coro/run.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/external.hpp>

#include <model/model.hpp>
#include <model/parts/pool.hpp>
#include <stdexcept>

namespace {

using weft::detail::atomic;
using weft::detail::memory_order_acq_rel;
using weft::detail::memory_order_acquire;
using weft::detail::memory_order_relaxed;
using weft::detail::memory_order_release;
using weft::detail::relax;
using weft_model::expect;
using weft_model::small_pool;
using weft_model::together;

void starts_and_ends() { small_pool const p(2); }
weft_model::part const p1("pool: starts and ends", starts_and_ends, {2, 0});

void one_root() {
  small_pool p(1);
  int data = 1;
  int const got = p.run([&] { return ++data; });
  expect(got == 2 && data == 2, "it has run once");
}
weft_model::part const p2("pool: one root on one worker", one_root, {2, 1});

void two_roots() {
  small_pool p(1);
  int a = 0, b = 0;
  together([&] { p.run([&] { ++a; }); }, [&] { p.run([&] { ++b; }); });
  expect(a == 1 && b == 1, "each has run once");
}
weft_model::part const p3("pool: two roots from two threads", two_roots, {2, 0});

void two_roots_two_workers() {
  small_pool p(2);
  int a = 0, b = 0;
  together([&] { p.run([&] { ++a; }); }, [&] { p.run([&] { ++b; }); });
  expect(a == 1 && b == 1, "each has run once");
}
weft_model::part const p4("pool: two roots on two workers", two_roots_two_workers, {1, 0});

// Neither ends before the other has begun: nobody may sleep through one of them.
void two_at_once() {
  small_pool p(2);
  atomic<int> begun{0};
  auto const meet = [&] {
    begun.fetch_add(1, memory_order_acq_rel);
    while (begun.load(memory_order_acquire) != 2) relax();
  };
  together([&] { p.run(meet); }, [&] { p.run(meet); });
}
weft_model::part const p7("pool: two roots that need two workers", two_at_once, {1, 0});

// Both from one worker's own ring: the second wake-up is left to the searcher that takes the first.
void two_from_one() {
  small_pool p(2);
  atomic<int> begun{0};
  auto const meet = [&] {
    begun.fetch_add(1, memory_order_acq_rel);
    while (begun.load(memory_order_acquire) != 2) relax();
  };
  auto one = p.spawn(meet), other = p.spawn(meet);
  one.get();
  other.get();
}
weft_model::part const p8("pool: two spawned that need two workers", two_from_one, {1, 0});

// A root that waits for another root: its worker blocks, and a spare comes.
void root_in_root() {
  small_pool p(1);
  small_pool q(1);
  int a = 0;
  p.run([&] { q.run([&] { ++a; }); });
  expect(a == 1, "it has run once");
}
weft_model::part const p5("pool: a worker waits for another pool", root_in_root, {1, 0});

/// As between two chunks of a loop that finds ready jobs waiting: see overdue_watch.
class lent_place {
 public:
  lent_place() : self_(*weft::detail::current_worker()) {
    expect(self_.home.begin_lending(self_), "there is a place to lend");
  }
  ~lent_place() { self_.home.end_lending(self_); }

 private:
  weft::detail::worker& self_;
};

/// One half of a fork waits, in one of two ways, for what the other half does.
enum class how { in_join, for_anything };
template <how How>
void wait_for_the_right_half() {
  weft::detail::one_end right;
  auto const until = [&](weft::clock::time_point deadline) { return right.wait_until(deadline); };
  weft::fork_join(
      [&] {
        auto& self = *weft::detail::current_worker();
        if constexpr (How == how::in_join) weft::detail::block_in_join(self, until);
        else weft::detail::block_worker(self, until);
      },
      [&] { right.signal(); });
}

void blocks() {
  small_pool p(1);
  p.run(wait_for_the_right_half<how::for_anything>);
}
weft_model::part const s5("pool: the left half blocks for the right", blocks, {1, 0});

// In a part of a loop that has lent its place. A spare that stands by takes no part of a loop; here it stands by no longer.
template <how How>
void blocks_in_a_lent_place() {
  small_pool p(1);
  p.run([&] {
    lent_place const lent;
    wait_for_the_right_half<How>();
  });
}
weft_model::part const s2("pool: a loop that has lent its place joins", blocks_in_a_lent_place<how::in_join>, {1, 0});
weft_model::part const s3("pool: a loop that has lent its place blocks", blocks_in_a_lent_place<how::for_anything>,
                          {1, 0});

// The only worker is in a loop that has lent its place, and computes until a root has ended that only spares can run.
template <class Root>
void beside_a_lent_place(Root root) {
  small_pool p(1);
  atomic<int> begun{0};
  together(
      [&] {
        p.run([&] {
          lent_place const lent;
          begun.store(1, memory_order_release);
          while (begun.load(memory_order_acquire) != 2) relax();
        });
      },
      [&] {
        while (begun.load(memory_order_acquire) != 1) relax();
        p.run(root);
        begun.store(2, memory_order_release);
      });
}

// The spare stands by, and answers.
void spare_answers() {
  beside_a_lent_place([] {});
}
weft_model::part const s1("pool: a spare stands by and answers", spare_answers, {1, 0});

// Of the spares, one is there for the loop and one for the root.
void blocks_beside_a_lent_place() { beside_a_lent_place(wait_for_the_right_half<how::for_anything>); }
weft_model::part const s6("pool: a root blocks beside a loop that has lent its place", blocks_beside_a_lent_place,
                          {1, 0});

// The root is a loop that has lent its place as well. It waits, the other computes: no spare stands by.
void two_lent_places() {
  beside_a_lent_place([] {
    lent_place const lent;
    wait_for_the_right_half<how::in_join>();
  });
}
weft_model::part const s7("pool: of two loops that have lent their places one waits", two_lent_places, {1, 0});

// E of stands_by: a spare is about to sleep standing by. Another worker blocks for a part in its own deque, and would have it take that.
void blocks_beside_one_who_stands_by() {
  small_pool p(2);
  auto& s = weft::scheduler_of(p);
  atomic<bool> lent{false}, ended{false};
  together(
      [&] {
        p.run([&] {
          lent_place const place;
          lent.store(true, memory_order_release);
          while (!ended.load(memory_order_acquire)) relax();
        });
      },
      [&] {
        p.run([&] {
          while (!lent.load(memory_order_acquire)) relax();
          auto one = p.spawn([] {});  // which brings the spare
          while (!one.ready() || s.idle.idle() == 0) relax();
          wait_for_the_right_half<how::for_anything>();
        });
        ended.store(true, memory_order_release);
      });
}
weft_model::part const s8("pool: a worker blocks while a spare begins to stand by", blocks_beside_one_who_stands_by,
                          {1, 1});

// The loop that lent its place has it back, and computes until its other half, public for long, has been begun. The other worker is in a join
// until then, so the spare is there for that one.
void no_longer_lent() {
  small_pool p(2);
  auto& s = weft::scheduler_of(p);
  atomic<bool> joins{false}, begun{false};
  weft::detail::one_end right;
  together(
      [&] {
        p.run([&] {
          joins.store(true, memory_order_release);
          weft::detail::block_in_join(*weft::detail::current_worker(),
                                      [&](weft::clock::time_point deadline) { return right.wait_until(deadline); });
        });
      },
      [&] {
        p.run([&] {
          weft::fork_join(
              [&] {
                while (!joins.load(memory_order_acquire)) relax();
                {
                  lent_place const place;
                  while (s.idle.idle() == 0) relax();
                }
                while (!begun.load(memory_order_acquire)) relax();
              },
              [&] {
                begun.store(true, memory_order_release);
                right.signal();
              });
        });
      });
}
weft_model::part const s9("pool: a loop has its place back while a spare begins to stand by", no_longer_lent, {1, 1});

// A spare that is one too many goes to the reserve, and is called from there.
void spare_comes_again() {
  small_pool p(1);
  small_pool q(1);
  int a = 0;
  p.run([&] {
    for (int i = 0; i != 2; ++i) q.run([&] { ++a; });
  });
  expect(a == 2, "each has run once");
}
weft_model::part const s4("pool: a worker waits twice", spare_comes_again, {1, 0});

// A plain thread is a worker for as long as it has something to compute, and a sleeper is kept asleep for that; a root still finds somebody.
template <unsigned Workers>
void joins_in() {
  small_pool p(Workers);
  int a = 0, b = 0, c = 0;
  together(
      [&] {
        weft::detail::external_membership const membership(weft::scheduler_of(p));
        expect(membership.joined(), "there is a place");
        weft::fork_join([&] { ++a; }, [&] { ++b; });
      },
      [&] { p.run([&] { ++c; }); });
  expect(a == 1 && b == 1 && c == 1, "each has run once");
}
weft_model::part const e1("pool: a plain thread joins in, one worker", joins_in<1>, {1, 0});
weft_model::part const e2("pool: a plain thread joins in, two workers", joins_in<2>, {1, 0});

// It stays until two roots have met that need both workers, the one kept asleep for it, too.
void stays_in() {
  small_pool p(2);
  atomic<int> begun{0};
  atomic<bool> ended{false};
  auto const meet = [&] {
    begun.fetch_add(1, memory_order_acq_rel);
    while (begun.load(memory_order_acquire) != 2) relax();
  };
  together(
      [&] {
        weft::detail::external_membership const membership(weft::scheduler_of(p));
        while (!ended.load(memory_order_acquire)) relax();
      },
      [&] {
        auto other = p.spawn(meet);
        p.run(meet);
        other.get();
        ended.store(true, memory_order_release);
      });
}
weft_model::part const e3("pool: a plain thread stays, and its place is needed", stays_in, {1, 0});

// The pool waits for what a root starts, and for what that starts, before and after the one between has ended.
void roots_start_roots() {
  small_pool p(2);
  atomic<int> ran{0};
  bool refused = false;
  auto const last = [&] { ran.fetch_add(1, memory_order_acq_rel); };
  together(
      [&] {
        try {
          p.run([&] {
            static_cast<void>(p.spawn(last));
            while (ran.load(memory_order_acquire) != 1) relax();
            static_cast<void>(p.spawn(last));
          });
        } catch (std::logic_error const&) {
          refused = true;
        }
      },
      [&] { p.shutdown(weft::drain_or_stop::drain); });
  expect(refused || ran.load(memory_order_relaxed) == 2, "all have run when the pool has ended");
}
weft_model::part const e4("pool: roots start roots while it is shut down", roots_start_roots, {1, 0});

void ended_meanwhile() {
  small_pool p(1);
  int ran = 0;
  together(
      [&] {
        try {
          p.run([&] { ++ran; });
        } catch (std::logic_error const&) {
          ran = 1;  // refused: the pool was closed first
        }
      },
      [&] { p.shutdown(weft::drain_or_stop::drain); });
  expect(ran == 1, "run or refused");
}
weft_model::part const p6("pool: shut down while a root comes", ended_meanwhile, {2, 0});

}  // namespace
