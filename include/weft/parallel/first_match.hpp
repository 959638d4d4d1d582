// The first element that meets a condition: a loop that ends where it has found, and is as if it had gone from the front.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/range_split.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <iterator>
#include <limits>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// Elements that somebody has taken off the front of a range.
template <class I>
struct taken_chunk {
  I first;
  std::size_t index;
  std::size_t count;
};

/// A range that is taken from the front, chunk by chunk. Any thread.
template <std::ranges::forward_range R>
class range_front : pinned {
 public:
  using iterator = std::ranges::iterator_t<R>;

  explicit range_front(R& range) : next_(std::ranges::begin(range)), end_(std::ranges::end(range)) {
    if constexpr (std::ranges::sized_range<R>) size_ = static_cast<std::size_t>(std::ranges::size(range));
  }

  /// An upper bound.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  taken_chunk<iterator> take(std::size_t count) {
    small_lock const guard(lock_);
    taken_chunk<iterator> t{next_, index_, 0};
    for (; t.count != count && next_ != end_; ++next_) ++t.count;
    index_ += t.count;
    if (t.count != count) exhausted_.store(true, memory_order_relaxed);
    return t;
  }

  [[nodiscard]] bool exhausted() const noexcept { return exhausted_.load(memory_order_relaxed); }

  /// When all has been taken, and nobody takes any more.
  [[nodiscard]] iterator end() const { return next_; }

 private:
  small_mutex lock_;
  iterator next_;                         // guarded by lock_
  std::ranges::sentinel_t<R> const end_;  // guarded by lock_
  std::size_t index_ = 0;                 // guarded by lock_: of next_
  std::size_t size_ = std::numeric_limits<std::size_t>::max();
  atomic<bool> exhausted_{false};  // relaxed: a hint to take no more
};

template <random_access R>
class range_front<R> : pinned {
 public:
  using iterator = std::ranges::iterator_t<R>;

  explicit range_front(R& range)
      : begin_(std::ranges::begin(range)), size_(static_cast<std::size_t>(std::ranges::size(range))) {}

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  taken_chunk<iterator> take(std::size_t count) {
    // Relaxed: a number is taken, nothing is handed over.
    auto const index = taken_.fetch_add(count, memory_order_relaxed);
    return {place(index), index, count};
  }

  static constexpr bool exhausted() noexcept { return false; }  // chunks are size() together
  [[nodiscard]] iterator end() const { return place(size_); }

 private:
  iterator place(std::size_t i) const { return begin_ + static_cast<std::ranges::range_difference_t<R>>(i); }

  iterator begin_;
  std::size_t size_;
  alignas(cache_line) atomic<std::size_t> taken_{0};
};

// Whoever runs a part of the loop takes chunks off the front, not from where its part lies: the loop's ranges say how many
// elements are to be looked at, and by how many threads, the front says which. So what has been looked at is always all of the front and
// no more than a chunk of each worker beyond the match: the cost follows the place of the match, not the length of the range.
//
// A match or a failure in a chunk is noted by the place of the chunk, and the lowest note is the outcome. All chunks left of it had been taken before
// and are searched to their end, so the outcome is that of a search from the front by one thread, failures included: an exception
// comes out only if no match lies before it.
/// `search(i, n)` moves i to the first match among the n elements from i on, and says how many it has passed.
template <class R, class Search>
class first_match : pinned {
 public:
  using accumulator = unit;
  using iterator = std::ranges::iterator_t<R>;

  first_match(R& range, Search& search) : front_(range), search_(search) {}

  [[nodiscard]] std::size_t size() const noexcept { return front_.size(); }

  void run(unit&, std::size_t first, std::size_t last) {
    if (finished()) return;
    taken_chunk<iterator> chunk{{}, nothing - 1, 0};
    try {
      chunk = front_.take(last - first);
      auto const passed = search_(chunk.first, chunk.count);
      if (passed != chunk.count) note(chunk.index, std::move(chunk.first), nullptr);
    } catch (...) {
      note(chunk.index, {}, std::current_exception());
    }
  }
  void combine(unit&, unit&&) noexcept {}

  /// Past a match everything that has not been taken lies right of it.
  [[nodiscard]] bool finished() const noexcept {
    return lowest_.load(memory_order_relaxed) != nothing || front_.exhausted();
  }

  /// After the loop.
  [[nodiscard]] bool found() const {
    if (failure_) std::rethrow_exception(failure_);
    return lowest_.load(memory_order_relaxed) != nothing;
  }
  [[nodiscard]] iterator place() const { return found() ? match_ : front_.end(); }

 private:
  static constexpr std::size_t nothing = std::numeric_limits<std::size_t>::max();

  void note(std::size_t index, iterator match, std::exception_ptr failure) {
    small_lock const guard(lock_);
    if (index >= lowest_.load(memory_order_relaxed)) return;
    match_ = std::move(match);
    failure_ = std::move(failure);
    lowest_.store(index, memory_order_relaxed);
  }

  range_front<R> front_;
  Search& search_;
  alignas(cache_line) atomic<std::size_t> lowest_{nothing};  // written under lock_; relaxed: a number
  small_mutex lock_;
  iterator match_{};            // guarded by lock_; after the loop by its join
  std::exception_ptr failure_;  // guarded by lock_; after the loop by its join
};

/// Runs the search. The result may be asked for place() and found().
template <class R, class Search>
class search_for : pinned {
 public:
  search_for(R& range, Search search, loop_options const& o) : search_(std::move(search)), match_(range, search_) {
    run_loop(match_, match_.size(), o);
  }
  [[nodiscard]] bool found() const { return match_.found(); }
  [[nodiscard]] std::ranges::iterator_t<R> place() const { return match_.place(); }

 private:
  Search search_;
  first_match<R, Search> match_;
};

}  // namespace weft::detail
