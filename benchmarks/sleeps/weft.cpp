// A million tasks that sleep, in weft: WORKERS COUNT. Prints seconds beyond the longest sleep, seconds of CPU, and bytes for each that
// sleeps.
#include "sleeps.hpp"

#include <weft/coro/run.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>

namespace {

struct sleepers {
  sleeps::lengths lengths;
  std::atomic<std::size_t> awake{0};
  double before = 0, asleep = 0;
};

weft::task<> one(sleepers& all, std::chrono::nanoseconds length) {
  co_await weft::sleep_for(length);
  all.awake.fetch_add(1, std::memory_order_relaxed);
}

weft::task<> sleep_all(sleepers& all) {
  auto const body = [&all](weft::scope& s) -> weft::task<> {
    for (std::size_t i = 0; i != all.lengths.count(); ++i) s.spawn(one, std::ref(all), all.lengths.next());
    co_await weft::sleep_for(sleeps::shortest / 2);
    all.asleep = sleeps::resident_bytes();
  };
  auto operation = weft::with_scope(std::ref(body));
  co_await std::move(operation);
}

}  // namespace

int main(int argc, char** argv) {
  weft::pool pool{{.workers = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1}};
  sleepers all{.lengths = sleeps::lengths(argc > 2 ? std::strtoul(argv[2], nullptr, 10) : sleeps::usual)};
  sleeps::measurement const m;
  all.before = sleeps::resident_bytes();
  pool.run(sleep_all, std::ref(all));
  m.print(all.awake, all.lengths.count(), all.asleep - all.before);
}
