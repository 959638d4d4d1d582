#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/concurrent/split_deque.hpp>

#include <atomic>
#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

namespace {

using weft::detail::stolen;

struct item {
  int payload = 0;  // plain: handed over by the deque alone
  std::atomic<int> taken{0};
};

using deque = weft::detail::split_deque<item>;
constexpr std::size_t smallest = 512;

item* steal(deque& d) {
  item* found = nullptr;
  return d.steal(found) == stolen::item ? found : nullptr;
}

std::size_t steal_all(deque& d) {
  std::size_t count = 0;
  while (steal(d) != nullptr) ++count;
  return count;
}

}  // namespace

TEST_CASE("the owner takes the youngest item first") {
  deque d(smallest);
  item items[3];
  for (auto& i : items) REQUIRE(d.push(&i));
  for (int i = 2; i >= 0; --i) {
    CHECK(d.top() == &items[i]);
    REQUIRE(d.pop());
    CHECK(d.item_at(d.mark()) == &items[i]);
  }
  CHECK(d.mark() == d.bottom());
  CHECK(d.idle());
}

TEST_CASE("a thief sees nothing of the private part, and asks for it") {
  deque d(smallest);
  item one;
  d.clear_want();
  REQUIRE(d.push(&one));
  CHECK_FALSE(d.wanted());
  item* found = nullptr;
  CHECK(d.steal(found) == stolen::empty);
  CHECK(found == nullptr);
  CHECK(d.wanted());
  CHECK_FALSE(d.looks_stealable());
}

TEST_CASE("thieves take the oldest item of the public part first") {
  deque d(smallest);
  item items[3];
  for (auto& i : items) REQUIRE(d.push(&i));
  REQUIRE(d.publish());
  CHECK(d.looks_stealable());
  for (auto& i : items) CHECK(steal(d) == &i);
  CHECK(steal(d) == nullptr);
}

TEST_CASE("the thief that takes the last public item asks for more, an earlier one does not") {
  deque d(smallest);
  item items[2];
  for (auto& i : items) REQUIRE(d.push(&i));
  REQUIRE(d.publish());
  d.clear_want();
  CHECK(steal(d) == &items[0]);
  CHECK_FALSE(d.wanted());
  CHECK(steal(d) == &items[1]);
  CHECK(d.wanted());
}

TEST_CASE("publishing makes every private item public, publishing nothing says so") {
  for (std::size_t count = 1; count != 9; ++count) {
    deque d(smallest);
    std::vector<item> items(count);
    for (auto& i : items) REQUIRE(d.push(&i));
    REQUIRE(d.publish());
    CHECK_FALSE(d.publish());
    CHECK(steal_all(d) == count);
  }
}

TEST_CASE("a pop whose item was taken leaves the slot in place until its thief is known to have read it") {
  deque d(smallest);
  item one, two;
  REQUIRE(d.push(&one));
  REQUIRE(d.publish());
  CHECK(steal(d) == &one);
  auto const top = d.mark();
  CHECK_FALSE(d.pop());
  CHECK_FALSE(d.pop());
  CHECK(d.mark() == top);
  CHECK(d.top() == nullptr);
  d.drop_taken(top - 1);
  CHECK(d.mark() == d.bottom());
  REQUIRE(d.push(&two));
  REQUIRE(d.publish());
  CHECK(steal(d) == &two);
}

TEST_CASE("items pushed above taken ones are still the owner's") {
  deque d(smallest);
  item below, above;
  REQUIRE(d.push(&below));
  REQUIRE(d.publish());
  CHECK(steal(d) == &below);
  REQUIRE(d.push(&above));
  CHECK_FALSE(d.has_public());
  REQUIRE(d.pop());
  CHECK(d.item_at(d.mark()) == &above);
  CHECK_FALSE(d.pop());
}

TEST_CASE("popping a public item takes half of the others back, unless somebody asks for work") {
  bool const wanted = GENERATE(false, true);
  deque d(smallest);
  std::vector<item> items(9);
  for (auto& i : items) REQUIRE(d.push(&i));
  REQUIRE(d.publish());
  if (!wanted) d.clear_want();
  REQUIRE(d.pop());
  CHECK(steal_all(d) == (wanted ? 8u : 4u));
  for (int private_left = wanted ? 0 : 4; private_left != 0; --private_left) CHECK(d.pop());
  CHECK_FALSE(d.pop());
}

TEST_CASE("taken slots are given back down to the floor and no further") {
  deque d(smallest);
  std::vector<item> items(4);
  for (auto& i : items) REQUIRE(d.push(&i));
  auto const floor = d.mark() - 2;
  REQUIRE(d.publish());
  CHECK(steal_all(d) == 4);
  d.settle(floor);
  CHECK(d.mark() == floor);
  d.settle(d.bottom());
  CHECK(d.mark() == d.bottom());
}

TEST_CASE("a full deque refuses a push and keeps what it has") {
  deque d(smallest);
  std::vector<item> items(2 * smallest);
  std::size_t pushed = 0;
  while (pushed != items.size() && d.push(&items[pushed])) ++pushed;
  CHECK(pushed >= smallest - 1);
  CHECK_FALSE(d.push(&items[0]));
  REQUIRE(d.publish());
  CHECK(steal(d) == &items[0]);
  CHECK_FALSE(d.push(&items[0]));
  for (std::size_t left = pushed - 1; left != 0; --left) {
    REQUIRE(d.pop());
    REQUIRE(d.item_at(d.mark()) == &items[left]);
  }
  CHECK_FALSE(d.pop());
}

TEST_CASE("a deque does what a list with a public front part does") {
  weft_test::seeded random;
  deque d(smallest);
  std::vector<item> items(smallest);
  std::deque<item*> live;       // oldest first
  std::size_t taken_slots = 0;  // below the live ones
  std::size_t next = 0;
  for (int step = 0; step != 20000; ++step) {
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2: {
        item* const i = &items[next++ % items.size()];
        if (d.push(i)) live.push_back(i);
        else REQUIRE(taken_slots + live.size() >= smallest - 1);
        break;
      }
      case 3:
      case 4:
        if (live.empty()) {
          if (taken_slots != 0) REQUIRE_FALSE(d.pop());
          d.settle(d.bottom());
          taken_slots = 0;
          REQUIRE(d.mark() == d.bottom());
          REQUIRE(d.idle());
        } else {
          REQUIRE(d.top() == live.back());
          REQUIRE(d.pop());
          REQUIRE(d.item_at(d.mark()) == live.back());
          live.pop_back();
        }
        break;
      case 5: d.publish(); break;
      case 6:
        if (random.below(2) == 0) d.clear_want();
        break;
      default:
        bool const could = d.has_public();
        item* const found = steal(d);
        REQUIRE((found != nullptr) == could);
        if (found != nullptr) {
          REQUIRE(found == live.front());
          live.pop_front();
          ++taken_slots;
        }
    }
    REQUIRE(static_cast<std::size_t>(d.mark() - d.bottom()) == taken_slots + live.size());
  }
}

TEST_CASE("the owner and thieves never both get an item") {
  weft_test::watchdog const dog("split deque: owner and thieves");
  weft_test::seeded random;
  constexpr int rounds = 20000;
  deque d(smallest);
  std::vector<item> items(rounds);
  std::atomic<bool> ended{false};
  std::atomic<int> stolen_items{0}, wrong_payload{0};
  std::vector<std::thread> thieves;
  for (int t = 0; t != 2; ++t)
    thieves.emplace_back([&] {
      while (!ended.load()) {
        item* const found = steal(d);
        if (found == nullptr) {
          std::this_thread::yield();
          continue;
        }
        if (found->payload != 1) ++wrong_payload;
        ++found->taken;
        ++stolen_items;
      }
    });
  int popped = 0, refused = 0;
  for (auto& i : items) {  // one item at a time: every pop meets the thieves at the last item
    i.payload = 1;
    if (!d.push(&i)) ++refused;
    d.publish();
    for (auto spin = random.below(64); spin != 0; --spin) weft::detail::relax();
    if (d.pop()) {
      ++d.item_at(d.mark())->taken;
      ++popped;
    }
    d.settle(d.bottom());
  }
  REQUIRE(refused == 0);
  while (popped + stolen_items != rounds) std::this_thread::yield();
  ended = true;
  for (auto& t : thieves) t.join();
  for (auto& i : items) REQUIRE(i.taken == 1);
  CHECK(wrong_payload == 0);
}
