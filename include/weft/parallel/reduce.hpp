// parallel_reduce: many values into one.
#pragma once

#include <weft/parallel/indexed.hpp>
#include <weft/parallel/range_split.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// What sums of T are taken in, where they may be grouped at will: integers that wrap around, since a sum of a few neighbours may
/// overflow where the sum of all does not.
template <class T>
using wrapping = typename std::conditional_t<std::is_integral_v<T> && !std::same_as<T, bool>, std::make_unsigned<T>,
                                             std::type_identity<T>>::type;

template <class T>
struct wrapping_plus {
  template <class A, class B>
  T operator()(A&& a, B&& b) const {
    return static_cast<T>(wide(static_cast<A&&>(a)) + wide(static_cast<B&&>(b)));
  }

 private:
  template <class A>
  static wrapping<T> wide(A&& a) {
    return static_cast<wrapping<T>>(static_cast<T>(static_cast<A&&>(a)));
  }
};

/// May the sum of these be taken in several interleaved parts? Arithmetic addition is commutative.
template <class T, class Op>
inline constexpr bool lanes_allowed =
    std::is_arithmetic_v<T> &&
    (std::same_as<Op, std::plus<>> || std::same_as<Op, std::plus<T>> || std::same_as<Op, wrapping_plus<T>>);

/// auto&& fold = groupable<T>(op): op, or what adds numbers as it does in any grouping.
template <class T, class Op>
decltype(auto) groupable(Op& op) noexcept {
  if constexpr (lanes_allowed<T, Op>) return wrapping_plus<T>{};
  else return (op);
}

/// Folds each(first) … each(last − 1) from the left.
template <class T, class Op, class Each>
class reduce_work {
 public:
  using accumulator = std::optional<T>;

  reduce_work(Op& op, Each& each) noexcept : op_(op), each_(each) {}

  void run(accumulator& a, std::size_t first, std::size_t last) {
    if constexpr (lanes_allowed<T, Op>) {
      // Several sums at once, so that an addition need not wait for the one before it, and the compiler can use wide registers.
      constexpr std::size_t lanes = 16;
      if (last - first >= 2 * lanes) {
        using wide = wrapping<T>;
        auto const add = [](wide x, wide y) { return static_cast<wide>(x + y); };
        auto const element = [this](std::size_t i) { return static_cast<wide>(static_cast<T>(each_(i))); };
        wide sums[lanes] = {};
        auto i = first;
        for (; last - i >= lanes; i += lanes)
          for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] = add(sums[lane], element(i + lane));
        for (std::size_t width = lanes / 2; width != 0; width /= 2)
          for (std::size_t lane = 0; lane < width; ++lane) sums[lane] = add(sums[lane], sums[lane + width]);
        for (; i != last; ++i) sums[0] = add(sums[0], element(i));
        a = static_cast<T>(a ? add(static_cast<wide>(*a), sums[0]) : sums[0]);
        return;
      }
    }
    auto i = first;
    T sum = a ? T(std::move(*a)) : T(each_(i++));
    for (; i != last; ++i) sum = static_cast<T>(std::invoke(op_, std::move(sum), each_(i)));
    a = std::move(sum);
  }

  void combine(accumulator& a, accumulator&& right) {
    if (!right) return;
    if (a) a = static_cast<T>(std::invoke(op_, std::move(*a), std::move(*right)));
    else a = std::move(right);
  }

 private:
  Op& op_;
  Each& each_;
};

/// Are these additions of numbers that lie side by side? Then what an element costs is known.
template <class T, class Op, class R>
inline constexpr bool cheap_sum =
    lanes_allowed<T, Op> && std::ranges::contiguous_range<R> && std::is_arithmetic_v<std::ranges::range_value_t<R>>;

/// Elements that a cheap sum takes at a time, a microsecond or less: so soon it sees that somebody wants a share.
inline constexpr std::size_t cheap_chunk = 4096;
/// So few of them are summed before anybody else is awake.
inline constexpr std::size_t cheap_alone = 16'384;

enum class cost { unknown, cheap };

template <cost Cost, class T, class Op, class Each>
T reduce_indices(std::size_t count, T init, Op& op, loop_options o, Each each) {
  reduce_work<T, Op, Each> work(op, each);
  if (Cost == cost::cheap && o.grain == 0) o.grain = count <= cheap_alone ? cheap_alone : cheap_chunk;
  auto all = run_loop(work, count, o);
  if (!all) return init;
  return static_cast<T>(std::invoke(op, std::move(init), std::move(*all)));
}

template <class Op, class T, class Element>
concept reducing =
    std::movable<T> && std::invocable<Op&, T, T> && std::convertible_to<std::invoke_result_t<Op&, T, T>, T> &&
    std::invocable<Op&, T, Element> && std::constructible_from<T, Element>;

}  // namespace detail

/// init op x0 op x1 op …, grouped in any way: op must be associative. The order of the elements is kept, except that arithmetic
/// sums with std::plus are taken in interleaved parts: floating-point results may differ from a left fold, and from run to run, and
/// integers wrap around where a part is too large. From any thread, done on return. An empty range gives init. Throws what op threw;
/// weft::stopped between chunks. Complexity: n applications of op.
template <std::ranges::forward_range R, class T, class Op = std::plus<>>
  requires detail::reducing<Op, T, std::ranges::range_reference_t<R>>
[[nodiscard]] T parallel_reduce(R&& range, T init, Op op = {}, loop_options options = {}) {
  constexpr auto cost = detail::cheap_sum<T, Op, R> ? detail::cost::cheap : detail::cost::unknown;
  detail::indexed<std::remove_reference_t<R>> const elements(range);
  auto&& fold = detail::groupable<T>(op);
  return detail::reduce_indices<cost>(elements.size(), std::move(init), fold, options,
                                      [&](std::size_t i) -> decltype(auto) { return elements[i]; });
}
template <std::ranges::forward_range R, class T>
[[nodiscard]] T parallel_reduce(R&& range, T init, loop_options options) {
  return parallel_reduce(std::forward<R>(range), std::move(init), std::plus<>{}, options);
}

/// init op f(x0) op f(x1) op …: the same over what f makes of the elements.
template <std::ranges::forward_range R, class T, class Op, class F>
  requires detail::reducing<Op, T, std::invoke_result_t<F&, std::ranges::range_reference_t<R>>>
[[nodiscard]] T parallel_transform_reduce(R&& range, T init, Op op, F f, loop_options options = {}) {
  detail::indexed<std::remove_reference_t<R>> const elements(range);
  auto&& fold = detail::groupable<T>(op);
  return detail::reduce_indices<detail::cost::unknown>(
      elements.size(), std::move(init), fold, options,
      [&](std::size_t i) -> decltype(auto) { return std::invoke(f, elements[i]); });
}

}  // namespace weft
