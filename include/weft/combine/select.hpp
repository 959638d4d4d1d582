// select: several things to wait for, of which exactly one happens.
#pragma once

#include <weft/base/function.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/operation_of.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/root.hpp>
#include <weft/coro/task.hpp>
#include <weft/sched/resume.hpp>
#include <weft/sync/waiter.hpp>

#include <array>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

template <class Op>
using taken_t = decltype(std::declval<Op&>().take());

template <class F, class T>
concept takes_result = std::invocable<F&, T>;

// ── cases ──

/// on(op, f).
template <class Op, class F>
class select_case {
 public:
  static constexpr bool waits_for_something = true;

  template <class A, class G>
  select_case(A&& a, G&& f) : op_(std::forward<A>(a)), f_(std::forward<G>(f)) {}

  bool try_complete() { return op_.try_complete(); }
  enqueued enqueue(std::optional<typename Op::node>& n, selection& s) { return op_.enqueue(n.emplace(s)); }
  left withdraw(typename Op::node& n) noexcept { return op_.withdraw(n); }

  /// If it is this one that happens.
  decltype(auto) happen() {
    if constexpr (std::is_void_v<taken_t<Op>>) {
      op_.take();
      return std::invoke(f_);
    } else if constexpr (takes_result<F, taken_t<Op>>) {
      return std::invoke(f_, op_.take());
    } else {
      static_cast<void>(op_.take());
      return std::invoke(f_);
    }
  }

  void give_back() noexcept {
    if constexpr (can_give_back<Op>) op_.give_back();
  }
  using node = typename Op::node;

 private:
  Op op_;
  F f_;
};

/// otherwise(f).
template <class F>
class otherwise_case {
 public:
  static constexpr bool waits_for_something = false;
  struct node {};

  explicit otherwise_case(F&& f) : f_(std::move(f)) {}
  explicit otherwise_case(F const& f) : f_(f) {}
  decltype(auto) happen() { return std::invoke(f_); }

 private:
  F f_;
};

template <class T>
inline constexpr bool is_case = false;
template <class Op, class F>
inline constexpr bool is_case<select_case<Op, F>> = true;
template <class F>
inline constexpr bool is_case<otherwise_case<F>> = true;

template <class Case>
using happens_t = decltype(std::declval<Case&>().happen());
template <class R>
struct settled_value {
  using type = std::remove_cvref_t<R>;
};
template <awaitable R>
struct settled_value<R> {
  using type = await_result_t<R>;
};
template <>
struct settled_value<void> {
  using type = void;
};
template <class Case>
using case_result_t = typename settled_value<happens_t<Case>>::type;

template <class... R>
struct common_result {};
template <class... R>
  requires(std::is_void_v<R> && ...)
struct common_result<R...> {
  using type = void;
};
template <class... R>
  requires(!std::is_void_v<R> && ...) && requires { typename std::common_type_t<R...>; }
struct common_result<R...> {
  using type = std::common_type_t<R...>;
};

template <class... Case>
inline constexpr bool waits_for_something = (Case::waits_for_something || ...);
/// No case that waits stands behind one that does not.
template <class... Case>
inline constexpr bool otherwise_is_last = [] {
  std::size_t i = 0, firsts = sizeof...(Case);
  ((!Case::waits_for_something&& i < firsts ? firsts = i : firsts, ++i), ...);
  return firsts + 1 >= sizeof...(Case);
}();

template <class... Case>
concept have_common_result = requires { typename common_result<case_result_t<Case>...>::type; };

// ── the waiting ──

//   await_ready     asks each case in random order
//   await_suspend   enqueues them in the same order, until one is there after all, or somebody has claimed
//   woken           by whoever has won, or a stop: withdraws the others; late ones are waited for; then the task goes on
//
// An otherwise is one more that claims, when all have been enqueued: since each was, nobody has had anything for it, so there is a
// moment, this one, at which no case can happen. It takes part in place of the stop, and the task does not wait but for late
// ones.
/// A selection with a waiter for each case. Gives the index of the one that is to happen.
template <class... Case>
class select_wait : public native_awaiter, protected selection {
  static constexpr std::size_t count = sizeof...(Case);
  // Where the otherwise stands: the last, if it is there.
  static constexpr bool has_otherwise = !(Case::waits_for_something && ...);
  static constexpr std::size_t waiting_count = has_otherwise ? count - 1 : count;

 public:
  explicit select_wait(std::tuple<Case...>&& cases)
      : selection(&select_wait::stop), cases_(std::move(cases)), resume_(this->act) {}

  [[nodiscard]] bool await_ready() {
    shuffle();
    for (auto const i : order_)
      if (visit(i, [](auto& c, auto&) { return c.try_complete(); })) return choose(i);
    // One look at one case is a moment; of looks at several, each is another.
    if constexpr (has_otherwise && waiting_count == 1) return choose(waiting_count);
    return false;
  }

  template <weft_promise Promise>
  [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> task) {
    selection::begin(task);
    this->act = &select_wait::woken;
    suspended_ = true;
    if (enqueue_all()) {
      // This thread has won: nobody fires, and nobody may resume before the late ones have come.
      static_cast<void>(selection::arm());
      return !leave_all();  // True: past here *this may be gone.
    }
    if constexpr (has_otherwise) {
      if (selection::claim()) {
        static_cast<void>(selection::arm());
        return !leave_all();
      }
    } else {
      if (!selection::claimed() && !selection::accept_stop()) stop(this);
    }
    if (selection::arm()) return true;  // Past here *this may be gone.
    return !leave_all();
  }

  [[nodiscard]] std::size_t await_resume() {
    resumed_ = true;
    if (!suspended_) return chosen_;
    selection::forget_stop();
    if (failure_) std::rethrow_exception(std::move(failure_));
    if (!selection::winner) {
      if constexpr (has_otherwise) return waiting_count;
      else throw stopped{};
    }
    std::size_t i = 0;
    while (node_at(i) != selection::winner) ++i;
    return i;
  }

  /// After a wait that no await_resume has followed.
  void give_back() noexcept {
    for (std::size_t i = 0; i < waiting_count && !resumed_; ++i)
      if (suspended_ ? selection::winner && node_at(i) == selection::winner : i == chosen_)
        visit(i, [](auto& c, auto&) { c.give_back(); });
  }

  /// Calls f(case) of the one with this index.
  template <class R, std::size_t I = 0, class F>
  R with_case(std::size_t index, F&& f) {
    if constexpr (I + 1 < count)
      if (index != I) return with_case<R, I + 1>(index, static_cast<F&&>(f));
    return static_cast<R>(f(std::get<I>(cases_)));
  }

 private:
  static void stop(stop_registration* r) noexcept {
    auto& me = *static_cast<select_wait*>(static_cast<selection*>(r));
    if (me.claim()) me.fire();  // Past here *r may be gone.
  }

  static void woken(job* j, worker& self, job_order order) noexcept {
    auto& me = *static_cast<select_wait*>(static_cast<resumption*>(static_cast<ready_job*>(j)));
    self.current = me.ambient;
    if (me.leave_all()) me.resume_(j, self, order);  // Past here *j may be gone.
  }

  // True: this thread has claimed the selection itself.
  bool enqueue_all() {
    try {
      for (auto const i : order_) {
        if (selection::claimed()) return false;
        auto const said = visit(i, [this](auto& c, auto& n) { return c.enqueue(n, *this); });
        if (said == enqueued::completed) return true;
        if (said == enqueued::lost) return false;
        enqueued_ |= 1u << i;
      }
      return false;
    } catch (...) {
      // A case that won meanwhile has happened; the failure of another is then nobody's any more.
      if (!selection::claim()) return false;
      failure_ = std::current_exception();
      return true;
    }
  }

  // Withdraws what has lost. True: the task can go on. False: it goes on when the last of the late ones has come.
  bool leave_all() noexcept {
    this->act = resume_;
    int late = 0;
    for (std::size_t i = 0; i < waiting_count; ++i) {
      if ((enqueued_ >> i & 1u) == 0 || node_at(i) == selection::winner) continue;
      visit(i, [&late](auto& c, auto& n) {
        late += c.withdraw(*n) == left::later;
        return false;
      });
    }
    return late == 0 || selection::expect_late(late);
  }

  bool choose(std::size_t i) noexcept {
    chosen_ = static_cast<std::uint32_t>(i);
    return true;
  }

  // f(case, node) of a case that waits.
  template <std::size_t I = 0, class F>
  auto visit(std::size_t index, F&& f) {
    if constexpr (I + 1 < waiting_count)
      if (index != I) return visit<I + 1>(index, static_cast<F&&>(f));
    return f(std::get<I>(cases_), std::get<I>(nodes_));
  }

  template <std::size_t I = 0>
  waiter* node_at(std::size_t index) noexcept {
    if constexpr (I + 1 < waiting_count)
      if (index != I) return node_at<I + 1>(index);
    return std::get<I>(nodes_) ? &*std::get<I>(nodes_) : nullptr;
  }

  // Fisher and Yates: no case is favoured over another that is ready as often.
  void shuffle() noexcept {
    for (std::size_t i = 0; i < waiting_count; ++i) order_[i] = static_cast<std::uint8_t>(i);
    worker* const self = current_worker();
    for (auto i = static_cast<std::uint32_t>(waiting_count); i > 1; --i)
      std::swap(order_[i - 1], order_[self->random.below(i)]);
  }

  std::tuple<Case...> cases_;
  std::tuple<std::optional<typename Case::node>...> nodes_;
  std::array<std::uint8_t, waiting_count> order_;
  bool suspended_ = false, resumed_ = false;
  std::uint32_t enqueued_ = 0;    // bit i: the node of case i stands in its queue, or has won
  std::uint32_t chosen_ = count;  // where nobody had to wait
  job::function resume_;
  std::exception_ptr failure_;
};

/// Where every handler computes.
template <class R, class... Case>
class select_awaiter : public select_wait<Case...> {
 public:
  using select_wait<Case...>::select_wait;
  ~select_awaiter() {
    if constexpr (result_may_be_left<R>) this->give_back();
  }
  R await_resume() {
    auto const i = select_wait<Case...>::await_resume();
    return this->template with_case<R>(i, [](auto& c) -> R { return static_cast<R>(c.happen()); });
  }
};

/// Where a handler returns something to await.
template <class R, class Case>
task<R> happen_and_wait(Case& c) {
  [[maybe_unused]] int const keeps_gcc_12_sane = 0;
  if constexpr (!awaitable<happens_t<Case>>) co_return static_cast<R>(c.happen());
  else if constexpr (std::is_void_v<R>) co_await c.happen();
  else co_return co_await c.happen();
}
template <class R, class... Case>
task<R> select_and_wait(std::tuple<Case...> cases) {
  select_wait<Case...> wait(std::move(cases));
  auto const i = co_await wait;
  auto rest = wait.template with_case<task<R>>(i, [](auto& c) { return happen_and_wait<R>(c); });
  if constexpr (std::is_void_v<R>) co_await std::move(rest);
  else co_return co_await std::move(rest);
}

template <class... Case>
class [[nodiscard]] select_operation {
  using result = typename common_result<case_result_t<Case>...>::type;

 public:
  explicit select_operation(Case&&... cases) : cases_(std::move(cases)...) {}
  auto operator co_await() {
    if constexpr ((awaitable<happens_t<Case>> || ...))
      return select_and_wait<result>(std::move(cases_)).operator co_await();
    else return select_awaiter<result, Case...>(std::move(cases_));
  }

 private:
  std::tuple<Case...> cases_;
};

}  // namespace detail

/// One case of a select: what is waited for, and what is called with its result if it is this one that happens (or called without).
/// op: lock(), acquire(), wait() of sync/, sleep_for, sleep_until, tick(), a future. An lvalue is borrowed: a future that has lost is as it
/// was, and can be awaited or selected on again.
template <class A, class F>
[[nodiscard]] auto on(A&& op, F&& f) {
  static_assert(
      detail::can_be_selected<A>,
      "on takes an operation that can be given up without loss: a lock, acquire or wait of weft/sync, a sleep, a "
      "future; start a task with spawn to select on its future");
  return detail::select_case<typename detail::operation_of<A>::type, std::decay_t<F>>(std::forward<A>(op),
                                                                                      std::forward<F>(f));
}

/// The last case of a select that does not wait: called if none of the others is there.
template <class F>
  requires std::invocable<F&>
[[nodiscard]] auto otherwise(F&& f) {
  return detail::otherwise_case<std::decay_t<F>>(std::forward<F>(f));
}

/// auto x = co_await select(on(m.lock(), f), on(sleep_for(1s), g), otherwise(h));    up to 16 cases
///   completes   when one of them can happen: it happens, and the others take nothing and leave no trace. Of several that can, a
///               random one. With an otherwise, at once
///   result      what the function of that case returns; if it returns something to await, what that yields. All return a common
///               type, or all nothing
///   on error    throws what that function throws, or the operation that happened (a future's failure). std::logic_error: a future
///               that another task waits for. Several cases may borrow the same future: one of them happens
///   on stop     leaves all queues, and completes as stopped; what happened before the stop counts
///   resumes on  the pool it was awaited on
/// With g++ 12, functions that capture by value are named before the co_await: it destroys such temporaries twice.
/// One block from the per-worker cache where a function returns something to await, else no allocation.
template <class... Case>
[[nodiscard]] auto select(Case... cases) {
  constexpr bool are_cases = (detail::is_case<Case> && ...);
  static_assert(are_cases, "select takes cases: on(op, f), and otherwise(f) as the last one");
  if constexpr (are_cases) {
    static_assert(detail::otherwise_is_last<Case...>, "select takes otherwise(f) once, as its last case");
    static_assert(sizeof...(Case) <= 16, "select takes at most 16 cases");
    static_assert(detail::waits_for_something<Case...>, "select takes at least one on(op, f)");
    static_assert(detail::have_common_result<Case...>,
                  "the functions of a select return types with a common type, or all of them nothing");
  }
  return detail::select_operation<Case...>(std::move(cases)...);
}

}  // namespace weft
