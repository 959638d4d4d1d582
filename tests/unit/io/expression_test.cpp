// Several co_awaits in one expression. GCC waits for all that give scalars before the first gives its result; so an awaiter may go without having
// given its, and has to give back what nobody else can have.
#include "sockets.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/channel/channel.hpp>
#include <weft/combine/select.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/pipe.hpp>
#include <weft/io/signal.hpp>
#include <weft/io/tcp.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/guarded.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>
#include <weft/time/sleep.hpp>

#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
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

/// On any thread: what fails reaches the test through its pool.
void must(bool holds, char const* otherwise) {
  if (!holds) throw std::logic_error(otherwise);
}

/// By value: a reference would make GCC await its argument first.
template <class T>
int nothing_of(T) {
  return 0;
}

/// Awaits `given` behind what fails, in one expression: its result is nobody's.
template <class Operation>
task<> in_vain(int turns, Operation given) {
  auto failing = weft::spawn(after, turns, -1);
  bool failed = false;
  try {
    int const never = co_await std::move(failing) + nothing_of(co_await std::move(given));
    must(never == 1, "the failure has got lost");
  } catch (std::runtime_error const&) {
    failed = true;
  }
  must(failed, "nothing has failed");
}

/// Calls body(turns), a task, on pools of each size; turns: when the failure comes, sooner or later than what is awaited beside it.
template <class Body>
void each_way(char const* name, Body body) {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard(name);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers, .on_failure = [](std::exception_ptr) noexcept {}}};
  for (int turns = 0; turns < 4; ++turns) pool.run(body(turns));
}

/// Holds what is given for some turns, while another awaits it in vain, and a third after that one.
template <class Get>
task<> between_two(Get get) {
  for (int turns = 0; turns < 4; ++turns) {
    weft::event held;
    auto holds = [&]() -> task<> {
      auto const mine = co_await get();
      held.set();
      for (int i = 0; i < 2; ++i) co_await weft::this_task::yield();
    };
    auto gets = [&]() -> task<bool> {
      auto const mine = co_await get();
      co_return mine.owns();
    };
    auto holder = weft::spawn(holds);
    co_await held.wait();
    auto vain = weft::spawn(in_vain<decltype(get())>, turns, get());
    co_await weft::this_task::yield();
    auto last = weft::spawn(gets);
    co_await std::move(holder);
    co_await std::move(vain);
    bool const owned = co_await std::move(last);
    must(owned, "a guard that holds nothing");
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

TEST_CASE("a mutex that was locked beside a failure is free again, and the next in its queue has it") {
  each_way("expression_test: mutex", [](int turns) -> task<> {
    weft::mutex m;
    co_await in_vain(turns, m.lock());
    must(!m.is_locked(), "the mutex is held");
    co_await between_two([&m] { return m.lock(); });
    must(!m.is_locked(), "the mutex is held");
  });
}

TEST_CASE("a shared_mutex that was locked beside a failure is free again, and the next in its queue has it") {
  each_way("expression_test: shared_mutex", [](int turns) -> task<> {
    weft::shared_mutex m;
    co_await in_vain(turns, m.lock());
    co_await in_vain(turns, m.lock_shared());
    must(m.try_lock().owns(), "the shared_mutex is held");
    co_await between_two([&m] { return m.lock(); });
    co_await between_two([&m] { return m.lock_shared(); });
    must(m.try_lock().owns(), "the shared_mutex is held");
  });
}

TEST_CASE("permits that were acquired beside a failure go back") {
  each_way("expression_test: semaphore", [](int turns) -> task<> {
    weft::semaphore s(3);
    co_await in_vain(turns, s.acquire(2));
    must(s.available() == 3, "permits are lost");
    co_await between_two([&s] { return s.acquire(3); });
    must(s.available() == 3, "permits are lost");
  });
}

TEST_CASE("what is guarded is free, and not touched, where its turn came beside a failure") {
  each_way("expression_test: guarded", [](int turns) -> task<> {
    weft::guarded<int> value(0);
    auto const adds = [](int& v) { return ++v; };
    co_await in_vain(turns, value.with(adds));
    weft::event held;
    auto const holds = [&held](int&) -> task<> {
      held.set();
      for (int i = 0; i < 2; ++i) co_await weft::this_task::yield();
    };
    auto const gets = [&value, &adds]() -> task<int> { co_return co_await value.with(adds); };
    auto holder = weft::spawn(value.with(holds));
    co_await held.wait();
    auto vain = weft::spawn(in_vain<decltype(value.with(adds))>, turns, value.with(adds));
    co_await weft::this_task::yield();
    auto last = weft::spawn(gets);
    co_await std::move(holder);
    co_await std::move(vain);
    int const now = co_await std::move(last);
    must(now == 1, "what is guarded was touched");
  });
}

TEST_CASE("a lock that a select was given beside a failure goes back, and the next in its queue has it") {
  each_way("expression_test: select", [](int turns) -> task<> {
    weft::mutex m;
    weft::shared_mutex s;
    weft::semaphore permits(0);
    auto const nothing = [] { return 1; };
    co_await in_vain(turns, weft::select(weft::on(m.lock(), nothing), weft::on(permits.acquire(), nothing)));
    must(!m.is_locked(), "the mutex is held");
    permits.release();
    auto mine = co_await m.lock();
    co_await in_vain(turns, weft::select(weft::on(m.lock(), nothing), weft::on(permits.acquire(), nothing)));
    must(permits.available() == 1, "a permit is lost");
    mine.unlock();
    co_await in_vain(turns, weft::select(weft::on(s.lock(), nothing)));
    must(s.try_lock().owns(), "the shared_mutex is held");

    mine = co_await m.lock();
    auto permit = co_await permits.acquire();
    auto locking = m.lock();  // borrowed
    auto waits = weft::select(weft::on(locking, nothing), weft::on(permits.acquire(), nothing));
    auto const gets = [&m]() -> task<bool> {
      auto const l = co_await m.lock();
      co_return l.owns();
    };
    auto vain = weft::spawn(in_vain<decltype(waits)>, turns, std::move(waits));
    co_await weft::this_task::yield();
    auto last = weft::spawn(gets);
    co_await weft::this_task::yield();
    mine.unlock();
    co_await std::move(vain);
    bool const owned = co_await std::move(last);
    must(owned, "a guard that holds nothing");
    must(!m.is_locked(), "the mutex is held");
  });
}

#if !WEFT_TSAN  // which hands a signal to its thread when that calls the C library next: one that sleeps by futex does not
TEST_CASE("a signal that came beside a failure is there for the next wait") {
  each_way("expression_test: signal", [](int turns) -> task<> {
    weft::signals asked(SIGUSR1);
    must(::kill(::getpid(), SIGUSR1) == 0, "kill");
    co_await in_vain(turns, asked.next());
    int const number = co_await asked.next();
    must(number == SIGUSR1, "another signal");
  });
}
#endif

TEST_CASE("a connection that was accepted beside a failure is closed, where it does not wait for the next accept") {
  each_way("expression_test: accept", [](int turns) -> task<> {
    auto listener = weft::tcp_listener::bind(weft::endpoint::loopback());
    auto const client = weft_test::plain_socket::connect(listener.local());
    co_await in_vain(turns, listener.accept());
    if constexpr (!weft::detail::resumes_at_the_end) {
      auto const again = co_await listener.accept();
      static_cast<void>(again);
    }
    must(client.receive_all().empty(), "bytes from nowhere");  // and then the end
  });
}
