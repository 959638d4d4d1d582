// uts: the unbalanced tree search. How many children a node has is drawn from the hash that its parent gave it, so that nobody
// knows where the work is before it has been done. Every child is a fork. An item is a node.
// T1: geometric with a branching factor of 4 down to depth 10, root seed 19: 4,130,071 nodes.
// Source: Olivier, Huan, Liu, Prins, Dinan, Sadayappan, Tseng: UTS: An Unbalanced Tree Search Benchmark (LCPC 2006).
// bench_smoke: --benchmark_filter=uts_small
#pragma once

#include "uts/sha1.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ostream>

namespace bench::uts {

/// What is counted, of a tree or of a part of one.
struct census {
  std::int64_t nodes = 0;
  std::int64_t leaves = 0;
  int depth = 0;

  bool operator==(census const&) const = default;
  friend census operator+(census const& a, census const& b) {
    return {a.nodes + b.nodes, a.leaves + b.leaves, std::max(a.depth, b.depth)};
  }
  friend std::ostream& operator<<(std::ostream& out, census const& c) {
    return out << c.nodes << " nodes, " << c.leaves << " leaves, depth " << c.depth;
  }
};

/// A node of the tree that ends at depth `Depth`.
template <int Depth>
class node {
 public:
  [[nodiscard]] static node root() { return node(sha1(std::array<std::uint32_t, 5>{0, 0, 0, 0, seed}), 0); }
  [[nodiscard]] node child(int index) const {
    auto const& s = state_;
    return node(sha1(std::array<std::uint32_t, 6>{s[0], s[1], s[2], s[3], s[4], static_cast<std::uint32_t>(index)}),
                depth_ + 1);
  }
  [[nodiscard]] int children() const { return children_; }

  /// The node itself, without its children.
  [[nodiscard]] census alone() const { return {1, children_ == 0 ? 1 : 0, depth_}; }

 private:
  static constexpr std::uint32_t seed = 19;
  static constexpr double branching = 4;
  static constexpr int most_children = 100;
  inline static double const log_failure = std::log(1 - 1 / (1 + branching));

  node(digest const& state, int depth) : state_(state), depth_(depth), children_(draw(state, depth)) {}

  /// Geometric, with the branching factor as its mean.
  static int draw(digest const& state, int depth) {
    if (depth >= Depth) return 0;
    double const uniform = static_cast<double>(state[4] & 0x7fffffff) / 2147483648.0;
    return std::min(static_cast<int>(std::floor(std::log(1 - uniform) / log_failure)), most_children);
  }

  digest state_;
  int depth_;
  int children_;
};

/// T1 is given by the benchmark's authors; the others are parts of it.
template <int Depth>
inline census const answer = {};
template <>
inline census const answer<3> = {254, 201, 3};
template <>
inline census const answer<5> = {3987, 3232, 5};
template <>
inline census const answer<10> = {4'130'071, 3'305'118, 10};

}  // namespace bench::uts
