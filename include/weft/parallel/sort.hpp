// parallel_sort: std::ranges::sort with all workers.
#pragma once

#include <weft/parallel/range_split.hpp>
#include <weft/parallel/sort_keys.hpp>
#include <weft/parallel/sort_order.hpp>
#include <weft/parallel/sort_quick.hpp>
#include <weft/parallel/sort_radix.hpp>
#include <weft/parallel/sort_sample.hpp>
#include <weft/parallel/sort_serial.hpp>
#include <weft/parallel/sort_strings.hpp>

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

/// Ranges this short are sorted where the call is, without a pool.
inline constexpr std::size_t sorted_alone = 512;

template <class I>
concept array_iterator = std::contiguous_iterator<I> && std::is_lvalue_reference_v<std::iter_reference_t<I>> &&
                         !std::is_volatile_v<std::remove_reference_t<std::iter_reference_t<I>>>;

template <class T, class Comp, class Proj>
void sort_array(T* data, std::size_t size, Comp& comp, Proj& proj, loop_options const& options) {
  if constexpr (sorted_by_number<T, Comp, Proj>) {
    constexpr bool falling = compares_as_greater<Comp, typename key_of<T, Proj>::type>;
    using rank = rank_of<T, falling ? rank_order::falling : rank_order::rising, Proj>;
    radix_sort<T, rank>(rank(proj), size, options).run(data, size);
  } else if constexpr (sorted_by_characters<T, Comp, Proj>) {
    string_sort<T, Comp, Proj>(proj, size, options).run(data, size);
  } else {
    order_by<Comp, Proj> less(comp, proj);
    if constexpr (cheap_value<T>) sample_sort<T, order_by<Comp, Proj>>(less, size, options).run(data, size);
    else quick_sort<T*, order_by<Comp, Proj>>(less, options).run(data, data + size);
  }
}

template <class I, class Comp, class Proj>
void sort_random_access(I first, I last, Comp& comp, Proj& proj, loop_options const& options) {
  check_stop_between_steps();
  auto const size = static_cast<std::size_t>(last - first);
  if (size < 2) return;
  if (!separate_elements<I> || (size <= sorted_alone && (options.grain == 0 || options.grain >= size))) {
    order_by<Comp, Proj> less(comp, proj);
    return sort_serially(first, last, less);
  }
  on_a_worker([&] {
    if constexpr (array_iterator<I>) {
      sort_array(std::to_address(first), size, comp, proj, options);
    } else {
      order_by<Comp, Proj> less(comp, proj);
      quick_sort<I, order_by<Comp, Proj>>(less, options).run(first, last);
    }
  });
}

}  // namespace detail

/// Sorts a range by comp(proj(a), proj(b)); the order of equal elements is not kept. Returns its end, as std::ranges::sort does. From any
/// thread, done on return; comp and proj are called from several threads at a time. options.grain: pieces of at most so many elements
/// are not shared.
///
/// Complexity: O(n log n) comparisons, swaps and moves for every input, O(n) where it is sorted or falls. Where comp is the standard's less
/// or greater and proj is nothing or a data member: O(n) without any comparison if that is arithmetic and elements are trivially copyable
/// and of at most 32 bytes; if it is a std::string or string_view, most characters are looked at eight at a time, and once.
/// Memory: at most an eighth of the range, and up to 1 MiB for each worker; where there is none, none, and slower.
/// Throws what comp, proj or a move threw, weft::stopped where the ambient stop token asks for it between two pieces: each element is
/// then in the range exactly once, in any order (a value is lost where a move fails, and so does the move back).
/// Unlike std::ranges::sort: needs a random access range whose elements can be seen from other threads.
/// Source: see sort_radix.hpp, sort_sample.hpp, sort_strings.hpp and sort_quick.hpp.
template <std::ranges::random_access_range R, class Comp = std::ranges::less, class Proj = std::identity>
  requires std::sortable<std::ranges::iterator_t<R>, Comp, Proj>
std::ranges::borrowed_iterator_t<R> parallel_sort(R&& range, Comp comp = {}, Proj proj = {},
                                                  loop_options options = {}) {
  auto const first = std::ranges::begin(range);
  auto const last = std::ranges::next(first, std::ranges::end(range));
  detail::sort_random_access(first, last, comp, proj, options);
  return last;
}
template <std::ranges::random_access_range R, class Comp>
  requires std::sortable<std::ranges::iterator_t<R>, Comp>
std::ranges::borrowed_iterator_t<R> parallel_sort(R&& range, Comp comp, loop_options options) {
  return parallel_sort(std::forward<R>(range), std::move(comp), std::identity{}, options);
}
template <std::ranges::random_access_range R>
  requires std::sortable<std::ranges::iterator_t<R>>
std::ranges::borrowed_iterator_t<R> parallel_sort(R&& range, loop_options options) {
  return parallel_sort(std::forward<R>(range), std::ranges::less{}, std::identity{}, options);
}

}  // namespace weft
