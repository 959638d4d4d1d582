// How a loop is shared: its range is one job; whoever runs it peels off chunks, and gives away the far half when asked.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/os/clock.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/sched/join.hpp>
#include <weft/sched/overdue.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace weft {

/// How a loop is run. All numbers are elements; 0: found by itself.
struct loop_options {
  std::size_t grain =
      0;  ///< elements in a chunk: the least that is given away, and what runs between two looks at the stop token
  std::size_t limit = 0;  ///< waiting bodies in flight, at most; 0: 1024. Computing bodies: not used
};

namespace detail {

/// options.grain, or what is chosen where it is 0, as a distance between iterators: no less than `least`.
template <std::signed_integral Difference>
constexpr Difference grain_or(loop_options const& o, std::size_t chosen, std::size_t least) noexcept {
  constexpr auto most = static_cast<std::size_t>(std::numeric_limits<Difference>::max());
  return static_cast<Difference>(o.grain != 0 ? std::clamp(o.grain, least, most) : chosen);
}

/// What a loop does with a range of indices: `run` adds elements [first, last) to an accumulator, `combine` adds to the accumulator
/// of a range that of the range right of it. An accumulator is made empty. Where there is a `finished` and it says so, what has not
/// been begun is left out.
template <class Work>
concept loop_work =
    std::default_initializable<typename Work::accumulator> && requires(Work& w, typename Work::accumulator& a) {
      w.run(a, std::size_t{}, std::size_t{});
      w.combine(a, std::move(a));
    };

// Chunks begin with one element and double until one takes 10 µs, so that the clock and the stop token cost nothing against the
// body; they shrink where one takes more than 50. Splitting is asked for, never assumed: a worker that searches, sleeps or is
// about to raises `wanted`, and the far half becomes a job only then, and only if thieves have nothing else to take here. A loop
// whose body is known to be so cheap that all of it takes less than a wake-up runs inline.
// Source: Tzannes, Caragea, Barua, Vishkin, "Lazy binary splitting" (PPoPP 2010), with the deque's flag in place of its size.
template <class Work>
concept finishes_early = requires(Work const& w) {
  { w.finished() } -> std::same_as<bool>;
};

/// One loop, from its call to its end. Lives in the caller's frame; run by the caller and by thieves.
template <loop_work Work>
class range_loop : pinned {
 public:
  using accumulator = typename Work::accumulator;

  range_loop(Work& work, std::size_t grain) noexcept : work_(work), grain_(grain) {}

  /// Ticks that an element of such a loop has taken on this worker; negative: not known.
  [[nodiscard]] static float known_cost(worker& self) noexcept { return self.loops.of(key()).cost; }

  /// What takes less than so many ticks is not worth waking anybody for.
  static constexpr std::uint64_t small_loop = 6 * ticks_per_microsecond;

  void run(worker& self, accumulator& result, std::size_t count) {
    std::size_t first = 0;
    if (grain_ == 0) {
      auto& known = self.loops.of(key());
      if (known.cost >= 0 && known.cost * static_cast<float>(count) < static_cast<float>(small_loop)) {
        check_stop(self);
        first = ++known.untimed % 16 == 0 ? run_small(self, result, 0, count) : run_tiny(self, result, count);
        if (first == count) return;
      }
    }
    overdue_watch watch(self);
    run_range(self, watch, result, first, count);
  }

 private:
  static constexpr std::uint64_t short_chunk = 10 * ticks_per_microsecond;
  static constexpr std::uint64_t long_chunk = 50 * ticks_per_microsecond;

  static void const* key() noexcept {
    static char const of_this_body = 0;
    return &of_this_body;
  }

  // A loop that has been small so far is not shared, unless an element turns out to take long. Both give where they have stopped:
  // at `count`, or where the others are to be shared.

  /// With one look at the clock, which costs as much as a few bodies: if any loop here looked a moment ago, the first element has
  /// taken less than that.
  std::size_t run_tiny(worker& self, accumulator& result, std::size_t count) {
    run_chunk(result, 0, 1);
    if (count == 1) return count;
    auto const now = ticks();
    auto const before = std::exchange(self.loops.seen, now);
    if (count > 64 || now - before > small_loop) [[unlikely]]
      return run_small(self, result, 1, count);
    run_chunk(result, 1, count);
    return count;
  }

  /// Measured as a whole.
  std::size_t run_small(worker& self, accumulator& result, std::size_t first, std::size_t count) {
    auto const begun = ticks(), all = count - first;
    auto before = begun;
    for (std::size_t step = 1;;) {
      run_chunk(result, first, first + step);
      first += step;
      auto const now = ticks();
      auto const took = now - std::exchange(before, now);
      self.loops.seen = now;
      if (first == count || took > small_loop) {
        auto const [time, elements] = first == count ? std::pair(now - begun, all) : std::pair(took, step);
        self.loops.of(key()).cost = static_cast<float>(time) / static_cast<float>(elements);
        return first;
      }
      step = std::min(64 * step, count - first);
    }
  }

  /// Apart from all else, so that the compiler makes the body's loop once, and sees it alone.
  [[gnu::noinline]] void run_chunk(accumulator& result, std::size_t first, std::size_t last) {
    work_.run(result, first, last);
  }

  [[nodiscard]] bool over() const noexcept {
    if constexpr (finishes_early<Work>)
      if (work_.finished()) return true;
    return failed_.load(memory_order_relaxed);
  }

  static void check_stop(worker& self) {
    if (self.current && self.current->stop && self.current->stop->stop_requested()) [[unlikely]]
      throw stopped{};
  }

  /// The far half of a range, as a job in the frame of whoever runs the near half.
  class piece : public forked {
   public:
    piece(range_loop& loop, context* c, std::size_t first, std::size_t last) noexcept
        : forked(&piece::act_as_job, c), loop_(loop), first_(first), last_(last) {}
    ~piece() {}

    /// After the near half: this one here, or what its thief has made of it.
    void join(worker& self, overdue_watch& watch, accumulator& near) {
      if (self.deque.pop() || !wait(self)) return loop_.continue_with(self, watch, near, first_, last_);
      end_stop_state();
      scope_exit const gone([this]() noexcept { far_.~slot(); });
      loop_.work_.combine(near, far_.take());
    }

    [[gnu::noinline, gnu::cold]] void abandon(worker& self) noexcept {
      if (self.deque.pop()) return;
      ask_to_stop();
      if (!wait(self)) return;
      end_stop_state();
      far_.~slot();
    }

   private:
    using slot = result_slot<accumulator>;

    static void act_as_job(job* j, worker& self, job_order order) noexcept {
      auto& me = *static_cast<piece*>(j);
      if (order == job_order::give_back) return me.give_back(self);
      me.run_as_thief(self, [&me, &self] {
        ::new (static_cast<void*>(&me.far_)) slot;
        settle_with(me.far_, [&me, &self] {
          accumulator a{};
          overdue_watch watch(self);
          try {
            me.loop_.run_range(self, watch, a, me.first_, me.last_);
          } catch (...) {
            me.loop_.failed_.store(true, memory_order_relaxed);
            throw;
          }
          return a;
        });
      });
    }

    range_loop& loop_;
    std::size_t first_, last_;
    union {
      slot far_;  // raw until a thief begins
    };
  };

  /// Where so many elements, more than a chunk, are cut: about half way, and between the chunks that are asked for.
  [[nodiscard]] std::size_t middle_of(std::size_t count) const noexcept {
    auto const half = count / 2;
    auto const over = grain_ != 0 ? half % grain_ : 0;
    return over != 0 ? half + (grain_ - over) : half;
  }

  void continue_with(worker& self, overdue_watch& watch, accumulator& near, std::size_t first, std::size_t last) {
    accumulator far{};
    run_range(self, watch, far, first, last);
    work_.combine(near, std::move(far));
  }

  void run_range(worker& self, overdue_watch& watch, accumulator& result, std::size_t first, std::size_t last) {
    auto const all = last - first;
    std::uint64_t spent = 0;
    std::size_t done = 0;
    auto now = ticks();
    std::size_t chunk = grain_ != 0 ? grain_ : 1;
    // After a failure anywhere, what is left ends as if it were done: the failure itself is thrown by whoever joins it.
    while (first != last && !over()) {
      check_stop(self);
      if (last - first > chunk && self.deque.wanted() && !self.deque.has_public()) {
        auto const middle = first + middle_of(last - first);
        piece far(*this, self.current, middle, last);
        if (self.home.push_looking_up(self, &far)) [[likely]] {
          try {
            run_range(self, watch, result, first, middle);
          } catch (...) {
            failed_.store(true, memory_order_relaxed);
            far.abandon(self);
            throw;
          }
          return far.join(self, watch, result);
        }
      }
      // No more than a part of what is left at a time: who comes late still finds some, and elements that cost more than those before
      // hold up nobody for long.
      auto const left = last - first;
      auto const here = grain_ != 0 ? std::min(grain_, left)
                                    : std::min({chunk, left, std::max({left / 4, chunk / 8, std::size_t{1}})});
      run_chunk(result, first, first + here);
      auto const ended = ticks();
      watch.look(ended);
      auto const took = ended - std::exchange(now, ended);
      spent += took;
      done += here;
      first += here;
      if (grain_ != 0) continue;
      if (took > long_chunk) chunk = std::max<std::size_t>(here / 2, 1);
      else if (took < short_chunk && here == chunk) chunk *= 2;
    }
    if (grain_ == 0 && done == all) self.loops.of(key()).cost = static_cast<float>(spent) / static_cast<float>(done);
  }

  Work& work_;
  std::size_t const grain_;
  atomic<bool> failed_{false};  // relaxed: it says no more than that a part has failed; the failure comes by the join
};

/// Runs a loop of `count` elements, from any thread.
template <loop_work Work>
typename Work::accumulator run_loop(Work& work, std::size_t count, loop_options const& o) {
  typename Work::accumulator result{};
  if (count == 0) return result;
  range_loop<Work> loop(work, o.grain);
  worker* const self = current_worker_inline();
  if (self) [[likely]] {
    loop.run(*self, result, count);
  } else {
    as_worker<unit>([&](worker& w) {
      loop.run(w, result, count);
      return unit{};
    });
  }
  return result;
}

}  // namespace detail
}  // namespace weft
