// serve: the files of a folder over HTTP/1.1, and how many primes there are below a number, computed on all cores. One pool does both: a
// large computation holds up no file.
//
//   serve [--patience=SECONDS] DIR [PORT]
//
// On 127.0.0.1, on PORT or a free one; prints where. Connections are kept, parts of files can be asked for. Names that begin with a dot
// are not served, symbolic links not followed. Clients that are slow to ask, or to take what they have asked for, are cut off. Ctrl-C: who
// has asked gets an answer, for ten seconds; again: at once.
#include "server.hpp"

#include <weft/combine/when_any.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/serve.hpp>
#include <weft/io/signal.hpp>
#include <weft/io/tcp.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
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

// Ends with the second interrupt at the latest; a third finds the system's own way.
weft::task<> end_when_interrupted(weft::signals interrupts, weft::tcp_listener& listener, guests& connections,
                                  weft::scope& all) {
  co_await interrupts.next();
  connections.see_off();
  listener.close();
  auto enough = weft::when_any(weft::sleep_for(farewell), interrupts.next());
  auto const which = co_await std::move(enough);
  connections.throw_out();
  if (which.index == 1) all.stop();
}

weft::task<> serve_until_interrupted(weft::tcp_listener& listener, server& site, weft::signals& interrupts) {
  auto const converse = [&site](weft::tcp_stream client) { return site.converse(std::move(client)); };
  auto const both = [&](weft::scope& all) -> weft::task<> {
    all.spawn(end_when_interrupted, std::move(interrupts), std::ref(listener), std::ref(site.connections()),
              std::ref(all));
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
  // sendfile has no flag that makes a client's going an error and no more.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    auto const wanted = serve::parse(argc, argv);
    serve::server site(wanted.folder, wanted.patience);
    auto listener = weft::tcp_listener::bind(weft::endpoint::loopback(wanted.port));
    weft::signals interrupts(SIGINT, SIGTERM);
    std::printf("http://%s/\n", listener.local().to_string().c_str());
    std::fflush(stdout);
    weft::run(serve::serve_until_interrupted(listener, site, interrupts));
    return 0;
  } catch (serve::usage_error const& e) {
    std::fprintf(stderr, "serve: %s\n%s", e.what(), serve::usage);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "serve: %s\n", e.what());
  }
  return 2;
}
