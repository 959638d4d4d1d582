// function_ref: a callable borrowed for the length of a call, without allocation.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft::detail {

template <class Signature>
class function_ref;

/// Two words. The callable must outlive the call; it is never copied.
template <class R, class... Args>
class function_ref<R(Args...)> {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, function_ref> && std::is_object_v<std::remove_reference_t<F>> &&
             std::is_invocable_r_v<R, F&, Args...>)
  function_ref(F&& f) noexcept  // implicit: a lambda is written where a function_ref is asked for
      : object_(const_cast<void*>(static_cast<void const*>(std::addressof(f)))),
        call_([](void* object, Args... args) -> R {
          if constexpr (std::is_void_v<R>)
            static_cast<void>(
                std::invoke(*static_cast<std::remove_reference_t<F>*>(object), std::forward<Args>(args)...));
          else return std::invoke(*static_cast<std::remove_reference_t<F>*>(object), std::forward<Args>(args)...);
        }) {}

  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

}  // namespace weft::detail
