// A descriptor that tasks read from, write to and close: one record of 128 bytes each, in memory that stays a record for good.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/io/address.hpp>
#include <weft/io/readiness.hpp>
#include <weft/os/pages.hpp>
#include <weft/os/simulation.hpp>
#include <weft/os/system_calls.hpp>

#include <pthread.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

namespace weft::detail {

class reactor;
class handle_slab;

/// What may be concluded from a read that gives less than it was asked for.
enum class short_read : std::uint8_t {
  empties,  ///< there was no more: the next read waits without asking
  says_nothing
};

//   users   3 while open: the owner and the two directions. Close takes the owner's, and that of a direction that nobody is in; who
//           leaves a direction later takes its own. The last one closes the descriptor, so that no system call meets another's number.
//   holds   of the record: the owner, the open descriptor, and each operation that a close has taken out and that has not ended yet. The
//           last one gives the record back.
//   name    what errors call it: the peer of a stream, what a listener is bound to. It is here, and not with the owner, because an
//           operation may end after its owner has.
//   home    null until an operation has to wait, then the reactor that watches it; set, and looked into, under lock.
//
//   E1  the release of each who drops one → the acquire of the last
//
// An event carries the record's generation, so that one for a former user is dropped. Where it is used again in the instant between
// that look and the next step, the new user gets a bit too many (readiness.hpp).
/// Any thread, unless a member says otherwise.
struct alignas(64) handle_record : pinned {
  readiness reading, writing;
  atomic<reactor*> home{nullptr};
  handle_record* next_free = nullptr;  // guarded by the slab's lock
  int descriptor = -1;                 // constant while users are not 0, and its world is there (lose_descriptor)
  atomic<std::uint32_t> generation{1};
  atomic<std::uint32_t> users{0};
  atomic<std::uint32_t> holds{0};
  small_mutex lock;
  atomic<short_read> after_short_read{short_read::says_nothing};
  endpoint name;                // constant while holds are not 0; it begins the second cache line, where little else is
  handle_slab* slab = nullptr;  // whose record it is
};
static_assert(sizeof(handle_record) <= 128);

/// Records for every handle of the process. They are never given back to the system: whoever holds an old pointer still points to
/// a record. Any thread.
class handle_slab : pinned {
 public:
  /// Throws std::bad_alloc.
  [[nodiscard]] handle_record* take() {
    small_lock const guard(lock_);
    if (!free_) grow();
    handle_record* const r = free_;
    free_ = r->next_free;
    ++taken_;
    return r;
  }

  void give_back(handle_record* r) noexcept {
    small_lock const guard(lock_);
    r->next_free = free_;
    free_ = r;
    --taken_;
  }

  /// True: no record is in use, and they will be taken in the order of a new slab.
  bool renew() noexcept {
    small_lock const guard(lock_);
    if (taken_ != 0) return false;
    free_ = nullptr;
    for (chunk* c = chunks_; c; c = c->next)
      for (std::size_t i = at_once; i-- > 0;) c->records[i].next_free = std::exchange(free_, &c->records[i]);
    return true;
  }

  /// f(record) for all that there are, in use or not.
  template <class F>
  void for_each(F&& f) noexcept {
    chunk* all = nullptr;
    {
      small_lock const guard(lock_);
      all = chunks_;
    }
    for (; all; all = all->next)
      for (auto& r : all->records) f(r);
  }

 private:
  static constexpr std::size_t at_once = 127;  // with the link 16 KiB

  struct chunk {
    handle_record records[at_once];
    chunk* next;
  };

  void grow() {
    auto* const c = ::new (pages_for_good(sizeof(chunk))) chunk;
    c->next = std::exchange(chunks_, c);
    for (std::size_t i = at_once; i-- > 0;) {
      c->records[i].slab = this;
      c->records[i].next_free = std::exchange(free_, &c->records[i]);
    }
    survive_forks();
  }

  // A child made by fork() finds the list whole and the lock free.
  static void survive_forks() noexcept;

  small_mutex lock_;
  handle_record* free_ = nullptr;  // guarded by lock_
  chunk* chunks_ = nullptr;        // guarded by lock_; what it points to stays
  std::size_t taken_ = 0;          // guarded by lock_
};

WEFT_SHARED inline constinit handle_slab the_handles;

/// A world has its own: its threads wait for a lock by other means than those of the system.
inline handle_slab& handles() noexcept {
  simulation* const world = current_simulation();
  return world ? world->handles() : the_handles;
}

/// For a descriptor. Throws std::bad_alloc; std::logic_error in a simulated world (weft::sim) for one of the system, since nobody would
/// wait for it.
[[nodiscard]] inline handle_record* take_record_for(int descriptor) {
  if (current_simulation() && !is_simulated(descriptor)) [[unlikely]]
    throw std::logic_error(
        "weft::sim: descriptors of the system, processes and signals have no place in a simulated world");
  return handles().take();
}

inline void handle_slab::survive_forks() noexcept {
  static int const registered = ::pthread_atfork([] { the_handles.lock_.lock(); }, [] { the_handles.lock_.unlock(); },
                                                 [] { the_handles.lock_.unlock(); });
  static_cast<void>(registered);
}

}  // namespace weft::detail
