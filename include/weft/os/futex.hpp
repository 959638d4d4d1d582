// The one blocking primitive: wait while a word holds a value, with an optional deadline; wake by address.
// A raw futex, because glibc 2.36's condition variable (BZ 25847) and libstdc++ 12's semaphores lose wake-ups.
#pragma once

#include <weft/base/config.hpp>
#include <weft/os/clock.hpp>
#include <weft/os/simulation.hpp>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <ctime>

#if !defined(__linux__)
#error "weft runs on Linux: include/weft/os/ has no futex for this system yet"
#endif

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace weft::detail {

#if WEFT_MODEL

template <class Word>
void futex_wait(Word& word, std::uint32_t expected, clock::time_point deadline = clock::time_point::max(),
                weft_model::where const& where = weft_model::where::current()) noexcept {
  auto const until = deadline == clock::time_point::max() ? weft_model::never : deadline.time_since_epoch().count();
  weft_model::futex_wait(&word, expected, until, where);
}

template <class Word>
void futex_wake(Word& word, int count, weft_model::where const& where = weft_model::where::current()) noexcept {
  weft_model::futex_wake(&word, count, where);
}

template <class Word>
void futex_wake_all(Word& word) noexcept {
  futex_wake(word, INT_MAX);
}

inline void give_way() noexcept { weft_model::give_way(); }

inline std::uintptr_t this_thread_identity() noexcept { return weft_model::this_thread(); }

#else

/// Blocks while `word == expected`, until woken or `deadline` (time_point::max(): none). May return early without a
/// reason; callers look again. Works on any 4-byte atomic; a wake may come by address after the waiter's word is gone.
inline void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                       clock::time_point deadline = clock::time_point::max()) noexcept {
  if (simulation* const world = current_simulation()) [[unlikely]]
    return world->wait(word, expected, deadline);
  std::timespec until{};
  std::timespec* limit = nullptr;
  if (deadline != clock::time_point::max()) {
    auto const since = deadline.time_since_epoch();
    auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    if (since.count() <= 0) return;
    until.tv_sec = static_cast<std::time_t>(seconds.count());
    until.tv_nsec = static_cast<long>(std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds).count());
    limit = &until;
  }
  // FUTEX_WAIT_BITSET takes an absolute time on the monotonic clock, as steady_clock is.
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, limit, nullptr, FUTEX_BITSET_MATCH_ANY);
}

/// Wakes up to `count` waiters on the word. The address alone is used: the word may be gone already.
inline void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
  if (simulation* const world = current_simulation()) [[unlikely]]
    return world->wake(&word, count);
  ::syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
}

inline void futex_wake_all(std::atomic<std::uint32_t>& word) noexcept { futex_wake(word, INT_MAX); }

/// For a short wait on a thread that may be runnable and without a core: this one's goes to whoever has waited longest. Returns at
/// once where nobody waits for a core, but otherwise after a time slice of each who does; see brief_wait.
inline void give_way() noexcept {
  if (simulation* const world = current_simulation()) [[unlikely]]
    return world->step();
  ::sched_yield();
}

/// Never inlined: compilers keep pthread_self() across a suspension, where the thread may have changed.
[[gnu::noinline]] inline std::uintptr_t this_thread_identity() noexcept {
  if (simulation* const world = current_simulation()) [[unlikely]]
    return world->this_thread();
  return static_cast<std::uintptr_t>(::pthread_self());
}

#endif

}  // namespace weft::detail
