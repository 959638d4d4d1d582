// parallel_unique: of each run of equal elements only the first one stays.
#pragma once

#include <weft/concurrent/atomic.hpp>
#include <weft/parallel/blocks.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/shared_words.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

// Each block is compacted in its place, by whoever runs it. What stays is then moved to the left, block by block in their order, by
// whoever has just compacted one and finds that nobody is moving: comparisons run on all workers, moves on one at a time beside them.
//
//   E1  a compacter's release of its count → the mover's acquire    the block's elements
//   E2  a mover's release of moving_ → the next mover's acquire     next_, end_ and the elements behind it
template <class R, class Equal, class Projection>
class unique_work : pinned {
  using value = std::ranges::range_value_t<R>;

 public:
  using accumulator = unit;

  unique_work(blocks const& all, indexed<R> const& elements, Equal& equal, Projection& projection)
      : all_(all),
        elements_(elements),
        equal_(equal),
        projection_(projection),
        begins_(all.number()),
        kept_(new atomic<std::size_t>[all.number()]()) {}

  /// First of all, while every element is in its place: does a block begin with an element that stays?
  void look_at_borders(loop_options const& o) {
    for_indices(all_.number(), {.grain = o.grain == 0 ? 0 : std::size_t{1}}, [this](std::size_t k) {
      auto const i = all_.first(k);
      begins_[k] = k == 0 || differ(elements_[i - 1], elements_[i]) ? 1 : 0;
    });
  }

  void run(unit&, std::size_t first, std::size_t last) {
    auto const to = all_.begun_before(last);
    for (auto k = all_.begun_before(first); k != to; ++k) {
      kept_[k].store(compact(k) + 1, memory_order_release);  // release: E1.
      move_ready();
    }
  }
  void combine(unit&, unit&&) noexcept {}

  /// After the loop: moves the rest, and returns how many elements stay.
  std::size_t close() {
    move_ready();
    return end_;
  }

 private:
  // Elements are copied before they are compared where that costs no more than a load: no branch then depends on the answer.
  static constexpr bool by_copy = std::is_trivially_copyable_v<value> && sizeof(value) <= 2 * sizeof(void*) &&
                                  std::copyable<value> && std::same_as<std::ranges::range_reference_t<R>, value&>;

  template <class A, class B>
  bool differ(A&& a, B&& b) {
    return !static_cast<bool>(std::invoke(equal_, std::invoke(projection_, std::forward<A>(a)),
                                          std::invoke(projection_, std::forward<B>(b))));
  }

  /// Moves what stays of block k to its begin; how many that are.
  std::size_t compact(std::size_t k) {
    auto const first = all_.first(k), last = all_.last(k);
    auto i = first + 1;
    auto to = first;
    if (begins_[k] != 0) {
      // As long as all stay, nothing is written.
      while (i != last && differ(elements_[i - 1], elements_[i])) ++i;
      to = i;
      if (i == last) return to - first;
      ++i;
    }
    if constexpr (by_copy) {
      value before = elements_[i - 1];
      for (; i != last; ++i) {
        value here = elements_[i];
        elements_[to] = here;
        to += differ(before, here) ? 1 : 0;
        before = here;
      }
    } else {
      // Equal elements are as good as each other: each is compared with the one before it, or with the last one that stays,
      // once the one before it may have been moved from.
      auto with = i - 1;
      for (; i != last; ++i) {
        if (!differ(elements_[with], elements_[i])) continue;
        if (to != i) *elements_.place(to) = std::ranges::iter_move(elements_.place(i));
        with = to++;
      }
    }
    return to - first;
  }

  void move_ready() {
    for (;;) {
      // acquire: E2. Who is moving will come here, or the end will.
      if (moving_.exchange(true, memory_order_acquire)) return;
      for (; next_ != all_.number(); ++next_) {
        auto const kept = kept_[next_].load(memory_order_acquire);  // acquire: E1.
        if (kept == 0) break;
        move_block(all_.first(next_), kept - 1);
      }
      auto const next = next_;
      moving_.store(false, memory_order_release);  // release: E2.
      // Somebody may have found us still at it. If this look is too early as well, the next block, or the end, makes up for it.
      if (next == all_.number() || kept_[next].load(memory_order_relaxed) == 0) return;
    }
  }

  void move_block(std::size_t from, std::size_t count) {
    if (end_ != from) std::ranges::move(elements_.place(from), elements_.place(from + count), elements_.place(end_));
    end_ += count;
  }

  blocks const& all_;
  indexed<R> const& elements_;
  Equal& equal_;
  Projection& projection_;
  std::vector<unsigned char> begins_;
  std::unique_ptr<atomic<std::size_t>[]> const kept_;  // 0: not compacted; else one more than stay
  alignas(cache_line) atomic<bool> moving_{false};
  std::size_t next_ = 0;  // block to be moved; guarded by moving_
  std::size_t end_ = 0;   // elements moved; guarded by moving_
};

inline constexpr std::size_t unique_block = 4096;

}  // namespace detail

/// Keeps the first element of each run of equal ones, in order, at the front, and returns the rest, whose elements have unspecified
/// values: what std::ranges::unique returns. In place. `equal` must be an equivalence relation; it and the projection may be called at
/// the same time for different elements. From any thread, done on return. Throws what they threw, or what a move threw, all
/// elements then being valid, but some moved from; weft::stopped between blocks.
/// Complexity: n − 1 applications of equal, twice as many of the projection; at most 2 n moves, half of which one worker makes at a
/// time, beside the comparisons of the others; 9 bytes for each block of up to 4096 elements. Ranges without random access: an
/// iterator for each element. A std::vector<bool>: one thread.
template <std::ranges::forward_range R, class Projection = std::identity,
          std::indirect_equivalence_relation<std::projected<std::ranges::iterator_t<R>, Projection>> Equal =
              std::ranges::equal_to>
  requires(std::permutable<std::ranges::iterator_t<R>> || detail::gives_bits<std::ranges::iterator_t<R>>)
std::ranges::borrowed_subrange_t<R> parallel_unique(R&& range, Equal equal = {}, Projection projection = {},
                                                    loop_options options = {}) {
  using view = std::remove_reference_t<R>;
  if constexpr (detail::gives_bits<std::ranges::iterator_t<R>>) {
    detail::check_ambient_stop();
    auto const same = [&](auto&& a, auto&& b) {
      return std::invoke(equal, std::invoke(projection, a), std::invoke(projection, b));
    };
    auto const end = std::ranges::end(range);
    return {std::unique(std::ranges::begin(range), end, same), end};
  } else {
    detail::indexed<view> const elements(range);
    using work_type = detail::unique_work<view, Equal, Projection>;
    auto const all = detail::chosen_blocks<work_type>(elements.size(), detail::unique_block, options);
    work_type work(all, elements, equal, projection);
    work.look_at_borders(options);
    detail::run_blocks(work, all, options);
    return {elements.place(work.close()), elements.place(elements.size())};
  }
}
template <std::ranges::forward_range R, std::indirect_equivalence_relation<std::ranges::iterator_t<R>> Equal>
  requires(std::permutable<std::ranges::iterator_t<R>> || detail::gives_bits<std::ranges::iterator_t<R>>)
std::ranges::borrowed_subrange_t<R> parallel_unique(R&& range, Equal equal, loop_options options) {
  return parallel_unique(std::forward<R>(range), std::move(equal), std::identity{}, options);
}
template <std::ranges::forward_range R>
  requires(std::permutable<std::ranges::iterator_t<R>> || detail::gives_bits<std::ranges::iterator_t<R>>) &&
          std::indirect_equivalence_relation<std::ranges::equal_to, std::ranges::iterator_t<R>>
std::ranges::borrowed_subrange_t<R> parallel_unique(R&& range, loop_options options) {
  return parallel_unique(std::forward<R>(range), std::ranges::equal_to{}, std::identity{}, options);
}

}  // namespace weft
