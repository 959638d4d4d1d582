// shield: something that the stop of its surroundings does not reach.
#pragma once

#include <weft/base/result.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/promise.hpp>
#include <weft/coro/root.hpp>
#include <weft/coro/task.hpp>
#include <weft/sched/resume.hpp>
#include <weft/sched/worker.hpp>

#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// Runs work inside the awaiting task, in a context without a stop. It begins at once, and its end goes on with the task.
template <class X, class... Args>
class shield_awaiter : public native_awaiter, completion {
 public:
  using result = result_of<X, Args...>;

  explicit shield_awaiter(bound_work<X, Args...>&& work)
      : completion(&shield_awaiter::at_end), work_(std::move(work)) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) {
    worker& self = *current_worker_inline();
    parent_ = parent;
    outer_ = parent.promise().ambient();
    context_ = *outer_;
    context_.stop = nullptr;
    self.current = &context_;
    if constexpr (waits) {
      try {
        made_.emplace(work_.make_task());
      } catch (...) {
        self.current = outer_;
        throw;
      }
      auto const h = task_access::handle(*made_);
      h.promise().complete_with(*this, context_);
      return transfer(self, h);  // Past here *this may be gone.
    } else {
      settle_with(slot_, [this]() -> decltype(auto) { return work_.run_now(); });
      self.current = outer_;
      return transfer(self, parent);
    }
  }

  result await_resume() {
    if constexpr (waits) return task_access::handle(*made_).promise().result.take();
    else return slot_.take();
  }

 private:
  static constexpr bool waits = waiting<X, Args...>;
  struct nothing {};

  static std::coroutine_handle<> at_end(completion* c, promise_base&) noexcept {
    auto& me = *static_cast<shield_awaiter*>(c);
    worker& self = *current_worker_inline();
    self.current = me.outer_;
    return transfer(self, me.parent_);
  }

  bound_work<X, Args...> work_;
  std::coroutine_handle<> parent_;
  context* outer_ = nullptr;
  context context_;
  [[no_unique_address]] std::conditional_t<waits, std::optional<task<result>>, nothing> made_;
  [[no_unique_address]] std::conditional_t<waits, nothing, result_slot<result>> slot_;
};

template <class X, class... Args>
class [[nodiscard]] shield_operation {
 public:
  template <class... Values>
  explicit shield_operation(std::in_place_t, Values&&... values) : work_(std::forward<Values>(values)...) {}
  auto operator co_await() { return shield_awaiter<X, Args...>(std::move(work_)); }

 private:
  bound_work<X, Args...> work_;
};

}  // namespace detail

/// co_await shield(x, args...);      x: a callable or a coroutine function with its arguments, or an awaitable
///   completes   when x has ended
///   result      x's, whatever was asked for meanwhile: the task sees the stop at its next wait
///   on error    throws what x threw
///   on stop     goes on, and so does x: its stop token never stops. A timeout inside of x does stop what it bounds
///   resumes on  the worker where x ended
/// For what is to be finished once it has begun: giving something back, a last message, a commit. A pool whose end asks all tasks
/// to stop waits for what is shielded as well.
template <class X, class... Args>
  requires runnable<X, Args...>
[[nodiscard]] auto shield(X&& x, Args&&... args) {
  return detail::shield_operation<std::decay_t<X>, std::decay_t<Args>...>(std::in_place, std::forward<X>(x),
                                                                          std::forward<Args>(args)...);
}

}  // namespace weft
