// seek: finds a fixed string in every file below some paths, as grep -rnFI does. It waits for many files at once and searches
// on all cores, both through weft; what is found is printed in one order, whatever the timing.
//
// One task walks the tree. It hands out portions of files, so many at a time, takes them back in the order in which it has
// handed them out, and prints. A file too large for a portion is split over the cores when its turn to be printed has come.
// What is in memory is searched at once, on a worker. What the system would have to wait for goes to a thread that may
// wait: many disks and servers are waited for at once, and no worker ever waits for one.
#include "console.hpp"
#include "in_order.hpp"
#include "large_file.hpp"
#include "options.hpp"
#include "portion.hpp"
#include "search.hpp"
#include "walk.hpp"

#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/pool.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <utility>

namespace seek {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t portions_in_flight = 64;

/// It is this portion's turn to be printed, and to be searched as far as that has been left to this moment.
weft::task<> complete(query const& q, portion files, console& out) {
  auto printed = out.print(files.found);
  co_await std::move(printed);
  while (!files.done()) {
    if (files.first_left != portion::state::searching) {
      auto searched = search_large_file(q, files.paths[files.next], files.first_left, out);
      co_await std::move(searched);
      files.first_left = portion::state::searching;
      ++files.next;
    }
    auto rest = search_portion(q, std::move(files));
    files = co_await std::move(rest);
    auto rest_printed = out.print(files.found);
    co_await std::move(rest_printed);
  }
}

weft::task<totals> search_all(query const& q, listing first, output_file const& out_file, console& out) {
  walk tree(std::move(first), out_file);
  in_order<portion> searches(portions_in_flight);
  auto const stop = weft::this_task::stop_token();
  for (bool more = true; more || !searches.empty();) {
    stop.throw_if_stopped();
    if (more && !searches.full()) {
      auto next = tree.next();
      portion files = co_await std::move(next);
      more = !files.paths.empty();
      searches.start(search_portion, std::cref(q), std::move(files));
    } else {
      auto oldest = searches.next();
      portion files = co_await std::move(oldest);
      auto completed = complete(q, std::move(files), out);
      co_await std::move(completed);
    }
  }
  auto all = out.finish();
  co_return co_await std::move(all);
}

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void watch_for_interrupts() {
  struct ::sigaction action{};
  action.sa_handler = [](int) { interrupted = true; };
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
}

/// Searches are asked to stop; what hangs in a call to the system is left behind.
[[noreturn]] void leave(weft::future<totals>& search) {
  search.stop();
  search.wait_for(30ms);
  std::_Exit(130);
}

void print_statistics(totals const& all, weft::clock::duration took, weft::pool const& pool) {
  auto const seconds = std::chrono::duration<double>(took).count();
  std::fprintf(stderr, "seek: %zu files, %llu bytes, %.3f s, %.0f MB/s, %llu steals, %u threads\n", all.files,
               static_cast<unsigned long long>(all.bytes), seconds, static_cast<double>(all.bytes) / 1e6 / seconds,
               static_cast<unsigned long long>(pool.stats().steals), pool.size());
}

int run(options const& wanted) {
  auto const begun = weft::clock::now();
  output_file const out_file(wanted.what);
  listing first = look_at_paths(wanted.paths, out_file);
  bool const one_file = wanted.paths.size() == 1 && first.entries.size() == 1 && !first.entries.front().is_directory();
  query const q(wanted, one_file ? paths_printed::no : paths_printed::yes);
  console out;

  watch_for_interrupts();
  weft::pool pool{{.workers = wanted.threads, .name = "seek"}};
  auto search = pool.spawn(search_all, std::cref(q), std::move(first), std::cref(out_file), std::ref(out));
  while (!search.wait_for(10ms))
    if (interrupted) leave(search);
  totals const all = search.get();
  if (wanted.stats == statistics::on) print_statistics(all, weft::clock::now() - begun, pool);
  return all.failed ? 2 : all.found ? 0 : 1;
}

}  // namespace
}  // namespace seek

int main(int argc, char** argv) {
  try {
    auto const wanted = seek::parse(argc, argv);
    if (!wanted.help) return seek::run(wanted);
    std::fputs(seek::usage, stdout);
    return 0;
  } catch (seek::usage_error const& e) {
    if (*e.what() != '\0') std::fprintf(stderr, "seek: %s\n", e.what());
    std::fputs("Try 'seek --help'.\n", stderr);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "seek: %s\n", e.what());
  }
  return 2;
}
