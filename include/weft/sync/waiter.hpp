// How tasks wait in queues: the waiter, which stands in one, and the selection, which decides what a waiting task goes on with.
//
// All of sync/ and channel/ wait through what is here, and so do the cases of a select. A task that waits has one selection and
// one waiter for each thing that it waits for: one, where it awaits a lock; several, where it selects. Both live in the
// awaiter; nothing is allocated. Whoever has something for a waiter (a lock to hand over, a message, the end of a sleep), and
// whoever asks the task to stop, claims its selection first: exactly one of them can. README.md has the whole protocol.
//
// To make something waitable, write an operation (concept selectable) and derive it from waitable_operation: it can then
// be awaited and selected on.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/intrusive.hpp>
#include <weft/coro/promise.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/os/brief_wait.hpp>
#include <weft/os/thread.hpp>
#include <weft/sched/scheduler.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft::detail {

class waiter;

//   word_, bit    set by                                meaning
//   claimed  1    whoever wins, once                    the others have lost; the winner alone writes winner_, and fires, once
//   reserved 2    claim_both, for a few instructions    may become claimed or free again: who meets it waits for that
//   armed    4    the awaiting thread, as its last step the task is suspended and may be resumed anywhere
//   fired    8    the winner, where it is not armed     the awaiting thread goes on by itself
//   alone   16    the constructor, with armed           one waiter, in one queue: see below
//
//       open ── claim ─────────────────────▶ claimed ── fire ──▶ the task goes on
//       open ── reserve ──▶ reserved ── commit ──▶ claimed
//       open ◀── give_up ── reserved
//
//   who                                    may touch the selection
//   a waiter of it stands in a queue       whoever holds the lock of that queue: claim, claimed
//   claimed                                also the winner, until it has fired
//   fired                                  the awaiting task alone
//
//   E1  arm's release → fire's acquire                the task is suspended, and all that it wrote before
//   E2  fire's release → arm's acquire                what the winner wrote
//   E3  came_too_late's release → expect_late's acquire, and back    the waiters that late parties touched
//
// A claim hands over nothing: what the winner touches before it fires it has by the lock of the queue that the waiter stands in, of the wheel,
// or of the stop state.
//
// A task that waits for one thing does with less: its word never changes. It registers with the stop state under the lock of the queue, as
// the last step before it stands there (stand); so whoever would have it go on finds it suspended, through that lock (in place of E1).
// Claimed is what has been taken out of the stop state: by a giver, under the queue's lock, or by the stop, which then withdraws
// the waiter under that lock, and fires. As long as a giver finds the waiter in the queue and holds its lock, the stop has not fired, so the
// task's context and stop state are there. The stop state's lock is taken inside the queue's, never the other way round.
//
/// What a waiting task goes on with: claimed by exactly one of those who would have it go on.
class selection : public resumption, protected stop_registration {
 public:
  /// when_asked_to_stop is called on the thread that asks: it claims, withdraws and fires.
  explicit selection(stop_registration::invoke_function when_asked_to_stop) noexcept
      : stop_registration(when_asked_to_stop) {}

  /// Of one waiter alone, in a queue that it enters by stand. when_asked_to_stop has won: it withdraws, and fires.
  struct alone {};
  selection(stop_registration::invoke_function when_asked_to_stop, alone) noexcept
      : stop_registration(when_asked_to_stop), word_(alone_bit | armed_bit) {}

  ~selection() {
    if constexpr (resumes_at_the_end) forget_stop();
  }

  /// True: the caller has won. It hands over what it has, and then fires, as its last touch. False: the task goes on with
  /// something else; what the caller has is for the next in its queue.
  [[nodiscard, gnu::always_inline]] bool claim() noexcept {
    if (!waits_alone()) [[unlikely]]
      return set_if_open(claimed_bit);
    if (registered_ == nowhere) return true;
    if (!ambient->stop->at(registered_).take_out(*this)) return false;
    registered_ = nowhere;
    return true;
  }

  /// By the winner, after it has let go of every lock. `among` several that go on together it goes behind what is ready, so that they
  /// keep their order; alone, in front.
  enum class among { one, several };
  void fire(among how = among::one) noexcept {
    // acquire: E1. release: E2.
    if ((word_.load(memory_order_acquire) & armed_bit) == 0 &&
        (word_.fetch_or(fired_bit, memory_order_acq_rel) & armed_bit) == 0)
      return;
    if (how == among::one) ambient->home->submit_woken(this);
    else ambient->home->submit(this);  // Past here *this may be gone.
  }

  /// Whether somebody has won. No promise about when: for those who would begin something in vain.
  [[nodiscard]] bool claimed() const noexcept { return (word_.load(memory_order_relaxed) & claimed_bit) != 0; }

  /// By somebody whom withdraw could not keep away (left::later), and who has found that claim says no: its last touch.
  void came_too_late() noexcept {
    if (late_.fetch_add(1, memory_order_acq_rel) + 1 == 0) fire();  // E3. Past here *this may be gone.
  }

  // ── for awaiters ──

  /// Which waiter it was that won; null: none, the task was asked to stop. Read by the task once it goes on.
  waiter* winner = nullptr;

 protected:
  template <weft_promise Promise>
  void begin(std::coroutine_handle<Promise> task) noexcept {
    handle = task;
    ambient = task.promise().ambient();
  }

  /// After the waiters have been put into their queues: from here on a stop is one of those who claim. False: it has been
  /// asked for already, and the function given to the constructor is the caller's to call.
  [[nodiscard, gnu::always_inline]] bool accept_stop() noexcept {
    stop_state* const stop = ambient->stop;
    if (!stop) return true;
    auto const where = place_to_register(*stop);
    if (!stop->at(where).add(*this)) return false;
    registered_ = where;
    return true;
  }

  /// The last step of await_suspend. True: suspended, *this may be gone. False: go on.
  [[nodiscard]] bool arm() noexcept {
    // release: E1. acquire: E2.
    return (word_.fetch_or(armed_bit, memory_order_acq_rel) & fired_bit) == 0;
  }

  /// After the withdrawals: `count` parties will call came_too_late. True: they have. False: the last of them fires.
  [[nodiscard]] bool expect_late(int count) noexcept {
    return late_.fetch_sub(count, memory_order_acq_rel) == count;  // E3.
  }

  /// By the resumed task: afterwards nobody else touches the selection.
  void forget_stop() noexcept {
    if (registered_ != nowhere) ambient->stop->at(std::exchange(registered_, nowhere)).remove(*this);
  }

 private:
  friend class waiter;
  friend class waiter_queue;
  static constexpr std::uint8_t claimed_bit = 1, reserved_bit = 2, armed_bit = 4, fired_bit = 8, alone_bit = 16;

  [[nodiscard]] bool waits_alone() const noexcept { return (word_.load(memory_order_relaxed) & alone_bit) != 0; }

  // False: claimed.
  [[gnu::noinline]] bool set_if_open(std::uint8_t bit) noexcept {
    auto seen = word_.load(memory_order_relaxed);
    for (brief_wait other;;) {
      if (seen & claimed_bit) return false;
      if (seen & reserved_bit) {
        other.pause();
        seen = word_.load(memory_order_relaxed);
      } else if (word_.compare_exchange_weak(seen, static_cast<std::uint8_t>(seen | bit), memory_order_relaxed)) {
        return true;
      }
    }
  }
  [[nodiscard]] bool reserve() noexcept { return set_if_open(reserved_bit); }
  void give_up() noexcept { word_.fetch_and(static_cast<std::uint8_t>(~reserved_bit), memory_order_relaxed); }
  void commit() noexcept {
    word_.fetch_sub(static_cast<std::uint8_t>(reserved_bit - claimed_bit), memory_order_relaxed);
  }

  atomic<std::uint8_t> word_{0};
  static constexpr stop_state::place nowhere = 0xFF;
  stop_state::place registered_ =
      nowhere;                    // with the stop state; the awaiting thread's, then the winner's, then the task's
  atomic<std::int32_t> late_{0};  // parties that have come too late, less those expected
};

/// What claim_both says.
enum class claims {
  both,           // a rendezvous: the caller fires `theirs`, and goes on with `mine`
  same_task,      // two cases of one select do not meet each other: look at the next in the queue
  mine_is_lost,   // the caller's task goes on with something else
  theirs_is_lost  // take it out of the queue, look at the next
};

/// An entry in a queue: one thing that a task waits for. The links are guarded by the lock of the queue that it stands in; once
/// claim() has said yes they are the winner's.
class waiter : public list_link, pinned {
 public:
  explicit waiter(selection& s) noexcept : owner_(reinterpret_cast<std::uintptr_t>(&s)) {}

  [[nodiscard]] selection& owner() const noexcept { return *reinterpret_cast<selection*>(owner_ & ~handed_on_bit); }

  /// See selection::claim. Under the lock of the queue that the waiter stands in or has just been taken from, or by its own
  /// task.
  [[nodiscard, gnu::always_inline]] bool claim() noexcept {
    if ((owner_ & handed_on_bit) != 0) return true;
    if (!owner().claim()) return false;
    owner().winner = this;
    return true;
  }

  /// By the winner, once, with no lock held.
  void fire(selection::among how = selection::among::one) noexcept { owner().fire(how); }

  /// By the winner, who neither keeps the claim nor fires: whoever next claims this waiter has it.
  void hand_on() noexcept { owner_ |= handed_on_bit; }

  /// Claims both, or neither: a rendezvous of two tasks that may each wait in other queues, too. `mine` is the caller's and stands
  /// in no queue of this lock yet; `theirs` stands in a queue whose lock the caller holds.
  [[nodiscard]] static claims claim_both(waiter& mine, waiter& theirs) noexcept;

 private:
  static constexpr std::uintptr_t handed_on_bit = 1;
  std::uintptr_t owner_;  // its address; the lowest bit is the winner's
};

// The lower of the two by address is reserved while the other is claimed. So whoever waits for a reservation to end waits for
// somebody who waits, if at all, for the end of one at a higher address: there is no circle. No lock is taken meanwhile.
inline claims waiter::claim_both(waiter& mine, waiter& theirs) noexcept {
  selection &a = mine.owner(), &b = theirs.owner();
  if (&a == &b) return claims::same_task;
  if (a.waits_alone()) {  // and stands nowhere yet: nobody else can claim it
    if (!theirs.claim()) return claims::theirs_is_lost;
    a.winner = &mine;
    return claims::both;
  }
  if (b.waits_alone()) {  // who finds a reserved waits for a stop state's lock, if at all
    if (!a.reserve()) return claims::mine_is_lost;
    if (!theirs.claim()) {
      a.give_up();
      return claims::theirs_is_lost;
    }
    a.commit();
    a.winner = &mine;
    return claims::both;
  }
  bool const mine_first = std::less<>()(&a, &b);
  selection &lower = mine_first ? a : b, &higher = mine_first ? b : a;
  if (!lower.reserve()) return mine_first ? claims::mine_is_lost : claims::theirs_is_lost;
  if (!higher.claim()) {
    lower.give_up();
    return mine_first ? claims::theirs_is_lost : claims::mine_is_lost;
  }
  lower.commit();
  a.winner = &mine;
  b.winner = &theirs;
  return claims::both;
}

/// Waiters, first come first served. Guarded by its owner's lock.
class waiter_queue : public intrusive_list<waiter> {
 public:
  /// By an enqueue, as the last that it does with w before it lets go of the lock. False: the task that waits alone has been asked to stop,
  /// w does not stand in the queue; enqueue then says lost.
  [[nodiscard, gnu::always_inline]] bool stand(waiter& w) noexcept {
    if (w.owner().waits_alone() && !w.owner().accept_stop()) return false;
    push_back(&w);
    return true;
  }

  /// Takes the first waiter that can be claimed out of the queue, and with it those before, which cannot; null: there is none.
  [[nodiscard, gnu::always_inline]] waiter* pop_claimed() noexcept {
    while (waiter* const w = pop_front())
      if (w->claim()) return w;
    return nullptr;
  }

  /// For a rendezvous: claims the first waiter of another task that can be claimed together with `mine`, and takes it out of the
  /// queue, and with it those before that have lost. Null: there is none, or `mine` has lost: its owner is claimed then.
  [[nodiscard]] waiter* pop_for(waiter& mine) noexcept {
    for (waiter* theirs = front(); theirs;) {
      waiter* const next = after(theirs);
      switch (waiter::claim_both(mine, *theirs)) {
        case claims::both: remove(theirs); return theirs;
        case claims::theirs_is_lost: remove(theirs); break;
        case claims::same_task: break;
        case claims::mine_is_lost: return nullptr;
      }
      theirs = next;
    }
    return nullptr;
  }

  /// Moves all that can be claimed behind what `won` holds; empty afterwards.
  void claim_all(waiter_queue& won) noexcept {
    while (waiter* const w = pop_claimed()) won.push_back(w);
  }

  /// Of a list of claimed ones, with no lock held: lets them all go on, in order.
  void fire_all() noexcept {
    waiter* w = pop_front();
    if (!w) return;
    auto const how = empty() ? selection::among::one : selection::among::several;
    for (; w; w = pop_front()) w->fire(how);  // Past here *w may be gone.
  }

  /// False: it had been taken out.
  bool leave(waiter& w) noexcept {
    if (!w.linked()) return false;
    remove(&w);
    return true;
  }
};

/// What enqueue says.
enum class enqueued {
  waits,      // the waiter stands in the queue
  completed,  // it could be had after all, the selection is claimed for it
  lost        // the selection was claimed by somebody else, nothing was taken
};

/// What withdraw says.
enum class left {
  now,   // nobody will touch the waiter any more
  later  // somebody is on the way to it, will find it claimed, and calls came_too_late
};

// The calls come from the awaiting task's thread, in this order; withdraw also from a thread that asks for a stop.
//
//   node        a waiter, with what the other side wants to know; made from a selection&
//   try_complete  takes what is awaited if it is there, without waiting and without passing those who wait. The selection
//               does not count yet.
//   enqueue     at most once, the operation at its last address: looks again under the queue's lock. Takes what is there if it can claim
//               the selection for the node too; a taker that finds the claim refused gives back what it took. Otherwise the node
//               stands in the queue when it returns, and from the moment it lets go of the lock it may have been claimed.
//               May throw; then the node stands nowhere.
//   withdraw    after enqueue said `waits` and the selection was claimed for something else: takes the node out if it still stands
//               there, and serves those behind it whom it held up.
//   take        once, if it was this one that won: the result.
//   give_back   instead of take, where nobody asks for the result (resumes_at_the_end): does not throw. Only an operation whose result has to be
//               given back has it.
//
/// Something that a task can wait for, alone or among others. Movable until enqueue is called.
template <class Op>
concept selectable = std::move_constructible<Op> && std::derived_from<typename Op::node, waiter> &&
                     std::constructible_from<typename Op::node, selection&> && requires(Op& op, typename Op::node& n) {
                       { op.try_complete() } -> std::same_as<bool>;
                       { op.enqueue(n) } -> std::same_as<enqueued>;
                       { op.withdraw(n) } noexcept -> std::same_as<left>;
                       op.take();
                     };

/// An operation whose enqueue uses stand, and whose withdraw says left::now.
template <class Op>
concept can_wait_alone = requires { requires Op::can_wait_alone; };

/// An operation that has something to give back.
template <class Op>
concept can_give_back = requires(Op& op) {
  { op.give_back() } noexcept;
};

/// Awaits one operation: a selection of one.
template <class Op>
class operation_awaiter : public native_awaiter {
  static_assert(selectable<Op>);

 public:
  explicit operation_awaiter(Op&& op) noexcept(std::is_nothrow_move_constructible_v<Op>) : op_(std::move(op)) {}
  ~operation_awaiter() {
    if constexpr (gives_back)
      if (wait_ ? wait_->has_won() : left_.due) op_.give_back();
  }

  [[nodiscard]] bool await_ready() {
    bool const ready = op_.try_complete();
    if constexpr (gives_back) left_.due = ready;
    return ready;
  }

  template <weft_promise Promise>
  [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> task) {
    return wait_.emplace(op_).begin_waiting(task);
  }

  [[gnu::always_inline]] decltype(auto) await_resume() {
    if (wait_) wait_->end_waiting();
    if constexpr (gives_back) {
      wait_.reset();
      left_.due = false;
    }
    return op_.take();
  }

 private:
  static constexpr bool gives_back = can_give_back<Op> && result_may_be_left<decltype(std::declval<Op&>().take())>;
  struct result_to_come {
    bool due = false;  // it could be had without a wait, and has not been taken
  };
  struct nothing {};

  // Made only where the task has to wait: what is there costs no more than its taking.
  class wait : public selection, public Op::node {
   public:
    explicit wait(Op& op) noexcept
      requires can_wait_alone<Op>
        : selection(&wait::stop, selection::alone{}), Op::node(static_cast<selection&>(*this)), op_(op) {}
    explicit wait(Op& op) noexcept : selection(&wait::stop), Op::node(static_cast<selection&>(*this)), op_(op) {}

    template <weft_promise Promise>
    bool begin_waiting(std::coroutine_handle<Promise> task) {
      selection::begin(task);
      bool const waits = op_.enqueue(*this) == enqueued::waits;
      if constexpr (can_wait_alone<Op>) {
        return waits;  // True: past here *this may be gone.
      } else {
        if (!waits) return false;
        if (!selection::accept_stop()) stop(this);
        return selection::arm();
      }
    }

    void end_waiting() {
      selection::forget_stop();
      if (!selection::winner) throw stopped{};
    }

    [[nodiscard]] bool has_won() const noexcept { return selection::winner != nullptr; }

   private:
    static void stop(stop_registration* r) noexcept {
      auto& me = *static_cast<wait*>(static_cast<selection*>(r));
      if constexpr (can_wait_alone<Op>) {
        static_cast<void>(me.op_.withdraw(me));
        me.selection::fire();  // Past here *r may be gone.
      } else {
        if (!me.selection::claim()) return;
        if (me.op_.withdraw(me) == left::now || me.expect_late(1)) me.selection::fire();  // Past here *r may be gone.
      }
    }

    Op& op_;
  };

  Op op_;
  [[no_unique_address]] std::conditional_t<gives_back, result_to_come, nothing> left_;
  std::optional<wait> wait_;
};

/// Base of an operation: makes it awaitable.
template <class Op>
class waitable_operation {
 public:
  auto operator co_await() noexcept(std::is_nothrow_move_constructible_v<Op>) {
    return operation_awaiter<Op>(std::move(static_cast<Op&>(*this)));
  }
};

}  // namespace weft::detail
