#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/concurrent/mpmc_ring.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

namespace {

struct message {
  std::size_t producer = 0;
  std::size_t number = 0;
};

using ring = weft::detail::mpmc_ring<message*, 4>;

}  // namespace

TEST_CASE("a ring for many gives out what it took, in order, and says when it is full or empty") {
  ring r;
  message messages[5];
  message* out = nullptr;
  CHECK_FALSE(r.pop(out));
  for (int i = 0; i != 4; ++i) CHECK(r.push(&messages[i]));
  CHECK_FALSE(r.push(&messages[4]));
  for (int i = 0; i != 4; ++i) {
    REQUIRE(r.pop(out));
    CHECK(out == &messages[i]);
  }
  CHECK_FALSE(r.pop(out));
  CHECK(out == &messages[3]);
}

TEST_CASE("a ring for many works at the least capacity, round after round") {
  weft_test::seeded random;
  weft::detail::mpmc_ring<int, 2> r;
  std::deque<int> expected;
  for (int step = 0; step != 10000; ++step) {
    if (random.below(2) == 0) {
      bool const pushed = r.push(step);
      REQUIRE(pushed == (expected.size() < 2));
      if (pushed) expected.push_back(step);
    } else {
      int out = -1;
      REQUIRE(r.pop(out) == !expected.empty());
      if (expected.empty()) continue;
      REQUIRE(out == expected.front());
      expected.pop_front();
    }
  }
}

TEST_CASE("many producers and consumers: every message arrives once, those of one producer in order") {
  weft_test::watchdog const dog("mpmc ring");
  constexpr std::size_t producers = 2, consumers = 2, each = 20000;
  ring r;
  std::vector<std::vector<message>> messages(producers, std::vector<message>(each));
  std::vector<std::atomic<int>> arrived(producers * each);
  std::atomic<std::size_t> total{0}, out_of_order{0};
  std::vector<std::thread> threads;
  for (std::size_t p = 0; p != producers; ++p)
    threads.emplace_back([&, p] {
      for (std::size_t n = 0; n != each; ++n) {
        messages[p][n] = {p, n};
        while (!r.push(&messages[p][n])) std::this_thread::yield();
      }
    });
  for (std::size_t c = 0; c != consumers; ++c)
    threads.emplace_back([&] {
      std::vector<std::size_t> next(producers, 0);
      while (total.load() != producers * each) {
        message* m = nullptr;
        if (!r.pop(m)) {
          std::this_thread::yield();
          continue;
        }
        if (m->number < next[m->producer]) ++out_of_order;
        next[m->producer] = m->number + 1;
        ++arrived[m->producer * each + m->number];
        ++total;
      }
    });
  for (auto& t : threads) t.join();
  CHECK(std::all_of(arrived.begin(), arrived.end(), [](auto const& n) { return n == 1; }));
  CHECK(out_of_order == 0);
}
