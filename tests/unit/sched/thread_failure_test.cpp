// The system refuses threads, for some time or from some number on.
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sched/jobs.hpp"

#include <weft/coro/run.hpp>
#include <weft/sched/blocking_threads.hpp>
#include <weft/time/sleep.hpp>

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using weft::pool;
using weft::detail::worker;

constexpr int no_limit = -1;
std::atomic<int> threads_left{no_limit};
std::atomic<int> refused{0};

/// In this scope so many threads can be created and no more.
class limited_threads {
 public:
  explicit limited_threads(int count) {
    refused = 0;
    threads_left = count;
  }
  limited_threads(limited_threads const&) = delete;
  limited_threads& operator=(limited_threads const&) = delete;
  ~limited_threads() { threads_left = no_limit; }
};

using creator = int(pthread_t*, pthread_attr_t const*, void* (*)(void*), void*);

}  // namespace

extern "C" {

// Where a sanitizer has its own.
[[gnu::weak]] creator __interceptor_pthread_create;

int pthread_create(pthread_t* thread, pthread_attr_t const* attributes, void* (*entry)(void*),
                   void* argument) noexcept {
  for (int left = threads_left.load(); left != no_limit;) {
    if (left == 0) {
      ++refused;
      return EAGAIN;
    }
    if (threads_left.compare_exchange_weak(left, left - 1)) break;
  }
  static auto* const system = __interceptor_pthread_create
                                  ? &__interceptor_pthread_create
                                  : reinterpret_cast<creator*>(::dlsym(RTLD_NEXT, "pthread_create"));
  return system(thread, attributes, entry, argument);
}

}  // extern "C"

TEST_CASE("a pool that gets fewer threads than it asked for is smaller and works") {
  weft_test::watchdog const dog("thread failure: smaller pool");
  for (int given = 1; given != 5; ++given) {
    std::unique_ptr<pool> p;
    {
      limited_threads const limit(given);
      p = std::make_unique<pool>(weft::pool_options{.workers = 5});
      CHECK(refused == 1);
    }
    CHECK(p->size() == static_cast<unsigned>(given));
    CHECK(weft_test::falls_asleep(*p));
    CHECK(p->run([] { return 1; }) == 1);
    std::atomic<int> runs{0};
    auto const count = [&](worker&) { ++runs; };
    weft_test::root_job one(count), two(count);
    one.submit(*p);
    two.submit(*p);
    p->shutdown(weft::drain_or_stop::drain);
    CHECK(runs == 2);
  }
}

TEST_CASE("a pool that gets no thread at all throws what the system said") {
  limited_threads const limit(0);
  try {
    pool p({.workers = 3});
    FAIL("a pool without threads was made");
  } catch (std::system_error const& e) {
    CHECK(e.code() == std::errc::resource_unavailable_try_again);
  }
}

TEST_CASE("a call that blocks and gets no thread is the caller's again") {
  struct nothing : weft::detail::blocking_call {
    nothing() : blocking_call([](blocking_call*) noexcept {}) {}
  } call;
  weft::detail::blocking_threads set(4, "blocking");
  {
    limited_threads const limit(0);
    CHECK(set.submit(call) == std::errc::resource_unavailable_try_again);
    CHECK(set.submit(call) == std::errc::resource_unavailable_try_again);
  }
  CHECK_FALSE(call.linked());
  CHECK(set.running() == 0);
}

TEST_CASE("calls that block wait for the threads that there are when no more can be had") {
  weft_test::watchdog const dog("thread failure: fewer blocking threads");
  struct counted : weft::detail::blocking_call {
    explicit counted(std::atomic<int>& n)
        : blocking_call([](blocking_call* c) noexcept { ++static_cast<counted*>(c)->runs; }), runs(n) {}
    std::atomic<int>& runs;
  };
  std::atomic<int> runs{0};
  std::vector<std::unique_ptr<counted>> calls;
  for (int i = 0; i != 50; ++i) calls.push_back(std::make_unique<counted>(runs));
  weft::detail::blocking_threads set(4, "blocking");
  limited_threads const limit(1);
  for (auto& c : calls) REQUIRE_FALSE(set.submit(*c));
  while (runs.load() != 50) std::this_thread::yield();
  CHECK(set.running() == 1);
}

TEST_CASE("calls from many threads while none can be had are refused one and all") {
  weft_test::watchdog const dog("thread failure: many submitters");
  struct nothing : weft::detail::blocking_call {
    nothing() : blocking_call([](blocking_call*) noexcept {}) {}
  };
  for (int round = 0; round != 100; ++round) {
    weft::detail::blocking_threads set(2, "blocking");
    std::atomic<int> refusals{0}, arrived{0};
    std::vector<std::thread> submitters;
    for (int t = 0; t != 3; ++t)
      submitters.emplace_back([&] {
        nothing call;
        ++arrived;
        while (arrived.load() != 4) std::this_thread::yield();
        if (set.submit(call)) ++refusals;
      });
    while (arrived.load() != 3) std::this_thread::yield();
    limited_threads const limit(0);
    ++arrived;
    for (auto& t : submitters) t.join();
    REQUIRE(refusals == 3);
  }
}

TEST_CASE("workers that block again and again without a spare to be had use up nothing") {
  weft_test::watchdog const dog("thread failure: no spares");
  pool p({.workers = 2});
  auto& home = weft::scheduler_of(p);
  limited_threads const limit(0);
  p.run([&] {
    for (int i = 0; i != 100; ++i) {
      std::atomic<bool> ran{false};
      weft_test::root_job other([&](worker&) { ran = true; });
      weft::detail::block_worker(*weft::detail::current_worker(), [&](weft::clock::time_point) {
        other.submit(p);
        while (!ran.load()) std::this_thread::yield();
        return true;
      });
    }
  });
  CHECK(home.worker_count() <= 3);
  CHECK(weft_test::falls_asleep(p));
}

TEST_CASE("a pool whose workers are all blocked goes on as soon as a spare can be had") {
  weft_test::watchdog const dog("thread failure: a spare at last");
  pool p({.workers = 1});
  std::atomic<bool> blocked{false}, ran{false};
  weft_test::root_job blocking([&](worker& self) {
    weft::detail::block_worker(self, [&](weft::clock::time_point deadline) {
      blocked = true;
      while (!ran.load() && weft::clock::now() < deadline) std::this_thread::yield();
      return ran.load();
    });
  });
  weft_test::root_job other([&](worker&) { ran = true; });
  {
    limited_threads const limit(0);
    blocking.submit(p);
    while (!blocked.load()) std::this_thread::yield();
    other.submit(p);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK_FALSE(ran);
  }
  while (!ran.load()) std::this_thread::yield();
  p.shutdown(weft::drain_or_stop::drain);
}

TEST_CASE("a blocked worker watches the clock itself while no spare is to be had") {
  weft_test::watchdog const dog("thread failure: the clock");
  pool p({.workers = 1});
  std::atomic<bool> asleep{false};
  std::thread relief([&] {
    while (!asleep.load()) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    threads_left = no_limit;
  });
  limited_threads const limit(0);
  p.run([&] {
    asleep = true;
    weft::run(weft::sleep_for(std::chrono::milliseconds(1)));
  });
  relief.join();
}
