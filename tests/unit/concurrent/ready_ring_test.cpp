#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/concurrent/ready_ring.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

namespace {

struct item {
  std::size_t number = 0;  // plain: handed over by the ring alone
};

using ring = weft::detail::ready_ring<item*, 8>;

}  // namespace

TEST_CASE("a ready ring gives its owner the oldest item") {
  ring r;
  item items[3];
  CHECK(r.pop() == nullptr);
  for (auto& i : items) REQUIRE(r.push(&i));
  CHECK(r.size() == 3);
  for (auto& i : items) CHECK(r.pop() == &i);
  CHECK(r.empty());
  CHECK(r.pop() == nullptr);
}

TEST_CASE("a full ready ring refuses, and takes again once there is room") {
  ring r;
  item items[ring::capacity + 1];
  for (std::size_t i = 0; i != ring::capacity; ++i) REQUIRE(r.push(&items[i]));
  CHECK_FALSE(r.push(&items[ring::capacity]));
  CHECK(r.pop() == &items[0]);
  CHECK(r.push(&items[ring::capacity]));
  CHECK_FALSE(r.push(&items[0]));
}

TEST_CASE("a thief takes the older half, rounded up, and no more than it has room for") {
  for (std::size_t size = 0; size <= ring::capacity; ++size)
    for (std::size_t most = 1; most <= ring::capacity; ++most) {
      ring r;
      item items[ring::capacity];
      for (std::size_t i = 0; i != size; ++i) REQUIRE(r.push(&items[i]));
      item* taken[ring::capacity] = {};
      auto const expected = std::min((size + 1) / 2, most);
      REQUIRE(r.steal(taken, most) == expected);
      for (std::size_t i = 0; i != expected; ++i) REQUIRE(taken[i] == &items[i]);
      for (std::size_t i = expected; i != size; ++i) REQUIRE(r.pop() == &items[i]);
      REQUIRE(r.empty());
    }
}

TEST_CASE("a ready ring does what a bounded queue does, round after round") {
  weft_test::seeded random;
  ring r;
  std::vector<item> items(64);
  std::deque<item*> expected;
  for (int step = 0; step != 20000; ++step) {
    switch (random.below(3)) {
      case 0: {
        item* const i = &items[random.below(items.size())];
        bool const pushed = r.push(i);
        REQUIRE(pushed == (expected.size() < ring::capacity));
        if (pushed) expected.push_back(i);
        break;
      }
      case 1: {
        item* const found = r.pop();
        REQUIRE(found == (expected.empty() ? nullptr : expected.front()));
        if (found != nullptr) expected.pop_front();
        break;
      }
      default: {
        item* taken[4];
        auto const count = r.steal(taken, 4);
        REQUIRE(count == std::min<std::size_t>((expected.size() + 1) / 2, 4));
        for (std::size_t i = 0; i != count; ++i, expected.pop_front()) REQUIRE(taken[i] == expected.front());
      }
    }
    REQUIRE(r.size() == expected.size());
    REQUIRE(r.empty() == expected.empty());
  }
}

TEST_CASE("owner and thieves of a ready ring get every item once, each in the order of its numbers") {
  weft_test::watchdog const dog("ready ring: owner and thieves");
  weft_test::seeded random;
  constexpr std::size_t count = 50000;
  constexpr std::size_t takers = 3;
  ring r;
  std::vector<item> items(count);
  std::vector<std::atomic<int>> times_taken(count);
  std::array<std::size_t, takers> out_of_order{}, last{};
  std::atomic<std::size_t> taken_items{0};
  auto const take = [&](std::size_t taker, item* i) {
    auto const number = i->number;
    if (number < last[taker]) ++out_of_order[taker];
    last[taker] = number;
    ++times_taken[number];
    ++taken_items;
  };
  std::vector<std::thread> thieves;
  for (std::size_t t = 1; t != takers; ++t)
    thieves.emplace_back([&, t] {
      item* taken[ring::capacity];
      while (taken_items.load() != count) {
        auto const got = r.steal(taken, ring::capacity);
        for (std::size_t i = 0; i != got; ++i) take(t, taken[i]);
        if (got == 0) std::this_thread::yield();
      }
    });
  for (std::size_t pushed = 0; pushed != count;) {
    items[pushed].number = pushed;
    bool const room = r.push(&items[pushed]);
    if (room) ++pushed;
    if (!room || random.below(4) == 0)
      if (item* const i = r.pop()) take(0, i);
  }
  while (item* const i = r.pop()) take(0, i);
  for (auto& t : thieves) t.join();
  CHECK(std::all_of(times_taken.begin(), times_taken.end(), [](auto const& n) { return n == 1; }));
  for (auto const n : out_of_order) CHECK(n == 0);
  CHECK(r.empty());
}
