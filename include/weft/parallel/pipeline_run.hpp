// A pipeline that computes, as a plain call: alone as long as nobody is hungry or the items are not worth sharing, else with a team.
#pragma once

#include <weft/os/clock.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/parallel/pipeline_flow.hpp>
#include <weft/parallel/pipeline_team.hpp>
#include <weft/sched/overdue.hpp>
#include <weft/sched/scheduler.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace weft {

/// How a pipeline is run.
struct pipeline_options {
  std::size_t in_flight =
      0;  ///< items between the source and the end of the sink, at most; 0: found by itself, see pipeline
};

namespace detail {

/// One run on the calling worker, in its frame.
template <class Flow>
class pipeline_run : pinned {
 public:
  pipeline_run(Flow& flow, pipeline_options const& o, worker& self)
      : flow_(flow), team_(flow, shape_of(flow, o, self), self) {}

  void run(worker& self) {
    auto* const outer = std::exchange(self.current, &team_.ambient());
    scope_exit const back([&self, outer]() noexcept { self.current = outer; });
    team_.cost = item_cost(self.loops.of(key()).cost);
    auto const add_gates = [this, &self](flow_gates& gates) {
      auto const members = most_members(self);
      flow_.for_each_stage([&](stage_order order, std::size_t width) {
        if (order == stage_order::serial) gates.add_ordered();
        else if (width == 0 || width >= members) gates.add_open();
        else gates.add_wide(width);
      });
      gates.add_ordered();
    };
    while (!run_alone(self) && team_.run(self, add_gates) == pipeline_team::outcome::alone) {
    }
    self.loops.of(key()).cost = team_.cost.get();
  }

 private:
  static constexpr std::size_t most_in_a_look = 16, most_in_a_token = 16, most_bytes_in_a_token = 4096;

  static void const* key() noexcept {
    static char const of_this_flow = 0;
    return &of_this_flow;
  }

  static std::size_t most_members(worker const& self) noexcept {
    return self.home.size() + (self.kind == worker_kind::external ? 1 : 0);
  }

  static pipeline_team::shape shape_of(Flow const& flow, pipeline_options const& o, worker const& self) noexcept {
    auto const most = most_members(self);
    std::size_t width = 2;  // the source and the sink
    flow.for_each_stage([&](stage_order order, std::size_t w) {
      if (order == stage_order::serial) ++width;
      else width += w == 0 ? most : std::min(w, most);
    });
    auto const limit = o.in_flight != 0 ? o.in_flight : SIZE_MAX;
    auto const members = std::min({most, width, limit});
    auto const tokens = std::min(2 * width, limit);
    auto const batch = std::min(most_in_a_token, std::max<std::size_t>(1, most_bytes_in_a_token / Flow::stride));
    return {.members = members,
            .tokens = tokens,
            .batch = std::max<std::size_t>(1, std::min(batch, limit / tokens)),
            .stride = Flow::stride,
            .alignment = Flow::item_alignment};
  }

  // True: the source has ended. False: somebody is hungry, and it is worth while to share.
  bool run_alone(worker& self) {
    overdue_watch watch(self);
    std::size_t chunk = 1;
    bool looked_worth = true;  // what is known from before is believed
    for (;;) {
      team_.check_stop();
      if (looked_worth && (team_.eager() || (team_.worth_helping() && self.deque.wanted() && !self.deque.has_public())))
        return false;
      auto const begun = ticks();
      std::size_t done = 0;
      while (done < chunk && flow_.run_one()) ++done;
      auto const now = ticks();
      auto const took = now - begun;
      if (done != 0) {
        auto const each = static_cast<float>(took) / static_cast<float>(done);
        // One look may be wrong, as the thread may have been interrupted: this one and those before it must agree.
        looked_worth = team_.worth_helping() && team_.worth_helping(each);
        team_.cost.add(each);
      }
      if (done < chunk) return true;
      if (took < short_look) chunk = std::min(2 * chunk, most_in_a_look);
      else if (took > long_look) chunk = 1;
      else if (took > 4 * short_look) chunk = std::max<std::size_t>(chunk / 2, 1);
      watch.look(now);
    }
  }

  static constexpr std::uint64_t short_look = ticks_per_microsecond / 2, long_look = 20 * ticks_per_microsecond;

  Flow& flow_;
  pipeline_team team_;
};

template <class Flow>
void run_flow(Flow& flow, pipeline_options const& o) {
  auto const run_on = [&flow, &o](worker& self) {
    pipeline_run<Flow> run(flow, o, self);
    run.run(self);
    return unit{};
  };
  if (worker* const self = current_worker_inline()) [[likely]]
    run_on(*self);
  else as_worker<unit>(run_on);
}

}  // namespace detail
}  // namespace weft
