// serve: the files of a folder over HTTP/1.1, and how many primes there are below a number, computed on all cores. One pool does both: a
// large computation holds up no file.
//
//   serve [--patience=SECONDS] DIR [PORT]
//
// On 127.0.0.1, on PORT or a free one; prints where. Connections are kept, parts of files can be asked for. Names that begin with a dot
// are not served, symbolic links not followed. Clients that are slow to ask, or to take what they have asked for, are cut off. Ctrl-C: who
// has asked gets an answer, for ten seconds; again: at once.
#include "server.hpp"

#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/serve.hpp>
#include <weft/io/tcp.hpp>
#include <weft/io/wait.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace serve {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_connections = 1000;
constexpr auto farewell = 10s;

constexpr char usage[] = "usage: serve [--patience=SECONDS] DIR [PORT]\n";

struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct options {
  char const* folder = nullptr;
  std::uint16_t port = 0;
  std::chrono::milliseconds patience = 20s;
};

template <class Number>
std::optional<Number> number_in(std::string_view text) noexcept {
  Number n{};
  auto const* const end = text.data() + text.size();
  auto const [stop, error] = std::from_chars(text.data(), end, n);
  if (error != std::errc() || stop != end) return std::nullopt;
  return n;
}

options parse(int argc, char** argv) {
  options o;
  int words = 0;
  for (int i = 1; i < argc; ++i) {
    std::string_view const word = argv[i];
    if (constexpr std::string_view name = "--patience="; word.starts_with(name)) {
      auto const seconds = number_in<double>(word.substr(name.size()));
      if (!seconds || !(*seconds > 0) || *seconds > 3600) throw usage_error(std::string(word) + ": not a time");
      o.patience = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(*seconds));
    } else if (word.starts_with("-")) {
      throw usage_error(std::string(word) + ": not known");
    } else if (++words == 1) {
      o.folder = argv[i];
    } else if (words == 2) {
      auto const port = number_in<std::uint16_t>(word);
      if (!port) throw usage_error(std::string(word) + ": not a port");
      o.port = *port;
    } else {
      throw usage_error(std::string(word) + ": one word too many");
    }
  }
  if (!o.folder) throw usage_error("which folder?");
  return o;
}

std::array<int, 2> interrupts{-1, -1};

// A byte in a pipe for an interrupt: a signal handler may do little else. A second interrupt ends the program.
void watch_for_interrupts() {
  if (::pipe2(interrupts.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    throw std::system_error(errno, std::system_category(), "pipe");
  struct ::sigaction action{};
  action.sa_handler = [](int) {
    int const before = errno;
    static_cast<void>(!::write(interrupts[1], "", 1));
    errno = before;
  };
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

weft::task<> end_when_interrupted(weft::tcp_listener& listener, guests& connections) {
  co_await weft::wait_readable(interrupts[0]);
  connections.see_off();
  listener.close();
  co_await weft::sleep_for(farewell);
  connections.throw_out();
}

weft::task<> serve_until_interrupted(weft::tcp_listener& listener, server& site) {
  auto const converse = [&site](weft::tcp_stream client) { return site.converse(std::move(client)); };
  auto const both = [&](weft::scope& all) -> weft::task<> {
    all.spawn(end_when_interrupted, std::ref(listener), std::ref(site.connections()));
    auto serving = weft::serve(listener, converse, {.max_connections = most_connections});
    co_await std::move(serving);
    all.stop();
  };
  auto operation = weft::with_scope(std::ref(both));
  co_await std::move(operation);
}

}  // namespace
}  // namespace serve

int main(int argc, char** argv) {
  try {
    auto const wanted = serve::parse(argc, argv);
    serve::server site(wanted.folder, wanted.patience);
    auto listener = weft::tcp_listener::bind(weft::endpoint::loopback(wanted.port));
    serve::watch_for_interrupts();
    std::printf("http://%s/\n", listener.local().to_string().c_str());
    std::fflush(stdout);
    weft::run(serve::serve_until_interrupted(listener, site));
    return 0;
  } catch (serve::usage_error const& e) {
    std::fprintf(stderr, "serve: %s\n%s", e.what(), serve::usage);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "serve: %s\n", e.what());
  }
  return 2;
}
