#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <model/fiber.hpp>
#include <new>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace weft_model {
namespace {
constexpr std::size_t guard = 4096, stack_size = 256 * 1024;
}

#if defined(__x86_64__)

extern "C" void weft_model_switch(void** save, void* go_on) noexcept;

// What a call preserves goes to the stack, and the stack pointer with it.
asm(R"(
  .text
  .p2align 4
  .type weft_model_switch, @function
weft_model_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size weft_model_switch, . - weft_model_switch
)");

void fiber::begin(entry e) noexcept {
  auto* top = reinterpret_cast<std::uintptr_t*>(static_cast<char*>(stack_) + guard + stack_size);
  *--top = 0;  // where e would return to
  *--top = reinterpret_cast<std::uintptr_t>(e);
  for (int i = 0; i != 6; ++i) *--top = 0;
  state_ = top;
}

void fiber::change(fiber& from, fiber& to) noexcept { weft_model_switch(&from.state_, to.state_); }

#else

void fiber::begin(entry e) noexcept {
  if (!state_) state_ = new ucontext_t;
  auto* const c = static_cast<ucontext_t*>(state_);
  ::getcontext(c);
  c->uc_stack.ss_sp = static_cast<char*>(stack_) + guard;
  c->uc_stack.ss_size = stack_size;
  c->uc_link = nullptr;
  ::makecontext(c, e, 0);
}

void fiber::change(fiber& from, fiber& to) noexcept {
  if (!from.state_) from.state_ = new ucontext_t;
  ::swapcontext(static_cast<ucontext_t*>(from.state_), static_cast<ucontext_t*>(to.state_));
}

#endif

fiber::fiber() {
  stack_ = ::mmap(nullptr, guard + stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack_ == MAP_FAILED || ::mprotect(stack_, guard, PROT_NONE) != 0) throw std::bad_alloc();
}

fiber::fiber(original) noexcept {}

fiber::~fiber() {
  if (stack_) ::munmap(stack_, guard + stack_size);
}

bool fiber::holds(void const* p) const noexcept {
  auto const* const b = static_cast<char const*>(stack_);
  return b && p >= b && p < b + guard + stack_size;
}

}  // namespace weft_model
