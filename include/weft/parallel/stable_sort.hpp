// parallel_stable_sort: std::ranges::stable_sort with all workers.
#pragma once

#include <weft/parallel/fork_join.hpp>
#include <weft/parallel/range_split.hpp>
#include <weft/parallel/sort.hpp>
#include <weft/parallel/sort_keys.hpp>
#include <weft/parallel/sort_merge.hpp>
#include <weft/parallel/sort_order.hpp>
#include <weft/parallel/sort_quick.hpp>
#include <weft/parallel/sort_serial.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <ranges>
#include <utility>

namespace weft {

/// Sorts a range by comp(proj(a), proj(b)); equal elements stay in the order they have. Returns its end, as std::ranges::stable_sort
/// does. From any thread, done on return; comp and proj are called from several threads at a time. options.grain: pieces of at most so
/// many elements are not shared.
///
/// Complexity: O(n log n) comparisons and moves, O(n) where the range is sorted or falls; integers that are compared by themselves as
/// parallel_sort. Memory: n elements; two numbers for each where a move may throw; where there is no memory, none, and O(n log² n).
/// Throws what comp, proj or a move threw, weft::stopped where the ambient stop token asks for it: each element is then in the range
/// exactly once, in any order (a value is lost where a move fails, and so does the move back).
/// Source: see sort_merge.hpp; without memory, Kim, Kutzner, "Stable minimum storage merging by symmetric comparisons" (2004).
template <std::ranges::random_access_range R, class Comp = std::ranges::less, class Proj = std::identity>
  requires std::sortable<std::ranges::iterator_t<R>, Comp, Proj>
std::ranges::borrowed_iterator_t<R> parallel_stable_sort(R&& range, Comp comp = {}, Proj proj = {},
                                                         loop_options options = {});

namespace detail {

/// Without memory: halves, merged by rotations.
template <class I, class Less>
class stable_sort_in_place {
 public:
  stable_sort_in_place(Less& less, loop_options const& options) noexcept
      : less_(less), leaf_(grain_or<difference>(options, 4096, 2)) {}

  void sort(I first, I last) {
    auto const size = last - first;
    if (size <= few) return insertion_sort(first, last, less_);
    I const middle = first + size / 2;
    both(size, [&] { sort(first, middle); }, [&] { sort(middle, last); });
    merge(first, middle, last);
  }

 private:
  using difference = std::iter_difference_t<I>;
  static constexpr difference few = 16;

  template <class F, class G>
  void both(difference size, F f, G g) {
    if (separate_elements<I> && size > leaf_) {
      check_stop_between_steps();
      fork_join(f, g);
    } else {
      f();
      g();
    }
  }

  void merge(I first, I middle, I last) {
    if (first == middle || middle == last || !less_(*middle, *(middle - 1))) return;
    if (last - first == 2) return swap_elements(first, middle);
    I from = first, to = last;
    if (middle - first > last - middle) {
      from = first + (middle - first) / 2;
      to = std::partition_point(middle, last, [&](auto&& x) { return less_(x, *from); });
    } else {
      to = middle + (last - middle) / 2;
      from = std::partition_point(first, middle, [&](auto&& x) { return !less_(*to, x); });
    }
    I const cut = rotate(from, middle, to);
    both(last - first, [&] { merge(first, from, cut); }, [&] { merge(cut, to, last); });
  }

  /// [middle, last) before [first, middle); returns where the second now begins.
  static I rotate(I first, I middle, I last) {
    reverse(first, middle);
    reverse(middle, last);
    reverse(first, last);
    return first + (last - middle);
  }
  static void reverse(I first, I last) {
    for (; first < last && first < --last; ++first) swap_elements(first, last);
  }

  Less& less_;
  difference const leaf_;
};

/// Elements that may fail to move stay where they are while their numbers are sorted; then each is moved once.
template <class Number, class I, class Less>
bool stable_sort_by_numbers(I first, std::size_t size, Less& less, loop_options const& options) {
  using difference = std::iter_difference_t<I>;
  raw_array<Number> numbers(size), buffer(size);
  if (!numbers || !buffer) return false;
  for (std::size_t i = 0; i < size; ++i) numbers[i] = static_cast<Number>(i);
  auto by_number = [&](Number a, Number b) {
    return less(first[static_cast<difference>(a)], first[static_cast<difference>(b)]);
  };
  merge_sort<Number*, decltype(by_number)>(by_number, numbers.data(), buffer.data(), size, options).run();
  buffer.clear();
  for (std::size_t start = 0; start < size; ++start) {
    if (numbers[start] == start) continue;
    std::iter_value_t<I> value = std::ranges::iter_move(first + static_cast<difference>(start));
    auto gap = start;
    try {
      for (;;) {
        auto const from = std::exchange(numbers[gap], static_cast<Number>(gap));
        if (from == start) break;
        first[static_cast<difference>(gap)] = std::ranges::iter_move(first + static_cast<difference>(from));
        gap = from;
      }
      first[static_cast<difference>(gap)] = std::move(value);
    } catch (...) {
      put_back(value, first + static_cast<difference>(gap));
      throw;
    }
  }
  return true;
}

template <class I, class Less>
void stable_sort_by_comparison(I first, std::size_t size, Less& less, loop_options const& options) {
  using value = std::iter_value_t<I>;
  I const last = first + static_cast<std::iter_difference_t<I>>(size);
  if constexpr (separate_elements<I>)
    if (sort_if_run(first, last, less)) return;
  if constexpr (relocatable<value> && separate_elements<I>) {
    raw_array<value> buffer(size);
    if (buffer) return merge_sort<I, Less>(less, first, buffer.data(), size, options).run();
  } else if (size <= std::numeric_limits<std::uint32_t>::max()) {
    if (stable_sort_by_numbers<std::uint32_t>(first, size, less, options)) return;
  } else {
    if (stable_sort_by_numbers<std::size_t>(first, size, less, options)) return;
  }
  stable_sort_in_place<I, Less>(less, options).sort(first, last);
}

}  // namespace detail

template <std::ranges::random_access_range R, class Comp, class Proj>
  requires std::sortable<std::ranges::iterator_t<R>, Comp, Proj>
std::ranges::borrowed_iterator_t<R> parallel_stable_sort(R&& range, Comp comp, Proj proj, loop_options options) {
  using iterator = std::ranges::iterator_t<R>;
  using value = std::ranges::range_value_t<R>;
  auto const first = std::ranges::begin(range);
  auto const last = std::ranges::next(first, std::ranges::end(range));
  if constexpr (std::integral<value> && std::same_as<Proj, std::identity> &&
                (detail::compares_as_less<Comp, value> || detail::compares_as_greater<Comp, value>)) {
    // Nobody can tell equal ones apart.
    detail::sort_random_access(first, last, comp, proj, options);
  } else {
    detail::check_stop_between_steps();
    detail::order_by<Comp, Proj> less(comp, proj);
    auto const size = static_cast<std::size_t>(last - first);
    if (size <= 16) {
      detail::insertion_sort(first, last, less);
    } else {
      detail::on_a_worker([&] {
        if constexpr (detail::array_iterator<iterator>)
          detail::stable_sort_by_comparison(std::to_address(first), size, less, options);
        else detail::stable_sort_by_comparison(first, size, less, options);
      });
    }
  }
  return last;
}
template <std::ranges::random_access_range R, class Comp>
  requires std::sortable<std::ranges::iterator_t<R>, Comp>
std::ranges::borrowed_iterator_t<R> parallel_stable_sort(R&& range, Comp comp, loop_options options) {
  return parallel_stable_sort(std::forward<R>(range), std::move(comp), std::identity{}, options);
}
template <std::ranges::random_access_range R>
  requires std::sortable<std::ranges::iterator_t<R>>
std::ranges::borrowed_iterator_t<R> parallel_stable_sort(R&& range, loop_options options) {
  return parallel_stable_sort(std::forward<R>(range), std::ranges::less{}, std::identity{}, options);
}

}  // namespace weft
