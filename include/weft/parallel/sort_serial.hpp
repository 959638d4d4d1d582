// A sort on one thread: quicksort that recognises runs, does not branch on comparisons where elements are cheap, and cannot be driven
// into quadratic time. Every sort here ends with it.
//
// Whatever throws, each element is in the range exactly once: pivots stay where they are, and a lifted element is put back.
// Source: Peters, "Pattern-defeating quicksort" (2021) for pivots, equal elements and the fall-back to heap sort (Musser, 1997);
// Bergdoll, Peters, cyclic Lomuto partition (2023), after Edelkamp, Weiss, "BlockQuicksort" (ESA 2016).
#pragma once

#include <weft/base/utility.hpp>
#include <weft/parallel/sort_order.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <iterator>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// Puts a lifted element back where it is missing, after a failure. If that fails as well, its value is lost, as in std.
template <class T, class I>
void put_back(T& value, I at) noexcept {
  try {
    *at = std::move(value);
  } catch (...) {
  }
}

/// Swaps two elements; where a move fails, both are still there.
template <class I>
void swap_elements(I a, I b) {
  using value = std::iter_value_t<I>;
  if constexpr (std::is_nothrow_swappable_v<value> || !std::is_lvalue_reference_v<std::iter_reference_t<I>>) {
    std::ranges::iter_swap(a, b);
  } else {
    value aside = std::ranges::iter_move(a);
    I gap = a;
    try {
      *a = std::ranges::iter_move(b);
      gap = b;
      *b = std::move(aside);
    } catch (...) {
      put_back(aside, gap);
      throw;
    }
  }
}

/// Brings *at to its place in the sorted range [first, at).
template <class I, class Less>
void insert_sorted(I first, I at, Less& less) {
  I before = at - 1;
  if (!less(*at, *before)) return;
  std::iter_value_t<I> value = std::ranges::iter_move(at);
  I gap = at;
  try {
    do {
      *gap = std::ranges::iter_move(before);
      gap = before;
    } while (gap != first && less(value, *(before = gap - 1)));
    *gap = std::move(value);
  } catch (...) {
    put_back(value, gap);
    throw;
  }
}

template <class I, class Less>
void insertion_sort(I first, I last, Less& less) {
  if (first == last) return;
  for (I at = first + 1; at != last; ++at) insert_sorted(first, at, less);
}

/// O(n log n) comparisons and swaps, whatever the input.
template <class I, class Less>
void heap_sort(I first, I last, Less& less) {
  using difference = std::iter_difference_t<I>;
  auto sift = [&](difference from, difference size) {
    for (;;) {
      difference child = 2 * from + 1;
      if (child >= size) return;
      if (child + 1 < size && less(first[child], first[child + 1])) ++child;
      if (!less(first[from], first[child])) return;
      swap_elements(first + from, first + child);
      from = child;
    }
  };
  difference const size = last - first;
  for (difference i = size / 2; i-- > 0;) sift(i, size);
  for (difference end = size; end-- > 1;) {
    swap_elements(first, first + end);
    sift(0, end);
  }
}

/// Where the run that begins at first ends; a strictly falling one is turned round. [first, last) is not empty.
template <class I, class Less>
I rising_run(I first, I last, Less& less) {
  I end = first + 1;
  if (end == last) return end;
  if (less(*end, *first)) {
    do ++end;
    while (end != last && less(*end, *(end - 1)));
    for (I a = first, b = end; a < --b; ++a) swap_elements(a, b);
  } else {
    do ++end;
    while (end != last && !less(*end, *(end - 1)));
  }
  return end;
}

/// Moves the elements that `goes_first` in front of the others and returns where those begin. One call per element, on it.
template <class I, class Predicate>
I partition_serial(I first, I last, Predicate goes_first) {
  if constexpr (cheap_elements<I>) {
    // One element is out, its gap travels right: each step fills it with the first of the greater ones, whose place the looked-at
    // element gets; if that one is greater, the next step overwrites the boundary again. No branch depends on the outcome.
    if (first == last) return first;
    struct gap : pinned {
      explicit gap(I i) : at(i), value(*i) {}
      ~gap() { *at = value; }
      I at;
      std::iter_value_t<I> value;
    } out(first);
    I boundary = first;
    for (I i = first + 1; i != last; ++i) {
      bool const goes = goes_first(*i);
      *out.at = *boundary;
      *boundary = *i;
      out.at = i;
      boundary += static_cast<std::iter_difference_t<I>>(goes);
    }
    bool const goes = goes_first(out.value);
    *out.at = *boundary;
    out.at = boundary;
    return boundary + static_cast<std::iter_difference_t<I>>(goes);
  } else {
    for (;;) {
      while (first != last && goes_first(*first)) ++first;
      if (first == last) return first;
      do {
        if (--last == first) return first;
      } while (!goes_first(*last));
      swap_elements(first, last);
      ++first;
    }
  }
}

template <class I, class Less>
class serial_sort {
 public:
  explicit serial_sort(Less& less) noexcept : less_(less) {}

  void operator()(I first, I last) {
    if (last - first < 2) return;
    sort(first, last, static_cast<int>(std::bit_width(static_cast<std::size_t>(last - first))), at_front::yes);
  }

  /// Brings a good pivot of 8 elements or more to the front.
  void pivot_to_front(I first, I last) { swap_elements(first, median(first, (last - first) / 8)); }

 private:
  using difference = std::iter_difference_t<I>;
  enum class at_front { yes, no };
  static constexpr difference small = cheap_elements<I> ? 24 : 20;
  static constexpr difference many = 64;  // from here on, medians of medians

  I median_of_3(I a, I b, I c) {
    bool const ab = less_(*a, *b);
    if (ab != less_(*a, *c)) return a;
    return less_(*b, *c) == ab ? b : c;
  }
  /// A median of elements near first, first + 4 · step and first + 7 · step.
  I median(I first, difference step) {
    I a = first, b = first + 4 * step, c = first + 7 * step;
    if (8 * step >= many) {
      auto const finer = step / 8;
      a = median(a, finer), b = median(b, finer), c = median(c, finer);
    }
    return median_of_3(a, b, c);
  }

  /// Moves a few elements, so that the next pivots do not come from the same pattern.
  void disturb(I first, I last) {
    difference const size = last - first;
    if (size < 16) return;
    random_source random(static_cast<std::size_t>(size));
    for (difference i = 0; i < 4; ++i)
      swap_elements(first + size / 4 * i,
                    first + static_cast<difference>(random.next() % static_cast<std::size_t>(size)));
  }

  void sort(I first, I last, int bad_ones_left, at_front front) {
    for (;;) {
      difference const size = last - first;
      if (size <= small) return insertion_sort(first, last, less_);
      if (rising_run(first, last, less_) == last) return;
      pivot_to_front(first, last);
      // As great as the element before the range: nothing here is less, and all that equals it is in its place.
      if (front == at_front::no && !less_(*(first - 1), *first)) {
        first = split(first, last, [this](auto const& pivot, auto&& x) { return !less_(pivot, x); }) + 1;
        continue;
      }
      I const middle = split(first, last, [this](auto const& pivot, auto&& x) { return less_(x, pivot); });
      difference const left = middle - first, right = last - middle - 1;
      if (std::min(left, right) < size / 8) {
        if (--bad_ones_left == 0) return heap_sort(first, last, less_);
        disturb(first, middle);
        disturb(middle + 1, last);
      }
      sort(first, middle, bad_ones_left, front);
      first = middle + 1;
      front = at_front::no;
    }
  }

  /// With the pivot at first: where it is after the partition.
  template <class Goes>
  I split(I first, I last, Goes goes) {
    I end;
    if constexpr (cheap_elements<I>) {
      std::iter_value_t<I> const pivot = *first;
      end = partition_serial(first + 1, last, [&](auto const& x) { return goes(pivot, x); });
    } else {
      end = partition_serial(first + 1, last, [&](auto&& x) { return goes(*first, x); });
    }
    I const middle = end - 1;
    swap_elements(first, middle);
    return middle;
  }

  Less& less_;
};

template <class I, class Less>
void sort_serially(I first, I last, Less& less) {
  serial_sort<I, Less>{less}(first, last);
}

}  // namespace weft::detail
