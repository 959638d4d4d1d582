// A worker: the queues of one thread that runs jobs for a pool, and what that thread is doing right now.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/parking.hpp>
#include <weft/concurrent/ready_ring.hpp>
#include <weft/concurrent/split_deque.hpp>
#include <weft/os/simulation.hpp>
#include <weft/sched/block_cache.hpp>
#include <weft/sched/job.hpp>

#include <sys/types.h>

#include <array>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>

namespace weft::detail {

/// Counts what happened. Written by one thread, read by any.
class counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.store(value_.load(memory_order_relaxed) + n, memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(memory_order_relaxed); }

 private:
  atomic<std::uint64_t> value_{0};
};

/// What a waiting job tells about who has it: the thief's index and the number of the job it is running, so that a helper can
/// tell whether the thief is still at it. Zero: nobody yet.
struct holder {
  std::uint64_t word = 0;

  static constexpr unsigned index_bits = 10;  // idle_set::capacity
  static holder of(unsigned index, std::uint64_t number) noexcept { return {number << index_bits | index}; }
  [[nodiscard]] unsigned index() const noexcept { return static_cast<unsigned>(word & ((1u << index_bits) - 1)); }
  explicit operator bool() const noexcept { return word != 0; }
  friend bool operator==(holder, holder) noexcept = default;
};

/// What runs after a coroutine has given the thread back: the rest of a completion, outside every frame.
struct epilogue {
  using function = void (*)(epilogue*, worker&) noexcept;
  explicit epilogue(function f) noexcept : act(f) {}
  function act;
};

/// What loops of the same body cost when they ran here last: ticks per element. A guess, and only a guess: a wrong one
/// costs the first chunk of a loop.
class loop_memory {
 public:
  struct entry {
    void const* body = nullptr;
    float cost = 0;             // ticks per element
    std::uint32_t untimed = 0;  // runs since it was measured
  };

  std::uint64_t seen = 0;  ///< ticks: when a small loop looked at the clock last

  /// The entry of this body; cost < 0: not known.
  [[nodiscard]] entry& of(void const* body) noexcept {
    entry& e = entries_[index(body)];
    if (e.body != body) [[unlikely]]
      e = {body, -1.0f, 0};
    return e;
  }

 private:
  static constexpr std::size_t count = 64;
  static constexpr char origin = 0;

  // By its distance in the program, which is the same wherever the program lies: so are a world's collisions (weft::sim).
  static std::size_t index(void const* body) noexcept {
    auto const distance = reinterpret_cast<std::uintptr_t>(body) - reinterpret_cast<std::uintptr_t>(&origin);
    return (distance * 0x9E3779B97F4A7C15u >> 32) % count;
  }
  std::array<entry, count> entries_{};
};

enum class worker_kind : std::uint8_t { regular, spare, external };

/// Whether a loop that runs here has lent this thread's place, and what it has done since: it computes, or it waits (see stands_by).
enum class lending : std::uint8_t { none, computing, waiting };

/// Members without an underscore belong to the worker's own thread, unless they say otherwise.
class worker : pinned {
 public:
  static constexpr std::size_t deque_capacity = small_capacities ? 1024 : std::size_t{1} << 20;
  static constexpr std::size_t ring_capacity = modelled ? 4 : small_capacities ? 16 : 256;
  static constexpr std::uint32_t lifo_budget = 3;  // jobs in a row from the LIFO slot, before others have their turn
  // What nested transfers use of a stack, where they are not tail calls, before one is handed back.
  static constexpr std::size_t stack_of_transfers = 16 * 1024;

  worker(scheduler& home_scheduler, unsigned own_index, block_depot& depot)
      : home(home_scheduler), index(own_index), blocks(depot), random(seed_for(own_index + 1)), deque(deque_capacity) {
    floor = deque.bottom();
  }

  scheduler& home;
  unsigned const index;
  worker_kind kind = worker_kind::regular;
  context* current = nullptr;  // of the code that runs now; null: none, outside any task

  // The resumption that runs coroutines on this stack (see resume.hpp).
  std::coroutine_handle<> next_resume;
  epilogue* next_epilogue = nullptr;
  std::coroutine_handle<> ended_frame;  // what next_epilogue is about, where that is told of the ends of many
  std::uintptr_t stack_limit = 0;       // below it, a transfer is handed back; 0: no resumption is active

  std::uint32_t tick = 0;
  std::uint32_t lifo_streak = 0;    // jobs in a row from the LIFO slot
  std::uint32_t io_streak = 0;      // I/O calls in a row that did not have to wait (see io/operation.hpp)
  std::uint64_t io_streak_job = 0;  // in the job of this number
  bool from_driver = false;         // what it runs came from outside: it goes back there without a search
  block_cache blocks;
  random_source random;
  split_deque<job>::position floor;  // the deque is never settled below: the innermost plain frame's slots begin there

  split_deque<job> deque;  // the thief's members: any thread

  // ── any thread ──
  alignas(cache_line) ready_ring<ready_job*, ring_capacity> ring;  // thieves: steal
  atomic<ready_job*> lifo{nullptr};                                // the one just woken; taken by exchange
  atomic<std::uint64_t> running{0};                                // holder: the stolen job this thread is running
  atomic<std::uint64_t> waiting_for{0};  // holder: who has the job that this thread's join waits for
  parker sleep;
  atomic<bool> in_driver{false};   // it sleeps in the driver, if it sleeps
  atomic<bool> in_reserve{false};  // a spare that nobody needs now
  atomic<int> held{-1};            // external: the sleeper kept asleep meanwhile; taken by exchange

  atomic<bool> lent{false};  // its place has been given to a spare, because it was stuck in one job (see monitor.hpp)
  atomic<pid_t> thread_number{0};

  counter jobs, steals, parks, wakes, joins_parked;
  atomic<std::uint64_t> roots_started{0}, roots_ended{0};

  atomic<unsigned> waits{0};  // written under the scheduler's threads_lock_: plain waits begun and not ended, nested
  atomic<lending> loop_lends{lending::none};

  loop_memory loops;
  std::uint64_t last_look = 0;    // ticks: when a loop last looked after what is overdue
  std::uint64_t last_number = 0;  // of a stolen job
  unsigned joins = 0;             // frames that wait in joins
  worker* victim = nullptr;       // whose deque the job about to be run comes from

  // Who has a job ready that this worker would take (see has_stayed), in which of its jobs that one was seen, and since when, in ticks.
  struct watch {
    worker const* victim = nullptr;
    std::uint64_t job = 0, since = 0;
  };
  watch watched;
  bool saw_one = false;        // in this search
  unsigned vain_searches = 0;  // one after the other that saw such jobs and had nothing to take

  // ── the monitor alone ──
  std::uint64_t jobs_seen = 0;  // at its last look
  std::uint64_t last_looked = 0;
  unsigned looks_asleep = 0;                   // successive looks that found it in the same job, waiting in the kernel
  std::chrono::nanoseconds used_before_job{};  // CPU time at the first look that found it in this job

 private:
  static std::uint64_t seed_for(std::uint64_t number) noexcept {
    simulation* const world = current_simulation();
    return world ? world->random() : number;
  }
};

/// The worker that the calling thread is; shared by all shared libraries of the process.
WEFT_SHARED inline constinit thread_local worker* this_thread_worker = nullptr;

/// Null on a thread that belongs to no pool. Never inlined: safe on both sides of a suspension point.
[[gnu::noinline]] inline worker* current_worker() noexcept { return this_thread_worker; }

/// The same, inlined where the compiler does not keep a thread_local's address across a suspension. For plain functions only.
WEFT_NOINLINE_IF_TLS_IS_CACHED inline worker* current_worker_inline() noexcept { return this_thread_worker; }

inline void set_current_worker(worker* w) noexcept { this_thread_worker = w; }

}  // namespace weft::detail
