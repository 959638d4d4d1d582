// Siblings: several children of one awaiting task. The first is entered at once, the others stand in the worker's deque, where idle
// workers find them; a child that nobody took is gone on with by the worker that ended the one before it.
#pragma once

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

/// One of several. Its derived class knows what to run.
class sibling : public ready_job, public completion, pinned {
 public:
  /// Begins on the calling worker. A coroutine to go on with, or null: it has computed and ended.
  using begin_function = std::coroutine_handle<> (*)(sibling*) noexcept;

  sibling(begin_function begin, completion::function when_ended) noexcept
      : ready_job(&sibling::act_as_job), completion(when_ended), begin_(begin) {}

  void join_group(sibling_group& group, sibling* next) noexcept {
    group_ = &group;
    next_ = next;
  }

 protected:
  sibling_group& group() const noexcept { return *group_; }
  /// In the final suspension of its task: what to go on with.
  std::coroutine_handle<> ended() noexcept;

 private:
  friend class sibling_group;
  static void act_as_job(job* j, worker& self, job_order order) noexcept;

  begin_function begin_;
  sibling_group* group_ = nullptr;
  sibling* next_ = nullptr;   // the one after this, which stands above it in the deque
  std::uint32_t before_ = 0;  // siblings that ended before this one without having been counted
};

//   remaining_   siblings whose end has not been counted. A run of siblings, each gone on with by the worker that ended the one
//                before, is counted once, at its end; a run of all of them is not counted at all: nobody else is there.
//
//   E1  count's release → the last count's acquire   results, and everything else that siblings wrote
//
// Who may take the next sibling: whoever holds the end of one looks whether the live top of its own deque *is* the next one. A task
// may end on another worker than it began on; there the next is not on top, and the two meet in remaining_. A stale
// equal pointer can only lie in a taken slot, where pop fails.
/// What siblings share: lives in the awaiter of the parent.
class sibling_group : pinned {
 public:
  /// What the first failure does to the others.
  enum class on_failure { stop_others, nothing };

  sibling_group(std::uint32_t count, on_failure policy) noexcept : count_(count), policy_(policy), remaining_(count) {}

  [[nodiscard]] context& ambient() noexcept { return *context_; }
  [[nodiscard]] stop_state& stop() noexcept { return *stop_; }

  /// await_suspend: siblings first … last are linked; returns what to go on with.
  template <weft_promise Promise>
  std::coroutine_handle<> enter(std::coroutine_handle<Promise> parent, sibling& first) noexcept {
    worker& self = *current_worker_inline();
    parent_ = parent;
    outer_ = parent.promise().ambient();
    stop_.emplace(outer_->stop);
    context_.emplace(context{.stop = &*stop_, .home = outer_->home});
    if (sibling* const second = first.next_) {
      if (second->next_) push_reversed(self, *second);
      else push(self, *second);
    }
    if (self.deque.wanted()) [[unlikely]]
      self.home.share(self);
    return transfer(go_on(self, first));
  }

  /// By a sibling that has failed, before its end is counted.
  void failed(sibling& s) noexcept {
    sibling* none = nullptr;
    // release → await_resume's acquire through remaining_.
    if (first_failure_.compare_exchange_strong(none, &s, memory_order_release, memory_order_relaxed) &&
        policy_ == on_failure::stop_others)
      stop_->request_stop();
  }

  /// After all have ended; null: none failed.
  [[nodiscard]] sibling* first_failure() const noexcept { return first_failure_.load(memory_order_relaxed); }

  /// Are those that have not begun to be left out?
  [[nodiscard]] bool giving_up() const noexcept {
    return policy_ == on_failure::stop_others && first_failure_.load(memory_order_relaxed) != nullptr;
  }

 private:
  friend class sibling;

  // The last first, so that the next one is on top. A long range is a loop, not a recursion: the list is reversed in place meanwhile.
  [[gnu::noinline]] static void push_reversed(worker& self, sibling& s) noexcept {
    sibling* reversed = nullptr;
    for (sibling* i = &s; i;) {
      sibling* const following = i->next_;
      i->next_ = reversed;
      reversed = i;
      i = following;
    }
    sibling* following = nullptr;
    for (sibling* i = reversed; i;) {
      sibling* const upper = i->next_;
      i->next_ = following;
      following = i;
      push(self, *i);  // Past here *i may be running.
      i = upper;
    }
  }

  static void push(worker& self, sibling& s) noexcept {
    if (!self.deque.push(&s)) [[unlikely]]
      self.home.submit(&s);
  }

  // Runs s and those after it as far as they compute; returns what to go on with.
  std::coroutine_handle<> go_on(worker& self, sibling& s) noexcept {
    self.current = &*context_;
    auto const h = s.begin_(&s);
    return h ? h : ended(self, s);
  }

  std::coroutine_handle<> ended(worker& self, sibling& s) noexcept {
    for (sibling* i = &s;;) {
      auto const uncounted = i->before_ + 1;
      sibling* const next = i->next_;
      if (!next || self.deque.top() != next || !pop(self)) return count(self, uncounted);
      next->before_ = uncounted;
      self.current = &*context_;
      if (auto const h = next->begin_(next)) return h;
      i = next;
    }
  }

  static bool pop(worker& self) noexcept {
    if (self.deque.pop()) return true;
    self.deque.settle(self.floor);
    return false;
  }

  std::coroutine_handle<> count(worker& self, std::uint32_t n) noexcept {
    // acquire and release: E1.
    if (n != count_ && remaining_.fetch_sub(n, memory_order_acq_rel) != n) return std::noop_coroutine();
    self.current = outer_;
    return parent_;
  }

  std::uint32_t const count_;
  on_failure const policy_;
  atomic<std::uint32_t> remaining_;
  atomic<sibling*> first_failure_{nullptr};
  std::coroutine_handle<> parent_;
  context* outer_ = nullptr;
  std::optional<stop_state> stop_;
  std::optional<context> context_;
};

inline void sibling::act_as_job(job* j, worker& self, job_order order) noexcept {
  auto& me = *static_cast<sibling*>(j);
  if (order == job_order::give_back) return self.home.submit(&me);
  resume(self, me.group_->go_on(self, me));
}

inline std::coroutine_handle<> sibling::ended() noexcept {
  return transfer(group_->ended(*current_worker_inline(), *this));
}

/// A sibling that runs X: a callable or something to await.
template <class X>
class sibling_of : public sibling {
 public:
  using result = result_of<X>;

  explicit sibling_of(X&& x) noexcept(std::is_nothrow_move_constructible_v<X>)
      : sibling(&sibling_of::begin_this, &sibling_of::end_this), work_(std::move(x)) {}

  /// After all have ended.
  result take() { return slot().take(); }
  [[nodiscard]] std::exception_ptr take_failure() noexcept {
    return early_failure_ ? early_failure_ : slot().take_failure();
  }
  result_slot<result>& slot() noexcept {
    if constexpr (waits) return task_access::handle(*task_).promise().result;
    else return slot_;
  }
  [[nodiscard]] bool ended_early() const noexcept { return early_failure_ != nullptr; }

 private:
  static constexpr bool waits = waiting<X>;
  struct nothing {};

  static std::coroutine_handle<> begin_this(sibling* s) noexcept {
    auto& me = *static_cast<sibling_of*>(s);
    if (me.group().giving_up()) {
      me.early_failure_ = std::make_exception_ptr(stopped{});
      return {};
    }
    if constexpr (waits) {
      try {
        me.task_.emplace(me.work_.make_task());
      } catch (...) {
        me.early_failure_ = std::current_exception();
      }
      if (!me.task_) {
        me.group().failed(me);
        return {};
      }
      auto const h = task_access::handle(*me.task_);
      h.promise().complete_with(me, me.group().ambient());
      return h;
    } else {
      settle_with(me.slot_, [&me]() -> decltype(auto) { return me.work_.run_now(); });
      if (me.slot_.has_failure()) me.group().failed(me);
      return {};
    }
  }

  static std::coroutine_handle<> end_this(completion* c) noexcept {
    auto& me = *static_cast<sibling_of*>(c);
    if (me.slot().has_failure()) me.group().failed(me);
    return me.ended();
  }

  bound_work<X> work_;
  std::exception_ptr early_failure_;
  [[no_unique_address]] std::conditional_t<waits, std::optional<task<result>>, nothing> task_;
  [[no_unique_address]] std::conditional_t<waits, nothing, result_slot<result>> slot_;
};

}  // namespace weft::detail
