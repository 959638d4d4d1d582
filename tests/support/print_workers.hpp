// What the threads of a pool are at, for a test that is stuck.
#pragma once

#include <weft/concurrent/atomic.hpp>
#include <weft/sched/pool.hpp>

#include <cstdio>

namespace weft_test {

/// A line for the pool and one for each of its workers, on standard error. Any thread; numbers of different moments.
inline void print_workers(weft::pool& p) {
  using weft::detail::memory_order_relaxed;
  auto& core = weft::scheduler_of(p);
  std::fprintf(stderr, "pool of %u: %u searching, %u sleeping, %zu injected, ready jobs %s, %s\n", core.size(),
               static_cast<unsigned>(core.idle.searching()), static_cast<unsigned>(core.idle.sleeping()),
               core.injected(), core.ready_jobs_wait() ? "wait" : "do not wait", core.closing() ? "closing" : "open");
  for (unsigned i = 0; i < core.worker_count(); ++i) {
    weft::detail::worker const& w = core.worker_at(i);
    constexpr char const* kinds[] = {"regular", "spare", "external"};
    constexpr char const* lendings[] = {"", ", its loop has lent its place", ", its loop has lent its place and waits"};
    std::fprintf(
        stderr, "  %u %s%s%s%s%s%s: %llu jobs, %zu in the ring, %s, %s, running %llx, waiting for %llx, blocked %u\n",
        i, kinds[static_cast<int>(w.kind)], core.idle.asleep(w.index) ? ", asleep" : "",
        w.in_driver.load(memory_order_relaxed) ? ", in the driver" : "",
        w.in_reserve.load(memory_order_relaxed) ? ", in reserve" : "",
        w.lent.load(memory_order_relaxed) ? ", lent" : "",
        lendings[static_cast<int>(w.loop_lends.load(memory_order_relaxed))],
        static_cast<unsigned long long>(w.jobs.get()), w.ring.size(),
        w.lifo.load(memory_order_relaxed) ? "one just woken" : "none just woken",
        w.deque.looks_stealable() ? "work to steal" : "nothing to steal",
        static_cast<unsigned long long>(w.running.load(memory_order_relaxed)),
        static_cast<unsigned long long>(w.waiting_for.load(memory_order_relaxed)), w.waits.load(memory_order_relaxed));
  }
}

}  // namespace weft_test
