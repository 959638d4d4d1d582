// Ranges as loops see them: something with a size that is reached by index.
#pragma once

#include <weft/base/utility.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <limits>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::detail {

template <class R>
concept random_access = std::ranges::random_access_range<R> && std::ranges::sized_range<R>;

/// Places that lie side by side are reached from the first; others are all kept.
template <std::forward_iterator I>
class places : pinned {
 public:
  static constexpr bool computed = std::random_access_iterator<I>;

  /// Goes from place to place. One thread each.
  class walk {
   public:
    explicit walk(places const& all, std::size_t i) : at_(start(all, i)) {}
    [[nodiscard]] I const& place() const noexcept {
      if constexpr (computed) return at_;
      else return *at_;
    }
    void next() { ++at_; }

   private:
    using position = std::conditional_t<computed, I, I const*>;
    static position start(places const& all, std::size_t i) {
      if constexpr (computed) return all[i];
      else return all.all_.data() + i;
    }
    position at_;
  };

  explicit places(I first) : first_(std::move(first)) {}

  /// Remembers the place of the next element: once for each, and for the one behind the last.
  void push_back(I const& i) {
    if constexpr (!computed) all_.push_back(i);
  }

  I operator[](std::size_t i) const {
    if constexpr (computed) return first_ + static_cast<std::iter_difference_t<I>>(i);
    else return all_[i];
  }

 private:
  struct nothing {};
  I first_;
  [[no_unique_address]] std::conditional_t<computed, nothing, std::vector<I>> all_;
};

/// The elements of a range by index, or so many of them at the front. Random access: the range itself. Others: an iterator to each
/// element, in a vector, which costs one pass and a pointer or so per element.
template <std::ranges::forward_range R>
class indexed : pinned {
 public:
  using iterator = std::ranges::iterator_t<R>;
  using reference = std::ranges::range_reference_t<R>;

  explicit indexed(R& range, std::size_t at_most = std::numeric_limits<std::size_t>::max())
      : places_(std::ranges::begin(range)) {
    if constexpr (random_access<R>) {
      size_ = std::min(static_cast<std::size_t>(std::ranges::size(range)), at_most);
    } else {
      auto i = std::ranges::begin(range);
      for (auto const end = std::ranges::end(range); size_ != at_most && i != end; ++i, ++size_) places_.push_back(i);
      places_.push_back(i);
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  reference operator[](std::size_t i) const { return *places_[i]; }

  /// Where element i is; the place behind the last for i = size().
  [[nodiscard]] iterator place(std::size_t i) const { return places_[i]; }
  [[nodiscard]] typename places<iterator>::walk from(std::size_t i) const {
    return typename places<iterator>::walk(places_, i);
  }

  /// Calls f(element) for elements [first, last), in their order. The iterators are the call's own, so that the compiler sees them
  /// untouched by what f writes.
  template <class F>
  void each(std::size_t first, std::size_t last, F&& f) const {
    auto in = from(first);
    for (auto left = last - first; left != 0; --left, in.next()) f(*in.place());
  }

 private:
  places<iterator> places_;
  std::size_t size_ = 0;
};

/// The places that an output iterator comes to, by index: `count` of them, and the one behind.
template <std::forward_iterator O>
class indexed_output : pinned {
 public:
  indexed_output(O out, std::size_t count) : places_(out) {
    if constexpr (!places<O>::computed) {
      for (std::size_t i = 0; i != count; ++i, ++out) places_.push_back(out);
      places_.push_back(out);
    }
  }

  [[nodiscard]] O place(std::size_t i) const { return places_[i]; }
  [[nodiscard]] typename places<O>::walk from(std::size_t i) const { return typename places<O>::walk(places_, i); }

 private:
  places<O> places_;
};

}  // namespace weft::detail
