// A thread with a name, and if asked for a CPU and a stack size, whose creation may fail without losing anything.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/os/simulation.hpp>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace weft::detail {

struct thread_options {
  std::string_view name = "weft";  ///< shown by debuggers and top; the system keeps the first 15 bytes
  std::optional<unsigned> cpu{};   ///< the one CPU to run on; otherwise the creator's affinity mask is inherited
  std::size_t stack_bytes = 0;     ///< rounded up to pages and to the system's least; 0: the system's default
};

/// What a thread runs. It must not throw: nobody could receive the exception.
template <class Body>
concept thread_body = std::is_nothrow_invocable_v<Body&>;

/// Owns at most one running thread. One thread at a time may start and join it; the new thread never touches it.
///
/// The body is borrowed, not copied: it must outlive join(). Nothing is allocated on its behalf, so that a thread that
/// cannot be created leaves everything where it was, and start() may be called again.
///
/// The thread starts with all asynchronous signals blocked, so that the application's signals go to the application's
/// threads. Open remain the signals that a thread raises by what it does (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
/// SIGSYS, SIGABRT) and SIGPROF, with which profilers sample the thread that they interrupt. What the creator blocks
/// stays blocked. A body that wants others opens them itself.
class thread : pinned {
 public:
  thread() = default;
  ~thread() { WEFT_ASSERT(!joinable(), "a thread must be joined before its handle is destroyed"); }

  /// Runs `body()` on a new thread. Throws a std::system_error that names the failed call, the thread, and the CPU to
  /// which it was to be pinned.
  template <thread_body Body>
  void start(thread_options const& options, Body& body);

  /// The same, without exceptions: an empty error code once the thread exists. EAGAIN: the system's limit on threads or
  /// memory. EINVAL: no such CPU, or none that this process may use. ENOTSUP: this system cannot pin.
  template <thread_body Body>
  [[nodiscard]] std::error_code try_start(thread_options const& options, Body& body) noexcept;

  /// Blocks until the body has returned and the destructors of its thread_local variables have run.
  void join() noexcept;

  /// Leaves the thread to itself: nobody joins it. Also by its own body, after start has returned; the body may then free this handle, and
  /// itself, as its last step.
  void detach() noexcept;

  /// Whether there is a thread to join.
  [[nodiscard]] bool joinable() const noexcept { return joinable_; }

 private:
  static constexpr std::size_t name_size = 16;

  template <class Body>
  static void* run_body(void* self);

  [[nodiscard]] int create(thread_options const& options, void* (*entry)(void*)) noexcept;
  void adopt_name() const noexcept;

  // Written before the thread exists, and read by it first of all.
  void* body_ = nullptr;
  [[maybe_unused]] std::array<char, name_size> name_{};  // a model's threads have no names

  // The creator's alone.
  pthread_t handle_{};
  bool joinable_ = false;
  [[maybe_unused]] std::uintptr_t simulated_ = 0;  // its number in a world, or 0
};

/// While it lives, the calling thread blocks asynchronous signals, and so do the threads that it creates, for good.
class asynchronous_signals_blocked : pinned {
 public:
  asynchronous_signals_blocked() noexcept {
    sigset_t asynchronous;
    ::sigfillset(&asynchronous);
    for (int const raised_by_the_thread : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF}) {
      ::sigdelset(&asynchronous, raised_by_the_thread);
    }
    ::pthread_sigmask(SIG_BLOCK, &asynchronous, &before_);
  }
  ~asynchronous_signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

/// The attributes of a thread about to be created. Each setter returns 0 or an error number.
class thread_attributes : pinned {
 public:
  thread_attributes() noexcept : error_(::pthread_attr_init(&attributes_)) {}
  ~thread_attributes() {
    if (error_ == 0) ::pthread_attr_destroy(&attributes_);
  }

  [[nodiscard]] int error() const noexcept { return error_; }
  [[nodiscard]] pthread_attr_t const* get() const noexcept { return &attributes_; }

  [[nodiscard]] int set_stack(std::size_t bytes) noexcept {
    auto const page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    auto const wanted = std::max(bytes, static_cast<std::size_t>(PTHREAD_STACK_MIN));
    if (wanted > static_cast<std::size_t>(-1) - page) return EINVAL;
    return ::pthread_attr_setstacksize(&attributes_, (wanted + page - 1) / page * page);
  }

  [[nodiscard]] int set_cpu([[maybe_unused]] unsigned cpu) noexcept {
#if defined(__GLIBC__)
    constexpr std::size_t most_cpus = 8192;  // no kernel is built for more
    constexpr std::size_t bits = sizeof(unsigned long) * CHAR_BIT;
    std::array<unsigned long, most_cpus / bits> mask{};
    if (cpu >= most_cpus) return EINVAL;
    mask[cpu / bits] = 1ul << (cpu % bits);
    return ::pthread_attr_setaffinity_np(&attributes_, sizeof(mask), reinterpret_cast<cpu_set_t const*>(mask.data()));
#else
    return ENOTSUP;
#endif
  }

 private:
  pthread_attr_t attributes_;
  int error_;
};

template <thread_body Body>
void thread::start(thread_options const& options, Body& body) {
  auto const error = try_start(options, body);
  if (!error) return;
  auto what = "pthread_create of thread \"" + std::string(options.name) + "\"";
  if (options.cpu) what += " on CPU " + std::to_string(*options.cpu);
  throw std::system_error(error, what);
}

template <thread_body Body>
std::error_code thread::try_start(thread_options const& options, Body& body) noexcept {
  WEFT_ASSERT(!joinable(), "a thread must be joined before it is started again");
  body_ = const_cast<void*>(static_cast<void const*>(std::addressof(body)));
  return {create(options, &run_body<Body>), std::system_category()};
}

template <class Body>
void* thread::run_body(void* self) {
  auto const& started = *static_cast<thread const*>(self);
  started.adopt_name();
  (*static_cast<Body*>(started.body_))();
  return nullptr;
}

#if WEFT_MODEL

inline int thread::create(thread_options const&, void* (*entry)(void*)) noexcept {
  handle_ = weft_model::start_thread(entry, this);
  joinable_ = handle_ != 0;
  return joinable_ ? 0 : EAGAIN;
}

inline void thread::adopt_name() const noexcept {}

inline void thread::join() noexcept {
  WEFT_ASSERT(joinable(), "only a started thread can be joined, and once");
  weft_model::join_thread(handle_);
  joinable_ = false;
}

inline void thread::detach() noexcept { joinable_ = false; }

#else

inline int thread::create(thread_options const& options, void* (*entry)(void*)) noexcept {
  if (simulation* const world = current_simulation()) {
    simulated_ = world->start(entry, this);
    joinable_ = simulated_ != 0;
    return joinable_ ? 0 : EAGAIN;
  }
  name_.fill('\0');
  options.name.copy(name_.data(), name_.size() - 1);

  thread_attributes attributes;
  auto error = attributes.error();
  if (error == 0 && options.stack_bytes != 0) error = attributes.set_stack(options.stack_bytes);
  if (error == 0 && options.cpu) error = attributes.set_cpu(*options.cpu);
  if (error == 0) {
    asynchronous_signals_blocked const inherited;
    error = ::pthread_create(&handle_, attributes.get(), entry, this);
  }
  joinable_ = error == 0;
  return error;
}

/// A thread names itself: done from outside, it goes through /proc, which may not be there.
inline void thread::adopt_name() const noexcept {
  if (current_simulation()) return;
#if defined(__linux__)
  ::pthread_setname_np(::pthread_self(), name_.data());
#elif defined(__APPLE__)
  ::pthread_setname_np(name_.data());
#endif
}

inline void thread::join() noexcept {
  WEFT_ASSERT(joinable(), "only a started thread can be joined, and once");
  if (simulated_ != 0) {
    current_simulation()->join(std::exchange(simulated_, 0));
    joinable_ = false;
    return;
  }
  [[maybe_unused]] auto const error = ::pthread_join(handle_, nullptr);
  WEFT_ASSERT(error == 0, "a thread cannot join itself");
  joinable_ = false;
}

inline void thread::detach() noexcept {
  WEFT_ASSERT(joinable(), "only a started thread can be detached, and once");
  ::pthread_detach(handle_);
  joinable_ = false;
}

#endif

}  // namespace weft::detail
