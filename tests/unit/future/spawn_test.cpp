#include "support/allocations.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>

#include <unistd.h>

#include <atomic>
#include <concepts>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::future;
using weft::promise;
using weft::task;
using weft_test::counted;

namespace {

std::atomic<int> failures_reported{0};
void count_failure(std::exception_ptr) noexcept { ++failures_reported; }

task<int> later(int v) {
  co_await weft::this_task::yield();
  co_return v;
}

/// Says when it is destroyed.
struct flags_its_end {
  explicit flags_its_end(std::atomic<bool>& f) noexcept : flag(&f) {}
  flags_its_end(flags_its_end&& other) noexcept : flag(std::exchange(other.flag, nullptr)) {}
  flags_its_end(flags_its_end const&) = delete;
  ~flags_its_end() {
    if (flag) *flag = true;
  }
  std::atomic<bool>* flag;
};

}  // namespace

static_assert(std::same_as<decltype(weft::spawn(later, 1)), future<int>>);
static_assert(std::same_as<decltype(weft::spawn([] {})), future<void>>);
static_assert(std::same_as<decltype(std::declval<weft::pool&>().spawn(later(1))), future<int>>);
static_assert(
    std::same_as<decltype(weft::make_ready_future(1).then([](int) { return std::string(); })), future<std::string>>);
static_assert(std::same_as<decltype(weft::make_ready_future().then([] { return later(1); })), future<int>>);

TEST_CASE("spawn from a plain thread starts on the default pool, and on a worker in its own") {
  weft_test::watchdog const guard("spawn_test: where");
  CHECK(weft::spawn([] { return weft::pool::current(); }).get() == &weft::default_pool());
  weft::pool pool{{.workers = 1}};
  CHECK(pool.run([]() -> task<weft::pool*> { co_return co_await weft::spawn([] { return weft::pool::current(); }); }) ==
        &pool);
  CHECK(pool.spawn([] { return weft::pool::current(); }).get() == &pool);
}

TEST_CASE("what is spawned begins without anybody waiting for it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: begins");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> begun{false};
  auto f = pool.spawn([&begun] { begun = true; });
  while (!begun) std::this_thread::yield();
  f.get();
}

TEST_CASE("spawn moves its arguments, which may be things that only move") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: arguments");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto takes = [](std::unique_ptr<int> p, counted c) -> task<int> {
    co_await weft::this_task::yield();
    co_return *p + c.value();
  };
  CHECK(pool.spawn(takes, std::make_unique<int>(1), counted(2)).get() == 3);
  auto const owns = [p = std::make_unique<int>(5)] { return *p; };
  CHECK(pool.spawn([o = std::make_unique<int>(4)] { return *o; }).get() + owns() == 9);
  int target = 0;
  pool.spawn([](int& t) { t = 8; }, std::ref(target)).get();
  CHECK(target == 8);
  CHECK(counted::copies() == 0);
  CHECK(counted::live() == 0);
}

TEST_CASE("when the result is there, the callable and its arguments are gone") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: the callable is gone");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 200; ++i) {
    std::atomic<bool> callable_gone{false}, argument_gone{false}, frame_gone{false};
    auto f = pool.spawn([mine = flags_its_end(callable_gone)](flags_its_end) {}, flags_its_end(argument_gone));
    f.wait();
    CHECK((callable_gone && argument_gone));

    callable_gone = argument_gone = false;
    auto waits = [mine = flags_its_end(callable_gone)](flags_its_end, std::atomic<bool>& flag) -> task<> {
      flags_its_end const local(flag);
      co_await weft::this_task::yield();
    };
    auto g = pool.spawn(std::move(waits), flags_its_end(argument_gone), std::ref(frame_gone));
    g.wait();
    CHECK((callable_gone && argument_gone && frame_gone));

    // Also where it fails.
    callable_gone = argument_gone = false;
    auto h = pool.spawn([mine = flags_its_end(callable_gone)](flags_its_end) -> int { throw 1; },
                        flags_its_end(argument_gone));
    h.wait();
    CHECK((callable_gone && argument_gone));
    CHECK_THROWS_AS(h.get(), int);
  }
}

TEST_CASE("ten thousand spawned things are all run, once each") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: ten thousand");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> sum{0};
  std::vector<future<>> from_outside;
  for (int i = 0; i < 5000; ++i) from_outside.push_back(pool.spawn([&sum] { ++sum; }));
  pool.run([&sum] {
    std::vector<future<int>> from_inside;
    for (int i = 0; i < 5000; ++i) from_inside.push_back(weft::spawn(later, 1));
    for (auto& f : from_inside) sum += f.get();
  });
  for (auto& f : from_outside) f.get();
  CHECK(sum == 10'000);
}

TEST_CASE("then passes the value on, or nothing, and may itself wait") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: then");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const result = pool.run([]() -> task<std::string> {
    auto chain = weft::spawn(later, 20)
                     .then([](int v) { return v + 1; })
                     .then([](int v) { return later(2 * v); })
                     .then([](int v) { return std::make_unique<int>(v); })
                     .then([](std::unique_ptr<int> p) { return std::to_string(*p); });
    co_return co_await std::move(chain);
  });
  CHECK(result == "42");

  int seen = 0;
  pool.run([&seen]() -> task<> {
    auto chain =
        weft::spawn([] {}).then([&seen] { ++seen; }).then([&seen] { return later(++seen); }).then([&seen](int v) {
          seen += v;
        });
    co_await std::move(chain);
  });
  CHECK(seen == 4);
}

TEST_CASE("get on a worker of what then has made waits for what comes before") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: get after then");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 50; ++i) {
    int const got = pool.run([i] {
      auto f = weft::spawn(later, i).then([](int v) { return v + 1; }).then([](int v) { return later(v + 1); });
      return f.get();
    });
    CHECK(got == i + 2);
  }
}

TEST_CASE("get on the only worker of what a kept promise is followed by") {
  weft_test::watchdog const guard("spawn_test: get after then of a promise");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  promise<int> p;
  std::atomic<bool> waits{false};
  std::thread keeper([&] {
    while (!waits) std::this_thread::yield();
    p.set_value(4);
  });
  int const got = pool.run([&] {
    auto f = p.get_future().then([](int v) { return 2 * v; });
    waits = true;
    return f.get();
  });
  keeper.join();
  CHECK(got == 8);
}

TEST_CASE("then runs on the pool of the future it continues") {
  weft_test::watchdog const guard("spawn_test: then's pool");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  auto f = pool.spawn([] {}).then([] { return weft::pool::current(); });
  CHECK(f.get() == &pool);
}

TEST_CASE("then on a result that is there already runs all the same, and on a promise when it is kept") {
  weft_test::watchdog const guard("spawn_test: then and promises");
  CHECK(weft::make_ready_future(1).then([](int v) { return v + 1; }).get() == 2);
  promise<int> p;
  auto f = p.get_future().then([](int v) { return v * 2; });
  CHECK_FALSE(f.ready());
  p.set_value(4);
  CHECK(f.get() == 8);
}

TEST_CASE("a failure passes by every then and comes out at the end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: failures and then");
  failures_reported = 0;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers, .on_failure = &count_failure}};
  int called = 0;
  auto at_the_start = [&called] {
    return weft::spawn([]() -> int { throw std::runtime_error("first"); })
        .then([&called](int) { ++called; })
        .then([&called] { return ++called; });
  };
  CHECK_THROWS_WITH(pool.run(at_the_start), "first");
  auto in_the_middle = [&called] {
    return weft::spawn(later, 1).then([](int) -> int { throw std::logic_error("second"); }).then([&called](int) {
      ++called;
    });
  };
  CHECK_THROWS_WITH(pool.run(in_the_middle), "second");
  CHECK(called == 0);
  pool.shutdown(weft::drain_or_stop::drain);
  CHECK(failures_reported == 0);
}

TEST_CASE("a failure that nobody receives is a line on standard error, unless the pool has a handler") {
  weft_test::watchdog const guard("spawn_test: standard error");
  auto const said_of = [](auto fails) {
    std::FILE* const said = std::tmpfile();
    REQUIRE(said);
    int const standard_error = ::dup(STDERR_FILENO);
    ::dup2(::fileno(said), STDERR_FILENO);
    {
      weft::pool pool{{.workers = 1}};
      static_cast<void>(pool.spawn(fails));
      pool.shutdown(weft::drain_or_stop::drain);
    }
    ::dup2(standard_error, STDERR_FILENO);
    ::close(standard_error);
    std::rewind(said);
    std::string text(200, ' ');
    text.resize(std::fread(text.data(), 1, text.size(), said));
    std::fclose(said);
    return text;
  };
  CHECK(said_of([] { throw std::runtime_error("why"); }) == "weft: a task that nobody waits for failed: why\n");
  CHECK(said_of([] { throw 1; }) ==
        "weft: a task that nobody waits for failed with an exception that is not a std::exception\n");
}

TEST_CASE("then destroys its function when the result is there, also where it was passed by") {
  weft_test::watchdog const guard("spawn_test: then's function");
  weft_test::balance const balance;
  counted::reset();
  {
    weft::pool pool{{.workers = 2}};
    auto [f, g] = pool.run([] {
      auto adds = weft::spawn(later, 1).then([c = counted(3)](int v) { return v + c.value(); });
      auto passed_by = weft::spawn([]() -> int { throw 1; }).then([c = counted(3)](int v) { return v + c.value(); });
      return std::pair(std::move(adds), std::move(passed_by));
    });
    f.wait();
    g.wait();
    CHECK(counted::live() == 0);
    CHECK(f.get() == 4);
    CHECK_THROWS_AS(g.get(), int);
  }
}

TEST_CASE("a failure that nobody can receive reaches the pool's handler, once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: unseen failures");
  failures_reported = 0;
  weft_test::balance const balance;
  {
    weft::pool pool{{.workers = workers, .on_failure = &count_failure}};
    // Dropped before it failed, and after.
    for (int i = 0; i < 20; ++i) static_cast<void>(pool.spawn([] { throw std::runtime_error("dropped"); }));
    auto kept = pool.spawn([] { throw std::runtime_error("dropped later"); });
    kept.wait();
    kept = future<>();
    static_cast<void>(pool.spawn([]() -> task<int> {
      co_await weft::this_task::yield();
      throw 1;
    }));
    // The end of a chain that was dropped.
    pool.run([] { static_cast<void>(weft::spawn([]() -> int { throw 1; }).then([](int) {})); });
  }
  CHECK(failures_reported == 23);
}

TEST_CASE("a failure that somebody has received, or a stop, is not reported") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: seen failures");
  failures_reported = 0;
  weft_test::balance const balance;
  {
    weft::pool pool{{.workers = workers, .on_failure = &count_failure}};
    CHECK_THROWS(pool.spawn([] { throw 1; }).get());
    CHECK_THROWS(pool.run([]() -> task<> { co_await weft::spawn([] { throw 1; }); }));
    auto endless = []() -> task<> {
      for (;;) co_await weft::this_task::checkpoint();
    };
    auto f = pool.spawn(endless);
    f.stop();
    static_cast<void>(pool.spawn(endless));
  }
  CHECK(failures_reported == 0);
}

TEST_CASE("a pool that is destroyed with work in flight stops it, joins it and leaks nothing") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: the pool's end");
  counted::reset();
  weft_test::balance const balance;
  {
    std::vector<future<>> pending;
    {
      weft::pool pool{{.workers = workers}};
      auto endless = [](counted) -> task<> {
        for (;;) co_await weft::this_task::checkpoint();
      };
      for (int i = 0; i < 100; ++i) pending.push_back(pool.spawn(endless, counted(i)));
      for (int i = 0; i < 100; ++i) static_cast<void>(pool.spawn(endless, counted(i)));
    }
    CHECK(counted::live() == 0);
    for (auto& f : pending) CHECK(f.ready());
    for (auto& f : pending) CHECK_THROWS_AS(f.get(), weft::stopped);
  }
}

TEST_CASE("a pool that is destroyed stops what waits for a promise behind a then") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: a chain at the pool's end");
  weft_test::balance const balance;
  promise<int> p;
  future<int> end_of_chain;
  {
    auto pool = std::make_unique<weft::pool>(weft::pool_options{.workers = workers});
    pool->run([&] {
      // Assigned here: what run is given back, it awaits.
      end_of_chain = p.get_future().then([](int v) { return v; }).then([](int v) { return v; });
    });
    pool.reset();
    p.set_value(1);
  }
  CHECK_THROWS_AS(end_of_chain.get(), weft::stopped);
}

TEST_CASE("what the pool's work spawns while it is being shut down is run as well") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("spawn_test: spawns during shutdown");
  weft_test::balance const balance;
  std::atomic<int> ran{0};
  {
    weft::pool pool{{.workers = workers}};
    auto tree = [&ran](auto& self, int depth) -> void {
      ++ran;
      if (depth == 0) return;
      static_cast<void>(weft::spawn([&self, depth] { self(self, depth - 1); }));
      static_cast<void>(weft::spawn([&self, depth] { self(self, depth - 1); }));
    };
    static_cast<void>(pool.spawn([&tree] { tree(tree, 10); }));
    pool.shutdown(weft::drain_or_stop::drain);
  }
  CHECK(ran == 2047);
}

TEST_CASE("spawn on a pool that has been shut down throws, and nothing has begun") {
  weft_test::balance const balance;
  counted::reset();
  weft::pool pool{{.workers = 1}};
  auto before = pool.spawn(later, 1);
  pool.shutdown(weft::drain_or_stop::drain);
  bool begun = false;
  CHECK_THROWS_AS(pool.spawn([&begun](counted) { begun = true; }, counted(1)), std::logic_error);
  CHECK_FALSE(begun);
  CHECK(counted::live() == 0);
  CHECK(before.get() == 1);
  pool.shutdown(weft::drain_or_stop::stop);
}

TEST_CASE("spawn without memory throws, and nothing has begun") {
  weft_test::watchdog const guard("spawn_test: no memory");
  weft_test::balance const balance;
  counted::reset();
  weft::pool pool{{.workers = 1}};
  bool begun = false;
  bool refused = false;
  {
    weft_test::failing_allocation const none(0);
    try {
      static_cast<void>(pool.spawn([&begun](counted) { begun = true; }, counted(1)));
    } catch (std::bad_alloc const&) {
      refused = true;
    }
  }
  CHECK(refused);
  CHECK_FALSE(begun);
  CHECK(counted::live() == 0);
  CHECK(pool.spawn(later, 3).get() == 3);
}

TEST_CASE("then without memory throws, and its pool can still be shut down") {
  weft_test::watchdog const guard("spawn_test: no memory for then");
  weft_test::balance const balance;
  // Each of its allocations fails once.
  int refusals = 0;
  for (bool came_to_that = true; came_to_that;) {
    promise<int> p;
    auto f = p.get_future();
    weft::pool pool{{.workers = 1}};  // a new one: its cache is empty
    bool const refused = pool.run([&] {
      weft_test::failing_allocation const none(refusals);
      bool caught = false;
      try {
        static_cast<void>(f.then([](int v) { return v; }));
      } catch (std::bad_alloc const&) {
        caught = true;
      }
      came_to_that = none.happened();
      return caught;
    });
    CHECK(refused == came_to_that);
    refusals += refused;
  }
  CHECK(refusals >= 1);
}

TEST_CASE("a constructor of an argument that throws leaves nothing behind") {
  struct throws_when_copied {
    throws_when_copied() = default;
    throws_when_copied(throws_when_copied const&) { throw std::runtime_error("copied"); }
  };
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  throws_when_copied const argument;
  CHECK_THROWS_WITH(pool.spawn([](throws_when_copied const&) {}, argument), "copied");
  CHECK(pool.spawn(later, 3).get() == 3);
}

TEST_CASE("a result whose move throws is a failure") {
  struct throws_when_moved {
    throws_when_moved() = default;
    throws_when_moved(throws_when_moved const&) = delete;
    throws_when_moved(throws_when_moved&&) { throw std::runtime_error("moved"); }
  };
  weft_test::watchdog const guard("spawn_test: a move that throws");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  auto f = pool.spawn([]() -> task<throws_when_moved> {
    throws_when_moved v;
    co_await weft::this_task::yield();
    co_return std::move(v);
  });
  CHECK_THROWS_WITH(f.get(), "moved");
}
