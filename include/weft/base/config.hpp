// Version, build switches and the compilers' differences: together with os/, the only place with their #ifdefs.
#pragma once

#if !defined(__cplusplus) || __cplusplus < 202002L
#error "weft needs C++20: compile with -std=c++20, or link the CMake target weft::weft, which asks for it"
#endif
#if !defined(__cpp_exceptions)
#error "weft reports failures by exceptions: compile without -fno-exceptions"
#endif

#include <cstdint>

#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0

/// WEFT_MODEL=1: the checker of tests/model answers for atomics, futexes, the clock and threads, and runs every schedule it can.
#if !defined(WEFT_MODEL)
#define WEFT_MODEL 0
#endif
#if WEFT_MODEL
#include <model/policy.hpp>
// It is built with the instrumentation of ThreadSanitizer, and without ThreadSanitizer.
#define WEFT_TSAN 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define WEFT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_ASAN 1
#endif
#endif
#if !defined(WEFT_ASAN)
#define WEFT_ASAN 0
#endif

#if defined(WEFT_TSAN)
#elif defined(__SANITIZE_THREAD__)
#define WEFT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_TSAN 1
#endif
#endif
#if !defined(WEFT_TSAN)
#define WEFT_TSAN 0
#endif

/// WEFT_CHAOS=1: every atomic operation may yield the thread first, so that rare interleavings happen in tests.
#if !defined(WEFT_CHAOS)
#define WEFT_CHAOS 0
#endif

/// Builds that look for misuse look at the lambdas that are coroutines, too, where the compiler shows them to their promise: GCC's alone.
#if !defined(NDEBUG) && defined(__GNUC__) && !defined(__clang__) && !WEFT_MODEL
#define WEFT_WATCH_CLOSURES 1
#else
#define WEFT_WATCH_CLOSURES 0
#endif

namespace weft::detail {

inline constexpr bool address_sanitized = WEFT_ASAN != 0;
inline constexpr bool thread_sanitized = WEFT_TSAN != 0;
inline constexpr bool chaos = WEFT_CHAOS != 0;
inline constexpr bool modelled = WEFT_MODEL != 0;

/// Bounded structures are small under checkers, so that full queues and wrap-around happen there.
inline constexpr bool small_capacities = address_sanitized || thread_sanitized || chaos || modelled;

/// How often to look before sleeping: a model looks once, and gets to the sleep.
consteval int looks(int usual) noexcept { return modelled ? 1 : usual; }

/// Clang turns symmetric transfer into a tail call at every level. GCC does not at -O0, -Og and -O1, nor under
/// ASan or TSan, and no macro tells -O1 from -O2: with GCC, each transfer looks how deep the stack is, which is unwound in time.
#if defined(__clang__)
inline constexpr bool transfers_are_tail_calls = true;
#else
inline constexpr bool transfers_are_tail_calls = false;
#endif

/// GCC 12 copies an awaiter that await_transform returns by reference.
#if defined(__clang__)
inline constexpr bool awaiters_are_copied = false;
#else
inline constexpr bool awaiters_are_copied = true;
#endif

/// In an expression with several co_awaits, a + b, GCC waits for all that give scalars or references before it calls the first await_resume of
/// theirs. Where that throws, those of the others are never called: an awaiter's destructor has to leave what it has entered, and to give
/// back what nobody else can have. What gives an object of a class it awaits before, one after the other, and keeps the objects as temporaries.
#if defined(__clang__)
inline constexpr bool resumes_at_the_end = false;
#else
inline constexpr bool resumes_at_the_end = true;
#endif

/// The last step of a coroutine: g++ takes its end for cold code, and would call what clang inlines. Clang is not told to: one before 18
/// keeps the locals of what it inlines there in the frame, which others may destroy meanwhile.
#if defined(__clang__)
#define WEFT_INLINE_AT_END
#else
#define WEFT_INLINE_AT_END [[gnu::always_inline]]
#endif

/// Where the calling function's stack ends by now, or a little above. It grows towards lower addresses.
[[gnu::always_inline]] inline std::uintptr_t stack_position() noexcept {
#if defined(__x86_64__) && defined(__LP64__)
  std::uintptr_t position;
  asm("mov %%rsp, %0" : "=r"(position));
  return position;
#elif defined(__aarch64__)
  std::uintptr_t position;
  asm("mov %0, sp" : "=r"(position));
  return position;
#else
  return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
#endif
}

/// Tells the core that this is a spin loop.
inline void relax() noexcept {
#if WEFT_MODEL
  weft_model::give_way();
#elif defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

}  // namespace weft::detail

/// A coroutine in a header is a template, or a member of a class template, be it one with a single instance (`template <class = void>`), and so
/// is whatever inline function calls one. GCC without optimisation emits what it makes of any other coroutine wherever its header is included,
/// called or not, with all that it uses: half the library for each file of a program. Where a plain function is to be called, it is declared, and
/// defined as a friend in such a class, since the body of a friend, too, is instantiated for its callers alone.
///
/// An instance of the class, which makes the friends in it known.
#define WEFT_DEFINE_FRIENDS(of) static_assert(sizeof(of<void>) != 0)

/// State that several shared libraries in one process must share, whatever their default visibility.
#define WEFT_SHARED [[gnu::visibility("default")]]

/// A class that is one pointer is passed in a register, though it has a destructor, which is then the callee's affair. Clang alone can: parts
/// of a program that hand tasks to each other by value are built by one compiler.
#if defined(__clang__)
#define WEFT_TRIVIAL_ABI [[clang::trivial_abi]]
#else
#define WEFT_TRIVIAL_ABI
#endif

/// Clang up to 16 keeps the address of a thread_local across a suspension point (llvm#63022): a plain function that may be
/// inlined into a coroutine must not read one inline there.
#if defined(__clang__) && __clang_major__ < 17
#define WEFT_NOINLINE_IF_TLS_IS_CACHED [[gnu::noinline]]
#else
#define WEFT_NOINLINE_IF_TLS_IS_CACHED
#endif
