// signal, signals: a task waits for a signal to this process: Ctrl-C, a polite request to end, a terminal that has changed its size.
#pragma once

#include <weft/coro/task.hpp>
#include <weft/io/operation.hpp>
#include <weft/io/reactor.hpp>
#include <weft/io/signal_table.hpp>
#include <weft/io/socket.hpp>
#include <weft/os/file_handle.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <concepts>
#include <cstdint>
#include <system_error>
#include <utility>

namespace weft {

/// One or more of SIGINT, SIGTERM, …
template <class... Numbers>
concept signal_numbers = sizeof...(Numbers) > 0 && (std::same_as<Numbers, int> && ...);

namespace detail {

/// A slot of the table, as long as this lives.
class signal_subscription {
 public:
  explicit signal_subscription(signal_bits wanted)
      : generation_(the_signals.generation()), slot_(&the_signals.enter(wanted)) {}
  signal_subscription(signal_subscription&& other) noexcept
      : generation_(other.generation_), slot_(std::exchange(other.slot_, nullptr)) {}
  signal_subscription& operator=(signal_subscription&& other) noexcept {
    signal_subscription old(std::move(*this));
    generation_ = other.generation_;
    slot_ = std::exchange(other.slot_, nullptr);
    return *this;
  }
  ~signal_subscription() {
    if (slot_) the_signals.leave(*slot_, generation_);
  }

  [[nodiscard]] signal_slot* slot() const noexcept { return slot_; }
  /// The slot keeps its bell: what is watched, and closed in the end, is a copy.
  [[nodiscard]] file_handle copy_of_bell() const {
    int const copy = ::fcntl(slot_->bell.load(memory_order_relaxed), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) throw std::system_error(errno, std::system_category(), "weft::signal: a descriptor");
    return file_handle::adopt(copy);
  }

 private:
  unsigned generation_;
  signal_slot* slot_;
};

class signal_awaiter : public io_operation {
 public:
  signal_awaiter(handle_record* bell, signal_slot* slot) noexcept
      : io_operation(bell, direction::reading, &signal_awaiter::attempt), slot_(slot) {
    try_first();
  }
  ~signal_awaiter() {
    if constexpr (result_may_be_left<int>)
      if (number_ != 0) slot_->give_back(number_);
  }
  int await_resume() {
    finish();
    if (error() != 0) throw_io(error(), "wait", "signal");
    return std::exchange(number_, 0);
  }

 private:
  static attempted attempt(io_operation& o) noexcept {
    auto& me = static_cast<signal_awaiter&>(o);
    for (;;) {
      me.number_ = me.slot_->take();
      if (me.number_ != 0) return attempted::ended;
      std::uint64_t rung;
      if (::read(me.descriptor(), &rung, sizeof rung) >= 0 || errno == EINTR) continue;
      return is_would_block(errno) ? attempted::would_block : me.fail(errno);
    }
  }

  signal_slot* const slot_;
  int number_ = 0;
};

class [[nodiscard]] signal_operation {
 public:
  signal_operation(handle_record* bell, signal_slot* slot) noexcept : bell_(bell), slot_(slot) {}
  auto operator co_await() const noexcept { return signal_awaiter(bell_, slot_); }

 private:
  handle_record* bell_;
  signal_slot* slot_;
};

}  // namespace detail

/// Some signals, which this process does not end of, nor handles in its former way, as long as this lives: `signals asked(SIGINT,
/// SIGTERM); while (…) { int const which = co_await asked.next(); … }`. None is missed between two waits; several of the same number
/// that nobody has taken yet are one, as with the system. Each of several that want the same signal gets it. When the last of
/// them has gone, the disposition is what it was before the first. What a thread blocks does not reach it there: leave one
/// open in one thread, as the main thread's are by default; weft's own threads block them all.
///
/// One task at a time waits; making and destroying is for any thread. A child made by fork() gets the dispositions from before.
class signals {
 public:
  /// Throws std::system_error that names the signal: EINVAL for SIGKILL and SIGSTOP, for SIGSEGV, SIGBUS, SIGFPE and SIGILL, which a
  /// thread cannot go on from, and for a number that is none; EMFILE where descriptors are short.
  template <class... Numbers>
    requires signal_numbers<Numbers...>
  explicit signals(Numbers... wanted) : signals(std::array{wanted...}) {}
  template <std::size_t Count>
  explicit signals(std::array<int, Count> const& wanted)
      : subscription_(detail::signals_of(wanted)),
        bell_(subscription_.copy_of_bell(), detail::short_read::says_nothing) {}

  /// int which = co_await s.next();
  ///   completes   when one of the signals has come, since the last one that was taken or since this was made
  ///   result      its number; of several the lowest
  ///   on error    throws std::system_error
  ///   on stop     ends at once, as stopped; what has come stays for the next wait
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto next() noexcept { return detail::signal_operation(bell_.record(), subscription_.slot()); }

 private:
  detail::signal_subscription subscription_;
  detail::io_handle bell_;
};

/// int which = co_await signal(SIGINT, SIGTERM);
///   completes   when one of the signals comes; from the beginning of the wait to its end the process does not end of them
///   result      its number
///   on error    throws std::system_error that names the signal, as the constructor of weft::signals
///   on stop     ends at once, as stopped
///   resumes on  the pool it was awaited on
/// Once. Where a second one is to be waited for, weft::signals misses none between.
template <class... Numbers>
  requires signal_numbers<Numbers...>
[[nodiscard]] task<int> signal(Numbers... wanted) {
  return [](std::array<int, sizeof...(Numbers)> numbers) -> task<int> {
    signals each(numbers);
    co_return co_await each.next();
  }(std::array{wanted...});
}

}  // namespace weft
