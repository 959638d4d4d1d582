// parallel_map: f of every element, as a vector in their order.
#pragma once

#include <weft/coro/concepts.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/in_flight.hpp>
#include <weft/parallel/indexed.hpp>
#include <weft/parallel/range_split.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

template <class F, class R>
using mapped = std::decay_t<std::invoke_result_t<F&, std::ranges::range_reference_t<R>>>;

/// Values that come into being in any order. Those that can be made beforehand are assigned in place; others stand in optionals, as do
/// references to bits: to assign to one is to write the bit.
template <class T>
class unordered_results {
  static constexpr bool in_place = std::default_initializable<T> && std::is_move_assignable_v<T> &&
                                   !std::same_as<T, bool> && !std::same_as<T, std::vector<bool>::reference>;

 public:
  explicit unordered_results(std::size_t count) : values_(count) {}

  template <class Value>
  void set(std::size_t i, Value&& value) {
    if constexpr (in_place) values_[i] = std::forward<Value>(value);
    else values_[i].emplace(std::forward<Value>(value));
  }

  std::vector<T> take() {
    if constexpr (in_place) {
      return std::move(values_);
    } else {
      std::vector<T> all;
      all.reserve(values_.size());
      for (auto& v : values_) all.push_back(std::move(*v));
      return all;
    }
  }

 private:
  std::vector<std::conditional_t<in_place, T, std::optional<T>>> values_;
};

template <class View, class F>
auto map_waiting(View range, F f, loop_options options)
    -> task<std::vector<unit_if_void<await_result_t<std::invoke_result_t<F&, std::ranges::range_reference_t<View>>>>>> {
  using value = await_result_t<std::invoke_result_t<F&, std::ranges::range_reference_t<View>>>;
  indexed<View> const elements(range);
  unordered_results<std::decay_t<unit_if_void<value>>> results(elements.size());
  auto each = [&](std::size_t i) -> task<> {
    auto operation = std::invoke(f, elements[i]);
    if constexpr (std::is_void_v<value>) co_await std::move(operation);
    else results.set(i, co_await std::move(operation));
  };
  co_await keep_in_flight(elements.size(), options.limit, each);
  co_return results.take();
}

}  // namespace detail

/// A vector of f(element) for every element, in order. Computing f: a plain call, from any thread, done on return. Elements that were
/// made are destroyed if an f throws. Otherwise as parallel_for. Complexity: one f each; results that are not default-constructible
/// and assignable are moved once more.
template <std::ranges::forward_range R, class F>
  requires detail::computing_body<F, std::ranges::range_reference_t<R>>
[[nodiscard]] auto parallel_map(R&& range, F&& f, loop_options options = {}) {
  using value = detail::mapped<F, R>;
  static_assert(!std::is_void_v<value>,
                "parallel_map needs a function that returns something; use parallel_for for one that does not");
  detail::indexed<std::remove_reference_t<R>> const elements(range);
  detail::unordered_results<value> results(elements.size());
  detail::for_indices(elements.size(), options, [&](std::size_t i) { results.set(i, std::invoke(f, elements[i])); });
  return results.take();
}

/// auto pages = co_await parallel_map(hosts, fetch, {.limit = 64});      an f that returns something to await
///   completes   when all have ended; at most `limit` are in flight
///   result      a vector of what they gave, in the order of the elements
///   on error    the first failure stops the others and is thrown when those in flight have ended; no more are begun
///   on stop     goes on: those in flight inherit the stop; no more are begun
///   resumes on  the pool it was awaited on
/// An lvalue range is borrowed, another is moved in; f is moved in.
template <std::ranges::forward_range R, class F>
  requires detail::waiting_body<F, std::ranges::range_reference_t<R>>
[[nodiscard]] auto parallel_map(R&& range, F&& f, loop_options options = {}) {
  return detail::map_waiting(std::views::all(std::forward<R>(range)), std::decay_t<F>(std::forward<F>(f)), options);
}

}  // namespace weft
