// The echo server with Asio's coroutines: PORT (0: any), THREADS (1). Prints the port.
#include <array>
#include <asio.hpp>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

namespace {

using asio::ip::tcp;

asio::awaitable<void> echo(tcp::socket s) {
  std::array<char, 4096> buffer;
  try {
    for (;;) {
      auto const n = co_await s.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      co_await asio::async_write(s, asio::buffer(buffer.data(), n), asio::use_awaitable);
    }
  } catch (std::exception const&) {
  }
}

asio::awaitable<void> listen(tcp::acceptor& acceptor) {
  for (;;) {
    auto s = co_await acceptor.async_accept(asio::use_awaitable);
    s.set_option(tcp::no_delay(true));
    auto const executor = s.get_executor();
    asio::co_spawn(executor, echo(std::move(s)), asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) {
  auto const port = argc > 1 ? static_cast<unsigned short>(std::atoi(argv[1])) : static_cast<unsigned short>(0);
  int const threads = argc > 2 ? std::atoi(argv[2]) : 1;
  asio::io_context context(threads);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), port});
  std::printf("%d\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  asio::co_spawn(context, listen(acceptor), asio::detached);
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&] { context.run(); });
  context.run();
}
