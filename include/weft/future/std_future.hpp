// to_std_future: hands a future to code that knows std::future alone.
#pragma once

#include <weft/future/future.hpp>
#include <weft/future/state.hpp>

#include <exception>
#include <future>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// Waits in the place of the future's holder, and is gone when it has handed the result on.
template <class T>
class std_future_bridge final : cached_allocation, listener, pinned {
 public:
  static std::future<T> start(state_pointer<T> before) {
    auto* const me = new std_future_bridge(std::move(before));
    auto result = me->promise_.get_future();
    if (!me->before_->attach(*me)) me->hand_on();
    return result;
  }

 private:
  explicit std_future_bridge(state_pointer<T>&& before)
      : listener([](listener* l) noexcept { static_cast<std_future_bridge*>(l)->hand_on(); }),
        before_(std::move(before)) {}

  void hand_on() noexcept {
    try {
      if constexpr (std::is_void_v<T>) {
        before_->result().take();
        promise_.set_value();
      } else {
        promise_.set_value(before_->result().take());
      }
    } catch (...) {
      promise_.set_exception(std::current_exception());
    }
    delete this;
  }

  state_pointer<T> const before_;
  std::promise<T> promise_;
};

}  // namespace detail

/// The same result as a std::future, which consumes f. Work that has not begun stays where it is: nothing is waited for here. Being
/// stopped arrives as weft::stopped, a promise not kept as weft::broken_promise; a failure belongs to the std::future, asked for or
/// not. Its get() blocks the thread, a worker's too, and gives no place to a spare: on a worker, ask the weft::future itself.
/// Throws std::bad_alloc.
template <class T>
[[nodiscard]] std::future<T> to_std_future(future<T>&& f) {
  WEFT_ASSERT(f.valid(), "a future is consumed once: this one has been moved from, awaited or asked already");
  return detail::std_future_bridge<T>::start(detail::future_access::take(f));
}
template <class T>
[[nodiscard]] std::future<T> to_std_future(future<T>& f) {
  return to_std_future(std::move(f));
}

}  // namespace weft
