// Running something on top of plain frames, and blocking in one: what a worker must leave as it found it.
#pragma once

#include <weft/base/config.hpp>
#include <weft/os/brief_wait.hpp>
#include <weft/sched/scheduler.hpp>

#include <type_traits>
#include <utility>

namespace weft::detail {

/// Calls f() and leaves the deque, the context and the victim as they were: children that a suspended coroutine left in the
/// deque go to the ready queue, because the frames below will look for their own jobs on top.
template <class F>
void run_nested(worker& self, F&& f) noexcept {
  auto const mark = self.deque.mark();
  auto const outer_floor = std::exchange(self.floor, mark);
  auto* const outer_context = self.current;
  auto* const outer_victim = std::exchange(self.victim, nullptr);
  static_cast<F&&>(f)();
  for (brief_wait its_store; self.deque.mark() != mark;) {
    if (self.deque.pop()) {
      job* const left = self.deque.item_at(self.deque.mark());
      left->act(left, self, job_order::give_back);
    } else {
      // Taken: its thief is between its exchange and its store of null, two instructions unless it was preempted there.
      self.deque.settle(mark);
      its_store.pause();
    }
  }
  self.floor = outer_floor;
  self.current = outer_context;
  self.victim = outer_victim;
}

/// Blocks the thread until wait_until(deadline) says true, with the worker's place given to a spare meanwhile. In a join: for a part that
/// somebody has begun.
template <class WaitUntil>
void block_in_join(worker& self, WaitUntil&& wait_until) noexcept {
  scheduler& home = self.home;
  home.begin_blocking(self);
  while (!wait_until(home.blocked_until())) home.try_again_for_spare(self);
  home.end_blocking(self);
}

/// The same, for anything: it may be for a part that nobody has begun, so spares take those, too.
template <class WaitUntil>
void block_worker(worker& self, WaitUntil&& wait_until) noexcept {
  self.home.begin_need();
  block_in_join(self, wait_until);
  self.home.end_need();
}

}  // namespace weft::detail
