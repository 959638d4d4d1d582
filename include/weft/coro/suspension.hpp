// How an awaitable of weft suspends a task and brings it back exactly once, stop included.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/coro/promise.hpp>
#include <weft/sched/scheduler.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>

namespace weft::detail {

//   phase   arming ── arm ──▶ armed ── fire ──▶ fired, and whoever fires puts the task into its queue
//           arming ── fire ──▶ fired; arm then says that the task goes on at once
//
//   E1  fire's release → arm's acquire         what the event wrote
//   E2  arm's release → fire's acquire         the task is fully suspended: it may be resumed anywhere
//
// fire is called exactly once, on any thread, perhaps before await_suspend has returned.
/// Whether a task is suspended, and what ends that. One byte.
class wake_phase : pinned {
 public:
  enum class cause : std::uint8_t { event = 2, stop = 3 };

  /// True: the task was armed, and is the caller's to put into its queue. False: it goes on by itself, and may be gone.
  [[nodiscard]] bool fire(cause c = cause::event) noexcept {
    return word_.exchange(static_cast<std::uint8_t>(c), memory_order_acq_rel) == armed;  // acquire: E2. release: E1.
  }

  /// The last step of await_suspend. True: suspended. False: fired meanwhile.
  [[nodiscard]] bool arm() noexcept {
    auto expected = arming;
    return word_.compare_exchange_strong(expected, armed, memory_order_acq_rel, memory_order_acquire);  // E1, E2.
  }

  /// Of one that has been fired, or not been armed: it may be armed and fired once more.
  void begin_again() noexcept { word_.store(arming, memory_order_relaxed); }

  /// Of one that has gone on: was it a stop that fired it?
  [[nodiscard]] bool stopped() const noexcept {
    return word_.load(memory_order_relaxed) == static_cast<std::uint8_t>(cause::stop);
  }

 private:
  static constexpr std::uint8_t arming = 0, armed = 1;
  atomic<std::uint8_t> word_{arming};
};

// Past the phase's exchange a suspension is touched only if it was armed, by queueing it. Who is resumed may begin again, with a
// further fire to come.
/// A suspended task, waiting for one call of fire().
class suspension : public resumption, pinned {
 public:
  void fire() noexcept {
    if (phase_.fire()) ambient->home->submit_woken(this);  // Past here *this may be gone.
  }

  /// The same for many at once: the caller submits the batch to `home`. A task of another pool goes there at once.
  void fire_into(ready_batch& batch, scheduler const& home) noexcept {
    if (!phase_.fire()) return;
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
  void begin_again() noexcept { phase_.begin_again(); }

  /// The last step of await_suspend. True: suspended, *this may be gone. False: fired meanwhile, go on.
  [[nodiscard]] bool arm() noexcept { return phase_.arm(); }

 private:
  wake_phase phase_;
};

/// Where what waits on the calling thread registers with a stop state.
[[nodiscard]] inline stop_state::place place_to_register(stop_state const& stop) noexcept {
  if (!stop.is_spread()) return 0;
  return stop_state::place_for(current_worker()->index);
}

/// Base of an awaiter that leaves its queue when its task is asked to stop. Operation provides
///   bool start()       begins to wait; false: what was waited for is there already, fire will not be called
///   bool withdraw()    on the thread that asks: leaves the queue. True: left, fire will not be called. False: fire is called
/// and calls fire() when what it waits for has come. await_resume of the operation begins with finish_wait().
template <class Operation>
class stoppable_suspension : public native_awaiter, public suspension, stop_registration {
 public:
  stoppable_suspension() noexcept : stop_registration(&stoppable_suspension::ask_to_stop) {}
  ~stoppable_suspension() {
    if constexpr (resumes_at_the_end) leave_stop();
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> task) {
    begin(task);
    if (!static_cast<Operation*>(this)->start()) return false;
    if (stop_state* const stop = ambient->stop) {
      stop_state& here = stop->at(place_to_register(*stop));
      if (here.add(*this)) registered_in_ = &here;
      else ask_to_stop(this);
    }
    return arm();
  }

 protected:
  /// On the resumed side: nobody will touch the operation any more. Throws weft::stopped if the stop came first.
  void finish_wait() {
    leave_stop();
    if (stopped_) throw stopped{};
  }

 private:
  void leave_stop() noexcept {
    if (registered_in_) std::exchange(registered_in_, nullptr)->remove(*this);
  }

  static void ask_to_stop(stop_registration* r) noexcept {
    auto* const self = static_cast<stoppable_suspension*>(r);
    if (!static_cast<Operation*>(self)->withdraw()) return;
    self->stopped_ = true;
    self->fire();  // Past here *self may be gone.
  }

  stop_state* registered_in_ = nullptr;
  bool stopped_ = false;
};

}  // namespace weft::detail
