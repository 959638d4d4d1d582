#include "sockets.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/tcp.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>

#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::endpoint;
using weft::task;
using weft::tcp_listener;
using weft::tcp_stream;
using weft::detail::scope_exit;
using weft_test::half_plain;
using weft_test::plain_socket;
using weft_test::read_some;
using weft_test::stream_pair;

namespace {

constexpr bool slow = weft::detail::thread_sanitized || weft::detail::address_sanitized;

/// Sends back what comes, until the end or a stop.
task<> echo(tcp_stream& s) {
  std::array<std::byte, 256> buffer;
  for (;;) {
    auto const n = co_await s.read(buffer);
    if (n == 0) co_return;
    co_await s.write(std::span(buffer).first(n));
  }
}

/// CPU time of this process.
std::chrono::microseconds cpu_used() {
  ::rusage used;
  ::getrusage(RUSAGE_SELF, &used);
  auto const us = [](::timeval t) { return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec); };
  return us(used.ru_utime) + us(used.ru_stime);
}

/// Without the monitor, which would hide an event or a wake-up that was lost.
void without_monitor(weft::pool& p) { weft::scheduler_of(p).forgo_monitor(); }

}  // namespace

TEST_CASE("no readiness is lost between many pairs that play ping-pong") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reactor_test: ping-pong", 60s);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  without_monitor(pool);
  int const rounds = slow ? 100 : 500;
  auto play = [&]() -> task<> {
    auto pair = co_await stream_pair::connect();
    auto client = [&]() -> task<> {
      std::array<std::byte, 64> message;
      for (int i = 0; i < rounds; ++i) {
        message.fill(static_cast<std::byte>(i));
        co_await pair.client.write(message);
        std::array<std::byte, 64> answer{};
        static_cast<void>(co_await pair.client.read_exactly(answer));
        if (answer != message) throw std::logic_error("another message");
      }
      pair.client.close();
    };
    co_await weft::when_all(echo(pair.server), client());
  };
  pool.run([&]() -> task<> {
    std::vector<task<>> all;
    for (int i = 0; i < 40; ++i) all.push_back(play());
    auto operation = weft::when_all(std::move(all));
    co_await std::move(operation);
  });
}

TEST_CASE("jobs from plain threads reach workers that wait in the driver") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reactor_test: jobs for those in the driver", 60s);
  weft::pool pool{{.workers = workers}};
  without_monitor(pool);
  auto pair = pool.run(stream_pair::connect());
  auto serving = pool.spawn([&]() -> task<> { co_await echo(pair.server); });
  std::atomic<bool> done{false};
  // Events and jobs at the same time: each of those in the driver may be wanted for both.
  auto playing = pool.spawn([&]() -> task<> {
    std::array<std::byte, 8> message{};
    while (!done) {
      co_await pair.client.write(message);
      static_cast<void>(co_await pair.client.read_exactly(message));
    }
  });
  auto submit = [&] {
    int sum = 0;
    for (int i = 0; i < (slow ? 500 : 3000); ++i) sum += pool.run([i] { return i & 1; });
    return sum;
  };
  int other = 0;
  std::thread second([&] { other = submit(); });
  CHECK(submit() == (slow ? 250 : 1500));
  second.join();
  CHECK(other == (slow ? 250 : 1500));
  done = true;
  playing.get();
  pair.client.close();
  serving.get();
}

TEST_CASE(
    "what an event brings runs at once, though whoever claims its worker has been preempted before the interrupt") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reactor_test: a claim without an interrupt");
  weft::pool pool{{.workers = workers}};
  without_monitor(pool);
  auto both = pool.run(half_plain::connect());
  weft::detail::scheduler& home = weft::scheduler_of(pool);
  for (int i = 0; i < 20; ++i) {
    auto reading = pool.spawn([&]() -> task<std::size_t> {
      std::array<std::byte, 1> byte{};
      co_return co_await both.stream.read(byte);
    });
    // All asleep, and every seat claimed.
    while (home.idle.searching() != 0 || home.idle.sleeping() < pool.size()) std::this_thread::yield();
    std::vector<int> claimed;
    while (home.idle.seated() != 0) {
      int const index = home.idle.claim_sleeper(weft::detail::idle_set::claim::always);
      if (index != weft::detail::idle_set::somebody_seated) claimed.push_back(index);
    }
    both.peer.send("x");
    CHECK(reading.get() == 1);
    // Now it goes on.
    home.installed_events()->interrupt();
    for (int const index : claimed) home.worker_at(static_cast<unsigned>(index)).sleep.unpark();
    pool.run([] {});
  }
}

TEST_CASE("a deadline is kept while workers wait in the driver") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reactor_test: deadlines", 60s);
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  without_monitor(pool);
  auto pair = pool.run(stream_pair::connect());
  auto serving = pool.spawn([&]() -> task<> { co_await echo(pair.server); });
  std::atomic<bool> done{false};
  auto playing = pool.spawn([&]() -> task<> {
    std::array<std::byte, 8> message{};
    while (!done) {
      co_await pair.client.write(message);
      static_cast<void>(co_await pair.client.read_exactly(message));
      co_await weft::sleep_for(300us);
    }
  });
  // A far deadline is watched; each earlier one has to move it.
  auto far = pool.spawn([]() -> task<> { co_await weft::sleep_for(1h); });
  for (int i = 0; i < (slow ? 50 : 300); ++i) {
    auto const d = std::chrono::microseconds(random.below(1500));
    auto const begin = weft::clock::now();
    pool.run([d]() -> task<> { co_await weft::sleep_for(d); });
    CHECK(weft::clock::now() - begin >= d);
  }
  done = true;
  playing.get();
  far.stop();
  CHECK_THROWS_AS(far.get(), weft::stopped);
  pair.client.close();
  serving.get();
}

TEST_CASE("a stop and an event that come together lose neither the byte nor the task") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reactor_test: stop against event", 120s);
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  auto both = pool.run(half_plain::connect());
  int const rounds = slow ? 2'000 : 20'000;
  // A byte each round, read either by the round's task or, if that was stopped first, by the next.
  constexpr int no_more = 1 << 30;
  std::atomic<int> turn{-1};
  std::uint64_t const seed = random();
  std::thread writes([&] {
    std::mt19937_64 r(seed);
    for (int i = 0;; ++i) {
      while (turn.load(std::memory_order_acquire) < i) weft::detail::relax();
      if (turn == no_more) return;
      for (auto spin = r() % 300; spin > 0; --spin) weft::detail::relax();
      both.peer.send("x");
    }
  });
  int received = 0, stops = 0;
  std::mt19937_64 r(random());
  int sent = 0;
  for (; sent < rounds || stops == 0; ++sent) {
    int const i = sent;
    auto f = pool.spawn([&]() -> task<std::size_t> {
      std::array<std::byte, 16> buffer;
      auto const n = co_await both.stream.read(buffer);
      co_return n;
    });
    turn.store(i, std::memory_order_release);
    for (auto spin = r() % 300; spin > 0; --spin) weft::detail::relax();
    if (i % 64 == 0) std::this_thread::sleep_for(30us);
    f.stop();
    try {
      received += static_cast<int>(f.get());
    } catch (weft::stopped const&) {
      ++stops;
    }
  }
  while (received < sent) {
    auto const n = pool.run([&]() -> task<std::size_t> {
      std::array<std::byte, 1000> buffer;
      auto const count = co_await both.stream.read(buffer);
      co_return count;
    });
    received += static_cast<int>(n);
  }
  CHECK(received == sent);
  turn = no_more;
  writes.join();
}

TEST_CASE("a close and an event that come together lose no task, and the number can be used again") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reactor_test: close against event", 120s);
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int const rounds = slow ? 300 : 3'000;
  std::atomic<int> lived{0}, ends{0}, closes{0}, wrong{0};
  // Connections are made and closed all the time, so that numbers and records are used again at once. Each peer sends what only its own
  // connection may read.
  auto lives = [&](std::uint64_t seed) -> task<> {
    std::mt19937_64 r(seed);
    for (int i = 0; i < rounds || closes == 0; ++i) {
      ++lived;
      auto pair = co_await stream_pair::connect();
      auto const own = static_cast<char>('a' + r() % 26);
      auto const delay = r() % 3;
      auto reads = [&]() -> task<> {
        try {
          for (;;) {
            auto const text = co_await read_some(pair.server, 16);
            if (text.empty()) break;
            if (text.find_first_not_of(own) != std::string::npos) ++wrong;
          }
          ++ends;
        } catch (weft::stopped const&) {
          ++closes;
        }
      };
      auto writes = [&]() -> task<> {
        try {
          for (int k = 0; k < 3; ++k) co_await pair.client.write(std::string_view(&own, 1));
        } catch (std::system_error const&) {
          co_return;  // the other side has gone
        }
        pair.client.close();
      };
      auto ends_it = [&]() -> task<> {
        for (auto d = delay; d > 0; --d) co_await weft::this_task::yield();
        pair.server.close();
      };
      co_await weft::when_all(reads(), writes(), ends_it());
    }
  };
  pool.run([&]() -> task<> { co_await weft::when_all(lives(random()), lives(random()), lives(random())); });
  CHECK(wrong == 0);
  CHECK(ends + closes == lived);
}

TEST_CASE("closing from another thread while both directions are in use leaves nothing behind") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reactor_test: close from outside", 60s);
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::mt19937_64 r(random());
  int ended = 0;
  int const rounds = slow ? 100 : 500;
  for (int i = 0; i < rounds; ++i) {
    auto pair = pool.run(stream_pair::connect());
    auto plays = pool.spawn([&]() -> task<int> {
      std::atomic<int> count{0};
      auto until_closed = [&](tcp_stream& s) -> task<> {
        try {
          co_await echo(s);
        } catch (std::exception const&) {
          ++count;
        }
      };
      co_await pair.client.write("to and fro");
      co_await weft::when_all(until_closed(pair.client), until_closed(pair.server));
      co_return count;
    });
    for (auto spin = r() % 20'000; spin > 0; --spin) weft::detail::relax();
    std::thread second([&] { pair.client.close(); });
    pair.client.close();
    pair.server.close();
    second.join();
    try {
      ended += plays.get();
    } catch (weft::stopped const&) {
      ++ended;  // closed before the first write
    }
  }
  CHECK(ended >= rounds);
  CHECK(ended <= 2 * rounds);
}

TEST_CASE("ping-pong goes on while every worker computes in a parallel loop, to the end of which it could not wait") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reactor_test: parallel loop", 60s);
  weft::pool pool{{.workers = workers}};
  auto pair = pool.run(stream_pair::connect());
  auto serving = pool.spawn([&]() -> task<> { co_await echo(pair.server); });
  auto computing = pool.spawn([&] {
    weft::parallel_for(std::int64_t{0}, std::int64_t{1} << 50, [](std::int64_t) {
      for (int spin = 0; spin < 20; ++spin) weft::detail::relax();
    });
  });
  std::this_thread::sleep_for(20ms);
  pool.run([&]() -> task<> {
    std::array<std::byte, 8> message{};
    for (int i = 0; i < 50; ++i) {
      co_await pair.client.write(message);
      static_cast<void>(co_await pair.client.read_exactly(message));
    }
  });
  CHECK_FALSE(computing.ready());
  computing.stop();
  CHECK_THROWS_AS(computing.get(), weft::stopped);
  pair.client.close();
  serving.get();
}

TEST_CASE("ping-pong goes on while every worker is stuck in plain code") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reactor_test: plain loop", 60s);
  weft::pool pool{{.workers = workers}};
  auto pair = pool.run(stream_pair::connect());
  auto serving = pool.spawn([&]() -> task<> { co_await echo(pair.server); });
  std::atomic<bool> done{false};
  std::atomic<unsigned> stuck{0};
  std::vector<weft::future<void>> loops;
  bool const asleep = GENERATE(false, true);
  for (unsigned i = 0; i < std::min(workers, 4u); ++i)
    loops.push_back(pool.spawn([&] {
      ++stuck;
      while (!done)
        if (asleep) std::this_thread::sleep_for(20ms);
    }));
  while (stuck < loops.size()) std::this_thread::yield();
  // Before any of them ends.
  pool.run([&]() -> task<> {
    std::array<std::byte, 8> message{};
    for (int i = 0; i < 10; ++i) {
      co_await pair.client.write(message);
      static_cast<void>(co_await pair.client.read_exactly(message));
    }
  });
  done = true;
  for (auto& l : loops) l.get();
  pair.client.close();
  serving.get();
}

TEST_CASE("what waits in one pool goes on when the pool that watched its stream first has ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  enum class ended { shut_down, destroyed };
  auto const how = GENERATE(ended::shut_down, ended::destroyed);
  weft_test::watchdog const guard("reactor_test: the watching pool ends", 60s);
  weft_test::balance const balance;
  weft::pool other{{.workers = workers}};
  auto first = std::make_unique<weft::pool>(weft::pool_options{.workers = workers});
  without_monitor(other);
  auto pair = first->run(stream_pair::connect());
  first->run([&pair]() -> task<> {
    std::array<std::byte, 1> byte{};
    auto answer = [&pair]() -> task<> {
      std::array<std::byte, 1> got{};
      static_cast<void>(co_await pair.server.read(got));
    };
    auto ask = [&]() -> task<> {
      co_await weft::this_task::yield();
      co_await pair.client.write(byte);
    };
    auto both = weft::when_all(answer(), ask());
    co_await std::move(both);
  });
  std::atomic<bool> begun{false};
  auto reading = other.spawn([&]() -> task<std::size_t> {
    std::array<std::byte, 1> got{};
    begun = true;
    co_return co_await pair.server.read(got);
  });
  while (!begun) std::this_thread::yield();
  std::this_thread::sleep_for(5ms);
  if (how == ended::shut_down) first->shutdown(weft::drain_or_stop::stop);
  else first.reset();
  other.run([&pair]() -> task<> {
    std::array<std::byte, 1> const byte{};
    co_await pair.client.write(byte);
  });
  CHECK(reading.get() == 1);
}

TEST_CASE("pools that end while tasks of another begin to wait on their streams lose none of them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reactor_test: watching pools end", 120s);
  weft_test::seeded random;
  weft::pool other{{.workers = workers}};
  without_monitor(other);
  for (int round = 0; round < (slow ? 15 : 60); ++round) {
    auto first = std::make_unique<weft::pool>(weft::pool_options{.workers = 1});
    // Watched here, both ways, and then used both ways there while this pool ends.
    auto pair = first->run(stream_pair::connect());
    auto use = [&pair](int times) -> task<> {
      std::vector<std::byte> much(1 << 17), back(much.size());
      for (int i = 0; i < times; ++i) {
        auto both = weft::when_all(pair.client.write(much),
                                   [&]() -> task<> { static_cast<void>(co_await pair.client.read_exactly(back)); });
        co_await std::move(both);
      }
    };
    auto serving = first->spawn([&]() -> task<> { co_await echo(pair.server); });
    first->run(use(1));
    serving.stop();
    try {
      serving.get();
    } catch (weft::stopped const&) {
    }
    auto server = other.spawn([&]() -> task<> { co_await echo(pair.server); });
    auto client = other.spawn([&]() -> task<> { co_await use(4); });
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(2000)));
    first.reset();
    client.get();
    pair.client.close();
    server.get();
  }
}

TEST_CASE("a task whose stream always has something gives others their turn") {
  weft_test::watchdog const guard("reactor_test: turns");
  weft::pool pool{{.workers = 1}};
  // The stream never runs dry: a thread fills it. On one worker, the other task runs all the same.
  auto both = pool.run(half_plain::connect());
  std::atomic<bool> done{false};
  std::thread fills([&] {
    std::string const block(100'000, 'x');
    while (both.peer.send(block)) {
    }
  });
  auto reads = pool.spawn([&]() -> task<> {
    std::array<std::byte, 1> one;
    while (!done) static_cast<void>(co_await both.stream.read(one));
  });
  for (int i = 0; i < 20; ++i) pool.run([]() -> task<> { co_await weft::sleep_for(100us); });
  done = true;
  reads.get();
  both.stream.close();
  fills.join();
}

TEST_CASE("a pool whose tasks all wait for the outside uses no CPU") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reactor_test: idle");
  weft::pool pool{{.workers = workers}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  std::vector<weft::future<void>> waiting;
  for (int i = 0; i < 20; ++i)
    waiting.push_back(pool.spawn([]() -> task<> {
      auto both = co_await half_plain::connect();
      static_cast<void>(co_await read_some(both.stream, 1));
    }));
  waiting.push_back(pool.spawn([&]() -> task<> { static_cast<void>(co_await listener.accept()); }));
  std::this_thread::sleep_for(100ms);  // until the monitor sleeps, too
  auto const before = cpu_used();
  std::this_thread::sleep_for(200ms);
  auto const used = cpu_used() - before;
  CHECK(used.count() < 10'000);
  for (auto& f : waiting) {
    f.stop();
    CHECK_THROWS_AS(f.get(), weft::stopped);
  }
}

TEST_CASE("thousands of idle connections cost little memory, and any of them can speak") {
  weft_test::watchdog const guard("reactor_test: many connections", 60s);
  ::rlimit limit;
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  auto const count = static_cast<std::size_t>(std::min<::rlim_t>(slow ? 500 : 4'500, (limit.rlim_cur - 100) / 2));
  weft::pool pool{{.workers = 2}};
  auto listener = tcp_listener::bind(endpoint::loopback(), {.backlog = 4096});
  std::atomic<std::size_t> serving{0};
  std::vector<plain_socket> clients;
  clients.reserve(count);
  auto const before = weft_test::live_allocations().bytes;
  auto server = pool.spawn([&]() -> task<> {
    co_await weft::with_scope([&](weft::scope& s) -> task<> {
      for (std::size_t i = 0; i < count; ++i) {
        auto stream = co_await listener.accept();
        s.spawn(
            [&](tcp_stream own) -> task<> {
              ++serving;
              // What an idle connection needs: no buffer.
              std::array<std::byte, 1> buffer;
              for (;;) {
                auto const n = co_await own.read(buffer);
                if (n == 0) co_return;
                co_await own.write(std::span(buffer).first(n));
              }
            },
            std::move(stream));
      }
    });
  });
  for (std::size_t i = 0; i < count; ++i) clients.push_back(plain_socket::connect(listener.local()));
  while (serving < count) std::this_thread::yield();
  std::this_thread::sleep_for(20ms);
  auto const bytes = weft_test::live_allocations().bytes - before;
  INFO(bytes / static_cast<std::int64_t>(count) << " bytes a connection");
  if (!slow) CHECK(bytes / static_cast<std::int64_t>(count) + 64 <= 1024);
  for (std::size_t i = 0; i < count; i += 97) {
    clients[i].send("?");
    CHECK(clients[i].receive(1) == "?");
  }
  clients.clear();
  server.get();
}
