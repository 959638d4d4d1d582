#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/coro/run.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/range_split.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <limits>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using weft::loop_options;
using weft::detail::run_loop;

static_assert(std::is_trivially_destructible_v<loop_options>);

namespace {

/// Chunks as they come, put together from left to right.
class notes {
 public:
  struct piece {
    std::size_t first, last;
  };
  using accumulator = std::vector<piece>;

  explicit notes(int yields = 0) : yields_(yields) {}

  void run(accumulator& a, std::size_t first, std::size_t last) {
    for (int i = 0; i < yields_; ++i) std::this_thread::yield();
    a.push_back({first, last});
  }
  void combine(accumulator& a, accumulator&& right) { a.insert(a.end(), right.begin(), right.end()); }

 private:
  int yields_;
};

/// Is it [0, count), without a gap and in order?
bool covers(std::vector<notes::piece> const& pieces, std::size_t count) {
  std::size_t at = 0;
  for (auto const& p : pieces) {
    if (p.first != at || p.last <= p.first) return false;
    at = p.last;
  }
  return at == count;
}

std::size_t longest(std::vector<notes::piece> const& pieces) {
  std::size_t n = 0;
  for (auto const& p : pieces) n = std::max(n, p.last - p.first);
  return n;
}

}  // namespace

TEST_CASE("the chunks of a loop cover its range in order, whoever ran them") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  std::size_t const count = GENERATE(as<std::size_t>(), 0, 1, 2, 3, 10, 1000, 100'000);
  std::size_t const grain = GENERATE(as<std::size_t>(), 0, 1, 2, 64, 1'000'000);
  weft_test::watchdog const guard("range_split_test: chunks", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const pieces = pool.run([=] {
    notes work(count < 100 ? 1 : 0);
    return run_loop(work, count, {.grain = grain});
  });
  CHECK(covers(pieces, count));
  if (grain != 0) CHECK(longest(pieces) <= grain);
}

TEST_CASE("a fixed grain is what runs between two looks at the stop token, from the front") {
  weft_test::watchdog const guard("range_split_test: a fixed grain");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  auto const pieces = pool.run([] {
    notes work;
    return run_loop(work, 100, {.grain = 30});
  });
  CHECK(covers(pieces, 100));
  for (auto const& p : pieces) CHECK(p.last - p.first <= 30);
}

TEST_CASE("a grain larger than anything is the whole loop at once") {
  weft::pool pool{{.workers = 1}};
  auto const pieces = pool.run([] {
    notes work;
    return run_loop(work, 100, {.grain = std::numeric_limits<std::size_t>::max()});
  });
  CHECK(pieces.size() == 1);
}

TEST_CASE("random loops within random loops cover their ranges") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("range_split_test: nested", std::chrono::seconds(60));
  weft_test::seeded random;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};

  /// A loop whose chunks are loops.
  struct outer {
    using accumulator = std::size_t;
    std::size_t inner_count, inner_grain;
    void run(std::size_t& covered, std::size_t first, std::size_t last) {
      for (auto i = first; i != last; ++i) {
        notes inner;
        covered += covers(run_loop(inner, inner_count, {.grain = inner_grain}), inner_count);
      }
    }
    void combine(std::size_t& a, std::size_t&& right) { a += right; }
  };
  for (int i = 0; i < 30; ++i) {
    auto const count = random.below(100);
    outer work{.inner_count = random.below(300), .inner_grain = random.below(5)};
    auto const grain = random.below(4);
    auto const covered = pool.run([&] { return run_loop(work, count, {.grain = grain}); });
    CHECK(covered == count);
  }
}

TEST_CASE("an exception from a chunk or from putting results together comes out, and all parts have ended") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("range_split_test: exceptions", std::chrono::seconds(60));
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  struct throwing {
    using accumulator = std::vector<int>;  // something to leak
    std::size_t at;
    bool combining;
    std::atomic<int> inside{0};
    void run(accumulator& a, std::size_t first, std::size_t last) {
      ++inside;
      if (first % 24 == 0) std::this_thread::yield();  // each may cost a turn of all that the machine runs
      --inside;
      if (!combining && first <= at && at < last) throw at;
      a.push_back(1);
    }
    void combine(accumulator& a, accumulator&& right) {
      if (combining) throw at;
      a.insert(a.end(), right.begin(), right.end());
    }
  };
  for (std::size_t at = 0; at < 500; at += 25) {
    throwing in_chunk{.at = at, .combining = false};
    CHECK_THROWS_AS(pool.run([&] { run_loop(in_chunk, 500, {.grain = 3}); }), std::size_t);
    CHECK(in_chunk.inside == 0);
    throwing in_combine{.at = at, .combining = true};
    try {
      // Where nobody came to help, there was nothing to put together.
      auto const ones = pool.run([&] { return run_loop(in_combine, 500, {.grain = 3}); });
      CHECK(ones.size() >= 167);
    } catch (std::size_t caught) {
      CHECK(caught == at);
    }
    CHECK(in_combine.inside == 0);
  }
}

TEST_CASE("the same body is found again by its cost, and still covers loops of other lengths") {
  weft_test::watchdog const guard("range_split_test: cost");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  for (std::size_t const count : {10u, 100'000u, 1u, 1000u, 3u, 50'000u}) {
    auto const pieces = pool.run([count] {
      notes work;
      return run_loop(work, count, {});
    });
    CHECK(covers(pieces, count));
  }
}

TEST_CASE("a loop that was small a hundred times is shared at once when its elements take long") {
  auto const count = GENERATE(as<std::size_t>(), 8, 100);
  weft_test::watchdog const guard("range_split_test: elements that take longer than before");
  weft::pool pool{{.workers = 2}};
  auto elements = [&pool, count](std::chrono::milliseconds each) {
    std::mutex lock;
    std::set<std::thread::id> threads;  // guarded by lock
    auto const seen = [&] {
      std::lock_guard const guarded(lock);
      threads.insert(std::this_thread::get_id());
      return threads.size();
    };
    pool.run([&] {
      weft::parallel_for(std::size_t{0}, count, [&](std::size_t i) {
        if (each.count() == 0) return;
        std::this_thread::sleep_for(each);
        // The second half waits until somebody has come: it has been on offer for long.
        while (seen() < 2 && i >= count / 2) std::this_thread::yield();
      });
    });
  };
  for (int i = 0; i < 103; ++i) elements(std::chrono::milliseconds(0));
  elements(std::chrono::milliseconds(600 / count));
}
