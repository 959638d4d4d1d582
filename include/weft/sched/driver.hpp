// What the scheduler asks of the floors above it that wait for the outside world: time/ now, io/ behind the same calls.
#pragma once

#include <weft/os/clock.hpp>

namespace weft::detail {

class worker;

/// Installed into a pool once, by the first that needs it; lives until the pool ends.
class driver {
 public:
  driver() = default;
  driver(driver const&) = delete;
  driver& operator=(driver const&) = delete;
  virtual ~driver() = default;

  /// Makes ready, through `self`, whatever is due at `now`. Never blocks. Any worker, several at a time.
  virtual void poll(worker& self, clock::time_point now) noexcept = 0;

  /// The earliest time at which poll will have something to do; time_point::max(): none. Any thread; seq_cst, because a worker
  /// about to sleep announces that it watches the deadline and then looks at it.
  [[nodiscard]] virtual clock::time_point next_deadline() const noexcept = 0;
};

}  // namespace weft::detail
