#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/explosive.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/reproducible.hpp>
#include <weft/sched/pool.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::parallel_reduce;
using weft::parallel_transform_reduce;
using weft::reproducible;
using weft_test::explosive;

static_assert(std::same_as<decltype(parallel_reduce(reproducible, std::declval<std::vector<int>&>(), 0L)), long>);

namespace {

/// Values of all magnitudes and signs: hardly any two groupings of their sum round alike.
template <class T>
std::vector<T> wild(std::size_t size, weft_test::seeded& random) {
  std::vector<T> v(size);
  for (auto& x : v) {
    auto const magnitude = static_cast<int>(random.below(60)) - 30;
    x = static_cast<T>(std::ldexp(static_cast<double>(static_cast<std::int64_t>(random())), magnitude - 63));
  }
  return v;
}

template <class T>
auto bits(T v) {
  if constexpr (sizeof(T) == 4) return std::bit_cast<std::uint32_t>(v);
  else return std::bit_cast<std::uint64_t>(v);
}

}  // namespace

TEST_CASE("a reproducible sum has the same bits on every number of workers, with every grain, in every run") {
  std::size_t const size =
      GENERATE(as<std::size_t>(), 0, 1, 2, 3, 100, 1000, 2047, 2048, 2049, 4097, 100'000, 300'001, 1'000'000);
  weft_test::watchdog const guard("reproducible_test: bits", std::chrono::seconds(60));
  weft_test::seeded random;
  auto const doubles = wild<double>(size, random);
  auto const floats = wild<float>(size, random);
  auto const square = [](double v) {
    if ((bits(v) & 4095) == 0) std::this_thread::yield();
    return v * v;
  };
  bool known = false;
  std::uint64_t sum = 0, squares = 0, product = 0;
  std::uint32_t small_sum = 0;
  for (unsigned const workers : {1u, 2u, 3u, 16u}) {
    weft::pool pool{{.workers = workers}};
    for (std::size_t const grain : {std::size_t{0}, size / 300 + 1, std::size_t{1'000'000'000}}) {
      auto const got = bits(pool.run([&] {
        return grain == 0 ? parallel_reduce(reproducible, doubles, 0.1)
                          : parallel_reduce(reproducible, doubles, 0.1, {.grain = grain});
      }));
      auto const small_got =
          bits(pool.run([&] { return parallel_reduce(reproducible, floats, 0.1F, std::plus<>(), {.grain = grain}); }));
      auto const squares_got = bits(pool.run([&] {
        return parallel_transform_reduce(reproducible, doubles, 0.1, std::plus<>(), square, {.grain = grain});
      }));
      auto const product_got = bits(pool.run([&] {
        return parallel_transform_reduce(reproducible, doubles, 0.1, std::multiplies<>(),
                                         [](double v) { return 1 + v * 1e-6; }, {.grain = grain});
      }));
      if (!std::exchange(known, true)) {
        sum = got, small_sum = small_got, squares = squares_got, product = product_got;
      }
      CHECK(got == sum);
      CHECK(small_got == small_sum);
      CHECK(squares_got == squares);
      CHECK(product_got == product);
    }
  }
}

TEST_CASE("the free sum differs between groupings, where the reproducible one does not") {
  weft_test::watchdog const guard("reproducible_test: the check can fail");
  weft_test::seeded random;
  weft::pool pool{{.workers = 1}};
  auto const values = wild<double>(100'000, random);
  auto const sum = [&](std::size_t grain) {
    return pool.run([&] { return parallel_reduce(values, 0.0, std::plus<>(), {.grain = grain}); });
  };
  CHECK((bits(sum(1)) != bits(sum(100)) || bits(sum(1)) != bits(sum(1000)) || bits(sum(10)) != bits(sum(7))));
}

TEST_CASE("every element is used once, in order, with init first") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  int const size = GENERATE(0, 1, 2, 3, 5, 255, 256, 257, 1000, 30'000);
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 11);
  weft_test::watchdog const guard("reproducible_test: grouping");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  struct interval {
    int first, last;
  };
  std::atomic<int> gaps{0};
  auto const all = pool.run([&] {
    return parallel_transform_reduce(
        reproducible, std::views::iota(0, size), interval{-1, 0},
        [&gaps](interval a, interval b) {
          gaps += a.last != b.first;
          return interval{a.first, b.last};
        },
        [](int v) { return interval{v, v + 1}; }, {.grain = grain});
  });
  CHECK(gaps == 0);
  CHECK(all.first == -1);
  CHECK(all.last == size);
}

TEST_CASE("integers, strings, lists and what only moves are reduced as std does") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reproducible_test: types");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::uint64_t> numbers(100'001);
  for (auto& v : numbers) v = random();
  auto const expected = std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{7});
  CHECK(pool.run([&] { return parallel_reduce(reproducible, numbers, std::uint64_t{7}); }) == expected);
  std::list<std::string> words;
  std::string sentence = "begin";
  for (int i = 0; i < 3000; ++i) sentence += words.emplace_back(' ' + std::to_string(i));
  CHECK(pool.run([&] { return parallel_reduce(reproducible, words, std::string("begin")); }) == sentence);
  auto const sum = pool.run([] {
    return parallel_transform_reduce(
        reproducible, std::views::iota(0, 1000), std::make_unique<int>(1),
        [](std::unique_ptr<int> a, std::unique_ptr<int> b) { return std::make_unique<int>(*a + *b); },
        [](int v) { return std::make_unique<int>(v); });
  });
  CHECK(*sum == 499'501);
  std::vector<bool> flags(1000);
  for (std::size_t i = 0; i < flags.size(); i += 2) flags[i] = true;
  CHECK(pool.run([&] { return parallel_reduce(reproducible, flags, 0); }) == 500);
}

TEST_CASE("the tree over the leaves is balanced") {
  weft_test::watchdog const guard("reproducible_test: depth");
  weft::pool pool{{.workers = 2}};
  std::vector<int> const depths(256, 0);
  auto const depth = pool.run(
      [&] { return parallel_reduce(reproducible, depths, 0, [](int a, int b) { return std::max(a, b) + 1; }); });
  CHECK(depth == 9);  // 8 levels, and init
}

TEST_CASE("a reproducible reduction from a plain thread is a plain call") {
  CHECK(parallel_reduce(reproducible, std::views::iota(0, 1000), 0) == 499'500);
  CHECK(weft::pool::current() == nullptr);
}

TEST_CASE("an exception from any use of a value comes out, and nothing is left") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reproducible_test: exceptions", std::chrono::seconds(60));
  weft_test::balance const balance;
  {
    weft::pool pool{{.workers = workers}};
    std::vector<explosive> values;
    for (int i = 0; i < 300; ++i) values.emplace_back(1);
    int thrown = 0, ended = 0;
    for (int every = 1; every < 8000; every += 1 + every / 3) {
      explosive::arm(every);
      try {
        int const sum = pool.run(
            [&] { return parallel_reduce(reproducible, values, explosive(0), std::plus<>(), {.grain = 7}).value(); });
        ++ended;
        CHECK(sum == 300);
      } catch (std::runtime_error const&) {
        ++thrown;
      }
      explosive::disarm();
      CHECK(explosive::live() == 300);
    }
    CHECK(thrown > 0);
    CHECK(ended > 0);
  }
  CHECK(explosive::live() == 0);
}

TEST_CASE("a stop ends a reproducible reduction between leaves") {
  weft_test::watchdog const guard("reproducible_test: stop", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  std::atomic<int> calls{0};
  auto f = pool.spawn([&calls] {
    return parallel_transform_reduce(reproducible,
                                     std::views::iota(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()),
                                     std::int64_t{0}, std::bit_xor<>(), [&calls](std::int64_t v) {
                                       if (v < 10'000) ++calls;
                                       return v;
                                     });
  });
  while (calls == 0) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
}
