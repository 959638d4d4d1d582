// What a long loop looks after between its chunks: timers that are due, and ready jobs that nobody else is free to run.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/scheduler.hpp>

#include <cstdint>

namespace weft::detail {

/// Lives as long as a worker runs a part of a loop. The frames below may hold locks, so nothing foreign is run here: what is due is
/// made ready, and if there are ready jobs and nobody is free, the worker's place is lent to a spare until the part ends.
/// The worker alone.
class overdue_watch : pinned {
 public:
  explicit overdue_watch(worker& self) noexcept : self_(self) {}
  ~overdue_watch() {
    if (lent_) self_.home.end_lending(self_);
  }

  /// Between two chunks; `now` in ticks. Looks up a few thousand times a second.
  void look(std::uint64_t now) noexcept {
    if (now - self_.last_look > often) [[unlikely]]
      look_up(now);
  }

 private:
  static constexpr std::uint64_t often = 200 * ticks_per_microsecond;

  [[gnu::noinline]] void look_up(std::uint64_t now) noexcept {
    self_.last_look = now;
    scheduler& home = self_.home;
    if (home.lends_and_computes(self_)) return;  // whoever runs in its place looks after all that
    home.poll_driver(self_);
    // Nobody is free for them, or somebody would have been woken when they came.
    if (home.ready_jobs_wait()) lent_ = home.begin_lending(self_);
  }

  worker& self_;
  bool lent_ = false;
};

}  // namespace weft::detail
