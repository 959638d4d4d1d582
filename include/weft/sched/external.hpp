// A plain thread that calls a parallel algorithm becomes a worker for the length of the call.
#pragma once

#include <weft/base/function.hpp>
#include <weft/sched/locals.hpp>
#include <weft/sched/pool.hpp>

namespace weft::detail {

/// The calling thread takes part in `home` while this lives, if a place was free.
class external_membership : pinned {
 public:
  explicit external_membership(scheduler& home) : self_(home.enter_external()), home_(home) {
    if (!self_ || (!this_thread_locals && !this_thread_stop)) return;
    around_ = {.stop = this_thread_stop, .home = &home, .locals = this_thread_locals};
    self_->current = &around_;
  }
  ~external_membership() {
    if (self_) home_.leave_external(*self_);
  }
  [[nodiscard]] bool joined() const noexcept { return self_ != nullptr; }

 private:
  worker* self_;
  scheduler& home_;
  context around_;  // of what it forks, where the thread runs for a task or task-locals are bound around the call
};

/// Hands `call` to the pool and blocks. Defined in coro/run.hpp.
void submit_and_sleep(scheduler& home, function_ref<void()> call);

/// Runs call() as a worker of the default pool: on this thread, or, where 64 plain threads have joined already, on a worker
/// while this thread sleeps. call must not throw.
[[gnu::noinline]] inline void join_default_pool(function_ref<void()> call) {
  scheduler& home = scheduler_of(default_pool());
  external_membership const membership(home);
  if (membership.joined()) call();
  else submit_and_sleep(home, call);
}

}  // namespace weft::detail
