// Who wants which signals: a table that a signal handler can read, since it may take no lock and allocate nothing.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/os/child.hpp>
#include <weft/os/pages.hpp>

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <system_error>

namespace weft::detail {

/// Bit n - 1: signal n.
using signal_bits = std::uint64_t;
inline constexpr int last_signal = 64;

[[nodiscard]] inline constexpr signal_bits signal_bit(int number) noexcept { return signal_bits{1} << (number - 1); }

[[noreturn]] inline void throw_signal(int error, int number, char const* why) {
  auto what = "weft::signal: signal " + std::to_string(number);
  if (char const* const name = describe_signal(number)) what.append(" (").append(name).append(")");
  throw std::system_error(error, std::system_category(), what.append(why));
}

/// A set of signals that can be waited for. Throws std::system_error, EINVAL, for one that cannot: SIGKILL and SIGSTOP, which nobody can
/// catch, and those that a thread raises by an error of its own, which it would go on to raise again and again.
[[nodiscard]] inline signal_bits signals_of(std::span<int const> numbers) {
  signal_bits all = 0;
  for (int const n : numbers) {
    if (n < 1 || n > last_signal) throw_signal(EINVAL, n, ": there is no such signal");
    if (n == SIGKILL || n == SIGSTOP) throw_signal(EINVAL, n, " cannot be waited for: the system lets nobody catch it");
    if (n == SIGSEGV || n == SIGBUS || n == SIGFPE || n == SIGILL)
      throw_signal(EINVAL, n, " cannot be waited for: the thread that raises it cannot go on");
    all |= signal_bit(n);
  }
  return all;
}

//   wanted   the signals of whoever has the slot; 0: nobody
//   came     of these, the ones that have come and were not taken yet; several of one number are one, as with the system
//   bell     an eventfd that rings when something has come. It belongs to the slot for good, so that a handler that is late rings for
//            the next who has the slot, who finds that nothing has come, and not on a descriptor that is somebody else's by now
//
//   E1  the release of who links a slot in → the handler's acquire          the slot
//   E2  the handler's fetch_or, then its write to the bell → the read of the bell, then take: through the system
/// One place in the table. Never freed.
struct signal_slot {
  atomic<signal_bits> wanted{0};
  atomic<signal_bits> came{0};
  atomic<int> bell{-1};
  signal_slot* next = nullptr;  // constant
  bool free = true;             // guarded by the table's lock

  /// One of what has come, the lowest number first; 0: nothing. One thread at a time.
  [[nodiscard]] int take() noexcept {
    auto const there = came.load(memory_order_acquire) & wanted.load(memory_order_relaxed);  // acquire: E2.
    if (there == 0) return 0;
    int const number = std::countr_zero(there) + 1;
    came.fetch_and(~signal_bit(number), memory_order_relaxed);
    return number;
  }
  /// By the one who took it: the next take finds it, whether or not the bell rings.
  void give_back(int number) noexcept { came.fetch_or(signal_bit(number), memory_order_relaxed); }
};
static_assert(atomic<signal_bits>::is_always_lock_free && atomic<int>::is_always_lock_free);

// The handler of a signal is there as long as somebody wants it: installed for the first, and the disposition before it restored after
// the last, unless the program has set another one meanwhile. A child made by fork() has nobody who waits: it gets back the
// dispositions before, and none of the bells, which are its parent's too.
/// Any thread.
class signal_table : pinned {
 public:
  /// Throws std::system_error, std::bad_alloc; then nothing has changed.
  [[nodiscard]] signal_slot& enter(signal_bits wanted) {
    survive_forks();
    small_lock const guard(lock_);
    signal_slot& s = free_slot();
    if (s.bell.load(memory_order_relaxed) < 0) {
      int const bell = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
      if (bell < 0) throw std::system_error(errno, std::system_category(), "eventfd");
      s.bell.store(bell, memory_order_relaxed);
    }
    s.free = false;
    s.came.store(0, memory_order_relaxed);
    s.wanted.store(wanted, memory_order_seq_cst);  // before a handler can be called for it
    for (signal_bits rest = wanted; rest != 0; rest &= rest - 1) {
      int const number = std::countr_zero(rest) + 1;
      if (watchers_[index(number)]++ != 0) continue;
      if (int const error = install(number); error != 0) {
        --watchers_[index(number)];
        release(s, wanted & (signal_bit(number) - 1));
        throw_signal(error, number, "");
      }
    }
    return s;
  }

  /// `generation`: what it was when the slot was entered.
  void leave(signal_slot& s, unsigned generation) noexcept {
    small_lock const guard(lock_);
    if (generation == generation_) release(s, s.wanted.load(memory_order_relaxed));
  }

  /// Counts the forks that lie between this process and the one that loaded the program.
  [[nodiscard]] unsigned generation() noexcept {
    small_lock const guard(lock_);
    return generation_;
  }

 private:
  static std::size_t index(int number) noexcept { return static_cast<std::size_t>(number); }

  signal_slot& free_slot() {
    for (int attempts = 0; attempts < 2; ++attempts) {
      for (auto* s = slots_.load(memory_order_relaxed); s; s = s->next)
        if (s->free) return *s;
      auto* const more = static_cast<signal_slot*>(pages_for_good(slots_at_once * sizeof(signal_slot)));
      for (std::size_t i = 0; i < slots_at_once; ++i) {
        auto* const s = ::new (static_cast<void*>(more + i)) signal_slot;
        s->next = slots_.load(memory_order_relaxed);
        slots_.store(s, memory_order_release);  // E1.
      }
    }
    throw std::bad_alloc();
  }

  int install(int number) noexcept {
    struct ::sigaction action{};
    action.sa_handler = &signal_table::came;
    // Other threads go on with the calls that the signal interrupts, and stacks of goroutines and the like are not written to.
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    ::sigfillset(&action.sa_mask);
    return ::sigaction(number, &action, &before_[index(number)]) == 0 ? 0 : errno;
  }

  void restore(int number) noexcept {
    struct ::sigaction now{};
    if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler == &signal_table::came)
      ::sigaction(number, &before_[index(number)], nullptr);
  }

  void release(signal_slot& s, signal_bits watched) noexcept {
    for (; watched != 0; watched &= watched - 1) {
      int const number = std::countr_zero(watched) + 1;
      if (--watchers_[index(number)] == 0) restore(number);
    }
    s.wanted.store(0, memory_order_relaxed);
    s.free = true;
  }

  // The handler, on any thread of the program, at any moment.
  static void came(int number) noexcept;

  static void survive_forks() noexcept;
  void forked() noexcept {
    ::sigset_t const mask = mask_at_fork_;
    lock_.unlock();
    ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  }
  void in_child() noexcept {
    for (int number = 1; number <= last_signal; ++number) {
      if (watchers_[index(number)] != 0) restore(number);
      watchers_[index(number)] = 0;
    }
    for (auto* s = slots_.load(memory_order_relaxed); s; s = s->next) {
      s->wanted.store(0, memory_order_relaxed);
      if (int const bell = s->bell.exchange(-1, memory_order_relaxed); bell >= 0) ::close(bell);
      s->free = true;
    }
    ++generation_;
  }

  static constexpr std::size_t slots_at_once = 64;

  small_mutex lock_;  // the handler does not take it
  atomic<signal_slot*> slots_{nullptr};
  unsigned generation_ = 0;                                   // guarded by lock_
  std::array<unsigned, last_signal + 1> watchers_{};          // guarded by lock_
  std::array<struct ::sigaction, last_signal + 1> before_{};  // guarded by lock_
  ::sigset_t mask_at_fork_{};                                 // guarded by lock_
};

WEFT_SHARED inline constinit signal_table the_signals;

inline void signal_table::came(int number) noexcept {
  int const error = errno;
  for (auto* s = the_signals.slots_.load(memory_order_acquire); s; s = s->next) {  // acquire: E1.
    if ((s->wanted.load(memory_order_seq_cst) & signal_bit(number)) == 0) continue;
    s->came.fetch_or(signal_bit(number), memory_order_release);  // E2.
    std::uint64_t const once = 1;
    ssize_t rung;
    do rung = ::write(s->bell.load(memory_order_relaxed), &once, sizeof once);
    while (rung < 0 && errno == EINTR);
  }
  errno = error;
}

// No signal is let through on the way: one that reaches the child at its first moment meets the disposition that it has to have there.
inline void signal_table::survive_forks() noexcept {
  static int const registered = ::pthread_atfork(
      [] {
        the_signals.lock_.lock();
        ::sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &the_signals.mask_at_fork_);
      },
      [] { the_signals.forked(); },
      [] {
        the_signals.in_child();
        the_signals.forked();
      });
  static_cast<void>(registered);
}

}  // namespace weft::detail
