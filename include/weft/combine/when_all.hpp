// when_all: wait for several things at once, and go on when all have ended.
#pragma once

#include <weft/base/results.hpp>
#include <weft/base/utility.hpp>
#include <weft/combine/sibling_pack.hpp>
#include <weft/combine/siblings.hpp>
#include <weft/coro/concepts.hpp>

#include <cstddef>
#include <exception>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

/// What a sibling gave, in a group where nobody has failed.
template <class S>
[[gnu::always_inline]] inline decltype(auto) take_success(S& s) {
  if (s.has_failed()) __builtin_unreachable();
  return take_value(s);
}

template <class... X>
class [[nodiscard]] when_all_operation : public sibling_pack<decided_by::failure, X...> {
 public:
  using result = results<unit_if_void<result_of<X>>...>;
  using sibling_pack<decided_by::failure, X...>::sibling_pack;

  result await_resume() {
    if (this->group().decided()) [[unlikely]]
      throw_failure_of(this->group().decider());
    // g++ would else hand the results over in memory, by two stores and one load of both, which waits for them.
    return this->with_all([](auto&... s) __attribute__((always_inline)) { return result{take_success(s)...}; });
  }

 private:
  [[noreturn, gnu::noinline, gnu::cold]] void throw_failure_of(sibling* first) {
    std::rethrow_exception(this->with_one(first, [](auto& s, auto) { return s.take_failure(); }));
  }
};

template <class X>
class when_all_range_awaiter : public sibling_range<decided_by::failure, X> {
 public:
  using result = std::vector<storable_t<result_of<X>>>;
  using sibling_range<decided_by::failure, X>::sibling_range;

  result await_resume() {
    if (this->group().decided()) [[unlikely]]
      std::rethrow_exception((*this)[this->index_of(this->group().decider())].take_failure());
    result all;
    all.reserve(this->count());
    for (std::size_t i = 0; i < this->count(); ++i) all.push_back(take_success((*this)[i]));
    return all;
  }
};

}  // namespace detail

/// co_await when_all(x...);             2 to 16 awaitables and callables, mixed freely; each is moved in
/// co_await when_all(range_of_x);       any number of one kind
///   completes   when all have ended; the first begins here at once, the others here or on idle workers
///   result      results<…>, an aggregate: `auto [a, b] = co_await when_all(x, y);`, or a std::vector, in order; void is weft::unit,
///               and a reference stays one, in a vector as a std::reference_wrapper
///   on error    the first failure stops the others, and is thrown when all have ended; those that have not begun never do.
///               Where every failure matters: when_all_settled
///   on stop     goes on: the children inherit the stop, and their weft::stopped is the failure
///   resumes on  the worker of the last one to end
/// They may run at the same time, and may run one after the other: they wait for each other by co_await alone.
/// Cost: when nobody steals, no atomic read-modify-write and no allocation but the children's own frames; of a range, one block for all and
/// the vector. A range that knows its size is read once, as it is: of a view that makes the tasks there is no vector before.
template <class... X>
  requires(sizeof...(X) >= 2) && (runnable<X> && ...)
[[nodiscard]] auto when_all(X... x) {
  static_assert(
      sizeof...(X) <= 16,
      "when_all takes 2 to 16 things at a time; for more, give a range: when_all(std::move(vector_of_tasks))");
  return detail::when_all_operation<X...>(std::move(x)...);
}

template <detail::range_of_work R>
[[nodiscard]] auto when_all(R&& range) {
  using x = std::ranges::range_value_t<R>;
  return detail::sibling_range_operation<detail::when_all_range_awaiter<x>>(std::forward<R>(range));
}

}  // namespace weft
