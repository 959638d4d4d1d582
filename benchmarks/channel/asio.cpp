// Asio's channels carry an error_code with each message; a closed one gives an error. They belong to its experimental part.
#include "channel/problem.hpp"
#include "support/bench.hpp"

#include <asio.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/experimental/concurrent_channel.hpp>
#include <atomic>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

namespace {

using asio::awaitable;
using asio::error_code;

// One thread: a channel without a lock, and a context that is told that nobody else runs it.
constexpr auto token = asio::experimental::as_tuple(asio::use_awaitable);

template <class Channel>
awaitable<void> echo(Channel& there, Channel& back) {
  for (;;) {
    auto const [failed, v] = co_await there.async_receive(token);
    if (failed) co_return;
    co_await back.async_send(error_code{}, v, token);
  }
}
template <class Channel>
awaitable<void> play(Channel& there, Channel& back, int n, long& sum) {
  for (int i = 0; i < n; ++i) {
    co_await there.async_send(error_code{}, i, token);
    auto const [failed, v] = co_await back.async_receive(token);
    sum += v;
  }
  there.close();
}

using alone = asio::experimental::channel<void(error_code, int)>;
using shared = asio::experimental::concurrent_channel<void(error_code, int)>;

void run(asio::io_context& context, unsigned threads) {
  std::vector<std::jthread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back([&] { context.run(); });
  context.run();
}

template <class Channel>
void ping_pong_on(unsigned threads, std::size_t kept) {
  asio::io_context context(static_cast<int>(threads));
  Channel there(context, kept), back(context, kept);
  long sum = 0;
  asio::co_spawn(context, echo(there, back), asio::detached);
  asio::co_spawn(context, play(there, back, bench::channel::round_trips, sum), asio::detached);
  run(context, threads);
  bench::expect(sum, bench::channel::sum_below(bench::channel::round_trips));
}

template <std::size_t Kept>
void ping_pong(benchmark::State& state) {
  auto const threads = bench::workers(state);
  for (auto _ : state) threads == 1 ? ping_pong_on<alone>(1, Kept) : ping_pong_on<shared>(threads, Kept);
  bench::count_items(state, bench::channel::round_trips);
}
BENCHMARK(ping_pong<0>)->Name("ping_pong/Asio")->Apply(bench::each_worker_count);
BENCHMARK(ping_pong<1>)->Name("ping_pong_kept/Asio")->Apply(bench::each_worker_count);

/// Ends one of as many receivers as there are senders. A concurrent_channel of Asio 1.22 that is closed loses what it keeps.
constexpr int end = -1;

template <class Channel>
awaitable<void> send_below(Channel& c, int n) {
  for (int i = 0; i < n; ++i) co_await c.async_send(error_code{}, i, token);
  co_await c.async_send(error_code{}, end, token);
}
template <class Channel>
awaitable<void> sum_of(Channel& c, std::atomic<long>& total) {
  long sum = 0;
  for (;;) {
    auto const [failed, v] = co_await c.async_receive(token);
    if (v == end) break;
    sum += v;
  }
  total += sum;
}

template <class Channel, int Tasks>
void stream_on(unsigned threads) {
  int const each = bench::channel::messages / Tasks;
  asio::io_context context(static_cast<int>(threads));
  Channel c(context, bench::channel::capacity);
  std::atomic<long> total = 0;
  for (int i = 0; i < Tasks; ++i) {
    asio::co_spawn(context, send_below(c, each), asio::detached);
    asio::co_spawn(context, sum_of(c, total), asio::detached);
  }
  run(context, threads);
  bench::expect(total.load(), Tasks * bench::channel::sum_below(each));
}

template <int Tasks>
void stream(benchmark::State& state) {
  auto const threads = bench::workers(state);
  for (auto _ : state) threads == 1 ? stream_on<alone, Tasks>(1) : stream_on<shared, Tasks>(threads);
  bench::count_items(state, bench::channel::messages);
}
BENCHMARK(stream<1>)->Name("stream_1_1/Asio")->Apply(bench::each_worker_count);
BENCHMARK(stream<4>)->Name("stream_4_4/Asio")->Apply(bench::each_worker_count);

}  // namespace
