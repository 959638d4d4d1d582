// How an awaitable of weft suspends a task and brings it back exactly once, stop included.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/coro/promise.hpp>
#include <weft/sched/scheduler.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>

namespace weft::detail {

//   phase_   arming ── arm ──▶ armed ── fire ──▶ fired, the task is put into its queue
//            arming ── fire ──▶ fired; arm then says that the task goes on at once
//
//   E1  fire's release → arm's acquire         what the event wrote
//   E2  arm's release → fire's acquire         the task is fully suspended: it may be resumed anywhere
//
// fire is called exactly once, on any thread, perhaps before await_suspend has returned. Past its exchange it touches the
// object only if the phase was armed, by queueing it. Who is resumed may begin again, with a further fire to come.
/// A suspended task, waiting for one call of fire().
class suspension : public resumption, pinned {
 public:
  void fire() noexcept {
    if (fired_when_armed()) ambient->home->submit_woken(this);  // Past here *this may be gone.
  }

  /// The same for many at once: the caller submits the batch to `home`. A task of another pool goes there at once.
  void fire_into(ready_batch& batch, scheduler const& home) noexcept {
    if (!fired_when_armed()) return;
    if (ambient->home == &home) batch.push(this);
    else ambient->home->submit_woken(this);
    // Past here *this may be gone.
  }

 protected:
  template <weft_promise Promise>
  void begin(std::coroutine_handle<Promise> task) noexcept {
    handle = task;
    ambient = task.promise().ambient();
  }

  /// Of one that has been fired, or not been armed: it may be armed and fired once more.
  void begin_again() noexcept { phase_.store(arming, memory_order_relaxed); }

  /// The last step of await_suspend. True: suspended, *this may be gone. False: fired meanwhile, go on.
  [[nodiscard]] bool arm() noexcept {
    auto expected = arming;
    return phase_.compare_exchange_strong(expected, armed, memory_order_acq_rel, memory_order_acquire);  // E1, E2.
  }

 private:
  static constexpr std::uint8_t arming = 0, armed = 1, fired = 2;

  bool fired_when_armed() noexcept {
    return phase_.exchange(fired, memory_order_acq_rel) == armed;  // acquire: E2. release: E1.
  }

  atomic<std::uint8_t> phase_{arming};
};

/// Base of an awaiter that leaves its queue when its task is asked to stop. Operation provides
///   bool start()       begins to wait; false: what was waited for is there already, fire will not be called
///   bool withdraw()    on the thread that asks: leaves the queue. True: left, fire will not be called. False: fire is called
/// and calls fire() when what it waits for has come. await_resume of the operation begins with finish_wait().
template <class Operation>
class stoppable_suspension : public native_awaiter, public suspension {
 public:
  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> task) {
    begin(task);
    if (!static_cast<Operation*>(this)->start()) return false;
    if (stop_state* const stop = ambient->stop) {
      if (stop->add(on_stop_)) registered_in_ = stop;
      else ask_to_stop(&on_stop_);
    }
    return arm();
  }

 protected:
  /// On the resumed side: nobody will touch the operation any more. Throws weft::stopped if the stop came first.
  void finish_wait() {
    if (registered_in_) registered_in_->remove(on_stop_);
    if (stopped_) throw stopped{};
  }

 private:
  struct registration : stop_registration {
    explicit registration(stoppable_suspension* s) noexcept
        : stop_registration(&stoppable_suspension::ask_to_stop), self(s) {}
    stoppable_suspension* self;
  };

  static void ask_to_stop(stop_registration* r) noexcept {
    auto* const self = static_cast<registration*>(r)->self;
    if (!static_cast<Operation*>(self)->withdraw()) return;
    self->stopped_ = true;
    self->fire();  // Past here *self may be gone.
  }

  registration on_stop_{this};
  stop_state* registered_in_ = nullptr;
  bool stopped_ = false;
};

}  // namespace weft::detail
