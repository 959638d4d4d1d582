// What algorithms over elements ask of the functions they are given: named, so that a wrong one is told by its name.
#pragma once

#include <concepts>
#include <functional>
#include <iterator>
#include <ranges>
#include <type_traits>

namespace weft::detail {

/// What proj makes of an element.
template <class R, class Proj>
using projected_reference = std::indirect_result_t<Proj&, std::ranges::iterator_t<R>>;

/// pred(proj(element)) is true or false.
template <class Pred, class R, class Proj>
concept element_predicate = std::invocable<Proj&, std::ranges::range_reference_t<R>> &&
                            std::predicate<std::remove_reference_t<Pred>&, projected_reference<R, Proj>>;

/// proj(element) == value can be asked.
template <class T, class R, class Proj>
concept element_equality =
    std::invocable<Proj&, std::ranges::range_reference_t<R>> &&
    std::indirect_binary_predicate<std::ranges::equal_to, std::projected<std::ranges::iterator_t<R>, Proj>, T const*>;

/// comp(proj(element), proj(element)) is an order.
template <class Comp, class R, class Proj>
concept element_order = std::invocable<Proj&, std::ranges::range_reference_t<R>> &&
                        std::indirect_strict_weak_order<Comp, std::projected<std::ranges::iterator_t<R>, Proj>>;

/// Is it equal to a value? The value is kept where that is as good as a reference and lets the compiler see that no store changes it.
template <class T>
class equal_to_value {
 public:
  explicit equal_to_value(T const& value) noexcept : value_(value) {}
  template <class Element>
  bool operator()(Element&& e) const {
    return static_cast<Element&&>(e) == value_;
  }

 private:
  std::conditional_t<std::is_scalar_v<T>, T, T const&> value_;
};

}  // namespace weft::detail
