// A task that sleeps, as the timers see it: what it costs while it does is what is here, 64 bytes with its registration for a stop.
#pragma once

#include <weft/coro/suspension.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/driver.hpp>
#include <weft/sched/resume.hpp>
#include <weft/sched/scheduler.hpp>
#include <weft/time/timer.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <new>

namespace weft::detail {

//   in a wheel ── its time has come ──▶ taken ── wake_into ──▶ the phase is fired: a job, in a queue
//       └── stop: removed ──▶ wake_by_stop ──▶ the same
//
// Whoever took it out of the wheel fires it, so one alone does (timers.hpp). Where the phase says that the task has not suspended yet,
// it is not touched any more.
/// A suspended task that wakes at a time. Lives in its awaiter.
class sleeper : public timer_node {
 public:
  /// After it was taken out of its wheel: adds the task to those that its pool gets next. Past here *this may be gone.
  void wake_into(ready_batch& batch) noexcept {
    __builtin_prefetch(handle_.address(), 1);  // where its pool begins with it, long after it was touched last
    if (phase_.fire()) batch.push(make_job());
  }

 protected:
  explicit sleeper(clock::time_point until) noexcept : timer_node(until, when_due::wakes) {}

  template <weft_promise Promise>
  void begin(std::coroutine_handle<Promise> task) noexcept {
    handle_ = task;
    promise_base const& promise = task.promise();
    // The compiler's head of a frame, and what aligns the promise.
    static_assert(alignof(Promise) <= 128 * alignof(promise_base), "the promise's place fits into promise_at_");
    promise_at_ = static_cast<std::uint8_t>(
        (reinterpret_cast<std::byte const*>(&promise) - static_cast<std::byte const*>(task.address())) /
        static_cast<std::ptrdiff_t>(alignof(promise_base)));
  }

  [[nodiscard]] context& ambient() const noexcept {
    auto* const promise = static_cast<std::byte*>(handle_.address()) + promise_at_ * alignof(promise_base);
    return *reinterpret_cast<promise_base*>(promise)->ambient();
  }

  [[nodiscard]] bool arm() noexcept { return phase_.arm(); }
  [[nodiscard]] bool stopped() const noexcept { return phase_.stopped(); }

  /// After it was removed from its wheel. Past here *this may be gone.
  void wake_by_stop() noexcept {
    if (phase_.fire(wake_phase::cause::stop)) ambient().home->submit_woken(make_job());
  }

  static constexpr stop_state::place nowhere_registered = 0xFF;

 private:
  ready_job* make_job() noexcept { return ::new (static_cast<void*>(room_for_job)) ready_job(&sleeper::run); }

  static void run(job* j, worker& self, job_order) noexcept {
    auto const& me = *static_cast<sleeper const*>(timer_node::of(static_cast<ready_job*>(j)));
    self.current = &me.ambient();
    resume(self, me.handle_);  // Past here *j may be gone.
  }

  // In what aligns the node.
  wake_phase phase_;

 protected:
  stop_state::place registered_ = nowhere_registered;  // the awaiting thread's, then the task's

 private:
  std::uint8_t promise_at_ = 0;  // behind the frame's begin, in its alignments
  std::coroutine_handle<> handle_;
};
static_assert(sizeof(sleeper) == 40);

}  // namespace weft::detail
