// Sample sort with all workers: elements that are cheap to move, in any order. One pass finds the place of each among some 250 samples by
// a descent that does not branch on the outcome, and brings the buckets apart; these fit a cache and are sorted by one worker each.
//
// Source: Sanders, Winkel, "Super scalar sample sort" (ESA 2004); buckets of elements equal to a sample as in Axtmann, Witt, Ferizovic,
// Sanders, "In-place parallel super scalar samplesort" (ESA 2017).
#pragma once

#include <weft/base/utility.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/sort_distribute.hpp>
#include <weft/parallel/sort_order.hpp>
#include <weft/parallel/sort_quick.hpp>
#include <weft/parallel/sort_serial.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

namespace weft::detail {

/// Whether elements that equal a splitter have buckets of their own.
enum class equal_buckets { no, yes };

/// Splitters as an implicit tree. Buckets in order: those below the first splitter, [equal to it,] those between it and the next, …
template <class Key, class Less, class KeyOf, int Levels = 7>
class splitter_tree {
 public:
  static constexpr int levels = Levels;
  static constexpr std::size_t leaves = std::size_t{1} << levels;

  splitter_tree(Less& less, KeyOf const& key_of) noexcept : less_(less), key_of_(key_of) {}

  /// From a sorted sample of at least `leaves` keys.
  void build(Key const* sample, std::size_t size) {
    for (std::size_t i = 0; i + 1 < leaves; ++i) splitters_[i].set(sample[(i + 1) * size / leaves]);
    splitters_[leaves - 1].set(*splitters_[leaves - 2]);
    fill(1, 0, leaves - 1);
    equal_ = equal_buckets::no;
    for (std::size_t i = 0; i + 2 < leaves; ++i)
      if (!less_(*splitters_[i], *splitters_[i + 1])) equal_ = equal_buckets::yes;
  }

  [[nodiscard]] std::size_t buckets() const noexcept { return equal_ == equal_buckets::yes ? 2 * leaves : leaves; }
  /// Are the elements of this bucket all equal to a splitter?
  [[nodiscard]] bool holds_equals(std::size_t bucket) const noexcept {
    return equal_ == equal_buckets::yes && bucket % 2 == 1 && bucket + 1 != 2 * leaves;
  }

  template <class T, class Put>
  void each(T* first, T* last, Put& put) const {
    constexpr std::size_t width = 16;
    if (equal_ == equal_buckets::yes) {
      for (; static_cast<std::size_t>(last - first) >= width; first += width)
        descend<width, equal_buckets::yes>(first, put);
      for (; first != last; ++first) descend<1, equal_buckets::yes>(first, put);
    } else {
      for (; static_cast<std::size_t>(last - first) >= width; first += width)
        descend<width, equal_buckets::no>(first, put);
      for (; first != last; ++first) descend<1, equal_buckets::no>(first, put);
    }
  }

 private:
  /// A key that need not have a default.
  union slot {
    slot() noexcept {}
    void set(Key const& k) noexcept { std::construct_at(&key, k); }
    Key const& operator*() const noexcept { return key; }
    Key key;
  };
  static_assert(cheap_value<Key>);

  /// Several elements at a time, so that their comparisons overlap.
  template <std::size_t Width, equal_buckets Equal, class T, class Put>
  void descend(T* first, Put& put) const {
    std::array<slot, Width> keys;
    std::array<std::size_t, Width> at;
    for (std::size_t i = 0; i < Width; ++i) keys[i].set(key_of_(first[i]));
    for (std::size_t i = 0; i < Width; ++i) at[i] = 1;
    for (int level = 0; level < levels; ++level)
      for (std::size_t i = 0; i < Width; ++i)
        at[i] = 2 * at[i] + static_cast<std::size_t>(less_(*tree_[at[i]], *keys[i]));
    for (std::size_t i = 0; i < Width; ++i) {
      at[i] -= leaves;
      if constexpr (Equal == equal_buckets::yes)
        at[i] = 2 * at[i] + static_cast<std::size_t>(!less_(*keys[i], *splitters_[at[i]]) || at[i] == leaves - 1);
    }
    for (std::size_t i = 0; i < Width; ++i) put(first[i], at[i]);
  }

  void fill(std::size_t node, std::size_t first, std::size_t last) {
    if (node >= leaves) return;
    auto const middle = first + (last - first) / 2;
    tree_[node].set(*splitters_[middle]);
    fill(2 * node, first, middle);
    fill(2 * node + 1, middle + 1, last);
  }

  Less& less_;
  KeyOf const& key_of_;
  equal_buckets equal_ = equal_buckets::no;
  std::array<slot, leaves> tree_;  // the root at 1
  std::array<slot, leaves> splitters_;
};

template <class T, class Less>
class sample_sort : pinned {
 public:
  sample_sort(Less& less, std::size_t size, loop_options const& options) noexcept
      : less_(less),
        options_(options),
        workers_(workers_here()),
        leaf_(options.grain != 0 ? std::clamp(options.grain, few, cached)
                                 : std::clamp(size / (8 * workers_), std::min(cached, std::size_t{4} << 10), cached)) {}

  void run(T* data, std::size_t size) {
    if (!sort_if_run(data, data + size, less_)) sort(data, size);
  }

 private:
  struct itself {
    T const& operator()(T const& x) const noexcept { return x; }
  };
  using tree = splitter_tree<T, Less, itself>;
  static constexpr std::size_t cached = (std::size_t{512} << 10) / sizeof(T);  // elements
  static constexpr std::size_t few = 256;
  static constexpr std::size_t sample_size = 8 * tree::leaves;

  void sort(T* data, std::size_t size) {
    if (size <= leaf_) return sort_serially(data, data + size, less_);
    check_stop_between_steps();
    itself const key_of;
    tree splitters(less_, key_of);
    if (!choose(splitters, data, size)) return sort_in_place(data, size);
    distribution<T> all(data, size, splitters.buckets(),
                        std::min<std::size_t>(workers_, size / std::min(leaf_, std::size_t{16} << 10)));
    if (!all) return sort_in_place(data, size);
    all.run(splitters);
    all.release();
    for_indices(splitters.buckets(), {.grain = 1}, [&](std::size_t b) {
      T* const first = data + all.begin(b);
      auto const count = all.begin(b + 1) - all.begin(b);
      if (splitters.holds_equals(b)) return;
      if (count > size / 2) sort_in_place(first, count);  // a bad sample: never twice
      else sort(first, count);
    });
  }

  bool choose(tree& splitters, T const* data, std::size_t size) {
    raw_array<T> sample(sample_size);
    if (!sample) return false;
    random_source random(size);
    for (std::size_t i = 0; i < sample_size; ++i) std::construct_at(sample.data() + i, data[random.next() % size]);
    sort_serially(sample.data(), sample.data() + sample_size, less_);
    splitters.build(sample.data(), sample_size);
    return true;
  }

  void sort_in_place(T* data, std::size_t size) { quick_sort<T*, Less>(less_, options_).run(data, data + size); }

  Less& less_;
  loop_options const options_;
  unsigned const workers_;
  std::size_t const leaf_;
};

}  // namespace weft::detail
