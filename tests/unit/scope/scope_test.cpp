#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/coro/local.hpp>
#include <weft/coro/resume_on.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::scope;
using weft::task;
using weft::with_scope;
using weft_test::counted;

static_assert(!std::is_copy_constructible_v<scope> && !std::is_move_constructible_v<scope>);
static_assert(std::same_as<weft::await_result_t<decltype(with_scope([](scope&) -> task<int> { co_return 1; }))>, int>);
static_assert(std::same_as<weft::await_result_t<decltype(with_scope([](scope&) {}))>, void>);
static_assert(std::is_trivially_destructible_v<weft::scope_options>);

namespace {

task<> sleeps(weft::clock::duration d) { co_await weft::sleep_for(d); }
task<> until_stopped() {
  for (;;) co_await weft::this_task::checkpoint();
}

task<> with_children(scope& s) {
  for (int i = 0; i < 10; ++i) s.spawn(sleeps, 1h);
  co_await weft::sleep_for(1h);
}
void with_failure(scope& s) {
  for (int i = 0; i < 50; ++i) s.spawn(sleeps, 1h);
  throw std::runtime_error("no more");
}
void with_stop(scope& s) {
  for (int i = 0; i < 50; ++i) s.spawn(sleeps, 1h);
  s.stop();
}

}  // namespace

TEST_CASE("a scope ends when its body and all of its children have ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: joins");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> ended{0};
  int const seen = pool.run([&ended]() -> task<int> {
    auto child = [&ended](int yields) -> task<> {
      for (int i = 0; i < yields; ++i) co_await weft::this_task::yield();
      ++ended;
    };
    co_await with_scope([&child](scope& s) -> task<> {
      for (int i = 0; i < 100; ++i) s.spawn(child, i % 7);
      co_return;
    });
    co_return ended;
  });
  CHECK(seen == 100);
}

TEST_CASE("a scope gives what its body gives, and the body may be a plain function") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: results");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int number = 0;
  bool const right = pool.run([&number]() -> task<bool> {
    int const a = co_await with_scope([](scope&) -> task<int> {
      co_await weft::this_task::yield();
      co_return 1;
    });
    auto const b = co_await with_scope([](scope&) { return std::make_unique<int>(2); });
    int& c = co_await with_scope([&number](scope&) -> int& { return number; });
    co_await with_scope([](scope&) {});
    std::string const d = co_await with_scope([](scope& s) {
      s.spawn([] {});
      return std::string("text");
    });
    co_return a == 1 && *b == 2 && &c == &number&& d == "text";
  });
  CHECK(right);
  CHECK(pool.run(with_scope([](scope&) { return 3; })) == 3);
}

TEST_CASE("a body with a name is copied, and can be used again") {
  weft_test::watchdog const guard("scope_test: named bodies");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  auto const sizes = pool.run([]() -> task<std::size_t> {
    std::string const text(50, 'x');
    auto const body = [text](scope& s) -> task<std::size_t> {
      s.spawn([] {});
      co_await weft::this_task::yield();
      co_return text.size();
    };
    auto const first = co_await with_scope(body);
    auto const second = co_await with_scope(body, {.limit = 1});
    co_return first + second;
  });
  CHECK(sizes == 100);
}

TEST_CASE(
    "a scope's children may be functions, coroutine functions, tasks and futures, with arguments that only move") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: kinds of children");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> sum{0};
  pool.run([&sum]() -> task<> {
    auto add = [&sum](int v) -> task<> {
      co_await weft::this_task::yield();
      sum += v;
    };
    co_await with_scope([&](scope& s) {
      s.spawn([&sum] { sum += 1; });
      s.spawn([&sum](int v) { sum += v; }, 10);
      s.spawn(add, 100);
      s.spawn(add(1000));
      s.spawn([&sum](std::unique_ptr<int> p, counted c) { sum += *p + c.value(); }, std::make_unique<int>(10'000),
              counted(0));
      s.spawn(weft::spawn([&sum] { sum += 100'000; }));
      s.spawn([](std::atomic<int>& to) { to += 1'000'000; }, std::ref(sum));
      // What a child gives is dropped.
      s.spawn([] { return counted(1); });
    });
  });
  CHECK(sum == 1'111'111);
  CHECK(counted::live() == 0);
  CHECK(counted::copies() == 0);
}

TEST_CASE("children may spawn children, and the scope waits for all of them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: grandchildren");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> count{0};
  auto grow = [&count](auto& self, scope& s, int depth) -> task<> {
    ++count;
    if (depth % 2 == 0) co_await weft::this_task::yield();
    if (depth == 0) co_return;
    s.spawn([&self, &s, depth] { return self(self, s, depth - 1); });
    s.spawn([&self, &s, depth] { return self(self, s, depth - 1); });
  };
  pool.run([&grow]() -> task<> { co_await with_scope([&grow](scope& s) { return grow(grow, s, 10); }); });
  CHECK(count == 2047);
}

TEST_CASE("a child may spawn when the body has ended long since") {
  weft_test::watchdog const guard("scope_test: late spawns");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  std::atomic<int> generations{0};
  auto next = [&generations](auto& self, scope& s, int left) -> task<> {
    ++generations;
    co_await weft::this_task::yield();
    if (left != 0) s.spawn([&self, &s, left] { return self(self, s, left - 1); });
  };
  pool.run([&next]() -> task<> {
    co_await with_scope([&next](scope& s) { s.spawn([&next, &s] { return next(next, s, 500); }); });
  });
  CHECK(generations == 501);
}

TEST_CASE("no more children are in flight than the limit says, and all have their turn, in order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const limit = GENERATE(as<std::size_t>(), 1, 2, 5);
  weft_test::watchdog const guard("scope_test: limit");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> inside{0}, most{0};
  std::vector<int> begun;  // where the limit is 1, by one child at a time
  int const total = pool.run([&, limit]() -> task<int> {
    std::atomic<int> ended{0};
    auto child = [&](int i) -> task<> {
      int const now = ++inside;
      int seen = most;
      while (seen < now && !most.compare_exchange_weak(seen, now)) {
      }
      if (limit == 1) begun.push_back(i);
      co_await weft::this_task::yield();
      if (i % 3 == 0) co_await weft::this_task::yield();
      --inside;
      ++ended;
    };
    co_await with_scope(
        [&child](scope& s) -> task<> {
          for (int i = 0; i < 200; ++i) s.spawn(child, i);
          co_return;
        },
        {.limit = limit});
    co_return ended;
  });
  CHECK(total == 200);
  CHECK(most <= static_cast<int>(limit));
  CHECK(inside == 0);
  if (limit == 1) {
    CHECK(begun.size() == 200);
    CHECK(std::is_sorted(begun.begin(), begun.end()));
  }
}

TEST_CASE("a limit does not count the body, nor keep children that spawn from ending") {
  weft_test::watchdog const guard("scope_test: limit and spawns");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  std::atomic<int> count{0};
  auto grow = [&count](auto& self, scope& s, int depth) -> void {
    ++count;
    if (depth == 0) return;
    s.spawn([&self, &s, depth] { self(self, s, depth - 1); });
    s.spawn([&self, &s, depth] { self(self, s, depth - 1); });
  };
  pool.run([&grow]() -> task<> { co_await with_scope([&grow](scope& s) { grow(grow, s, 8); }, {.limit = 1}); });
  CHECK(count == 511);
}

TEST_CASE("the first failure of a child stops the body and the others, and is thrown when all have ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: a child fails");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    auto const what = pool.run([]() -> task<std::string> {
      std::string got;
      try {
        co_await with_scope([](scope& s) -> task<> {
          auto holds = [](counted) { return until_stopped(); };
          for (int k = 0; k < 5; ++k) s.spawn(holds, counted(k));
          s.spawn([]() -> task<> {
            co_await weft::this_task::yield();
            throw std::runtime_error("a child");
          });
          co_await until_stopped();
        });
      } catch (std::runtime_error const& e) {
        got = e.what();
      }
      co_return got + std::to_string(counted::live());
    });
    CHECK(what == "a child0");
  }
}

TEST_CASE("a failure of the body stops the children, and is thrown when they have ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: the body fails");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> ended{0};
  auto child = [&ended]() -> task<> {
    weft::detail::scope_exit const counts([&ended] { ++ended; });
    co_await until_stopped();
  };
  CHECK_THROWS_WITH(pool.run([&child]() -> task<> {
    co_await with_scope([&child](scope& s) -> task<int> {
      for (int i = 0; i < 10; ++i) s.spawn(child);
      co_await weft::this_task::yield();
      throw std::runtime_error("the body");
    });
  }),
                    "the body");
  CHECK(ended == 10);
  CHECK_THROWS_WITH(pool.run(with_scope([](scope& s) {
    s.spawn(until_stopped);
    throw std::runtime_error("a plain body");
  })),
                    "a plain body");
}

TEST_CASE("of several failures one is thrown, and the others are gone") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: several failures");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 50; ++i) {
    CHECK_THROWS_AS(pool.run(with_scope([](scope& s) {
      for (int k = 0; k < 10; ++k) s.spawn([] { throw std::runtime_error("one of ten"); });
      throw std::runtime_error("the body");
    })),
                    std::runtime_error);
  }
}

TEST_CASE("stop ends a void scope without an exception") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool const right = pool.run([]() -> task<bool> {
    bool before = true, after = false;
    co_await with_scope([&](scope& s) -> task<> {
      for (int i = 0; i < 10; ++i) s.spawn(until_stopped);
      s.spawn(sleeps, 1h);
      before = s.stop_requested();
      co_await weft::this_task::yield();
      s.stop();
      s.stop();
      after = s.stop_requested();
    });
    // From a child, while the body waits.
    co_await with_scope([](scope& s) -> task<> {
      s.spawn([&s] { s.stop(); });
      co_await until_stopped();
    });
    co_return !before && after && !weft::this_task::stop_token().stop_requested();
  });
  CHECK(right);
}

TEST_CASE("a scope that gives a value gives it although it was stopped, and throws stopped where there is none") {
  weft_test::watchdog const guard("scope_test: stop and values");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  CHECK(pool.run(with_scope([](scope& s) -> task<int> {
    s.stop();
    co_return 5;
  })) == 5);
  CHECK_THROWS_AS(pool.run(with_scope([](scope& s) -> task<int> {
    s.stop();
    co_await until_stopped();
    co_return 5;
  })),
                  weft::stopped);
}

TEST_CASE("a failure after stop is thrown all the same") {
  weft_test::watchdog const guard("scope_test: failure after stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  CHECK_THROWS_WITH(pool.run(with_scope([](scope& s) {
    s.spawn([]() -> task<> {
      auto const token = weft::this_task::stop_token();
      while (!token.stop_requested()) co_await weft::this_task::yield();
      throw std::runtime_error("could not clean up");
    });
    s.stop();
  })),
                    "could not clean up");
}

TEST_CASE("a scope inherits the stop of its parent, and throws stopped when all have ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: stop from outside");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> begun{0}, ended{0};
    auto child = [&]() -> task<> {
      ++begun;
      weft::detail::scope_exit const counts([&ended] { ++ended; });
      co_await weft::sleep_for(1h);
    };
    auto f = pool.spawn([&child]() -> task<> {
      co_await with_scope([&child](scope& s) {
        for (int k = 0; k < 5; ++k) s.spawn(child);
      });
    });
    if (i % 2 == 0)
      while (begun == 0) std::this_thread::yield();
    f.stop();
    CHECK_THROWS_AS(f.get(), weft::stopped);
    CHECK(begun == ended);
  }
}

TEST_CASE("a timeout ends a scope with all that is in it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: timeout");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK_THROWS_AS(pool.run(weft::timeout(1ms, with_scope(with_children))), weft::timed_out);
  CHECK_THROWS_AS(pool.run(weft::timeout(1ms, with_scope(with_children, {.limit = 2}))), weft::timed_out);
}

TEST_CASE("what the body has captured lives until the last child has ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: captures");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> seen{0};
  pool.run([&seen]() -> task<> {
    auto body = [c = counted(7), &seen](scope& s) {
      for (int i = 0; i < 20; ++i)
        s.spawn([&c, &seen]() -> task<> {
          for (int k = 0; k < 5; ++k) co_await weft::this_task::yield();
          seen += c.value();
        });
    };
    auto operation = with_scope(std::move(body));
    co_await std::move(operation);
  });
  CHECK(seen == 140);
  CHECK(counted::live() == 0);
}

TEST_CASE("an argument that cannot be made is the exception of spawn, and there is no child") {
  struct throws_when_copied {
    throws_when_copied() = default;
    throws_when_copied(throws_when_copied const&) { throw std::runtime_error("copied"); }
  };
  weft_test::watchdog const guard("scope_test: arguments that throw");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  throws_when_copied const argument;
  std::string caught;
  pool.run(with_scope([&](scope& s) {
    try {
      s.spawn([](throws_when_copied const&) {}, argument);
    } catch (std::runtime_error const& e) {
      caught = e.what();
    }
    s.spawn([] {});
  }));
  CHECK(caught == "copied");
}

TEST_CASE("a function that fails before it has made its task is a failure of the scope") {
  weft_test::watchdog const guard("scope_test: no task");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  auto no_task = []() -> task<> { return throw std::logic_error("no task"), until_stopped(); };
  CHECK_THROWS_WITH(pool.run(with_scope([&no_task](scope& s) {
    s.spawn(until_stopped);
    s.spawn(no_task);
  })),
                    "no task");
  CHECK_THROWS_WITH(
      pool.run(with_scope([](scope&) -> task<> { return throw std::logic_error("no body"), until_stopped(); })),
      "no body");
}

TEST_CASE("children that wait for their turn when the scope fails or is stopped do not hold it up") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: waiting children");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK_THROWS_WITH(pool.run(with_scope(with_failure, {.limit = 2})), "no more");
  pool.run(with_scope(with_stop, {.limit = 2}));
}

TEST_CASE("ten thousand children of one scope all end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const limit = GENERATE(as<std::size_t>(), 0, 16);
  weft_test::watchdog const guard("scope_test: ten thousand", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> ended{0};
  pool.run(with_scope(
      [&ended](scope& s) {
        for (int i = 0; i < 10'000; ++i)
          s.spawn([&ended]() -> task<> {
            co_await weft::this_task::yield();
            ++ended;
          });
      },
      {.limit = limit}));
  CHECK(ended == 10'000);
}

TEST_CASE("scopes within scopes end from the inside out") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: nested");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> leaves{0};
  auto nested = [&leaves](auto& self, int depth) -> task<int> {
    if (depth == 0) {
      ++leaves;
      co_return 0;
    }
    int const below = co_await with_scope([&self, depth](scope& s) {
      s.spawn([&self, depth] { return self(self, depth - 1); });
      return self(self, depth - 1);
    });
    co_return below + 1;
  };
  CHECK(pool.run([&nested] { return nested(nested, 8); }) == 8);
  CHECK(leaves == 256);
}

TEST_CASE("a scope operation that is dropped without having been awaited destroys its body") {
  counted::reset();
  {
    auto const dropped = with_scope([c = counted(1)](scope&) { static_cast<void>(c.value()); });
    CHECK(counted::live() == 1);
  }
  CHECK(counted::live() == 0);
}

// ── children that are a frame and nothing else ──

namespace {

task<> takes_value(std::string text, std::vector<std::string>* out) {
  co_await weft::this_task::yield();
  out->push_back(std::move(text));
}
task<> takes_view(std::string_view text, std::string* out) {
  co_await weft::this_task::yield();
  *out = text;
}
task<> takes_reference(std::string const& text, std::string* out) {
  co_await weft::this_task::yield();
  *out = text;
}
task<> fails_before_it_waits(int n) {
  if (n != 0) throw std::runtime_error("at once");
  co_return;
}
task<> with_token(bool* possible) {
  *possible = weft::this_task::stop_token().stop_possible();
  co_return;
}
task<> elsewhere(weft::pool& other, std::atomic<int>& done) {
  co_await weft::this_task::resume_on(other);
  co_await weft::sleep_for(1ms);
  ++done;
}
weft::local<int> number{1};
task<> reads_local(std::atomic<int>& sum) {
  co_await weft::this_task::yield();
  sum += *number;
}

task<> calls_back(weft::detail::function_ref<void()> f) {
  co_await weft::this_task::yield();
  f();
}
std::atomic<int> called_back{0};
void count_call() { ++called_back; }

template <class X, class... Args>
constexpr bool alone = weft::detail::stands_alone<X, Args...>;
constexpr auto lambda = [](int) -> task<> { co_return; };
constexpr auto generic = [](auto) -> task<> { co_return; };
int captured = 0;
[[maybe_unused]] auto const capturing = [&out = captured, copy = 1](int) -> task<> {
  out = copy;
  co_return;
};

}  // namespace

static_assert(alone<decltype(&sleeps), weft::clock::duration>);
static_assert(alone<decltype(&takes_value), std::string, std::vector<std::string>*>);
static_assert(!alone<decltype(&takes_value), char const*, std::vector<std::string>*>);
static_assert(!alone<decltype(&calls_back), void (*)()>);
static_assert(!alone<decltype(&calls_back), std::reference_wrapper<void (*)()>>);
static_assert(
    alone<decltype(&elsewhere), std::reference_wrapper<weft::pool>, std::reference_wrapper<std::atomic<int>>>);
static_assert(alone<std::remove_const_t<decltype(lambda)>, int>);
static_assert(!alone<decltype(&takes_view), std::string, std::string*>);
static_assert(!alone<decltype(&takes_reference), std::string, std::string*>);
static_assert(!alone<std::remove_const_t<decltype(generic)>, int>);
static_assert(!alone<std::remove_const_t<decltype(capturing)>, int>);
static_assert(!alone<task<>>);

TEST_CASE("a child may keep a view of a function that it was given") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: a function as an argument");
  weft::pool pool{{.workers = workers}};
  called_back = 0;
  pool.run([]() -> task<> {
    co_await weft::with_scope([](weft::scope& s) {
      for (int i = 0; i < 10; ++i) s.spawn(calls_back, count_call);
      s.spawn(sleeps, weft::clock::duration(1ms));
    });
  });
  CHECK(called_back == 10);
}

TEST_CASE("what a child was given lives as long as the child needs it, whether it took it, views it or refers to it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: arguments");
  weft_test::balance const memory;
  weft::pool pool{{.workers = workers}};
  std::vector<std::string> taken;
  std::string viewed, referred;
  auto const long_text = std::string(100, 'x');
  pool.run([&]() -> task<> {
    auto const body = [&](scope& s) {
      s.spawn(takes_value, long_text, &taken);
      s.spawn(takes_view, long_text, &viewed);
      s.spawn(takes_reference, long_text, &referred);
    };
    auto operation = with_scope(std::ref(body));
    co_await std::move(operation);
  });
  CHECK(taken == std::vector<std::string>{long_text});
  CHECK(viewed == long_text);
  CHECK(referred == long_text);
}

TEST_CASE("a child that is a frame alone fails, is stopped, moves to another pool and has its locals as any other") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scope_test: frames");
  weft_test::balance const memory;
  weft::pool pool{{.workers = workers}}, other{{.workers = 1}};
  std::atomic<int> done{0}, sum{0};
  bool possible = false;
  auto const run_in_scope = [&](auto const& body) {
    pool.run([&]() -> task<> {
      auto operation = with_scope(std::ref(body));
      co_await std::move(operation);
    });
  };
  run_in_scope([&](scope& s) {
    for (int i = 0; i < 100; ++i) s.spawn(elsewhere, std::ref(other), std::ref(done));
    s.spawn(with_token, &possible);
    s.spawn(reads_local, std::ref(sum));
    weft::with(number, 10, [&] { s.spawn(reads_local, std::ref(sum)); });
  });
  CHECK(done == 100);
  CHECK(possible);
  CHECK(sum == 11);

  CHECK_THROWS_WITH(run_in_scope([&](scope& s) {
                      for (int i = 0; i < 40; ++i) s.spawn(sleeps, 1h);  // enough of them for stripes
                      s.spawn(fails_before_it_waits, 1);
                      for (int i = 0; i < 40; ++i) s.spawn(sleeps, 1h);
                    }),
                    "at once");
}
