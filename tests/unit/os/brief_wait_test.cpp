// A wait for a few instructions of another thread that turns out to be long.
#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/os/brief_wait.hpp>
#include <weft/os/clock.hpp>

#include <time.h>

#include <atomic>
#include <chrono>
#include <thread>

using namespace std::chrono_literals;

namespace {

std::chrono::nanoseconds cpu_time_used() {
  timespec t{};
  REQUIRE(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

}  // namespace

TEST_CASE("a brief wait that turns out to be long leaves the core to others") {
  weft_test::watchdog const dog("brief_wait");
  std::atomic<bool> there{false};
  std::thread other([&] {
    std::this_thread::sleep_for(200ms);
    there = true;
  });
  auto const begun = std::chrono::steady_clock::now();
  auto const used = cpu_time_used();
  for (weft::detail::brief_wait w; !there; w.pause()) {
  }
  CHECK(2 * (cpu_time_used() - used) < std::chrono::steady_clock::now() - begun);
  other.join();
}
