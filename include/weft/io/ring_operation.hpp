// One operation on a file, done by io_uring: an awaiter that waits for the completion, whatever else happens.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/io/backend/io_uring.hpp>
#include <weft/sched/worker.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace weft::detail {

/// The ring that the calling worker uses; null where there is none to be had, now or ever. Of the reactor.
[[nodiscard]] io_ring* ring_of(worker& self) noexcept;

//            start                         completion
//     new ──────────▶ submitted ───────────────────────────▶ ended, and the task goes on
//      │                  │ stop: a cancel is submitted          ▲
//      │                  ▼                 completion          │
//      │               stopping ───────────────────────────────┘
//      └── no ring is to be had, or it takes nothing ──▶ ended, as undone; nothing has been suspended
//
//   state       who may touch what
//   new         the task: everything
//   submitted   the system: the buffer. Who takes the completion: result_. The task, and who asks for a stop: ring_ and key_, to read
//   stopping    the same
//   ended       the task: everything
//
// A stop ends nothing by itself: the system has the buffer until the completion of the operation says otherwise. The cancel's own completion
// says nothing, and is not looked at. finish_wait does not return while a stop is being asked for on another thread, so that a cancel never
// looks for the key of an operation that is gone.
//
//   E1  start's release → the acquire of who takes the completion    the operation
//   E2  fire's order (suspension E1)                                  result_
/// Reads, writes or writes through. The buffer stays, and the descriptor is open, until the task goes on. Awaited at once where it stands.
class ring_operation : public stoppable_suspension<ring_operation> {
 public:
  static ring_operation read(int fd, std::uint64_t offset, std::span<std::byte> into) noexcept {
    return {uring_entry::code::read, fd, offset, into.data(), into.size()};
  }
  static ring_operation write(int fd, std::uint64_t offset, std::span<std::byte const> bytes) noexcept {
    return {uring_entry::code::write, fd, offset, bytes.data(), bytes.size()};
  }
  static ring_operation sync(int fd) noexcept { return {uring_entry::code::sync, fd, 0, nullptr, 0}; }

  struct outcome {
    std::size_t bytes;  ///< read or written: perhaps fewer than were asked for
    int error;          ///< 0: none
  };

  /// Nothing: it has not been done, and is to be done in another way, which may fail. Throws weft::stopped where a stop has kept it from being done.
  std::optional<outcome> await_resume() {
    finish_wait();
    if (result_ >= 0) return outcome{static_cast<std::size_t>(result_), 0};
    switch (-result_) {
      case ECANCELED:
        if (ambient->stop && ambient->stop->stop_requested()) throw stopped{};
        return std::nullopt;
      // The thread that submitted it has ended: these, and ECANCELED.
      case EFAULT:
      case EINTR: return std::nullopt;
      // Not by a ring, or not of this file.
      case EAGAIN:
      case EINVAL:
      case EOPNOTSUPP: return std::nullopt;
      default: return outcome{0, -result_};
    }
  }

  /// For the reactor, which has taken the completion.
  static ring_operation& ended(void* address, int result) noexcept {
    auto& op = *static_cast<ring_operation*>(address);
    static_cast<void>(op.begun_.load(memory_order_acquire));  // E1.
    op.result_ = result;
    return op;
  }

 private:
  friend class stoppable_suspension<ring_operation>;

  // Where the bytes are in memory, it is the copying that takes time: as much as this a worker does itself.
  static constexpr std::size_t most_at_once = std::size_t{256} << 10;
  static constexpr std::size_t most = std::size_t{1} << 30;

  ring_operation(uring_entry::code what, int fd, std::uint64_t offset, void const* buffer, std::size_t size) noexcept {
    entry_.what = what;
    entry_.flags = size > most_at_once ? uring_entry::on_a_thread : 0;
    entry_.descriptor = fd;
    entry_.offset = offset;
    entry_.address = reinterpret_cast<std::uint64_t>(buffer);
    entry_.length = static_cast<std::uint32_t>(std::min(size, most));
  }

  bool start() {
    if (ambient->stop && ambient->stop->stop_requested()) throw stopped{};
    ring_ = ring_of(*current_worker());
    if (!ring_) return false;
    entry_.key = ring_->key_of(this);
    begun_.store(true, memory_order_release);  // E1.
    if (ring_->submit(entry_) == io_ring::submitted::no) return false;
    // It may have ended already: who waits for events is told of it, too, but later.
    if (ring_->has_completions()) ring_->take([](void* address, int result) { ended(address, result).fire(); });
    return true;
  }

  // It is fired by its completion in any case.
  bool withdraw() noexcept {
    ring_->cancel(entry_.key);
    return false;
  }

  uring_entry entry_{};
  io_ring* ring_ = nullptr;
  atomic<bool> begun_{false};
  int result_ = -EAGAIN;
};

}  // namespace weft::detail
