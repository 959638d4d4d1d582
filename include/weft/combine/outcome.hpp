// outcome<T>: how one thing ended: with a value, with an exception, or stopped. What when_all_settled gives of each.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

namespace weft {

/// Exactly one of has_value(), failed() and stopped() is true. T may be a reference, and may be move-only; what gives nothing has an
/// outcome<unit>. Made by when_all_settled; can be made by hand. Moving keeps which of the three it is. One thread at a time.
template <class T = unit>
class [[nodiscard]] outcome {
  static_assert(!std::is_void_v<T>, "an outcome of nothing is outcome<weft::unit>");

  // A reference is kept as a pointer.
  using stored = std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>;

 public:
  using value_type = T;

  /// A value, made of these arguments; a reference to the one argument.
  template <class... Args>
    requires std::is_constructible_v<T, Args...>
  explicit outcome(std::in_place_t, Args&&... args)
      : how_(how::value), state_(std::in_place_index<0>, kept(std::forward<Args>(args))...) {}

  /// A failure; weft::stopped among them makes it stopped.
  explicit outcome(std::exception_ptr failure) noexcept
      : how_(detail::is_stopped(failure) ? how::stopped : how::failed),
        state_(std::in_place_index<1>, std::move(failure)) {}

  [[nodiscard]] bool has_value() const noexcept { return how_ == how::value; }
  [[nodiscard]] bool failed() const noexcept { return how_ == how::failed; }
  [[nodiscard]] bool stopped() const noexcept { return how_ == how::stopped; }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value; throws what it failed with, or weft::stopped.
  decltype(auto) value() & {
    throw_if_none();
    return **this;
  }
  decltype(auto) value() const& {
    throw_if_none();
    return **this;
  }
  T value() && {
    throw_if_none();
    return *std::move(*this);
  }

  /// The value, which is there.
  [[nodiscard]] std::add_lvalue_reference_t<T> operator*() & noexcept { return look(*this); }
  [[nodiscard]] std::add_lvalue_reference_t<T const> operator*() const& noexcept { return look(*this); }
  [[nodiscard]] T&& operator*() && noexcept { return static_cast<T&&>(look(*this)); }
  [[nodiscard]] auto* operator->() noexcept { return std::addressof(look(*this)); }
  [[nodiscard]] auto* operator->() const noexcept { return std::addressof(look(*this)); }

  /// The value, or what is given in its place.
  template <class U>
  [[nodiscard]] T value_or(U&& other) const& {
    return has_value() ? static_cast<T>(**this) : static_cast<T>(std::forward<U>(other));
  }
  template <class U>
  [[nodiscard]] T value_or(U&& other) && {
    return has_value() ? static_cast<T>(*std::move(*this)) : static_cast<T>(std::forward<U>(other));
  }

  /// What it failed with; null unless failed().
  [[nodiscard]] std::exception_ptr exception() const noexcept { return failed() ? *std::get_if<1>(&state_) : nullptr; }

 private:
  enum class how : unsigned char { value, failed, stopped };

  template <class U>
  static decltype(auto) kept(U&& value) noexcept {
    if constexpr (std::is_reference_v<T>) return std::addressof(value);
    else return std::forward<U>(value);
  }

  template <class Self>
  static auto& look(Self& self) noexcept {
    WEFT_ASSERT(self.has_value(), "the value of an outcome is asked for that has none: it failed or was stopped");
    if constexpr (std::is_reference_v<T>) return **std::get_if<0>(&self.state_);
    else return *std::get_if<0>(&self.state_);
  }

  void throw_if_none() const {
    if (!has_value()) std::rethrow_exception(*std::get_if<1>(&state_));
  }

  how how_;
  std::variant<stored, std::exception_ptr> state_;
};

}  // namespace weft
