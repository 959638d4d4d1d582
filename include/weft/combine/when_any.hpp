// when_any: several things at once, of which the first to finish counts.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/sibling_pack.hpp>
#include <weft/combine/siblings.hpp>
#include <weft/coro/concepts.hpp>

#include <cstddef>
#include <exception>
#include <ranges>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace weft {

/// Who was first, and what it gave. Of a pack, Value is a std::variant with an alternative for each, of a range it is what each gives.
template <class Value>
struct any_result {
  std::size_t index;
  Value value;
};

namespace detail {

/// Where nobody has decided, because the parent was asked to stop: a failure, if there is one, else weft::stopped.
class undecided {
 public:
  template <class S>
  void look_at(S& s) noexcept {
    if (failure_ && !is_stopped(failure_)) return;
    failure_ = s.take_failure();
  }
  [[noreturn]] void rethrow() { std::rethrow_exception(std::move(failure_)); }

 private:
  std::exception_ptr failure_;
};

template <class... X>
class [[nodiscard]] when_any_operation : public sibling_pack<decided_by::end, X...> {
  using value = std::variant<storable_t<result_of<X>>...>;

 public:
  using result = any_result<value>;
  using sibling_pack<decided_by::end, X...>::sibling_pack;

  result await_resume() {
    sibling* const first = this->group().decider();
    if (!first) [[unlikely]]
      rethrow_failure();
    return this->with_one(first, [](auto& s, auto index) {
      if (s.has_failed()) std::rethrow_exception(s.take_failure());
      return result{index, value(std::in_place_index<index>, take_value(s))};
    });
  }

 private:
  [[noreturn, gnu::noinline, gnu::cold]] void rethrow_failure() {
    undecided nobody;
    this->with_all([&nobody](auto&... s) { (nobody.look_at(s), ...); });
    nobody.rethrow();
  }
};

template <class X>
class [[nodiscard]] when_any_range_operation : public sibling_range<decided_by::end, X> {
 public:
  using result = any_result<unit_if_void<result_of<X>>>;
  using sibling_range<decided_by::end, X>::sibling_range;

  result await_resume() {
    typename sibling_range<decided_by::end, X>::ends_here const last{*this};
    sibling* const first = this->group().decider();
    if (!first) [[unlikely]]
      rethrow_failure();
    auto const index = this->index_of(first);
    auto& s = (*this)[index];
    if (s.has_failed()) std::rethrow_exception(s.take_failure());
    return {index, take_value(s)};
  }

 private:
  [[noreturn, gnu::noinline, gnu::cold]] void rethrow_failure() {
    undecided nobody;
    for (std::size_t i = 0; i < this->count(); ++i) nobody.look_at((*this)[i]);
    nobody.rethrow();
  }
};

}  // namespace detail

/// co_await when_any(x...);             2 to 16 awaitables and callables, mixed freely; each is moved in
/// co_await when_any(range_of_x);       any number of one kind, but not none: throws std::invalid_argument at the call
///   completes   when one has finished, with a value or a failure, and the others, which it stops, have ended too; those that have
///               not begun by then never do
///   result      { std::size_t index; std::variant<…> value; }, of a range the value itself; void is weft::unit, a reference in a variant
///               a std::reference_wrapper
///   on error    throws the failure, if that is how the first has finished
///   on stop     goes on: the children inherit the stop. A value that one gives all the same is delivered; if there is none, throws
///               a failure or weft::stopped
///   resumes on  the worker of the last one to end
/// What the others give or throw meanwhile is dropped. Where that may not be, as with messages, use select: its losers lose nothing.
template <class... X>
  requires(sizeof...(X) >= 2) && (runnable<X> && ...)
[[nodiscard]] auto when_any(X&&... x) {
  static_assert(
      sizeof...(X) <= 16,
      "when_any takes 2 to 16 things at a time; for more, give a range: when_any(std::move(vector_of_tasks))");
  return detail::when_any_operation<std::decay_t<X>...>(std::decay_t<X>(std::forward<X>(x))...);
}

template <detail::range_of_work R>
[[nodiscard]] auto when_any(R&& range) {
  using x = std::ranges::range_value_t<R>;
  detail::when_any_range_operation<x> operation(std::forward<R>(range));
  if (operation.empty()) throw std::invalid_argument("weft::when_any of an empty range: nothing in it can be first");
  return operation;
}

}  // namespace weft
