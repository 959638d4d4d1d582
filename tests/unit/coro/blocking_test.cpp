#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/no_new_threads.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/sched/pool.hpp>

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using weft::blocking;
using weft::task;
using weft_test::counted;

namespace {

int add(int a, int b) { return a + b; }

/// Opened once; those who wait for it block their thread.
class gate {
 public:
  void open() {
    open_ = true;
    open_.notify_all();
  }
  void wait() const { open_.wait(false); }

 private:
  std::atomic<bool> open_{false};
};

/// A pipe whose ends block, and whether somebody has begun to read it.
class blocking_pipe {
 public:
  blocking_pipe() { REQUIRE(::pipe(ends_) == 0); }
  blocking_pipe(blocking_pipe const&) = delete;
  blocking_pipe& operator=(blocking_pipe const&) = delete;
  ~blocking_pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }

  /// As read(2), of one byte.
  ssize_t read(char& byte) {
    begun_ = true;
    return ::read(ends_[0], &byte, 1);
  }
  void write() { CHECK(::write(ends_[1], "x", 1) == 1); }
  /// A reader sleeps when this returns, or is just about to: one that began after no_reader_yet.
  void wait_for_reader() const {
    while (!begun_) std::this_thread::yield();
  }
  /// While nobody reads.
  void no_reader_yet() { begun_ = false; }

 private:
  int ends_[2];
  std::atomic<bool> begun_{false};
};

}  // namespace

TEST_CASE("blocking gives what the call returned: a value, a reference, something that only moves, nothing") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: results");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int number = 3;
  bool touched = false;
  int const sum = pool.run([&]() -> task<int> {
    int const a = co_await blocking(add, 1, 2);
    int& same = co_await blocking([&number]() -> int& { return number; });
    auto const owned = co_await blocking([] { return std::make_unique<int>(5); });
    co_await blocking([&touched] { touched = true; });
    int const moved = co_await blocking([](std::unique_ptr<int> p) { return *p; }, std::make_unique<int>(7));
    co_return a + (&same == &number ? 10 : 0) + *owned + moved;
  });
  CHECK(sum == 25);
  CHECK(touched);
  CHECK(pool.run(blocking(add, 2, 2)) == 4);
  CHECK(pool.spawn(blocking(add, 2, 3)).get() == 5);
}

TEST_CASE("a blocking call is made on a thread that is no worker, and its task goes on in the pool") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: threads");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool outside = false;
  bool const back = pool.run([&]() -> task<bool> {
    co_await blocking([&outside] { outside = weft::pool::current() == nullptr; });
    co_return weft::pool::current() == &pool;
  });
  CHECK(outside);
  CHECK(back);
}

TEST_CASE("an exception from a blocking call arrives in the task") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: exceptions");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  CHECK_THROWS_WITH(pool.run(blocking([]() -> int { throw std::runtime_error("no such disk"); })), "no such disk");
  CHECK_THROWS_AS(pool.run(blocking([](counted) { throw 1; }, counted(1))), int);
  CHECK(counted::live() == 0);
}

TEST_CASE("while a call blocks, the only worker does other things") {
  weft_test::watchdog const guard("blocking_test: the worker is free");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  gate opened;
  pool.run([&opened]() -> task<> {
    co_await weft::when_all(blocking([&opened] { opened.wait(); }), [&opened] { opened.open(); });
  });
}

TEST_CASE("more calls than threads wait their turn, and no more threads than allowed are used") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: many");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers, .max_blocking = 3}};
  std::atomic<int> inside{0}, most{0}, made{0};
  auto call = [&]() -> task<> {
    co_await blocking([&] {
      int const now = ++inside;
      int seen = most;
      while (seen < now && !most.compare_exchange_weak(seen, now)) {
      }
      std::this_thread::yield();
      ++made;
      --inside;
    });
  };
  pool.run([&]() -> task<> {
    std::vector<task<>> all;
    for (int i = 0; i < 300; ++i) all.push_back(call());
    auto operation = weft::when_all(std::move(all));
    co_await std::move(operation);
  });
  CHECK(made == 300);
  CHECK(most >= 1);
  CHECK(most <= 3);
}

TEST_CASE("three calls that wait for each other are made at the same time where three threads are allowed") {
  weft_test::watchdog const guard("blocking_test: at the same time");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1, .max_blocking = 3}};
  std::atomic<int> here{0};
  auto meet = [&here] {
    ++here;
    while (here != 3) std::this_thread::yield();
  };
  pool.run([&meet]() -> task<> { co_await weft::when_all(blocking(meet), blocking(meet), blocking(meet)); });
  CHECK(here == 3);
}

TEST_CASE("calls beyond the threads begin in the order in which they were awaited") {
  weft_test::watchdog const guard("blocking_test: order");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1, .max_blocking = 1}};
  std::vector<int> order;  // by the one blocking thread
  auto call = [&order](int i) -> task<> { co_await blocking([&order, i] { order.push_back(i); }); };
  pool.run([&]() -> task<> {
    std::vector<task<>> all;
    for (int i = 0; i < 50; ++i) all.push_back(call(i));
    auto operation = weft::when_all(std::move(all));
    co_await std::move(operation);
  });
  CHECK(order.size() == 50);
  CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("a call that has not begun when its task is asked to stop is not made") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: stopped while it waits");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers, .max_blocking = 1}};
  gate opened;
  std::atomic<bool> occupied{false};
  bool made = false;
  auto first = pool.spawn([&]() -> task<> {
    co_await blocking([&] {
      occupied = true;
      opened.wait();
    });
  });
  while (!occupied) std::this_thread::yield();
  auto second = pool.spawn([&made]() -> task<> { co_await blocking([&made] { made = true; }); });
  second.stop();
  CHECK_THROWS_AS(second.get(), weft::stopped);
  CHECK_FALSE(made);
  opened.open();
  first.get();
}

TEST_CASE("a call that has begun runs to its end, whoever asks for a stop, and its value is delivered") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: stopped while it runs");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  gate opened;
  std::atomic<bool> begun{false};
  auto f = pool.spawn([&]() -> task<int> {
    co_return co_await blocking([&] {
      begun = true;
      opened.wait();
      return 11;
    });
  });
  while (!begun) std::this_thread::yield();
  f.stop();
  opened.open();
  CHECK(f.get() == 11);
}

TEST_CASE("in a task that has been asked to stop already, no call is made") {
  weft_test::watchdog const guard("blocking_test: stopped before");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  bool made = false;
  auto f = pool.spawn([&]() -> task<> {
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    co_await blocking([&made] { made = true; });
  });
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK_FALSE(made);
}

TEST_CASE("stops and calls that begin at the same moment leave nothing behind") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: stop races");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers, .max_blocking = 2}};
  std::atomic<int> made{0};
  int stops = 0, values = 0;
  for (int i = 0; i < 200; ++i) {
    auto f = pool.spawn([&made]() -> task<> { co_await blocking([&made] { ++made; }); });
    if (i % 3 == 0) std::this_thread::yield();
    f.stop();
    try {
      f.get();
      ++values;
    } catch (weft::stopped const&) {
      ++stops;
    }
  }
  CHECK(made == values);
  CHECK(stops + values == 200);
}

TEST_CASE("a call that takes a token sees the stop of its task, and gives what it returns all the same") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: token");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> begun{false};
  auto until_stopped = [&begun](weft::stop_token token, int value) {
    begun = true;
    while (!token.stop_requested()) std::this_thread::yield();
    return value;
  };
  auto f = pool.spawn(blocking(until_stopped, 5));
  while (!begun) std::this_thread::yield();
  CHECK_FALSE(f.ready());
  f.stop();
  CHECK(f.get() == 5);
  // It may say that it has been stopped, too.
  begun = false;
  auto g = pool.spawn(blocking([&](weft::stop_token token) {
    static_cast<void>(until_stopped(token, 0));
    token.throw_if_stopped();
  }));
  while (!begun) std::this_thread::yield();
  g.stop();
  CHECK_THROWS_AS(g.get(), weft::stopped);
}

TEST_CASE("a token comes first where the call takes one, and else is no argument") {
  weft_test::watchdog const guard("blocking_test: with and without token");
  weft::pool pool{{.workers = 2}};
  auto with = [](weft::stop_token token, std::unique_ptr<int> p) { return token.stop_possible() ? *p : 0; };
  auto without = [](std::unique_ptr<int> p) { return -*p; };
  auto either = [](auto... all) { return (all + ...); };
  CHECK(pool.run(blocking(with, std::make_unique<int>(3))) == 3);
  CHECK(pool.run(blocking(without, std::make_unique<int>(3))) == -3);
  CHECK(pool.run(blocking(either, 1, 2)) == 3);  // to which a token could not be added
  CHECK(pool.run(blocking([](weft::stop_token token, weft::stop_token own) { return token == own; },
                          weft::stop_token())) == false);
  static_assert(!weft::blocking_callable<decltype(with)> && !weft::blocking_callable<decltype(without), int>);
}

TEST_CASE("a call that waits for something else is told by a callback") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: callback");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  blocking_pipe bytes;
  // A read that nobody writes for: it has something to read because of what the callback does.
  auto reads = [&](weft::stop_token token) {
    weft::stop_callback const ends_it(token, [&] { bytes.write(); });
    char byte = 0;
    while (bytes.read(byte) < 0 && errno == EINTR) {
    }
    return byte;
  };
  for (int i = 0; i < 20; ++i) {
    bytes.no_reader_yet();
    auto f = pool.spawn(blocking(reads));
    bytes.wait_for_reader();
    if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
    f.stop();
    CHECK(f.get() == 'x');
  }
}

TEST_CASE("a call that takes a token is stopped in the middle of a system call") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: interrupted");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  blocking_pipe empty;
  auto reads = [&](weft::stop_token token) {
    char byte = 0;
    auto const n = empty.read(byte);
    return n < 0 && errno == EINTR && token.stop_requested();
  };
  for (int i = 0; i < 50; ++i) {
    empty.no_reader_yet();
    auto f = pool.spawn(blocking(reads));
    empty.wait_for_reader();
    if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
    f.stop();
    CHECK(f.get());
  }
  // As often as it waits.
  auto keeps_reading = [&](weft::stop_token) {
    char byte = 0;
    int interrupted = 0;
    while (interrupted < 5 && empty.read(byte) < 0 && errno == EINTR) ++interrupted;
    return interrupted;
  };
  empty.no_reader_yet();
  auto f = pool.spawn(blocking(keeps_reading));
  empty.wait_for_reader();
  f.stop();
  CHECK(f.get() == 5);
}

TEST_CASE("a call that takes no token is not interrupted, not on a thread that was interrupted before either") {
  weft_test::watchdog const guard("blocking_test: not interrupted");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1, .max_blocking = 1}};  // one thread makes all calls
  blocking_pipe bytes;
  auto with_token = [&](weft::stop_token) {
    char byte = 0;
    return bytes.read(byte);
  };
  auto without = [&] {
    char byte = 0;
    return bytes.read(byte);
  };
  for (int i = 0; i < 5; ++i) {
    bytes.no_reader_yet();
    auto f = pool.spawn(blocking(with_token));
    bytes.wait_for_reader();
    f.stop();
    CHECK(f.get() == -1);
    bytes.no_reader_yet();
    auto g = pool.spawn(blocking(without));
    bytes.wait_for_reader();
    g.stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(12));  // two interruptions long
    bytes.write();
    CHECK(g.get() == 1);
  }
}

TEST_CASE("where the program has a handler of its own for the signal that interrupts calls, none is interrupted") {
  weft_test::watchdog const guard("blocking_test: the program's signal");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  struct sigaction own{};
  struct sigaction before{};
  static std::atomic<int> came{0};
  own.sa_handler = [](int) { ++came; };
  REQUIRE(::sigaction(SIGRTMAX - 5, &own, &before) == 0);
  std::atomic<bool> begun{false};
  auto until_stopped = [&begun](weft::stop_token token) {
    begun = true;
    while (!token.stop_requested()) std::this_thread::yield();
    timespec const a_while{0, 12'000'000};
    return ::nanosleep(&a_while, nullptr);
  };
  auto f = pool.spawn(blocking(until_stopped));
  while (!begun) std::this_thread::yield();
  f.stop();
  CHECK(f.get() == 0);
  CHECK(came == 0);
  REQUIRE(::sigaction(SIGRTMAX - 5, &before, nullptr) == 0);
}

TEST_CASE("the code below a blocking call asks this_task, and its loops stop") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: this_task");
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> begun{false};
  auto asks = pool.spawn(blocking([&begun] {
    begun = true;
    while (!weft::this_task::stop_token().stop_requested()) std::this_thread::yield();
  }));
  while (!begun) std::this_thread::yield();
  asks.stop();
  asks.get();
  begun = false;
  auto loops = pool.spawn(blocking([&begun] {
    weft::parallel_for(std::int64_t{0}, std::int64_t{1} << 50, [&begun](std::int64_t) { begun = true; });
  }));
  while (!begun) std::this_thread::yield();
  loops.stop();
  CHECK_THROWS_AS(loops.get(), weft::stopped);
  // Whoever has the thread next is not asked.
  CHECK(pool.run(blocking([] { return weft::this_task::stop_token().stop_requested(); })) == false);
  CHECK_FALSE(weft::this_task::stop_token().stop_possible());
}

TEST_CASE("what ends a task ends a call that looks at its token: a timeout, a failure beside it, the pool's end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: ends of tasks");
  weft_test::balance const balance;
  std::atomic<int> begun{0}, ended{0};
  auto until_stopped = [&](weft::stop_token token) {
    ++begun;
    while (!token.stop_requested()) std::this_thread::yield();
    ++ended;
    throw weft::stopped();
  };
  {
    weft::pool pool{{.workers = workers, .max_blocking = 2}};
    CHECK_THROWS_AS(pool.run(weft::timeout(std::chrono::milliseconds(1), blocking(until_stopped))), weft::timed_out);
    CHECK(begun == ended);
    begun = ended = 0;
    auto fails = [&begun]() -> task<> {
      while (begun != 1) co_await weft::this_task::yield();
      throw std::runtime_error("beside it");
    };
    CHECK_THROWS_WITH(pool.run(weft::when_all(blocking(until_stopped), fails())), "beside it");
    CHECK(ended == 1);
    // As many as there are threads for, and more that wait for one.
    begun = ended = 0;
    for (int i = 0; i < 5; ++i) static_cast<void>(pool.spawn(blocking(until_stopped)));
    while (begun != 2) std::this_thread::yield();
  }
  CHECK(begun == 2);
  CHECK(ended == 2);
}

TEST_CASE("a pool that ends waits for a call that looks at no token") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: deaf at the end");
  weft_test::balance const balance;
  std::atomic<bool> begun{false}, ended{false};
  {
    weft::pool pool{{.workers = workers}};
    static_cast<void>(pool.spawn(blocking([&] {
      begun = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ended = true;
    })));
    while (!begun) std::this_thread::yield();
  }
  CHECK(ended);
}

TEST_CASE("where all threads are taken a stop makes room for the call that waits") {
  weft_test::watchdog const guard("blocking_test: room");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1, .max_blocking = 1}};
  std::atomic<bool> begun{false};
  auto first = pool.spawn(blocking([&begun](weft::stop_token token) {
    begun = true;
    while (!token.stop_requested()) std::this_thread::yield();
    return 1;
  }));
  while (!begun) std::this_thread::yield();
  auto second = pool.spawn(blocking(add, 1, 1));
  first.stop();
  CHECK(first.get() == 1);
  CHECK(second.get() == 2);
}

TEST_CASE("where no thread can be created, a blocking call throws system_error, and works again later") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("blocking_test: no threads");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  bool made = false;
  {
    weft_test::no_new_threads const out_of_threads;
    try {
      pool.run(blocking([&made] { made = true; }));
      FAIL("a blocking call was made without a thread");
    } catch (std::system_error const& e) {
      CHECK(e.code() == std::errc::resource_unavailable_try_again);
      CHECK_THAT(e.what(), Catch::Matchers::ContainsSubstring("weft::blocking"));
    }
  }
  CHECK_FALSE(made);
  CHECK(pool.run(blocking(add, 1, 2)) == 3);
}

TEST_CASE("where no more threads can be created, those that are there make all calls") {
  weft_test::watchdog const guard("blocking_test: no more threads");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  CHECK(pool.run(blocking(add, 1, 2)) == 3);
  weft_test::no_new_threads const out_of_threads;
  std::atomic<int> made{0};
  pool.run([&made]() -> task<> {
    std::vector<task<>> all;
    auto call = [&made]() -> task<> { co_await blocking([&made] { ++made; }); };
    for (int i = 0; i < 50; ++i) all.push_back(call());
    auto operation = weft::when_all(std::move(all));
    co_await std::move(operation);
  });
  CHECK(made == 50);
}

TEST_CASE("the callable and its arguments are gone when the awaiting expression has ended") {
  counted::reset();
  weft::pool pool{{.workers = 2}};
  bool const gone = pool.run([]() -> task<bool> {
    int const v = co_await blocking([](counted const& c) { return c.value(); }, counted(4));
    co_return v == 4 && counted::live() == 0;
  });
  CHECK(gone);
  CHECK(counted::copies() == 0);
}

TEST_CASE("a blocking call that is dropped without having been awaited is not made, and destroys what it holds") {
  counted::reset();
  bool made = false;
  {
    auto const dropped = blocking([&made](counted const&) { made = true; }, counted(1));
    CHECK(counted::live() == 1);
  }
  CHECK(counted::live() == 0);
  CHECK_FALSE(made);
}
