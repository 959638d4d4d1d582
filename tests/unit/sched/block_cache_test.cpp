#include "support/allocations.hpp"
#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"

#include <weft/sched/block_cache.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace {

using weft::detail::block_cache;
using weft::detail::block_classes;
using weft::detail::block_depot;

constexpr bool caches = block_classes::cached(64);  // address sanitizer sees every block

/// Not with Clang's ThreadSanitizer, whose own operator new is linked.
bool allocations_are_counted() {
  auto const before = weft_test::allocation_count();
  ::operator delete(::operator new(1));
  return weft_test::allocation_count() != before;
}

struct block {
  unsigned char* memory;
  std::size_t bytes;
  unsigned char mark;

  block(block_cache& from, std::size_t size, std::uint64_t m)
      : memory(static_cast<unsigned char*>(from.allocate(size))), bytes(size), mark(static_cast<unsigned char>(m)) {
    std::memset(memory, mark, bytes);
  }
  bool intact() const {
    for (std::size_t i = 0; i != bytes; ++i)
      if (memory[i] != mark) return false;
    return true;
  }
};

}  // namespace

static_assert(block_classes::class_of(0) == 1 && block_classes::class_of(8) == 1 && block_classes::class_of(9) == 2);
static_assert(block_classes::class_of(248) == 16 && block_classes::class_of(249) == 17);
static_assert(block_classes::class_of(block_classes::largest) == block_classes::count);
static_assert(!block_classes::cached(block_classes::largest + 1));
// A class is as large as its largest block, and so that with the system's word in front of it nothing is lost.
static_assert([] {
  for (std::size_t bytes = 0; bytes <= 2 * block_classes::largest; ++bytes) {
    auto const c = block_classes::class_of(bytes);
    if (block_classes::size_of(c) < bytes || (c > 1 && block_classes::size_of(c - 1) >= bytes)) return false;
    if (block_classes::size_of(c) % 16 != 8) return false;
  }
  return true;
}());

TEST_CASE("the block freed last is the one allocated next, whatever the size within a class") {
  weft_test::balance const memory;
  block_depot depot;
  block_cache cache(depot);
  for (std::size_t const bytes : {1u, 64u, 65u, 250u, 1000u, 1016u}) {
    void* const first = cache.allocate(bytes);
    void* const second = cache.allocate(bytes);
    CHECK(first != second);
    cache.deallocate(first, bytes);
    if (caches) CHECK(cache.allocate(block_classes::size_of(block_classes::class_of(bytes))) == first);
    else cache.deallocate(second, bytes);
    if (caches) {
      cache.deallocate(first, bytes);
      cache.deallocate(second, bytes);
    }
  }
}

TEST_CASE("blocks above the largest class come from the system and go back to it") {
  if (!allocations_are_counted()) return;
  block_depot depot;
  block_cache cache(depot);
  auto const before = weft_test::live_allocations();
  void* const large = cache.allocate(block_classes::largest + 1);
  CHECK(weft_test::live_allocations().blocks == before.blocks + 1);
  cache.deallocate(large, block_classes::largest + 1);
  CHECK(weft_test::live_allocations() == before);
}

TEST_CASE(
    "blocks that are out at the same time are different and belong to whoever has them, across all batch borders") {
  weft_test::seeded random;
  weft_test::balance const memory;
  block_depot depot;
  std::array<block_cache, 2> caches_of_two{block_cache(depot), block_cache(depot)};
  std::vector<block> out;
  std::set<void*> addresses;
  auto const give_back = [&] {
    std::swap(out[random.below(out.size())], out.back());
    block const b = out.back();
    out.pop_back();
    REQUIRE(b.intact());
    addresses.erase(b.memory);
    caches_of_two[random.below(2)].deallocate(b.memory, b.bytes);
  };
  std::size_t aim = 0;
  for (int step = 0; step != 20000; ++step) {
    if (step % 500 == 0) aim = random.below(300);
    if (out.size() > aim) {
      give_back();
    } else {
      out.emplace_back(caches_of_two[random.below(2)], 1 + random.below(200), random());
      REQUIRE(addresses.insert(out.back().memory).second);
    }
  }
  while (!out.empty()) give_back();
}

TEST_CASE("a border crossed again and again asks the system for nothing") {
  if (!caches) return;
  block_depot depot;
  block_cache cache(depot);
  std::vector<void*> out;
  for (std::size_t i = 0; i != 3 * block_classes::batch; ++i) out.push_back(cache.allocate(64));
  for (void* b : out) cache.deallocate(b, 64);
  out.clear();
  auto const before = weft_test::allocation_count();
  std::array<void*, 2> pair;
  for (int i = 0; i != 1000; ++i) {
    for (auto& b : pair) b = cache.allocate(64);
    for (auto* b : pair) cache.deallocate(b, 64);
  }
  CHECK(weft_test::allocation_count() == before);
}

TEST_CASE("blocks that are always freed by another cache come home in batches") {
  if (!caches) return;
  weft_test::balance const memory;
  block_depot depot;
  block_cache maker(depot), user(depot);
  std::vector<void*> out(4 * block_classes::batch);
  auto const round = [&] {
    for (auto& b : out) b = maker.allocate(128);
    for (auto* b : out) user.deallocate(b, 128);
  };
  round();
  round();
  auto const before = weft_test::live_allocations();
  for (int i = 0; i != 50; ++i) round();
  CHECK(weft_test::live_allocations() == before);
}

TEST_CASE("an allocation that fails throws, and the cache goes on") {
  if (!allocations_are_counted()) return;
  weft_test::balance const memory;
  block_depot depot;
  block_cache cache(depot);
  void* first = nullptr;
  {
    weft_test::failing_allocation const failure(0);
    CHECK_THROWS_AS(first = cache.allocate(64), std::bad_alloc);
  }
  first = cache.allocate(64);
  CHECK(first != nullptr);
  cache.deallocate(first, 64);
}

TEST_CASE("threads that free each other's blocks never share one") {
  weft_test::watchdog const dog("block cache: two threads");
  weft_test::seeded random;
  weft_test::balance const memory;
  {
    block_depot depot;
    weft::detail::mpmc_ring<block*, 64> passed;
    std::atomic<int> torn{0};
    std::vector<std::thread> threads;
    for (int t = 0; t != 2; ++t)
      threads.emplace_back([&, seed = random()] {
        std::minstd_rand own(static_cast<unsigned>(seed) | 1u);
        block_cache cache(depot);
        auto const take = [&] {
          block* b = nullptr;
          if (!passed.pop(b)) return;
          if (!b->intact()) ++torn;
          cache.deallocate(b->memory, b->bytes);
          delete b;
        };
        for (int i = 0; i != 20000; ++i) {
          auto* const b = new block(cache, 64 * (1 + own() % 2), own());
          while (!passed.push(b)) take();
          if (own() % 2 == 0) take();
        }
        for (int i = 0; i != 64; ++i) take();
      });
    for (auto& t : threads) t.join();
    block_cache last(depot);
    block* b = nullptr;
    while (passed.pop(b)) {
      last.deallocate(b->memory, b->bytes);
      delete b;
    }
    CHECK(torn == 0);
  }
}
