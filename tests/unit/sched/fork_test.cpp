#include <weft/base/config.hpp>

// ThreadSanitizer does not support threads in the child of a process that had some, and AddressSanitizer's allocator
// (that of GCC 12) keeps in the child a lock that a thread of the parent held.
#if !WEFT_TSAN && !WEFT_ASAN

#include "support/catch.hpp"
#include "support/keep_counts.hpp"
#include "support/watchdog.hpp"
#include "unit/sched/jobs.hpp"

#include <weft/coro/run.hpp>
#include <weft/sched/blocking_threads.hpp>

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

namespace {

using weft::pool;

/// What f returned in a child process, -1 where it did not get that far within its time.
template <class F>
int in_child(F f) {
  pid_t const child = ::fork();
  if (child == 0) {
    ::alarm(25);
    int const result = f();
    weft_test::keep_counts();
    ::_exit(result);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

template <class F>
bool is_refused(F f) {
  try {
    f();
    return false;
  } catch (std::logic_error const&) {
    return true;
  }
}

}  // namespace

TEST_CASE("the child of a process with a default pool gets one of its own") {
  weft_test::watchdog const dog("fork: default pool");
  CHECK(weft::run([] { return 1; }) == 1);
  CHECK(in_child([] {
          int const direct = weft::run([] { return 2; });
          int const grandchild = in_child([] { return weft::run([] { return 3; }); });
          return 10 * grandchild + direct;
        }) == 32);
  CHECK(weft::run([] { return 4; }) == 4);
}

TEST_CASE("a pool inherited by the child refuses all work there, and can be shut down and destroyed") {
  weft_test::watchdog const dog("fork: inherited pool");
  struct nothing : weft::detail::blocking_call {
    nothing() : blocking_call([](blocking_call* c) noexcept { static_cast<nothing*>(c)->ran = true; }) {}
    std::atomic<bool> ran{false};
  } call;
  auto p = std::make_optional<pool>(weft::pool_options{.workers = 2});
  CHECK(p->run([] { return 1; }) == 1);
  REQUIRE_FALSE(weft::scheduler_of(*p).blocking().submit(call));
  while (!call.ran.load()) std::this_thread::yield();
  CHECK(in_child([&] {
          if (!is_refused([&] { p->run([] { return 1; }); })) return 1;
          if (!is_refused([&] { static_cast<void>(weft::scheduler_of(*p).enter_external()); })) return 2;
          static_cast<void>(p->stats());
          p->shutdown(weft::drain_or_stop::drain);
          p.reset();
          pool own({.workers = 2});
          return own.run([] { return 7; });
        }) == 7);
  CHECK(p->run([] { return 1; }) == 1);
}

TEST_CASE("a child made inside a job belongs to no pool") {
  weft_test::watchdog const dog("fork: inside a job");
  pool p({.workers = 1});
  CHECK(p.run([] {
    return in_child([] {
      if (pool::current() != nullptr) return 1;
      return weft::run([] { return 8; });
    });
  }) == 8);
}

TEST_CASE("children made while the pool is busy do not hang") {
  weft_test::watchdog const dog("fork: busy pool");
  pool p({.workers = 2});
  std::atomic<bool> ended{false};
  std::thread busy([&] {
    while (!ended.load()) p.run([] {});
  });
  int wrong = 0;
  for (int i = 0; i != 20; ++i)
    if (in_child([&] { return is_refused([&] { p.run([] {}); }) ? 5 : 6; }) != 5) ++wrong;
  ended = true;
  busy.join();
  CHECK(wrong == 0);
}

#else

#include "support/catch.hpp"
#include "support/keep_counts.hpp"

#include <weft/os/fork.hpp>

// What can be shown under the sanitizers that do not follow a fork of a process with threads.
TEST_CASE("a process that was not made by fork knows it") { CHECK(weft::detail::fork_generation.load() == 0); }

#endif
