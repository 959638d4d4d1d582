#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/explosive.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/scan.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <functional>
#include <limits>
#include <list>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::loop_options;
using weft::parallel_exclusive_scan;
using weft::parallel_inclusive_scan;
using weft::reproducible;
using weft_test::explosive;

static_assert(
    std::same_as<decltype(parallel_inclusive_scan(std::declval<std::vector<int>&>(), (long*)nullptr)), long*>);

namespace {

/// Affine maps modulo a prime: their composition is associative and not commutative.
struct affine {
  std::uint64_t factor = 1, shift = 0;
  friend bool operator==(affine const&, affine const&) = default;
  friend affine operator*(affine const& first, affine const& then) {
    constexpr std::uint64_t prime = 1'000'000'007;
    return {first.factor * then.factor % prime, (first.shift * then.factor + then.shift) % prime};
  }
};

struct alignas(64) over_aligned {
  std::int64_t value = 0;
  friend bool operator==(over_aligned const&, over_aligned const&) = default;
  friend over_aligned operator+(over_aligned const& a, over_aligned const& b) { return {a.value + b.value}; }
};

template <class T>
std::vector<T> random_values(std::size_t size, weft_test::seeded& random, std::uint64_t bound = 1000) {
  std::vector<T> v(size);
  for (auto& x : v) x = static_cast<T>(random.below(bound));
  return v;
}

/// An addition that gives the processor away now and then, so that blocks end in any order.
struct restless_plus {
  template <class T>
  T operator()(T a, T b) const {
    if ((static_cast<std::uint64_t>(b) & 255) == 0) std::this_thread::yield();
    return static_cast<T>(a + b);
  }
};

enum class forms { all, some };

/// Scans against std, into another place and in place. Some: one kind of scan, free and reproducible. The other is compiled for itself.
template <forms Forms = forms::all, class T, class Op>
void compare_with_std(weft::pool& pool, std::vector<T> const& from, T const& init, Op op, loop_options o) {
  auto const size = from.size();
  std::vector<T> expected(size), got(size);
  using input = std::vector<T> const&;
  using output = typename std::vector<T>::iterator;
  auto const check = [&](weft::detail::function_ref<output(input, output)> call) {
    std::fill(got.begin(), got.end(), T{});
    REQUIRE(pool.run([&] { return call(from, got.begin()); }) == got.end());
    CHECK(got == expected);
    got = from;
    REQUIRE(pool.run([&] { return call(got, got.begin()); }) == got.end());
    CHECK(got == expected);
  };
  std::inclusive_scan(from.begin(), from.end(), expected.begin(), op, init);
  check([&](input r, output out) { return parallel_inclusive_scan(r, out, init, op, o); });
  check([&](input r, output out) { return parallel_inclusive_scan(reproducible, r, out, init, op, o); });
  if constexpr (Forms == forms::all) {
    std::exclusive_scan(from.begin(), from.end(), expected.begin(), init, op);
    check([&](input r, output out) { return parallel_exclusive_scan(r, out, init, op, o); });
    check([&](input r, output out) { return parallel_exclusive_scan(reproducible, r, out, init, op, o); });
    std::inclusive_scan(from.begin(), from.end(), expected.begin(), op);
    check([&](input r, output out) { return parallel_inclusive_scan(r, out, op, o); });
    check([&](input r, output out) { return parallel_inclusive_scan(reproducible, r, out, op, o); });
  }
}

}  // namespace

TEST_CASE("scans give what std gives, whatever the size, the grain and the workers") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const size = GENERATE(as<std::size_t>(), 0, 1, 2, 3, 7, 8, 9, 10, 63, 1000, 4095, 4096, 4097);
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 33, 5000);
  weft_test::watchdog const guard("scan_test: sizes", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const from = random_values<std::uint32_t>(size, random);
  compare_with_std(pool, from, 7u, std::plus<>(), {.grain = grain});
  compare_with_std(pool, from, 7u, restless_plus(), {.grain = grain});
}

TEST_CASE("large scans give what std gives, also where a block begins or ends") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const size = GENERATE(as<std::size_t>(), 8191, 8192, 8193, 16'384, 16'385, 100'000, 1'000'000);
  weft_test::watchdog const guard("scan_test: large", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const from = random_values<std::uint32_t>(size, random, std::uint64_t{1} << 32);
  compare_with_std(pool, from, 7u, std::plus<>(), {});
  if (size < 200'000) compare_with_std(pool, from, 7u, restless_plus(), {});
}

TEST_CASE("every form of the call means what it says") {
  weft_test::watchdog const guard("scan_test: forms");
  std::vector<int> const from{3, 1, 4, 1, 5};
  std::vector<long> got(5);
  using list = std::vector<long>;
  loop_options const o{.grain = 2};
  auto const times = std::multiplies<>();
  parallel_inclusive_scan(from, got.begin());
  CHECK(got == list{3, 4, 8, 9, 14});
  parallel_inclusive_scan(from, got.begin(), {.grain = 2});
  CHECK(got == list{3, 4, 8, 9, 14});
  parallel_inclusive_scan(from, got.begin(), times);
  CHECK(got == list{3, 3, 12, 12, 60});
  parallel_inclusive_scan(from, got.begin(), times, o);
  CHECK(got == list{3, 3, 12, 12, 60});
  parallel_inclusive_scan(from, got.begin(), 10);
  CHECK(got == list{13, 14, 18, 19, 24});
  parallel_inclusive_scan(from, got.begin(), 10, o);
  CHECK(got == list{13, 14, 18, 19, 24});
  parallel_inclusive_scan(from, got.begin(), 10, times);
  CHECK(got == list{30, 30, 120, 120, 600});
  parallel_inclusive_scan(from, got.begin(), 10, times, o);
  CHECK(got == list{30, 30, 120, 120, 600});
  parallel_exclusive_scan(from, got.begin(), 10);
  CHECK(got == list{10, 13, 14, 18, 19});
  parallel_exclusive_scan(from, got.begin(), 10, o);
  CHECK(got == list{10, 13, 14, 18, 19});
  parallel_exclusive_scan(from, got.begin(), 10, times);
  CHECK(got == list{10, 30, 30, 120, 120});
  parallel_exclusive_scan(from, got.begin(), 10, times, o);
  CHECK(got == list{10, 30, 30, 120, 120});

  parallel_inclusive_scan(reproducible, from, got.begin());
  CHECK(got == list{3, 4, 8, 9, 14});
  parallel_inclusive_scan(reproducible, from, got.begin(), o);
  CHECK(got == list{3, 4, 8, 9, 14});
  parallel_inclusive_scan(reproducible, from, got.begin(), times);
  CHECK(got == list{3, 3, 12, 12, 60});
  parallel_inclusive_scan(reproducible, from, got.begin(), times, o);
  CHECK(got == list{3, 3, 12, 12, 60});
  parallel_inclusive_scan(reproducible, from, got.begin(), 10);
  CHECK(got == list{13, 14, 18, 19, 24});
  parallel_inclusive_scan(reproducible, from, got.begin(), 10, o);
  CHECK(got == list{13, 14, 18, 19, 24});
  parallel_inclusive_scan(reproducible, from, got.begin(), 10, times, o);
  CHECK(got == list{30, 30, 120, 120, 600});
  parallel_exclusive_scan(reproducible, from, got.begin(), 10);
  CHECK(got == list{10, 13, 14, 18, 19});
  parallel_exclusive_scan(reproducible, from, got.begin(), 10, o);
  CHECK(got == list{10, 13, 14, 18, 19});
  parallel_exclusive_scan(reproducible, from, got.begin(), 10, times, o);
  CHECK(got == list{10, 30, 30, 120, 120});
}

TEST_CASE("scans keep the order: strings and maps that do not commute") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 7);
  weft_test::watchdog const guard("scan_test: order", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::string> words(400);
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = std::to_string(i) + " ";
  compare_with_std(pool, words, std::string("begin "), std::plus<>(), {.grain = grain});
  std::vector<affine> maps(5000);
  for (auto& m : maps) m = {random.below(1'000'000'000), random.below(1'000'000'000)};
  compare_with_std(pool, maps, affine{3, 4}, std::multiplies<>(), {.grain = grain});
}

TEST_CASE("scans of small, floating, over-aligned and other types") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scan_test: types", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const least = [](auto a, auto b) { return std::min(a, b); };
  compare_with_std<forms::some>(pool, random_values<std::uint8_t>(20'000, random, 256), std::uint8_t{200},
                                std::plus<>(), {});
  compare_with_std<forms::some>(pool, random_values<std::int16_t>(20'000, random, 3), std::int16_t{-7}, std::plus<>(),
                                {});
  compare_with_std<forms::some>(pool, random_values<int>(20'000, random), 900, least, {});
  // Exact, whatever the grouping.
  compare_with_std<forms::some>(pool, random_values<double>(20'000, random), 0.5, std::plus<>(), {});
  compare_with_std<forms::some>(pool, random_values<float>(10'000, random), 0.5F, std::plus<float>(), {.grain = 100});
  std::vector<over_aligned> wide(3000);
  for (auto& w : wide) w.value = static_cast<std::int64_t>(random.below(1000));
  compare_with_std<forms::some>(pool, wide, over_aligned{5}, std::plus<>(), {.grain = 64});
  // The sum is wider than the elements, and the results are wider still.
  std::vector<std::int8_t> const small(20'000, 100);
  std::vector<double> sums(small.size());
  pool.run([&] { parallel_inclusive_scan(small, sums.begin(), std::int64_t{1}); });
  for (std::size_t i = 0; i < sums.size(); ++i)
    if (sums[i] != 1 + 100.0 * static_cast<double>(i + 1)) FAIL("wrong at " << i);
  // Neighbours whose sum overflows, in a whole whose sums do not.
  std::vector<int> extremes(40'000);
  for (std::size_t i = 0; i < extremes.size(); ++i) {
    int const large = std::numeric_limits<int>::max() - 1;
    extremes[i] = i % 4 == 0 || i % 4 == 3 ? large : -large;
  }
  compare_with_std<forms::some>(pool, extremes, 0, std::plus<>(), {});
}

TEST_CASE("a part of a scan of integers may be larger than their type") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scan_test: large parts");
  weft::pool pool{{.workers = workers}};
  std::vector<int> many(150'000, 40'000);
  std::fill_n(many.begin(), 50'000, -40'000);
  std::vector<int> sums(many.size());
  pool.run([&] { parallel_inclusive_scan(many, sums.begin()); });
  CHECK(sums.back() == 2'000'000'000);
  pool.run([&] { parallel_inclusive_scan(reproducible, many, sums.begin(), loop_options{.grain = 10}); });
  CHECK(sums.back() == 2'000'000'000);
}

TEST_CASE("scans read and write ranges of every kind") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1);
  weft_test::watchdog const guard("scan_test: ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<int> from(1000), expected(1000);
  std::iota(from.begin(), from.end(), 1);
  std::inclusive_scan(from.begin(), from.end(), expected.begin());
  loop_options const o{.grain = grain};
  auto const check = [&](auto&& in, auto&& out) {
    CHECK(pool.run([&] { return parallel_inclusive_scan(in, out.begin(), o); }) == out.end());
    CHECK(std::ranges::equal(out, expected));
    CHECK(pool.run([&] { return parallel_inclusive_scan(reproducible, in, out.begin(), 0, o); }) == out.end());
    CHECK(std::ranges::equal(out, expected));
  };
  check(std::list<int>(from.begin(), from.end()), std::list<int>(1000));
  check(std::forward_list<int>(from.begin(), from.end()), std::forward_list<int>(1000));
  check(std::deque<int>(from.begin(), from.end()), std::deque<int>(1000));
  check(std::views::iota(1, 1001), std::vector<int>(1000));
  check(from | std::views::filter([](int v) { return v > 0; }), std::vector<int>(1000));
  int array[1000];
  CHECK(pool.run([&] { return parallel_inclusive_scan(from, array, o); }) == array + 1000);
  CHECK(std::ranges::equal(array, expected));
  CHECK(pool.run([&] { return parallel_inclusive_scan(std::vector<int>(), array); }) == array);

  std::vector<bool> bits(1000), seen(1000), std_seen(1000);
  bits[513] = true;
  std::inclusive_scan(bits.begin(), bits.end(), std_seen.begin(), std::logical_or<>(), false);
  CHECK(pool.run([&] { return parallel_inclusive_scan(bits, seen.begin(), false, std::logical_or<>(), o); }) ==
        seen.end());
  CHECK(seen == std_seen);
  pool.run([&] { parallel_inclusive_scan(bits, bits.begin(), std::logical_or<>(), o); });
  CHECK(bits == std_seen);
  std::vector<int> counts(1000);
  pool.run([&] { parallel_exclusive_scan(seen, counts.begin(), 0, o); });
  CHECK(counts.back() == 1000 - 513 - 1);
}

TEST_CASE("a scan from a plain thread is a plain call, also inside a loop") {
  weft_test::watchdog const guard("scan_test: from a plain thread");
  std::vector<int> from(100'000, 1), to(100'000);
  parallel_inclusive_scan(from, to.begin());
  CHECK(to.back() == 100'000);
  parallel_inclusive_scan(from, to.begin(), [](int a, int b) { return a + b; }, {.grain = 10});
  CHECK(to.back() == 100'000);
  CHECK(weft::pool::current() == nullptr);
  std::vector<std::vector<int>> rows(20, from);
  weft::parallel_for(rows, [](std::vector<int>& row) { parallel_inclusive_scan(row, row.begin(), {.grain = 100}); });
  for (auto const& row : rows) CHECK(row.back() == 100'000);
}

TEST_CASE("an operation may itself use the pool") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scan_test: nested", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<int> from(500, 1), to(500);
  auto const slow_plus = [](int a, int b) {
    return weft::parallel_reduce(std::views::iota(0, 20), 0, std::plus<>(), {.grain = 1}) - 190 + a + b;
  };
  for (int i = 0; i < 5; ++i) {
    pool.run([&] { parallel_inclusive_scan(from, to.begin(), slow_plus, {.grain = 3}); });
    for (std::size_t k = 0; k < to.size(); ++k)
      if (to[k] != static_cast<int>(k) + 1) FAIL("wrong at " << k);
  }
}

TEST_CASE("an exception from any use of a value comes out of a scan, and leaves valid elements and nothing else") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scan_test: exceptions", std::chrono::seconds(60));
  weft_test::balance const balance;
  {
    weft::pool pool{{.workers = workers}};
    std::vector<explosive> from, to(300);
    for (int i = 0; i < 300; ++i) from.emplace_back(i);
    auto const before = explosive::live();
    int thrown = 0, ended = 0;
    for (int every = 1; every < 6000; every += 1 + every / 3) {
      for (int form = 0; form < 3; ++form) {
        explosive::arm(every);
        try {
          pool.run([&] {
            if (form == 0) parallel_inclusive_scan(from, to.begin(), std::plus<>(), {.grain = 10});
            else if (form == 1) parallel_exclusive_scan(from, to.begin(), from[0], std::plus<>(), {.grain = 10});
            else parallel_inclusive_scan(reproducible, from, to.begin(), from[0]);
          });
          ++ended;
        } catch (std::runtime_error const&) {
          ++thrown;
        }
        explosive::disarm();
        CHECK(explosive::live() == before);
        CHECK(std::ranges::all_of(to, &explosive::valid));
      }
    }
    CHECK(thrown > 0);
    CHECK(ended > 0);
  }
  CHECK(explosive::live() == 0);
}

TEST_CASE("a stop ends a scan between blocks") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("scan_test: stop", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> calls{0};
  std::atomic<bool> stopped{false};
  std::vector<int> values(100'000, 1);
  auto f = pool.spawn([&] {
    parallel_inclusive_scan(values, values.begin(),
                            [&](int a, int b) {
                              ++calls;
                              while (!stopped && calls > 1000) std::this_thread::yield();
                              return a + b;
                            },
                            {.grain = 10});
  });
  while (calls <= 1000) std::this_thread::yield();
  f.stop();
  stopped = true;
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(calls < 50'000);
}

TEST_CASE("a reproducible scan has the same bits on every number of workers, with every grain, in every run") {
  weft_test::watchdog const guard("scan_test: reproducible", std::chrono::seconds(60));
  weft_test::seeded random;
  std::size_t const size = GENERATE(as<std::size_t>(), 10, 1000, 100'000);
  std::vector<double> from(size), first, got(size);
  for (auto& v : from) v = std::ldexp(static_cast<double>(random()), static_cast<int>(random.below(200)) - 100);
  auto const restless = [](double a, double b) {
    if ((std::bit_cast<std::uint64_t>(b) & 1023) == 0) std::this_thread::yield();
    return a + b;
  };
  std::vector<double> first_restless;
  for (unsigned const workers : {1u, 2u, 3u, 16u}) {
    weft::pool pool{{.workers = workers}};
    for (std::size_t const grain : {0u, 10u, 1'000'000u}) {
      pool.run([&] { parallel_inclusive_scan(reproducible, from, got.begin(), loop_options{.grain = grain}); });
      if (first.empty()) first = got;
      CHECK(got == first);
      pool.run([&] { parallel_exclusive_scan(reproducible, from, got.begin(), 1.0, restless, {.grain = grain}); });
      if (first_restless.empty()) first_restless = got;
      CHECK(got == first_restless);
    }
  }
}
