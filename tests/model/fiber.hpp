// A stack of its own for each modelled thread, all on one thread of the system.
#pragma once

#include <cstddef>

namespace weft_model {

/// Not moved. Begun anew for each execution; what stands on the stack then is forgotten, without destructors.
class fiber {
 public:
  using entry = void (*)();

  fiber();
  ~fiber();
  fiber(fiber const&) = delete;
  fiber& operator=(fiber const&) = delete;

  /// The next switch to it calls e, which never returns.
  void begin(entry e) noexcept;

  /// Goes on at `to`; returns when somebody switches back. `from`: what runs now.
  static void change(fiber& from, fiber& to) noexcept;

  /// The stack that was there before there were fibers.
  struct original {};
  explicit fiber(original) noexcept;

  [[nodiscard]] bool holds(void const* p) const noexcept;

 private:
  void* stack_ = nullptr;
  void* state_ = nullptr;  // x86-64: the stack pointer; elsewhere a ucontext_t
};

}  // namespace weft_model
