#include "support/catch.hpp"
#include "support/seeded.hpp"

#include <weft/concurrent/intrusive.hpp>

#include <algorithm>
#include <list>
#include <utility>
#include <vector>

namespace {

struct queued {
  queued* next = nullptr;
};
using queue = weft::detail::intrusive_queue<queued, &queued::next>;

struct listed : weft::detail::list_link {};
using list = weft::detail::intrusive_list<listed>;

}  // namespace

TEST_CASE("a queue gives out what it took, in order, again and again") {
  queue q;
  queued items[3];
  for (int round = 0; round != 3; ++round) {
    CHECK(q.empty());
    CHECK(q.pop() == nullptr);
    for (auto& i : items) q.push(&i);
    CHECK_FALSE(q.empty());
    for (auto& i : items) CHECK(q.pop() == &i);
  }
}

TEST_CASE("appending moves everything behind, whichever of the two is empty") {
  queued items[4];
  for (int first = 0; first <= 2; ++first)
    for (int second = 0; second <= 2; ++second) {
      queue front, back;
      std::vector<queued*> expected;
      for (int i = 0; i != first; ++i) front.push(expected.emplace_back(&items[i]));
      for (int i = 0; i != second; ++i) back.push(expected.emplace_back(&items[2 + i]));
      front.append(std::move(back));
      CHECK(back.empty());
      queued last;
      back.push(&last);
      front.append(std::move(back));
      expected.push_back(&last);
      for (auto* const i : expected) CHECK(front.pop() == i);
      CHECK(front.pop() == nullptr);
    }
}

TEST_CASE("a queue that was moved from is empty and can be used") {
  queue from;
  queued one, two;
  from.push(&one);
  queue to(std::move(from));
  CHECK(from.empty());
  from.push(&two);
  CHECK(to.pop() == &one);
  CHECK(to.pop() == nullptr);
  CHECK(from.pop() == &two);
}

TEST_CASE("any item leaves a list, and knows whether it is in one") {
  for (int out = 0; out != 3; ++out) {
    list l;
    listed items[3];
    for (auto& i : items) {
      CHECK_FALSE(i.linked());
      l.push_back(&i);
      CHECK(i.linked());
    }
    l.remove(&items[out]);
    CHECK_FALSE(items[out].linked());
    for (int i = 0; i != 3; ++i)
      if (i != out) CHECK(l.pop_front() == &items[i]);
    CHECK(l.empty());
    CHECK(l.front() == nullptr);
    CHECK(l.pop_front() == nullptr);
  }
}

TEST_CASE("a list does what std::list does") {
  weft_test::seeded random;
  list l;
  std::vector<listed> items(20);
  std::list<listed*> expected;
  for (int step = 0; step != 5000; ++step) {
    listed* const i = &items[random.below(items.size())];
    bool const inside = std::find(expected.begin(), expected.end(), i) != expected.end();
    REQUIRE(i->linked() == inside);
    if (random.below(3) == 0) {
      REQUIRE(l.pop_front() == (expected.empty() ? nullptr : expected.front()));
      if (!expected.empty()) expected.pop_front();
    } else if (inside) {
      l.remove(i);
      expected.remove(i);
    } else {
      l.push_back(i);
      expected.push_back(i);
    }
    REQUIRE(l.empty() == expected.empty());
  }
}
