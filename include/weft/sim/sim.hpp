// sim: the whole library on one thread, in virtual time, its interleavings drawn from a seed. The same seed runs the same way every time,
// so a race that one seed in a thousand shows can be looked at for as long as it takes. README.md has what is simulated and what is not.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/result.hpp>
#include <weft/base/utility.hpp>
#include <weft/coro/run.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sim/network.hpp>
#include <weft/sim/world.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace weft {

/// How a world is made: `sim world{{.seed = 7}};`
struct sim_options {
  std::uint64_t seed = 1;
  unsigned workers = 2;                            ///< of the world's pool; at least 1
  clock::duration most_per_step{};                 ///< a step takes up to that; zero: time moves only where all wait
  std::uint64_t most_steps = 10'000'000;           ///< of a run; one that needs more throws sim::endless
  std::size_t stack_bytes = std::size_t{1} << 20;  ///< of each virtual thread; memory is taken as it is touched
  sim_network network{};                           ///< and its pipes
};

/// Seeds to be tried, one after the other.
struct sim_seeds {
  std::uint64_t count = 1000;
  std::uint64_t first = 1;
};

/// A world of one thread. What runs in it uses weft as ever (tasks, futures, channels, locks, timers, blocking()), and is interrupted
/// wherever the library would enter the kernel, and between jobs. One thread at a time.
///
///   weft::sim world{{.seed = 7}};
///   int const n = world.run(my_program);    // a callable, a coroutine function with its arguments, or an awaitable
///
/// Time stands still while anybody runs; where all wait it jumps to the next deadline, so that a day's sleep takes microseconds. Time points
/// of the world outside mean nothing inside, so timers are made inside. Each run has a pool of its own, which ends with the run: what was
/// started and not waited for is asked to stop, as by ~pool.
class sim : detail::pinned {
 public:
  explicit sim(sim_options o = {}) noexcept
      : options_(o), world_(o.seed, o.most_per_step, o.most_steps, o.stack_bytes, o.network) {
    WEFT_ASSERT(o.workers != 0, "a world has at least one worker");
  }

  /// As weft::run, on the world's pool: its result, or what it threw. Throws sim::deadlock or sim::endless where the run does not end;
  /// it has then been asked to stop. What does not stop either is never destroyed.
  template <class X, class... Args>
  decltype(auto) run(X&& x, Args&&... args);

  [[nodiscard]] std::uint64_t seed() const noexcept { return options_.seed; }
  /// Of every decision so far: equal for runs that were equal.
  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return world_.trace_hash(); }
  /// How often a virtual thread had its turn.
  [[nodiscard]] std::uint64_t steps() const noexcept { return world_.steps(); }
  /// Sockets, ends of pipes, and what waits for them, that are open: 0 after a run that has closed all.
  [[nodiscard]] std::size_t descriptors() const noexcept { return world_.descriptors(); }
  /// Virtual time that has passed.
  [[nodiscard]] clock::duration elapsed() const noexcept { return world_.time() - begun_; }

  /// What run throws where a world gets stuck.
  class stuck : public std::runtime_error {
   public:
    stuck(sim const& world, char const* how);
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
    [[nodiscard]] std::uint64_t trace_hash() const noexcept { return trace_hash_; }

   private:
    std::uint64_t seed_, trace_hash_;
  };

  /// Everybody waits, and nobody for a time.
  class deadlock : public stuck {
   public:
    explicit deadlock(sim const& world) : stuck(world, "deadlock: everybody waits, and nobody for a time") {}
  };

  /// sim_options::most_steps were not enough.
  class endless : public stuck {
   public:
    explicit endless(sim const& world) : stuck(world, "no end after so many steps") {}
  };

  /// A seed with which a body threw, and what.
  struct failure {
    std::uint64_t seed;
    std::uint64_t trace_hash;
    std::exception_ptr what;
  };

  /// Calls body(world) with a new world for each seed, and returns the first failure. `o.seed` is not looked at.
  template <class Body>
    requires std::invocable<Body&, sim&>
  [[nodiscard]] static std::optional<failure> find_failure(sim_seeds seeds, Body&& body, sim_options o = {});

  /// The same for tests: says on standard error which seed has failed, and throws what the body threw. With WEFT_SIM_SEED=<seed> in the
  /// environment it tries that seed alone.
  template <class Body>
    requires std::invocable<Body&, sim&>
  static void explore(sim_seeds seeds, Body&& body, sim_options o = {});

 private:
  sim_options const options_;
  detail::world world_;
  clock::time_point const begun_ = world_.time();
};

inline sim::stuck::stuck(sim const& world, char const* how)
    : std::runtime_error("weft::sim: " + std::string(how) + " (seed " + std::to_string(world.seed()) + ", step " +
                         std::to_string(world.steps()) + ", " +
                         std::to_string(std::chrono::duration<double>(world.elapsed()).count()) +
                         " s of virtual time)"),
      seed_(world.seed()),
      trace_hash_(world.trace_hash()) {}

template <class X, class... Args>
decltype(auto) sim::run(X&& x, Args&&... args) {
  static_assert(
      runnable<X, Args...>,
      "sim::run takes a callable with its arguments, or an awaitable alone; arguments are moved: std::ref to borrow");
  if constexpr (runnable<X, Args...>) {
    using result = result_of<std::decay_t<X>, std::decay_t<Args>...>;
    detail::result_slot<result> slot;
    auto body = [&]() noexcept {
      detail::settle_with(slot, [&]() -> result {
        pool own{{.workers = options_.workers}};
        world_.begin_pool(own);
        detail::scope_exit const left([this] { world_.retain_pool(); });
        return own.run(std::forward<X>(x), std::forward<Args>(args)...);
      });
    };
    switch (world_.run(body)) {
      case detail::world_end::in_order: break;
      case detail::world_end::deadlock: throw deadlock(*this);
      case detail::world_end::endless: throw endless(*this);
    }
    return slot.take();
  }
}

template <class Body>
  requires std::invocable<Body&, sim&>
std::optional<sim::failure> sim::find_failure(sim_seeds seeds, Body&& body, sim_options o) {
  for (std::uint64_t i = 0; i != seeds.count; ++i) {
    o.seed = seeds.first + i;
    sim world{o};
    try {
      std::invoke(body, world);
    } catch (...) {
      return failure{world.seed(), world.trace_hash(), std::current_exception()};
    }
  }
  return std::nullopt;
}

template <class Body>
  requires std::invocable<Body&, sim&>
void sim::explore(sim_seeds seeds, Body&& body, sim_options o) {
  if (char const* const only = std::getenv("WEFT_SIM_SEED"))
    seeds = {.count = 1, .first = std::strtoull(only, nullptr, 10)};
  auto const found = find_failure(seeds, body, o);
  if (!found) return;
  std::fprintf(stderr, "weft::sim: seed %llu fails (trace %016llx); WEFT_SIM_SEED=%llu runs it alone\n",
               static_cast<unsigned long long>(found->seed), static_cast<unsigned long long>(found->trace_hash),
               static_cast<unsigned long long>(found->seed));
  std::rethrow_exception(found->what);
}

}  // namespace weft
