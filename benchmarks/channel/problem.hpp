// Messages through channels. Ping-pong: a number goes there and back, an item is one there and back. Streams: from one task to
// another, and from four to four, over a channel that keeps 128; an item is a message. Select: one task sends over four channels in turns to
// one that selects among them; an item is a message.
// bench_smoke: --benchmark_filter=/weft
#pragma once

namespace bench::channel {

inline constexpr int round_trips = 100'000;
inline constexpr int messages = 1'000'000;
inline constexpr int selected = 200'000;
inline constexpr int capacity = 128;

/// 0 + 1 + … + n - 1
constexpr long sum_below(long n) { return n * (n - 1) / 2; }

}  // namespace bench::channel
