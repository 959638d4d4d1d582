#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/sched/blocking_threads.hpp>

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace {

using weft::detail::blocking_call;
using weft::detail::blocking_threads;

/// Calls f, then touches nothing of itself: f's last step may destroy it.
struct call : blocking_call {
  explicit call(std::function<void()> body)
      : blocking_call([](blocking_call* c) noexcept { static_cast<call*>(c)->f(); }), f(std::move(body)) {}
  std::function<void()> f;
};

// Virtual time for the threads that ask for it. It lies in the system's past, so that no wait of theirs blocks, and each lasts
// until the test has let the time pass.
std::atomic<long> virtual_seconds{1};
thread_local bool virtual_time = false;

void wait_until(std::function<bool()> const& true_at_last) {
  while (!true_at_last()) std::this_thread::yield();
}

}  // namespace

extern "C" int clock_gettime(clockid_t id, timespec* now) noexcept {
  if (!virtual_time) return static_cast<int>(::syscall(SYS_clock_gettime, id, now));
  *now = {virtual_seconds.load(), 0};
  return 0;
}

TEST_CASE("every call runs once, and no more threads exist than the cap allows") {
  weft_test::watchdog const dog("blocking threads: one after the other");
  weft_test::balance const memory;
  blocking_threads set(8, "blocking");
  CHECK(set.running() == 0);
  for (int i = 0; i != 200; ++i) {
    std::atomic<int> runs{0};
    call c([&] { ++runs; });
    REQUIRE_FALSE(set.submit(c));
    wait_until([&] { return runs.load() == 1; });
  }
  CHECK(set.running() <= 8);
}

TEST_CASE("calls that block have a thread each, up to the cap, and begin in their order") {
  weft_test::watchdog const dog("blocking threads: up to the cap");
  unsigned const most = GENERATE(1u, 3u);
  blocking_threads set(most, "blocking");
  constexpr int count = 9;
  std::atomic<int> begun{0}, ended{0}, out_of_order{0}, permits{0};
  std::vector<std::unique_ptr<call>> calls;
  for (int i = 0; i != count; ++i)
    calls.push_back(std::make_unique<call>([&, i] {
      int const place = begun++;
      if (std::abs(place - i) >= static_cast<int>(most)) ++out_of_order;
      while (permits.load() <= place) std::this_thread::yield();
      ++ended;
    }));
  for (auto& c : calls) REQUIRE_FALSE(set.submit(*c));
  for (int i = 0; i != count; ++i) {
    wait_until([&] { return begun.load() == std::min(count, i + static_cast<int>(most)); });
    CHECK(set.running() == most);
    permits = i + 1;
  }
  wait_until([&] { return ended.load() == count; });
  CHECK(out_of_order == 0);
}

TEST_CASE("a cap of zero is a cap of one") {
  weft_test::watchdog const dog("blocking threads: cap of zero");
  blocking_threads set(0, "blocking");
  std::atomic<bool> ran{false};
  call c([&] { ran = true; });
  REQUIRE_FALSE(set.submit(c));
  wait_until([&] { return ran.load(); });
}

TEST_CASE("a call that has not begun can be cancelled, one that has cannot") {
  weft_test::watchdog const dog("blocking threads: cancel");
  blocking_threads set(1, "blocking");
  std::atomic<bool> first_begun{false}, may_end{false}, second_ran{false}, third_ran{false};
  call first([&] {
    first_begun = true;
    while (!may_end.load()) std::this_thread::yield();
  });
  call second([&] { second_ran = true; }), third([&] { third_ran = true; });
  REQUIRE_FALSE(set.submit(first));
  wait_until([&] { return first_begun.load(); });
  REQUIRE_FALSE(set.submit(second));
  REQUIRE_FALSE(set.submit(third));
  CHECK_FALSE(set.cancel(first));
  CHECK(set.cancel(second));
  CHECK_FALSE(set.cancel(second));
  may_end = true;
  wait_until([&] { return third_ran.load(); });
  CHECK_FALSE(second_ran);
  REQUIRE_FALSE(set.submit(second));  // the caller's again
  wait_until([&] { return second_ran.load(); });
}

TEST_CASE("cancelling while threads take calls: each call runs or is cancelled, never both or neither") {
  weft_test::watchdog const dog("blocking threads: cancel against begin");
  blocking_threads set(2, "blocking");
  for (int round = 0; round != 2000; ++round) {
    std::atomic<int> runs{0};
    call c([&] { ++runs; });
    REQUIRE_FALSE(set.submit(c));
    for (int spin = 0; spin != round; ++spin) weft::detail::relax();
    if (set.cancel(c)) REQUIRE(runs == 0);
    else wait_until([&] { return runs.load() == 1; });
  }
}

TEST_CASE("a call may submit another, and many threads may submit") {
  weft_test::watchdog const dog("blocking threads: nested");
  weft_test::balance const memory;
  blocking_threads set(3, "blocking");
  constexpr int threads = 3, each = 300;
  std::atomic<int> inner_runs{0}, refused{0};
  std::vector<std::thread> submitters;
  std::vector<std::unique_ptr<call>> calls(2 * threads * each);
  for (int i = 0; i != threads * each; ++i) {
    auto& inner = calls[static_cast<std::size_t>(2 * i)];
    inner = std::make_unique<call>([&] { ++inner_runs; });
    calls[static_cast<std::size_t>(2 * i + 1)] = std::make_unique<call>([&] {
      if (set.submit(*inner)) ++refused;
    });
  }
  for (int t = 0; t != threads; ++t)
    submitters.emplace_back([&, t] {
      for (int i = 0; i != each; ++i)
        if (set.submit(*calls[static_cast<std::size_t>(2 * (t * each + i) + 1)])) ++refused;
    });
  for (auto& t : submitters) t.join();
  wait_until([&] { return inner_runs.load() == threads * each; });
  CHECK(refused == 0);
  CHECK(set.running() <= 3);
}

TEST_CASE("a thread that has been idle for long ends, and the next call gets a new one") {
  weft_test::watchdog const dog("blocking threads: idle");
  weft_test::balance const memory;
  blocking_threads set(2, "blocking");
  for (int round = 0; round != 3; ++round) {
    virtual_seconds = 1;
    std::atomic<bool> ran{false};
    call c([&] {
      virtual_time = true;
      ran = true;
    });
    REQUIRE_FALSE(set.submit(c));
    wait_until([&] { return ran.load(); });
    CHECK(set.running() == 1);
    while (set.running() != 0) {
      virtual_seconds += 11;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

TEST_CASE("a thread that ends for being idle, of a pool that never ends, leaves nothing to be joined") {
  weft_test::watchdog const dog("blocking threads: idle for good");
  // ThreadSanitizer complains at the exit of the program of a thread that has ended and that nobody has joined.
  static blocking_threads& set = *new blocking_threads(2, "blocking", weft::detail::lifetime::process);
  virtual_seconds = 1;
  auto const before = weft_test::live_allocations().blocks;
  std::atomic<bool> ran{false};
  {
    call c([&] {
      virtual_time = true;
      ran = true;
    });
    REQUIRE_FALSE(set.submit(c));
    wait_until([&] { return ran.load(); });
    while (set.running() != 0) {
      virtual_seconds += 11;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  wait_until([&] { return weft_test::live_allocations().blocks <= before; });
}

TEST_CASE("calls that come while a thread ends for being idle are not lost") {
  weft_test::watchdog const dog("blocking threads: calls against idle ends");
  auto const owners = GENERATE(weft::detail::lifetime::ends, weft::detail::lifetime::process);
  blocking_threads set(2, "blocking", owners);
  for (int round = 0; round != 150; ++round) {
    virtual_seconds = 1;
    std::atomic<int> runs{0};
    call one([&] {
      virtual_time = true;
      ++runs;
    });
    call two([&] {
      virtual_time = true;
      ++runs;
    });
    REQUIRE_FALSE(set.submit(one));
    for (int spin = 0; spin != 40 * round; ++spin) weft::detail::relax();
    virtual_seconds += 11;  // the thread's wait ends about now
    REQUIRE_FALSE(set.submit(two));
    wait_until([&] { return runs.load() == 2; });
  }
}
