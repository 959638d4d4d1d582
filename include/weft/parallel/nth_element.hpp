// parallel_nth_element: std::ranges::nth_element with all workers.
#pragma once

#include <weft/parallel/range_split.hpp>
#include <weft/parallel/sort_order.hpp>
#include <weft/parallel/sort_partition.hpp>
#include <weft/parallel/sort_serial.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <functional>
#include <iterator>
#include <ranges>
#include <utility>

namespace weft {

/// Puts at `nth` the element that would be there if the range were sorted by comp(proj(a), proj(b)), none greater before it and none less
/// behind it. nth may be the end: nothing happens then. Returns the end, as std::ranges::nth_element does. From any thread, done on
/// return; comp and proj are called from several threads at a time. options.grain: pieces of at most so many elements are not shared.
///
/// Complexity: O(n) comparisons and swaps on average, about 1.5 n at most where the elements are in random order; O(n log n) for every
/// input. No memory. Throws what comp, proj or a swap threw, weft::stopped where the ambient stop token asks for it between two passes:
/// each element is then in the range exactly once, in any order.
/// Source: Floyd, Rivest, "Expected time bounds for selection" (1975): pivots from a sample, a little to the side of the rank looked for.
template <std::ranges::random_access_range R, class Comp = std::ranges::less, class Proj = std::identity>
  requires std::sortable<std::ranges::iterator_t<R>, Comp, Proj>
std::ranges::borrowed_iterator_t<R> parallel_nth_element(R&& range, std::ranges::iterator_t<R> nth, Comp comp = {},
                                                         Proj proj = {}, loop_options options = {});

namespace detail {

template <class I, class Less>
class nth_selection {
 public:
  nth_selection(Less& less, loop_options const& options) noexcept
      : less_(less), workers_(workers_here()), grain_(options.grain != 0 ? options.grain : std::size_t{16} << 10) {}

  void run(I first, I nth, I last) {
    if (nth == last) return;
    int bad_ones_left = static_cast<int>(std::bit_width(static_cast<std::size_t>(last - first)));
    for (;;) {
      difference const size = last - first;
      if (size <= few) return insertion_sort(first, last, less_);
      check_stop_between_steps();
      pivot_to_front(first, nth, last);
      I const middle =
          split_shared(first, last, [this](auto const& pivot, auto&& x) { return less_(x, pivot); }, workers_, grain_);
      if (nth == middle) return;
      if (nth < middle) {
        last = middle;
      } else {
        first = middle + 1;
        if (middle + 1 - (last - size) < size / 8) {  // many may be equal to the pivot: those are in place
          first = partition_shared(first, last, [&](auto&& x) { return !less_(*middle, x); }, workers_, grain_);
          if (nth < first) return;
        }
      }
      if (last - first > size - size / 8 && --bad_ones_left == 0) return heap_sort(first, last, less_);
    }
  }

 private:
  using difference = std::iter_difference_t<I>;
  static constexpr difference few = 24;

  /// The pivot: of a sorted sample at the front the one whose rank is that of nth, and a little more towards the farther end, so that
  /// nth is in the smaller part.
  void pivot_to_front(I first, I nth, I last) {
    difference const size = last - first;
    if (size < 600) return serial_sort<I, Less>(less_).pivot_to_front(first, last);
    auto const sample = std::min<difference>(1024, size / 16);
    random_source random(static_cast<std::size_t>(size));
    for (difference i = 0; i < sample; ++i)
      swap_elements(first + i, first + static_cast<difference>(random.next() % static_cast<std::size_t>(size)));
    sort_serially(first, first + sample, less_);
    auto const share = static_cast<double>(nth - first) / static_cast<double>(size);
    auto const aside = 1.5 * std::sqrt(static_cast<double>(sample) * (share * (1 - share) + 0.01));
    auto const rank = share * static_cast<double>(sample) + (share < 0.5 ? aside : -aside);
    swap_elements(first, first + std::clamp(static_cast<difference>(rank), difference{0}, sample - 1));
  }

  Less& less_;
  unsigned const workers_;
  std::size_t const grain_;
};

}  // namespace detail

template <std::ranges::random_access_range R, class Comp, class Proj>
  requires std::sortable<std::ranges::iterator_t<R>, Comp, Proj>
std::ranges::borrowed_iterator_t<R> parallel_nth_element(R&& range, std::ranges::iterator_t<R> nth, Comp comp,
                                                         Proj proj, loop_options options) {
  using iterator = std::ranges::iterator_t<R>;
  auto const first = std::ranges::begin(range);
  auto const last = std::ranges::next(first, std::ranges::end(range));
  detail::check_stop_between_steps();
  detail::order_by<Comp, Proj> less(comp, proj);
  using order = decltype(less);
  auto const select = [&] { detail::nth_selection<iterator, order>(less, options).run(first, nth, last); };
  auto const alone = options.grain != 0 ? options.grain : std::size_t{16} << 10;
  if (static_cast<std::size_t>(last - first) <= alone) select();
  else detail::on_a_worker(select);
  return last;
}
template <std::ranges::random_access_range R, class Comp>
  requires std::sortable<std::ranges::iterator_t<R>, Comp>
std::ranges::borrowed_iterator_t<R> parallel_nth_element(R&& range, std::ranges::iterator_t<R> nth, Comp comp,
                                                         loop_options options) {
  return parallel_nth_element(std::forward<R>(range), std::move(nth), std::move(comp), std::identity{}, options);
}
template <std::ranges::random_access_range R>
  requires std::sortable<std::ranges::iterator_t<R>>
std::ranges::borrowed_iterator_t<R> parallel_nth_element(R&& range, std::ranges::iterator_t<R> nth,
                                                         loop_options options) {
  return parallel_nth_element(std::forward<R>(range), std::move(nth), std::ranges::less{}, std::identity{}, options);
}

}  // namespace weft
