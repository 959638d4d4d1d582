// Sorting by digits: elements whose order is that of numbers. No comparison, no branch that depends on an element.
//
// The most significant digit that differs distributes the array in place, with all workers; a bucket that fits a cache is then sorted
// from its least significant digit, to a buffer of its size and back; a larger one is distributed again. Work is
// O(n · bits of the key / 8), whatever the input.
// Source: the order of passes is that of Cho et al., "PARADIS" (VLDB 2015), and IPS2Ra (Axtmann, Witt, Ferizovic, Sanders, 2020).
#pragma once

#include <weft/base/utility.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/range_split.hpp>
#include <weft/parallel/sort_buffers.hpp>
#include <weft/parallel/sort_distribute.hpp>
#include <weft/parallel/sort_keys.hpp>
#include <weft/parallel/sort_order.hpp>
#include <weft/parallel/sort_serial.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace weft::detail {

/// Bucket of an element: its rank less the least one, shifted.
template <class T, class Rank>
class digit_classifier {
 public:
  using number = typename Rank::number;
  digit_classifier(Rank const& rank, number least, int shift) noexcept : rank_(rank), least_(least), shift_(shift) {}

  template <class Put>
  void each(T* first, T* last, Put& put) const noexcept {
    for (; first != last; ++first)
      put(*first, static_cast<std::size_t>(static_cast<number>(rank_(*first) - least_) >> shift_));
  }

 private:
  Rank rank_;
  number least_;
  int shift_;
};

/// What one look at an array of numbers tells.
template <class Number>
struct number_survey {
  Number least = static_cast<Number>(-1), greatest = 0;
  bool rising = true, falling = true;  // in the order of the array, equal ones allowed
};

template <class T, class Rank>
class survey_work {
 public:
  using accumulator = number_survey<typename Rank::number>;
  survey_work(T const* data, Rank const& rank) noexcept : data_(data), rank_(rank) {}

  void run(accumulator& a, std::size_t first, std::size_t last) const noexcept {
    auto least = a.least, greatest = a.greatest;
    unsigned rises = 0, falls = 0;
    for (auto i = first; i != last; ++i) {
      auto const r = rank_(data_[i]), before = rank_(data_[i == 0 ? 0 : i - 1]);
      least = std::min(least, r);
      greatest = std::max(greatest, r);
      rises |= static_cast<unsigned>(before < r);
      falls |= static_cast<unsigned>(r < before);
    }
    a.least = least;
    a.greatest = greatest;
    a.rising = a.rising && falls == 0;
    a.falling = a.falling && rises == 0;
  }
  void combine(accumulator& a, accumulator&& right) const noexcept {
    a.least = std::min(a.least, right.least);
    a.greatest = std::max(a.greatest, right.greatest);
    a.rising = a.rising && right.rising;
    a.falling = a.falling && right.falling;
  }

 private:
  T const* data_;
  Rank rank_;
};

template <class T, class Rank>
class radix_sort : pinned {
 public:
  using number = typename Rank::number;

  radix_sort(Rank rank, std::size_t size, loop_options const& options) noexcept
      : rank_(rank),
        workers_(workers_here()),
        leaf_(options.grain != 0 ? std::clamp(options.grain, few, cached)
                                 : std::clamp(size / (8 * workers_), std::min(cached, std::size_t{16} << 10), cached)),
        buffers_(std::min(size, leaf_)) {}

  /// Throws weft::stopped between steps.
  void run(T* data, std::size_t size) { sort(data, size); }

 private:
  static constexpr int digit_bits = 8;
  static constexpr std::size_t cached = (std::size_t{512} << 10) / sizeof(T);  // elements
  static constexpr std::size_t few = 256;

  void sort(T* data, std::size_t size) {
    if (size <= few) return compare(data, size);
    survey_work<T, Rank> look(data, rank_);
    auto const seen = run_loop(look, size, {});
    if (seen.rising) return;
    if (seen.falling) return for_indices(size / 2, {}, [&](std::size_t i) { std::swap(data[i], data[size - 1 - i]); });
    sort_between(data, size, seen.least, seen.greatest);
  }

  void sort_between(T* data, std::size_t size, number least, number greatest) {
    if (size <= leaf_) return sort_cached(data, size, least, greatest);
    int const shift = std::max(0, bits_between(least, greatest) - digit_bits);
    auto const buckets = static_cast<std::size_t>(static_cast<number>(greatest - least) >> shift) + 1;
    distribution<T> all(data, size, buckets, std::min<std::size_t>(workers_, size / (std::size_t{16} << 10)));
    if (!all) return compare(data, size);
    all.run(digit_classifier<T, Rank>(rank_, least, shift));
    all.release();
    if (shift == 0) return;
    for_indices(buckets, {.grain = 1}, [&](std::size_t b) {
      T* const first = data + all.begin(b);
      auto const count = all.begin(b + 1) - all.begin(b);
      auto const from = static_cast<number>(least + static_cast<number>(static_cast<number>(b) << shift));
      if (count > leaf_) sort(first, count);
      else
        sort_cached(first, count, from,
                    static_cast<number>(from + static_cast<number>((std::uint64_t{1} << shift) - 1)));
    });
  }

  void sort_cached(T* data, std::size_t size, number least, number greatest) {
    if (size <= few) return compare(data, size);
    typename shared_buffers<T>::lease const buffer(buffers_);
    if (buffer.data() == nullptr) return compare(data, size);
    sort_with_buffer(data, size, least, bits_between(least, greatest), buffer.data());
  }

  static int bits_between(number least, number greatest) noexcept {
    return static_cast<int>(std::bit_width(static_cast<number>(greatest - least)));
  }

  void compare(T* data, std::size_t size) const {
    auto less = [this](T const& a, T const& b) { return rank_(a) < rank_(b); };
    sort_serially(data, data + size, less);
  }

  /// Elements whose rank less `least` has at most `bits` bits.
  void sort_with_buffer(T* data, std::size_t size, number least, int bits, T* buffer) const {
    if (bits == 0) return;
    if (size <= few) return compare(data, size);
    if (bits <= 3 * digit_bits) return sort_by_low_digits(data, size, least, bits, buffer);
    return sort_by_high_digit(data, size, least, bits, buffer);
  }

  void sort_by_low_digits(T* data, std::size_t size, number least, int bits, T* buffer) const {
    constexpr std::size_t values = std::size_t{1} << digit_bits, passes_most = 3;
    int const passes = (bits + digit_bits - 1) / digit_bits;
    std::array<std::array<std::uint32_t, values>, passes_most> counts{};
    for (std::size_t i = 0; i < size; ++i) {
      auto const r = static_cast<number>(rank_(data[i]) - least);
      ++counts[0][r % values];
      if constexpr (sizeof(number) > 1) {
        if (passes > 1) ++counts[1][(r >> digit_bits) % values];
        if (passes > 2) ++counts[2][(static_cast<std::uint64_t>(r) >> (2 * digit_bits)) % values];
      }
    }
    T* from = data;
    T* to = buffer;
    for (int pass = 0; pass < passes; ++pass) {
      auto& places = counts[static_cast<std::size_t>(pass)];
      std::uint32_t sum = 0;
      for (auto& c : places) sum += std::exchange(c, sum);
      int const shift = pass * digit_bits;
      for (std::size_t i = 0; i < size; ++i) {
        auto const r = static_cast<number>(rank_(from[i]) - least);
        to[places[(static_cast<std::uint64_t>(r) >> shift) % values]++] = from[i];
      }
      std::swap(from, to);
    }
    if (from != data) relocate(from, data, size);
  }

  /// By the highest bits, into about as many parts as make them short; these by comparison, or the same again.
  void sort_by_high_digit(T* data, std::size_t size, number least, int bits, T* buffer) const {
    constexpr int most = 11;
    std::array<std::uint32_t, (std::size_t{1} << most) + 1> ends{};
    int const width = std::clamp(static_cast<int>(std::bit_width(size)) - 5, 1, most);
    int const shift = bits - width;
    auto const digit = [&](T const& x) {
      return static_cast<std::size_t>(static_cast<std::uint64_t>(static_cast<number>(rank_(x) - least)) >> shift);
    };
    for (std::size_t i = 0; i < size; ++i) ++ends[digit(data[i])];
    std::uint32_t sum = 0;
    for (auto& c : ends) sum += std::exchange(c, sum);
    for (std::size_t i = 0; i < size; ++i) buffer[ends[digit(data[i])]++] = data[i];
    relocate(buffer, data, size);
    std::size_t begin = 0;
    for (std::size_t d = 0; begin != size; ++d) {
      auto const count = ends[d] - begin;
      if (count > 1)
        sort_with_buffer(data + begin, count,
                         static_cast<number>(least + static_cast<number>(static_cast<number>(d) << shift)), shift,
                         buffer);
      begin = ends[d];
    }
  }

  Rank const rank_;
  unsigned const workers_;
  std::size_t const leaf_;
  shared_buffers<T> buffers_;
};

}  // namespace weft::detail
