#include "support/allocations.hpp"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace weft_test {
namespace {

std::atomic<std::int64_t> blocks{0}, bytes{0}, calls{0};
// How many allocations come before one that fails, and how many of those are left: 0, none is due.
thread_local std::int64_t until_failure = 0, failures_left = 0;
thread_local bool failed = false;

std::atomic<bool> due_anywhere{false}, failed_anywhere{false};
std::atomic<std::int64_t> until_failure_anywhere{0}, last_failure_anywhere{0};

bool fails_here() noexcept {
  if (failures_left == 0) return false;
  if (until_failure != 0) return --until_failure, false;
  failed = true;
  --failures_left;
  return true;
}

bool fails_anywhere() noexcept {
  if (!due_anywhere.load(std::memory_order_relaxed)) return false;
  auto const left = until_failure_anywhere.fetch_sub(1, std::memory_order_relaxed);
  if (left > 0 || left < last_failure_anywhere.load(std::memory_order_relaxed)) return false;
  failed_anywhere.store(true, std::memory_order_relaxed);
  return true;
}

void* allocate(std::size_t size, std::size_t alignment = 0) noexcept {
  calls.fetch_add(1, std::memory_order_relaxed);
  if (fails_here() || fails_anywhere()) return nullptr;
  if (size == 0) size = 1;
  void* const block = alignment == 0 ? std::malloc(size)
                                     : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (block == nullptr) return nullptr;
  blocks.fetch_add(1, std::memory_order_relaxed);
  bytes.fetch_add(static_cast<std::int64_t>(malloc_usable_size(block)), std::memory_order_relaxed);
  return block;
}

void* allocate_or_throw(std::size_t size, std::size_t alignment = 0) {
  if (void* const block = allocate(size, alignment)) return block;
  throw std::bad_alloc();
}

void release(void* block) noexcept {
  if (block == nullptr) return;
  blocks.fetch_sub(1, std::memory_order_relaxed);
  bytes.fetch_sub(static_cast<std::int64_t>(malloc_usable_size(block)), std::memory_order_relaxed);
  std::free(block);
}

}  // namespace

allocations live_allocations() noexcept {
  return {blocks.load(std::memory_order_relaxed), bytes.load(std::memory_order_relaxed)};
}
std::int64_t allocation_count() noexcept { return calls.load(std::memory_order_relaxed); }

failing_allocation::failing_allocation(std::int64_t nth, std::int64_t count) noexcept {
  failed = false;
  until_failure = nth;
  failures_left = count;
}
failing_allocation::~failing_allocation() { failures_left = 0; }
bool failing_allocation::happened() const noexcept { return failed; }

failing_allocation_anywhere::failing_allocation_anywhere(std::int64_t nth, std::int64_t count) noexcept {
  failed_anywhere = false;
  until_failure_anywhere = nth;
  last_failure_anywhere = 1 - count;
  due_anywhere = true;
}
failing_allocation_anywhere::~failing_allocation_anywhere() { due_anywhere = false; }
bool failing_allocation_anywhere::happened() const noexcept { return failed_anywhere; }

}  // namespace weft_test

// All of them, because sanitizers bring their own, and a block must come back to the family that gave it out.
using std::align_val_t, std::nothrow_t, std::size_t;
using weft_test::allocate, weft_test::allocate_or_throw, weft_test::release;

void* operator new(size_t n) { return allocate_or_throw(n); }
void* operator new[](size_t n) { return allocate_or_throw(n); }
void* operator new(size_t n, nothrow_t const&) noexcept { return allocate(n); }
void* operator new[](size_t n, nothrow_t const&) noexcept { return allocate(n); }
void* operator new(size_t n, align_val_t a) { return allocate_or_throw(n, size_t(a)); }
void* operator new[](size_t n, align_val_t a) { return allocate_or_throw(n, size_t(a)); }
void* operator new(size_t n, align_val_t a, nothrow_t const&) noexcept { return allocate(n, size_t(a)); }
void* operator new[](size_t n, align_val_t a, nothrow_t const&) noexcept { return allocate(n, size_t(a)); }

void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, size_t) noexcept { release(p); }
void operator delete[](void* p, size_t) noexcept { release(p); }
void operator delete(void* p, nothrow_t const&) noexcept { release(p); }
void operator delete[](void* p, nothrow_t const&) noexcept { release(p); }
void operator delete(void* p, align_val_t) noexcept { release(p); }
void operator delete[](void* p, align_val_t) noexcept { release(p); }
void operator delete(void* p, size_t, align_val_t) noexcept { release(p); }
void operator delete[](void* p, size_t, align_val_t) noexcept { release(p); }
void operator delete(void* p, align_val_t, nothrow_t const&) noexcept { release(p); }
void operator delete[](void* p, align_val_t, nothrow_t const&) noexcept { release(p); }
