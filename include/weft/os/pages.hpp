// Address space that costs memory only where it is touched.
#pragma once

#include <weft/base/utility.hpp>

#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace weft::detail {

/// Zero bytes, page-aligned. Where the system refuses the wished size (a limit on address space), a quarter is tried, and
/// so on down to a page.
class reserved_pages : pinned {
 public:
  explicit reserved_pages(std::size_t wished) {
    constexpr std::size_t page = 4096;
    for (std::size_t bytes = (wished + page - 1) / page * page; bytes >= page; bytes /= 4) {
      void* const p =
          ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (p != MAP_FAILED) {
        data_ = p;
        size_ = bytes;
        return;
      }
    }
    throw std::bad_alloc();
  }

  ~reserved_pages() { ::munmap(data_, size_); }

  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Zero bytes, page-aligned, which are never given back. Throws std::bad_alloc.
[[nodiscard]] inline void* pages_for_good(std::size_t bytes) {
  void* const p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return p;
}

}  // namespace weft::detail
