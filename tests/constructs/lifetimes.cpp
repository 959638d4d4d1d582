// Who is destroyed when: exceptions in and around co_await, and coroutines destroyed while they are
// suspended.

#include "probe.hpp"

#include <memory>
#include <stdexcept>
#include <string>

#define WEFT_CONSTRUCT_GROUP "exceptions and destruction"

namespace constructs {
namespace {

struct failure {};

task<int> fail(witness object) {
  if (object.value() > 0) throw failure{};
  co_return 0;
}

task<int> fail_after_suspension(witness object) {
  int const nothing = co_await later{0};
  if (object.value() > nothing) throw failure{};
  co_return 0;
}

task<int> sum_by_value(witness first, witness second) { co_return first.value() + second.value(); }

template <class T>
bool throws(task<T> work) {
  try {
    drive(std::move(work));
  } catch (failure const&) {
    return true;
  }
  return false;
}

int sum_of(witness const& first, int second, witness const& third) { return first.value() + second + third.value(); }

// Exceptions.

task<int> caught_around_await() {
  int result = 0;
  try {
    result = co_await fail(witness(1));
  } catch (failure const&) {
    result = 7;
  }
  co_return result;
}
WEFT_CONSTRUCT(caught_around_await, "`try { v = co_await f(C(1)); } catch (...) {...}`",
               drive(caught_around_await()) == 7)

task<int> caught_after_suspension() {
  int result = 0;
  try {
    witness local(1);
    result = co_await fail_after_suspension(local);
  } catch (failure const&) {
    result = 7;
  }
  co_return result;
}
WEFT_CONSTRUCT(caught_after_suspension, "the same, thrown after a suspension", drive(caught_after_suspension()) == 7)

task<int> caught_then_returned() {
  try {
    co_return co_await fail(witness(1));
  } catch (failure const&) {
  }
  co_return 7;
}
WEFT_CONSTRUCT(caught_then_returned, "`try { co_return co_await f(C(1)); } catch (...) {}`, no local",
               drive(caught_then_returned()) == 7)

task<int> caught_then_awaited() {
  bool failed = false;
  try {
    co_await fail(witness(1));
  } catch (failure const&) {
    failed = true;
  }
  if (failed) co_return co_await value_of(witness(7));
  co_return 0;
}
WEFT_CONSTRUCT(caught_then_awaited, "`catch (...) { failed = true; } if (failed) co_await ...;`",
               drive(caught_then_awaited()) == 7)

task<int> caught_among_arguments() {
  try {
    co_return co_await sum_by_value(witness(1), witness(co_await fail(witness(2))));
  } catch (failure const&) {
  }
  co_return 7;
}
WEFT_CONSTRUCT(caught_among_arguments, "`try { co_await f(C(1), C(co_await g(C(2)))); } catch ...`",
               drive(caught_among_arguments()) == 7)

task<int> caught_in_loop() {
  int failures = 0;
  for (int i = 0; i < 7; ++i) {
    witness local(i + 1);
    try {
      co_await fail_after_suspension(local);
    } catch (failure const&) {
      ++failures;
    }
  }
  co_return failures;
}
WEFT_CONSTRUCT(caught_in_loop, "`for (...) { C c; try { co_await f(c); } catch (...) {...} }`",
               drive(caught_in_loop()) == 7)

task<int> caught_and_rethrown() {
  witness local(1);
  try {
    co_return co_await fail_after_suspension(local);
  } catch (failure const&) {
    throw;
  }
}
WEFT_CONSTRUCT(caught_and_rethrown, "`try { co_await t; } catch (...) { throw; }`", throws(caught_and_rethrown()))

task<int> caught_as_pointer() {
  std::exception_ptr caught;
  witness local(1);
  try {
    co_await fail(local);
  } catch (...) {
    caught = std::current_exception();
  }
  co_await later{};
  if (caught) std::rethrow_exception(caught);
  co_return 0;
}
WEFT_CONSTRUCT(caught_as_pointer, "`catch (...) { e = std::current_exception(); } co_await t; ...`",
               throws(caught_as_pointer()))

task<int> thrown_through() {
  witness first(1);
  int const result = co_await fail_after_suspension(witness(2));
  witness second(3);
  co_return result + second.value();
}
WEFT_CONSTRUCT(thrown_through, "an exception that passes through a co_await between locals", throws(thrown_through()))

task<int> thrown_beside_temporaries() {
  co_return sum_of(witness(1), co_await fail_after_suspension(witness(2)), witness(3));
}
WEFT_CONSTRUCT(thrown_beside_temporaries, "`f(C(1), co_await t, C(3))`, t throws", throws(thrown_beside_temporaries()))

task<int> thrown_awaited_value() {
  witness local(1);
  throw co_await make_witness(7);
  co_return local.value();
}
task<int> catches_awaited_value() {
  int result = 0;
  try {
    result = co_await thrown_awaited_value();
  } catch (witness const& object) {
    result = object.value();
  }
  co_return result;
}
WEFT_CONSTRUCT(thrown_awaited_value, "`throw co_await t;`", drive(catches_awaited_value()) == 7)

struct throws_when_copied {
  explicit throws_when_copied(bool armed) : armed(armed) {}
  throws_when_copied(throws_when_copied const& other) : object(other.object), armed(other.armed) {
    if (armed) throw failure{};
  }
  witness object;
  bool armed;
};

task<int> takes_three(witness first, throws_when_copied, witness) { co_return first.value(); }

bool check_parameter_copy_throws() {
  witness first(1);
  throws_when_copied second(true);
  try {
    auto work = takes_three(first, second, witness(3));
    return false;
  } catch (failure const&) {
    return true;
  }
}
WEFT_CONSTRUCT(parameter_copy_throws, "a parameter whose copy into the frame throws", check_parameter_copy_throws())

struct refuses_to_start {
  bool await_ready() const { throw failure{}; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};

task<int> await_ready_throws() {
  witness local(1);
  co_await refuses_to_start{};
  co_return local.value();
}
WEFT_CONSTRUCT(await_ready_throws, "await_ready throws", throws(await_ready_throws()))

struct fails_to_suspend {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) const { throw failure{}; }
  void await_resume() const noexcept {}
};

task<int> await_suspend_throws() {
  witness local(0);
  try {
    co_await fails_to_suspend{};
  } catch (failure const&) {
    co_return 7 + local.value();
  }
  co_return 0;
}
WEFT_CONSTRUCT(await_suspend_throws, "await_suspend throws", drive(await_suspend_throws()) == 7)

// Destroyed while suspended.

task<int> suspended_with_locals() {
  witness first(1);
  auto second = std::make_unique<witness>(2);
  std::string const text(40, 'x');
  co_await later{};
  co_return first.value() + second->value() + static_cast<int>(text.size());
}
WEFT_CONSTRUCT(abandoned_with_locals, "destroyed at `co_await t;` with locals", abandon(suspended_with_locals()))

WEFT_CONSTRUCT(abandoned_before_start, "destroyed before it starts", (static_cast<void>(value_of(witness(1))), true))

task<int> suspended_with_temporaries() {
  int const sum = sum_of(witness(1), co_await later{2}, witness(4));
  co_return sum;
}
WEFT_CONSTRUCT(abandoned_with_temporaries, "destroyed at `f(C(1), co_await t, C(4))`",
               abandon(suspended_with_temporaries()))

task<int> suspended_in_argument() {
  witness local(1);
  int const sum = co_await sum_by_value(witness(2), witness(co_await later{2}));
  co_return sum + local.value();
}
WEFT_CONSTRUCT(abandoned_in_argument, "destroyed at `co_await f(C(2), C(co_await t))`",
               abandon(suspended_in_argument()))

task<int> suspended_in_conditional(bool first) {
  int const value = first ? sum_of(witness(1), co_await later{2}, witness(3)) : 0;
  co_return value;
}
WEFT_CONSTRUCT(abandoned_in_conditional, "destroyed at `b ? f(C(1), co_await t, C(3)) : 0`",
               abandon(suspended_in_conditional(true)))

task<int> suspended_in_child() {
  witness local(1);
  int const sum = co_await fail_after_suspension(witness(2));
  co_return sum + local.value();
}
WEFT_CONSTRUCT(abandoned_in_child, "destroyed while a child that it awaits is suspended", abandon(suspended_in_child()))

task<int> suspended_in_loop() {
  int sum = 0;
  for (int i = 0; i < 3; ++i) {
    witness local(i);
    if (i == 1) co_await later{};
    sum += local.value();
  }
  co_return sum;
}
WEFT_CONSTRUCT(abandoned_in_loop, "destroyed inside `for (...) { C c; ... co_await t; ... }`",
               abandon(suspended_in_loop()))

task<int> suspended_in_try() {
  witness outer(1);
  try {
    witness inner(2);
    co_await later{};
    co_return inner.value();
  } catch (...) {
  }
  co_return outer.value();
}
WEFT_CONSTRUCT(abandoned_in_try, "destroyed inside `try { C c; co_await t; ... }`", abandon(suspended_in_try()))

task<int> suspended_in_if_declaration() {
  if (auto const object = co_await make_witness(1); object.value() == 1) {
    witness inner(2);
    co_await later{};
    co_return inner.value() + object.value();
  }
  co_return 0;
}
WEFT_CONSTRUCT(abandoned_in_if_init, "destroyed inside `if (C c = co_await t; ...) { co_await u; }`",
               abandon(suspended_in_if_declaration()))

task<int> suspended_in_lambda() {
  witness local(1);
  auto const function = [local]() -> task<int> {
    co_await later{};
    co_return local.value();
  };
  co_return co_await function();
}
WEFT_CONSTRUCT(abandoned_in_lambda, "destroyed inside a named lambda that it awaits", abandon(suspended_in_lambda()))

}  // namespace
}  // namespace constructs
