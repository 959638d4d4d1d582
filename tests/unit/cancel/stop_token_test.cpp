#include "support/catch.hpp"
#include "support/watchdog.hpp"

#include <weft/cancel/stop_token.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

using weft::stop_callback;
using weft::stop_source;
using weft::stop_token;

using action = std::function<void()>;
using callback = stop_callback<action>;

}  // namespace

static_assert(std::is_trivially_copyable_v<stop_token>);
static_assert(!std::is_copy_constructible_v<stop_source> && !std::is_move_constructible_v<stop_source>);
static_assert(!std::is_copy_constructible_v<callback> && !std::is_move_constructible_v<callback>);

TEST_CASE("a token without a source is never stopped, and its callbacks are never called") {
  stop_token const token;
  CHECK_FALSE(token.stop_possible());
  CHECK_FALSE(token.stop_requested());
  CHECK_NOTHROW(token.throw_if_stopped());
  bool called = false;
  {
    stop_callback const c(token, [&] { called = true; });
  }
  CHECK_FALSE(called);
}

TEST_CASE("the first to ask is told so, and every token sees it") {
  stop_source source;
  auto const token = source.get_token();
  CHECK(token == source.get_token());
  CHECK(token != stop_token());
  CHECK(token.stop_possible());
  CHECK_FALSE(token.stop_requested());
  CHECK(source.request_stop());
  CHECK_FALSE(source.request_stop());
  CHECK(source.stop_requested());
  CHECK(token.stop_requested());
  CHECK_THROWS_AS(token.throw_if_stopped(), weft::stopped);
}

TEST_CASE("callbacks are called once, by the asking thread, before request_stop returns") {
  stop_source source;
  int calls = 0;
  std::thread::id caller;
  action const count = [&] {
    ++calls;
    caller = std::this_thread::get_id();
  };
  callback const one(source.get_token(), count), two(source.get_token(), count), three(source.get_token(), count);
  CHECK(calls == 0);
  source.request_stop();
  CHECK(calls == 3);
  CHECK(caller == std::this_thread::get_id());
  source.request_stop();
  CHECK(calls == 3);
}

TEST_CASE("a callback registered after the stop is called at once, by its constructor") {
  stop_source source;
  source.request_stop();
  std::thread::id caller;
  callback const late(source.get_token(), [&] { caller = std::this_thread::get_id(); });
  CHECK(caller == std::this_thread::get_id());
}

TEST_CASE("a callback that has been destroyed is not called, wherever it stood in the list") {
  for (int out = 0; out != 3; ++out) {
    stop_source source;
    std::vector<int> calls(3, 0);
    std::vector<std::unique_ptr<callback>> callbacks;
    for (std::size_t i = 0; i != 3; ++i)
      callbacks.push_back(std::make_unique<callback>(source.get_token(), [&calls, i] { ++calls[i]; }));
    callbacks[static_cast<std::size_t>(out)].reset();
    source.request_stop();
    for (int i = 0; i != 3; ++i) CHECK(calls[static_cast<std::size_t>(i)] == (i == out ? 0 : 1));
  }
}

TEST_CASE("a callback may destroy itself, and the asker touches it no more") {
  weft_test::watchdog const dog("stop callback destroys itself");
  stop_source source;
  int calls = 0;
  std::unique_ptr<callback> self;
  callback const before(source.get_token(), [&] { ++calls; });
  self = std::make_unique<callback>(source.get_token(), [&] {
    auto& counter = calls;
    self.reset();  // the closure is gone: only what was copied is touched below
    ++counter;
  });
  callback const after(source.get_token(), [&] { ++calls; });
  source.request_stop();
  CHECK(self == nullptr);
  CHECK(calls == 3);
}

TEST_CASE("a callback may destroy another, which is then not called") {
  weft_test::watchdog const dog("stop callback destroys another");
  stop_source source;
  int calls = 0;
  std::unique_ptr<callback> one, two;
  one = std::make_unique<callback>(source.get_token(), [&] {
    ++calls;
    two.reset();
  });
  two = std::make_unique<callback>(source.get_token(), [&] {
    ++calls;
    one.reset();
  });
  source.request_stop();
  CHECK(calls == 1);
}

TEST_CASE("a callback may destroy one that has been called already") {
  weft_test::watchdog const dog("stop callback destroys a former one");
  stop_source source;
  int calls = 0;
  std::vector<std::unique_ptr<callback>> callbacks(2);
  for (std::size_t i = 0; i != 2; ++i)
    callbacks[i] = std::make_unique<callback>(source.get_token(), [&] {
      if (++calls == 2)
        for (auto& c : callbacks) c.reset();
    });
  source.request_stop();
  CHECK(calls == 2);
}

TEST_CASE("a callback registered inside a callback is called at once") {
  weft_test::watchdog const dog("stop callback registers another");
  stop_source source;
  std::vector<int> order;
  callback const outer(source.get_token(), [&] {
    callback const inner(source.get_token(), [&] { order.push_back(1); });
    order.push_back(2);
  });
  source.request_stop();
  CHECK(order == std::vector<int>{1, 2});
}

TEST_CASE("asking again inside a callback returns at once") {
  weft_test::watchdog const dog("stop callback asks again");
  stop_source source;
  bool first = true;
  callback const c(source.get_token(), [&] { first = source.request_stop(); });
  CHECK(source.request_stop());
  CHECK_FALSE(first);
}

TEST_CASE("destroying a callback waits for its end on another thread, and for no other's") {
  weft_test::watchdog const dog("stop callback destroyed while one runs");
  bool const the_running_one = GENERATE(true, false);
  stop_source source;
  std::atomic<bool> running{false}, may_end{false}, ended{false};
  int other_calls = 0;
  auto const run = [&] {
    running = true;
    while (!may_end.load()) std::this_thread::yield();
    ended = true;
  };
  auto other = std::make_unique<callback>(source.get_token(), [&] { ++other_calls; });
  auto slow = std::make_unique<callback>(source.get_token(), run);  // the youngest is called first
  std::thread asker([&] { source.request_stop(); });
  while (!running.load()) std::this_thread::yield();
  CHECK(source.stop_requested());
  CHECK_FALSE(source.request_stop());
  if (the_running_one) {
    std::thread releaser([&] { may_end = true; });
    slow.reset();
    CHECK(ended);
    releaser.join();
  } else {
    other.reset();
    CHECK_FALSE(ended);
    may_end = true;
  }
  asker.join();
  CHECK(other_calls == (the_running_one ? 1 : 0));
}

TEST_CASE("exactly one of many askers is the first") {
  weft_test::watchdog const dog("many askers");
  for (int round = 0; round != 200; ++round) {
    stop_source source;
    std::atomic<int> first{0}, calls{0};
    callback const c(source.get_token(), [&] { ++calls; });
    std::vector<std::thread> askers;
    for (int i = 0; i != 3; ++i) askers.emplace_back([&] { first += source.request_stop() ? 1 : 0; });
    for (auto& t : askers) t.join();
    REQUIRE(first == 1);
    REQUIRE(calls == 1);
  }
}

TEST_CASE("a callback that is registered while a stop is asked for is called exactly once") {
  weft_test::watchdog const dog("registration against asking");
  for (int round = 0; round != 500; ++round) {
    stop_source source;
    std::atomic<bool> go{false};
    std::thread asker([&] {
      while (!go.load()) {
      }
      source.request_stop();
    });
    std::atomic<int> calls{0};
    {
      go = true;
      callback const c(source.get_token(), [&] { ++calls; });
      asker.join();
    }
    REQUIRE(calls == 1);
  }
}

TEST_CASE("a callback that is destroyed while a stop is asked for never runs afterwards") {
  weft_test::watchdog const dog("destruction against asking");
  for (int round = 0; round != 500; ++round) {
    stop_source source;
    std::atomic<bool> go{false};
    auto alive = std::make_unique<int>(0);  // plain, and gone with the callback
    auto c = std::make_unique<callback>(source.get_token(), [&] { ++*alive; });
    std::thread asker([&] {
      while (!go.load()) {
      }
      source.request_stop();
    });
    go = true;
    c.reset();
    REQUIRE(*alive <= 1);
    alive.reset();
    asker.join();
  }
}

TEST_CASE("a stop that is said is seen at once, and its callbacks are called when somebody calls them") {
  struct registration : weft::detail::stop_registration {
    explicit registration(int& c) noexcept
        : stop_registration([](stop_registration* r) noexcept { ++static_cast<registration*>(r)->calls; }), calls(c) {}
    int& calls;
  };
  using said = weft::detail::stop_state::said;
  int first = 0, removed = 0, below = 0, late = 0;
  weft::detail::stop_state state, alone, child(&state);
  registration one(first), two(removed), three(below), four(late);
  REQUIRE(state.add(one));
  REQUIRE(state.add(two));
  REQUIRE(child.add(three));

  CHECK(state.say_stop() == said::first_with_callbacks);
  CHECK(state.stop_requested());
  CHECK(child.stop_requested());
  CHECK(first + removed + below == 0);
  CHECK(state.say_stop() == said::before);
  CHECK_FALSE(state.request_stop());
  CHECK_FALSE(state.add(four));
  CHECK(child.add(four));  // the child has not been told yet
  state.remove(two);

  state.call_back();
  CHECK(first == 1);
  CHECK(removed == 0);
  CHECK(below == 1);
  CHECK(late == 1);
  state.call_back();
  CHECK(first == 1);

  CHECK(alone.say_stop() == said::first);
  CHECK(alone.stop_requested());
}

TEST_CASE("a state that is spread calls back what registered before, with any stripe, and with none") {
  struct registration : weft::detail::stop_registration {
    registration() noexcept
        : stop_registration([](stop_registration* r) noexcept { ++static_cast<registration*>(r)->calls; }) {}
    int calls = 0;
  };
  using weft::detail::stop_state;
  weft::detail::stop_state parent, state(&parent);
  weft::detail::stop_stripes stripes(state);
  registration before, plain, gone;
  std::array<registration, 2 * weft::detail::stop_stripes::count> spread;
  REQUIRE(state.add(before));
  CHECK_FALSE(state.is_spread());
  state.spread(stripes);
  REQUIRE(state.is_spread());
  REQUIRE(state.add(plain));
  std::set<stop_state::place> places;
  for (unsigned worker = 0; worker != spread.size(); ++worker) {
    auto const place = stop_state::place_for(worker);
    places.insert(place);
    REQUIRE(state.at(place).add(spread[worker]));
  }
  CHECK(places.size() == weft::detail::stop_stripes::count);
  CHECK(&state.at(0) == &state);
  REQUIRE(state.at(stop_state::place_for(0)).add(gone));
  state.at(stop_state::place_for(0)).remove(gone);

  CHECK(parent.request_stop());
  CHECK(state.stop_requested());
  CHECK(before.calls == 1);
  CHECK(plain.calls == 1);
  CHECK(gone.calls == 0);
  for (auto const& r : spread) CHECK(r.calls == 1);
  CHECK_FALSE(state.at(stop_state::place_for(3)).add(gone));
}

TEST_CASE("a callback that comes too late can be removed from a state where nobody has ever registered") {
  using weft::detail::stop_state;
  struct registration : weft::detail::stop_registration {
    registration() noexcept : stop_registration([](stop_registration*) noexcept {}) {}
  };
  // Memory that has been used before, as a frame's: what the state has not written is not null.
  alignas(stop_state) std::array<unsigned char, sizeof(stop_state)> memory;
  memory.fill(0xFF);
  auto* const state = ::new (static_cast<void*>(memory.data())) stop_state();
  CHECK_FALSE(state->is_spread());
  CHECK(state->request_stop());
  CHECK_FALSE(state->request_stop());
  CHECK(state->say_stop() == stop_state::said::before);
  registration late;
  CHECK_FALSE(state->add(late));
  CHECK_FALSE(state->take_out(late));
  state->remove(late);
  CHECK(state->stop_requested());
  state->~stop_state();
}
