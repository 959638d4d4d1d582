// What a scope allocates, it gives back.
#pragma once

#include "support/allocations.hpp"
#include "support/catch.hpp"

#include <weft/sched/pool.hpp>

#include <chrono>
#include <thread>

namespace weft_test {

/// Checks at its end that operator new has got back all that it gave out in its life, on all threads. Declared before the pool
/// whose end is to leave nothing, and after what lives longer.
class balance {
 public:
  balance() noexcept : before_(at_rest()) {}
  balance(balance const&) = delete;
  balance& operator=(balance const&) = delete;
  ~balance() {
    auto const now = at_rest();
    CHECK(now.blocks == before_.blocks);
    CHECK(now.bytes == before_.bytes);
  }

 private:
  /// What a task of the default pool leaves is freed a moment after its result has been told.
  static allocations at_rest() noexcept {
    if (weft::pool* const p = weft::detail::the_default_pool.load(weft::detail::memory_order_acquire)) {
      auto& idle = weft::scheduler_of(*p).idle;
      for (int i = 0; i != 20'000 && (idle.searching() != 0 || idle.sleeping() < p->size()); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return live_allocations();
  }

  allocations const before_;
};

}  // namespace weft_test
