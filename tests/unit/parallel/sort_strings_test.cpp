#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "unit/parallel/sorting.hpp"

#include <weft/parallel/sort.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace {

template <class Values, class Comp>
bool sorts_like_std(weft::pool& pool, Values values, Comp comp, weft::loop_options options) {
  auto expected = values;
  std::sort(expected.begin(), expected.end(), comp);
  auto const end = pool.run([&] { return weft::parallel_sort(values, comp, options); });
  return end == values.end() && values == expected;
}

}  // namespace

TEST_CASE(
    "strings are sorted by their bytes: empty ones, ones that begin alike, ones with zeros in them and at their ends") {
  auto const workers = GENERATE(from_range(weft_test::sorting_workers()));
  weft_test::watchdog const guard("sort_strings_test: strings", std::chrono::seconds(60));
  weft_test::seeded random;
  weft::pool pool{{.workers = workers}};
  auto const text = [&](std::string beginning, std::size_t longest, std::string const& letters) {
    for (auto length = random.below(longest + 1); length != 0; --length)
      beginning += letters[random.below(letters.size())];
    return beginning;
  };
  using namespace std::string_literals;
  std::string const bytes = "\0\x01\x7F\x80\xFF"s, letters = "abcdefghijklmnop";
  auto const make = [&](int kind, std::size_t i) -> std::string {
    switch (kind) {
      case 0: return text("", 30, letters);
      case 1: return text("", 12, "ab");
      case 2: return text("", 20, bytes);
      case 3: return text("a beginning that all share, ", 9, letters);
      case 4: return text(i % 2 == 0 ? "the same to here" : "the same to her", 2, bytes);
      case 5: return std::string(i % 700, 'x') + (i % 3 == 0 ? "" : "y");  // each begins as the one before
      case 6: return i % 5 == 0 ? std::string(i % 40, '\0') : std::string(60, 'z');
      default: return std::to_string(i / 50 % 7) + std::string(3000, 'w') + std::to_string(i % 2);
    }
  };
  for (int kind = 0; kind < 8; ++kind) {
    for (std::size_t const size : {130u, 2500u}) {
      std::vector<std::string> values;
      for (std::size_t i = 0; i < size; ++i) values.push_back(make(kind, random.below(100'000)));
      INFO("kind " << kind << ", size " << size);
      for (std::size_t const grain : {0u, 1u}) {
        CHECK(sorts_like_std(pool, values, std::ranges::less{}, {.grain = grain}));
        CHECK(sorts_like_std(pool, values, std::greater<>{}, {.grain = grain}));
      }
      std::vector<std::string_view> const views(values.begin(), values.end());
      CHECK(sorts_like_std(pool, views, std::less<std::string_view>{}, {.grain = 1}));
    }
  }
}
