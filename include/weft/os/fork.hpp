// Noticing that this process is a child made by fork(): it has the memory of its parent's threads, and none of the threads.
#pragma once

#include <weft/base/config.hpp>

#include <pthread.h>

#include <atomic>

namespace weft::detail {

/// How many forks lie between this process and the one that loaded the program.
WEFT_SHARED inline constinit std::atomic<unsigned> fork_generation{0};

/// From the first call on, generations are counted, and `in_child` runs in every child, on its one thread, before fork() returns.
inline void watch_forks(void (*in_child)()) noexcept {
  static std::atomic<void (*)()> handler{nullptr};
  handler.store(in_child, std::memory_order_release);  // pairs with the load in the child
  static int const registered = ::pthread_atfork(nullptr, nullptr, [] {
    fork_generation.fetch_add(1, std::memory_order_relaxed);
    if (auto* const f = handler.load(std::memory_order_acquire)) f();  // pairs with the store above
  });
  static_cast<void>(registered);
}

}  // namespace weft::detail
