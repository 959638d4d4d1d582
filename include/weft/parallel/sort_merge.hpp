// Merge sort with all workers: stable, to a buffer of the range's size and back.
//
// Elements live in two places meanwhile, so nothing here ends half-way: when a comparison throws, or a stop is asked for, every merge
// still brings its elements to where they belong, without comparing any more, and the failure is thrown when all are back.
// Source: pieces of a merge are found by merge path (Odeh, Green, Mwassi, Shmueli, Birk, 2012).
#pragma once

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/parallel/merge.hpp>
#include <weft/parallel/range_split.hpp>
#include <weft/parallel/sort_order.hpp>
#include <weft/parallel/sort_serial.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// relocate between iterators.
template <class From, class To>
void relocate_range(From from, To to, std::size_t count) noexcept {
  if constexpr (std::is_pointer_v<From> && std::is_pointer_v<To>) {
    relocate(from, to, count);
  } else {
    for (; count != 0; --count, ++from, ++to) relocate(std::addressof(*from), std::addressof(*to), 1);
  }
}

/// The range itself is first, a random access iterator; the buffer is raw memory for as many.
template <class I, class Less>
class merge_sort : pinned {
 public:
  using value = std::iter_value_t<I>;
  static_assert(relocatable<value> && std::is_lvalue_reference_v<std::iter_reference_t<I>>);

  merge_sort(Less& less, I first, value* buffer, std::size_t size, loop_options const& options) noexcept
      : less_(less),
        first_(first),
        buffer_(buffer),
        size_(size),
        leaf_(options.grain != 0 ? std::max<std::size_t>(options.grain, 2)
                                 : std::clamp<std::size_t>(size / (8 * workers_here()), 512, cached)) {}

  /// Throws what a comparison threw, or weft::stopped.
  void run() {
    sort(0, size_, place::range);
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  using difference = std::iter_difference_t<I>;
  enum class place { range, buffer };
  static constexpr std::size_t cached =
      std::max<std::size_t>((std::size_t{256} << 10) / sizeof(value), 64);  // elements
  static constexpr std::size_t short_run = cheap_value<value> ? 16 : 12;

  static constexpr place other(place p) noexcept { return p == place::range ? place::buffer : place::range; }
  [[nodiscard]] I in_range(std::size_t i) const noexcept { return first_ + static_cast<difference>(i); }

  /// Calls f, unless something has failed; a failure is kept.
  template <class F>
  void guarded(F&& f) noexcept {
    if (failed_.load(memory_order_relaxed)) return;
    try {
      f();
    } catch (...) {
      // The first keeps its exception; joins hand it to run.
      if (!failed_.exchange(true, memory_order_relaxed)) failure_ = std::current_exception();
    }
  }

  void look_for_stop() noexcept {
    guarded([] { check_stop_between_steps(); });
  }

  /// Elements [first, last) of the range, to the same indices of `to`.
  void sort(std::size_t first, std::size_t last, place to) noexcept {
    if (last - first <= leaf_) {
      look_for_stop();
      return sort_leaf(first, last, to);
    }
    auto const middle = first + (last - first) / 2;
    fork_join([&] { sort(first, middle, other(to)); }, [&] { sort(middle, last, other(to)); });
    look_for_stop();
    if (to == place::range) merge_shared(buffer_, first, middle, last, first_);
    else merge_shared(first_, first, middle, last, buffer_);
  }

  void sort_leaf(std::size_t first, std::size_t last, place to) noexcept {
    bool is_run = false;
    guarded([&] { is_run = rising_run(in_range(first), in_range(last), less_) == in_range(last); });
    if (!is_run) {
      for (auto run = first; run < last; run += short_run)
        guarded([&] { insertion_sort(in_range(run), in_range(std::min(last, run + short_run)), less_); });
      place at = place::range;
      for (auto width = short_run; width < last - first; width *= 2, at = other(at)) {
        if (at == place::range) merge_pairs(first_, first, last, width, buffer_);
        else merge_pairs(buffer_, first, last, width, first_);
      }
      if (at == place::buffer) relocate_range(buffer_ + first, in_range(first), last - first);
    }
    if (to == place::buffer) relocate_range(in_range(first), buffer_ + first, last - first);
  }

  template <class From, class To>
  void merge_pairs(From from, std::size_t first, std::size_t last, std::size_t width, To to) noexcept {
    for (auto at = first; at < last; at += 2 * width) {
      auto const middle = std::min(at + width, last), end = std::min(at + 2 * width, last);
      merge_runs(from, at, middle, middle, end, to, at);
    }
  }

  /// Merges [first, middle) and [middle, last) of one place to the other, in pieces.
  template <class From, class To>
  void merge_shared(From from, std::size_t first, std::size_t middle, std::size_t last, To to) noexcept {
    merge_piece(from, first, middle, middle, last, to, first);
  }

  template <class From, class To>
  void merge_piece(From from, std::size_t a, std::size_t a_end, std::size_t b, std::size_t b_end, To to,
                   std::size_t out) noexcept {
    auto const count = (a_end - a) + (b_end - b);
    if (count <= leaf_) return merge_runs(from, a, a_end, b, b_end, to, out);
    auto const half = count / 2;
    auto const low = half > b_end - b ? half - (b_end - b) : 0;
    auto of_a = std::max(low, std::min(half, a_end - a));  // where nothing can be compared: any division
    guarded([&] { of_a = share_of_first(at(from, a), a_end - a, at(from, b), b_end - b, half, less_); });
    auto const of_b = half - of_a;
    fork_join([&] { merge_piece(from, a, a + of_a, b, b + of_b, to, out); },
              [&] { merge_piece(from, a + of_a, a_end, b + of_b, b_end, to, out + half); });
  }

  template <class From>
  static From at(From from, std::size_t i) noexcept {
    return from + static_cast<std::iter_difference_t<From>>(i);
  }

  /// The heart: takes the lesser of two heads to raw memory, until one run is empty or a comparison throws; then the rest.
  template <class From, class To>
  void merge_runs(From from, std::size_t a_index, std::size_t a_end, std::size_t b_index, std::size_t b_end, To to,
                  std::size_t out_index) noexcept {
    From a = at(from, a_index), b = at(from, b_index), a_last = at(from, a_end), b_last = at(from, b_end);
    To out = at(to, out_index);
    guarded([&] {
      if (a == a_last || b == b_last || !less_(*b, *(a_last - 1))) return;
      if (less_(*(b_last - 1), *a)) {
        // The second run goes first as a whole.
        auto const count = static_cast<std::size_t>(b_last - b);
        relocate_range(b, out, count);
        out = at(out, count);
        b = b_last;
        return;
      }
      while (a != a_last && b != b_last) {
        // So many steps can be taken without looking for an end.
        auto steps = std::min(a_last - a, b_last - b);
        if constexpr (cheap_value<value>) {
          if (steps >= 2) {
            merge_from_both_ends(a, a_last, b, b_last, out, steps / 2);
            continue;
          }
        }
        for (; steps != 0; --steps) {
          if (less_(*b, *a)) take(b, out);
          else take(a, out);
        }
      }
    });
    auto const a_left = static_cast<std::size_t>(a_last - a);
    relocate_range(a, out, a_left);
    relocate_range(b, at(out, a_left), static_cast<std::size_t>(b_last - b));
  }

  template <class From, class To>
  static void take(From& from, To& to) noexcept {
    relocate(std::addressof(*from), std::addressof(*to), 1);
    ++from;
    ++to;
  }

  /// Two independent chains of comparisons, without branches: the least remaining element goes to the front, the greatest to the back.
  /// A run never loses more than 2 · steps elements. What is between out and its back is as long as what is left of both runs.
  template <class From, class To>
  void merge_from_both_ends(From& a, From& a_last, From& b, From& b_last, To& out, std::iter_difference_t<From> steps) {
    using step = std::iter_difference_t<From>;
    To back = out + static_cast<std::iter_difference_t<To>>((a_last - a) + (b_last - b));
    for (; steps != 0; --steps) {
      bool const second = less_(*b, *a), first = less_(*(b_last - 1), *(a_last - 1));
      From const least = second ? b : a;
      From const greatest = first ? a_last - 1 : b_last - 1;
      relocate(std::addressof(*least), std::addressof(*out), 1);
      ++out, --back;
      relocate(std::addressof(*greatest), std::addressof(*back), 1);
      b += static_cast<step>(second);
      a += static_cast<step>(!second);
      a_last -= static_cast<step>(first);
      b_last -= static_cast<step>(!first);
    }
  }

  Less& less_;
  I const first_;
  value* const buffer_;
  std::size_t const size_, leaf_;
  atomic<bool> failed_{false};  // relaxed: it says no more than that; the failure itself comes by the joins
  std::exception_ptr failure_;
};

}  // namespace weft::detail
