// parallel_min_element, parallel_max_element, parallel_minmax_element: where the least and the greatest element are.
//
// What holds for all of them: any thread, inside any task or loop, done on return. comp(a, b) says whether a comes before b and is
// a strict weak order (so no NaN among the elements). The results are those of the std::ranges algorithms of the same names: of several least elements the
// first; of several greatest the first, but from parallel_minmax_element the last. The end of the range if it is empty. Failures and the
// stop token as in parallel_for.
#pragma once

#include <weft/parallel/chunk_loop.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/projected.hpp>
#include <weft/parallel/range_split.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <limits>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weft {

/// Where the least element is, the first of several. Complexity: n − 1 comparisons, and one for each steal.
template <std::ranges::forward_range R, class Comp = std::ranges::less, class Proj = std::identity>
  requires detail::element_order<Comp, R, Proj>
[[nodiscard]] std::ranges::borrowed_iterator_t<R> parallel_min_element(R&& range, Comp comp = {}, Proj proj = {},
                                                                       loop_options options = {});

/// Where the greatest element is, the first of several. Complexity: n − 1 comparisons, and one for each steal.
template <std::ranges::forward_range R, class Comp = std::ranges::less, class Proj = std::identity>
  requires detail::element_order<Comp, R, Proj>
[[nodiscard]] std::ranges::borrowed_iterator_t<R> parallel_max_element(R&& range, Comp comp = {}, Proj proj = {},
                                                                       loop_options options = {});

/// Both: {.min, .max}, the first of several least, the last of several greatest. Complexity: 3/2 (n − 1) comparisons, one more for each
/// chunk and two for each steal.
template <std::ranges::forward_range R, class Comp = std::ranges::less, class Proj = std::identity>
  requires detail::element_order<Comp, R, Proj>
[[nodiscard]] std::ranges::minmax_element_result<std::ranges::borrowed_iterator_t<R>> parallel_minmax_element(
    R&& range, Comp comp = {}, Proj proj = {}, loop_options options = {});

namespace detail {

/// Which of several equal elements is wanted.
enum class among_equals { first, last };

/// Is an element right of the best one so far better? `before` is the order in which the best is the first.
template <among_equals Wanted, class Before, class Element, class Best>
bool better(Before& before, Element&& e, Best&& best) {
  if constexpr (Wanted == among_equals::first)
    return std::invoke(before, static_cast<Element&&>(e), static_cast<Best&&>(best));
  else return !std::invoke(before, static_cast<Best&&>(best), static_cast<Element&&>(e));
}

/// The order seen from its other end.
template <class Comp>
struct reversed {
  Comp comp;
  template <class A, class B>
    requires std::invocable<Comp const&, B, A>
  bool operator()(A&& a, B&& b) const {
    return std::invoke(comp, static_cast<B&&>(b), static_cast<A&&>(a));
  }
  template <class A, class B>
  bool operator()(A&& a, B&& b) {
    return std::invoke(comp, static_cast<B&&>(b), static_cast<A&&>(a));
  }
};

inline constexpr auto no_place = std::numeric_limits<std::size_t>::max();

/// The place of the element that comes first in an order.
template <among_equals Wanted, class R, class Before, class Proj>
class extremum_work {
 public:
  struct accumulator {
    std::size_t at = no_place;
  };

  extremum_work(indexed<R> const& elements, Before& before, Proj& proj) noexcept
      : elements_(elements), before_(before), proj_(proj) {}

  void run(accumulator& a, std::size_t first, std::size_t last) {
    auto at = a.at == no_place ? first++ : a.at;
    chunk_local<Before, projected_reference<R, Proj>, projected_reference<R, Proj>> before = before_;
    chunk_local<Proj, std::ranges::range_reference_t<R>> projected = proj_;
    auto best = elements_.from(at);
    for (auto in = elements_.from(first); first != last; ++first, in.next()) {
      if (better<Wanted>(before, std::invoke(projected, *in.place()), std::invoke(projected, *best.place()))) {
        best = in;
        at = first;
      }
    }
    a.at = at;
  }

  /// `right` lies right of a.
  void combine(accumulator& a, accumulator&& right) {
    if (right.at == no_place) return;
    if (a.at == no_place ||
        better<Wanted>(before_, std::invoke(proj_, elements_[right.at]), std::invoke(proj_, elements_[a.at])))
      a.at = right.at;
  }

 private:
  indexed<R> const& elements_;
  Before& before_;
  Proj& proj_;
};

/// Numbers side by side in their own order.
template <class R, class Comp, class Proj>
concept plain_order = std::ranges::contiguous_range<R> && std::same_as<Proj, std::identity> &&
                      std::is_arithmetic_v<std::ranges::range_value_t<R>> &&
                      (std::same_as<Comp, std::ranges::less> || std::same_as<Comp, std::less<>> ||
                       std::same_as<Comp, std::less<std::ranges::range_value_t<R>>>);

/// The same for numbers: first the extreme value of a block, in vector code, and only if that is better than the best so far,
/// the place where the block has it.
template <among_equals Wanted, class T, class Before>
class number_extremum_work {
 public:
  struct accumulator {
    std::size_t at = no_place;
  };

  explicit number_extremum_work(T const* numbers) noexcept : numbers_(numbers) {}

  void run(accumulator& a, std::size_t first, std::size_t last) noexcept {
    Before before{};
    auto const* const p = numbers_;
    auto at = a.at == no_place ? first++ : a.at;
    T best = p[at];
    for (; last - first >= block; first += block) {
      T const here = extreme(p + first);
      if (!better<Wanted>(before, here, best)) continue;
      best = here;
      at = place(p, first, here);
    }
    for (; first != last; ++first)
      if (better<Wanted>(before, p[first], best)) best = p[at = first];
    a.at = at;
  }

  void combine(accumulator& a, accumulator&& right) noexcept {
    if (right.at == no_place) return;
    Before before{};
    if (a.at == no_place || better<Wanted>(before, numbers_[right.at], numbers_[a.at])) a.at = right.at;
  }

 private:
  static constexpr std::size_t block = 512;
  static constexpr std::size_t lanes = std::max<std::size_t>(8, 64 / sizeof(T));

  static T extreme(T const* p) noexcept {
    Before before{};
    T best[lanes];
    for (std::size_t lane = 0; lane < lanes; ++lane) best[lane] = p[lane];
    for (std::size_t i = lanes; i != block; i += lanes)
      for (std::size_t lane = 0; lane < lanes; ++lane)
        best[lane] = before(p[i + lane], best[lane]) ? p[i + lane] : best[lane];
    for (std::size_t width = lanes / 2; width != 0; width /= 2)
      for (std::size_t lane = 0; lane < width; ++lane)
        best[lane] = before(best[lane + width], best[lane]) ? best[lane + width] : best[lane];
    return best[0];
  }

  static std::size_t place(T const* p, std::size_t first, T value) noexcept {
    if constexpr (Wanted == among_equals::first) {
      for (std::size_t i = 0; i != block; ++i)
        if (p[first + i] == value) return first + i;
    } else {
      for (std::size_t i = block; i-- != 0;)
        if (p[first + i] == value) return first + i;
    }
    return first;
  }

  T const* numbers_;
};

/// Both at once, two elements at a time: the lesser of the two can only be the least, the other only the greatest.
template <class R, class Comp, class Proj>
class extrema_work {
 public:
  struct accumulator {
    std::size_t least = no_place, greatest = no_place;
  };

  extrema_work(indexed<R> const& elements, Comp& comp, Proj& proj) noexcept
      : elements_(elements), comp_(comp), proj_(proj) {}

  void run(accumulator& a, std::size_t first, std::size_t last) {
    if (a.least == no_place) {
      a.least = a.greatest = first++;
    }
    for (; last - first >= 2; first += 2) {
      bool const descending = less(first + 1, first);
      auto const lesser = descending ? first + 1 : first, other = descending ? first : first + 1;
      if (less(lesser, a.least)) a.least = lesser;
      if (!less(other, a.greatest)) a.greatest = other;
    }
    if (first != last) take(a, first, first);
  }

  void combine(accumulator& a, accumulator&& right) {
    if (right.least == no_place) return;
    if (a.least == no_place) a = right;
    else take(a, right.least, right.greatest);
  }

 private:
  bool less(std::size_t a, std::size_t b) {
    return std::invoke(comp_, std::invoke(proj_, elements_[a]), std::invoke(proj_, elements_[b]));
  }

  void take(accumulator& a, std::size_t least, std::size_t greatest) {
    if (less(least, a.least)) a.least = least;
    if (!less(greatest, a.greatest)) a.greatest = greatest;
  }

  indexed<R> const& elements_;
  Comp& comp_;
  Proj& proj_;
};

/// Both of numbers: a pass for each, over a chunk that the first pass has brought near.
template <class T, class Comp>
class number_extrema_work {
  using least_work = number_extremum_work<among_equals::first, T, Comp>;
  using greatest_work = number_extremum_work<among_equals::last, T, reversed<Comp>>;

 public:
  struct accumulator {
    typename least_work::accumulator least;
    typename greatest_work::accumulator greatest;
  };

  explicit number_extrema_work(T const* numbers) noexcept : least_(numbers), greatest_(numbers) {}

  void run(accumulator& a, std::size_t first, std::size_t last) noexcept {
    constexpr std::size_t near = 4096;
    for (; first != last; first += std::min(near, last - first)) {
      auto const end = first + std::min(near, last - first);
      least_.run(a.least, first, end);
      greatest_.run(a.greatest, first, end);
    }
  }
  void combine(accumulator& a, accumulator&& right) noexcept {
    least_.combine(a.least, std::move(right.least));
    greatest_.combine(a.greatest, std::move(right.greatest));
  }

 private:
  least_work least_;
  greatest_work greatest_;
};

template <among_equals Wanted, class R, class Before, class Proj>
std::ranges::iterator_t<R> extremum_of_any(R& range, Before before, Proj& proj, loop_options const& o) {
  indexed<R> const elements(range);
  extremum_work<Wanted, R, Before, Proj> work(elements, before, proj);
  auto const best = run_loop(work, elements.size(), o);
  return elements.place(best.at == no_place ? elements.size() : best.at);
}

template <among_equals Wanted, class Before, class R>
std::ranges::iterator_t<R> extremum_of_numbers(R& range, loop_options const& o) {
  number_extremum_work<Wanted, std::ranges::range_value_t<R>, Before> work(std::ranges::data(range));
  auto const size = static_cast<std::size_t>(std::ranges::distance(range));
  auto const best = run_loop(work, size, o);
  return std::ranges::begin(range) +
         static_cast<std::ranges::range_difference_t<R>>(best.at == no_place ? size : best.at);
}

}  // namespace detail

template <std::ranges::forward_range R, class Comp, class Proj>
  requires detail::element_order<Comp, R, Proj>
std::ranges::borrowed_iterator_t<R> parallel_min_element(R&& range, Comp comp, Proj proj, loop_options options) {
  using detail::among_equals;
  if constexpr (detail::plain_order<R, Comp, Proj>)
    return detail::extremum_of_numbers<among_equals::first, Comp>(range, options);
  else return detail::extremum_of_any<among_equals::first>(range, std::move(comp), proj, options);
}
template <std::ranges::forward_range R>
  requires detail::element_order<std::ranges::less, R, std::identity>
[[nodiscard]] auto parallel_min_element(R&& range, loop_options options) {
  return parallel_min_element(std::forward<R>(range), std::ranges::less{}, std::identity{}, options);
}
template <std::ranges::forward_range R, class Comp>
  requires detail::element_order<Comp, R, std::identity>
[[nodiscard]] auto parallel_min_element(R&& range, Comp comp, loop_options options) {
  return parallel_min_element(std::forward<R>(range), std::move(comp), std::identity{}, options);
}

template <std::ranges::forward_range R, class Comp, class Proj>
  requires detail::element_order<Comp, R, Proj>
std::ranges::borrowed_iterator_t<R> parallel_max_element(R&& range, Comp comp, Proj proj, loop_options options) {
  using detail::among_equals;
  using reversed = detail::reversed<Comp>;
  if constexpr (detail::plain_order<R, Comp, Proj>)
    return detail::extremum_of_numbers<among_equals::first, reversed>(range, options);
  else return detail::extremum_of_any<among_equals::first>(range, reversed{std::move(comp)}, proj, options);
}
template <std::ranges::forward_range R>
  requires detail::element_order<std::ranges::less, R, std::identity>
[[nodiscard]] auto parallel_max_element(R&& range, loop_options options) {
  return parallel_max_element(std::forward<R>(range), std::ranges::less{}, std::identity{}, options);
}
template <std::ranges::forward_range R, class Comp>
  requires detail::element_order<Comp, R, std::identity>
[[nodiscard]] auto parallel_max_element(R&& range, Comp comp, loop_options options) {
  return parallel_max_element(std::forward<R>(range), std::move(comp), std::identity{}, options);
}

template <std::ranges::forward_range R, class Comp, class Proj>
  requires detail::element_order<Comp, R, Proj>
std::ranges::minmax_element_result<std::ranges::borrowed_iterator_t<R>> parallel_minmax_element(R&& range, Comp comp,
                                                                                                Proj proj,
                                                                                                loop_options options) {
  using range_type = std::remove_reference_t<R>;
  detail::indexed<range_type> const elements(range);
  auto const size = elements.size();
  auto const place = [&](std::size_t at) { return elements.place(at == detail::no_place ? size : at); };
  if constexpr (detail::plain_order<R, Comp, Proj>) {
    detail::number_extrema_work<std::ranges::range_value_t<R>, Comp> work(std::ranges::data(range));
    auto const both = detail::run_loop(work, size, options);
    return {place(both.least.at), place(both.greatest.at)};
  } else {
    detail::extrema_work<range_type, Comp, Proj> work(elements, comp, proj);
    auto const both = detail::run_loop(work, size, options);
    return {place(both.least), place(both.greatest)};
  }
}
template <std::ranges::forward_range R>
  requires detail::element_order<std::ranges::less, R, std::identity>
[[nodiscard]] auto parallel_minmax_element(R&& range, loop_options options) {
  return parallel_minmax_element(std::forward<R>(range), std::ranges::less{}, std::identity{}, options);
}
template <std::ranges::forward_range R, class Comp>
  requires detail::element_order<Comp, R, std::identity>
[[nodiscard]] auto parallel_minmax_element(R&& range, Comp comp, loop_options options) {
  return parallel_minmax_element(std::forward<R>(range), std::move(comp), std::identity{}, options);
}

}  // namespace weft
