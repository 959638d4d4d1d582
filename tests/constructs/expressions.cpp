// co_await inside larger expressions and statements, with a local in the outermost block or in a
// place where none is needed.

#include "probe.hpp"

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#define WEFT_CONSTRUCT_GROUP "co_await in expressions and statements"

namespace constructs {
namespace {

// The conditional operator.

task<int> conditional_both_awaited(bool first) {
  int const value = first ? co_await value_of(witness(1)) : co_await value_of(witness(2));
  co_return value;
}
WEFT_CONSTRUCT(conditional_both_awaited, "`int v = b ? co_await f(C(1)) : co_await f(C(2));`",
               drive(conditional_both_awaited(true)) == 1 && drive(conditional_both_awaited(false)) == 2)

task<int> conditional_one_awaited(bool first) {
  int const value = first ? co_await value_of(witness(1)) : 9;
  co_return value;
}
WEFT_CONSTRUCT(conditional_one_awaited, "`int v = b ? co_await f(C(1)) : 9;`",
               drive(conditional_one_awaited(true)) == 1 && drive(conditional_one_awaited(false)) == 9)

task<int> conditional_class_around_await(bool first) {
  witness const object = first ? witness(co_await value_of(witness(1))) : witness(2);
  co_return object.value();
}
WEFT_CONSTRUCT(conditional_class_around_await, "`C c = b ? C(co_await t) : C(2);`",
               drive(conditional_class_around_await(true)) == 1 && drive(conditional_class_around_await(false)) == 2)

task<int> conditional_class_or_await(bool first) {
  witness const object = first ? witness(7) : co_await make_witness(7);
  co_return object.value();
}
WEFT_CONSTRUCT(conditional_class_or_await, "`C c = b ? C(7) : co_await t;`, t yields a class",
               drive(conditional_class_or_await(true)) == 7 && drive(conditional_class_or_await(false)) == 7)

task<witness> conditional_returned(bool first) { co_return first ? witness(1) : co_await make_witness(2); }
WEFT_CONSTRUCT(conditional_returned, "`co_return b ? C(1) : co_await t;`, t yields a class",
               drive(conditional_returned(true)).value() == 1 && drive(conditional_returned(false)).value() == 2)

task<int> conditional_argument(bool first) { co_return co_await value_of(first ? witness(7) : witness(8)); }
WEFT_CONSTRUCT(conditional_argument, "`co_await f(b ? C(7) : C(8))`",
               drive(conditional_argument(true)) == 7 && drive(conditional_argument(false)) == 8)

task<int> conditional_argument_named(bool first) {
  witness object = first ? witness(7) : witness(8);
  co_return co_await value_of(std::move(object));
}
WEFT_CONSTRUCT(conditional_argument_named, "`C c = b ? C(7) : C(8); co_await f(std::move(c));`",
               drive(conditional_argument_named(true)) == 7)

task<int> conditional_operation(bool first) { co_return co_await (first ? value_of(witness(7)) : number(8)); }
WEFT_CONSTRUCT(conditional_operation, "`co_await (b ? f(C(7)) : g(8))`",
               drive(conditional_operation(true)) == 7 && drive(conditional_operation(false)) == 8)

// Operators and operands.

task<int> sum_of_two() {
  int const sum = (co_await call([] { return 3; })) + (co_await call([] { return 4; }));
  co_return sum;
}
WEFT_CONSTRUCT(sum_of_two, "`(co_await a) + (co_await b)`", drive(sum_of_two()) == 7)

task<int> sum_of_suspensions() { co_return co_await later{1} + co_await later{2} + co_await later{4}; }
WEFT_CONSTRUCT(sum_of_suspensions, "`co_await a + co_await b + co_await c`, each suspends",
               drive(sum_of_suspensions()) == 7)

task<int> compound_assignment() {
  int sum = 0;
  for (int i = 0; i < 7; ++i) sum += co_await later{1};
  co_return sum;
}
WEFT_CONSTRUCT(compound_assignment, "`sum += co_await t;` in a loop", drive(compound_assignment()) == 7)

task<int> comma_operator() {
  int const value = (co_await later{1}, co_await number(7));
  co_return value;
}
WEFT_CONSTRUCT(comma_operator, "`(co_await a, co_await b)`", drive(comma_operator()) == 7)

template <class... Tasks>
task<int> folded_sum(Tasks... tasks) {
  int sum = 0;
  ((sum += co_await tasks), ...);
  co_return sum;
}
WEFT_CONSTRUCT(fold_over_comma, "`((sum += co_await tasks), ...);`",
               drive(folded_sum(number(1), value_of(witness(2)), number(4))) == 7)

template <class... Tasks>
task<int> folded_plus(Tasks... tasks) {
  co_return (0 + ... + co_await tasks);
}
WEFT_CONSTRUCT(fold_over_plus, "`(0 + ... + co_await tasks)`",
               drive(folded_plus(number(1), value_of(witness(2)), number(4))) == 7)

task<int> subscript() {
  std::vector<int> values(3, 7);
  values[static_cast<std::size_t>(co_await number(1))] = co_await later{8};
  co_return values[static_cast<std::size_t>(co_await later{1})] - 1;
}
WEFT_CONSTRUCT(subscript, "`v[co_await a] = co_await b;`", drive(subscript()) == 7)

task<int> awaited_argument() { co_return co_await value_of(co_await make_witness(7)); }
WEFT_CONSTRUCT(awaited_argument, "`co_await f(co_await t)`, t yields a class", drive(awaited_argument()) == 7)

task<int> sum_by_value(witness first, witness second) { co_return first.value() + second.value(); }

task<int> awaited_arguments_beside_temporary() {
  co_return co_await sum_by_value(witness(3), witness(co_await later{4}));
}
WEFT_CONSTRUCT(awaited_arguments_beside_temporary, "`co_await f(C(3), C(co_await t))`",
               drive(awaited_arguments_beside_temporary()) == 7)

task<task<int>> task_of_task() { co_return value_of(witness(7)); }

task<int> await_twice() { co_return co_await (co_await task_of_task()); }
WEFT_CONSTRUCT(await_twice, "`co_await co_await t`", drive(await_twice()) == 7)

task<int> class_from_await() {
  witness const object = co_await make_witness(7);
  co_return object.value();
}
WEFT_CONSTRUCT(class_from_await, "`C c = co_await t;`", drive(class_from_await()) == 7)

task<int> class_built_from_await() {
  witness const object(co_await later{7});
  co_return object.value();
}
WEFT_CONSTRUCT(class_built_from_await, "`C c(co_await t);`", drive(class_built_from_await()) == 7)

task<int> class_assigned_from_await() {
  witness object(1);
  object = co_await make_witness(7);
  co_return object.value();
}
WEFT_CONSTRUCT(class_assigned_from_await, "`c = co_await t;`", drive(class_assigned_from_await()) == 7)

task<int> class_by_reference_from_await() {
  witness const& object = co_await make_witness(7);
  int const nothing = co_await later{0};
  co_return object.value() + nothing;
}
WEFT_CONSTRUCT(class_by_reference_from_await, "`C const& c = co_await t;`, the life extended",
               drive(class_by_reference_from_await()) == 7)

task<witness> class_returned_from_await() { co_return co_await make_witness(7); }
WEFT_CONSTRUCT(class_returned_from_await, "`co_return co_await t;`, t yields a class",
               drive(class_returned_from_await()).value() == 7)

task<int> discarded_result() {
  co_await make_witness(1);
  (void)co_await make_witness(2);
  co_return 7;
}
WEFT_CONSTRUCT(discarded_result, "`co_await t;`, the result dropped", drive(discarded_result()) == 7)

task<int> new_from_await() {
  auto const object = std::unique_ptr<witness>(new witness(co_await later{7}));
  co_return object->value();
}
WEFT_CONSTRUCT(new_from_await, "`new C(co_await t)`", drive(new_from_await()) == 7)

task<int> array_of_awaits() {
  int const values[] = {co_await number(3), co_await later{4}};
  co_return values[0] + values[1];
}
WEFT_CONSTRUCT(array_of_awaits, "`int a[] = {co_await t, co_await u};`", drive(array_of_awaits()) == 7)

task<int> std_array_of_awaits() {
  std::array<int, 2> const values{co_await number(3), co_await later{4}};
  co_return values[0] + values[1];
}
WEFT_CONSTRUCT(std_array_of_awaits, "`std::array<int, 2> a{co_await t, co_await u};`",
               drive(std_array_of_awaits()) == 7)

task<int> pair_of_awaits() {
  std::pair<int, int> const both{co_await number(3), co_await later{4}};
  co_return both.first + both.second;
}
WEFT_CONSTRUCT(pair_of_awaits, "`std::pair p{co_await t, co_await u};`", drive(pair_of_awaits()) == 7)

// Structured bindings.

struct two_results {
  witness first;
  witness second;
};

task<two_results> aggregate_of_results() { co_return two_results{witness(3), witness(4)}; }

task<int> bindings_over_aggregate() {
  auto [first, second] = co_await aggregate_of_results();
  co_return first.value() + second.value();
}
WEFT_CONSTRUCT(bindings_over_aggregate, "`auto [a, b] = co_await t;`, a plain aggregate",
               drive(bindings_over_aggregate()) == 7)

task<int> bindings_over_aggregate_then_suspend() {
  auto [first, second] = co_await aggregate_of_results();
  int const nothing = co_await later{0};
  co_return first.value() + second.value() + nothing;
}
WEFT_CONSTRUCT(bindings_over_aggregate_then_suspend, "`auto [a, b] = co_await t; co_await u;`, a plain aggregate",
               drive(bindings_over_aggregate_then_suspend()) == 7)
WEFT_CONSTRUCT(bindings_over_aggregate_abandoned, "the same, destroyed while it is suspended",
               abandon(bindings_over_aggregate_then_suspend()))

task<int> bindings_by_forwarding_reference() {
  auto&& [first, second] = co_await aggregate_of_results();
  int const nothing = co_await later{0};
  co_return first.value() + second.value() + nothing;
}
WEFT_CONSTRUCT(bindings_by_forwarding_reference, "`auto&& [a, b] = co_await t; co_await u;`, a plain aggregate",
               drive(bindings_by_forwarding_reference()) == 7)

task<std::pair<witness, witness>> pair_of_results() { co_return std::pair<witness, witness>(witness(3), witness(4)); }

task<int> bindings_over_pair() {
  auto [first, second] = co_await pair_of_results();
  co_return first.value() + second.value();
}
WEFT_CONSTRUCT(bindings_over_pair, "`auto [a, b] = co_await t;`, a std::pair", drive(bindings_over_pair()) == 7)

task<int> bindings_over_pair_then_suspend() {
  auto [first, second] = co_await pair_of_results();
  co_await later{};
  co_return first.value() + second.value();
}
WEFT_CONSTRUCT(bindings_over_pair_abandoned,
               "`auto [a, b] = co_await t; co_await u;`, a std::pair, destroyed meanwhile",
               abandon(bindings_over_pair_then_suspend()))

task<std::tuple<witness, witness>> tuple_of_results() {
  co_return std::tuple<witness, witness>(witness(3), witness(4));
}

task<int> bindings_over_tuple() {
  auto [first, second] = co_await tuple_of_results();
  co_return first.value() + second.value();
}
WEFT_CONSTRUCT(bindings_over_tuple, "`auto [a, b] = co_await t;`, a std::tuple", drive(bindings_over_tuple()) == 7)

task<int> bindings_over_tuple_then_suspend() {
  auto [first, second] = co_await tuple_of_results();
  int const nothing = co_await later{0};
  co_return first.value() + second.value() + nothing;
}
WEFT_CONSTRUCT(bindings_over_tuple_then_suspend, "`auto [a, b] = co_await t; co_await u;`, a std::tuple",
               drive(bindings_over_tuple_then_suspend()) == 7)
WEFT_CONSTRUCT(bindings_over_tuple_abandoned, "the same, destroyed while it is suspended",
               abandon(bindings_over_tuple_then_suspend()))

task<int> bindings_over_named() {
  auto const both = co_await aggregate_of_results();
  auto const& [first, second] = both;
  int const nothing = co_await later{0};
  co_return first.value() + second.value() + nothing;
}
WEFT_CONSTRUCT(bindings_over_named, "`auto r = co_await t; auto const& [a, b] = r;`", drive(bindings_over_named()) == 7)

// Loops.

task<std::vector<witness>> vector_of_results() {
  std::vector<witness> objects;
  objects.emplace_back(3);
  objects.emplace_back(4);
  co_return objects;
}

task<int> range_for_over_await() {
  int sum = 0;
  for (witness const& object : co_await vector_of_results()) sum += object.value();
  co_return sum;
}
WEFT_CONSTRUCT(range_for_over_await, "`for (auto& c : co_await t) ...`", drive(range_for_over_await()) == 7)

task<int> range_for_over_await_with_await() {
  int sum = 0;
  for (witness const& object : co_await vector_of_results()) sum += object.value() + co_await value_of(witness(1));
  co_return sum - 2;
}
WEFT_CONSTRUCT(range_for_over_await_with_await, "`for (auto& c : co_await t) ... co_await u ...`",
               drive(range_for_over_await_with_await()) == 7)

task<int> range_for_over_named() {
  int sum = 0;
  auto const objects = co_await vector_of_results();
  for (witness const& object : objects) sum += co_await value_of(object);
  co_return sum;
}
WEFT_CONSTRUCT(range_for_over_named, "`auto v = co_await t; for (auto& c : v) ... co_await ...`",
               drive(range_for_over_named()) == 7)

task<int> range_for_with_init() {
  int sum = 0;
  for (auto objects = co_await vector_of_results(); witness const& object : objects) sum += object.value();
  co_return sum;
}
WEFT_CONSTRUCT(range_for_with_init, "`for (auto v = co_await t; auto& c : v) ...`", drive(range_for_with_init()) == 7)

task<int> loop_with_break() {
  int sum = 1;
  for (int i = 0;; ++i) {
    witness object(i);
    sum += co_await value_of(object);
    if (i == 3) break;
  }
  co_return sum;
}
WEFT_CONSTRUCT(loop_with_break, "`for (;;) { C c; co_await f(c); if (...) break; }`", drive(loop_with_break()) == 7)

task<int> loop_with_continue() {
  int sum = 0;
  for (int i = 0; i < 5; ++i) {
    witness object(i);
    if (i % 2 == 0) {
      co_await later{};
      continue;
    }
    sum += co_await value_of(object);
  }
  co_return sum + 3;
}
WEFT_CONSTRUCT(loop_with_continue, "`for (...) { C c; if (...) { co_await t; continue; } ... }`",
               drive(loop_with_continue()) == 7)

task<int> loop_in_loop() {
  int sum = 0;
  for (int i = 0; i < 3; ++i) {
    witness outer(i);
    for (int j = 0; j < 2; ++j) {
      witness inner(j);
      sum += co_await sum_by_value(outer, inner);
    }
  }
  co_return sum - 2;
}
WEFT_CONSTRUCT(loop_in_loop, "nested loops with locals in each and co_await inside", drive(loop_in_loop()) == 7)

task<int> return_from_loop() {
  std::vector<int> const values{1, 3, 7, 9};
  for (int const value : values) {
    witness object(value);
    if (value == 7) co_return co_await value_of(object);
    co_await later{};
  }
  co_return 0;
}
WEFT_CONSTRUCT(return_from_loop, "`co_return co_await f(c);` inside a range-for", drive(return_from_loop()) == 7)

task<int> switch_with_await_in_cases(int which) {
  int result = 0;
  switch (which) {
    case 1: {
      witness object(co_await later{7});
      result = object.value();
      break;
    }
    case 2: result = co_await number(8); break;
    default: break;
  }
  co_return result;
}
WEFT_CONSTRUCT(switch_with_await_in_cases, "`switch (i) { case 1: { C c(co_await t); ... } ... }`",
               drive(switch_with_await_in_cases(1)) == 7 && drive(switch_with_await_in_cases(2)) == 8)

task<int> many_tasks_in_vector() {
  std::vector<task<int>> tasks;
  for (int i = 0; i < 7; ++i) tasks.push_back(number(1));
  int sum = 0;
  for (auto& each : tasks) sum += co_await each;
  co_return sum;
}
WEFT_CONSTRUCT(many_tasks_in_vector, "`for (auto& t : tasks) sum += co_await t;`", drive(many_tasks_in_vector()) == 7)

task<int> local_class() {
  struct adder {
    int& sum;
    ~adder() { sum += 3; }
  };
  int sum = 0;
  {
    adder const at_the_end{sum};
    sum += co_await later{4};
  }
  co_return sum;
}
WEFT_CONSTRUCT(local_class, "`{ guard g{...}; co_await t; }`, a guard that is an aggregate", drive(local_class()) == 7)

template <class T>
task<T> generic(T value) {
  T const doubled = value + co_await later{static_cast<int>(value)};
  co_return doubled;
}
WEFT_CONSTRUCT(function_template, "a function template that is a coroutine",
               drive(generic(3)) == 6 && drive(generic(3L)) == 6)

task<int> recursive(int depth) {
  if (depth == 0) co_return 0;
  int const below = co_await recursive(depth - 1);
  co_return below + 1;
}
WEFT_CONSTRUCT(recursion, "a coroutine that awaits itself", drive(recursive(7)) == 7)

// co_yield.

class generator {
 public:
  struct promise_type : frame_in_quarantine {
    generator get_return_object() { return generator{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    std::suspend_always yield_value(witness const& object) noexcept {
      current = &object;
      return {};
    }
    void return_void() const noexcept {}
    void unhandled_exception() { throw; }

    witness const* current = nullptr;
  };

  explicit generator(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  generator(generator&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  ~generator() {
    if (handle_) handle_.destroy();
  }

  bool advance() {
    handle_.resume();
    return !handle_.done();
  }
  int value() const { return handle_.promise().current->value(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

int sum_of(generator values) {
  int sum = 0;
  while (values.advance()) sum += values.value();
  return sum;
}

generator yields_temporaries() {
  co_yield witness(3);
  co_yield witness(4);
}
WEFT_CONSTRUCT(yield_temporary, "`co_yield C(3);`", sum_of(yields_temporaries()) == 7)

generator yields_in_loop() {
  std::vector<witness> objects;
  for (int i = 0; i < 3; ++i) objects.emplace_back(i);
  for (witness const& object : objects) {
    witness copy = object;
    if (object.value() > 0) co_yield copy;
  }
  co_yield 4;
}
WEFT_CONSTRUCT(yield_in_loop, "`for (...) { C c; if (...) co_yield c; }`", sum_of(yields_in_loop()) == 7)

bool abandon_generator() {
  auto values = yields_in_loop();
  return values.advance();
}
WEFT_CONSTRUCT(yield_abandoned, "the same, destroyed while it is suspended", abandon_generator())

}  // namespace
}  // namespace constructs
