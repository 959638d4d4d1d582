// All public operations on pools with threads, while an allocation fails, a thread cannot be made, or a call of the system fails with an error of
// its manual page. Each time something right comes out, nothing is left, and the pool works on. WEFT_FAULT=serve tries those operations alone that
// have this in their names, WEFT_CALL=connect this call.
#include "fault/operations.hpp"
#include "fault/sweep.hpp"
#include "fault/system_calls.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/coro/run.hpp>
#include <weft/io/address.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <signal.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft_test::came_out;
using weft_test::failing_call;
using weft_test::operation;
using weft_test::system_call;

namespace {

struct ending {
  came_out how = came_out::nothing;
  int error = 0;
  std::string said;
};

std::ptrdiff_t entries_of(char const* folder) {
  return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
}

/// The threads of a test that runs no pool of its own.
std::ptrdiff_t threads_at_rest = 0;

/// What the process has, when all threads have ended that were made since. The last one of an operation that was abandoned ends by and by.
struct possessions {
  std::ptrdiff_t descriptors;
  weft_test::allocations memory;
};
possessions at_rest() {
  auto const late = std::chrono::steady_clock::now() + 60s;
  while (entries_of("/proc/self/task") != threads_at_rest) {
    if (std::chrono::steady_clock::now() > late) FAIL("a thread does not end");
    std::this_thread::sleep_for(100us);
  }
  return {entries_of("/proc/self/fd"), weft_test::live_allocations()};
}

/// In this scope the signals of the programs do nothing where nobody waits for them.
class harmless_signals {
 public:
  harmless_signals() {
    for (int const n : {SIGUSR1, SIGUSR2}) ::signal(n, SIG_IGN);
  }
  harmless_signals(harmless_signals const&) = delete;
  harmless_signals& operator=(harmless_signals const&) = delete;
  ~harmless_signals() {
    for (int const n : {SIGUSR1, SIGUSR2}) ::signal(n, SIG_DFL);
  }
};

bool is_about(operation const& o, std::string_view names) { return o.names.starts_with(names); }

/// Runs the program on a pool of its own, with the fault from before the pool to the program's end, and uses the pool afterwards.
template <class Begin, class End>
ending on_a_pool(operation const& o, weft::pool_options const& options, Begin begin, End end) {
  ending e;
  e.said.reserve(1000);
  auto const before = at_rest();
  {
    std::optional<weft::pool> p;
    begin();
    try {
      p.emplace(options);
      p->run(o.program);
      e.how = came_out::value;
    } catch (...) {
      e.how = weft_test::what_came_out(e.said, &e.error);
    }
    end();
    if (p) p->run(weft_test::check_pool);
  }
  auto after = at_rest();
  INFO(o.names << ": " << e.said);
  if (is_about(o, "~process")) {
    // One that nobody waits for may have stayed, for want of a thread, and may have stayed from the run before: it goes with one of the next.
    auto const more = [&] {
      return after.descriptors > before.descriptors || after.memory.blocks > before.memory.blocks ||
             after.memory.bytes > before.memory.bytes;
    };
    for (int turns = 0; more() && turns < 100; ++turns) {
      weft::pool{{.workers = 1}}.run(o.program);
      std::this_thread::sleep_for(10ms);
      after = at_rest();
    }
    CHECK_FALSE(more());
    return e;
  }
  CHECK(after.descriptors == before.descriptors);
  // The default pool keeps memory for the next job.
  if (!is_about(o, "run ")) {
    CHECK(after.memory.blocks == before.memory.blocks);
    CHECK(after.memory.bytes == before.memory.bytes);
  }
  return e;
}

/// The ways of waiting for files that make a difference to the operation.
std::vector<weft::io_backend> backends(operation const& o) {
  if (is_about(o, "file ")) return {weft::io_backend::epoll, weft::io_backend::io_uring};
  return {weft::io_backend::automatic};
}

bool is_wanted(std::string_view names) {
  char const* const part = std::getenv("WEFT_FAULT");
  return part == nullptr || names.find(part) != names.npos;
}

/// What a test does with the operations; what is made once in a process and kept is made before the first.
class sweep {
 public:
  explicit sweep(char const* what) : guard_(what, 60s, &weft_test::attempt::report) {
    weft::scheduler_of(weft::default_pool()).forgo_monitor();
    threads_at_rest = entries_of("/proc/self/task");
    auto const nothing = [] {};
    for (auto const operations : {weft_test::system_operations(), weft_test::operations()})
      for (auto const& o : operations) {
        if (!is_wanted(o.names)) continue;
        for (auto const io : backends(o)) {
          {
            weft::pool{{.workers = 2, .io = io}}.run(o.program);
          }
          auto const e = on_a_pool(o, {.workers = 2, .io = io}, nothing, nothing);
          INFO(o.names << ": " << e.said);
          REQUIRE(e.how == came_out::value);
        }
      }
  }

 private:
  weft_test::watchdog const guard_;
  harmless_signals const ignored_;
};

bool contains(std::vector<int> const& errors, int error) {
  return std::find(errors.begin(), errors.end(), error) != errors.end();
}

/// Does an operation throw this where a call of its has failed with that error?
bool tells(operation const& o, system_call const& call, int said, int error) {
  if (said == error) return true;
  // Somebody else has taken the child's status: whatever waitid said.
  if (call.name == "waitid") return said == ECHILD;
  // One end has had the error, and the other finds the connection ended, perhaps first.
  for (std::string_view const both_ends : {"tcp_", "unix_", "serve ", "pipe ", "buffered_", "output "})
    if (is_about(o, both_ends)) return said == ENODATA || said == ECONNRESET || said == EPIPE;
  return false;
}

}  // namespace

TEST_CASE("each allocation of each operation on the system may fail, and an error or the right result comes out") {
  sweep const of("allocations and the system");
  weft_test::table table("allocation");
  for (auto const& o : weft_test::system_operations()) {
    if (!is_wanted(o.names)) continue;
    std::int64_t points = 0;
    for (auto const io : backends(o))
      for (std::int64_t const count : {1, 20}) {
        bool came = true;
        for (std::int64_t nth = 0; came; ++nth) {
          weft_test::attempt const what("allocation", o.names, nth, static_cast<unsigned>(count));
          std::optional<weft_test::failing_allocation_anywhere> fails;
          auto const e = on_a_pool(
              o, {.workers = 2, .io = io}, [&] { fails.emplace(nth, count); },
              [&] {
                came = fails->happened();
                fails.reset();
              });
          if (came) ++points;
          INFO(what.text() << ": " << e.said);
          bool const right = e.how == came_out::value || (came && e.how == came_out::no_memory) ||
                             (came && e.how == came_out::system_error);
          CHECK(right);
          if (!right) break;
        }
      }
    table.row(o.names, points);
  }
}

TEST_CASE("each thread that an operation asks for may be refused, and it does without or says so") {
  sweep const of("threads and the system");
  weft_test::table table("thread");
  for (auto const operations : {weft_test::operations(), weft_test::system_operations()})
    for (auto const& o : operations) {
      if (!is_wanted(o.names)) continue;
      std::int64_t points = 0;
      // Alone, or with those after it for a while: whom all workers wait for gets a thread in the end.
      for (std::int64_t const count : {1, 8})
        for (unsigned const workers : {1u, 3u}) {
          bool came = true;
          for (std::int64_t nth = 0; came; ++nth) {
            weft_test::attempt const what(count == 1 ? "thread" : "threads from", o.names, nth, workers);
            std::optional<weft_test::refused_threads> refused;
            auto const e = on_a_pool(
                o, {.workers = workers}, [&] { refused.emplace(nth, count); },
                [&] {
                  came = refused->happened();
                  refused.reset();
                });
            if (came) ++points;
            INFO(what.text() << ": " << e.said);
            bool const none = nth == 0 && count >= workers;
            bool const right =
                (e.how == came_out::value && !none) || (came && e.how == came_out::system_error && e.error == EAGAIN);
            CHECK(right);
            if (!right) break;
          }
        }
      table.row(o.names, points);
    }
}

TEST_CASE(
    "each call of the system may fail with each error of its manual page, and the operation goes on or throws it") {
  sweep const of("calls of the system");
  std::int64_t all = 0;
  int rows = 0;
  for (auto const& call : weft_test::system_calls()) {
    if (char const* const part = std::getenv("WEFT_CALL"); part != nullptr && call.name != part) continue;
    std::int64_t points = 0, made = 0, thrown = 0;
    auto errors = call.goes_on;
    errors.insert(errors.end(), call.comes_out.begin(), call.comes_out.end());
    // Some are made only where two threads meet in a certain order.
    int turns = call.when == system_call::made::sometimes ? 1 : 50;
    for (; turns > 0 && made == 0; --turns)
      for (auto const& o : weft_test::system_operations()) {
        if (!is_wanted(o.names)) continue;
        for (auto const io : backends(o)) {
          std::optional<failing_call> fault;
          std::int64_t seen = 0;
          auto const begin_at = [&](std::int64_t nth, int error) {
            return [&, nth, error] { fault.emplace(call, error, nth); };
          };
          auto const end = [&] {
            seen = fault->seen();
            fault.reset();
          };
          weft::pool_options const options{.workers = 2, .io = io};
          REQUIRE(on_a_pool(o, options, begin_at(-1, 0), end).how == came_out::value);
          made += seen;
          std::set<std::int64_t> tried;
          if (seen > 0) tried.insert({0, seen / 2, seen - 1});
          if (seen > 1) tried.insert(1);
          for (auto const nth : tried)
            for (int const error : errors) {
              weft_test::attempt const what(call.name.data(), o.names, nth, static_cast<unsigned>(error));
              auto const e = on_a_pool(o, options, begin_at(nth, error), end);
              ++points;
              if (e.how != came_out::value) ++thrown;
              INFO(what.text() << ": " << e.said);
              bool const may_come_out = contains(call.comes_out, error);
              CHECK((e.how == came_out::value ||
                     (may_come_out && e.how == came_out::system_error && tells(o, call, e.error, error))));
            }
        }
      }
    if (std::getenv("WEFT_FAULT") == nullptr) {
      INFO(call.name);
      CHECK((made > 0 || call.when == system_call::made::sometimes));
    }
    std::printf("system call  %6lld  %.*s: %zu errors, thrown %lld times\n", static_cast<long long>(points),
                static_cast<int>(call.name.size()), call.name.data(), errors.size(), static_cast<long long>(thrown));
    all += points;
    ++rows;
  }
  std::printf("system call  %6lld  points of %d calls, 100 %%\n", static_cast<long long>(all), rows);
}

TEST_CASE("each call of the system in the headers has a row among the calls, or a reason why it has none") {
  std::map<std::string, std::string> in_headers;
  auto const is_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (auto const& entry : std::filesystem::recursive_directory_iterator(WEFT_TEST_HEADERS)) {
    if (entry.path().extension() != ".hpp" || entry.path().parent_path().filename() == "interop") continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      if (auto const comment = line.find("//"); comment != line.npos) line.resize(comment);
      for (std::string_view const mark : {"::", "SYS_"})
        for (auto at = line.find(mark); at != line.npos; at = line.find(mark, at + mark.size())) {
          if (at > 0 && (is_name(line[at - 1]) || line[at - 1] == ':' || line[at - 1] == '>')) continue;
          auto const begin = at + mark.size();
          auto name_end = begin;
          while (name_end < line.size() && is_name(line[name_end])) ++name_end;
          if (name_end == begin) continue;
          if (mark == "::" && (name_end == line.size() || line[name_end] != '(')) continue;
          in_headers.emplace(line.substr(begin, name_end - begin), entry.path().filename().string());
        }
    }
  }
  std::set<std::string, std::less<>> rows;
  for (auto const& c : weft_test::system_calls()) rows.emplace(c.name);
  for (auto const& c : weft_test::no_system_calls()) {
    INFO(c.name << ": " << c.reason);
    CHECK(rows.emplace(c.name.starts_with("SYS_") ? c.name.substr(4) : c.name).second);
  }
  CHECK(in_headers.size() > 60);
  for (auto const& [name, header] : in_headers) {
    if (name.starts_with("pthread_") && name != "pthread_create")
      continue;  // they fail by errors of the library's alone
    if (name.starts_with("posix_spawn") && name != "posix_spawn") continue;  // the same
    if (name.starts_with("sig") && name.ends_with("set")) continue;          // the same
    if (name == "sigismember" || name == "weft_model") continue;
    INFO(name << " of " << header);
    CHECK(rows.contains(name));
  }
}

TEST_CASE("a system that forbids a call instead of not having it is waited in without haste") {
  weft_test::watchdog const guard("epoll_pwait2 is forbidden", 60s, &weft_test::attempt::report);
  auto const calls = weft_test::system_calls();
  auto const call = std::find_if(calls.begin(), calls.end(), [](auto const& c) { return c.name == "epoll_pwait2"; });
  REQUIRE(call != calls.end());
  // As the filters of containers do: for good.
  failing_call const forbidden(*call, EPERM, 0, std::int64_t{1} << 40);
  weft::pool p{{.workers = 1}};
  p.run(weft_test::system_operations()[0].program);
  p.run([]() -> weft::task<> { co_await weft::sleep_for(std::chrono::milliseconds(20)); });
  CHECK(forbidden.seen() <= 2);
}

// Under strace, which lets the system itself say no to the first call of each thread: strace.sh runs it again and again.
TEST_CASE(
    "an operation ends well when the system has said no for a while, and says until then what the system has said",
    "[.strace]") {
  harmless_signals const ignored;
  std::map<std::string_view, int> const names{
      {"EACCES", EACCES},         {"EAGAIN", EAGAIN}, {"EBADF", EBADF},     {"ECONNABORTED", ECONNABORTED},
      {"ECONNRESET", ECONNRESET}, {"EINTR", EINTR},   {"EIO", EIO},         {"EINVAL", EINVAL},
      {"EMFILE", EMFILE},         {"ENFILE", ENFILE}, {"ENOBUFS", ENOBUFS}, {"ENOMEM", ENOMEM},
      {"ENOSPC", ENOSPC},         {"ENOSYS", ENOSYS}, {"EPERM", EPERM},     {"ETIMEDOUT", ETIMEDOUT}};
  auto const asked = [](char const* variable) -> std::string_view {
    char const* const value = std::getenv(variable);
    return value ? value : "";
  };
  auto const error = names.find(asked("WEFT_ERROR"));
  REQUIRE(error != names.end());
  bool const goes_on = asked("WEFT_OUTCOME") == "goes_on";
  auto const operations = weft_test::system_operations();
  auto const o = std::find_if(operations.begin(), operations.end(),
                              [&](operation const& one) { return one.names.starts_with(asked("WEFT_FAULT")); });
  REQUIRE(o != operations.end());

  auto const io = asked("WEFT_IO") == "io_uring" ? weft::io_backend::io_uring : weft::io_backend::epoll;
  int failures = 0;
  std::string said;
  said.reserve(1000);
  auto const tried = [&](auto what) {
    try {
      what();
      return true;
    } catch (...) {
      int number = 0;
      auto const how = weft_test::what_came_out(said, &number);
      ++failures;
      INFO(said);
      bool const no_memory = how == came_out::no_memory && error->second == ENOMEM;
      // No memory for a thread is EAGAIN there. ENODATA: the other end of the connection has failed by that error, and this one was first to
      // say what it saw of it.
      CHECK((no_memory ||
             (how == came_out::system_error && (number == error->second || number == EAGAIN || number == ENODATA))));
      return false;
    }
  };
  std::optional<weft::pool> p;
  bool done = false, works = false;
  for (int i = 0; i != 20 && !done; ++i)
    done = tried([&] {
      if (!p) p.emplace(weft::pool_options{.workers = 2, .io = io});
      p->run(o->program);
    });
  REQUIRE(done);
  CHECK((failures == 0 || !goes_on));
  // This needs a thread for a call that blocks, which may be the next that a worker asks for.
  for (int i = 0; i != 20 && !works; ++i) works = tried([&] { p->run(weft_test::check_pool); });
  CHECK(works);
}
