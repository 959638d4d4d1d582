// parallel_transform, parallel_copy, parallel_fill, parallel_generate: loops whose result is what they write, place by place.
//
// What holds for all of them: any thread, inside any task or loop, done on return. Elements are written in no particular order, by several
// threads at once. Failures and the stop token as in parallel_for: what has been written by then stays, and every element is valid.
// Writing to std::vector<bool> is cut between its words, so that no two threads share one ({.grain} is rounded up to them). Where a bit's place
// in its word is not to be found out (a view over the bits, or a standard library that is not libstdc++), one thread writes all. What is read
// from one must not share a word with what is written, unless it is the same elements.
#pragma once

#include <weft/parallel/chunk_loop.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/projected.hpp>
#include <weft/parallel/range_split.hpp>
#include <weft/parallel/shared_words.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weft {

/// An output that several threads can write at once: an iterator that can be copied, and goes on from each copy. Where it
/// has no random access, its places are gone through once beforehand. std::back_inserter is none: give the beginning of
/// a range that is long enough.
template <class O, class T>
concept multipass_output = std::forward_iterator<O> && (std::indirectly_writable<O, T> || detail::writes_bit<O, T>);

namespace detail {

/// f takes these, and what it returns can be written to O.
template <class F, class O, class... Arguments>
concept transforms_into =
    std::invocable<F&, Arguments...> && multipass_output<O, std::invoke_result_t<F&, Arguments...>>;

/// How many steps both ranges go.
template <class R1, class R2>
std::size_t common_size(R1& first, R2& second) {
  if constexpr (std::ranges::sized_range<R1> && std::ranges::sized_range<R2>) {
    return std::min(static_cast<std::size_t>(std::ranges::size(first)),
                    static_cast<std::size_t>(std::ranges::size(second)));
  } else {
    std::size_t count = 0;
    auto i = std::ranges::begin(first);
    auto j = std::ranges::begin(second);
    auto const i_end = std::ranges::end(first);
    auto const j_end = std::ranges::end(second);
    for (; i != i_end && j != j_end; ++i, ++j) ++count;
    return count;
  }
}

}  // namespace detail

/// *(out + i) = f(proj(element i)) for every element. Returns where reading and writing have ended, as std::ranges::transform does.
/// out may be the range's own beginning; otherwise the two must not overlap.
/// Complexity: one f and one proj for each element.
template <std::ranges::forward_range R, class O, class F, class Proj = std::identity>
  requires detail::transforms_into<F, O, detail::projected_reference<R, Proj>>
std::ranges::unary_transform_result<std::ranges::borrowed_iterator_t<R>, O> parallel_transform(
    R&& range, O out, F&& f, Proj proj = {}, loop_options options = {}) {
  detail::indexed<std::remove_reference_t<R>> const elements(range);
  auto const count = elements.size();
  detail::indexed_output<O> const places(out, count);
  detail::for_chunks_written(out, count, options, [&](std::size_t first, std::size_t last) {
    detail::chunk_local<std::remove_reference_t<F>, detail::projected_reference<R, Proj>> made = f;
    detail::chunk_local<Proj, std::ranges::range_reference_t<R>> projected = proj;
    auto in = elements.from(first);
    auto to = places.from(first);
    for (auto left = last - first; left != 0; --left, in.next(), to.next())
      *to.place() = std::invoke(made, std::invoke(projected, *in.place()));
  });
  return {elements.place(count), places.place(count)};
}
template <std::ranges::forward_range R, class O, class F>
  requires detail::transforms_into<F, O, std::ranges::range_reference_t<R>>
std::ranges::unary_transform_result<std::ranges::borrowed_iterator_t<R>, O> parallel_transform(R&& range, O out, F&& f,
                                                                                               loop_options options) {
  return parallel_transform(std::forward<R>(range), std::move(out), f, std::identity{}, options);
}

/// *(out + i) = f(proj1(element i of the first), proj2(element i of the second)), as far as the shorter range goes. Returns where reading both
/// and writing have ended. out may be the beginning of either range; otherwise it must not overlap them.
/// Complexity: one f, one proj1 and one proj2 for each element.
template <std::ranges::forward_range R1, std::ranges::forward_range R2, class O, class F, class Proj1 = std::identity,
          class Proj2 = std::identity>
  requires detail::transforms_into<F, O, detail::projected_reference<R1, Proj1>, detail::projected_reference<R2, Proj2>>
std::ranges::binary_transform_result<std::ranges::borrowed_iterator_t<R1>, std::ranges::borrowed_iterator_t<R2>, O>
parallel_transform(R1&& range1, R2&& range2, O out, F&& f, Proj1 proj1 = {}, Proj2 proj2 = {},
                   loop_options options = {}) {
  auto const count = detail::common_size(range1, range2);
  detail::indexed<std::remove_reference_t<R1>> const elements1(range1, count);
  detail::indexed<std::remove_reference_t<R2>> const elements2(range2, count);
  detail::indexed_output<O> const places(out, count);
  detail::for_chunks_written(out, count, options, [&](std::size_t first, std::size_t last) {
    detail::chunk_local<std::remove_reference_t<F>, detail::projected_reference<R1, Proj1>,
                        detail::projected_reference<R2, Proj2>>
        made = f;
    detail::chunk_local<Proj1, std::ranges::range_reference_t<R1>> projected1 = proj1;
    detail::chunk_local<Proj2, std::ranges::range_reference_t<R2>> projected2 = proj2;
    auto in1 = elements1.from(first);
    auto in2 = elements2.from(first);
    auto to = places.from(first);
    for (auto left = last - first; left != 0; --left, in1.next(), in2.next(), to.next())
      *to.place() = std::invoke(made, std::invoke(projected1, *in1.place()), std::invoke(projected2, *in2.place()));
  });
  return {elements1.place(count), elements2.place(count), places.place(count)};
}
template <std::ranges::forward_range R1, std::ranges::forward_range R2, class O, class F>
  requires detail::transforms_into<F, O, std::ranges::range_reference_t<R1>, std::ranges::range_reference_t<R2>>
std::ranges::binary_transform_result<std::ranges::borrowed_iterator_t<R1>, std::ranges::borrowed_iterator_t<R2>, O>
parallel_transform(R1&& range1, R2&& range2, O out, F&& f, loop_options options) {
  return parallel_transform(std::forward<R1>(range1), std::forward<R2>(range2), std::move(out), f, std::identity{},
                            std::identity{}, options);
}

/// *(out + i) = element i for every element. Returns where reading and writing have ended, as std::ranges::copy does. The two
/// must not overlap; std::ranges::copy allows some overlaps, which only hold for one thread.
/// Complexity: one assignment for each element.
template <std::ranges::forward_range R, class O>
  requires multipass_output<O, std::ranges::range_reference_t<R>>
std::ranges::copy_result<std::ranges::borrowed_iterator_t<R>, O> parallel_copy(R&& range, O out,
                                                                               loop_options options = {}) {
  detail::indexed<std::remove_reference_t<R>> const elements(range);
  auto const count = elements.size();
  detail::indexed_output<O> const places(out, count);
  detail::for_chunks_written(out, count, options, [&](std::size_t first, std::size_t last) {
    // Where the places lie side by side, the library knows the fastest way, which may be a copy of bytes or of words.
    using iterator = std::ranges::iterator_t<R>;
    if constexpr (detail::tells_bit<iterator> && detail::tells_bit<O>) {
      std::copy(elements.place(first), elements.place(last), places.place(first));
    } else if constexpr (std::random_access_iterator<iterator> && std::random_access_iterator<O> &&
                         !detail::gives_bits<O>) {
      std::ranges::copy(elements.place(first), elements.place(last), places.place(first));
    } else {
      auto in = elements.from(first);
      auto to = places.from(first);
      for (auto left = last - first; left != 0; --left, in.next(), to.next()) *to.place() = *in.place();
    }
  });
  return {elements.place(count), places.place(count)};
}

/// Every element = value, which may be one of them: it is copied first, if it can be. Returns the end of the range, as
/// std::ranges::fill does. Complexity: one assignment for each element.
template <std::ranges::forward_range R, class T>
  requires multipass_output<std::ranges::iterator_t<R>, T const&>
std::ranges::borrowed_iterator_t<R> parallel_fill(R&& range, T const& value, loop_options options = {}) {
  std::conditional_t<std::is_copy_constructible_v<T>, T, T const&> const kept = value;
  detail::indexed<std::remove_reference_t<R>> const elements(range);
  detail::for_chunks_written(elements.place(0), elements.size(), options, [&](std::size_t first, std::size_t last) {
    using iterator = std::ranges::iterator_t<R>;
    if constexpr (detail::tells_bit<iterator>)
      std::fill(elements.place(first), elements.place(last), static_cast<bool>(kept));
    else if constexpr (std::random_access_iterator<iterator> && !detail::gives_bits<iterator>)
      std::ranges::fill(elements.place(first), elements.place(last), kept);
    else elements.each(first, last, [&kept](auto&& e) { e = kept; });
  });
  return elements.place(elements.size());
}

/// Every element = f(), each from a call of its own. Returns the end of the range, as std::ranges::generate does; other than there, f is
/// called by several threads at once, and which call gives which element is not said.
/// Complexity: one f for each element.
template <std::ranges::forward_range R, class F>
  requires detail::transforms_into<F, std::ranges::iterator_t<R>>
std::ranges::borrowed_iterator_t<R> parallel_generate(R&& range, F&& f, loop_options options = {}) {
  detail::indexed<std::remove_reference_t<R>> const elements(range);
  detail::for_chunks_written(elements.place(0), elements.size(), options, [&](std::size_t first, std::size_t last) {
    elements.each(first, last, [&f](auto&& e) { std::forward<decltype(e)>(e) = std::invoke(f); });
  });
  return elements.place(elements.size());
}

}  // namespace weft
