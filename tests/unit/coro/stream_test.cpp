#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/misuse.hpp"
#include "support/stack_depth.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/channel/channel.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/stream.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::stream;
using weft::task;
using weft_test::counted;

static_assert(!std::is_copy_constructible_v<stream<int>> && std::is_nothrow_move_constructible_v<stream<int>>);
static_assert(std::is_same_v<weft::await_result_t<decltype(std::declval<stream<int>&>().next())>, std::optional<int>>);

namespace {

stream<int> count_to(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

stream<int> waits_between(int n) {
  for (int i = 0; i < n; ++i) {
    co_await weft::this_task::yield();
    co_yield i;
    co_await weft::this_task::yield();
  }
}

stream<counted> counts(int n) {
  counted const own(100);
  for (int i = 0; i < n; ++i) {
    co_await weft::this_task::yield();
    co_yield counted(i);
  }
}

task<int> sum_of(stream<int> s) {
  int total = 0;
  while (auto v = co_await s.next()) total += *v;
  co_return total;
}

stream<int> doubled(stream<int> source) {
  while (auto v = co_await source.next()) co_yield 2 * *v;
}

}  // namespace

TEST_CASE("a stream gives what it yields, in order, then nothing, again and again") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: order");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const all = pool.run([]() -> task<std::vector<int>> {
    std::vector<int> got;
    auto s = count_to(4);
    if (s.ended()) co_return got;
    while (auto v = co_await s.next()) got.push_back(*v);
    if (co_await s.next() || !s.ended()) got.push_back(-1);
    co_return got;
  });
  CHECK(all == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("a stream does not begin before somebody asks, and runs no further than it is asked") {
  weft_test::watchdog const guard("stream_test: lazy");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  int at = 0;
  auto const steps = [](int& where) -> stream<int> {
    where = 1;
    co_yield 1;
    where = 2;
    co_yield 2;
    where = 3;
  };
  std::vector<int> seen;
  pool.run([&]() -> task<> {
    auto s = steps(at);
    seen.push_back(at);
    while (co_await s.next()) {
      seen.push_back(at);
      co_await weft::this_task::yield();
      seen.push_back(at);
    }
    seen.push_back(at);
  });
  CHECK(seen == std::vector<int>{0, 1, 1, 2, 2, 3});
}

TEST_CASE(
    "the producer may wait for anything: yields, sleeps, futures, locks, blocking calls, children, other streams") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: waits");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  weft::mutex mutex;
  auto const produce = [](weft::mutex& m) -> stream<int> {
    co_await weft::this_task::yield();
    co_yield 1;
    co_await weft::sleep_for(1ms);
    int const computed = co_await weft::spawn([] { return 2; });
    co_yield computed;
    {
      auto const held = co_await m.lock();
      co_yield 3;
    }
    int const called = co_await weft::blocking([] { return 4; });
    co_yield called;
    auto [a, b] = co_await weft::when_all(sum_of(count_to(3)), [] { return 2; });
    co_yield a + b;
    auto inner = waits_between(3);
    while (auto v = co_await inner.next()) co_yield 6 + *v;
  };
  auto const all = pool.run([&]() -> task<std::vector<int>> {
    std::vector<int> got;
    auto s = produce(mutex);
    while (auto v = co_await s.next()) got.push_back(*v);
    co_return weft::pool::current() == &pool ? got : std::vector<int>();
  });
  CHECK(all == std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("elements are moved out of the producer, named ones copied, and each is destroyed once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: elements");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    int const sum = pool.run([]() -> task<int> {
      int total = 0;
      auto s = counts(10);
      while (auto v = co_await s.next()) total += v->value();
      co_return total;
    });
    CHECK(sum == 45);
    CHECK(counted::copies() == 0);
    auto const names = []() -> stream<counted> {
      counted kept(1);
      co_yield kept;
      co_yield std::as_const(kept);
      co_yield std::move(kept);
    };
    int const three = pool.run([&names]() -> task<int> {
      int total = 0;
      auto s = names();
      while (auto v = co_await s.next()) total += v->value();
      co_return total;
    });
    CHECK(three == 3);
    CHECK(counted::copies() == 2);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("an element of a stream may be made from another type, and may be something that only moves") {
  weft_test::watchdog const guard("stream_test: kinds");
  weft::pool pool{{.workers = 1}};
  auto const texts = []() -> stream<std::string> {
    co_yield "literal";
    co_yield std::string("text");
  };
  auto const owners = [](std::unique_ptr<int> p) -> stream<std::unique_ptr<int>> {
    co_yield std::make_unique<int>(1);
    co_yield std::move(p);
  };
  auto const got = pool.run([&]() -> task<std::string> {
    std::string all;
    auto s = texts();
    while (auto v = co_await s.next()) all += *v;
    auto o = owners(std::make_unique<int>(2));
    while (auto v = co_await o.next()) all += std::to_string(**v);
    co_return all;
  });
  CHECK(got == "literaltext12");
}

TEST_CASE("what the producer throws comes out of next, once, and ends the stream") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: exceptions");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const fails = []() -> stream<int> {
    co_yield 1;
    co_await weft::this_task::yield();
    throw std::runtime_error("producer");
  };
  auto const got = pool.run([&fails]() -> task<std::string> {
    auto s = fails();
    std::string seen = std::to_string((co_await s.next()).value());
    try {
      co_await s.next();
    } catch (std::runtime_error const& e) {
      seen += e.what();
    }
    if (!co_await s.next() && s.ended()) seen += " ended";
    co_return seen;
  });
  CHECK(got == "1producer ended");
  CHECK_THROWS_WITH(pool.run([&fails]() -> task<int> { co_return co_await sum_of(fails()); }), "producer");
}

TEST_CASE("an exception of the reader leaves the stream where it stands, and its locals are destroyed") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: reader throws");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    CHECK_THROWS_WITH(pool.run([]() -> task<> {
      auto s = counts(5);
      while (auto v = co_await s.next())
        if (v->value() == 2) throw std::runtime_error("reader");
    }),
                      "reader");
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a stream may be dropped before it begins, at any element, and at its end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: dropped");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    pool.run([]() -> task<> {
      for (int taken = 0; taken < 7; ++taken) {
        auto s = counts(5);
        for (int i = 0; i < taken; ++i) co_await s.next();
      }
    });
  }
  CHECK(counted::live() == 0);
  {
    weft_test::balance const balance;
    auto const takes = [](counted) -> stream<int> { co_yield 1; };
    auto const dropped = takes(counted(1));
    CHECK(counted::live() == 1);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a plain thread reads a stream by running its next, to the end and to a failure") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: plain thread");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto s = waits_between(2);
  CHECK(pool.run(s.next()) == 0);
  CHECK(pool.run(s.next()) == 1);
  CHECK_FALSE(pool.run(s.next()).has_value());
  CHECK_FALSE(pool.run(s.next()).has_value());
  auto const fails = []() -> stream<int> {
    co_yield 42;
    throw std::runtime_error("at the end");
  };
  auto f = fails();
  CHECK(pool.run(f.next()) == 42);
  CHECK_THROWS_WITH(pool.run(f.next()), "at the end");
}

TEST_CASE("a moved stream goes on where it stood, in another task and on another pool") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: moved");
  weft_test::balance const balance;
  weft::pool other{{.workers = 1}};
  weft::pool pool{{.workers = workers}};
  auto const where = [](std::vector<weft::pool*>& pools) -> stream<int> {
    for (int i = 0; i < 3; ++i) {
      co_await weft::this_task::yield();
      pools.push_back(weft::pool::current());
      co_yield i;
    }
  };
  std::vector<weft::pool*> pools;
  auto s = pool.run([&]() -> task<stream<int>> {
    auto made = where(pools);
    co_await made.next();
    co_return std::move(made);
  });
  int const rest = other.run(sum_of, std::move(s));
  CHECK(rest == 3);
  CHECK(pools == std::vector<weft::pool*>{&pool, &other, &other});
}

TEST_CASE("a stop of the reader reaches what the producer waits for, and the end comes out of next") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: stop");
  counted::reset();
  {
    weft_test::balance const balance;
    weft::pool pool{{.workers = workers}};
    std::atomic<bool> waiting{false};
    auto const waits = [](std::atomic<bool>& w) -> stream<int> {
      counted const own(1);
      co_yield 1;
      w = true;
      co_await weft::sleep_for(1h);
      co_yield 2;
    };
    auto reader = pool.spawn([&]() -> task<> {
      auto s = waits(waiting);
      while (co_await s.next()) {
      }
    });
    while (!waiting) std::this_thread::yield();
    reader.stop();
    CHECK_THROWS_AS(reader.get(), weft::stopped);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a producer may catch the stop, clean up by waiting, and give a last element") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: stop caught");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const survives = []() -> stream<int> {
    bool asked = false;
    try {
      co_await weft::sleep_for(1h);
    } catch (weft::stopped const&) {
      asked = true;
    }
    co_await weft::this_task::yield();
    co_yield asked ? 1 : 2;
  };
  auto reader = pool.spawn([&survives]() -> task<int> { co_return co_await sum_of(survives()); });
  reader.stop();
  CHECK(reader.get() == 1);
}

TEST_CASE("a next within a time gives up the producer's wait, which ends the stream") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: timeout");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const slow = []() -> stream<int> {
    co_yield 1;
    co_await weft::sleep_for(1h);
    co_yield 2;
  };
  bool const right = pool.run([&slow]() -> task<bool> {
    auto s = slow();
    auto const first = co_await weft::timeout(1h, s.next());
    bool late = false;
    try {
      co_await weft::timeout(1ms, s.next());
    } catch (weft::timed_out const&) {
      late = true;
    }
    co_return first == 1 && late&& s.ended();
  });
  CHECK(right);
}

TEST_CASE("the producer is waited for by its reader, whoever of them becomes ready first") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: ready in any order");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int order = 0; order < 24; ++order) {
    weft::event produced[3], reads;
    auto const produce = [&produced]() -> stream<int> {
      for (int i = 0; i < 3; ++i) {
        auto& e = produced[i];
        co_await e.wait();
        if (i < 2) co_yield i + 1;
      }
    };
    auto reader = pool.spawn([&]() -> task<int> {
      auto s = produce();
      int total = (co_await s.next()).value();
      total += (co_await s.next()).value();
      co_await reads.wait();
      co_return co_await s.next() ? -1 : total;
    });
    weft::event* all[] = {&produced[0], &produced[1], &produced[2], &reads};
    for (int left = 4, rest = order; left > 0; --left) {
      int const next = rest % left;
      rest /= left;
      all[next]->set();
      std::swap(all[next], all[left - 1]);
    }
    CHECK(reader.get() == 3);
  }
}

TEST_CASE("streams are put one behind the other, and ended from behind") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: chained");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK(pool.run(sum_of, doubled(doubled(waits_between(100)))) == 4 * 4950);
  int const first = pool.run([]() -> task<int> {
    auto s = doubled(doubled(waits_between(1000)));
    co_await s.next();
    co_return (co_await s.next()).value();
  });
  CHECK(first == 4);
}

TEST_CASE("a stream is fed from a channel, and many tasks read streams of their own at once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: channel");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const from = [](weft::channel<int>& c) -> stream<int> {
    while (auto v = co_await c.receive()) co_yield *v;
  };
  weft::channel<int> c(2);
  auto reader = pool.spawn([&]() -> task<int> { co_return co_await sum_of(from(c)); });
  auto others = pool.spawn([]() -> task<int> {
    auto [a, b, d] =
        co_await weft::when_all(sum_of(waits_between(50)), sum_of(waits_between(60)), sum_of(count_to(70)));
    co_return a + b + d;
  });
  pool.run([&c]() -> task<> {
    for (int i = 0; i < 100; ++i) co_await c.send(i);
    c.close();
  });
  CHECK(reader.get() == 4950);
  CHECK(others.get() == 1225 + 1770 + 2415);
}

TEST_CASE("a million elements grow the stack by at most 64 KiB") {
  weft_test::watchdog const guard("stream_test: many", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  weft_test::stack_depth stack;
  int const count = weft::detail::small_capacities ? 100'000 : 1'000'000;
  auto const produce = [](weft_test::stack_depth& depth, int n) -> stream<int> {
    for (int i = 0; i < n; ++i) {
      depth.look();
      co_yield i % 2;
    }
  };
  int const sum = pool.run([&]() -> task<int> {
    int total = 0;
    auto s = produce(stack, count);
    while (auto v = co_await s.next()) {
      total += *v;
      stack.look();
    }
    co_return total;
  });
  CHECK(sum == count / 2);
  CHECK(stack.bytes() <= 64 * 1024);
}

TEST_CASE("a long stream that waits half-way goes on where it is woken, and neither half builds up the stack") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: half-way", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const count = weft::detail::small_capacities ? 20'000 : 200'000;
  weft::event half_read, go_on;
  weft_test::stack_depth first, second;
  auto const produce = [&](int n) -> stream<int> {
    for (int i = 0; i < n; ++i) {
      if (i == n / 2) {
        half_read.set();
        co_await go_on.wait();
      }
      (i < n / 2 ? first : second).look();
      co_yield int{i};
    }
  };
  auto reader = pool.spawn([&]() -> task<int> {
    auto s = produce(count);
    int expected = 0;
    while (auto v = co_await s.next())
      if (*v != expected++) co_return -1;
    co_return expected;
  });
  pool.run([&]() -> task<> { co_await half_read.wait(); });
  CHECK_FALSE(reader.ready());
  go_on.set();
  CHECK(reader.get() == count);
  // Of more workers than one, each has a stack of its own.
  if (workers == 1) {
    CHECK(first.bytes() <= 64 * 1024);
    CHECK(second.bytes() <= 64 * 1024);
  }
}

TEST_CASE("a stream made from another begins, waits, fails and ends with it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: made from another");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> begun{0};
  auto const source = [&begun](int n) -> stream<int> {
    ++begun;
    for (int i = 0; i < n; ++i) {
      co_await weft::this_task::yield();
      co_yield int{i};
    }
    if (n == 3) throw std::runtime_error("the source");
  };
  auto const named = [](stream<int> from) -> stream<std::string> {
    while (auto v = co_await from.next()) co_yield std::to_string(*v * *v);
  };
  std::string const squares = pool.run([&]() -> task<std::string> {
    std::string text;
    auto s = named(source(5));
    if (begun.load() != 0) co_return "begun too early";
    while (auto v = co_await s.next()) text += *v + ' ';
    co_return text + (co_await s.next() ? "again" : "end");
  });
  CHECK(squares == "0 1 4 9 16 end");
  std::string const failed = pool.run([&]() -> task<std::string> {
    std::string text;
    auto s = named(source(3));
    try {
      while (auto v = co_await s.next()) text += *v + ' ';
    } catch (std::runtime_error const& e) {
      text += e.what();
    }
    co_return text;
  });
  CHECK(failed == "0 1 4 the source");
}

TEST_CASE("a stream without elements ends at the first next, whether its producer waits or not") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("stream_test: empty");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const empty = [](int waits) -> stream<int> {
    for (int i = 0; i < waits; ++i) co_await weft::this_task::yield();
    if (waits < 0) co_yield 1;
  };
  bool const ended = pool.run([&]() -> task<bool> {
    bool all = true;
    for (int waits : {0, 1, 10}) {
      auto s = empty(waits);
      all = all && !co_await s.next();
      all = all && !co_await s.next();
    }
    co_return all;
  });
  CHECK(ended);
}

TEST_CASE("misuse of a stream ends the program with a sentence") {
  weft_test::expect_misuse("moved from", [] {
    auto s = count_to(1);
    auto const other = std::move(s);
    static_cast<void>(s.next());
  });
}
