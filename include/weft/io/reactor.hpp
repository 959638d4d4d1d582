// The reactor of a pool: it watches handles for it, and brings back the operations that wait for them.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/io/backend/epoll.hpp>
#include <weft/io/backend/io_uring.hpp>
#include <weft/io/handle.hpp>
#include <weft/io/operation.hpp>
#include <weft/io/ring_operation.hpp>
#include <weft/os/clock.hpp>
#include <weft/os/fork.hpp>
#include <weft/os/system_calls.hpp>
#include <weft/sched/membership.hpp>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

namespace weft::detail {

//   handles_   how many are watched; with the pool's own share, how many may still come here
//   rings_     null until an operation on a file needs one; then it stays until the pool ends, and so do those who use it
//
//   E1  seq_cst: watches() and who adds the first handle, see event_driver
//   E2  the release of who lets go → the acquire of the last
//   E3  release and acquire through the word of a direction (readiness E4): a pool that ends writes alive_, then takes out who waits there; who
//       begins to wait there then reads alive_. One of the two sees the other.
//   E4  the release of who makes a ring → the acquire of who uses it, or takes from it
//
// A handle is added when an operation on it has to wait for the first time, by the pool that it waits in, and stays until it is
// closed. It may outlive the pool, and operations of another pool may wait through this one: when it ends, they go back to their word, and add
// the handle to their own. Shared between the pool and the handles; the last deletes it. A few rings serve all workers, each those of
// some numbers, so that what one submits hardly keeps another waiting; epoll watches them as if they were handles.
/// Any thread.
class reactor : pinned {
 public:
  /// Of the pool, made with the first handle that it has to wait for. Throws std::bad_alloc, std::system_error.
  static reactor& of(scheduler& home);

  /// The record's handle is watched from here on, by this reactor or by another that is alive.
  [[nodiscard]] static std::error_code watch(handle_record& r, scheduler& home);

  /// By an operation in `home` that has begun to wait: does anybody watch the handle still?
  [[nodiscard]] static bool is_watched(handle_record& r, scheduler& home) noexcept;

  /// With the record's lock. Before its descriptor is closed.
  static void forget(handle_record& r) noexcept;

  /// The ring for the calling worker of the pool; null: there is none to be had, for now or for good.
  [[nodiscard]] io_ring* ring_for(worker const& self) noexcept {
    auto& place = rings_[self.index % rings_.size()];
    if (io_ring* const r = place.load(memory_order_acquire)) return r;  // acquire: E4.
    return make_ring(place);
  }

  [[nodiscard]] bool watches() const noexcept { return handles_.load(memory_order_seq_cst) != 0; }  // E1.
  [[nodiscard]] bool poll(ready_batch& batch) noexcept { return harvest(batch, clock::time_point{}); }
  void wait_until(ready_batch& batch, clock::time_point deadline) noexcept {
    static_cast<void>(harvest(batch, deadline));
  }
  void interrupt() noexcept { events_.interrupt(); }

 private:
  friend class pool_reactor;

  explicit reactor(scheduler& home) : home_(home) {}

  // acquire: the destructor of the reactor, below.
  bool usable() const noexcept { return alive_.load(memory_order_acquire) && of_this_process(); }

  // Of the pool that the caller belongs to, so it is usable; null: not made yet.
  static reactor* installed_in(scheduler& home) noexcept;

  // The pool has ended.
  void retire() noexcept {
    alive_.store(false, memory_order_release);  // release → usable's acquire, E3
    if (!watches()) return;
    handles().for_each([this](handle_record& r) {
      if (r.home.load(memory_order_relaxed) != this) return;
      look_for_another(r.reading.unwatched());
      look_for_another(r.writing.unwatched());
    });
  }
  static void look_for_another(io_operation* op) noexcept {
    if (!op) return;
    op->came(readiness::ready);
    op->fire();  // Past here *op may be gone.
  }
  bool of_this_process() const noexcept { return generation_ == fork_generation.load(std::memory_order_relaxed); }

  void let_go() noexcept {
    if (shares_.fetch_sub(1, memory_order_acq_rel) == 1) delete this;  // E2.
  }

  [[nodiscard]] bool harvest(ready_batch& batch, clock::time_point deadline) noexcept {
    return events_.wait(deadline, [&](event_poll::event const& e) { came(e, batch); });
  }

  [[gnu::noinline, gnu::cold]] io_ring* make_ring(atomic<io_ring*>& place) noexcept {
    {
      small_lock const guard(making_ring_);
      if (io_ring* const r = place.load(memory_order_relaxed)) return r;
      if (clock::now() < next_ring_) return nullptr;
      std::unique_ptr<io_ring> made(new (std::nothrow) io_ring);
      if (auto const refused = made ? watch_ring(*made, place) : std::error_code(ENOMEM, std::system_category())) {
        next_ring_ = io_ring::passes(refused) ? clock::now() + before_next_ring : clock::time_point::max();
        return nullptr;
      }
      place.store(made.release(), memory_order_release);  // release: E4.
    }
    home_.events_watched();
    return place.load(memory_order_relaxed);
  }
  std::error_code watch_ring(io_ring const& r, atomic<io_ring*> const& place) noexcept {
    if (auto const refused = r.error()) return refused;
    // Counted first, as a handle.
    handles_.fetch_add(1, memory_order_seq_cst);  // E1.
    auto const tag = ring_tag | static_cast<std::uint64_t>(&place - rings_.data()) << 1;
    auto const refused = events_.add(r.descriptor(), tag);
    if (refused) handles_.fetch_sub(1, memory_order_relaxed);
    return refused;
  }

  // The pool has ended, and with it each task that waited for an operation.
  void drop_rings() noexcept {
    for (auto& place : rings_) {
      std::unique_ptr<io_ring> const r(place.load(memory_order_acquire));  // acquire: E4.
      if (!r) continue;
      place.store(nullptr, memory_order_relaxed);
      if (of_this_process()) events_.remove(r->descriptor());  // as forget
      handles_.fetch_sub(1, memory_order_relaxed);
    }
  }

  void ring_came(std::size_t index, ready_batch& batch) noexcept {
    io_ring* const r = rings_[index].load(memory_order_acquire);  // acquire: E4.
    if (!r) return;
    // Past fire_into the operation may be gone.
    r->take([&](void* op, int result) { ring_operation::ended(op, result).fire_into(batch, home_); });
  }

  void came(event_poll::event const& e, ready_batch& batch) noexcept {
    if (e.tag & ring_tag) return ring_came(static_cast<std::size_t>(e.tag >> 1), batch);
    auto& r = *reinterpret_cast<handle_record*>(e.tag & address_bits);
    if ((r.generation.load(memory_order_relaxed) & generation_mask) != e.tag >> address_width) return;
    if (has(e.what, io_event::urgent)) r.after_short_read.store(short_read::says_nothing, memory_order_relaxed);
    readiness::bits const end = has(e.what, io_event::hung_up) ? readiness::hung_up : 0;
    if (auto const what = end | (has(e.what, io_event::readable) ? readiness::ready : 0))
      tell(r.reading.event(what), what, batch);
    if (auto const what = end | (has(e.what, io_event::writable) ? readiness::ready : 0))
      tell(r.writing.event(what), what, batch);
  }

  void tell(io_operation* op, readiness::bits what, ready_batch& batch) noexcept {
    if (!op) return;
    op->came(what);
    op->fire_into(batch, home_);  // Past here *op may be gone.
  }

  // Addresses have 47 bits; a sixteenth of the generations of a record pass before a tag comes again.
  static constexpr int address_width = 48;
  static constexpr std::uint64_t address_bits = (std::uint64_t{1} << address_width) - 1;
  static constexpr std::uint32_t generation_mask = 0xFFFF;
  // Records stand at multiples of 64.
  static constexpr std::uint64_t ring_tag = 1;
  // Trying in vain costs some microseconds, and each operation meanwhile is a thread's.
  static constexpr std::chrono::milliseconds before_next_ring{100};

  static std::uint64_t tag_of(handle_record& r) noexcept {
    return reinterpret_cast<std::uint64_t>(&r) |
           std::uint64_t{r.generation.load(memory_order_relaxed) & generation_mask} << address_width;
  }

  scheduler& home_;  // as long as alive_
  unsigned const generation_ = fork_generation.load(std::memory_order_relaxed);
  atomic<bool> alive_{true};
  atomic<std::uint32_t> shares_{1};  // the pool and its handles
  atomic<std::uint32_t> handles_{0};
  event_poll events_;
  std::array<atomic<io_ring*>, small_capacities ? 2 : 16> rings_{};
  small_mutex making_ring_;
  clock::time_point next_ring_ = clock::time_point::min();  // guarded by making_ring_. Until then none is tried
};

/// The pool's share of its reactor.
class pool_reactor final : public event_driver {
 public:
  explicit pool_reactor(scheduler& home) : shared_(*new reactor(home)) {}
  ~pool_reactor() override {
    shared_.retire();
    shared_.drop_rings();
    shared_.let_go();
  }

  [[nodiscard]] bool watches() const noexcept override { return shared_.watches(); }
  [[nodiscard]] bool poll(ready_batch& batch) noexcept override { return shared_.poll(batch); }
  void wait_until(ready_batch& batch, clock::time_point deadline) noexcept override {
    shared_.wait_until(batch, deadline);
  }
  void interrupt() noexcept override { shared_.interrupt(); }

  [[nodiscard]] reactor& shared() noexcept { return shared_; }

 private:
  reactor& shared_;
};

inline reactor& reactor::of(scheduler& home) {
  event_driver* d = home.installed_events();
  if (!d) d = home.install_events(std::make_unique<pool_reactor>(home));
  return static_cast<pool_reactor*>(d)->shared();
}

inline reactor* reactor::installed_in(scheduler& home) noexcept {
  event_driver* const d = home.installed_events();
  return d ? &static_cast<pool_reactor*>(d)->shared() : nullptr;
}

inline io_ring* ring_of(worker& self) noexcept {
  try {
    return reactor::of(self.home).ring_for(self);
  } catch (std::exception const&) {  // std::bad_alloc, or std::system_error: without epoll there is nobody to watch it
    return nullptr;
  }
}

inline std::error_code reactor::watch(handle_record& r, scheduler& home) {
  reactor* const here = installed_in(home);
  if (here && r.home.load(memory_order_relaxed) == here) return {};
  {
    small_lock const guard(r.lock);
    // Only with the lock: whoever finds it ended lets it go.
    if (reactor* const now = r.home.load(memory_order_relaxed)) {
      if (now->usable()) return {};
      forget(r);
    }
    reactor& own = of(home);
    // Counted first: an event may come before add returns, and somebody idle is to see it.
    own.shares_.fetch_add(1, memory_order_relaxed);
    own.handles_.fetch_add(1, memory_order_seq_cst);  // E1.
    if (auto const error = own.events_.add(r.descriptor, tag_of(r)); error) {
      own.handles_.fetch_sub(1, memory_order_relaxed);
      own.let_go();
      return error;
    }
    r.home.store(&own, memory_order_relaxed);
  }
  home.events_watched();
  return {};
}

inline bool reactor::is_watched(handle_record& r, scheduler& home) noexcept {
  reactor* const here = installed_in(home);
  if (here && r.home.load(memory_order_relaxed) == here) return true;
  small_lock const guard(r.lock);
  reactor* const now = r.home.load(memory_order_relaxed);
  return now && now->usable();  // E3.
}

inline void reactor::forget(handle_record& r) noexcept {
  reactor* const now = r.home.load(memory_order_relaxed);
  if (!now) return;
  r.home.store(nullptr, memory_order_relaxed);
  // A child made by fork() shares the parent's epoll: what it removes there, the parent loses.
  if (now->of_this_process()) now->events_.remove(r.descriptor);
  now->handles_.fetch_sub(1, memory_order_relaxed);
  now->let_go();
}

inline void release_hold(handle_record& r) noexcept {
  if (r.holds.fetch_sub(1, memory_order_acq_rel) != 1) return;  // handle E1.
  r.name = {};
  r.slab->give_back(&r);
}

/// If it is in use, the handle has outlived the world in which its descriptor, and those of its reactor, stood for something. Nobody uses
/// it meanwhile.
inline void lose_descriptor(handle_record& r) noexcept {
  if (r.holds.load(memory_order_relaxed) == 0) return;
  reactor::forget(r);
  r.descriptor = -1;
}

inline void release_user(handle_record& r) noexcept {
  if (r.users.fetch_sub(1, memory_order_acq_rel) != 1) return;  // handle E1.
  r.generation.store(r.generation.load(memory_order_relaxed) + 1, memory_order_relaxed);
  {
    small_lock const guard(r.lock);
    reactor::forget(r);
  }
  sys::close(r.descriptor);
  r.descriptor = -1;
  release_hold(r);  // Past here r may be somebody else's.
}

inline bool io_operation::is_watched() noexcept { return reactor::is_watched(*record_, *ambient->home); }

// False: over, as stopped or with an error.
inline bool io_operation::prepare_to_wait() noexcept {
  try {
    if (auto const error = reactor::watch(*record_, *ambient->home)) error_ = error.value();
  } catch (std::system_error const& e) {
    error_ = e.code().value();
  } catch (std::bad_alloc const&) {
    error_ = ENOMEM;
  }
  if (error_ != 0) return false;
  stop_state* const stop = ambient->stop;
  if (!stop || registered_) return true;
  registered_at_ = place_to_register(*stop);
  registered_ = stop->at(registered_at_).add(*this);
  stopped_ = !registered_;
  return registered_;
}

/// The owner of a handle: closes it at its end. What is closed stays a handle, on which nothing can be begun. Any thread may close;
/// moving and destroying it is for one.
class io_handle {
 public:
  io_handle() noexcept = default;
  /// Takes the descriptor over, which does not block, in any case. Throws std::bad_alloc.
  io_handle(file_handle&& descriptor, short_read after_short_read, endpoint name = {})
      : record_(take_record_for(descriptor.get())) {
    record_->name = std::move(name);
    record_->descriptor = descriptor.release();
    record_->users.store(3, memory_order_relaxed);
    record_->holds.store(2, memory_order_relaxed);
    record_->after_short_read.store(after_short_read, memory_order_relaxed);
    record_->reading.reset(0);
    record_->writing.reset(0);
  }
  io_handle(io_handle&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  io_handle& operator=(io_handle&& other) noexcept {
    io_handle old(std::move(*this));
    record_ = std::exchange(other.record_, nullptr);
    return *this;
  }
  ~io_handle() {
    if (!record_) return;
    close();
    release_hold(*record_);
  }

  /// Operations in flight complete as stopped; then the descriptor is closed. Again: nothing.
  void close() noexcept {
    close([] {});
  }

  /// The same. The one call that closes it calls first() before the descriptor is closed and anybody is told.
  template <class F>
  void close(F&& first) noexcept {
    if (!record_) return;
    handle_record& r = *record_;
    auto const reading = r.reading.close();
    if (reading.how == readiness::closing::already) return;
    static_cast<F&&>(first)();
    auto const writing = r.writing.close();
    for (auto const& way : {reading, writing}) {
      if (way.how == readiness::closing::nobody) release_user(r);
      if (!way.waiter) continue;
      r.holds.fetch_add(1, memory_order_relaxed);
      way.waiter->closed();
      way.waiter->fire();
    }
    release_user(r);
  }

  [[nodiscard]] bool closed() const noexcept { return !record_ || record_->reading.closed(); }
  [[nodiscard]] handle_record* record() const noexcept { return record_; }
  [[nodiscard]] endpoint const& name() const noexcept {
    static endpoint const none;
    return record_ ? record_->name : none;
  }

  /// Calls f(descriptor) unless the handle is closed; it stays open meanwhile. False: it is closed.
  template <class F>
  bool with_descriptor(F&& f) const {
    if (!record_) return false;
    auto users = record_->users.load(memory_order_relaxed);
    do {
      if (users == 0) return false;
    } while (!record_->users.compare_exchange_weak(users, users + 1, memory_order_relaxed));
    scope_exit const leave([this] { release_user(*record_); });
    static_cast<F&&>(f)(record_->descriptor);
    return true;
  }

 private:
  handle_record* record_ = nullptr;
};

}  // namespace weft::detail
