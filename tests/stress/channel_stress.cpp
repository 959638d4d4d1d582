// Channels against stops and closes: what was sent is counted, and what was received. Nothing is lost, and nothing arrives twice.
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/base/config.hpp>
#include <weft/channel/channel.hpp>
#include <weft/combine/select.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

using weft::channel;
using weft::on;
using weft::receive;
using weft::select;
using weft::send;
using weft::task;
using weft_test::ending;

constexpr std::size_t tasks = 24;
constexpr int batches = weft::detail::small_capacities ? 60 : 600;
constexpr auto limit = std::chrono::seconds(250);

/// Who sent how much of what, and who had it.
struct books {
  std::atomic<long> sent{0}, sent_sum{0}, had{0}, had_sum{0}, refused{0};
  void note_sent(bool sent_it, int v) {
    if (!sent_it) {
      ++refused;
      return;
    }
    ++sent;
    sent_sum += v;
  }
  bool note_had(std::optional<int> v) {
    if (!v) return false;
    ++had;
    had_sum += *v;
    return true;
  }
};

/// Stops a random part of the tasks, while they run, and counts those that ended so.
std::size_t stop_some(std::vector<weft::future<>>& all, std::minstd_rand& random) {
  std::size_t const first = random() % tasks, count = random() % tasks;
  for (std::size_t i = 0; i < count; ++i) {
    all[(first + i * 7) % tasks].stop();
    if (random() % 4 == 0) std::this_thread::yield();
  }
  return count;
}

}  // namespace

TEST_CASE("stress: senders and receivers of one channel, of which some are stopped, until it is closed") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_stress: one", limit);
  weft_test::seeded seeds;
  std::minstd_rand random(static_cast<unsigned>(seeds()) | 1u);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  long wrong = 0, stopped = 0, sent = 0;
  for (int b = 0; b < batches || stopped == 0 || sent == 0; ++b) {
    std::array<std::size_t, 4> const capacities{0, 1, 8, weft::unbounded};
    channel<int> c{capacities[random() % 4]};
    books kept;
    auto one = [&](std::size_t me) -> task<> {
      for (int i = 0; i < 20; ++i) {
        if (me % 2 == 0) {
          bool const ok = co_await c.send(i);
          kept.note_sent(ok, i);
          if (!ok) co_return;
        } else {
          if (!kept.note_had(co_await c.receive())) co_return;
        }
        if (i % 8 == static_cast<int>(me % 8)) co_await weft::this_task::yield();
      }
    };
    std::vector<weft::future<>> all;
    for (std::size_t i = 0; i < tasks; ++i) all.push_back(pool.spawn(one, i));
    stop_some(all, random);
    if (random() % 2 == 0) c.close();
    for (std::size_t i = 0; i < random() % 8; ++i) std::this_thread::yield();
    c.close();
    for (auto& f : all) {
      auto const how = weft_test::ending_of(f);
      stopped += how == ending::stopped;
      wrong += how == ending::failed;
    }
    while (kept.note_had(c.try_receive())) {
    }
    wrong += kept.sent != kept.had || kept.sent_sum != kept.had_sum;
    sent += kept.sent;
  }
  CHECK(wrong == 0);
}

TEST_CASE("stress: selects that send and receive over three channels, some of them stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_stress: selects", limit);
  weft_test::seeded seeds;
  std::minstd_rand random(static_cast<unsigned>(seeds()) | 1u);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  long wrong = 0, stopped = 0, sent = 0;
  for (int b = 0; b < batches || sent == 0; ++b) {
    channel<int> x, y{1}, z{random() % 3};
    books kept;
    auto one = [&](std::size_t me) -> task<> {
      auto take = [&](std::optional<int> v) { kept.note_had(v); };
      for (int i = 0; i < 10; ++i) {
        int const v = static_cast<int>(me) * 10 + i;
        auto gave = [&kept, v](bool ok) { kept.note_sent(ok, v); };
        switch ((me + static_cast<std::size_t>(i)) % 5) {
          case 0: co_await select(on(send(x, v), gave), on(receive(y), take)); break;
          case 1: co_await select(on(send(y, v), gave), on(receive(x), take)); break;
          case 2: co_await select(on(receive(z), take), on(send(x, v), gave), on(receive(x), take)); break;
          case 3: co_await select(on(send(z, v), gave), on(send(y, v), gave), on(receive(z), take)); break;
          default: kept.note_sent(co_await x.send(v), v);
        }
      }
    };
    std::vector<weft::future<>> all;
    for (std::size_t i = 0; i < tasks; ++i) all.push_back(pool.spawn(one, i));
    stop_some(all, random);
    for (auto* c : {&x, &y, &z}) c->close();
    for (auto& f : all) {
      auto const how = weft_test::ending_of(f);
      stopped += how == ending::stopped;
      wrong += how == ending::failed;
    }
    for (auto* c : {&x, &y, &z})
      while (kept.note_had(c->try_receive())) {
      }
    wrong += kept.sent != kept.had || kept.sent_sum != kept.had_sum;
    sent += kept.sent;
  }
  CHECK(wrong == 0);
  static_cast<void>(stopped);  // a task that is stopped late has come to its end: how many is up to the machine
}

TEST_CASE("stress: try_send and try_receive from plain threads against tasks that wait") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("channel_stress: try", limit);
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr int rounds = 2000;  // each may cost a turn of the system's scheduler
  for (int const capacity : {0, 2}) {
    channel<int> there{capacity}, back{capacity};
    books kept;
    auto echo = pool.spawn([&]() -> task<> {
      while (auto v = co_await there.receive()) co_await back.send(*v);
    });
    std::thread sender([&] {
      for (int i = 0; i < rounds;) {
        if (there.try_send(i)) kept.note_sent(true, i++);
        else std::this_thread::yield();
      }
    });
    for (int i = 0; i < rounds;) {
      if (kept.note_had(back.try_receive())) ++i;
      else std::this_thread::yield();
    }
    sender.join();
    there.close();
    echo.get();
    CHECK(kept.sent_sum == kept.had_sum);
    CHECK(kept.had == rounds);
  }
}
