// Worlds in which a thread may be interrupted before every atomic operation of the library: the steps of the locks, queues and timers
// themselves are mixed, not only the jobs. A program of its own, because all of it is compiled this way.
#define WEFT_CHAOS 1

#include "sim/in_worlds.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/sim/sim.hpp>
#include <weft/weft.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::sim;
using weft::sleep_for;
using weft::task;
using weft_test::in_worlds;
using weft_test::must;
using weft_test::seeds;
namespace this_task = weft::this_task;

namespace {

task<> sleeps(weft::clock::duration d) { co_await sleep_for(d); }

/// Several turns, short and long.
task<> dawdles(int turns) {
  for (int i = 0; i != turns; ++i) {
    if (i % 3 == 2) co_await sleep_for(100us);
    else co_await this_task::yield();
  }
}

}  // namespace

TEST_CASE("in every world sleepers wake in the order of their times, and never early") {
  in_worlds("sleepers", []() -> task<> {
    std::vector<int> woken;
    auto one = [&woken](int i) -> task<> {
      auto const until = weft::clock::now() + i * 1ms;
      co_await sleep_for(i * 1ms);
      must(weft::clock::now() >= until, "a sleeper woke early");
      woken.push_back(i);
    };
    std::vector<weft::future<>> all;
    for (int i = 8; i != 0; --i) all.push_back(weft::spawn(one, i));
    for (auto& f : all) co_await std::move(f);
    must(woken.size() == 8, "a sleeper is missing");
  });
}

TEST_CASE("in every world a sleep that is stopped ends once, whoever comes first") {
  in_worlds("stopped sleeps", []() -> task<> {
    int ended = 0, stopped = 0;
    auto one = [&](int i) -> task<> {
      try {
        co_await sleep_for(i % 2 == 0 ? 1ms : 1h);
        ++ended;
      } catch (weft::stopped const&) {
        ++stopped;
        throw;
      }
    };
    std::vector<weft::future<>> all;
    for (int i = 0; i != 6; ++i) all.push_back(weft::spawn(one, i));
    co_await sleep_for(1ms);
    for (auto& f : all) f.stop();
    for (auto& f : all) {
      try {
        co_await std::move(f);
      } catch (weft::stopped const&) {
        must(stopped != 0, "stopped, and nobody was");
      }
    }
    must(ended + stopped <= 6, "a sleep has ended twice");
    must(ended <= 3, "an hour has passed");
  });
}

TEST_CASE("in every world a timeout has one outcome, and what it stops has ended") {
  in_worlds("timeouts", []() -> task<> {
    int inside = 0;
    auto work = [&inside](weft::clock::duration d) -> task<int> {
      ++inside;
      weft::detail::scope_exit const left([&] { --inside; });
      co_await sleep_for(d);
      co_return 1;
    };
    for (auto const d : {900us, 1000us, 1100us}) {
      int outcomes = 0;
      try {
        outcomes += co_await weft::timeout(1ms, work, d);
      } catch (weft::timed_out const&) {
        ++outcomes;
      }
      must(outcomes == 1, "not one outcome");
      must(inside == 0, "the work goes on after its timeout");
    }
  });
}

TEST_CASE("in every world a channel delivers every message once and in each producer's order") {
  in_worlds("channels", []() -> task<> {
    for (std::size_t capacity : {0u, 1u, 3u}) {
      weft::channel<int> c{capacity};
      std::vector<int> got;
      auto produce = [&c](int first) -> task<> {
        for (int i = 0; i != 6; ++i) {
          must(co_await c.send(first + i), "an open channel says that it is closed");
          if (i % 3 == 0) co_await this_task::yield();
        }
      };
      auto consume = [&]() -> task<> {
        while (auto const v = co_await c.receive()) got.push_back(*v);
      };
      auto first = weft::spawn(consume), second = weft::spawn(consume);
      co_await weft::when_all(produce(0), produce(100), produce(200));
      c.close();
      co_await std::move(first);
      co_await std::move(second);
      std::sort(got.begin(), got.end());
      must(got.size() == 18, "messages are lost or doubled");
      must(std::adjacent_find(got.begin(), got.end()) == got.end(), "a message came twice");
    }
  });
}

TEST_CASE("in every world messages whose receivers are stopped go to others") {
  in_worlds("stopped receivers", []() -> task<> {
    weft::channel<int> c{1};
    int received = 0, sent = 0;
    auto impatient = [&]() -> task<> {
      for (int i = 0; i != 3; ++i) {
        try {
          auto take = [&c]() -> task<std::optional<int>> { co_return co_await c.receive(); };
          if (co_await weft::timeout(200us, take)) ++received;
        } catch (weft::timed_out const&) {
        }
      }
    };
    auto send = [&]() -> task<> {
      for (int i = 0; i != 4; ++i) {
        try {
          auto give = [&c, i]() -> task<bool> { co_return co_await c.send(i); };
          if (co_await weft::timeout(300us, give)) ++sent;
        } catch (weft::timed_out const&) {
        }
        co_await sleep_for(150us);
      }
    };
    co_await weft::when_all(impatient(), impatient(), send());
    while (c.try_receive()) ++received;
    must(received == sent, "what was sent is not what was received");
  });
}

TEST_CASE("in every world a mutex lets one in at a time, and everybody in the end") {
  in_worlds("mutexes", []() -> task<> {
    weft::mutex m;
    int inside = 0, entered = 0, gave_up = 0;
    auto one = [&](int i) -> task<> {
      auto enter = [&]() -> task<> {
        auto const l = co_await m.lock();
        must(++inside == 1, "two are inside");
        weft::detail::scope_exit const left([&] { --inside; });
        co_await dawdles(3);
        ++entered;
      };
      for (int turn = 0; turn != 2; ++turn) {
        try {
          if (i % 2 == 0) co_await enter();
          else co_await weft::timeout(300us, enter);
        } catch (weft::timed_out const&) {
          ++gave_up;
        }
      }
    };
    co_await weft::when_all(one(0), one(1), one(2), one(3));
    must(entered + gave_up == 8, "somebody neither entered nor gave up");
    must(entered >= 4, "one without a timeout has not entered");
    must(static_cast<bool>(m.try_lock()), "the mutex stays locked");
  });
}

TEST_CASE("in every world readers share and writers do not") {
  in_worlds("shared mutexes", []() -> task<> {
    weft::shared_mutex m;
    int readers = 0, writers = 0, done = 0;
    auto reads = [&]() -> task<> {
      auto const l = co_await m.lock_shared();
      ++readers;
      must(writers == 0, "a reader beside a writer");
      co_await dawdles(2);
      --readers, ++done;
    };
    auto writes = [&]() -> task<> {
      auto const l = co_await m.lock();
      must(++writers == 1 && readers == 0, "a writer beside somebody");
      co_await dawdles(2);
      --writers, ++done;
    };
    co_await weft::when_all(reads(), writes(), reads(), writes(), reads());
    must(done == 5, "somebody is missing");
  });
}

TEST_CASE("in every world the permits of a semaphore come back, whoever is stopped") {
  in_worlds("semaphores", []() -> task<> {
    weft::semaphore s{2};
    int inside = 0;
    auto one = [&](int i) -> task<> {
      auto enter = [&]() -> task<> {
        auto const p = co_await s.acquire(1 + static_cast<std::size_t>(i % 2));
        inside += 1 + i % 2;
        must(inside <= 2, "more permits than there are");
        weft::detail::scope_exit const left([&] { inside -= 1 + i % 2; });
        co_await dawdles(3);
      };
      try {
        co_await weft::timeout((i + 1) * 100us, enter);
      } catch (weft::timed_out const&) {
      }
    };
    co_await weft::when_all(one(0), one(1), one(2), one(3), one(4));
    auto const all = co_await s.acquire(2);
    must(inside == 0, "somebody is inside with a permit that is here");
  });
}

TEST_CASE("in every world the losers of a race have ended before it ends") {
  in_worlds("races", []() -> task<> {
    int inside = 0;
    auto runner = [&inside](int i) -> task<int> {
      ++inside;
      weft::detail::scope_exit const left([&] { --inside; });
      co_await sleep_for((i % 2 + 1) * 1ms);
      if (i == 1) throw std::runtime_error("fails");
      co_return i;
    };
    auto const any = co_await weft::when_any(runner(2), runner(0), runner(4));
    must(inside == 0, "a loser of when_any goes on");
    must(any.index < 3, "no winner");
    int const first = co_await weft::race(runner(1), runner(3), runner(5));
    must(inside == 0, "a loser of race goes on");
    must(first == 3 || first == 5, "who failed has won");
  });
}

TEST_CASE("in every world the failure of one stops its siblings, and all have ended before it is thrown") {
  in_worlds("failures", []() -> task<> {
    int inside = 0;
    auto fails = [&inside](int i) -> task<> {
      ++inside;
      weft::detail::scope_exit const left([&] { --inside; });
      co_await dawdles(i);
      if (i == 2) throw std::runtime_error("fails");
      co_await sleep_for(1h);
    };
    try {
      co_await weft::when_all(fails(1), fails(2), fails(3), fails(0));
      must(false, "the failure is lost");
    } catch (std::runtime_error const&) {
      must(inside == 0, "a sibling goes on");
    }
  });
}

TEST_CASE("in every world a scope that is stopped ends with all of its children") {
  in_worlds("scopes", []() -> task<> {
    int started = 0, ended = 0;
    auto child = [&](auto& self, weft::scope& s, int depth) -> task<> {
      ++started;
      weft::detail::scope_exit const left([&] { ++ended; });
      if (depth != 0) {
        s.spawn([&self, &s, depth] { return self(self, s, depth - 1); });
        s.spawn([&self, &s, depth] { return self(self, s, depth - 1); });
      }
      co_await sleep_for(depth == 1 ? 1h : 1ms);
    };
    auto body = [&](weft::scope& s) -> task<> {
      s.spawn([&] { return child(child, s, 3); });
      co_await sleep_for(500us);
      s.stop();
    };
    co_await weft::with_scope(body, {.limit = 3});
    must(started == ended, "a child has not ended");
    must(started > 0, "no child has begun");
  });
}

TEST_CASE("in every world a select takes one thing, and loses nothing of the others") {
  in_worlds("selects", []() -> task<> {
    weft::channel<int> a{1}, b{0};
    weft::event quit;
    int sent = 0, received = 0;
    auto send_to = [&sent](weft::channel<int>& c) -> task<> {
      for (int i = 0; i != 4; ++i) {
        if (co_await c.send(i)) ++sent;
        co_await this_task::yield();
      }
    };
    auto takes = [&]() -> task<> {
      bool going = true;
      while (going) {
        auto const count = [&](std::optional<int> v) { received += v.has_value(); };
        co_await weft::select(weft::on(weft::receive(a), count), weft::on(weft::receive(b), count),
                              weft::on(sleep_for(300us), [] {}), weft::on(quit.wait(), [&going] { going = false; }));
      }
    };
    auto first = weft::spawn(takes), second = weft::spawn(takes);
    co_await weft::when_all(send_to(a), send_to(b));
    quit.set();
    co_await std::move(first);
    co_await std::move(second);
    while (a.try_receive()) ++received;
    must(sent == 8, "a message was refused");
    must(received == sent, "a message is lost or doubled");
  });
}

TEST_CASE("in every world a plain wait on a worker gives its place away") {
  in_worlds("plain waits", []() -> task<> {
    auto deep = [](auto& self, int depth) -> int {
      if (depth == 0) {
        weft::run(sleeps, 1ms);
        return 1;
      }
      auto f = weft::spawn([&self, depth] { return self(self, depth - 1); });
      auto g = weft::spawn([&self, depth] { return self(self, depth - 1); });
      return f.get() + g.get();
    };
    int const leaves = deep(deep, 3);
    must(leaves == 8, "a leaf is missing");
    co_return;
  });
}

TEST_CASE("in every world conditions, latches, barriers and groups let all through") {
  in_worlds("meetings", []() -> task<> {
    weft::mutex m;
    weft::condition_variable changed;
    weft::latch down{3};
    weft::barrier meet{3};
    weft::wait_group group;
    weft::auto_event turnstile;
    int stage = 0, through = 0;
    group.add(3);
    auto one = [&](int i) -> task<> {
      co_await dawdles(i);
      {
        auto l = co_await m.lock();
        ++stage;
        changed.notify_all();
        co_await changed.wait(l, [&] { return stage >= 3; });
      }
      co_await down.arrive_and_wait();
      for (int phase = 0; phase != 3; ++phase) co_await meet.arrive_and_wait();
      turnstile.set();
      co_await turnstile.wait();
      turnstile.set();
      ++through;
      group.done();
    };
    auto all = weft::spawn([&]() -> task<> { co_await weft::when_all(one(0), one(1), one(2)); });
    co_await group.wait();
    must(through == 3, "the group ended before its members");
    co_await std::move(all);
  });
}

TEST_CASE("in every world broadcasts, watches and oneshots reach whom they are meant for") {
  in_worlds("news", []() -> task<> {
    weft::broadcast<int> all{8};
    weft::watch<int> latest{0};
    weft::oneshot<int> once;
    auto hears = [&](auto subscription) -> task<int> {
      int sum = 0;
      while (auto const v = co_await subscription.receive()) sum += *v;
      co_return sum;
    };
    auto sees = [&](auto subscription) -> task<int> {
      int last = 0;
      while (auto const v = co_await subscription.receive()) {
        must(*v >= last, "an older value after a newer one");
        last = *v;
      }
      co_return last;
    };
    auto a = weft::spawn(hears(all.subscribe())), b = weft::spawn(hears(all.subscribe()));
    auto c = weft::spawn(sees(latest.subscribe()));
    auto d = weft::spawn([&]() -> task<int> {
      auto const v = co_await once.receive();
      co_return v.value_or(-1);
    });
    for (int i = 1; i != 6; ++i) {
      all.send(i);
      latest.set(i);
      if (i == 3) static_cast<void>(once.send(7));
      co_await this_task::yield();
    }
    all.close();
    latest.close();
    must(co_await std::move(a) == 15, "a broadcast message is lost");
    must(co_await std::move(b) == 15, "a broadcast message is lost");
    must(co_await std::move(c) == 5, "the latest value is lost");
    must(co_await std::move(d) == 7, "the one message is lost");
  });
}

TEST_CASE("in every world an actor does one thing at a time, in the order of its callers") {
  struct state {
    std::vector<int> seen;
    int inside = 0;
    task<int> add(int i) {
      must(++inside == 1, "two are inside an actor");
      co_await this_task::yield();
      seen.push_back(i);
      --inside;
      co_return static_cast<int>(seen.size());
    }
  };
  in_worlds("actors", []() -> task<> {
    weft::actor<state> a;
    auto calls = [&a](int first) -> task<> {
      int last = 0;
      for (int i = 0; i != 4; ++i) {
        int const size = co_await a.call(&state::add, first + i);
        must(size > last, "an actor forgets");
        last = size;
      }
    };
    co_await weft::when_all(calls(0), calls(100), calls(200));
    must(co_await a.call(&state::add, 1000) == 13, "a call is lost or doubled");
  });
}

TEST_CASE("in every world loops, sorts, graphs and pipelines compute what they do elsewhere") {
  in_worlds("algorithms", []() -> task<> {
    std::vector<int> v(3000);
    for (std::size_t i = 0; i != v.size(); ++i) v[i] = static_cast<int>(i * 7919 % 3001);
    auto const expected = std::accumulate(v.begin(), v.end(), 0L);
    must(weft::parallel_reduce(v, 0L) == expected, "a wrong sum");
    weft::parallel_sort(v);
    must(std::is_sorted(v.begin(), v.end()), "not sorted");
    std::vector<int> hits(500);
    weft::parallel_for(0, 500, [&](int i) { ++hits[static_cast<std::size_t>(i)]; }, {.grain = 8});
    must(std::count(hits.begin(), hits.end(), 1) == 500, "an index is lost or doubled");
    auto const [x, y] = weft::fork_join([] { return 1; }, [] { return 2; });
    must(x + y == 3, "a wrong result of fork_join");
    weft::graph g;
    auto one = g.add([] { return 1; });
    auto two = g.add([](int i) { return i + 1; }, one);
    auto three = g.add([](int a, int b) { return a + b; }, one, two);
    co_await g.run_async();
    must(three.get() == 3, "a wrong result of a graph");
    std::vector<int> out;
    weft::pipeline(std::views::iota(0, 60)) | weft::parallel(3, [](int i) { return 2 * i; }) | weft::into(out);
    must(out.size() == 60 && out[59] == 118 && std::is_sorted(out.begin(), out.end()), "a wrong pipeline");
  });
}

TEST_CASE("in every world blocking calls run once or not at all, and their threads come and go") {
  in_worlds("blocking", []() -> task<> {
    int begun = 0, ended = 0, gave_up = 0;
    auto call = [&](int i) -> task<> {
      try {
        co_await weft::timeout(1ms, [&, i] {
          return weft::blocking([&begun, i] {
            ++begun;
            weft::run(sleeps, i * 500us);
          });
        });
        ++ended;
      } catch (weft::timed_out const&) {
        ++gave_up;
      }
    };
    co_await weft::when_all(call(0), call(1), call(2), call(3));
    must(ended + gave_up == 4, "a call neither ended nor gave up");
    must(begun >= ended, "a call ended that never began");
    co_await sleep_for(20s);
    co_await weft::blocking([&] { ++begun; });
  });
}

TEST_CASE("in every world a pool may be made, used from another, and ended") {
  in_worlds("pools", []() -> task<> {
    auto* const home = weft::pool::current();
    int sum = 0;
    {
      weft::pool other{{.workers = 2}};
      auto there = [&]() -> task<int> {
        co_await this_task::resume_on(other);
        must(weft::pool::current() == &other, "not on the other pool");
        co_await dawdles(3);
        co_await this_task::resume_on(*home);
        co_return 1;
      };
      auto a = weft::spawn(there), b = weft::spawn(there);
      auto c = other.spawn([]() -> task<int> {
        co_await sleep_for(1ms);
        co_return 10;
      });
      sum += co_await std::move(a);
      sum += co_await std::move(b);
      sum += co_await std::move(c);
      auto forgotten = other.spawn(sleeps, 1h);
      co_await this_task::yield();
    }
    must(weft::pool::current() == home, "not on its own pool");
    must(sum == 12, "a result is missing");
  });
}

TEST_CASE("in every world futures are read by many, continued, and kept from callbacks of other threads") {
  in_worlds("futures", []() -> task<> {
    weft::promise<int> p;
    auto shared = p.get_future().share();
    auto reads = [shared]() -> task<int> {
      int const v = co_await shared;
      co_return v;
    };
    auto a = weft::spawn(reads), b = weft::spawn(reads);
    auto c = weft::spawn([] { return 1; }).then([](int i) { return i + 1; });
    auto d = weft::spawn([]() -> task<int> {
      int const v = co_await weft::from_callback<int>([](auto done) {
        weft::spawn([done]() mutable -> task<> {
          co_await sleep_for(1ms);
          done(40);
        });
      });
      co_return v;
    });
    co_await this_task::yield();
    p.set_value(100);
    int sum = co_await std::move(a) + co_await std::move(b);
    sum += co_await std::move(c);
    sum += co_await std::move(d);
    must(sum == 242, "a result is missing");
  });
}

TEST_CASE("in every world an interval ticks as often as its periods pass, and a retry tries as often as it may") {
  in_worlds("intervals", []() -> task<> {
    weft::interval every{1ms};
    std::uint64_t ticks = 0;
    auto const begun = weft::clock::now();
    for (int i = 0; i != 5; ++i) {
      ticks += co_await every.tick();
      co_await dawdles(2);
    }
    must(weft::clock::now() - begun >= 5ms, "ticks come early");
    must(ticks >= 5, "a tick is lost");
    int tries = 0;
    auto fails = [&tries]() -> task<int> {
      if (++tries < 4) throw std::runtime_error("again");
      co_return 5;
    };
    must(co_await weft::retry({.tries = 5, .first_delay = 1ms, .max_delay = 10ms}, fails) == 5, "no result");
    must(tries == 4, "not as many tries");
  });
}

TEST_CASE("in every world what nobody waits for is stopped at the end, and has ended before the world has") {
  weft_test::watchdog const guard("detached", 300s);
  int inside = 0;
  auto stays = [&inside](int i) -> task<> {
    ++inside;
    weft::detail::scope_exit const left([&] { --inside; });
    if (i % 2 == 0) co_await sleep_for(1h);
    for (;;) co_await this_task::checkpoint();
  };
  sim::explore({.count = seeds()}, [&](sim& world) {
    world.run([&]() -> task<> {
      for (int i = 0; i != 5; ++i) static_cast<void>(weft::spawn(stays, i));
      co_await dawdles(3);
    });
    must(inside == 0, "something goes on after the end");
  });
}
