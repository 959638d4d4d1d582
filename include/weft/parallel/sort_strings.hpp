// Sorting strings by characters: eight at a time, as a number, instead of comparing one string with another again and again.
//
// The next eight characters of each string find its bucket among some 250 samples, and strings move there; those that share all eight with
// a sample go on with the eight after. A bucket that fits a cache is sorted as pairs of such a number and an index, and its strings
// move once more, to their places.
// Source: multikey quicksort (Bentley, Sedgewick, 1997) with cached characters (Ng, Kakehi, 2007), over a sample sort.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/sort_buffers.hpp>
#include <weft/parallel/sort_distribute.hpp>
#include <weft/parallel/sort_keys.hpp>
#include <weft/parallel/sort_order.hpp>
#include <weft/parallel/sort_quick.hpp>
#include <weft/parallel/sort_sample.hpp>
#include <weft/parallel/sort_serial.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft::detail {

template <class S>
inline constexpr bool is_string = std::same_as<S, std::string_view>;
template <class Allocator>
inline constexpr bool is_string<std::basic_string<char, std::char_traits<char>, Allocator>> = true;

/// Elements in the order of strings: these themselves, or a data member.
template <class T, class Comp, class Proj>
concept sorted_by_characters = relocatable<T> && sizeof(T) <= 128 && is_string<typename key_of<T, Proj>::type> &&
                               (compares_as_less<Comp, typename key_of<T, Proj>::type> ||
                                compares_as_greater<Comp, typename key_of<T, Proj>::type>);

/// Characters as a number that orders as they do.
template <std::unsigned_integral Number>
inline Number load_characters(char const* from) noexcept {
  Number n;
  std::memcpy(&n, from, sizeof(n));
  if constexpr (std::endian::native == std::endian::little) {
    // What compilers know as a reversal of bytes.
    Number reversed = 0;
    for (std::size_t i = 0; i < sizeof(n); ++i) reversed = static_cast<Number>(reversed << 8 | ((n >> 8 * i) & 0xFF));
    n = reversed;
  }
  return n;
}

/// The eight characters from `depth` on, of which zeros stand for those that are not there.
inline std::uint64_t eight_characters(std::string_view s, std::size_t depth) noexcept {
  if (s.size() >= depth + 8) [[likely]]
    return load_characters<std::uint64_t>(s.data() + depth);
  if (s.size() <= depth) return 0;
  auto const left = s.size() - depth;
  char const* const from = s.data() + depth;
  // Loads that overlap make any length.
  if (left >= 4)
    return std::uint64_t{load_characters<std::uint32_t>(from)} << 32 |
           std::uint64_t{load_characters<std::uint32_t>(from + left - 4)} << 8 * (8 - left);
  auto const at = [&](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(from[i])} << (56 - 8 * i); };
  return at(0) | at(left / 2) | at(left - 1);
}

template <class T, class Comp, class Proj>
class string_sort : pinned {
 public:
  string_sort(Proj proj, std::size_t size, loop_options const& options) noexcept
      : proj_(proj),
        options_(options),
        workers_(workers_here()),
        leaf_(options.grain != 0 ? std::clamp(options.grain, few, cached)
                                 : std::clamp(size / (8 * workers_), std::size_t{2} << 10, cached)),
        entries_(std::min(size, leaf_)),
        places_(std::min(size, leaf_)) {}

  /// Throws weft::stopped between steps.
  void run(T* data, std::size_t size) {
    before const less{*this, 0};
    if (sort_if_run(data, data + size, less)) return;
    if (size <= few) return sort_serially(data, data + size, less);
    sort(data, size, 0, 0);
  }

 private:
  using key = typename key_of<T, Proj>::type;
  static constexpr bool descending = compares_as_greater<Comp, key>;
  static constexpr std::size_t cached = (std::size_t{512} << 10) / sizeof(T);  // elements
  static constexpr std::size_t few = 128;
  static constexpr std::size_t sample_size = 2048;
  static constexpr int most_levels = 48;

  struct entry {
    std::uint64_t characters;
    std::uint32_t index;
  };
  struct by_characters {
    bool operator()(std::uint64_t a, std::uint64_t b) const noexcept { return a < b; }
    bool operator()(entry const& a, entry const& b) const noexcept { return a.characters < b.characters; }
  };

  [[nodiscard]] std::string_view text(T const& x) const noexcept { return std::invoke(proj_, x); }

  /// The next eight characters as a number, in the order asked for.
  [[nodiscard]] std::uint64_t characters(T const& x, std::size_t depth) const noexcept {
    auto const n = eight_characters(text(x), depth);
    return descending ? ~n : n;
  }
  /// May some of the strings with these eight characters have ended?
  static bool may_have_ended(std::uint64_t characters) noexcept {
    return ((descending ? ~characters : characters) & 0xFF) == 0;
  }

  /// The order itself, for strings that are equal up to depth.
  struct before {
    string_sort const& of;
    std::size_t depth;
    bool operator()(T const& a, T const& b) const noexcept {
      auto x = of.text(a), y = of.text(b);
      if constexpr (descending) std::swap(x, y);
      return x.substr(std::min(depth, x.size())) < y.substr(std::min(depth, y.size()));
    }
  };
  struct characters_of {
    string_sort const& of;
    std::size_t depth;
    std::uint64_t operator()(T const& x) const noexcept { return of.characters(x, depth); }
  };

  void compare(T* data, std::size_t size, std::size_t depth) {
    before const less{*this, depth};
    quick_sort<T*, before const>(less, options_).run(data, data + size);
  }

  /// Strings that are equal up to depth.
  void sort(T* data, std::size_t size, std::size_t depth, int level) {
    if (size <= leaf_) return sort_cached(data, size, depth);
    check_stop_between_steps();
    if (level == most_levels) return compare(data, size, depth);
    raw_array<std::uint64_t> sample(sample_size);
    if (!sample) return compare(data, size, depth);
    depth = skip_common(data, size, depth);
    by_characters const less;
    characters_of const next{*this, depth};
    splitter_tree<std::uint64_t, by_characters const, characters_of, 8> splitters(less, next);
    random_source random(size + depth);
    for (std::size_t i = 0; i < sample_size; ++i) sample[i] = next(data[random.next() % size]);
    sort_serially(sample.data(), sample.data() + sample_size, less);
    splitters.build(sample.data(), sample_size);
    distribution<T> all(data, size, splitters.buckets(),
                        std::min<std::size_t>(workers_, size / std::min(leaf_, std::size_t{8} << 10)));
    if (!all) return compare(data, size, depth);
    all.run(splitters);
    all.release();
    for_indices(splitters.buckets(), {.grain = 1}, [&](std::size_t b) {
      T* const first = data + all.begin(b);
      auto const count = all.begin(b + 1) - all.begin(b);
      if (count < 2) return;
      if (splitters.holds_equals(b)) sort_equal(first, count, depth, level);
      else if (count > size / 2) compare(first, count, depth);  // a bad sample: never twice
      else sort(first, count, depth, level + 1);
    });
  }

  /// Strings that are equal up to depth and in the eight characters after it.
  void sort_equal(T* data, std::size_t size, std::size_t depth, int level) {
    before const less{*this, depth};
    if (sort_if_run(data, data + size, less)) return;
    if (may_have_ended(characters(data[0], depth))) compare(data, size, depth);
    else sort(data, size, depth + 8, level + 1);
  }

  /// The depth up to which all are equal, found with a sample; depth itself where that is not far off.
  std::size_t skip_common(T const* data, std::size_t size, std::size_t depth) {
    auto const first = text(data[0]);
    auto common = first.size();
    auto shared_with = [&](T const& x, std::size_t most) {
      auto const s = text(x);
      most = std::min(most, s.size());
      return static_cast<std::size_t>(std::mismatch(first.begin() + static_cast<std::ptrdiff_t>(depth),
                                                    first.begin() + static_cast<std::ptrdiff_t>(std::max(depth, most)),
                                                    s.begin() + static_cast<std::ptrdiff_t>(depth))
                                          .first -
                                      first.begin());
    };
    random_source random(size);
    for (std::size_t i = 0; i < 64 && common >= depth + 2; ++i)
      common = shared_with(data[random.next() % size], common);
    if (common < depth + 2) return depth;
    atomic<bool> all{true};  // relaxed: a remark of the loop's own parts, read after they have been joined
    for_indices(size, {}, [&](std::size_t i) {
      if (shared_with(data[i], common) != common) all.store(false, memory_order_relaxed);
    });
    return all.load(memory_order_relaxed) ? common : depth;
  }

  void sort_cached(T* data, std::size_t size, std::size_t depth) {
    before const less{*this, depth};
    if (size <= few) return sort_serially(data, data + size, less);
    typename shared_buffers<entry>::lease const entries(entries_);
    typename shared_buffers<T>::lease const places(places_);
    if (entries.data() == nullptr || places.data() == nullptr) return sort_serially(data, data + size, less);
    entry* const order = entries.data();
    for (std::size_t i = 0; i < size; ++i) order[i].index = static_cast<std::uint32_t>(i);
    sort_entries(data, order, size, depth);
    for (std::size_t i = 0; i < size; ++i) relocate(data + order[i].index, places.data() + i, 1);
    relocate(places.data(), data, size);
  }

  void sort_entries(T const* data, entry* order, std::size_t size, std::size_t depth) const {
    for (;;) {
      for (std::size_t i = 0; i < size; ++i) order[i].characters = characters(data[order[i].index], depth);
      by_characters const less;
      sort_serially(order, order + size, less);
      for (std::size_t first = 0, last = 0; first != size; first = last) {
        for (last = first + 1; last != size && order[last].characters == order[first].characters;) ++last;
        if (last - first == 1) continue;
        if (last - first <= few || may_have_ended(order[first].characters)) {
          auto by_text = [&](entry const& a, entry const& b) {
            return before{*this, depth}(data[a.index], data[b.index]);
          };
          sort_serially(order + first, order + last, by_text);
        } else if (last - first != size) {
          sort_entries(data, order + first, last - first, depth + 8);
        } else {
          break;
        }
      }
      if (size <= few || order[0].characters != order[size - 1].characters || may_have_ended(order[0].characters))
        return;
      depth += 8;
    }
  }

  [[no_unique_address]] Proj proj_;
  loop_options const options_;
  unsigned const workers_;
  std::size_t const leaf_;
  shared_buffers<entry> entries_;
  shared_buffers<T> places_;
};

}  // namespace weft::detail
