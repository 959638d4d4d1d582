// scope: children that are all joined before their parent goes on: Trio's nursery, asyncio's TaskGroup, Go's errgroup.
#pragma once

#include <weft/base/result.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/intrusive.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/coro/root.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/sched/scheduler.hpp>
#include <weft/scope/child.hpp>
#include <weft/scope/open_count.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// How a scope is bounded.
struct scope_options {
  std::size_t limit = 0;  ///< children in flight, at most; those beyond wait for their turn, in order. 0: any number
};

namespace detail {
template <class F>
class scope_awaiter;
template <class X, class... Args>
class scope_child;
struct scope_access;
}  // namespace detail

/// Where children are started; with_scope makes one, and it lives until all of them have ended. The body, the children, and whoever
/// they wait for may spawn and stop, on any thread.
class scope : detail::frames {
 public:
  /// Starts x(args...) as a child, or queues it where the limit is reached: a callable, a coroutine function or an awaitable;
  /// arguments are moved (std::ref to borrow). The child has the scope's stop token. Its result is dropped; its failure stops the
  /// others and is thrown by with_scope. One allocation, from a per-worker cache, and one for a coroutine's frame. Throws
  /// std::bad_alloc; then there is no child.
  template <class X, class... Args>
    requires runnable<X, Args...>
  void spawn(X&& x, Args&&... args) {
    detail::warn_if_of_closure(x, "scope::spawn");
    start(make_child(std::forward<X>(x), std::forward<Args>(args)...));
  }

  /// Asks the body and all children to stop. Does not wait.
  void stop() noexcept {
    start_one();  // a child that ends meanwhile does not take the scope with it
    stop_->request_stop();
    end();
  }

  [[nodiscard]] bool stop_requested() const noexcept { return stop_->stop_requested(); }

 private:
  template <class F>
  friend class detail::scope_awaiter;
  template <class X, class... Args>
  friend class detail::scope_child;
  friend struct detail::scope_access;

  scope(std::size_t limit, detail::suspension& parent) noexcept
      : frames(&scope::end_of_frame), limit_(limit), parent_(parent) {}

  static void end_of_frame(detail::frames& f, std::exception_ptr failure) noexcept {
    static_cast<scope&>(f).end_of_child(std::move(failure));
  }

  template <class X, class... Args>
  [[nodiscard]] detail::ready_job* make_child(X&& x, Args&&... args) {
    if constexpr (detail::stands_alone<std::decay_t<X>, std::decay_t<Args>...>) {
      if (detail::ambient_locals() == around_.locals)
        return new detail::frame_to_be<std::decay_t<X>, std::decay_t<Args>...>(*this, around_, std::forward<X>(x),
                                                                               std::forward<Args>(args)...);
    }
    return new detail::scope_child<std::decay_t<X>, std::decay_t<Args>...>(*this, std::forward<X>(x),
                                                                           std::forward<Args>(args)...);
  }

  void start(detail::ready_job* child) noexcept {
    start_one();
    if (limit_ != 0) {
      detail::small_lock const guard(lock_);
      if (in_flight_ == limit_) return waiting_.push(child);
      ++in_flight_;
    }
    home_->submit(child);
  }

  void begin(detail::context const& around) {
    home_ = around.home;
    stop_.emplace(around.stop);
    around_ = {.stop = &*stop_, .home = home_, .locals = around.locals};
  }

  void start_one() noexcept {
    constexpr std::size_t many = 16;  // who wait at the same time, perhaps, each registered for a stop
    if (count_.start() != many) return;
    stripes_.reset(new (std::nothrow) detail::stop_stripes(*stop_));
    if (stripes_) stop_->spread(*stripes_);
  }

  void end_of_child(std::exception_ptr failure) noexcept {
    // Having stopped because one was asked to is not a failure.
    if (failure && !(stop_requested() && detail::is_stopped(failure))) failed(std::move(failure));
    child_ended();  // Past here *this may be gone.
  }

  void end() noexcept {
    if (count_.end()) parent_.fire();  // Past here *this may be gone.
  }
  void end_of_body() noexcept {
    if (count_.end_of_opener()) parent_.fire();  // Past here *this may be gone.
  }

  void failed(std::exception_ptr failure) noexcept {
    {
      detail::small_lock const guard(lock_);
      if (failure_) return;
      failure_ = std::move(failure);
    }
    stop();
  }

  void child_ended() noexcept {
    if (limit_ != 0) {
      detail::ready_job* next = nullptr;
      {
        detail::small_lock const guard(lock_);
        next = waiting_.pop();
        if (!next) --in_flight_;
      }
      if (next) home_->submit(next);
    }
    end();
  }

  std::size_t const limit_;
  detail::suspension& parent_;
  detail::scheduler* home_ = nullptr;
  std::optional<detail::stop_state> stop_;
  std::unique_ptr<detail::stop_stripes> stripes_;  // of stop_; made by the one who starts the first of many
  detail::context around_;  // of the children, but for those that were started under other locals
  detail::small_mutex lock_;
  std::size_t in_flight_ = 0;                                                           // guarded by lock_
  detail::intrusive_queue<detail::ready_job, &detail::ready_job::next_ready> waiting_;  // guarded by lock_
  std::exception_ptr failure_;                                                          // guarded by lock_; the first
  detail::open_count count_;                                                            // the body opens it
};

namespace detail {

template <class T>
struct own_result {
  result_slot<T> slot;
};

/// For who starts children of a scope and hears of their ends in its place.
struct scope_access {
  /// As scope::spawn, under the locals of the scope's body. `told`, which outlives the scope, hears of the end, and says child_ended then.
  template <class X, class... Args>
    requires stands_alone<X, Args...>
  static void spawn(scope& s, frames& told, X x, Args... args) {
    s.start(new frame_to_be<X, Args...>(told, s.around_, std::move(x), std::move(args)...));
  }
  static void child_ended(scope& s) noexcept { s.child_ended(); }  // Past here s may be gone.
};

/// A child on its own: ends, reports, and is gone.
template <class X, class... Args>
class scope_child : public cached_allocation, own_result<result_of<X, Args...>>, public root<X, Args...> {
  using root_type = root<X, Args...>;

 public:
  template <class... Values>
  explicit scope_child(scope& s, Values&&... values)
      : root_type(*s.home_, &*s.stop_, this->slot, &scope_child::ended, std::forward<Values>(values)...), scope_(s) {}

 private:
  static void ended(root_type* r, worker&) noexcept {
    auto* const me = static_cast<scope_child*>(r);
    scope& s = me->scope_;
    std::exception_ptr failure = me->slot.failure();
    delete me;
    s.end_of_child(std::move(failure));  // Past here s may be gone.
  }

  scope& scope_;
};

/// The body is the scope's first child; it runs inside the awaiting task's frame.
template <class F>
class scope_awaiter : public native_awaiter, public suspension {
 public:
  using result = result_of<F, std::reference_wrapper<scope>>;

  scope_awaiter(F&& body, scope_options const& o) : scope_(o.limit, *this), body_(std::move(body)) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  bool await_suspend(std::coroutine_handle<Promise> parent) {
    this->begin(parent);
    scope_.begin(*this->ambient);
    body_root_.emplace(*this);
    scope_.home_->submit_woken(&*body_root_);
    return this->arm();
  }

  result await_resume() {
    bool const asked_from_outside = this->ambient->stop && this->ambient->stop->stop_requested();
    if (scope_.failure_) std::rethrow_exception(std::move(scope_.failure_));
    if (asked_from_outside) throw stopped{};
    if constexpr (std::is_void_v<result>) {
      // A body that the scope's own stop() has ended did what it was asked to.
      if (slot_.has_failure() && scope_.stop_requested()) return;
    }
    return slot_.take();
  }

 private:
  using work = root<F, std::reference_wrapper<scope>>;

  struct body_root : work {
    explicit body_root(scope_awaiter& a)
        : work(*a.scope_.home_, &*a.scope_.stop_, a.slot_, &body_root::ended, std::move(a.body_), std::ref(a.scope_)),
          awaiter(a) {}
    static void ended(work* r, worker&) noexcept {
      auto& a = static_cast<body_root*>(r)->awaiter;
      if (a.slot_.has_failure()) {
        if (!(a.scope_.stop_requested() && is_stopped(a.slot_.failure()))) a.scope_.failed(a.slot_.failure());
      }
      a.scope_.end_of_body();  // Past here the awaiter may be gone.
    }
    scope_awaiter& awaiter;
  };

  scope scope_;
  F body_;
  result_slot<result> slot_;
  std::optional<body_root> body_root_;
};

template <class F>
class [[nodiscard]] scope_operation {
 public:
  scope_operation(F body, scope_options const& o) : body_(std::move(body)), options_(o) {}
  auto operator co_await() { return scope_awaiter<F>(std::move(body_), options_); }

 private:
  F body_;
  scope_options options_;
};

}  // namespace detail

/// auto x = co_await with_scope([&](scope& s) -> task<int> { s.spawn(f, a); …; co_return 1; }, {.limit = 32});
///   completes   when the body and all children have ended
///   result      the body's
///   on error    the first failure of the body or a child stops the others, and is thrown when all have ended
///   on stop     the body and the children inherit it; when all have ended, throws weft::stopped
///   resumes on  the pool it was awaited on
/// scope::stop() ends a void scope without an exception. The body may be any callable with a scope&; weft keeps it until all has ended,
/// so its captures may be used by the children.
template <class F>
  requires callable_with<F, std::reference_wrapper<scope>>
[[nodiscard]] auto with_scope(F&& body, scope_options options = {}) {
  return detail::scope_operation<std::decay_t<F>>(std::forward<F>(body), options);
}

}  // namespace weft
