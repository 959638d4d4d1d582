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

/// In this scope the nth allocation of this thread throws std::bad_alloc, and so do those after it until `count` have; 0 is the next one.
class failing_allocation {
 public:
  explicit failing_allocation(std::int64_t nth, std::int64_t count = 1) noexcept;
  ~failing_allocation();
  failing_allocation(failing_allocation const&) = delete;
  failing_allocation& operator=(failing_allocation const&) = delete;

  /// Whether it came to that.
  bool happened() const noexcept;
};

/// The same for the allocations of all threads together. One scope at a time.
class failing_allocation_anywhere {
 public:
  explicit failing_allocation_anywhere(std::int64_t nth, std::int64_t count = 1) noexcept;
  ~failing_allocation_anywhere();
  failing_allocation_anywhere(failing_allocation_anywhere const&) = delete;
  failing_allocation_anywhere& operator=(failing_allocation_anywhere const&) = delete;

  bool happened() const noexcept;
};

}  // namespace weft_test
