#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/explosive.hpp"
#include "support/misuse.hpp"
#include "support/on_one_worker.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/channel/broadcast.hpp>
#include <weft/combine/select.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::broadcast;
using weft::on;
using weft::select;
using weft::task;
using weft_test::counted;
using weft_test::ending;
using weft_test::on_one_worker;
using weft_test::settle;

namespace {
/// Copying one with the value 13 fails.
struct unlucky {
  explicit unlucky(int v) : value(v) {}
  unlucky(unlucky&&) = default;
  unlucky& operator=(unlucky&&) = default;
  unlucky(unlucky const& other) : value(other.value) {
    if (value == 13 && fails) throw std::runtime_error("unlucky");
  }
  int value;
  static inline bool fails = true;
};
}  // namespace

TEST_CASE("every subscription gets every message, in order") {
  broadcast<int> b(8);
  auto s = b.subscribe(), t = b.subscribe();
  CHECK(b.subscriptions() == 2);
  for (int i = 0; i < 5; ++i) CHECK(b.send(i) == 2);
  for (int i = 0; i < 5; ++i) CHECK(s.try_receive() == i);
  CHECK(s.behind() == 0);
  CHECK(t.behind() == 5);
  for (int i = 0; i < 5; ++i) CHECK(t.try_receive() == i);
  CHECK_FALSE(s.try_receive());
  CHECK_FALSE(t.try_receive());
  CHECK(s.missed() + t.missed() == 0);
}

TEST_CASE("a subscription gets what is sent after it was made, and counts no longer when it has ended") {
  broadcast<int> b(4);
  CHECK(b.send(0) == 0);
  auto s = b.subscribe();
  CHECK(b.send(1) == 1);
  {
    auto late = b.subscribe();
    CHECK(b.send(2) == 2);
    CHECK(late.try_receive() == 2);
    auto later = late.subscribe_again();
    CHECK_FALSE(later.try_receive());
    CHECK(b.subscriptions() == 3);
  }
  CHECK(b.send(3) == 1);
  for (int i = 1; i < 4; ++i) CHECK(s.try_receive() == i);
  auto moved = std::move(s);
  CHECK(b.send(4) == 1);
  CHECK(moved.try_receive() == 4);
}

TEST_CASE("a subscription that is too slow loses the oldest messages, and counts them") {
  broadcast<int> b(2);
  auto slow = b.subscribe(), quick = b.subscribe();
  for (int i = 0; i < 5; ++i) {
    b.send(i);
    CHECK(quick.try_receive() == i);
  }
  CHECK(slow.behind() == 5);
  CHECK(slow.missed() == 0);
  CHECK(slow.try_receive() == 3);
  CHECK(slow.missed() == 3);
  CHECK(slow.try_receive() == 4);
  CHECK_FALSE(slow.try_receive());
  CHECK(slow.missed() == 3);
  CHECK(quick.missed() == 0);
  for (int i = 0; i < 3; ++i) b.send(i);
  CHECK(slow.try_receive() == 1);
  CHECK(slow.missed() == 4);
}

TEST_CASE("a subscription that falls behind again and again misses what it counts, and nothing else") {
  weft_test::seeded random;
  for (int const capacity : {1, 2, 7}) {
    broadcast<int> b(capacity);
    auto s = b.subscribe();
    int sent = 0, last = -1, received = 0, wrong = 0;
    for (int round = 0; round < 200; ++round) {
      for (auto n = random.below(10); n != 0; --n) b.send(sent++);
      for (auto n = random.below(10); n != 0; --n) {
        auto const v = s.try_receive();
        if (!v) break;
        wrong += *v <= last;
        last = *v;
        ++received;
        // What lies before the one just received has been received or missed.
        wrong += static_cast<int>(s.missed()) + received != last + 1;
      }
    }
    while (auto const v = s.try_receive()) ++received;
    CHECK(wrong == 0);
    CHECK(static_cast<int>(s.missed()) + received == sent);
  }
}

TEST_CASE("a broadcast of capacity 1 keeps the latest") {
  broadcast<int> b(1);
  auto s = b.subscribe();
  b.send(1);
  CHECK(s.try_receive() == 1);
  b.send(2);
  b.send(3);
  CHECK(s.try_receive() == 3);
  CHECK(s.missed() == 1);
}

TEST_CASE("after the close what is kept is received, lag included, and then nothing") {
  on_one_worker("broadcast_test: close", []() -> task<> {
    broadcast<int> b(2);
    auto s = b.subscribe();
    for (int i = 0; i < 4; ++i) b.send(i);
    b.close();
    CHECK(b.send(9) == 0);
    auto v = co_await s.receive();
    CHECK(v == 2);
    CHECK(s.missed() == 2);
    v = co_await s.receive();
    CHECK(v == 3);
    v = co_await s.receive();
    CHECK_FALSE(v);
    v = co_await s.receive();
    CHECK_FALSE(v);
    auto after = b.subscribe();
    v = co_await after.receive();
    CHECK_FALSE(v);
  });
}

TEST_CASE("all who wait for a broadcast are woken by one message, and by the close") {
  on_one_worker("broadcast_test: wakes", []() -> task<> {
    broadcast<int> b(4);
    auto s = b.subscribe(), t = b.subscribe();
    auto first = weft::spawn(s.receive()), second = weft::spawn(t.receive());
    co_await settle();
    CHECK_FALSE(first.ready());
    CHECK(b.send(7) == 2);
    auto v = co_await std::move(first);
    CHECK(v == 7);
    v = co_await std::move(second);
    CHECK(v == 7);
    auto third = weft::spawn(s.receive());
    co_await settle();
    b.close();
    v = co_await std::move(third);
    CHECK_FALSE(v);
  });
}

TEST_CASE("a stopped receive of a subscription takes nothing") {
  on_one_worker("broadcast_test: stop", []() -> task<> {
    broadcast<int> b(4);
    auto s = b.subscribe();
    auto receiving = weft::spawn(s.receive());
    co_await settle();
    receiving.stop();
    CHECK(weft_test::ending_of(receiving) == ending::stopped);
    b.send(1);
    auto second = weft::spawn(s.receive());
    co_await settle();
    auto const v = co_await std::move(second);
    CHECK(v == 1);
  });
}

TEST_CASE("receives that are stopped again and again lose nothing of what is sent meanwhile") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("broadcast_test: stops");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr int count = 200;
  broadcast<int> b(count);
  auto s = b.subscribe();
  auto sending = pool.spawn([&b]() -> task<> {
    for (int i = 0; i < count; ++i) {
      b.send(i);
      co_await weft::this_task::yield();
    }
    b.close();
  });
  int expected = 0, wrong = 0;
  for (bool open = true; open;) {
    auto receiving = pool.spawn(s.receive());
    for (auto spin = random.below(200); spin != 0; --spin) weft::detail::relax();
    receiving.stop();
    try {
      auto const v = receiving.get();
      open = v.has_value();
      wrong += open && *v != expected++;
    } catch (weft::stopped const&) {
    }
  }
  sending.get();
  CHECK(wrong == 0);
  CHECK(expected == count);
  CHECK(s.missed() == 0);
}

TEST_CASE("a copy that fails is the receiver's failure, and the message can be received again") {
  on_one_worker("broadcast_test: failing copy", []() -> task<> {
    broadcast<unlucky> b(4);
    auto s = b.subscribe();
    b.send(unlucky(13));
    unlucky::fails = true;
    bool failed = false;
    try {
      static_cast<void>(co_await s.receive());
    } catch (std::runtime_error const&) {
      failed = true;
    }
    CHECK(failed);
    unlucky::fails = false;
    auto const v = co_await s.receive();
    CHECK(v->value == 13);
    CHECK(s.missed() == 0);
  });
}

TEST_CASE("a message whose move fails is nobody's, and takes none of those with it that are kept") {
  using weft_test::explosive;
  broadcast<explosive> b(2);
  auto s = b.subscribe();
  CHECK(b.send(explosive(1)) == 1);
  CHECK(b.send(explosive(2)) == 1);
  explosive third(3);
  explosive::arm(2);  // the copy for send goes well, its move into place does not
  CHECK_THROWS_AS(b.send(third), std::runtime_error);
  explosive::disarm();
  CHECK(b.capacity() == 2);
  CHECK(s.behind() == 2);
  for (int const expected : {1, 2}) {
    auto const got = s.try_receive();
    REQUIRE(got);
    CHECK(got->value() == expected);
  }
  CHECK_FALSE(s.try_receive());
  CHECK(b.send(explosive(4)) == 1);
  CHECK(s.try_receive()->value() == 4);
  CHECK(s.missed() == 0);
}

TEST_CASE("a message of a broadcast is destroyed when it is overwritten, or with the broadcast") {
  counted::reset();
  {
    broadcast<counted> b(3);
    auto s = b.subscribe();
    for (int i = 0; i < 10; ++i) b.send(counted(i));
    CHECK(counted::live() == 3);
    CHECK(s.try_receive()->value() == 7);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a subscription is one of several things that a select waits for") {
  on_one_worker("broadcast_test: select", []() -> task<> {
    broadcast<int> a(2), b(2);
    auto s = a.subscribe(), t = b.subscribe();
    auto selecting = weft::spawn(select(on(s.receive(), [](std::optional<int> v) { return *v; }),
                                        on(t.receive(), [](std::optional<int> v) { return -*v; })));
    co_await settle();
    b.send(5);
    a.send(6);
    int const v = co_await std::move(selecting);
    CHECK(v == -5);
    CHECK(s.try_receive() == 6);
    CHECK_FALSE(t.try_receive());
  });
}

TEST_CASE("many tasks receive all that several send, or know how much they have missed") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const capacity = GENERATE(4, 10'000);
  weft_test::watchdog const guard("broadcast_test: many");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  broadcast<int> b(capacity);
  constexpr int senders = 3, receivers = 5, each = 500;
  std::vector<weft::future<std::uint64_t>> got;
  for (int r = 0; r < receivers; ++r)
    got.push_back(pool.spawn([s = b.subscribe()]() mutable -> task<std::uint64_t> {
      std::uint64_t n = 0;
      while (auto v = co_await s.receive()) ++n;
      co_return n + s.missed();
    }));
  std::vector<weft::future<>> sending;
  for (int i = 0; i < senders; ++i)
    sending.push_back(pool.spawn([&b] {
      for (int n = 0; n < each; ++n) b.send(n);
    }));
  for (auto& s : sending) s.get();
  b.close();
  for (auto& g : got) CHECK(g.get() == senders * each);
}

TEST_CASE("misuse of a broadcast ends the program with a sentence") {
  weft_test::expect_misuse("a broadcast keeps at least one message", [] { broadcast<int> b(0); });
  weft_test::expect_misuse("a broadcast is destroyed before its subscriptions", [] {
    auto b = std::make_unique<broadcast<int>>(1);
    auto const s = b->subscribe();
    b.reset();
  });
}
