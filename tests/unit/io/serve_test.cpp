#include "client_process.hpp"
#include "sockets.hpp"
#include "support/allocations.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/combine/when_all.hpp>
#include <weft/coro/promise.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/buffer.hpp>
#include <weft/io/pipe.hpp>
#include <weft/io/serve.hpp>
#include <weft/io/tcp.hpp>
#include <weft/io/unix.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using weft::endpoint;
using weft::task;
using weft::tcp_listener;
using weft::tcp_stream;
using weft_test::half_plain;
using weft_test::plain_socket;
using weft_test::read_some;

namespace {

task<> echo(tcp_stream s) {
  std::array<std::byte, 256> buffer;
  for (;;) {
    auto const n = co_await s.read(buffer);
    if (n == 0) co_return;
    co_await s.write(std::span(buffer).first(n));
  }
}

task<> echo_once(tcp_stream s) {
  auto const text = co_await read_some(s, 10);
  co_await s.write(text);
}

/// Asks anew for as long as nothing but the end comes.
task<std::string> asks_until_answered(endpoint at) {
  std::string text;
  for (int tries = 0; text.empty() && tries != 10; ++tries) {
    try {
      auto s = co_await tcp_stream::connect(at);
      co_await s.write(std::string_view("0123456789"));
      text = co_await read_some(s, 10);
    } catch (std::system_error const&) {  // refused, or reset by who has not read it
    }
  }
  co_return text;
}

/// Too large for the blocks that a worker keeps: what it is put into is allocated.
struct large_connection {
  explicit large_connection(tcp_stream&& s) noexcept : stream(std::move(s)) {}
  mutable tcp_stream stream;
  std::array<std::byte, 4096> ballast{};
};

/// After each of the first so many accepts, `in_a_row` allocations on that thread fail: from the next one, which is that for the
/// connection's task, or from the nth after it.
struct listener_without_memory {
  explicit listener_without_memory(int times, int nth = 0, int in_a_row = 1)
      : left(times), after(nth), count(in_a_row) {}

  class awaiter : public weft::detail::native_awaiter {
   public:
    explicit awaiter(listener_without_memory& of) : accepting_(of.inner.accept().operator co_await()), all_(of) {}
    bool await_ready() const noexcept { return accepting_.await_ready(); }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> task) {
      return accepting_.await_suspend(task);
    }
    large_connection await_resume() {
      large_connection c(accepting_.await_resume());
      ++all_.accepted;
      if (all_.left != 0) {
        --all_.left;
        all_.failing.emplace(all_.after, all_.count);
      }
      return c;
    }

   private:
    decltype(std::declval<tcp_listener&>().accept().operator co_await()) accepting_;
    listener_without_memory& all_;
  };
  class operation {
   public:
    explicit operation(listener_without_memory& of) noexcept : all_(&of) {}
    auto operator co_await() const { return awaiter(*all_); }

   private:
    listener_without_memory* all_;
  };
  operation accept() noexcept { return operation(*this); }

  tcp_listener inner = tcp_listener::bind(endpoint::loopback());
  int left, accepted = 0;  // of the task that accepts
  int const after, count;
  std::optional<weft_test::failing_allocation> failing;
};

std::atomic<int> failures{0};
void count_failure(std::exception_ptr) noexcept { ++failures; }

/// The lines of a text that comes in pieces of a size, as read_line gives them.
std::vector<std::string> lines_of(weft::pool& pool, std::string const& text, std::size_t piece, std::size_t buffer) {
  return pool.run([&]() -> task<std::vector<std::string>> {
    weft::pipe p;
    std::vector<std::string> lines;
    auto write = [&]() -> task<> {
      for (std::size_t at = 0; at < text.size(); at += piece)
        co_await p.writer.write(std::string_view(text).substr(at, piece));
      p.writer.close();
    };
    auto read = [&]() -> task<> {
      weft::buffered_reader r(p.reader, {.size = buffer});
      for (;;) {
        auto line = co_await r.read_line();
        if (!line) break;
        lines.push_back(std::move(*line));
      }
    };
    co_await weft::when_all(write(), read());
    co_return lines;
  });
}

}  // namespace

TEST_CASE("serve gives each connection to a task of its own, until its listener is closed") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("serve_test: serve");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  auto server = pool.spawn([&]() -> task<> { co_await weft::serve(listener, echo); });
  std::vector<plain_socket> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(plain_socket::connect(listener.local()));
  for (auto const& c : clients) c.send("hello");
  for (auto const& c : clients) CHECK(c.receive_exactly(5) == "hello");
  listener.close();
  // Who is there is served to the end.
  std::this_thread::sleep_for(2ms);
  clients[7].send("still there?");
  CHECK(clients[7].receive_exactly(12) == "still there?");
  CHECK_FALSE(server.ready());
  clients.clear();
  server.get();
}

TEST_CASE(
    "18,000 idle connections from another process cost little memory each, and are all answered when they speak") {
  constexpr std::size_t count = 18'000, others = 100;
  weft_test::all_descriptors const descriptors;
  if (descriptors.most() < count + others) {
    WARN("skipped: the system allows this process " << descriptors.most() << " descriptors, it takes "
                                                    << count + others);
    return;
  }
  weft_test::client_process clients(count);
  weft_test::watchdog const guard("serve_test: 18,000 connections", 50s);
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  auto listener = tcp_listener::bind(endpoint::loopback(), {.backlog = count / 6});
  std::atomic<std::size_t> begun{0}, reset{0};
  auto server = pool.spawn([&]() -> task<> {
    auto handler = [&](tcp_stream s) -> task<> {
      ++begun;
      std::byte byte;
      try {
        while (co_await s.read(std::span(&byte, 1)) != 0) co_await s.write(std::span<std::byte const>(&byte, 1));
      } catch (std::system_error const& e) {
        if (e.code() == std::errc::connection_reset) ++reset;
      }
    };
    co_await weft::serve(listener, std::ref(handler), {.max_connections = 0});
  });
  auto const before = weft_test::live_allocations();
  for (std::size_t at_once = count / 6, made = at_once; made <= count; made += at_once) {
    REQUIRE(clients.connect(listener.local().port(), at_once) == 0);
    while (begun < made) std::this_thread::sleep_for(1ms);
  }
  auto const allocated = static_cast<std::size_t>(weft_test::live_allocations().bytes - before.bytes);
  auto const each = allocated / count + sizeof(weft::detail::handle_record);
#if defined(__OPTIMIZE__) && !WEFT_ASAN && !WEFT_TSAN
  CHECK(each <= 600);
#else
  CHECK(each <= 1200);
#endif
  CHECK(clients.exchange() == 0);
  CHECK(clients.close_all() == 0);
  listener.close();
  server.get();
  CHECK(reset == count / 2);
}

TEST_CASE("a handler may refer to its connection, or be none that gives a task without a result") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("serve_test: handlers of every kind");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto by_reference = [](tcp_stream&& s) -> task<> {
    auto const text = co_await read_some(s, 10);
    co_await s.write(text);
  };
  auto with_result = [](tcp_stream s) -> task<int> {
    auto const text = co_await read_some(s, 10);
    co_await s.write(text);
    co_return 1;
  };
  auto const greeting = std::make_shared<std::string const>("hello");
  auto with_captures = [greeting](tcp_stream s) -> task<> {
    auto const text = co_await read_some(s, 10);
    co_await s.write(text == *greeting ? text : *greeting);
  };
  auto const serve_with = [&](auto handler) {
    auto listener = tcp_listener::bind(endpoint::loopback());
    auto server = pool.spawn(weft::serve(listener, std::move(handler), {.max_connections = 2}));
    for (int i = 0; i < 10; ++i) {
      auto const client = plain_socket::connect(listener.local());
      client.send("hello");
      CHECK(client.receive_all() == "hello");
    }
    listener.close();
    server.get();
  };
  serve_with(by_reference);
  serve_with(with_result);
  serve_with(with_captures);
  serve_with(&echo_once);
}

TEST_CASE("a stop ends a server and its connections") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("serve_test: stop");
  weft::pool pool{{.workers = workers}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  auto server = pool.spawn([&]() -> task<> { co_await weft::serve(listener, echo); });
  auto const client = plain_socket::connect(listener.local());
  client.send("x");
  CHECK(client.receive(1) == "x");
  server.stop();
  CHECK_THROWS_AS(server.get(), weft::stopped);
  CHECK(client.receive().empty());
}

TEST_CASE("a handler that fails is reported, and the server goes on") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("serve_test: failing handlers");
  failures = 0;
  weft::pool pool{{.workers = workers, .on_failure = &count_failure}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  auto server = pool.spawn([&]() -> task<> {
    co_await weft::serve(listener, [](tcp_stream s) -> task<> {
      auto const text = co_await read_some(s, 10);
      if (text == "throw") throw std::runtime_error("as asked");
      if (text == "close") {
        s.close();
        static_cast<void>(co_await read_some(s, 10));  // completes as stopped
      }
      co_await s.write(text);
    });
  });
  for (int i = 0; i < 10; ++i) {
    auto const bad = plain_socket::connect(listener.local());
    bad.send("throw");
    CHECK(bad.receive().empty());
    auto const closing = plain_socket::connect(listener.local());
    closing.send("close");
    CHECK(closing.receive().empty());
    auto const good = plain_socket::connect(listener.local());
    good.send("good");
    CHECK(good.receive_exactly(4) == "good");
  }
  listener.close();
  server.get();
  CHECK(failures == 10);
}

TEST_CASE("a client that goes away in the middle is no failure of the server's") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("serve_test: clients that go away");
  failures = 0;
  weft::pool pool{{.workers = workers, .on_failure = &count_failure}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  std::atomic<int> reset{0}, broken{0};
  auto server = pool.spawn([&]() -> task<> {
    co_await weft::serve(listener, [&](tcp_stream s) -> task<> {
      auto const counted = [&](std::system_error const& e) {
        if (e.code() == std::errc::connection_reset) ++reset;
        if (e.code() == std::errc::broken_pipe) ++broken;
      };
      std::string const text(100'000, 'x');
      try {
        for (;;) co_await s.write(text);
      } catch (std::system_error const& e) {
        counted(e);
        if (e.code() == std::errc::broken_pipe) throw;
      }
      co_await s.write(text);  // EPIPE, after the reset was told of
    });
  });
  for (int i = 0; i < 10; ++i) {
    auto const client = plain_socket::connect(listener.local());
    CHECK(client.receive_exactly(1) == "x");  // and closes, with the rest unread: a reset
  }
  listener.close();
  server.get();
  CHECK(reset + broken >= 10);
  CHECK(failures == 0);
}

TEST_CASE("no more connections than allowed are served at a time") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("serve_test: max_connections");
  weft::pool pool{{.workers = workers}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  std::atomic<int> now{0}, most{0};
  auto server = pool.spawn([&]() -> task<> {
    co_await weft::serve(listener,
                         [&](tcp_stream s) -> task<> {
                           int const mine = ++now;
                           for (int seen = most; seen < mine && !most.compare_exchange_weak(seen, mine);) {
                           }
                           co_await s.write("served");
                           co_await weft::sleep_for(1ms);
                           --now;
                         },
                         {.max_connections = 3});
  });
  std::vector<plain_socket> clients;
  for (int i = 0; i < 30; ++i) clients.push_back(plain_socket::connect(listener.local()));
  for (auto const& c : clients) CHECK(c.receive_exactly(6) == "served");
  listener.close();
  server.get();
  CHECK(most <= 3);
}

TEST_CASE("a server that runs out of descriptors waits and goes on") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("serve_test: EMFILE");
  weft::pool pool{{.workers = workers}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  auto server = pool.spawn([&]() -> task<> { co_await weft::serve(listener, echo); });
  {
    auto const first = plain_socket::connect(listener.local());
    first.send("1");
    CHECK(first.receive(1) == "1");
  }
  std::vector<plain_socket> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(plain_socket::unconnected(listener.local()));
  {
    // Two of the server's ends find a number.
    weft_test::few_descriptors const few(2);
    for (auto const& c : clients) c.connect_to(listener.local());
    std::this_thread::sleep_for(30ms);
  }
  for (auto const& c : clients) {
    c.send("2");
    CHECK(c.receive(1) == "2");
  }
  clients.clear();
  listener.close();
  server.get();
}

TEST_CASE("a connection whose handler finds no memory for its task is closed, and the server goes on") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("serve_test: no memory for a task");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers, .on_failure = &count_failure}};
  std::atomic<int> asked{0};
  auto handler = [&asked](tcp_stream s) -> task<> {  // no coroutine: throws before it gives the task
    if (asked++ < 2) throw std::bad_alloc();
    return echo_once(std::move(s));
  };
  auto listener = tcp_listener::bind(endpoint::loopback());
  auto const at = listener.local();
  auto server = pool.spawn(weft::serve(listener, handler));
  CHECK(pool.run(asks_until_answered(at)) == "0123456789");
  CHECK(asked == 3);
  listener.close();
  server.get();
}

TEST_CASE("a connection for which the server finds no memory is closed, and the server goes on") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("serve_test: no memory");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> begun{0};
  auto const serves = [&pool, &begun](auto const& handler) {
    begun = 0;
    listener_without_memory listener(2);
    auto const at = listener.inner.local();
    auto server = pool.spawn([&]() -> task<> {
      std::exception_ptr failure;
      try {
        co_await weft::serve(listener, std::ref(handler));
      } catch (...) {
        failure = std::current_exception();
      }
      listener.inner.close();  // so that nobody waits for an answer in vain
      if (failure) std::rethrow_exception(failure);
    });
    CHECK(pool.run(asks_until_answered(at)) == "0123456789");
    CHECK(begun == 1);
    CHECK(listener.accepted == 3);
    listener.inner.close();
    CHECK_NOTHROW(server.get());
  };
  serves([&begun](large_connection c) -> task<> {  // its frame is all that there is of the connection
    ++begun;
    co_await echo_once(std::move(c.stream));
  });
  serves([&begun](large_connection const& c) -> task<> {  // which stays beside it
    ++begun;
    co_await echo_once(std::move(c.stream));
  });
}

TEST_CASE("without memory for a connection nor for the timer of the pause the server goes on") {
  weft_test::watchdog const guard("serve_test: no memory for a timer");
  weft_test::balance const balance;
  weft::pool clients{{.workers = 1}}, pool{{.workers = 1}};  // whose worker has set no timer before
  listener_without_memory listener(1, 0, 2);
  auto const at = listener.inner.local();
  auto server = pool.spawn([&]() -> task<> {
    std::exception_ptr failure;
    try {
      co_await weft::serve(listener, [](large_connection c) -> task<> { co_await echo_once(std::move(c.stream)); });
    } catch (...) {
      failure = std::current_exception();
    }
    listener.failing.reset();
    listener.inner.close();  // so that nobody waits for an answer in vain
    if (failure) std::rethrow_exception(failure);
  });
  CHECK(clients.run(asks_until_answered(at)) == "0123456789");
  CHECK(listener.accepted == 2);
  listener.inner.close();
  CHECK_NOTHROW(server.get());
}

TEST_CASE("whichever allocation fails when a connection begins, the server goes on") {
  weft_test::watchdog const guard("serve_test: no memory for any part of a connection");
  weft_test::balance const balance;
  weft::pool clients{{.workers = 1}};
  // How many there are, each of which has failed once.
  auto const fails_each_in = [&clients](auto const& handler) {
    int count = 0;
    bool failed = true;
    while (failed) {
      weft::pool pool{{.workers = 1, .on_failure = &count_failure}};  // all of them are made by one thread
      listener_without_memory listener(1, count);
      auto const at = listener.inner.local();
      auto server = pool.spawn([&]() -> task<> {
        std::exception_ptr failure;
        try {
          co_await weft::serve(listener, std::ref(handler));
        } catch (...) {
          failure = std::current_exception();
        }
        failed = listener.failing && listener.failing->happened();
        listener.failing.reset();
        listener.inner.close();  // so that nobody waits for an answer in vain
        if (failure) std::rethrow_exception(failure);
      });
      CHECK(clients.run(asks_until_answered(at)) == "0123456789");
      listener.inner.close();
      CHECK_NOTHROW(server.get());
      if (failed) ++count;
    }
    return count;
  };
  auto by_value = [](large_connection c) -> task<> { co_await echo_once(std::move(c.stream)); };
  auto by_reference = [](large_connection const& c) -> task<> { co_await echo_once(std::move(c.stream)); };
  auto generic = [](auto c) -> task<> { co_await echo_once(std::move(c.stream)); };
  auto with_result = [](large_connection c) -> task<int> {
    co_await echo_once(std::move(c.stream));
    co_return 1;
  };
  // What is as large as the connection at least: the child and the handler's frame, or the frame of who calls the handler.
  int const of_value = fails_each_in(by_value), of_reference = fails_each_in(by_reference);
  int const of_generic = fails_each_in(generic), of_result = fails_each_in(with_result);
  CHECK(of_value >= 2);
  CHECK(of_reference >= 1);
  CHECK(of_generic >= 2);
  CHECK(of_result >= 2);
}

TEST_CASE("a server of unix sockets is the same") {
  weft_test::watchdog const guard("serve_test: unix");
  weft::pool pool{{.workers = 2}};
  auto const at = endpoint::unix_path("@weft-serve-test-" + std::to_string(::getpid()));
  auto listener = weft::unix_listener::bind(at);
  auto server = pool.spawn([&]() -> task<> {
    co_await weft::serve(listener, [](weft::unix_stream s) -> task<> {
      auto const copied = co_await weft::copy(s, s);
      if (copied != 5) throw std::logic_error("5");
    });
  });
  auto const client = plain_socket::connect(at);
  client.send("hello");
  client.shutdown_write();
  CHECK(client.receive_all() == "hello");
  listener.close();
  server.get();
}

TEST_CASE("lines are the same in pieces of every size and through buffers of every size") {
  weft_test::watchdog const guard("serve_test: lines");
  weft::pool pool{{.workers = 2}};
  std::string const text = "one\ntwo\r\n\n\r\nfi\rve\n" + std::string(3000, 'x') + "\nlast";
  std::vector<std::string> const expected{"one", "two", "", "", "fi\rve", std::string(3000, 'x'), "last"};
  for (std::size_t const piece : {1u, 2u, 3u, 7u, 1000u, 100'000u})
    for (std::size_t const buffer : {1u, 2u, 5u, 64u, 16384u}) CHECK((lines_of(pool, text, piece, buffer) == expected));
  CHECK(lines_of(pool, "", 1, 16).empty());
  CHECK(lines_of(pool, "\n", 1, 16) == std::vector<std::string>{""});
  CHECK(lines_of(pool, "a\n", 1, 16) == std::vector<std::string>{"a"});
}

TEST_CASE("a mark that comes in pieces is found, also one that begins again within itself") {
  weft_test::watchdog const guard("serve_test: read_until");
  weft::pool pool{{.workers = 1}};
  pool.run([]() -> task<> {
    for (std::size_t const size : {std::size_t{1}, std::size_t{3}, std::size_t{100}}) {
      weft::pipe p;
      co_await p.writer.write("head: 1\r\n\r\r\n\r\nbody aab aaab tail");
      p.writer.close();
      weft::buffered_reader r(p.reader, {.size = size});
      auto const head = co_await r.read_until("\r\n\r\n");
      auto const to_aab = co_await r.read_until("aab");
      auto const again = co_await r.read_until("aab");
      auto const tail = co_await r.read_until("aab");
      auto const nothing = co_await r.read_until("aab");
      if (head != "head: 1\r\n\r" || to_aab != "body " || again != " a" || tail != " tail" || nothing)
        throw std::logic_error("size " + std::to_string(size));
    }
  });
}

TEST_CASE("a line that is too long is an error before it fills the memory") {
  weft_test::watchdog const guard("serve_test: long lines");
  weft::pool pool{{.workers = 2}};
  CHECK_THROWS_AS(pool.run([]() -> task<> {
    weft::pipe p;
    auto write = [&]() -> task<> {
      std::string const block(10'000, 'x');
      for (;;) co_await p.writer.write(block);
    };
    auto read = [&]() -> task<> {
      weft::buffered_reader r(p.reader, {.size = 512, .longest = 100'000});
      static_cast<void>(co_await r.read_line());
    };
    co_await weft::when_all(write(), read());
  }),
                  std::length_error);
  // As long as allowed is not too long.
  auto const line = pool.run([]() -> task<std::optional<std::string>> {
    weft::pipe p;
    co_await p.writer.write("12345\n");
    weft::buffered_reader r(p.reader, {.size = 2, .longest = 5});
    auto text = co_await r.read_line();
    co_return text;
  });
  CHECK(line == "12345");
}

TEST_CASE("where any line is short enough, none is too long") {
  weft_test::watchdog const guard("serve_test: lines of any length");
  weft::pool pool{{.workers = 1}};
  pool.run([]() -> task<> {
    for (std::size_t const below : {0u, 1u, 2u, 3u}) {
      weft::pipe p;
      co_await p.writer.write("one\r\ntwo");
      p.writer.close();
      weft::buffered_reader r(p.reader, {.longest = std::numeric_limits<std::size_t>::max() - below});
      auto const first = co_await r.read_until("\r\n");
      auto const last = co_await r.read_until("\r\n");
      if (first != "one" || last != "two") throw std::logic_error(std::to_string(below));
    }
  });
}

TEST_CASE("a buffered reader gives lines and bytes in turn") {
  weft_test::watchdog const guard("serve_test: lines and bytes");
  weft::pool pool{{.workers = 1}};
  pool.run([]() -> task<> {
    auto both = co_await half_plain::connect();
    both.peer.send("length 5\n12345rest\nmore");
    both.peer.shutdown_write();
    weft::buffered_reader r(both.stream);
    auto const head = co_await r.read_line();
    std::string body(5, '\0');
    static_cast<void>(co_await r.read_exactly(std::as_writable_bytes(std::span(body))));
    auto const rest = co_await r.read_line();
    if (head != "length 5" || body != "12345" || rest != "rest") throw std::logic_error(body);
    if (weft_test::text_of(r.buffered()) != "more") throw std::logic_error("buffered");
    auto const tail = co_await weft_test::read_all(r);
    if (tail != "more") throw std::logic_error(tail);
    bool ended = false;
    try {
      static_cast<void>(co_await r.read_exactly(std::as_writable_bytes(std::span(body))));
    } catch (weft::unexpected_end const& e) {
      ended = e.received() == 0;
    }
    if (!ended) throw std::logic_error("no end");
  });
}

TEST_CASE("copy passes a stream on to its end and counts it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("serve_test: copy");
  weft::pool pool{{.workers = workers}};
  std::string const text(1'500'000, 'c');
  auto const [received, counted] = pool.run([&]() -> task<std::pair<std::string, std::uint64_t>> {
    weft::pipe in, out;
    auto write = [&]() -> task<> {
      co_await in.writer.write(text);
      in.writer.close();
    };
    auto pass_on = [&]() -> task<std::uint64_t> {
      auto const n = co_await weft::copy(in.reader, out.writer);
      out.writer.close();
      co_return n;
    };
    auto all = co_await weft::when_all(write(), pass_on(), weft_test::read_all(out.reader));
    co_return std::pair(std::move(all.third), all.second);
  });
  CHECK((received == text));
  CHECK(counted == text.size());
}
