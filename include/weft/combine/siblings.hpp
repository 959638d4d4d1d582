// Siblings: several children of one awaiting task. The first is entered at once, the others stand in the worker's deque, where idle
// workers find them; a child that nobody took is gone on with by the worker that ended the one before it.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/result.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/coro/promise.hpp>
#include <weft/coro/root.hpp>
#include <weft/sched/resume.hpp>
#include <weft/sched/scheduler.hpp>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft::detail {

class sibling_group;

/// Which end decides a group: then the others are asked to stop, and those that have not begun never do.
enum class decided_by { failure, end, success, nothing };

/// One of several: a coroutine that has not begun, or something that its derived class knows how to begin. Can be moved until it
/// has joined a group.
class sibling : public ready_job, public completion {
 public:
  /// Begins on the calling worker. A coroutine to go on with, or null: it has computed and ended.
  using begin_function = std::coroutine_handle<> (*)(sibling*) noexcept;

  sibling(std::coroutine_handle<> task, completion::function ended) noexcept
      : ready_job(&sibling::act_as_job), completion(ended), task_(task) {}
  sibling(begin_function begin, completion::function ended) noexcept : sibling(std::coroutine_handle<>{}, ended) {
    begin_ = begin;
  }
  sibling(sibling const&) = delete;
  sibling& operator=(sibling const&) = delete;

  void join_group(sibling_group& group, sibling* next) noexcept {
    group_ = &group;
    next_ = next;
  }

 protected:
  sibling_group& group() const noexcept { return *group_; }

  template <decided_by D>
  static std::coroutine_handle<> end_in_task(completion* c, promise_base& ended) noexcept;
  template <decided_by D>
  static std::coroutine_handle<> end_in_failure(sibling& me) noexcept;

  std::coroutine_handle<> task_;

 private:
  friend class sibling_group;
  static void act_as_job(job* j, worker& self, job_order order) noexcept;

  // Set when they are needed.
  begin_function begin_;  // where there is no task_
  sibling_group* group_;
  sibling* next_;         // the one after this, which stands above it in the deque
  std::uint32_t before_;  // siblings that ended before this one without having been counted
};

//   remaining_   siblings whose end has not been counted. A run of siblings, each gone on with by the worker that ended the one
//                before, is counted once, at its end; a run of all of them is not counted at all: nobody else is there.
//
//   verdict_     nobody ──▶ a failure, replaced by later ones (decided_by::success alone) ──▶ decided, for good
//
//   E1  count's release → the last count's acquire   results, verdict_, and everything else that siblings wrote
//
// Who may take the next sibling: whoever holds the end of one looks whether the live top of its own deque *is* the next one. A task
// may end on another worker than it began on; there the next is not on top, and the two meet in remaining_. A stale
// equal pointer can only lie in a taken slot, where pop fails.
/// What siblings share: lives in the awaiter of the parent.
class sibling_group : pinned {
 public:
  explicit sibling_group(std::uint32_t count) noexcept : count_(count), remaining_(count) {}

  /// Of one that has not begun.
  void set_count(std::uint32_t count) noexcept {
    count_ = count;
    remaining_.store(count, memory_order_relaxed);
  }

  [[nodiscard]] context& ambient() noexcept { return context_; }
  [[nodiscard]] stop_state& stop() noexcept { return stop_; }

  /// await_suspend, in three steps: begin; join and push each sibling but the first, the last first; enter the first, which has joined, and
  /// go on with what is returned.
  template <weft_promise Promise>
  worker& begin(std::coroutine_handle<Promise> parent) noexcept {
    context* const outer = parent.promise().ambient();
    parent_ = parent.address();
    outer_ = outer;
    stop_.set_parent(outer->stop);
    ::new (static_cast<void*>(&context_)) context{.stop = &stop_, .home = outer->home, .locals = outer->locals};
    return *current_worker_inline();
  }
  static void push(worker& self, sibling& s) noexcept {
    if (!self.deque.push(&s)) [[unlikely]]
      self.home.submit(&s);
  }
  template <class Sibling>
  [[gnu::always_inline]] std::coroutine_handle<> enter(worker& self, Sibling& first) noexcept {
    static_cast<sibling&>(first).before_ = 0;
    if (self.deque.wanted()) [[unlikely]]
      return share_and_start(self, first);
    if constexpr (Sibling::is_coroutine) {
      // Nobody has decided yet: what was pushed is all here.
      self.current = &context_;
      return transfer(self, static_cast<sibling&>(first).task_);
    } else {
      return start(self, first);
    }
  }

  /// By a sibling that has given a value, or failed, before its end is counted.
  template <decided_by D>
  void gave_value(sibling& s) noexcept {
    if constexpr (D == decided_by::end || D == decided_by::success) decide(s);
  }
  template <decided_by D>
  void failed(sibling& s) noexcept {
    if constexpr (D == decided_by::failure) {
      decide(s);
    } else if constexpr (D == decided_by::end) {
      // Where the parent has been asked to stop, others may still give a value that was there before.
      if (!stop_.stop_requested()) decide(s);
    } else if constexpr (D == decided_by::success) {
      auto seen = verdict_.load(memory_order_relaxed);
      while ((seen & decided_bit) == 0 &&
             !verdict_.compare_exchange_weak(seen, address(s), memory_order_relaxed, memory_order_relaxed)) {
      }
    }
  }

  /// After all have ended: who has decided; null: nobody.
  [[nodiscard]] sibling* decider() const noexcept { return decided() ? noted() : nullptr; }
  [[nodiscard]] bool decided() const noexcept { return (verdict_.load(memory_order_relaxed) & decided_bit) != 0; }
  /// After all have ended, of a group that only a success decides, and none has: who failed last.
  [[nodiscard]] sibling* last_failure() const noexcept { return noted(); }

 private:
  friend class sibling;

  static constexpr std::uintptr_t decided_bit = 1;  // beside an address
  static std::uintptr_t address(sibling& s) noexcept { return reinterpret_cast<std::uintptr_t>(&s); }
  [[nodiscard]] sibling* noted() const noexcept {
    return reinterpret_cast<sibling*>(verdict_.load(memory_order_relaxed) & ~decided_bit);
  }

  // relaxed, here and in failed: the count that follows publishes it, E1. Whoever looks before that looks only whether to begin something.
  void decide(sibling& s) noexcept {
    auto seen = verdict_.load(memory_order_relaxed);
    while ((seen & decided_bit) == 0) {
      if (verdict_.compare_exchange_weak(seen, address(s) | decided_bit, memory_order_relaxed, memory_order_relaxed)) {
        stop_.request_stop();
        return;
      }
    }
  }

  // All of these return what to go on with. What seldom happens is called in a function's last place: the others then need no registers
  // that they would have to save.

  [[gnu::always_inline]] std::coroutine_handle<> start(worker& self, sibling& s) noexcept {
    auto const h = s.task_;
    if (!h || decided()) [[unlikely]]
      return compute(self, s);
    self.current = &context_;
    return transfer(self, h);
  }

  [[gnu::noinline, gnu::cold]] std::coroutine_handle<> share_and_start(worker& self, sibling& s) noexcept {
    self.home.share(self);
    return start(self, s);
  }

  // s has ended: the one after it, if nobody else has that, is gone on with here.
  [[gnu::always_inline]] std::coroutine_handle<> ended(worker& self, sibling& s) noexcept {
    sibling* const next = s.next_;
    if (!next || self.deque.top() != next) return count(self, s);
    if (!self.deque.pop_private(self.deque.mark() - 1)) [[unlikely]]
      return take_back(self, s);
    next->before_ = s.before_ + 1;
    return start(self, *next);
  }

  [[gnu::noinline]] std::coroutine_handle<> take_back(worker& self, sibling& s) noexcept {
    if (self.deque.take_back()) {
      s.next_->before_ = s.before_ + 1;
      return start(self, *s.next_);
    }
    self.deque.settle(self.floor);
    return count(self, s);
  }

  // Runs s and those after it as far as they compute.
  [[gnu::noinline]] std::coroutine_handle<> compute(worker& self, sibling& s) noexcept {
    for (sibling* i = &s;;) {
      self.current = &context_;
      // One that is left out because the group is decided has ended, too.
      if (!decided()) {
        if (auto const h = i->task_ ? i->task_ : i->begin_(i)) return transfer(self, h);
      }
      sibling* const next = i->next_;
      if (!next || self.deque.top() != next) return count(self, *i);
      if (!self.deque.pop()) {
        self.deque.settle(self.floor);
        return count(self, *i);
      }
      next->before_ = i->before_ + 1;
      i = next;
    }
  }

  // s has ended, and is the last of its run.
  [[gnu::always_inline]] std::coroutine_handle<> count(worker& self, sibling& s) noexcept {
    auto const run = s.before_ + 1;
    if (run != count_) [[unlikely]]
      return meet(self, run);
    return resume_parent(self);
  }
  [[gnu::noinline]] std::coroutine_handle<> meet(worker& self, std::uint32_t run) noexcept {
    // acquire and release: E1.
    if (remaining_.fetch_sub(run, memory_order_acq_rel) != run) return std::noop_coroutine();
    return resume_parent(self);
  }
  [[gnu::always_inline]] std::coroutine_handle<> resume_parent(worker& self) noexcept {
    self.current = outer_;
    return transfer(self, std::coroutine_handle<>::from_address(parent_));
  }

  std::uint32_t count_;
  atomic<std::uint32_t> remaining_;
  atomic<std::uintptr_t> verdict_{0};
  stop_state stop_;
  // Set when the group is entered.
  void* parent_;
  context* outer_;
  union {
    context context_;
  };
};

inline void sibling::act_as_job(job* j, worker& self, job_order order) noexcept {
  auto& me = static_cast<sibling&>(static_cast<ready_job&>(*j));
  if (order == job_order::give_back) return self.home.submit(&me);
  me.before_ = 0;
  resume(self, me.group_->start(self, me));
}

template <decided_by D>
[[gnu::noinline, gnu::cold]] std::coroutine_handle<> sibling::end_in_failure(sibling& me) noexcept {
  me.group_->failed<D>(me);
  return me.group_->ended(*current_worker_inline(), me);
}

template <decided_by D>
std::coroutine_handle<> sibling::end_in_task(completion* c, promise_base& ended) noexcept {
  auto& me = static_cast<sibling&>(*c);
  if (ended.failed()) [[unlikely]]
    return end_in_failure<D>(me);
  me.group_->gave_value<D>(me);
  return me.group_->ended(*current_worker_inline(), me);
}

/// A sibling that runs X: a callable or something to await.
template <class X, decided_by D>
class sibling_of : public sibling {
 public:
  using result = result_of<X>;
  static constexpr bool is_coroutine = false;

  explicit sibling_of(X&& x) noexcept(std::is_nothrow_move_constructible_v<X>)
      : sibling(&sibling_of::begin_this, &sibling::end_in_task<D>), work_(std::move(x)) {}
  sibling_of(sibling_of&& other) noexcept(std::is_nothrow_move_constructible_v<X>)
      : sibling(&sibling_of::begin_this, &sibling::end_in_task<D>), work_(std::move(other.work_)) {}

  /// After all have ended, of one that has begun.
  [[nodiscard]] bool has_failed() noexcept { return early_failure_ || slot().has_failure(); }
  /// After all have ended, of one that has not failed.
  result take() { return slot().take(); }
  /// After all have ended, of one that has failed.
  [[nodiscard]] std::exception_ptr take_failure() noexcept {
    return early_failure_ ? early_failure_ : slot().take_failure();
  }

 private:
  static constexpr bool waits = waiting<X>;
  struct nothing {};

  result_slot<result>& slot() noexcept {
    if constexpr (waits) return task_access::handle(*made_).promise().result;
    else return slot_;
  }

  static std::coroutine_handle<> begin_this(sibling* s) noexcept {
    auto& me = *static_cast<sibling_of*>(s);
    if constexpr (waits) {
      try {
        me.made_.emplace(me.work_.make_task());
      } catch (...) {
        me.early_failure_ = std::current_exception();
      }
      if (!me.made_) {
        me.group().template failed<D>(me);
        return {};
      }
      auto const h = task_access::handle(*me.made_);
      h.promise().complete_with(me, me.group().ambient());
      return h;
    } else {
      settle_with(me.slot_, [&me]() -> decltype(auto) { return me.work_.run_now(); });
      if (me.slot_.has_failure()) me.group().template failed<D>(me);
      else me.group().template gave_value<D>(me);
      return {};
    }
  }

  bound_work<X> work_;
  std::exception_ptr early_failure_;  // of making the task
  [[no_unique_address]] std::conditional_t<waits, std::optional<task<result>>, nothing> made_;
  [[no_unique_address]] std::conditional_t<waits, nothing, result_slot<result>> slot_;
};

/// A task needs nothing made: its coroutine is entered as it is.
template <class T, decided_by D>
class sibling_of<task<T>, D> : public sibling {
 public:
  using result = T;
  static constexpr bool is_coroutine = true;

  explicit sibling_of(task<T>&& t) noexcept : sibling(task_access::release(t), &sibling::end_in_task<D>) {
    WEFT_ASSERT(task_, "a task is awaited once: this one has been moved from or awaited already");
  }
  sibling_of(sibling_of&& other) noexcept : sibling(std::exchange(other.task_, {}), &sibling::end_in_task<D>) {}
  ~sibling_of() {
    if (task_) task_.destroy();
  }

  void join_group(sibling_group& group, sibling* next) noexcept {
    sibling::join_group(group, next);
    promise().complete_with(*this, group.ambient());
  }

  /// In place of a group with nobody else in it: the parent goes on at the end, and its context is the task's. Past here *this may be gone.
  template <weft_promise Promise>
  std::coroutine_handle<> begin_alone(std::coroutine_handle<Promise> parent) noexcept {
    promise().continue_with(parent);
    worker& self = *current_worker_inline();
    if (self.deque.wanted()) [[unlikely]]
      self.home.share(self);
    return transfer(self, task_);
  }

  [[nodiscard]] bool has_failed() noexcept { return promise().result.has_failure(); }
  T take() { return promise().result.take(); }
  [[nodiscard]] std::exception_ptr take_failure() noexcept { return promise().result.take_failure(); }

 private:
  typename task<T>::promise_type& promise() const noexcept {
    return std::coroutine_handle<typename task<T>::promise_type>::from_address(task_.address()).promise();
  }
};

}  // namespace weft::detail
