// parallel_for_chunks: a body for every piece of a range, for what is set up once and used for many elements.
#pragma once

#include <weft/coro/concepts.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/range_split.hpp>
#include <weft/parallel/shared_words.hpp>

#include <cstddef>
#include <functional>
#include <ranges>
#include <type_traits>

namespace weft {

namespace detail {

template <class R>
using chunk_of = std::ranges::subrange<std::ranges::iterator_t<R>>;

}  // namespace detail

/// Calls body(chunk) for chunks that together are the range, each element in one of them; a chunk is a std::ranges::subrange of the
/// range's own iterators, never empty. Chunks are as long as the loop finds right: from one element up, longer where elements are
/// cheap. With {.grain = n} each has n elements, counted from the front, but for the last, which has what is left.
/// No two chunks of a std::vector<bool> share a word: {.grain} is rounded up, the first may be shorter (see transform.hpp).
/// Ranges without random access are gone through once beforehand. Otherwise as parallel_for: any thread, any order, failures,
/// the stop token between chunks.
/// Complexity: at most one call for each element.
template <std::ranges::forward_range R, class Body>
  requires detail::computing_body<Body, detail::chunk_of<R>>
void parallel_for_chunks(R&& range, Body&& body, loop_options options = {}) {
  detail::indexed<std::remove_reference_t<R>> const elements(range);
  detail::for_chunks_written(elements.place(0), elements.size(), options, [&](std::size_t first, std::size_t last) {
    std::invoke(body, detail::chunk_of<R>(elements.place(first), elements.place(last)));
  });
}

}  // namespace weft
