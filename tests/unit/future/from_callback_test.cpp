#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/misuse.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/from_callback.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::callback;
using weft::from_callback;
using weft::task;
using weft_test::counted;

static_assert(std::is_copy_constructible_v<callback<int>> && std::is_nothrow_move_constructible_v<callback<int>>);
static_assert(std::is_invocable_v<callback<int> const&, int> && std::is_invocable_v<callback<>>);
static_assert(!std::is_invocable_v<callback<int>, std::string> && !std::is_invocable_v<callback<>, int>);

namespace {

/// A library that calls back from a thread of its own, in order.
class legacy_service {
 public:
  void call(std::function<void(int)> done) {
    std::lock_guard const lock(mutex_);
    calls_.push_back(std::move(done));
  }
  /// Answers all calls so far, from another thread, and returns when it has.
  void answer() {
    std::vector<std::function<void(int)>> now;
    {
      std::lock_guard const lock(mutex_);
      now.swap(calls_);
    }
    std::thread([&now] {
      int i = 0;
      for (auto& f : now) f(++i);
    }).join();
  }
  std::size_t waiting() {
    std::lock_guard const lock(mutex_);
    return calls_.size();
  }
  /// Forgets all calls without answering them.
  void finish() {
    std::lock_guard const lock(mutex_);
    calls_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<std::function<void(int)>> calls_;  // guarded by mutex_
};

struct throws_when_made {
  explicit throws_when_made(int) { throw std::runtime_error("not made"); }
};

}  // namespace

TEST_CASE("a callback that is called at once lets the task go on without waiting") {
  weft_test::watchdog const guard("from_callback_test: at once");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  int const got = pool.run([]() -> task<int> { co_return co_await from_callback<int>([](auto done) { done(4); }); });
  CHECK(got == 4);
  pool.run(from_callback([](auto done) { done(); }));
}

TEST_CASE("a callback that is called later, on a thread that weft does not know, brings the task back to its pool") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("from_callback_test: later");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 30; ++i) {
    std::thread caller;
    bool const home = pool.run([&]() -> task<bool> {
      int const got = co_await from_callback<int>(
          [&caller](callback<int> done) { caller = std::thread([done = std::move(done)] { done(5); }); });
      co_return got == 5 && weft::pool::current() == &pool;
    });
    caller.join();
    CHECK(home);
  }
}

TEST_CASE("a callback fits into a std::function, and any of its copies may be the one that is called") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("from_callback_test: copies");
  weft_test::balance const balance;
  legacy_service service;
  weft::pool pool{{.workers = workers}};
  std::vector<weft::future<int>> results;
  for (int i = 0; i < 10; ++i)
    results.push_back(pool.spawn([&service]() -> task<int> {
      co_return co_await from_callback<int>([&service](auto done) { service.call(done); });
    }));
  while (service.waiting() != 10) std::this_thread::yield();
  service.answer();
  int sum = 0;
  for (auto& r : results) sum += r.get();
  CHECK(sum == 55);
}

TEST_CASE("success and failure may be reported through two copies, of which one is called") {
  weft_test::watchdog const guard("from_callback_test: two copies");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  auto call = [](bool works, std::function<void(std::string)> good, std::function<void(int)> bad) {
    if (works) good("done");
    else bad(7);
  };
  auto ask = [&call](bool works) -> task<std::string> {
    co_return co_await from_callback<std::string>([&](auto done) {
      call(works, done, [done](int code) {
        done.set_exception(std::make_exception_ptr(std::runtime_error("code " + std::to_string(code))));
      });
    });
  };
  CHECK(pool.run(ask, true) == "done");
  CHECK_THROWS_WITH(pool.run(ask, false), "code 7");
}

TEST_CASE("a C function with a context pointer is awaited by way of a callback on the heap") {
  weft_test::watchdog const guard("from_callback_test: C");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  using c_callback = void (*)(int, void*);
  std::thread caller;
  auto c_call = [&caller](c_callback f, void* user) { caller = std::thread(f, 3, user); };
  int const got = pool.run([&c_call]() -> task<int> {
    co_return co_await from_callback<int>([&c_call](callback<int> done) {
      c_call(
          [](int v, void* user) {
            std::unique_ptr<callback<int>> const owned(static_cast<callback<int>*>(user));
            (*owned)(v);
          },
          new callback<int>(std::move(done)));
    });
  });
  caller.join();
  CHECK(got == 3);
}

TEST_CASE("a callback brings references, what only moves, and what is made of several arguments") {
  weft_test::watchdog const guard("from_callback_test: kinds");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  int number = 1;
  bool const right = pool.run([&number]() -> task<bool> {
    int& same = co_await from_callback<int&>([&number](auto done) { done(number); });
    auto owner = co_await from_callback<std::unique_ptr<int>>([](auto done) { done(std::make_unique<int>(2)); });
    auto text = co_await from_callback<std::string>([](auto done) { done(3u, 'x'); });
    co_return &same == &number && *owner == 2 && text == "xxx";
  });
  CHECK(right);
}

TEST_CASE("a callback that goes without having been called breaks its promise instead of leaving the task for ever") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("from_callback_test: dropped");
  weft_test::balance const balance;
  legacy_service service;
  weft::pool pool{{.workers = workers}};
  CHECK_THROWS_AS(pool.run(from_callback([](auto) {})), weft::broken_promise);
  auto later = pool.spawn([&service]() -> task<int> {
    co_return co_await from_callback<int>([&service](auto done) { service.call(done); });
  });
  while (service.waiting() != 1) std::this_thread::yield();
  service.finish();
  CHECK_THROWS_AS(later.get(), weft::broken_promise);
}

TEST_CASE("what the function throws comes out of the await, whatever it did with the callback before") {
  weft_test::watchdog const guard("from_callback_test: throws");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  std::optional<callback<int>> kept;
  CHECK_THROWS_WITH(pool.run(from_callback<int>([&kept](auto done) {
    kept = done;
    throw std::runtime_error("could not call");
  })),
                    "could not call");
  (*kept)(1);  // nobody waits for it any more
  kept.reset();
  CHECK_THROWS_WITH(pool.run(from_callback<throws_when_made>([](auto done) { done(1); })), "not made");
}

TEST_CASE("a call that was cancelled says so through its callback") {
  weft_test::watchdog const guard("from_callback_test: set_stopped");
  weft::pool pool{{.workers = 1}};
  CHECK_THROWS_AS(pool.run(from_callback<int>([](auto done) { done.set_stopped(); })), weft::stopped);
}

TEST_CASE("a callback that is given null for an exception delivers an error, not a success") {
  weft::pool pool{{.workers = 1}};
  CHECK_THROWS_AS(pool.run([]() -> task<> { co_await from_callback([](auto done) { done.set_exception(nullptr); }); }),
                  std::invalid_argument);
}

TEST_CASE("a task that is stopped leaves its call, and what the callback brings later is dropped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("from_callback_test: stop");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    std::mutex mutex;
    std::vector<callback<counted>> kept;
    auto const held = [&] {
      std::lock_guard const lock(mutex);
      return kept.size();
    };
    for (std::size_t i = 0; i < 20; ++i) {
      auto waiter = pool.spawn([&]() -> task<counted> {
        co_return co_await from_callback<counted>([&](auto done) {
          std::lock_guard const lock(mutex);
          kept.push_back(std::move(done));
        });
      });
      while (held() != i + 1) std::this_thread::yield();
      waiter.stop();
      CHECK_THROWS_AS(waiter.get(), weft::stopped);
    }
    for (auto const& done : kept) done(counted(1));
    kept.clear();
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a call is not made for a task that has been stopped before") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("from_callback_test: stopped before");
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> called{false};
  auto f = pool.spawn([&called]() -> task<> {
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    co_await from_callback([&called](auto done) {
      called = true;
      done();
    });
  });
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK_FALSE(called);
}

TEST_CASE("calls and stops at the same moment deliver one of the two") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("from_callback_test: races");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    int values = 0, stops = 0;
    for (int i = 0; i < 100; ++i) {
      std::thread caller;
      std::atomic<bool> called{false};
      auto waiter = pool.spawn([&]() -> task<counted> {
        co_return co_await from_callback<counted>([&](callback<counted> done) {
          caller = std::thread([done = std::move(done)] { done(counted(1)); });
          called = true;
        });
      });
      while (!called) std::this_thread::yield();
      waiter.stop();
      try {
        values += waiter.get().value();
      } catch (weft::stopped const&) {
        ++stops;
      }
      caller.join();
    }
    CHECK(values + stops == 100);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("the function sees the task's stop token, and can hand the stop on to the call") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("from_callback_test: hands the stop on");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> cancelled{false}, begun{false};
  std::thread caller;
  auto f = pool.spawn([&]() -> task<> {
    auto cancel = [&cancelled] { cancelled = true; };
    weft::stop_callback const on_stop(weft::this_task::stop_token(), cancel);
    co_await from_callback([&begun, &cancelled, &caller](auto done) {
      caller = std::thread([done, &cancelled] {
        while (!cancelled) std::this_thread::yield();
      });
      begun = weft::this_task::stop_token().stop_possible();
    });
  });
  while (!begun) std::this_thread::yield();
  f.stop();
  CHECK_THROWS(f.get());  // stopped, or the call was given up just before
  caller.join();
}

TEST_CASE("callbacks stand in other verbs: when_all, timeout") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("from_callback_test: combined");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::optional<callback<int>> never;
  std::thread caller;
  pool.run([&]() -> task<> {
    auto [a, b] = co_await weft::when_all(from_callback<int>([](auto done) { done(1); }),
                                          from_callback<int>([&caller](auto done) { caller = std::thread(done, 2); }));
    if (a + b != 3) throw std::logic_error("results");
    bool late = false;
    try {
      co_await weft::timeout(1ms, from_callback<int>([&never](auto done) { never = done; }));
    } catch (weft::timed_out const&) {
      late = true;
    }
    if (!late) throw std::logic_error("not late");
  });
  never.reset();
  caller.join();
}

TEST_CASE("a callback that is called twice ends the program with a sentence") {
  weft_test::expect_misuse("called once", [] {
    weft::detail::callback_state<int> state;
    state.succeed(1);
    state.succeed(2);
  });
}
