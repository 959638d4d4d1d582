// How much stack something takes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace weft_test {

/// Called from many places of one thread's stack, tells how far they lie apart.
class stack_depth {
 public:
  [[gnu::noinline]] void look() noexcept {
    // Not the address of a local: AddressSanitizer may keep locals elsewhere.
    auto const here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    lowest_ = std::min(lowest_, here);
    highest_ = std::max(highest_, here);
  }

  std::size_t bytes() const noexcept { return highest_ < lowest_ ? 0 : highest_ - lowest_; }

 private:
  std::uintptr_t lowest_ = UINTPTR_MAX, highest_ = 0;
};

}  // namespace weft_test
