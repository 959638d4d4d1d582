// How much stack something takes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <thread>

namespace weft_test {

/// Called from many places of what runs on one thread, and then perhaps on another, tells how far apart they lie on a stack.
class stack_depth {
 public:
  [[gnu::noinline]] void look() noexcept {
    // Not the address of a local: AddressSanitizer may keep locals elsewhere.
    auto const here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    auto const thread = std::this_thread::get_id();
    auto& known = *std::find_if(stacks_.begin(), stacks_.end() - 1,
                                [&](auto const& s) { return s.thread == thread || s.thread == std::thread::id{}; });
    known.thread = thread;
    known.lowest = std::min(known.lowest, here);
    known.highest = std::max(known.highest, here);
  }

  std::size_t bytes() const noexcept {
    std::uintptr_t most = 0;
    for (auto const& s : stacks_)
      if (s.lowest < s.highest) most = std::max(most, s.highest - s.lowest);
    return most;
  }

 private:
  struct stack {
    std::thread::id thread;
    std::uintptr_t lowest = UINTPTR_MAX, highest = 0;
  };
  std::array<stack, 64> stacks_;
};

}  // namespace weft_test
