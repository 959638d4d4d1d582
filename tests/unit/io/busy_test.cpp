#include "sockets.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/serve.hpp>
#include <weft/io/tcp.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/pool.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft::endpoint;
using weft::task;
using weft::tcp_listener;
using weft::tcp_stream;
using weft_test::plain_socket;

namespace {

task<> echo(tcp_stream s) {
  std::array<std::byte, 256> buffer;
  for (;;) {
    auto const n = co_await s.read(buffer);
    if (n == 0) co_return;
    co_await s.write(std::span(buffer).first(n));
  }
}

long fib(int n) {
  if (n < 2) return n;
  auto const [a, b] = weft::fork_join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
  return a + b;
}

constexpr auto for_ever = std::int64_t{1} << 50;

/// So many round trips through an echo server, while every worker is inside a loop of the body that ends only when it is stopped.
template <class Body>
void ping_pong_beside_loops(Body body) {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft::pool pool{{.workers = workers}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  auto server = pool.spawn(weft::serve(listener, echo));
  auto const client = plain_socket::connect(listener.local());
  client.send("begin");
  REQUIRE(client.receive_exactly(5) == "begin");

  std::atomic<unsigned> begun{0};
  std::vector<weft::future<void>> loops;
  for (unsigned i = 0; i < workers; ++i)
    loops.push_back(pool.spawn([&] {
      ++begun;
      weft::parallel_for(std::int64_t{0}, for_ever, body);
    }));
  while (begun < workers) std::this_thread::sleep_for(1ms);
  for (int i = 0; i < 50; ++i) {
    auto const text = std::to_string(1000 + i);
    client.send(text);
    REQUIRE(client.receive_exactly(4) == text);
    if (i % 10 == 0) std::this_thread::sleep_for(3ms);  // who stands by goes to sleep meanwhile, and is found again
  }
  for (auto& f : loops) {
    CHECK_FALSE(f.ready());
    f.stop();
    CHECK_THROWS_AS(f.get(), weft::stopped);
  }
  server.stop();
  CHECK_THROWS_AS(server.get(), weft::stopped);
}

}  // namespace

TEST_CASE("a peer is answered while every worker is in a loop that does not end") {
  weft_test::watchdog const guard("busy_test: loops", 60s);
  ping_pong_beside_loops([](std::int64_t i) { asm volatile("" : : "r"(i)); });
}

TEST_CASE("a peer is answered while every worker is in a loop that does not end, of bodies that fork") {
  weft_test::watchdog const guard("busy_test: loops that fork", 60s);
  ping_pong_beside_loops([](std::int64_t) { static_cast<void>(fib(8)); });
}
