// Where the items of a pipeline come from, and how one stands in memory.
#pragma once

#include <weft/coro/concepts.hpp>
#include <weft/coro/task.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weft::detail {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class S>
concept callable_source = std::invocable<S&> && is_optional<std::remove_cvref_t<std::invoke_result_t<S&>>>;
template <class S>
concept waiting_source = std::invocable<S&> && awaitable<std::invoke_result_t<S&>> &&
                         is_optional<std::remove_cvref_t<typename settled<std::invoke_result_t<S&>>::type>>;
template <class S>
concept flow_source = callable_source<std::remove_reference_t<S>> || waiting_source<std::remove_reference_t<S>> ||
                      std::ranges::input_range<S>;

/// One item in memory; a reference stays one.
template <class Item>
struct held {
  Item value;
  Item&& take() noexcept { return static_cast<Item&&>(value); }
};
/// What a source has given, which holds an item.
template <class Optional>
struct held_optional {
  Optional value;
  auto&& take() noexcept { return *std::move(value); }
};

// ── sources: S is a reference where the source is borrowed ──

template <class S>
class source_of;

template <class S>
  requires callable_source<std::remove_reference_t<S>>
class source_of<S> {
  using given = std::remove_cvref_t<std::invoke_result_t<std::remove_reference_t<S>&>>;

 public:
  using item = typename given::value_type;
  using held_item = held_optional<given>;
  static constexpr bool waits = false;

  explicit source_of(S&& s) : source_(std::forward<S>(s)) {}

  /// Gives the next item to f. False: there is none.
  template <class F>
  bool next(F&& f) {
    auto&& o = std::invoke(source_);
    if (!o) return false;
    f(*std::move(o));
    return true;
  }
  bool pull(void* place) {
    auto* const h = ::new (place) held_item{std::invoke(source_)};
    if (h->value) return true;
    std::destroy_at(h);
    return false;
  }

 private:
  S source_;
};

template <class S>
  requires waiting_source<std::remove_reference_t<S>>
class source_of<S> {
  using operation = std::invoke_result_t<std::remove_reference_t<S>&>;
  using given = std::remove_cvref_t<await_result_t<operation>>;

 public:
  using item = typename given::value_type;
  using held_item = held_optional<given>;
  static constexpr bool waits = true;

  explicit source_of(S&& s) : source_(std::forward<S>(s)) {}

  task<bool> pull_waiting(void* place) {
    decltype(auto) waited_for = std::invoke(source_);
    given next = co_await std::forward<operation>(waited_for);
    if (!next) co_return false;
    ::new (place) held_item{std::move(next)};
    co_return true;
  }

 private:
  S source_;
};

template <class S>
  requires(std::ranges::input_range<S> && !callable_source<std::remove_reference_t<S>> &&
           !waiting_source<std::remove_reference_t<S>>)
class source_of<S> {
  using view = std::views::all_t<S>;
  // An iterator that is read once may give references to what its next step overwrites.
  static constexpr bool lasting =
      std::ranges::forward_range<view> || !std::is_lvalue_reference_v<std::ranges::range_reference_t<view>>;
  using given = std::conditional_t<lasting, std::ranges::range_reference_t<view>, std::ranges::range_value_t<view>>;

 public:
  using item = std::conditional_t<std::is_rvalue_reference_v<given>, std::remove_cvref_t<given>, given>;
  using held_item = held<item>;
  static constexpr bool waits = false;

  explicit source_of(S&& s) : view_(std::views::all(std::forward<S>(s))) {}

  template <class F>
  bool next(F&& f) {
    if (!begin()) return false;
    f(take());
    ++*at_;
    return true;
  }
  bool pull(void* place) {
    if (!begin()) return false;
    ::new (place) held_item{take()};
    try {
      ++*at_;
    } catch (...) {
      std::destroy_at(std::launder(static_cast<held_item*>(place)));
      throw;
    }
    return true;
  }

 private:
  /// The item there: copied where it does not last, moved where it cannot be copied.
  item take() {
    if constexpr (std::is_constructible_v<item, std::ranges::range_reference_t<view>>) return static_cast<item>(**at_);
    else return std::ranges::iter_move(*at_);
  }

  bool begin() {
    if (!at_) at_.emplace(std::ranges::begin(view_));
    return *at_ != std::ranges::end(view_);
  }

  view view_;
  std::optional<std::ranges::iterator_t<view>> at_;  // from the first item on: the view is moved before
};

}  // namespace weft::detail
