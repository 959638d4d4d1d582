// The deadlock zoo: programs that hang, or once hung, on other pools, as small as they can be. Each names the report, and ends here.
#pragma once

#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/sched/pool.hpp>

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

namespace zoo {

/// The pools that each program is run on: one, two and four workers, or WEFT_TEST_WORKERS.
inline std::vector<unsigned> worker_counts() {
  if (char const* const text = std::getenv("WEFT_TEST_WORKERS"))
    return {static_cast<unsigned>(std::strtoul(text, nullptr, 10))};
  return {1, 2, 4};
}

/// Runs program(pool) on each of these pools, a few times on a new one each: under a watchdog that names it, and nothing may be left when the
/// pool has gone.
template <class Program>
void show(std::string const& name, Program program) {
  constexpr int most_rounds = 20;
  constexpr auto long_enough = std::chrono::milliseconds(40);
  for (auto const workers : worker_counts()) {
    INFO("workers: " << workers);
    weft_test::watchdog const guard("zoo: " + name + ", workers: " + std::to_string(workers), std::chrono::seconds(60));
    auto const begin = std::chrono::steady_clock::now();
    for (int round = 0; round < most_rounds && std::chrono::steady_clock::now() - begin < long_enough; ++round) {
      weft_test::balance const balance;
      weft::pool pool{{.workers = workers}};
      program(pool);
    }
  }
}

}  // namespace zoo
