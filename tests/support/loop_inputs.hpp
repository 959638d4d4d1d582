// What loops and searches are tested on: sizes around a grain, numbers of workers, and elements that are hard to handle.
#pragma once

#include "support/workers.hpp"

#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace weft_test {

inline constexpr std::size_t test_grain = 64;

/// Nothing, little, around the grain, and more; large sizes are tested once, apart.
inline std::vector<std::size_t> loop_sizes() { return {0, 1, 2, test_grain - 1, test_grain, test_grain + 1, 1000}; }

/// worker_counts, and an odd number.
inline std::vector<unsigned> loop_workers() {
  auto counts = worker_counts();
  if (counts.size() > 1) counts.insert(counts.begin() + 2, 3);
  return counts;
}

/// A number of one cache line.
struct alignas(64) aligned_number {
  int value = 0;
  friend bool operator==(aligned_number const&, aligned_number const&) = default;
  friend auto operator<=>(aligned_number const&, aligned_number const&) = default;
};

struct thrown_by_element : std::runtime_error {
  thrown_by_element() : std::runtime_error("thrown by an element") {}
};

/// Throws when it is copied or compared for the kth time, counted over all of its kind; holds memory of its own, and knows whether
/// it is alive.
class throwing_element {
 public:
  explicit throwing_element(int value = 0) : value_(new int(value)) {}
  throwing_element(throwing_element const& other) : value_((count(), new int(other.value()))) {}
  throwing_element(throwing_element&& other) noexcept : value_(other.value_) { other.value_ = nullptr; }
  throwing_element& operator=(throwing_element const& other) {
    count();
    set(other.value());
    return *this;
  }
  throwing_element& operator=(throwing_element&& other) noexcept {
    delete value_;
    value_ = other.value_;
    other.value_ = nullptr;
    return *this;
  }
  ~throwing_element() { delete value_; }

  /// Of a valid element: one that has not been moved from.
  int value() const {
    if (value_ == nullptr) throw std::logic_error("an element that is not valid");
    return *value_;
  }
  friend bool operator==(throwing_element const& a, throwing_element const& b) {
    count();
    return a.value() == b.value();
  }
  friend bool operator<(throwing_element const& a, throwing_element const& b) {
    count();
    return a.value() < b.value();
  }
  friend bool operator>(throwing_element const& a, throwing_element const& b) { return b < a; }
  friend bool operator<=(throwing_element const& a, throwing_element const& b) { return !(b < a); }
  friend bool operator>=(throwing_element const& a, throwing_element const& b) { return !(a < b); }

  /// From now on the kth call throws; 0: none does.
  static void throw_at(int k) noexcept {
    calls_ = 0;
    at_ = k;
  }
  static bool has_thrown() noexcept { return at_ != 0 && calls_ >= at_; }

 private:
  static void count() {
    if (at_ != 0 && ++calls_ == at_) throw thrown_by_element();
  }
  void set(int value) {
    if (value_ == nullptr) value_ = new int(value);
    else *value_ = value;
  }

  static inline std::atomic<int> calls_{0}, at_{0};
  int* value_;
};

}  // namespace weft_test
