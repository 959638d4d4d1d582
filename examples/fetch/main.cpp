// fetch: what is at some addresses into files, many at the same time.
//
// Each download is a task in a scope that lets so many go on at once; another task draws how far they are. A server that refuses a
// connection, hangs up, fails or falls silent is asked again, after longer and longer pauses.
#include "../web/arguments.hpp"
#include "download.hpp"

#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>

#include <getopt.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <exception>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace fetch {
namespace {

using web::number;
using web::usage_error;

using namespace std::chrono_literals;

constexpr char usage[] =
    "usage: fetch [options] URL...\n"
    "Gets what is at each http:// or https:// address into a file of its name.\n"
    "  -d, --directory DIR   in this directory (the current one)\n"
    "  -j, --limit N         so many at the same time (8)\n"
    "  -n, --tries N         try each so often (4)\n"
    "  -t, --timeout SECONDS wait so long for a connection, and for each piece that comes (20)\n"
    "  -q, --quiet           say nothing but what goes wrong\n"
    "      --help            this text\n"
    "Exit status: 0 all are there, 1 some are not, 2 misuse.\n";

enum class talk { failures, all };

struct options {
  std::vector<url> urls;
  std::string directory = ".";
  unsigned limit = 8;
  manners how;
  talk what = talk::all;
  bool help = false;
};

options parse(int argc, char** argv) {
  enum : int { long_help = 256 };
  static constexpr option long_options[] = {{"directory", required_argument, nullptr, 'd'},
                                            {"limit", required_argument, nullptr, 'j'},
                                            {"tries", required_argument, nullptr, 'n'},
                                            {"timeout", required_argument, nullptr, 't'},
                                            {"quiet", no_argument, nullptr, 'q'},
                                            {"help", no_argument, nullptr, long_help},
                                            {nullptr, 0, nullptr, 0}};
  options o;
  for (int which; (which = getopt_long(argc, argv, "d:j:n:t:q", long_options, nullptr)) != -1;) {
    switch (which) {
      case 'd': o.directory = optarg; break;
      case 'j': o.limit = number<unsigned>("--limit", optarg, 1, 1000); break;
      case 'n': o.how.tries = number<int>("--tries", optarg, 1, 100); break;
      case 't':
        o.how.patience = std::chrono::ceil<std::chrono::milliseconds>(
            std::chrono::duration<double>(number<double>("--timeout", optarg, 0.001, 3600)));
        break;
      case 'q': o.what = talk::failures; break;
      case long_help: o.help = true; return o;
      default: throw usage_error("");  // getopt has said what is wrong
    }
  }
  for (; optind < argc; ++optind) o.urls.push_back(url::parse(argv[optind]));
  if (o.urls.empty()) throw usage_error("which address?");
  return o;
}

/// One of each name; the second "a" becomes "a-2".
std::string name_of_its_own(std::string const& name, std::set<std::string>& taken) {
  auto own = name;
  for (int i = 2; !taken.insert(own).second; ++i) own = name + '-' + std::to_string(i);
  return own;
}

/// [#####.....]  1.2 of 2.4 MB  name
std::string bar(download const& d) {
  constexpr int width = 24;
  auto const& p = d.seen();
  auto const got = p.got.load(), all = p.all.load();
  int const full = all == 0 ? 0 : static_cast<int>(width * std::min(got, all) / all);
  char sizes[64];
  if (all != 0)
    std::snprintf(sizes, sizeof sizes, "%8.1f of %.1f MB", static_cast<double>(got) / 1e6,
                  static_cast<double>(all) / 1e6);
  else std::snprintf(sizes, sizeof sizes, "%8.1f MB", static_cast<double>(got) / 1e6);
  return '[' + std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(width - full), '.') + ']' + sizes + "  " + d.file();
}

/// Draws those that go on, over what it has drawn before.
class screen {
 public:
  void draw(std::deque<download> const& all) {
    auto text = back();
    std::size_t waiting = 0;
    for (auto const& d : all) {
      if (d.seen().now == progress::stage::waiting) ++waiting;
      if (d.seen().now != progress::stage::running) continue;
      text += bar(d) + "\033[K\n";
      ++lines_;
    }
    if (waiting != 0) {
      text += std::to_string(waiting) + " more\033[K\n";
      ++lines_;
    }
    text += "\033[J";
    std::fputs(text.c_str(), stderr);
  }
  void clear() { std::fputs((back() + "\033[J").c_str(), stderr); }

 private:
  std::string back() {
    return lines_ == 0 ? std::string() : "\033[" + std::to_string(std::exchange(lines_, 0)) + "A\r";
  }
  int lines_ = 0;
};

weft::task<> watch(std::deque<download> const& all, screen& s) {
  for (;;) {
    s.draw(all);
    co_await weft::sleep_for(100ms);
  }
}

weft::task<> run_all(std::deque<download>& all, unsigned limit) {
  auto const each = [&](weft::scope& running) -> weft::task<> {
    for (auto& d : all) running.spawn(d.run());
    co_return;
  };
  auto running = weft::with_scope(std::ref(each), {.limit = limit});
  co_await std::move(running);
}

weft::task<> run_all_and_watch(std::deque<download>& all, unsigned limit, talk what) {
  screen s;
  bool const drawn = what == talk::all && ::isatty(STDERR_FILENO) == 1;
  auto const both = [&](weft::scope& watching) -> weft::task<> {
    if (drawn) watching.spawn(watch, std::cref(all), std::ref(s));
    auto running = run_all(all, limit);
    co_await std::move(running);
    watching.stop();
  };
  auto operation = weft::with_scope(std::ref(both));
  co_await std::move(operation);
  if (drawn) s.clear();
}

int run(options const& wanted) {
  std::deque<download> all;
  std::set<std::string> names;
  for (auto const& u : wanted.urls)
    all.emplace_back(u, wanted.directory + '/' + name_of_its_own(u.file_name(), names), wanted.how);
  weft::run(run_all_and_watch(all, wanted.limit, wanted.what));
  int status = 0;
  for (auto const& d : all) {
    if (d.seen().now != progress::stage::done) {
      std::fprintf(stderr, "fetch: %s: %s, after %d tries\n", d.file().c_str(), d.failure().c_str(),
                   d.seen().tries.load());
      status = 1;
    } else if (wanted.what == talk::all) {
      std::printf("%s: %llu bytes\n", d.file().c_str(), static_cast<unsigned long long>(d.seen().got));
    }
  }
  return status;
}

}  // namespace
}  // namespace fetch

int main(int argc, char** argv) {
  try {
    auto const wanted = fetch::parse(argc, argv);
    if (!wanted.help) return fetch::run(wanted);
    std::fputs(fetch::usage, stdout);
    return 0;
  } catch (std::exception const& e) {
    if (*e.what() != '\0') std::fprintf(stderr, "fetch: %s\n", e.what());
    std::fputs("Try 'fetch --help'.\n", stderr);
  }
  return 2;
}
