// Who has which address and port in a world, where the system has rules that programs rely on.
#include "sim/in_worlds.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/io/address.hpp>
#include <weft/io/tcp.hpp>
#include <weft/sim/sim.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::endpoint;
using weft::sim;
using weft::task;
using weft::tcp_listener;
using weft::tcp_stream;
using weft_test::in_worlds;
using weft_test::must;

namespace {

int error_of(auto&& f) {
  try {
    f();
  } catch (std::system_error const& e) {
    return e.code().value();
  }
  return 0;
}

/// What the listener and its client are called by each other, outside of worlds and in them.
std::vector<std::string> names_of_a_connection(char const* bound, char const* to) {
  std::vector<std::string> names;
  auto const program = [&]() -> task<> {
    auto listener = tcp_listener::bind(endpoint::parse(bound));
    auto const port = listener.local().port();
    auto const connects = [&]() -> task<tcp_stream> {
      auto client = co_await tcp_stream::connect(endpoint::parse(to).with_port(port));
      co_return client;
    };
    auto [client, server] = co_await weft::when_all(connects(), listener.accept());
    must(client.peer().port() == port && server.peer().port() == client.local().port(), "ports do not fit");
    for (auto const& e : {client.local(), client.peer(), server.local(), server.peer()})
      names.push_back(e.with_port(1).to_string());
  };
  weft::run(program);
  auto const of_the_system = std::exchange(names, {});
  sim world;
  world.run(program);
  CHECK(names == of_the_system);
  return names;
}

}  // namespace

TEST_CASE("in every world of two who bind one port at the same time one listens") {
  in_worlds("names_test: one port", []() -> task<> {
    std::array<std::optional<tcp_listener>, 2> listeners;
    auto const binds = [&](std::size_t i) {
      return [&, i]() -> task<> {
        co_await weft::this_task::yield();
        int const error = error_of([&] { listeners[i] = tcp_listener::bind(endpoint::loopback(80)); });
        must(error == 0 || error == EADDRINUSE, "not refused by name");
      };
    };
    co_await weft::when_all(binds(0), binds(1));
    must(listeners[0].has_value() != listeners[1].has_value(), "not one listens");
  });
}

TEST_CASE("ports that nobody has asked for pass those that somebody has, and begin again behind the last") {
  weft_test::watchdog const guard("names_test: ports", 60s);
  sim world;
  world.run([]() -> task<> {
    constexpr std::uint16_t first = 49'152, last = 65'535;
    auto const listener = tcp_listener::bind(endpoint::loopback(first));
    auto server = tcp_listener::bind(endpoint::loopback());
    must(server.local().port() == first + 1, "not the next one");
    auto const connects = [&]() -> task<std::uint16_t> {
      auto const at = server.local();
      auto client = co_await tcp_stream::connect(at);
      auto const accepted = co_await server.accept();
      co_return accepted.peer().port();
    };
    std::uint16_t port = 0;
    for (int i = first + 2; i <= last; ++i) port = co_await connects();
    must(port == last, "not one after the other");
    port = co_await connects();
    must(port == first + 2, "not from the beginning, or one that is taken");
    co_return;
  });
}

TEST_CASE("addresses of both kinds mean in a world what they mean to the system") {
  weft_test::watchdog const guard("names_test: addresses", 60s);
  CHECK(names_of_a_connection("127.0.0.1:0", "127.0.0.1:1").front() == "127.0.0.1:1");
  CHECK(names_of_a_connection("127.0.0.1:0", "0.0.0.0:1")[3] == "127.0.0.1:1");
  CHECK(names_of_a_connection("0.0.0.0:0", "127.0.0.1:1")[2] == "127.0.0.1:1");
  CHECK(names_of_a_connection("[::1]:0", "[::]:1")[3] == "[::1]:1");
  CHECK(names_of_a_connection("[::]:0", "127.0.0.1:1")[3] == "[::ffff:127.0.0.1]:1");
}
