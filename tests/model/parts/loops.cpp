// Loops and graphs whose parts wait for each other by a count or a flag, on a real pool of two.
#include <weft/coro/run.hpp>
#include <weft/graph/graph.hpp>
#include <weft/parallel/prefix_chain.hpp>

#include <array>
#include <cstddef>
#include <model/model.hpp>
#include <model/parts/pool.hpp>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::small_pool;

// node E1, and the ends of an open join: who ends the last predecessor hands on the results of all.
void diamond() {
  small_pool p(2);
  weft::graph g;
  auto const a = g.add([] { return 1; });
  auto const b = g.add([](int v) { return v + 1; }, a);
  auto const c = g.add([](int v) { return v + 2; }, a);
  auto const d = g.add([](int v, int w) { return v + w; }, b, c);
  p.run([&] { g.run(); });
  expect(d.get() == 5, "the results of both");
}
weft_model::part const g1("loops: a graph of four nodes", diamond, {1, 0});

// The waiter helps whoever has taken a node.
void two_roots() {
  small_pool p(2);
  weft::graph g;
  int left = 0, right = 0;
  g.add([&] { ++left; });
  g.add([&] { ++right; });
  p.run([&] { g.run(); });
  expect(left == 1 && right == 1, "each has run once");
}
weft_model::part const g2("loops: a graph of two roots", two_roots, {1, 0});

// E1 and E2 of a chain: a block's prefix comes before or after the block has been measured.
struct sums {
  using prefix = int;
  using part = int;
  prefix pass(std::size_t k, prefix const& before) {
    // Somebody else may measure the next block meanwhile.
    current_worker()->home.share(*current_worker());
    for (int i = 0; i != 2; ++i) relax();
    found[k] = before;
    return before + 1;
  }
  part measure(std::size_t) { return 1; }
  prefix extend(prefix const& before, part const& own) { return before + own; }
  void finish(std::size_t k, prefix const& before) { found[k] = before; }
  std::array<int, 3> found{-1, -1, -1};
};
void chain_of_blocks() {
  small_pool p(2);
  sums s;
  p.run([&] {
    prefix_chain<sums> chain(s, {.count = s.found.size(), .length = 1});
    expect(chain(0, {.grain = 1}) == 3, "the prefix behind the last block");
  });
  for (int k = 0; k != 3; ++k) expect(s.found[static_cast<std::size_t>(k)] == k, "each block has had its prefix");
}
weft_model::part const c1("loops: a chain of three blocks", chain_of_blocks, {1, 0});

}  // namespace
