// The state of a pool: its workers, their shared queues, and the ways work gets in. run_loop.hpp has what a worker does with it.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/backlog.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/concurrent/parking.hpp>
#include <weft/os/affinity.hpp>
#include <weft/os/io_choice.hpp>
#include <weft/os/thread.hpp>
#include <weft/sched/block_cache.hpp>
#include <weft/sched/driver.hpp>
#include <weft/sched/idle.hpp>
#include <weft/sched/job.hpp>
#include <weft/sched/worker.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

namespace weft {

class pool;

/// Whether the CPUs that workers run on are left to the system.
enum class pinning { off, on };

namespace detail {

class blocking_threads;
enum class lifetime;

/// Where the failure of a task goes that nobody can receive.
using failure_handler = void (*)(std::exception_ptr) noexcept;

/// Any thread, unless a member says otherwise. Created and destroyed by pool.
class scheduler : pinned {
 public:
  struct options {
    unsigned workers;  // at least 1
    unsigned max_blocking;
    pinning pin;
    char const* name;
    failure_handler on_failure;
    io_backend io = io_backend::epoll;  // not automatic
  };

  /// Starts the workers. Fewer, where the system gives fewer threads; throws std::system_error where it gives none.
  scheduler(options const& o, pool& face);
  /// shut_down has been called.
  ~scheduler();

  [[nodiscard]] unsigned size() const noexcept { return size_; }
  [[nodiscard]] pool& face() const noexcept { return face_; }
  [[nodiscard]] options const& settings() const noexcept { return options_; }

  /// Throws std::logic_error where this pool was inherited through fork(): its threads are in another process.
  void require_this_process() const;

  // ── ways in ──

  /// Puts a new job behind what is there: into the calling worker's ring if it is one of ours, else into the injection queue.
  void submit(ready_job* j) noexcept;

  /// The same for a job that gives way. It leaves its worker free for what comes next, so that nobody need be woken for it.
  void submit_behind(ready_job* j) noexcept;

  /// Puts a job that was waiting in front: it runs next on this worker, unless somebody takes it.
  void submit_woken(ready_job* j) noexcept;

  /// The same by the calling worker, which is `self`.
  void submit_woken(worker& self, ready_job* j) noexcept;

  /// The same for all of a batch; where there are several, behind what is there.
  void submit_woken(worker& self, ready_batch& batch) noexcept;

  /// A push that is not clear. False: the deque is full, nothing was pushed.
  [[nodiscard]] bool push_looking_up(worker& self, job* j) noexcept;

  /// Makes what `self` keeps private public, as much as is asked for. Cold: after a push that found the deque wanted.
  void share(worker& self) noexcept;

  /// Work has been made visible by a seq_cst operation: wakes a sleeper, unless somebody searches anyway.
  void notify_work() noexcept;
  void notify_of_woken() noexcept;
  void call_somebody() noexcept;
  [[nodiscard]] bool nobody_to_call() const noexcept;

  // ── time ──

  /// seq_cst: a sleeper looks for it after it has announced itself; who installs it looks for sleepers after that.
  [[nodiscard]] driver* installed_driver() const noexcept { return driver_.load(memory_order_seq_cst); }
  /// Takes ownership, unless another was installed first; returns the one in place.
  driver* install_driver(std::unique_ptr<driver> d) noexcept;
  /// The driver has published an earlier deadline: whoever watches it looks again.
  void deadline_moved() noexcept;

  // ── the outside world ──

  /// The same for events: seq_cst.
  [[nodiscard]] event_driver* installed_events() const noexcept { return events_.load(memory_order_seq_cst); }
  event_driver* install_events(std::unique_ptr<event_driver> d) noexcept;
  /// The event driver has something to watch, perhaps for the first time: somebody idle sits down in it.
  void events_watched() noexcept;

  // ── threads that come and go ──

  /// A slot for a plain thread that joins in, or null: all are taken.
  [[nodiscard]] worker* enter_external();
  void leave_external(worker& self) noexcept;

  /// `self` is about to block in a plain wait: publishes its work, and as long as it is blocked, a spare is started when there
  /// is work and nobody to do it.
  void begin_blocking(worker& self) noexcept;
  void end_blocking(worker& self) noexcept;
  /// Makes ready, through `self`, what is due by now, and what has come from outside, if nobody has looked for a while.
  void poll_driver(worker& self) noexcept;
  /// The same for a loop, which goes on computing: as many as there are workers, so that a queue of loops does not become a thread each;
  /// and as many again for spares that have got into one themselves. False: that many have; or `self` is lent already.
  [[nodiscard]] bool begin_lending(worker& self) noexcept;
  void end_lending(worker& self) noexcept;
  /// Has a loop on `self` lent its place? Then it computes now, whatever has been thought of it.
  [[nodiscard]] bool lends_and_computes(worker& self) noexcept;
  /// Somebody blocks for what a part of a loop may have to bring: no spare stands by until the end of that. Who says so looks for somebody to
  /// take what is there after it.
  void begin_need() noexcept { in_need_.fetch_add(1, memory_order_seq_cst); }  // E of stands_by.
  void end_need() noexcept { in_need_.fetch_sub(1, memory_order_relaxed); }

  /// Are there ready jobs while nobody searches or sleeps who could take them?
  [[nodiscard]] bool ready_jobs_wait() const noexcept;

  /// How long a blocked worker may sleep before it calls try_again_for_spare: for ever, unless no thread could be had.
  [[nodiscard]] clock::time_point blocked_until() const noexcept;
  void try_again_for_spare(worker& self) noexcept;

  // ── the end ──

  /// Roots: what was started and is not part of something else. Counted before they start and when they end, so that a shutdown can
  /// wait. Throws std::logic_error where nothing new may begin: after a shutdown, or in another process; then nothing was counted.
  void root_started(worker* self);
  void root_ended(worker* self) noexcept;

  /// Asks everything to stop, if told so, then waits until all roots have ended, then ends the threads. Idempotent.
  void shut_down(bool ask_to_stop) noexcept;
  [[nodiscard]] bool closing() const noexcept { return closing_.load(memory_order_relaxed); }

  stop_state& stop() noexcept { return stop_; }
  void report(std::exception_ptr failure) const noexcept { options_.on_failure(std::move(failure)); }

  /// Before any work: this pool does without its monitor, which would hide a lost wake-up from a test.
  void forgo_monitor() noexcept { monitor_state_.store(monitor_state::awake, memory_order_relaxed); }

  /// Who has searched in vain so many times in a row, beside jobs that were left to their workers, dozes (see leaves_woken_alone). With
  /// none a test's workers always do. In a model nobody does unless told so: who looks again each millisecond would hide a lost wake-up.
  void doze_after(unsigned searches) noexcept { dozes_after_.store(searches, memory_order_relaxed); }

  /// Before any work: this pool is never ended.
  void stay_for_good() noexcept;

  // ── for the parts of the scheduler ──

  [[nodiscard]] worker& worker_at(unsigned index) const noexcept {
    return *workers_[index].load(memory_order_acquire);  // acquire: add_worker.
  }
  /// seq_cst: whoever looks at all work after announcing something sees every worker that had work by then.
  [[nodiscard]] unsigned worker_count() const noexcept { return worker_count_.load(memory_order_seq_cst); }
  block_depot& depot() noexcept { return depot_; }
  blocking_threads& blocking();
  /// Ready jobs waiting in the injection queue.
  [[nodiscard]] std::size_t injected() const noexcept { return injected_.load(memory_order_relaxed); }

  idle_set idle;

 private:
  static constexpr unsigned most_external = 64;

  struct worker_thread {
    scheduler* home;
    worker* self;
    void operator()() noexcept { home->run(*self); }
    thread handle;
  };

  struct monitor_thread {
    scheduler* home;
    void operator()() noexcept { home->monitor(); }
    thread handle;
  };

  worker* add_worker(worker_kind kind) noexcept;
  std::error_code start_thread(worker& w) noexcept;
  bool release_held(worker& self) noexcept;
  void give_place(worker& self) noexcept;
  void get_place_back(worker& self) noexcept;
  bool loop_waits(worker& self) noexcept;
  void one_loop_less() noexcept;
  void count_threads() noexcept;

  // monitor.hpp
  void arm_monitor() noexcept;
  void start_monitor() noexcept;
  void monitor() noexcept;
  [[nodiscard]] bool monitor_needed() const noexcept;
  enum class need { none, slow, urgent };  // of another look
  need monitor_look() noexcept;
  need look_at_loops() noexcept;
  [[nodiscard]] bool work_is_left_to_loops() const noexcept;
  [[nodiscard]] bool something_to_watch() const noexcept;
  [[nodiscard]] bool timers_due() const noexcept;
  void lend_place_of(worker& stuck) noexcept;
  void take_place_back(worker& self) noexcept;

  // How a worker comes out of its sleep: counted as a searcher or not; ended: the pool has, and it leaves.
  enum class awake { idle, searching, ended };

  // driver_seats.hpp
  awake sleep_in_driver(worker& self, event_driver& events) noexcept;
  [[nodiscard]] clock::time_point keep_time(worker& self, bool take_over) noexcept;
  void stop_keeping_time(worker& self) noexcept;
  void nudge_seat() noexcept;
  [[nodiscard]] bool take_seat_call(event_driver& events) noexcept;
  void poll_events(worker& self, std::uint64_t patience) noexcept;
  void submit_batch(worker& self, ready_batch& batch) noexcept;
  [[nodiscard]] bool events_unwatched() const noexcept;

  // run_loop.hpp
  void run(worker& self) noexcept;
  void poll_timers(worker& self, driver::in_use what = driver::in_use::left) noexcept;
  void look_before_sleep(worker& self) noexcept;
  [[nodiscard]] job* search(worker& self) noexcept;
  void watch_left_alone() noexcept;
  job* find_local(worker& self) noexcept;
  job* find_local_in_order(worker& self) noexcept;
  job* find_anywhere(worker& self) noexcept;
  job* take_ready_of_others(worker& self, unsigned start) noexcept;
  job* take_woken_of_others(worker& self, unsigned start) noexcept;
  [[nodiscard]] bool has_stayed(worker& self, worker const& victim, std::uint64_t patience) const noexcept;
  job* take_injected(worker& self) noexcept;
  static void prefetch(ready_job const* later) noexcept;
  void run_job(worker& self, job* j) noexcept;
  void run_taken(worker& self, job* j) noexcept;
  awake search_and_sleep(worker& self) noexcept;
  awake sleep(worker& self) noexcept;
  void leave_search() noexcept;
  enum class look_at { all, all_but_woken, all_but_deques };
  [[nodiscard]] bool work_visible(look_at what = look_at::all) const noexcept;
  [[nodiscard]] bool leaves_woken_alone(worker const& self) const noexcept;
  static constexpr auto longest_doze = std::chrono::milliseconds(1);
  [[nodiscard]] bool work_visible_to(worker const& self) const noexcept;
  [[nodiscard]] bool stands_by(worker const& self) const noexcept;
  [[nodiscard]] bool spares_stand_by() const noexcept;
  [[nodiscard]] bool work_is_missed() const noexcept;
  void count_injected(std::size_t more) noexcept;
  void inject(ready_job* j) noexcept;
  void wake(int index) noexcept;
  bool retire_if_surplus(worker& self) noexcept;
  bool retire(worker& self) noexcept;
  bool reclaim_held() noexcept;
  void start_spare_if_short() noexcept;
  [[nodiscard]] bool all_roots_ended() const noexcept;
  friend class join_wait;

  options const options_;
  cpu_mask const cpus_;  // of spares and of the monitor, whoever starts them
  std::string const name_;
  pool& face_;
  unsigned const generation_;  // of the process that made this pool
  unsigned size_ = 0;          // constant once open_ is set
  lifetime lifetime_{};        // constant once there is work
  atomic<std::uint32_t> open_{0};
  block_depot depot_;

  std::array<atomic<worker*>, idle_set::capacity> workers_{};
  atomic<unsigned> worker_count_{0};
  std::array<atomic<bool>, idle_set::capacity> external_free_{};
  atomic<unsigned> externals_{0};
  atomic<unsigned> held_{0};                           // sleepers kept asleep for plain threads that have joined in
  atomic<bool> dozing_{false};                         // a sleeper looks after what was just woken, within longest_doze
  atomic<unsigned> dozes_after_{modelled ? ~0u : 2u};  // searches in vain

  alignas(cache_line) small_mutex injection_lock_;
  backlog<ready_job, &ready_job::next_ready> injection_;  // guarded by injection_lock_
  atomic<std::size_t> injected_{0};                       // its length

  alignas(cache_line) atomic<driver*> driver_{nullptr};
  atomic<int> timekeeper_{idle_set::nobody};  // the sleeper that watches the driver's deadline
  atomic<event_driver*> events_{nullptr};
  atomic<bool> time_moved_{false};      // one of those in seats is to look at the deadline again
  atomic<bool> polling_{false};         // somebody who is not in a seat looks at the events
  atomic<std::uint64_t> last_poll_{0};  // ticks: when somebody looked at them last

  stop_state stop_;
  atomic<bool> closing_{false}, exiting_{false};
  event_count closed_;                 // all roots may have ended
  atomic<std::uint32_t> entering_{0};  // threads of others inside submit
  small_mutex shutdown_lock_;
  bool shut_down_ = false;  // guarded by shutdown_lock_
  atomic<std::uint64_t> plain_roots_started_{0}, plain_roots_ended_{0};

  small_mutex threads_lock_;
  unsigned running_ = 0;                                 // guarded by threads_lock_: threads in the run loop
  unsigned blocked_ = 0;                                 // guarded by threads_lock_: of those, blocked in a plain wait
  atomic<int> surplus_{0};                               // running_ - blocked_ - size_, for a look without the lock
  atomic<bool> spare_failed_{false};                     // no thread could be had for the last spare
  atomic<clock::duration::rep> spare_retry_{0};          // since the clock's epoch: none is asked for before
  atomic<unsigned> loops_lent_{0};                       // places lent by loops that compute (see overdue.hpp)
  atomic<unsigned> in_need_{0};                          // who are blocked, but for those in joins of no such loop
  std::vector<worker*> reserve_;                         // guarded by threads_lock_: spares that nobody needs now
  std::vector<worker*> threadless_;                      // guarded by threads_lock_: spares that could not be started
  std::vector<std::unique_ptr<worker_thread>> threads_;  // guarded by threads_lock_
  atomic<blocking_threads*> blocking_{nullptr};

  // monitor.hpp
  enum class monitor_state : std::uint32_t { absent, asleep, awake };
  alignas(cache_line) atomic<monitor_state> monitor_state_{monitor_state::absent};
  parker monitor_sleep_;
  std::unique_ptr<monitor_thread> monitor_thread_;  // guarded by threads_lock_ until exiting_ is set
  clock::time_point monitor_retry_;                 // guarded by threads_lock_: no thread is to be had before
  worker* monitor_self_ = nullptr;                  // the monitor alone: through which it polls for events
  std::uint64_t monitor_looks_ = 0;                 // the monitor alone
};

}  // namespace detail
}  // namespace weft
