#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/base/config.hpp>
#include <weft/channel/channel.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/address.hpp>
#include <weft/io/output.hpp>
#include <weft/io/pipe.hpp>
#include <weft/io/tcp.hpp>
#include <weft/os/file_handle.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/sim/sim.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/time/sleep.hpp>

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::sim;
using weft::sleep_for;
using weft::task;

namespace {

constexpr bool slow = weft::detail::address_sanitized || weft::detail::thread_sanitized;

task<> sleeps(weft::clock::duration d) { co_await sleep_for(d); }

task<> forever() {
  for (;;) co_await weft::this_task::checkpoint();
}

task<> produces(weft::channel<int>& c, int count) {
  for (int i = 0; i != count; ++i) {
    co_await c.send(i);
    if (i % 3 == 0) co_await sleep_for(1ms);
  }
}

task<int> consumes(weft::channel<int>& c) {
  int sum = 0;
  while (auto const v = co_await c.receive()) sum += *v;
  co_return sum;
}

/// A bit of everything.
task<int> medley() {
  weft::channel<int> c{1};
  auto first = weft::spawn(consumes, std::ref(c)), second = weft::spawn(consumes, std::ref(c));
  co_await weft::when_all(produces(c, 10), produces(c, 10));
  co_await weft::blocking([] {});
  std::vector<int> squares(100);
  weft::parallel_for(0, 100, [&](int i) { squares[static_cast<std::size_t>(i)] = i * i; });
  c.close();
  int const a = co_await std::move(first), b = co_await std::move(second);
  co_return a + b + squares[9];
}

/// Reads, waits, writes.
task<> adds_one(int& number) {
  int const seen = number;
  co_await weft::this_task::yield();
  number = seen + 1;
}

task<int> planted_race() {
  int number = 0;
  auto first = weft::spawn(adds_one, std::ref(number)), second = weft::spawn(adds_one, std::ref(number));
  co_await std::move(first);
  co_await std::move(second);
  co_return number;
}

task<> waits_for_nobody() {
  weft::event never;
  co_await never.wait();
}

}  // namespace

TEST_CASE("a run of a world gives what its program gives, and throws what it throws") {
  weft_test::watchdog const guard("world_test: results");
  sim world;
  int number = 5;
  CHECK(world.run([] { return 1; }) == 1);
  CHECK(world.run([](int a, int b) -> task<int> { co_return a + b; }, 1, 2) == 3);
  CHECK(&world.run([](int& n) -> int& { return n; }, std::ref(number)) == &number);
  world.run(sleeps, 1s);
  CHECK(world.elapsed() >= 1s);
  CHECK_THROWS_AS(world.run([]() -> task<> {
    co_await sleep_for(1s);
    throw std::out_of_range("thrown by the program");
  }),
                  std::out_of_range);
}

TEST_CASE("the same seed runs the same way a hundred times in a hundred, and other seeds run otherwise") {
  weft_test::watchdog const guard("world_test: replay", 120s);
  std::set<std::uint64_t> traces;
  for (std::uint64_t seed = 1; seed != 21; ++seed) {
    std::set<std::uint64_t> own;
    for (int i = 0; i != (slow ? 10 : 100); ++i) {
      sim world{{.seed = seed, .workers = 1 + static_cast<unsigned>(seed % 3)}};
      REQUIRE(world.run(medley) == 90 + 81);
      own.insert(world.trace_hash());
    }
    CHECK(own.size() == 1);
    traces.insert(own.begin(), own.end());
  }
  CHECK(traces.size() == 20);
}

TEST_CASE("a world runs the same way after one that has opened and closed handles in another order") {
  weft_test::watchdog const guard("world_test: same after another", 60s);
  auto const watched = [] {
    sim world{{.seed = 5}};
    world.run([]() -> task<> {
      std::vector<weft::pipe> pipes(6);
      std::vector<weft::future<>> readers;
      auto const reads = [](weft::pipe& p) {
        return [&p]() -> task<> {
          std::array<std::byte, 1> one;
          co_await p.reader.read(one);
        };
      };
      {
        weft::pool other{{.workers = 1}};
        for (auto& p : pipes) readers.push_back(other.spawn(reads(p)));
        co_await sleep_for(1ms);
        for (auto& p : pipes) co_await p.writer.write("a");
        for (auto& r : readers) co_await std::move(r);
        readers.clear();
        for (auto& p : pipes) readers.push_back(weft::spawn(reads(p)));
        co_await sleep_for(1ms);
      }
      for (auto& p : pipes) co_await p.writer.write("b");
      for (auto& r : readers) co_await std::move(r);
    });
    return world.trace_hash();
  };
  auto const first = watched();
  sim between;
  between.run([] {
    std::vector<weft::pipe> pipes(9);
    for (std::size_t const i : {3u, 7u, 1u, 8u, 0u, 2u, 6u, 4u, 5u}) {
      pipes[i].reader = {};
      pipes[i].writer = {};
    }
  });
  CHECK(watched() == first);
}

namespace {

template <int N>
void loop_of_its_own(std::vector<int>& v) {
  weft::parallel_for(0, 4, [&v](int i) { v[static_cast<std::size_t>(i)] += N; });
}

template <int... N>
void many_loops(std::vector<int>& v, std::integer_sequence<int, N...>) {
  for (int k = 0; k != 20; ++k) (loop_of_its_own<N>(v), ...);
}

std::uint64_t trace_of_many_loops() {
  sim world{{.seed = 7}};
  std::vector<int> v(4);
  world.run([&v] { many_loops(v, std::make_integer_sequence<int, 80>{}); });
  return world.trace_hash();
}

}  // namespace

// Run by the next one, wherever the system has put the program this time.
TEST_CASE("the trace of many loops is printed", "[.]") {
  std::printf("trace %llu\n", static_cast<unsigned long long>(trace_of_many_loops()));
}

TEST_CASE("the same seed runs the same way in another process") {
  weft_test::watchdog const guard("world_test: another process", 60s);
  auto const expected = "trace " + std::to_string(trace_of_many_loops()) + "\n";
  auto const program = std::filesystem::read_symlink("/proc/self/exe");
  for (int i = 0; i != 5; ++i) {
    auto const printed = weft::run([&]() -> task<std::string> {
      auto const o = co_await weft::output(weft::command(program, "the trace of many loops is printed"));
      co_return o.out;
    });
    INFO(printed);
    CHECK(printed.find(expected) != std::string::npos);
  }
}

TEST_CASE("a call that goes on for a while lets timers run out") {
  weft_test::watchdog const guard("world_test: long calls", 60s);
  // Somebody knocks at a full listener, and will again after a second: nothing else is under way.
  for (std::uint64_t seed = 1; seed != 51; ++seed) {
    sim world{{.seed = seed, .workers = 1}};
    world.run([]() -> task<> {
      auto listener = weft::tcp_listener::bind(weft::endpoint::loopback(), {.backlog = 1});
      auto const at = listener.local();
      std::vector<weft::future<>> knocking;
      for (int i = 0; i != 3; ++i)
        knocking.push_back(weft::spawn([at]() -> task<> {
          auto const s = co_await weft::tcp_stream::connect(at);
          co_await sleep_for(1h);
        }));
      co_await sleep_for(2s);
      auto const begun = weft::clock::now();
      weft::pipe p;
      for (int i = 0; i != 20; ++i) {
        auto const writes = [&p]() -> task<> { co_await p.writer.write("x"); };
        co_await weft::when_all(writes(), sleep_for(1ms));
      }
      auto const took = weft::clock::now() - begun;
      for (auto& k : knocking) k.stop();
      if (took > 200ms) throw std::logic_error("timers were late");
    });
  }
}

TEST_CASE("a day's sleep takes less than a millisecond") {
  weft_test::watchdog const guard("world_test: a day");
  // The machine may be busy: until it has taken no longer once.
  auto best = std::chrono::steady_clock::duration::max();
  for (int i = 0; i < 20 || best >= (slow ? 100ms : 1ms); ++i) {
    auto const begun = std::chrono::steady_clock::now();
    sim world{{.seed = 7}};
    world.run(sleeps, 24h);
    best = std::min(best, std::chrono::steady_clock::now() - begun);
    CHECK(world.elapsed() >= 24h);
    CHECK(world.elapsed() < 24h + 1ms);
  }
}

TEST_CASE("time stands still while anybody runs, but not for who looks at nothing else") {
  weft_test::watchdog const guard("world_test: frozen time");
  sim world;
  world.run([] {
    auto const begun = weft::clock::now();
    for (int i = 0; i != 100; ++i) CHECK(weft::clock::now() == begun);
    while (weft::clock::now() < begun + 1ms) {
    }
  });
  CHECK(world.elapsed() >= 1ms);
  CHECK(world.elapsed() < 2ms);
}

TEST_CASE("a deadlock throws an exception that names the seed, after what waits has been stopped") {
  weft_test::watchdog const guard("world_test: deadlock");
  bool stopped = false;
  auto told = [&stopped]() -> task<> {
    try {
      co_await waits_for_nobody();
    } catch (weft::stopped const&) {
      stopped = true;
      throw;
    }
  };
  sim world{{.seed = 4711}};
  try {
    world.run(told);
    FAIL("no deadlock");
  } catch (sim::deadlock const& e) {
    CHECK(e.seed() == 4711);
    CHECK(e.trace_hash() == world.trace_hash());
    CHECK_THAT(e.what(), Catch::Matchers::ContainsSubstring("seed 4711"));
  }
  CHECK(stopped);
  CHECK(world.run([] { return 1; }) == 1);
  for (std::uint64_t seed = 1; seed != 31; ++seed) CHECK_THROWS_AS(sim{{.seed = seed}}.run(told), sim::deadlock);
}

TEST_CASE("a deadlock of two locks is found by some seeds, and not by others") {
  weft_test::watchdog const guard("world_test: two locks", 60s);
  auto both = [](weft::mutex& first, weft::mutex& second) -> task<> {
    auto const a = co_await first.lock();
    co_await weft::this_task::yield();
    auto const b = co_await second.lock();
  };
  auto crosswise = [&both]() -> task<> {
    weft::mutex a, b;
    co_await weft::when_all(both(a, b), both(b, a));
  };
  int found = 0;
  for (std::uint64_t seed = 0; seed != 100; ++seed) {
    sim world{{.seed = seed}};
    try {
      world.run(crosswise);
    } catch (sim::deadlock const&) {
      ++found;
    }
  }
  CHECK(found > 0);
  CHECK(found < 100);
}

// What such a thread holds stays on its stack, where a leak detector looks, and not in what AddressSanitizer may put in a stack's place.
extern "C" char const* __asan_default_options();
extern "C" char const* __asan_default_options() { return "detect_stack_use_after_return=0"; }

TEST_CASE("a thread that waits for something that a stop does not end is a deadlock as well") {
  weft_test::watchdog const guard("world_test: plain wait");
  sim world;
  CHECK_THROWS_AS(world.run([] {
    static weft::promise<> kept;  // whoever waits for it is left as it is, for good
    kept.get_future().get();
  }),
                  sim::deadlock);
}

TEST_CASE("a program that does not end is told so after as many steps as it may take") {
  weft_test::watchdog const guard("world_test: endless");
  for (std::uint64_t seed = 1; seed != 31; ++seed) {
    sim world{{.seed = seed, .most_steps = 2'000}};
    CHECK_THROWS_AS(world.run(forever), sim::endless);
    CHECK(world.steps() <= 4'000);
  }
}

TEST_CASE("a planted race is found by a seed, and that seed finds it again a hundred times in a hundred") {
  weft_test::watchdog const guard("world_test: planted race", 60s);
  auto body = [](sim& world) {
    if (world.run(planted_race) != 2) throw std::logic_error("an update is lost");
  };
  auto const found = sim::find_failure({.count = 200}, body);
  REQUIRE(found);
  CHECK_THROWS_AS(std::rethrow_exception(found->what), std::logic_error);
  for (int i = 0; i != 100; ++i) {
    auto const again = sim::find_failure({.count = 1, .first = found->seed}, body);
    REQUIRE(again);
    CHECK(again->trace_hash == found->trace_hash);
  }
  CHECK_THROWS_AS(sim::explore({.count = 200}, body), std::logic_error);
  int good = 0;
  for (std::uint64_t seed = 1; seed != 101; ++seed) {
    sim world{{.seed = seed}};
    good += world.run(planted_race) == 2;
  }
  CHECK(good > 0);
}

TEST_CASE("seeds that do not fail are all tried, and nothing is found") {
  weft_test::watchdog const guard("world_test: nothing found");
  std::set<std::uint64_t> tried;
  auto body = [&](sim& world) {
    tried.insert(world.seed());
    world.run([] {});
  };
  CHECK_FALSE(sim::find_failure({.count = 30, .first = 100}, body));
  CHECK(tried.size() == 30);
  CHECK(*tried.begin() == 100);
}

TEST_CASE("steps that take time make a timeout and a completion compete") {
  weft_test::watchdog const guard("world_test: steps take time", 60s);
  auto competes = []() -> task<bool> {
    try {
      co_await weft::timeout(1ms, [] {
        return [](int turns) -> task<> {
          for (int i = 0; i != turns; ++i) co_await weft::this_task::checkpoint();
        }(100);
      });
    } catch (weft::timed_out const&) {
      co_return true;
    }
    co_return false;
  };
  int timed_out = 0;
  for (std::uint64_t seed = 1; seed != 101; ++seed) {
    sim world{{.seed = seed, .most_per_step = 20us}};
    timed_out += world.run(competes);
  }
  CHECK(timed_out > 0);
  CHECK(timed_out < 100);
}

TEST_CASE("the default pool of a world is its own") {
  weft_test::watchdog const guard("world_test: default pool");
  sim world{{.workers = 3}};
  world.run([] {
    CHECK(&weft::default_pool() == weft::pool::current());
    CHECK(weft::default_pool().size() == 3);
  });
  CHECK(weft::pool::current() == nullptr);
}

TEST_CASE("calls that block have virtual threads, which start pools and run work there") {
  weft_test::watchdog const guard("world_test: blocking");
  sim world;
  auto const sum = world.run([]() -> task<int> {
    int const a = co_await weft::blocking([] {
      return weft::run([]() -> task<int> {
        co_await sleep_for(1h);
        co_return 1;
      });
    });
    int const b = co_await weft::blocking([] {
      weft::pool other{{.workers = 2}};
      return other.run([]() -> task<int> {
        co_await sleep_for(1h);
        co_return 2;
      });
    });
    co_return a + b;
  });
  CHECK(sum == 3);
  CHECK(world.elapsed() >= 2h);
}

TEST_CASE("each virtual thread handles its own exception") {
  weft_test::watchdog const guard("world_test: exceptions");
  auto handles = [](int own) {
    try {
      throw own;
    } catch (...) {
      weft::run(sleeps, 1ms);
      try {
        throw;
      } catch (int seen) {
        if (seen != own) throw std::logic_error("somebody else's exception");
      }
    }
  };
  sim::explore({.count = 50}, [&](sim& world) {
    world.run([&handles]() -> task<> {
      std::vector<weft::future<>> all;
      for (int i = 0; i != 5; ++i) all.push_back(weft::spawn(handles, i));
      for (auto& f : all) co_await std::move(f);
    });
  });
}

TEST_CASE("descriptors of the system are refused with a sentence") {
  weft_test::watchdog const guard("world_test: descriptors");
  sim world;
  try {
    world.run([] { weft::pipe_reader const reader(weft::detail::file_handle::open("/dev/null", O_RDONLY)); });
    FAIL("a descriptor of the system in a world");
  } catch (std::logic_error const& e) {
    CHECK_THAT(e.what(), Catch::Matchers::ContainsSubstring("weft::sim"));
  }
}

TEST_CASE("worlds run the same way on several threads at once, and on a worker of a pool") {
  weft_test::watchdog const guard("world_test: several at once", 60s);
  auto trace = [] {
    sim world{{.seed = 3}};
    world.run(medley);
    return world.trace_hash();
  };
  auto const expected = trace();
  std::vector<std::uint64_t> seen(4);
  std::vector<std::thread> threads;
  for (auto& s : seen) threads.emplace_back([&s, &trace] { s = trace(); });
  for (auto& t : threads) t.join();
  for (auto const s : seen) CHECK(s == expected);
  weft::pool pool{{.workers = 2}};
  CHECK(pool.run([&] {
    auto* const before = weft::pool::current();
    auto const here = trace();
    return weft::pool::current() == before && before == &pool ? here : 0;
  }) == expected);
}
