// What a scope allocates, it gives back.
#pragma once

#include "support/allocations.hpp"
#include "support/catch.hpp"

namespace weft_test {

/// Checks at its end that operator new has got back all that it gave out in its life, on all threads. Declared before the pool
/// whose end is to leave nothing, and after what lives longer.
class balance {
 public:
  balance() noexcept : before_(live_allocations()) {}
  balance(balance const&) = delete;
  balance& operator=(balance const&) = delete;
  ~balance() {
    auto const now = live_allocations();
    CHECK(now.blocks == before_.blocks);
    CHECK(now.bytes == before_.bytes);
  }

 private:
  allocations const before_;
};

}  // namespace weft_test
