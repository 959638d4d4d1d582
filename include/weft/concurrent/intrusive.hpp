// Lists whose links live in their items: no allocation, no failure.
#pragma once

#include <weft/base/utility.hpp>

#include <cstddef>
#include <utility>

namespace weft::detail {

/// First in, first out, singly linked through `Next`. One thread at a time.
template <class T, T* T::* Next>
class intrusive_queue {
 public:
  intrusive_queue() = default;
  intrusive_queue(intrusive_queue&& other) noexcept
      : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
  intrusive_queue& operator=(intrusive_queue&&) = delete;

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] bool has_one() const noexcept { return first_ && first_ == last_; }

  void push(T* item) noexcept {
    item->*Next = nullptr;
    (last_ ? last_->*Next : first_) = item;
    last_ = item;
  }

  /// The oldest item, or null.
  T* pop() noexcept {
    T* const item = first_;
    if (item) {
      first_ = item->*Next;
      if (!first_) last_ = nullptr;
    }
    return item;
  }

  /// Moves all of `other` behind what is here.
  void append(intrusive_queue&& other) noexcept {
    if (other.empty()) return;
    (last_ ? last_->*Next : first_) = other.first_;
    last_ = other.last_;
    other.first_ = other.last_ = nullptr;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
};

/// A link of an intrusive_list; a class that is listed derives from it.
struct list_link {
  list_link* previous = nullptr;
  list_link* next = nullptr;
  [[nodiscard]] bool linked() const noexcept { return next != nullptr; }
};

/// Doubly linked, circular: any item leaves in constant time. One thread at a time.
template <class T>
class intrusive_list : pinned {
 public:
  intrusive_list() noexcept { head_.previous = head_.next = &head_; }

  [[nodiscard]] bool empty() const noexcept { return head_.next == &head_; }
  T* front() noexcept { return empty() ? nullptr : static_cast<T*>(head_.next); }
  /// The item behind this one, or null.
  T* after(T* item) noexcept {
    list_link* const link = item;
    return link->next == &head_ ? nullptr : static_cast<T*>(link->next);
  }

  void push_back(T* item) noexcept {
    list_link* const link = item;
    link->previous = head_.previous;
    link->next = &head_;
    head_.previous->next = link;
    head_.previous = link;
  }

  void remove(T* item) noexcept {
    list_link* const link = item;
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->previous = link->next = nullptr;
  }

  T* pop_front() noexcept {
    list_link* const link = head_.next;
    if (link == &head_) return nullptr;
    head_.next = link->next;
    link->next->previous = &head_;
    link->previous = link->next = nullptr;
    return static_cast<T*>(link);
  }

 private:
  list_link head_;
};

}  // namespace weft::detail
