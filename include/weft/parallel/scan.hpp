// parallel_inclusive_scan, parallel_exclusive_scan: what a fold from the left has come to at each element.
#pragma once

#include <weft/parallel/blocks.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/prefix_chain.hpp>
#include <weft/parallel/reduce.hpp>
#include <weft/parallel/reproducible.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

/// An op that folds the elements of R into a T, each stage of which Out can hold.
template <class Op, class T, class R, class Out>
concept scanning = reducing<Op, T, std::ranges::range_reference_t<R>> && std::copy_constructible<T> &&
                   std::assignable_from<T&, T> && std::forward_iterator<Out> && assigned_through<Out, T const&>;

template <class Op, class R, class Out>
concept scanning_values = scanning<Op, std::ranges::range_value_t<R>, R, Out> &&
                          std::constructible_from<std::ranges::range_value_t<R>, std::ranges::range_reference_t<R>>;

enum class scan_kind { inclusive, exclusive };
enum class grouping { free, fixed };

template <scan_kind Kind, grouping Grouping, class R, class Out, class T, class Op>
Out scan_behind(R& range, Out out, T init, Op& op, loop_options const& o);

template <grouping Grouping, class R, class Out, class Op>
Out scan_from_first(R& range, Out out, Op& op, loop_options const& o);

}  // namespace detail

/// Writes init op x0, init op x0 op x1, … to out, and returns the iterator behind the last one written. Without an init, the first
/// element is the first result. out may be the range's own begin; otherwise it must not overlap the range.
///
/// Grouped in any way: op must be associative; the order of the elements is kept. Floating-point results may therefore differ from
/// std::inclusive_scan, and from run to run; see weft::reproducible. From any thread, done on return. Throws what op threw, the
/// output then being partly written; weft::stopped between blocks.
/// Complexity: n applications of op where nobody steals, otherwise at most 2 n, and two for each block; one record of a cache line and
/// two values for each block, of which there are some hundreds, or one in 4096 elements. Copies of the value type are made.
/// Differences from std: out is a forward iterator at least. A std::vector<bool> is written by one thread alone.
template <std::ranges::forward_range R, class Out, class T, class Op = std::plus<>>
  requires detail::scanning<Op, T, R, Out>
Out parallel_inclusive_scan(R&& range, Out out, T init, Op op = {}, loop_options options = {}) {
  return detail::scan_behind<detail::scan_kind::inclusive, detail::grouping::free>(range, std::move(out),
                                                                                   std::move(init), op, options);
}
template <std::ranges::forward_range R, class Out, class T>
  requires detail::scanning<std::plus<>, T, R, Out>
Out parallel_inclusive_scan(R&& range, Out out, T init, loop_options options) {
  return parallel_inclusive_scan(range, std::move(out), std::move(init), std::plus<>{}, options);
}
template <std::ranges::forward_range R, class Out, class Op>
  requires detail::scanning_values<Op, R, Out>
Out parallel_inclusive_scan(R&& range, Out out, Op op, loop_options options = {}) {
  return detail::scan_from_first<detail::grouping::free>(range, std::move(out), op, options);
}
template <std::ranges::forward_range R, class Out>
  requires detail::scanning_values<std::plus<>, R, Out>
Out parallel_inclusive_scan(R&& range, Out out, loop_options options = {}) {
  return parallel_inclusive_scan(range, std::move(out), std::plus<>{}, options);
}

/// Writes init, init op x0, init op x0 op x1, …: each result leaves its own element out. Otherwise the same.
template <std::ranges::forward_range R, class Out, class T, class Op = std::plus<>>
  requires detail::scanning<Op, T, R, Out>
Out parallel_exclusive_scan(R&& range, Out out, T init, Op op = {}, loop_options options = {}) {
  return detail::scan_behind<detail::scan_kind::exclusive, detail::grouping::free>(range, std::move(out),
                                                                                   std::move(init), op, options);
}
template <std::ranges::forward_range R, class Out, class T>
  requires detail::scanning<std::plus<>, T, R, Out>
Out parallel_exclusive_scan(R&& range, Out out, T init, loop_options options) {
  return parallel_exclusive_scan(range, std::move(out), std::move(init), std::plus<>{}, options);
}

/// The same bits for every number of workers, every grain and every run: elements are grouped by their number alone.
/// Complexity: 2 n applications of op always, and one for each block.
template <std::ranges::forward_range R, class Out, class T, class Op = std::plus<>>
  requires detail::scanning<Op, T, R, Out>
Out parallel_inclusive_scan(reproducible_t, R&& range, Out out, T init, Op op = {}, loop_options options = {}) {
  return detail::scan_behind<detail::scan_kind::inclusive, detail::grouping::fixed>(range, std::move(out),
                                                                                    std::move(init), op, options);
}
template <std::ranges::forward_range R, class Out, class T>
  requires detail::scanning<std::plus<>, T, R, Out>
Out parallel_inclusive_scan(reproducible_t, R&& range, Out out, T init, loop_options options) {
  return parallel_inclusive_scan(reproducible, range, std::move(out), std::move(init), std::plus<>{}, options);
}
template <std::ranges::forward_range R, class Out, class Op>
  requires detail::scanning_values<Op, R, Out>
Out parallel_inclusive_scan(reproducible_t, R&& range, Out out, Op op, loop_options options = {}) {
  return detail::scan_from_first<detail::grouping::fixed>(range, std::move(out), op, options);
}
template <std::ranges::forward_range R, class Out>
  requires detail::scanning_values<std::plus<>, R, Out>
Out parallel_inclusive_scan(reproducible_t, R&& range, Out out, loop_options options = {}) {
  return parallel_inclusive_scan(reproducible, range, std::move(out), std::plus<>{}, options);
}
template <std::ranges::forward_range R, class Out, class T, class Op = std::plus<>>
  requires detail::scanning<Op, T, R, Out>
Out parallel_exclusive_scan(reproducible_t, R&& range, Out out, T init, Op op = {}, loop_options options = {}) {
  return detail::scan_behind<detail::scan_kind::exclusive, detail::grouping::fixed>(range, std::move(out),
                                                                                    std::move(init), op, options);
}
template <std::ranges::forward_range R, class Out, class T>
  requires detail::scanning<std::plus<>, T, R, Out>
Out parallel_exclusive_scan(reproducible_t, R&& range, Out out, T init, loop_options options) {
  return parallel_exclusive_scan(reproducible, range, std::move(out), std::move(init), std::plus<>{}, options);
}

namespace detail {

/// Where results go, by index, as indexed is where elements come from.
template <std::forward_iterator Out>
class output_places : pinned {
 public:
  output_places(Out out, std::size_t size) : begin_(out), end_(out) {
    if constexpr (std::random_access_iterator<Out>) {
      end_ += static_cast<std::iter_difference_t<Out>>(size);
    } else {
      places_.reserve(size);
      for (; size != 0; --size) places_.push_back(end_++);
    }
  }

  decltype(auto) operator[](std::size_t i) const {
    if constexpr (std::random_access_iterator<Out>) return begin_[static_cast<std::iter_difference_t<Out>>(i)];
    else return *places_[i];
  }
  [[nodiscard]] Out end() const { return end_; }

  /// Assigns. A number becomes one of the output's type, as it does in std, but without a warning to those who want them all.
  template <class T>
  void put(std::size_t i, T const& value) const {
    if constexpr (std::is_arithmetic_v<T> && std::is_arithmetic_v<std::iter_value_t<Out>>)
      (*this)[i] = static_cast<std::iter_value_t<Out>>(value);
    else (*this)[i] = value;
  }

 private:
  Out begin_, end_;
  std::vector<Out> places_;
};

/// The chain of a scan of elements [skipped, …): prefixes are values, and a block adds the fold of its elements.
template <scan_kind Kind, grouping Grouping, class T, class Op, class Elements, class Places>
class scan_work : pinned {
 public:
  using prefix = T;
  using part = T;

  scan_work(blocks const& all, std::size_t skipped, Op& op, Elements const& elements, Places const& out)
      : all_(all), skipped_(skipped), op_(op), elements_(elements), out_(out) {}

  T pass(std::size_t k, T const& before) {
    if constexpr (Grouping == grouping::fixed) {
      // As if others had measured it: the bits must not tell.
      T const own = measure(k);
      write(k, before);
      return extend(before, own);
    } else {
      return write(k, before);
    }
  }

  // Not inlined, nor is write: one copy of the code, so that whoever runs a block rounds as anybody else.
  [[gnu::noinline]] T measure(std::size_t k) {
    auto const each = [this](std::size_t i) -> decltype(auto) { return elements_[i + skipped_]; };
    reduce_work<T, Op, decltype(each)> fold(op_, each);
    typename decltype(fold)::accumulator sum;
    fold.run(sum, all_.first(k), all_.last(k));
    return *std::move(sum);
  }

  T extend(T const& before, T const& own) { return static_cast<T>(std::invoke(op_, T(before), T(own))); }

  void finish(std::size_t k, T const& before) { write(k, before); }

 private:
  [[gnu::noinline]] T write(std::size_t k, T const& before) {
    auto i = all_.first(k) + skipped_;
    auto const last = all_.last(k) + skipped_;
    if constexpr (lanes_allowed<T, Op>) {
      return add_in_groups(i, last, before);
    } else {
      T running(before);
      for (; i != last; ++i) {
        if constexpr (Kind == scan_kind::inclusive) {
          running = static_cast<T>(std::invoke(op_, std::move(running), elements_[i]));
          out_.put(i, running);
        } else {
          T next = static_cast<T>(std::invoke(op_, T(running), elements_[i]));
          out_.put(i, running);
          running = std::move(next);
        }
      }
      return running;
    }
  }

  // The sums within a group need not wait for what comes before it; one addition in a group does.
  T add_in_groups(std::size_t i, std::size_t last, T before) {
    using wide = wrapping<T>;
    auto const add = [](wide a, wide b) { return static_cast<wide>(a + b); };
    constexpr std::size_t group = 8;
    auto running = static_cast<wide>(before);
    for (; last - i >= group; i += group) {
      wide v[group];
      for (std::size_t j = 0; j < group; ++j) v[j] = static_cast<wide>(static_cast<T>(elements_[i + j]));
      for (std::size_t half = 1; half < group; half *= 2)
        for (std::size_t j = 0; j < group; ++j)
          if (j & half) v[j] = add(v[(j | (half - 1)) - half], v[j]);
      if constexpr (Kind == scan_kind::inclusive) {
        for (std::size_t j = 0; j < group; ++j) out_.put(i + j, static_cast<T>(add(running, v[j])));
      } else {
        out_.put(i, static_cast<T>(running));
        for (std::size_t j = 1; j < group; ++j) out_.put(i + j, static_cast<T>(add(running, v[j - 1])));
      }
      running = add(running, v[group - 1]);
    }
    for (; i != last; ++i) {
      auto const next = add(running, static_cast<wide>(static_cast<T>(elements_[i])));
      out_.put(i, static_cast<T>(Kind == scan_kind::inclusive ? next : running));
      running = next;
    }
    return static_cast<T>(running);
  }

  blocks const& all_;
  std::size_t const skipped_;
  Op& op_;
  Elements const& elements_;
  Places const& out_;
};

/// Blocks that stay in a core's own cache between measure and finish.
inline constexpr std::size_t scan_block = 8192;

template <scan_kind Kind, grouping Grouping, class T, class Op, class R, class Out>
void scan_from(std::size_t skipped, indexed<R> const& elements, output_places<Out> const& places, T init, Op& op,
               loop_options const& o) {
  constexpr std::size_t least = lanes_allowed<T, Op> && std::ranges::contiguous_range<R> ? scan_block : 1;
  constexpr std::size_t most = std::max<std::size_t>(least, 4096);
  auto const count = elements.size() - skipped;
  auto all = Grouping == grouping::fixed ? fixed_blocks(count, least, most) : chosen_blocks(count, least, most, o);
  scan_work<Kind, Grouping, T, Op, indexed<R>, output_places<Out>> work(all, skipped, op, elements, places);
  if (all.number() == 0) return;
  prefix_chain chain(work, all);
  if constexpr (packed_bits<Out>) {
    chain.alone(std::move(init));
  } else if (all.number() == 1) {
    check_ambient_stop();
    work.finish(0, init);
  } else {
    chain(std::move(init), o);
  }
}

template <scan_kind Kind, grouping Grouping, class R, class Out, class T, class Op>
Out scan_behind(R& range, Out out, T init, Op& op, loop_options const& o) {
  indexed<R> const elements(range);
  output_places<Out> const places(std::move(out), elements.size());
  scan_from<Kind, Grouping>(0, elements, places, std::move(init), op, o);
  return places.end();
}

template <grouping Grouping, class R, class Out, class Op>
Out scan_from_first(R& range, Out out, Op& op, loop_options const& o) {
  using value = std::ranges::range_value_t<R>;
  indexed<R> const elements(range);
  if (elements.size() == 0) return out;
  output_places<Out> const places(std::move(out), elements.size());
  value first(elements[0]);
  places.put(0, first);
  scan_from<scan_kind::inclusive, Grouping>(1, elements, places, std::move(first), op, o);
  return places.end();
}

}  // namespace detail
}  // namespace weft
