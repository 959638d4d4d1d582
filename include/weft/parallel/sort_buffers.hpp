// Scratch memory for the leaves of a sort: one buffer for each worker that is at one, not one for each leaf.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/mutex.hpp>

#include <array>
#include <cstddef>
#include <new>

namespace weft::detail {

/// Buffers of one size that tasks take turns with: as many are made as are in use at a time.
template <class T>
class shared_buffers : pinned {
 public:
  explicit shared_buffers(std::size_t size) noexcept : size_(size) {}
  ~shared_buffers() {
    for (std::size_t i = 0; i < kept_count_; ++i) give_back(kept_[i]);
  }

  class lease : pinned {
   public:
    explicit lease(shared_buffers& from) noexcept : from_(from), data_(from.take()) {}
    ~lease() { from_.keep(data_); }
    /// Null where there was no memory.
    [[nodiscard]] T* data() const noexcept { return data_; }

   private:
    shared_buffers& from_;
    T* data_;
  };

 private:
  static constexpr std::align_val_t alignment{alignof(T) > 64 ? alignof(T) : 64};

  T* take() noexcept {
    {
      small_lock const lock(lock_);
      if (kept_count_ != 0) return kept_[--kept_count_];
    }
    return static_cast<T*>(::operator new(size_ * sizeof(T), alignment, std::nothrow));
  }
  void keep(T* data) noexcept {
    if (data == nullptr) return;
    {
      small_lock const lock(lock_);
      if (kept_count_ != kept_.size()) {
        kept_[kept_count_++] = data;
        return;
      }
    }
    give_back(data);
  }
  static void give_back(T* data) noexcept { ::operator delete(static_cast<void*>(data), alignment); }

  std::size_t const size_;
  small_mutex lock_;
  std::array<T*, 64> kept_{};   // guarded by lock_
  std::size_t kept_count_ = 0;  // guarded by lock_
};

}  // namespace weft::detail
