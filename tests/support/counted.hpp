// A value that counts what happens to all of its kind.
#pragma once

#include <atomic>
#include <utility>

namespace weft_test {

/// Any thread. A test begins with counted::reset() and ends with CHECK(counted::live() == 0).
class counted {
 public:
  explicit counted(int value = 0) noexcept : value_(value) { ++live_; }
  counted(counted const& other) noexcept : value_(other.value_) { ++live_, ++copies_; }
  counted(counted&& other) noexcept : value_(std::exchange(other.value_, moved_from)) { ++live_, ++moves_; }
  counted& operator=(counted const& other) noexcept {
    value_ = other.value_;
    ++copies_;
    return *this;
  }
  counted& operator=(counted&& other) noexcept {
    value_ = std::exchange(other.value_, moved_from);
    ++moves_;
    return *this;
  }
  ~counted() { --live_; }

  int value() const noexcept { return value_; }
  friend bool operator==(counted const& a, counted const& b) noexcept { return a.value_ == b.value_; }

  static int live() noexcept { return live_; }
  static int copies() noexcept { return copies_; }
  static int moves() noexcept { return moves_; }
  static void reset() noexcept { live_ = copies_ = moves_ = 0; }

  static constexpr int moved_from = -1;

 private:
  static inline std::atomic<int> live_{0}, copies_{0}, moves_{0};
  int value_;
};

}  // namespace weft_test
