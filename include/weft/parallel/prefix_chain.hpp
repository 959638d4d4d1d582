// Blocks in a row, each of which needs to know what comes before it: scans, and copies that leave elements out.
// One pass over memory, and nobody waits: a worker whose block's prefix is not known yet measures the block, puts it aside and takes
// the next; whoever has both a block's prefix and its measure hands the sum of both on to the next block. Where nobody steals, each
// block's prefix is there when it is taken, and the chain is the plain serial algorithm.
//
// Source: chained scan with decoupled look-back (Merrill, Garland, "Single-pass parallel prefix scan with decoupled look-back", 2016);
// here prefixes are pushed forward instead of looked for, because a worker of a shared machine that spins for another one that does
// not run wastes both.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/parallel/blocks.hpp>
#include <weft/parallel/for_each.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace weft::detail {

/// What a chain does with block k. `pass` handles it in one go and returns the prefix of the next block; otherwise `measure` tells
/// what the block adds to a prefix, and `finish` handles it when the prefix is known. Called from any thread, for different blocks at
/// the same time; finish and extend for one block at the same time.
template <class Work>
concept chained_work =
    requires(Work& w, std::size_t k, typename Work::prefix const& before, typename Work::part const& own) {
      { w.pass(k, before) } -> std::same_as<typename Work::prefix>;
      { w.measure(k) } -> std::same_as<typename Work::part>;
      { w.extend(before, own) } -> std::same_as<typename Work::prefix>;
      w.finish(k, before);
    };

//                  its prefix comes                taken: pass, which gives the next prefix
//     nothing ───────────────────────▶ preceded ────────────────────────────────────────▶ finished
//        │                                 ▲ here has both bits: whoever sets the second extends the prefix, for the next block
//        └── taken: measure ──▶ measured ──┘ its taker finishes it, at once or when it looks again
//
//   E1  the measurer's release of measured → the acquire of whoever brings the prefix    own
//   E2  the bringer's release of preceded  → the acquire of the taker                    before
/// One chain over all blocks. Lives in the caller's frame.
template <chained_work Work>
class prefix_chain : pinned {
 public:
  using prefix = typename Work::prefix;
  using accumulator = std::vector<std::size_t>;  // measured blocks whose prefix had not come yet

  prefix_chain(Work& work, blocks const& all)
      : work_(work), all_(all), number_(all.number()), links_(new link[number_ + 1]) {}

  /// Handles all blocks, the first one with this prefix. The prefix behind the last one.
  prefix operator()(prefix first, loop_options const& o) {
    bring(0, std::move(first));
    auto const left = run_blocks(*this, all_, o);
    // Every block has been passed or measured, so every prefix has come.
    for_indices(left.size(), {}, [&](std::size_t i) { work_.finish(left[i], *links_[left[i]].before); });
    return *std::move(links_[number_].before);
  }

  void run(accumulator& waiting, std::size_t first, std::size_t last) {
    for (auto n = all_.begun_before(last) - all_.begun_before(first); n != 0; --n) {
      take(waiting);
      finish_ready(waiting);
    }
  }

  void combine(accumulator& a, accumulator&& right) {
    if (a.empty()) a = std::move(right);
    else a.insert(a.end(), right.begin(), right.end());
  }

 private:
  struct alignas(64) link {
    atomic<unsigned> here{0};
    std::optional<prefix> before;
    std::optional<typename Work::part> own;
  };
  static constexpr unsigned preceded = 1, measured = 2;

  // Blocks are taken in their order, whatever the loop makes of its range: it only says how many are taken where.
  void take(accumulator& waiting) {
    auto const k = next_.fetch_add(1, memory_order_relaxed);  // a number is taken, nothing is handed over
    link& l = links_[k];
    if (l.here.load(memory_order_acquire) & preceded) return bring(k + 1, work_.pass(k, *l.before));  // acquire: E2.
    l.own.emplace(work_.measure(k));
    if (l.here.fetch_or(measured, memory_order_acq_rel) & preceded) {  // release: E1. acquire: E2.
      bring(k + 1, work_.extend(*l.before, *l.own));
      work_.finish(k, *l.before);
    } else {
      waiting.push_back(k);
    }
  }

  void bring(std::size_t k, prefix before) {
    links_[k].before.emplace(std::move(before));
    while (links_[k].here.fetch_or(preceded, memory_order_acq_rel) & measured) {  // release: E2. acquire: E1.
      auto const& l = links_[k++];
      links_[k].before.emplace(work_.extend(*l.before, *l.own));
    }
  }

  void finish_ready(accumulator& waiting) {
    std::size_t done = 0;
    while (done != waiting.size()) {
      link& l = links_[waiting[done]];
      if (!(l.here.load(memory_order_acquire) & preceded)) break;  // acquire: E2.
      work_.finish(waiting[done++], *l.before);
    }
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(done));
  }

  Work& work_;
  blocks const all_;
  std::size_t const number_;
  std::unique_ptr<link[]> const links_;  // one more than blocks: the last has the prefix behind all
  alignas(cache_line) atomic<std::size_t> next_{0};
};

}  // namespace weft::detail
