// Work for a pool without coroutines: a root that is one function.
#pragma once

#include "support/unmonitored_pool.hpp"

#include <weft/os/futex.hpp>
#include <weft/sched/nested.hpp>
#include <weft/sched/pool.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>

namespace weft_test {

/// Calls f(worker) once on the pool it is submitted to, which may be gone, as the job may, once f has returned.
template <class F>
class root_job : public weft::detail::ready_job {
 public:
  explicit root_job(F f) : ready_job(&root_job::run), f_(std::move(f)) {}

  void submit(weft::pool& p) {
    auto& home = weft::scheduler_of(p);
    home.root_started(weft::detail::current_worker());
    home.submit(this);
  }

 private:
  static void run(weft::detail::job* j, weft::detail::worker& self, weft::detail::job_order) noexcept {
    auto& home = self.home;
    static_cast<root_job*>(static_cast<ready_job*>(j))->f_(self);
    home.root_ended(&self);
  }
  F f_;
};

/// Blocks one worker of a pool in a plain wait while it lives.
class blocked_worker {
 public:
  explicit blocked_worker(weft::pool& p) : job_({this}) {
    job_.submit(p);
    while (!blocked_.load()) std::this_thread::yield();
  }
  ~blocked_worker() {
    word_.store(1);
    weft::detail::futex_wake(word_, 1);
    while (!ended_.load()) std::this_thread::yield();
  }

 private:
  struct body {
    blocked_worker* me;
    void operator()(weft::detail::worker& self) const {
      weft::detail::block_worker(self, [this](weft::clock::time_point deadline) {
        me->blocked_ = true;
        weft::detail::futex_wait(me->word_, 0, deadline);
        return me->word_.load() != 0;
      });
      me->ended_ = true;
    }
  };
  std::atomic<bool> blocked_{false}, ended_{false};
  std::atomic<std::uint32_t> word_{0};
  root_job<body> job_;
};

/// Waits until every worker of an unused pool sleeps and is counted as sleeping; false where that does not come about.
inline bool falls_asleep(weft::pool& p) {
  auto& idle = weft::scheduler_of(p).idle;
  for (int tries = 0; tries != 60'000; ++tries) {
    if (idle.searching() == 0 && idle.sleeping() >= p.size()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace weft_test
