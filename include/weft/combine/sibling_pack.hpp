// Siblings as they are given to a verb: a pack, or a range. What when_all, when_all_settled, when_any and race are made of.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/combine/siblings.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/frame_allocator.hpp>
#include <weft/coro/promise.hpp>
#include <weft/sched/block_cache.hpp>

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
    worker& self = group_.begin(parent);
    join(std::index_sequence_for<X...>{});
    if (!self.deque.has_room(sizeof...(X) - 1)) [[unlikely]]
      return enter_crowded(self);
    push_others(std::make_index_sequence<sizeof...(X) - 1>{}, [&](sibling& s) { self.deque.push_into_room(&s); });
    return group_.enter(self, std::get<0>(siblings_));  // Past here *this may be gone.
  }

 protected:
  [[nodiscard]] sibling_group const& group() const noexcept { return group_; }

  /// f(sibling...).
  template <class F>
  [[gnu::always_inline]] decltype(auto) with_all(F&& f) {
    return with_all(static_cast<F&&>(f), std::index_sequence_for<X...>{});
  }

  /// f(the one sibling that s is, its index as a constant).
  template <std::size_t I = 0, class F>
  decltype(auto) with_one(sibling* s, F&& f) {
    if constexpr (I + 1 < sizeof...(X))
      if (s != &std::get<I>(siblings_)) return with_one<I + 1>(s, static_cast<F&&>(f));
    return f(std::get<I>(siblings_), std::integral_constant<std::size_t, I>{});
  }

 private:
  template <class F, std::size_t... I>
  [[gnu::always_inline]] decltype(auto) with_all(F&& f, std::index_sequence<I...>) {
    return static_cast<F&&>(f)(std::get<I>(siblings_)...);
  }

  template <std::size_t... I>
  void join(std::index_sequence<I...>) noexcept {
    sibling* const all[] = {&std::get<I>(siblings_)..., nullptr};
    (std::get<I>(siblings_).join_group(group_, all[I + 1]), ...);
  }

  // The last first, so that the next one is on top.
  template <std::size_t... I, class Push>
  void push_others(std::index_sequence<I...>, Push push) noexcept {
    (push(std::get<sizeof...(I) - I>(siblings_)), ...);
  }

  [[gnu::noinline, gnu::cold]] std::coroutine_handle<> enter_crowded(worker& self) noexcept {
    push_others(std::make_index_sequence<sizeof...(X) - 1>{}, [&](sibling& s) { group_.push(self, s); });
    return group_.enter(self, std::get<0>(siblings_));
  }

  std::tuple<sibling_of<X, D>...> siblings_;
  sibling_group group_{sizeof...(X)};
};

/// The siblings of a range: a few in here, more in one block, which is from the per-worker cache where it is small. Gone with it, also
/// where making one of them throws. Can be moved, until it is known by address.
template <class Sibling>
class sibling_block {
 public:
  explicit sibling_block(std::size_t room) : first_(room <= few ? here() : allocate(room)), room_(room) {}
  sibling_block(sibling_block&& other) noexcept
      : first_(other.is_here() ? here() : other.first_), room_(std::exchange(other.room_, 0)) {
    if (is_here()) {
      for (std::size_t i = 0; i != other.made_; ++i) add(std::move(other.first_[i]));
      other.clear();
    } else {
      other.first_ = other.here();
      made_ = std::exchange(other.made_, 0);
    }
  }
  sibling_block& operator=(sibling_block&&) = delete;
  ~sibling_block() {
    clear();
    if (!is_here()) [[unlikely]]
      deallocate();
  }

  template <class X>
  void add(X&& x) {
    WEFT_ASSERT(made_ != room_, "a range has more elements than its size says");
    ::new (static_cast<void*>(first_ + made_)) Sibling(static_cast<X&&>(x));
    ++made_;
  }

  /// Destroys all, the last first.
  void clear() noexcept {
    for (Sibling* i = first_ + made_; i != first_;) (--i)->~Sibling();
    made_ = 0;
  }

  [[nodiscard]] std::size_t size() const noexcept { return made_; }
  [[nodiscard]] Sibling* data() const noexcept { return first_; }

 private:
  // Most ranges of tasks that make tasks are short. One whose elements may throw when they are moved stays where it is, and one whose
  // elements need more than the alignment of a coroutine's frame is not kept in one.
  static constexpr bool may_be_here =
      std::is_nothrow_move_constructible_v<Sibling> && alignof(Sibling) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;
  static constexpr std::size_t few = may_be_here ? 256 / sizeof(Sibling) : 0;

  Sibling* here() noexcept { return reinterpret_cast<Sibling*>(here_); }
  [[nodiscard]] bool is_here() const noexcept { return static_cast<void const*>(first_) == here_; }

  static constexpr bool cached(std::size_t room) noexcept {
    return alignof(Sibling) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__ && room <= block_classes::largest / sizeof(Sibling);
  }
  static Sibling* allocate(std::size_t room) {
    if (cached(room)) return static_cast<Sibling*>(allocate_block(room * sizeof(Sibling)));
    return std::allocator<Sibling>().allocate(room);
  }
  void deallocate() noexcept {
    if (cached(room_)) deallocate_block(first_, room_ * sizeof(Sibling));
    else std::allocator<Sibling>().deallocate(first_, room_);
  }

  Sibling* first_;
  std::size_t room_;
  std::size_t made_ = 0;
  alignas(few != 0 ? alignof(Sibling) : 1) std::byte here_[few != 0 ? few * sizeof(Sibling) : 1];
};

/// A range of things to run. What awaits is no range of them: it is one thing.
template <class R>
concept range_of_work = std::ranges::input_range<R> && !awaitable<R> && runnable<std::ranges::range_value_t<R>>;

/// The siblings of a range. Can be moved and kept until it is awaited, and none is left when the awaiting has ended.
/// What is in the range is moved; callables of an lvalue range are copied, as those of a pack are. What can be awaited is moved out of
/// an lvalue range, too: it is awaited only once. A range that knows its size is read once, straight into the siblings.
template <decided_by D, class X>
class sibling_range : public native_awaiter {
 public:
  using member = sibling_of<X, D>;

  template <range_of_work R>
  explicit sibling_range(R&& range) : sibling_range(make_sized<R>(range)) {}
  template <range_of_work R>
    requires std::ranges::sized_range<R>
  explicit sibling_range(R&& range) : siblings_(static_cast<std::size_t>(std::ranges::size(range))) {
    for (auto&& each : range) siblings_.add(take<R>(each));
    group_.set_count(size());
  }
  sibling_range(sibling_range&& other) noexcept : siblings_(std::move(other.siblings_)) { group_.set_count(size()); }

  [[nodiscard]] bool empty() const noexcept { return count() == 0; }
  [[nodiscard]] bool await_ready() const noexcept { return empty(); }

  template <weft_promise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
    worker& self = group_.begin(parent);
    if (!self.deque.has_room(count() - 1)) [[unlikely]]
      return enter_crowded(self);
    push_others([&](sibling& s) { self.deque.push_into_room(&s); });
    return group_.enter(self, *siblings_.data());  // Past here *this may be gone.
  }

 protected:
  ~sibling_range() = default;

  [[nodiscard]] sibling_group const& group() const noexcept { return group_; }
  [[nodiscard]] std::size_t count() const noexcept { return siblings_.size(); }
  [[nodiscard]] member* begin() const noexcept { return siblings_.data(); }
  [[nodiscard]] member* end() const noexcept { return begin() + count(); }
  [[nodiscard]] member& operator[](std::size_t i) const noexcept { return siblings_.data()[i]; }
  [[nodiscard]] std::size_t index_of(sibling* s) const noexcept {
    return static_cast<std::size_t>(static_cast<member*>(s) - siblings_.data());
  }

  /// At the end of await_resume, however that ends.
  struct ends_here {
    sibling_range& siblings;
    ~ends_here() {
      // A reference may lead into its child, which stays as long as the operation does, as that of a pack.
      if constexpr (!std::is_reference_v<typename member::result>) siblings.siblings_.clear();
    }
  };

 private:
  using block = sibling_block<member>;

  // Made of what the range gives, which is copied if it has to be.
  template <class R, class Each>
  static decltype(auto) take(Each& each) {
    if constexpr (std::is_lvalue_reference_v<R> && std::copy_constructible<X> && !awaitable<X>) return X(each);
    else if constexpr (std::is_same_v<Each, X>) return std::move(each);
    else return X(std::move(each));
  }

  template <class R>
  static std::vector<X> make_sized(R& range) {
    std::vector<X> parts;
    for (auto&& each : range) parts.push_back(take<R>(each));
    return parts;
  }

  [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(count()); }

  // All join. The last is pushed first, so that the next one is on top.
  template <class Push>
  void push_others(Push push) noexcept {
    member* const first = siblings_.data();
    member* next = nullptr;
    for (member* i = first + count() - 1; i != first; --i) {
      i->join_group(group_, next);
      push(*i);
      next = i;
    }
    first->join_group(group_, next);
  }

  [[gnu::noinline, gnu::cold]] std::coroutine_handle<> enter_crowded(worker& self) noexcept {
    push_others([&](sibling& s) { group_.push(self, s); });
    return group_.enter(self, *siblings_.data());
  }

  block siblings_;
  sibling_group group_{0};
};

}  // namespace weft::detail
