// parallel_for: a body for every index or element, shared over the cores, or, where it waits, many of them in flight.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/parallel/chunk_loop.hpp>
#include <weft/parallel/in_flight.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/range_split.hpp>
#include <weft/parallel/shared_words.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// How many indices lie in [first, last), whatever their types.
template <class Index, std::integral First, std::integral Last>
std::size_t count_of_indices(First first, Last last) {
  if constexpr (std::is_signed_v<First> == std::is_signed_v<Last>) {
    if (!(first < last)) return 0;
  } else {
    if (!std::cmp_less(first, last)) return 0;
    WEFT_ASSERT(std::in_range<Index>(first) && std::in_range<Index>(last),
                "parallel_for from a negative to an unsigned number: give both ends one signed type");
  }
  using wide = std::make_unsigned_t<Index>;
  return static_cast<std::size_t>(
      static_cast<wide>(static_cast<wide>(static_cast<Index>(last)) - static_cast<wide>(static_cast<Index>(first))));
}

template <class Each>
void for_indices(std::size_t count, loop_options const& o, Each each) {
  for_chunks(count, o, [&each](std::size_t first, std::size_t last) {
    chunk_local<Each, std::size_t> call = each;
    for (auto i = first; i < last; ++i) call(i);
  });
}

template <class View, class Body>
task<> for_waiting(View range, Body body, loop_options options) {
  indexed<View> const elements(range);
  auto each = [&body, &elements](std::size_t i) { return std::invoke(body, elements[i]); };
  co_await keep_in_flight(elements.size(), options.limit, each);
}

}  // namespace detail

/// Calls body(i) for every i in [first, last), in no particular order, possibly at the same time, and returns when all calls
/// have. Any thread, inside any task or loop. Work is given away only when somebody is idle; a loop too small to be worth
/// it runs inline. While it waits for parts that were taken, the thread runs nothing but parts of this loop.
///
/// Throws what a body threw (of several the one of the lowest index among those that were begun): no more chunks begin, and those that
/// run are waited for; the parts that were taken from the thread that failed are asked to stop. Honours the ambient stop token between
/// chunks: throws weft::stopped.
/// Complexity: last − first calls; O(log n) jobs per steal. Source: lazy binary splitting (Tzannes et al., 2010).
template <std::integral First, std::integral Last, class Body>
  requires detail::computing_body<Body, std::common_type_t<First, Last>>
void parallel_for(First first, Last last, Body&& body, loop_options options = {}) {
  using index = std::common_type_t<First, Last>;
  using wide = std::make_unsigned_t<index>;
  auto const from = static_cast<index>(first);
  auto const count = detail::count_of_indices<index>(first, last);
  detail::for_chunks(count, options, [&body, from](std::size_t begin, std::size_t end) {
    detail::chunk_local<std::remove_reference_t<Body>, index> call = body;
    // Counted in the index's own type, so that the compiler knows that it does not wrap around inside a chunk.
    auto i = static_cast<index>(static_cast<wide>(static_cast<wide>(from) + static_cast<wide>(begin)));
    auto const stop = static_cast<index>(static_cast<wide>(static_cast<wide>(from) + static_cast<wide>(end)));
    for (; i < stop; ++i) std::invoke(call, static_cast<index>(i));
  });
}

/// The same for every element of a range, which body gets as the range gives it: by reference, where it has references. No two threads
/// are given elements of one word of a std::vector<bool> (see transform.hpp).
template <std::ranges::forward_range R, class Body>
  requires detail::computing_body<Body, std::ranges::range_reference_t<R>>
void parallel_for(R&& range, Body&& body, loop_options options = {}) {
  detail::indexed<std::remove_reference_t<R>> const elements(range);
  detail::for_chunks_written(elements.place(0), elements.size(), options, [&](std::size_t first, std::size_t last) {
    detail::chunk_local<std::remove_reference_t<Body>, std::ranges::range_reference_t<R>> call = body;
    elements.each(first, last, [&call](auto&& e) { std::invoke(call, std::forward<decltype(e)>(e)); });
  });
}

/// co_await parallel_for(first, last, body, {.limit = 64});      a body that returns something to await
/// co_await parallel_for(range, body, {.limit = 64});            an lvalue range is borrowed, another is moved in, as is the body
///   completes   when all have ended; at most `limit` are in flight
///   result      none
///   on error    the first failure stops the others and is thrown when those in flight have ended; no more are begun
///   on stop     goes on: those in flight inherit the stop; no more are begun
///   resumes on  the pool it was awaited on
/// Bodies run on several threads, so they must not write to a range that is a std::vector<bool>, whose elements share words.
template <std::integral First, std::integral Last, class Body>
  requires detail::waiting_body<Body, std::common_type_t<First, Last>>
task<> parallel_for(First first, Last last, Body body, loop_options options = {}) {
  using index = std::common_type_t<First, Last>;
  using wide = std::make_unsigned_t<index>;
  auto const from = static_cast<index>(first);
  auto const count = detail::count_of_indices<index>(first, last);
  auto each = [&body, from](std::size_t i) {
    return std::invoke(body, static_cast<index>(static_cast<wide>(static_cast<wide>(from) + static_cast<wide>(i))));
  };
  co_await detail::keep_in_flight(count, options.limit, each);
}

template <std::ranges::forward_range R, class Body>
  requires detail::waiting_body<Body, std::ranges::range_reference_t<R>>
auto parallel_for(R&& range, Body&& body, loop_options options = {}) {
  return detail::for_waiting(std::views::all(std::forward<R>(range)), std::decay_t<Body>(std::forward<Body>(body)),
                             options);
}

}  // namespace weft
