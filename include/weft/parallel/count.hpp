// parallel_count, parallel_count_if: how many elements are equal to a value, or meet a condition.
#pragma once

#include <weft/parallel/chunk_loop.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/projected.hpp>
#include <weft/parallel/range_split.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// Counts the elements of chunks that meet a condition.
template <class R, class Pred, class Proj>
class count_work {
 public:
  using accumulator = std::ranges::range_difference_t<R>;

  count_work(indexed<R> const& elements, Pred& pred, Proj& proj) noexcept
      : elements_(elements), pred_(pred), proj_(proj) {}

  void run(accumulator& a, std::size_t first, std::size_t last) {
    chunk_local<Pred, projected_reference<R, Proj>> meets = pred_;
    chunk_local<Proj, std::ranges::range_reference_t<R>> projected = proj_;
    accumulator n = 0;
    elements_.each(first, last, [&](auto&& e) {
      if (std::invoke(meets, std::invoke(projected, std::forward<decltype(e)>(e)))) ++n;
    });
    a = static_cast<accumulator>(a + n);
  }
  void combine(accumulator& a, accumulator&& right) noexcept { a = static_cast<accumulator>(a + right); }

 private:
  indexed<R> const& elements_;
  Pred& pred_;
  Proj& proj_;
};

}  // namespace detail

/// How many elements are there for which pred(proj(element)) holds? Any thread, done on return; failures and the stop token as in
/// parallel_for. Complexity: one pred and one proj for each element.
template <std::ranges::forward_range R, class Pred, class Proj = std::identity>
  requires detail::element_predicate<Pred, R, Proj>
[[nodiscard]] std::ranges::range_difference_t<R> parallel_count_if(R&& range, Pred&& pred, Proj proj = {},
                                                                   loop_options options = {}) {
  using range_type = std::remove_reference_t<R>;
  detail::indexed<range_type> const elements(range);
  detail::count_work<range_type, std::remove_reference_t<Pred>, Proj> work(elements, pred, proj);
  return detail::run_loop(work, elements.size(), options);
}
template <std::ranges::forward_range R, class Pred>
  requires detail::element_predicate<Pred, R, std::identity>
[[nodiscard]] std::ranges::range_difference_t<R> parallel_count_if(R&& range, Pred&& pred, loop_options options) {
  return parallel_count_if(std::forward<R>(range), pred, std::identity{}, options);
}

/// How many elements are there with proj(element) == value? Otherwise as parallel_count_if.
template <std::ranges::forward_range R, class T, class Proj = std::identity>
  requires detail::element_equality<T, R, Proj>
[[nodiscard]] std::ranges::range_difference_t<R> parallel_count(R&& range, T const& value, Proj proj = {},
                                                                loop_options options = {}) {
  return parallel_count_if(std::forward<R>(range), detail::equal_to_value<T>(value), std::move(proj), options);
}
template <std::ranges::forward_range R, class T>
  requires detail::element_equality<T, R, std::identity>
[[nodiscard]] std::ranges::range_difference_t<R> parallel_count(R&& range, T const& value, loop_options options) {
  return parallel_count_if(std::forward<R>(range), detail::equal_to_value<T>(value), std::identity{}, options);
}

}  // namespace weft
