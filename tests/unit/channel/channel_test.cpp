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

#include <weft/channel/channel.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::channel;
using weft::task;
using weft::unbounded;
using weft_test::counted;
using weft_test::ending;
using weft_test::on_one_worker;
using weft_test::settle;

static_assert(!std::is_copy_constructible_v<channel<int>> && !std::is_move_constructible_v<channel<int>>);
static_assert(std::is_same_v<weft::await_result_t<decltype(std::declval<channel<int>&>().send(1))>, bool>);
static_assert(
    std::is_same_v<weft::await_result_t<decltype(std::declval<channel<int>&>().receive())>, std::optional<int>>);
static_assert(weft::message<std::unique_ptr<int>> && weft::message<weft::unit> && !weft::message<int&> &&
              !weft::message<int const> && !weft::message<void>);
static_assert(sizeof(channel<int>) <= 192);

namespace {

task<std::vector<int>> receive_all(channel<int>& c) {
  std::vector<int> all;
  while (auto v = co_await c.receive()) all.push_back(*v);
  co_return all;
}

task<> send_from_to(channel<int>& c, int first, int last) {
  for (int i = first; i < last; ++i) {
    bool const sent = co_await c.send(i);
    if (!sent) throw std::logic_error("not sent");
  }
}

std::vector<int> count_to(int n) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

}  // namespace

// ── one by one ──

TEST_CASE("what is sent into a channel with room is received in order") {
  on_one_worker("channel_test: order", []() -> task<> {
    channel<int> c{10};
    for (int i = 0; i < 10; ++i) {
      bool const sent = co_await c.send(i);
      CHECK(sent);
    }
    CHECK(c.size() == 10);
    for (int i = 0; i < 10; ++i) {
      auto const got = co_await c.receive();
      CHECK(got == i);
    }
    CHECK(c.size() == 0);
  });
}

TEST_CASE("a channel tells its capacity and its length") {
  channel<int> none, ten{10}, all{unbounded};
  CHECK(none.capacity() == 0);
  CHECK(ten.capacity() == 10);
  CHECK(all.capacity() == unbounded);
  CHECK(ten.size() == 0);
  CHECK(ten.try_send(1));
  CHECK(ten.try_send(2));
  CHECK(ten.size() == 2);
  CHECK(ten.try_receive() == 1);
  CHECK(ten.size() == 1);
}

TEST_CASE("try_send fills a channel and then says no, and what it did not send stays") {
  channel<std::unique_ptr<int>> c{1};
  auto a = std::make_unique<int>(1), b = std::make_unique<int>(2);
  CHECK(c.try_send(std::move(a)));
  CHECK_FALSE(a);
  CHECK_FALSE(c.try_send(std::move(b)));
  CHECK(b);
  CHECK(*c.try_receive().value() == 1);
  CHECK(c.try_send(std::move(b)));
  CHECK_FALSE(b);
}

TEST_CASE("try_receive takes what is there, and nothing from an empty channel") {
  channel<int> c{2};
  CHECK_FALSE(c.try_receive());
  CHECK(c.try_send(5));
  CHECK(c.try_receive() == 5);
  CHECK_FALSE(c.try_receive());
}

TEST_CASE("nothing is sent into a rendezvous that nobody waits in, and nothing received from it") {
  channel<int> c;
  CHECK_FALSE(c.try_send(1));
  CHECK_FALSE(c.try_receive());
  CHECK(c.size() == 0);
}

TEST_CASE("try_send hands over to one who waits, try_receive takes from one who waits") {
  on_one_worker("channel_test: try", []() -> task<> {
    channel<int> c;
    auto receiver = weft::spawn(c.receive());
    co_await settle();
    CHECK_FALSE(receiver.ready());
    CHECK(c.try_send(3));
    CHECK_FALSE(c.try_send(4));
    auto const three = co_await std::move(receiver);
    CHECK(three == 3);
    auto sender = weft::spawn(c.send(5));
    co_await settle();
    CHECK_FALSE(sender.ready());
    CHECK(c.try_receive() == 5);
    CHECK_FALSE(c.try_receive());
    bool const sent = co_await std::move(sender);
    CHECK(sent);
  });
}

TEST_CASE("a send into a full channel waits until there is room") {
  on_one_worker("channel_test: full", []() -> task<> {
    channel<int> c{2};
    auto sending = weft::spawn(send_from_to, std::ref(c), 0, 3);
    co_await settle();
    CHECK_FALSE(sending.ready());
    CHECK(c.size() == 2);
    auto const first = co_await c.receive();
    CHECK(first == 0);
    CHECK(c.size() == 2);  // what waited has moved in
    co_await settle();
    CHECK(sending.ready());
    CHECK(c.try_receive() == 1);
    CHECK(c.try_receive() == 2);
    co_await std::move(sending);
  });
}

TEST_CASE("a receive from an empty channel waits for a message") {
  auto const capacity = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{10}, unbounded);
  on_one_worker("channel_test: empty", [capacity]() -> task<> {
    channel<int> c{capacity};
    auto receiving = weft::spawn(c.receive());
    co_await settle();
    CHECK_FALSE(receiving.ready());
    bool const sent = co_await c.send(7);
    CHECK(sent);
    CHECK(c.size() == 0);
    auto const v = co_await std::move(receiving);
    CHECK(v == 7);
  });
}

TEST_CASE("a send in a rendezvous waits until its message is received") {
  on_one_worker("channel_test: rendezvous", []() -> task<> {
    channel<int> c;
    auto sending = weft::spawn(c.send(1));
    co_await settle();
    CHECK_FALSE(sending.ready());
    auto const v = co_await c.receive();
    CHECK(v == 1);
    bool const sent = co_await std::move(sending);
    CHECK(sent);
  });
}

TEST_CASE("an unbounded channel takes everything at once") {
  on_one_worker("channel_test: unbounded", []() -> task<> {
    channel<int> c{unbounded};
    for (int i = 0; i < 10'000; ++i) CHECK(c.try_send(i));
    CHECK(c.size() == 10'000);
    c.close();
    auto const all = co_await receive_all(c);
    CHECK(all == count_to(10'000));
  });
}

TEST_CASE("those who wait to receive are served in the order in which they came") {
  auto const capacity = GENERATE(std::size_t{0}, std::size_t{3}, unbounded);
  on_one_worker("channel_test: receivers in order", [capacity]() -> task<> {
    channel<int> c{capacity};
    std::vector<weft::future<std::optional<int>>> waiting;
    for (int i = 0; i < 10; ++i) {
      waiting.push_back(weft::spawn(c.receive()));
      co_await settle();
    }
    for (int i = 0; i < 10; ++i) CHECK(c.try_send(i));
    for (int i = 0; i < 10; ++i) {
      auto const v = co_await std::move(waiting[static_cast<std::size_t>(i)]);
      CHECK(v == i);
    }
  });
}

TEST_CASE("those who wait to send are served in the order in which they came") {
  auto const capacity = GENERATE(0, 3);
  on_one_worker("channel_test: senders in order", [capacity]() -> task<> {
    channel<int> c{capacity};
    std::vector<weft::future<bool>> waiting;
    for (int i = 0; i < 10; ++i) {
      waiting.push_back(weft::spawn(c.send(i)));
      co_await settle();
    }
    for (int i = 0; i < 10; ++i) {
      auto const got = co_await c.receive();
      CHECK(got == i);
    }
    for (auto& w : waiting) {
      bool const sent = co_await std::move(w);
      CHECK(sent);
    }
  });
}

TEST_CASE("one who comes late does not pass those who wait") {
  on_one_worker("channel_test: no passing", []() -> task<> {
    channel<int> c{1};
    CHECK(c.try_send(0));
    auto waiting = weft::spawn(c.send(1));
    co_await settle();
    {
      auto const got = co_await c.receive();
      CHECK(got == 0);
    }
    // The room went to the one who waited.
    CHECK_FALSE(c.try_send(2));
    {
      auto const got = co_await c.receive();
      CHECK(got == 1);
    }
    CHECK(c.try_send(2));
    bool const sent = co_await std::move(waiting);
    CHECK(sent);
  });
}

// ── close ──

TEST_CASE("after a close what was sent is received, and then nothing") {
  auto const capacity = GENERATE(std::size_t{4}, unbounded);
  on_one_worker("channel_test: drain", [capacity]() -> task<> {
    channel<int> c{capacity};
    for (int i = 0; i < 4; ++i) CHECK(c.try_send(i));
    c.close();
    CHECK(c.is_closed());
    CHECK(c.size() == 4);
    for (int i = 0; i < 4; ++i) {
      auto const got = co_await c.receive();
      CHECK(got == i);
    }
    for (int i = 0; i < 3; ++i) {
      auto const got = co_await c.receive();
      CHECK(got == std::nullopt);
    }
    CHECK_FALSE(c.try_receive());
  });
}

TEST_CASE("a send into a closed channel says false, with room or without") {
  auto const capacity = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2}, unbounded);
  on_one_worker("channel_test: closed", [capacity]() -> task<> {
    channel<int> c{capacity};
    static_cast<void>(c.try_send(9));
    auto const before = c.size();
    c.close();
    {
      bool const sent = co_await c.send(1);
      CHECK_FALSE(sent);
    }
    CHECK_FALSE(c.try_send(1));
    CHECK(c.size() == before);
  });
}

TEST_CASE("a close ends every receive that waits, and every send") {
  on_one_worker("channel_test: close wakes", []() -> task<> {
    channel<int> empty{1}, full{1};
    CHECK(full.try_send(1));
    std::vector<weft::future<std::optional<int>>> receiving;
    std::vector<weft::future<bool>> sending;
    for (int i = 0; i < 5; ++i) {
      receiving.push_back(weft::spawn(empty.receive()));
      sending.push_back(weft::spawn(full.send(i)));
    }
    co_await settle();
    empty.close();
    full.close();
    for (auto& r : receiving) {
      auto const v = co_await std::move(r);
      CHECK_FALSE(v);
    }
    for (auto& s : sending) {
      bool const sent = co_await std::move(s);
      CHECK_FALSE(sent);
    }
    CHECK(full.try_receive() == 1);
    CHECK_FALSE(full.try_receive());
  });
}

TEST_CASE("a channel may be closed again, and while it is empty") {
  channel<int> c{1};
  CHECK_FALSE(c.is_closed());
  c.close();
  c.close();
  CHECK(c.is_closed());
  CHECK_FALSE(c.try_send(1));
}

// ── values ──

TEST_CASE("what is borrowed is moved from if it is sent, and only then") {
  on_one_worker("channel_test: borrowed", []() -> task<> {
    channel<std::unique_ptr<int>> c{1};
    auto v = std::make_unique<int>(1), kept = std::make_unique<int>(2);
    bool sent = co_await c.send(std::ref(v));
    CHECK(sent);
    CHECK_FALSE(v);
    auto waiting = weft::spawn(c.send(std::ref(kept)));
    co_await settle();
    CHECK(kept);
    c.close();
    sent = co_await std::move(waiting);
    CHECK_FALSE(sent);
    REQUIRE(kept);
    CHECK(*kept == 2);
    sent = co_await c.send(std::ref(kept));
    CHECK_FALSE(sent);
    CHECK(kept);
  });
}

TEST_CASE("a lvalue is copied: its owner keeps it") {
  on_one_worker("channel_test: copied", []() -> task<> {
    channel<std::string> c{2};
    std::string const s = "a string that is too long to be stored in place";
    {
      bool const sent = co_await c.send(s);
      CHECK(sent);
    }
    CHECK(c.try_send(s));
    CHECK(s.size() == 47);
    {
      auto const got = co_await c.receive();
      CHECK(got == s);
    }
    CHECK(c.try_receive() == s);
  });
}

TEST_CASE("a message is moved, never copied, and destroyed once") {
  counted::reset();
  on_one_worker("channel_test: counted", []() -> task<> {
    channel<counted> direct, kept{2};
    auto receiving = weft::spawn(direct.receive());
    co_await settle();
    {
      bool const sent = co_await direct.send(counted(1));
      CHECK(sent);
    }
    auto const a = co_await std::move(receiving);
    CHECK(a->value() == 1);
    for (int i = 0; i < 2; ++i) {
      bool const sent = co_await kept.send(counted(i));
      CHECK(sent);
    }
    auto waiting = weft::spawn(kept.send(counted(2)));
    co_await settle();
    for (int i = 0; i < 3; ++i) {
      auto const got = co_await kept.receive();
      CHECK(got->value() == i);
    }
    bool const sent = co_await std::move(waiting);
    CHECK(sent);
  });
  CHECK(counted::copies() == 0);
  CHECK(counted::live() == 0);
}

TEST_CASE("messages that nobody receives are destroyed with the channel") {
  counted::reset();
  for (std::size_t const capacity : {std::size_t{10}, unbounded}) {
    channel<counted> c{capacity};
    for (int i = 0; i < 10; ++i) CHECK(c.try_send(counted(i)));
    CHECK(counted::live() == 10);
    c.close();
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("messages may be empty, large, channels, or functions") {
  on_one_worker("channel_test: kinds", []() -> task<> {
    channel<weft::unit> signals{3};
    CHECK(signals.try_send({}));
    CHECK(signals.try_receive() == weft::unit{});

    struct large {
      std::array<int, 1000> numbers;
    };
    channel<large> big{2};
    large l{};
    l.numbers[999] = 7;
    {
      bool const sent = co_await big.send(l);
      CHECK(sent);
    }
    auto const large_one = co_await big.receive();
    CHECK(large_one->numbers[999] == 7);

    // The answer comes over a channel that the question carries.
    struct question {
      int n;
      channel<int>* answers;
    };
    channel<question> questions;
    auto server = weft::spawn([&questions]() -> task<> {
      while (auto q = co_await questions.receive()) co_await q->answers->send(q->n * q->n);
    });
    channel<int> answers;
    question const q{12, &answers};
    {
      bool const sent = co_await questions.send(q);
      CHECK(sent);
    }
    {
      auto const got = co_await answers.receive();
      CHECK(got == 144);
    }
    questions.close();
    co_await std::move(server);

    channel<std::function<int()>> calls{1};
    bool const posted = co_await calls.send([] { return 5; });
    CHECK(posted);
    {
      auto const got = co_await calls.receive();
      CHECK(got.value()() == 5);
    }

    int n = 3;
    channel<std::reference_wrapper<int>> references{1};
    {
      bool const sent = co_await references.send(std::ref(n));
      CHECK(sent);
    }
    (co_await references.receive())->get() = 4;
    CHECK(n == 4);
  });
}

// ── stop ──

TEST_CASE("a stopped receive leaves the queue and takes nothing") {
  on_one_worker("channel_test: stopped receive", []() -> task<> {
    channel<int> c{1};
    auto first = weft::spawn(c.receive());
    auto second = weft::spawn(c.receive());
    co_await settle();
    first.stop();
    CHECK(weft_test::ending_of(first) == ending::stopped);
    CHECK(c.try_send(1));
    auto const v = co_await std::move(second);
    CHECK(v == 1);
    CHECK(c.size() == 0);
  });
}

TEST_CASE("a stopped send leaves the queue, and its message was not sent") {
  on_one_worker("channel_test: stopped send", []() -> task<> {
    channel<std::unique_ptr<int>> c;
    auto kept = std::make_unique<int>(1);
    auto first = weft::spawn(c.send(std::ref(kept)));
    auto second = weft::spawn(c.send(std::make_unique<int>(2)));
    co_await settle();
    first.stop();
    CHECK(weft_test::ending_of(first) == ending::stopped);
    CHECK(kept);
    CHECK(*c.try_receive().value() == 2);
    CHECK_FALSE(c.try_receive());
    bool const sent = co_await std::move(second);
    CHECK(sent);
  });
}

TEST_CASE("a message that was handed over before the stop is delivered") {
  on_one_worker("channel_test: handed over", []() -> task<> {
    channel<int> c;
    auto receiving = weft::spawn(c.receive());
    co_await settle();
    CHECK(c.try_send(1));
    receiving.stop();
    auto const v = co_await std::move(receiving);
    CHECK(v == 1);
  });
}

TEST_CASE("a send that was taken before the stop says that it was sent") {
  auto const capacity = GENERATE(0, 1);
  on_one_worker("channel_test: taken", [capacity]() -> task<> {
    channel<int> c{capacity};
    static_cast<void>(c.try_send(0));
    auto sending = weft::spawn(c.send(1));
    co_await settle();
    CHECK(c.try_receive() == 1 - capacity);
    sending.stop();
    bool const sent = co_await std::move(sending);
    CHECK(sent);
  });
}

TEST_CASE("a stop just before the message: the next in the queue gets it") {
  on_one_worker("channel_test: stop first", []() -> task<> {
    channel<int> c;
    auto first = weft::spawn(c.receive());
    auto second = weft::spawn(c.receive());
    co_await settle();
    first.stop();
    CHECK(c.try_send(1));
    CHECK_FALSE(c.try_send(2));
    CHECK(weft_test::ending_of(first) == ending::stopped);
    auto const v = co_await std::move(second);
    CHECK(v == 1);
  });
}

TEST_CASE("a task that has been asked to stop still gets what is there, and does not wait") {
  on_one_worker("channel_test: stopped before", []() -> task<> {
    channel<int> c{1};
    CHECK(c.try_send(1));
    auto f = weft::spawn([&c]() -> task<int> {
      int const there = (co_await c.receive()).value();
      {
        bool const sent = co_await c.send(2);
        CHECK(sent);
      }
      co_await c.send(3);
      co_return there;
    });
    f.stop();
    CHECK(weft_test::ending_of(f) == ending::stopped);
    CHECK(c.try_receive() == 2);
    CHECK_FALSE(c.try_receive());
    co_return;
  });
}

TEST_CASE("a receive within a time gets a message or times out, and then takes none") {
  on_one_worker("channel_test: timeout", []() -> task<> {
    channel<int> c;
    bool late = false;
    try {
      co_await weft::timeout(2ms, c.receive());
    } catch (weft::timed_out const&) {
      late = true;
    }
    CHECK(late);
    CHECK_FALSE(c.try_send(1));
    auto sending = weft::spawn(c.send(2));
    auto const v = co_await weft::timeout(1h, c.receive());
    CHECK(v == 2);
    co_await std::move(sending);
  });
}

TEST_CASE("a stopped channel user leaves room and order as they were") {
  on_one_worker("channel_test: middle", []() -> task<> {
    channel<int> c{1};
    CHECK(c.try_send(0));
    std::vector<weft::future<bool>> waiting;
    for (int i = 1; i < 6; ++i) {
      waiting.push_back(weft::spawn(c.send(i)));
      co_await settle();
    }
    waiting[1].stop();
    waiting[3].stop();
    co_await settle();
    for (int const i : {0, 1, 3, 5}) {
      auto const got = co_await c.receive();
      CHECK(got == i);
    }
    CHECK_FALSE(c.try_receive());
    for (auto& w : waiting) static_cast<void>(weft_test::ending_of(w));
  });
}

// ── many ──

TEST_CASE("a stream of messages arrives complete and in order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const capacity = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{13}, unbounded);
  weft_test::watchdog const guard("channel_test: stream");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  channel<int> c{capacity};
  auto sending = pool.spawn([&]() -> task<> {
    co_await send_from_to(c, 0, 3000);
    c.close();
  });
  auto const all = pool.run(receive_all, std::ref(c));
  sending.get();
  CHECK(all == count_to(3000));
}

TEST_CASE("each message of many senders is received once, and those of one sender in order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const capacity = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{10}, unbounded);
  weft_test::watchdog const guard("channel_test: many");
  weft_test::balance const balance;
  constexpr int senders = 5, receivers = 4, each = 400;
  weft::pool pool{{.workers = workers}};
  channel<std::pair<int, int>> c{capacity};
  std::vector<weft::future<>> sending;
  for (int s = 0; s < senders; ++s)
    sending.push_back(pool.spawn([&c, s]() -> task<> {
      for (int i = 0; i < each; ++i) {
        bool const sent = co_await c.send(std::pair(s, i));
        if (!sent) throw std::logic_error("not sent");
      }
    }));
  std::vector<weft::future<bool>> receiving;
  std::array<std::atomic<int>, senders> sums{};
  for (int r = 0; r < receivers; ++r)
    receiving.push_back(pool.spawn([&]() -> task<bool> {
      std::array<int, senders> last;
      last.fill(-1);
      bool in_order = true;
      while (auto v = co_await c.receive()) {
        auto const s = static_cast<std::size_t>(v->first);
        in_order = in_order && last[s] < v->second;
        last[s] = v->second;
        sums[s] += v->second;
      }
      co_return in_order;
    }));
  for (auto& s : sending) s.get();
  c.close();
  for (auto& r : receiving) CHECK(r.get());
  for (auto const& sum : sums) CHECK(sum == each * (each - 1) / 2);
}

TEST_CASE("two tasks play ping-pong") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const capacity = GENERATE(0, 1);
  weft_test::watchdog const guard("channel_test: ping-pong");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  channel<int> there{capacity}, back{capacity};
  auto other = pool.spawn([&]() -> task<> {
    while (auto v = co_await there.receive()) co_await back.send(*v + 1);
  });
  int const last = pool.run([&]() -> task<int> {
    int v = 0;
    for (int i = 0; i < 1000; ++i) {
      co_await there.send(v);
      v = (co_await back.receive()).value();
    }
    co_return v;
  });
  there.close();
  other.get();
  CHECK(last == 1000);
}

TEST_CASE("a chain of ten thousand tasks passes a number on") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_test: chain");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr std::size_t length = weft::detail::small_capacities ? 1000 : 10'000;
  std::vector<std::unique_ptr<channel<int>>> links;
  for (std::size_t i = 0; i <= length; ++i) links.push_back(std::make_unique<channel<int>>());
  for (std::size_t i = 0; i < length; ++i) {
    auto passing = pool.spawn([from = links[i].get(), to = links[i + 1].get()]() -> task<> {
      auto const v = co_await from->receive();
      co_await to->send(*v + 1);
    });
    static_cast<void>(passing);
  }
  auto first = pool.spawn(links.front()->send(0));
  CHECK(pool.run(links.back()->receive()) == static_cast<int>(length));
  CHECK(first.get());
  pool.shutdown(weft::drain_or_stop::drain);
}

TEST_CASE("a sieve of channels finds the primes") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_test: sieve");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const primes = pool.run([]() -> task<std::vector<int>> {
    std::vector<std::unique_ptr<channel<int>>> stages;
    std::vector<weft::future<>> running;
    stages.push_back(std::make_unique<channel<int>>());
    running.push_back(weft::spawn([c = stages[0].get()]() -> task<> {
      for (int i = 2; co_await c->send(i); ++i) {
      }
    }));
    std::vector<int> found;
    for (int i = 0; i < 30; ++i) {
      auto* const from = stages.back().get();
      int const prime = (co_await from->receive()).value();
      found.push_back(prime);
      stages.push_back(std::make_unique<channel<int>>());
      running.push_back(weft::spawn([from, to = stages.back().get(), prime]() -> task<> {
        while (auto v = co_await from->receive())
          if (*v % prime != 0 && !co_await to->send(*v)) break;
      }));
    }
    for (auto& s : stages) s->close();
    for (auto& r : running) co_await std::move(r);
    co_return found;
  });
  REQUIRE(primes.size() == 30);
  CHECK(primes[29] == 113);
}

TEST_CASE("a channel is used from plain threads") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_test: threads");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  channel<int> c{3};
  std::thread sender([&] {
    for (int i = 0; i < 100; ++i) static_cast<void>(pool.run(c.send(i)));
    c.close();
  });
  int sum = 0, n = 0;
  while (auto v = pool.run(c.receive())) {
    CHECK(*v == n++);
    sum += *v;
  }
  sender.join();
  CHECK(sum == 4950);
}

TEST_CASE("plain threads send without waiting, and tasks receive") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_test: try from threads");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  channel<int> c{unbounded};
  auto all = pool.spawn(receive_all, std::ref(c));
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&c] {
      for (int i = 0; i < 300; ++i) static_cast<void>(c.try_send(i));
    });
  for (auto& t : threads) t.join();
  c.close();
  auto const got = all.get();
  CHECK(std::accumulate(got.begin(), got.end(), 0) == 3 * 44850);
}

TEST_CASE("whoever has the last message may destroy the channel") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_test: destroyed by the receiver");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 300; ++i) {
    auto c = std::make_unique<channel<int>>(i % 2);
    auto sending = pool.spawn([c = c.get()]() -> task<bool> { co_return co_await c->send(7); });
    int const v = pool.run([&c]() -> task<int> {
      int const got = (co_await c->receive()).value();
      c.reset();
      co_return got;
    });
    CHECK(v == 7);
    CHECK(sending.get());
  }
}

TEST_CASE("a send that waits allocates nothing") {
  on_one_worker("channel_test: allocations", []() -> task<> {
    channel<int> c{4}, back;
    auto echo = weft::spawn([&]() -> task<> {
      while (auto v = co_await c.receive()) co_await back.send(*v);
    });
    std::int64_t before = 0;
    for (int i = 0; i < 100; ++i) {
      if (i == 20) before = weft_test::allocation_count();
      co_await c.send(i);
      co_await back.receive();
    }
    CHECK(weft_test::allocation_count() == before);
    c.close();
    co_await std::move(echo);
  });
}

TEST_CASE("misuse of a channel ends the program with a sentence") {
  weft_test::expect_misuse("the capacity of a channel is not negative", [] { channel<int> c{-1}; });
  weft_test::expect_misuse("a channel is destroyed while tasks wait in it", [] {
    struct somebody : weft::detail::selection {
      somebody() noexcept : selection(nullptr) {}
    } waiting;
    channel<int> c;
    auto receiving = c.receive();
    decltype(receiving)::node node(waiting);
    static_cast<void>(receiving.enqueue(node));
  });
}
