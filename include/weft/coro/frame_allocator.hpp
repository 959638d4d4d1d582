// Where coroutine frames and shared states come from: the worker's block cache, or the system on a plain thread.
#pragma once

#include <weft/sched/block_cache.hpp>
#include <weft/sched/worker.hpp>

#include <cstddef>

namespace weft::detail {

[[nodiscard, gnu::always_inline]] inline void* allocate_block(std::size_t bytes) {
  worker* const self = current_worker_inline();
  return self ? self->blocks.allocate(bytes) : block_classes::from_system(bytes);
}

// Always inlined, all of them, so that the size class is a constant: g++ takes the end of a coroutine for cold code.
[[gnu::always_inline]] inline void deallocate_block(void* p, std::size_t bytes) noexcept {
  if (worker* const self = current_worker_inline()) self->blocks.deallocate(p, bytes);
  else block_classes::to_system(p);
}

/// Inherited by what is born and dies often: operator new and delete through the cache.
struct cached_allocation {
  [[gnu::always_inline]] static void* operator new(std::size_t bytes) { return allocate_block(bytes); }
  [[gnu::always_inline]] static void operator delete(void* p, std::size_t bytes) noexcept {
    deallocate_block(p, bytes);
  }
};

}  // namespace weft::detail
