// Operations that wait, called by hand in the order in which a race would call them.
#pragma once

#include "support/catch.hpp"

#include <weft/sync/waiter.hpp>

namespace weft_test {

/// A selection without a task: nobody arms it, so fire only says so.
struct loose : weft::detail::selection {
  loose() : selection([](weft::detail::stop_registration*) noexcept {}) {}
  weft::detail::waiter self{*this};
};

/// That an operation takes what is there where its task has nothing else yet, and leaves it there where the task goes on with something else.
template <class Make, class There>
void takes_or_leaves(Make make, There is_there) {
  {
    loose task;
    REQUIRE(task.self.claim());
    auto op = make();
    typename decltype(op)::node mine(task);
    CHECK(op.enqueue(mine) == weft::detail::enqueued::lost);
    CHECK(task.winner == &task.self);
    CHECK(is_there());
  }
  loose task;
  auto op = make();
  typename decltype(op)::node mine(task);
  CHECK(op.enqueue(mine) == weft::detail::enqueued::completed);
  CHECK(task.winner == &mine);
  static_cast<void>(op.take());
}

/// That an operation which has to wait stands in the queue until it leaves, and that whoever comes with what it waits for passes it by where
/// its task goes on with something else.
template <class Make, class Bring, class There>
void waits_or_is_passed_by(Make make, Bring bring, There is_there) {
  {
    loose leaves;
    auto op = make();
    typename decltype(op)::node mine(leaves);
    REQUIRE(op.enqueue(mine) == weft::detail::enqueued::waits);
    CHECK(op.withdraw(mine) == weft::detail::left::now);
    CHECK_FALSE(mine.linked());
  }
  loose task;
  auto op = make();
  typename decltype(op)::node mine(task);
  REQUIRE(op.enqueue(mine) == weft::detail::enqueued::waits);
  REQUIRE(task.self.claim());
  bring();
  CHECK(task.winner == &task.self);
  CHECK(is_there());
  CHECK(op.withdraw(mine) == weft::detail::left::now);
  CHECK_FALSE(mine.linked());
  CHECK(is_there());
}

}  // namespace weft_test
