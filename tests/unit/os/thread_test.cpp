#include "support/catch.hpp"

#include <weft/os/affinity.hpp>
#include <weft/os/thread.hpp>

#include <pthread.h>
#include <signal.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

namespace {

using weft::detail::thread;
using weft::detail::thread_options;

// More stack than any address space holds: the system cannot create such a thread.
constexpr std::size_t impossible_stack = std::size_t{1} << 60;

struct observed {
  std::string name;
  sigset_t blocked{};
  std::vector<unsigned> cpus;
  std::size_t stack_bytes = 0;
};

observed observe_thread(thread_options const& options) {
  observed seen;
  auto body = [&]() noexcept {
    char name[32] = {};
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    seen.name = name;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &seen.blocked);
    seen.cpus = weft::detail::allowed_cpus();
    pthread_attr_t attributes;
    ::pthread_getattr_np(::pthread_self(), &attributes);
    ::pthread_attr_getstacksize(&attributes, &seen.stack_bytes);
    ::pthread_attr_destroy(&attributes);
  };
  thread one;
  one.start(options, body);
  one.join();
  return seen;
}

bool is_blocked(sigset_t const& mask, int signal) { return ::sigismember(&mask, signal) == 1; }

sigset_t current_mask() {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return mask;
}

}  // namespace

static_assert(!std::is_copy_constructible_v<thread> && !std::is_move_constructible_v<thread>);
static_assert(std::is_trivially_destructible_v<thread_options>);

TEST_CASE("a thread runs its body, and what the body did is seen after join") {
  int answer = 0;
  auto body = [&]() noexcept { answer = 42; };
  thread one;
  CHECK_FALSE(one.joinable());
  one.start({}, body);
  CHECK(one.joinable());
  one.join();
  CHECK_FALSE(one.joinable());
  CHECK(answer == 42);
}

TEST_CASE("a joined thread can be started again") {
  int runs = 0;
  auto body = [&]() noexcept { ++runs; };
  thread one;
  for (int i = 0; i < 100; ++i) {
    REQUIRE_FALSE(one.try_start({}, body));
    one.join();
  }
  CHECK(runs == 100);
}

TEST_CASE("thread_local destructors have run when join returns") {
  static int destroyed = 0;
  struct counts_its_end {
    int uses = 0;
    ~counts_its_end() { ++destroyed; }
  };
  auto body = []() noexcept {
    thread_local counts_its_end local;
    ++local.uses;
  };
  destroyed = 0;
  thread one;
  one.start({}, body);
  one.join();
  CHECK(destroyed == 1);
}

TEST_CASE("a thread is named, and a long name is cut to what the system keeps") {
  CHECK(observe_thread({.name = "weft-7"}).name == "weft-7");
  CHECK(observe_thread({.name = "a name of twenty-two b"}).name == "a name of twent");
  CHECK(observe_thread({}).name == "weft");
}

TEST_CASE("a thread inherits the affinity mask, or is pinned to one CPU of it") {
  auto const cpus = weft::detail::allowed_cpus();
  CHECK(observe_thread({}).cpus == cpus);
  CHECK(observe_thread({.cpu = cpus.back()}).cpus == std::vector<unsigned>{cpus.back()});
  CHECK(weft::detail::allowed_cpus() == cpus);
}

TEST_CASE("a thread's stack is at least as large as asked for") {
  CHECK(observe_thread({.stack_bytes = (std::size_t{1} << 20) + 1}).stack_bytes >= (std::size_t{1} << 20) + 1);
  CHECK(observe_thread({.stack_bytes = 1}).stack_bytes >= static_cast<std::size_t>(PTHREAD_STACK_MIN));
}

TEST_CASE("a thread blocks asynchronous signals and its creator's mask is left as it was") {
  auto const before = current_mask();
  auto const seen = observe_thread({}).blocked;
  auto const after = current_mask();
  for (int const signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGCHLD, SIGUSR1, SIGUSR2, SIGPIPE, SIGIO}) {
    INFO(signal);
    CHECK(is_blocked(seen, signal));
    CHECK(is_blocked(after, signal) == is_blocked(before, signal));
  }
  for (int const signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF}) {
    INFO(signal);
    CHECK_FALSE(is_blocked(seen, signal));
  }
}

TEST_CASE("what the creator blocks stays blocked in the thread") {
  sigset_t profiling;
  ::sigemptyset(&profiling);
  ::sigaddset(&profiling, SIGPROF);
  ::pthread_sigmask(SIG_BLOCK, &profiling, nullptr);
  CHECK(is_blocked(observe_thread({}).blocked, SIGPROF));
  ::pthread_sigmask(SIG_UNBLOCK, &profiling, nullptr);
}

TEST_CASE("a thread that cannot be created leaves its handle ready for another try") {
  int runs = 0;
  auto body = [&]() noexcept { ++runs; };
  auto const before = current_mask();
  thread one;
  auto const error = one.try_start({.stack_bytes = impossible_stack}, body);
  CHECK(error == std::errc::resource_unavailable_try_again);
  CHECK_FALSE(one.joinable());
  auto const after = current_mask();
  CHECK(is_blocked(after, SIGINT) == is_blocked(before, SIGINT));
  one.start({}, body);
  one.join();
  CHECK(runs == 1);
}

TEST_CASE("a thread that cannot be created is reported with its name") {
  auto body = []() noexcept {};
  thread one;
  try {
    one.start({.name = "weft-3", .stack_bytes = impossible_stack}, body);
    FAIL("a thread with an impossible stack was created");
  } catch (std::system_error const& failure) {
    CHECK(std::strstr(failure.what(), "pthread_create of thread \"weft-3\"") != nullptr);
    CHECK(failure.code().category() == std::system_category());
  }
}

TEST_CASE("a stack larger than a size can hold is refused") {
  auto body = []() noexcept {};
  thread one;
  CHECK(one.try_start({.stack_bytes = static_cast<std::size_t>(-1)}, body) == std::errc::invalid_argument);
}

TEST_CASE("a thread cannot be pinned to a CPU that does not exist") {
  bool ran = false;
  auto body = [&]() noexcept { ran = true; };
  thread one;
  for (unsigned const cpu : {8191u, 8192u, ~0u}) {
    CHECK(one.try_start({.cpu = cpu}, body) == std::errc::invalid_argument);
    CHECK_FALSE(one.joinable());
  }
  CHECK_FALSE(ran);
  try {
    one.start({.name = "weft-3", .cpu = 8191u}, body);
    FAIL("a thread was pinned to a CPU that does not exist");
  } catch (std::system_error const& failure) {
    CHECK(std::strstr(failure.what(), "\"weft-3\" on CPU 8191") != nullptr);
  }
}
