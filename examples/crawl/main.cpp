// crawl: which words are the most frequent on the pages of a site.
//
// Its two halves are what weft is for. Pages are asked for at the same time, by tasks that wait; words are counted on all cores, by a loop that
// computes. An interrupt ends the first half, and what has been read by then is counted.
#include "../web/arguments.hpp"
#include "crawler.hpp"
#include "words.hpp"

#include <weft/combine/when_any.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/signal.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>

#include <getopt.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace crawl {
namespace {

using web::number;
using web::usage_error;

using namespace std::chrono_literals;

constexpr char usage[] =
    "usage: crawl [options] URL...\n"
    "Reads the pages at these http:// or https:// addresses and those that they link to on the same hosts, and\n"
    "prints the words that are the most frequent there. An interrupt ends the reading; what was read is counted.\n"
    "  -d, --depth N         follow so many links from the start (2)\n"
    "  -p, --pages N         ask for so many pages at most (100)\n"
    "  -j, --limit N         so many at the same time (16)\n"
    "  -w, --words N         print so many words (20)\n"
    "  -t, --timeout SECONDS wait so long for a connection, and for each piece that comes (20)\n"
    "  -q, --quiet           say nothing about pages that could not be read\n"
    "      --help            this text\n"
    "Exit status: 0 done, 1 a page to start from could not be read, 2 misuse or no output, 130 interrupted, 143 "
    "terminated.\n";

enum class talk { words, all };

struct options {
  std::vector<url> starts;
  limits most;
  std::size_t words = 20;
  talk what = talk::all;
  bool help = false;
};

options parse(int argc, char** argv) {
  enum : int { long_help = 256 };
  static constexpr option long_options[] = {
      {"depth", required_argument, nullptr, 'd'},   {"pages", required_argument, nullptr, 'p'},
      {"limit", required_argument, nullptr, 'j'},   {"words", required_argument, nullptr, 'w'},
      {"timeout", required_argument, nullptr, 't'}, {"quiet", no_argument, nullptr, 'q'},
      {"help", no_argument, nullptr, long_help},    {nullptr, 0, nullptr, 0}};
  options o;
  for (int which; (which = getopt_long(argc, argv, "d:p:j:w:t:q", long_options, nullptr)) != -1;) {
    switch (which) {
      case 'd': o.most.depth = number<int>("--depth", optarg, 0, 1000); break;
      case 'p': o.most.pages = number<std::size_t>("--pages", optarg, 1, 1'000'000); break;
      case 'j': o.most.at_once = number<std::size_t>("--limit", optarg, 1, 1000); break;
      case 'w': o.words = number<std::size_t>("--words", optarg, 0, 1'000'000'000); break;
      case 't':
        o.most.how.patience = std::chrono::ceil<std::chrono::milliseconds>(
            std::chrono::duration<double>(number<double>("--timeout", optarg, 0.001, 3600)));
        break;
      case 'q': o.what = talk::words; break;
      case long_help: o.help = true; return o;
      default: throw usage_error("");  // getopt has said what is wrong
    }
  }
  for (; optind < argc; ++optind) o.starts.push_back(url::parse(argv[optind]));
  if (o.starts.empty()) throw usage_error("which address?");
  return o;
}

weft::task<> watch(progress const& p) {
  for (;;) {
    std::fprintf(stderr, "\r%zu of %zu pages, %.1f MB\033[K", p.read.load(), p.asked.load(),
                 static_cast<double>(p.bytes) / 1e6);
    co_await weft::sleep_for(100ms);
  }
}

/// Gives the signal that has ended it, or 0.
weft::task<int> read_pages(crawler& pages) {
  auto ending = weft::when_any(weft::signal(SIGINT, SIGTERM), pages.run());
  auto const first = co_await std::move(ending);
  co_return first.index == 0 ? std::get<0>(first.value) : 0;
}

weft::task<int> read_pages_and_watch(crawler& pages) {
  int signal = 0;
  bool const drawn = ::isatty(STDERR_FILENO) == 1;
  auto const both = [&](weft::scope& watching) -> weft::task<> {
    if (drawn) watching.spawn(watch, std::cref(pages.seen()));
    auto reading = read_pages(pages);
    signal = co_await std::move(reading);
    watching.stop();
  };
  auto operation = weft::with_scope(std::ref(both));
  co_await std::move(operation);
  if (drawn) std::fputs("\r\033[K", stderr);
  co_return signal;
}

int run(options const& wanted) {
  auto const seconds_since = [](weft::clock::time_point t) {
    return std::chrono::duration<double>(weft::clock::now() - t).count();
  };
  crawler reader(wanted.starts, wanted.most);
  auto const begun = weft::clock::now();
  int const signal = weft::run(read_pages_and_watch(reader));
  auto const reading = seconds_since(begun);

  int status = signal == 0 ? 0 : 128 + signal;
  std::vector<std::string_view> texts;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i != reader.pages().size(); ++i) {
    auto const& p = reader.pages()[i];
    if (p.now == page::state::failed) {
      if (wanted.what == talk::all)
        std::fprintf(stderr, "crawl: %s: %s\n", p.at.to_string().c_str(), p.failure.c_str());
      if (status == 0 && i < reader.starts()) status = 1;
    }
    if (p.now != page::state::read) continue;
    texts.push_back(p.text);
    bytes += p.bytes;
  }

  auto const counting_begun = weft::clock::now();
  auto const counted = count_words(texts);
  auto const counting = seconds_since(counting_begun);
  for (std::size_t i = 0; i != std::min(wanted.words, counted.words.size()); ++i)
    std::printf("%8llu  %s\n", static_cast<unsigned long long>(counted.words[i].times), counted.words[i].word.c_str());
  std::printf("%zu pages, %llu bytes read in %.3f s%s\n", texts.size(), static_cast<unsigned long long>(bytes), reading,
              signal == 0 ? "" : ", interrupted");
  std::printf("%llu words, %zu different, counted in %.3f s\n", static_cast<unsigned long long>(counted.all),
              counted.words.size(), counting);
  if (std::fflush(stdout) != 0) throw std::system_error(errno, std::system_category(), "standard output");
  return status;
}

}  // namespace
}  // namespace crawl

int main(int argc, char** argv) {
  try {
    auto const wanted = crawl::parse(argc, argv);
    if (!wanted.help) return crawl::run(wanted);
    std::fputs(crawl::usage, stdout);
    return 0;
  } catch (std::system_error const& e) {
    std::fprintf(stderr, "crawl: %s\n", e.what());
  } catch (std::exception const& e) {
    if (*e.what() != '\0') std::fprintf(stderr, "crawl: %s\n", e.what());
    std::fputs("Try 'crawl --help'.\n", stderr);
  }
  return 2;
}
