// Ending the system calls in which a thread waits, from another thread: they fail with EINTR, as by a signal, which it is.
//
// The signal is SIGRTMAX - 5. Its handler does nothing, and is installed, for good, only where the signal has its default disposition; where
// the program uses the signal itself nothing is ever interrupted. One signal would be lost if it came just before the thread enters its system
// call, so a timer of the kernel repeats it until the interrupter has gone.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/os/simulation.hpp>

#include <pthread.h>
#include <signal.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

namespace weft::detail {

#if defined(__linux__) && !WEFT_MODEL

/// Of the thread that makes it, for as long as it lives. Interrupters of a thread do not nest.
class call_interrupter : pinned {
 public:
  /// Nanoseconds from one interruption to the next.
  static constexpr long interval = 5'000'000;

  call_interrupter() noexcept : thread_(::gettid()), works_(!current_simulation() && is_installed()) {
    if (works_) set_mask(SIG_UNBLOCK);
  }
  ~call_interrupter() {
    if (armed_) ::timer_delete(timer_);
    if (works_) set_mask(SIG_BLOCK);
  }

  /// From now on each system call in which the thread waits ends within `interval` of its beginning. On any thread, once, before the
  /// destructor begins.
  void interrupt() noexcept {
    if (!works_ || !is_ours()) return;
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = signal_number();
#if defined(sigev_notify_thread_id)
    event.sigev_notify_thread_id = thread_;
#else
    event._sigev_un._tid = thread_;
#endif
    armed_ = ::timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
    if (!armed_) return;  // no more timers: the call is told by its token alone
    itimerspec const soon_and_again{{0, interval}, {0, 1}};
    ::timer_settime(timer_, 0, &soon_and_again, nullptr);
  }

  [[nodiscard]] static int signal_number() noexcept { return SIGRTMAX - 5; }

 private:
  static void do_nothing(int) {}

  static bool is_ours() noexcept {
    struct sigaction now{};
    return ::sigaction(signal_number(), nullptr, &now) == 0 && now.sa_handler == &do_nothing;
  }

  static bool is_installed() noexcept {
    static bool const installed = [] {
      struct sigaction before{};
      if (::sigaction(signal_number(), nullptr, &before) != 0 || before.sa_handler != SIG_DFL) return false;
      struct sigaction ours{};
      ours.sa_handler = &do_nothing;
      ours.sa_flags = SA_ONSTACK;  // without SA_RESTART
      return ::sigaction(signal_number(), &ours, nullptr) == 0;
    }();
    return installed;
  }

  static void set_mask(int how) noexcept {
    sigset_t one;
    ::sigemptyset(&one);
    ::sigaddset(&one, signal_number());
    ::pthread_sigmask(how, &one, nullptr);
  }

  pid_t const thread_;
  bool const works_;
  bool armed_ = false;  // written by interrupt(), whose end happens before the destructor
  timer_t timer_{};
};

#else

class call_interrupter : pinned {
 public:
  void interrupt() noexcept {}
};

#endif

}  // namespace weft::detail
