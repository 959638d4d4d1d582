#include "support/weft.hpp"

#include "channel/problem.hpp"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace {

using weft::task;

task<> echo(weft::channel<int>& there, weft::channel<int>& back) {
  while (auto v = co_await there.receive()) co_await back.send(*v);
}
task<long> play(weft::channel<int>& there, weft::channel<int>& back, int n) {
  long sum = 0;
  for (int i = 0; i < n; ++i) {
    co_await there.send(i);
    sum += (co_await back.receive()).value();
  }
  there.close();
  co_return sum;
}

template <int Capacity>
void ping_pong(benchmark::State& state) {
  bench::pool_of pool(state);
  for (auto _ : state) {
    weft::channel<int> there{Capacity}, back{Capacity};
    auto const [nothing, sum] =
        pool->run(weft::when_all(echo(there, back), play(there, back, bench::channel::round_trips)));
    bench::expect(sum, bench::channel::sum_below(bench::channel::round_trips));
  }
  bench::count_items(state, bench::channel::round_trips);
}
BENCHMARK(ping_pong<0>)->Name("ping_pong/weft")->Apply(bench::each_worker_count);
BENCHMARK(ping_pong<1>)->Name("ping_pong_kept/weft")->Apply(bench::each_worker_count);

task<> send_below(weft::channel<int>& c, int n) {
  for (int i = 0; i < n; ++i) co_await c.send(i);
}
task<long> sum_of(weft::channel<int>& c) {
  long sum = 0;
  while (auto v = co_await c.receive()) sum += *v;
  co_return sum;
}
task<> all_send(weft::channel<int>& c, int senders, int each) {
  std::vector<task<>> all;
  for (int i = 0; i < senders; ++i) all.push_back(send_below(c, each));
  auto sending = weft::when_all(std::move(all));
  co_await std::move(sending);
  c.close();
}
task<long> all_receive(weft::channel<int>& c, int receivers) {
  std::vector<task<long>> all;
  for (int i = 0; i < receivers; ++i) all.push_back(sum_of(c));
  auto receiving = weft::when_all(std::move(all));
  long sum = 0;
  for (long const s : co_await std::move(receiving)) sum += s;
  co_return sum;
}

template <int Tasks, std::size_t Capacity>
void stream(benchmark::State& state) {
  bench::pool_of pool(state);
  int const each = bench::channel::messages / Tasks;
  for (auto _ : state) {
    weft::channel<int> c{Capacity};
    auto const [nothing, sum] = pool->run(weft::when_all(all_send(c, Tasks, each), all_receive(c, Tasks)));
    bench::expect(sum, Tasks * bench::channel::sum_below(each));
  }
  bench::count_items(state, bench::channel::messages);
}
BENCHMARK(stream<1, bench::channel::capacity>)->Name("stream_1_1/weft")->Apply(bench::each_worker_count);
BENCHMARK(stream<1, weft::unbounded>)->Name("stream_1_1_unbounded/weft")->Apply(bench::each_worker_count);
BENCHMARK(stream<4, bench::channel::capacity>)->Name("stream_4_4/weft")->Apply(bench::each_worker_count);

using four = std::array<weft::channel<int>, 4>;

task<> send_in_turns(four& c, int n) {
  for (int i = 0; i < n; ++i) co_await c[static_cast<std::size_t>(i) % 4].send(i);
  for (auto& each : c) each.close();
}
task<long> sum_selected(four& c, int n) {
  long sum = 0;
  auto add = [&sum](std::optional<int> v) { sum += v.value(); };
  for (int i = 0; i < n; ++i)
    co_await weft::select(weft::on(c[0].receive(), add), weft::on(c[1].receive(), add), weft::on(c[2].receive(), add),
                          weft::on(c[3].receive(), add));
  co_return sum;
}

void select_4(benchmark::State& state) {
  bench::pool_of pool(state);
  for (auto _ : state) {
    four c;
    auto const [nothing, sum] = pool->run(
        weft::when_all(send_in_turns(c, bench::channel::selected), sum_selected(c, bench::channel::selected)));
    bench::expect(sum, bench::channel::sum_below(bench::channel::selected));
  }
  bench::count_items(state, bench::channel::selected);
}
BENCHMARK(select_4)->Name("select_4/weft")->Apply(bench::each_worker_count);

}  // namespace
