// Many waits at once, but not too many: a few runners, each of which takes the next element when its last one has ended.
#pragma once

#include <weft/combine/when_all.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace weft::detail {

inline constexpr std::size_t default_in_flight = 1024;

template <class Each>
task<> run_in_flight(atomic<std::size_t>& next, std::size_t count, Each& each) {
  for (;;) {
    // Relaxed: a number is taken, nothing is handed over.
    auto const i = next.fetch_add(1, memory_order_relaxed);
    if (i >= count) co_return;
    this_task::stop_token().throw_if_stopped();
    auto operation = each(i);
    co_await std::move(operation);
  }
}

/// Awaits each(i) for every i below count, in order of their beginning, at most `limit` at a time. Frames: one per runner, not one
/// per element.
template <class Each>
task<> keep_in_flight(std::size_t count, std::size_t limit, Each& each) {
  atomic<std::size_t> next{0};
  std::vector<task<>> runners;
  auto const many = std::min(count, limit == 0 ? default_in_flight : limit);
  runners.reserve(many);
  for (std::size_t i = 0; i < many; ++i) runners.push_back(run_in_flight(next, count, each));
  auto all = when_all(std::move(runners));
  co_await std::move(all);
}

}  // namespace weft::detail
