// Several co_awaits in one expression. GCC waits for all of them before the first gives its result; so an awaiter may go without having given its.
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/channel/channel.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/pipe.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

using namespace std::chrono_literals;
using weft::task;

namespace {

task<int> after(int turns, int value) {
  for (int i = 0; i < turns; ++i) co_await weft::this_task::yield();
  if (value < 0) throw std::runtime_error("below zero");
  co_return value;
}

/// Awaits what the parts make, in one expression, the first of which fails, and then what uses the same stop state.
template <class Expression>
void fails_and_goes_on(unsigned workers, Expression expression) {
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers, .on_failure = [](std::exception_ptr) noexcept {}}};
  for (int turns = 0; turns < 4; ++turns) {
    auto tries = [&]() -> task<int> {
      int value = 0;
      try {
        value = co_await expression(turns);
      } catch (std::runtime_error const&) {
        value = -1;
      }
      co_await weft::sleep_for(1us);
      auto last = weft::spawn(after, turns, 3);
      value += co_await std::move(last);
      co_return value;
    };
    auto f = pool.spawn(tries);
    CHECK(f.get() == 2);
    auto g = pool.spawn(tries);
    g.stop();
    try {
      static_cast<void>(g.get());
    } catch (weft::stopped const&) {
    }
  }
}

}  // namespace

TEST_CASE("where the first of several futures awaited in one expression fails, the others leave nothing behind") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("expression_test: futures");
  fails_and_goes_on(workers, [](int turns) -> task<int> {
    auto a = weft::spawn(after, turns, -1), b = weft::spawn(after, turns, 1), c = weft::spawn(after, turns, 2);
    int const sum = co_await std::move(a) + co_await std::move(b) + co_await std::move(c);
    co_return sum;
  });
}

TEST_CASE("where a future fails, the messages and bytes awaited in the same expression leave nothing behind") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("expression_test: others");
  fails_and_goes_on(workers, [](int turns) -> task<int> {
    struct shared {
      weft::channel<int> messages{1};
      weft::pipe bytes;
    };
    auto const between = std::make_shared<shared>();
    auto a = weft::spawn(after, turns, -1);
    auto gives = [](std::shared_ptr<shared> to) -> task<> {
      co_await weft::this_task::yield();
      co_await to->messages.send(1);
      std::array<std::byte, 1> const byte{};
      co_await to->bytes.writer.write(byte);
    };
    auto giver = weft::spawn(gives, between);
    std::array<std::byte, 1> byte{};
    auto message = between->messages.receive();
    auto bytes = between->bytes.reader.read(std::span(byte));
    int const sum =
        co_await std::move(a) + (co_await std::move(message)).value_or(0) + static_cast<int>(co_await std::move(bytes));
    co_return sum;
  });
}
