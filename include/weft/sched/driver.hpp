// What the scheduler asks of the floors above it that wait for the outside world: time/ implements the clock, io/ the events.
#pragma once

#include <weft/concurrent/intrusive.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/job.hpp>

namespace weft::detail {

class worker;

/// What becomes due. Installed into a pool once, by the first that needs it; lives until the pool ends.
class driver {
 public:
  driver() = default;
  driver(driver const&) = delete;
  driver& operator=(driver const&) = delete;
  virtual ~driver() = default;

  /// What poll does about what is due but in another thread's hands this moment. Who has other work leaves it; who has none and would
  /// ask again at once waits for that thread, which may be off its processor.
  enum class in_use { left, waited_for };

  /// Makes ready, through `self`, whatever is due at `now`. Any worker, several at a time.
  virtual void poll(worker& self, clock::time_point now, in_use what = in_use::left) noexcept = 0;

  /// The earliest time at which poll will have something to do; time_point::max(): none. Any thread; seq_cst, because a worker
  /// about to sleep announces that it watches the deadline and then looks at it.
  [[nodiscard]] virtual clock::time_point next_deadline() const noexcept = 0;
};

/// Jobs that came from outside, the first to come first.
using ready_batch = intrusive_queue<ready_job, &ready_job::next_ready>;

/// Where idle workers wait for events from outside, two at a time. Installed like a driver. Any thread, several at a time.
class event_driver {
 public:
  event_driver() = default;
  event_driver(event_driver const&) = delete;
  event_driver& operator=(event_driver const&) = delete;
  virtual ~event_driver() = default;

  /// May anything come at all? seq_cst: a sleeper announces itself, then asks; who makes this true calls
  /// scheduler::events_watched after that.
  [[nodiscard]] virtual bool watches() const noexcept = 0;

  /// Adds what has come to `batch`, without waiting. Each event is given out once. True: an interrupt was among them, and the
  /// caller passes it on if somebody else was meant.
  [[nodiscard]] virtual bool poll(ready_batch& batch) noexcept = 0;

  /// The same, but waits for something to come until the deadline; time_point::max(): for ever. Returns early without a reason, too.
  virtual void wait_until(ready_batch& batch, clock::time_point deadline) noexcept = 0;

  /// One call of wait_until, or of poll, that has not returned yet or begins later returns soon. Several interrupts that nobody has
  /// seen yet are one. Who is told of it has by that what was written before each of them: release, acquire.
  virtual void interrupt() noexcept = 0;
};

}  // namespace weft::detail
