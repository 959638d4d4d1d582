#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/on_one_worker.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/sync/waiting.hpp"

#include <weft/channel/actor.hpp>
#include <weft/channel/channel.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using weft::actor;
using weft::task;
using weft_test::counted;
using weft_test::ending;
using weft_test::on_one_worker;
using weft_test::settle;

namespace {

/// Not protected by anything but its actor.
class account {
 public:
  explicit account(int balance = 0) : balance_(balance) {}
  int deposit(int n) { return balance_ += n; }
  void withdraw(int n) {
    if (n > balance_) throw std::runtime_error("not enough");
    balance_ -= n;
  }
  int balance() const { return balance_; }
  task<int> add_slowly(int n) {
    int const before = balance_;
    co_await weft::this_task::yield();
    balance_ = before + n;
    co_return balance_;
  }
  task<> wait_for(weft::event& e) {
    co_await e.wait();
    ++balance_;
  }
  std::unique_ptr<int> take(std::unique_ptr<int> p) {
    *p += balance_;
    return p;
  }

 private:
  int balance_;
};

std::atomic<int> failures{0};
std::string last_failure;

}  // namespace

TEST_CASE("a call gives what the member gives, computed or awaited") {
  on_one_worker("actor_test: call", []() -> task<> {
    actor<account> a{10};
    int v = co_await a.call(&account::deposit, 5);
    CHECK(v == 15);
    co_await a.call(&account::withdraw, 1);
    v = co_await a.call(&account::balance);
    CHECK(v == 14);
    v = co_await a.call(&account::add_slowly, 6);
    CHECK(v == 20);
    v = co_await a.call([](account& s, int n) { return s.balance() * n; }, 2);
    CHECK(v == 40);
    auto p = co_await a.call(&account::take, std::make_unique<int>(1));
    CHECK(*p == 21);
  });
}

TEST_CASE("a failure reaches the caller, and the actor goes on") {
  on_one_worker("actor_test: failure", []() -> task<> {
    actor<account> a{1};
    std::string said;
    try {
      co_await a.call(&account::withdraw, 2);
    } catch (std::runtime_error const& e) {
      said = e.what();
    }
    CHECK(said == "not enough");
    int const v = co_await a.call(&account::balance);
    CHECK(v == 1);
  });
}

TEST_CASE("calls are one at a time, those that wait in between too") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("actor_test: one at a time");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  actor<account> a;
  std::vector<weft::future<>> all;
  for (int t = 0; t < 8; ++t)
    all.push_back(pool.spawn([&a, t]() -> task<> {
      for (int i = 0; i < 100; ++i) {
        if ((i + t) % 3 == 0) co_await a.call(&account::add_slowly, 1);
        else if ((i + t) % 3 == 1) co_await a.call(&account::deposit, 1);
        else a.post(&account::deposit, 1);
      }
    }));
  for (auto& f : all) f.get();
  CHECK(pool.run(a.call(&account::balance)) == 800);
}

TEST_CASE("calls and posts begin in the order in which they were made") {
  on_one_worker("actor_test: order", []() -> task<> {
    actor<std::vector<int>> a;
    auto note = [](std::vector<int>& v, int n) -> task<> {
      v.push_back(n);
      co_await weft::this_task::yield();
      v.push_back(n);
    };
    std::vector<weft::future<>> calls;
    for (int i = 0; i < 10; ++i) {
      if (i % 2 == 0) {
        a.post(note, i);
      } else {
        calls.push_back(weft::spawn(a.call(note, i)));
        co_await settle();
      }
    }
    auto const seen = co_await a.call([](std::vector<int>& v) { return v; });
    REQUIRE(seen.size() == 20);
    for (int i = 0; i < 20; ++i) CHECK(seen[static_cast<std::size_t>(i)] == i / 2);
    for (auto& c : calls) co_await std::move(c);
  });
}

TEST_CASE("what a plain thread posts is done in order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("actor_test: threads");
  weft::pool pool{{.workers = workers}};
  actor<std::vector<int>> a;
  for (int i = 0; i < 500; ++i) a.post([](std::vector<int>& v, int n) { v.push_back(n); }, i);
  auto const seen = pool.run(a.call([](std::vector<int>& v) { return v; }));
  REQUIRE(seen.size() == 500);
  for (int i = 0; i < 500; ++i) CHECK(seen[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a failing post goes to the pool's handler, and those behind it are done") {
  failures = 0;
  weft_test::watchdog const guard("actor_test: failing post");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1, .on_failure = [](std::exception_ptr e) noexcept {
                                      try {
                                        std::rethrow_exception(e);
                                      } catch (std::exception const& x) {
                                        last_failure = x.what();
                                      }
                                      ++failures;
                                    }}};
  actor<account> a{1};
  pool.run([&] {
    a.post(&account::withdraw, 5);
    a.post(&account::deposit, 1);
  });
  CHECK(pool.run(a.call(&account::balance)) == 2);
  CHECK(failures == 1);
  CHECK(last_failure == "not enough");
  last_failure = {};
}

TEST_CASE("a stopped call leaves the queue, and one at its turn is asked to stop") {
  on_one_worker("actor_test: stop", []() -> task<> {
    actor<account> a{0};
    weft::event never;
    auto at_it = weft::spawn(a.call(&account::wait_for, std::ref(never)));
    co_await settle();
    auto waiting = weft::spawn(a.call(&account::deposit, 1));
    auto behind = weft::spawn(a.call(&account::deposit, 10));
    co_await settle();
    waiting.stop();
    CHECK(weft_test::ending_of(waiting) == ending::stopped);
    CHECK_FALSE(behind.ready());
    at_it.stop();
    CHECK(weft_test::ending_of(at_it) == ending::stopped);
    int const v = co_await std::move(behind);
    CHECK(v == 10);
  });
}

TEST_CASE("the end of an actor does not wait, and what was posted is still done before its state is destroyed") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("actor_test: end");
  weft_test::balance const balance;
  counted::reset();
  std::atomic<int> done{0};
  {
    weft::pool pool{{.workers = workers}};
    pool.run([&] {
      actor<counted> a{7};
      for (int i = 0; i < 100; ++i)
        a.post([&done](counted& c) -> task<> {
          co_await weft::this_task::yield();
          done += c.value() == 7;
        });
    });
    pool.shutdown(weft::drain_or_stop::drain);
  }
  CHECK(done == 100);
  CHECK(counted::live() == 0);
}

TEST_CASE("two actors call each other back and forth") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("actor_test: two");
  weft_test::balance const balance;
  struct player {
    int hits = 0;
    task<int> hit(actor<player>& other, weft::channel<int>& end, int left) {
      ++hits;
      // Posted: a call would wait for the other, who waits for this one.
      if (left == 0) co_await end.send(hits);
      else other.post([&me = other, &end, left](player& p) -> task<> { co_await p.hit(me, end, left - 1); });
      co_return hits;
    }
  };
  weft::pool pool{{.workers = workers}};
  actor<player> a;
  weft::channel<int> end{1};
  pool.run([&] { a.post(&player::hit, std::ref(a), std::ref(end), 100); });
  CHECK(pool.run(end.receive()) == 101);
}

TEST_CASE("an actor's state is made of its arguments, and need not be copied or moved") {
  struct pinned_state {
    pinned_state(std::string s, int n) : text(std::move(s)), number(n) {}
    pinned_state(pinned_state const&) = delete;
    std::string text;
    int number;
  };
  weft::pool pool{{.workers = 1}};
  actor<pinned_state> a{"seven", 7};
  CHECK(pool.run(a.call([](pinned_state& s) { return s.text + std::to_string(s.number); })) == "seven7");
}
