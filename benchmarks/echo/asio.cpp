// The echo server with Asio's coroutines: [THREADS [BUFFER]], a buffer of 4096 bytes, or of 1, in each. Prints the port.
#include <unistd.h>

#include <array>
#include <asio.hpp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

namespace {

using asio::ip::tcp;

template <std::size_t Size>
asio::awaitable<void> echo(tcp::socket s) {
  std::array<char, Size> buffer;
  try {
    for (;;) {
      auto const n = co_await s.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      co_await asio::async_write(s, asio::buffer(buffer.data(), n), asio::use_awaitable);
    }
  } catch (std::exception const&) {
    // The other side has ended.
  }
}

asio::awaitable<void> listen(tcp::acceptor& acceptor, asio::awaitable<void> (*echo)(tcp::socket)) {
  for (;;) {
    auto s = co_await acceptor.async_accept(asio::use_awaitable);
    s.set_option(tcp::no_delay(true));
    auto const executor = s.get_executor();
    asio::co_spawn(executor, echo(std::move(s)), asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) {
  ::alarm(120);  // whoever has started it may be gone
  int const threads = argc > 1 ? std::atoi(argv[1]) : 1;
  asio::io_context context(threads);
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  acceptor.listen(8192);
  std::printf("%d\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  bool const small = argc > 2 && std::atoi(argv[2]) == 1;
  asio::co_spawn(context, listen(acceptor, small ? &echo<1> : &echo<4096>), asio::detached);
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&] { context.run(); });
  context.run();
}
