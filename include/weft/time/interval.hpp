// interval: a task is woken at even distances in time, however long its work takes in between.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/os/clock.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace weft {

/// What an interval does whose task comes too late for a tick. One that is late gets the tick at once, in any case.
enum class missed_ticks {
  skip,   ///< the tick stands for all that were missed, and says how many; the next one comes when it was due all along
  burst,  ///< each is made up for, one after the other without a wait; the next one comes when it was due all along
  delay   ///< forgotten: the next one comes a whole period after this one
};

namespace detail {

/// When the ticks of an interval are due: its arithmetic, without a clock. Times are held at the clock's end.
class tick_schedule {
 public:
  using duration = clock::duration;
  using time_point = clock::time_point;

  /// The first tick is a period after `begin`.
  tick_schedule(time_point begin, duration period, missed_ticks when_missed) noexcept
      : period_(std::max(period, duration(1))),
        next_(later(std::max(begin, time_point()), 1)),
        when_missed_(when_missed) {
    WEFT_ASSERT(period > duration::zero(), "the period of an interval is longer than nothing");
  }

  [[nodiscard]] time_point next() const noexcept { return next_; }
  [[nodiscard]] duration period() const noexcept { return period_; }

  /// The tick that was due at next() is taken at `now`, which is not before. How many periods it stands for.
  [[nodiscard]] std::uint64_t take(time_point now) noexcept {
    switch (when_missed_) {
      case missed_ticks::delay: next_ = later(now, 1); return 1;
      case missed_ticks::burst: next_ = later(next_, 1); return 1;
      case missed_ticks::skip: break;
    }
    auto const periods = (now - next_) / period_ + 1;
    next_ = later(next_, periods);
    return static_cast<std::uint64_t>(periods);
  }

  void begin_again(time_point begin) noexcept { next_ = later(begin, 1); }

 private:
  // No time here is before the clock's own zero: so the difference of two is a duration.
  [[nodiscard]] time_point later(time_point t, duration::rep periods) const noexcept {
    return periods > (time_point::max() - t) / period_ ? time_point::max() : t + periods * period_;
  }

  duration period_;
  time_point next_;
  missed_ticks when_missed_;
};

/// The wait for one tick; not the interval is stopped, but the wait.
class tick_awaiter : public sleep_awaiter {
 public:
  explicit tick_awaiter(tick_schedule& s) noexcept : sleep_awaiter(s.next()), schedule_(s) {}

  std::uint64_t await_resume() {
    sleep_awaiter::await_resume();
    return schedule_.take(clock::now());
  }

 private:
  tick_schedule& schedule_;
};

class [[nodiscard]] tick_operation {
 public:
  explicit tick_operation(tick_schedule& s) noexcept : schedule_(&s) {}
  auto operator co_await() const noexcept { return tick_awaiter(*schedule_); }
  [[nodiscard]] tick_schedule& schedule() const noexcept { return *schedule_; }

 private:
  tick_schedule* schedule_;
};

}  // namespace detail

/// A clock that ticks: `interval every{1s}; for (;;) { co_await every.tick(); … }`. The first tick comes one period after the
/// interval was made, as that of Go's ticker, so that who wants one at once does the work before the loop. Ticks are due at whole periods
/// from then on and do not drift, whatever the work between them takes.
///
/// What is missed is skipped, unless asked for otherwise: a task that was held up for an hour is not to do the work of an hour's ticks
/// one after the other, which is what bursts come to. The tick tells how many periods it stands for, as a timerfd does, so nothing is
/// hidden from who has to make up for them. Nothing runs between ticks: an interval that nobody waits for costs nothing.
///
/// 24 bytes, no allocation. One task at a time.
class interval {
 public:
  /// A period longer than nothing, rounded up to nanoseconds; one beyond the clock's end never ticks.
  template <class Rep, class Period>
  explicit interval(std::chrono::duration<Rep, Period> period, missed_ticks when_missed = missed_ticks::skip) noexcept
      : interval(clock::now(), period, when_missed) {}

  /// The same, counted from `begin`, which may lie in the past or the future: the first tick is due a period after it.
  template <class Rep, class Period>
  interval(clock::time_point begin, std::chrono::duration<Rep, Period> period,
           missed_ticks when_missed = missed_ticks::skip) noexcept
      : schedule_(begin, detail::whole_duration(period), when_missed) {}

  /// auto periods = co_await every.tick();       also in select: on(every.tick(), f)
  ///   completes   when the next tick is due, or soon after, never before; at once where it was due already
  ///   result      how many periods have passed since the last tick: 1, or more where some were missed and are skipped
  ///   on error    std::bad_alloc, where a worker's first timer finds no memory
  ///   on stop     ends at once, as stopped; the tick is there for the next who waits
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto tick() noexcept { return detail::tick_operation(schedule_); }

  /// When the next tick is due.
  [[nodiscard]] clock::time_point next() const noexcept { return schedule_.next(); }
  [[nodiscard]] clock::duration period() const noexcept { return schedule_.period(); }

  /// Counts from now on: the next tick comes in a period. Not while somebody waits for one.
  void reset() noexcept { schedule_.begin_again(clock::now()); }

 private:
  detail::tick_schedule schedule_;
};

}  // namespace weft
