#include "support/allocations.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"

#include <weft/concurrent/backlog.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <vector>

namespace {

struct item {
  item* next = nullptr;
};
using queue = weft::detail::backlog<item, &item::next>;

}  // namespace

TEST_CASE("a backlog gives items in the order in which they came, whatever comes and goes meanwhile") {
  weft_test::seeded random;
  weft_test::balance const balance;
  std::vector<item> items(20'000);
  queue q;
  std::deque<item*> expected;
  std::array<item*, 200> out;
  std::size_t next = 0;
  while (next != items.size() || !expected.empty()) {
    for (auto n = random.below(300); n != 0 && next != items.size(); --n, ++next) {
      q.push(&items[next]);
      expected.push_back(&items[next]);
    }
    std::size_t const most = random.below(200);
    auto const got = q.pop(out.data(), most);
    REQUIRE(got == std::min(most, expected.size()));
    for (std::size_t i = 0; i != got; ++i) {
      REQUIRE(out[i] == expected.front());
      expected.pop_front();
    }
  }
  CHECK(q.pop(out.data(), 1) == 0);
}

TEST_CASE("a backlog keeps items and their order where there is no memory for it") {
  weft_test::balance const balance;
  std::vector<item> items(1000);
  std::vector<item*> got(items.size());
  queue q;
  std::size_t taken = 0;
  for (std::size_t i = 0; i != items.size(); ++i) {
    weft_test::failing_allocation const none(0);
    q.push(&items[i]);
    // Linked items stay between those in chunks until they have gone.
    if (i % 150 == 149) taken += q.pop(got.data() + taken, std::min<std::size_t>(140, items.size() - taken));
  }
  taken += q.pop(got.data() + taken, items.size() - taken);
  REQUIRE(taken == items.size());
  for (std::size_t i = 0; i != items.size(); ++i) CHECK(got[i] == &items[i]);
}
