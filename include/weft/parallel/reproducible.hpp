// weft::reproducible: reductions with the same bits, whatever the number of workers and whoever steals.
#pragma once

#include <weft/parallel/blocks.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/reduce.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <functional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// First argument of algorithms that group elements by their number alone: `parallel_reduce(weft::reproducible, v, 0.0)`.
struct reproducible_t {
  explicit reproducible_t() = default;
};
inline constexpr reproducible_t reproducible{};

namespace detail {

/// The tree over leaves 0 … n − 1 in which node (first, level) joins (first, level − 1) and its right neighbour, where both are
/// complete; the others are joined from the right. What is known of it after some neighbouring leaves: the roots of its largest
/// complete parts, from left to right.
template <class T>
class tree_parts {
 public:
  [[nodiscard]] bool empty() const noexcept { return roots_.empty(); }
  void reserve(std::size_t leaves) { roots_.reserve(leaves); }

  /// Adds the part right of what is there.
  template <class Op>
  void append(Op& op, std::size_t first, unsigned level, T value) {
    while (!roots_.empty() && roots_.back().level == level && (first >> level & 1) != 0) {
      value = static_cast<T>(std::invoke(op, std::move(roots_.back().value), std::move(value)));
      first = roots_.back().first;
      roots_.pop_back();
      ++level;
    }
    roots_.push_back({first, level, std::move(value)});
  }

  template <class Op>
  void append(Op& op, tree_parts&& right) {
    if (roots_.empty()) {
      roots_ = std::move(right.roots_);
    } else {
      for (auto& r : right.roots_) append(op, r.first, r.level, std::move(r.value));
    }
  }

  /// All leaves being there: the root.
  template <class Op>
  T close(Op& op) {
    T value = std::move(roots_.back().value);
    for (auto i = roots_.size() - 1; i-- != 0;)
      value = static_cast<T>(std::invoke(op, std::move(roots_[i].value), std::move(value)));
    return value;
  }

 private:
  struct root {
    std::size_t first;
    unsigned level;
    T value;
  };
  std::vector<root> roots_;
};

/// Folds each(i) from the left within a leaf, and leaves along the tree.
template <class T, class Op, class Each>
class reproducible_work : pinned {
 public:
  using accumulator = tree_parts<T>;

  reproducible_work(blocks const& leaves, Op& op, Each& each) : leaves_(leaves), op_(op), fold_(op, each) {}

  void run(accumulator& a, std::size_t first, std::size_t last) {
    auto const from = leaves_.begun_before(first), to = leaves_.begun_before(last);
    if (from == to) return;
    if (a.empty()) a.reserve(2 * static_cast<std::size_t>(std::bit_width(leaves_.number())));
    for (auto k = from; k != to; ++k) a.append(op_, k, 0, leaf(k));
  }

  void combine(accumulator& a, accumulator&& right) { a.append(op_, std::move(right)); }

 private:
  // One copy of the code for all, so that no other one can round differently.
  [[gnu::noinline]] T leaf(std::size_t k) {
    typename reduce_work<T, Op, Each>::accumulator sum;
    fold_.run(sum, leaves_.first(k), leaves_.last(k));
    return *std::move(sum);
  }

  blocks const& leaves_;
  Op& op_;
  reduce_work<T, Op, Each> fold_;
};

/// Elements in a leaf: known to be cheap, or else few of them where there are few.
inline constexpr std::size_t cheap_leaf = 2048, longest_leaf = 1024;

template <class T, class Op, class Each>
T reduce_reproducibly(blocks const& leaves, T init, Op& op, loop_options const& o, Each each) {
  reproducible_work<T, Op, Each> work(leaves, op, each);
  auto all = run_blocks(work, leaves, o);
  if (all.empty()) return init;
  return static_cast<T>(std::invoke(op, std::move(init), all.close(op)));
}

}  // namespace detail

/// init op (x0 op x1 op …), grouped in a way that depends on the number of elements alone: one program gives the same bits on every
/// number of workers, with every grain and in every run. Another type of range, or another compiler, may group otherwise.
/// Everything else is as in parallel_reduce. Complexity: n applications of op; 2 log n partial results for each steal.
template <std::ranges::forward_range R, class T, class Op = std::plus<>>
  requires detail::reducing<Op, T, std::ranges::range_reference_t<R>>
[[nodiscard]] T parallel_reduce(reproducible_t, R&& range, T init, Op op = {}, loop_options options = {}) {
  constexpr bool cheap = detail::cheap_sum<T, Op, R>;
  detail::indexed<std::remove_reference_t<R>> const elements(range);
  auto const leaves = cheap ? detail::blocks{elements.size(), detail::cheap_leaf}
                            : detail::fixed_blocks(elements.size(), detail::longest_leaf);
  if (cheap && options.grain == 0)
    options.grain = elements.size() <= detail::cheap_alone ? detail::cheap_alone : detail::cheap_chunk;
  auto&& fold = detail::groupable<T>(op);
  return detail::reduce_reproducibly(leaves, std::move(init), fold, options,
                                     [&](std::size_t i) -> decltype(auto) { return elements[i]; });
}
template <std::ranges::forward_range R, class T>
  requires detail::reducing<std::plus<>, T, std::ranges::range_reference_t<R>>
[[nodiscard]] T parallel_reduce(reproducible_t, R&& range, T init, loop_options options) {
  return parallel_reduce(reproducible, range, std::move(init), std::plus<>{}, options);
}

/// init op (f(x0) op f(x1) op …): the same over what f makes of the elements.
template <std::ranges::forward_range R, class T, class Op, class F>
  requires detail::reducing<Op, T, std::invoke_result_t<F&, std::ranges::range_reference_t<R>>>
[[nodiscard]] T parallel_transform_reduce(reproducible_t, R&& range, T init, Op op, F f, loop_options options = {}) {
  detail::indexed<std::remove_reference_t<R>> const elements(range);
  auto const leaves = detail::fixed_blocks(elements.size(), detail::longest_leaf);
  auto&& fold = detail::groupable<T>(op);
  return detail::reduce_reproducibly(leaves, std::move(init), fold, options,
                                     [&](std::size_t i) -> decltype(auto) { return std::invoke(f, elements[i]); });
}

}  // namespace weft
