// when_all: wait for several things at once, and go on when all have ended.
#pragma once

#include <weft/base/results.hpp>
#include <weft/combine/siblings.hpp>
#include <weft/coro/concepts.hpp>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <new>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

/// The siblings of a pack, inside the awaiting task's frame. Can be moved and kept until it is awaited.
template <class... X>
class [[nodiscard]] when_all_operation : public native_awaiter {
 public:
  using result = results<unit_if_void<result_of<X>>...>;

  explicit when_all_operation(X&&... x) : siblings_(std::move(x)...) {}
  when_all_operation(when_all_operation&& other) noexcept((std::is_nothrow_move_constructible_v<X> && ...))
      : siblings_(std::move(other.siblings_)) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
    link(std::index_sequence_for<X...>{});
    return group_.enter(parent, std::get<0>(siblings_));  // Past here *this may be gone.
  }

  result await_resume() {
    if (sibling* const first = group_.first_failure()) [[unlikely]]
      throw_failure_of(first);
    return std::apply([](auto&... s) { return result{take(s)...}; }, siblings_);
  }

 private:
  template <class S>
  static auto take(S& s) -> unit_if_void<typename S::result> {
    if constexpr (std::is_void_v<typename S::result>) {
      s.take();
      return unit{};
    } else {
      return s.take();
    }
  }

  template <std::size_t... I>
  void link(std::index_sequence<I...>) noexcept {
    sibling* const all[] = {&std::get<I>(siblings_)..., nullptr};
    (std::get<I>(siblings_).join_group(group_, all[I + 1]), ...);
  }

  [[noreturn, gnu::noinline, gnu::cold]] void throw_failure_of(sibling* first) {
    std::exception_ptr failure;
    std::apply([&](auto&... s) { ((static_cast<sibling*>(&s) == first ? failure = s.take_failure() : failure), ...); },
               siblings_);
    std::rethrow_exception(std::move(failure));
  }

  std::tuple<sibling_of<X>...> siblings_;
  sibling_group group_{sizeof...(X), sibling_group::on_failure::stop_others};
};

/// The siblings of a range, in one block.
template <class X>
class when_all_range_awaiter : public native_awaiter, pinned {
  using value = unit_if_void<result_of<X>>;

 public:
  using result = std::vector<value>;

  explicit when_all_range_awaiter(std::vector<X>&& x)
      : count_(x.size()), group_(static_cast<std::uint32_t>(x.size()), sibling_group::on_failure::stop_others) {
    siblings_ = std::allocator<sibling_of<X>>().allocate(count_);
    for (; made_ < count_; ++made_) ::new (static_cast<void*>(siblings_ + made_)) sibling_of<X>(std::move(x[made_]));
  }
  ~when_all_range_awaiter() {
    while (made_ != 0) siblings_[--made_].~sibling_of<X>();
    std::allocator<sibling_of<X>>().deallocate(siblings_, count_);
  }

  [[nodiscard]] bool await_ready() const noexcept { return count_ == 0; }

  template <weft_promise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
    for (std::size_t i = 0; i < count_; ++i)
      siblings_[i].join_group(group_, i + 1 < count_ ? siblings_ + i + 1 : nullptr);
    return group_.enter(parent, siblings_[0]);  // Past here *this may be gone.
  }

  result await_resume() {
    if (sibling* const first = group_.first_failure()) [[unlikely]]
      std::rethrow_exception(static_cast<sibling_of<X>*>(first)->take_failure());
    result all;
    all.reserve(count_);
    for (std::size_t i = 0; i < count_; ++i) {
      if constexpr (std::is_void_v<result_of<X>>) {
        siblings_[i].take();
        all.emplace_back();
      } else {
        all.push_back(siblings_[i].take());
      }
    }
    return all;
  }

 private:
  std::size_t const count_;
  std::size_t made_ = 0;
  sibling_of<X>* siblings_ = nullptr;
  sibling_group group_;
};

/// What when_all of a range returns: it can be moved and kept; awaited, it becomes the awaiter.
template <class X>
class [[nodiscard]] when_all_range_operation {
 public:
  explicit when_all_range_operation(std::vector<X>&& parts) noexcept : parts_(std::move(parts)) {}
  auto operator co_await() { return when_all_range_awaiter<X>(std::move(parts_)); }

 private:
  std::vector<X> parts_;
};

}  // namespace detail

/// co_await when_all(x...);             2 to 16 awaitables and callables, mixed freely; each is moved in
/// co_await when_all(range_of_x);       any number of one kind
///   completes   when all have ended; the first begins here at once, the others here or on idle workers
///   result      results<…>, an aggregate: `auto [a, b] = co_await when_all(x, y);`, or a std::vector, in order; void is weft::unit
///   on error    the first failure stops the others, and is thrown when all have ended; those that have not begun never do
///   on stop     goes on: the children inherit the stop, and their weft::stopped is the failure
///   resumes on  the worker of the last one to end
/// They may run at the same time, and may run one after the other: they wait for each other by co_await alone.
/// Cost: when nobody steals, no atomic read-modify-write and no allocation but the children's own frames.
template <class... X>
  requires(sizeof...(X) >= 2) && (runnable<X> && ...)
[[nodiscard]] auto when_all(X&&... x) {
  static_assert(
      sizeof...(X) <= 16,
      "when_all takes 2 to 16 things at a time; for more, give a range: when_all(std::move(vector_of_tasks))");
  return detail::when_all_operation<std::decay_t<X>...>(std::decay_t<X>(std::forward<X>(x))...);
}

template <std::ranges::input_range R>
  requires(!awaitable<R>) && runnable<std::ranges::range_value_t<R>>
[[nodiscard]] auto when_all(R&& range) {
  using x = std::ranges::range_value_t<R>;
  if constexpr (std::is_same_v<std::remove_cvref_t<R>, std::vector<x>> && !std::is_lvalue_reference_v<R>) {
    return detail::when_all_range_operation<x>(std::move(range));
  } else {
    std::vector<x> parts;
    for (auto&& each : range) {
      // What can be awaited is moved out of an lvalue range, too: it is awaited only once. Callables are copied.
      if constexpr (std::is_lvalue_reference_v<R> && std::copy_constructible<x> && !awaitable<x>) parts.push_back(each);
      else parts.push_back(std::move(each));
    }
    return detail::when_all_range_operation<x>(std::move(parts));
  }
}

}  // namespace weft
