// parallel_inclusive_scan, parallel_exclusive_scan: what a fold from the left has come to at each element.
#pragma once

#include <weft/parallel/blocks.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/prefix_chain.hpp>
#include <weft/parallel/reduce.hpp>
#include <weft/parallel/reproducible.hpp>
#include <weft/parallel/shared_words.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// An op that folds the elements of R into a T, each stage of which Out can hold.
template <class Op, class T, class R, class Out>
concept scanning =
    reducing<Op, T, std::ranges::range_reference_t<R>> && std::copy_constructible<T> && std::assignable_from<T&, T> &&
    std::forward_iterator<Out> && (std::indirectly_writable<Out, T const&> || writes_bit<Out, T const&>);

template <class Op, class R, class Out>
concept scanning_values = scanning<Op, std::ranges::range_value_t<R>, R, Out> &&
                          std::constructible_from<std::ranges::range_value_t<R>, std::ranges::range_reference_t<R>>;

enum class scan_kind { inclusive, exclusive };
enum class grouping { free, fixed };

template <scan_kind Kind, class R, class Out, class T, class Op>
Out scan_behind(grouping how, R& range, Out out, T init, Op& op, loop_options const& o);

template <class R, class Out, class Op>
Out scan_from_first(grouping how, R& range, Out out, Op& op, loop_options const& o);

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
  return detail::scan_behind<detail::scan_kind::inclusive>(detail::grouping::free, range, std::move(out),
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
  return detail::scan_from_first(detail::grouping::free, range, std::move(out), op, options);
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
  return detail::scan_behind<detail::scan_kind::exclusive>(detail::grouping::free, range, std::move(out),
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
  return detail::scan_behind<detail::scan_kind::inclusive>(detail::grouping::fixed, range, std::move(out),
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
  return detail::scan_from_first(detail::grouping::fixed, range, std::move(out), op, options);
}
template <std::ranges::forward_range R, class Out>
  requires detail::scanning_values<std::plus<>, R, Out>
Out parallel_inclusive_scan(reproducible_t, R&& range, Out out, loop_options options = {}) {
  return parallel_inclusive_scan(reproducible, range, std::move(out), std::plus<>{}, options);
}
template <std::ranges::forward_range R, class Out, class T, class Op = std::plus<>>
  requires detail::scanning<Op, T, R, Out>
Out parallel_exclusive_scan(reproducible_t, R&& range, Out out, T init, Op op = {}, loop_options options = {}) {
  return detail::scan_behind<detail::scan_kind::exclusive>(detail::grouping::fixed, range, std::move(out),
                                                           std::move(init), op, options);
}
template <std::ranges::forward_range R, class Out, class T>
  requires detail::scanning<std::plus<>, T, R, Out>
Out parallel_exclusive_scan(reproducible_t, R&& range, Out out, T init, loop_options options) {
  return parallel_exclusive_scan(reproducible, range, std::move(out), std::move(init), std::plus<>{}, options);
}

namespace detail {

/// Assigns a result. A number becomes one of the output's type, as it does in std, but without a warning to those who want them all.
template <class Out, class T>
void assign(Out const& place, T const& result) {
  using value = std::iter_value_t<Out>;
  if constexpr (std::is_arithmetic_v<T> && std::is_arithmetic_v<value>) *place = static_cast<value>(result);
  else *place = result;
}

/// The chain of a scan of elements [skipped, …): prefixes are values, and a block adds the fold of its elements.
template <scan_kind Kind, class T, class Op, class Elements, class Places>
class scan_work : pinned {
 public:
  using prefix = T;
  using part = T;

  scan_work(grouping how, blocks const& all, std::size_t skipped, Op& op, Elements const& elements, Places const& out)
      : how_(how), all_(all), skipped_(skipped), op_(op), elements_(elements), out_(out) {}

  T pass(std::size_t k, T const& before) {
    if (how_ == grouping::fixed) {
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
    auto const first = all_.first(k), count = all_.last(k) - first;
    auto in = elements_.from(first + skipped_);
    auto out = out_.from(first + skipped_);
    if constexpr (lanes_allowed<T, Op>) {
      return add_up(in, out, count, before);
    } else {
      T running(before);
      for (auto left = count; left != 0; --left) {
        if constexpr (Kind == scan_kind::inclusive) {
          running = static_cast<T>(std::invoke(op_, std::move(running), *in.place()));
          assign(out.place(), running);
        } else {
          T next = static_cast<T>(std::invoke(op_, T(running), *in.place()));
          assign(out.place(), running);
          running = std::move(next);
        }
        in.next();
        out.next();
      }
      return running;
    }
  }

  // An addition of floating-point numbers takes about four cycles, and each waits for the one before it. So elements are taken in
  // fours: the sum of four does not wait for what comes before them, and one addition to it is all that the next four wait for.
  // Integers take one cycle, and no detour. Measured, ns an element in cache, g++ 12 and clang 19: doubles one by one 0.56 and 0.56,
  // in fours 0.39 and 0.28, in eights 0.39 and 0.34; u32 one by one 0.28 and 0.28, in fours 0.36 and 0.23.
  template <class In, class To>
  static T add_up(In in, To out, std::size_t left, T before) {
    using wide = wrapping<T>;
    auto const add = [](wide a, wide b) { return static_cast<wide>(a + b); };
    auto const read = [&in] {
      auto const element = static_cast<wide>(static_cast<T>(*in.place()));
      in.next();
      return element;
    };
    auto const write_one = [&](wide& sum, wide element) {
      auto const next = add(sum, element);
      assign(out.place(), static_cast<T>(Kind == scan_kind::inclusive ? next : sum));
      out.next();
      sum = next;
    };
    auto running = static_cast<wide>(before);
    if constexpr (std::is_floating_point_v<T>) {
      for (; left >= 4; left -= 4) {
        wide const a = read(), b = read(), c = read(), d = read();
        auto const four = add(add(a, b), add(c, d));
        auto sum = running;
        write_one(sum, a);
        write_one(sum, b);
        write_one(sum, c);
        write_one(sum, d);
        running = add(running, four);
      }
    }
    for (; left != 0; --left) write_one(running, read());
    return static_cast<T>(running);
  }

  grouping const how_;
  blocks const& all_;
  std::size_t const skipped_;
  Op& op_;
  Elements const& elements_;
  Places const& out_;
};

/// Elements in a block of sums: so many that handing over a prefix costs little beside them, at the most what stays in a core's own
/// cache between measure and finish.
inline constexpr std::size_t least_sums = 1024, most_sums = 8192;
/// Of anything else.
inline constexpr std::size_t most_scanned = 4096;

template <scan_kind Kind, class T, class Op, class R, class Out>
void scan_from(grouping how, std::size_t skipped, indexed<R> const& elements, indexed_output<Out> const& places, T init,
               Op& op, loop_options options) {
  using work_type = scan_work<Kind, T, Op, indexed<R>, indexed_output<Out>>;
  constexpr bool cheap = cheap_sum<T, Op, R>;
  auto const count = elements.size() - skipped;
  if (count == 0) return;
  blocks all;
  if (gives_bits<Out>) all = {count, count};
  else if (how == grouping::free && options.grain != 0) all = asked_blocks(count, options);
  else if (cheap) all = {count, std::clamp(count / 32, least_sums, most_sums)};
  else if (how == grouping::fixed) all = fixed_blocks(count, most_scanned);
  else all = chosen_blocks<prefix_chain<work_type>>(count, most_scanned, options);
  work_type work(how, all, skipped, op, elements, places);
  if (all.number() == 1 && (cheap || gives_bits<Out>)) {
    check_ambient_stop();
    work.finish(0, init);
    return;
  }
  // Nobody has to find out that a block of sums is about a microsecond.
  if (cheap && options.grain == 0) options.grain = all.length;
  prefix_chain chain(work, all);
  chain(std::move(init), options);
}

template <scan_kind Kind, class R, class Out, class T, class Op>
Out scan_behind(grouping how, R& range, Out out, T init, Op& op, loop_options const& o) {
  indexed<R> const elements(range);
  indexed_output<Out> const places(std::move(out), elements.size());
  auto&& fold = groupable<T>(op);
  scan_from<Kind>(how, 0, elements, places, std::move(init), fold, o);
  return places.place(elements.size());
}

template <class R, class Out, class Op>
Out scan_from_first(grouping how, R& range, Out out, Op& op, loop_options const& o) {
  using value = std::ranges::range_value_t<R>;
  indexed<R> const elements(range);
  if (elements.size() == 0) return out;
  indexed_output<Out> const places(std::move(out), elements.size());
  value first(elements[0]);
  assign(places.place(0), first);
  auto&& fold = groupable<value>(op);
  scan_from<scan_kind::inclusive>(how, 1, elements, places, std::move(first), fold, o);
  return places.place(elements.size());
}

}  // namespace detail
}  // namespace weft
