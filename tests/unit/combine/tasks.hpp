// What the verbs for several tasks are tested with.
#pragma once

#include <weft/coro/concepts.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>

#include <stdexcept>

namespace weft_test {

template <class T>
using awaited = weft::await_result_t<T>;

inline weft::task<int> now(int v) { co_return v; }

inline weft::task<int> later(int v) {
  co_await weft::this_task::yield();
  co_return v;
}

inline weft::task<> nothing() { co_return; }

/// After so many turns of others.
inline weft::task<int> fails(char const* what, int turns = 1) {
  for (int turn = 0; turn < turns; ++turn) co_await weft::this_task::yield();
  throw std::runtime_error(what);
}

}  // namespace weft_test
