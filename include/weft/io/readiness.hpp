// What is known of one direction of a handle, reading or writing, and who uses it: one word.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>

#include <cstdint>
#include <utility>

namespace weft::detail {

class io_operation;

//                 enter                    wait                      event, withdraw
//     idle ────────────────▶ busy ────────────────▶ waiting ────────────────────────▶ busy
//       ▲                     │
//       └────── leave ────────┘
//     idle ── close ──▶ closed      waiting ── close ──▶ closed      busy ── close, then leave ──▶ closed
//
//   state     word                            who may use the descriptor for this direction
//   idle      0, or ready and hung_up bits    nobody; whoever enters
//   busy      busy, and any other bits        the operation that has entered
//   waiting   the operation's address         nobody; whoever takes it out of the word makes the operation busy, and tells it
//   closed    closed                          nobody, for good
//
//   bit        set by                meaning
//   ready      event, leave          a system call may find something. Taken before the call, so that an event that comes during or
//                                    after it is not lost; put back by who knows that there is more
//   hung_up    event, leave          the same, and a short read is no reason to wait: the end of the file comes behind it
//   stopping   withdraw              busy alone: the operation does not begin to wait any more
//   closed     close                 busy: the last to leave closes the descriptor
//
//   E1  wait's release → the acquire of event, withdraw and close   the operation
//   E2  leave's release → enter's acquire                           what the operation did, for the next one
//   E3  event's release → the acquire of enter and wait             what the event told of is there for the system call
//   E4  unwatched's release → wait's acquire                        nobody watches any more: who begins to wait later sees that
//
// An event, a stop and a close meet in one compare-exchange: one of them takes the operation out. An event that is too late, for
// an operation or a handle that is gone, leaves a bit too many, which costs the next operation one vain system call.
/// Any thread, unless a member says otherwise.
class readiness : pinned {
 public:
  using bits = std::uintptr_t;
  static constexpr bits ready = 1, hung_up = 2;

  enum class entered { yes, in_use, closed };

  /// Begins an operation. `known`: what was known of the direction; known no more.
  [[nodiscard]] entered enter(bits& known) noexcept {
    auto seen = word_.load(memory_order_relaxed);
    do {
      if (seen & closed_bit && seen < least_address) return entered::closed;
      if (seen >= least_address || seen & busy) return entered::in_use;
    } while (!word_.compare_exchange_weak(seen, busy, memory_order_acquire, memory_order_relaxed));  // acquire: E2, E3.
    known = seen;
    return entered::yes;
  }

  enum class waited {
    begun,    // somebody will take the operation out and fire it, or has done so
    ready,    // not begun: `known` is worth a system call
    stopped,  // not begun: a stop has been asked for
    closed    // not begun: the handle is being closed
  };

  /// The operation that has entered waits.
  [[nodiscard]] waited wait(io_operation* op, bits& known) noexcept {
    auto seen = busy;
    for (;;) {
      // release: E1. acquire: E4.
      if (word_.compare_exchange_strong(seen, reinterpret_cast<bits>(op), memory_order_acq_rel, memory_order_relaxed))
        return waited::begun;
      if (seen & closed_bit) return waited::closed;
      if (seen & stopping) return waited::stopped;
      known = seen & (ready | hung_up);
      if (word_.compare_exchange_strong(seen, busy, memory_order_acquire, memory_order_relaxed))  // acquire: E3.
        return waited::ready;
      seen = busy;
    }
  }

  /// Something has come. The operation that waited for it, busy again, which the caller tells and fires; or null.
  [[nodiscard]] io_operation* event(bits what) noexcept {
    auto seen = word_.load(memory_order_relaxed);
    for (;;) {
      if (seen >= least_address) {
        // acquire: E1.
        if (word_.compare_exchange_weak(seen, busy, memory_order_acquire, memory_order_relaxed)) return waiter(seen);
      } else {
        if ((seen & what) == what || seen & closed_bit) return nullptr;
        // release: E3.
        if (word_.compare_exchange_weak(seen, seen | what, memory_order_release, memory_order_relaxed)) return nullptr;
      }
    }
  }

  /// Whoever has watched the handle has ended, and has said so elsewhere before. As an event: who waits looks for another watcher. Always a
  /// read-modify-write, so that a wait is either found here, or comes after this.
  [[nodiscard]] io_operation* unwatched() noexcept {
    auto seen = word_.load(memory_order_relaxed);
    for (;;) {
      bool const waits = seen >= least_address;
      if (!waits && seen & closed_bit) return nullptr;
      // acquire: E1. release: E4.
      if (word_.compare_exchange_weak(seen, waits ? busy : seen | ready, memory_order_acq_rel, memory_order_relaxed))
        return waits ? waiter(seen) : nullptr;
    }
  }

  /// By the operation itself, after wait has said begun, and before it is armed. True: it is out, busy again. False: somebody else has
  /// taken it out, and fires it.
  [[nodiscard]] bool take_out(io_operation* op) noexcept {
    auto seen = reinterpret_cast<bits>(op);
    return word_.compare_exchange_strong(seen, busy, memory_order_relaxed);
  }

  /// A stop has been asked for. True: the operation is out, busy again, and will not be fired by others. False: it will see the stop
  /// before it waits again, or has been closed.
  [[nodiscard]] bool withdraw(io_operation* op) noexcept {
    auto seen = word_.load(memory_order_relaxed);
    for (;;) {
      if (seen >= least_address) {
        if (waiter(seen) != op) return false;
        // acquire: E1.
        if (word_.compare_exchange_weak(seen, busy, memory_order_acquire, memory_order_relaxed)) return true;
      } else {
        if (!(seen & busy) || seen & closed_bit) return false;
        if (word_.compare_exchange_weak(seen, seen | stopping, memory_order_relaxed)) return false;
      }
    }
  }

  enum class left { open, closed };

  /// The operation that has entered ends; `keep` is known of the direction now, beside what has come meanwhile. closed: the caller
  /// says so to the handle.
  [[nodiscard]] left leave(bits keep) noexcept {
    auto seen = word_.load(memory_order_relaxed);
    for (;;) {
      auto const next = seen & closed_bit ? closed_bit : (seen & (ready | hung_up)) | keep;
      // release: E2.
      if (word_.compare_exchange_weak(seen, next, memory_order_release, memory_order_relaxed))
        return seen & closed_bit ? left::closed : left::open;
    }
  }

  enum class closing { already, nobody, in_use };
  struct closed_by {
    closing how;
    io_operation* waiter;  // out of the word, to be told and fired by the caller; or null
  };

  /// in_use: an operation is inside, which will leave and be told `closed` there.
  [[nodiscard]] closed_by close() noexcept {
    auto seen = word_.load(memory_order_relaxed);
    for (;;) {
      if (seen >= least_address) {
        // acquire: E1.
        if (word_.compare_exchange_weak(seen, closed_bit, memory_order_acquire, memory_order_relaxed))
          return {closing::nobody, waiter(seen)};
      } else if (seen & closed_bit) {
        return {closing::already, nullptr};
      } else if (word_.compare_exchange_weak(seen, seen & busy ? seen | closed_bit : closed_bit, memory_order_acq_rel,
                                             memory_order_relaxed)) {  // E2: as if it entered and left.
        return {seen & busy ? closing::in_use : closing::nobody, nullptr};
      }
    }
  }

  [[nodiscard]] bool closed() const noexcept {
    auto const seen = word_.load(memory_order_relaxed);
    return seen < least_address && seen & closed_bit;
  }

  /// Of a handle that nobody knows of yet.
  void reset(bits known) noexcept { word_.store(known, memory_order_relaxed); }

 private:
  static constexpr bits busy = 4, stopping = 8, closed_bit = 16, least_address = 4096;

  static io_operation* waiter(bits word) noexcept { return reinterpret_cast<io_operation*>(word); }

  atomic<bits> word_{closed_bit};
};

}  // namespace weft::detail
