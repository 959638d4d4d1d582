#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/cancel/stop_token.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace {

using weft::stop_source;
using callback = weft::stop_callback<std::function<void()>>;

}  // namespace

TEST_CASE("asking a source asks everything below it and nothing above") {
  stop_source top, middle(top.get_token()), bottom(middle.get_token()), sibling(top.get_token());
  middle.request_stop();
  CHECK(bottom.stop_requested());
  CHECK(middle.stop_requested());
  CHECK_FALSE(top.stop_requested());
  CHECK_FALSE(sibling.stop_requested());
}

TEST_CASE("asking at the top calls the callbacks of every level") {
  stop_source top;
  std::vector<std::unique_ptr<stop_source>> chain;
  std::vector<std::unique_ptr<callback>> callbacks;
  int calls = 0;
  for (int depth = 0; depth != 6; ++depth) {
    auto const token = chain.empty() ? top.get_token() : chain.back()->get_token();
    chain.push_back(std::make_unique<stop_source>(token));
    if (depth % 2 == 1) callbacks.push_back(std::make_unique<callback>(chain.back()->get_token(), [&] { ++calls; }));
  }
  CHECK(top.request_stop());
  CHECK(calls == 3);
  for (auto& s : chain) CHECK(s->stop_requested());
  callbacks.clear();
  while (!chain.empty()) chain.pop_back();
}

TEST_CASE("a child of a stopped source is stopped from its beginning") {
  stop_source top, middle(top.get_token());
  top.request_stop();
  stop_source late(middle.get_token());
  CHECK(late.stop_requested());
  int calls = 0;
  callback const one(late.get_token(), [&] { ++calls; });
  callback const two(late.get_token(), [&] { ++calls; });
  CHECK(calls == 2);
}

TEST_CASE("a child that was stopped by itself is not called again when its parent is stopped") {
  stop_source top, child(top.get_token());
  int calls = 0;
  callback const c(child.get_token(), [&] { ++calls; });
  CHECK(child.request_stop());
  CHECK_FALSE(top.stop_requested());
  CHECK(top.request_stop());
  CHECK(calls == 1);
}

TEST_CASE("a child that is gone is not asked") {
  stop_source top;
  int calls = 0;
  {
    stop_source child(top.get_token());
    callback const c(child.get_token(), [&] { ++calls; });
  }
  top.request_stop();
  CHECK(calls == 0);
}

TEST_CASE("a child's callback may ask its parent, and a parent's its child") {
  weft_test::watchdog const dog("asking across levels");
  stop_source top, child(top.get_token());
  int calls = 0;
  callback const below(child.get_token(), [&] {
    ++calls;
    top.request_stop();
  });
  callback const above(top.get_token(), [&] {
    ++calls;
    child.request_stop();
  });
  SECTION("from below") { child.request_stop(); }
  SECTION("from above") { top.request_stop(); }
  CHECK(calls == 2);
  CHECK(top.stop_requested());
}

TEST_CASE("a callback of the parent may destroy a child that has not been asked yet") {
  weft_test::watchdog const dog("parent's callback destroys a child");
  stop_source top;
  int calls = 0;
  std::optional<stop_source> child(top.get_token());
  std::optional<callback> below(std::in_place, child->get_token(), [&] { ++calls; });
  callback const first(top.get_token(), [&] {  // the youngest is called first
    below.reset();
    child.reset();
  });
  top.request_stop();
  CHECK(calls == 0);
}

TEST_CASE("a child may be destroyed inside its own callback when its parent is the asker") {
  weft_test::watchdog const dog("child destroyed in its own callback");
  stop_source top;
  auto child = std::make_unique<stop_source>(top.get_token());
  std::unique_ptr<callback> below;
  below = std::make_unique<callback>(child->get_token(), [&below, &child] {
    auto& doomed = child;
    below.reset();
    doomed.reset();
  });
  top.request_stop();
  CHECK(child == nullptr);
}

TEST_CASE("destroying a child waits until the parent's asker has left it") {
  weft_test::watchdog const dog("child destroyed while its parent asks");
  stop_source top;
  std::atomic<bool> running{false}, ended{false};
  auto child = std::make_unique<stop_source>(top.get_token());
  auto below = std::make_unique<callback>(child->get_token(), [&] {
    running = true;
    for (int i = 0; i != 100; ++i) std::this_thread::yield();
    ended = true;
  });
  std::thread asker([&] { top.request_stop(); });
  while (!running.load()) std::this_thread::yield();
  below.reset();
  CHECK(ended);
  child.reset();
  asker.join();
}

TEST_CASE("asking any source of a random tree stops it and all below it, and nothing else") {
  weft_test::seeded random;
  for (int round = 0; round < 50; ++round) {
    auto const count = 1 + random.below(60);
    std::vector<std::unique_ptr<stop_source>> sources;
    std::vector<std::size_t> parent;
    std::vector<int> calls(count, 0);
    std::vector<std::unique_ptr<callback>> callbacks;
    for (std::size_t i = 0; i < count; ++i) {
      parent.push_back(i == 0 ? 0 : random.below(i));
      sources.push_back(i == 0 ? std::make_unique<stop_source>()
                               : std::make_unique<stop_source>(sources[parent[i]]->get_token()));
      callbacks.push_back(std::make_unique<callback>(sources[i]->get_token(), [&calls, i] { ++calls[i]; }));
    }
    std::vector<bool> asked(count, false);
    for (int asks = 0; asks < 5; ++asks) {
      auto const which = random.below(count);
      CHECK(sources[which]->request_stop() != asked[which]);
      for (std::size_t i = which; i < count; ++i)
        if (i == which || asked[parent[i]]) asked[i] = true;
      for (std::size_t i = 0; i < count; ++i)
        if (sources[i]->stop_requested() != asked[i] || calls[i] != (asked[i] ? 1 : 0)) FAIL("source " << i);
    }
    callbacks.clear();
    while (!sources.empty()) sources.pop_back();
  }
}

TEST_CASE("sources of one tree that are asked from many threads at once call each callback once") {
  weft_test::watchdog const dog("a tree asked at once");
  weft_test::seeded random;
  for (int round = 0; round != 50; ++round) {
    constexpr std::size_t count = 60;
    std::vector<std::unique_ptr<stop_source>> sources;
    std::vector<std::atomic<int>> calls(count);
    std::vector<std::unique_ptr<callback>> callbacks;
    for (std::size_t i = 0; i != count; ++i) {
      // A chain here, a fan there.
      sources.push_back(i == 0 ? std::make_unique<stop_source>()
                               : std::make_unique<stop_source>(sources[i % 7 == 0 ? 0 : i - 1]->get_token()));
      callbacks.push_back(std::make_unique<callback>(sources[i]->get_token(), [&calls, i] { ++calls[i]; }));
    }
    std::atomic<unsigned> here{0};
    std::vector<std::thread> askers;
    for (unsigned t = 0; t != 4; ++t)
      askers.emplace_back([&, seed = random()] {
        std::minstd_rand own(static_cast<unsigned>(seed) | 1u);
        ++here;
        while (here != 4) std::this_thread::yield();
        for (int i = 0; i != 30; ++i) sources[own() % count]->request_stop();
      });
    for (auto& t : askers) t.join();
    sources[0]->request_stop();
    for (auto const& n : calls) REQUIRE(n == 1);
    callbacks.clear();
    while (!sources.empty()) sources.pop_back();
  }
}

TEST_CASE("sources, tokens and callbacks allocate nothing, however many there are of them") {
  int calls = 0;
  auto const count = [&calls] { ++calls; };
  auto const before = weft_test::allocation_count();
  {
    stop_source top, middle(top.get_token()), bottom(middle.get_token());
    weft::stop_callback const one(top.get_token(), count), two(bottom.get_token(), count);
    for (int i = 0; i < 100; ++i) weft::stop_callback const passing(middle.get_token(), count);
    weft::stop_callback const three(bottom.get_token(), count), four(middle.get_token(), count);
    top.request_stop();
  }
  auto const after = weft_test::allocation_count();
  CHECK(after == before);
  CHECK(calls == 4);
}

TEST_CASE("children come and go while their parents are asked: no callback is lost, late, or called twice") {
  weft_test::watchdog const dog("children against asking");
  weft_test::seeded random;
  for (int round = 0; round != 300; ++round) {
    stop_source top, middle(top.get_token());
    std::atomic<int> arrived{0}, wrong{0};
    auto const live = [&](std::uint64_t seed) {
      std::minstd_rand own(static_cast<unsigned>(seed) | 1u);
      ++arrived;
      bool stopped = false;
      while (!stopped) {
        stop_source child(own() % 2 == 0 ? top.get_token() : middle.get_token());
        stop_source grandchild(child.get_token());
        int calls = 0;  // plain: the callback ends before its destructor returns
        {
          callback const c(grandchild.get_token(), [&] { ++calls; });
          for (auto spin = own() % 200; spin != 0; --spin) weft::detail::relax();
          stopped = top.stop_requested();
          if (own() % 4 == 0) grandchild.request_stop();
        }
        if (calls > 1) ++wrong;
        stop_source last(grandchild.get_token());
        if (stopped && !last.stop_requested()) ++wrong;
      }
    };
    std::thread one(live, random()), two(live, random());
    while (arrived.load() != 2) std::this_thread::yield();
    if (random.below(2) == 0) middle.request_stop();
    top.request_stop();
    one.join();
    two.join();
    REQUIRE(wrong == 0);
  }
}
