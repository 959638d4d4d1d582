// What the sorting algorithms share: an order made of a comparison and a projection, when they look at the stop token, raw memory that
// may be refused, and a division of work that always runs to its end.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/external.hpp>
#include <weft/sched/scheduler.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <functional>
#include <iterator>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// a comes before b: comp(proj(a), proj(b)). Borrows both; called from several threads at a time.
template <class Comp, class Proj>
class order_by {
 public:
  order_by(Comp& comp, Proj& proj) noexcept : comp_(comp), proj_(proj) {}

  template <class A, class B>
  bool operator()(A&& a, B&& b) const {
    return static_cast<bool>(
        std::invoke(comp_, std::invoke(proj_, std::forward<A>(a)), std::invoke(proj_, std::forward<B>(b))));
  }

 private:
  Comp& comp_;
  Proj& proj_;
};

/// Elements that cost about as much to copy as to look at: worth copying unconditionally where that saves a branch.
template <class T>
concept cheap_value = std::is_trivially_copyable_v<T> && std::copyable<T> && sizeof(T) <= 32;

template <class I>
concept cheap_elements = std::is_lvalue_reference_v<std::iter_reference_t<I>> && cheap_value<std::iter_value_t<I>>;

/// Different elements can be written at the same time. A proxy may stand for a bit of a word that others share.
template <class I>
concept separate_elements = std::is_lvalue_reference_v<std::iter_reference_t<I>>;

/// Elements that can be taken to other memory and back without anything that may fail: the bytes, or a move and the end of the source.
template <class T>
concept relocatable = (std::is_trivially_copyable_v<T> && std::copyable<T>) ||
                      (std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>);

/// Ends the life of `count` objects at `from` and begins it at `to`, which is raw. The two do not overlap.
template <relocatable T>
inline void relocate(T* from, T* to, std::size_t count) noexcept {
  if constexpr (std::is_trivially_copyable_v<T>) {
    if (count != 0) std::memcpy(static_cast<void*>(to), static_cast<void const*>(from), count * sizeof(T));
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      std::construct_at(to + i, std::move(from[i]));
      std::destroy_at(from + i);
    }
  }
}

/// Memory for `count` objects, without objects; empty where there is none to be had.
template <class T>
class raw_array : pinned {
 public:
  explicit raw_array(std::size_t count) noexcept
      : data_(count > static_cast<std::size_t>(-1) / sizeof(T) / 2
                  ? nullptr
                  : static_cast<T*>(::operator new(count * sizeof(T), alignment, std::nothrow))) {}
  ~raw_array() { clear(); }

  void clear() noexcept {
    if (data_) ::operator delete(static_cast<void*>(data_), alignment);
    data_ = nullptr;
  }
  explicit operator bool() const noexcept { return data_ != nullptr; }
  [[nodiscard]] T* data() const noexcept { return data_; }
  T& operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  static constexpr std::align_val_t alignment{alignof(T) > 64 ? alignof(T) : 64};
  T* data_;
};

/// Is this worker to stop?
inline bool stop_asked(worker const& self) noexcept {
  return self.current && self.current->stop && self.current->stop->stop_requested();
}

/// Between two steps, with every element in its range.
inline void check_stop_between_steps() {
  worker const* const self = current_worker();
  if (self && stop_asked(*self)) throw stopped{};
}

/// Workers that a call from here can have.
inline unsigned workers_here() noexcept {
  worker const* const self = current_worker();
  return self ? self->home.size() : 1;
}

/// Calls each(i) for i in [first, last), as forks: every one is called, whoever is asked to stop. each throws nothing.
template <class Each>
void for_all_parts(std::size_t first, std::size_t last, Each& each) noexcept {
  if (first == last) return;
  if (last - first == 1) return each(first);
  auto const middle = first + (last - first) / 2;
  fork_join([&] { for_all_parts(first, middle, each); }, [&] { for_all_parts(middle, last, each); });
}

/// Calls f on a worker: here, where this thread is one, else as a guest of the default pool.
template <class F>
void on_a_worker(F&& f) {
  if (current_worker()) return f();
  as_worker<unit>([&f](worker&) {
    f();
    return unit{};
  });
}

}  // namespace weft::detail
