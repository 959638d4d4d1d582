// A child of this process while it lives: what a process owns, and who reaps it if its owner has not waited for it.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/intrusive.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/io/command.hpp>
#include <weft/io/reactor.hpp>
#include <weft/io/socket.hpp>
#include <weft/os/child.hpp>
#include <weft/os/fork.hpp>
#include <weft/os/thread.hpp>

#include <pthread.h>
#include <signal.h>
#include <sys/types.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace weft::detail {

//   state_    ended ── start ──▶ running ── ended: it is over ──▶ ended, the status is there
//                                running ── ended: somebody else has reaped it ──▶ lost
//
// The number of a process is its own until it has been reaped, which happens under lock_, and so do signals by number: none meets another
// process that has got the number since. Where somebody else reaps our children, a signal still goes by the descriptor.
/// Any thread.
class child : pinned {
 public:
  child(std::string name, process_group group) : name_(std::move(name)), group_(group) {}

  /// Once, before anybody else knows of it. 0, or an error number. Throws std::bad_alloc, perhaps when it runs already.
  [[nodiscard]] int start(child_plan const& plan) {
    if (int const error = start_child(plan, pid_); error != 0) return error;
    state_ = reaped::running;
    if (auto descriptor = open_child(pid_)) handle_.emplace(std::move(*descriptor), short_read::says_nothing);
    return 0;
  }

  /// What becomes readable when it has ended; null: it has to be looked at now and then.
  [[nodiscard]] handle_record* watched() const noexcept { return handle_ ? handle_->record() : nullptr; }

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] std::string const& name() const noexcept { return name_; }

  /// How it has ended, or nothing. Throws std::system_error, ECHILD, where somebody else has taken that.
  [[nodiscard]] std::optional<exit_status> look() {
    if (!ended()) return std::nullopt;
    if (state_ == reaped::lost)
      throw std::system_error(ECHILD, std::system_category(), "wait " + name_ + ": its status went to somebody else");
    return status_;
  }

  /// It has been reaped, now or before.
  [[nodiscard]] bool ended() noexcept {
    small_lock const guard(lock_);
    if (state_ != reaped::running) return true;
    if (!is_ours()) return false;
    child_end end;
    state_ = reap_child(pid_, end);
    status_ = exit_status(end);
    return state_ != reaped::running;
  }

  /// It has been reaped neither by this nor by anybody else: a signal, and one to its group, reaches nobody else.
  [[nodiscard]] bool has_its_number() noexcept {
    small_lock const guard(lock_);
    return state_ == reaped::running && is_unreaped(pid_);
  }

  /// 0, or an error number; ESRCH: it has been reaped.
  [[nodiscard]] int signal(int number) noexcept {
    small_lock const guard(lock_);
    if (state_ != reaped::running) return ESRCH;
    if (group_ == process_group::own) return ::kill(-pid_, number) == 0 ? 0 : errno;
    int error = ENOSYS;
    if (handle_) handle_->with_descriptor([&](int fd) { error = signal_child(fd, number); });
    // No such call, or none that is allowed.
    if (error == ENOSYS || error == EPERM) return ::kill(pid_, number) == 0 ? 0 : errno;
    return error;
  }

  /// False in a process that was made by fork() since: it is the parent's child.
  [[nodiscard]] bool is_ours() const noexcept { return generation_ == fork_generation.load(std::memory_order_relaxed); }

  child* next_orphan = nullptr;

 private:
  std::string const name_;
  process_group const group_;
  pid_t pid_ = -1;
  unsigned const generation_ = fork_generation.load(std::memory_order_relaxed);
  std::optional<io_handle> handle_;
  small_mutex lock_;
  reaped state_ = reaped::ended;  // guarded by lock_
  exit_status status_;            // guarded by lock_ until it has ended
};

/// Children whose owners have gone without waiting for them: they are killed, and reaped when they are dead, by a thread that is there
/// as long as there are any. So a destructor does not wait for a system that takes its time to end a process.
class orphanage : pinned {
 public:
  void take(std::unique_ptr<child> c) noexcept {
    if (!c->is_ours() || !c->has_its_number()) return;
    // Before it is reaped, though it may have ended: its group goes on without it, and has its number no longer than that.
    static_cast<void>(c->signal(SIGKILL));
    if (c->ended()) return;
    survive_forks();
    small_lock const guard(lock_);
    orphans_.push(c.release());
    auto const here = fork_generation.load(std::memory_order_relaxed);
    if (thread_ && thread_of_ == here) return;
    thread_of_ = here;
    thread_ = start_thread();  // if not: with the next who comes
  }

 private:
  static bool start_thread() noexcept {
    thread_attributes attributes;
    asynchronous_signals_blocked const inherited;
    ::pthread_t handle;
    if (attributes.error() != 0 || ::pthread_create(&handle, attributes.get(), &orphanage::run, nullptr) != 0)
      return false;
    ::pthread_detach(handle);
    return true;
  }

  static void* run(void*) noexcept;

  using children = intrusive_queue<child, &child::next_orphan>;

  // With the lock held. Who is dead is destroyed by the caller without it: that takes locks of its own.
  void sort_out(children& dead) noexcept {
    children alive;
    while (child* const c = orphans_.pop()) (c->is_ours() && !c->ended() ? alive : dead).push(c);
    orphans_.append(std::move(alive));
  }

  // A child made by fork() finds the list whole and the lock free.
  static void survive_forks() noexcept;

  small_mutex lock_;
  children orphans_;        // guarded by lock_
  bool thread_ = false;     // guarded by lock_
  unsigned thread_of_ = 0;  // guarded by lock_: the process, as a fork_generation
};

WEFT_SHARED inline constinit orphanage the_orphanage;

inline void* orphanage::run(void*) noexcept {
  constexpr long longest_pause = 100'000'000;
  for (long pause = 1'000'000;; pause = std::min(2 * pause, longest_pause)) {
    ::timespec const time{.tv_sec = 0, .tv_nsec = pause};
    ::nanosleep(&time, nullptr);
    children dead;
    bool last = false;
    {
      small_lock const guard(the_orphanage.lock_);
      the_orphanage.sort_out(dead);
      last = the_orphanage.orphans_.empty();
      if (last) the_orphanage.thread_ = false;
    }
    while (child* const c = dead.pop()) delete c;
    if (last) return nullptr;
  }
}

inline void orphanage::survive_forks() noexcept {
  static int const registered = ::pthread_atfork(
      [] { the_orphanage.lock_.lock(); }, [] { the_orphanage.lock_.unlock(); }, [] { the_orphanage.lock_.unlock(); });
  static_cast<void>(registered);
}

}  // namespace weft::detail
