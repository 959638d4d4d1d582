// parallel_partition: those that satisfy a predicate first.
#pragma once

#include <weft/concurrent/atomic.hpp>
#include <weft/parallel/blocks.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/shared_words.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

// Whoever runs a part of the loop has a block from the left end and one from the right end of what nobody has taken yet, and lists
// which elements are on the wrong side of each: the predicate's answer moves the end of the list, so that no branch depends on it.
// Pairs of wrong ones are swapped; when a list is empty, the next block of its side is taken. Where the sides meet, each part has
// a few wrong ones left, of which pairs are swapped when parts join; in the end they are all on one side.
// Source: Tsigas, Zhang, "A simple, fast parallel implementation of quicksort" (2003), for blocks from both ends; Edelkamp, Weiß,
// "BlockQuicksort" (2016), for the lists.
template <class R, class Predicate, class Projection>
class partition_work : pinned {
  /// Positions, the last of which is taken first.
  class list {
   public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    std::size_t take() noexcept { return at_[--size_]; }
    std::size_t* room_for(std::size_t more) {
      if (at_.size() < size_ + more) at_.resize(size_ + more);
      return at_.data();
    }
    void resize(std::size_t size) noexcept { size_ = size; }
    void append(list const& other) {
      std::copy_n(other.at_.data(), other.size_, room_for(other.size_) + size_);
      size_ += other.size_;
    }
    std::size_t const* sort() noexcept {
      std::sort(at_.data(), at_.data() + size_);
      return at_.data();
    }

   private:
    std::vector<std::size_t> at_;
    std::size_t size_ = 0;
  };

 public:
  struct accumulator {
    list wrong_left, wrong_right;
  };

  partition_work(blocks const& all, indexed<R> const& elements, Predicate& predicate, Projection& projection)
      : all_(all), elements_(elements), predicate_(predicate), projection_(projection) {}

  void run(accumulator& a, std::size_t first, std::size_t last) {
    // As many blocks are taken in all as there are, so the two sides meet and do not cross.
    for (auto n = all_.begun_before(last) - all_.begun_before(first); n != 0; --n) {
      // Relaxed: numbers are taken, nothing is handed over.
      if (a.wrong_left.size() == 0) look<true>(a.wrong_left, taken_left_.fetch_add(1, memory_order_relaxed));
      else look<false>(a.wrong_right, all_.number() - 1 - taken_right_.fetch_add(1, memory_order_relaxed));
      swap_pairs(a);
    }
  }

  void combine(accumulator& a, accumulator&& right) {
    a.wrong_left.append(right.wrong_left);
    a.wrong_right.append(right.wrong_right);
    swap_pairs(a);
  }

  /// After the loop: moves those that are left over to where the sides meet, and returns how many elements satisfy the predicate.
  std::size_t close(accumulator& a) {
    auto const border = std::min(all_.count, taken_left_.load(memory_order_relaxed) * all_.length);
    if (auto const n = a.wrong_left.size(); n != 0) {
      gather(a.wrong_left.sort(), n, border - n, border);
      return border - n;
    }
    auto const n = a.wrong_right.size();
    if (n != 0) gather(a.wrong_right.sort(), n, border, border + n);
    return border + n;
  }

 private:
  /// Lists what is wrong in block k: what does not satisfy the predicate, on the left.
  template <bool Left>
  void look(list& wrong, std::size_t k) {
    auto const first = all_.first(k), last = all_.last(k);
    auto* const at = wrong.room_for(last - first);
    auto size = wrong.size();
    auto i = first;
    elements_.each(first, last, [&](auto&& element) {
      at[size] = i++;
      size += static_cast<bool>(std::invoke(predicate_, std::invoke(projection_, element))) != Left ? 1 : 0;
    });
    wrong.resize(size);
  }

  void swap(std::size_t i, std::size_t j) { std::ranges::iter_swap(elements_.place(i), elements_.place(j)); }

  void swap_pairs(accumulator& a) {
    for (auto n = std::min(a.wrong_left.size(), a.wrong_right.size()); n != 0; --n)
      swap(a.wrong_left.take(), a.wrong_right.take());
  }

  /// Swaps the n listed elements into [first, last), n positions; those which are there already stay.
  void gather(std::size_t const* listed, std::size_t n, std::size_t first, std::size_t last) {
    auto const* const in = std::lower_bound(listed, listed + n, first);
    auto const* const behind = std::lower_bound(in, listed + n, last);
    auto const* next_in = in;
    auto const* outside = listed;
    for (auto i = first; i != last; ++i) {
      if (next_in != behind && *next_in == i) {
        ++next_in;
        continue;
      }
      if (outside == in) outside = behind;
      swap(*outside++, i);
    }
  }

  blocks const& all_;
  indexed<R> const& elements_;
  Predicate& predicate_;
  Projection& projection_;
  alignas(cache_line) atomic<std::size_t> taken_left_{0};
  alignas(cache_line) atomic<std::size_t> taken_right_{0};
};

inline constexpr std::size_t partition_block = 1024;

}  // namespace detail

/// Reorders the range so that the elements which satisfy the predicate come first, in no particular order, and returns the others:
/// what std::ranges::partition returns. In place; not stable. From any thread, done on return. The predicate may be called at the same
/// time for different elements. Throws what it threw, or what a swap threw, every element then being somewhere in the range unless a swap
/// has lost it; weft::stopped between blocks.
/// Complexity: n applications of predicate and projection; at most n / 2 swaps and a block's worth for each steal; a list of positions
/// (8 KiB at most) for each steal. Ranges without random access: an iterator for each element. A std::vector<bool>: one thread.
template <std::ranges::forward_range R, class Projection = std::identity,
          std::indirect_unary_predicate<std::projected<std::ranges::iterator_t<R>, Projection>> Predicate>
  requires(std::permutable<std::ranges::iterator_t<R>> || detail::gives_bits<std::ranges::iterator_t<R>>)
std::ranges::borrowed_subrange_t<R> parallel_partition(R&& range, Predicate predicate, Projection projection = {},
                                                       loop_options options = {}) {
  using view = std::remove_reference_t<R>;
  if constexpr (detail::gives_bits<std::ranges::iterator_t<R>>) {
    detail::check_ambient_stop();
    auto const satisfies = [&](auto&& bit) { return std::invoke(predicate, std::invoke(projection, bit)); };
    auto const end = std::ranges::end(range);
    return {std::partition(std::ranges::begin(range), end, satisfies), end};
  } else {
    detail::indexed<view> const elements(range);
    using work_type = detail::partition_work<view, Predicate, Projection>;
    auto const all = detail::chosen_blocks<work_type>(elements.size(), detail::partition_block, options);
    work_type work(all, elements, predicate, projection);
    auto left_over = detail::run_blocks(work, all, options);
    auto const middle = work.close(left_over);
    return {elements.place(middle), elements.place(elements.size())};
  }
}
template <std::ranges::forward_range R, std::indirect_unary_predicate<std::ranges::iterator_t<R>> Predicate>
  requires(std::permutable<std::ranges::iterator_t<R>> || detail::gives_bits<std::ranges::iterator_t<R>>)
std::ranges::borrowed_subrange_t<R> parallel_partition(R&& range, Predicate predicate, loop_options options) {
  return parallel_partition(std::forward<R>(range), std::move(predicate), std::identity{}, options);
}

}  // namespace weft
