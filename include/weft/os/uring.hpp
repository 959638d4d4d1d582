// io_uring by its system calls, without a library: a ring is set up, entered, and shares its memory with the system; nothing else.
//
// What the system defines is written down here once more: its own header, <linux/io_uring.h>, comes with <linux/fs.h>, whose macros
// (BLOCK_SIZE, NR_FILE) would be in every program. A test compares the two.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/os/file_handle.hpp>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

namespace weft::detail {

/// An operation that the system is to do (struct io_uring_sqe).
struct uring_entry {
  enum class code : std::uint8_t { sync = 3, cancel = 14, read = 22, write = 23 };
  static constexpr std::uint8_t on_a_thread = 1
                                              << 4;  // of flags: not on the calling thread, even where it need not wait

  code what;
  std::uint8_t flags;
  std::uint16_t priority;
  std::int32_t descriptor;
  std::uint64_t offset;
  std::uint64_t address;  // of the buffer; cancel: the key of whom
  std::uint32_t length;
  std::uint32_t more_flags;
  std::uint64_t key;
  std::uint64_t unused[3];
};

/// How one has ended (struct io_uring_cqe): what the system call would have returned, or the negative error.
struct uring_completion {
  std::uint64_t key;
  std::int32_t result;
  std::uint32_t flags;
};

/// What is agreed upon when a ring is set up (struct io_uring_params).
struct uring_parameters {
  struct submission_offsets {
    std::uint32_t head, tail, mask, count, flags, dropped, indices, unused;
    std::uint64_t unused_too;
  };
  struct completion_offsets {
    std::uint32_t head, tail, mask, count, overflow, completions, flags, unused;
    std::uint64_t unused_too;
  };
  static constexpr std::uint32_t with_completion_count = 1 << 3;                 // of flags
  static constexpr std::uint32_t one_mapping = 1 << 0, native_threads = 1 << 9;  // of features

  std::uint32_t entry_count, completion_count, flags, thread_cpu, thread_idle, features, queue_descriptor, unused[3];
  submission_offsets submission;
  completion_offsets completion;
};

static_assert(sizeof(uring_entry) == 64 && sizeof(uring_completion) == 16 && sizeof(uring_parameters) == 120);

/// A ring: the queue of entries that this process writes and the system reads, and the queue of completions the other way round. The words
/// that both sides touch are handed out as they are: whoever uses the ring gives their accesses an order. One thread sets up and destroys;
/// enter: any.
class uring : pinned {
 public:
  // Systems before 5.12 are not asked: their threads have rights of their own (see native_threads).
  static constexpr std::uint32_t needed = uring_parameters::one_mapping | uring_parameters::native_threads;

  /// Powers of two, no fewer completions than entries. error() says whether there is a ring.
  uring(std::uint32_t entry_count, std::uint32_t completion_count) noexcept
      : error_(set_up(entry_count, completion_count)) {}

  /// What is in flight goes on without anybody who would be told.
  ~uring() {
    if (entries_.data) ::munmap(entries_.data, entries_.size);
    if (queues_.data) ::munmap(queues_.data, queues_.size);
  }

  [[nodiscard]] std::error_code error() const noexcept { return {error_, std::system_category()}; }
  /// epoll finds it readable while there are completions.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

  /// The system takes up to `submitted` entries: its head tells how many. Does not wait for completions.
  void enter(std::uint32_t submitted) const noexcept {
    ::syscall(SYS_io_uring_enter, descriptor_.get(), submitted, 0, 0, nullptr, 0);
  }

  // Shared with the system. Heads and tails count on and on; a place is found by the mask.
  std::uint32_t* submission_head = nullptr;  // the system's
  std::uint32_t* submission_tail = nullptr;  // ours
  std::uint32_t* completion_head = nullptr;  // ours
  std::uint32_t* completion_tail = nullptr;  // the system's
  uring_entry* entries = nullptr;
  uring_completion const* completions = nullptr;

  std::uint32_t submission_mask = 0, completion_mask = 0;  // constant

 private:
  struct mapping {
    void* data = nullptr;
    std::size_t size = 0;
  };

  int set_up(std::uint32_t entry_count, std::uint32_t completion_count) noexcept {
    uring_parameters p{};
    p.flags = uring_parameters::with_completion_count;
    p.completion_count = completion_count;
    auto const fd = ::syscall(SYS_io_uring_setup, entry_count, &p);
    if (fd < 0) return errno;
    descriptor_ = file_handle::adopt(static_cast<int>(fd));  // the system has made it close-on-exec
    if ((p.features & needed) != needed) return ENOSYS;

    auto const after_indices = p.submission.indices + p.entry_count * sizeof(std::uint32_t);
    auto const after_completions = p.completion.completions + p.completion_count * sizeof(uring_completion);
    if (!map(queues_, std::max(after_indices, after_completions), where_queues_are)) return errno;
    if (!map(entries_, p.entry_count * sizeof(uring_entry), where_entries_are)) return errno;

    submission_head = word(p.submission.head);
    submission_tail = word(p.submission.tail);
    submission_mask = *word(p.submission.mask);
    completion_head = word(p.completion.head);
    completion_tail = word(p.completion.tail);
    completion_mask = *word(p.completion.mask);
    entries = static_cast<uring_entry*>(entries_.data);
    completions = reinterpret_cast<uring_completion const*>(word(p.completion.completions));
    // The queue is one of indices into the entries: here each place has its own entry.
    for (std::uint32_t i = 0; i < p.entry_count; ++i) word(p.submission.indices)[i] = i;
    return 0;
  }

  bool map(mapping& m, std::size_t size, off_t what) noexcept {
    void* const p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor_.get(), what);
    if (p == MAP_FAILED) return false;
    m = {p, size};
    return true;
  }

  std::uint32_t* word(std::uint32_t offset) const noexcept {
    return reinterpret_cast<std::uint32_t*>(static_cast<std::byte*>(queues_.data) + offset);
  }

  static constexpr off_t where_queues_are = 0, where_entries_are = 0x10000000;

  file_handle descriptor_;
  mapping queues_, entries_;
  int error_;  // last: setting up writes the others
};

}  // namespace weft::detail
