// Ranges as loops see them: something with a size that is reached by index.
#pragma once

#include <weft/base/utility.hpp>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::detail {

template <class R>
concept random_access = std::ranges::random_access_range<R> && std::ranges::sized_range<R>;

/// Iterators whose elements share bytes with their neighbours: those of a std::vector<bool>. Parts of such a range are never written
/// to at the same time.
template <class I>
inline constexpr bool packed_bits =
    std::same_as<I, std::vector<bool>::iterator> || std::same_as<I, std::vector<bool>::const_iterator>;

/// Iterators through which a V can be assigned; those of a std::vector<bool> among them, which C++20's indirectly_writable leaves out.
template <class I, class V>
concept assigned_through =
    std::weakly_incrementable<I> && requires(I& i, V&& value) { *i = static_cast<V&&>(value); };

/// Ranges whose elements can be reordered; std::vector<bool> among them.
template <class I>
concept reordered = std::permutable<I> || packed_bits<I>;

/// The elements of a range by index. Random access: the range itself. Others: an iterator to each element, in a vector, which costs
/// one pass and a pointer or so per element.
template <std::ranges::forward_range R>
class indexed : pinned {
 public:
  using reference = std::ranges::range_reference_t<R>;
  using iterator = std::ranges::iterator_t<R>;

  explicit indexed(R& range) : begin_(std::ranges::begin(range)) {
    if constexpr (random_access<R>) {
      size_ = static_cast<std::size_t>(std::ranges::size(range));
    } else {
      auto i = begin_;
      for (; i != std::ranges::end(range); ++i) places_.push_back(i);
      size_ = places_.size();
      places_.push_back(i);
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  reference operator[](std::size_t i) const {
    if constexpr (random_access<R>) return begin_[static_cast<std::ranges::range_difference_t<R>>(i)];
    else return *places_[i];
  }

  /// The iterator to element i; to the end for i = size().
  iterator place(std::size_t i) const {
    if constexpr (random_access<R>) return begin_ + static_cast<std::ranges::range_difference_t<R>>(i);
    else return places_[i];
  }

 private:
  struct nothing {};
  iterator begin_;
  std::size_t size_ = 0;
  [[no_unique_address]] std::conditional_t<random_access<R>, nothing, std::vector<iterator>> places_;
};

}  // namespace weft::detail
