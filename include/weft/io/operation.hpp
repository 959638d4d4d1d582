// One system call on a handle, repeated until it need not wait: the awaiter behind every read, write, accept and connect.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/promise.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/io/address.hpp>
#include <weft/io/handle.hpp>
#include <weft/io/readiness.hpp>
#include <weft/sched/scheduler.hpp>

#include <cerrno>
#include <coroutine>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace weft::detail {

/// A direction of a closed handle, or its owner, is done with the descriptor: the last one closes it.
void release_user(handle_record& r) noexcept;
/// The last one gives the record back.
void release_hold(handle_record& r) noexcept;

/// Which way the bytes go.
enum class direction : std::uint8_t { reading, writing };

/// What an attempt came to.
enum class attempted : std::uint8_t {
  ended,       ///< with a result or an error: the operation is over
  would_block  ///< there was nothing to read, or no room to write
};

//   begin ── a stop has been asked for, the handle is closed or in use ──▶ await_resume throws
//     │ known to be ready, or not watched yet
//     ▼                      ended
//   attempt ─────────────────────────────▶ await_resume
//     │ would_block  ▲
//     ▼              │ fired by an event; on the worker that took it from the queue
//   wait ────────────┘
//     └── fired by a stop or a close ────▶ await_resume
//
// The task is resumed once, when the operation is over; attempts that find nothing are made by the queue's job. A wake-up without a
// cause, whatever it came from, costs a system call and nothing else.
/// Base of the awaiter of one operation: it has one direction of a handle to itself from its begin to the end of await_resume. Operation
/// derives from it and gives an attempt function, which makes the system call, keeps its result and may say what is known of the
/// direction then (keep). The operation stays where it is, and the buffers that it was given stay, until await_resume returns.
class io_operation : public native_awaiter, stop_registration, public suspension {
 public:
  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> task) {
    this->begin(task);
    return start();  // Past here *this may be gone, if it said true.
  }

  // ── for the reactor and whoever closes ──

  /// What has come: between taking the operation out of the word and firing it.
  void came(readiness::bits what) noexcept { known_ = static_cast<few_bits>(what); }
  /// The same, where the handle is being closed. The record is held.
  void closed() noexcept { state_ = state::detached; }

  /// By a task that has I/O to do at once, each time: is it to let others go first? Now and then it is.
  [[nodiscard]] static bool out_of_turn(worker& self) noexcept;

 protected:
  using attempt_function = attempted (*)(io_operation&) noexcept;

  io_operation(handle_record* record, direction way, attempt_function attempt) noexcept
      : stop_registration(&io_operation::ask_to_stop),
        way_(way),
        eager_(way == direction::writing),
        record_(record),
        attempt_(attempt) {
    act = &io_operation::run_again;
  }
  [[nodiscard]] handle_record& record() const noexcept { return *record_; }
  [[nodiscard]] int descriptor() const noexcept { return record_->descriptor; }

  /// Before it begins: the first attempt is made whatever is known of the direction.
  void try_first() noexcept { eager_ = true; }

  /// Before it begins: where another operation has the direction, this one tries again until it has not, instead of refusing. For what
  /// never waits long.
  void let_others_finish() noexcept { patient_ = true; }

  /// Was the direction known to be ready or at its end before this attempt?
  [[nodiscard]] readiness::bits known() const noexcept { return known_; }
  /// What is known of the direction after this attempt. Nothing, unless this is called.
  void keep(readiness::bits known) noexcept { keep_ = static_cast<few_bits>(known); }

  /// Keeps the error for await_resume, and ends.
  [[nodiscard]] attempted fail(int error) noexcept {
    error_ = error;
    return attempted::ended;
  }
  [[nodiscard]] int error() const noexcept { return error_; }

  /// await_resume begins with it: leaves the direction. Throws weft::stopped if the operation was stopped or the handle closed
  /// meanwhile.
  void finish() {
    auto const was = leave();
    if (stopped_ || was == state::detached || was == state::closed) throw stopped{};
  }

  /// The same where the caller throws next: what its error names. Nothing, of a handle that was moved from.
  [[nodiscard]] endpoint finish_and_name() {
    endpoint name;
    if (state_ != state::outside) name = record_->name;
    finish();  // Past here the record may be somebody else's.
    return name;
  }

  ~io_operation() {
    if constexpr (resumes_at_the_end) leave();
  }

 private:
  enum class state : std::uint8_t {
    outside,   // not in the direction: not begun, refused, or finished
    inside,    // busy or waiting
    closed,    // the same, and it has seen that the handle is being closed
    detached,  // taken out by a close, which has left the direction in its place
  };

  using few_bits = std::uint8_t;  // ready and hung_up

  state leave() noexcept {
    if (std::exchange(registered_, false)) ambient->stop->at(registered_at_).remove(*this);
    auto const was = std::exchange(state_, state::outside);
    if (was == state::detached) {
      release_hold(*record_);
    } else if (was != state::outside) {
      if (word().leave(keep_) == readiness::left::closed) release_user(*record_);
    }
    return was;
  }

  static void ask_to_stop(stop_registration* r) noexcept {
    auto* const op = static_cast<io_operation*>(r);
    if (!op->word().withdraw(op)) return;
    op->stopped_ = true;
    op->fire();  // Past here *op may be gone.
  }

  [[nodiscard]] readiness& word() const noexcept {
    return way_ == direction::reading ? record_->reading : record_->writing;
  }

  bool start();
  [[nodiscard]] bool over() noexcept;
  [[nodiscard]] bool wait() noexcept;
  [[nodiscard]] bool prepare_to_wait() noexcept;
  [[nodiscard]] bool is_watched() noexcept;

  static void run_again(job* j, worker& self, job_order) noexcept {
    auto& op = *static_cast<io_operation*>(j);
    self.current = op.ambient;
    if (!op.over() && op.wait()) return;  // Past here op may be gone.
    resume(self, op.handle);
  }

  static void start_again(job* j, worker& self, job_order) noexcept {
    auto& op = *static_cast<io_operation*>(j);
    op.act = &io_operation::run_again;
    self.current = op.ambient;
    if (op.start()) return;  // Past here op may be gone. It does not throw, being patient.
    resume(self, op.handle);
  }

  // An idle connection is little more than one of these: the small ones come first, where the base leaves room behind its own, and last.
  few_bits known_ = 0, keep_ = 0;
  direction const way_;
  bool eager_, patient_ = false;
  state state_ = state::outside;
  bool stopped_ = false;
  handle_record* const record_;
  attempt_function const attempt_;
  int error_ = 0;
  bool registered_ = false;  // with the stop state of the context
  stop_state::place registered_at_ = 0;
};

// False: over already, nothing has been suspended.
inline bool io_operation::start() {
  if (ambient->stop && ambient->stop->stop_requested()) {
    stopped_ = true;
    return false;
  }
  if (!record_) {  // of a handle that was moved from
    error_ = EBADF;
    return false;
  }
  readiness::bits known = 0;
  switch (word().enter(known)) {
    case readiness::entered::yes: came(known); break;
    case readiness::entered::closed:
      stopped_ = true;  // as if it had begun before the close: nobody can tell
      return false;
    case readiness::entered::in_use:
      if (patient_) {
        act = &io_operation::start_again;
        ambient->home->submit(this);  // Past here *this may be gone.
        return true;
      }
      throw std::logic_error(way_ == direction::reading
                                 ? "weft: one task at a time reads from a handle, accepts from it or waits for it"
                                 : "weft: one task at a time writes to a handle, or connects it");
  }
  state_ = state::inside;
  bool const worth_a_call = eager_ || known_ != 0 || !record_->home.load(memory_order_relaxed);
  if (worth_a_call) {
    if (out_of_turn(*current_worker())) {
      ambient->home->submit(this);  // Past here *this may be gone.
      return true;
    }
    if (over()) return false;
  }
  return wait();
}

// A task that never has to wait gives others their turn now and then, and has the outside looked at.
inline bool io_operation::out_of_turn(worker& self) noexcept {
  constexpr std::uint32_t most_in_a_row = 64;
  if (auto const job = self.jobs.get(); self.io_streak_job != job) {
    self.io_streak_job = job;
    self.io_streak = 0;
  }
  if (++self.io_streak < most_in_a_row) return false;
  self.io_streak = 0;
  self.tick |= 7;
  return true;
}

inline bool io_operation::over() noexcept {
  if (stopped_ || state_ != state::inside) return true;
  keep_ = 0;
  return attempt_(*this) == attempted::ended;
}

// True: suspended, *this may be gone. False: over.
inline bool io_operation::wait() noexcept {
  for (;;) {
    if (!prepare_to_wait()) return false;
    begin_again();
    readiness::bits known = 0;
    switch (word().wait(this, known)) {
      case readiness::waited::begun:
        // The pool that watches the handle may be another, and may have ended meanwhile. Until arm nobody resumes this task.
        if (!is_watched() && word().take_out(this)) continue;
        if (arm()) return true;
        break;  // fired meanwhile
      case readiness::waited::ready: came(known); break;
      case readiness::waited::stopped: stopped_ = true; return false;
      case readiness::waited::closed: state_ = state::closed; return false;
    }
    if (over()) return false;
  }
}

}  // namespace weft::detail
