#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/explosive.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/copy_if.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <functional>
#include <iterator>
#include <list>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using weft::loop_options;
using weft::parallel_copy_if;
using weft_test::explosive;

namespace {
bool even(int v) { return v % 2 == 0; }
}  // namespace

static_assert(std::same_as<decltype(parallel_copy_if(std::declval<std::vector<int>&>(), (int*)nullptr, even)),
                           decltype(std::ranges::copy_if(std::declval<std::vector<int>&>(), (int*)nullptr, even))>);

namespace {

/// What std gives, one call for each element, and not a write beyond the end.
template <class Pred>
void check_copy(weft::pool& pool, std::vector<std::uint32_t> const& from, Pred pred, loop_options o) {
  std::vector<std::uint32_t> expected;
  std::ranges::copy_if(from, std::back_inserter(expected), pred);
  constexpr std::uint32_t untouched = 0xFEED'BEEF;
  std::vector<std::uint32_t> got(expected.size() + 100, untouched);
  std::atomic<std::size_t> calls{0};
  auto const counting = [&](std::uint32_t x) {
    ++calls;
    return pred(x);
  };
  auto const result = pool.run([&] { return parallel_copy_if(from, got.begin(), counting, o); });
  CHECK(result.in == from.end());
  REQUIRE(result.out - got.begin() == std::ssize(expected));
  CHECK(std::equal(expected.begin(), expected.end(), got.begin()));
  CHECK(std::all_of(result.out, got.end(), [](auto v) { return v == untouched; }));
  CHECK(calls == from.size());
  std::vector<std::uint32_t> inserted;
  pool.run([&] { parallel_copy_if(from, std::back_inserter(inserted), counting, o); });
  CHECK(inserted == expected);
  CHECK(calls == 2 * from.size());
}

}  // namespace

TEST_CASE("copies are those that satisfy the predicate, in order, whatever the size, the grain and the workers") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const size = GENERATE(as<std::size_t>(), 0, 1, 2, 3, 63, 64, 65, 255, 256, 257, 1000, 4095, 4096, 4097);
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 33, 3000);
  weft_test::watchdog const guard("copy_if_test: sizes", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::uint32_t> from(size);
  for (auto& v : from) v = static_cast<std::uint32_t>(random());
  for (std::uint32_t const part : {0u, 1u, 50u, 99u, 100u}) {
    check_copy(pool, from,
               [=](std::uint32_t v) {
                 if (v % 128 == 0) std::this_thread::yield();
                 return v % 100 < part;
               },
               {.grain = grain});
  }
}

TEST_CASE("a million elements are copied in order") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("copy_if_test: large", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::vector<std::uint32_t> from(1'000'000);
  for (auto& v : from) v = static_cast<std::uint32_t>(random());
  check_copy(pool, from,
             [](std::uint32_t v) {
               if (v % 8192 == 0) std::this_thread::yield();
               return v % 3 == 0;
             },
             {});
}

TEST_CASE("ranges and outputs of every kind") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 7);
  weft_test::watchdog const guard("copy_if_test: ranges");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  loop_options const o{.grain = grain};
  std::vector<int> numbers(1000), expected;
  std::iota(numbers.begin(), numbers.end(), 0);
  std::ranges::copy_if(numbers, std::back_inserter(expected), even);
  auto const check = [&](auto const& in, auto out) {
    auto const result = pool.run([&] { return parallel_copy_if(in, out.begin(), even, o); });
    CHECK(result.in == std::ranges::end(in));
    CHECK(result.out == out.end());
    CHECK(std::ranges::equal(out, expected));
  };
  check(std::list<int>(numbers.begin(), numbers.end()), std::list<int>(500));
  check(std::forward_list<int>(numbers.begin(), numbers.end()), std::deque<int>(500));
  check(std::deque<int>(numbers.begin(), numbers.end()), std::forward_list<int>(500));
  check(std::views::iota(0, 1000), std::vector<long>(500));

  struct named {
    std::string name;
    int number;
  };
  std::vector<named> all, chosen(500);
  for (int i = 0; i < 1000; ++i) all.push_back({"a name that is too long to be kept inside " + std::to_string(i), i});
  pool.run([&] { parallel_copy_if(all, chosen.begin(), even, &named::number, o); });
  for (std::size_t i = 0; i < chosen.size(); ++i)
    if (chosen[i].name != all[2 * i].name || chosen[i].number != all[2 * i].number) FAIL("wrong at " << i);

  std::vector<bool> bits(1001), ones(1001);
  for (std::size_t i = 0; i < bits.size(); i += 3) bits[i] = true;
  auto const end = pool.run([&] { return parallel_copy_if(bits, ones.begin(), std::identity(), o); }).out;
  CHECK(end - ones.begin() == 334);
  CHECK(std::all_of(ones.begin(), end, std::identity()));
  CHECK(std::none_of(end, ones.end(), std::identity()));
}

TEST_CASE("a copy from a plain thread is a plain call") {
  weft_test::watchdog const guard("copy_if_test: from a plain thread");
  std::vector<int> to(2);
  CHECK(parallel_copy_if(std::vector<int>{1, 2, 3, 4}, to.begin(), even).out == to.end());
  CHECK(to == std::vector<int>{2, 4});
  CHECK(weft::pool::current() == nullptr);
}

TEST_CASE("an exception from a predicate or an assignment comes out, and leaves valid elements and nothing else") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("copy_if_test: exceptions", std::chrono::seconds(60));
  weft_test::balance const balance;
  {
    weft::pool pool{{.workers = workers}};
    std::vector<explosive> values, to(500);
    for (int i = 0; i < 500; ++i) values.emplace_back(i);
    int thrown = 0, ended = 0;
    for (int every = 1; every < 3000; every += 1 + every / 3) {
      explosive::arm(every);
      try {
        auto const end = pool.run([&] {
          return parallel_copy_if(values, to.begin(), [](explosive const& v) { return explosive(v).value() % 3 == 0; },
                                  {.grain = 20})
              .out;
        });
        CHECK(end - to.begin() == 167);
        ++ended;
      } catch (std::runtime_error const&) {
        ++thrown;
      }
      explosive::disarm();
      CHECK(explosive::live() == 1000);
      CHECK(std::ranges::all_of(to, &explosive::valid));
    }
    CHECK(thrown > 0);
    CHECK(ended > 0);
  }
  CHECK(explosive::live() == 0);
}

TEST_CASE("a stop ends a copy between blocks") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("copy_if_test: stop", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  std::atomic<int> calls{0};
  std::atomic<bool> stopped{false};
  std::vector<int> values(100'000), to(100'000);
  auto f = pool.spawn([&] {
    parallel_copy_if(values, to.begin(),
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
}
