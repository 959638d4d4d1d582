// Channels as programs use them: queues of work that are joined, closed and given up, streams that are split, results as they come.
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/on_one_worker.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/channel/channel.hpp>
#include <weft/combine/select.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/wait_group.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

using weft::channel;
using weft::on;
using weft::receive;
using weft::select;
using weft::send;
using weft::task;
using weft_test::ending;
using weft_test::on_one_worker;
using weft_test::settle;

TEST_CASE("who joins a queue of work goes on when all that was sent has been worked off") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const capacity = GENERATE(std::size_t{0}, std::size_t{2}, weft::unbounded);
  weft_test::watchdog const guard("work_queue_test: join");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  channel<int> work{capacity};
  weft::wait_group open;
  std::atomic<int> done{0};
  std::vector<weft::future<>> consumers;
  for (int i = 0; i < 3; ++i)
    consumers.push_back(pool.spawn([&]() -> task<> {
      while (auto v = co_await work.receive()) {
        for (int turn = 0; turn < *v % 3; ++turn) co_await weft::this_task::yield();
        ++done;
        open.done();
      }
    }));
  bool const joined = pool.run([&]() -> task<bool> {
    bool right = true;
    for (int round = 1; round <= 5; ++round) {
      for (int i = 0; i < 20; ++i) {
        open.add();
        right = co_await work.send(i) && right;
      }
      co_await open.wait();
      right = right && done == 20 * round && work.size() == 0;
    }
    work.close();
    co_return right;
  });
  for (auto& c : consumers) c.get();
  CHECK(joined);
}

TEST_CASE("those who share a closed channel have what is left in it once, and then each of them nothing") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("work_queue_test: what is left");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  channel<int> c{100};
  for (int i = 1; i <= 100; ++i) CHECK(c.try_send(i));
  c.close();
  std::vector<weft::future<int>> receivers;
  for (int i = 0; i < 5; ++i)
    receivers.push_back(pool.spawn([&c]() -> task<int> {
      int sum = 0;
      while (auto v = co_await c.receive()) sum += *v;
      co_return sum;
    }));
  int sum = 0;
  for (auto& r : receivers) sum += r.get();
  CHECK(sum == 5050);
}

namespace {

/// What became of each message, by its number.
class ledger {
 public:
  explicit ledger(std::size_t count) : sent_(count), received_(count) {}
  void sent(int v) { ++sent_[static_cast<std::size_t>(v)]; }
  void received(int v) { ++received_[static_cast<std::size_t>(v)]; }
  /// Those that were not received as often as they were sent, or sent twice.
  int wrong() const {
    int n = 0;
    for (std::size_t i = 0; i < sent_.size(); ++i) n += sent_[i] != received_[i] || sent_[i] > 1;
    return n;
  }

 private:
  std::vector<std::atomic<int>> sent_, received_;
};

}  // namespace

TEST_CASE("whatever is stopped and closed meanwhile: what a send says was sent is received, once, and nothing else") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const capacity = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{3}, weft::unbounded);
  weft_test::watchdog const guard("work_queue_test: sends, stops and a close", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr std::size_t senders = 8, each = 20;
  for (int round = 0; round < 10; ++round) {
    channel<int> c{capacity};
    ledger all(senders * each);
    auto sends = [&](int first) -> task<> {
      for (int v = first; v < first + static_cast<int>(each); ++v) {
        bool const was = co_await c.send(v);
        if (!was) co_return;
        all.sent(v);
      }
    };
    auto receives = [&]() -> task<> {
      while (auto v = co_await c.receive()) all.received(*v);
    };
    std::vector<weft::future<>> tasks;
    for (std::size_t i = 0; i < senders; ++i) {
      tasks.push_back(pool.spawn(sends, static_cast<int>(i * each)));
      if (i % 2 == 0) tasks.push_back(pool.spawn(receives));
    }
    for (auto& t : tasks)
      if (random.below(3) == 0) t.stop();
    for (auto n = random.below(200); n != 0; --n) weft::detail::relax();
    c.close();
    for (auto& t : tasks) CHECK(weft_test::ending_of(t) != ending::failed);
    while (auto v = c.try_receive()) all.received(*v);
    CHECK(all.wrong() == 0);
  }
}

TEST_CASE("whatever is stopped and closed meanwhile: a select has sent one message or none, and has one or none") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const capacity = GENERATE(0, 2);
  weft_test::watchdog const guard("work_queue_test: selects, stops and a close", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr std::size_t tasks_of_a_kind = 6, each = 20;
  for (int round = 0; round < 10; ++round) {
    channel<int> a{capacity}, b{capacity};
    ledger all(tasks_of_a_kind * each);
    // Sends its own on either, and takes others' from either.
    auto talks = [&](int first) -> task<> {
      bool open = true;
      for (int v = first; open && v < first + static_cast<int>(each); ++v) {
        bool gone = false;
        auto const note = [&](bool was) {
          if (was) all.sent(v);
          gone = was;
          open = was;
        };
        auto const take = [&](std::optional<int> other) {
          if (other) all.received(*other);
          open = other.has_value();
        };
        while (open && !gone)
          co_await select(on(send(a, v), note), on(receive(b), take), on(send(b, v), note), on(receive(a), take));
      }
    };
    std::vector<weft::future<>> tasks;
    for (std::size_t i = 0; i < tasks_of_a_kind; ++i) tasks.push_back(pool.spawn(talks, static_cast<int>(i * each)));
    for (auto& t : tasks)
      if (random.below(4) == 0) t.stop();
    for (auto n = random.below(2000); n != 0; --n) weft::detail::relax();
    a.close();
    b.close();
    for (auto& t : tasks) CHECK(weft_test::ending_of(t) != ending::failed);
    for (auto* c : {&a, &b})
      while (auto v = c->try_receive()) all.received(*v);
    CHECK(all.wrong() == 0);
  }
}

TEST_CASE("plain or by a select, whoever comes first, with room or without: one message passes") {
  on_one_worker("work_queue_test: all combinations", []() -> task<> {
    for (int combination = 0; combination < 16; ++combination) {
      channel<int> c{combination & 1}, no_message, no_taker;
      bool const selects_to_send = combination & 2, selects_to_receive = combination & 4,
                 sender_first = combination & 8;
      auto sends = [&]() -> task<bool> {
        if (!selects_to_send) co_return co_await c.send(7);
        co_return co_await select(on(send(c, 7), [](bool was) { return was; }),
                                  on(receive(no_message), [] { return false; }));
      };
      auto receives = [&]() -> task<int> {
        if (!selects_to_receive) co_return (co_await c.receive()).value();
        co_return co_await select(on(send(no_taker, 1), [] { return 1; }),
                                  on(receive(c), [](std::optional<int> v) { return *v; }));
      };
      weft::future<bool> sending;
      weft::future<int> receiving;
      if (sender_first) {
        sending = weft::spawn(sends);
        co_await settle();
        receiving = weft::spawn(receives);
      } else {
        receiving = weft::spawn(receives);
        co_await settle();
        sending = weft::spawn(sends);
      }
      int const got = co_await std::move(receiving);
      bool const was = co_await std::move(sending);
      CHECK(got == 7);
      CHECK(was);
      CHECK(c.size() == 0);
      CHECK_FALSE(c.try_receive());
      CHECK_FALSE(no_message.try_send(1));
      CHECK_FALSE(no_taker.try_receive());
    }
  });
}

TEST_CASE("results come in the order in which their work ends") {
  on_one_worker("work_queue_test: as completed", []() -> task<> {
    std::array<weft::event, 5> may_end;
    channel<std::size_t> ended{5};
    std::vector<weft::future<>> working;
    for (std::size_t i = 0; i < may_end.size(); ++i)
      working.push_back(weft::spawn([&, i]() -> task<> {
        co_await may_end[i].wait();
        co_await ended.send(i);
      }));
    co_await settle();
    for (std::size_t const i : {3u, 0u, 4u, 1u, 2u}) {
      CHECK_FALSE(ended.try_receive());
      may_end[i].set();
      auto const next = co_await ended.receive();
      CHECK(next == i);
    }
    for (auto& w : working) co_await std::move(w);
  });
}

TEST_CASE("a stream is split in two, and each half has all of it in order, however far the other one is behind") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("work_queue_test: split");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr int count = 200;
  channel<int> source, left, right;
  auto produces = pool.spawn([&]() -> task<> {
    for (int i = 0; i < count; ++i) co_await source.send(i);
    source.close();
  });
  // The one who is ahead is fed as the stream comes, what the other one has not had yet is kept.
  auto splits = pool.spawn([&]() -> task<> {
    std::vector<int> kept;
    std::size_t to_left = 0, to_right = 0;
    bool open = true;
    while (open || to_left < kept.size() || to_right < kept.size()) {
      if (open && (to_left == kept.size() || to_right == kept.size())) {
        if (auto const v = co_await source.receive()) kept.push_back(*v);
        else open = false;
        continue;
      }
      if (to_left == kept.size()) {
        co_await right.send(kept[to_right++]);
      } else if (to_right == kept.size()) {
        co_await left.send(kept[to_left++]);
      } else {
        auto const l = kept[to_left], r = kept[to_right];
        co_await select(on(send(left, l), [&] { ++to_left; }), on(send(right, r), [&] { ++to_right; }));
      }
    }
    left.close();
    right.close();
  });
  auto reads = [](channel<int>& c, int every) -> task<bool> {
    int expected = 0;
    while (auto const v = co_await c.receive()) {
      if (*v != expected++) co_return false;
      if (expected % every == 0) co_await weft::this_task::yield();
    }
    co_return expected == count;
  };
  auto quick = pool.spawn(reads, std::ref(left), 50), slow = pool.spawn(reads, std::ref(right), 2);
  CHECK(quick.get());
  CHECK(slow.get());
  splits.get();
  produces.get();
}

TEST_CASE("who gives up a queue that it alone fills and empties leaves what is in it to the next") {
  on_one_worker("work_queue_test: given up", []() -> task<> {
    channel<int> c{4};
    weft::event never;
    auto first = weft::spawn([&]() -> task<> {
      for (int i = 0; i < 6; ++i) {
        if (i >= 4) static_cast<void>(co_await c.receive());
        co_await c.send(i);
      }
      co_await never.wait();
    });
    co_await settle();
    first.stop();
    CHECK(weft_test::ending_of(first) == ending::stopped);
    for (int const i : {2, 3, 4, 5}) {
      auto const v = co_await c.receive();
      CHECK(v == i);
    }
    CHECK_FALSE(c.try_receive());
  });
}
