// The echo server in weft, as a user writes it: PORT (0: any). Prints the port.
#include <weft/coro/run.hpp>
#include <weft/io/serve.hpp>
#include <weft/io/tcp.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <utility>

namespace {

weft::task<> echo(weft::tcp_stream s) {
  std::array<std::byte, 4096> buffer;
  for (;;) {
    auto const n = co_await s.read(buffer);
    if (n == 0) co_return;
    co_await s.write(std::span(buffer).first(n));
  }
}

}  // namespace

int main(int argc, char** argv) {
  auto const port = argc > 1 ? static_cast<std::uint16_t>(std::atoi(argv[1])) : std::uint16_t{0};
  auto listener = weft::tcp_listener::bind(weft::endpoint::loopback(port), {.backlog = 8192});
  std::printf("%d\n", listener.local().port());
  std::fflush(stdout);
  weft::run(weft::serve(listener, echo, {.max_connections = 0}));
}
