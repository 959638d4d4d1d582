// parallel_copy_if: the elements that satisfy a predicate, in their order.
#pragma once

#include <weft/parallel/blocks.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/prefix_chain.hpp>
#include <weft/parallel/shared_words.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// One bit for each element, whose words belong to one block each.
class marks : pinned {
 public:
  explicit marks(blocks const& all)
      : words_in_block_((all.length + 63) / 64), words_(new std::uint64_t[words_in_block_ * all.number()]) {}

  [[nodiscard]] std::uint64_t* of_block(std::size_t k) noexcept { return &words_[k * words_in_block_]; }

 private:
  std::size_t const words_in_block_;
  std::unique_ptr<std::uint64_t[]> const words_;  // not initialized: pages that nobody marks are never touched
};

/// The chain of a copy_if: a prefix is how many elements go before the block's.
template <class R, class Out, class Predicate, class Projection>
class copy_if_work : pinned {
 public:
  using prefix = std::size_t;
  using part = std::size_t;

  copy_if_work(blocks const& all, indexed<R> const& elements, Out const& out, Predicate& predicate,
               Projection& projection)
      : all_(all), elements_(elements), out_(out), predicate_(predicate), projection_(projection), marks_(all) {}

  /// Copies the block; the predicate's answers move the end of a list, so that no branch depends on them.
  std::size_t pass(std::size_t k, std::size_t before) {
    constexpr std::size_t at_a_time = 256;
    std::uint8_t chosen[at_a_time];
    auto in = elements_.from(all_.first(k));
    auto to = place(before);
    auto const last = all_.last(k);
    for (auto first = all_.first(k); first != last;) {
      auto const here = std::min(at_a_time, last - first);
      std::size_t size = 0;
      for (std::size_t i = 0; i != here; ++i, in.next()) {
        chosen[size] = static_cast<std::uint8_t>(i);
        size += wanted(*in.place());
      }
      for (std::size_t i = 0; i != size; ++i, ++to) *to = elements_[first + chosen[i]];
      before += size;
      first += here;
    }
    return before;
  }

  /// Marks what is to be copied of the block, and counts it.
  std::size_t measure(std::size_t k) {
    auto* word = marks_.of_block(k);
    auto in = elements_.from(all_.first(k));
    std::size_t count = 0;
    for (auto left = all_.last(k) - all_.first(k); left != 0;) {
      auto const here = std::min<std::size_t>(64, left);
      std::uint64_t bits = 0;
      for (std::size_t i = 0; i != here; ++i, in.next()) bits |= std::uint64_t{wanted(*in.place())} << i;
      *word++ = bits;
      count += static_cast<std::size_t>(std::popcount(bits));
      left -= here;
    }
    return count;
  }

  std::size_t extend(std::size_t before, std::size_t own) noexcept { return before + own; }

  void finish(std::size_t k, std::size_t before) {
    auto to = place(before);
    each_marked(k, [&](std::size_t i) {
      *to = elements_[i];
      ++to;
    });
  }

  /// Calls f(i) for each element of the block that measure has marked.
  template <class F>
  void each_marked(std::size_t k, F&& f) {
    auto const* word = marks_.of_block(k);
    auto const last = all_.last(k);
    for (auto first = all_.first(k); first < last; first += 64)
      for (auto bits = *word++; bits != 0; bits &= bits - 1)
        f(first + static_cast<std::size_t>(std::countr_zero(bits)));
  }

 private:
  template <class Element>
  std::size_t wanted(Element&& element) {
    return static_cast<bool>(std::invoke(predicate_, std::invoke(projection_, std::forward<Element>(element)))) ? 1 : 0;
  }

  Out place(std::size_t i) const { return out_ + static_cast<std::iter_difference_t<Out>>(i); }

  blocks const& all_;
  indexed<R> const& elements_;
  Out const& out_;
  Predicate& predicate_;
  Projection& projection_;
  marks marks_;
};

/// The marks alone, for an output that only one thread can write to.
template <class CopyIf>
class mark_work : pinned {
 public:
  using accumulator = unit;
  mark_work(blocks const& all, CopyIf& what) noexcept : all_(all), what_(what) {}

  void run(unit&, std::size_t first, std::size_t last) {
    auto const to = all_.begun_before(last);
    for (auto k = all_.begun_before(first); k != to; ++k) what_.measure(k);
  }
  void combine(unit&, unit&&) noexcept {}

 private:
  blocks const& all_;
  CopyIf& what_;
};

inline constexpr std::size_t copy_if_block = 4096;

}  // namespace detail

/// Copies the elements that satisfy the predicate to out, in their order, and returns what std::ranges::copy_if returns. out must not
/// overlap the range. From any thread, done on return. The predicate may be called at the same time for different elements. Throws
/// what it threw, or what an assignment threw, the output then being partly written; weft::stopped between blocks.
/// Complexity: n applications of predicate and projection, one assignment for each element copied; a bit for each element, and a
/// record of 64 bytes for each block of up to 4096. Ranges without random access: an iterator for each element.
/// An output without random access (std::back_inserter), or a std::vector<bool>, is written by the caller's thread when the predicates
/// have been called.
template <std::ranges::forward_range R, std::weakly_incrementable Out, class Projection = std::identity,
          std::indirect_unary_predicate<std::projected<std::ranges::iterator_t<R>, Projection>> Predicate>
  requires(std::indirectly_copyable<std::ranges::iterator_t<R>, Out> ||
           detail::writes_bit<Out, std::ranges::range_reference_t<R>>)
std::ranges::copy_if_result<std::ranges::borrowed_iterator_t<R>, Out> parallel_copy_if(R&& range, Out out,
                                                                                       Predicate predicate,
                                                                                       Projection projection = {},
                                                                                       loop_options options = {}) {
  using view = std::remove_reference_t<R>;
  detail::indexed<view> const elements(range);
  auto const end = elements.place(elements.size());
  using work_type = detail::copy_if_work<view, Out, Predicate, Projection>;
  if constexpr (std::random_access_iterator<Out> && !detail::gives_bits<Out>) {
    using chain_type = detail::prefix_chain<work_type>;
    auto const all = detail::chosen_blocks<chain_type>(elements.size(), detail::copy_if_block, options);
    work_type work(all, elements, out, predicate, projection);
    auto const copied = chain_type(work, all)(0, options);
    return {end, out + static_cast<std::iter_difference_t<Out>>(copied)};
  } else {
    using marking_type = detail::mark_work<work_type>;
    auto const all = detail::chosen_blocks<marking_type>(elements.size(), detail::copy_if_block, options);
    work_type work(all, elements, out, predicate, projection);
    marking_type marking(all, work);
    detail::run_blocks(marking, all, options);
    for (std::size_t k = 0; k != all.number(); ++k) work.each_marked(k, [&](std::size_t i) { *out++ = elements[i]; });
    return {end, std::move(out)};
  }
}
template <std::ranges::forward_range R, std::weakly_incrementable Out,
          std::indirect_unary_predicate<std::ranges::iterator_t<R>> Predicate>
  requires(std::indirectly_copyable<std::ranges::iterator_t<R>, Out> ||
           detail::writes_bit<Out, std::ranges::range_reference_t<R>>)
std::ranges::copy_if_result<std::ranges::borrowed_iterator_t<R>, Out> parallel_copy_if(R&& range, Out out,
                                                                                       Predicate predicate,
                                                                                       loop_options options) {
  return parallel_copy_if(std::forward<R>(range), std::move(out), std::move(predicate), std::identity{}, options);
}

}  // namespace weft
