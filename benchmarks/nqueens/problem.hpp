// nqueens: in how many ways can n queens stand on a board of n by n so that none attacks another? Row by row; every queen
// placed where nothing attacks it is a fork of its own with a board of its own, down to the last row. An item is such a placement.
// Source: the Cilk-5 distribution, from there BOTS (Duran et al., ICPP 2009) and the benchmark suites of today's task libraries.
// bench_smoke: --benchmark_filter=nqueens8
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>

namespace bench::nqueens {

/// Queens in the first rows of a board of N by N.
template <int N>
class board {
 public:
  /// Whether no queen in the rows before `row` attacks the square.
  [[nodiscard]] bool safe(int row, int column) const {
    for (int r = 0; r < row; ++r) {
      int const other = columns_[static_cast<unsigned>(r)];
      if (other == column || std::abs(other - column) == row - r) return false;
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
  choices(board<N> const& b, int row) {
    // All squares are tested before one is listed: a bit costs the compilers less than a place in the list.
    unsigned safe = 0;
    for (int c = 0; c < N; ++c) safe |= static_cast<unsigned>(b.safe(row, c)) << c;
    for (; safe != 0; safe &= safe - 1)
      columns_[static_cast<unsigned>(count_++)] = static_cast<signed char>(std::countr_zero(safe));
  }
  [[nodiscard]] constexpr int size() const { return count_; }
  [[nodiscard]] constexpr int operator[](int i) const { return columns_[static_cast<unsigned>(i)]; }

 private:
  std::array<signed char, static_cast<unsigned>(N)> columns_;
  int count_ = 0;
};

/// Solutions (OEIS A000170), and the placements that lead to them or nowhere, which the serial program counts.
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
