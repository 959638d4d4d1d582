#include "fault/operations.hpp"

#include <weft/channel/channel.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/buffer.hpp>
#include <weft/io/dns.hpp>
#include <weft/io/file.hpp>
#include <weft/io/output.hpp>
#include <weft/io/pipe.hpp>
#include <weft/io/process.hpp>
#include <weft/io/serve.hpp>
#include <weft/io/signal.hpp>
#include <weft/io/tcp.hpp>
#include <weft/io/udp.hpp>
#include <weft/io/unix.hpp>
#include <weft/io/wait.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>
#include <weft/sync/event.hpp>
#include <weft/time/sleep.hpp>

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::endpoint;
using weft::sleep_for;
using weft::task;

namespace weft_test {

namespace {

std::string own_path(char const* kind) { return "/tmp/weft-fault-" + std::to_string(::getpid()) + "-" + kind; }

/// Sends back what comes, until the end.
template <class Stream>
task<> echo(Stream& s) {
  std::array<std::byte, 64> buffer;
  for (;;) {
    auto const n = co_await s.read(buffer);
    if (n == 0) break;
    co_await s.write(std::span(buffer).first(n));
  }
  s.shutdown_write();
}

template <class Stream>
task<> ask(Stream& s) {
  std::array<std::byte, 5> answer;
  co_await s.write("hello");
  static_cast<void>(co_await s.read_exactly(answer));
  must(answer[0] == std::byte{'h'} && answer[4] == std::byte{'o'}, "a stream: another answer");
  s.shutdown_write();
  must(co_await s.read(answer) == 0, "a stream: no end");
}

template <class Listener, class Connect>
task<> talk(Listener& listener, Connect connect) {
  auto serving = [&listener]() -> task<> {
    auto s = co_await listener.accept();
    co_await echo(s);
  };
  auto asking = [&connect]() -> task<> {
    auto s = co_await connect();
    co_await ask(s);
  };
  auto both = weft::when_all(serving(), asking());
  co_await std::move(both);
}

task<> talks_by_tcp() {
  auto listener = weft::tcp_listener::bind(endpoint::loopback(), {.backlog = 4});
  auto const connect = [&listener]() -> task<weft::tcp_stream> {
    auto s = co_await weft::tcp_stream::connect(listener.local());
    must(s.local() != s.peer(), "a stream to itself");
    co_return s;
  };
  co_await talk(listener, connect);
}

task<> talks_by_unix() {
  auto const path = own_path("socket");
  ::unlink(path.c_str());  // one that a run before could not remove
  auto listener = weft::unix_listener::bind(endpoint::parse("unix:" + path));
  auto const connect = [&listener] { return weft::unix_stream::connect(listener.local()); };
  co_await talk(listener, connect);
}

task<> sends_datagrams() {
  auto a = weft::udp_socket::bind(endpoint::loopback()), b = weft::udp_socket::bind(endpoint::loopback());
  std::array<std::byte, 64> buffer;
  auto receiving = [&]() -> task<> {
    auto const d = co_await b.receive_from(buffer);
    must(d.size() == 5 && d.from() == a.local(), "a datagram: another");
  };
  auto sending = [&]() -> task<> { co_await a.send_to("hello", b.local()); };
  auto both = weft::when_all(receiving(), sending());
  co_await std::move(both);
}

task<> uses_pipes() {
  weft::pipe p;
  std::array<std::byte, 5> buffer;
  auto reading = [&]() -> task<> { static_cast<void>(co_await p.reader.read_exactly(buffer)); };
  auto writing = [&]() -> task<> { co_await p.writer.write("hello"); };
  auto both = weft::when_all(reading(), writing());
  co_await std::move(both);
  must(buffer[4] == std::byte{'o'}, "a pipe: other bytes");
  p.reader.close();
  int error = 0;
  try {
    co_await p.writer.write("nobody reads it");
  } catch (std::system_error const& e) {
    error = e.code().value();
    if (error != EPIPE) throw;
  }
  must(error == EPIPE, "a pipe without a reader takes bytes");
}

task<> buffers() {
  weft::pipe from, to;
  auto writing = [&]() -> task<> {
    co_await from.writer.write("one\ntwo\nthree");
    from.writer.close();
  };
  auto reading = [&]() -> task<> {
    weft::buffered_reader in{from.reader};
    auto const line = co_await in.read_line();
    must(line == "one", "buffered_reader: another line");
    must(co_await weft::copy(in, to.writer) == 9, "copy: another count");
  };
  auto both = weft::when_all(writing(), reading());
  co_await std::move(both);
}

task<> serves() {
  auto listener = weft::tcp_listener::bind(endpoint::loopback());
  auto handler = [](weft::tcp_stream s) -> task<> { co_await echo(s); };
  auto serving = [&]() -> task<> { co_await weft::serve(listener, handler, {.max_connections = 2}); };
  auto asking = [&]() -> task<> {
    weft::detail::scope_exit const close([&listener] { listener.close(); });
    auto s = co_await weft::tcp_stream::connect("127.0.0.1", listener.local().port());
    s.set_no_delay(weft::no_delay::on);
    co_await ask(s);
  };
  auto both = weft::when_all(serving(), asking());
  co_await std::move(both);
}

task<> uses_files() {
  auto const path = own_path("file");
  auto f = co_await weft::file::open(path, weft::file_mode::write);
  co_await f.write_at(0, "hello");
  co_await f.sync();
  must(co_await f.size() == 5, "file: another size");
  auto g = co_await weft::file::open(path, weft::file_mode::read);
  std::array<std::byte, 16> buffer;
  must(co_await g.read_at(0, buffer) == 5 && buffer[4] == std::byte{'o'}, "file: other bytes");
  co_await weft::write_file(path, "again");
  must(co_await weft::read_file(path) == "again", "read_file: other bytes");
}

task<> runs_programs() {
  auto const [status, out, err] = co_await weft::output(weft::command("cat"), {.input = "hello"});
  // Whose pipe has no reader any more, it is told nothing.
  must(status.success() && (out == "hello" || out.empty()) && err.empty(), "output: other bytes");
  auto p = co_await weft::process::start(weft::command("/bin/sleep", "1000"), {.std_in = weft::stdio::null});
  must(p.kill(), "kill: nobody is there");
  auto const end = co_await p.wait();
  must(!end.success(), "wait: a program that was killed has succeeded");
}

task<> abandons_programs() {
  {
    // If nobody can kill it, it ends by itself.
    auto p = co_await weft::process::start(weft::command("/bin/sleep", "0.2"), {.std_in = weft::stdio::null});
  }
  co_await sleep_for(1ms);  // who looks after it begins with the fault
}

task<> terminates_groups() {
  auto p = co_await weft::process::start(weft::command("/bin/sleep", "1"), {.group = weft::process_group::own});
  must(p.kill(SIGCONT), "kill: nobody is there");
  auto const end = co_await p.terminate(5ms);
  must(!end.success(), "terminate: a program that was killed has succeeded");
}

// Its system calls would be interrupted, if it made any.
task<> stops_blocking_calls() {
  std::atomic<bool> begun{false};
  auto call = [&begun](weft::stop_token const& token) {
    begun = true;
    while (!token.stop_requested()) std::this_thread::yield();
  };
  auto body = [&](weft::scope& s) -> task<> {
    auto blocks = [&]() -> task<> { co_await weft::blocking(call); };
    s.spawn(blocks);
    while (!begun) co_await weft::this_task::checkpoint();
    s.stop();
  };
  co_await weft::with_scope(body);
}

task<> pins_pools() {
  weft::pool pinned{{.workers = 2, .pin = weft::pinning::on}};
  auto f = pinned.spawn([] { return 4; });
  must(co_await std::move(f) == 4, "a pinned pool: another result");
}

// For whichever thread has it open, without kill, which fails.
void raise_here(int number) { ::sigqueue(::getpid(), number, {}); }

task<> waits_for_signals() {
  weft::signals asked(SIGUSR1);
  auto waiting = [&]() -> task<> { must(co_await asked.next() == SIGUSR1, "signals: another"); };
  auto raising = []() -> task<> {
    co_await weft::this_task::yield();
    raise_here(SIGUSR1);
  };
  auto both = weft::when_all(waiting(), raising());
  co_await std::move(both);
  auto once = []() -> task<> { must(co_await weft::signal(SIGUSR2) == SIGUSR2, "signal: another"); };
  auto raising_until = [](bool const& taken) -> task<> {
    // Blocked in this program as long as nobody waits for it: see the test.
    while (!taken) {
      raise_here(SIGUSR2);
      co_await sleep_for(100us);
    }
  };
  bool taken = false;
  auto taking = [&]() -> task<> {
    weft::detail::scope_exit const left([&taken] { taken = true; });
    co_await once();
  };
  auto again = weft::when_all(taking(), raising_until(taken));
  co_await std::move(again);
}

task<> waits_for_descriptors() {
  weft::pipe p;
  int reader = -1, writer = -1;
  p.reader.with_descriptor([&](int fd) { reader = fd; });
  p.writer.with_descriptor([&](int fd) { writer = fd; });
  auto waiting = [&]() -> task<> { co_await weft::wait_readable(reader); };
  auto writing = [&]() -> task<> {
    co_await weft::wait_writable(writer);
    co_await p.writer.write("x");
  };
  auto both = weft::when_all(waiting(), writing());
  co_await std::move(both);
}

task<> resolves() {
  auto const found = co_await weft::resolve("127.0.0.1", "80");
  must(found.size() == 1 && found[0].port() == 80, "resolve: another address");
}

constexpr std::array rows{
    operation{"tcp_listener tcp_stream endpoint listen_options no_delay unexpected_end", &talks_by_tcp},
    operation{"unix_listener unix_stream", &talks_by_unix},
    operation{"udp_socket datagram", &sends_datagrams},
    operation{"pipe pipe_reader pipe_writer", &uses_pipes},
    operation{"buffered_reader buffer_options copy", &buffers},
    operation{"serve serve_options", &serves},
    operation{"file file_mode read_file write_file", &uses_files},
    operation{"output output_options process_output process process_options command stdio exit_status process_group",
              &runs_programs},
    operation{"~process", &abandons_programs},
    operation{"process::terminate", &terminates_groups},
    operation{"blocking(stop_token)", &stops_blocking_calls},
    operation{"pinning", &pins_pools},
    operation{"signals signal", &waits_for_signals},
    operation{"wait_readable wait_writable", &waits_for_descriptors},
    operation{"resolve", &resolves},
};

}  // namespace

std::span<operation const> system_operations() { return rows; }

}  // namespace weft_test
