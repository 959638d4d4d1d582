// local<T>: a value that belongs to a task and all that descends from it, without being handed down by hand.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/frame_allocator.hpp>
#include <weft/coro/promise.hpp>
#include <weft/coro/root.hpp>
#include <weft/coro/task.hpp>
#include <weft/sched/locals.hpp>

#include <concepts>
#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft {

/// A task-local value: what with() has bound it to around the running code, else the fallback it was made with. A namespace-scope
/// constant, mostly: `weft::local<int> const request_id{0};`. Inherited, as a reference to the same constant value, by everything that the
/// bound code awaits, forks, loops over, runs and spawns, into a scope as well, and by blocking(); kept alive until the last of
/// these has ended. Code that never binds one pays nothing for it. Any thread. Cost of a look: a step for each binding around it.
/// Must outlive its bindings.
template <class T>
class local : detail::pinned {
  static_assert(std::is_object_v<T>, "local<T> holds an object; for a reference, hold a pointer");

 public:
  constexpr local()
    requires std::default_initializable<T>
      : fallback_() {}
  template <class U>
    requires std::constructible_from<T, U>
  constexpr explicit local(U&& fallback) : fallback_(std::forward<U>(fallback)) {}

  /// Valid as long as the code that it is bound around, or a task that inherited it.
  [[nodiscard]] T const& get() const noexcept;
  [[nodiscard]] T const& operator*() const noexcept { return get(); }
  [[nodiscard]] T const* operator->() const noexcept { return std::addressof(get()); }

  /// Whether with() has bound it around the running code.
  [[nodiscard]] bool bound() const noexcept {
    return detail::local_binding::find(detail::ambient_locals(), this) != nullptr;
  }

 private:
  T fallback_;
};

namespace detail {

template <class T>
class local_value final : public cached_allocation, public local_binding {
 public:
  template <class U>
  local_value(void const* key, U&& v)
      : local_binding(key, [](local_binding* b) noexcept { delete static_cast<local_value*>(b); }),
        value(std::forward<U>(v)) {}

  T const value;
};

/// Owns one reference.
class binding_pointer {
 public:
  explicit binding_pointer(local_binding* owned) noexcept : binding_(owned) {}
  binding_pointer(binding_pointer&& other) noexcept : binding_(std::exchange(other.binding_, nullptr)) {}
  binding_pointer& operator=(binding_pointer&&) = delete;
  ~binding_pointer() { local_binding::release(binding_); }
  [[nodiscard]] local_binding* get() const noexcept { return binding_; }

 private:
  local_binding* binding_;
};

template <class T, class V>
binding_pointer bind_local(void const* key, V&& v) {
  return binding_pointer(new local_value<T>(key, std::forward<V>(v)));
}

/// Calls x with the binding innermost.
template <class X, class... Args>
decltype(auto) call_with(binding_pointer const& binding, X&& x, Args&&... args) {
  binding.get()->link(ambient_locals());
  locals_scope const inside(binding.get());
  return std::invoke(std::forward<X>(x), std::forward<Args>(args)...);
}

/// Awaits work with the binding innermost: a context of its own, that differs in nothing else.
template <class X, class... Args>
class with_awaiter : public native_awaiter, completion, pinned {
 public:
  using result = result_of<X, Args...>;

  with_awaiter(binding_pointer&& binding, bound_work<X, Args...>&& work)
      : completion(&with_awaiter::at_end), binding_(std::move(binding)), work_(std::move(work)) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) {
    parent_ = parent;
    outer_ = parent.promise().ambient();
    binding_.get()->link(outer_->locals);
    here_ = *outer_;
    here_.locals = binding_.get();
    worker& self = *current_worker_inline();
    self.current = &here_;
    try {
      task_.emplace(work_.make_task());
    } catch (...) {
      current_worker()->current = outer_;
      throw;
    }
    auto const handle = task_access::handle(*task_);
    handle.promise().complete_with(*this, here_);
    return transfer(handle);
  }

  result await_resume() { return task_access::handle(*task_).promise().result.take(); }

 private:
  static std::coroutine_handle<> at_end(completion* c, promise_base&) noexcept {
    auto const& me = *static_cast<with_awaiter*>(c);
    worker& self = *current_worker_inline();
    self.current = me.outer_;
    return transfer(self, me.parent_);
  }

  binding_pointer binding_;
  bound_work<X, Args...> work_;
  std::coroutine_handle<> parent_;
  context* outer_ = nullptr;
  context here_;
  std::optional<task<result>> task_;
};

template <class X, class... Args>
class [[nodiscard]] with_operation {
 public:
  template <class... Values>
  explicit with_operation(binding_pointer&& binding, Values&&... values)
      : binding_(std::move(binding)), work_(std::forward<Values>(values)...) {}
  auto operator co_await() { return with_awaiter<X, Args...>(std::move(binding_), std::move(work_)); }

 private:
  binding_pointer binding_;
  bound_work<X, Args...> work_;
};

/// A computing call under a name, to be handed to a verb. Called once.
template <class X, class... Args>
class named_call {
 public:
  template <class... Values>
  explicit named_call(binding_pointer&& binding, Values&&... values)
      : binding_(std::move(binding)), work_(std::forward<Values>(values)...) {}
  decltype(auto) operator()() {
    return call_with(binding_, [this]() -> decltype(auto) { return work_.run_now(); });
  }

 private:
  binding_pointer binding_;
  bound_work<X, Args...> work_;
};

/// Its address is the key of names.
WEFT_SHARED inline char constinit names_key = 0;

}  // namespace detail

template <class T>
T const& local<T>::get() const noexcept {
  auto const* const b = detail::local_binding::find(detail::ambient_locals(), this);
  return b ? static_cast<detail::local_value<T> const*>(b)->value : fallback_;
}

/// with(l, v, x, args...): runs x with l bound to v. Bindings nest; the innermost counts. One block from the per-worker cache.
/// Computing: a plain call, on any thread, which returns what x returns.
template <class T, class V, class X, class... Args>
  requires std::constructible_from<T, V> && computing<X, Args...>
decltype(auto) with(local<T> const& l, V&& v, X&& x, Args&&... args) {
  auto const binding = detail::bind_local<T>(&l, std::forward<V>(v));
  return detail::call_with(binding, std::forward<X>(x), std::forward<Args>(args)...);
}

/// co_await with(l, v, x, args...): the same for x that waits: something to await, or a callable that returns it. Arguments are moved.
///   completes   when x has ended
///   result      that of x
///   on error    throws what x threw
///   on stop     goes on: x has the stop token of the awaiting task
///   resumes on  the worker where x ended, which belongs to the pool it was awaited on
template <class T, class V, class X, class... Args>
  requires std::constructible_from<T, V> && waiting<X, Args...>
[[nodiscard]] auto with(local<T> const& l, V&& v, X&& x, Args&&... args) {
  return detail::with_operation<std::decay_t<X>, std::decay_t<Args>...>(
      detail::bind_local<T>(&l, std::forward<V>(v)), std::forward<X>(x), std::forward<Args>(args)...);
}

/// x(args...) under a name, for any verb: `spawn(named("crawler", crawl, hosts))`, `co_await named("parse", parse(page))`. A callable where x
/// computes, else something to await. The name is inherited as a local is.
template <class X, class... Args>
  requires runnable<X, Args...>
[[nodiscard]] auto named(std::string_view name, X&& x, Args&&... args) {
  using work = std::conditional_t<waiting<X, Args...>, detail::with_operation<std::decay_t<X>, std::decay_t<Args>...>,
                                  detail::named_call<std::decay_t<X>, std::decay_t<Args>...>>;
  return work(detail::bind_local<std::string>(&detail::names_key, name), std::forward<X>(x),
              std::forward<Args>(args)...);
}

namespace this_task {

/// The innermost name that named() has given around the running code; empty where there is none. Valid as long as that code runs.
[[nodiscard]] inline std::string_view name() noexcept {
  auto const* const b = detail::local_binding::find(detail::ambient_locals(), &detail::names_key);
  return b ? std::string_view(static_cast<detail::local_value<std::string> const*>(b)->value) : std::string_view();
}

}  // namespace this_task
}  // namespace weft
