// A ring of io_uring in use: entries go in one by one from any thread, completions come out.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/os/uring.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>

namespace weft::detail {

//   entry        written ── enter ──▶ taken; or given back, and its place is free again
//   completion   written by the system ── take ──▶ copied out, and its place is free again
//
// Who submits enters the system with one entry, under a lock: if the system does not take it, nobody else's stands behind it, and the tail
// goes back. So the queue of entries is never longer than one. Nothing is submitted that the queue of completions has no room for: what does not
// fit the system would keep elsewhere, and lose where it has no memory. Half of the room is for cancels, of which there are as many as
// there are operations, and some that have come too late.
//
//   E1  the release of a tail → the acquire of the other side    the entries, or completions, before it
//   E2  the release of a head → the acquire of the other side    the places before it are free
//   E3  the release of who counts a completion as taken → the acquire of who submits    its place is free
//
// The other side is the system. ThreadSanitizer does not see it: what a completion is about passes from thread to thread by an order of its
// own (ring_operation E1).
/// Any thread.
class io_ring : pinned {
 public:
  io_ring() noexcept : ring_(entry_count, completion_count) {}

  [[nodiscard]] std::error_code error() const noexcept { return ring_.error(); }
  /// May what has kept a ring from being made be over later? Want of descriptors or memory may. That there is no io_uring, or not for this
  /// process, stays so.
  [[nodiscard]] static bool passes(std::error_code refusal) noexcept {
    switch (refusal.value()) {
      case EMFILE:
      case ENFILE:
      case ENOMEM:
      case ENOSPC:  // epoll watches as much as this user may have watched
      case EAGAIN: return true;
      default: return false;
    }
  }
  [[nodiscard]] int descriptor() const noexcept { return ring_.descriptor(); }

  /// A key for what is at this address: no other of this ring has it, but for one that is 65,536 older. Not 0.
  [[nodiscard]] std::uint64_t key_of(void* address) noexcept {
    auto const number = numbers_.fetch_add(1, memory_order_relaxed);
    return reinterpret_cast<std::uint64_t>(address) | std::uint64_t{number} << address_width;
  }
  [[nodiscard]] static void* address_of(std::uint64_t key) noexcept {
    return reinterpret_cast<void*>(key & ((std::uint64_t{1} << address_width) - 1));
  }

  enum class submitted { yes, no };

  /// Operations that a ring takes at the same time.
  static constexpr std::uint32_t most_in_flight = small_capacities ? 4 : 128;

  /// yes: a completion with the entry's key comes, perhaps before this returns. no: it never will.
  [[nodiscard]] submitted submit(uring_entry const& e) noexcept { return submit(e, most_in_flight); }

  /// The operation with this key, if it is in flight, ends as soon as it can: with ECANCELED, or as it would have ended. When this returns,
  /// the key is not looked for any more. Does nothing where many cancels wait to be taken.
  void cancel(std::uint64_t key) noexcept {
    uring_entry e{};
    e.what = uring_entry::code::cancel;
    e.descriptor = -1;
    e.address = key;
    static_cast<void>(submit(e, completion_count));  // Its own completion has key 0.
  }

  /// A look that may be wrong: without the lock.
  [[nodiscard]] bool has_completions() const noexcept {
    return shared(ring_.completion_head).load(memory_order_relaxed) !=
           shared(ring_.completion_tail).load(memory_order_relaxed);
  }

  /// Calls f(address, result) for each that has ended: what key_of was given, and what the system call would have returned, or the negative
  /// error. Each is given out once, and none is left when this returns but what has ended meanwhile.
  template <class F>
  void take(F&& f) noexcept {
    std::array<uring_completion, 32> some;
    while (std::size_t const count = take_some(some))
      for (std::size_t i = 0; i < count; ++i)
        if (auto const& c = some[i]; c.key != 0) f(address_of(c.key), c.result);
  }

 private:
  static constexpr std::uint32_t entry_count = small_capacities ? 4 : 64, completion_count = 2 * most_in_flight;
  static constexpr int address_width = 48;

  [[nodiscard]] submitted submit(uring_entry const& e, std::uint32_t most) noexcept {
    small_lock const guard(submitting_);
    if (in_flight_.load(memory_order_acquire) >= most) return submitted::no;  // acquire: E3.
    in_flight_.fetch_add(1, memory_order_relaxed);
    ring_.entries[tail_ & ring_.submission_mask] = e;
    shared(ring_.submission_tail).store(tail_ + 1, memory_order_release);  // release: E1.
    ring_.enter(1);
    if (shared(ring_.submission_head).load(memory_order_acquire) == tail_ + 1) {  // acquire: E2.
      ++tail_;
      return submitted::yes;
    }
    shared(ring_.submission_tail).store(tail_, memory_order_relaxed);  // The system reads it inside enter alone.
    in_flight_.fetch_sub(1, memory_order_relaxed);
    return submitted::no;
  }

  // Of the policy, as every atomic.
  static atomic<std::uint32_t>& shared(std::uint32_t* word) noexcept {
    static_assert(sizeof(atomic<std::uint32_t>) == sizeof(std::uint32_t) && atomic<std::uint32_t>::is_always_lock_free);
    return *reinterpret_cast<atomic<std::uint32_t>*>(word);
  }

  std::size_t take_some(std::array<uring_completion, 32>& some) noexcept {
    small_lock const guard(taking_);
    auto const end = shared(ring_.completion_tail).load(memory_order_acquire);  // acquire: E1.
    std::uint32_t count = 0;
    while (head_ != end && count < some.size()) some[count++] = ring_.completions[head_++ & ring_.completion_mask];
    if (count == 0) return 0;
    shared(ring_.completion_head).store(head_, memory_order_release);  // release: E2.
    in_flight_.fetch_sub(count, memory_order_release);                 // release: E3.
    return count;
  }

  uring ring_;
  alignas(cache_line) small_mutex submitting_;
  std::uint32_t tail_ = 0;  // guarded by submitting_
  alignas(cache_line) small_mutex taking_;
  std::uint32_t head_ = 0;              // guarded by taking_
  atomic<std::uint32_t> in_flight_{0};  // submitted and not taken, cancels, too
  atomic<std::uint16_t> numbers_{0};
};

}  // namespace weft::detail
