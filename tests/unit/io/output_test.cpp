#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/io/processes.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/output.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::command;
using weft::output;
using weft::output_options;
using weft::process_output;
using weft::stdio;
using weft::task;
using weft_test::eventually;
using weft_test::no_children;
using weft_test::shell;

namespace {

/// Every place in it is different.
std::string numbers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string(i) + '\n';
  return text;
}

}  // namespace

TEST_CASE("output gives what a program wrote, and how it ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("output_test: output");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const seen = pool.run([]() -> task<process_output> {
    auto const [status, out, err] = co_await output(command("echo", "a", "b"));
    CHECK(status.success());
    CHECK(out == "a b\n");
    CHECK(err.empty());
    co_return co_await output(shell("echo out; echo err >&2; exit 3"));
  });
  CHECK(seen.status.code() == 3);
  CHECK(seen.out == "out\n");
  CHECK(seen.err == "err\n");
  auto const killed = pool.run(output(shell("echo before; kill -9 $$")));
  CHECK(killed.status.signal() == SIGKILL);
  CHECK(killed.out == "before\n");
  CHECK(no_children());
}

TEST_CASE("a program that writes much to both is read to the end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("output_test: much");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  // One after the other, and each more than a pipe holds: who reads one first waits for good.
  auto const seen = pool.run(output(shell("seq 0 99999 >&2; seq 0 99999; seq 100000 100999 >&2")));
  CHECK(seen.status.success());
  CHECK((seen.out == numbers(100'000)));
  CHECK((seen.err == numbers(101'000)));
}

TEST_CASE("input is written while output is read") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("output_test: input");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const text = numbers(100'000);
  auto const seen = pool.run(output(command("cat"), {.input = text}));
  CHECK(seen.status.success());
  CHECK((seen.out == text));
  CHECK(pool.run(output(command("sort"), {.input = "b\nc\na\n"})).out == "a\nb\nc\n");
  std::string const zeros(1000, '\0');
  CHECK((pool.run(output(command("cat"), {.input = zeros})).out == zeros));
}

TEST_CASE("without input there is nothing to read") {
  weft_test::watchdog const guard("output_test: no input");
  auto const seen = weft_test::run(output(command("cat")));
  CHECK(seen.status.success());
  CHECK(seen.out.empty());
  auto const end = weft_test::run(output(command("cat"), {.std_in = stdio::pipe}));
  CHECK(end.status.success());
}

TEST_CASE("input that a program does not read is no error") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("output_test: EPIPE");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::string const much(1'000'000, 'x');
  auto const nothing = pool.run(output(shell("exit 2"), {.input = much}));
  CHECK(nothing.status.code() == 2);
  auto const some = pool.run(output(command("head", "-c", "10"), {.input = much}));
  CHECK(some.status.success());
  CHECK(some.out == "xxxxxxxxxx");
}

TEST_CASE("standard error may go where standard output goes, or elsewhere") {
  weft_test::watchdog const guard("output_test: std_err");
  auto const script = "echo 1; echo 2 >&2; echo 3; echo 4 >&2";
  auto const one = weft_test::run(output(shell(script), {.std_err = stdio::as_out}));
  CHECK(one.out == "1\n2\n3\n4\n");
  CHECK(one.err.empty());
  auto const none = weft_test::run(output(shell(script), {.std_err = stdio::null}));
  CHECK(none.out == "1\n3\n");
  CHECK(none.err.empty());
}

TEST_CASE("output of a program that cannot be started throws its error") {
  weft_test::watchdog const guard("output_test: error");
  CHECK_THROWS_WITH(weft_test::run(output(command("weft-no-such-program", "x"))),
                    Catch::Matchers::ContainsSubstring("start weft-no-such-program"));
  CHECK_THROWS_AS(weft_test::run(output(command("true").directory("/no/such/folder"))), std::system_error);
  CHECK(no_children());
}

TEST_CASE("output waits for whoever has the pipe open still") {
  weft_test::watchdog const guard("output_test: grandchild");
  // The other end of the named pipe closes when the shell has ended: that is what the one it leaves behind waits for.
  auto const script =
      "d=$(mktemp -d); mkfifo $d/end; (read x <$d/end; rm -r $d; echo late) & exec 4>$d/end; echo first";
  auto const seen = weft_test::run(output(shell(script)));
  CHECK(seen.out == "first\nlate\n");
}

TEST_CASE("a stop of output ends the program and reaps it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("output_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (auto const* const script : {"exec sleep 100", "yes", "yes >&2", "cat; exec sleep 100"}) {
    auto running = pool.spawn(output(shell(script), {.input = "x"}));
    std::this_thread::sleep_for(5ms);
    running.stop();
    CHECK_THROWS_AS(running.get(), weft::stopped);
    CHECK(no_children());
  }
  CHECK_THROWS_AS(pool.run(weft::timeout(5ms, output(command("sleep", "100")))), weft::timed_out);
  CHECK(no_children());
}

TEST_CASE("a program that ignores SIGTERM is killed after the time of grace") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("output_test: deaf");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  auto deaf = shell("trap '' TERM; echo >&3; while :; do sleep 0.01; done").pass(ends[1]);
  auto running = pool.spawn(output(deaf, {.grace = 50ms}));
  char byte;
  CHECK(::read(ends[0], &byte, 1) == 1);  // it ignores the signal from here on
  auto const begun = weft::clock::now();
  running.stop();
  CHECK_THROWS_AS(running.get(), weft::stopped);
  CHECK(weft::clock::now() - begun >= 50ms);
  CHECK(no_children());
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a program that ends politely is given the time for it") {
  weft_test::watchdog const guard("output_test: polite");
  weft::pool pool{{.workers = 2}};
  char name[] = "/tmp/weft-output-test-XXXXXX";
  int const fd = ::mkstemp(name);
  REQUIRE(fd >= 0);
  auto polite = shell("trap 'echo cleaned >&3; exit' TERM; echo ready >&3; while :; do sleep 0.01; done").pass(fd);
  auto running = pool.spawn(output(polite, {.grace = 20s}));
  auto const content = [&] {
    std::ifstream in(name);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  CHECK(eventually([&] { return content() == "ready\n"; }));
  running.stop();
  CHECK_THROWS_AS(running.get(), weft::stopped);
  CHECK(content() == "ready\ncleaned\n");
  ::close(fd);
  ::unlink(name);
  CHECK(no_children());
}

TEST_CASE("a stop ends a group with all that was started in it") {
  weft_test::watchdog const guard("output_test: group");
  weft::pool pool{{.workers = 2}};
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  // The grandchild holds the pipe open as long as it lives.
  auto const both = shell("sleep 100 & echo >&3; wait").pass(ends[1]);
  auto running = pool.spawn(output(both, {.group = weft::process_group::own}));
  char byte;
  CHECK(::read(ends[0], &byte, 1) == 1);  // it is there
  ::close(ends[1]);
  running.stop();
  CHECK_THROWS_AS(running.get(), weft::stopped);
  CHECK(::read(ends[0], &byte, 1) == 0);
  ::close(ends[0]);
}

TEST_CASE("a pool that ends stops what it runs, programs as well") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("output_test: pool's end");
  {
    weft::pool pool{{.workers = workers}};
    for (int i = 0; i < 3; ++i) static_cast<void>(pool.spawn(output(command("sleep", "100"))));
    std::this_thread::sleep_for(5ms);
  }
  CHECK(eventually(no_children));
}

TEST_CASE("many outputs at once, stopped at any moment, leave nothing") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("output_test: many");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> wrong{0};
  auto one = [&](int i) -> task<> {
    bool in_time = true;
    try {
      auto bounded = weft::timeout(i * 500us, output(command("echo", "x"), {.grace = 1s}));
      auto const seen = co_await std::move(bounded);
      wrong += seen.out != "x\n";
    } catch (weft::timed_out const&) {
      in_time = false;
    }
    static_cast<void>(in_time);
  };
  pool.run([&]() -> task<> {
    std::vector<task<>> all;
    for (int i = 0; i < 20; ++i) all.push_back(one(i));
    auto together = weft::when_all(std::move(all));
    co_await std::move(together);
  });
  CHECK(wrong == 0);
  CHECK(no_children());
}
