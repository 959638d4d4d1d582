// What the scheduler moves around: jobs, and the context that they run in.
#pragma once

#include <weft/cancel/stop_token.hpp>

namespace weft::detail {

class scheduler;
class worker;
class local_binding;

/// What code finds around it, wherever it runs: who may stop it, the pool it belongs to, and what task-locals are bound to. Inherited by
/// children: a job carries its forker's context, and a thief installs it.
struct context {
  stop_state* stop = nullptr;
  scheduler* home = nullptr;
  local_binding* locals = nullptr;  // see locals.hpp
};

/// What to do with a job that has been taken from a queue.
enum class job_order {
  run,       // on this thread, now
  give_back  // the taker must not run it: return it to its owner, or to a ready queue
};

/// One entry of a deque: lives in the frame of whoever waits for it. act is called once per order, on the taker's thread.
struct job {
  using function = void (*)(job*, worker&, job_order) noexcept;
  explicit job(function f) noexcept : act(f) {}
  function act;
};

/// A job that may also stand in a ready queue.
struct ready_job : job {
  using job::job;
  ready_job* next_ready;  // belongs to the queue that holds the job
};

}  // namespace weft::detail
