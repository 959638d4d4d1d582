// The split deque with an owner who does everything an owner may, and thieves who never rest. Every item is taken exactly once.
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/concurrent/split_deque.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <random>
#include <thread>
#include <vector>

namespace {

using weft::detail::stolen;

struct item {
  std::size_t payload = 0;  // plain: handed over by the deque alone
  std::atomic<int> taken{0};
  std::atomic<bool> done{false};
};

using deque = weft::detail::split_deque<item>;
constexpr std::size_t capacity = 512;
constexpr std::size_t rounds = weft::detail::small_capacities ? 100'000 : 1'000'000;

/// Threads that steal until they are told to end.
class thieves {
 public:
  thieves(deque& d, int count, weft_test::seeded& random) : deque_(d) {
    for (int t = 0; t != count; ++t) threads_.emplace_back([this, seed = random()] { steal(seed); });
    while (arrived_.load() != count) std::this_thread::yield();
  }
  ~thieves() { end(); }

  void end() {
    ended_ = true;
    for (auto& t : threads_) t.join();
    threads_.clear();
  }
  std::size_t loot() const { return loot_.load(); }
  std::size_t wrong() const { return wrong_.load(); }

 private:
  void steal(std::uint64_t seed) {
    std::minstd_rand own(static_cast<unsigned>(seed) | 1u);
    ++arrived_;
    while (!ended_.load(std::memory_order_relaxed)) {
      item* found = nullptr;
      switch (deque_.steal(found)) {
        case stolen::item:
          if (found == nullptr || found->payload == 0) {
            ++wrong_;
            break;
          }
          found->payload = 0;  // as a thief may write what it was given
          ++found->taken;
          ++loot_;
          found->done.store(true, std::memory_order_release);
          break;
        case stolen::empty:
          if (own() % 4 == 0) std::this_thread::yield();
          if (own() % 64 == 0) deque_.raise_want();
          break;
        case stolen::lost_race: break;
      }
    }
  }

  deque& deque_;
  std::atomic<bool> ended_{false};
  std::atomic<int> arrived_{0};
  std::atomic<std::size_t> loot_{0}, wrong_{0};
  std::vector<std::thread> threads_;
};

bool each_taken_once(std::vector<item> const& items, std::size_t used) {
  return std::all_of(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(used),
                     [](item const& i) { return i.taken == 1; });
}

}  // namespace

TEST_CASE("an owner in its run loop and its thieves get each item once") {
  weft_test::watchdog const dog("deque stress: run loop", std::chrono::seconds(240));
  weft_test::seeded random;
  deque d(capacity);
  std::vector<item> items(rounds);
  std::size_t pushed = 0, popped = 0, wrong = 0;
  thieves others(d, 3, random);
  auto const pop = [&] {
    if (d.mark() == d.bottom()) return false;
    if (!d.pop()) {
      d.settle(d.bottom());
      return false;
    }
    item* const own = d.item_at(d.mark());
    if (own == nullptr || own->payload == 0) ++wrong;
    else ++own->taken;
    ++popped;
    return true;
  };
  while (pushed != rounds) {
    switch (random.below(6)) {
      case 0:
      case 1:
        for (auto burst = random.below(20); burst != 0 && pushed != rounds; --burst) {
          items[pushed].payload = pushed + 1;
          if (!d.push(&items[pushed])) break;
          ++pushed;
        }
        break;
      case 2: d.publish(); break;
      case 3:
        for (auto burst = random.below(20); burst != 0 && pop();) --burst;
        break;
      case 4:
        if (random.below(4) == 0) d.clear_want();
        break;
      default:
        if (d.wanted()) d.publish();
    }
  }
  while (popped + others.loot() != pushed) {
    d.publish();
    if (!pop()) std::this_thread::yield();
  }
  // One is left to the thieves, in case that they have not had a turn so far.
  item last;
  last.payload = 1;
  CHECK(d.push(&last));
  d.publish();
  while (!last.done) std::this_thread::yield();
  CHECK(others.loot() != 0);
  others.end();
  d.settle(d.bottom());
  CHECK(d.mark() == d.bottom());
  CHECK(each_taken_once(items, pushed));
  CHECK(wrong == 0);
  CHECK(others.wrong() == 0);
}

TEST_CASE("an owner that forks and joins gets back each item that was not stolen, and waits for those that were") {
  weft_test::watchdog const dog("deque stress: forks and joins", std::chrono::seconds(240));
  weft_test::seeded random;
  deque d(capacity);
  std::vector<item> items(rounds / 4);
  std::size_t used = 0, wrong = 0;
  thieves others(d, 3, random);
  auto const publish = [&] {
    if (!d.wanted()) return;
    d.publish();
    if (random.below(2) == 0) d.clear_want();
    if (random.below(64) == 0) std::this_thread::yield();
  };
  // A frame: forks one item, does something, joins.
  auto const frame = [&](auto&& self, int depth) -> void {
    if (used == items.size()) return;
    item& mine = items[used++];
    mine.payload = used;
    if (!d.push(&mine)) {
      ++mine.taken;
      return;
    }
    publish();
    for (auto calls = random.below(3); calls != 0 && depth != 0; --calls) self(self, depth - 1);
    if (d.pop()) {
      if (d.item_at(d.mark()) != &mine || mine.payload == 0) ++wrong;
      ++mine.taken;
      return;
    }
    auto const slot = d.mark() - 1;
    while (!mine.done.load(std::memory_order_acquire)) std::this_thread::yield();
    if (mine.payload != 0) ++wrong;
    d.drop_taken(slot);
  };
  while (used != items.size()) {
    frame(frame, static_cast<int>(random.below(600)));
    if (d.mark() != d.bottom()) ++wrong;
    std::this_thread::yield();
  }
  // One is left to the thieves, in case that they have not had a turn so far.
  item last;
  last.payload = 1;
  CHECK(d.push(&last));
  d.publish();
  while (!last.done) std::this_thread::yield();
  CHECK(others.loot() != 0);
  others.end();
  CHECK(each_taken_once(items, used));
  CHECK(wrong == 0);
  CHECK(others.wrong() == 0);
}
