// unix sockets, UDP, pipes, names, descriptors of others.
#include "sockets.hpp"

#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/dns.hpp>
#include <weft/io/pipe.hpp>
#include <weft/io/tcp.hpp>
#include <weft/io/udp.hpp>
#include <weft/io/unix.hpp>
#include <weft/io/wait.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
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
using weft_test::plain_socket;
using weft_test::read_all;
using weft_test::read_some;

namespace {

class temporary_folder {
 public:
  temporary_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-io-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  ~temporary_folder() { std::filesystem::remove_all(path_); }
  endpoint operator/(std::string const& name) const { return endpoint::unix_path(path_ + "/" + name); }

 private:
  std::string path_;
};

template <class Work>
std::optional<std::system_error> error_of(weft::pool& pool, Work&& work) {
  try {
    pool.run(std::forward<Work>(work));
  } catch (std::system_error const& e) {
    return e;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("unix sockets carry data both ways, by path and by abstract name") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sockets_test: unix");
  temporary_folder const folder;
  weft::pool pool{{.workers = workers}};
  for (auto const& at : {folder / "socket", endpoint::unix_path("@weft-test-" + std::to_string(::getpid()))}) {
    auto const answer = pool.run([&]() -> task<std::string> {
      auto listener = weft::unix_listener::bind(at);
      auto serve = [&]() -> task<> {
        auto s = co_await listener.accept();
        auto const question = co_await read_all(s);
        co_await s.write(question + " answered");
      };
      auto ask = [&]() -> task<std::string> {
        auto s = co_await weft::unix_stream::connect(at);
        if (s.peer() != at) throw std::logic_error(s.peer().to_string());
        co_await s.write(std::string(300'000, 'x'));
        s.shutdown_write();
        auto text = co_await read_all(s);
        co_return text;
      };
      auto both = co_await weft::when_all(serve(), ask());
      co_return std::move(both.second);
    });
    CHECK((answer == std::string(300'000, 'x') + " answered"));
    CHECK_FALSE(std::filesystem::exists(std::string(at.path())));
  }
}

TEST_CASE("a unix socket without a listener, or with one that is full, says so or waits") {
  weft_test::watchdog const guard("sockets_test: unix, connect");
  temporary_folder const folder;
  weft::pool pool{{.workers = 2}};
  auto const at = folder / "socket";
  auto const nobody = error_of(pool, [&]() -> task<> { static_cast<void>(co_await weft::unix_stream::connect(at)); });
  REQUIRE(nobody);
  CHECK(nobody->code() == std::errc::no_such_file_or_directory);
  CHECK_THAT(nobody->what(), ContainsSubstring("connect " + at.to_string()));

  auto listener = weft::unix_listener::bind(at, {.backlog = 0});
  auto const taken = error_of(pool, [&]() -> task<> {
    auto const second = weft::unix_listener::bind(at);
    static_cast<void>(second);
    co_return;
  });
  REQUIRE(taken);
  CHECK(taken->code() == std::errc::address_in_use);
  auto const connected = pool.run([&]() -> task<int> {
    int count = 0;
    auto connect = [&]() -> task<> {
      for (int i = 0; i < 5; ++i) {
        auto const s = co_await weft::unix_stream::connect(at);
        ++count;
      }
    };
    auto accept = [&]() -> task<> {
      co_await weft::sleep_for(5ms);
      for (int i = 0; i < 5; ++i) static_cast<void>(co_await listener.accept());
    };
    co_await weft::when_all(connect(), accept());
    co_return count;
  });
  CHECK(connected == 5);
}

TEST_CASE("a listener that two threads close removes its path, and not that of the next") {
  weft_test::watchdog const guard("sockets_test: unix, close");
  temporary_folder const folder;
  auto const at = folder / "socket";
  std::string const path(at.path());
  // The same place by a way that the system walks for long: whoever removes it by that one is in the middle of it for as long.
  std::string nowhere_far, detour;
  for (int i = 0; i < 2000; ++i) nowhere_far += "./";
  for (int i = 0; i < 20; ++i) detour += "s/";
  std::filesystem::create_directory_symlink(nowhere_far, std::string((folder / "s").path()));
  auto const by_detour = folder / (detour + "socket");
  auto const begin = weft::clock::now();
  static_cast<void>(::access(std::string(by_detour.path()).c_str(), F_OK));
  auto const walk = weft::clock::now() - begin;

  constexpr int rounds = 40;
  int removed = 0;
  for (int round = 0; round < rounds; ++round) {
    auto listener = weft::unix_listener::bind(by_detour);
    std::atomic<bool> begun{false};
    std::thread other([&] {
      begun = true;
      for (auto const until = weft::clock::now() + walk * round / rounds; weft::clock::now() < until;) {
      }
      listener.close();
    });
    while (!begun) std::this_thread::yield();
    listener.close();
    std::optional<weft::unix_listener> next;
    while (!next) {
      try {
        next.emplace(weft::unix_listener::bind(at));
      } catch (std::system_error const& e) {
        if (e.code() != std::errc::address_in_use) throw;
        std::this_thread::yield();  // the other has yet to remove it
      }
    }
    other.join();
    if (!std::filesystem::exists(path)) ++removed;
  }
  CHECK(removed == 0);
}

TEST_CASE("a read that ends early where a descriptor was sent along does not hide what follows") {
  weft_test::watchdog const guard("sockets_test: descriptors in a unix stream");
  temporary_folder const folder;
  weft::pool pool{{.workers = 2}};
  auto const at = folder / "socket";
  auto listener = weft::unix_listener::bind(at);
  auto const peer = weft_test::plain_socket::connect(at);
  auto send_with_descriptor = [&](std::string_view text) {
    int const fd = 0;
    alignas(::cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof fd)> control{};
    ::iovec io{const_cast<char*>(text.data()), text.size()};
    ::msghdr message{};
    message.msg_iov = &io;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    auto* const c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
    REQUIRE(::sendmsg(peer.fd(), &message, 0) == static_cast<ssize_t>(text.size()));
  };
  auto reading = pool.spawn([&]() -> task<std::string> {
    auto s = co_await listener.accept();
    std::string text;
    while (text.size() < 9) {
      auto const part = co_await read_some(s, 100);
      if (part.empty()) break;
      text += part;
    }
    co_return text;
  });
  std::this_thread::sleep_for(2ms);
  peer.send("abc");
  send_with_descriptor("def");
  peer.send("ghi");
  CHECK(reading.get() == "abcdefghi");
}

TEST_CASE("datagrams come whole, with their sender") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sockets_test: udp");
  weft::pool pool{{.workers = workers}};
  pool.run([]() -> task<> {
    auto a = weft::udp_socket::bind(endpoint::loopback());
    auto b = weft::udp_socket::bind(endpoint::loopback());
    std::array<std::byte, 100> buffer;
    for (std::string const text : {"one", "", "three"}) {
      co_await a.send_to(text, b.local());
      auto const d = co_await b.receive_from(buffer);
      if (d.size() != text.size() || d.cut_short() || d.from() != a.local() ||
          weft_test::text_of(std::span(buffer).first(d.size())) != text)
        throw std::logic_error(text);
      // Back to where it came from.
      co_await b.send_to("answer", d.from());
      auto const back = co_await a.receive_from(buffer);
      if (back.size() != 6 || back.from() != b.local()) throw std::logic_error("answer");
    }
    // Too long for the buffer: told so. Too long for a datagram: an error.
    co_await a.send_to(std::string(1000, 'x'), b.local());
    auto const cut = co_await b.receive_from(buffer);
    if (cut.size() != 100 || !cut.cut_short()) throw std::logic_error("cut short");
    bool refused = false;
    try {
      co_await a.send_to(std::string(70'000, 'x'), b.local());
    } catch (std::system_error const& e) {
      refused = e.code() == std::errc::message_size;
    }
    if (!refused) throw std::logic_error("70,000 bytes");
  });
}

TEST_CASE("many tasks send from one udp socket") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sockets_test: udp, many senders");
  weft::pool pool{{.workers = workers}};
  auto const received = pool.run([]() -> task<std::size_t> {
    auto from = weft::udp_socket::bind(endpoint::loopback());
    auto to = weft::udp_socket::bind(endpoint::loopback());
    std::set<std::string> seen;
    auto send = [&](int i) -> task<> {
      for (int k = 0; k < 5; ++k) co_await from.send_to(std::to_string(i * 5 + k), to.local());
    };
    auto receive = [&]() -> task<> {
      std::array<std::byte, 100> buffer;
      while (seen.size() < 100) {
        auto const d = co_await to.receive_from(buffer);
        seen.insert(weft_test::text_of(std::span(buffer).first(d.size())));
      }
    };
    std::vector<task<>> all;
    for (int i = 0; i < 20; ++i) all.push_back(send(i));
    all.push_back(receive());
    auto operation = weft::when_all(std::move(all));
    co_await std::move(operation);
    co_return seen.size();
  });
  CHECK(received == 100);
}

TEST_CASE("closing and stopping end a udp receive") {
  weft_test::watchdog const guard("sockets_test: udp, ends");
  weft::pool pool{{.workers = 2}};
  auto s = weft::udp_socket::bind(endpoint::loopback());
  std::array<std::byte, 10> buffer;
  auto receive = [&]() -> task<> { static_cast<void>(co_await s.receive_from(buffer)); };
  auto stopped = pool.spawn(receive);
  std::this_thread::sleep_for(2ms);
  stopped.stop();
  CHECK_THROWS_AS(stopped.get(), weft::stopped);
  auto closed = pool.spawn(receive);
  std::this_thread::sleep_for(2ms);
  s.close();
  CHECK_THROWS_AS(closed.get(), weft::stopped);
}

TEST_CASE("an error of a unix stream or a udp socket names it, whatever has become of it meanwhile") {
  weft_test::watchdog const guard("sockets_test: moved in flight");
  weft_test::unmonitored_pool pool{{.workers = 1}};
  std::array<std::byte, 10> buffer;
  auto const message_of = [](auto& future) -> std::string {
    try {
      future.get();
    } catch (std::system_error const& e) {
      return e.what();
    }
    return "no error";
  };

  temporary_folder const folder;
  auto const at = folder / "socket";
  auto listener = weft::unix_listener::bind(at);
  auto own = std::make_unique<weft::unix_stream>(pool.run(weft::unix_stream::connect(at)));
  auto reading = weft_test::begin_on(pool, [&, &s = *own]() -> task<> { co_await s.read_exactly(buffer); });
  auto const moved = std::move(*own);
  *own = weft::unix_stream();
  own.reset();
  pool.run(listener.accept()).close();
  CHECK_THAT(message_of(reading), ContainsSubstring("read_exactly " + at.to_string() + ":"));

  auto own_udp = std::make_unique<weft::udp_socket>(weft::udp_socket::bind(endpoint::loopback()));
  auto const local = own_udp->local();
  auto const nobody = weft_test::own_address(9);
  own_udp->with_descriptor([&](int fd) {
    ::sockaddr_storage to;
    auto const length = nobody.to(to);
    CHECK(::connect(fd, reinterpret_cast<::sockaddr const*>(&to), length) == 0);
  });
  auto receiving =
      weft_test::begin_on(pool, [&, &s = *own_udp]() -> task<> { static_cast<void>(co_await s.receive_from(buffer)); });
  auto const moved_udp = std::move(*own_udp);
  *own_udp = weft::udp_socket::bind(endpoint::loopback());
  own_udp.reset();
  moved_udp.with_descriptor([](int fd) { CHECK(::send(fd, "x", 1, 0) == 1); });
  CHECK_THAT(message_of(receiving), ContainsSubstring("receive_from " + local.to_string() + ": "));
}

TEST_CASE("a pipe carries bytes and their end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sockets_test: pipe");
  weft::pool pool{{.workers = workers}};
  std::string const text(1'000'000, 'p');
  auto const received = pool.run([&]() -> task<std::string> {
    weft::pipe p;
    auto write = [&]() -> task<> {
      co_await p.writer.write(text);
      p.writer.close();
    };
    auto both = co_await weft::when_all(write(), read_all(p.reader));
    co_return std::move(both.second);
  });
  CHECK((received == text));
}

TEST_CASE("writing to a pipe that nobody reads is an error and no signal, and disturbs no one's SIGPIPE") {
  weft_test::watchdog const guard("sockets_test: pipe, EPIPE");
  weft::pool pool{{.workers = 1}};
  auto const failed = error_of(pool, []() -> task<> {
    weft::pipe p;
    p.reader.close();
    co_await p.writer.write("nobody");
  });
  REQUIRE(failed);
  CHECK(failed->code() == std::errc::broken_pipe);
  CHECK_THAT(failed->what(), ContainsSubstring("write pipe"));
  // Also where the thread lets the signal through: its mask is as it was, and nothing is pending.
  for (int const how : {SIG_UNBLOCK, SIG_BLOCK}) {
    auto const clean = pool.run([how]() -> task<bool> {
      ::sigset_t pipe_signal, before, after, pending;
      ::sigemptyset(&pipe_signal);
      ::sigaddset(&pipe_signal, SIGPIPE);
      ::pthread_sigmask(how, &pipe_signal, &before);
      weft::pipe p;
      p.reader.close();
      bool refused = false;
      try {
        co_await p.writer.write("nobody");
      } catch (std::system_error const& e) {
        refused = e.code() == std::errc::broken_pipe;
      }
      ::sigpending(&pending);
      ::pthread_sigmask(SIG_SETMASK, &before, &after);
      co_return refused&& ::sigismember(&pending, SIGPIPE) == 0 &&
          ::sigismember(&after, SIGPIPE) == (how == SIG_BLOCK ? 1 : 0);
    });
    CHECK(clean);
  }
}

TEST_CASE("names and numbers are resolved, and what is no name is an error that names it") {
  weft_test::watchdog const guard("sockets_test: resolve", 60s);
  weft::pool pool{{.workers = 1}};
  CHECK(pool.run(weft::resolve("127.0.0.1", "80")) == std::vector{endpoint::parse("127.0.0.1:80")});
  CHECK(pool.run(weft::resolve("::1", "443")) == std::vector{endpoint::parse("[::1]:443")});
  auto const local = pool.run(weft::resolve("localhost", "7"));
  CHECK(std::any_of(local.begin(), local.end(), [](endpoint const& e) {
    return e == endpoint::parse("127.0.0.1:7") || e == endpoint::parse("[::1]:7");
  }));
  for (std::string const& host : {std::string("no-such-host.invalid"), std::string(), std::string(300, 'a'),
                                  std::string("127.0.0.1\0.evil", 15)}) {
    auto const failed = error_of(pool, [&]() -> task<> { static_cast<void>(co_await weft::resolve(host, "80")); });
    REQUIRE(failed);
    CHECK(failed->code().category().name() == std::string("getaddrinfo"));
    CHECK_THAT(failed->what(), ContainsSubstring("resolve " + host.substr(0, host.find('\0'))));
  }
  auto const service = error_of(pool, weft::resolve("localhost", "no-such-service"));
  REQUIRE(service);
}

TEST_CASE("connect by name tries one address after the other") {
  weft_test::watchdog const guard("sockets_test: connect by name", 60s);
  weft::pool pool{{.workers = 2}};
  // localhost may be ::1 first. The port is taken there as well, so that nobody listens, and tried anew where it is not free here.
  auto const with_both = [](auto here) {
    for (;;) {
      auto there = plain_socket::bound(endpoint::parse("[::1]:0"));
      try {
        return std::pair(std::move(there), here(endpoint::loopback(there.local().port())));
      } catch (std::system_error const& e) {
        if (e.code() != std::errc::address_in_use) throw;
      }
    }
  };
  auto const one = with_both([](endpoint const& at) { return weft::tcp_listener::bind(at); });
  auto const peer = pool.run([&]() -> task<endpoint> {
    auto const s = co_await weft::tcp_stream::connect("localhost", one.second.local().port());
    co_return s.peer();
  });
  CHECK(peer == one.second.local());
  auto const none = with_both([](endpoint const& at) { return plain_socket::bound(at); });
  auto const refused = error_of(pool, [&]() -> task<> {
    static_cast<void>(co_await weft::tcp_stream::connect("localhost", none.second.local().port()));
  });
  REQUIRE(refused);
  CHECK(refused->code() == std::errc::connection_refused);
}

namespace {

/// How many descriptors of this process, fd among them, stand for what it stands for.
int open_descriptors_of(int fd) {
  namespace fs = std::filesystem;
  auto const same = fs::read_symlink("/proc/self/fd/" + std::to_string(fd));
  int count = 0;
  for (auto const& each : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    count += fs::read_symlink(each.path(), gone) == same;
  }
  return count;
}

}  // namespace

TEST_CASE("any descriptor can be waited for, and closed by its owner meanwhile") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("sockets_test: wait");
  weft::pool pool{{.workers = workers}};
  std::array<int, 2> ends;
  REQUIRE(::pipe(ends.data()) == 0);
  auto const [reading, writing] = ends;
  pool.run(weft::wait_writable(writing));
  for (int i = 0; i < 20; ++i) {
    auto f = pool.spawn(weft::wait_readable(reading));
    if (i % 2) std::this_thread::sleep_for(1ms);
    REQUIRE(::write(writing, "x", 1) == 1);
    f.get();
    pool.run(weft::wait_readable(reading));  // it is there still
    char byte;
    REQUIRE(::read(reading, &byte, 1) == 1);
  }
  auto stopped = pool.spawn(weft::wait_readable(reading));
  std::this_thread::sleep_for(1ms);
  stopped.stop();
  CHECK_THROWS_AS(stopped.get(), weft::stopped);
  // The end is something to read; several may wait for one descriptor.
  auto one = pool.spawn(weft::wait_readable(reading));
  auto other = pool.spawn(weft::wait_readable(reading));
  // Both ends, and a copy for each that waits.
  while (open_descriptors_of(reading) < 4) std::this_thread::sleep_for(1ms);
  ::close(reading);  // its number may be anybody's now
  ::close(writing);
  one.get();
  other.get();
  auto const bad = error_of(pool, weft::wait_readable(-1));
  // poll leaves out negative numbers: nothing will ever come.
  REQUIRE(bad);
  auto const closed = error_of(pool, weft::wait_readable(reading));
  REQUIRE(closed);
  CHECK(closed->code() == std::errc::bad_file_descriptor);
}
