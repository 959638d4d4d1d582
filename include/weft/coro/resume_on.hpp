// this_task::resume_on: the rest of a task on another pool.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/frame_allocator.hpp>
#include <weft/coro/promise.hpp>
#include <weft/coro/task.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sched/resume.hpp>
#include <weft/sched/scheduler.hpp>

#include <concepts>
#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

//   at home ── resume_on ──▶ away ── resume_on ──▶ away, elsewhere ── the task ends ──▶ epilogue ──▶ home_again: who waits goes on
//
// A task that is away counts as a root of the pool where it is, so that this pool's end waits for it, and is asked to stop by it as well as
// by whoever could before. Its context is made once, in the block that stands in for whoever is to be told of its end, and
// lives as long as the task, because stop tokens point into it.
/// Where a task is while it is away. Its worker's thread alone, but for the stop.
class away final : public cached_allocation, public completion, epilogue, resumption, stop_registration {
 public:
  /// Puts itself between the task and whoever is to be told of its end.
  explicit away(promise_base& task) noexcept
      : completion(&away::task_ended),
        epilogue(&away::go_home),
        stop_registration([](stop_registration* r) noexcept { static_cast<away*>(r)->stop_.request_stop(); }),
        task_(task),
        stop_(task.ambient()->stop),
        here_(*task.ambient()),
        before_(task.exchange_end(*this, here_)) {
    here_.stop = &stop_;
    job::act = &away::home_again;
  }

  /// The one that a task is away by, or null.
  [[nodiscard]] static away* of(promise_base& task) noexcept {
    completion* const c = task.told();
    return c && c->at_end == &away::task_ended ? static_cast<away*>(c) : nullptr;
  }

  [[nodiscard]] bool is_home(scheduler const& s) const noexcept { return before_.ambient->home == &s; }

  /// The task is about to be put into the queue of `to`, and has been counted as one of its roots, unless it is home there.
  void move_to(scheduler& to, worker* self) noexcept {
    leave(self);
    here_.home = &to;
    if (is_home(to)) return;
    counted_ = true;
    if (!to.stop().add(*this)) stop_.request_stop();
  }

 private:
  // What is done in the name of the pool where the task is.
  void leave(worker* self) noexcept {
    if (!counted_) return;
    counted_ = false;
    here_.home->stop().remove(*this);
    here_.home->root_ended(self);
  }

  static std::coroutine_handle<> task_ended(completion* c, promise_base&) noexcept {
    current_worker()->next_epilogue = static_cast<away*>(c);
    return std::noop_coroutine();
  }

  // On the pool where the task has ended, with no frame of it on the stack.
  static void go_home(epilogue* e, worker& self) noexcept {
    auto& me = *static_cast<away*>(e);
    scheduler& there = self.home;
    bool const counted = std::exchange(me.counted_, false);
    if (counted) there.stop().remove(me);
    self.current = nullptr;
    me.before_.ambient->home->submit_woken(&me);  // Past here me may be gone.
    if (counted) there.root_ended(&self);
  }

  static void home_again(job* j, worker& self, job_order) noexcept {
    auto* const me = static_cast<away*>(static_cast<resumption*>(static_cast<ready_job*>(j)));
    promise_base& task = me->task_;
    auto const before = me->before_;
    delete me;
    self.current = before.ambient;
    resume(self, task.end_as(before));  // Past here the task may be gone.
  }

  promise_base& task_;
  stop_state stop_;
  context here_;
  promise_base::end_and_context const before_;
  bool counted_ = false;  // as a root of here_.home, and in its stop state
};

template <class T>
std::true_type is_task_promise(task_promise<T>*);
std::false_type is_task_promise(void*);

/// Puts the task into the queue of another pool.
class resume_on_awaiter : public native_awaiter, resumption {
 public:
  explicit resume_on_awaiter(scheduler& to) noexcept : to_(to) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  bool await_suspend(std::coroutine_handle<Promise> task) {
    static_assert(decltype(is_task_promise(static_cast<Promise*>(nullptr)))::value,
                  "resume_on moves a weft::task; in a stream, await a task that moves");
    promise_base& promise = task.promise();
    if (promise.ambient()->home == &to_) return false;
    away* where = away::of(promise);
    if (!where || !where->is_home(to_)) to_.root_started(nullptr);
    if (!where) {
      counted counted_there{to_};
      where = new away(promise);
      counted_there.kept = true;
    }
    where->move_to(to_, current_worker());
    handle = task;
    ambient = promise.ambient();
    to_.submit(this);  // Past here *this may be gone.
    return true;
  }

  void await_resume() const noexcept {}

 private:
  struct counted {
    scheduler& there;
    bool kept = false;
    ~counted() {
      if (!kept) there.root_ended(nullptr);
    }
  };

  scheduler& to_;
};

}  // namespace detail

namespace this_task {

/// co_await resume_on(p);
///   completes   on a worker of p: at once if the task is there already. The rest of this task, and what it awaits from there, runs on p;
///               whoever awaits this task goes on in its own pool
///   on error    throws std::logic_error if p has been shut down, std::bad_alloc; the task stays where it is then
///   on stop     goes on. From there on the end of p stops the task, too, and waits for it; this_task::stop_token() is another one
///   resumes on  p
/// In tasks alone. One block from the per-worker cache the first time.
[[nodiscard]] inline auto resume_on(pool& p) noexcept { return detail::resume_on_awaiter(scheduler_of(p)); }

}  // namespace this_task
}  // namespace weft
