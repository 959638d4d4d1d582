// What the items of a pipeline cost, and whether help is worth its price. Guesses: a wrong one costs time, nothing else.
#pragma once

#include <weft/os/clock.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace weft::detail {

/// Ticks that an item takes from the source to the sink, on average of late. One thread at a time.
class item_cost {
 public:
  /// Negative: nothing is known.
  explicit item_cost(float known = -1) noexcept : each_(known) {}

  [[nodiscard]] float get() const noexcept { return each_; }
  [[nodiscard]] bool known() const noexcept { return each_ >= 0; }

  /// Items have taken `each`. A rise is believed more slowly than a fall: the thread may have been interrupted.
  void add(float each) noexcept {
    if (!known()) each_ = each;
    else each_ = each < each_ ? (each_ + 3 * each) / 4 : (3 * each_ + each) / 4;
  }

  /// Is a token of so many items that take `each` worth the price of a token?
  [[nodiscard]] static bool worth(float each, std::size_t items) noexcept {
    return each < 0 || each * static_cast<float>(items) >= static_cast<float>(ticks_per_microsecond);
  }
  [[nodiscard]] bool worth(std::size_t items) const noexcept { return worth(each_, items); }

  /// Do items take so long, or may they for all that is known, that help should be at hand before anybody asks for work? One who asks while
  /// everybody is in a long call is not heard.
  [[nodiscard]] bool is_long() const noexcept {
    return !known() || each_ >= static_cast<float>(20 * ticks_per_microsecond);
  }

  /// Items for a token: no more than `most`, as many as take two microseconds.
  [[nodiscard]] std::size_t items_for_token(std::size_t most) const noexcept {
    if (!known() || most == 1) return 1;
    auto const wanted = 2.0f * static_cast<float>(ticks_per_microsecond) / std::max(each_, 1.0f);
    return wanted >= static_cast<float>(most) ? most : std::max<std::size_t>(static_cast<std::size_t>(wanted), 1);
  }

 private:
  float each_;
};

/// When to take helpers on. One that had nothing to do for most of its time was not worth being woken: the next one comes after a while, which
/// doubles each time. One thread at a time.
class hiring {
 public:
  [[nodiscard]] bool open(std::uint64_t now) const noexcept { return pause_ == 0 || now - closed_at_ >= pause_; }

  /// A helper has left, which was there for `stayed` ticks and busy for `busy` of them.
  void left(std::uint64_t now, std::uint64_t stayed, std::uint64_t busy, item_cost const& cost) noexcept {
    // The next look comes after a call, so a pause must be short against those, and beside long ones a wake-up costs nothing.
    auto const longest = cost.is_long() ? millisecond : 5 * millisecond;
    if (busy >= stayed / 2 || !cost.known() || cost.get() >= static_cast<float>(millisecond)) pause_ = 0;
    else pause_ = std::clamp(2 * pause_, millisecond / 10, longest);
    closed_at_ = now;
  }

 private:
  static constexpr std::uint64_t millisecond = 1000 * ticks_per_microsecond;
  std::uint64_t pause_ = 0, closed_at_ = 0;
};

}  // namespace weft::detail
