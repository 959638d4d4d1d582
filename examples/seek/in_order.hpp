// in_order: work that runs ahead, whose results are taken in the order in which it was started.
#pragma once

#include <weft/future/spawn.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace seek {

/// At most so many pieces of work in flight. A result that has not been taken keeps its place, so that their number bounds
/// the memory.
template <class T>
class in_order {
 public:
  explicit in_order(std::size_t most) : ring_(most) {}

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] bool full() const noexcept { return count_ == ring_.size(); }

  /// As weft::spawn; not when full.
  template <class X, class... Args>
  void start(X&& x, Args&&... args) {
    ring_[(first_ + count_) % ring_.size()] = weft::spawn(std::forward<X>(x), std::forward<Args>(args)...);
    ++count_;
  }

  /// What was started first and not taken yet, to be awaited; not when empty.
  [[nodiscard]] weft::future<T> next() noexcept {
    auto& oldest = ring_[first_];
    first_ = (first_ + 1) % ring_.size();
    --count_;
    return std::move(oldest);
  }

 private:
  std::vector<weft::future<T>> ring_;
  std::size_t first_ = 0, count_ = 0;
};

}  // namespace seek
