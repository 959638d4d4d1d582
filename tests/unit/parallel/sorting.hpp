// What the tests of sorting share: inputs, elements that fail at the nth operation, and an order that makes up its mind late.
#pragma once

#include "support/seeded.hpp"
#include "support/workers.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

namespace weft_test {

/// worker_counts, and three: an odd number.
inline std::vector<unsigned> sorting_workers() {
  auto counts = worker_counts();
  if (counts.size() > 1) counts.push_back(3);
  return counts;
}

enum class pattern { random, sorted, reversed, equal, few_unique, organ_pipe, sawtooth, nearly_sorted, skewed };

inline constexpr pattern all_patterns[] = {pattern::random,   pattern::sorted,        pattern::reversed,
                                           pattern::equal,    pattern::few_unique,    pattern::organ_pipe,
                                           pattern::sawtooth, pattern::nearly_sorted, pattern::skewed};

inline char const* name(pattern p) {
  constexpr char const* names[] = {"random",     "sorted",   "reversed",      "equal", "few unique",
                                   "organ pipe", "sawtooth", "nearly sorted", "skewed"};
  return names[static_cast<std::size_t>(p)];
}

/// The ith of `size` numbers.
inline std::uint64_t number_of(pattern p, std::size_t i, std::size_t size, seeded& random) {
  switch (p) {
    case pattern::random: return random();
    case pattern::sorted: return i;
    case pattern::reversed: return size - i;
    case pattern::equal: return 42;
    case pattern::few_unique: return random.below(7) * 1'000'003;
    case pattern::organ_pipe: return i < size / 2 ? i : size - i;
    case pattern::sawtooth: return i % 97;
    case pattern::nearly_sorted: return random.below(50) == 0 ? random.below(size) : i;
    case pattern::skewed: return random() >> random.below(64);
  }
  return 0;
}

template <class T>
std::vector<T> values_of(pattern p, std::size_t size, seeded& random) {
  std::vector<T> values;
  values.reserve(size);
  for (std::size_t i = 0; i < size; ++i) {
    auto const n = number_of(p, i, size, random);
    if constexpr (std::is_floating_point_v<T>) values.push_back(static_cast<T>(static_cast<std::int64_t>(n)) / T{3});
    else values.push_back(static_cast<T>(n));
  }
  return values;
}

/// Which operation of a fragile element fails.
enum class fragile_operation { compare, copy, move, none };

struct fragile_failure : std::runtime_error {
  using runtime_error::runtime_error;
};

/// An element with a key and a number of its own, whose nth operation of a kind throws, once, having done nothing. Counts the living.
class fragile {
 public:
  explicit fragile(int key = 0, int number = 0) noexcept : key_(key), number_(number) { ++living; }
  fragile(fragile const& other) : key_(other.key_), number_(other.number_) {
    use(fragile_operation::copy);
    ++living;
  }
  fragile(fragile&& other) : key_(other.key_), number_(other.number_) {
    use(fragile_operation::move);
    other.number_ = gone;
    ++living;
  }
  fragile& operator=(fragile const& other) {
    use(fragile_operation::copy);
    key_ = other.key_, number_ = other.number_;
    return *this;
  }
  fragile& operator=(fragile&& other) {
    use(fragile_operation::move);
    key_ = other.key_, number_ = std::exchange(other.number_, gone);
    return *this;
  }
  ~fragile() { --living; }

  int key() const noexcept { return key_; }
  int number() const noexcept { return number_; }

  friend bool operator<(fragile const& a, fragile const& b) {
    use(fragile_operation::compare);
    return a.key_ < b.key_;
  }

  /// The nth operation of the kind from now on fails; 0 is the next.
  static void fail(fragile_operation kind, std::int64_t nth) noexcept {
    failing = kind;
    until_failure = nth;
  }
  /// Did it come to that?
  static bool failed() noexcept { return failing != fragile_operation::none && until_failure < 0; }

  static constexpr int gone = -1;
  static inline std::atomic<int> living{0};

 private:
  static void use(fragile_operation kind) {
    if (kind == failing && until_failure.fetch_sub(1) == 0) throw fragile_failure("fragile");
  }

  static inline std::atomic<fragile_operation> failing{fragile_operation::none};
  static inline std::atomic<std::int64_t> until_failure{0};
  int key_, number_;
};

inline std::vector<fragile> fragile_values(std::size_t size, std::uint64_t keys, seeded& random) {
  std::vector<fragile> values;
  values.reserve(size);
  for (std::size_t i = 0; i < size; ++i) values.emplace_back(static_cast<int>(random.below(keys)), static_cast<int>(i));
  return values;
}

/// Is every number from 0 on there once?
template <class Range>
bool all_there(Range const& values) {
  std::vector<bool> seen(values.size());
  for (auto const& v : values) {
    auto const n = v.number();
    if (n < 0 || static_cast<std::size_t>(n) >= seen.size() || seen[static_cast<std::size_t>(n)]) return false;
    seen[static_cast<std::size_t>(n)] = true;
  }
  return true;
}

/// An order of the numbers below `size` that is decided while it is asked for, so that every pivot is a bad one.
/// Source: McIlroy, "A killer adversary for quicksort" (1999).
class killer {
 public:
  explicit killer(std::size_t size) : rank_(size, not_yet) {}

  bool less(std::size_t a, std::size_t b) {
    std::lock_guard const lock(mutex_);
    ++comparisons_;
    if (rank_[a] == not_yet && rank_[b] == not_yet) rank_[a == candidate_ ? a : b] = solid_++;
    if (rank_[a] == not_yet) candidate_ = a;
    else if (rank_[b] == not_yet) candidate_ = b;
    return rank_[a] < rank_[b];
  }
  std::uint64_t comparisons() const noexcept { return comparisons_; }
  /// What it has decided: an input that is as bad for the same algorithm.
  std::vector<std::size_t> ranks() const { return rank_; }

 private:
  static constexpr std::size_t not_yet = static_cast<std::size_t>(-1);
  std::mutex mutex_;
  std::vector<std::size_t> rank_;  // guarded by mutex_, as what follows
  std::size_t solid_ = 0, candidate_ = 0;
  std::uint64_t comparisons_ = 0;
};

/// n log2 n, at least n.
inline double n_log_n(std::size_t n) {
  auto const x = static_cast<double>(n);
  return x * std::max(1.0, std::log2(x));
}

}  // namespace weft_test
