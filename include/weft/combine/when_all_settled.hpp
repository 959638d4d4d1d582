// when_all_settled: wait for several things at once, and learn how each of them ended.
#pragma once

#include <weft/base/results.hpp>
#include <weft/base/utility.hpp>
#include <weft/combine/outcome.hpp>
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

template <class X>
using outcome_of = outcome<unit_if_void<result_of<X>>>;

/// make(std::in_place, value) or make(failure): the outcome of a sibling. A value whose move constructor throws becomes that failure.
template <class S, class Make>
decltype(auto) settle_sibling(S& s, Make make) noexcept {
  if (s.has_failed()) return make(s.take_failure());
  try {
    return make(std::in_place, take_value(s));
  } catch (...) {
    return make(std::current_exception());
  }
}

template <class S>
auto outcome_of_sibling(S& s) noexcept {
  using ended = outcome<unit_if_void<typename S::result>>;
  return settle_sibling(s, [](auto&&... how) { return ended(std::forward<decltype(how)>(how)...); });
}

template <class... X>
class [[nodiscard]] when_all_settled_operation : public sibling_pack<decided_by::nothing, X...> {
 public:
  using result = results<outcome_of<X>...>;
  using sibling_pack<decided_by::nothing, X...>::sibling_pack;

  [[nodiscard]] result await_resume() noexcept {
    return this->with_all([](auto&... s) { return result{outcome_of_sibling(s)...}; });
  }
};

template <class X>
class [[nodiscard]] when_all_settled_range_operation : public sibling_range<decided_by::nothing, X> {
 public:
  using result = std::vector<outcome_of<X>>;

  template <range_of_work R>
  explicit when_all_settled_range_operation(R&& range)
      : sibling_range<decided_by::nothing, X>(static_cast<R&&>(range)) {
    all_.reserve(this->count());
  }

  [[nodiscard]] result await_resume() noexcept {
    typename sibling_range<decided_by::nothing, X>::ends_here const last{*this};
    for (std::size_t i = 0; i < this->count(); ++i)
      settle_sibling((*this)[i], [this](auto&&... how) { all_.emplace_back(std::forward<decltype(how)>(how)...); });
    return std::move(all_);
  }

 private:
  result all_;  // its memory is there before anything begins
};

}  // namespace detail

/// co_await when_all_settled(x...);             2 to 16 awaitables and callables, mixed freely; each is moved in
/// co_await when_all_settled(range_of_x);       any number of one kind
///   completes   when all have ended; nothing that happens to one of them stops another
///   result      results<outcome…>, an aggregate, or a std::vector of outcomes, in order: value, exception or stopped; void is
///               weft::unit
///   on error    never fails: what is thrown is in the outcomes. Of a range, std::bad_alloc before anything has begun
///   on stop     goes on: the children inherit the stop, and those that end by it are `stopped`
///   resumes on  the worker of the last one to end
template <class... X>
  requires(sizeof...(X) >= 2) && (runnable<X> && ...)
[[nodiscard]] auto when_all_settled(X&&... x) {
  static_assert(sizeof...(X) <= 16,
                "when_all_settled takes 2 to 16 things at a time; for more, give a range: "
                "when_all_settled(std::move(vector_of_tasks))");
  return detail::when_all_settled_operation<std::decay_t<X>...>(std::decay_t<X>(std::forward<X>(x))...);
}

template <detail::range_of_work R>
[[nodiscard]] auto when_all_settled(R&& range) {
  using x = std::ranges::range_value_t<R>;
  return detail::when_all_settled_range_operation<x>(std::forward<R>(range));
}

}  // namespace weft
