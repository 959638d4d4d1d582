// The world behind weft::sim: threads that are fibers, a clock that stands still while any of them runs, futexes that are looked up in
// a list, and one random number generator that decides whose turn it is.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/function.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/io/handle.hpp>
#include <weft/io/reactor.hpp>
#include <weft/os/clock.hpp>
#include <weft/os/exception_state.hpp>
#include <weft/os/fiber.hpp>
#include <weft/os/simulation.hpp>
#include <weft/sched/locals.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sched/worker.hpp>
#include <weft/sim/network.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace weft::detail {

/// What the library, the language and the system keep for each thread: put away while another thread of the world runs. The notes of
/// closures.hpp are left where they are: at worst a warning is missing.
class thread_variables {
 public:
  /// What was put away here becomes the calling thread's, and the other way round.
  void change_places() noexcept {
    worker* const self = current_worker();
    set_current_worker(std::exchange(self_, self));
    std::swap(this_thread_locals, locals_);
    std::swap(this_thread_stop, stop_);
    std::swap(errno, error_);
    exceptions_.change_places();
  }

 private:
  worker* self_ = nullptr;
  local_binding* locals_ = nullptr;
  stop_state* stop_ = nullptr;
  int error_ = 0;
  exception_state exceptions_;
};

class world;

/// A thread of a world.
struct virtual_thread : pinned {
  enum class condition { ready, blocked, ended };

  virtual_thread(world& w, std::uintptr_t own_number, std::size_t stack_bytes, void* (*e)(void*), void* a);

  [[nodiscard]] bool may_run(clock::time_point now) const noexcept {
    return state == condition::ready || (state == condition::blocked && deadline <= now);
  }

  world& home;
  std::uintptr_t const number;
  void* (*const entry)(void*);
  void* const argument;
  condition state = condition::ready;
  void const* address = nullptr;      // blocked: where
  clock::time_point deadline{};       // blocked: until then
  std::uint64_t held_back_until = 0;  // a step of the world: as if the system had taken its core away until then
  thread_variables kept;
  fiber stack;
};

/// How a run of a world has ended.
enum class world_end {
  in_order,
  deadlock,  // all threads are blocked, and none until some time
  endless    // as many steps as it may take were not enough
};

/// One run after another, each on the calling thread. Whatever it decides is a function of the seed and of what its threads do.
class world final : public simulation, private network_host, pinned {
 public:
  world(std::uint64_t seed, clock::duration most_per_step, std::uint64_t most_steps, std::size_t stack_bytes,
        sim_network const& network) noexcept
      : random_(seed),
        most_per_step_(most_per_step),
        most_steps_(most_steps),
        stack_bytes_(stack_bytes),
        turns_(1u << random_.below(5)),
        holds_(8u << random_.below(5)),
        network_(*this, network) {}
  ~world() {
    if (!handles_) return;
    handles_->for_each(lose_descriptor);
    spare_slabs().give_back(handles_);
  }

  /// Calls body() on the world's first thread, and returns when that has ended and all others with it. Where it does not come to that,
  /// the pool is asked to stop; where that does not help either, everything is left as it is, for good.
  [[nodiscard]] world_end run(function_ref<void()> body);

  // ── for the first thread ──

  /// What the world's default pool is, and who is asked to stop where the world gets stuck.
  void begin_pool(pool& p) noexcept { pool_ = stoppable_ = &p; }
  /// Before that pool ends: nobody is asking it, nor will.
  void retain_pool() noexcept {
    stoppable_ = nullptr;
    while (stopping_) block(&stopping_, time_point::max());
  }

  // ── for anybody ──

  [[nodiscard]] clock::time_point time() const noexcept override { return now_; }
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }
  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return trace_; }
  [[nodiscard]] std::size_t descriptors() const noexcept { return network_.descriptors(); }

  // ── for the thread that runs ──

  void step() noexcept override {
    if (random_.below(turns_) == 0) running_->stack.leave();
  }

  void block(void const* address, time_point deadline) noexcept override {
    constexpr std::uint32_t early_returns = 64;  // one in so many
    if (random_.below(early_returns) == 0) return;
    virtual_thread& self = *running_;
    self.state = virtual_thread::condition::blocked;
    self.address = address;
    self.deadline = deadline;
    self.stack.leave();
  }

  void wake(void const* address, int count) noexcept override {
    make_ready(address, count);
    step();
  }

  time_point now() noexcept override {
    step();
    return now_;
  }

  // Ticks tell what code costs: something, never twice the same.
  std::uint64_t ticks() noexcept override {
    constexpr auto most = static_cast<std::uint32_t>(50 * ticks_per_microsecond);
    step();
    return ticks_ += random_.below(most);
  }

  [[nodiscard]] std::uintptr_t start(void* (*entry)(void*), void* argument) noexcept override {
    try {
      auto const number = add_thread(entry, argument);
      step();
      return number;
    } catch (std::bad_alloc const&) {
      return 0;
    }
  }

  void join(std::uintptr_t number) noexcept override {
    virtual_thread const& joined = *threads_[number - 1];
    while (joined.state != virtual_thread::condition::ended) block(&joined, time_point::max());
    threads_[number - 1].reset();
  }

  [[nodiscard]] std::uintptr_t this_thread() const noexcept override { return running_->number; }
  [[nodiscard]] bool blocked(std::uintptr_t thread) const noexcept override {
    auto const& t = threads_[thread - 1];
    return t && t->state == virtual_thread::condition::blocked;
  }
  [[nodiscard]] std::uint64_t random() noexcept override { return random_.next(); }
  [[nodiscard]] pool& default_pool() const noexcept override { return *pool_; }
  [[nodiscard]] simulated_system& system() noexcept override { return network_; }
  [[nodiscard]] handle_slab& handles() noexcept override { return *handles_; }

 private:
  friend struct virtual_thread;

  // Records of handles stay what they are for good, so worlds pass them on, unless a handle has outlived its world.
  class slab_store {
   public:
    [[nodiscard]] handle_slab* take() {
      small_lock const guard(lock_);
      auto found = std::find_if(spare_.rbegin(), spare_.rend(), [](handle_slab* s) { return s->renew(); });
      if (found == spare_.rend()) {
        spare_.reserve(all_.size() + 1);
        spare_.push_back(&all_.emplace_back());
        found = spare_.rbegin();
      }
      handle_slab* const s = std::exchange(*found, spare_.back());
      spare_.pop_back();
      return s;
    }
    void give_back(handle_slab* s) noexcept {
      small_lock const guard(lock_);
      spare_.push_back(s);
    }

   private:
    small_mutex lock_;
    std::deque<handle_slab> all_;      // guarded by lock_
    std::vector<handle_slab*> spare_;  // guarded by lock_; has room for all
  };
  static slab_store& spare_slabs() noexcept {
    static auto* const all = new slab_store;
    return *all;
  }

  [[nodiscard]] random_source& chance() noexcept override { return random_; }
  void pass_time_until(time_point then) noexcept override {
    if (then == time_point::max()) return;
    now_ = std::max(now_, std::min(then, earliest_deadline()));
  }
  [[nodiscard]] time_point earliest_deadline() const noexcept {
    auto earliest = time_point::max();
    for (auto const& t : threads_)
      if (t && t->state == virtual_thread::condition::blocked) earliest = std::min(earliest, t->deadline);
    return earliest;
  }
  void wake_one(void const* address) noexcept override { make_ready(address, 1); }

  static void live(void* thread) noexcept;
  static void* stop_pool(void* self);
  std::uintptr_t add_thread(void* (*entry)(void*), void* argument);
  void make_ready(void const* address, int count) noexcept;
  void resume(virtual_thread& t) noexcept;
  [[nodiscard]] virtual_thread* choose() noexcept;
  void abandon() noexcept;

  // Any of those for whom it is true, or null.
  template <class Predicate>
  [[nodiscard]] virtual_thread* pick(Predicate const& eligible) noexcept;

  void note(std::uint64_t decision) noexcept {
    trace_ = (trace_ ^ decision) * 0x9E3779B97F4A7C15u;
    trace_ ^= trace_ >> 29;
  }

  random_source random_;
  clock::duration const most_per_step_;
  std::uint64_t const most_steps_;
  std::size_t const stack_bytes_;
  // Worlds differ in how often a thread is interrupted, and in how often one is held back for long: one in so many.
  std::uint32_t const turns_, holds_;

  std::vector<std::unique_ptr<virtual_thread>> threads_;  // by number - 1; null: joined
  virtual_thread* running_ = nullptr;
  network network_;
  handle_slab* handles_ = nullptr;  // null: before the first run
  pool* pool_ = nullptr;
  pool* stoppable_ = nullptr;
  bool stopping_ = false;
  clock::time_point now_{std::chrono::hours(1)};
  std::uint64_t ticks_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t moved_ = 0;  // the step of the last jump in time
  std::uint64_t trace_ = 0;
};

inline virtual_thread::virtual_thread(world& w, std::uintptr_t own_number, std::size_t stack_bytes, void* (*e)(void*),
                                      void* a)
    : home(w), number(own_number), entry(e), argument(a), stack(stack_bytes, &world::live, this) {}

inline world_end world::run(function_ref<void()> body) {
  auto const begun = moved_ = steps_;
  stoppable_ = nullptr;  // a run that was abandoned left its pool here
  stopping_ = false;
  if (!handles_) handles_ = spare_slabs().take();
  auto most = most_steps_;
  auto end = world_end::in_order;
  auto const first = add_thread(
      [](void* f) -> void* {
        (*static_cast<function_ref<void()>*>(f))();
        return nullptr;
      },
      &body);
  while (threads_[first - 1]->state != virtual_thread::condition::ended) {
    virtual_thread* const next = steps_ - begun < most ? choose() : nullptr;
    if (next) {
      resume(*next);
      continue;
    }
    if (end != world_end::in_order || !stoppable_) {
      if (end == world_end::in_order) end = steps_ - begun < most ? world_end::deadlock : world_end::endless;
      abandon();
      break;
    }
    end = steps_ - begun < most ? world_end::deadlock : world_end::endless;
    most += most_steps_;
    stopping_ = true;
    add_thread(&world::stop_pool, this);
  }
  threads_.clear();
  return end;
}

inline void* world::stop_pool(void* p) {
  world& self = *static_cast<world*>(p);
  scheduler_of(*self.pool_).stop().request_stop();
  self.stopping_ = false;
  self.make_ready(&self.stopping_, 1);
  return nullptr;
}

inline void world::live(void* p) noexcept {
  virtual_thread& self = *static_cast<virtual_thread*>(p);
  self.entry(self.argument);
  self.state = virtual_thread::condition::ended;
  self.home.make_ready(&self, 1);
}

inline void world::make_ready(void const* address, int count) noexcept {
  for (; count > 0; --count) {
    virtual_thread* const woken = pick(
        [&](virtual_thread const& t) { return t.state == virtual_thread::condition::blocked && t.address == address; });
    if (!woken) break;
    woken->state = virtual_thread::condition::ready;
  }
}

inline std::uintptr_t world::add_thread(void* (*entry)(void*), void* argument) {
  auto place = std::find(threads_.begin(), threads_.end(), nullptr);
  if (place == threads_.end()) place = threads_.emplace(place);
  auto const number = static_cast<std::uintptr_t>(place - threads_.begin()) + 1;
  *place = std::make_unique<virtual_thread>(*this, number, stack_bytes_, entry, argument);
  return number;
}

inline void world::resume(virtual_thread& t) noexcept {
  constexpr std::uint64_t patience = 10'000;
  ++steps_;
  // Time stands still while anybody runs, but not for those who wait by looking again and again.
  if (steps_ - moved_ > patience) now_ += std::chrono::microseconds(1);
  if (most_per_step_ > clock::duration::zero())
    now_ += clock::duration(
        static_cast<clock::rep>(random_.next() % (static_cast<std::uint64_t>(most_per_step_.count()) + 1)));
  note(t.number);
  note(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  running_ = &t;
  t.kept.change_places();
  auto* const around = std::exchange(this_thread_simulation, this);
  t.stack.enter();
  this_thread_simulation = around;
  t.kept.change_places();
  running_ = nullptr;
}

template <class Predicate>
virtual_thread* world::pick(Predicate const& eligible) noexcept {
  std::uint32_t count = 0;
  for (auto const& t : threads_) count += t && eligible(*t) ? 1 : 0;
  if (count == 0) return nullptr;
  auto left = random_.below(count);
  for (auto const& t : threads_)
    if (t && eligible(*t) && left-- == 0) return t.get();
  return nullptr;
}

// Whose turn it is: anybody who is not blocked, but for those who are held back while others are not. Where all are blocked, time moves
// on to the earliest deadline, or to what arrives next, and once in a while beyond that, so that several arrive together.
inline virtual_thread* world::choose() noexcept {
  constexpr std::uint32_t longest_hold = 100, late_arrivals = 4;
  for (;;) {
    network_.arrive();
    virtual_thread* next =
        pick([this](virtual_thread const& t) { return t.may_run(now_) && t.held_back_until <= steps_; });
    if (next && random_.below(holds_) == 0) {
      next->held_back_until = steps_ + 1 + random_.below(longest_hold);
      continue;
    }
    if (!next) next = pick([this](virtual_thread const& t) { return t.may_run(now_); });
    if (next) {
      next->state = virtual_thread::condition::ready;
      return next;
    }
    auto earliest = earliest_deadline();
    if (auto const arrival = network_.next_arrival(); arrival < earliest)
      earliest = random_.below(late_arrivals) == 0 ? std::min(earliest, network_.late(arrival)) : arrival;
    if (earliest == clock::time_point::max()) return nullptr;
    now_ = earliest;
    moved_ = steps_;
  }
}

// Nobody runs the threads any more, and what they hold cannot be destroyed without them.
inline void world::abandon() noexcept {
  static small_mutex lock;
  static auto* const abandoned = new std::vector<std::unique_ptr<virtual_thread>>;
  small_lock const guard(lock);
  for (auto& t : threads_) {
    if (!t) continue;
    t->stack.abandon();
    abandoned->push_back(std::move(t));
  }
  handles_->for_each(lose_descriptor);
  handles_ = nullptr;
  network_.forget_all();
}

}  // namespace weft::detail
