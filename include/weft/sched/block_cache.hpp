// Memory for frames and states: free lists by size class, one set per worker, full batches exchanged through the pool.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/mpmc_ring.hpp>

#include <array>
#include <cstddef>
#include <new>

namespace weft::detail {

/// A free block; the first of a batch links the others.
struct free_block {
  free_block* next;
};

/// Size classes: up to 1 KiB; larger blocks are the system's business. The system's allocator puts a word in front of each block and
/// rounds up to 16 bytes, so a class is a multiple of that less the word: nothing is lost where frames are many and small. Address
/// sanitizer sees every block come and go.
struct block_classes {
  static constexpr std::size_t word = sizeof(void*);
  static constexpr std::size_t fine_step = 16, fine_count = 16;      // up to 248 bytes
  static constexpr std::size_t coarse_step = 64, coarse_count = 12;  // up to 1016
  static constexpr std::size_t count = fine_count + coarse_count;
  static constexpr std::size_t batch = 32;

  static constexpr std::size_t class_of(std::size_t bytes) noexcept {
    constexpr auto fine_end = fine_count * fine_step;
    auto const whole = bytes + word;
    if (whole <= fine_end) return (whole + fine_step - 1) / fine_step;
    return fine_count + (whole - fine_end + coarse_step - 1) / coarse_step;
  }
  static constexpr std::size_t size_of(std::size_t size_class) noexcept {
    if (size_class <= fine_count) return size_class * fine_step - word;
    return fine_count * fine_step + (size_class - fine_count) * coarse_step - word;
  }
  static constexpr std::size_t largest = fine_count * fine_step + coarse_count * coarse_step - word;

  static constexpr bool cached(std::size_t bytes) noexcept { return !address_sanitized && bytes <= largest; }
  static void* from_system(std::size_t bytes) { return ::operator new(size_of(class_of(bytes))); }
  static void to_system(void* p) noexcept {
    // Where all of this is inlined, GCC takes it for another release than that of p's class, and warns.
    asm("" : "+r"(p));
    ::operator delete(p);
  }
};

/// Where workers leave full batches for each other, so that a block freed far from its birth comes home. Any thread.
class block_depot : pinned {
 public:
  ~block_depot() {
    for (auto& ring : batches_) {
      free_block* b = nullptr;
      while (ring.pop(b)) release(b);
    }
  }

  free_block* take(std::size_t size_class) noexcept {
    free_block* b = nullptr;
    return batches_[size_class - 1].pop(b) ? b : nullptr;
  }

  void give(std::size_t size_class, free_block* batch) noexcept {
    if (!batches_[size_class - 1].push(batch)) release(batch);
  }

  static void release(free_block* b) noexcept {
    while (b) {
      free_block* const next = b->next;
      block_classes::to_system(b);
      b = next;
    }
  }

 private:
  static constexpr std::size_t most_batches = modelled ? 2 : 64;
  std::array<mpmc_ring<free_block*, most_batches>, block_classes::count> batches_;
};

/// One worker's free lists: two batches per class, so that freeing and allocating in turns at a border costs nothing shared.
/// The owner alone.
class block_cache : pinned {
 public:
  explicit block_cache(block_depot& depot) noexcept : depot_(depot) {}
  ~block_cache() {
    for (auto& l : lists_) {
      block_depot::release(l.active);
      block_depot::release(l.full);
    }
  }

  [[nodiscard, gnu::always_inline]] void* allocate(std::size_t bytes) {
    if (!block_classes::cached(bytes)) return block_classes::from_system(bytes);
    list& l = lists_[block_classes::class_of(bytes) - 1];
    if (l.active) [[likely]] {
      free_block* const b = l.active;
      l.active = b->next;
      --l.size;
      return b;
    }
    return refill(l, bytes);
  }

  [[gnu::always_inline]] void deallocate(void* p, std::size_t bytes) noexcept {
    if (!block_classes::cached(bytes)) return block_classes::to_system(p);
    list& l = lists_[block_classes::class_of(bytes) - 1];
    if (l.size == block_classes::batch) [[unlikely]]
      spill(l, block_classes::class_of(bytes));
    l.active = ::new (p) free_block{l.active};
    ++l.size;
  }

 private:
  struct list {
    free_block* active = nullptr;
    free_block* full = nullptr;  // null or exactly one batch
    std::size_t size = 0;        // of active
  };

  [[gnu::noinline]] void* refill(list& l, std::size_t bytes) {
    free_block* batch = l.full;
    l.full = nullptr;
    if (!batch) batch = depot_.take(block_classes::class_of(bytes));
    if (!batch) return block_classes::from_system(bytes);
    l.active = batch->next;
    l.size = block_classes::batch - 1;
    return batch;
  }

  [[gnu::noinline]] void spill(list& l, std::size_t size_class) noexcept {
    if (l.full) depot_.give(size_class, l.full);
    l.full = l.active;
    l.active = nullptr;
    l.size = 0;
  }

  block_depot& depot_;
  std::array<list, block_classes::count> lists_;
};

}  // namespace weft::detail
