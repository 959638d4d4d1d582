// race: several ways to one result, of which the first to succeed counts.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/combine/sibling_pack.hpp>
#include <weft/combine/siblings.hpp>
#include <weft/combine/when_any.hpp>
#include <weft/coro/concepts.hpp>

#include <exception>
#include <ranges>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace weft {

namespace detail {

/// What a race gives: what all give, or their common type, or a variant.
template <class... R>
struct race_result {
  using type = std::variant<storable_t<R>...>;
};
template <class R, class... Same>
  requires(std::is_same_v<R, Same> && ...)
struct race_result<R, Same...> {
  using type = R;
};
template <class R, class... Others>
  requires(!(std::is_same_v<R, Others> && ...)) && requires { typename std::common_type_t<R, Others...>; }
struct race_result<R, Others...> {
  using type = std::common_type_t<R, Others...>;
};

/// Has T been made by race_result's last resort?
template <class T, class... R>
inline constexpr bool is_variant_of = std::is_same_v<T, std::variant<storable_t<R>...>>;

template <class... X>
class [[nodiscard]] race_operation : public sibling_pack<decided_by::success, X...> {
 public:
  using result = typename race_result<result_of<X>...>::type;
  using sibling_pack<decided_by::success, X...>::sibling_pack;

  result await_resume() {
    sibling* const first = this->group().decider();
    if (!first) [[unlikely]]
      throw_last_failure();
    return this->with_one(first, [](auto& s, auto index) -> result {
      if constexpr (std::is_void_v<result> || std::is_same_v<result, typename std::remove_cvref_t<decltype(s)>::result>)
        return s.take();
      else if constexpr (is_variant_of<result, result_of<X>...>)
        return result(std::in_place_index<index>, take_value(s));
      else return static_cast<result>(s.take());
    });
  }

 private:
  [[noreturn, gnu::noinline, gnu::cold]] void throw_last_failure() {
    std::rethrow_exception(
        this->with_one(this->group().last_failure(), [](auto& s, auto) { return s.take_failure(); }));
  }
};

template <class X>
class [[nodiscard]] race_range_operation : public sibling_range<decided_by::success, X> {
 public:
  using result = result_of<X>;
  using sibling_range<decided_by::success, X>::sibling_range;

  result await_resume() {
    typename sibling_range<decided_by::success, X>::ends_here const last{*this};
    if (sibling* const first = this->group().decider()) [[likely]]
      return (*this)[this->index_of(first)].take();
    std::rethrow_exception((*this)[this->index_of(this->group().last_failure())].take_failure());
  }
};

}  // namespace detail

/// co_await race(x...);             2 to 16 awaitables and callables, mixed freely; each is moved in
/// co_await race(range_of_x);       any number of one kind, but not none: throws std::invalid_argument at the call
///   completes   when one has given a value, and the others, which it stops, have ended too; those that have not begun by then
///               never do. When none has, with the last
///   result      the value, in the common type of all results; if they have none, a std::variant with an alternative for each
///   on error    a failure decides nothing as long as another may succeed; if none does, throws the last one
///   on stop     goes on: the children inherit the stop. A value that one gives all the same is delivered
///   resumes on  the worker of the last one to end
/// What the others give or throw is dropped. Happy eyeballs, a request to several mirrors, two algorithms for one problem.
template <class... X>
  requires(sizeof...(X) >= 2) && (runnable<X> && ...)
[[nodiscard]] auto race(X&&... x) {
  static_assert(sizeof...(X) <= 16,
                "race takes 2 to 16 things at a time; for more, give a range: race(std::move(vector_of_tasks))");
  return detail::race_operation<std::decay_t<X>...>(std::decay_t<X>(std::forward<X>(x))...);
}

template <detail::range_of_work R>
[[nodiscard]] auto race(R&& range) {
  using x = std::ranges::range_value_t<R>;
  detail::race_range_operation<x> operation(std::forward<R>(range));
  if (operation.empty()) throw std::invalid_argument("weft::race of an empty range: nothing in it can succeed");
  return operation;
}

}  // namespace weft
