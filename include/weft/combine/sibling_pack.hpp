// Siblings as they are given to a verb: a pack, or a range. What when_all, when_all_settled, when_any and race are made of.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/combine/siblings.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/promise.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::detail {

/// What can be kept in a container or a variant: nothing is weft::unit, a reference a std::reference_wrapper.
template <class T>
struct storable {
  using type = unit_if_void<std::remove_cv_t<std::remove_reference_t<T>>>;
};
template <class T>
struct storable<T&> {
  using type = std::reference_wrapper<T>;
};
template <class T>
using storable_t = typename storable<T>::type;

/// What a sibling gave, where a value is needed.
template <class S>
auto take_value(S& s) -> unit_if_void<typename S::result> {
  if constexpr (std::is_void_v<typename S::result>) {
    s.take();
    return unit{};
  } else {
    return s.take();
  }
}

/// The siblings of a pack, inside the awaiting task's frame. Can be moved and kept until it is awaited.
template <decided_by D, class... X>
class sibling_pack : public native_awaiter {
 public:
  explicit sibling_pack(X&&... x) : siblings_(std::move(x)...) {}
  sibling_pack(sibling_pack&& other) noexcept((std::is_nothrow_move_constructible_v<X> && ...))
      : siblings_(std::move(other.siblings_)) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }

  template <weft_promise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
    link(std::index_sequence_for<X...>{});
    return group_.enter(parent, std::get<0>(siblings_));  // Past here *this may be gone.
  }

 protected:
  [[nodiscard]] sibling_group const& group() const noexcept { return group_; }

  /// f(sibling...).
  template <class F>
  decltype(auto) with_all(F&& f) {
    return std::apply(static_cast<F&&>(f), siblings_);
  }

  /// f(the one sibling that s is, its index as a constant).
  template <std::size_t I = 0, class F>
  decltype(auto) with_one(sibling* s, F&& f) {
    if constexpr (I + 1 < sizeof...(X))
      if (s != &std::get<I>(siblings_)) return with_one<I + 1>(s, static_cast<F&&>(f));
    return f(std::get<I>(siblings_), std::integral_constant<std::size_t, I>{});
  }

 private:
  template <std::size_t... I>
  void link(std::index_sequence<I...>) noexcept {
    sibling* const all[] = {&std::get<I>(siblings_)..., nullptr};
    (std::get<I>(siblings_).join_group(group_, all[I + 1]), ...);
  }

  std::tuple<sibling_of<X, D>...> siblings_;
  sibling_group group_{sizeof...(X)};
};

/// Siblings that cannot be moved any more, in one block: gone with it, also where making one of them throws.
template <class Sibling>
class sibling_block : pinned {
 public:
  template <class X>
  explicit sibling_block(std::vector<X>&& x) : memory_(x.size()) {
    for (auto& each : x) {
      ::new (static_cast<void*>(memory_.first + memory_.made)) Sibling(std::move(each));
      ++memory_.made;
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return memory_.size; }
  [[nodiscard]] Sibling* data() const noexcept { return memory_.first; }

 private:
  struct memory : pinned {
    explicit memory(std::size_t count) : size(count), first(std::allocator<Sibling>().allocate(count)) {}
    ~memory() {
      while (made != 0) first[--made].~Sibling();
      std::allocator<Sibling>().deallocate(first, size);
    }
    std::size_t const size;
    std::size_t made = 0;
    Sibling* const first;
  };

  memory memory_;
};

/// The siblings of a range.
template <decided_by D, class X>
class sibling_range : public native_awaiter, pinned {
 public:
  explicit sibling_range(std::vector<X>&& x) : group_(static_cast<std::uint32_t>(x.size())), siblings_(std::move(x)) {}

  [[nodiscard]] bool await_ready() const noexcept { return count() == 0; }

  template <weft_promise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
    member* const all = siblings_.data();
    for (std::size_t i = 0; i < count(); ++i) all[i].join_group(group_, i + 1 < count() ? all + i + 1 : nullptr);
    return group_.enter(parent, all[0]);  // Past here *this may be gone.
  }

 protected:
  using member = sibling_of<X, D>;

  ~sibling_range() = default;

  [[nodiscard]] sibling_group const& group() const noexcept { return group_; }
  [[nodiscard]] std::size_t count() const noexcept { return siblings_.size(); }
  [[nodiscard]] member& operator[](std::size_t i) const noexcept { return siblings_.data()[i]; }
  [[nodiscard]] std::size_t index_of(sibling* s) const noexcept {
    return static_cast<std::size_t>(static_cast<member*>(s) - siblings_.data());
  }

 private:
  sibling_group group_;
  sibling_block<member> siblings_;
};

/// What a verb returns for a range: it can be moved and kept; awaited, it becomes the awaiter.
template <class Awaiter, class X>
class [[nodiscard]] sibling_range_operation {
 public:
  explicit sibling_range_operation(std::vector<X>&& parts) noexcept : parts_(std::move(parts)) {}
  auto operator co_await() { return Awaiter(std::move(parts_)); }

 private:
  std::vector<X> parts_;
};

/// A range of things to run. What awaits is no range of them: it is one thing.
template <class R>
concept range_of_work = std::ranges::input_range<R> && !awaitable<R> && runnable<std::ranges::range_value_t<R>>;

/// What is in the range, moved; callables of an lvalue range are copied, as those of a pack are. What can be awaited is moved out of
/// an lvalue range, too: it is awaited only once.
template <range_of_work R>
std::vector<std::ranges::range_value_t<R>> parts_of(R&& range) {
  using x = std::ranges::range_value_t<R>;
  if constexpr (std::is_same_v<std::remove_cvref_t<R>, std::vector<x>> && !std::is_lvalue_reference_v<R>) {
    return std::move(range);
  } else {
    std::vector<x> parts;
    for (auto&& each : range) {
      if constexpr (std::is_lvalue_reference_v<R> && std::copy_constructible<x> && !awaitable<x>) parts.push_back(each);
      else parts.push_back(std::move(each));
    }
    return parts;
  }
}

}  // namespace weft::detail
