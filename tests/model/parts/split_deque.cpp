// The split deque: its owner, who pushes, publishes, pops, drops and settles, against thieves. Each item runs once.
#include <weft/concurrent/parking.hpp>
#include <weft/concurrent/split_deque.hpp>

#include <model/model.hpp>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::together;

struct item {
  int payload = 1;  // plain: handed over by the deque alone
  int runs = 0;
  atomic<bool> done{false};

  void run() {
    expect(payload == 1, "what the item points to is as its owner wrote it");
    ++runs;
  }
};

using deque = split_deque<item>;
constexpr std::size_t capacity = 8;

void steal_once(deque& d) {
  item* i = nullptr;
  if (d.steal(i) != stolen::item) return;
  expect(i != nullptr, "a thief finds its item in the slot");
  i->run();
  i->done.store(true, memory_order_release);
}

void steal_until(deque& d, atomic<bool>& ended) {
  while (!ended.load(memory_order_acquire)) {
    steal_once(d);
    relax();
  }
}

// As a join does: the youngest item, run here, or awaited and dropped.
void join_top(deque& d, item& i) {
  auto const slot = d.mark() - 1;
  if (d.pop()) {
    i.run();
    return;
  }
  while (!i.done.load(memory_order_acquire)) relax();
  d.drop_taken(slot);
}

template <class... Items>
void all_ran_once(Items const&... items) {
  expect(((items.runs == 1) && ...), "each item runs once");
}

void push(deque& d, item& i) { expect(d.push(&i), "there is room"); }

void one_published() {
  deque d(capacity);
  item a;
  together([&] { steal_once(d); },
           [&] {
             push(d, a);
             d.publish();
             join_top(d, a);
           });
  all_ran_once(a);
}
weft_model::part const p1("split_deque: the last item, between owner and thief", one_published, {4, 3});

void two_published() {
  deque d(capacity);
  item a, b;
  together([&] { steal_once(d), steal_once(d); },
           [&] {
             push(d, a), push(d, b);
             d.publish();
             join_top(d, b), join_top(d, a);
           });
  all_ran_once(a, b);
}
weft_model::part const p2("split_deque: two items, one thief", two_published, {3, 2});

void two_thieves() {
  deque d(capacity);
  item a, b, c;
  together([&] { steal_once(d); }, [&] { steal_once(d); },
           [&] {
             push(d, a), push(d, b);
             d.publish();
             push(d, c);
             join_top(d, c), join_top(d, b), join_top(d, a);
           });
  all_ran_once(a, b, c);
}
weft_model::part const p3("split_deque: two thieves", two_thieves);

// Taken back and published again: the word comes back to what a slow thief has read.
void published_again() {
  deque d(capacity);
  item a, b, c;
  together([&] { steal_once(d); }, [&] { steal_once(d); },
           [&] {
             push(d, a), push(d, b);
             d.publish();
             join_top(d, b);
             push(d, c);
             d.publish();
             join_top(d, c), join_top(d, a);
           });
  all_ran_once(a, b, c);
}
weft_model::part const p4("split_deque: taken back and published again", published_again);

// Slots are used again as soon as the thief's null is seen, here without waiting for what it runs.
void settled() {
  deque d(capacity);
  item a, b;
  together([&] { steal_once(d); }, [&] { steal_once(d); },
           [&] {
             push(d, a);
             d.publish();
             if (d.pop()) {
               a.run();
             } else {
               d.settle(d.bottom());
             }
             push(d, b);
             d.publish();
             if (d.pop()) {
               b.run();
             } else {
               while (!d.idle() || d.mark() != d.bottom()) d.settle(d.bottom()), relax();
             }
           });
  all_ran_once(a, b);
}
weft_model::part const p5("split_deque: a slot is used again", settled);

void thief_never_rests() {
  deque d(capacity);
  item a, b, c;
  atomic<bool> ended{false};
  together([&] { steal_until(d, ended); },
           [&] {
             for (item* i : {&a, &b, &c}) {
               push(d, *i);
               if (d.wanted()) d.publish(), d.clear_want();
             }
             join_top(d, c), join_top(d, b), join_top(d, a);
             ended.store(true, memory_order_release);
           });
  all_ran_once(a, b, c);
}
weft_model::part const p6("split_deque: published on demand", thief_never_rests);

// E1 without a loss of what happened before: the item may be destroyed by whoever ran it.
void freed_by_the_thief() {
  deque d(capacity);
  atomic<bool> ended{false};
  auto const steal = [&] {
    item* i = nullptr;
    if (d.steal(i) == stolen::item) delete i;
  };
  together(steal, steal, [&] {
    push(d, *new item), push(d, *new item);
    d.publish();
    for (int n = 0; n != 2; ++n) {
      auto const slot = d.mark() - 1;
      if (d.pop()) {
        delete d.item_at(slot);
      } else {
        while (d.mark() != d.bottom()) d.settle(d.bottom()), relax();
        break;
      }
    }
  });
}
weft_model::part const p7("split_deque: items are freed by whoever takes them", freed_by_the_thief);

// E3: publish, then the look for sleepers; the sleeper's announcement, then its second look.
void no_lost_wake_up() {
  deque d(capacity);
  item a;
  atomic<bool> sleeping{false};
  parker p;
  together(
      [&] {
        sleeping.store(true, memory_order_seq_cst);
        while (!d.looks_stealable()) p.park();
        item* i = nullptr;
        if (d.steal(i) == stolen::item) i->run();
      },
      [&] {
        push(d, a);
        d.publish();
        if (sleeping.load(memory_order_seq_cst)) p.unpark();
      });
  all_ran_once(a);
}
weft_model::part const p8("split_deque: a publish is not slept through (E3)", no_lost_wake_up, {4, 3});

// E4: an owner with a private item clears `want`, then looks for sleepers; a sleeper announces itself, then raises `want`.
void no_lost_want() {
  deque d(capacity);
  item a;
  atomic<bool> sleeping{false};
  parker p;
  together(
      [&] {
        sleeping.store(true, memory_order_seq_cst);
        d.raise_want();
        while (!d.looks_stealable()) p.park();
        item* i = nullptr;
        if (d.steal(i) == stolen::item) i->run();
      },
      [&] {
        d.clear_want();
        bool asleep = sleeping.load(memory_order_seq_cst);
        push(d, a);
        // Later pushes look at want alone, and it stays raised.
        while (!asleep && !d.wanted()) relax();
        d.publish();
        while (!sleeping.load(memory_order_seq_cst)) relax();
        p.unpark();
      });
  all_ran_once(a);
}
weft_model::part const p9("split_deque: a wish for work is not lost (E4)", no_lost_want, {3, 2});

}  // namespace
