// chat: everybody who connects reads what anybody writes. A client's first line is its name; try it with `nc 127.0.0.1 PORT`.
//
//   chat [PORT]
//
// On 127.0.0.1, on PORT or a free one; prints where. Ctrl-C ends it. Each client is two tasks, one that reads and one that writes; between
// them is a broadcast channel, so that nobody waits for a slow one: it misses lines, and is told how many.
#include <weft/channel/broadcast.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/buffer.hpp>
#include <weft/io/serve.hpp>
#include <weft/io/signal.hpp>
#include <weft/io/tcp.hpp>
#include <weft/scope/scope.hpp>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;

constexpr std::size_t lines_kept = 256, longest_line = 1000, longest_name = 20;
constexpr auto patience = 10s;  // for a client to take a line

/// A line for all is one string, however many read it.
using line = std::shared_ptr<std::string const>;
using room = weft::broadcast<line>;

void say(room& everybody, std::string text) {
  everybody.send(std::make_shared<std::string const>(std::move(text) + '\n'));
}

/// Without what would move other people's cursors.
std::string printable(std::string text) {
  std::erase_if(text, [](unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7F; });
  return text;
}

weft::task<> write(weft::tcp_stream& client, std::string const& text) {
  auto writing = weft::timeout(patience, client.write(text));
  co_await std::move(writing);
}

weft::task<> hear(weft::tcp_stream& client, room::subscription& lines) {
  std::uint64_t missed = 0;
  while (line const next = (co_await lines.receive()).value_or(nullptr)) {
    if (lines.missed() != missed) {
      auto const gap = "(" + std::to_string(lines.missed() - missed) + " lines were too fast for you)\n";
      missed = lines.missed();
      auto told = write(client, gap);
      co_await std::move(told);
    }
    auto written = write(client, *next);
    co_await std::move(written);
  }
}

weft::task<> visit(room& everybody, weft::tcp_stream client) {
  weft::buffered_reader<weft::tcp_stream> reader(client, {.size = 1024, .longest = longest_line});
  auto const first = co_await reader.read_line();
  auto const name = printable(first.value_or(std::string())).substr(0, longest_name);
  if (name.empty()) co_return;

  auto lines = everybody.subscribe();
  auto const both = [&](weft::scope& all) -> weft::task<> {
    all.spawn(hear, std::ref(client), std::ref(lines));
    say(everybody, "* " + name + " is here");
    try {
      for (;;) {
        auto const text = co_await reader.read_line();
        if (!text) break;
        say(everybody, name + ": " + printable(*text));
      }
    } catch (std::length_error const&) {
      // Nobody wants to read that much.
    } catch (std::system_error const&) {
      // It has gone.
    }
    say(everybody, "* " + name + " has left");
    all.stop();
  };
  try {
    auto visiting = weft::with_scope(std::ref(both));
    co_await std::move(visiting);
  } catch (weft::timed_out const&) {
    // It takes no more lines.
  }
}

weft::task<> chat(weft::tcp_listener& listener, weft::signals& interrupts) {
  room everybody(lines_kept);
  auto const body = [&](weft::scope& all) -> weft::task<> {
    auto const welcome = [&everybody](weft::tcp_stream client) { return visit(everybody, std::move(client)); };
    all.spawn(weft::serve(listener, welcome, {.max_connections = 1000}));
    co_await interrupts.next();
    all.stop();
  };
  auto chatting = weft::with_scope(std::ref(body));
  co_await std::move(chatting);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::uint16_t port = 0;
    if (argc > 1) {
      std::string_view const text = argv[1];
      if (argc == 2 && text == "--help") {
        std::puts("usage: chat [PORT]");
        return 0;
      }
      auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
      if (argc > 2 || error != std::errc() || end != text.data() + text.size())
        throw std::invalid_argument("usage: chat [PORT]");
    }
    weft::signals interrupts(SIGINT, SIGTERM);
    auto listener = weft::tcp_listener::bind(weft::endpoint::loopback(port));
    std::printf("%s\n", listener.local().to_string().c_str());
    std::fflush(stdout);
    weft::run(chat(listener, interrupts));
    return 0;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "chat: %s\n", e.what());
    return 2;
  }
}
