// The shared state behind future and promise: one word, one result, one listener.
#pragma once

#include <weft/base/result.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/coro/frame_allocator.hpp>
#include <weft/sched/scheduler.hpp>

#include <cstdint>
#include <exception>

namespace weft::detail {

/// Whoever wants to know of the end; notify is called once, on the thread that completes.
struct listener {
  using function = void (*)(listener*) noexcept;
  explicit listener(function f) noexcept : notify(f) {}
  function notify;
};

//   word_     attach                     complete
//     0  ────────────▶ listener ──────────────────▶ ready, and the listener is notified
//     0  ◀──────────── detach
//     0  ───────────── complete ──────────────────▶ ready
//
//   word        who may touch result_
//   0,listener  whoever completes
//   ready       whoever holds the future
//
//   E1  attach's release → complete's acquire   the listener
//   E2  complete's release → attach's, ready's acquire   result_
//   E3  release of a reference → the last one's acquire   everything before destruction
//   E4  a vain detach's release → a later attach's acquire   what was written before: who asked for a stop and found no listener yet is seen by it
//
/// What a future and whoever completes it share. Any thread may complete, once; the future's holder alone listens.
template <class T>
class future_state : public cached_allocation, pinned {
 public:
  [[nodiscard]] bool ready() const noexcept { return word_.load(memory_order_acquire) == is_ready; }  // acquire: E2.

  /// False: ready already, the listener will not be called.
  [[nodiscard]] bool attach(listener& l) noexcept {
    std::uintptr_t expected = 0;
    // release: E1. acquire: E2, E4.
    return word_.compare_exchange_strong(expected, reinterpret_cast<std::uintptr_t>(&l), memory_order_acq_rel,
                                         memory_order_acquire);
  }

  /// Who listens now, or null: nobody, or the result is there. Whoever asks keeps that listener alive if it looks into it.
  [[nodiscard]] listener* listening() const noexcept {
    auto const word = word_.load(memory_order_acquire);  // acquire: E2.
    return word == is_ready ? nullptr : reinterpret_cast<listener*>(word);
  }

  /// True: the listener will not be called. False: it has been or is being called, or it is not attached yet.
  [[nodiscard]] bool detach(listener& l) noexcept {
    auto const mine = reinterpret_cast<std::uintptr_t>(&l);
    for (auto seen = mine; !word_.compare_exchange_strong(seen, 0, memory_order_acquire);
         seen = mine) {  // acquire: E2.
      if (seen == is_ready) return false;
      // A failed exchange is a load alone, and an old value might be read. release: E4.
      if (word_.fetch_or(0, memory_order_release) != mine) return false;
    }
    return true;
  }

  /// result_ has been set.
  void complete() noexcept {
    auto const before = word_.exchange(is_ready, memory_order_acq_rel);  // release: E2. acquire: E1.
    if (before != 0) {
      auto* const l = reinterpret_cast<listener*>(before);
      l->notify(l);
    }
  }

  void add_reference() noexcept { references_.fetch_add(1, memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1, memory_order_acq_rel) == 1) end();  // E3.
  }

  /// Asks what computes the result to stop. Nothing where that cannot be asked.
  virtual void request_stop() noexcept {}
  /// What has not begun, begun on the calling worker: `computing` only if it ends there, too. Nothing where that is not for the
  /// waiter to do.
  enum class inline_work { any, computing };
  virtual void begin_inline(worker&, inline_work) noexcept {}

  result_slot<T>& result() noexcept { return result_; }
  [[nodiscard]] scheduler* home() const noexcept { return home_; }

 protected:
  future_state(unsigned references, scheduler* home) noexcept
      : references_(references), home_(home), on_failure_(home ? home->settings().on_failure : nullptr) {}
  virtual ~future_state() = default;

 private:
  static constexpr std::uintptr_t is_ready = 1;

  // A failure that nobody has taken, and nobody can take now, goes to the pool's handler.
  void end() noexcept {
    if (std::exception_ptr failure = result_.failure(); failure && on_failure_ && !is_stopped(failure))
      on_failure_(std::move(failure));
    delete this;
  }

  atomic<std::uintptr_t> word_{0};
  atomic<std::uint32_t> references_;
  scheduler* const home_;  // of what computes the result; null: nobody's. May be gone once the result is there
  failure_handler const on_failure_;  // kept apart from the pool, which waits for its work but not for futures
  result_slot<T> result_;
};

/// Owns one reference.
template <class T>
class state_pointer {
 public:
  state_pointer() noexcept = default;
  explicit state_pointer(future_state<T>* owned) noexcept : state_(owned) {}
  state_pointer(state_pointer&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  state_pointer& operator=(state_pointer&& other) noexcept {
    state_pointer old(std::move(*this));
    state_ = std::exchange(other.state_, nullptr);
    return *this;
  }
  ~state_pointer() {
    if (state_) state_->release();
  }
  future_state<T>* operator->() const noexcept { return state_; }
  future_state<T>& operator*() const noexcept { return *state_; }
  explicit operator bool() const noexcept { return state_ != nullptr; }

 private:
  future_state<T>* state_ = nullptr;
};

}  // namespace weft::detail
