#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/io/processes.hpp"
#include "unit/io/sockets.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/process.hpp>
#include <weft/os/thread.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::command;
using weft::exit_status;
using weft::process;
using weft::process_options;
using weft::stdio;
using weft::task;
using weft_test::eventually;
using weft_test::no_children;
using weft_test::shell;

static_assert(!std::is_copy_constructible_v<process> && std::is_nothrow_move_constructible_v<process>);
static_assert(std::is_trivially_destructible_v<process_options>);
static_assert(!std::is_constructible_v<command, int> && !std::is_constructible_v<command, char const*, std::nullptr_t>);

namespace {

task<exit_status> status_of(command what, process_options how = {}) {
  auto p = co_await process::start(std::move(what), how);
  co_return co_await p.wait();
}

/// What it writes to its standard output.
task<std::string> text_of(command what) {
  auto p = co_await process::start(std::move(what), {.std_out = stdio::pipe});
  auto text = co_await weft_test::read_all(p.std_out);
  co_await p.wait();
  co_return text;
}

std::optional<std::system_error> error_of(command what, process_options how = {}) {
  try {
    weft_test::run(status_of(std::move(what), how));
  } catch (std::system_error const& e) {
    return e;
  }
  return std::nullopt;
}

/// Dead, perhaps not yet reaped by whoever it was left to.
bool is_gone(pid_t pid) {
  auto const state = weft_test::state_of(pid);
  return state == '\0' || state == 'Z';
}

/// A folder that is gone at the end.
class temporary_folder {
 public:
  temporary_folder() {
    auto name = (std::filesystem::temp_directory_path() / "weft-process-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::system_category(), "mkdtemp " + name);
    path_ = std::filesystem::canonical(name).string();
  }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string const& path() const { return path_; }
  std::string operator/(std::string const& name) const { return path_ + "/" + name; }
  /// A file that may be executed.
  std::string program(std::string const& name, std::string const& content) const {
    std::ofstream(path_ + "/" + name) << content;
    ::chmod((path_ + "/" + name).c_str(), 0755);
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("a process tells its exit code") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("process_test: exit code");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int const code : {0, 1, 7, 255}) {
    auto const status = pool.run(status_of(shell("exit " + std::to_string(code))));
    CHECK(status.exited());
    CHECK(status.code() == code);
    CHECK(status.success() == (code == 0));
    CHECK(status.signal() == 0);
    CHECK(status.to_string() == "exit code " + std::to_string(code));
  }
  CHECK(no_children());
}

TEST_CASE("a process that was killed tells the signal") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("process_test: signal");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  for (int const signal : {SIGKILL, SIGTERM, SIGHUP}) {
    auto const status = pool.run([&]() -> task<exit_status> {
      auto p = co_await process::start(command("sleep", "100"));
      CHECK(p.kill(signal));
      co_return co_await p.wait();
    });
    CHECK_FALSE(status.exited());
    CHECK_FALSE(status.success());
    CHECK(status.signal() == signal);
  }
  auto const itself = pool.run(status_of(shell("kill -s USR1 $$")));
  CHECK(itself.signal() == SIGUSR1);
  CHECK(itself.to_string() == "signal 10 (User defined signal 1)");
}

TEST_CASE("a process can be waited for again, and after its end") {
  weft_test::watchdog const guard("process_test: wait again");
  weft::pool pool{{.workers = 2}};
  pool.run([]() -> task<> {
    auto p = co_await process::start(shell("exit 3"));
    CHECK(eventually([&] { return weft_test::state_of(p.pid()) == 'Z'; }));
    for (int i = 0; i < 3; ++i) {
      auto const status = co_await p.wait();
      CHECK(status.code() == 3);
    }
    CHECK(weft_test::state_of(p.pid()) == '\0');
    CHECK_FALSE(p.kill());
    CHECK_FALSE(p.kill(0));
    auto const ended = co_await p.terminate(1s);
    CHECK(ended.code() == 3);
  });
}

TEST_CASE("a program that is not there is an error that names it") {
  weft_test::watchdog const guard("process_test: ENOENT");
  temporary_folder const folder;
  for (auto const& name : {std::string("weft-no-such-program"), std::string("/no/such/program"), std::string(),
                           folder / "none", std::string("./weft-no-such-program")}) {
    auto const e = error_of(command(name));
    REQUIRE(e);
    CHECK(e->code() == std::errc::no_such_file_or_directory);
    CHECK_THAT(e->what(), Catch::Matchers::ContainsSubstring("start " + name));
  }
  auto const of_script = error_of(command(folder.program("script", "#!/no/such/interpreter\n")));
  REQUIRE(of_script);
  CHECK(of_script->code() == std::errc::no_such_file_or_directory);
  CHECK(no_children());
}

TEST_CASE("what may not be executed, or is no program, is an error") {
  weft_test::watchdog const guard("process_test: EACCES");
  temporary_folder const folder;
  std::ofstream(folder / "text") << "text\n";
  auto e = error_of(command(folder / "text"));
  REQUIRE(e);
  CHECK(e->code() == std::errc::permission_denied);
  CHECK_THAT(e->what(), Catch::Matchers::ContainsSubstring(folder / "text"));
  e = error_of(command(folder.path()));
  REQUIRE(e);
  CHECK(e->code() == std::errc::permission_denied);
  e = error_of(command(folder.program("rubbish", "no program\n")));
  REQUIRE(e);
  CHECK(e->code() == std::errc::executable_format_error);
  e = error_of(command(folder / "text/below"));
  REQUIRE(e);
  CHECK(e->code() == std::errc::not_a_directory);
  CHECK(no_children());
}

TEST_CASE("too many arguments are an error, and so is one that is too long") {
  weft_test::watchdog const guard("process_test: E2BIG");
  auto long_one = error_of(command("true", std::string(1'000'000, 'x')));
  REQUIRE(long_one);
  CHECK(long_one->code() == std::errc::argument_list_too_long);
  CHECK_THAT(long_one->what(), Catch::Matchers::ContainsSubstring("start true"));
  command many("true");
  std::string const word(100'000, 'x');
  for (int i = 0; i < 80; ++i) many.arg(word);
  auto const e = error_of(many);
  REQUIRE(e);
  CHECK(e->code() == std::errc::argument_list_too_long);
}

TEST_CASE("zero bytes and names that are none are refused before anything is started") {
  weft_test::watchdog const guard("process_test: zero bytes");
  std::string const zero("a\0b", 3);
  for (auto const& bad :
       {command(zero), command("true", zero), command("true").env("A", zero), command("true").env(zero, "x"),
        command("true").directory(zero), command("true").env("", "x"), command("true").env("A=B", "x")}) {
    auto const e = error_of(bad);
    REQUIRE(e);
    CHECK(e->code() == std::errc::invalid_argument);
    CHECK_THAT(e->what(), Catch::Matchers::ContainsSubstring("start "));
  }
  auto const wrong_way = error_of(command("true"), {.std_out = stdio::as_out});
  REQUIRE(wrong_way);
  CHECK(wrong_way->code() == std::errc::invalid_argument);
  for (int const fd : {-1, 1'000'000}) {
    auto const e = error_of(command("true"), {.std_out = stdio::to(fd)});
    REQUIRE(e);
    CHECK(e->code() == std::errc::bad_file_descriptor);
  }
  CHECK(no_children());
}

TEST_CASE("arguments reach the program as they are") {
  weft_test::watchdog const guard("process_test: arguments");
  command c("printf", "<%s>\\n", "", " ", "a b", "\"'\\", "$HOME", "*");
  c.arg("\n").args(std::vector<std::string>{"x", "y"}).args(std::array{"z"});
  CHECK(c.program() == "printf");
  CHECK(c.words().size() == 12);
  CHECK(weft_test::run(text_of(c)) == "<>\n< >\n<a b>\n<\"'\\>\n<$HOME>\n<*>\n<\n>\n<x>\n<y>\n<z>\n");
}

TEST_CASE("the environment is inherited, changed, or made anew") {
  weft_test::watchdog const guard("process_test: environment");
  ::setenv("WEFT_TEST_INHERITED", "from here", 1);
  ::setenv("WEFT_TEST_UNSET", "x", 1);
  auto const script = "echo ${WEFT_TEST_INHERITED-none},${WEFT_TEST_UNSET-none},${WEFT_TEST_OWN-none}";
  CHECK(weft_test::run(text_of(shell(script))) == "from here,x,none\n");
  CHECK(weft_test::run(text_of(shell(script).env("WEFT_TEST_OWN", "own=1").unset("WEFT_TEST_UNSET"))) ==
        "from here,none,own=1\n");
  CHECK(weft_test::run(text_of(shell(script).env("WEFT_TEST_INHERITED", "a").env("WEFT_TEST_INHERITED", ""))) ==
        ",x,none\n");
  // Not through a shell, which adds variables of its own.
  CHECK(weft_test::run(text_of(command("/usr/bin/env").clear_env())) == "");
  CHECK(weft_test::run(text_of(command("/usr/bin/env").env("B", "1").clear_env().env("A", "2"))) == "A=2\n");
  ::unsetenv("WEFT_TEST_INHERITED");
  ::unsetenv("WEFT_TEST_UNSET");
}

TEST_CASE("the program is looked for in the PATH of its own environment") {
  weft_test::watchdog const guard("process_test: PATH");
  temporary_folder const first, second;
  second.program("weft-found", "#!/bin/sh\necho second\n");
  std::ofstream(first / "weft-found") << "#!/bin/sh\n";  // found first, but not to be executed
  auto const both = first.path() + ":/no/such/folder:" + second.path() + ":" + first.path() + "/weft-found";
  CHECK(weft_test::run(text_of(command("weft-found").env("PATH", both))) == "second\n");
  auto const denied = error_of(command("weft-found").env("PATH", first.path()));
  REQUIRE(denied);
  CHECK(denied->code() == std::errc::permission_denied);
  auto const none = error_of(command("weft-found").env("PATH", "/no/such/folder"));
  REQUIRE(none);
  CHECK(none->code() == std::errc::no_such_file_or_directory);
  // An empty element is the directory that the child is in; without a PATH there is one by default.
  CHECK(weft_test::run(text_of(command("weft-found").env("PATH", "/none:").directory(second.path()))) == "second\n");
  CHECK(weft_test::run(status_of(command("true").clear_env())).success());
}

TEST_CASE("a program begins in the directory that it was given") {
  weft_test::watchdog const guard("process_test: directory");
  temporary_folder const folder;
  folder.program("here", "#!/bin/sh\npwd\n");
  CHECK(weft_test::run(text_of(command("pwd").directory(folder.path()).unset("PWD"))) == folder.path() + "\n");
  CHECK(weft_test::run(text_of(command("./here").directory(folder.path()).unset("PWD"))) == folder.path() + "\n");
  for (auto const& [directory, error] : {std::pair(folder / "none", std::errc::no_such_file_or_directory),
                                         {folder / "here", std::errc::not_a_directory}}) {
    auto const e = error_of(command("pwd").directory(directory));
    REQUIRE(e);
    CHECK(e->code() == error);
    CHECK_THAT(e->what(), Catch::Matchers::ContainsSubstring("start pwd in " + directory));
  }
}

TEST_CASE("a process is written to, and what it writes is read") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("process_test: pipes");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  pool.run([]() -> task<> {
    auto p = co_await process::start(command("cat"), {.std_in = stdio::pipe, .std_out = stdio::pipe});
    for (auto const* const line : {"one\n", "two\n"}) {
      co_await p.std_in.write(std::string_view(line));
      auto const back = co_await weft_test::read_some(p.std_out, 100);
      CHECK(back == line);
    }
    p.std_in.close();
    auto const rest = co_await weft_test::read_all(p.std_out);
    CHECK(rest.empty());
    auto const status = co_await p.wait();
    CHECK(status.success());
  });
}

TEST_CASE("standard output and standard error come apart, or as one") {
  weft_test::watchdog const guard("process_test: stderr");
  auto const script = "echo out; echo err >&2; echo out";
  weft_test::run([&]() -> task<> {
    auto p = co_await process::start(shell(script), {.std_out = stdio::pipe, .std_err = stdio::pipe});
    auto const out = co_await weft_test::read_all(p.std_out);
    auto const err = co_await weft_test::read_all(p.std_err);
    CHECK(out == "out\nout\n");
    CHECK(err == "err\n");
    auto q = co_await process::start(shell(script), {.std_out = stdio::pipe, .std_err = stdio::as_out});
    auto const both = co_await weft_test::read_all(q.std_out);
    CHECK(both == "out\nerr\nout\n");
    co_await p.wait();
    co_await q.wait();
    // Of what was not asked for there is no pipe.
    std::array<std::byte, 1> byte;
    int error = 0;
    try {
      co_await q.std_err.read(byte);
    } catch (std::system_error const& e) {
      error = e.code().value();
    }
    CHECK(error == EBADF);
  });
}

TEST_CASE("what a process has written is read after its end") {
  weft_test::watchdog const guard("process_test: read later");
  auto const text = weft_test::run([]() -> task<std::string> {
    auto p = co_await process::start(shell("seq 10000"), {.std_out = stdio::pipe});
    auto const status = co_await p.wait();  // 48,894 bytes: a pipe holds them
    CHECK(status.success());
    co_return co_await weft_test::read_all(p.std_out);
  });
  CHECK(text.size() == 48'894);
  CHECK(text.ends_with("\n9999\n10000\n"));
}

TEST_CASE("null gives nothing to read, and takes everything") {
  weft_test::watchdog const guard("process_test: null");
  auto const status =
      weft_test::run(status_of(shell("echo x; echo y >&2; test -z \"$(cat)\""),
                               {.std_in = stdio::null, .std_out = stdio::null, .std_err = stdio::null}));
  CHECK(status.success());
}

TEST_CASE("a process reads and writes descriptors that it is given") {
  weft_test::watchdog const guard("process_test: to a descriptor");
  temporary_folder const folder;
  std::ofstream(folder / "in") << "content\n";
  auto const in = weft::detail::file_handle::open(folder / "in", O_RDONLY);
  auto const out = weft::detail::file_handle::open(folder / "out", O_RDWR | O_CREAT);
  process_options const how{
      .std_in = stdio::to(in.get()), .std_out = stdio::to(out.get()), .std_err = stdio::to(out.get())};
  CHECK(weft_test::run(status_of(shell("cat; echo more >&2"), how)).success());
  std::ifstream written(folder / "out");
  CHECK(std::string(std::istreambuf_iterator<char>(written), {}) == "content\nmore\n");
  // They are the caller's still.
  CHECK(::fcntl(in.get(), F_GETFD) == FD_CLOEXEC);
}

TEST_CASE("one process writes to another") {
  weft_test::watchdog const guard("process_test: pipeline");
  auto const text = weft_test::run([]() -> task<std::string> {
    int ends[2];
    CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    auto reader = weft::detail::file_handle::adopt(ends[0]), writer = weft::detail::file_handle::adopt(ends[1]);
    auto first = co_await process::start(command("echo", "through"), {.std_out = stdio::to(writer.get())});
    auto second = co_await process::start(command("tr", "a-z", "A-Z"),
                                          {.std_in = stdio::to(reader.get()), .std_out = stdio::pipe});
    writer = {};
    auto upper = co_await weft_test::read_all(second.std_out);
    co_await first.wait();
    co_await second.wait();
    co_return upper;
  });
  CHECK(text == "THROUGH\n");
}

TEST_CASE("the standard descriptors may be exchanged for each other") {
  weft_test::watchdog const guard("process_test: exchanged");
  // 1 and 2 of the child are 2 and 1 of the parent, which is a shell so that the parent of this is known.
  temporary_folder const folder;
  auto const out = weft::detail::file_handle::open(folder / "1", O_RDWR | O_CREAT);
  auto const err = weft::detail::file_handle::open(folder / "2", O_RDWR | O_CREAT);
  auto const keep_out = weft::detail::file_handle::adopt(::fcntl(1, F_DUPFD_CLOEXEC, 10));
  auto const keep_err = weft::detail::file_handle::adopt(::fcntl(2, F_DUPFD_CLOEXEC, 10));
  ::dup2(out.get(), 1);
  ::dup2(err.get(), 2);
  auto const status =
      weft_test::run(status_of(shell("echo to 1; echo to 2 >&2"), {.std_out = stdio::to(2), .std_err = stdio::to(1)}));
  ::dup2(keep_out.get(), 1);
  ::dup2(keep_err.get(), 2);
  CHECK(status.success());
  std::ifstream one(folder / "1"), two(folder / "2");
  CHECK(std::string(std::istreambuf_iterator<char>(one), {}) == "to 2\n");
  CHECK(std::string(std::istreambuf_iterator<char>(two), {}) == "to 1\n");
}

TEST_CASE("a child has no descriptors but those that it was given") {
  weft_test::watchdog const guard("process_test: no leaks");
  // Of somebody who does not care.
  auto const careless = weft::detail::file_handle::adopt(::open("/dev/null", O_RDONLY));
  auto const list = [](command c) {
    return weft_test::run(text_of(std::move(c)));  // ls has one more, of the folder
  };
  CHECK(list(command("ls", "/proc/self/fd")) == "0\n1\n2\n3\n");

  temporary_folder const folder;
  auto const a = weft::detail::file_handle::open(folder / "a", O_RDWR | O_CREAT);
  auto const b = weft::detail::file_handle::open(folder / "b", O_RDWR | O_CREAT);
  CHECK(list(command("ls", "/proc/self/fd").pass(a.get()).pass(b.get())) == "0\n1\n2\n3\n4\n5\n");
  CHECK(weft_test::run(status_of(shell("echo 3 >&3; echo 4 >&4").pass(b.get()).pass(a.get()))).success());
  std::ifstream in_a(folder / "a"), in_b(folder / "b");
  CHECK(std::string(std::istreambuf_iterator<char>(in_a), {}) == "4\n");
  CHECK(std::string(std::istreambuf_iterator<char>(in_b), {}) == "3\n");
}

TEST_CASE("a child blocks no signal, gets SIGPIPE, and ignores what is ignored here") {
  weft_test::watchdog const guard("process_test: signals of the child");
  weft_test::disposition_kept const pipe(SIGPIPE), hang_up(SIGHUP);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  auto const text = weft_test::run(text_of(command("grep", "^Sig[BI]", "/proc/self/status")));
  // Workers block every signal that can be blocked. 32 and 33 are the C library's, which ignores them in what it starts.
  auto const ignored = text.find("SigIgn:\t");
  REQUIRE(ignored != std::string::npos);
  CHECK(text.substr(0, ignored) == "SigBlk:\t0000000000000000\n");
  CHECK((std::stoull(text.substr(ignored + 8), nullptr, 16) & ~0x180000000ull) == 1);
}

TEST_CASE("no disposition is changed, and nobody else's children are waited for") {
  weft_test::watchdog const guard("process_test: others");
  struct ::sigaction before, after;
  ::sigaction(SIGCHLD, nullptr, &before);
  pid_t other = -1;
  weft::detail::child_plan plan{};
  std::string word = "true";
  std::array<char*, 2> argv{word.data(), nullptr};
  std::array<char*, 1> environment{nullptr};
  std::array const same{-1, -1, -1};
  plan.program = word;
  plan.path = "/bin:/usr/bin";
  plan.argv = argv;
  plan.environ = environment;
  plan.descriptors = same;
  REQUIRE(weft::detail::start_child(plan, other) == 0);
  CHECK(weft_test::run(status_of(shell("exit 0"))).success());
  ::sigaction(SIGCHLD, nullptr, &after);
  CHECK(before.sa_handler == after.sa_handler);
  CHECK(before.sa_flags == after.sa_flags);
  int status = -1;
  CHECK(::waitpid(other, &status, 0) == other);
  CHECK(status == 0);
}

TEST_CASE("a status that went to somebody else is an error, and not invented") {
  weft_test::watchdog const guard("process_test: lost");
  weft_test::disposition_kept const child(SIGCHLD);
  std::signal(SIGCHLD, SIG_IGN);
  auto const e = error_of(shell("exit 3"));
  REQUIRE(e);
  CHECK(e->code() == std::errc::no_child_process);
  CHECK_THAT(e->what(), Catch::Matchers::ContainsSubstring("wait sh"));
}

TEST_CASE("a process that nobody has waited for is killed and reaped with its owner") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("process_test: destructor");
  weft::pool pool{{.workers = workers}};
  pid_t pid = -1;
  pool.run([&]() -> task<> {
    auto p = co_await process::start(command("sleep", "100"));
    pid = p.pid();
    CHECK(weft_test::state_of(pid) != '\0');
  });
  CHECK(eventually([&] { return weft_test::state_of(pid) == '\0'; }));

  // Many, among them such as have ended, such as ignore what can be ignored, and a stopped one.
  pool.run([&]() -> task<> {
    std::vector<process> all;
    for (auto const* const script :
         {"exit 1", "trap '' TERM HUP INT; sleep 100 & wait", "kill -STOP $$", "exec sleep 100"})
      for (int i = 0; i < 3; ++i)
        all.push_back(co_await process::start(shell(script), {.group = weft::process_group::own}));
    co_await weft::sleep_for(5ms);
  });
  CHECK(eventually(no_children));
}

namespace {

/// A shell in a group of its own that ends at once, and leaves a process beside it.
task<process> start_beside(pid_t& left_behind) {
  auto p = co_await process::start(shell("sleep 100 >&- & echo $!"),
                                   {.std_out = stdio::pipe, .group = weft::process_group::own});
  auto const text = co_await weft_test::read_all(p.std_out);
  left_behind = std::stoi(text);
  co_return p;
}

}  // namespace

TEST_CASE("a group goes with its owner also where its first process has ended before") {
  weft_test::watchdog const guard("process_test: a group without its leader");
  pid_t left_behind = -1;
  weft_test::run([&]() -> task<> {
    auto p = co_await start_beside(left_behind);
    CHECK(eventually([&] { return weft_test::state_of(p.pid()) == 'Z'; }));
    CHECK(::getpgid(left_behind) == p.pid());
  });
  CHECK(eventually([&] { return is_gone(left_behind); }));
  CHECK(no_children());
}

TEST_CASE("a group whose first process was waited for is left alone") {
  weft_test::watchdog const guard("process_test: a group that was waited for");
  pid_t left_behind = -1;
  weft_test::run([&]() -> task<> {
    auto p = co_await start_beside(left_behind);
    co_await p.wait();
  });
  std::this_thread::sleep_for(5ms);
  CHECK_FALSE(is_gone(left_behind));
  CHECK(::kill(left_behind, SIGKILL) == 0);
}

TEST_CASE("a process can be moved, and what it is assigned to ends first") {
  weft_test::watchdog const guard("process_test: move");
  weft_test::run([]() -> task<> {
    auto p = co_await process::start(command("sleep", "100"));
    pid_t const first = p.pid();
    auto q = co_await process::start(shell("read x; exit $x"), {.std_in = stdio::pipe});
    p = std::move(q);
    CHECK(eventually([&] { return weft_test::state_of(first) == '\0'; }));
    CHECK(q.pid() == -1);
    co_await p.std_in.write("5\n");
    auto r = std::move(p);
    auto const status = co_await r.wait();
    CHECK(status.code() == 5);
  });
  CHECK(eventually(no_children));
}

TEST_CASE("a wait that is stopped leaves the process alone") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("process_test: wait stopped");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto p = pool.run(process::start(shell("read x; exit 4"), {.std_in = stdio::pipe}));
  auto waiting = pool.spawn(p.wait());
  std::this_thread::sleep_for(2ms);
  waiting.stop();
  CHECK_THROWS_AS(waiting.get(), weft::stopped);
  CHECK_THROWS_AS(pool.run(weft::timeout(2ms, p.wait())), weft::timed_out);
  CHECK(weft_test::state_of(p.pid()) != '\0');
  p.std_in.close();
  CHECK(pool.run(p.wait()).code() == 4);
}

TEST_CASE("terminate asks, and makes it end after the time of grace where it does not listen") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("process_test: terminate");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  pool.run([]() -> task<> {
    auto polite = co_await process::start(shell("trap 'exit 9' TERM; echo; while :; do sleep 0.01; done"),
                                          {.std_out = stdio::pipe});
    co_await weft_test::read_some(polite.std_out, 1);
    auto status = co_await polite.terminate(20s);
    CHECK(status.exited());
    CHECK(status.code() == 9);

    auto deaf =
        co_await process::start(shell("trap '' TERM; echo; while :; do sleep 0.01; done"), {.std_out = stdio::pipe});
    co_await weft_test::read_some(deaf.std_out, 1);
    auto const begun = weft::clock::now();
    status = co_await deaf.terminate(30ms);
    CHECK(weft::clock::now() - begun >= 30ms);
    CHECK(status.signal() == SIGKILL);

    auto asleep = co_await process::start(command("sleep", "100"));
    asleep.kill(SIGSTOP);
    CHECK(eventually([&] { return weft_test::state_of(asleep.pid()) == 'T'; }));
    status = co_await asleep.terminate(10ms);
    CHECK(status.signal() == SIGKILL);

    auto at_once =
        co_await process::start(shell("trap '' TERM; echo; while :; do sleep 0.01; done"), {.std_out = stdio::pipe});
    co_await weft_test::read_some(at_once.std_out, 1);
    status = co_await at_once.terminate(0s);
    CHECK(status.signal() == SIGKILL);
  });
}

TEST_CASE("terminate goes on to its end in a task that is stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("process_test: terminate stopped");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  pid_t pid = -1;
  std::atomic<bool> begun{false}, gone{false};
  auto ending = pool.spawn([&]() -> task<exit_status> {
    auto p =
        co_await process::start(shell("trap '' TERM; echo; while :; do sleep 0.01; done"), {.std_out = stdio::pipe});
    pid = p.pid();
    co_await weft_test::read_some(p.std_out, 1);
    begun = true;
    auto const status = co_await p.terminate(50ms);
    gone = !p.kill(0);
    co_return status;
  });
  CHECK(eventually([&] { return begun.load(); }));
  ending.stop();
  CHECK(ending.get().signal() == SIGKILL);
  CHECK(gone);
  CHECK(weft_test::state_of(pid) == '\0');
}

TEST_CASE("a process with a group of its own is killed with all that it has started") {
  weft_test::watchdog const guard("process_test: group");
  weft_test::run([]() -> task<> {
    auto p = co_await process::start(shell("sleep 100 & echo $!; wait"),
                                     {.std_out = stdio::pipe, .group = weft::process_group::own});
    auto const text = co_await weft_test::read_some(p.std_out, 100);
    pid_t const grandchild = std::stoi(text);
    CHECK(::getpgid(p.pid()) == p.pid());
    CHECK(::getpgid(grandchild) == p.pid());
    CHECK(p.kill(SIGTERM));
    auto const status = co_await p.wait();
    CHECK(status.signal() == SIGTERM);
    // Nobody writes any more.
    auto const rest = co_await weft_test::read_all(p.std_out);
    CHECK(rest.empty());
    auto q = co_await process::start(command("true"));
    CHECK(::getpgid(q.pid()) == ::getpgrp());
    co_await q.wait();
  });
}

TEST_CASE("a signal that there is not is an error, and 0 asks whether it is there") {
  weft_test::watchdog const guard("process_test: kill");
  weft_test::run([]() -> task<> {
    auto p = co_await process::start(command("sleep", "100"));
    CHECK(p.kill(0));
    CHECK_THROWS_AS(p.kill(1000), std::system_error);
    CHECK(p.kill());
    co_await p.wait();
    CHECK_FALSE(p.kill());
  });
}

TEST_CASE("a process is killed from many threads while it is waited for, and nobody else is") {
  weft_test::watchdog const guard("process_test: kill against wait");
  weft::pool pool{{.workers = 2}};
  for (int round = 0; round < 10; ++round) {
    auto p = pool.run(process::start(command("sleep", "100")));
    std::vector<std::thread> threads;
    std::atomic<int> gone{0};
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        while (p.kill(SIGTERM)) std::this_thread::yield();
        ++gone;
      });
    auto const status = pool.run(p.wait());
    CHECK(status.signal() == SIGTERM);
    for (auto& t : threads) t.join();
    CHECK(gone == 4);
  }
}

TEST_CASE("many processes run at once") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("process_test: many");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  constexpr int count = 24;
  auto const codes = pool.run([]() -> task<std::vector<exit_status>> {
    std::vector<task<exit_status>> all;
    for (int i = 0; i < count; ++i) all.push_back(status_of(shell("exit " + std::to_string(i))));
    auto together = weft::when_all(std::move(all));
    co_return co_await std::move(together);
  });
  for (int i = 0; i < count; ++i) CHECK(codes[static_cast<std::size_t>(i)].code() == i);
  CHECK(no_children());
}

TEST_CASE("a process outlives the pool that started it, and is waited for on another") {
  weft_test::watchdog const guard("process_test: two pools");
  std::optional<process> p;
  {
    weft::pool first{{.workers = 1}};
    p.emplace(first.run(process::start(shell("read x; exit 6"), {.std_in = stdio::pipe})));
    CHECK_THROWS_AS(first.run(weft::timeout(1ms, p->wait())), weft::timed_out);
  }
  weft::pool second{{.workers = 2}};
  p->std_in.close();
  CHECK(second.run(p->wait()).code() == 6);
}

TEST_CASE("a pool that ends does not wait for a process that somebody waits for in it") {
  weft_test::watchdog const guard("process_test: pool's end");
  auto p = weft_test::run(process::start(command("sleep", "100")));
  {
    weft::pool pool{{.workers = 2}};
    auto waiting = pool.spawn(p.wait());
    std::this_thread::sleep_for(2ms);
  }
  CHECK(p.kill());
  CHECK(weft_test::run(p.wait()).signal() == SIGKILL);
}

TEST_CASE("a start that is stopped before it begins starts nothing") {
  weft_test::watchdog const guard("process_test: start stopped");
  weft::pool pool{{.workers = 1, .max_blocking = 1}};
  std::atomic<bool> busy{false}, go_on{false};
  auto before = pool.spawn(weft::blocking([&] {
    busy = true;
    while (!go_on) std::this_thread::sleep_for(100us);
  }));
  CHECK(eventually([&] { return busy.load(); }));
  auto late = pool.spawn(process::start(command("sleep", "100")));
  std::this_thread::sleep_for(1ms);
  late.stop();
  CHECK_THROWS_AS(late.get(), weft::stopped);
  go_on = true;
  before.get();
  CHECK(no_children());
}

TEST_CASE("where descriptors are short a start fails, leaves nothing open, and works again later") {
  weft_test::watchdog const guard("process_test: EMFILE");
  weft_test::run(status_of(command("true")));
  for (unsigned const spare : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u}) {
    weft_test::few_descriptors const few(spare);
    int const next = ::dup(0);
    if (next >= 0) ::close(next);
    auto const e = error_of(command("true").directory("/"),
                            {.std_in = stdio::pipe, .std_out = stdio::pipe, .std_err = stdio::pipe});
    if (spare < 7) REQUIRE(e);
    if (e) CHECK(e->code() == std::errc::too_many_files_open);
    int const then = ::dup(0);
    if (then >= 0) ::close(then);
    CHECK(then == next);
  }
  CHECK(weft_test::run(status_of(command("true"))).success());
  CHECK(eventually(no_children));
}

TEST_CASE("where the system has no descriptors of processes they are waited for and killed all the same") {
  weft_test::watchdog const guard("process_test: no pidfd");
  // Threads inherit the filter of the thread that starts them; nobody else has it.
  bool filtered = false;
  std::vector<exit_status> seen;
  bool stopped = false, killed_again = true;
  std::thread([&] {
    std::array<::sock_filter, 4> program{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct ::seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    ::sock_fprog const filter{.len = program.size(), .filter = program.data()};
    filtered = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 &&
               ::syscall(SYS_pidfd_open, ::getpid(), 0) < 0;
    if (!filtered) return;
    weft::pool pool{{.workers = 2}};
    seen.push_back(pool.run(status_of(shell("exit 8"))));
    seen.push_back(pool.run(status_of(shell("sleep 0.02; exit 9"))));
    auto p = pool.run(process::start(command("sleep", "100")));
    auto waiting = pool.spawn(p.wait());
    std::this_thread::sleep_for(2ms);
    waiting.stop();
    try {
      waiting.get();
    } catch (weft::stopped const&) {
      stopped = true;
    }
    p.kill(SIGTERM);
    seen.push_back(pool.run(p.wait()));
    killed_again = p.kill();
  }).join();
  if (!filtered) {
    WARN("no seccomp here: not tested");
    return;
  }
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].code() == 8);
  CHECK(seen[1].code() == 9);
  CHECK(seen[2].signal() == SIGTERM);
  CHECK(stopped);
  CHECK_FALSE(killed_again);
  CHECK(no_children());
}
