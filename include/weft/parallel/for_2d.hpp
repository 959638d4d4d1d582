// parallel_for_2d: a body for every place of a grid, in an order in which neighbours are near in time.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/parallel/chunk_loop.hpp>
#include <weft/parallel/range_split.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <limits>
#include <type_traits>

namespace weft {

namespace detail {

/// Rows [row, row + rows) by columns [column, column + columns).
struct grid_block {
  std::size_t row, column, rows, columns;
  [[nodiscard]] std::size_t size() const noexcept { return rows * columns; }
};

// The order: a block of the grid is cut across its longer side, one half comes before the other, and so on down to tiles, in which the order
// is row by row. A stretch of this order is about as wide as it is high, however long it is: whatever of a matrix it reads or writes, by rows
// or by columns, there is a length at which it fits each cache and the address translations of each level. Tiles are wider than high,
// for the sake of vector code; theirs are few enough rows and columns for a first-level cache, also with one of two matrices transposed.
// Source: Frigo, Leiserson, Prokop, Ramachandran, "Cache-oblivious algorithms" (FOCS 1999).
inline constexpr std::size_t tile_rows = 32, tile_columns = 64;

/// Calls row(r, c, n) for the pieces of rows that are places [first, last) of the block's order.
template <class Row>
void walk_grid(grid_block b, std::size_t first, std::size_t last, Row& row) {
  while (b.rows > tile_rows || b.columns > tile_columns) {
    auto near = b, far = b;
    // Cut where both halves are made of whole tiles, but for the last.
    if (b.rows / tile_rows > b.columns / tile_columns || b.columns <= tile_columns) {
      near.rows = (b.rows / tile_rows + 1) / 2 * tile_rows;
      far.row += near.rows;
      far.rows -= near.rows;
    } else {
      near.columns = (b.columns / tile_columns + 1) / 2 * tile_columns;
      far.column += near.columns;
      far.columns -= near.columns;
    }
    auto const middle = near.size();
    if (first < middle) {
      if (last <= middle) {
        b = near;
        continue;
      }
      walk_grid(near, first, middle, row);
      first = middle;
    }
    b = far;
    first -= middle;
    last -= middle;
  }
  auto r = first / b.columns, c = first % b.columns;
  for (auto left = last - first; left != 0; ++r, c = 0) {
    auto const here = std::min(left, b.columns - c);
    row(b.row + r, b.column + c, here);
    left -= here;
  }
}

template <std::integral I>
std::size_t extent(I n) noexcept {
  if (n <= 0) return 0;
  return static_cast<std::size_t>(n);
}

}  // namespace detail

/// Calls body(row, column) for every row in [0, rows) and column in [0, columns), in tiles of neighbours, possibly at the same time, and
/// returns when all calls have. Grain and chunks are numbers of calls. Otherwise as parallel_for: any thread, failures (of several the first in
/// the order of the tiles), the stop token between chunks. rows × columns must fit a std::size_t.
/// Complexity: rows × columns calls; memory traffic of an algorithm that knows the caches.
template <std::integral Rows, std::integral Columns, class Body>
  requires detail::computing_body<Body, Rows, Columns>
void parallel_for_2d(Rows rows, Columns columns, Body&& body, loop_options options = {}) {
  detail::grid_block const grid{0, 0, detail::extent(rows), detail::extent(columns)};
  if (grid.rows == 0 || grid.columns == 0) return;
  WEFT_ASSERT(grid.columns <= std::numeric_limits<std::size_t>::max() / grid.rows,
              "parallel_for_2d over more places than std::size_t can count");
  detail::for_chunks(grid.size(), options, [&body, &grid](std::size_t first, std::size_t last) {
    detail::chunk_local<std::remove_reference_t<Body>, Rows, Columns> call = body;
    auto row = [&call](std::size_t r, std::size_t c, std::size_t n) {
      for (auto const end = c + n; c != end; ++c) std::invoke(call, static_cast<Rows>(r), static_cast<Columns>(c));
    };
    detail::walk_grid(grid, first, last, row);
  });
}

}  // namespace weft
