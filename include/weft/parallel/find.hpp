// parallel_find, parallel_find_if, parallel_any_of, parallel_all_of, parallel_none_of: searches that end early.
//
// What holds for all of them: any thread, inside any task or loop, done on return. The range is searched from the front by several threads, and
// what lies right of a match is left alone but for a chunk of each worker: the cost is that of the elements before the match. The outcome is that
// of the std::ranges algorithm of the same name, also where the condition throws: an exception comes out unless a match lies before
// it. Where it differs: the condition is called by several threads at once, and for some elements behind the match. Honours the ambient
// stop token between chunks: throws weft::stopped. Ranges without random access are stepped through under a lock, no farther than
// they are searched; without a condition that computes, one thread is as fast.
#pragma once

#include <weft/parallel/chunk_loop.hpp>
#include <weft/parallel/first_match.hpp>
#include <weft/parallel/projected.hpp>
#include <weft/parallel/range_split.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// Searches a chunk one by one.
template <class R, class Pred, class Proj>
class search_each {
 public:
  search_each(Pred& pred, Proj& proj) noexcept : pred_(pred), proj_(proj) {}

  std::size_t operator()(std::ranges::iterator_t<R>& i, std::size_t count) const {
    chunk_local<Pred, projected_reference<R, Proj>> meets = pred_;
    chunk_local<Proj, std::ranges::range_reference_t<R>> projected = proj_;
    std::size_t passed = 0;
    for (; passed != count && !std::invoke(meets, std::invoke(projected, *i)); ++i) ++passed;
    return passed;
  }

 private:
  Pred& pred_;
  Proj& proj_;
};

/// Numbers side by side, to be compared with a number.
template <class R, class T, class Proj>
concept plain_comparison =
    std::ranges::contiguous_range<R> && std::same_as<Proj, std::identity> &&
    std::is_arithmetic_v<std::ranges::range_value_t<R>> && std::same_as<std::ranges::range_value_t<R>, T>;

/// Searches a chunk of numbers block by block: within a block without a branch, which makes vector code.
template <class R, class T>
class search_blocks {
 public:
  explicit search_blocks(T value) noexcept : value_(value) {}

  std::size_t operator()(std::ranges::iterator_t<R>& i, std::size_t count) const {
    auto const* const p = std::to_address(i);
    T const value = value_;
    std::size_t passed = 0;
    for (; count - passed >= block; passed += block) {
      unsigned char any = 0;
      for (std::size_t k = 0; k < block; ++k) any = static_cast<unsigned char>(any | (p[passed + k] == value));
      if (any != 0) break;
    }
    while (passed != count && !(p[passed] == value)) ++passed;
    i += static_cast<std::ranges::range_difference_t<R>>(passed);
    return passed;
  }

 private:
  static constexpr std::size_t block = 64;
  T value_;
};

}  // namespace detail

/// Where the first element is for which pred(proj(element)) holds; the end of the range if there is none.
/// Complexity: at most one pred and one proj for each element; see above.
template <std::ranges::forward_range R, class Pred, class Proj = std::identity>
  requires detail::element_predicate<Pred, R, Proj>
[[nodiscard]] std::ranges::borrowed_iterator_t<R> parallel_find_if(R&& range, Pred&& pred, Proj proj = {},
                                                                   loop_options options = {}) {
  using range_type = std::remove_reference_t<R>;
  using search = detail::search_each<range_type, std::remove_reference_t<Pred>, Proj>;
  return detail::search_for<range_type, search>(range, search(pred, proj), options).place();
}
template <std::ranges::forward_range R, class Pred>
  requires detail::element_predicate<Pred, R, std::identity>
[[nodiscard]] std::ranges::borrowed_iterator_t<R> parallel_find_if(R&& range, Pred&& pred, loop_options options) {
  return parallel_find_if(std::forward<R>(range), pred, std::identity{}, options);
}

/// Where the first element is with proj(element) == value; the end of the range if there is none.
template <std::ranges::forward_range R, class T, class Proj = std::identity>
  requires detail::element_equality<T, R, Proj>
[[nodiscard]] std::ranges::borrowed_iterator_t<R> parallel_find(R&& range, T const& value, Proj proj = {},
                                                                loop_options options = {}) {
  using range_type = std::remove_reference_t<R>;
  if constexpr (detail::plain_comparison<range_type, T, Proj>) {
    using search = detail::search_blocks<range_type, T>;
    return detail::search_for<range_type, search>(range, search(value), options).place();
  } else {
    return parallel_find_if(std::forward<R>(range), detail::equal_to_value<T>(value), std::move(proj), options);
  }
}
template <std::ranges::forward_range R, class T>
  requires detail::element_equality<T, R, std::identity>
[[nodiscard]] std::ranges::borrowed_iterator_t<R> parallel_find(R&& range, T const& value, loop_options options) {
  return parallel_find(std::forward<R>(range), value, std::identity{}, options);
}

/// Does pred(proj(element)) hold for some element? Of an empty range: no.
template <std::ranges::forward_range R, class Pred, class Proj = std::identity>
  requires detail::element_predicate<Pred, R, Proj>
[[nodiscard]] bool parallel_any_of(R&& range, Pred&& pred, Proj proj = {}, loop_options options = {}) {
  using range_type = std::remove_reference_t<R>;
  using search = detail::search_each<range_type, std::remove_reference_t<Pred>, Proj>;
  return detail::search_for<range_type, search>(range, search(pred, proj), options).found();
}
template <std::ranges::forward_range R, class Pred>
  requires detail::element_predicate<Pred, R, std::identity>
[[nodiscard]] bool parallel_any_of(R&& range, Pred&& pred, loop_options options) {
  return parallel_any_of(std::forward<R>(range), pred, std::identity{}, options);
}

/// Does pred(proj(element)) hold for no element? Of an empty range: yes.
template <std::ranges::forward_range R, class Pred, class Proj = std::identity>
  requires detail::element_predicate<Pred, R, Proj>
[[nodiscard]] bool parallel_none_of(R&& range, Pred&& pred, Proj proj = {}, loop_options options = {}) {
  return !parallel_any_of(std::forward<R>(range), pred, std::move(proj), options);
}
template <std::ranges::forward_range R, class Pred>
  requires detail::element_predicate<Pred, R, std::identity>
[[nodiscard]] bool parallel_none_of(R&& range, Pred&& pred, loop_options options) {
  return !parallel_any_of(std::forward<R>(range), pred, std::identity{}, options);
}

/// Does pred(proj(element)) hold for every element? Of an empty range: yes.
template <std::ranges::forward_range R, class Pred, class Proj = std::identity>
  requires detail::element_predicate<Pred, R, Proj>
[[nodiscard]] bool parallel_all_of(R&& range, Pred&& pred, Proj proj = {}, loop_options options = {}) {
  using range_type = std::remove_reference_t<R>;
  auto fails = [&pred]<class Element>(Element&& e) -> bool { return !std::invoke(pred, static_cast<Element&&>(e)); };
  using search = detail::search_each<range_type, decltype(fails), Proj>;
  return !detail::search_for<range_type, search>(range, search(fails, proj), options).found();
}
template <std::ranges::forward_range R, class Pred>
  requires detail::element_predicate<Pred, R, std::identity>
[[nodiscard]] bool parallel_all_of(R&& range, Pred&& pred, loop_options options) {
  return parallel_all_of(std::forward<R>(range), pred, std::identity{}, options);
}

}  // namespace weft
