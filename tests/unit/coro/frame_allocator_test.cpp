#include "support/allocations.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/unmonitored_pool.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/base/config.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/frame_allocator.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/sched/pool.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

using weft::task;
using weft::detail::allocate_block;
using weft::detail::deallocate_block;

namespace {

// Not inlined, both: clang may put the frame of an inlined coroutine into its caller's, and ask for no memory.
[[gnu::noinline]] task<int> small(int v) { co_return v; }

template <std::size_t Bytes>
[[gnu::noinline]] task<int> with_frame_of(int v) {
  std::array<unsigned char, Bytes> room;
  room.fill(static_cast<unsigned char>(v));
  asm volatile("" : : "r"(room.data()) : "memory");  // the optimiser does without it otherwise
  co_await weft::this_task::yield();
  int sum = 0;
  for (auto const b : room) sum += b;
  co_return sum;
}

}  // namespace

TEST_CASE("on a plain thread blocks come from the system and go back to it") {
  weft_test::balance const balance;
  for (std::size_t const bytes : {1u, 63u, 64u, 65u, 1024u, 1025u, 100'000u}) {
    void* const block = allocate_block(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % __STDCPP_DEFAULT_NEW_ALIGNMENT__ == 0);
    std::memset(block, 0xab, bytes);
    deallocate_block(block, bytes);
  }
}

TEST_CASE("a block freed on another thread than it came from is not lost") {
  weft_test::watchdog const guard("frame_allocator_test: across threads");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 2}};
  for (std::size_t const bytes : {40u, 64u, 500u, 1024u, 2000u}) {
    void* const from_here = allocate_block(bytes);
    void* const from_there = pool.run([=] {
      deallocate_block(from_here, bytes);
      return allocate_block(bytes);
    });
    std::memset(from_there, 0xcd, bytes);
    deallocate_block(from_there, bytes);
  }
}

TEST_CASE("a worker that makes and drops a frame again and again asks the system only once") {
  if (weft::detail::address_sanitized) return;  // every block is the system's there
  weft_test::watchdog const guard("frame_allocator_test: reuse");
  weft_test::balance const balance;
  weft_test::unmonitored_pool pool{{.workers = 1}};
  auto const calls = pool.run([]() -> task<std::int64_t> {
    co_await small(1);
    auto const before = weft_test::allocation_count();
    for (int i = 0; i < 10'000; ++i) co_await small(i);
    co_return weft_test::allocation_count() - before;
  });
  CHECK(calls == 0);
}

TEST_CASE("more frames at once than a batch, of many sizes, all come back") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("frame_allocator_test: many sizes");
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers}};
  auto const sum = pool.run([]() -> task<int> {
    int total = 0;
    for (int round = 0; round < 5; ++round) {
      std::vector<task<int>> all;
      for (int i = 0; i < 100; ++i) {
        all.push_back(with_frame_of<10>(1));
        all.push_back(with_frame_of<100>(1));
        all.push_back(with_frame_of<700>(1));
        all.push_back(with_frame_of<5000>(1));
      }
      auto operation = weft::when_all(std::move(all));
      auto const each = co_await std::move(operation);
      for (int const n : each) total += n;
    }
    co_return total;
  });
  CHECK(sum == 5 * 100 * (10 + 100 + 700 + 5000));
}

TEST_CASE("a task that was made on one pool, and dropped or run on another, leaves nothing") {
  weft_test::watchdog const guard("frame_allocator_test: between pools");
  weft_test::balance const balance;
  weft::pool first{{.workers = 1}};
  weft::pool second{{.workers = 1}};
  for (int i = 0; i < 200; ++i) {
    auto made = first.run([i] { return std::vector<std::size_t>(1, static_cast<std::size_t>(i)); });
    auto t = first.run([] {
      std::vector<task<int>> one;
      one.push_back(small(3));
      return one;
    });
    CHECK(second.run(std::move(t.front())) == 3);
    auto dropped = first.run([] {
      std::vector<task<int>> some;
      for (int k = 0; k < 3; ++k) some.push_back(small(k));
      return some;
    });
    second.run([&dropped] { dropped.clear(); });
  }
}

TEST_CASE("no memory for a frame is an exception in the task that asked for it, and everything goes on") {
  weft_test::watchdog const guard("frame_allocator_test: no memory");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 1}};
  auto const caught = pool.run([]() -> task<bool> {
    bool bad = false;
    try {
      weft_test::failing_allocation const none(0);
      // Larger than any block that is cached.
      static_cast<void>(co_await with_frame_of<5000>(1));
    } catch (std::bad_alloc const&) {
      bad = true;
    }
    co_return bad;
  });
  CHECK(caught);
  CHECK(pool.run(small(4)) == 4);
}
