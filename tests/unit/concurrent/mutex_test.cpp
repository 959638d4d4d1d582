#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/concurrent/mutex.hpp>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace {

using weft::detail::small_lock;
using weft::detail::small_mutex;

}  // namespace

static_assert(sizeof(small_mutex) == 4);

TEST_CASE("try_lock fails while the mutex is held, and succeeds afterwards") {
  small_mutex m;
  REQUIRE(m.try_lock());
  CHECK_FALSE(m.try_lock());
  m.unlock();
  {
    small_lock const guard(m);
    CHECK_FALSE(m.try_lock());
  }
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("one thread at a time is inside") {
  weft_test::watchdog const dog("mutex: exclusion");
  constexpr int threads = 4, rounds = 5000;
  small_mutex m;
  int value = 0;  // guarded by m
  std::vector<std::thread> all;
  for (int t = 0; t != threads; ++t)
    all.emplace_back([&] {
      for (int i = 0; i != rounds; ++i) {
        small_lock const guard(m);
        ++value;
        if (i % 512 == 0) std::this_thread::yield();  // held over a time slice: the others sleep
      }
    });
  for (auto& t : all) t.join();
  CHECK(value == threads * rounds);
}

TEST_CASE("a holder that takes long has every sleeper woken in the end") {
  weft_test::watchdog const dog("mutex: sleepers");
  small_mutex m;
  std::atomic<int> inside{0};
  m.lock();
  std::vector<std::thread> sleepers;
  for (int t = 0; t != 3; ++t)
    sleepers.emplace_back([&] {
      small_lock const guard(m);
      ++inside;
    });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(inside == 0);
  m.unlock();
  for (auto& t : sleepers) t.join();
  CHECK(inside == 3);
}

TEST_CASE("a mutex may die as soon as its last holder has unlocked it") {
  weft_test::watchdog const dog("mutex: dies when unlocked");
  struct shared {
    small_mutex lock;
    int references = 2;  // guarded by lock
  };
  auto const release = [](shared* s) {
    s->lock.lock();
    bool const last = --s->references == 0;
    s->lock.unlock();
    if (last) delete s;
  };
  constexpr int rounds = 5000;
  std::atomic<shared*> offered{nullptr};
  std::thread other([&] {
    for (int i = 0; i != rounds; ++i) {
      shared* s = nullptr;
      while ((s = offered.exchange(nullptr)) == nullptr) std::this_thread::yield();
      release(s);
    }
  });
  for (int i = 0; i != rounds; ++i) {
    auto* const s = new shared;
    while (offered.load() != nullptr) std::this_thread::yield();
    offered = s;
    release(s);
  }
  other.join();
}
