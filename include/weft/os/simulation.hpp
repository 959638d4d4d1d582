// The door to a simulated world (weft::sim), which answers its threads in place of the system: futexes, the clock, threads. Looked at
// only where the system would be asked, so that code outside a world pays a load and a branch beside a system call or a look at a clock.
#pragma once

#include <weft/base/config.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace weft {

class pool;

namespace detail {

class simulated_system;  // os/system_calls.hpp
class handle_slab;       // io/handle.hpp

/// What a world does for the thread that runs in it. step, block, wake, now, ticks, start and join may let other threads of the world go
/// first; all return on the thread of the system that they were called on.
class simulation {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Another thread may have its turn here.
  virtual void step() noexcept = 0;

  /// Blocks until somebody wakes those who wait at this address, until the deadline, or for no reason.
  virtual void block(void const* address, time_point deadline) noexcept = 0;
  virtual void wake(void const* address, int count) noexcept = 0;

  virtual time_point now() noexcept = 0;
  virtual std::uint64_t ticks() noexcept = 0;

  /// A thread of the world that calls entry(argument); its number, or 0 where there is no memory for it.
  [[nodiscard]] virtual std::uintptr_t start(void* (*entry)(void*), void* argument) noexcept = 0;
  virtual void join(std::uintptr_t thread) noexcept = 0;
  [[nodiscard]] virtual std::uintptr_t this_thread() const noexcept = 0;
  [[nodiscard]] virtual bool blocked(std::uintptr_t thread) const noexcept = 0;

  [[nodiscard]] virtual std::uint64_t random() noexcept = 0;
  [[nodiscard]] virtual pool& default_pool() const noexcept = 0;

  /// Its network and pipes, and the records of the handles on them.
  [[nodiscard]] virtual simulated_system& system() noexcept = 0;
  [[nodiscard]] virtual handle_slab& handles() noexcept = 0;

  /// As futex_wait. Nothing comes between the look and the wait: one thread of the system runs all.
  void wait(std::atomic<std::uint32_t> const& word, std::uint32_t expected, time_point deadline) noexcept {
    step();
    if (word.load(std::memory_order_relaxed) == expected) block(&word, deadline);
  }

 protected:
  simulation() = default;
  ~simulation() = default;
};

#if WEFT_MODEL

/// There are no worlds in a model.
inline simulation* current_simulation() noexcept { return static_cast<simulation*>(weft_model::no_world()); }

#else

/// The world that the calling thread is part of. Constant for the code that runs in it.
WEFT_SHARED inline constinit thread_local simulation* this_thread_simulation = nullptr;

/// Null: the system answers.
WEFT_NOINLINE_IF_TLS_IS_CACHED inline simulation* current_simulation() noexcept { return this_thread_simulation; }

#endif

}  // namespace detail
}  // namespace weft
