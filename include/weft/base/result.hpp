// result_slot<T>: room for how something ends: with a value, or with an exception (weft::stopped among them).
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>

#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// Room for one result: nothing yet, a value (or a reference, or the fact that there is none to have), or an exception. Set
/// once, taken once. One thread at a time.
template <class T>
class result_slot : pinned {
  // A reference is kept as a pointer.
  using stored = std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, unit_if_void<T>>;

 public:
  result_slot() noexcept {}
  ~result_slot() {
    if (state_ == state::value) value_.~stored();
    else if (state_ == state::failure) failure_.~exception_ptr();
  }

  template <class... Args>
  void set_value(Args&&... args) {
    WEFT_ASSERT(state_ == state::empty, "a result is set once");
    if constexpr (std::is_reference_v<T>)
      ::new (static_cast<void*>(std::addressof(value_))) stored(std::addressof(args)...);
    // A number that is returned as another kind of number is the caller's affair: no warning from in here.
    else if constexpr (sizeof...(Args) == 1 && std::is_arithmetic_v<stored>)
      ::new (static_cast<void*>(std::addressof(value_))) stored(static_cast<stored>(args)...);
    else ::new (static_cast<void*>(std::addressof(value_))) stored(std::forward<Args>(args)...);
    state_ = state::value;
  }

  /// A value's constructor may have thrown before: what is there already is replaced by the failure.
  void set_failure(std::exception_ptr e) noexcept {
    if (state_ == state::value) value_.~stored();
    if (state_ == state::failure) failure_.~exception_ptr();
    ::new (static_cast<void*>(std::addressof(failure_))) std::exception_ptr(std::move(e));
    state_ = state::failure;
  }

  [[nodiscard]] bool has_result() const noexcept { return state_ != state::empty; }
  [[nodiscard]] bool has_failure() const noexcept { return state_ == state::failure; }
  [[nodiscard]] std::exception_ptr failure() const noexcept { return has_failure() ? failure_ : nullptr; }

  /// The failure, which the slot keeps no longer: a taken failure has reached somebody. A move alone need not leave null, and in libc++ does not.
  [[nodiscard]] std::exception_ptr take_failure() noexcept { return std::exchange(failure_, nullptr); }

  /// The value, moved out; throws the failure. Nothing of the value stays here, however long the slot lives.
  T take() {
    WEFT_ASSERT(has_result(), "a result is taken before it is there");
    if (state_ == state::failure) [[unlikely]]
      std::rethrow_exception(take_failure());
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(*value_);
    } else if constexpr (std::is_trivially_destructible_v<stored>) {
      if constexpr (!std::is_void_v<T>) return std::move(value_);
    } else {
      moved_out const after{*this};
      return std::move(value_);
    }
  }

  /// Takes over how the other ended. A value whose move constructor throws becomes that failure.
  void take_over(result_slot& other) noexcept {
    if (other.state_ == state::failure) set_failure(other.take_failure());
    else try {
        if constexpr (std::is_reference_v<T>) set_value(*other.value_);
        else set_value(std::move(other.value_));
      } catch (...) {
        set_failure(std::current_exception());
      }
  }

  /// The value where it stands, for several readers; throws the failure.
  std::add_lvalue_reference_t<T const> peek() const {
    if (state_ == state::failure) [[unlikely]]
      std::rethrow_exception(failure_);
    if constexpr (std::is_reference_v<T>) return *value_;
    else if constexpr (!std::is_void_v<T>) return value_;
  }

 private:
  enum class state : unsigned char { empty, value, failure };

  struct moved_out {
    result_slot& slot;
    ~moved_out() {
      slot.value_.~stored();
      slot.state_ = state::empty;
    }
  };

  union {
    stored value_;
    std::exception_ptr failure_;
  };
  state state_ = state::empty;
};

/// Where there is no value to keep, a pointer has room for all there is to say: every task that gives nothing has one of these.
template <>
class result_slot<void> : pinned {
 public:
  result_slot() noexcept {}
  ~result_slot() {
    if (has_failure()) failure_.~exception_ptr();
  }

  void set_value(unit = {}) noexcept {
    WEFT_ASSERT(!has_result(), "a result is set once");
    say(value);
  }
  void set_failure(std::exception_ptr e) noexcept {
    if (has_failure()) failure_ = std::move(e);
    else ::new (static_cast<void*>(room_)) std::exception_ptr(std::move(e));
  }

  [[nodiscard]] bool has_result() const noexcept { return word() != empty; }
  [[nodiscard]] bool has_failure() const noexcept { return word() > value; }
  [[nodiscard]] std::exception_ptr failure() const noexcept { return has_failure() ? failure_ : nullptr; }

  /// A failure once it has been taken is nowhere: the slot has had its result.
  [[nodiscard]] std::exception_ptr take_failure() noexcept {
    std::exception_ptr e = std::move(failure_);
    failure_.~exception_ptr();
    say(value);
    return e;
  }

  void take() {
    WEFT_ASSERT(has_result(), "a result is taken before it is there");
    if (has_failure()) [[unlikely]]
      std::rethrow_exception(take_failure());
  }

  void take_over(result_slot& other) noexcept {
    if (other.has_failure()) set_failure(other.take_failure());
    else set_value();
  }

  void peek() const {
    if (has_failure()) [[unlikely]]
      std::rethrow_exception(failure_);
  }

 private:
  static constexpr std::uintptr_t empty = 0, value = 1;  // else the failure, which is a pointer

  [[nodiscard]] std::uintptr_t word() const noexcept {
    std::uintptr_t w;
    std::memcpy(&w, room_, sizeof w);
    return w;
  }
  void say(std::uintptr_t w) noexcept { std::memcpy(room_, &w, sizeof w); }

  union {
    std::exception_ptr failure_;
    unsigned char room_[sizeof(std::uintptr_t)] = {};
  };
  static_assert(sizeof(std::exception_ptr) == sizeof(std::uintptr_t));
};

/// What a caller says has failed: himself, where he gives no exception.
[[gnu::noinline, gnu::cold]] inline std::exception_ptr given_failure(std::exception_ptr e,
                                                                     char const* why_null) noexcept {
  if (e) return e;
  try {
    throw std::invalid_argument(why_null);
  } catch (...) {
    return std::current_exception();
  }
}

/// Runs f and keeps how it ended.
template <class T, class F>
void settle_with(result_slot<T>& slot, F&& f) noexcept {
  try {
    if constexpr (std::is_void_v<T>) {
      static_cast<F&&>(f)();
      slot.set_value();
    } else if constexpr (std::is_reference_v<T>) {
      slot.set_value(static_cast<F&&>(f)());
    } else {
      slot.set_value(static_cast<F&&>(f)());
    }
  } catch (...) {
    slot.set_failure(std::current_exception());
  }
}

}  // namespace weft::detail
