// Scenarios: a program that is run in many worlds, each of which differs from the others in its seed.
#pragma once

#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/base/config.hpp>
#include <weft/sim/sim.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

namespace weft_test {

/// How many seeds each scenario has, as many as a minute is enough for; WEFT_SIM_SEEDS says otherwise (run).
inline std::uint64_t seeds() {
  if (char const* const text = std::getenv("WEFT_SIM_SEEDS")) return std::strtoull(text, nullptr, 10);
  if (weft::detail::address_sanitized || weft::detail::thread_sanitized) return 8;
#if defined(__OPTIMIZE__)
  return 10'000;
#else
  return 100;
#endif
}

inline void must(bool condition, char const* what) {
  if (!condition) throw std::logic_error(what);
}

/// The program in as many worlds, of one to four workers, half of them with steps that take time. Whatever it opens it closes.
template <class Program>
void in_worlds(char const* name, Program program, weft::sim_network network = {}) {
  using namespace std::chrono_literals;
  watchdog const guard(name, 3600s);
  for (unsigned workers = 1; workers != 5; ++workers) {
    auto const count = (seeds() + 3) / 4;
    auto body = [&](weft::sim& world) {
      world.run(program);
      must(world.descriptors() == 0, "a descriptor stays open");
    };
    INFO(workers << " workers");
    weft::sim::explore({.count = (count + 1) / 2, .first = 1}, body, {.workers = workers, .network = network});
    weft::sim::explore({.count = count / 2, .first = 1'000'000}, body,
                       {.workers = workers, .most_per_step = 200ns, .network = network});
  }
}

}  // namespace weft_test
