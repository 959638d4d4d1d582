// A pool that has as many threads as workers, as long as none of them waits.
#pragma once

#include <weft/sched/pool.hpp>

namespace weft_test {

/// A pool without a monitor. With one worker its tasks run one at a time, in an order that is known: a monitor takes a worker for
/// stuck that is slow, and lends its place to a second thread. Nothing repairs a lost wake-up before a test sees it, and nothing is
/// allocated but for tasks.
class unmonitored_pool : public weft::pool {
 public:
  explicit unmonitored_pool(weft::pool_options o) : pool(o) { weft::scheduler_of(*this).forgo_monitor(); }
};

}  // namespace weft_test
