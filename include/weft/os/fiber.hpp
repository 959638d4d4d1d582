// A stack of its own for code that is to stop in the middle of plain calls and go on later, on the same thread of the system: what the
// threads of a simulated world run on. The sanitizers are told of each change of stacks.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if WEFT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if WEFT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace weft::detail {

//     begun ── enter ──▶ runs ── leave ──▶ stopped ── enter ──▶ runs ── body returns ──▶ ended
//
/// enter() by whoever owns it, leave() from inside: control goes to and fro between those two alone. No exception leaves the body.
/// What stands on the stack when a fiber is destroyed that has not ended is forgotten, without destructors.
class fiber : pinned {
 public:
  using body_function = void (*)(void*) noexcept;

  /// stack_bytes are address space: memory is taken as it is touched. A page below them cannot be touched at all. Throws
  /// std::bad_alloc.
  fiber(std::size_t stack_bytes, body_function body, void* argument);
  ~fiber();

  /// Runs the body from where it stopped until it leaves or ends.
  void enter() noexcept;
  /// By the body: returns in the next enter().
  void leave() noexcept;

  [[nodiscard]] bool ended() const noexcept { return ended_; }

  /// What stands on the stack stays alive for good, although nobody will run it: a leak detector is to look there, too.
  void abandon() noexcept;

 private:
  static constexpr std::size_t guard = 4096;

#if defined(__x86_64__)
  using saved_state = void*;  // the stack pointer; the rest stands there
#else
  using saved_state = ucontext_t;
#endif

  static void begin(fiber* f) noexcept;
  static void begin_halves(unsigned low, unsigned high) noexcept;
  void prepare() noexcept;
  static void change_stack(saved_state& from, saved_state& to) noexcept;

  [[nodiscard]] char* bottom() const noexcept { return static_cast<char*>(pages_) + guard; }

  body_function const body_;
  void* const argument_;
  std::size_t size_;
  void* pages_;
  saved_state inside_{};
  saved_state outside_{};
  bool ended_ = false;

  // The sanitizers' names for the two stacks.
  [[maybe_unused]] void* tsan_inside_ = nullptr;
  [[maybe_unused]] void* tsan_outside_ = nullptr;
  [[maybe_unused]] void* fake_stack_inside_ = nullptr;
  [[maybe_unused]] void* fake_stack_outside_ = nullptr;
  [[maybe_unused]] void const* bottom_outside_ = nullptr;
  [[maybe_unused]] std::size_t size_outside_ = 0;
};

inline fiber::fiber(std::size_t stack_bytes, body_function body, void* argument)
    : body_(body), argument_(argument), size_((stack_bytes + guard - 1) / guard * guard) {
  pages_ = ::mmap(nullptr, guard + size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages_ == MAP_FAILED) throw std::bad_alloc();
  if (::mprotect(pages_, guard, PROT_NONE) != 0) {
    ::munmap(pages_, guard + size_);
    throw std::bad_alloc();
  }
  prepare();
#if WEFT_TSAN
  tsan_inside_ = __tsan_create_fiber(0);
#endif
}

inline fiber::~fiber() {
#if WEFT_TSAN
  __tsan_destroy_fiber(tsan_inside_);
#endif
#if WEFT_ASAN
  __asan_unpoison_memory_region(bottom(), size_);  // of frames that were forgotten
#endif
  ::munmap(pages_, guard + size_);
}

inline void fiber::abandon() noexcept {
#if WEFT_ASAN
  __lsan_register_root_region(bottom(), size_);
#endif
}

inline void fiber::enter() noexcept {
  WEFT_ASSERT(!ended_, "a fiber that has ended cannot be entered");
#if WEFT_ASAN
  __sanitizer_start_switch_fiber(&fake_stack_outside_, bottom(), size_);
#endif
#if WEFT_TSAN
  tsan_outside_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_inside_, 0);
#endif
  change_stack(outside_, inside_);
#if WEFT_ASAN
  __sanitizer_finish_switch_fiber(fake_stack_outside_, nullptr, nullptr);
#endif
}

inline void fiber::leave() noexcept {
#if WEFT_ASAN
  // Null: nobody comes back to this stack.
  __sanitizer_start_switch_fiber(ended_ ? nullptr : &fake_stack_inside_, bottom_outside_, size_outside_);
#endif
#if WEFT_TSAN
  __tsan_switch_to_fiber(tsan_outside_, 0);
#endif
  change_stack(inside_, outside_);
#if WEFT_ASAN
  __sanitizer_finish_switch_fiber(fake_stack_inside_, &bottom_outside_, &size_outside_);
#endif
}

inline void fiber::begin(fiber* f) noexcept {
#if WEFT_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &f->bottom_outside_, &f->size_outside_);
#endif
  f->body_(f->argument_);
  f->ended_ = true;
  f->leave();
  __builtin_unreachable();
}

#if defined(__x86_64__)

// What a call preserves goes to the stack, and the stack pointer with it. Two arguments: rdi, where it is saved; rsi, where to go on.
[[gnu::naked, gnu::noinline]] __attribute__((no_sanitize("address", "thread", "undefined"))) inline void switch_stacks(
    [[maybe_unused]] void** saved, [[maybe_unused]] void* go_on) noexcept {
  asm volatile(R"(
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    fldcw 4(%rsp)
    ldmxcsr (%rsp)
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
  )");
}

// Where a stack begins: the fiber comes in rbx, begin in rbp. Nothing stands above, and no unwinder looks there.
[[gnu::naked, gnu::noinline]] __attribute__((no_sanitize("address", "thread", "undefined"))) inline void
enter_stack() noexcept {
  asm volatile(R"(
    movq %rbx, %rdi
    movq %rbp, %rax
    xorl %ebp, %ebp
    callq *%rax
    ud2
  )");
}

inline void fiber::prepare() noexcept {
  std::uint32_t sse_state;
  std::uint16_t x87_state;
  asm volatile("stmxcsr %0" : "=m"(sse_state));
  asm volatile("fnstcw %0" : "=m"(x87_state));
  auto* top = reinterpret_cast<std::uintptr_t*>(bottom() + size_);
  *--top = 0;
  *--top = 0;                                                // the caller of enter_stack; the stack is aligned there
  *--top = reinterpret_cast<std::uintptr_t>(&enter_stack);   // where switch_stacks returns to
  *--top = reinterpret_cast<std::uintptr_t>(&fiber::begin);  // rbp
  *--top = reinterpret_cast<std::uintptr_t>(this);           // rbx
  for (int i = 0; i != 4; ++i) *--top = 0;                   // r12 to r15
  *--top = std::uintptr_t{x87_state} << 32 | sse_state;
  inside_ = top;
}

inline void fiber::change_stack(saved_state& from, saved_state& to) noexcept { switch_stacks(&from, to); }

#else

// makecontext passes ints: the two halves of the fiber's address.
inline void fiber::begin_halves(unsigned low, unsigned high) noexcept {
  begin(reinterpret_cast<fiber*>(static_cast<std::uintptr_t>(std::uint64_t{high} << 32 | low)));
}

inline void fiber::prepare() noexcept {
  auto const self = std::uint64_t{reinterpret_cast<std::uintptr_t>(this)};
  ::getcontext(&inside_);
  inside_.uc_stack.ss_sp = bottom();
  inside_.uc_stack.ss_size = size_;
  inside_.uc_link = nullptr;
  ::makecontext(&inside_, reinterpret_cast<void (*)()>(&fiber::begin_halves), 2, static_cast<unsigned>(self),
                static_cast<unsigned>(self >> 32));
}

inline void fiber::change_stack(saved_state& from, saved_state& to) noexcept { ::swapcontext(&from, &to); }

#endif

}  // namespace weft::detail
