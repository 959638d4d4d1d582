// The echo server in weft, as a user writes it: [WORKERS [parallel_for | plain_loop | blocking_call]]. Prints the port. With the
// last, every worker is always inside such a thing of one second, or of five where it sleeps.
#include <weft/coro/run.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/serve.hpp>
#include <weft/io/tcp.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/sched/pool.hpp>

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

weft::task<> echo(weft::tcp_stream s) {
  std::array<std::byte, 4096> buffer;
  for (;;) {
    auto const n = co_await s.read(buffer);
    if (n == 0) co_return;
    co_await s.write(std::span(buffer).first(n));
  }
}

// About a microsecond.
void compute() {
  std::uint64_t x = 1;
  for (int i = 0; i < 600; ++i) asm volatile("imul $3, %0" : "+r"(x));
}

int bodies_of_a_second() {
  constexpr int some = 20'000;
  auto const begin = std::chrono::steady_clock::now();
  for (int i = 0; i < some; ++i) compute();
  return static_cast<int>(some / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
}

weft::task<> keep_busy(std::string_view how, int bodies) {
  for (;;) {
    if (how == "parallel_for") weft::parallel_for(0, bodies, [](int) { compute(); });
    else if (how == "plain_loop")
      for (int i = 0; i < bodies; ++i) compute();
    else std::this_thread::sleep_for(5s);
    co_await weft::this_task::yield();
  }
}

}  // namespace

int main(int argc, char** argv) {
  ::alarm(120);  // whoever has started it may be gone
  weft::pool pool{{.workers = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 0}};
  auto listener = weft::tcp_listener::bind(weft::endpoint::loopback(0), {.backlog = 8192});
  std::vector<weft::future<void>> busy;
  if (argc > 2) {
    int const bodies = bodies_of_a_second();
    for (unsigned i = 0; i < pool.size(); ++i) busy.push_back(pool.spawn(keep_busy, std::string_view(argv[2]), bodies));
  }
  std::printf("%d\n", listener.local().port());
  std::fflush(stdout);
  pool.run(weft::serve(listener, echo, {.max_connections = 0}));
}
