// co_await as a condition. g++ 12 lays out a frame wrongly when a statement with co_await in its
// condition stands in a coroutine whose outermost block declares nothing (GCC PR106188): what
// follows the suspension then runs on garbage. Each statement is tried without and with a local.

#include "probe.hpp"

#define WEFT_CONSTRUCT_GROUP "co_await as a condition"

namespace constructs {
namespace {

// Without a local in the outermost block.

task<int> if_bare(task<bool> condition) {
  if (co_await condition) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(if_bare, "`if (co_await t) ...;`, no local in the outermost block",
               drive(if_bare(truth(true))) == 7 && drive(if_bare(truth(false))) == 0)

task<int> if_bare_on_awaiter() {
  if (co_await now{1}) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(if_bare_on_awaiter, "the same on an awaiter that is ready", drive(if_bare_on_awaiter()) == 7)

task<int> if_bare_on_suspending_awaiter() {
  if (co_await later{1}) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(if_bare_on_suspending_awaiter, "the same on an awaiter that suspends",
               drive(if_bare_on_suspending_awaiter()) == 7)

// Completes inside its own await_suspend.
struct resumes_itself {
  int value;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { handle.resume(); }
  int await_resume() const noexcept { return value; }
};

task<int> if_bare_on_nested_resume() {
  if ((co_await resumes_itself{1}) == 1 && (co_await resumes_itself{2}) == 2) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(if_bare_on_nested_resume, "`if (co_await a && co_await b) ...;`, resumed inside await_suspend",
               drive(if_bare_on_nested_resume()) == 7)

task<int> if_else_bare(task<bool> condition) {
  if (co_await condition) {
    co_return 7;
  } else {
    co_return 0;
  }
}
WEFT_CONSTRUCT(if_else_bare, "`if (co_await t) {...} else {...}`, no local", drive(if_else_bare(truth(true))) == 7)

task<int> if_else_bare_on_temporary() {
  if (co_await number(1)) co_return 7;
  else co_return 0;
}
WEFT_CONSTRUCT(if_else_bare_on_temporary, "`if (co_await f()) ... else ...`, no local",
               drive(if_else_bare_on_temporary()) == 7)

task<int> else_if_bare(task<bool> first, task<bool> second) {
  if (co_await first) {
    co_return 0;
  } else if (co_await second) {
    co_return 7;
  }
  co_return 0;
}
WEFT_CONSTRUCT(else_if_bare, "`if (co_await a) {...} else if (co_await b) {...}`, no local",
               drive(else_if_bare(truth(false), truth(true))) == 7)

task<int> if_not_bare(task<bool> condition) {
  if (!co_await condition) co_return 0;
  co_return 7;
}
WEFT_CONSTRUCT(if_not_bare, "`if (!co_await t) ...;`, no local", drive(if_not_bare(truth(true))) == 7)

task<int> if_compare_bare(task<bool> condition) {
  if ((co_await condition) == false) co_return 0;
  co_return 7;
}
WEFT_CONSTRUCT(if_compare_bare, "`if ((co_await t) == x) ...;`, no local", drive(if_compare_bare(truth(true))) == 7)

task<int> if_compare_bare_with_argument() {
  if ((co_await value_of(witness(1))) == 1) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(if_compare_bare_with_argument, "`if ((co_await f(C(1))) == x) ...;`, no local",
               drive(if_compare_bare_with_argument()) == 7)

task<int> if_compare_block_bare_with_argument() {
  if ((co_await value_of(witness(1))) == 1) {
    co_return 7;
  }
  co_return 0;
}
WEFT_CONSTRUCT(if_compare_block_bare_with_argument, "`if ((co_await f(C(1))) == x) {...}`, no local",
               drive(if_compare_block_bare_with_argument()) == 7)

task<int> if_after_empty_statement(task<bool> condition) {
  ;
  if (co_await condition) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(if_after_empty_statement, "`; if (co_await t) ...;`, no local",
               drive(if_after_empty_statement(truth(true))) == 7)

task<int> if_after_awaited_statement(task<bool> condition) {
  co_await now{};
  if (co_await condition) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(if_after_awaited_statement, "`co_await a; if (co_await t) ...;`, no local",
               drive(if_after_awaited_statement(truth(true))) == 7)

task<int> if_before_a_local(task<bool> condition) {
  if (!co_await condition) co_return 0;
  int const lucky = 7;
  co_return lucky;
}
WEFT_CONSTRUCT(if_before_a_local, "`if (!co_await t) ...; int i = 7;`, the local comes after",
               drive(if_before_a_local(truth(true))) == 7)

task<int> if_in_block_bare(task<bool> condition) {
  {
    if (co_await condition) co_return 7;
  }
  co_return 0;
}
WEFT_CONSTRUCT(if_in_block_bare, "`{ if (co_await t) ...; }`, no local", drive(if_in_block_bare(truth(true))) == 7)

task<int> if_in_if_bare(task<bool> first, task<bool> second) {
  if (co_await first)
    if (co_await second) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(if_in_if_bare, "`if (co_await a) if (co_await b) ...;`, no local",
               drive(if_in_if_bare(truth(true), truth(true))) == 7)

task<int> if_in_try_bare(task<int> value) {
  try {
    if ((co_await value) == 3) co_return 7;
  } catch (...) {
  }
  co_return 0;
}
WEFT_CONSTRUCT(if_in_try_bare, "`try { if (co_await t) ...; } catch (...) {}`, no local",
               drive(if_in_try_bare(number(3))) == 7)

task<int> if_with_plain_condition(bool condition) {
  if (condition) {
    co_return co_await number(7);
  }
  co_return 0;
}
WEFT_CONSTRUCT(if_with_plain_condition, "`if (b) co_return co_await f();`, no local",
               drive(if_with_plain_condition(true)) == 7)

task<int> if_with_member_of_result(bool condition) {
  if (condition) {
    co_return (co_await make_witness(7)).value();
  }
  co_return 0;
}
WEFT_CONSTRUCT(if_with_member_of_result, "`if (b) co_return (co_await f()).member();`, no local",
               drive(if_with_member_of_result(true)) == 7)

task<int> if_bare_in_captureless_lambda() {
  auto const body = [](task<bool> condition) -> task<int> {
    if (co_await condition) co_return 7;
    co_return 0;
  };
  co_return co_await body(truth(true));
}
WEFT_CONSTRUCT(if_bare_in_captureless_lambda,
               "`[](task<bool> t) -> task<int> { if (co_await t) ...; }`, no local inside",
               drive(if_bare_in_captureless_lambda()) == 7)

template <class Condition>
task<int> if_bare_in_template(Condition condition) {
  if (co_await condition) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(if_bare_in_template, "`if (co_await t) ...;` in a function template, no local",
               drive(if_bare_in_template(truth(true))) == 7)

struct has_if_bare {
  task<int> member(task<bool> condition) {
    if (co_await condition) co_return 7;
    co_return 0;
  }
};
WEFT_CONSTRUCT(if_bare_in_member, "`if (co_await t) ...;` in a member function, no local",
               drive(has_if_bare{}.member(truth(true))) == 7)

task<int> if_bare_in_reference_lambda(bool value) {
  auto const body = [&]() -> task<int> {
    if (co_await truth(value)) co_return 7;
    co_return 0;
  };
  co_return co_await body();
}
WEFT_CONSTRUCT(if_bare_in_reference_lambda, "`[&]() -> task<int> { if (co_await f(b)) ...; }`, no local inside",
               drive(if_bare_in_reference_lambda(true)) == 7)

task<int> if_bare_in_lambda(bool value) {
  auto const body = [value]() -> task<int> {
    if (co_await truth(value)) co_return 7;
    co_return 0;
  };
  co_return co_await body();
}
WEFT_CONSTRUCT(if_bare_in_lambda, "`[b]() -> task<int> { if (co_await f(b)) ...; }`, no local inside",
               drive(if_bare_in_lambda(true)) == 7)

task<int> if_in_while_bare(task<bool> condition) {
  while (true) {
    if (co_await condition) break;
  }
  co_return 7;
}
WEFT_CONSTRUCT(if_in_while_bare, "`while (true) { if (co_await t) break; }`, no local",
               drive(if_in_while_bare(truth(true))) == 7)

task<int> if_in_range_for_bare(int const (&values)[3]) {
  for (int const value : values)
    if (co_await truth(value == 7)) co_return value;
  co_return 0;
}
constexpr int three_values[] = {1, 7, 3};
WEFT_CONSTRUCT(if_in_range_for_bare, "`for (int v : values) if (co_await f(v)) ...;`, no local",
               drive(if_in_range_for_bare(three_values)) == 7)

task<int> local_in_while(task<int> value) {
  while (true) {
    int const result = co_await value;
    if (result == 7) co_return result;
  }
}
WEFT_CONSTRUCT(local_in_while, "`while (true) { int v = co_await t; if (v) ...; }`",
               drive(local_in_while(number(7))) == 7)

task<int> local_in_try(task<int> value) {
  try {
    int const result = co_await value;
    if (result == 7) co_return result;
  } catch (...) {
  }
  co_return 0;
}
WEFT_CONSTRUCT(local_in_try, "`try { int v = co_await t; if (v) ...; } catch (...) {}`",
               drive(local_in_try(number(7))) == 7)

task<int> while_bare(task<bool> condition) {
  while (co_await condition) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(while_bare, "`while (co_await t) ...;`, no local", drive(while_bare(truth(true))) == 7)

task<int> while_and_bare() {
  while ((co_await value_of(witness(1))) == 1 && (co_await value_of(witness(2))) == 2) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(while_and_bare, "`while (co_await a && co_await b) ...;`, no local", drive(while_and_bare()) == 7)

task<std::optional<int>> next_below_three(int& count) {
  if (count < 3) co_return count++;
  co_return std::nullopt;
}

task<int> while_declaration_bare(int& count, int& sum) {
  while (auto value = co_await next_below_three(count)) sum += *value;
  co_return sum + 4;
}
bool check_while_declaration_bare() {
  int count = 0;
  int sum = 0;
  return drive(while_declaration_bare(count, sum)) == 7;
}
WEFT_CONSTRUCT(while_declaration_bare, "`while (auto v = co_await t) ...;`, no local", check_while_declaration_bare())

task<int> for_condition_bare(task<bool> condition) {
  for (; co_await condition;) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(for_condition_bare, "`for (; co_await t;) ...;`, no local", drive(for_condition_bare(truth(true))) == 7)

task<int> for_with_counter_bare() {
  for (int i = 0; i < co_await number(8); ++i)
    if (i == 7) co_return i;
  co_return 0;
}
WEFT_CONSTRUCT(for_with_counter_bare, "`for (int i = 0; i < co_await t; ++i) ...`, no local",
               drive(for_with_counter_bare()) == 7)

task<int> switch_bare(task<int> value) {
  switch (co_await value) {
    case 3: co_return 7;
    default: co_return 0;
  }
}
WEFT_CONSTRUCT(switch_bare, "`switch (co_await t) {...}`, no local", drive(switch_bare(number(3))) == 7)

task<int> switch_bare_on_temporary() {
  switch (co_await call([] { return 3; })) {
    case 3: co_return 7;
    default: co_return 0;
  }
}
WEFT_CONSTRUCT(switch_bare_on_temporary, "`switch (co_await f(...)) {...}`, no local",
               drive(switch_bare_on_temporary()) == 7)

task<int> if_in_do_bare(task<int> value) {
  do {
    if ((co_await value) != 3) break;
    co_return 7;
  } while (true);
  co_return 0;
}
WEFT_CONSTRUCT(if_in_do_bare, "`do { if (co_await t) ...; } while (...);`, no local",
               drive(if_in_do_bare(number(3))) == 7)

task<int> do_while_bare(task<bool> condition) {
  do {
  } while (co_await condition);
  co_return 7;
}
WEFT_CONSTRUCT(do_while_bare, "`do {...} while (co_await t);`, no local", drive(do_while_bare(truth(false))) == 7)

task<int> and_bare() {
  if ((co_await value_of(witness(1))) == 1 && (co_await value_of(witness(2))) == 2) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(and_bare, "`if (co_await f(C(1)) && co_await f(C(2))) ...;`, no local", drive(and_bare()) == 7)

task<int> and_block_bare() {
  if ((co_await value_of(witness(1))) == 1 && (co_await value_of(witness(2))) == 2) {
    co_return 7;
  }
  co_return 0;
}
WEFT_CONSTRUCT(and_block_bare, "`if (co_await f(C(1)) && co_await f(C(2))) {...}`, no local",
               drive(and_block_bare()) == 7)

task<int> and_bare_on_numbers() {
  if ((co_await number(1)) == 1 && (co_await number(2)) == 2) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(and_bare_on_numbers, "`if (co_await f(1) && co_await f(2)) ...;`, no local",
               drive(and_bare_on_numbers()) == 7)

task<int> and_three_bare() {
  if ((co_await number(1)) == 1 && (co_await number(2)) == 2 && (co_await number(3)) == 3) {
    co_return 7;
  }
  co_return 0;
}
WEFT_CONSTRUCT(and_three_bare, "`if (co_await a && co_await b && co_await c) {...}`, no local",
               drive(and_three_bare()) == 7)

task<int> and_bare_on_bool() {
  if (co_await truth(true) && co_await truth(true)) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(and_bare_on_bool, "`if (co_await a && co_await b) ...;` on bool, no local",
               drive(and_bare_on_bool()) == 7)

task<int> and_bare_with_lambdas() {
  if ((co_await call([] { return 3; })) == 3 && (co_await call([] { return 4; })) == 4) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(and_bare_with_lambdas, "`if (co_await f([] {...}) && co_await f([] {...})) ...;`, no local",
               drive(and_bare_with_lambdas()) == 7)

task<int> and_block_bare_with_lambdas() {
  if ((co_await call([] { return 3; })) == 3 && (co_await call([] { return 4; })) == 4) {
    co_return 7;
  }
  co_return 0;
}
WEFT_CONSTRUCT(and_block_bare_with_lambdas, "`if (co_await f([] {...}) && co_await f([] {...})) {...}`, no local",
               drive(and_block_bare_with_lambdas()) == 7)

task<int> or_bare_on_bool() {
  if (co_await truth(false) || co_await truth(true)) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(or_bare_on_bool, "`if (co_await a || co_await b) ...;` on bool, no local", drive(or_bare_on_bool()) == 7)

task<int> and_bare_with_inner_local() {
  if (!(co_await truth(false)) && co_await truth(true)) {
    witness six(6);
    int const one = co_await truth(true);
    co_return six.value() + one;
  }
  co_return 0;
}
WEFT_CONSTRUCT(and_bare_with_inner_local,
               "`if (co_await a && co_await b) { C c; ... co_await ...; }`, locals inside only",
               drive(and_bare_with_inner_local()) == 7)

// The cures.

task<int> if_declaration(task<int> value) {
  if (int const number = co_await value) co_return number;
  co_return 0;
}
WEFT_CONSTRUCT(if_declaration, "`if (int v = co_await t) ...;`, no local elsewhere",
               drive(if_declaration(number(7))) == 7)

task<int> if_init(task<int> value) {
  if (int const number = co_await value; number == 7) co_return number;
  co_return 0;
}
WEFT_CONSTRUCT(if_init, "`if (int v = co_await t; v == 7) ...;`, no local elsewhere", drive(if_init(number(7))) == 7)

task<int> switch_init(task<int> value) {
  switch (int const number = co_await value; number) {
    case 7: co_return number;
    default: co_return 0;
  }
}
WEFT_CONSTRUCT(switch_init, "`switch (int v = co_await t; v) {...}`, no local elsewhere",
               drive(switch_init(number(7))) == 7)

task<int> if_with_inner_local(task<bool> condition) {
  {
    int lucky = 7;
    if (co_await condition) co_return lucky;
  }
  co_return 0;
}
WEFT_CONSTRUCT(if_with_inner_local, "`{ int i = 7; if (co_await t) ...; }`, a local beside it",
               drive(if_with_inner_local(truth(true))) == 7)

task<int> if_with_unused_local(task<bool> condition) {
  [[maybe_unused]] int unused;
  if (co_await condition) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(if_with_unused_local, "`int unused; if (co_await t) ...;`",
               drive(if_with_unused_local(truth(true))) == 7)

task<int> if_with_local(task<bool> condition) {
  int result = 0;
  if (co_await condition) result = 7;
  co_return result;
}
WEFT_CONSTRUCT(if_with_local, "`if (co_await t) ...;` with a local in the outermost block",
               drive(if_with_local(truth(true))) == 7 && drive(if_with_local(truth(false))) == 0)

task<int> if_else_with_local(task<bool> condition) {
  int result = 0;
  if (co_await condition) {
    result = 7;
  } else {
    result = co_await number(8);
  }
  co_return result;
}
WEFT_CONSTRUCT(if_else_with_local, "`if (co_await t) {...} else {...}` with a local",
               drive(if_else_with_local(truth(true))) == 7 && drive(if_else_with_local(truth(false))) == 8)

task<int> while_with_local() {
  int sum = 0;
  while ((co_await call([&] { return sum; })) < 7) ++sum;
  co_return sum;
}
WEFT_CONSTRUCT(while_with_local, "`while (co_await f([&] {...})) ...;` with a local", drive(while_with_local()) == 7)

task<int> while_declaration_with_local() {
  int count = 0;
  int sum = 4;
  while (auto value = co_await next_below_three(count)) sum += *value;
  co_return sum;
}
WEFT_CONSTRUCT(while_declaration_with_local, "`while (auto v = co_await t) ...;` with a local",
               drive(while_declaration_with_local()) == 7)

task<int> for_with_local() {
  int sum = 0;
  for (; co_await truth(sum < 7);) ++sum;
  co_return sum;
}
WEFT_CONSTRUCT(for_with_local, "`for (; co_await t;) ...;` with a local", drive(for_with_local()) == 7)

task<int> do_while_with_local() {
  int sum = 0;
  do {
    ++sum;
  } while (co_await truth(sum < 7));
  co_return sum;
}
WEFT_CONSTRUCT(do_while_with_local, "`do {...} while (co_await t);` with a local", drive(do_while_with_local()) == 7)

task<int> switch_with_local() {
  int result = 0;
  switch (co_await number(3)) {
    case 3: result = co_await number(7); break;
    default: break;
  }
  co_return result;
}
WEFT_CONSTRUCT(switch_with_local, "`switch (co_await t) { case 3: ... co_await ...; }`, a local",
               drive(switch_with_local()) == 7)

task<int> try_with_local() {
  int result = 0;
  try {
    if (co_await truth(true)) result = 7;
  } catch (...) {
  }
  co_return result;
}
WEFT_CONSTRUCT(try_with_local, "`try { if (co_await t) ...; } catch (...) {}` with a local",
               drive(try_with_local()) == 7)

task<int> and_with_local() {
  int result = 0;
  if ((co_await value_of(witness(1))) == 1 && (co_await value_of(witness(2))) == 2) result = 7;
  co_return result;
}
WEFT_CONSTRUCT(and_with_local, "`if (co_await f(C(1)) && co_await f(C(2))) ...;` with a local",
               drive(and_with_local()) == 7)

task<int> or_with_local() {
  int result = 0;
  if (co_await truth(false) || co_await truth(true)) result = 7;
  co_return result;
}
WEFT_CONSTRUCT(or_with_local, "`if (co_await a || co_await b) ...;` with a local", drive(or_with_local()) == 7)

task<int> and_after_named_first() {
  int const first = co_await value_of(witness(1));
  if (first == 1 && (co_await value_of(witness(2))) == 2) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(and_after_named_first, "`int v = co_await a; if (v && co_await b) ...;`",
               drive(and_after_named_first()) == 7)

task<int> and_into_bool() {
  bool const both = (co_await value_of(witness(1))) == 1 && (co_await value_of(witness(2))) == 2;
  if (both) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(and_into_bool, "`bool b = co_await f(C(1)) && co_await f(C(2));`", drive(and_into_bool()) == 7)

task<int> or_into_bool() {
  bool const either = (co_await value_of(witness(0))) == 1 || (co_await value_of(witness(2))) == 2;
  co_return either ? 7 : 0;
}
WEFT_CONSTRUCT(or_into_bool, "`bool b = co_await f(C(1)) || co_await f(C(2));`", drive(or_into_bool()) == 7)

task<int> and_into_bool_with_lambdas() {
  bool const both = (co_await call([] { return 3; })) == 3 && (co_await call([] { return 4; })) == 4;
  if (both) co_return 7;
  co_return 0;
}
WEFT_CONSTRUCT(and_into_bool_with_lambdas, "`bool b = co_await f([] {...}) && co_await f([] {...});`",
               drive(and_into_bool_with_lambdas()) == 7)

task<int> return_awaited(task<int> value) { co_return co_await value; }
WEFT_CONSTRUCT(return_awaited, "`co_return co_await t;`", drive(return_awaited(number(7))) == 7)

task<int> return_conditional(task<bool> condition) { co_return (co_await condition) ? 7 : 0; }
WEFT_CONSTRUCT(return_conditional, "`co_return co_await t ? 7 : 0;`, no local",
               drive(return_conditional(truth(true))) == 7)

}  // namespace
}  // namespace constructs
