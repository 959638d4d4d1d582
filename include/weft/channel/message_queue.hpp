// message_queue: the messages that a channel keeps: a ring, or a ring of blocks that grows and shrinks.
#pragma once

#include <weft/base/utility.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <utility>

namespace weft {

/// The capacity of a channel in which a send never waits.
inline constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

namespace detail {

//   one block of `capacity` slots, its own successor          blocks of block_size slots in a circle
//
//        ┌──────────────┐                                        head ─▶ [··xxxx] ─▶ [xxxxxx] ─▶ [xx····] ◀─ tail
//        └▶ [··xxxx··] ─┘                                                   ▲                         │
//            head  tail                                                     └── [······] ◀── free ────┘
//
// The tail goes on to the next block when a message needs it: if that one is still in use, a new block is put in between. The head does
// so when it is asked for a message there; what it leaves is free. Free blocks are kept, as many as are in use and one more: a queue
// that has grown gives back in steps what it no longer needs, and one whose length goes up and down allocates nothing.
/// First in, first out. One thread at a time. A queue of fixed capacity allocates once, when it is made, and nothing if it is 0.
template <class T>
class message_queue : pinned {
 public:
  /// Throws std::bad_alloc.
  explicit message_queue(std::size_t capacity) : capacity_(capacity) {
    if (capacity != 0 && capacity != unbounded) add_block(capacity);
  }
  ~message_queue() {
    while (size_ != 0) static_cast<void>(pop());
    if (!tail_.in) return;
    for (block* b = tail_.in->next; b != tail_.in;) delete_block(std::exchange(b, b->next));
    delete_block(tail_.in);
  }

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] bool full() const noexcept { return size_ >= capacity_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  /// Room for one more message, in a queue that is not full. Throws std::bad_alloc where there is no memory, and changes nothing.
  void make_room() {
    if (tail_.at == tail_.end) [[unlikely]]
      go_on();
  }

  /// After make_room.
  void push(T&& message) noexcept {
    std::construct_at(tail_.in->slot(tail_.at++), std::move(message));
    ++size_;
  }

  /// Of a queue that is not empty.
  T pop() noexcept {
    if (head_.at == head_.end) [[unlikely]]
      leave_block();
    T* const slot = head_.in->slot(head_.at++);
    --size_;
    scope_exit const destroy([slot] { std::destroy_at(slot); });
    return std::move(*slot);
  }

 private:
  struct block {
    block* next;
    std::size_t size;
    T* slot(std::size_t i) noexcept { return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(this) + offset) + i; }
  };
  struct position {
    block* in = nullptr;
    std::size_t at = 0, end = 0;  // end: the size of the block
  };
  static position begin(block* b) noexcept { return {b, 0, b->size}; }

  static constexpr std::size_t alignment = std::max(alignof(block), alignof(T));
  static constexpr std::size_t offset = (sizeof(block) + alignment - 1) / alignment * alignment;
  static constexpr std::size_t block_size = std::clamp<std::size_t>(2048 / sizeof(T), 4, 128);

  // The tail's block is full, or there is none yet.
  void go_on() {
    if (!tail_.in) {
      add_block(block_size);
    } else if (size_ == 0) {
      head_ = tail_ = begin(tail_.in);  // both were at its end
    } else {
      if (capacity_ == unbounded) {
        if (tail_.in->next == head_.in) add_block(block_size);
        --free_;
      }
      tail_ = begin(tail_.in->next);
    }
  }

  // Behind the tail.
  void add_block(std::size_t slots) {
    if (slots > (std::numeric_limits<std::size_t>::max() - offset) / sizeof(T)) throw std::bad_array_new_length();
    void* const memory = ::operator new(offset + slots * sizeof(T), std::align_val_t{alignment});
    auto* const b = ::new (memory) block{nullptr, slots};
    ++blocks_;
    if (!tail_.in) {
      b->next = b;
      head_ = tail_ = begin(b);
    } else {
      b->next = std::exchange(tail_.in->next, b);
      ++free_;
    }
  }

  static void delete_block(block* b) noexcept { ::operator delete(b, std::align_val_t{alignment}); }

  void leave_block() noexcept {
    head_ = begin(head_.in->next);
    if (capacity_ != unbounded) return;
    // A free block is never the head's.
    for (++free_; free_ > blocks_ - free_ + 1; --free_, --blocks_) {
      block* const spare = tail_.in->next;
      tail_.in->next = spare->next;
      delete_block(spare);
    }
  }

  std::size_t const capacity_;
  std::size_t size_ = 0;
  position head_, tail_;
  std::size_t blocks_ = 0, free_ = 0;  // free_: those behind the tail's and before the head's
};

}  // namespace detail
}  // namespace weft
