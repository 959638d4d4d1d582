#include "support/allocations.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/generator.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/pipeline.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::concurrent;
using weft::into;
using weft::parallel;
using weft::pipeline;
using weft::serial;
using weft::task;
using weft_test::counted;

namespace {

std::vector<unsigned> with_three() {
  auto counts = weft_test::worker_counts();
  if (counts.size() > 1) counts.push_back(3);
  return counts;
}

/// 0, 1, … count − 1.
class counting {
 public:
  explicit counting(int count) : count_(count) {}
  std::optional<int> operator()() { return next_ == count_ ? std::nullopt : std::optional(next_++); }

 private:
  int next_ = 0;
  int count_;
};

[[gnu::noinline]] void work_for(std::chrono::nanoseconds time) {
  auto const end = weft::clock::now() + time;
  while (weft::clock::now() < end) {
  }
}

/// The most that were inside at the same time.
class gauge {
 public:
  void enter() noexcept {
    auto const now = ++inside_;
    auto seen = most_.load();
    while (seen < now && !most_.compare_exchange_weak(seen, now)) {
    }
  }
  void leave() noexcept { --inside_; }
  int most() const noexcept { return most_; }
  int inside() const noexcept { return inside_; }

 private:
  std::atomic<int> inside_{0}, most_{0};
};

bool is_count(std::vector<int> const& v, int count, int step = 1) {
  if (v.size() != static_cast<std::size_t>(count)) return false;
  for (int i = 0; i < count; ++i)
    if (v[static_cast<std::size_t>(i)] != step * i) return false;
  return true;
}

// Takes long enough to be shared, now and then.
int sometimes_long(int i) {
  if (i % 7 == 0) work_for(std::chrono::microseconds(i % 3 == 0 ? 20 : 3));
  return i;
}

template <class P, class S>
using piped = decltype(std::declval<P>() | into(std::declval<S>()));

}  // namespace

static_assert(std::is_void_v<piped<decltype(pipeline(counting(1))), std::vector<int>&>>);
static_assert(std::same_as<piped<decltype(pipeline(counting(1)) | concurrent(1, [](int) -> task<int> { co_return 1; })),
                                 std::vector<int>&>,
                           task<>>);
static_assert(weft::pipeline_source<counting> && weft::pipeline_source<std::vector<int>&>);
static_assert(!weft::pipeline_source<int> && !weft::pipeline_source<int (*)()>);

TEST_CASE("items reach the sink in the order of the source, each once, through every kind of stage") {
  auto const workers = GENERATE(from_range(with_three()));
  int const count = GENERATE(0, 1, 2, 3, 17, 20'000);
  weft_test::watchdog const guard("pipeline_test: order", 60s);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<int> out;
  int serial_calls = 0, out_of_order = 0, last = -1;
  pool.run([&] {
    pipeline(counting(count)) | parallel(4, sometimes_long) | serial([&](int i) {
      ++serial_calls;
      out_of_order += i != last + 1;
      last = i;
      return long{i};
    }) | parallel(2, [](long i) { return std::to_string(i); }) |
        parallel(0, [](std::string s) { return 3 * std::stoi(s); }) | into(out);
  });
  CHECK(serial_calls == count);
  CHECK(out_of_order == 0);
  CHECK(is_count(out, count, 3));
}

TEST_CASE("a pipeline of a source and a sink alone is a loop") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("pipeline_test: no stage");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<int> out;
  pool.run([&] { pipeline(counting(3000)) | into([&](int i) { out.push_back(sometimes_long(i)); }); });
  CHECK(is_count(out, 3000));
}

TEST_CASE("a plain thread runs a pipeline with the default pool's help") {
  weft_test::watchdog const guard("pipeline_test: plain thread", 60s);
  std::vector<int> out;
  pipeline(counting(3000)) | parallel(0, sometimes_long) | into(out);
  CHECK(is_count(out, 3000));
  std::vector<std::vector<int>> outs(4);
  std::vector<std::thread> threads;
  for (auto& each : outs)
    threads.emplace_back([&each] { pipeline(counting(1000)) | parallel(3, sometimes_long) | into(each); });
  for (auto& t : threads) t.join();
  for (auto const& each : outs) CHECK(is_count(each, 1000));
}

TEST_CASE("a source is a callable, a range of any kind, borrowed where it is an lvalue") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("pipeline_test: sources");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  pool.run([] {
    std::vector<int> out;
    counting source(10);
    pipeline(source) | into(out);
    CHECK(is_count(out, 10));
    CHECK(!source());

    out.clear();
    pipeline(std::views::iota(0, 500)) | parallel(0, sometimes_long) | into(out);
    CHECK(is_count(out, 500));

    out.clear();
    std::list<int> list(500);
    std::iota(list.begin(), list.end(), 0);
    pipeline(list) | parallel(0, [](int& i) -> int& { return sometimes_long(i), ++i; }) |
        into([&](int& i) { out.push_back(--i); });
    CHECK(is_count(out, 500));

    out.clear();
    std::vector<int> moved_in(500);
    std::iota(moved_in.begin(), moved_in.end(), 0);
    pipeline(std::move(moved_in)) | parallel(0, sometimes_long) | into(out);
    CHECK(is_count(out, 500));

    // Each step of this one overwrites what the one before gave.
    out.clear();
    std::stringstream text;
    for (int i = 0; i < 500; ++i) text << i << ' ';
    pipeline(std::views::istream<int>(text)) | parallel(0, sometimes_long) | into(out);
    CHECK(is_count(out, 500));

    std::vector<bool> const bits{true, false, true};
    std::vector<bool> same;
    pipeline(bits) | into(same);
    CHECK(same == bits);
  });
}

TEST_CASE("items may be references, and what only moves is moved") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("pipeline_test: references, move-only");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::unique_ptr<int>> out;
  std::vector<int> values(1000);
  int wrong = 0;
  pool.run([&] {
    int next = 0;
    pipeline([&next]() -> std::optional<std::unique_ptr<int>> {
      if (next == 1000) return std::nullopt;
      return std::make_unique<int>(next++);
    }) | parallel(0, [](std::unique_ptr<int> p) {
      sometimes_long(*p);
      return p;
    }) | parallel(2, [](std::unique_ptr<int>&& p) {
      return std::make_unique<int>(2 * *p);
    }) | into(out);
    pipeline(values) |
        parallel(0, [&values](int& v) -> int& { return v = sometimes_long(static_cast<int>(&v - values.data())), v; }) |
        serial([](int& v) { return &v; }) | parallel(0, [](int* v) -> int const& { return *v; }) |
        into([&, i = 0](int const& v) mutable {
          wrong += &v != &values[static_cast<std::size_t>(i)] || v != i;
          ++i;
        });
  });
  CHECK(wrong == 0);
  REQUIRE(out.size() == 1000);
  CHECK(std::ranges::all_of(std::views::iota(0, 1000),
                            [&](int i) { return *out[static_cast<std::size_t>(i)] == 2 * i; }));
}

TEST_CASE("what only moves is moved out of a generator") {
  weft_test::watchdog const guard("pipeline_test: generator of what only moves");
  weft::pool pool{{.workers = 2}};
  auto const owners = [](int n) -> weft::generator<std::unique_ptr<int>> {
    for (int i = 0; i < n; ++i) co_yield std::make_unique<int>(i);
  };
  std::vector<std::unique_ptr<int>> out;
  pool.run([&] { pipeline(owners(100)) | parallel(0, [](std::unique_ptr<int> p) { return p; }) | into(out); });
  REQUIRE(out.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(*out[static_cast<std::size_t>(i)] == i);
  pool.run([&] { pipeline(owners(3)) | into([](std::unique_ptr<int> const& p) { CHECK(*p < 3); }); });
}

TEST_CASE("no item is lost, none is copied, and none is left behind") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("pipeline_test: counted");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    long long sum = 0;
    pool.run([&] {
      int next = 0;
      pipeline([&next] { return next == 3000 ? std::nullopt : std::optional<counted>(std::in_place, next++); }) |
          parallel(0, [](counted&& c) { return counted(sometimes_long(c.value()) + 1); }) |
          serial([](counted&& c) { return std::move(c); }) | into([&sum](counted&& c) { sum += c.value(); });
    });
    CHECK(sum == 3000LL * 3001 / 2);
  }
  CHECK(counted::live() == 0);
  CHECK(counted::copies() == 0);
}

TEST_CASE("a stage has never more items at a time than its width, the serial ones one") {
  auto const workers = GENERATE(from_range(with_three()));
  int const width = GENERATE(1, 2, 5);
  weft_test::watchdog const guard("pipeline_test: widths");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  gauge source, first, second, third, sink;
  auto const inside = [](gauge& g, int i) {
    g.enter();
    sometimes_long(i);
    g.leave();
    return i;
  };
  pool.run([&] {
    pipeline([&, next = 0]() mutable {
      source.enter();
      weft::detail::scope_exit const out([&]() noexcept { source.leave(); });
      return next == 2000 ? std::nullopt : std::optional(next++);
    }) | parallel(static_cast<std::size_t>(width), [&](int i) { return inside(first, i); }) |
        serial([&](int i) { return inside(second, i); }) | parallel(0, [&](int i) { return inside(third, i); }) |
        into([&](int i) { inside(sink, i); });
  });
  CHECK(source.most() == 1);
  CHECK(first.most() <= width);
  CHECK(second.most() == 1);
  CHECK(third.most() <= static_cast<int>(workers));
  CHECK(sink.most() == 1);
}

TEST_CASE("the items on the way are bounded: twice the widths, what in_flight says, and a slow sink stops the source") {
  auto const workers = GENERATE(from_range(with_three()));
  std::size_t const in_flight = GENERATE(as<std::size_t>(), 0, 1, 3, 40);
  weft_test::watchdog const guard("pipeline_test: bound");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  gauge on_the_way;
  auto const source = [&on_the_way](int count) {
    return [&on_the_way, count, next = 0]() mutable -> std::optional<int> {
      if (next == count) return std::nullopt;
      on_the_way.enter();
      return next++;
    };
  };
  pool.run([&] {
    pipeline(source(60), {.in_flight = in_flight}) | parallel(3, [](int i) { return i; }) | into([&](int) {
      work_for(200us);
      on_the_way.leave();
    });
  });
  int const wide = 2 * (1 + 3 + 1);
  CHECK(on_the_way.most() <= (in_flight != 0 ? static_cast<int>(in_flight) : wide));
  CHECK(on_the_way.inside() == 0);

  gauge& quick = on_the_way;
  pool.run([&] {
    pipeline(source(20'000), {.in_flight = in_flight}) | parallel(3, [](int i) { return work_for(100ns), i; }) |
        into([&](int) { quick.leave(); });
  });
  CHECK(quick.most() <= (in_flight != 0 ? static_cast<int>(in_flight) : 16 * wide));
}

TEST_CASE("several workers take part where items take long") {
  weft_test::watchdog const guard("pipeline_test: help");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 4}};
  // Nobody gets through before four are there.
  std::atomic<int> here{0};
  std::vector<int> out;
  pool.run([&] {
    pipeline(counting(4)) | parallel(4, [&](int i) {
      ++here;
      while (here < 4) std::this_thread::yield();
      return i;
    }) | into(out);
  });
  CHECK(is_count(out, 4));
}

TEST_CASE("the source, a stage and the sink run at the same time, each on its item") {
  weft_test::watchdog const guard("pipeline_test: overlap");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 3}};
  // The sink has item 0 and waits for item 1 in the stage, which waits for item 2 at the source.
  std::atomic<int> at_source{-1}, at_stage{-1};
  std::vector<int> out;
  pool.run([&] {
    pipeline([&, next = 0]() mutable -> std::optional<int> {
      at_source = next;
      return next == 3 ? std::nullopt : std::optional(next++);
    }) | serial([&](int i) {
      at_stage = i;
      while (at_source < std::min(i + 1, 3)) std::this_thread::yield();
      return i;
    }) | into([&](int i) {
      while (at_stage < std::min(i + 1, 2)) std::this_thread::yield();
      out.push_back(i);
    });
  });
  CHECK(is_count(out, 3));
}

TEST_CASE(
    "what the source, a stage or the sink throws for any item is thrown by the pipeline, and nothing is left behind") {
  auto const workers = GENERATE(from_range(with_three()));
  int const where = GENERATE(0, 1, 2, 3, 4);
  weft_test::watchdog const guard("pipeline_test: exceptions", 60s);
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    for (int const bad : {0, 1, 2, 7, 50, 299}) {
      auto const pass = [&](int place, counted&& c) {
        if (place == where && c.value() == bad) throw std::runtime_error(std::to_string(bad));
        sometimes_long(c.value() + place);
        return std::move(c);
      };
      std::vector<int> out;
      auto const go = [&] {
        int next = 0;
        pipeline([&]() -> std::optional<counted> {
          if (where == 0 && next == bad) throw std::runtime_error(std::to_string(bad));
          if (next == 300) return std::nullopt;
          return counted(next++);
        }) | parallel(0, [&](counted&& c) { return pass(1, std::move(c)); }) |
            serial([&](counted&& c) { return pass(2, std::move(c)); }) |
            parallel(2, [&](counted&& c) { return pass(3, std::move(c)); }) |
            into([&](counted&& c) { out.push_back(pass(4, std::move(c)).value()); });
      };
      CHECK_THROWS_WITH(pool.run(go), std::to_string(bad));
      // What has arrived has done so in order, and nothing from the bad one on.
      CHECK(is_count(out, static_cast<int>(out.size())));
      CHECK(out.size() <= static_cast<std::size_t>(bad));
    }
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("of several failures that of the lowest item is thrown") {
  weft_test::watchdog const guard("pipeline_test: lowest failure");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 4}};
  std::atomic<int> here{0};
  auto const all_fail = [&](int i) -> int {
    ++here;
    while (here < 4) std::this_thread::yield();
    throw std::runtime_error(std::to_string(i));
  };
  CHECK_THROWS_WITH(pool.run([&] { pipeline(counting(4)) | parallel(4, all_fail) | into([](int) {}); }), "0");
}

TEST_CASE("a failure stops loops that run in other stages") {
  weft_test::watchdog const guard("pipeline_test: failure stops");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 3}};
  std::atomic<bool> begun{false};
  auto const stage = [&](int i) {
    if (i == 1) {
      while (!begun) std::this_thread::yield();
      throw std::runtime_error("item 1");
    }
    begun = true;
    weft::parallel_for(0, 1'000'000'000, [](int) { work_for(10us); }, {.grain = 1});  // hours
    return i;
  };
  CHECK_THROWS_WITH(pool.run([&] { pipeline(counting(2)) | parallel(2, stage) | into([](int) {}); }), "item 1");
}

TEST_CASE("a stop ends a pipeline between items") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("pipeline_test: stop");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    std::atomic<int> arrived{0};
    auto f = pool.spawn([&] {
      pipeline([] { return std::optional<counted>(std::in_place, 1); }) |
          parallel(0, [](counted&& c) { return work_for(2us), std::move(c); }) | into([&](counted&&) { ++arrived; });
    });
    while (arrived < 100) std::this_thread::yield();
    f.stop();
    CHECK_THROWS_AS(f.get(), weft::stopped);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a pipeline in a stage of a pipeline, in a loop, in a task") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("pipeline_test: nested", 60s);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const inner = [](int i) {
    int sum = 0;
    pipeline(std::views::iota(0, 40)) | parallel(0, sometimes_long) | into([&](int v) { sum += v; });
    return sum + i;
  };
  std::vector<int> wrong(20, 0);
  auto const outer = [&](int k) {
    std::vector<int> out;
    pipeline(counting(20)) | parallel(3, inner) | into(out);
    for (int i = 0; i < 20; ++i) wrong[static_cast<std::size_t>(k)] += out[static_cast<std::size_t>(i)] != 780 + i;
  };
  pool.run([&]() -> task<> {
    int const loops = 20;
    co_await weft::this_task::yield();
    weft::parallel_for(0, loops, outer);
  });
  CHECK(std::ranges::count(wrong, 0) == 20);
}

TEST_CASE("a stage that blocks on other work of the pool does not stop it") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("pipeline_test: blocking stage");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<int> out;
  pool.run([&] {
    pipeline(counting(50)) | parallel(0, [](int i) {
      return weft::run(
          [](int v) -> task<int> {
            co_await weft::sleep_for(200us);
            co_return v;
          },
          i);
    }) | into(out);
  });
  CHECK(is_count(out, 50));
}

TEST_CASE("after the first items a computing pipeline allocates nothing") {
  weft_test::watchdog const guard("pipeline_test: allocations");
  weft::pool pool{{.workers = 2}};
  // Where the machine takes a worker's core away the pool starts a thread in its stead, which does allocate: not so every time.
  for (std::int64_t allocations = 1000; allocations > 8;) {
    std::int64_t after_ten = 0, at_the_end = 0;
    long sum = 0;
    pool.run([&] {
      pipeline(counting(1000)) | parallel(0, [](int i) { return work_for(10us), i; }) | into([&](int i) {
        if (i == 10) after_ten = weft_test::allocation_count();
        if (i == 999) at_the_end = weft_test::allocation_count();
        sum += i;
      });
    });
    CHECK(sum == 999 * 500);
    allocations = at_the_end - after_ten;
  }
}

TEST_CASE("where something waits the pipeline is a task, and its items are in order all the same") {
  auto const workers = GENERATE(from_range(with_three()));
  int const count = GENERATE(0, 1, 2, 400);
  weft_test::watchdog const guard("pipeline_test: waiting", 60s);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<int> out;
  gauge waiting;
  int last = -1;
  auto const waits = [&](int i) -> task<int> {
    waiting.enter();
    co_await weft::sleep_for(std::chrono::microseconds(i % 13 * 50));
    waiting.leave();
    co_return i;
  };
  auto const in_order = [&](int i) -> task<int> {
    bool const right = i == last + 1;
    co_await weft::this_task::yield();
    last = i;
    co_return right ? i : -1;
  };
  auto const sink = [&](int i) -> task<> {
    co_await weft::this_task::yield();
    out.push_back(i);
  };
  auto source = [&, next = 0]() mutable -> task<std::optional<int>> {
    int const mine = next++;
    if (mine % 5 == 0) co_await weft::this_task::yield();
    co_return mine < count ? std::optional(mine) : std::nullopt;
  };
  pool.run([&] {
    return pipeline(source) | concurrent(10, waits) | serial(in_order) | parallel(2, sometimes_long) | into(sink);
  });
  CHECK(is_count(out, count));
  CHECK(waiting.most() <= 10);
}

TEST_CASE("as many as the width wait at the same time, and no more are on the way than twice the widths") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("pipeline_test: waiting width");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  gauge on_the_way, waiting;
  std::atomic<int> here{0};
  // Nobody leaves before ten have been there at a time. Whoever they are: an item may be overtaken on its way into the stage.
  auto const stage = [&](int i) -> task<int> {
    waiting.enter();
    ++here;
    do co_await weft::this_task::yield();
    while (waiting.most() < 10);
    waiting.leave();
    co_return i;
  };
  auto const sink = [&](int i) -> task<> {
    if (i % 50 == 0) co_await weft::sleep_for(3ms);
    on_the_way.leave();
  };
  pool.run([&] {
    return pipeline([&, next = 0]() mutable -> std::optional<int> {
             if (next == 200) return std::nullopt;
             on_the_way.enter();
             return next++;
           }) |
           concurrent(10, stage) | into(sink);
  });
  CHECK(here == 200);
  CHECK(waiting.most() == 10);
  CHECK(on_the_way.most() <= 2 * (1 + 10 + 1));
  CHECK(on_the_way.inside() == 0);
}

TEST_CASE("in_flight bounds a waiting pipeline, too: with one, items go one after the other") {
  weft_test::watchdog const guard("pipeline_test: waiting in_flight");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  gauge on_the_way;
  pool.run([&] {
    return pipeline(
               [&, next = 0]() mutable -> std::optional<int> {
                 if (next == 50) return std::nullopt;
                 on_the_way.enter();
                 return next++;
               },
               {.in_flight = 1}) |
           concurrent(10,
                      [](int i) -> task<int> {
                        co_await weft::this_task::yield();
                        co_return i;
                      }) |
           into([&](int) { on_the_way.leave(); });
  });
  CHECK(on_the_way.most() == 1);
}

TEST_CASE("a waiting pipeline may be given widths and numbers in flight without end") {
  std::size_t const most = GENERATE(as<std::size_t>(), SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2);
  bool const in_flight = GENERATE(false, true);
  weft_test::watchdog const guard("pipeline_test: without end");
  weft::pool pool{{.workers = 2}};
  std::vector<int> out;
  pool.run([&] {
    auto const stage = [](int i) -> task<int> {
      co_await weft::this_task::yield();
      co_return i;
    };
    return pipeline(std::views::iota(0, 200), {.in_flight = in_flight ? most : 0}) |
           concurrent(in_flight ? 3 : most, stage) | concurrent(most, stage) | into(out);
  });
  CHECK(std::ranges::equal(out, std::views::iota(0, 200)));
}

TEST_CASE("a failure anywhere in a waiting pipeline ends the waits of the others, and is thrown") {
  auto const workers = GENERATE(from_range(with_three()));
  int const where = GENERATE(0, 1, 2, 3, 4);
  weft_test::watchdog const guard("pipeline_test: waiting failure");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    for (int const bad : {0, 3, 20}) {
      auto const check = [&](int place, int value) {
        if (place == where && value == bad) throw std::runtime_error(std::to_string(bad));
      };
      auto const waits = [&](counted&& c) -> task<counted> {
        counted mine = std::move(c);
        check(1, mine.value());
        if (mine.value() > bad) co_await weft::sleep_for(1h);
        co_return mine;
      };
      auto const computes = [&](counted&& c) { return check(2, c.value()), std::move(c); };
      auto const waits_serially = [&](counted&& c) -> task<counted> {
        counted mine = std::move(c);
        co_await weft::this_task::yield();
        check(3, mine.value());
        co_return mine;
      };
      auto const go = [&] {
        // Wide enough for all that are on the way: nobody keeps the bad one out.
        return pipeline(
                   [&, next = 0]() mutable -> std::optional<counted> {
                     check(0, next);
                     return counted(next++);
                   },
                   {.in_flight = 20}) |
               concurrent(20, waits) | parallel(3, computes) | serial(waits_serially) |
               into([&](counted&& c) { check(4, c.value()); });
      };
      CHECK_THROWS_WITH(pool.run(go), std::to_string(bad));
    }
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a stop ends the waits of a pipeline") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("pipeline_test: waiting stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> begun{0};
  auto f = pool.spawn([&] {
    return pipeline(counting(1000)) |
           concurrent(7,
                      [&](int) -> task<int> {
                        int const mine = ++begun;
                        co_await weft::sleep_for(1h);
                        co_return mine;
                      }) |
           into([](int) {});
  });
  while (begun < 7) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(begun == 7);
}

TEST_CASE("a waiting pipeline that is never awaited takes nothing, and gives back what it holds") {
  weft_test::balance const balance;
  bool asked = false;
  {
    auto const never = pipeline([&asked, kept = std::make_unique<int>(1)]() -> std::optional<int> {
                         asked = true;
                         return *kept;
                       }) |
                       into([](int) -> task<> { co_return; });
    static_cast<void>(never);
  }
  CHECK(!asked);
}

TEST_CASE("random pipelines give what a loop gives") {
  auto const workers = GENERATE(from_range(with_three()));
  weft_test::watchdog const guard("pipeline_test: random", 60s);
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int round = 0; round < 15; ++round) {
    auto const count = static_cast<int>(random.below(1500));
    auto const width = static_cast<std::size_t>(random.below(5)),
               in_flight = static_cast<std::size_t>(random.below(20));
    auto const slow_every = static_cast<int>(1 + random.below(40));
    auto const slow = std::chrono::nanoseconds(random.below(30'000));
    auto const fail_at = random.below(3) == 0 ? static_cast<int>(random.below(2000)) : count;
    std::vector<int> out;
    auto const stage = [&](int i) {
      if (i == fail_at) throw std::runtime_error("asked to");
      if (i % slow_every == 0) work_for(slow);
      return i;
    };
    auto const go = [&] {
      pipeline(counting(count), {.in_flight = in_flight}) | parallel(width, stage) | serial([&](int i) { return i; }) |
          parallel(2, sometimes_long) | into(out);
    };
    if (fail_at < count) {
      CHECK_THROWS_WITH(pool.run(go), "asked to");
      CHECK(is_count(out, static_cast<int>(out.size())));
      CHECK(out.size() <= static_cast<std::size_t>(fail_at));
    } else {
      pool.run(go);
      CHECK(is_count(out, count));
    }
  }
}
