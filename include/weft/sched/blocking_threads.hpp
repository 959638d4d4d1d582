// Threads for calls that block: started when there is more to do than threads free, up to a cap, ended when long idle.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/intrusive.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/concurrent/parking.hpp>
#include <weft/os/clock.hpp>
#include <weft/os/thread.hpp>

#include <chrono>
#include <memory>
#include <system_error>
#include <utility>

namespace weft::detail {

/// A call that may block. Owned by whoever submits it, until run is called or cancel has said yes.
struct blocking_call : list_link {
  using function = void (*)(blocking_call*) noexcept;
  explicit blocking_call(function f) noexcept : run(f) {}
  function run;
};

/// Does whoever has these threads end before the process does? Then threads that have ended are joined, by the next call or with their owner;
/// else nobody may come, and they leave by themselves.
enum class lifetime { ends, process };

/// Any thread. Calls begin in the order in which they were submitted.
class blocking_threads : pinned {
 public:
  blocking_threads(unsigned most, char const* name, lifetime owners = lifetime::ends) noexcept
      : most_(most == 0 ? 1 : most), name_(name), owners_(owners) {}

  /// No call is queued or running any more.
  ~blocking_threads() {
    {
      small_lock const guard(lock_);
      ending_ = true;
    }
    work_.notify_all();
    while (one_thread* const t = all_.pop_front()) end(t);
    while (one_thread* const t = ended_.pop_front()) end(t);
  }

  /// An error where the call could not be begun by any thread, now or later; the call is the caller's again.
  [[nodiscard]] std::error_code submit(blocking_call& call) noexcept {
    intrusive_list<one_thread> ended;
    std::error_code error;
    {
      small_lock const guard(lock_);
      calls_.push_back(&call);
      ++queued_;
      if (queued_ > free_ && running_ < most_) error = start_thread();
      if (running_ == 0) {
        calls_.remove(&call);
        --queued_;
        return error;
      }
      while (one_thread* const t = ended_.pop_front()) ended.push_back(t);
    }
    work_.notify_one();
    while (one_thread* const t = ended.pop_front()) end(t);
    return {};
  }

  /// True: the call had not begun and never will; it is the caller's again.
  [[nodiscard]] bool cancel(blocking_call& call) noexcept {
    small_lock const guard(lock_);
    if (!call.linked()) return false;
    calls_.remove(&call);
    --queued_;
    return true;
  }

  /// Threads that exist now.
  [[nodiscard]] unsigned running() noexcept {
    small_lock const guard(lock_);
    return running_;
  }

 private:
  static constexpr auto idle_at_most = std::chrono::seconds(10);

  struct one_thread : list_link {
    explicit one_thread(blocking_threads& s) noexcept : set(s) {}
    void operator()() noexcept { set.serve(*this); }
    blocking_threads& set;
    thread handle;
  };

  static void end(one_thread* t) noexcept {
    t->handle.join();
    delete t;
  }

  // With lock_ held: a thread that nobody knows of yet cannot end, and one that was not created has promised nothing.
  std::error_code start_thread() noexcept {
    std::unique_ptr<one_thread> t(new (std::nothrow) one_thread(*this));
    if (!t) return std::make_error_code(std::errc::not_enough_memory);
    auto const error = t->handle.try_start({.name = name_}, *t);
    if (error) return error;
    ++running_;
    ++free_;
    all_.push_back(t.release());
    return {};
  }

  // free_ counts the threads that are not inside a call, whether they sleep or are on their way here.
  void serve(one_thread& self) noexcept {
    for (;;) {
      auto const key = work_.prepare_wait();
      lock_.lock();
      blocking_call* const call = calls_.pop_front();
      bool const ending = ending_;
      if (call) {
        --queued_;
        --free_;
      }
      lock_.unlock();
      if (call) {
        work_.cancel_wait();
        call->run(call);  // Past here *call may be gone.
        small_lock const guard(lock_);
        ++free_;
        continue;
      }
      if (ending) return work_.cancel_wait();
      if (work_.wait(key, deadline_after(idle_at_most))) continue;
      std::unique_ptr<one_thread> mine;  // freed after lock_ has been let go of
      small_lock const guard(lock_);
      if (!calls_.empty() || ending_) continue;
      --free_;
      --running_;
      all_.remove(&self);
      if (owners_ == lifetime::ends) return ended_.push_back(&self);
      self.handle.detach();
      mine.reset(&self);
      return;
    }
  }

  unsigned const most_;
  char const* const name_;
  lifetime const owners_;
  small_mutex lock_;
  event_count work_;
  intrusive_list<blocking_call> calls_;  // guarded by lock_
  std::size_t queued_ = 0;               // guarded by lock_: their number
  std::size_t free_ = 0;                 // guarded by lock_
  unsigned running_ = 0;                 // guarded by lock_
  bool ending_ = false;                  // guarded by lock_
  intrusive_list<one_thread> all_;       // guarded by lock_
  intrusive_list<one_thread> ended_;     // guarded by lock_: to be joined by whoever comes next
};

}  // namespace weft::detail
