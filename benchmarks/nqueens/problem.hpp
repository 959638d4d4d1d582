// nqueens: in how many ways can n queens stand on a board of n by n so that none attacks another? Row by row; every queen
// placed where nothing attacks it is a fork of its own with a board of its own, down to the last row. An item is such a placement.
// Source: the Cilk-5 distribution, from there BOTS (Duran et al., ICPP 2009) and the benchmark suites of today's task libraries.
// bench_smoke: --benchmark_filter=nqueens8
#pragma once

#include <array>
#include <cstdint>

namespace bench::nqueens {

/// Queens in the first rows of a board of N by N.
template <int N>
class board {
 public:
  /// Whether no queen in the rows before `row` attacks the square.
  [[nodiscard]] constexpr bool safe(int row, int column) const {
    for (int r = 0; r < row; ++r) {
      int const other = columns_[static_cast<unsigned>(r)];
      int const distance = row - r;
      if (other == column || other == column - distance || other == column + distance) return false;
    }
    return true;
  }

  /// This board with one queen more.
  [[nodiscard]] constexpr board with(int row, int column) const {
    board next = *this;
    next.columns_[static_cast<unsigned>(row)] = static_cast<signed char>(column);
    return next;
  }

 private:
  std::array<signed char, static_cast<unsigned>(N)> columns_{};
};

/// The safe squares of a row, for those who want to know their number before they start.
template <int N>
class choices {
 public:
  constexpr choices(board<N> const& b, int row) {
    for (int c = 0; c < N; ++c) {
      columns_[static_cast<unsigned>(count_)] = static_cast<signed char>(c);
      count_ += b.safe(row, c) ? 1 : 0;
    }
  }
  [[nodiscard]] constexpr int size() const { return count_; }
  [[nodiscard]] constexpr int operator[](int i) const { return columns_[static_cast<unsigned>(i)]; }

 private:
  std::array<signed char, static_cast<unsigned>(N)> columns_;
  int count_ = 0;
};

/// Solutions, and the placements that lead to them or nowhere. Source of the solutions: OEIS A000170; of the placements: A319284 less the empty board.
struct answer {
  int solutions;
  std::int64_t placements;
};
template <int N>
inline constexpr answer answer_of = {};
template <>
inline constexpr answer answer_of<6> = {4, 152};
template <>
inline constexpr answer answer_of<8> = {92, 2056};
template <>
inline constexpr answer answer_of<13> = {73712, 4674889};

}  // namespace bench::nqueens
