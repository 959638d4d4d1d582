// What the tests of sync/ share: tasks that run side by side, and a moment at which they all wait.
#pragma once

#include <weft/combine/when_all.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>

#include <atomic>
#include <utility>
#include <vector>

namespace weft_test {

/// All of them at once.
inline weft::task<> all_of(std::vector<weft::task<>> tasks) {
  auto operation = weft::when_all(std::move(tasks));
  co_await std::move(operation);
}

/// Gives way often enough that, with one worker, everything that was ready has run until it waits.
inline weft::task<> settle() {
  for (int i = 0; i < 10; ++i) co_await weft::this_task::yield();
}

/// Gives way until it is so: on any number of workers.
template <class Predicate>
weft::task<> until(Predicate predicate) {
  while (!predicate()) co_await weft::this_task::yield();
}

/// How a future ended.
enum class ending { value, stopped, failed };
template <class T>
ending ending_of(weft::future<T>& f) {
  try {
    static_cast<void>(f.get());
    return ending::value;
  } catch (weft::stopped const&) {
    return ending::stopped;
  } catch (...) {
    return ending::failed;
  }
}

}  // namespace weft_test
