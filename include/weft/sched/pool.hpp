// pool: the workers behind everything, and the default one that the whole process shares.
#pragma once

#include <weft/os/cpu_quota.hpp>
#include <weft/os/fork.hpp>
#include <weft/os/io_choice.hpp>
#include <weft/os/simulation.hpp>
#include <weft/sched/membership.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <new>

namespace weft {

namespace detail {
void forget_threads_of_parent() noexcept;
}

/// How a pool is made. An aggregate of numbers and views: `pool p{{.workers = 4}};`
struct pool_options {
  unsigned workers = 0;         ///< 0: usable_cores()
  unsigned max_blocking = 512;  ///< threads for blocking calls, at most
  pinning pin = pinning::off;   ///< on: each worker keeps to one CPU
  char const* name = "weft";    ///< of its threads; the first 15 bytes are shown
  detail::failure_handler on_failure =
      nullptr;                            ///< gets the exception that nobody can receive; null: one line on stderr
  io_backend io = io_backend::automatic;  ///< how files are waited for
};

/// What a pool has done since it began, and what waits now. Numbers of different moments: each is right, their sum may not be.
struct pool_stats {
  std::uint64_t jobs = 0;    ///< run by the workers' loops
  std::uint64_t steals = 0;  ///< taken from another worker
  std::uint64_t parks = 0;   ///< times a worker went to sleep
  std::uint64_t wakes = 0;   ///< times a worker woke another
  std::size_t queued = 0;    ///< jobs ready to run, in rings and in the injection queue
  unsigned workers = 0;      ///< as asked for, or as many as could be had
  unsigned spares = 0;       ///< threads made because workers were blocked
};

/// What shutdown does with work that has not ended.
enum class drain_or_stop {
  drain,  ///< wait until it ends by itself
  stop    ///< ask it to stop, then wait until it has ended
};

/// A set of worker threads that share their work. Any thread may submit and ask; whoever destroys it sees to it that nobody
/// does so any more. Work in flight is asked to stop and waited for: a task that neither ends nor waits for
/// anything stoppable holds the destructor up.
class pool : detail::pinned {
 public:
  pool() : pool(pool_options{}) {}

  /// Starts the workers. Where the system gives fewer threads than asked, the pool is smaller (see size()); where it gives
  /// none, throws std::system_error.
  explicit pool(pool_options options) : core_(complete(options), *this) {
    detail::watch_forks(&detail::forget_threads_of_parent);
  }

  ~pool() { shutdown(drain_or_stop::stop); }

  /// Runs a callable, a coroutine function with its arguments, or an awaitable on this pool; returns its result, or throws
  /// what it threw. Blocks the calling thread. Defined in coro/run.hpp.
  template <class X, class... Args>
  decltype(auto) run(X&& x, Args&&... args);

  /// Starts the same and returns a future of its result at once. Defined in future/spawn.hpp.
  template <class X, class... Args>
  auto spawn(X&& x, Args&&... args);

  /// Workers, as many as could be started.
  [[nodiscard]] unsigned size() const noexcept { return core_.size(); }

  [[nodiscard]] pool_stats stats() const noexcept;

  /// Returns when all work has ended and the threads are gone. What is submitted afterwards is refused with an exception.
  /// Not from one of its own workers. Calling it again does nothing.
  void shutdown(drain_or_stop how) noexcept {
    WEFT_ASSERT(!detail::current_worker() || &detail::current_worker()->home != &core_,
                "a pool cannot be shut down from inside");
    core_.shut_down(how == drain_or_stop::stop);
  }

  /// The pool whose work the calling thread is doing, or null.
  [[nodiscard]] static pool* current() noexcept {
    detail::worker* const w = detail::current_worker();
    return w ? &w->home.face() : nullptr;
  }

 private:
  friend detail::scheduler& scheduler_of(pool& p) noexcept;

  static void print_failure(std::exception_ptr failure) noexcept {
    try {
      std::rethrow_exception(std::move(failure));
    } catch (std::exception const& e) {
      std::fprintf(stderr, "weft: a task that nobody waits for failed: %s\n", e.what());
    } catch (...) {
      std::fprintf(stderr,
                   "weft: a task that nobody waits for failed with an exception that is not a std::exception\n");
    }
  }

  static detail::scheduler::options complete(pool_options const& o) {
    return {.workers = o.workers == 0 ? usable_cores() : o.workers,
            .max_blocking = o.max_blocking,
            .pin = o.pin,
            .name = o.name,
            .on_failure = o.on_failure ? o.on_failure : &pool::print_failure,
            .io = detail::chosen_io(o.io)};
  }

  detail::scheduler core_;
};

inline detail::scheduler& scheduler_of(pool& p) noexcept { return p.core_; }

inline pool_stats pool::stats() const noexcept {
  pool_stats s;
  s.workers = core_.size();
  s.queued = core_.injected();
  for (unsigned i = 0; i < core_.worker_count(); ++i) {
    detail::worker const& w = core_.worker_at(i);
    s.jobs += w.jobs.get();
    s.steals += w.steals.get();
    s.parks += w.parks.get();
    s.wakes += w.wakes.get();
    s.queued += w.ring.size();
    if (w.kind == detail::worker_kind::spare) ++s.spares;
  }
  return s;
}

namespace detail {

/// One per process, shared by all its shared libraries. Never destroyed, so that no static destructor joins threads, and code
/// that runs late still has a pool.
WEFT_SHARED inline constinit atomic<pool*> the_default_pool{nullptr};
WEFT_SHARED inline constinit small_mutex the_default_pool_lock;

/// A child made by fork() starts afresh: the parent's pool has no threads here.
inline void forget_threads_of_parent() noexcept {
  this_thread_worker = nullptr;
  the_default_pool.store(nullptr, memory_order_relaxed);
  ::new (static_cast<void*>(&the_default_pool_lock)) small_mutex;  // perhaps held by a thread that does not exist here
}

[[gnu::noinline, gnu::cold]] inline pool& make_default_pool() {
  small_lock const guard(the_default_pool_lock);
  pool* p = the_default_pool.load(memory_order_relaxed);
  if (!p) {
    p = new pool;
    scheduler_of(*p).stay_for_good();
    the_default_pool.store(p, memory_order_release);  // release → default_pool's acquire: *p.
  }
  return *p;
}

}  // namespace detail

/// The pool of whoever names none: usable_cores() workers, started on first use, never destroyed. In a simulated world it
/// is that world's.
inline pool& default_pool() {
  if (detail::simulation* const world = detail::current_simulation()) [[unlikely]]
    return world->default_pool();
  pool* const p = detail::the_default_pool.load(detail::memory_order_acquire);  // acquire: make_default_pool.
  return p ? *p : detail::make_default_pool();
}

namespace detail {

/// The scheduler that work started here goes to: the current pool's, else the default one's.
inline scheduler& ambient_scheduler() {
  worker* const self = current_worker();
  return self ? self->home : scheduler_of(default_pool());
}

}  // namespace detail
}  // namespace weft
