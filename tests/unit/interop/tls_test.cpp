// TLS against itself, and against the program of OpenSSL on either side, over the loopback.
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/io/sockets.hpp"

#include <weft/base/config.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/interop/tls.hpp>
#include <weft/io/buffer.hpp>
#include <weft/io/output.hpp>
#include <weft/io/serve.hpp>
#include <weft/io/tcp.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/event.hpp>
#include <weft/time/sleep.hpp>

#include <stdlib.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::task;
using weft::tcp_listener;
using weft::tcp_stream;
using weft::tls_context;
using weft::tls_error;
using weft::tls_stream;

#if WEFT_TSAN
// OpenSSL is not compiled for ThreadSanitizer, which sees what the C library does for it, and not how atomics of its own order that. What is
// called from there is not looked at; weft and this file are, as ever.
extern "C" char const* __tsan_default_options();
extern "C" char const* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }
#endif

static_assert(weft::byte_source<tls_stream> && weft::byte_sink<tls_stream>);

namespace {

/// A certificate for localhost and 127.0.0.1, and one for another host, each its own authority; made once for the program.
class certificates {
 public:
  certificates() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-tls-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp");
    folder_ = pattern;
    make("here", "/CN=here", "DNS:localhost,IP:127.0.0.1");
    make("other", "/CN=other", "DNS:example.org");
  }
  ~certificates() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  certificates(certificates const&) = delete;
  certificates& operator=(certificates const&) = delete;

  std::string certificate(std::string const& name) const { return folder_ + "/" + name + ".pem"; }
  std::string key(std::string const& name) const { return folder_ + "/" + name + ".key"; }
  tls_context server(std::string const& name = "here") const {
    return tls_context::server(certificate(name), key(name));
  }
  tls_context client(std::string const& trusted = "here") const {
    auto const file = certificate(trusted);
    return tls_context::client({.authorities = file.c_str()});
  }

 private:
  void make(std::string const& name, std::string const& subject, std::string const& names) const {
    auto const command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj " +
                         subject + " -addext subjectAltName=" + names + " -keyout " + key(name) + " -out " +
                         certificate(name) + " >/dev/null 2>&1";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl req");
  }
  std::string folder_;
};

certificates const& made() {
  static certificates const all;
  return all;
}

tcp_listener listen() { return tcp_listener::bind(weft::endpoint::loopback(0)); }

task<std::string> read_all(tls_stream& s) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    auto const n = co_await s.read(std::as_writable_bytes(std::span(buffer)));
    if (n == 0) co_return text;
    text.append(buffer.data(), n);
  }
}

/// Sends back what comes until the end, then says farewell.
task<> echo(tls_context const& context, tcp_listener& listener) {
  auto client = co_await listener.accept();
  auto s = co_await tls_stream::accept(context, std::move(client));
  std::array<std::byte, 5000> buffer;
  for (;;) {
    auto const n = co_await s.read(buffer);
    if (n == 0) break;
    co_await s.write(std::span<std::byte const>(buffer).first(n));
  }
  co_await s.shutdown_write();
}

/// How the handshakes of both sides end: what either throws, or nothing.
std::pair<std::string, std::string> shake(tls_context const& server, tls_context const& client, std::string host) {
  auto listener = listen();
  auto accept = [&]() -> task<std::string> {
    auto stream = co_await listener.accept();
    std::string failure;
    try {
      auto s = co_await tls_stream::accept(server, std::move(stream));
      std::array<std::byte, 1> buffer;
      static_cast<void>(co_await s.read(buffer));  // a TLS 1.3 client's verdict comes after the handshake
    } catch (tls_error const& e) {
      failure = e.what();
    }
    co_return failure;
  };
  auto connect = [&]() -> task<std::string> {
    std::string failure;
    auto stream = co_await tcp_stream::connect(listener.local());
    try {
      auto s = co_await tls_stream::connect(client, std::move(stream), host);
      co_await s.shutdown_write();
    } catch (tls_error const& e) {
      failure = e.what();
    }
    co_return failure;
  };
  return weft::run([&]() -> task<std::pair<std::string, std::string>> {
    auto both = weft::when_all(accept(), connect());
    auto [a, c] = co_await std::move(both);
    co_return std::pair(std::move(a), std::move(c));
  });
}

/// `command` in a shell, with what it says on standard output.
task<std::string> shell(std::string command) {
  auto const done = co_await weft::output(weft::command("sh", "-c", std::move(command)));
  co_return done.out;
}

}  // namespace

TEST_CASE(
    "what is written comes back through both ends, to the farewell, while reading and writing go on at the same time") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("tls_test: echo");
  auto const server = made().server(), client = made().client();
  std::string sent(1'000'003, ' '), got;
  for (std::size_t i = 0; i != sent.size(); ++i) sent[i] = static_cast<char>('a' + i * i % 23);
  weft::pool pool{{.workers = workers}};
  auto listener = listen();
  pool.run([&]() -> task<> {
    auto talk = [&]() -> task<> {
      auto s = co_await tls_stream::connect(client, "localhost", listener.local().port());
      auto say = [&]() -> task<> {
        co_await s.write(sent);
        co_await s.shutdown_write();
      };
      auto both = weft::when_all(say(), read_all(s));
      auto [said, heard] = co_await std::move(both);
      got = std::move(heard);
    };
    auto both = weft::when_all(echo(server, listener), talk());
    static_cast<void>(co_await std::move(both));
  });
  CHECK(got == sent);
}

TEST_CASE("a client goes on only with a certificate that it trusts, of the host that it asked for") {
  weft_test::watchdog const guard("tls_test: certificates");
  using Catch::Matchers::Contains;
  CHECK(shake(made().server(), made().client(), "localhost") == std::pair<std::string, std::string>());
  CHECK(shake(made().server(), made().client(), "127.0.0.1").second.empty());
  CHECK_THAT(shake(made().server(), made().client(), "127.0.0.2").second, Contains("IP address mismatch"));
  CHECK_THAT(shake(made().server(), made().client(), "example.org").second, Contains("hostname mismatch"));
  CHECK_THAT(shake(made().server("other"), made().client("other"), "localhost").second, Contains("hostname mismatch"));
  auto const [server, client] = shake(made().server("other"), made().client("here"), "example.org");
  CHECK_THAT(client, Contains("self"));   // self-signed, and not trusted
  CHECK_THAT(server, Contains("alert"));  // it has been told
  CHECK_FALSE(shake(made().server(), made().client(), "").second.empty());
}

TEST_CASE("a client says which host it wants by its name, and not by its address") {
  weft_test::watchdog const guard("tls_test: name");
  auto const server = made().server(), client = made().client();
  std::string asked = "never asked";
  ::SSL_CTX_set_tlsext_servername_arg(server.native(), &asked);
  ::SSL_CTX_set_tlsext_servername_callback(
      server.native(), +[](::SSL* s, int*, void* where) {
        auto const* const name = ::SSL_get_servername(s, TLSEXT_NAMETYPE_host_name);
        *static_cast<std::string*>(where) = name ? name : "";
        return SSL_TLSEXT_ERR_OK;
      });
  CHECK(shake(server, client, "localhost").second.empty());
  CHECK(asked == "localhost");
  CHECK(shake(server, client, "127.0.0.1").second.empty());
  CHECK(asked.empty());
}

TEST_CASE("files that are no certificates, or of different keys, are refused by name") {
  CHECK_THROWS_AS(tls_context::server("/nowhere", "/nowhere"), tls_error);
  CHECK_THROWS_AS(tls_context::server(made().certificate("here"), made().key("other")), tls_error);
  CHECK_THROWS_AS(tls_context::client({.authorities = "/nowhere"}), tls_error);
}

TEST_CASE("an end without a farewell is an error, and one with it is the end") {
  weft_test::watchdog const guard("tls_test: cut off");
  auto const server = made().server(), client = made().client();
  for (bool const polite : {true, false}) {
    auto listener = listen();
    std::string got, failure;
    auto serve = [&]() -> task<> {
      auto stream = co_await listener.accept();
      auto s = co_await tls_stream::accept(server, std::move(stream));
      co_await s.write("half of it");
      if (polite) co_await s.shutdown_write();
      s.close();
    };
    auto talk = [&]() -> task<> {
      auto s = co_await tls_stream::connect(client, "localhost", listener.local().port());
      std::array<char, 100> buffer;
      try {
        for (;;) {
          auto const n = co_await s.read(std::as_writable_bytes(std::span(buffer)));
          if (n == 0) break;
          got.append(buffer.data(), n);
        }
      } catch (tls_error const& e) {
        failure = e.what();
      }
    };
    weft::run([&]() -> task<> {
      auto both = weft::when_all(serve(), talk());
      static_cast<void>(co_await std::move(both));
    });
    CHECK(got == "half of it");
    CHECK(failure.empty() == polite);
  }
}

TEST_CASE("a handshake and a read that wait are stopped, and a peer that does not speak TLS is refused") {
  weft_test::watchdog const guard("tls_test: stop");
  auto const server = made().server(), client = made().client();
  auto listener = listen();
  weft::run([&]() -> task<> {
    auto const silent = co_await tcp_stream::connect(listener.local());
    auto stream = co_await listener.accept();
    bool timed_out = false;
    try {
      auto shaking = weft::timeout(20ms, tls_stream::accept(server, std::move(stream)));
      static_cast<void>(co_await std::move(shaking));
    } catch (weft::timed_out const&) {
      timed_out = true;
    }
    CHECK(timed_out);

    auto plain = co_await tcp_stream::connect(listener.local());
    co_await plain.write("GET / HTTP/1.1\r\n\r\n");
    stream = co_await listener.accept();
    bool refused = false;
    try {
      static_cast<void>(co_await tls_stream::accept(server, std::move(stream)));
    } catch (tls_error const&) {
      refused = true;
    }
    CHECK(refused);

    // The wait for more is stopped, and the stream goes on.
    weft::event waited;
    auto answer = [&]() -> task<> {
      auto accepted = co_await listener.accept();
      auto s = co_await tls_stream::accept(server, std::move(accepted));
      co_await waited.wait();
      co_await s.write("late");
      co_await s.shutdown_write();
    };
    auto ask = [&]() -> task<std::string> {
      auto s = co_await tls_stream::connect(client, "localhost", listener.local().port());
      std::array<std::byte, 10> buffer;
      bool stopped = false;
      try {
        auto reading = weft::timeout(10ms, s.read(buffer));
        static_cast<void>(co_await std::move(reading));
      } catch (weft::timed_out const&) {
        stopped = true;
      }
      CHECK(stopped);
      waited.set();
      auto text = co_await read_all(s);
      co_return text;
    };
    auto both = weft::when_all(answer(), ask());
    auto [answered, text] = co_await std::move(both);
    CHECK(text == "late");
  });
}

TEST_CASE("openssl s_client talks to our server and verifies it, by TLS 1.2 and 1.3") {
  weft_test::watchdog const guard("tls_test: s_client");
  auto const server = made().server();
  for (std::string const version : {"-tls1_2", "-tls1_3"}) {
    auto listener = listen();
    std::string name, heard;
    auto serve = [&]() -> task<> {
      auto stream = co_await listener.accept();
      auto s = co_await tls_stream::accept(server, std::move(stream));
      weft::buffered_reader<tls_stream> reader(s);
      auto const line = co_await reader.read_line();
      heard = line.value_or("");
      co_await s.write("you said: " + heard + "\n");
      co_await s.shutdown_write();
    };
    std::string said;
    weft::run([&]() -> task<> {
      auto const command =
          "(echo good day; sleep 0.3) | openssl s_client -quiet -verify_return_error -verify_hostname localhost " +
          version + " -servername localhost -CAfile " + made().certificate("here") +
          " -connect 127.0.0.1:" + std::to_string(listener.local().port()) + " 2>/dev/null";
      auto both = weft::when_all(serve(), shell(command));
      auto [served, text] = co_await std::move(both);
      said = std::move(text);
    });
    CHECK(heard == "good day");
    CHECK(said == "you said: good day\n");
  }
}

TEST_CASE("our client talks to openssl s_server") {
  weft_test::watchdog const guard("tls_test: s_server");
  auto const client = made().client();
  // A port that was free a moment ago, at an address that nobody else takes.
  auto const at = tcp_listener::bind(weft_test::own_address()).local();
  std::string line;
  weft::run([&]() -> task<> {
    auto const command = "timeout 100 openssl s_server -quiet -rev -naccept 1 -accept " + at.to_string() + " -cert " +
                         made().certificate("here") + " -key " + made().key("here") + " 2>/dev/null";
    auto talk = [&]() -> task<std::string> {
      for (;;) {
        try {
          auto stream = co_await tcp_stream::connect(at);
          auto s = co_await tls_stream::connect(client, std::move(stream), "127.0.0.1");
          co_await s.write("drawer\n");
          weft::buffered_reader<tls_stream> reader(s);
          auto const answer = co_await reader.read_line();
          co_await s.shutdown_write();
          s.close();
          co_return answer.value_or("nothing");
        } catch (std::system_error const& e) {
          if (e.code() != std::errc::connection_refused) throw;  // otherwise it is about to listen
        }
        co_await weft::sleep_for(20ms);
      }
    };
    auto both = weft::when_all(shell(command), talk());
    auto [ended, text] = co_await std::move(both);
    line = std::move(text);
  });
  CHECK(line == "reward");
}
