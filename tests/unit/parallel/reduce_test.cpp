#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/reduce.hpp>
#include <weft/parallel/reproducible.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <forward_list>
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
using weft_test::counted;

static_assert(std::same_as<decltype(parallel_reduce(std::declval<std::vector<int>&>(), 0L)), long>);

namespace {

/// 2 x 2 matrices modulo a prime: their product is associative and not commutative.
struct matrix {
  std::array<std::uint64_t, 4> m{1, 0, 0, 1};
  friend bool operator==(matrix const&, matrix const&) = default;
  friend matrix operator*(matrix const& a, matrix const& b) {
    constexpr std::uint64_t prime = 1'000'000'007;
    return {{(a.m[0] * b.m[0] + a.m[1] * b.m[2]) % prime, (a.m[0] * b.m[1] + a.m[1] * b.m[3]) % prime,
             (a.m[2] * b.m[0] + a.m[3] * b.m[2]) % prime, (a.m[2] * b.m[1] + a.m[3] * b.m[3]) % prime}};
  }
};

}  // namespace

TEST_CASE("a sum is the sum, whatever the size, the grain and the workers") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const size = GENERATE(as<std::size_t>(), 0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 1000, 1'000'000);
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 33);
  if (size > 1000 && grain == 1) return;  // slow, and nothing new
  weft_test::watchdog const guard("reduce_test: sums", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::uint64_t> values(size);
  for (auto& v : values) v = random();
  auto const expected = std::accumulate(values.begin(), values.end(), std::uint64_t{7});
  CHECK(pool.run([&] { return parallel_reduce(values, std::uint64_t{7}, std::plus<>(), {.grain = grain}); }) ==
        expected);
  CHECK(pool.run([&] { return parallel_reduce(values, std::uint64_t{7}, {.grain = grain}); }) == expected);
  CHECK(pool.run([&] { return parallel_reduce(values, std::uint64_t{7}); }) == expected);
}

TEST_CASE("strings are put together in order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const size = GENERATE(as<std::size_t>(), 0, 1, 2, 3, 1000, 20'000);
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1);
  weft_test::watchdog const guard("reduce_test: strings", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::string> words(size);
  for (std::size_t i = 0; i < size; ++i) words[i] = std::to_string(i) + " ";
  std::string expected = "begin ";
  for (auto const& w : words) expected += w;
  auto const got =
      pool.run([&] { return parallel_reduce(words, std::string("begin "), std::plus<>(), {.grain = grain}); });
  CHECK(got == expected);
  auto const transformed = pool.run([&] {
    return parallel_transform_reduce(
        std::views::iota(std::size_t{0}, size), std::string("begin "),
        [](std::string a, std::string const& b) { return std::move(a) + b; },
        [](std::size_t i) { return std::to_string(i) + " "; }, {.grain = grain});
  });
  CHECK(transformed == expected);
}

TEST_CASE("matrices are multiplied in order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reduce_test: matrices");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<matrix> all(20'000);
  for (auto& each : all)
    for (auto& v : each.m) v = random.below(1000);
  matrix const first{{1, 2, 3, 4}};
  auto const expected = std::accumulate(all.begin(), all.end(), first, std::multiplies<>());
  CHECK(pool.run([&] { return parallel_reduce(all, first, std::multiplies<>()); }) == expected);
  CHECK(pool.run([&] { return parallel_reduce(all, first, std::multiplies<>(), {.grain = 3}); }) == expected);
}

TEST_CASE("the least, the greatest, and, or: any associative operation") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reduce_test: operations");
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::int64_t> values(50'000);
  for (auto& v : values) v = static_cast<std::int64_t>(random());
  auto const least = [](std::int64_t a, std::int64_t b) { return std::min(a, b); };
  auto const greatest = [](std::int64_t a, std::int64_t b) { return std::max(a, b); };
  CHECK(pool.run([&] { return parallel_reduce(values, std::numeric_limits<std::int64_t>::max(), least); }) ==
        *std::min_element(values.begin(), values.end()));
  CHECK(pool.run([&] { return parallel_reduce(values, std::numeric_limits<std::int64_t>::min(), greatest); }) ==
        *std::max_element(values.begin(), values.end()));
  CHECK(pool.run([&] { return parallel_reduce(values, std::int64_t{0}, std::bit_xor<>()); }) ==
        std::accumulate(values.begin(), values.end(), std::int64_t{0}, std::bit_xor<>()));
  CHECK(pool.run([&] {
    return parallel_transform_reduce(values, false, std::logical_or<>(),
                                     [&](std::int64_t v) { return v == values[777]; });
  }));
}

TEST_CASE("sums of small, signed, unsigned and floating types, wider than their elements") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reduce_test: types");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::int8_t> small(10'000, -100);
  CHECK(pool.run([&] { return parallel_reduce(small, 0); }) == -1'000'000);
  CHECK(pool.run([&] { return parallel_reduce(small, std::int64_t{1}); }) == -999'999);
  std::vector<unsigned char> bytes(10'000, 255);
  CHECK(pool.run([&] { return parallel_reduce(bytes, 0u); }) == 2'550'000u);
  std::vector<float> halves(10'000, 0.5F);
  CHECK(pool.run([&] { return parallel_reduce(halves, 0.0); }) == 5000.0);
  std::vector<double> small_integers(100'000);
  for (std::size_t i = 0; i < small_integers.size(); ++i) small_integers[i] = static_cast<double>(i % 100);
  CHECK(pool.run([&] { return parallel_reduce(small_integers, 1.0); }) == 4'950'001.0);
  std::vector<bool> bits(1000);
  for (std::size_t i = 0; i < bits.size(); i += 2) bits[i] = true;
  CHECK(pool.run([&] { return parallel_reduce(bits, 0); }) == 500);
  std::vector<std::uint64_t> large(1000, std::numeric_limits<std::uint64_t>::max());
  CHECK(pool.run([&] { return parallel_reduce(large, std::uint64_t{0}); }) == static_cast<std::uint64_t>(-1000));
}

TEST_CASE("a part of a sum of integers may be larger than their type") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reduce_test: large parts");
  weft::pool pool{{.workers = workers}};
  int const most = std::numeric_limits<int>::max(), least = std::numeric_limits<int>::min();
  std::vector<int> const two{most, most};
  CHECK(pool.run([&] { return parallel_reduce(two, least); }) == most - 1);
  CHECK(pool.run([&] { return parallel_reduce(weft::reproducible, two, least); }) == most - 1);
  std::vector<int> many(150'000, 40'000);
  std::fill_n(many.begin(), 50'000, -40'000);
  CHECK(pool.run([&] { return parallel_reduce(many, 0); }) == 2'000'000'000);
  CHECK(pool.run([&] { return parallel_transform_reduce(many, 0, std::plus<>(), std::identity()); }) == 2'000'000'000);
  CHECK(pool.run([&] { return parallel_reduce(weft::reproducible, many, 0); }) == 2'000'000'000);
}

TEST_CASE("elements that take long to become numbers are summed by several workers") {
  struct slow {
    std::atomic<int>* most;
    std::atomic<int>* inside;
    operator int() const {
      int const now = ++*inside;
      for (int seen = *most; seen < now && !most->compare_exchange_weak(seen, now);) {
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      --*inside;
      return 1;
    }
  };
  weft_test::watchdog const guard("reduce_test: slow elements");
  weft::pool pool{{.workers = 2}};
  std::atomic<int> most{0}, inside{0};
  std::vector<slow> const elements(300, slow{&most, &inside});
  CHECK(pool.run([&] { return parallel_reduce(elements, 0); }) == 300);
  CHECK(most >= 2);  // a worker more may stand in for one that sleeps
}

TEST_CASE("ranges that can only be walked are reduced in order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reduce_test: ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  pool.run([] {
    std::list<std::string> const list{"a", "b", "c"};
    if (parallel_reduce(list, std::string("_")) != "_abc") throw std::logic_error("list");
    std::forward_list<std::string> const forward_list{"a", "b", "c"};
    if (parallel_reduce(forward_list, std::string()) != "abc") throw std::logic_error("forward_list");
    if (parallel_reduce(std::views::iota(0, 1000), 0) != 499'500) throw std::logic_error("iota");
    if (parallel_reduce(std::views::iota(0, 1000) | std::views::filter([](int v) { return v % 2 == 0; }), 0) != 249'500)
      throw std::logic_error("filter");
    if (parallel_reduce(std::views::iota(1, 6) | std::views::transform([](int v) { return v * v; }), 0) != 55)
      throw std::logic_error("transform");
    int const array[] = {1, 2, 3};
    if (parallel_reduce(array, 0) != 6) throw std::logic_error("array");
    if (parallel_reduce(std::list<int>(), 5) != 5) throw std::logic_error("empty");
  });
}

TEST_CASE("a reduction from a plain thread is a plain call") {
  weft_test::watchdog const guard("reduce_test: from a plain thread");
  CHECK(parallel_reduce(std::views::iota(0, 1000), 0) == 499'500);
  CHECK(weft::pool::current() == nullptr);
}

TEST_CASE("the result may be of a type that only moves, or has no default") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reduce_test: results that only move");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  struct sum {
    explicit sum(int v) : value(std::make_unique<int>(v)) {}
    std::unique_ptr<int> value;
  };
  auto const total = pool.run([] {
    return parallel_transform_reduce(
        std::views::iota(0, 10'000), sum(1), [](sum a, sum b) { return sum(*a.value + *b.value); },
        [](int v) { return sum(v % 2); }, {.grain = 10});
  });
  CHECK(*total.value == 5001);
  auto const count = pool.run([] {
    return parallel_transform_reduce(
        std::views::iota(0, 1000), counted(0),
        [](counted a, counted const& b) { return counted(a.value() + b.value()); }, [](int) { return counted(1); });
  });
  CHECK(count.value() == 1000);
  CHECK(counted::copies() == 0);
  CHECK(counted::live() == 1);
}

TEST_CASE("an exception from the operation or the function comes out, and nothing is left") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  int const at = GENERATE(0, 1, 500, 999);
  weft_test::watchdog const guard("reduce_test: exceptions");
  counted::reset();
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const add = [](counted a, counted const& b) { return counted(a.value() + b.value()); };
  auto fails_at = [at, &add] {
    return parallel_transform_reduce(std::views::iota(0, 1000), counted(0), add,
                                     [at](int v) {
                                       if (v == at) throw std::runtime_error("at " + std::to_string(v));
                                       return counted(1);
                                     },
                                     {.grain = 7});
  };
  CHECK_THROWS_WITH(pool.run(fails_at), "at " + std::to_string(at));
  std::atomic<int> additions{0};
  auto operation_fails = [&additions] {
    return parallel_transform_reduce(
        std::views::iota(0, 1000), counted(0),
        [&additions](counted a, counted const&) {
          if (++additions == 300) throw std::runtime_error("the operation");
          return a;
        },
        [](int) { return counted(1); });
  };
  CHECK_THROWS_WITH(pool.run(operation_fails), "the operation");
  CHECK(counted::live() == 0);
}

TEST_CASE("init is used once, also where there is nothing else") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reduce_test: init");
  weft::pool pool{{.workers = workers}};
  for (int const size : {0, 1, 10, 5000}) {
    std::vector<int> const zeros(static_cast<std::size_t>(size), 0);
    CHECK(pool.run([&zeros] { return parallel_reduce(zeros, 1000); }) == 1000);
    CHECK(pool.run([&zeros] { return parallel_reduce(zeros, 1000, std::plus<>(), {.grain = 1}); }) == 1000);
  }
}

TEST_CASE("a stop ends a reduction between chunks") {
  weft_test::watchdog const guard("reduce_test: stop", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  std::atomic<int> calls{0};
  auto f = pool.spawn([&calls] {
    return parallel_transform_reduce(std::views::iota(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()),
                                     std::int64_t{0}, std::bit_xor<>(), [&calls](std::int64_t v) {
                                       if (v < 10'000) ++calls;
                                       return v;
                                     });
  });
  while (calls == 0) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
}

TEST_CASE("the grouping is one that an associative operation allows: every element once, in order, with init first") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("reduce_test: grouping");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  // Intervals that can only be put side by side.
  struct interval {
    int first, last;
  };
  std::atomic<int> gaps{0};
  auto const all = pool.run([&gaps] {
    return parallel_transform_reduce(
        std::views::iota(0, 30'000), interval{-1, 0},
        [&gaps](interval a, interval b) {
          gaps += a.last != b.first;
          return interval{a.first, b.last};
        },
        [](int v) { return interval{v, v + 1}; }, {.grain = 11});
  });
  CHECK(gaps == 0);
  CHECK(all.first == -1);
  CHECK(all.last == 30'000);
}
