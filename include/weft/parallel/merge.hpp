// parallel_merge: std::ranges::merge with all workers.
#pragma once

#include <weft/parallel/indexed.hpp>
#include <weft/parallel/range_split.hpp>
#include <weft/parallel/sort_order.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// Two sorted ranges as one: of equal elements those of the first come first.
/// How many of the first range are among the first `count` of the merge. O(log n) comparisons. Whatever the comparison says,
/// no more than either range has. Source: merge path (Odeh, Green, Mwassi, Shmueli, Birk, 2012).
template <class A, class B, class Less>
std::size_t share_of_first(A a, std::size_t a_size, B b, std::size_t b_size, std::size_t count, Less const& less) {
  auto low = count > b_size ? count - b_size : 0, high = std::min(count, a_size);
  while (low < high) {
    auto const middle = low + (high - low) / 2;
    auto const against = count - middle - 1;
    if (less(b[static_cast<std::iter_difference_t<B>>(against)], a[static_cast<std::iter_difference_t<A>>(middle)]))
      high = middle;
    else low = middle + 1;
  }
  return low;
}

/// Is the second element before the first? comp(proj2(b), proj1(a)).
template <class Comp, class Proj1, class Proj2>
class second_goes_first {
 public:
  second_goes_first(Comp& comp, Proj1& proj1, Proj2& proj2) noexcept : comp_(comp), proj1_(proj1), proj2_(proj2) {}
  template <class B, class A>
  bool operator()(B&& b, A&& a) const {
    return static_cast<bool>(
        std::invoke(comp_, std::invoke(proj2_, std::forward<B>(b)), std::invoke(proj1_, std::forward<A>(a))));
  }

 private:
  Comp& comp_;
  Proj1& proj1_;
  Proj2& proj2_;
};

template <class A, class B, class Out, class Less>
class merge_work {
 public:
  /// Where this part of the loop has got to.
  struct accumulator {
    std::size_t from_first = 0, done = static_cast<std::size_t>(-1);
  };

  merge_work(A a, std::size_t a_size, B b, std::size_t b_size, Out out, Less const& less) noexcept
      : a_(a), a_size_(a_size), b_(b), b_size_(b_size), out_(out), less_(less) {}

  void run(accumulator& at, std::size_t first, std::size_t last) const {
    if (at.done != first) at.from_first = share_of_first(a_, a_size_, b_, b_size_, first, less_);
    auto i = at.from_first, j = first - at.from_first;
    A a = a_ + static_cast<std::iter_difference_t<A>>(i);
    B b = b_ + static_cast<std::iter_difference_t<B>>(j);
    Out out = out_ + static_cast<std::iter_difference_t<Out>>(first);
    auto left = last - first;
    while (left != 0) {
      // So many steps can be taken without looking for an end.
      auto const steps = std::min({left, a_size_ - i, b_size_ - j});
      if (steps == 0) break;
      A const begun = a;
      for (std::size_t s = 0; s < steps; ++s, ++out) step(a, b, out);
      auto const from_a = static_cast<std::size_t>(a - begun);
      i += from_a, j += steps - from_a, left -= steps;
    }
    for (; left != 0 && i != a_size_; --left, ++i, ++a, ++out) *out = *a;
    for (; left != 0; --left, ++b, ++out) *out = *b;
    at = {i, last};
  }
  void combine(accumulator&, accumulator&&) const noexcept {}

 private:
  static constexpr bool cheap =
      cheap_elements<A> && cheap_elements<B> && std::same_as<std::iter_value_t<A>, std::iter_value_t<B>>;

  void step(A& a, B& b, Out& out) const {
    if constexpr (cheap) {
      bool const second = less_(*b, *a);
      *out = second ? *b : *a;
      a += static_cast<std::iter_difference_t<A>>(!second);
      b += static_cast<std::iter_difference_t<B>>(second);
    } else if (less_(*b, *a)) {
      *out = *b;
      ++b;
    } else {
      *out = *a;
      ++a;
    }
  }

  A const a_;
  std::size_t const a_size_;
  B const b_;
  std::size_t const b_size_;
  Out const out_;
  Less const& less_;
};

template <class R>
using borrowed_of = std::ranges::borrowed_iterator_t<R>;

}  // namespace detail

/// Copies two sorted ranges to `out` as one sorted range, whose elements do not overlap with theirs; of equal elements those of the first
/// range come first. Returns { in1, in2, out }: the ends, as std::ranges::merge does. From any thread, done on return; comp and the
/// projections are called from several threads at a time. Ranges that are not random access, or a destination that is not, or
/// has no references to its elements, are merged by the calling thread alone. options.grain: elements in a chunk.
///
/// Complexity: O(n) comparisons and copies, and O(log n) comparisons for each chunk. No memory.
/// Throws what was thrown; weft::stopped between chunks: the destination then has some elements of the result, in their places.
template <std::ranges::input_range R1, std::ranges::input_range R2, std::weakly_incrementable O,
          class Comp = std::ranges::less, class Proj1 = std::identity, class Proj2 = std::identity>
  requires std::mergeable<std::ranges::iterator_t<R1>, std::ranges::iterator_t<R2>, O, Comp, Proj1, Proj2>
std::ranges::merge_result<detail::borrowed_of<R1>, detail::borrowed_of<R2>, O> parallel_merge(
    R1&& range1, R2&& range2, O out, Comp comp = {}, Proj1 proj1 = {}, Proj2 proj2 = {}, loop_options options = {}) {
  detail::check_stop_between_steps();
  if constexpr (detail::random_access<R1> && detail::random_access<R2> && std::random_access_iterator<O> &&
                detail::separate_elements<O>) {
    auto const a_size = static_cast<std::size_t>(std::ranges::size(range1)),
               b_size = static_cast<std::size_t>(std::ranges::size(range2));
    auto const a = std::ranges::begin(range1);
    auto const b = std::ranges::begin(range2);
    detail::second_goes_first<Comp, Proj1, Proj2> less(comp, proj1, proj2);
    detail::merge_work<std::ranges::iterator_t<R1>, std::ranges::iterator_t<R2>, O, decltype(less)> work(
        a, a_size, b, b_size, out, less);
    detail::run_loop(work, a_size + b_size, options);
    return {a + static_cast<std::ranges::range_difference_t<R1>>(a_size),
            b + static_cast<std::ranges::range_difference_t<R2>>(b_size),
            out + static_cast<std::iter_difference_t<O>>(a_size + b_size)};
  } else {
    return std::ranges::merge(std::forward<R1>(range1), std::forward<R2>(range2), std::move(out), std::ref(comp),
                              std::ref(proj1), std::ref(proj2));
  }
}
template <std::ranges::input_range R1, std::ranges::input_range R2, std::weakly_incrementable O, class Comp,
          class Proj1>
  requires std::mergeable<std::ranges::iterator_t<R1>, std::ranges::iterator_t<R2>, O, Comp, Proj1>
auto parallel_merge(R1&& range1, R2&& range2, O out, Comp comp, Proj1 proj1, loop_options options) {
  return parallel_merge(std::forward<R1>(range1), std::forward<R2>(range2), std::move(out), std::move(comp),
                        std::move(proj1), std::identity{}, options);
}
template <std::ranges::input_range R1, std::ranges::input_range R2, std::weakly_incrementable O, class Comp>
  requires std::mergeable<std::ranges::iterator_t<R1>, std::ranges::iterator_t<R2>, O, Comp>
auto parallel_merge(R1&& range1, R2&& range2, O out, Comp comp, loop_options options) {
  return parallel_merge(std::forward<R1>(range1), std::forward<R2>(range2), std::move(out), std::move(comp),
                        std::identity{}, std::identity{}, options);
}
template <std::ranges::input_range R1, std::ranges::input_range R2, std::weakly_incrementable O>
  requires std::mergeable<std::ranges::iterator_t<R1>, std::ranges::iterator_t<R2>, O>
auto parallel_merge(R1&& range1, R2&& range2, O out, loop_options options) {
  return parallel_merge(std::forward<R1>(range1), std::forward<R2>(range2), std::move(out), std::ranges::less{},
                        std::identity{}, std::identity{}, options);
}

}  // namespace weft
