// Blocks: how long the parts are in which an algorithm works through a range, and the loop over them.
#pragma once

#include <weft/cancel/stop_token.hpp>
#include <weft/os/clock.hpp>
#include <weft/parallel/range_split.hpp>
#include <weft/sched/worker.hpp>

#include <algorithm>
#include <cstddef>

namespace weft::detail {

/// [0, count) in blocks of `length`; the last one may be shorter.
struct blocks {
  std::size_t count = 0;
  std::size_t length = 1;

  [[nodiscard]] std::size_t number() const noexcept { return count / length + (count % length != 0 ? 1 : 0); }
  [[nodiscard]] std::size_t first(std::size_t k) const noexcept { return k * length; }
  [[nodiscard]] std::size_t last(std::size_t k) const noexcept {
    return count - k * length <= length ? count : (k + 1) * length;
  }
  /// Blocks that begin before element i.
  [[nodiscard]] std::size_t begun_before(std::size_t i) const noexcept {
    return i / length + (i % length != 0 ? 1 : 0);
  }
};

/// Blocks at the least: enough of them that many workers get even shares, even of a few elements that take long each.
inline constexpr std::size_t wanted_blocks = 256;
/// Blocks at the most, where the caller asks for short ones: each has a record of some bytes.
inline constexpr std::size_t most_blocks = std::size_t{1} << 16;

/// Blocks whose length depends on the number of elements alone, `most` elements at the most.
inline blocks fixed_blocks(std::size_t count, std::size_t most) noexcept {
  return {count, std::clamp<std::size_t>(count / wanted_blocks, 1, most)};
}

/// As the caller asks.
inline blocks asked_blocks(std::size_t count, loop_options const& o) noexcept {
  return {count, std::clamp<std::size_t>(std::max(o.grain, count / most_blocks), 1, std::max<std::size_t>(count, 1))};
}

/// Blocks for such a loop: as the caller asks, or from what is known of its cost here: a microsecond at the least, and a single one
/// for all where all is too little to be shared.
template <loop_work Work>
blocks chosen_blocks(std::size_t count, std::size_t most, loop_options const& o) noexcept {
  if (o.grain != 0) return asked_blocks(count, o);
  auto found = fixed_blocks(count, most);
  worker* const self = current_worker_inline();
  auto const cost = self ? range_loop<Work>::known_cost(*self) : -1.0f;
  if (cost < 0) return found;
  if (cost * static_cast<float>(count) < static_cast<float>(range_loop<Work>::small_loop))
    return {count, std::max<std::size_t>(count, 1)};
  constexpr auto microsecond = static_cast<float>(ticks_per_microsecond);
  auto const least =
      cost * static_cast<float>(most) <= microsecond ? most : static_cast<std::size_t>(microsecond / cost);
  found.length = std::max(found.length, std::min(least, most));
  return found;
}

/// Runs a loop of blocks: `work` gets ranges of elements, as in run_loop, and makes of each the blocks that begin in it (begun_before).
/// The loop knows elements, not blocks, so that what it remembers of their cost holds for blocks of other lengths.
template <loop_work Work>
typename Work::accumulator run_blocks(Work& work, blocks const& b, loop_options const& o) {
  return run_loop(work, b.count, {.grain = o.grain == 0 ? 0 : std::max(o.grain, b.length)});
}

/// For what is too small to be a loop: throws weft::stopped where a loop would.
inline void check_ambient_stop() {
  worker* const self = current_worker_inline();
  if (self && self->current && self->current->stop && self->current->stop->stop_requested()) [[unlikely]]
    throw stopped{};
}

}  // namespace weft::detail
