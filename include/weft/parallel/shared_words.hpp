// Elements that share a word with their neighbours, as those of std::vector<bool> do: two threads must not write them at once, so
// loops that write cut their range between words.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/parallel/chunk_loop.hpp>
#include <weft/parallel/range_split.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace weft::detail {

/// Is what the iterator gives a bit of a word?
template <class I>
concept gives_bits = std::same_as<std::iter_reference_t<I>, std::vector<bool>::reference>;

/// C++20 does not count std::vector<bool> among what can be written indirectly; C++23 does.
template <class I, class T>
concept writes_bit = gives_bits<I> && requires(I const& i, T&& value) { *i = static_cast<T&&>(value); };

/// libstdc++'s iterators over bits tell where in its word an element lies.
template <class I>
concept tells_bit = gives_bits<I> && requires(I const& i) {
  { i._M_offset } -> std::convertible_to<std::size_t>;
};

/// Where a range may be cut: everywhere, between some words, or nowhere.
class cuts {
 public:
  template <gives_bits I>
  static cuts of(I const& first) {
    if constexpr (tells_bit<I>) return cuts(line, static_cast<std::size_t>(first._M_offset));
    else return cuts(0, 0);
  }

  [[nodiscard]] bool nowhere() const noexcept { return unit_ == 0; }

  /// Elements, in units that lie apart.
  [[nodiscard]] std::size_t units(std::size_t count) const noexcept {
    return count == 0 ? 0 : (count + before_ - 1) / unit_ + 1;
  }
  [[nodiscard]] std::size_t first_of(std::size_t u, std::size_t count) const noexcept {
    return u == 0 ? 0 : std::min(u * unit_ - before_, count);
  }
  [[nodiscard]] std::size_t grain(std::size_t elements) const noexcept {
    return elements / unit_ + (elements % unit_ != 0 ? 1 : 0);
  }

 private:
  // Whole words, and many of them: words side by side are no race, but threads that write them are slow.
  static constexpr std::size_t line = cache_line * 8;

  cuts(std::size_t unit, std::size_t before) noexcept : unit_(unit), before_(before) {}

  std::size_t unit_;    // elements from cut to cut; 0: not known
  std::size_t before_;  // elements of the first unit that lie before the range
};

/// for_chunks, for a chunk that writes elements from `first` on.
template <class I, class Chunk>
void for_chunks_written(I const& first, std::size_t count, loop_options const& o, Chunk chunk) {
  if constexpr (!gives_bits<I>) {
    for_chunks(count, o, std::move(chunk));
  } else {
    auto const where = cuts::of(first);
    if (where.nowhere()) {
      std::size_t const step = o.grain != 0 ? o.grain : 4096;
      for (std::size_t i = 0; i < count; i += std::min(step, count - i)) {
        this_task::stop_token().throw_if_stopped();
        chunk(i, i + std::min(step, count - i));
      }
      return;
    }
    for_chunks(where.units(count), {.grain = where.grain(o.grain), .limit = o.limit},
               [&chunk, &where, count](std::size_t from, std::size_t to) {
                 chunk(where.first_of(from, count), where.first_of(to, count));
               });
  }
}

}  // namespace weft::detail
