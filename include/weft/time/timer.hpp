// What waits in a timing wheel: something to do at a time, or a task that sleeps.
#pragma once

#include <weft/concurrent/intrusive.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/job.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace weft::detail {

class worker;

/// What becomes of a timer that is due.
enum class when_due : std::uint8_t {
  calls,  ///< it is a timer: its function is called
  wakes   ///< it is a sleeper: its task is put into a queue, together with the others that are due
};

/// The part of both that the wheel knows. Whoever makes one sets the deadline and keeps it in place while it is in a wheel, or taken
/// out of one and not fired yet. A million tasks may sleep, so nothing here is twice: a link is needed until the time has come, and
/// a place in a ready queue only after that.
struct timer_node {
  static constexpr std::uint16_t nowhere = 0xFFFF;

  timer_node(clock::time_point d, when_due w) noexcept : deadline(d), then(w) {}
  timer_node(timer_node const&) = delete;
  timer_node& operator=(timer_node const&) = delete;

  union {
    list_link link{};                                              // while it is in a list of timers
    alignas(ready_job) std::byte room_for_job[sizeof(ready_job)];  // of a sleeper that has been fired
  };
  clock::time_point deadline;      // constant from insert until fired or removed
  std::uint16_t place = nowhere;   // in the wheel; guarded by the lock that guards the wheel
  std::uint16_t keeper = nowhere;  // of a timer_service: whose wheel it was added to
  when_due const then;

  // The union is what a node begins with, and each of its members what the union begins with.
  [[nodiscard]] static timer_node* of(list_link* l) noexcept { return reinterpret_cast<timer_node*>(l); }
  [[nodiscard]] static timer_node* of(ready_job* j) noexcept { return reinterpret_cast<timer_node*>(j); }
};

static_assert(std::is_standard_layout_v<timer_node>);

/// Something to do at a time.
struct timer : timer_node {
  /// Does what is due, and runs nobody's code: the worker that looks at the clock may stand on frames that hold locks. The timer
  /// belongs to its maker again, and may be destroyed or added anew in here.
  using function = void (*)(timer&, worker&) noexcept;

  timer() noexcept : timer({}, nullptr) {}
  timer(clock::time_point d, function f) noexcept : timer_node(d, when_due::calls), fire(f) {}

  function fire;  // the wheel does not call it
};

}  // namespace weft::detail
