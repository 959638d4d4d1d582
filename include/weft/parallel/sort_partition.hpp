// Partition in place with all workers, by swaps alone: what sorting and selecting do with elements that cannot be taken elsewhere.
#pragma once

#include <weft/parallel/fork_join.hpp>
#include <weft/parallel/sort_order.hpp>
#include <weft/parallel/sort_serial.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

namespace weft::detail {

/// Calls each(i) for i in [first, last), as forks; what one throws is thrown, and those not begun are left out.
template <class Each>
void for_parts(std::size_t first, std::size_t last, Each& each) {
  if (first == last) return;
  if (last - first == 1) return each(first);
  auto const middle = first + (last - first) / 2;
  fork_join([&] { for_parts(first, middle, each); }, [&] { for_parts(middle, last, each); });
}

/// Parts of a range that are each partitioned by themselves; then what stands on the wrong side of the boundary of the whole is swapped.
/// Whatever throws, each element is in the range exactly once. O(n) calls and swaps.
template <class I, class Predicate>
class partition_in_parts {
 public:
  using difference = std::iter_difference_t<I>;
  static constexpr std::size_t most_parts = 64;

  partition_in_parts(I first, I last, Predicate const& goes_first, std::size_t parts) noexcept
      : first_(first), size_(last - first), parts_(std::clamp<std::size_t>(parts, 1, most_parts)), goes_(goes_first) {}

  /// Where those that do not go first begin.
  I run() {
    auto divide = [this](std::size_t part) {
      middles_[part] = partition_serial(first_ + begin(part), first_ + begin(part + 1), goes_) - first_;
    };
    for_parts(0, parts_, divide);
    difference middle = 0;
    for (std::size_t part = 0; part < parts_; ++part) middle += middles_[part] - begin(part);
    wrong(middle);
    auto swap = [&](std::size_t part) {
      swap_wrong(total_ * index(part) / index(parts_), total_ * index(part + 1) / index(parts_));
    };
    if (total_ != 0) for_parts(0, parts_, swap);
    return first_ + middle;
  }

 private:
  struct interval {
    difference from, size;
  };
  static constexpr difference index(std::size_t i) noexcept { return static_cast<difference>(i); }
  [[nodiscard]] difference begin(std::size_t part) const noexcept {
    return size_ / index(parts_) * index(part) + std::min(size_ % index(parts_), index(part));
  }

  /// What is left of the middle and should not be, and the reverse; as many in all.
  void wrong(difference middle) noexcept {
    total_ = 0;
    for (std::size_t part = 0; part < parts_; ++part) {
      auto const from = begin(part), mid = middles_[part], to = begin(part + 1);
      late_[part] = {mid, std::max<difference>(0, std::min(to, middle) - mid)};
      auto const early = std::max(from, middle);
      early_[part] = {early, std::max<difference>(0, mid - early)};
      total_ += late_[part].size;
    }
  }

  void swap_wrong(difference from, difference to) {
    std::size_t l = 0, e = 0;
    difference in_l = from, in_e = from;
    for (auto left = to - from; left != 0;) {
      while (in_l >= late_[l].size) in_l -= late_[l++].size;
      while (in_e >= early_[e].size) in_e -= early_[e++].size;
      auto const here = std::min({left, late_[l].size - in_l, early_[e].size - in_e});
      I a = first_ + (late_[l].from + in_l), b = first_ + (early_[e].from + in_e);
      for (difference i = 0; i < here; ++i, ++a, ++b) swap_elements(a, b);
      in_l += here, in_e += here, left -= here;
    }
  }

  I const first_;
  difference const size_;
  std::size_t const parts_;
  Predicate const& goes_;
  difference total_ = 0;
  std::array<difference, most_parts> middles_;
  std::array<interval, most_parts> late_, early_;
};

/// partition_serial with as many workers as there are, where that is worth it. goes_first is called from several threads at a time.
template <class I, class Predicate>
I partition_shared(I first, I last, Predicate const& goes_first, unsigned workers, std::size_t grain) {
  auto const parts =
      std::min<std::size_t>(workers, static_cast<std::size_t>(last - first) / std::max<std::size_t>(grain, 1));
  if (!separate_elements<I> || parts < 2) return partition_serial(first, last, goes_first);
  return partition_in_parts<I, Predicate>(first, last, goes_first, 2 * parts).run();
}

/// The same with the pivot at first, which ends up between: where it is then. goes(pivot, x) says what comes before it.
template <class I, class Goes>
I split_shared(I first, I last, Goes const& goes, unsigned workers, std::size_t grain) {
  I end;
  if constexpr (cheap_elements<I>) {
    std::iter_value_t<I> const pivot = *first;
    end = partition_shared(first + 1, last, [&](auto const& x) { return goes(pivot, x); }, workers, grain);
  } else {
    end = partition_shared(first + 1, last, [&](auto&& x) { return goes(*first, x); }, workers, grain);
  }
  I const middle = end - 1;
  swap_elements(first, middle);
  return middle;
}

}  // namespace weft::detail
