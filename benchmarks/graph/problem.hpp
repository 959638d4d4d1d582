// Graphs of tiny functions, made once and run again and again: a wavefront of 256 by 256 cells, each after its left and upper neighbour, and 64
// layers of 512 nodes, each after three random ones of the layer before; and the wavefront of 64 by 64 with 5 µs a cell.
// bench_smoke: --benchmark_filter=graph_(wave|layers)/(weft|serial)
#pragma once

#include "support/bench.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench::graph {

using value = std::uint64_t;

template <int Rounds>
value mix(value a, value b, value c = 0) noexcept {
  value x = a * 31 + b * 17 + c + 1;
  for (int i = 0; i < Rounds; ++i) x = (x ^ (x >> 29)) * 0x9E3779B97F4A7C15u + 1;
  return x;
}

/// A square of `Side` cells: cell (row, column) is number row · Side + column.
template <std::size_t Side, int Rounds>
struct wave {
  static constexpr std::size_t side = Side;
  static constexpr std::size_t nodes = Side * Side;
  static value cell(value left, value up) noexcept { return mix<Rounds>(left, up); }

  /// The last cell.
  static value answer() {
    static auto const known = [] {
      std::vector<value> row(Side, 0);
      for (std::size_t r = 0; r < Side; ++r)
        for (std::size_t c = 0; c < Side; ++c) row[c] = cell(c == 0 ? 0 : row[c - 1], row[c]);
      return row.back();
    }();
    return known;
  }
};
using tiny_wave = wave<256, 1>;
using slow_wave = wave<64, 2500>;

struct layers {
  static constexpr std::size_t depth = 64, width = 512, fan_in = 3;
  static constexpr std::size_t nodes = depth * width + 1;
  static value node(value a, value b, value c) noexcept { return mix<1>(a, b, c); }

  /// The three predecessors of each node, as places in the layer before.
  static std::vector<std::array<std::size_t, fan_in>> const& edges() {
    static auto const made = [] {
      std::vector<std::array<std::size_t, fan_in>> all(depth * width);
      value x = 42;
      for (auto& each : all)
        for (auto& e : each) {
          x ^= x << 13;
          x ^= x >> 7;
          x ^= x << 17;
          e = x % width;
        }
      return all;
    }();
    return made;
  }

  /// The sum of the last layer.
  static value answer() {
    static auto const known = [] {
      std::vector<value> before(width), now(width);
      for (std::size_t i = 0; i < width; ++i) before[i] = i;
      for (std::size_t layer = 1; layer < depth; ++layer) {
        for (std::size_t i = 0; i < width; ++i) {
          auto const& e = edges()[layer * width + i];
          now[i] = node(before[e[0]], before[e[1]], before[e[2]]);
        }
        before.swap(now);
      }
      value sum = 0;
      for (value v : before) sum += v;
      return sum;
    }();
    return known;
  }
};

}  // namespace bench::graph
