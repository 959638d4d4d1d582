// A value whose every use may throw, as a test asks.
#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace weft_test {

/// Copies, moves, comparisons and sums count as uses; after arm(k) every k-th use throws. Values are counted; one that has been
/// destroyed or never made is told by its mark. Any thread.
class explosive {
 public:
  explosive(int value = 0) : value_(value) { ++live_; }
  explosive(explosive const& other) : value_(use(other)) { ++live_; }
  explosive(explosive&& other) : value_(use(other)) { ++live_; }
  explosive& operator=(explosive const& other) {
    value_ = use(other);
    return *this;
  }
  explosive& operator=(explosive&& other) {
    value_ = use(other);
    return *this;
  }
  ~explosive() {
    mark_ = 0;
    --live_;
  }

  [[nodiscard]] int value() const noexcept { return value_; }
  [[nodiscard]] bool valid() const noexcept { return mark_ == valid_mark; }

  friend bool operator==(explosive const& a, explosive const& b) { return use(a) == b.value_; }
  friend auto operator<=>(explosive const& a, explosive const& b) { return use(a) <=> b.value_; }
  friend explosive operator+(explosive const& a, explosive const& b) { return explosive(use(a) + b.value_); }

  static void arm(std::int64_t every) noexcept {
    uses_ = 0;
    every_ = every;
  }
  static void disarm() noexcept { every_ = 0; }
  [[nodiscard]] static int live() noexcept { return live_; }

 private:
  static constexpr std::uint32_t valid_mark = 0xA11EBEEF;

  static int use(explosive const& v) {
    if (auto const every = every_.load(); every != 0 && ++uses_ % every == 0)
      throw std::runtime_error("use " + std::to_string(every));
    return v.value_;
  }

  static inline std::atomic<int> live_{0};
  static inline std::atomic<std::int64_t> uses_{0}, every_{0};
  int value_;
  std::uint32_t mark_ = valid_mark;
};

}  // namespace weft_test
