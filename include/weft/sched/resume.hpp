// Running coroutines on a thread's stack, and never too deep.
#pragma once

#include <weft/base/config.hpp>
#include <weft/sched/worker.hpp>

#include <coroutine>
#include <cstdint>
#include <utility>

namespace weft::detail {

/// Resumes `h` and what it leaves behind, until the thread is free again. The only place from which coroutines are resumed,
/// so that two things can be handed back to it, each set by a suspending coroutine as its last step:
///   next_resume    the transfer that would have nested too deep
///   next_epilogue  the rest of a completion, run when no frame of it is on the stack: it may destroy the coroutine
inline void resume(worker& self, std::coroutine_handle<> h) noexcept {
  [[maybe_unused]] std::uintptr_t outer_limit = 0;
  if constexpr (!transfers_are_tail_calls)
    outer_limit = std::exchange(self.stack_limit, stack_position() - worker::stack_of_transfers);
  h.resume();
  for (;;) {
    if (epilogue* const e = std::exchange(self.next_epilogue, nullptr)) {
      e->act(e, self);
    } else if (auto const next = std::exchange(self.next_resume, {})) {
      next.resume();
    } else {
      break;
    }
  }
  if constexpr (!transfers_are_tail_calls) self.stack_limit = outer_limit;
}

[[gnu::noinline, gnu::cold]] inline std::coroutine_handle<> transfer_later(worker& self,
                                                                           std::coroutine_handle<> h) noexcept {
  self.next_resume = h;
  return std::noop_coroutine();
}

/// What a suspending coroutine returns from await_suspend to go on with `h`: h itself by symmetric transfer, or, where that
/// is not a tail call and the stack has had its share, nothing, and `resume` goes on with h.
inline std::coroutine_handle<> transfer([[maybe_unused]] worker& self, std::coroutine_handle<> h) noexcept {
  if constexpr (!transfers_are_tail_calls) {
    if (stack_position() < self.stack_limit) [[unlikely]]
      return transfer_later(self, h);
  }
  return h;
}

inline std::coroutine_handle<> transfer(std::coroutine_handle<> h) noexcept {
  if constexpr (!transfers_are_tail_calls) {
    if (worker* const self = current_worker_inline()) return transfer(*self, h);
  }
  return h;
}

/// A suspended coroutine as an entry of a ready queue. Lives in the awaiter that suspended it; gone once it runs.
struct resumption : ready_job {
  resumption() noexcept : ready_job(&resumption::run) {}
  resumption(std::coroutine_handle<> h, context* c) noexcept : ready_job(&resumption::run), handle(h), ambient(c) {}

  std::coroutine_handle<> handle;
  context* ambient = nullptr;

 private:
  static void run(job* j, worker& self, job_order) noexcept {
    auto const& r = *static_cast<resumption*>(j);
    self.current = r.ambient;
    resume(self, r.handle);  // Past here *j may be gone.
  }
};

}  // namespace weft::detail
