#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::parallel_for;
using weft::task;

static_assert(std::same_as<decltype(parallel_for(0, 1, [](int) {})), void>);
static_assert(std::same_as<decltype(parallel_for(0, 1, [](int) -> task<> { co_return; })), task<>>);

namespace {

/// How often each index of [first, last) came; -1 where one came that is not of it.
template <class Int>
std::vector<int> visits(Int first, Int last, weft::loop_options options = {}) {
  auto const size = static_cast<std::size_t>(static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first));
  std::vector<std::atomic<int>> seen(size);
  std::atomic<bool> outside{false};
  parallel_for(
      first, last,
      [&](Int i) {
        auto const at = static_cast<std::size_t>(static_cast<std::uint64_t>(i) - static_cast<std::uint64_t>(first));
        if (at < size) ++seen[at];
        else outside = true;
      },
      options);
  std::vector<int> counts(seen.begin(), seen.end());
  if (outside) counts.push_back(-1);
  return counts;
}

}  // namespace

TEST_CASE("a loop calls its body once for every index, whatever the size, the grain and the workers") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  int const size = GENERATE(0, 1, 2, 3, 1000, 1'000'000);
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 7, 1'000'000'000);
  if (size > 1000 && grain == 1) return;  // slow, and nothing new
  weft_test::watchdog const guard("for_each_test: once for every index", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const seen = pool.run([=] { return visits(0, size, {.grain = grain}); });
  CHECK(seen == std::vector<int>(static_cast<std::size_t>(size), 1));
}

TEST_CASE("a loop from a plain thread runs on the default pool and gives the thread back") {
  weft_test::watchdog const guard("for_each_test: from a plain thread");
  CHECK(visits(0, 10'000) == std::vector<int>(10'000, 1));
  CHECK(weft::pool::current() == nullptr);
  CHECK_THROWS_AS(parallel_for(0, 100, [](int) { throw 1; }), int);
  CHECK(weft::pool::current() == nullptr);
}

TEMPLATE_TEST_CASE("a loop may begin and end at the limits of its integer type", "", std::int8_t, unsigned,
                   std::int64_t, std::uint64_t) {
  using limits = std::numeric_limits<TestType>;
  weft_test::watchdog const guard("for_each_test: limits");
  weft::pool pool{{.workers = 2}};
  auto const once = std::vector<int>(100, 1);
  CHECK(pool.run([] { return visits<TestType>(limits::min(), static_cast<TestType>(limits::min() + 100)); }) == once);
  CHECK(pool.run([] { return visits<TestType>(static_cast<TestType>(limits::max() - 100), limits::max()); }) == once);
  CHECK(pool.run([] { return visits<TestType>(limits::max(), limits::max()); }).empty());
  // Upside down: nothing.
  int calls = 0;
  pool.run([&calls] { parallel_for(limits::max(), limits::min(), [&calls](TestType) { ++calls; }); });
  CHECK(calls == 0);
}

TEST_CASE("a loop covers the whole of a small type, and negative ranges") {
  weft_test::watchdog const guard("for_each_test: small types");
  weft::pool pool{{.workers = 2}};
  CHECK(pool.run([] { return visits<std::int8_t>(-128, 127); }) == std::vector<int>(255, 1));
  CHECK(pool.run([] { return visits<std::int16_t>(-32768, 32767); }) == std::vector<int>(65535, 1));
  CHECK(pool.run([] { return visits(-50, 50); }) == std::vector<int>(100, 1));
  CHECK(pool.run([] { return visits(-100LL, -50LL); }) == std::vector<int>(50, 1));
}

TEST_CASE("a loop over most of 64 bits begins, and ends when its body throws") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("for_each_test: 64 bits");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  using limits = std::numeric_limits<std::int64_t>;
  std::atomic<std::uint64_t> calls{0};
  auto const body = [&calls](auto) {
    if (++calls >= 1000) throw std::runtime_error("enough");
  };
  CHECK_THROWS_WITH(pool.run([&body] { parallel_for(limits::min(), limits::max(), body); }), "enough");
  calls = 0;
  CHECK_THROWS_WITH(
      pool.run([&body] { parallel_for(std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max(), body); }), "enough");
}

TEST_CASE("a failure in a part that was taken stops the part that was kept") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  if (workers == 1) return;  // nobody takes a part
  weft_test::watchdog const guard("for_each_test: failure in a part that was taken");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr auto middle = std::numeric_limits<std::int64_t>::max() / 2;
  auto const loop = [] {
    parallel_for(std::int64_t{0}, std::numeric_limits<std::int64_t>::max(),
                 [](std::int64_t i) {
                   if (i >= middle) throw std::runtime_error("far away");
                 },
                 {.grain = 1});
  };
  CHECK_THROWS_WITH(pool.run(loop), "far away");
}

TEST_CASE("the ends of a loop may have different types") {
  weft_test::watchdog const guard("for_each_test: mixed types");
  std::vector<int> values(100, 0);
  weft::pool pool{{.workers = 2}};
  pool.run([&values] { parallel_for(0, values.size(), [&values](std::size_t i) { values[i] = 1; }); });
  CHECK(values == std::vector<int>(100, 1));
  std::atomic<long> sum{0};
  pool.run([&sum] { parallel_for(short{-3}, 4L, [&sum](long i) { sum += i * i; }); });
  CHECK(sum == 28);
}

TEST_CASE("a waiting loop takes ends of different types as a computing one does") {
  weft_test::watchdog const guard("for_each_test: mixed types of waiting loops");
  weft::pool pool{{.workers = 2}};
  std::atomic<int> calls{0};
  auto const counts = [&calls](auto) -> task<> {
    if (++calls > 1000) throw std::logic_error("too many");
    co_return;
  };
  pool.run([&]() -> task<> { co_await parallel_for(0u, -1, counts); });
  pool.run([&]() -> task<> { co_await parallel_for(std::size_t{5}, -5, counts); });
  CHECK(calls == 0);
  pool.run([&]() -> task<> { co_await parallel_for(0, std::size_t{7}, counts); });
  CHECK(calls == 7);
}

TEST_CASE("a loop over a range gets its elements as the range gives them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("for_each_test: ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  pool.run([] {
    auto const is_one = [](auto const& range) {
      for (auto const& v : range)
        if (v != 1) throw std::logic_error("not every element was reached");
    };
    auto const increment = [](int& v) { ++v; };
    std::vector<int> vector(1000, 0);
    parallel_for(vector, increment);
    is_one(vector);
    std::list<int> list(1000, 0);
    parallel_for(list, increment);
    is_one(list);
    std::forward_list<int> forward_list(1000, 0);
    parallel_for(forward_list, increment);
    is_one(forward_list);
    std::array<int, 3> array{};
    parallel_for(array, increment);
    is_one(array);
    int c_array[5] = {};
    parallel_for(c_array, increment);
    is_one(c_array);
    parallel_for(std::span(vector).subspan(10, 10), [](int& v) { --v; });
    parallel_for(vector | std::views::drop(10) | std::views::take(10), increment);
    is_one(vector);
    parallel_for(vector | std::views::filter([](int v) { return v == 1; }), [](int& v) { v += 0; });
    std::map<int, int> map;
    for (int i = 0; i < 100; ++i) map[i] = 0;
    parallel_for(map, [](std::pair<int const, int>& entry) { entry.second = 1; });
    is_one(map | std::views::values);
    std::vector<std::unique_ptr<int>> owners(10);
    parallel_for(owners, [](std::unique_ptr<int>& p) { p = std::make_unique<int>(1); });
    for (auto const& p : owners)
      if (*p != 1) throw std::logic_error("owners");
    std::vector<int> const constant(10, 1);
    parallel_for(constant, [](int const& v) {
      if (v != 1) throw std::logic_error("constant");
    });
    parallel_for(std::vector<int>(10, 1), [](int&) {});
  });
  std::atomic<int> sum{0};
  pool.run([&sum] { parallel_for(std::views::iota(0, 100), [&sum](int i) { sum += i; }); });
  CHECK(sum == 4950);
  std::vector<bool> bits(1000);
  for (std::size_t i = 0; i < bits.size(); i += 3) bits[i] = true;
  std::atomic<int> set{0};
  pool.run([&] { parallel_for(bits, [&set](bool b) { set += b; }); });
  CHECK(set == 334);
  pool.run([] {
    parallel_for(std::vector<int>(), [](int) { throw std::logic_error("empty"); });
    parallel_for(std::list<int>(), [](int) { throw std::logic_error("empty"); });
  });
}

TEST_CASE("a body may be an lvalue, a member pointer or stateful, and is not copied") {
  weft_test::watchdog const guard("for_each_test: bodies");
  weft_test::counted::reset();
  weft::pool pool{{.workers = 2}};
  struct point {
    int x = 0;
    void move() { ++x; }
  };
  std::vector<point> points(100);
  pool.run([&points] { parallel_for(points, &point::move); });
  int sum = 0;
  for (auto const& p : points) sum += p.x;
  CHECK(sum == 100);
  std::atomic<int> calls{0};
  auto body = [c = weft_test::counted(1), &calls](int) mutable { calls += c.value(); };
  pool.run([&body] { parallel_for(0, 1000, body); });
  CHECK(calls == 1000);
  CHECK(weft_test::counted::copies() == 0);
}

TEST_CASE("an exception from any index comes out, and of those begun the lowest wins") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 16);
  weft_test::watchdog const guard("for_each_test: exceptions", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int wrong = 0;
  for (int const at : {0, 1, 2, 500, 998, 999}) {
    std::atomic<int> running{0};
    try {
      pool.run([&] {
        parallel_for(0, 1000,
                     [&](int i) {
                       ++running;
                       if (i == at) --running, throw i;
                       --running;
                     },
                     {.grain = grain});
      });
      ++wrong;
    } catch (int caught) {
      wrong += caught != at;
    }
    // Other threads' work was joined.
    wrong += running != 0;
  }
  CHECK(wrong == 0);

  // All that begin at or after 300 throw; 300 itself is always begun before the lower ones have all ended on one worker.
  if (workers == 1) {
    try {
      pool.run([&] {
        parallel_for(0, 1000,
                     [](int i) {
                       if (i >= 300) throw i;
                     },
                     {.grain = grain});
      });
      FAIL("nothing was thrown");
    } catch (int caught) {
      CHECK(caught == 300);
    }
  }
}

TEST_CASE("when many indices throw, the one thrown is the lowest of those that did") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("for_each_test: the lowest", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int wrong = 0;
  for (int round = 0; round < 50; ++round) {
    std::mutex lock;
    int lowest = 1000;  // guarded by lock
    try {
      pool.run([&] {
        parallel_for(0, 1000,
                     [&](int i) {
                       if (i % 10 == 4) std::this_thread::yield();
                       if (i % 10 != 9) return;
                       {
                         std::lock_guard const hold(lock);
                         lowest = std::min(lowest, i);
                       }
                       throw i;
                     },
                     {.grain = 5});
      });
      ++wrong;
    } catch (int caught) {
      wrong += caught != lowest;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("loops within loops, and loops within forked calls") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("for_each_test: nested", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> count{0};
  pool.run([&count] {
    parallel_for(0, 20, [&count](int) {
      parallel_for(0, 20, [&count](int) { parallel_for(0, 20, [&count](int) { ++count; }); });
    });
    weft::fork_join([&count] { parallel_for(0, 1000, [&count](int) { ++count; }); },
                    [&count] { parallel_for(0, 1000, [&count](int) { ++count; }, {.grain = 1}); });
  });
  CHECK(count == 10'000);
  CHECK_THROWS_AS(pool.run([] {
    parallel_for(0, 20, [](int i) {
      parallel_for(0, 20, [i](int k) {
        if (i * k == 100) throw i * k;
      });
    });
  }),
                  int);
}

TEST_CASE("loops inside tasks, and tasks inside loops") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("for_each_test: with tasks", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> count{0};
  pool.run([&count]() -> task<> {
    auto loops = [&count]() -> task<> {
      for (int i = 0; i < 10; ++i) {
        parallel_for(0, 100, [&count](int) { ++count; });
        co_await weft::this_task::yield();
      }
    };
    co_await weft::when_all(loops(), loops(), loops(), loops());
    parallel_for(0, 50,
                 [&count](int) {
                   weft::run([&count]() -> task<> {
                     co_await weft::this_task::yield();
                     ++count;
                   });
                 },
                 {.grain = 1});
  });
  CHECK(count == 4050);
}

TEST_CASE("a lock held across a loop does not deadlock") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("for_each_test: a lock across a loop", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::mutex lock;
  int total = 0;  // guarded by lock
  pool.run([&] {
    parallel_for(0, 40,
                 [&](int) {
                   std::lock_guard const hold(lock);
                   std::atomic<int> sum{0};
                   parallel_for(0, 200, [&sum](int) { ++sum; }, {.grain = 1});
                   total += sum;
                 },
                 {.grain = 1});
  });
  CHECK(total == 8000);
}

TEST_CASE("a stop ends a loop between chunks") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 10);
  weft_test::watchdog const guard("for_each_test: stop", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<std::int64_t> calls{0};
  auto f = pool.spawn([&calls, grain] {
    parallel_for(std::int64_t{0}, std::numeric_limits<std::int64_t>::max(), [&calls](std::int64_t) { ++calls; },
                 {.grain = grain});
  });
  while (calls < 1000) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);

  // A task that has been asked to stop already begins no loop.
  auto g = pool.spawn([] {
    while (!weft::this_task::stop_token().stop_requested()) std::this_thread::yield();
    parallel_for(0, 10, [](int) { throw std::logic_error("begun"); });
  });
  g.stop();
  CHECK_THROWS_AS(g.get(), weft::stopped);
}

TEST_CASE("a timeout ends a loop, also where no worker is free to look at the clock") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("for_each_test: timeout", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  // Somebody has to look at the clock, for it ends no other way.
  auto loop = [] {
    parallel_for(std::int64_t{0}, std::numeric_limits<std::int64_t>::max(), [](std::int64_t i) {
      asm volatile("" : : "r"(i));
    });
  };
  CHECK_THROWS_AS(pool.run(weft::timeout(2ms, loop)), weft::timed_out);
}

TEST_CASE("many plain threads run loops at once, more than there are places for them to join in") {
  int const count = GENERATE(1, 8, 100);
  weft_test::watchdog const guard("for_each_test: plain threads", std::chrono::seconds(60));
  std::atomic<int> here{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < count; ++t)
    threads.emplace_back([&] {
      ++here;
      while (here < count) std::this_thread::yield();
      for (int i = 0; i < 10; ++i) {
        std::atomic<int> sum{0};
        parallel_for(0, 500, [&sum](int v) { sum += v; }, {.grain = 10});
        wrong += sum != 124'750;
      }
    });
  for (auto& t : threads) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("a body that waits makes the loop awaitable, with at most so many in flight") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const limit = GENERATE(as<std::size_t>(), 0, 1, 3, 10'000);
  weft_test::watchdog const guard("for_each_test: waiting bodies", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::atomic<int>> seen(2000);
  std::atomic<std::size_t> inside{0}, most{0};
  auto body = [&](int i) -> task<> {
    auto const now = ++inside;
    auto before = most.load();
    while (before < now && !most.compare_exchange_weak(before, now)) {
    }
    co_await weft::this_task::yield();
    if (i % 5 == 0) co_await weft::this_task::yield();
    ++seen[static_cast<std::size_t>(i)];
    --inside;
  };
  pool.run([&]() -> task<> { co_await parallel_for(0, 2000, body, {.limit = limit}); });
  int wrong = 0;
  for (auto const& s : seen) wrong += s != 1;
  CHECK(wrong == 0);
  CHECK(most <= (limit == 0 ? 1024 : limit));
}

TEST_CASE("a waiting loop takes ranges by reference, or moved in, and integers of every kind") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("for_each_test: waiting loops over ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool const right = pool.run([]() -> task<bool> {
    auto increment = [](int& v) -> task<> {
      co_await weft::this_task::yield();
      ++v;
    };
    std::vector<int> vector(100, 0);
    co_await parallel_for(vector, increment);
    std::list<int> list(100, 0);
    co_await parallel_for(list, increment, {.limit = 7});
    std::atomic<int> sum{0};
    auto add = [&sum](int v) -> task<> {
      co_await weft::this_task::yield();
      sum += v;
    };
    auto moved = parallel_for(std::vector<int>(100, 2), add);
    co_await std::move(moved);
    co_await parallel_for(vector | std::views::take(50), add);
    co_await parallel_for(-5, 5, add);
    co_await parallel_for(0, 0, add);
    co_await parallel_for(3, -3, add);
    co_await parallel_for(std::vector<int>(), add);
    co_return vector == std::vector<int>(100, 1) && list == std::list<int>(100, 1) && sum == 200 + 50 - 5;
  });
  CHECK(right);
}

TEST_CASE("a waiting loop may begin at the least integer and end at the greatest") {
  weft_test::watchdog const guard("for_each_test: limits of waiting loops");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  using limits = std::numeric_limits<int>;
  std::atomic<int> wrong{0}, calls{0};
  auto stops_soon = [&](int i) -> task<> {
    if (i > limits::min() + 2000) ++wrong;
    if (++calls >= 50) throw std::runtime_error("enough");
    co_await weft::this_task::checkpoint();
  };
  CHECK_THROWS_WITH(
      pool.run([&]() -> task<> { co_await parallel_for(limits::min(), limits::max(), stops_soon, {.limit = 4}); }),
      "enough");
  CHECK(wrong == 0);
  std::atomic<std::int64_t> sum{0};
  auto adds = [&sum](int i) -> task<> {
    sum += i;
    co_return;
  };
  pool.run([&]() -> task<> { co_await parallel_for(limits::max() - 3, limits::max(), adds); });
  CHECK(sum == 3 * std::int64_t{limits::max()} - 6);
}

TEST_CASE("the first failure of a waiting loop stops the others, and no more are begun") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("for_each_test: failures of waiting loops", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> begun{0}, ended{0};
  auto body = [&](int i) -> task<> {
    ++begun;
    weft::detail::scope_exit const counts([&ended] { ++ended; });
    if (i == 20) throw std::runtime_error("the twentieth");
    co_await weft::sleep_for(i < 20 ? weft::clock::duration(0) : weft::clock::duration(1h));
  };
  CHECK_THROWS_WITH(pool.run([&]() -> task<> { co_await parallel_for(0, 100'000, body, {.limit = 8}); }),
                    "the twentieth");
  CHECK(begun == ended);
  CHECK(begun < 100);
}

TEST_CASE("a stop ends a waiting loop") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("for_each_test: stop of waiting loops");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> begun{0};
  auto f = pool.spawn([&begun]() -> task<> {
    auto body = [&begun](int) -> task<> {
      ++begun;
      co_await weft::sleep_for(1h);
    };
    co_await parallel_for(0, 1'000'000, body, {.limit = 10});
  });
  while (begun < 10) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(begun == 10);
}
