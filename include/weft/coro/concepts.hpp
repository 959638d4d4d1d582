// What can be awaited, what can be called, and what either gives: the vocabulary of every verb.
#pragma once

#include <weft/base/utility.hpp>

#include <concepts>
#include <coroutine>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

template <class T>
concept suspend_result =
    std::same_as<T, void> || std::same_as<T, bool> || std::convertible_to<T, std::coroutine_handle<>>;

struct any_promise;  // stands for the promise of whoever awaits; only named

template <class A>
concept has_member_co_await = requires(A&& a) { static_cast<A&&>(a).operator co_await(); };
template <class A>
concept has_free_co_await = requires(A&& a) { operator co_await(static_cast<A&&>(a)); };

template <class A>
consteval bool awaiter_never_throws() {
  if constexpr (has_member_co_await<A>) return noexcept(std::declval<A>().operator co_await());
  else if constexpr (has_free_co_await<A>) return noexcept(operator co_await(std::declval<A>()));
  else return true;
}

template <class A>
decltype(auto) get_awaiter(A&& a) {
  if constexpr (has_member_co_await<A>) return static_cast<A&&>(a).operator co_await();
  else if constexpr (has_free_co_await<A>) return operator co_await(static_cast<A&&>(a));
  else return static_cast<A&&>(a);
}

/// await_suspend cannot be asked for here: it may take the handle of a particular promise. await_ready and await_resume tell
/// an awaiter from anything else.
template <class A>
concept awaiter = requires(A& a) {
  { a.await_ready() } -> std::convertible_to<bool>;
  a.await_resume();
};

}  // namespace detail

/// Something that `co_await` takes. Whoever awaits calls await_ready, then await_suspend at most once, then await_resume once,
/// on whatever thread the awaiting task runs by then; nothing touches the awaitable in between but its own completion.
template <class A>
concept awaitable = requires(A&& a) { detail::get_awaiter(static_cast<A&&>(a)); } &&
                    detail::awaiter<std::remove_reference_t<decltype(detail::get_awaiter(std::declval<A>()))>>;

/// What `co_await` of an A yields.
template <awaitable A>
using await_result_t =
    decltype(std::declval<std::remove_reference_t<decltype(detail::get_awaiter(std::declval<A>()))>&>().await_resume());

/// A callable whose decayed copy takes these arguments, moved: f(args...). It computes, or gives something to await.
template <class F, class... Args>
concept callable_with = std::invocable<std::decay_t<F>, std::decay_t<Args>...>;

/// What every verb takes: an awaitable alone, or a callable with its arguments.
template <class X, class... Args>
concept runnable = (sizeof...(Args) == 0 && awaitable<std::decay_t<X>>) || callable_with<X, Args...>;

namespace detail {

template <class R>
struct settled {
  using type = R;
};
template <awaitable R>
struct settled<R> {
  using type = await_result_t<R>;
};

template <class X, class... Args>
struct result_of_impl {
  using type = typename settled<std::invoke_result_t<std::decay_t<X>, std::decay_t<Args>...>>::type;
};
template <class X>
  requires awaitable<std::decay_t<X>>
struct result_of_impl<X> {
  using type = await_result_t<std::decay_t<X>>;
};

/// Does running x take a coroutine: is x awaitable, or does it return something to await?
template <class X, class... Args>
struct waits_impl : std::bool_constant<awaitable<std::invoke_result_t<std::decay_t<X>, std::decay_t<Args>...>>> {};
template <class X>
  requires awaitable<std::decay_t<X>>
struct waits_impl<X> : std::true_type {};

}  // namespace detail

/// What X yields in the end: int for a function that returns int, and for one that returns task<int>.
template <class X, class... Args>
  requires runnable<X, Args...>
using result_of = typename detail::result_of_impl<X, Args...>::type;

/// A callable whose result has to be awaited, or an awaitable.
template <class X, class... Args>
concept waiting = runnable<X, Args...> && detail::waits_impl<X, Args...>::value;

/// A callable whose result is there when it returns.
template <class X, class... Args>
concept computing = runnable<X, Args...> && !detail::waits_impl<X, Args...>::value;

namespace detail {

template <class F, class... Args>
concept body_for = std::invocable<F&, Args...>;
template <class F, class... Args>
concept waiting_body = body_for<F, Args...> && awaitable<std::invoke_result_t<F&, Args...>>;
template <class F, class... Args>
concept computing_body = body_for<F, Args...> && !waiting_body<F, Args...>;

}  // namespace detail
}  // namespace weft
