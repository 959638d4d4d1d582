// epoll, edge-triggered: the system calls behind the reactor, and nothing else.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/os/clock.hpp>
#include <weft/os/file_handle.hpp>
#include <weft/os/system_calls.hpp>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <limits>
#include <system_error>

namespace weft::detail {

/// What the system says of a handle.
enum class io_event : std::uint32_t {
  none = 0,
  readable = 1,  ///< there is something to read or to accept
  writable = 2,  ///< there is room to write, or a connection is made
  hung_up = 4,   ///< the other side writes no more, or all has ended, or failed: reading and writing tell
  urgent = 8     ///< there is urgent data, at which a read ends early
};
[[nodiscard]] constexpr io_event operator|(io_event a, io_event b) noexcept {
  return static_cast<io_event>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
[[nodiscard]] constexpr bool has(io_event set, io_event one) noexcept {
  return (static_cast<std::uint32_t>(set) & static_cast<std::uint32_t>(one)) != 0;
}

//   pending_   clear ── interrupt: writes to the eventfd ──▶ set ── whoever gets that event ──▶ clear
//
//   E1  Both are exchanges. Of an interrupt and the clearing by who has got an event, either the interrupt comes second, finds pending_ clear,
//       and writes; or the clearing does, and acquires what the interrupt was about, which is looked at after it. A store would clear as
//       well, and acquire nothing.
//
// The eventfd is edge-triggered and never read: each write is an event of its own.
/// Descriptors, each with a word of the caller's, and who waits for them. Any thread, several at a time.
class event_poll : pinned {
 public:
  struct event {
    std::uint64_t tag;
    io_event what;
  };
  static constexpr std::size_t batch = 128;

  /// Throws std::system_error, where descriptors or memory are short.
  event_poll()
      : epoll_(file_handle::adopt(checked(sys::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"))), wake_(make_wake()) {
    ::epoll_event e{};
    e.events = EPOLLIN | EPOLLET;
    e.data.u64 = wake_tag;
    if (sys::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &e) != 0) throw_errno("epoll_ctl", "eventfd");
  }

  /// Watches fd for everything, edge by edge, until remove. What is there already is an edge. `tag` is not wake_tag.
  [[nodiscard]] std::error_code add(int fd, std::uint64_t tag) const noexcept {
    ::epoll_event e{};
    e.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    e.data.u64 = tag;
    if (sys::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &e) == 0) return {};
    return {errno, std::system_category()};
  }

  /// Before fd is closed: a copy of it in another process would keep it watched.
  void remove(int fd) const noexcept { sys::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

  /// Waits for events until the deadline and gives each to `f(event)`. clock's epoch: does not wait. Returns early where a signal comes.
  /// True: interrupted.
  template <class F>
  bool wait(clock::time_point deadline, F&& f) noexcept {
    std::array<::epoll_event, batch> got;
    int const count = wait_raw(got, deadline);
    bool interrupted = false;
    for (int i = 0; i < count; ++i) {
      auto const& e = got[static_cast<std::size_t>(i)];
      if (e.data.u64 == wake_tag) {
        pending_.exchange(false, memory_order_acquire);  // E1.
        interrupted = true;
      } else {
        f(event{e.data.u64, meaning(e.events)});
      }
    }
    return interrupted;
  }

  void interrupt() noexcept {
    if (pending_.exchange(true, memory_order_release)) return;  // E1.
    std::uint64_t const one = 1;
    while (sys::write(wake_.get(), &one, sizeof one) < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) break;
      // The counter is full, after 2^64 writes.
      std::uint64_t count;
      static_cast<void>(!sys::read(wake_.get(), &count, sizeof count));
    }
  }

  static constexpr std::uint64_t wake_tag = 0;

 private:
  static int checked(int fd, char const* call) {
    if (fd < 0) throw_errno(call, "for a pool's events");
    return fd;
  }
  static file_handle make_wake() {
    return file_handle::adopt(checked(sys::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"));
  }

  static io_event meaning(std::uint32_t e) noexcept {
    auto what = io_event::none;
    if (e & (EPOLLIN | EPOLLPRI)) what = what | io_event::readable;
    if (e & EPOLLOUT) what = what | io_event::writable;
    if (e & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) what = what | io_event::hung_up;
    if (e & EPOLLPRI) what = what | io_event::urgent;
    return what;
  }

  int wait_raw(std::array<::epoll_event, batch>& got, clock::time_point deadline) noexcept {
    constexpr int most = static_cast<int>(batch);
    if (is_simulated(epoll_.get())) [[unlikely]]
      return sys::ask_world([&](simulated_system& s) { return s.wait(epoll_.get(), got.data(), most, deadline); });
    if (deadline == clock::time_point::max()) return ::epoll_wait(epoll_.get(), got.data(), most, -1);
    if (deadline == clock::time_point{}) return ::epoll_wait(epoll_.get(), got.data(), most, 0);
    auto const left = std::max(deadline - clock::now(), clock::duration::zero());
    if (exact_.load(memory_order_relaxed)) {
      auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
      std::timespec const limit{.tv_sec = static_cast<std::time_t>(seconds.count()),
                                .tv_nsec = static_cast<long>((left - seconds).count())};
      // Linux 5.11. The raw call, because a C library may be older than the system. Filters of system calls that are older forbid it.
      auto const n = ::syscall(SYS_epoll_pwait2, epoll_.get(), got.data(), most, &limit, nullptr, 0);
      if (n >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(n);
      exact_.store(false, memory_order_relaxed);
    }
    // Up to a millisecond late, never early.
    auto const ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return ::epoll_wait(epoll_.get(), got.data(), most,
                        static_cast<int>(std::min<std::int64_t>(ms, std::numeric_limits<int>::max())));
  }

  file_handle epoll_;
  file_handle wake_;
  alignas(cache_line) atomic<bool> pending_{false};
  atomic<bool> exact_{true};  // the system takes nanoseconds
};

}  // namespace weft::detail
