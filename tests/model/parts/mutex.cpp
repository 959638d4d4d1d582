// The small mutex and the spin mutex: one at a time, nobody sleeps while it is free, and the last holder may destroy it.
#include <weft/concurrent/mutex.hpp>
#include <weft/concurrent/spin_lock.hpp>

#include <model/model.hpp>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::together;

template <class Mutex>
void three_threads() {
  Mutex m;
  int inside = 0;
  auto const enter = [&] {
    m.lock();
    ++inside;
    m.unlock();
  };
  together(enter, enter, enter);
  expect(inside == 3, "nobody's step is lost");
}

template <class Mutex>
void twice_each() {
  Mutex m;
  int inside = 0;
  auto const enter = [&] {
    for (int i = 0; i != 2; ++i) {
      m.lock();
      ++inside;
      m.unlock();
    }
  };
  together(enter, enter);
  expect(inside == 4, "nobody's step is lost");
}

template <class Mutex>
void tried() {
  Mutex m;
  int inside = 0;
  bool tried_and_got = false;
  together(
      [&] {
        if (!m.try_lock()) return;
        ++inside;
        tried_and_got = true;
        m.unlock();
      },
      [&] {
        m.lock();
        ++inside;
        m.unlock();
      });
  expect(inside == (tried_and_got ? 2 : 1), "nobody's step is lost");
}

// Two holders of an object behind its own lock; who comes last frees it while the other may be on its way out of unlock.
template <class Mutex>
void freed_by_the_last() {
  struct object {
    Mutex lock;
    int holders = 2;
  };
  auto* const o = new object;
  auto const leave = [o] {
    o->lock.lock();
    bool const last = --o->holders == 0;
    o->lock.unlock();
    if (last) delete o;
  };
  together(leave, leave);
}

weft_model::part const s1("mutex: small_mutex, three threads", three_threads<small_mutex>);
weft_model::part const s2("mutex: small_mutex, twice each", twice_each<small_mutex>, {3, 2});
weft_model::part const s3("mutex: small_mutex, tried", tried<small_mutex>, {4, 3});
weft_model::part const s4("mutex: small_mutex, freed by its last holder", freed_by_the_last<small_mutex>, {4, 3});
weft_model::part const q1("mutex: spin_mutex, three threads", three_threads<spin_mutex>);
weft_model::part const q2("mutex: spin_mutex, twice each", twice_each<spin_mutex>, {3, 2});
weft_model::part const q3("mutex: spin_mutex, tried", tried<spin_mutex>, {4, 3});
weft_model::part const q4("mutex: spin_mutex, freed by its last holder", freed_by_the_last<spin_mutex>, {4, 3});

}  // namespace
