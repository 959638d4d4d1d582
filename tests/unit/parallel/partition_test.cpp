#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/explosive.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/partition.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <memory>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::loop_options;
using weft::parallel_partition;
using weft_test::explosive;

namespace {
bool even(int v) { return v % 2 == 0; }

template <class R>
using partitioned_of = decltype(parallel_partition(std::declval<R>(), even));
}  // namespace

static_assert(std::same_as<partitioned_of<std::vector<int>&>,
                           decltype(std::ranges::partition(std::declval<std::vector<int>&>(), even))>);
static_assert(std::same_as<partitioned_of<std::vector<int>>, std::ranges::dangling>);

namespace {

/// Those that satisfy the predicate are in front, each element is called once, and nothing has been lost.
template <class Pred>
void check_partition(weft::pool& pool, std::vector<std::uint32_t> const& from, Pred pred, loop_options o) {
  auto v = from;
  std::atomic<std::size_t> calls{0};
  auto const rest = pool.run([&] {
    return parallel_partition(
        v,
        [&](std::uint32_t x) {
          ++calls;
          return pred(x);
        },
        o);
  });
  CHECK(rest.end() == v.end());
  CHECK(calls == from.size());
  CHECK(rest.begin() - v.begin() == std::count_if(from.begin(), from.end(), pred));
  CHECK(std::all_of(v.begin(), rest.begin(), pred));
  CHECK(std::none_of(rest.begin(), v.end(), pred));
  auto expected = from;
  std::sort(expected.begin(), expected.end());
  std::sort(v.begin(), v.end());
  CHECK(v == expected);
}

}  // namespace

TEST_CASE("a partition has those that satisfy the predicate in front, whatever the size, the grain and the workers") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const size =
      GENERATE(as<std::size_t>(), 0, 1, 2, 3, 10, 255, 256, 257, 1000, 1023, 1024, 1025, 2048, 2049, 20'000);
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 33, 3000);
  weft_test::watchdog const guard("partition_test: sizes", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::uint32_t> from(size);
  for (auto& v : from) v = static_cast<std::uint32_t>(random());
  // From none to all of them.
  for (std::uint32_t const part : {0u, 1u, 30u, 50u, 99u, 100u})
    check_partition(pool, from, [=](std::uint32_t v) { return v % 100 < part; }, {.grain = grain});
  std::sort(from.begin(), from.end());
  check_partition(pool, from, [](std::uint32_t v) { return v < 1u << 31; }, {.grain = grain});
  check_partition(pool, from, [](std::uint32_t v) { return v >= 1u << 31; }, {.grain = grain});
}

TEST_CASE("a million elements, with a predicate that takes its time now and then") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("partition_test: large", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::uint32_t> from(1'000'000);
  for (auto& v : from) v = static_cast<std::uint32_t>(random());
  check_partition(pool, from,
                  [](std::uint32_t v) {
                    if (v % 8192 == 0) std::this_thread::yield();
                    return v % 3 == 0;
                  },
                  {});
}

TEST_CASE("ranges of every kind are partitioned, by what a projection makes of their elements") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 7);
  weft_test::watchdog const guard("partition_test: ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  loop_options const o{.grain = grain};
  std::vector<int> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0);
  auto const check = [&](auto range) {
    auto const rest = pool.run([&] { return parallel_partition(range, even, o); });
    CHECK(rest.end() == range.end());
    CHECK(std::distance(range.begin(), rest.begin()) == 500);
    CHECK(std::is_partitioned(range.begin(), range.end(), even));
    std::vector<int> sorted(range.begin(), range.end());
    std::sort(sorted.begin(), sorted.end());
    CHECK(sorted == numbers);
  };
  check(numbers);
  check(std::list<int>(numbers.begin(), numbers.end()));
  check(std::forward_list<int>(numbers.begin(), numbers.end()));
  check(std::deque<int>(numbers.begin(), numbers.end()));

  struct named {
    std::string name;
    int number;
  };
  std::vector<named> all;
  for (int i = 0; i < 1000; ++i) all.push_back({"a name that is too long to be kept inside " + std::to_string(i), i});
  auto const rest = pool.run([&] { return parallel_partition(all, even, &named::number, o); });
  CHECK(rest.size() == 500);
  for (auto const& n : all)
    if (!n.name.ends_with(' ' + std::to_string(n.number))) FAIL("name and number have parted");

  std::vector<std::unique_ptr<int>> pointers;
  for (int i = 0; i < 1000; ++i) pointers.push_back(std::make_unique<int>(i));
  pool.run([&] { parallel_partition(pointers, even, [](auto const& p) { return *p; }, o); });
  CHECK(std::is_partitioned(pointers.begin(), pointers.end(), [](auto const& p) { return even(*p); }));

  std::vector<bool> bits(1001);
  for (std::size_t i = 0; i < bits.size(); i += 3) bits[i] = true;
  auto const zeros = pool.run([&] { return parallel_partition(bits, std::identity(), o); });
  CHECK(zeros.size() == 1001 - 334);
  CHECK(std::none_of(zeros.begin(), zeros.end(), std::identity()));

  struct alignas(64) wide {
    int value;
  };
  std::vector<wide> wides(1000);
  for (int i = 0; i < 1000; ++i) wides[static_cast<std::size_t>(i)].value = i;
  CHECK(pool.run([&] { return parallel_partition(wides, even, &wide::value, o); }).size() == 500);
  // Part of a range, without its neighbours.
  auto part = std::views::counted(numbers.begin() + 100, 801);
  CHECK(pool.run([&] { return parallel_partition(part, even, o); }).size() == 400);
  for (int i = 0; i < 100; ++i) CHECK(numbers[static_cast<std::size_t>(i)] == i);
  for (int i = 901; i < 1000; ++i) CHECK(numbers[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a partition from a plain thread is a plain call") {
  weft_test::watchdog const guard("partition_test: from a plain thread");
  std::vector<int> v{1, 2, 3, 4, 5};
  CHECK(parallel_partition(v, even).size() == 3);
  CHECK(weft::pool::current() == nullptr);
}

TEST_CASE("an exception from a predicate or a swap comes out, and leaves valid elements and nothing else") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("partition_test: exceptions", std::chrono::seconds(60));
  weft_test::balance const balance;
  {
    weft::pool pool{{.workers = workers}};
    int thrown = 0, ended = 0;
    for (int every = 1; every < 3000; every += 1 + every / 3) {
      std::vector<explosive> values;
      values.reserve(500);
      for (int i = 0; i < 500; ++i) values.emplace_back(i * 7 % 500);
      explosive::arm(every);
      try {
        pool.run([&] {
          parallel_partition(values, [](explosive const& v) { return explosive(v).value() % 3 == 0; }, {.grain = 20});
        });
        ++ended;
      } catch (std::runtime_error const&) {
        ++thrown;
      }
      explosive::disarm();
      CHECK(explosive::live() == 500);
      CHECK(std::ranges::all_of(values, &explosive::valid));
    }
    CHECK(thrown > 0);
    CHECK(ended > 0);
    // Where only the predicate throws, nothing is lost.
    std::vector<std::string> words;
    for (int i = 0; i < 3000; ++i) words.push_back("a word that is not short at all: " + std::to_string(i));
    auto expected = words;
    std::sort(expected.begin(), expected.end());
    for (int at : {0, 1, 100, 1500, 2999}) {
      std::atomic<int> calls{0};
      CHECK_THROWS_AS(pool.run([&] {
        parallel_partition(words,
                           [&](std::string const& w) {
                             if (calls++ == at) throw std::runtime_error("predicate");
                             return w.back() < '5';
                           },
                           {.grain = 64});
      }),
                      std::runtime_error);
      auto got = words;
      std::sort(got.begin(), got.end());
      CHECK(got == expected);
    }
  }
  CHECK(explosive::live() == 0);
}

TEST_CASE("a stop ends a partition between blocks") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("partition_test: stop", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> calls{0};
  std::atomic<bool> stopped{false};
  std::vector<int> values(100'000);
  std::iota(values.begin(), values.end(), 0);
  auto f = pool.spawn([&] {
    parallel_partition(values,
                       [&](int v) {
                         ++calls;
                         while (!stopped && calls > 1000) std::this_thread::yield();
                         return even(v);
                       },
                       {.grain = 10});
  });
  while (calls <= 1000) std::this_thread::yield();
  f.stop();
  stopped = true;
  CHECK_THROWS_AS(f.get(), weft::stopped);
  std::sort(values.begin(), values.end());
  for (int i = 0; i < 100'000; ++i)
    if (values[static_cast<std::size_t>(i)] != i) FAIL("lost " << i);
}
