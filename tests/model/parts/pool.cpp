// The whole scheduler: a pool of one or two workers, plain threads outside, joins that are stolen, and the end of it.
#include <weft/coro/run.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>

#include <model/model.hpp>
#include <model/parts/pool.hpp>
#include <stdexcept>

namespace {

using weft::detail::atomic;
using weft::detail::memory_order_acq_rel;
using weft::detail::memory_order_acquire;
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
