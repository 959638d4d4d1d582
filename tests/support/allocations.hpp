// What a test has allocated: every test program's operator new counts.
#pragma once

#include <cstdint>

namespace weft_test {

struct allocations {
  std::int64_t blocks;
  std::int64_t bytes;  // as the allocator rounds them
  friend bool operator==(allocations const&, allocations const&) = default;
};

/// What operator new gave out in this process and has not got back. Any thread.
allocations live_allocations() noexcept;

/// How often operator new was called in this process. Any thread.
std::int64_t allocation_count() noexcept;

/// In this scope the nth allocation of this thread throws std::bad_alloc, once; 0 is the next one.
class failing_allocation {
 public:
  explicit failing_allocation(std::int64_t nth) noexcept;
  ~failing_allocation();
  failing_allocation(failing_allocation const&) = delete;
  failing_allocation& operator=(failing_allocation const&) = delete;

  /// Whether it came to that.
  bool happened() const noexcept;
};

}  // namespace weft_test
