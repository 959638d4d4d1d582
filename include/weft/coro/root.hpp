// A root: a callable or an awaitable that runs on its own, with a stop state and a context of its own, and reports its end.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/result.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/task.hpp>
#include <weft/sched/locals.hpp>
#include <weft/sched/scheduler.hpp>

#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft::detail {

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

/// Any awaitable as a task.
template <class A>
task<await_result_t<A>> lift(A a) {
  [[maybe_unused]] int const keeps_gcc_12_sane = 0;
  if constexpr (std::is_void_v<await_result_t<A>>) co_await static_cast<A&&>(a);
  else co_return co_await static_cast<A&&>(a);
}

template <class A>
task<await_result_t<A>> as_task(A&& a) {
  if constexpr (is_task<std::remove_cvref_t<A>>) return std::forward<A>(a);
  else return lift<std::remove_cvref_t<A>>(std::forward<A>(a));
}

/// By a verb that keeps x and returns before it has ended.
template <class X>
void warn_if_of_closure([[maybe_unused]] X& x, [[maybe_unused]] char const* verb) noexcept {
#if WEFT_WATCH_CLOSURES
  if constexpr (is_task<std::remove_const_t<X>>)
    if (x.valid()) warn_of_closure(task_access::handle(x).address(), verb);
#endif
}

/// A callable with its arguments, or an awaitable, kept until it has run to its end. run_now computes; make_task begins to wait.
template <class X, class... Args>
class bound_work {
 public:
  using result = result_of<X, Args...>;
  static constexpr bool waits = waiting<X, Args...>;

  template <class... Values>
  explicit bound_work(Values&&... values) : parts_(std::in_place, std::forward<Values>(values)...) {}

  decltype(auto) run_now() {
    return std::apply(
        [](X& x, Args&... args) -> decltype(auto) { return std::invoke(std::move(x), std::move(args)...); }, *parts_);
  }

  task<result> make_task() {
    if constexpr (sizeof...(Args) == 0 && awaitable<X>) return as_task(std::move(std::get<0>(*parts_)));
    else return as_task(run_now());
  }

  /// Destroys the callable and its arguments: before anybody is told of the end.
  void destroy() noexcept { parts_.reset(); }

 private:
  std::optional<std::tuple<X, Args...>> parts_;
};

//   begin ── computes ──────────────────────────────▶ finish
//   begin ── waits: resumes the task ──▶ at_end (in its final suspension) ──▶ epilogue (no frame left on the stack) ──▶ finish
//   finish destroys the callable, then calls ended_, which may destroy the root
//
/// Runs work once. Whoever owns it keeps it until ended has been called.
template <class X, class... Args>
class root : public ready_job, public completion, public epilogue, pinned {
 public:
  using result = result_of<X, Args...>;
  using ended_function = void (*)(root*, worker&) noexcept;

  template <class... Values>
  root(scheduler& home, stop_state* parent, result_slot<result>& out, ended_function ended, Values&&... values)
      : ready_job(&root::begin_from_queue),
        completion(&root::at_end_of_task),
        epilogue(&root::finish_task),
        ended_(ended),
        out_(out),
        stop_(parent),
        context_{.stop = &stop_, .home = &home, .locals = inherit_locals()},
        work_(std::forward<Values>(values)...) {}
  ~root() { let_locals_go(); }

  [[nodiscard]] stop_state& stop() noexcept { return stop_; }
  [[nodiscard]] scheduler& home() const noexcept { return *context_.home; }

  /// On the calling thread, a worker of the root's pool.
  void begin(worker& self) noexcept {
    self.current = &context_;
    if constexpr (bound_work<X, Args...>::waits) {
      try {
        task_.emplace(work_.make_task());
      } catch (...) {
        out_.set_failure(std::current_exception());
      }
      if (!task_) return finish(self);  // outside the catch block, which holds on to the exception
      auto const handle = task_access::handle(*task_);
      WEFT_ASSERT(handle, "a task is awaited once: this one has been moved from or awaited already");
      handle.promise().complete_with(*this, context_);
      resume(self, handle);  // Past here *this may be gone.
    } else {
      settle_with(out_, [this]() -> decltype(auto) { return work_.run_now(); });
      finish(self);
    }
  }

 private:
  static void begin_from_queue(job* j, worker& self, job_order) noexcept {
    static_cast<root*>(static_cast<ready_job*>(j))->begin(self);
  }

  static std::coroutine_handle<> at_end_of_task(completion* c, promise_base&) noexcept {
    current_worker()->next_epilogue = static_cast<root*>(c);
    return std::noop_coroutine();
  }

  static void finish_task(epilogue* e, worker& self) noexcept {
    root& r = *static_cast<root*>(e);
    if constexpr (bound_work<X, Args...>::waits) {
      r.out_.take_over(task_access::handle(*r.task_).promise().result);
      r.task_.reset();
    }
    r.finish(self);
  }

  void finish(worker& self) noexcept {
    work_.destroy();
    let_locals_go();
    stop_.leave_parent();
    self.current = nullptr;
    ended_(this, self);
  }

  void let_locals_go() noexcept {
    if (context_.locals) [[unlikely]]
      local_binding::release(std::exchange(context_.locals, nullptr));
  }

  struct nothing {};

  ended_function const ended_;
  result_slot<result>& out_;
  stop_state stop_;
  context context_;
  bound_work<X, Args...> work_;
  [[no_unique_address]] std::conditional_t<bound_work<X, Args...>::waits, std::optional<task<result>>, nothing> task_;
};

}  // namespace weft::detail
