// Runs a task on a pool of one worker, under a watchdog and a balance.
#pragma once

#include "support/balance.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"

namespace weft_test {

/// Everything that is ready runs until it waits, in an order that is known. `f` is a function that gives a task; `name`, of the test, is
/// what the watchdog says if the task does not end.
template <class F>
void on_one_worker(char const* name, F f) {
  watchdog const guard(name);
  balance const balanced;
  unmonitored_pool pool{{.workers = 1}};
  pool.run(f);
}

}  // namespace weft_test
