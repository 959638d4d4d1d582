// Quicksort with all workers, in place, for elements of any kind: the first partitions are shared, later ones are forks.
#pragma once

#include <weft/parallel/fork_join.hpp>
#include <weft/parallel/range_split.hpp>
#include <weft/parallel/sort_order.hpp>
#include <weft/parallel/sort_partition.hpp>
#include <weft/parallel/sort_serial.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <iterator>

namespace weft::detail {

/// Which way a range runs.
struct run_survey {
  bool rising = true;   // no element is less than the one before it
  bool falling = true;  // each is
};

template <class I, class Less>
class run_survey_work {
 public:
  using accumulator = run_survey;
  run_survey_work(I first, Less& less) noexcept : first_(first), less_(less) {}

  void run(accumulator& a, std::size_t first, std::size_t last) const {
    for (auto i = static_cast<difference>(first); i != static_cast<difference>(last) && (a.rising || a.falling); ++i) {
      bool const falls = less_(first_[i + 1], first_[i]);
      a.rising = a.rising && !falls;
      a.falling = a.falling && falls;
    }
  }
  void combine(accumulator& a, accumulator&& right) const noexcept {
    a.rising = a.rising && right.rising;
    a.falling = a.falling && right.falling;
  }

 private:
  using difference = std::iter_difference_t<I>;
  I first_;
  Less& less_;
};

/// True: the range is sorted now, because it was, or ran the other way. O(n), and next to nothing where neither is so.
template <class I, class Less>
bool sort_if_run(I first, I last, Less& less) {
  auto const size = static_cast<std::size_t>(last - first);
  using difference = std::iter_difference_t<I>;
  if (size < 2) return true;
  // The beginning alone, first: the rest is looked at in vain at most as often as this says so by chance.
  auto const probe = std::min<std::size_t>(size - 1, 64);
  run_survey_work<I, Less> look(first, less);
  run_survey seen;
  look.run(seen, 0, probe);
  if (!seen.rising && !seen.falling) return false;
  if (probe != size - 1) {
    auto const all = run_loop(look, size - 1, {});
    seen = all;
  }
  if (seen.rising) return true;
  if (!seen.falling) return false;
  I const end = first + static_cast<difference>(size - 1);
  for_indices(size / 2, {}, [&](std::size_t i) {
    swap_elements(first + static_cast<difference>(i), end - static_cast<difference>(i));
  });
  return true;
}

template <class I, class Less>
class quick_sort {
 public:
  quick_sort(Less& less, loop_options const& options) noexcept
      : less_(less), workers_(workers_here()), leaf_(grain_or<difference>(options, 4096, 32)) {}

  void run(I first, I last) {
    if (sort_if_run(first, last, less_)) return;
    sort(first, last, static_cast<int>(std::bit_width(static_cast<std::size_t>(last - first))));
  }

 private:
  using difference = std::iter_difference_t<I>;

  void sort(I first, I last, int bad_ones_left) {
    auto const size = last - first;
    if (size <= leaf_) return sort_serially(first, last, less_);
    check_stop_between_steps();
    serial_sort<I, Less>(less_).pivot_to_front(first, last);
    auto const grain = static_cast<std::size_t>(leaf_);
    I const middle =
        split_shared(first, last, [this](auto const& pivot, auto&& x) { return less_(x, pivot); }, workers_, grain);
    I right = middle + 1;
    if (middle - first < size / 8)  // many may be equal to the pivot: those are in place
      right = partition_shared(right, last, [&](auto&& x) { return !less_(*middle, x); }, workers_, grain);
    if (std::max(middle - first, last - right) > size - size / 8 && --bad_ones_left == 0)
      return heap_sort(first, last, less_);
    fork_join([&] { sort(first, middle, bad_ones_left); }, [&] { sort(right, last, bad_ones_left); });
  }

  Less& less_;
  unsigned const workers_;
  difference const leaf_;
};

}  // namespace weft::detail
