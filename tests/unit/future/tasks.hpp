// What futures are tested with.
#pragma once

#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>

#include <atomic>
#include <exception>

namespace weft_test {

inline weft::task<int> later(int v) {
  co_await weft::this_task::yield();
  co_return v;
}

inline weft::task<> until_stopped() {
  for (;;) co_await weft::this_task::checkpoint();
}

/// For pool_options::on_failure: counts.
inline std::atomic<int> failures_reported{0};
inline void count_failure(std::exception_ptr) noexcept { ++failures_reported; }

}  // namespace weft_test
