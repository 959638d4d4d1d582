// run: runs a command for each line of its input, several at a time, as `xargs -P` does, and keeps apart what they write.
//
// One task reads lines and starts a job for each as soon as there is room. A job is a task of its own: it starts the process, passes on
// what it writes, and waits for its end. Another task waits for Ctrl-C and stops the scope they are all in: each job then ends its
// process and what that has started, and the program ends when none is left.
#include "console.hpp"
#include "input.hpp"
#include "job.hpp"
#include "options.hpp"

#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/signal.hpp>
#include <weft/scope/scope.hpp>
#include <weft/sync/semaphore.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

namespace run {
namespace {

/// What the program will say at its end.
struct totals {
  std::atomic<int> status{0};
  std::atomic<int> signal{0};
  void note(int worse) noexcept {
    for (int seen = status; seen < worse && !status.compare_exchange_weak(seen, worse);) {
    }
  }
};

weft::task<> one_job(std::string line, weft::semaphore::permit, surroundings const& s, totals& sum, weft::scope& all) {
  std::string failure;
  try {
    failure = co_await run_job(line, s);
    if (!failure.empty()) sum.note(123);
  } catch (std::system_error const& e) {
    failure = e.what();
    sum.note(e.code() == std::errc::no_such_file_or_directory ? 127 : 126);
  }
  if (failure.empty()) co_return;
  constexpr std::size_t recognised = 200;
  if (line.size() > recognised) line.replace(recognised, std::string::npos, "...");
  auto told = s.out.print(STDERR_FILENO, "run: " + failure + ": " + line + "\n");
  co_await std::move(told);
  if (s.wanted.failure == on_failure::halt) all.stop();
}

weft::task<> all_jobs(input& lines, surroundings const& s, totals& sum) {
  weft::semaphore room(s.wanted.jobs);
  auto body = [&](weft::scope& all) -> weft::task<> {
    for (;;) {
      auto place = co_await room.acquire();
      auto line = co_await lines.next();
      if (!line) break;
      all.spawn(one_job, *std::move(line), std::move(place), std::cref(s), std::ref(sum), std::ref(all));
    }
  };
  auto jobs = weft::with_scope(std::move(body));
  co_await std::move(jobs);
}

/// The first signal stops what is in the scope: each job gives its process a time of grace.
weft::task<> watch(weft::signals& asked, weft::scope& jobs, totals& sum) {
  sum.signal = co_await asked.next();
  jobs.stop();
}

/// The next ones end that time.
weft::task<> lose_patience(weft::signals& asked, running& now) {
  co_await asked.next();
  for (;;) {
    co_await asked.next();
    now.kill_all();
  }
}

weft::task<int> run_all(options const& wanted) {
  input lines(wanted.file, wanted.end_of_line);
  console out;
  running now;
  totals sum;
  surroundings const s{wanted, out, now};
  weft::signals first(SIGINT, SIGTERM, SIGHUP), next(SIGINT, SIGTERM, SIGHUP);
  auto inner = [&](weft::scope& jobs) -> weft::task<> {
    jobs.spawn(watch, std::ref(first), std::ref(jobs), std::ref(sum));
    co_await all_jobs(lines, s, sum);
    jobs.stop();
  };
  auto outer = [&](weft::scope& listeners) -> weft::task<> {
    listeners.spawn(lose_patience, std::ref(next), std::ref(now));
    auto jobs = weft::with_scope(std::ref(inner));
    co_await std::move(jobs);
    listeners.stop();
  };
  auto everything = weft::with_scope(std::ref(outer));
  co_await std::move(everything);
  int const signal = sum.signal;
  co_return signal != 0 ? 128 + signal : sum.status.load();
}

/// A standard descriptor that is closed would be the number of the next thing that is opened. Input and output become such as fail, as closed
/// ones do; complaints that nobody wants to hear go nowhere.
void fill_standard_descriptors() {
  for (int const fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY));
}

}  // namespace
}  // namespace run

int main(int argc, char** argv) {
  run::fill_standard_descriptors();
  try {
    auto const wanted = run::parse(argc, argv);
    if (!wanted.help) return weft::run(run::run_all, std::cref(wanted));
    std::fputs(run::usage, stdout);
    return 0;
  } catch (run::usage_error const& e) {
    if (*e.what() != '\0') std::fprintf(stderr, "run: %s\n", e.what());
    std::fputs("Try 'run --help'.\n", stderr);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "run: %s\n", e.what());
  }
  return 2;
}
