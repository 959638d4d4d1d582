// Keys that are numbers: which orders are those of unsigned integers, so that elements can be sorted by digits, without comparing any.
#pragma once

#include <weft/parallel/sort_order.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <type_traits>

namespace weft::detail {

template <class Comp, class Key>
inline constexpr bool compares_as_less =
    std::same_as<Comp, std::ranges::less> || std::same_as<Comp, std::less<>> || std::same_as<Comp, std::less<Key>>;
template <class Comp, class Key>
inline constexpr bool compares_as_greater = std::same_as<Comp, std::ranges::greater> ||
                                            std::same_as<Comp, std::greater<>> || std::same_as<Comp, std::greater<Key>>;

template <std::size_t Bytes>
using unsigned_of = std::conditional_t<
    Bytes == 1, std::uint8_t,
    std::conditional_t<Bytes == 2, std::uint16_t, std::conditional_t<Bytes == 4, std::uint32_t, std::uint64_t>>>;

template <class Key>
concept number_key =
    (std::integral<Key> && sizeof(Key) <= 8) ||
    (std::floating_point<Key> && std::numeric_limits<Key>::is_iec559 && (sizeof(Key) == 4 || sizeof(Key) == 8));

/// The rank of a number among those of its type: k < l exactly if number_rank(k) < number_rank(l), except that −0 comes before +0. NaN
/// ends up at an end.
template <number_key Key>
constexpr unsigned_of<sizeof(Key)> number_rank(Key key) noexcept {
  using number = unsigned_of<sizeof(Key)>;
  constexpr auto top = static_cast<number>(number{1} << (8 * sizeof(Key) - 1));
  if constexpr (std::floating_point<Key>) {
    auto const bits = std::bit_cast<number>(key);
    auto const negative = static_cast<number>(number{0} - (bits >> (8 * sizeof(Key) - 1)));
    return static_cast<number>(bits ^ (negative | top));
  } else if constexpr (std::signed_integral<Key>) {
    return static_cast<number>(static_cast<number>(key) ^ top);
  } else {
    return static_cast<number>(key);
  }
}

/// The key of an element, where the projection is nothing or a data member.
template <class T, class Proj>
struct key_of {};
template <class T>
struct key_of<T, std::identity> {
  using type = T;
};
template <class T, class Key>
  requires std::is_object_v<Key>
struct key_of<T, Key T::*> {
  using type = std::remove_cv_t<Key>;
};

/// Elements whose order is that of numbers: cheap to move, of a size that a pass over the digits pays for, with an arithmetic key and one
/// of the standard comparisons.
template <class T, class Comp, class Proj>
concept sorted_by_number = cheap_value<T> && number_key<typename key_of<T, Proj>::type> &&
                           (compares_as_less<Comp, typename key_of<T, Proj>::type> ||
                            compares_as_greater<Comp, typename key_of<T, Proj>::type>);

enum class rank_order { rising, falling };

/// Elements to ranks. One type for all comparisons that mean the same: what sorts by it is compiled once for them.
template <class T, rank_order Order, class Proj>
class rank_of {
 public:
  using key = typename key_of<T, Proj>::type;
  using number = unsigned_of<sizeof(key)>;
  /// Is an element nothing but its rank?
  static constexpr bool whole = std::same_as<Proj, std::identity>;

  explicit rank_of(Proj proj) noexcept : proj_(proj) {}

  number operator()(T const& x) const noexcept {
    number const r = number_rank<key>(std::invoke(proj_, x));
    if constexpr (Order == rank_order::falling) return static_cast<number>(~r);
    else return r;
  }

 private:
  [[no_unique_address]] Proj proj_;
};

}  // namespace weft::detail
