#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/io/processes.hpp"
#include "unit/io/sockets.hpp"

#include <weft/base/config.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/process.hpp>
#include <weft/io/signal.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::signals;
using weft::task;
using weft_test::eventually;

namespace {

/// A thread that signals may interrupt, where the test's own is not to be relied on: ThreadSanitizer calls handlers when the thread
/// calls something that it knows of, which one that waits for a pool does not.
class open_thread {
 public:
  open_thread() {
    ::sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
    thread_ = std::thread([this] {
      ::sigset_t none;
      ::sigemptyset(&none);
      ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
      while (!ended_) std::this_thread::sleep_for(1ms);
    });
  }
  open_thread(open_thread const&) = delete;
  open_thread& operator=(open_thread const&) = delete;
  ~open_thread() {
    ended_ = true;
    thread_.join();
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  ::sigset_t before_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

/// To this process, as kill(1) would.
void send(int number) { ::kill(::getpid(), number); }

using handler = void (*)(int);
handler handler_of(int number) {
  struct ::sigaction now;
  ::sigaction(number, nullptr, &now);
  return now.sa_handler;
}

std::atomic<int> counted{0};
void count(int) { ++counted; }

}  // namespace

TEST_CASE("a task waits for a signal, and gets its number") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("signal_test: signal");
  open_thread const open;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const interrupt = handler_of(SIGINT), terminate = handler_of(SIGTERM);  // Catch's
  for (int const number : {SIGINT, SIGTERM}) {
    auto waiting = pool.spawn(weft::signal(SIGINT, SIGTERM));
    CHECK(eventually([&] { return handler_of(SIGTERM) != terminate && handler_of(SIGINT) != interrupt; }));
    send(number);
    CHECK(waiting.get() == number);
    CHECK(handler_of(SIGINT) == interrupt);
    CHECK(handler_of(SIGTERM) == terminate);
  }
}

#if !WEFT_TSAN
TEST_CASE("a thread that waits for a pool is interrupted by signals like any other") {
  weft_test::watchdog guard("signal_test: main thread");
  weft::pool pool{{.workers = 1}};
  int const number = pool.run([]() -> task<int> {
    signals each(SIGUSR1);
    send(SIGUSR1);
    co_return co_await each.next();
  });
  CHECK(number == SIGUSR1);
}
#endif

TEST_CASE("signals that come between two waits are not missed, and the lowest comes first") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("signal_test: signals");
  open_thread const open;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  pool.run([]() -> task<> {
    signals each(SIGUSR1, SIGUSR2, SIGHUP);
    for (int const number : {SIGUSR2, SIGHUP, SIGUSR1}) {
      signals seen(number);
      send(number);
      int const same = co_await seen.next();
      CHECK(same == number);
    }
    // The handler has been called for all three by now, for `each` perhaps a moment later than for `seen`.
    int const first = co_await each.next();
    int const second = co_await each.next();
    int const third = co_await each.next();
    CHECK(first + second + third == SIGHUP + SIGUSR1 + SIGUSR2);
    for (int i = 0; i < 20; ++i) {
      send(SIGUSR1);
      int const again = co_await each.next();
      CHECK(again == SIGUSR1);
    }
  });
}

TEST_CASE("everybody who waits for a signal gets it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("signal_test: several");
  open_thread const open;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  weft::pool other{{.workers = 1}};
  constexpr int count = 100;
  std::atomic<int> ready{0};
  auto one = [&](int own) -> task<int> {
    signals each(SIGUSR1, own);
    ++ready;
    co_return co_await each.next();
  };
  std::vector<weft::future<int>> all;
  for (int i = 0; i < count; ++i) all.push_back((i % 2 ? pool : other).spawn(one, i % 3 == 0 ? SIGUSR2 : SIGHUP));
  CHECK(eventually([&] { return ready == count; }));
  send(SIGUSR1);
  for (auto& f : all) CHECK(f.get() == SIGUSR1);
  CHECK(handler_of(SIGUSR1) == SIG_DFL);
}

TEST_CASE("the disposition from before comes back with the end of the last one who waits") {
  weft_test::watchdog const guard("signal_test: disposition");
  open_thread const open;
  weft_test::disposition_kept const one(SIGUSR1), two(SIGUSR2);
  std::signal(SIGUSR1, SIG_IGN);
  std::signal(SIGUSR2, &count);
  {
    std::optional<signals> first(SIGUSR1), second(std::in_place, SIGUSR1, SIGUSR2);
    auto const ours = handler_of(SIGUSR1);
    CHECK(ours != SIG_IGN);
    CHECK(handler_of(SIGUSR2) == ours);
    first.reset();
    CHECK(handler_of(SIGUSR1) == ours);
    auto moved = std::move(*second);
    second.reset();
    CHECK(handler_of(SIGUSR1) == ours);
  }
  CHECK(handler_of(SIGUSR1) == SIG_IGN);
  CHECK(handler_of(SIGUSR2) == &count);
  counted = 0;
  send(SIGUSR2);
  CHECK(eventually([] { return counted == 1; }));
  {
    // Whoever sets another one meanwhile keeps it.
    signals const each(SIGUSR1);
    std::signal(SIGUSR1, &count);
  }
  CHECK(handler_of(SIGUSR1) == &count);
}

TEST_CASE("signals that nobody can wait for are refused by name") {
  weft_test::watchdog const guard("signal_test: refused");
  for (int const number : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 0, -1, 65, 1000}) {
    CHECK_THROWS_WITH(weft_test::run([&]() -> task<int> { co_return co_await weft::signal(SIGUSR1, number); }),
                      Catch::Matchers::ContainsSubstring("signal " + std::to_string(number)));
    try {
      signals const each(number);
      FAIL_CHECK("not refused");
    } catch (std::system_error const& e) {
      CHECK(e.code() == std::errc::invalid_argument);
    }
  }
  CHECK_THROWS_WITH(signals(SIGKILL), Catch::Matchers::ContainsSubstring("Killed"));
  // 33 is the C library's own, which says so when it is asked for: those before it go back.
  CHECK_THROWS_AS(signals(SIGUSR1, 33), std::system_error);
  CHECK(handler_of(SIGUSR1) == SIG_DFL);
}

TEST_CASE("a wait for a signal that is stopped takes none") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("signal_test: stop");
  open_thread const open;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  signals each(SIGUSR1);
  auto waiting = pool.spawn(each.next());
  std::this_thread::sleep_for(1ms);
  waiting.stop();
  CHECK_THROWS_AS(waiting.get(), weft::stopped);
  CHECK_THROWS_AS(pool.run(weft::timeout(1ms, weft::signal(SIGUSR1))), weft::timed_out);
  CHECK_THROWS_AS(pool.run(weft::timeout(1ms, weft::signal(SIGUSR2))), weft::timed_out);
  CHECK(handler_of(SIGUSR2) == SIG_DFL);
  send(SIGUSR1);
  CHECK(pool.run(each.next()) == SIGUSR1);
  CHECK_THROWS_AS(pool.run(weft::timeout(1ms, each.next())), weft::timed_out);
}

TEST_CASE("a task does not wait for signals that others wait for") {
  weft_test::watchdog const guard("signal_test: others'");
  open_thread const open;
  weft::pool pool{{.workers = 2}};
  signals one(SIGUSR1), two(SIGUSR2);
  send(SIGUSR1);
  CHECK(pool.run(one.next()) == SIGUSR1);
  CHECK_THROWS_AS(pool.run(weft::timeout(5ms, two.next())), weft::timed_out);
}

TEST_CASE("waits come and go while signals come, and none is missed by who stays") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("signal_test: come and go");
  open_thread const open;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<bool> ended{false};
  signals stays(SIGUSR1);
  auto visitor = [&]() -> task<> {
    while (!ended) {
      try {
        auto bounded = weft::timeout(200us, weft::signal(SIGUSR1, SIGUSR2));
        co_await std::move(bounded);
      } catch (weft::timed_out const&) {
        continue;
      }
    }
  };
  std::vector<weft::future<void>> visitors;
  for (int i = 0; i < 4; ++i) visitors.push_back(pool.spawn(visitor));
  pool.run([&]() -> task<> {
    for (int i = 0; i < 100; ++i) {
      send(SIGUSR1);
      int const number = co_await stays.next();
      CHECK(number == SIGUSR1);
    }
  });
  ended = true;
  for (auto& v : visitors) v.get();
}

TEST_CASE("a signal that comes a thousand times is taken at least once after the last") {
  weft_test::watchdog const guard("signal_test: thousand");
  open_thread const open;
  weft::pool pool{{.workers = 2}};
  signals each(SIGUSR1);
  for (int i = 0; i < 1000; ++i) send(SIGUSR1);
  pool.run(each.next());  // however long that takes
  int taken = 1;
  try {
    for (; taken < 1001; ++taken) pool.run(weft::timeout(20ms, each.next()));
  } catch (weft::timed_out const&) {
  }
  CHECK(taken <= 1000);
}

TEST_CASE("real-time signals are signals") {
  weft_test::watchdog const guard("signal_test: real-time");
  open_thread const open;
  weft::pool pool{{.workers = 1}};
  for (int const number : {SIGRTMIN, SIGRTMAX}) {
    signals each(number);
    send(number);
    CHECK(pool.run(each.next()) == number);
  }
}

TEST_CASE("where descriptors are short there is an error, and nobody is subscribed") {
  weft_test::watchdog const guard("signal_test: EMFILE");
  std::vector<signals> all;  // so many that a slot that was never used is next
  for (int i = 0; i < 3; ++i) all.emplace_back(SIGUSR1);
  {
    weft_test::few_descriptors const none(0);
    CHECK_THROWS_AS(signals(SIGUSR2), std::system_error);
    CHECK_THROWS_AS(signals(SIGUSR2), std::system_error);
  }
  CHECK(handler_of(SIGUSR2) == SIG_DFL);
}

TEST_CASE("a program that is started has none of the handlers") {
  weft_test::watchdog const guard("signal_test: exec");
  open_thread const open;
  signals const each(SIGTERM);
  auto const status = weft_test::run([]() -> task<weft::exit_status> {
    auto p = co_await weft::process::start(weft::command("sleep", "100"));
    p.kill(SIGTERM);
    co_return co_await p.wait();
  });
  CHECK(status.signal() == SIGTERM);
}

#if !WEFT_TSAN && !WEFT_ASAN
TEST_CASE("a child made by fork() ends of a signal that its parent waits for, and the parent goes on waiting") {
  weft_test::watchdog const guard("signal_test: fork");
  weft::pool pool{{.workers = 1}};
  signals each(SIGUSR1);
  pid_t const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(20);
    for (;;) ::pause();
  }
  // Before it pauses, too.
  ::kill(child, SIGUSR1);
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGUSR1);
  send(SIGUSR1);
  CHECK(pool.run(each.next()) == SIGUSR1);
}
#endif
