#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/on_one_worker.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/by_hand.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/channel/channel.hpp>
#include <weft/channel/oneshot.hpp>
#include <weft/combine/select.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>
#include <weft/time/sleep.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::channel;
using weft::on;
using weft::otherwise;
using weft::receive;
using weft::select;
using weft::send;
using weft::task;
using weft_test::ending;
using weft_test::on_one_worker;
using weft_test::settle;

static_assert(weft::detail::can_be_selected<decltype(receive(std::declval<channel<int>&>()))>);
static_assert(weft::detail::can_be_selected<decltype(send(std::declval<channel<int>&>(), 1))>);

namespace {

int or_minus_one(std::optional<int> v) { return v.value_or(-1); }

}  // namespace

TEST_CASE("a select receives from the channel that has something") {
  on_one_worker("channel_select_test: receive", []() -> task<> {
    channel<int> a{1}, b{1};
    for (int i = 0; i < 20; ++i) {
      static_cast<void>((i % 2 == 0 ? a : b).try_send(i));
      auto const got = co_await select(on(receive(a), [](std::optional<int> v) { return std::pair('a', *v); }),
                                       on(receive(b), [](std::optional<int> v) { return std::pair('b', *v); }));
      CHECK(got == std::pair(i % 2 == 0 ? 'a' : 'b', i));
    }
    CHECK(a.size() + b.size() == 0);
  });
}

TEST_CASE("a select sends into the channel that has room, and into no other") {
  on_one_worker("channel_select_test: send", []() -> task<> {
    channel<int> full{1}, room{1};
    CHECK(full.try_send(0));
    auto const which = co_await select(on(send(full, 1), [](bool sent) { return sent ? 'f' : '-'; }),
                                       on(send(room, 2), [](bool sent) { return sent ? 'r' : '-'; }));
    CHECK(which == 'r');
    CHECK(full.try_receive() == 0);
    CHECK_FALSE(full.try_receive());
    CHECK(room.try_receive() == 2);
  });
}

TEST_CASE("a select over channels with an otherwise does not wait") {
  on_one_worker("channel_select_test: otherwise", []() -> task<> {
    channel<int> empty, full{1};
    CHECK(full.try_send(0));
    for (int i = 0; i < 3; ++i) {
      int const which = co_await select(on(receive(empty), [] { return 1; }), on(send(empty, 1), [] { return 2; }),
                                        on(send(full, 1), [] { return 3; }), otherwise([] { return 0; }));
      CHECK(which == 0);
    }
    CHECK(full.size() == 1);
    auto waiting = weft::spawn(empty.receive());
    co_await settle();
    int const which = co_await select(on(send(empty, 7), [] { return 2; }), otherwise([] { return 0; }));
    CHECK(which == 2);
    auto const v = co_await std::move(waiting);
    CHECK(v == 7);
  });
}

TEST_CASE("a select that waits takes the first message, and nothing else afterwards") {
  on_one_worker("channel_select_test: waits", []() -> task<> {
    channel<int> a, b;
    auto selecting = weft::spawn(select(on(receive(a), or_minus_one), on(receive(b), or_minus_one)));
    co_await settle();
    CHECK_FALSE(selecting.ready());
    CHECK(b.try_send(5));
    CHECK_FALSE(a.try_send(6));
    CHECK_FALSE(b.try_send(7));
    int const v = co_await std::move(selecting);
    CHECK(v == 5);
    CHECK_FALSE(a.try_send(6));
  });
}

TEST_CASE("a select that waits to send sends one of its messages") {
  on_one_worker("channel_select_test: waits to send", []() -> task<> {
    channel<int> a, b;
    auto selecting = weft::spawn(select(on(send(a, 1), [] { return 'a'; }), on(send(b, 2), [] { return 'b'; })));
    co_await settle();
    CHECK(a.try_receive() == 1);
    CHECK_FALSE(b.try_receive());
    char const which = co_await std::move(selecting);
    CHECK(which == 'a');
  });
}

TEST_CASE("a select sends and receives, whichever can be") {
  on_one_worker("channel_select_test: both", []() -> task<> {
    channel<int> in, out;
    auto one = [&] {
      return select(on(receive(in), [](std::optional<int> v) { return *v; }), on(send(out, 9), [] { return -9; }));
    };
    auto first = weft::spawn(one());
    co_await settle();
    CHECK(out.try_receive() == 9);
    int v = co_await std::move(first);
    CHECK(v == -9);
    auto second = weft::spawn(one());
    co_await settle();
    CHECK(in.try_send(4));
    CHECK_FALSE(out.try_receive());
    v = co_await std::move(second);
    CHECK(v == 4);
  });
}

TEST_CASE("a closed channel is always ready in a select: nothing to receive, nothing sent") {
  on_one_worker("channel_select_test: closed", []() -> task<> {
    channel<int> closed, open;
    closed.close();
    int v = co_await select(on(receive(closed), or_minus_one), on(receive(open), [] { return 0; }));
    CHECK(v == -1);
    v = co_await select(on(send(closed, 1), [](bool sent) { return sent ? 1 : -1; }),
                        on(receive(open), [] { return 0; }), otherwise([] { return 2; }));
    CHECK(v == -1);
  });
}

TEST_CASE("a close wakes a select that waits, whether it would send or receive") {
  on_one_worker("channel_select_test: close", []() -> task<> {
    channel<int> a, b;
    auto receiving = weft::spawn(select(on(receive(a), or_minus_one), on(receive(b), or_minus_one)));
    co_await settle();
    a.close();
    int v = co_await std::move(receiving);
    CHECK(v == -1);
    auto kept = 5;
    auto sending = weft::spawn(select(on(send(b, std::ref(kept)), [](bool sent) { return sent; })));
    co_await settle();
    b.close();
    bool const sent = co_await std::move(sending);
    CHECK_FALSE(sent);
    CHECK(kept == 5);
  });
}

TEST_CASE("a select that is both ends of one channel does not meet itself") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_select_test: self");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int const capacity : {0, 1, 5}) {
    channel<int> c{capacity};
    // One whose message is its number; whoever receives gets another's. With room it may also be its own, once it is kept.
    std::atomic<int> met_itself{0}, sent{0}, received{0};
    auto one = [&](int me) -> task<> {
      for (int i = 0; i < 300; ++i) {
        auto selecting = select(on(send(c, me), [&] { ++sent; }), on(receive(c), [&](std::optional<int> v) {
                                  ++received;
                                  met_itself += v == me;
                                }));
        co_await std::move(selecting);
      }
    };
    auto a = pool.spawn(one, 1);
    auto b = pool.spawn(one, 2);
    a.get();
    b.get();
    CHECK(sent - received == static_cast<int>(c.size()));
    CHECK(sent + received == 600);
    if (capacity == 0) CHECK(met_itself == 0);
  }
}

TEST_CASE("a single select on both ends of a rendezvous waits for somebody else") {
  on_one_worker("channel_select_test: alone", []() -> task<> {
    channel<int> c;
    auto selecting = weft::spawn(select(on(send(c, 1), [] { return 's'; }), on(receive(c), [] { return 'r'; })));
    co_await settle();
    CHECK_FALSE(selecting.ready());
    CHECK(c.try_receive() == 1);
    char which = co_await std::move(selecting);
    CHECK(which == 's');
    selecting = weft::spawn(select(on(receive(c), [] { return 'r'; }), on(send(c, 1), [] { return 's'; })));
    co_await settle();
    CHECK(c.try_send(2));
    which = co_await std::move(selecting);
    CHECK(which == 'r');
  });
}

TEST_CASE("a channel twice in a select gives one message to one case") {
  on_one_worker("channel_select_test: twice", []() -> task<> {
    channel<int> c;
    int sum = 0;
    for (int i = 0; i < 50; ++i) {
      auto selecting = weft::spawn(select(on(receive(c), or_minus_one), on(receive(c), or_minus_one)));
      if (i % 2 == 0) co_await settle();
      bool const sent = co_await c.send(i);
      CHECK(sent);
      sum += co_await std::move(selecting);
      CHECK_FALSE(c.try_send(0));
    }
    CHECK(sum == 49 * 25);
  });
}

TEST_CASE("of several channels that are ready a random one is taken, each about as often") {
  on_one_worker("channel_select_test: fair", []() -> task<> {
    std::array<channel<int>, 4> c{channel<int>{1}, channel<int>{1}, channel<int>{1}, channel<int>{1}};
    std::array<int, 4> n{};
    for (int i = 0; i < 4000; ++i) {
      for (auto& each : c) static_cast<void>(each.try_send(0));
      auto const which = co_await select(on(receive(c[0]), [] { return 0u; }), on(receive(c[1]), [] { return 1u; }),
                                         on(receive(c[2]), [] { return 2u; }), on(receive(c[3]), [] { return 3u; }));
      ++n[which];
    }
    // 1000 expected; 12 standard deviations of 27.
    for (int const count : n) CHECK((count > 670 && count < 1330));
  });
}

TEST_CASE("a select sends zeros and ones at random") {
  on_one_worker("channel_select_test: random bits", []() -> task<> {
    channel<int> c{10'000};
    for (int i = 0; i < 10'000; ++i) co_await select(on(send(c, 0), [] {}), on(send(c, 1), [] {}));
    int ones = 0;
    while (auto v = c.try_receive()) ones += *v;
    CHECK((ones > 4400 && ones < 5600));
  });
}

TEST_CASE("a stopped select leaves every channel as it was") {
  on_one_worker("channel_select_test: stopped", []() -> task<> {
    channel<int> a, b;
    auto kept = std::make_unique<int>(3);
    channel<std::unique_ptr<int>> c;
    auto selecting =
        weft::spawn(select(on(receive(a), [] {}), on(send(b, 1), [] {}), on(send(c, std::ref(kept)), [] {})));
    co_await settle();
    selecting.stop();
    CHECK(weft_test::ending_of(selecting) == ending::stopped);
    CHECK_FALSE(a.try_send(1));
    CHECK_FALSE(b.try_receive());
    CHECK_FALSE(c.try_receive());
    CHECK(kept);
  });
}

TEST_CASE("a select waits for a message or for a time") {
  on_one_worker("channel_select_test: time", []() -> task<> {
    channel<int> c;
    int v = co_await select(on(receive(c), or_minus_one), on(weft::sleep_for(1ms), [] { return -2; }));
    CHECK(v == -2);
    auto sending = weft::spawn(c.send(3));
    v = co_await select(on(receive(c), or_minus_one), on(weft::sleep_for(1h), [] { return -2; }));
    CHECK(v == 3);
    co_await std::move(sending);
  });
}

TEST_CASE("a case that has lost can be selected on again with the same message") {
  on_one_worker("channel_select_test: again", []() -> task<> {
    channel<std::string> c;
    weft::auto_event tick;
    auto sending = c.send(std::string("a message that is too long to be stored in place"));
    for (int i = 0; i < 3; ++i) {
      tick.set();
      bool const sent = co_await select(on(sending, [](bool s) { return s; }), on(tick.wait(), [] { return false; }));
      CHECK_FALSE(sent);
    }
    auto receiving = weft::spawn(c.receive());
    co_await settle();
    bool const sent = co_await select(on(sending, [](bool s) { return s; }), on(tick.wait(), [] { return false; }));
    CHECK(sent);
    auto const got = co_await std::move(receiving);
    CHECK(got == "a message that is too long to be stored in place");
  });
}

TEST_CASE("two selects that send to each other and receive from each other always meet") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_select_test: double");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  channel<int> a, b;
  constexpr int rounds = 2000;
  std::atomic<int> over_a{0}, over_b{0};
  // One looks at A first, the other at B; the cases are tried in random order besides.
  auto left = pool.spawn([&]() -> task<> {
    for (int i = 0; i < rounds; ++i)
      co_await select(on(send(a, i), [&] { ++over_a; }), on(receive(b), [&] { ++over_b; }));
  });
  auto right = pool.spawn([&]() -> task<> {
    for (int i = 0; i < rounds; ++i) co_await select(on(send(b, i), [] {}), on(receive(a), [] {}));
  });
  left.get();
  right.get();
  CHECK(over_a + over_b == rounds);
}

TEST_CASE("a message that two selects wait for is had by one of them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_select_test: one winner");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  channel<int> a, b;
  std::atomic<int> sum{0}, ended{0};
  auto take = [&](std::optional<int> v) {
    if (!v) return false;
    sum += *v;
    return true;
  };
  std::vector<weft::future<>> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(pool.spawn([&]() -> task<> {
      bool more = true;
      while (more) more = co_await select(on(receive(a), take), on(receive(b), take));
      ++ended;
    }));
  auto sending = pool.spawn([&]() -> task<> {
    for (int i = 1; i <= 500; ++i) co_await select(on(send(a, i), [] {}), on(send(b, i), [] {}));
    a.close();
  });
  sending.get();
  for (auto& f : all) f.get();
  CHECK(sum == 500 * 501 / 2);
  CHECK(ended == 4);
}

TEST_CASE("four senders and four receivers select over four channels, and every message arrives once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const capacity = GENERATE(0, 1, 10);
  weft_test::watchdog const guard("channel_select_test: four");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  channel<int> a{capacity}, b{capacity}, c{capacity}, d{capacity};
  constexpr int each = 300;
  std::atomic<long> sent{0}, had{0};
  std::vector<weft::future<>> senders, receivers;
  for (int s = 0; s < 4; ++s)
    senders.push_back(pool.spawn([&, s]() -> task<> {
      for (int i = 0; i < each; ++i) {
        int const v = s * each + i;
        sent += v;
        co_await select(on(send(a, v), [] {}), on(send(b, v), [] {}), on(send(c, v), [] {}), on(send(d, v), [] {}));
      }
    }));
  for (int r = 0; r < 4; ++r)
    receivers.push_back(pool.spawn([&]() -> task<> {
      auto take = [&](std::optional<int> v) { had += v.value_or(0); };
      for (int i = 0; i < each; ++i)
        co_await select(on(receive(a), take), on(receive(b), take), on(receive(c), take), on(receive(d), take));
    }));
  for (auto& s : senders) s.get();
  for (auto& r : receivers) r.get();
  CHECK(sent == had);
  CHECK(a.size() + b.size() + c.size() + d.size() == 0);
}

TEST_CASE("a message that is there is never missed by a select that does not wait") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_select_test: not missed");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  // A full channel is closed or emptied by another task; a look that comes after one that has seen it must see something.
  int missed = 0;
  for (int i = 0; i < 300; ++i) {
    channel<int> c{1}, other{1};
    static_cast<void>(c.try_send(1));
    static_cast<void>(other.try_send(1));
    auto taking = pool.spawn([&]() -> task<> {
      // One of the two stays, whichever it takes.
      co_await select(on(receive(c), [] {}), on(receive(other), [] {}));
    });
    missed += pool.run([&]() -> task<int> {
      // At any moment at least one has a message, but a look at both takes two moments: after the other task has ended it must be there.
      co_await std::move(taking);
      co_return co_await select(on(receive(c), [] { return 0; }), on(receive(other), [] { return 0; }),
                                otherwise([] { return 1; }));
    });
  }
  CHECK(missed == 0);
}

TEST_CASE(
    "a message or the room for one is taken for a task that waits, and left by a task that goes on with something "
    "else") {
  channel<int> c{1};
  weft_test::takes_or_leaves([&] { return c.send(7); }, [&] { return c.size() == 0; });
  weft_test::takes_or_leaves([&] { return c.receive(); }, [&] { return c.size() == 1; });
  weft_test::waits_or_is_passed_by([&] { return c.receive(); }, [&] { CHECK(c.try_send(8)); },
                                   [&] { return c.size() == 1; });
  weft_test::waits_or_is_passed_by([&] { return c.send(9); }, [&] { CHECK(c.try_receive() == 8); },
                                   [&] { return c.size() == 0; });
  c.close();
  weft_test::takes_or_leaves([&] { return c.receive(); }, [&] { return c.is_closed(); });
  weft_test::takes_or_leaves([&] { return c.send(1); }, [&] { return c.is_closed(); });

  weft::oneshot<int> once;
  REQUIRE(once.send(5));
  weft_test::loose task;
  REQUIRE(task.self.claim());
  auto receives = once.receive();
  decltype(receives)::node mine(task);
  CHECK(receives.enqueue(mine) == weft::detail::enqueued::lost);
  CHECK(once.try_receive() == 5);
}

TEST_CASE("a sender and a receiver meet unless one of them goes on with something else") {
  using weft::detail::enqueued;
  channel<int> c{0};
  weft_test::loose one, other, gone;
  auto sends = c.send(1), sends_in_vain = c.send(2);
  decltype(sends)::node sender(one), too_late(gone);
  REQUIRE(sends_in_vain.enqueue(too_late) == enqueued::waits);
  REQUIRE(sends.enqueue(sender) == enqueued::waits);
  REQUIRE(gone.self.claim());

  auto receives = c.receive(), of_the_same_select = c.receive(), of_nobody = c.receive();
  decltype(receives)::node receiver(other), same(one), nobody(gone);
  CHECK(of_nobody.enqueue(nobody) == enqueued::lost);
  CHECK(of_the_same_select.enqueue(same) == enqueued::waits);
  CHECK(of_the_same_select.withdraw(same) == weft::detail::left::now);
  CHECK(receives.enqueue(receiver) == enqueued::completed);
  CHECK(receives.take() == 1);
  CHECK(sends.take());
  CHECK(one.winner == &sender);
  CHECK(other.winner == &receiver);
  CHECK_FALSE(sends_in_vain.take());
  CHECK(sends_in_vain.withdraw(too_late) == weft::detail::left::now);
}
