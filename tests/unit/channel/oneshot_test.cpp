#include "support/allocations.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/misuse.hpp"
#include "support/on_one_worker.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/channel/oneshot.hpp>
#include <weft/combine/select.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::on;
using weft::oneshot;
using weft::select;
using weft::task;
using weft_test::counted;
using weft_test::ending;
using weft_test::on_one_worker;
using weft_test::settle;

TEST_CASE("a oneshot that has been sent is received, and then has nothing more") {
  on_one_worker("oneshot_test: sent", []() -> task<> {
    oneshot<int> o;
    CHECK(o.send(3));
    auto v = co_await o.receive();
    CHECK(v == 3);
    v = co_await o.receive();
    CHECK_FALSE(v);
    CHECK_FALSE(o.try_receive());
    CHECK_FALSE(o.is_closed());
  });
}

TEST_CASE("a receive of a oneshot waits for the message") {
  on_one_worker("oneshot_test: waits", []() -> task<> {
    oneshot<std::unique_ptr<int>> o;
    auto receiving = weft::spawn(o.receive());
    co_await settle();
    CHECK_FALSE(receiving.ready());
    CHECK_FALSE(o.try_receive());
    CHECK(o.send(std::make_unique<int>(5)));
    auto const v = co_await std::move(receiving);
    CHECK(**v == 5);
  });
}

TEST_CASE("a oneshot that is closed without a message says so to those who wait and to those who come later") {
  on_one_worker("oneshot_test: closed", []() -> task<> {
    oneshot<int> o;
    auto receiving = weft::spawn(o.receive());
    co_await settle();
    o.close();
    o.close();
    CHECK(o.is_closed());
    auto v = co_await std::move(receiving);
    CHECK_FALSE(v);
    v = co_await o.receive();
    CHECK_FALSE(v);
  });
}

TEST_CASE("a closed oneshot takes no message, and its sender keeps it") {
  oneshot<std::unique_ptr<int>> o;
  o.close();
  auto v = std::make_unique<int>(1);
  CHECK_FALSE(o.send(std::move(v)));
  CHECK(v);
  CHECK_FALSE(o.try_receive());
}

TEST_CASE("a message that was sent before the close is received") {
  oneshot<int> o;
  CHECK(o.send(1));
  o.close();
  CHECK_FALSE(o.is_closed());
  CHECK(o.try_receive() == 1);
}

TEST_CASE("the sender of a oneshot learns that nobody wants its message") {
  on_one_worker("oneshot_test: nobody wants it", []() -> task<> {
    oneshot<int> o;
    auto sender = weft::spawn([&o]() -> task<bool> {
      co_return co_await select(on(o.closed(), [] { return false; }), on(weft::sleep_for(1h), [] { return true; }));
    });
    co_await settle();
    o.close();
    bool const worked = co_await std::move(sender);
    CHECK_FALSE(worked);
    co_await o.closed();
    oneshot<int> sent;
    auto waiting = weft::spawn(sent.closed());
    co_await settle();
    CHECK(sent.send(1));
    co_await std::move(waiting);
    co_await sent.closed();
  });
}

TEST_CASE("of several that wait for a oneshot the first has the message, the others nothing") {
  on_one_worker("oneshot_test: several", []() -> task<> {
    oneshot<int> o;
    auto first = weft::spawn(o.receive());
    co_await settle();
    auto second = weft::spawn(o.receive());
    co_await settle();
    CHECK(o.send(1));
    auto const a = co_await std::move(first);
    auto const b = co_await std::move(second);
    CHECK(a == 1);
    CHECK_FALSE(b);
  });
}

TEST_CASE("a stopped receive of a oneshot takes nothing, and one that has the message delivers it") {
  on_one_worker("oneshot_test: stop", []() -> task<> {
    oneshot<int> o;
    auto first = weft::spawn(o.receive());
    co_await settle();
    first.stop();
    CHECK(weft_test::ending_of(first) == ending::stopped);
    auto second = weft::spawn(o.receive());
    co_await settle();
    CHECK(o.send(2));
    second.stop();
    auto const v = co_await std::move(second);
    CHECK(v == 2);
    oneshot<int> unanswered;
    auto third = weft::spawn(unanswered.closed());
    co_await settle();
    third.stop();
    CHECK(weft_test::ending_of(third) == ending::stopped);
  });
}

TEST_CASE("a stop and a send that come together: the message has been received, or is still there") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("oneshot_test: stop and send");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 300; ++i) {
    oneshot<int> o;
    auto receiving = pool.spawn(o.receive());
    auto sending = pool.spawn([&o, i] { return o.send(i); });
    for (auto spin = random.below(300); spin != 0; --spin) weft::detail::relax();
    receiving.stop();
    CHECK(sending.get());
    std::optional<int> got;
    try {
      got = receiving.get();
    } catch (weft::stopped const&) {
      got = o.try_receive();
    }
    CHECK(got == i);
    CHECK_FALSE(o.try_receive());
  }
}

TEST_CASE("a oneshot is one of several things that a select waits for") {
  on_one_worker("oneshot_test: select", []() -> task<> {
    oneshot<int> a, b;
    auto selecting = weft::spawn(select(on(a.receive(), [](std::optional<int> v) { return *v; }),
                                        on(b.receive(), [](std::optional<int> v) { return -*v; })));
    co_await settle();
    CHECK(b.send(1));
    int v = co_await std::move(selecting);
    CHECK(v == -1);
    CHECK(a.send(2));
    v = co_await select(on(b.receive(), [](std::optional<int> none) { return none ? 0 : 7; }));
    CHECK(v == 7);
    CHECK(a.try_receive() == 2);
  });
}

TEST_CASE("a oneshot allocates nothing, and destroys what nobody received") {
  counted::reset();
  auto const before = weft_test::allocation_count();
  {
    oneshot<counted> o;
    CHECK(o.send(counted(1)));
    CHECK(counted::live() == 1);
  }
  CHECK(counted::live() == 0);
  CHECK(counted::copies() == 0);
  CHECK(weft_test::allocation_count() - before < 50);  // what CHECK itself takes
}

TEST_CASE("whoever has a oneshot's message may destroy it, on any worker") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("oneshot_test: destroyed");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int sum = 0;
  for (int i = 0; i < 500; ++i) {
    auto o = std::make_unique<oneshot<int>>();
    auto sending = pool.spawn([to = o.get(), i] { return to->send(i); });
    sum += pool.run([&o]() -> task<int> {
      int const v = (co_await o->receive()).value();
      o.reset();
      co_return v;
    });
    CHECK(sending.get());
  }
  CHECK(sum == 499 * 250);
}

TEST_CASE("a oneshot carries one message") {
  weft_test::expect_misuse("a oneshot carries one message", [] {
    oneshot<int> o;
    static_cast<void>(o.send(1));
    static_cast<void>(o.send(2));
  });
}
