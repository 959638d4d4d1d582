// The parker and the event count: nobody sleeps through what was meant for it.
#include <weft/concurrent/parking.hpp>

#include <chrono>
#include <model/model.hpp>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::together;

// The condition is plain: only the token orders it.
void token_carries() {
  parker p;
  int data = 0;
  together([&] { data = 1, p.unpark(); }, [&] { p.park(), expect(data == 1, "seen after park"); });
}
weft_model::part const p1("parking: a token carries what was written before it", token_carries, {4, 4});

void two_who_unpark() {
  parker p;
  atomic<int> a{0}, b{0};
  together([&] { a.store(1, memory_order_relaxed), p.unpark(); }, [&] { b.store(1, memory_order_relaxed), p.unpark(); },
           [&] {
             while (a.load(memory_order_relaxed) == 0 || b.load(memory_order_relaxed) == 0) p.park();
           });
}
weft_model::part const p2("parking: two who unpark", two_who_unpark, {3, 2});

void again_and_again() {
  parker p;
  atomic<int> turn{0};
  together(
      [&] {
        for (int i = 1; i <= 2; ++i) {
          turn.store(i, memory_order_relaxed);
          p.unpark();
        }
      },
      [&] {
        while (turn.load(memory_order_relaxed) != 2) p.park();
      });
}
weft_model::part const p3("parking: tokens of which one is too many", again_and_again, {4, 3});

void with_deadline() {
  parker p;
  atomic<bool> there{false};
  int data = 0;
  together(
      [&] {
        data = 1;
        there.store(true, memory_order_relaxed);
        p.unpark();
      },
      [&] {
        auto const deadline = weft::clock::now() + std::chrono::milliseconds(1);
        p.park(deadline);
        if (weft::clock::now() < deadline) return;
        // A token that came with the deadline is taken all the same; one that comes later is for the next park.
        while (!there.load(memory_order_relaxed)) p.park(weft::clock::now() + std::chrono::milliseconds(1));
      });
  p.unpark();
  p.park();
  expect(data == 1, "it is there in the end");
}
weft_model::part const p4("parking: a deadline", with_deadline, {3, 2});

void waits(event_count& e, atomic<int>& condition) {
  while (condition.load(memory_order_relaxed) == 0) {
    auto const key = e.prepare_wait();
    if (condition.load(memory_order_seq_cst) != 0) {
      e.cancel_wait();
      return;
    }
    e.wait(key);
  }
}

void one_waiter() {
  event_count e;
  atomic<int> condition{0};
  together([&] { condition.store(1, memory_order_seq_cst), e.notify_one(); }, [&] { waits(e, condition); });
}
weft_model::part const e1("parking: an event count, one waiter", one_waiter, {4, 4});

void two_waiters() {
  event_count e;
  atomic<int> condition{0};
  together([&] { waits(e, condition); }, [&] { condition.store(1, memory_order_seq_cst), e.notify_all(); },
           [&] { waits(e, condition); });
}
weft_model::part const e2("parking: an event count, all waiters", two_waiters, {3, 2});

// Each notification lets one of the two go on, who takes one of two permits.
void one_each() {
  event_count e;
  atomic<int> permits{0};
  auto const take = [&] {
    for (;;) {
      auto const key = e.prepare_wait();
      for (auto seen = permits.load(memory_order_seq_cst); seen != 0;) {
        if (permits.compare_exchange_weak(seen, seen - 1, memory_order_seq_cst)) {
          e.cancel_wait();
          return;
        }
      }
      e.wait(key);
    }
  };
  auto const give = [&] { permits.fetch_add(1, memory_order_seq_cst), e.notify_one(); };
  together(take, take, [&] { give(), give(); });
}
weft_model::part const e3("parking: an event count, one at a time", one_each);

void carries_data() {
  event_count e;
  int data = 0;
  atomic<int> announced{0};
  together(
      [&] {
        auto const key = e.prepare_wait();
        announced.store(1, memory_order_release);
        if (e.wait(key)) expect(data == 1, "what was written before notify is seen after wait");
      },
      [&] {
        while (announced.load(memory_order_acquire) == 0) relax();
        data = 1;
        e.notify_one();
      });
}
weft_model::part const e4("parking: an event count carries what was written before", carries_data, {3, 3});

void waits_until() {
  event_count e;
  atomic<int> condition{0};
  together([&] { condition.store(1, memory_order_seq_cst), e.notify_one(); },
           [&] {
             while (condition.load(memory_order_relaxed) == 0) {
               auto const key = e.prepare_wait();
               if (condition.load(memory_order_seq_cst) != 0) return e.cancel_wait();
               e.wait(key, weft::clock::now() + std::chrono::milliseconds(1));
             }
           });
}
weft_model::part const e5("parking: an event count with a deadline", waits_until, {3, 2});

}  // namespace
