#include "sockets.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/tcp.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
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
using weft_test::read_all;
using weft_test::read_some;
using weft_test::stream_pair;

namespace {

constexpr bool slow = weft::detail::thread_sanitized || weft::detail::address_sanitized;

/// How work ends, where it is to end with a system_error.
template <class Work>
std::optional<std::system_error> error_of(weft::pool& pool, Work&& work) {
  try {
    pool.run(std::forward<Work>(work));
  } catch (std::system_error const& e) {
    return e;
  }
  return std::nullopt;
}

/// A read that fails, and whose handle another thread destroys before the task is told.
struct ends_its_owner : weft::detail::socket_calls {
  static inline std::optional<weft::detail::io_handle> owner;
  static ssize_t read(int, std::span<std::byte>) noexcept {
    owner.reset();
    errno = ECONNRESET;
    return -1;
  }
};

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

}  // namespace

TEST_CASE("what one side writes the other side reads") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: write and read");
  weft::pool pool{{.workers = workers}};
  auto const [forth, back] = pool.run([]() -> task<std::pair<std::string, std::string>> {
    auto pair = co_await stream_pair::connect();
    co_await pair.client.write("to the server");
    auto there = co_await read_some(pair.server, 100);
    co_await pair.server.write("to the client");
    auto answer = co_await read_some(pair.client, 100);
    co_return std::pair(std::move(there), std::move(answer));
  });
  CHECK(forth == "to the server");
  CHECK(back == "to the client");
}

TEST_CASE("both sides know their own and the other's address") {
  weft_test::watchdog const guard("tcp_test: addresses");
  weft::pool pool{{.workers = 2}};
  for (auto const& at : {endpoint::loopback(), endpoint::parse("[::1]:0")}) {
    pool.run([&at]() -> task<> {
      auto listener = tcp_listener::bind(at);
      if (listener.local().port() == 0) throw std::logic_error("no port");
      auto client = co_await tcp_stream::connect(listener.local());
      auto const server = co_await listener.accept();
      if (client.peer() != listener.local() || server.peer() != client.local() || server.local() != client.peer())
        throw std::logic_error(client.peer().to_string() + " " + server.peer().to_string());
    });
  }
}

TEST_CASE("a stream of one-byte writes arrives whole") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: bytes");
  weft::pool pool{{.workers = workers}};
  auto const text = pattern(slow ? 2'000 : 10'000);
  auto const received = pool.run([&]() -> task<std::string> {
    auto pair = co_await stream_pair::connect();
    auto send = [&]() -> task<> {
      for (std::size_t i = 0; i < text.size(); ++i) co_await pair.client.write(std::string_view(text).substr(i, 1));
      pair.client.shutdown_write();
    };
    auto const both = co_await weft::when_all(send(), read_all(pair.server));
    co_return both.second;
  });
  CHECK((received == text));
}

TEST_CASE("a large stream arrives whole, in pieces of any size") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: a large stream", 60s);
  weft_test::seeded random;
  std::uint64_t const size = slow ? 4'000'000 : 100'000'000;
  weft::pool pool{{.workers = workers}};
  auto const seeds = std::pair(random(), random());
  auto const sums = pool.run([&]() -> task<std::pair<weft_test::checksum, weft_test::checksum>> {
    auto pair = co_await stream_pair::connect();
    auto send = [&]() -> task<weft_test::checksum> {
      std::mt19937_64 sizes(seeds.first);
      weft_test::checksum sum;
      std::vector<std::byte> block(200'000);
      for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::byte>(sizes());
      for (std::uint64_t left = size; left > 0;) {
        auto const n = std::min<std::uint64_t>(left, 1 + sizes() % block.size());
        auto const part = std::span(block).last(n);
        sum.add(part);
        co_await pair.client.write(part);
        left -= n;
      }
      pair.client.shutdown_write();
      co_return sum;
    };
    auto receive = [&]() -> task<weft_test::checksum> {
      std::mt19937_64 sizes(seeds.second);
      weft_test::checksum sum;
      std::vector<std::byte> buffer(100'000);
      for (;;) {
        auto const n = co_await pair.server.read(std::span(buffer).first(1 + sizes() % buffer.size()));
        if (n == 0) break;
        sum.add(std::span(buffer).first(n));
      }
      co_return sum;
    };
    auto const both = co_await weft::when_all(send(), receive());
    co_return std::pair(both.first, both.second);
  });
  CHECK(sums.first.size() == size);
  CHECK((sums.first == sums.second));
}

TEST_CASE("both directions carry data at the same time") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: both directions");
  weft::pool pool{{.workers = workers}};
  auto const text = pattern(slow ? 500'000 : 5'000'000);
  auto const [a, b] = pool.run([&]() -> task<std::pair<std::string, std::string>> {
    auto pair = co_await stream_pair::connect();
    auto send = [&](tcp_stream& s) -> task<> {
      co_await s.write(text);
      s.shutdown_write();
    };
    auto all =
        co_await weft::when_all(send(pair.client), send(pair.server), read_all(pair.client), read_all(pair.server));
    co_return std::pair(std::move(all.third), std::move(all.fourth));
  });
  CHECK((a == text));
  CHECK((b == text));
}

TEST_CASE("a short read with the end behind it is followed by the end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: short read and end");
  weft::pool pool{{.workers = workers}};
  // Data and end come as one event, or as two, before the read or while it waits.
  for (auto const pause : {0us, 50us, 500us}) {
    pool.run([pause]() -> task<> {
      for (int i = 0; i < 50; ++i) {
        auto both = co_await half_plain::connect();
        std::thread peer([&] {
          if (i % 2) std::this_thread::sleep_for(pause);
          both.peer.send("abc");
          if (i % 3) std::this_thread::sleep_for(pause);
          both.peer.shutdown_write();
        });
        weft::detail::scope_exit const join([&] { peer.join(); });
        auto const text = co_await read_all(both.stream);
        if (text != "abc") throw std::logic_error(text);
        // The end stays the end.
        auto const again = co_await read_some(both.stream, 10);
        if (!again.empty()) throw std::logic_error(again);
      }
    });
  }
}

TEST_CASE("a byte that comes after a short read is not lost") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: late byte");
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  int const rounds = slow ? 1'000 : 5'000;
  auto const seed = random();
  pool.run([=]() -> task<> {
    auto both = co_await half_plain::connect();
    std::thread peer([&] {
      std::mt19937_64 r(seed);
      for (int i = 0; i < rounds; ++i) {
        both.peer.send("ab");
        for (auto spin = r() % 2000; spin > 0; --spin) weft::detail::relax();
        both.peer.send("c");
        if (both.peer.receive(1) != "!") return;
      }
    });
    weft::detail::scope_exit const join([&] { both.stream.close(), peer.join(); });
    for (int i = 0; i < rounds; ++i) {
      std::string text;
      while (text.size() < 3) {
        auto const part = co_await read_some(both.stream, 64);
        if (part.empty()) throw std::logic_error("ended");
        text += part;
      }
      if (text != "abc") throw std::logic_error(text);
      co_await both.stream.write("!");
    }
  });
}

TEST_CASE("a read that fills its buffer leaves the rest for the next one") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: full buffers");
  weft::pool pool{{.workers = workers}};
  pool.run([]() -> task<> {
    auto both = co_await half_plain::connect();
    both.peer.send("0123456789");
    for (char const* const part : {"012", "345", "678", "9"}) {
      auto const text = co_await read_some(both.stream, 3);
      if (text != part) throw std::logic_error(text);
    }
    both.peer.send("x");
    auto const last = co_await read_some(both.stream, 3);
    if (last != "x") throw std::logic_error(last);
  });
}

TEST_CASE("a read that ends early at urgent data does not hide what follows") {
  weft_test::watchdog const guard("tcp_test: urgent data");
  weft::pool pool{{.workers = 2}};
  auto const text = pool.run([]() -> task<std::string> {
    std::string all;
    for (int round = 0; round < 20; ++round) {
      auto both = co_await half_plain::connect();
      std::thread peer([&] {
        std::this_thread::sleep_for(1ms);
        both.peer.send("ab");
        both.peer.send("U", MSG_OOB);
        both.peer.send("cd");
      });
      weft::detail::scope_exit const join([&] { peer.join(); });
      std::string got;
      while (got.size() < 4) {
        auto const part = co_await read_some(both.stream, 64);
        if (part.empty()) break;
        got += part;
      }
      all += got;
    }
    co_return all;
  });
  std::string expected;
  for (int round = 0; round < 20; ++round) expected += "abcd";
  CHECK(text == expected);
}

TEST_CASE("read_exactly fills the buffer, or says how much came before the end") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: read_exactly");
  weft::pool pool{{.workers = workers}};
  pool.run([]() -> task<> {
    auto both = co_await half_plain::connect();
    std::thread peer([&] {
      for (int i = 0; i < 10; ++i) {
        both.peer.send(std::string(100, static_cast<char>('a' + i)));
        std::this_thread::sleep_for(1ms);
      }
      both.peer.send("tail");
      both.peer.shutdown_write();
    });
    weft::detail::scope_exit const join([&] { peer.join(); });
    std::array<std::byte, 1000> buffer;
    auto const n = co_await both.stream.read_exactly(buffer);
    if (n != 1000 || weft_test::text_of(buffer).find("aab") == std::string::npos) throw std::logic_error("1000");
    std::size_t received = 0;
    std::string what;
    try {
      auto const more = co_await both.stream.read_exactly(buffer);
      throw std::logic_error(std::to_string(more));
    } catch (weft::unexpected_end const& e) {
      received = e.received();
      what = e.what();
    }
    if (received != 4 || what.find(both.stream.peer().to_string()) == std::string::npos) throw std::logic_error(what);
  });
}

TEST_CASE("after shutdown_write the other side reads the end and can still answer") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: half-close");
  weft::pool pool{{.workers = workers}};
  auto const answer = pool.run([]() -> task<std::string> {
    auto pair = co_await stream_pair::connect();
    auto serve = [&]() -> task<> {
      auto const question = co_await read_all(pair.server);
      co_await pair.server.write("answer to " + question);
      pair.server.close();
    };
    auto ask = [&]() -> task<std::string> {
      co_await pair.client.write("question");
      pair.client.shutdown_write();
      auto text = co_await read_all(pair.client);
      co_return text;
    };
    auto both = co_await weft::when_all(serve(), ask());
    co_return std::move(both.second);
  });
  CHECK(answer == "answer to question");
}

TEST_CASE("reading into nothing and writing nothing end at once") {
  weft_test::watchdog const guard("tcp_test: nothing");
  weft::pool pool{{.workers = 1}};
  pool.run([]() -> task<> {
    auto both = co_await half_plain::connect();
    auto const none = co_await both.stream.read(std::span<std::byte>());
    auto const exactly_none = co_await both.stream.read_exactly(std::span<std::byte>());
    if (none != 0 || exactly_none != 0) throw std::logic_error("not nothing");
    co_await both.stream.write(std::string_view());
    both.peer.send("x");
    auto const still_none = co_await both.stream.read(std::span<std::byte>());
    if (still_none != 0) throw std::logic_error("not nothing");
    auto const text = co_await read_some(both.stream, 10);
    if (text != "x") throw std::logic_error(text);
  });
}

TEST_CASE("a reset by the peer is an error that names the peer") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: reset");
  weft::pool pool{{.workers = workers}};
  std::string peer;
  auto const waiting = error_of(pool, [&]() -> task<> {
    auto both = co_await half_plain::connect();
    peer = both.stream.peer().to_string();
    std::thread resets([&] {
      std::this_thread::sleep_for(2ms);
      both.peer.reset();
    });
    weft::detail::scope_exit const join([&] { resets.join(); });
    static_cast<void>(co_await read_some(both.stream, 10));
  });
  REQUIRE(waiting);
  CHECK(waiting->code() == std::errc::connection_reset);
  CHECK_THAT(waiting->what(), ContainsSubstring("read " + peer));

  auto const later = error_of(pool, []() -> task<> {
    auto both = co_await half_plain::connect();
    both.peer.reset();
    co_await weft::sleep_for(2ms);
    static_cast<void>(co_await read_some(both.stream, 10));
  });
  REQUIRE(later);
  CHECK(later->code() == std::errc::connection_reset);
}

TEST_CASE("a stream that was never connected says so, and names nobody") {
  weft_test::watchdog const guard("tcp_test: never connected");
  weft::pool pool{{.workers = 1}};
  auto const failed = error_of(pool, []() -> task<> {
    tcp_stream s;
    co_await s.write("x");
  });
  REQUIRE(failed);
  CHECK(failed->code() == std::errc::bad_file_descriptor);
  CHECK_THAT(failed->what(), Catch::Matchers::StartsWith("write: "));
}

TEST_CASE("writing to a peer that has gone is an error and no signal") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: broken pipe");
  weft::pool pool{{.workers = workers}};
  auto const failed = error_of(pool, []() -> task<> {
    auto both = co_await half_plain::connect();
    both.peer.reset();
    for (;;) co_await both.stream.write("into the void");
  });
  REQUIRE(failed);
  CHECK((failed->code() == std::errc::broken_pipe || failed->code() == std::errc::connection_reset));
  CHECK_THAT(failed->what(), ContainsSubstring("write 127.0.0.1:"));

  auto const own_end = error_of(pool, []() -> task<> {
    auto both = co_await half_plain::connect();
    both.stream.shutdown_write();
    co_await both.stream.write("too late");
  });
  REQUIRE(own_end);
  CHECK(own_end->code() == std::errc::broken_pipe);

  auto const waiting = error_of(pool, []() -> task<> {
    auto both = co_await half_plain::connect();
    std::thread resets([&] {
      std::this_thread::sleep_for(5ms);
      both.peer.reset();
    });
    weft::detail::scope_exit const join([&] { resets.join(); });
    std::string const much(50'000'000, 'x');
    co_await both.stream.write(much);
  });
  REQUIRE(waiting);
}

TEST_CASE("a connection that is refused is an error that names the address") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: refused");
  weft::pool pool{{.workers = workers}};
  auto const silent = plain_socket::bound(endpoint::loopback());
  auto const nobody = silent.local();
  auto const failed = error_of(pool, [&]() -> task<> {
    auto const s = co_await tcp_stream::connect(nobody);
    static_cast<void>(s);
  });
  REQUIRE(failed);
  CHECK(failed->code() == std::errc::connection_refused);
  CHECK_THAT(failed->what(), ContainsSubstring("connect " + nobody.to_string()));
}

TEST_CASE("an address that is taken, or not ours, is an error that names it") {
  auto const first = tcp_listener::bind(endpoint::loopback());
  CHECK_THROWS_WITH(tcp_listener::bind(first.local()), ContainsSubstring("bind " + first.local().to_string()) ||
                                                           ContainsSubstring("listen " + first.local().to_string()));
  CHECK_THROWS_WITH(tcp_listener::bind(endpoint::parse("192.0.2.1:80")), ContainsSubstring("bind 192.0.2.1:80"));
}

TEST_CASE("a port can be listened on again as soon as its listener is gone") {
  weft_test::watchdog const guard("tcp_test: same port");
  weft::pool pool{{.workers = 1}};
  pool.run([]() -> task<> {
    auto at = weft_test::own_address();
    for (int i = 0; i < 20; ++i) {
      auto listener = tcp_listener::bind(at);
      at = listener.local();
      auto client = co_await tcp_stream::connect(at);
      auto server = co_await listener.accept();
      server.close();  // this end waits in TIME_WAIT
      auto const end = co_await read_all(client);
      if (!end.empty()) throw std::logic_error(end);
    }
  });
}

TEST_CASE("connections that wait are accepted one after the other, all of them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: backlog");
  weft::pool pool{{.workers = workers}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  std::vector<plain_socket> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(plain_socket::connect(listener.local()));
  auto const accepted = pool.run([&]() -> task<int> {
    std::vector<tcp_stream> servers;
    for (int i = 0; i < 100; ++i) {
      auto s = co_await listener.accept();
      servers.push_back(std::move(s));
    }
    auto one_more = [&]() -> task<> {
      auto s = co_await listener.accept();
      servers.push_back(std::move(s));
    };
    auto connect = [&]() -> task<> {
      co_await weft::sleep_for(2ms);
      clients.push_back(plain_socket::connect(listener.local()));
    };
    co_await weft::when_all(one_more(), connect());
    co_return static_cast<int>(servers.size());
  });
  CHECK(accepted == 101);
}

TEST_CASE("out of descriptors, accept says so, and goes on when there are some") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: EMFILE");
  weft::pool pool{{.workers = workers}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  auto const client = plain_socket::connect(listener.local());
  pool.run([]() -> task<> { co_await weft::sleep_for(1ms); });
  auto const refused = [&] {
    weft_test::few_descriptors const none(0);
    return error_of(pool, [&]() -> task<> {
      auto const s = co_await listener.accept();
      static_cast<void>(s);
    });
  }();
  REQUIRE(refused);
  CHECK(refused->code() == std::errc::too_many_files_open);
  CHECK_THAT(refused->what(), ContainsSubstring("accept " + listener.local().to_string()));
  // No new event tells of the connection that has been waiting all the time.
  auto const peer = pool.run([&]() -> task<endpoint> {
    auto const s = co_await listener.accept();
    co_return s.peer();
  });
  CHECK(peer == client.local());
}

TEST_CASE("closing a stream ends what waits on it as stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: close");
  weft::pool pool{{.workers = workers}};
  auto const ended = pool.run([]() -> task<std::pair<bool, bool>> {
    auto both = co_await half_plain::connect();
    auto reading = [&]() -> task<bool> {
      try {
        static_cast<void>(co_await read_some(both.stream, 10));
      } catch (weft::stopped const&) {
        co_return true;
      }
      co_return false;
    };
    auto writing = [&]() -> task<bool> {
      std::string const much(20'000'000, 'x');
      try {
        co_await both.stream.write(much);
      } catch (weft::stopped const&) {
        co_return true;
      }
      co_return false;
    };
    auto closing = [&]() -> task<> {
      co_await weft::sleep_for(5ms);
      both.stream.close();
      both.stream.close();
    };
    auto const all = co_await weft::when_all(reading(), writing(), closing());
    // The peer sees the end, after what was sent.
    static_cast<void>(both.peer.receive_all());
    co_return std::pair(all.first, all.second);
  });
  CHECK(ended.first);
  CHECK(ended.second);
}

TEST_CASE("what is begun on a closed stream completes as stopped, like what was in flight") {
  weft_test::watchdog const guard("tcp_test: closed");
  weft::pool pool{{.workers = 2}};
  auto both = pool.run(half_plain::connect());
  both.stream.close();
  CHECK_THROWS_AS(pool.run([&]() -> task<> { static_cast<void>(co_await read_some(both.stream, 1)); }), weft::stopped);
  CHECK_THROWS_AS(pool.run([&]() -> task<> { co_await both.stream.write("x"); }), weft::stopped);
  CHECK_THROWS_AS(both.stream.set_no_delay(weft::no_delay::on), std::system_error);
  CHECK_THROWS_AS(both.stream.local(), std::system_error);
  both.stream.shutdown_write();
  tcp_stream none;
  none.close();
  auto const nothing = error_of(pool, [&]() -> task<> { static_cast<void>(co_await read_some(none, 1)); });
  REQUIRE(nothing);
  CHECK(nothing->code() == std::errc::bad_file_descriptor);
}

TEST_CASE("an error names the peer, whatever has become of the stream that the operation was begun on") {
  weft_test::watchdog const guard("tcp_test: moved in flight");
  weft_test::unmonitored_pool pool{{.workers = 1}};
  auto const error_after_a_move = [&](auto operation, auto hang_up) -> std::string {
    auto both = pool.run(half_plain::connect());
    auto own = std::make_unique<tcp_stream>(std::move(both.stream));
    auto const name = own->peer().to_string();
    auto f = weft_test::begin_on(pool, [&] { return operation(*own); });
    tcp_stream const moved = std::move(*own);
    *own = tcp_stream();
    own.reset();
    CHECK(moved.peer().to_string() == name);
    hang_up(both.peer);
    try {
      f.get();
    } catch (std::system_error const& e) {
      std::string text = e.what();
      if (auto const at = text.find(name); at != std::string::npos) text.replace(at, name.size(), "the peer");
      return text;
    }
    return "no error";
  };
  auto const reset = [](plain_socket& p) { p.reset(); };
  auto const reads = [](tcp_stream& s) -> task<> { static_cast<void>(co_await read_some(s, 10)); };
  auto const writes = [](tcp_stream& s) -> task<> {
    std::string const much(20'000'000, 'x');
    co_await s.write(much);
  };
  auto const reads_exactly = [](tcp_stream& s) -> task<> {
    std::array<std::byte, 10> buffer;
    co_await s.read_exactly(buffer);
  };
  CHECK_THAT(error_after_a_move(reads, reset), ContainsSubstring("read the peer: "));
  CHECK_THAT(error_after_a_move(writes, reset), ContainsSubstring("write the peer: "));
  CHECK_THAT(error_after_a_move(reads_exactly, [](plain_socket& p) { p.close(); }),
             ContainsSubstring("read_exactly the peer: ended after 0 of 10"));
}

TEST_CASE("an error names the peer, where the stream ends after the system has told of the error") {
  weft_test::watchdog const guard("tcp_test: end after an error");
  weft::pool pool{{.workers = 1}};
  auto const peer = endpoint::unix_path("/the/path/of/a/peer/whose/name/takes/memory");
  ends_its_owner::owner.emplace(weft::detail::make_socket(peer, SOCK_STREAM), weft::detail::short_read::says_nothing,
                                peer);
  auto const failed = error_of(pool, []() -> task<> {
    using weft::detail::read_until;
    std::array<std::byte, 10> buffer;
    co_await weft::detail::read_operation<ends_its_owner, read_until::something>(ends_its_owner::owner->record(),
                                                                                 buffer);
  });
  CHECK_FALSE(ends_its_owner::owner);
  REQUIRE(failed);
  CHECK_THAT(failed->what(), ContainsSubstring("read " + peer.to_string() + ": "));
}

TEST_CASE("an accept's error names what it is bound to, whatever has become of the listener that it was begun on") {
  weft_test::watchdog const guard("tcp_test: listener moved in flight");
  weft_test::unmonitored_pool pool{{.workers = 1}};
  auto own = std::make_unique<tcp_listener>(tcp_listener::bind(endpoint::loopback()));
  auto const name = own->local();
  auto const client = plain_socket::unconnected(name);
  auto f = weft_test::begin_on(pool, [&s = *own]() -> task<> { static_cast<void>(co_await s.accept()); });
  auto const moved = std::move(*own);
  *own = tcp_listener::bind(endpoint::loopback());
  own.reset();
  auto const failed = [&] {
    weft_test::few_descriptors const none(0);
    client.connect_to(name);
    return error_of(pool, [&]() -> task<> { co_await std::move(f); });
  }();
  REQUIRE(failed);
  CHECK(failed->code() == std::errc::too_many_files_open);
  CHECK_THAT(failed->what(), ContainsSubstring("accept " + name.to_string()));
}

TEST_CASE("closing a listener ends its accept as stopped") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: close a listener");
  weft::pool pool{{.workers = workers}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  auto f = pool.spawn([&]() -> task<> {
    auto const s = co_await listener.accept();
    static_cast<void>(s);
  });
  std::this_thread::sleep_for(2ms);
  listener.close();
  CHECK_THROWS_AS(f.get(), weft::stopped);
}

TEST_CASE("of two readers of the same stream one is refused, the other goes on") {
  weft_test::watchdog const guard("tcp_test: two readers");
  weft::pool pool{{.workers = 1}};
  pool.run([]() -> task<> {
    auto both = co_await half_plain::connect();
    auto reads = [&]() -> task<std::string> {
      std::string text = "refused";
      try {
        text = co_await read_some(both.stream, 10);
      } catch (std::logic_error const&) {
        both.peer.send("for the other");
      }
      co_return text;
    };
    auto const ended = co_await weft::when_all(reads(), reads());
    auto const [one, other] = std::minmax(ended.first, ended.second);
    if (one != "for the ot" || other != "refused") throw std::logic_error(one + ", " + other);
  });
}

TEST_CASE("a stop ends a read, a write, an accept and a connect that wait") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: stop");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  auto stops = [&](auto work) {
    auto f = pool.spawn(std::move(work));
    std::this_thread::sleep_for(3ms);
    f.stop();
    CHECK_THROWS_AS(f.get(), weft::stopped);
  };
  stops([]() -> task<> {
    auto both = co_await half_plain::connect();
    static_cast<void>(co_await read_some(both.stream, 10));
  });
  stops([]() -> task<> {
    auto both = co_await half_plain::connect();
    std::string const much(20'000'000, 'x');
    co_await both.stream.write(much);
  });
  stops([&]() -> task<> {
    auto const s = co_await listener.accept();
    static_cast<void>(s);
  });
  stops([]() -> task<> {
    // A full backlog: the connection is not made.
    auto const full = plain_socket::listen(0);
    std::vector<tcp_stream> clients;
    for (;;) {
      auto s = co_await tcp_stream::connect(full.local());
      clients.push_back(std::move(s));
    }
  });
  // One that has been asked to stop begins nothing.
  auto f = pool.spawn([]() -> task<> {
    auto both = co_await half_plain::connect();
    both.peer.send("there");
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    static_cast<void>(co_await read_some(both.stream, 10));
  });
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
}

TEST_CASE("a timeout ends a read, and the stream can be read on") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tcp_test: timeout");
  weft::pool pool{{.workers = workers}};
  pool.run([]() -> task<> {
    auto both = co_await half_plain::connect();
    std::string text(10, '\0');
    bool timed_out = false;
    try {
      static_cast<void>(co_await weft::timeout(2ms, both.stream.read(std::as_writable_bytes(std::span(text)))));
    } catch (weft::timed_out const&) {
      timed_out = true;
    }
    if (!timed_out) throw std::logic_error("no timeout");
    both.peer.send("late");
    auto const late = co_await read_some(both.stream, 10);
    if (late != "late") throw std::logic_error(late);
  });
}

TEST_CASE("a descriptor is not inherited by programs that are started") {
  weft_test::watchdog const guard("tcp_test: close on exec");
  weft::pool pool{{.workers = 1}};
  auto listener = tcp_listener::bind(endpoint::loopback());
  pool.run([&]() -> task<> {
    auto client = co_await tcp_stream::connect(listener.local());
    auto server = co_await listener.accept();
    for (auto* const s : {&client, &server}) {
      bool closes = false, blocks = true;
      s->with_descriptor([&](int fd) {
        closes = (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
        blocks = (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
      });
      if (!closes || blocks) throw std::logic_error("inherited or blocking");
    }
  });
  for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    auto const target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.find("eventpoll") == std::string::npos && target.find("eventfd") == std::string::npos) continue;
    CHECK((::fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE("handles made by a plain thread, or left by a pool that has ended, serve the next pool") {
  weft_test::watchdog const guard("tcp_test: pools");
  auto listener = tcp_listener::bind(endpoint::loopback());
  std::optional<tcp_stream> kept;
  std::optional<plain_socket> peer;
  for (unsigned workers = 1; workers <= 3; ++workers) {
    weft_test::watchdog const one("tcp_test: one pool");
    weft::pool pool{{.workers = workers}};
    std::thread connects([&] {
      std::this_thread::sleep_for(2ms);
      auto const p = plain_socket::connect(listener.local());
      p.send("hello");
      if (peer) {
        peer->send("again");
      } else {
        p.receive(1);  // it has been accepted: the next one is the second
        peer.emplace(plain_socket::connect(listener.local()));
      }
    });
    pool.run([&]() -> task<> {
      auto s = co_await listener.accept();
      auto const text = co_await read_some(s, 10);
      if (text != "hello") throw std::logic_error(text);
      if (kept) {
        auto const more = co_await read_some(*kept, 10);
        if (more != "again") throw std::logic_error(more);
      } else {
        co_await s.write("!");
        auto k = co_await listener.accept();
        kept.emplace(std::move(k));
        bool timed_out = false;
        std::string buffer(10, '\0');
        try {
          // It is watched by this pool now.
          static_cast<void>(co_await weft::timeout(1ms, kept->read(std::as_writable_bytes(std::span(buffer)))));
        } catch (weft::timed_out const&) {
          timed_out = true;
        }
        if (!timed_out) throw std::logic_error("nobody has written");
      }
    });
    connects.join();
  }
}
