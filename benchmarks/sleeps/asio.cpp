// The same with Asio's coroutines, on one thread: IGNORED COUNT.
#include "sleeps.hpp"

#include <asio.hpp>
#include <cstddef>
#include <cstdlib>

namespace {

asio::awaitable<void> one(std::size_t& awake, std::chrono::nanoseconds length) {
  asio::steady_timer timer(co_await asio::this_coro::executor, length);
  co_await timer.async_wait(asio::use_awaitable);
  ++awake;
}

}  // namespace

int main(int, char** argv) {
  sleeps::lengths lengths(argv[1] && argv[2] ? std::strtoul(argv[2], nullptr, 10) : sleeps::usual);
  std::size_t awake = 0;
  asio::io_context context(1);
  sleeps::measurement const m;
  double const before = sleeps::resident_bytes();
  for (std::size_t i = 0; i != lengths.count(); ++i)
    asio::co_spawn(context, one(awake, lengths.next()), asio::detached);
  double asleep = 0;
  asio::steady_timer look(context, sleeps::shortest / 2);
  look.async_wait([&](auto const&) { asleep = sleeps::resident_bytes(); });
  context.run();
  m.print(awake, lengths.count(), asleep - before);
}
