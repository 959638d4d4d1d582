#include "support/weft.hpp"

#include "await/problem.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>

namespace {

using namespace bench::await;

/// How deep the stack was, in bytes below where it was first looked at.
class stack_depth {
 public:
  [[gnu::noinline]] void look() {
    auto const here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    if (top_ == 0) top_ = lowest_ = here;
    lowest_ = std::min(lowest_, here);
  }
  [[nodiscard]] double kib() const { return static_cast<double>(top_ - lowest_) / 1024; }

 private:
  std::uintptr_t top_ = 0, lowest_ = 0;
};

weft::task<std::int64_t> leaf(int i) { co_return value(i); }

weft::task<std::int64_t> looking_leaf(stack_depth& depth, int i) {
  depth.look();
  co_return value(i);
}

weft::task<std::int64_t> await_each(int count) {
  std::int64_t sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await leaf(i);
  co_return sum;
}

weft::task<std::int64_t> await_each_looking(stack_depth& depth, int count) {
  std::int64_t sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await looking_leaf(depth, i);
  co_return sum;
}

template <int Count>
void with_weft(benchmark::State& state) {
  weft::pool pool({.workers = 1});
  for (auto _ : state) bench::expect(pool.run(await_each, Count), answer(Count));
  bench::count_items(state, Count);
  stack_depth depth;
  bench::expect(pool.run(await_each_looking, std::ref(depth), Count), answer(Count));
  state.counters["stack_kib"] = depth.kib();
}
BENCHMARK(with_weft<few>)->Name("await_100k/weft")->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(with_weft<many>)->Name("await_10M/weft")->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
