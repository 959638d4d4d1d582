// Joins: a forked call that may be stolen, the thief's steps, the owner's wait, and help. Through the real scheduler.
#include <weft/future/spawn.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/open_join.hpp>

#include <array>
#include <cstddef>
#include <model/model.hpp>
#include <model/parts/pool.hpp>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::small_pool;
using weft_model::together;

void forked_once() {
  small_pool p(2);
  int a = 0, b = 0;
  p.run([&] { weft::fork_join([&] { ++a; }, [&] { ++b; }); });
  expect(a == 1 && b == 1, "each half has run once");
}
weft_model::part const p1("join: a join on two workers", forked_once, {2, 0});

void one_after_the_other() {
  small_pool p(2);
  int a = 0, b = 0;
  p.run([&] {
    for (int i = 0; i != 2; ++i) weft::fork_join([&] { ++a; }, [&] { ++b; });
  });
  expect(a == 2 && b == 2, "each half has run once in each join");
}
weft_model::part const p2("join: one after the other", one_after_the_other, {1, 0});

void nested() {
  small_pool p(2);
  int a = 0, b = 0, c = 0, d = 0;
  p.run([&] {
    weft::fork_join([&] { weft::fork_join([&] { ++a; }, [&] { ++b; }); },
                    [&] { weft::fork_join([&] { ++c; }, [&] { ++d; }); });
  });
  expect(a == 1 && b == 1 && c == 1 && d == 1, "each part has run once");
}
weft_model::part const p3("join: nested", nested, {1, 0});

// The left half waits until the right has begun, so it is stolen or nothing moves: a worker that sleeps must see it.
void must_be_stolen() {
  small_pool p(2);
  atomic<bool> begun{false};
  p.run([&] {
    weft::fork_join(
        [&] {
          while (!begun.load(memory_order_acquire)) {
            current_worker()->home.share(*current_worker());
            relax();
          }
        },
        [&] { begun.store(true, memory_order_release); });
  });
}
weft_model::part const p4("join: the right half is stolen", must_be_stolen, {1, 0});

// The first failure stops the other half and waits for it.
void thrown() {
  small_pool p(2);
  int b = 0;
  bool caught = false;
  p.run([&] {
    try {
      weft::fork_join([] { throw 1; }, [&] { ++b; });
    } catch (int) {
      caught = true;
    }
  });
  expect(caught && b <= 1, "the failure arrives after the other half has ended");
}
weft_model::part const p5("join: the left half throws", thrown, {1, 0});

// The thief waits for a job in its owner's ring. The owner, which looks for something to help with, loses patience: its place goes to a spare.
void patience() {
  small_pool p(2);
  p.run([&] {
    atomic<bool> begun{false}, ran{false};
    auto ready = p.spawn([&] { ran.store(true, memory_order_release); });
    weft::fork_join(
        [&] {
          while (!begun.load(memory_order_acquire) && !ran.load(memory_order_acquire)) {
            current_worker()->home.share(*current_worker());
            relax();
          }
        },
        [&] {
          begun.store(true, memory_order_release);
          while (!ran.load(memory_order_acquire)) relax();
        });
    ready.get();
  });
}
weft_model::part const p6("join: a thief that needs a third worker", patience, {1, 0});

// A fork whose second part a thief takes: the owner shares it until that has begun. `late` is what the thief does before it writes.
template <class Late>
void stolen_fork(small_pool& p, atomic<bool>& begun, Late late) {
  int plain = 0;
  p.run([&] {
    weft::fork_join(
        [&] {
          while (!begun.load(memory_order_acquire)) {
            current_worker()->home.share(*current_worker());
            relax();
          }
        },
        [&] {
          begun.store(true, memory_order_release);
          late();
          ++plain;
        });
    expect(plain == 1, "what the thief did is seen");
  });
}

void unpark_both(small_pool& p, int times) {
  for (int k = 0; k != times; ++k)
    for (unsigned i = 0; i != 2; ++i) weft::scheduler_of(p).worker_at(i).sleep.unpark();
}

// Tokens that were meant for something else: the owner wakes up, once or again and again, between the thief's end and its call (join E2).
template <int Times>
void stray_tokens() {
  small_pool p(2);
  atomic<bool> begun{false};
  together([&] { stolen_fork(p, begun, [] {}); },
           [&] {
             while (!begun.load(memory_order_acquire)) relax();
             unpark_both(p, Times);
           });
}
weft_model::part const p7("join: a stray token", stray_tokens<1>, {1, 0});
weft_model::part const p8("join: many stray tokens", stray_tokens<8>, {1, 0});

// The thief ends when the owner is parked, or about to be.
void stray_token_at_the_end() {
  small_pool p(2);
  auto& s = weft::scheduler_of(p);
  atomic<bool> begun{false};
  auto const until_parked = [&] {
    while (s.worker_at(0).joins_parked.get() + s.worker_at(1).joins_parked.get() == 0) relax();
  };
  together([&] { stolen_fork(p, begun, until_parked); },
           [&] {
             until_parked();
             unpark_both(p, 2);
           });
}
weft_model::part const p9("join: a stray token at the thief's end", stray_token_at_the_end, {1, 1});

// The counter alone, without a pool: the last end wakes the waiter, and nobody touches the join after that.
void ends_of_an_open_join() {
  auto* const j = new open_join;
  j->begin(3, nullptr);
  std::array<int, 3> written{};
  auto const end = [&](std::size_t i) {
    written[i] = 1;
    if (j->end(1)) {
      expect(written[0] + written[1] + written[2] == 3, "what was done before each end is seen by the last");
      delete j;
    }
  };
  together([&] { end(0); }, [&] { end(1); }, [&] { end(2); });
}
weft_model::part const o1("join: the ends of an open join", ends_of_an_open_join, {4, 4});

// Each end may expect another.
void open_join_grows() {
  auto* const j = new open_join;
  j->begin(2, nullptr);
  int ends = 0;
  atomic<int> left{3};
  auto const end = [&] {
    left.fetch_sub(1, memory_order_relaxed);
    if (j->end(1)) {
      ++ends;
      expect(left.load(memory_order_relaxed) == 0, "the last end is the last");
      delete j;
    }
  };
  together(
      [&] {
        j->expect();
        end();
        end();
      },
      [&] { end(); });
  expect(ends == 1, "it ends once");
}
weft_model::part const o2("join: an open join grows", open_join_grows, {4, 4});

}  // namespace
