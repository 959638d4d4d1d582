// What code that runs has from its task: what task-locals are bound to, a chain that children inherit (coro/local.hpp has the face), and who
// asks it to stop. A worker keeps both in its context; a thread that makes a task's blocking call has them here.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/sched/job.hpp>
#include <weft/sched/worker.hpp>

#include <cstdint>
#include <utility>

namespace weft::detail {

//   E1  release of a reference → the last one's acquire   everything before destruction
//
// Children that end before the code around them (siblings, forked calls, loop chunks) borrow the chain through their context; roots,
// which may outlive it, hold a reference to its innermost link, and each link one to the next.
/// One binding, constant once it is linked. Any thread.
class local_binding : pinned {
 public:
  using destroy_function = void (*)(local_binding*) noexcept;
  local_binding(void const* key, destroy_function destroy) noexcept : key_(key), destroy_(destroy) {}

  /// Before anybody else sees it: the links around it.
  void link(local_binding* outer) noexcept {
    outer_ = outer;
    if (outer) outer->add_reference();
  }

  /// The innermost binding of `key` in this chain, which may be empty (null); null: there is none.
  [[nodiscard]] static local_binding const* find(local_binding const* innermost, void const* key) noexcept {
    while (innermost && innermost->key_ != key) innermost = innermost->outer_;
    return innermost;
  }

  void add_reference() noexcept { references_.fetch_add(1, memory_order_relaxed); }
  static void release(local_binding* b) noexcept {
    while (b && b->references_.fetch_sub(1, memory_order_acq_rel) == 1) {  // E1.
      local_binding* const outer = b->outer_;
      b->destroy_(b);
      b = outer;
    }
  }

 private:
  void const* const key_;
  destroy_function const destroy_;
  local_binding* outer_ = nullptr;
  atomic<std::uint32_t> references_{1};
};

/// The chain around code on a thread that is no worker's.
WEFT_SHARED inline constinit thread_local local_binding* this_thread_locals = nullptr;

/// The stop state of the task for which a thread that is no worker's runs; null: there is none.
WEFT_SHARED inline constinit thread_local stop_state* this_thread_stop = nullptr;

/// The stop state of the calling code's task; null: there is none. Never inlined: safe on both sides of a suspension point.
[[nodiscard, gnu::noinline]] inline stop_state* ambient_stop() noexcept {
  if (worker* const self = current_worker()) return self->current ? self->current->stop : nullptr;
  return this_thread_stop;
}

/// The chain around the calling code; null: nothing is bound. Never inlined: safe on both sides of a suspension point.
[[nodiscard, gnu::noinline]] inline local_binding* ambient_locals() noexcept {
  worker* const self = current_worker();
  return self && self->current ? self->current->locals : this_thread_locals;
}

/// The same, with a reference, for a root.
[[nodiscard]] inline local_binding* inherit_locals() noexcept {
  worker* const self = current_worker_inline();
  local_binding* const around = self && self->current ? self->current->locals : this_thread_locals;
  if (around) [[unlikely]]
    around->add_reference();
  return around;
}

/// Makes a chain the one around the calling code, until the end of a plain scope on this thread.
class locals_scope : pinned {
 public:
  explicit locals_scope(local_binding* chain) noexcept : self_(current_worker()) {
    if (self_) {
      if (self_->current) here_ = *self_->current;
      else here_.home = &self_->home;
      here_.locals = chain;
      outer_ = std::exchange(self_->current, &here_);
    } else {
      outer_locals_ = std::exchange(this_thread_locals, chain);
    }
  }
  ~locals_scope() {
    if (self_) self_->current = outer_;
    else this_thread_locals = outer_locals_;
  }

 private:
  worker* const self_;
  context here_;
  context* outer_ = nullptr;
  local_binding* outer_locals_ = nullptr;
};

/// The calling thread, which is no worker's, runs for a task: until the end of a plain scope.
class runs_for_task : pinned {
 public:
  explicit runs_for_task(context const& task) noexcept
      : locals_(std::exchange(this_thread_locals, task.locals)), stop_(std::exchange(this_thread_stop, task.stop)) {}
  ~runs_for_task() {
    this_thread_locals = locals_;
    this_thread_stop = stop_;
  }

 private:
  local_binding* const locals_;
  stop_state* const stop_;
};

}  // namespace weft::detail
