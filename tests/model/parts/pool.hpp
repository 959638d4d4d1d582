// A pool in a model: its threads are modelled threads.
#pragma once

#include <weft/sched/pool.hpp>

#include <model/model.hpp>

namespace weft_model {

/// Without the monitor: it would hide a lost wake-up, and it asks the kernel what threads do.
class small_pool : public weft::pool {
 public:
  explicit small_pool(unsigned workers) : weft::pool(options(workers)) { weft::scheduler_of(*this).forgo_monitor(); }

 private:
  static weft::pool_options options(unsigned workers) {
    keep_apart(reinterpret_cast<void**>(&weft::detail::this_thread_worker));
    weft::pool_options o;
    o.workers = workers;
    return o;
  }
};

}  // namespace weft_model
