#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/concurrent/spin_lock.hpp>

#include <chrono>
#include <thread>
#include <vector>

namespace {

using weft::detail::spin_lock;
using weft::detail::spin_mutex;

}  // namespace

TEST_CASE("a spin_mutex that is held is not had by another") {
  spin_mutex m;
  REQUIRE(m.try_lock());
  CHECK_FALSE(m.try_lock());
  m.unlock();
  {
    spin_lock const guard(m);
    CHECK_FALSE(m.try_lock());
  }
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("one thread at a time is inside a spin_mutex, more threads than cores too") {
  weft_test::watchdog const dog("spin_lock: exclusion");
  constexpr int threads = 8, rounds = 5000;
  spin_mutex m;
  int value = 0;  // guarded by m
  std::vector<std::thread> all;
  for (int t = 0; t != threads; ++t)
    all.emplace_back([&] {
      for (int i = 0; i != rounds; ++i) {
        spin_lock const guard(m);
        ++value;
        if (i % 1024 == 0) std::this_thread::yield();
      }
    });
  for (auto& t : all) t.join();
  CHECK(value == threads * rounds);
}

TEST_CASE("who waits long for a spin_mutex sleeps, and has it in the end") {
  weft_test::watchdog const dog("spin_lock: naps");
  spin_mutex m;
  bool had = false;  // guarded by m
  m.lock();
  std::thread other([&] {
    spin_lock const guard(m);
    had = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK_FALSE(had);
  m.unlock();
  other.join();
  CHECK(had);
}
