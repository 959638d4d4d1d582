// A queue without bound that can be emptied without a look at the items: it keeps their addresses side by side.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/intrusive.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace weft::detail {

/// First in, first out. Items that have waited long are in nobody's cache: a list through them costs a miss for each that leaves, and
/// this one a sixteenth of that. Where there is no memory for a chunk, items are linked through `Next` after all, so that nothing can
/// fail. One thread at a time.
template <class T, T* T::* Next>
class backlog : pinned {
 public:
  backlog() noexcept = default;
  ~backlog() {
    while (first_) drop_first();
    delete spare_;
  }

  void push(T* item) noexcept {
    if (!linked_.empty() || !has_room()) return linked_.push(item);
    last_->items[last_->end++] = item;
  }

  /// Moves the oldest, at most `most`, to `out`; returns how many.
  std::size_t pop(T** out, std::size_t most) noexcept {
    std::size_t done = 0;
    for (; first_ && done != most; ++done) {
      out[done] = first_->items[first_->begin++];
      if (first_->begin == first_->end) drop_first();
    }
    for (; done != most; ++done)
      if (!(out[done] = linked_.pop())) break;
    return done;
  }

 private:
  struct chunk {
    chunk* next = nullptr;
    std::uint32_t begin = 0, end = 0;
    std::array<T*, modelled ? 2 : 126> items;
  };

  [[nodiscard]] bool has_room() noexcept {
    if (last_ && last_->end != last_->items.size()) return true;
    chunk* const fresh = spare_ ? std::exchange(spare_, nullptr) : new (std::nothrow) chunk;
    if (!fresh) return false;
    (last_ ? last_->next : first_) = fresh;
    last_ = fresh;
    return true;
  }

  void drop_first() noexcept {
    chunk* const old = std::exchange(first_, first_->next);
    if (!first_) last_ = nullptr;
    if (spare_) return delete old;
    old->next = nullptr;
    old->begin = old->end = 0;
    spare_ = old;
  }

  chunk* first_ = nullptr;  // none of them is empty
  chunk* last_ = nullptr;
  chunk* spare_ = nullptr;
  intrusive_queue<T, Next> linked_;  // younger than what the chunks hold
};

}  // namespace weft::detail
