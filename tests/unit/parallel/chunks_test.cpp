#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/parallel/chunks.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <forward_list>
#include <mutex>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using weft::parallel_for_chunks;

namespace {

std::vector<int> numbers(int count) {
  std::vector<int> v(static_cast<std::size_t>(count));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

}  // namespace

TEST_CASE("chunks are never empty, and every element lies in one of them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  int const size = GENERATE(0, 1, 2, 100, 30'000);
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 7, 1'000'000);
  weft_test::watchdog const guard("chunks_test: every element", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto values = numbers(size);
  std::atomic<int> empty{0};
  pool.run([&] {
    parallel_for_chunks(values,
                        [&empty](auto chunk) {
                          empty += chunk.empty();
                          for (int& v : chunk) v = -v;
                        },
                        {.grain = grain});
  });
  CHECK(empty == 0);
  int wrong = 0;
  for (int i = 0; i < size; ++i) wrong += values[static_cast<std::size_t>(i)] != -i;
  CHECK(wrong == 0);
}

TEST_CASE("with a grain every chunk has that many elements, counted from the front, but for the last") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 1, 2, 7, 300, 999, 1000, 1001);
  weft_test::watchdog const guard("chunks_test: grain");
  weft::pool pool{{.workers = workers}};
  auto const values = numbers(1000);
  std::atomic<int> wrong{0};
  pool.run([&] {
    parallel_for_chunks(values,
                        [&](auto chunk) {
                          auto const first = static_cast<std::size_t>(chunk.front());
                          wrong += first % grain != 0 || chunk.size() != std::min(grain, values.size() - first);
                          std::this_thread::yield();
                        },
                        {.grain = grain});
  });
  CHECK(wrong == 0);
}

TEST_CASE("ranges that can only be walked are cut all the same") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("chunks_test: forward ranges");
  weft::pool pool{{.workers = workers}};
  std::forward_list<int> list;
  for (int i = 0; i < 5000; ++i) list.push_front(i);
  std::atomic<long> sum{0};
  pool.run([&] {
    parallel_for_chunks(list | std::views::filter([](int v) { return v % 2 == 0; }), [&sum](auto chunk) {
      long here = 0;
      for (int const v : chunk) here += v;
      sum += here;
    });
  });
  CHECK(sum == 2 * (2499L * 2500 / 2));
}

TEST_CASE("no two chunks of bits share a word, whatever the grain and where the range begins") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 1037);
  std::ptrdiff_t const begin = GENERATE(as<std::ptrdiff_t>(), 0, 5, 64);
  weft_test::watchdog const guard("chunks_test: bits", std::chrono::seconds(60));
  weft::pool pool{{.workers = workers}};
  std::vector<bool> bits(100'000);
  pool.run([&] {
    parallel_for_chunks(std::ranges::subrange(bits.begin() + begin, bits.end()),
                        [](auto chunk) {
                          for (auto bit : chunk) bit = true;
                        },
                        {.grain = grain});
  });
  CHECK(std::ranges::count(bits, false) == begin);
}

TEST_CASE("a chunk that fails ends the loop with its failure") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("chunks_test: failure");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const values = numbers(10'000);
  auto const fails = [](auto chunk) {
    for (int const v : chunk)
      if (v == 7777) throw std::runtime_error("at 7777");
  };
  CHECK_THROWS_WITH(pool.run([&] { parallel_for_chunks(values, fails); }), "at 7777");
  CHECK_THROWS_WITH(pool.run([&] { parallel_for_chunks(values, fails, {.grain = 10}); }), "at 7777");
}

TEST_CASE("a stop ends it between chunks") {
  weft_test::watchdog const guard("chunks_test: stop");
  weft::pool pool{{.workers = 2}};
  auto const values = numbers(1'000'000);
  std::atomic<bool> begun{false};
  std::atomic<int> chunks{0};
  auto f = pool.spawn([&] {
    parallel_for_chunks(values,
                        [&](auto) {
                          begun = true;
                          ++chunks;
                          std::this_thread::sleep_for(std::chrono::microseconds(100));
                        },
                        {.grain = 1});
  });
  while (!begun) std::this_thread::yield();
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK(chunks < 1'000'000);
}
