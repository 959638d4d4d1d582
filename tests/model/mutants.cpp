// Mistakes planted on purpose: the checker must find each of them, and nothing in the same code without it. Small textbook algorithms, with
// a template argument for each place where the mistake goes.
#include <array>
#include <cstdint>
#include <model/model.hpp>
#include <optional>
#include <utility>

namespace {

using namespace weft_model;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;
using order = std::memory_order;

enum class has { no, yes };

// ── the deque of Chase and Lev, as Lê and others wrote it (PPoPP 2013), but with release stores where they have a release fence ──

struct chase_lev_orders {
  order push = memory_order_release;     // of bottom
  order take = memory_order_release;     // of bottom, lowered
  order restore = memory_order_release;  // of bottom, after a take that found it empty or the last item gone
  has take_fence = has::yes, steal_fence = has::yes, last_by_exchange = has::yes;
  order steal_bottom = memory_order_acquire;
};

template <chase_lev_orders O>
class chase_lev {
 public:
  void push(int* item) {
    auto const b = bottom_.load(memory_order_relaxed);
    slot(b).store(item, memory_order_relaxed);
    bottom_.store(b + 1, O.push);
  }
  int* take() {
    auto const b = bottom_.load(memory_order_relaxed) - 1;
    bottom_.store(b, O.take);
    if constexpr (O.take_fence == has::yes) fence(memory_order_seq_cst);
    auto t = top_.load(memory_order_relaxed);
    if (t > b) {
      bottom_.store(b + 1, O.restore);
      return nullptr;
    }
    int* item = slot(b).load(memory_order_relaxed);
    if (t == b) {
      if constexpr (O.last_by_exchange == has::yes) {
        if (!top_.compare_exchange_strong(t, t + 1, memory_order_seq_cst, memory_order_relaxed)) item = nullptr;
      } else {
        top_.store(t + 1, memory_order_seq_cst);
      }
      bottom_.store(b + 1, O.restore);
    }
    return item;
  }
  enum class stolen { item, nothing };
  stolen steal(int*& item) {
    auto t = top_.load(memory_order_acquire);
    if constexpr (O.steal_fence == has::yes) fence(memory_order_seq_cst);
    auto const b = bottom_.load(O.steal_bottom);
    if (t >= b) return stolen::nothing;
    item = slot(t).load(memory_order_relaxed);
    return top_.compare_exchange_strong(t, t + 1, memory_order_seq_cst, memory_order_relaxed) ? stolen::item
                                                                                              : stolen::nothing;
  }

 private:
  static constexpr std::size_t size = 4;
  atomic<int*>& slot(std::int64_t i) { return slots_[static_cast<std::size_t>(i) % size]; }
  atomic<std::int64_t> top_{0}, bottom_{0};
  std::array<atomic<int*>, size> slots_;
};

template <chase_lev_orders O = {}>
void deque() {
  chase_lev<O> d;
  std::array<int, 2> taken{0, 0};
  auto const run = [](int* item) {
    expect(item != nullptr, "an item is lost: the slot is empty");
    expect(++*item == 1, "an item is taken twice");
  };
  auto const steal = [&] {
    int* item = nullptr;
    if (d.steal(item) == chase_lev<O>::stolen::item) run(item);
  };
  together([&] { steal(), steal(); },
           [&] {
             d.push(&taken[0]);
             d.push(&taken[1]);
             for (int i = 0; i != 2; ++i)
               if (int* const item = d.take()) run(item);
           });
  expect(taken[0] == 1 && taken[1] == 1, "each item is taken once");
}
part const deque_right("calibration: Chase-Lev deque", deque<>, {3, 2});
mutant const deque1("mutant: Chase-Lev, release push, relaxed take", deque<{.take = memory_order_relaxed}>);
mutant const deque2("mutant: Chase-Lev, relaxed push", deque<{.push = memory_order_relaxed}>);
mutant const deque3("mutant: Chase-Lev, no fence in take", deque<{.take_fence = has::no}>);
mutant const deque4("mutant: Chase-Lev, no fence in steal", deque<{.steal_fence = has::no}>);
mutant const deque5("mutant: Chase-Lev, last item without exchange", deque<{.last_by_exchange = has::no}>);
mutant const deque6("mutant: Chase-Lev, bottom read relaxed", deque<{.steal_bottom = memory_order_relaxed}>);

// ── locks: the critical section is plain ──

template <class Lock>
void excluded() {
  Lock lock;
  int inside = 0;
  auto const enter = [&](unsigned me) {
    lock.lock(me);
    ++inside;
    lock.unlock(me);
  };
  together([&] { enter(0), enter(0); }, [&] { enter(1); });
  expect(inside == 3, "nobody's step in the critical section is lost");
}

template <order Store, order Load>
struct peterson {
  void lock(unsigned me) {
    wants[me].store(1, Store);
    turn.store(1 - me, Store);
    while (wants[1 - me].load(Load) == 1 && turn.load(Load) == 1 - me) give_way();
  }
  void unlock(unsigned me) { wants[me].store(0, memory_order_release); }
  std::array<atomic<unsigned>, 2> wants;
  atomic<unsigned> turn{0};
};
part const peterson_right("calibration: Peterson's lock",
                          excluded<peterson<memory_order_seq_cst, memory_order_seq_cst>>);
mutant const peterson1("mutant: Peterson's lock, release and acquire",
                       excluded<peterson<memory_order_release, memory_order_acquire>>);

template <order Lock, order Unlock>
struct spin {
  void lock(unsigned) {
    while (word.exchange(1, Lock) != 0) give_way();
  }
  void unlock(unsigned) { word.store(0, Unlock); }
  atomic<unsigned> word{0};
};
part const spin_right("calibration: spin lock", excluded<spin<memory_order_acquire, memory_order_release>>);
mutant const spin1("mutant: spin lock, relaxed lock", excluded<spin<memory_order_relaxed, memory_order_release>>);
mutant const spin2("mutant: spin lock, relaxed unlock", excluded<spin<memory_order_acquire, memory_order_relaxed>>);

template <order Unlock>
struct ticket {
  void lock(unsigned) {
    auto const mine = next.fetch_add(1, memory_order_relaxed);
    while (now.load(memory_order_acquire) != mine) give_way();
  }
  void unlock(unsigned) { now.store(now.load(memory_order_relaxed) + 1, Unlock); }
  atomic<unsigned> next{0}, now{0};
};
part const ticket_right("calibration: ticket lock", excluded<ticket<memory_order_release>>);
mutant const ticket1("mutant: ticket lock, relaxed unlock", excluded<ticket<memory_order_relaxed>>);

enum class futex_mistake { none, sleeps_as_held, wakes_nobody };
template <futex_mistake M>
struct futex_lock {
  void lock(unsigned) {
    unsigned free = 0;
    if (word.compare_exchange_strong(free, 1, memory_order_acquire)) return;
    unsigned const mark = M == futex_mistake::sleeps_as_held ? 1 : 2;
    while (word.exchange(mark, memory_order_acquire) != 0) weft_model::futex_wait(&word, mark, never, where::current());
  }
  void unlock(unsigned) {
    if (word.exchange(0, memory_order_release) == 2 && M != futex_mistake::wakes_nobody)
      weft_model::futex_wake(&word, 1, where::current());
  }
  atomic<unsigned> word{0};
};
part const futex_right("calibration: futex lock", excluded<futex_lock<futex_mistake::none>>);
mutant const futex1("mutant: futex lock, sleeps without saying so",
                    excluded<futex_lock<futex_mistake::sleeps_as_held>>);
mutant const futex2("mutant: futex lock, no wake-up", excluded<futex_lock<futex_mistake::wakes_nobody>>);

// ── sleeping ──

enum class sleep_mistake { none, no_second_look, epoch_read_late, relaxed_announcement, look_before_condition };
template <sleep_mistake M>
void event_counted() {
  atomic<unsigned> epoch{0}, waiters{0};
  atomic<int> condition{0};
  constexpr auto announce = M == sleep_mistake::relaxed_announcement ? memory_order_relaxed : memory_order_seq_cst;
  together(
      [&] {
        if (condition.load(memory_order_seq_cst) == 1) return;
        waiters.fetch_add(1, announce);
        auto key = epoch.load(memory_order_seq_cst);
        if (M != sleep_mistake::no_second_look && condition.load(memory_order_seq_cst) == 1) return;
        if (M == sleep_mistake::epoch_read_late) key = epoch.load(memory_order_seq_cst);
        while (epoch.load(memory_order_acquire) == key) weft_model::futex_wait(&epoch, key, never, where::current());
        expect(condition.load(memory_order_relaxed) == 1, "who is woken finds the condition true");
      },
      [&] {
        if (M == sleep_mistake::look_before_condition) {
          bool const nobody = waiters.load(memory_order_seq_cst) == 0;
          condition.store(1, memory_order_seq_cst);
          if (nobody) return;
        } else {
          condition.store(1, memory_order_seq_cst);
          if (waiters.load(memory_order_seq_cst) == 0) return;
        }
        epoch.fetch_add(1, memory_order_seq_cst);
        weft_model::futex_wake(&epoch, 1, where::current());
      });
}
part const sleep_right("calibration: event count", event_counted<sleep_mistake::none>, {4, 3});
mutant const sleep1("mutant: event count, no second look", event_counted<sleep_mistake::no_second_look>);
mutant const sleep2("mutant: event count, key read after the look", event_counted<sleep_mistake::epoch_read_late>);
mutant const sleep3("mutant: event count, relaxed announcement", event_counted<sleep_mistake::relaxed_announcement>);
mutant const sleep4("mutant: event count, looks before it makes the condition true",
                    event_counted<sleep_mistake::look_before_condition>);

// ── lifetimes ──

template <order Last>
void counted() {
  struct object {
    atomic<int> references{2};
    int used = 0, used_too = 0;
  };
  auto* const o = new object;
  auto const release = [o] {
    if (o->references.fetch_sub(1, Last) == 1) delete o;
  };
  together([&] { o->used = 1, release(); }, [&] { o->used_too = 1, release(); });
}
part const counted_right("calibration: reference count", counted<memory_order_acq_rel>);
mutant const counted1("mutant: reference count, release alone", counted<memory_order_release>);
mutant const counted2("mutant: reference count, acquire alone", counted<memory_order_acquire>);

enum class delete_mistake { none, load_and_store, nobody };
template <delete_mistake M>
void deleted_once() {
  atomic<int*> owner{new int(1)};
  auto const end = [&] {
    int* mine = nullptr;
    if (M == delete_mistake::load_and_store) {
      mine = owner.load(memory_order_acquire);
      owner.store(nullptr, memory_order_release);
    } else {
      mine = owner.exchange(nullptr, memory_order_acq_rel);
    }
    if (M != delete_mistake::nobody) delete mine;
  };
  together(end, end);
}
part const deleted_right("calibration: who exchanges deletes", deleted_once<delete_mistake::none>);
mutant const deleted1("mutant: a double free", deleted_once<delete_mistake::load_and_store>);
mutant const deleted2("mutant: a leak", deleted_once<delete_mistake::nobody>);

enum class signal_mistake { none, touches_after };
template <signal_mistake M>
void signalled() {
  struct latch {
    atomic<int> left{1};
    int address = 7;
  };
  auto* const l = new latch;
  together(
      [l] {
        int const address = l->address;
        l->left.store(0, memory_order_release);
        expect((M == signal_mistake::touches_after ? l->address : address) == 7, "the latch is whole");
      },
      [l] {
        while (l->left.load(memory_order_acquire) != 0) give_way();
        delete l;
      });
}
part const signalled_right("calibration: a latch dies when it is open", signalled<signal_mistake::none>);
mutant const signalled1("mutant: a latch is touched after the signal", signalled<signal_mistake::touches_after>);

template <order Load>
void made_once() {
  atomic<int*> instance{nullptr};
  spin<memory_order_acquire, memory_order_release> lock;
  auto const get = [&] {
    int* p = instance.load(Load);
    if (!p) {
      lock.lock(0);
      p = instance.load(memory_order_relaxed);
      if (!p) instance.store(p = new int(42), memory_order_release);
      lock.unlock(0);
    }
    expect(*p == 42, "who gets it finds it made");
  };
  together(get, get);
  delete instance.load(memory_order_relaxed);
}
part const made_right("calibration: double-checked making", made_once<memory_order_acquire>);
mutant const made1("mutant: double-checked making, relaxed look", made_once<memory_order_relaxed>);

// ── queues and stacks ──

template <order Publish, order Take, order GiveBack = memory_order_release>
void ring_of_one() {
  int slot = 0;
  atomic<unsigned> head{0}, tail{0};
  int sum = 0;
  together(
      [&] {
        for (int i = 1; i <= 2; ++i) {
          while (tail.load(memory_order_relaxed) - head.load(memory_order_acquire) == 1) give_way();
          slot = i;
          tail.store(tail.load(memory_order_relaxed) + 1, Publish);
        }
      },
      [&] {
        for (int i = 1; i <= 2; ++i) {
          while (tail.load(Take) == head.load(memory_order_relaxed)) give_way();
          sum += slot;
          head.store(head.load(memory_order_relaxed) + 1, GiveBack);
        }
      });
  expect(sum == 3, "both messages arrive");
}
part const ring_right("calibration: ring", ring_of_one<memory_order_release, memory_order_acquire>);
mutant const ring1("mutant: ring, relaxed publication", ring_of_one<memory_order_relaxed, memory_order_acquire>);
mutant const ring2("mutant: ring, relaxed look", ring_of_one<memory_order_release, memory_order_relaxed>);
mutant const ring3("mutant: ring, slot given back relaxed",
                   ring_of_one<memory_order_release, memory_order_acquire, memory_order_relaxed>);

// Two pops, and one who pops two and pushes the first again. With a number beside the index the slow one notices.
template <std::uint64_t Step>
void stack() {
  std::array<atomic<std::uint32_t>, 4> next;  // of the nodes 1 to 3
  std::array<int, 4> owners{};
  atomic<std::uint64_t> top{1};
  next[1].store(2, memory_order_relaxed);
  next[2].store(3, memory_order_relaxed);
  auto const pop = [&]() -> std::uint32_t {
    auto seen = top.load(memory_order_acquire);
    for (;;) {
      auto const node = static_cast<std::uint32_t>(seen);
      if (node == 0) return 0;
      auto const after = next[node].load(memory_order_relaxed);
      if (top.compare_exchange_weak(seen, ((seen >> 32) + Step) << 32 | after, memory_order_acquire)) {
        expect(++owners[node] == 1, "a node belongs to one");
        return node;
      }
    }
  };
  auto const push = [&](std::uint32_t node) {
    --owners[node];
    auto seen = top.load(memory_order_relaxed);
    do next[node].store(static_cast<std::uint32_t>(seen), memory_order_relaxed);
    while (!top.compare_exchange_weak(seen, ((seen >> 32) + Step) << 32 | node, memory_order_release,
                                      memory_order_relaxed));
  };
  together([&] { pop(), pop(); },
           [&] {
             auto const first = pop();
             pop();
             if (first != 0) push(first);
           });
}
part const stack_right("calibration: stack with a number", stack<1>);
mutant const stack1("mutant: stack without a number, ABA", stack<0>);

// ── counting ──

enum class count_mistake { none, load_and_store, plain };
template <count_mistake M>
void counting() {
  atomic<int> n{0};
  int bare = 0;
  auto const add = [&] {
    if (M == count_mistake::none) n.fetch_add(1, memory_order_relaxed);
    else if (M == count_mistake::load_and_store) n.store(n.load(memory_order_seq_cst) + 1, memory_order_seq_cst);
    else ++bare;
  };
  together(add, add);
  expect(n.load(memory_order_relaxed) + bare == 2, "no count is lost");
}
part const count_right("calibration: counter", counting<count_mistake::none>);
mutant const count1("mutant: counter, load and store", counting<count_mistake::load_and_store>);
mutant const count2("mutant: counter, plain", counting<count_mistake::plain>);

template <order Check>
void sequence_lock() {
  atomic<unsigned> sequence{0};
  atomic<int> a{0}, b{0};
  together(
      [&] {
        sequence.store(1, memory_order_relaxed);
        fence(memory_order_release);
        a.store(1, memory_order_relaxed), b.store(1, memory_order_relaxed);
        sequence.store(2, memory_order_release);
      },
      [&] {
        auto const before = sequence.load(memory_order_acquire);
        int const x = a.load(memory_order_relaxed), y = b.load(memory_order_relaxed);
        fence(Check);
        if (before % 2 == 0 && sequence.load(memory_order_relaxed) == before)
          expect(x == y, "who read between two equal even numbers has read one state");
      });
}
part const sequence_right("calibration: sequence lock", sequence_lock<memory_order_acquire>, {4, 4});
mutant const sequence1("mutant: sequence lock, no order before the second look", sequence_lock<memory_order_release>);

// A reader and a writer: each says that it is there, and looks for the other.
template <order O>
void reader_and_writer() {
  atomic<int> readers{0}, writer{0};
  int data = 0;
  together(
      [&] {
        readers.fetch_add(1, O);
        if (writer.load(O) == 0) expect(data == 0 || data == 1, "a whole value");
        readers.fetch_sub(1, memory_order_release);
      },
      [&] {
        writer.store(1, O);
        if (readers.load(O) == 0) data = 1;
      });
}
part const reader_right("calibration: reader and writer", reader_and_writer<memory_order_seq_cst>);
mutant const reader1("mutant: reader and writer, without seq_cst", [] {
  atomic<int> readers{0}, writer{0};
  int data = 0;
  together(
      [&] {
        readers.fetch_add(1, memory_order_acq_rel);
        if (writer.load(memory_order_acquire) == 0) expect(data == 0 || data == 1, "a whole value");
        readers.fetch_sub(1, memory_order_release);
      },
      [&] {
        writer.store(1, memory_order_release);
        if (readers.load(memory_order_acquire) == 0) data = 1;
      });
});

// A barrier for two, used twice: who comes last sets the count back before it lets the other go.
enum class barrier_mistake { none, count_set_back_late };
template <barrier_mistake M>
void barrier() {
  atomic<int> left{2};
  atomic<unsigned> round{0};
  int done = 0;
  auto const arrive = [&] {
    auto const mine = round.load(memory_order_relaxed);
    if (left.fetch_sub(1, memory_order_acq_rel) == 1) {
      if (M == barrier_mistake::none) left.store(2, memory_order_relaxed);
      round.store(mine + 1, memory_order_release);
      if (M == barrier_mistake::count_set_back_late) left.store(2, memory_order_relaxed);
    } else {
      while (round.load(memory_order_acquire) == mine) give_way();
    }
  };
  together([&] { done = 1, arrive(), arrive(); },
           [&] {
             arrive();
             expect(done == 1, "the other has come");
             arrive();
           });
}
part const barrier_right("calibration: barrier", barrier<barrier_mistake::none>);
mutant const barrier1("mutant: barrier, count set back too late", barrier<barrier_mistake::count_set_back_late>);

// A callback is taken out while another thread is calling it.
enum class callback_mistake { none, does_not_wait };
template <callback_mistake M>
void deregistered() {
  enum : int { registered, running, returned, removed };
  struct callback {
    int calls = 0;
  };
  atomic<int> phase{registered};
  auto* const c = new callback;
  together(
      [&] {
        int expected = registered;
        if (!phase.compare_exchange_strong(expected, running, memory_order_acq_rel)) return;
        ++c->calls;
        phase.store(returned, memory_order_release);
      },
      [&] {
        int expected = registered;
        if (!phase.compare_exchange_strong(expected, removed, memory_order_acq_rel) &&
            M != callback_mistake::does_not_wait)
          while (phase.load(memory_order_acquire) != returned) give_way();
        delete c;
      });
}
part const deregistered_right("calibration: a callback is taken out", deregistered<callback_mistake::none>);
mutant const deregistered1("mutant: a callback is taken out while it runs",
                           deregistered<callback_mistake::does_not_wait>);

// Philosophers: two locks in opposite order.
template <has InOrder>
void two_locks() {
  std::array<futex_lock<futex_mistake::none>, 2> locks;
  auto const both = [&](std::size_t first) {
    auto const second = 1 - first;
    locks[first].lock(0), locks[second].lock(0);
    locks[second].unlock(0), locks[first].unlock(0);
  };
  together([&] { both(0); }, [&] { both(InOrder == has::yes ? 0 : 1); });
}
part const locks_right("calibration: two locks in order", two_locks<has::yes>);
mutant const locks1("mutant: two locks in opposite order", two_locks<has::no>);

// A flag that is passed on by a thread which has seen it relaxed.
template <order Middle>
void passed_on() {
  int data = 0;
  atomic<int> first{0}, second{0};
  together([&] { data = 1, first.store(1, memory_order_release); },
           [&] {
             if (first.load(Middle) == 1) second.store(1, memory_order_release);
           },
           [&] {
             if (second.load(memory_order_acquire) == 1) expect(data == 1, "what was passed on is there");
           });
}
part const passed_right("calibration: a message is passed on", passed_on<memory_order_acquire>);
mutant const passed1("mutant: a message is passed on by one who has not taken it", passed_on<memory_order_relaxed>);

}  // namespace
