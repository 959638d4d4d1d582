// The ready ring (one owner, thieves take half) and the ring for any number of producers and consumers: nothing is lost or doubled.
#include <weft/concurrent/mpmc_ring.hpp>
#include <weft/concurrent/parking.hpp>
#include <weft/concurrent/ready_ring.hpp>

#include <array>
#include <cstddef>
#include <model/model.hpp>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::together;

struct item {
  int payload = 1;
  int runs = 0;
  void run() {
    expect(payload == 1, "what the item points to is as its producer wrote it");
    ++runs;
  }
};

using ring = ready_ring<item*, 2>;

template <class R>
void steal(R& r, std::size_t most) {
  std::array<item*, R::capacity> loot{};
  auto const count = r.steal(loot.data(), most);
  for (std::size_t i = 0; i != count; ++i) {
    expect(loot[i] != nullptr, "a thief gets items");
    loot[i]->run();
  }
}
template <class R>
void pop_all(R& r) {
  while (item* const i = r.pop()) i->run();
}
template <std::size_t N>
void all_ran_once(std::array<item, N> const& items) {
  for (item const& i : items) expect(i.runs == 1, "each item runs once");
}

void one_thief() {
  ring r;
  std::array<item, 3> items;
  together([&] { steal(r, 2), steal(r, 1); },
           [&] {
             for (item& i : items)
               if (!r.push(&i)) i.run();
             pop_all(r);
           });
  pop_all(r);
  all_ran_once(items);
}
weft_model::part const p1("rings: ready_ring, one thief", one_thief, {3, 2});

void two_thieves() {
  ring r;
  std::array<item, 3> items;
  together([&] { steal(r, 2); }, [&] { steal(r, 2); },
           [&] {
             for (item& i : items)
               if (!r.push(&i)) i.run();
             pop_all(r);
           });
  all_ran_once(items);
}
weft_model::part const p2("rings: ready_ring, two thieves", two_thieves);

// E2: a slot is written again only when its thief has read it. The ring comes round twice.
void comes_round() {
  ready_ring<item*, 1> r;
  std::array<item, 4> items;
  together([&] { steal(r, 1), steal(r, 1); },
           [&] {
             for (item& i : items)
               if (!r.push(&i)) {
                 i.run();
                 pop_all(r);
               }
             pop_all(r);
           });
  all_ran_once(items);
}
weft_model::part const p3("rings: ready_ring, comes round", comes_round, {3, 2});

// E3: push, then the look for sleepers; the announcement, then the look at the ring.
void no_lost_wake_up() {
  ring r;
  item a;
  atomic<bool> sleeping{false};
  parker p;
  together(
      [&] {
        sleeping.store(true, memory_order_seq_cst);
        while (r.empty()) p.park();
        steal(r, 1);
      },
      [&] {
        expect(r.push(&a), "there is room");
        if (sleeping.load(memory_order_seq_cst)) p.unpark();
      });
  expect(a.runs == 1, "it has been run");
}
weft_model::part const p4("rings: ready_ring, a push is not slept through (E3)", no_lost_wake_up, {4, 4});

using queue = mpmc_ring<item*, 2>;

void push(queue& q, item& i) {
  if (!q.push(&i)) i.run();
}
void pop(queue& q) {
  item* i = nullptr;
  if (q.pop(i)) i->run();
}

void one_each() {
  queue q;
  std::array<item, 3> items;
  together(
      [&] {
        for (item& i : items) push(q, i);
      },
      [&] { pop(q), pop(q), pop(q); });
  pop(q), pop(q);
  all_ran_once(items);
}
weft_model::part const m1("rings: mpmc_ring, one producer, one consumer", one_each, {4, 2});

void two_producers() {
  queue q;
  std::array<item, 3> items;
  together([&] { push(q, items[0]); }, [&] { push(q, items[1]), push(q, items[2]); }, [&] { pop(q), pop(q); });
  pop(q), pop(q);
  all_ran_once(items);
}
weft_model::part const m2("rings: mpmc_ring, two producers", two_producers);

void two_consumers() {
  queue q;
  std::array<item, 4> items;
  together([&] { pop(q), pop(q); }, [&] { pop(q); },
           [&] {
             for (item& i : items) push(q, i);
           });
  pop(q), pop(q);
  all_ran_once(items);
}
weft_model::part const m3("rings: mpmc_ring, two consumers", two_consumers);

void two_and_two() {
  queue q;
  std::array<item, 2> items;
  together([&] { push(q, items[0]); }, [&] { push(q, items[1]); }, [&] { pop(q); }, [&] { pop(q); });
  pop(q), pop(q);
  all_ran_once(items);
}
weft_model::part const m4("rings: mpmc_ring, two and two", two_and_two);

// In order for one producer and one consumer.
void in_order() {
  mpmc_ring<int, 2> q;
  together(
      [&] {
        for (int i = 1; i <= 3; ++i)
          while (!q.push(i)) relax();
      },
      [&] {
        for (int i = 1; i <= 3; ++i) {
          int v = 0;
          while (!q.pop(v)) relax();
          expect(v == i, "first in, first out");
        }
      });
}
weft_model::part const m5("rings: mpmc_ring, in order", in_order);

}  // namespace
