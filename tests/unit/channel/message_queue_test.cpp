#include "support/allocations.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/seeded.hpp"

#include <weft/channel/message_queue.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

using weft::unbounded;
using weft::detail::message_queue;
using weft_test::counted;

TEST_CASE("a queue of messages gives them back in order, whatever its capacity") {
  auto const capacity = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{1000}, unbounded);
  weft_test::seeded random;
  weft_test::balance const balance;
  message_queue<std::unique_ptr<int>> q(capacity);
  std::deque<int> model;
  int next = 0, wrong = 0;
  for (int i = 0; i < 20000; ++i) {
    // Fills and drains in phases, so that the blocks of an unbounded one come and go.
    if ((random.below(100) < (i / 4000 % 2 == 0 ? 70u : 30u))) {
      if (q.full()) continue;
      q.make_room();
      q.push(std::make_unique<int>(next));
      model.push_back(next++);
    } else if (!q.empty()) {
      wrong += *q.pop() != model.front();
      model.pop_front();
    }
    wrong += q.size() != model.size() || q.empty() != model.empty() || q.full() != (model.size() >= capacity);
  }
  CHECK(wrong == 0);
  CHECK(next > 1000);
}

TEST_CASE("a queue of messages destroys what is left in it, once") {
  counted::reset();
  {
    message_queue<counted> q(unbounded);
    for (int i = 0; i < 1000; ++i) {
      q.make_room();
      q.push(counted(i));
    }
    for (int i = 0; i < 500; ++i) CHECK(q.pop().value() == i);
    CHECK(counted::live() == 500);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a queue of fixed capacity allocates once, one of none never") {
  auto const before = weft_test::live_allocations();
  message_queue<int> none(0);
  CHECK(none.empty());
  CHECK(none.full());
  CHECK(weft_test::live_allocations().blocks == before.blocks);
  message_queue<int> q(100);
  CHECK(weft_test::live_allocations().blocks == before.blocks + 1);
  for (int i = 0; i < 1000; ++i) {
    q.make_room();
    q.push(int{i});
    q.make_room();
    q.push(int{i});
    static_cast<void>(q.pop());
    static_cast<void>(q.pop());
  }
  CHECK(weft_test::live_allocations().blocks == before.blocks + 1);
}

TEST_CASE("an unbounded queue that was long gives its memory back, and one that swings keeps it") {
  auto const before = weft_test::live_allocations();
  message_queue<std::uint64_t> q(unbounded);
  auto const fill = [&q](int n) {
    for (int i = 0; i < n; ++i) {
      q.make_room();
      q.push(7);
    }
  };
  auto const drain = [&q](int n) {
    for (int i = 0; i < n; ++i) static_cast<void>(q.pop());
  };
  fill(100'000);
  auto const most = weft_test::live_allocations().blocks - before.blocks;
  drain(100'000);
  auto const left = weft_test::live_allocations().blocks - before.blocks;
  CHECK(most > 500);
  CHECK(left <= 3);
  fill(1000);
  drain(900);
  auto const blocks = weft_test::live_allocations().blocks;
  for (int i = 0; i < 100; ++i) {
    fill(300);
    drain(300);
  }
  auto const after = weft_test::live_allocations().blocks;
  CHECK(after <= blocks + 4);
}

TEST_CASE("messages with a large alignment stand where they may") {
  struct alignas(256) wide {
    std::array<char, 256> bytes{};
  };
  auto const capacity = GENERATE(std::size_t{3}, unbounded);
  message_queue<wide> q(capacity);
  for (int i = 0; i < 3; ++i) {
    q.make_room();
    q.push(wide{});
  }
  wide const w = q.pop();
  CHECK(reinterpret_cast<std::uintptr_t>(&w) % 256 == 0);
}

TEST_CASE("a capacity that no memory can hold is refused") {
  CHECK_THROWS_AS(message_queue<std::uint64_t>(unbounded - 1), std::bad_alloc);
  CHECK_THROWS_AS(message_queue<std::uint64_t>(unbounded / 4), std::bad_alloc);
}
