// All public operations in simulated worlds, one thread of the system each, where a fault can be planted anywhere: in the nth allocation of
// whatever virtual thread, in the nth call of a user's function, …; a stop or a shutdown comes after the nth step. Each time something right comes
// out, nothing is left, and the pool works on.
#include "fault/operations.hpp"
#include "fault/sweep.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/base/utility.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/os/simulation.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>
#include <weft/sim/sim.hpp>
#include <weft/sync/event.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using weft::sim;
using weft::task;
using weft_test::came_out;
using weft_test::must;
using weft_test::operation;

namespace {

struct ending {
  came_out how = came_out::nothing;
  std::string said;
};

/// Runs the program in a world of its own, with the fault from its beginning to its end, and uses the pool afterwards.
template <class Begin, class End>
ending in_a_world(unsigned workers, operation const& o, Begin begin, End end) {
  ending e;
  e.said.reserve(1000);
  auto const before = weft_test::live_allocations();
  {
    sim world{{.seed = workers, .workers = workers}};
    world.run([&]() -> task<> {
      begin();
      try {
        co_await o.program();
        e.how = came_out::value;
      } catch (...) {
        e.how = weft_test::what_came_out(e.said);
      }
      end();
      co_await weft_test::check_pool();
    });
  }
  auto const left = weft_test::live_allocations();
  CHECK(left.blocks == before.blocks);
  CHECK(left.bytes == before.bytes);
  return e;
}

void warm_up(operation const& o) {
  auto const nothing = [] {};
  for (unsigned workers : {1u, 2u}) {
    {
      // What is made once in a process and kept is made now.
      sim world{{.seed = workers, .workers = workers}};
      world.run(o.program);
    }
    INFO(o.names);
    auto const e = in_a_world(workers, o, nothing, nothing);
    INFO(e.said);
    REQUIRE(e.how == came_out::value);
  }
}

}  // namespace

TEST_CASE(
    "each allocation of each operation may fail, alone or with others after it, and std::bad_alloc or the right result "
    "comes out") {
  weft_test::watchdog const guard("allocations in worlds", 300s, &weft_test::attempt::report);
  weft_test::table table("allocation");
  for (auto const& o : weft_test::operations()) {
    warm_up(o);
    std::int64_t points = 0;
    for (unsigned variant = 0; variant != 4; ++variant) {
      auto const workers = 1 + variant % 2;
      // Alone, or with those after it for a while: what waits for a thread has to get one in the end.
      std::int64_t const count = variant < 2 ? 1 : 20;
      bool came = true, right = true;
      for (std::int64_t nth = 0; came && right; ++nth) {
        weft_test::attempt const what("allocation", o.names, nth, variant);
        std::optional<weft_test::failing_allocation> fails;
        auto const e = in_a_world(
            workers, o, [&] { fails.emplace(nth, count); },
            [&] {
              came = fails->happened();
              fails.reset();
            });
        INFO(what.text() << ": " << e.said);
        if (came) ++points;
        // No thread can be had without memory.
        right = e.how == came_out::value || (came && e.how == came_out::no_memory) ||
                (came && e.how == came_out::system_error);
        CHECK(right);
      }
    }
    table.row(o.names, points);
  }
}

TEST_CASE("each call of a user's function may throw, and that comes out of the operation it was given to") {
  weft_test::watchdog const guard("callbacks in worlds", 300s, &weft_test::attempt::report);
  weft_test::table table("callback");
  for (auto const& o : weft_test::operations()) {
    std::int64_t points = 0;
    for (unsigned workers : {1u, 2u}) {
      bool came = true, right = true;
      for (std::int64_t nth = 0; came && right; ++nth) {
        weft_test::attempt const what("callback", o.names, nth, workers);
        auto const e = in_a_world(
            workers, o, [&] { weft_test::plant(nth); },
            [&] {
              came = weft_test::has_thrown();
              weft_test::plant(-1);
            });
        INFO(what.text() << ": " << e.said);
        if (came) ++points;
        bool const spent = !came || o.how == weft_test::thrown_in_a_callback::may_be_spent;
        right = (came && e.how == came_out::planted) || (spent && e.how == came_out::value);
        CHECK(right);
      }
    }
    table.row(o.names, points);
  }
}

namespace {

/// Steps of other threads between the beginning of a program and what is done to it from a thread of its own: some between any two of its steps,
/// and, where it waits for a time, time that passes.
class delay {
 public:
  explicit delay(std::int64_t turns) noexcept : turns_(turns) {}
  template <class Ended>
  void pass(Ended const& ended) const {
    auto& world = *weft::detail::current_simulation();
    for (std::int64_t i = 0; i != turns_ && !ended(); ++i) {
      if (i % 64 == 63) world.block(this, world.now() + 5us);
      else world.step();
    }
  }

 private:
  std::int64_t const turns_;
};

/// The next number of turns that is tried: each of the first, then more and more of them at a time.
std::int64_t after(std::int64_t turns) { return turns + 1 + turns / 4; }
constexpr std::int64_t most_turns = 4000;

bool stopped_or_done(came_out how) { return how == came_out::stopped || how == came_out::value; }

}  // namespace

TEST_CASE(
    "each operation may be stopped before it begins, after any step, and when it has ended, and nothing of it stays") {
  weft_test::watchdog const guard("stops in worlds", 300s, &weft_test::attempt::report);
  weft_test::table table("stop");
  for (auto const& o : weft_test::operations()) {
    std::int64_t points = 0;
    for (unsigned workers : {1u, 2u}) {
      bool in_time = true, right = true;
      // -1: before it is spawned.
      for (std::int64_t turns = -1; in_time && right && turns < most_turns; turns = turns < 0 ? 0 : after(turns)) {
        weft_test::attempt const what("stop", o.names, turns, workers);
        ending e;
        e.said.reserve(1000);
        bool ended = false;
        weft::event begun;  // somebody is there who will stop it
        auto child = [&]() -> task<> {
          weft::detail::scope_exit const left([&ended] { ended = true; });
          try {
            co_await begun.wait();
            co_await o.program();
            e.how = came_out::value;
          } catch (...) {
            e.how = weft_test::what_came_out(e.said);
          }
        };
        auto stop_later = [&](weft::scope& s) {
          begun.set();
          delay(turns).pass([&ended] { return ended; });
          in_time = !ended;
          s.stop();
        };
        auto body = [&](weft::scope& s) -> task<> {
          if (turns < 0) s.stop();
          s.spawn(child);
          if (turns < 0) co_return;
          co_await weft::blocking(stop_later, std::ref(s));
        };
        auto const before = weft_test::live_allocations();
        {
          sim world{{.seed = 10 + workers, .workers = workers}};
          world.run([&]() -> task<> {
            try {
              co_await weft::with_scope(body);
            } catch (weft::stopped const&) {
            }
            co_await weft_test::check_pool();
          });
        }
        bool const nothing_left = weft_test::live_allocations() == before;
        ++points;
        INFO(what.text() << ": " << e.said);
        right = stopped_or_done(e.how) || (turns < 0 && e.how == came_out::nothing);
        CHECK(right);
        CHECK(nothing_left);
      }
    }
    table.row(o.names, points);
  }
}

TEST_CASE("the pool of each operation may be shut down after any step, and waits for the operation's end or stops it") {
  weft_test::watchdog const guard("shutdowns in worlds", 300s, &weft_test::attempt::report);
  weft_test::table table("shutdown");
  for (auto const& o : weft_test::operations()) {
    std::int64_t points = 0;
    for (auto const how : {weft::drain_or_stop::stop, weft::drain_or_stop::drain}) {
      bool in_time = true, right = true;
      for (std::int64_t turns = 0; in_time && right && turns < most_turns; turns = after(turns)) {
        weft_test::attempt const what("shutdown", o.names, turns, static_cast<unsigned>(how));
        ending e;
        e.said.reserve(1000);
        auto const before = weft_test::live_allocations();
        {
          sim world{{.seed = 20, .workers = 1}};
          world.run([&]() -> task<> {
            weft::pool doomed{{.workers = 2, .name = "doomed"}};
            weft::event begun;
            auto program = [&]() -> task<> {
              co_await begun.wait();
              co_await o.program();
            };
            auto f = doomed.spawn(program);
            auto end = [&] {
              begun.set();
              delay(turns).pass([&f] { return f.ready(); });
              in_time = !f.ready();
              doomed.shutdown(how);
            };
            co_await weft::blocking(end);
            must(f.ready(), "shut down, and the program goes on");
            try {
              f.get();
              e.how = came_out::value;
            } catch (...) {
              e.how = weft_test::what_came_out(e.said);
            }
            co_await weft_test::check_pool();
          });
        }
        bool const nothing_left = weft_test::live_allocations() == before;
        ++points;
        INFO(what.text() << ": " << e.said);
        right = how == weft::drain_or_stop::drain ? e.how == came_out::value : stopped_or_done(e.how);
        CHECK(right);
        CHECK(nothing_left);
      }
    }
    table.row(o.names, points);
  }
}
