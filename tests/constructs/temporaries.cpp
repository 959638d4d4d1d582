// Temporaries inside a full-expression that also has a co_await. g++ 12 destroys the members of an
// aggregate temporary twice there, and moves it bitwise (GCC PR95599, PR99576, PR101367); an
// aggregate with a constructor, a named object and std::move of one are right.

#include "probe.hpp"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#define WEFT_CONSTRUCT_GROUP "temporaries in a co_await expression"

namespace constructs {
namespace {

int sum_of(witness const& first, int second, witness const& third) { return first.value() + second + third.value(); }

// A class with a constructor.

task<int> class_argument() { co_return co_await value_of(witness(7)); }
WEFT_CONSTRUCT(class_argument, "`co_await f(C(7))`", drive(class_argument()) == 7)

task<int> sum_by_value(witness first, witness second) { co_return first.value() + second.value(); }

task<int> two_class_arguments() {
  int const sum = co_await sum_by_value(witness(3), witness(4));
  co_return sum;
}
WEFT_CONSTRUCT(two_class_arguments, "`co_await f(C(3), C(4))`", drive(two_class_arguments()) == 7)

task<int> sum_by_value_and_reference(witness first, witness const& second) {
  int const nothing = co_await later{0};
  co_return first.value() + second.value() + nothing;
}

task<int> class_argument_by_reference() { co_return co_await sum_by_value_and_reference(witness(3), witness(4)); }
WEFT_CONSTRUCT(class_argument_by_reference, "`co_await f(C(3), C(4))`, held by reference over a suspension",
               drive(class_argument_by_reference()) == 7)

task<int> converted_argument() { co_return co_await value_of(7); }
WEFT_CONSTRUCT(converted_argument, "`co_await f(7)`, converted to a class", drive(converted_argument()) == 7)

task<int> temporaries_beside_await() { co_return sum_of(witness(1), co_await value_of(witness(2)), witness(4)); }
WEFT_CONSTRUCT(temporaries_beside_await, "`f(C(1), co_await t, C(4))`", drive(temporaries_beside_await()) == 7)

task<int> temporaries_beside_suspension() { co_return sum_of(witness(1), co_await later{2}, witness(4)); }
WEFT_CONSTRUCT(temporaries_beside_suspension, "the same over a real suspension",
               drive(temporaries_beside_suspension()) == 7)

task<int> take_class(labelled_class object) { co_return object.sum(); }

task<int> class_temporary() { co_return co_await take_class(labelled_class(witness(3), 4)); }
WEFT_CONSTRUCT(class_temporary, "`co_await f(K(C(3), 4))`, K with a constructor", drive(class_temporary()) == 7)

task<int> class_braced_temporary() { co_return co_await take_class(labelled_class{witness(3), 4}); }
WEFT_CONSTRUCT(class_braced_temporary, "`co_await f(K{C(3), 4})`, K with a constructor",
               drive(class_braced_temporary()) == 7)

task<int> class_braced_list() { co_return co_await take_class({witness(3), 4}); }
WEFT_CONSTRUCT(class_braced_list, "`co_await f({C(3), 4})`, K with a constructor", drive(class_braced_list()) == 7)

// Aggregates.

task<int> take_labelled(labelled object) { co_return object.item.value() + object.label; }

task<int> take_labelled_by_reference(labelled const& object) {
  int const nothing = co_await later{0};
  co_return object.item.value() + object.label + nothing;
}

task<int> aggregate_temporary() { co_return co_await take_labelled(labelled{witness(3), 4}); }
WEFT_CONSTRUCT(aggregate_temporary, "`co_await f(A{C(3), 4})`, A an aggregate", drive(aggregate_temporary()) == 7)

task<int> aggregate_temporary_by_reference() { co_return co_await take_labelled_by_reference(labelled{witness(3), 4}); }
WEFT_CONSTRUCT(aggregate_temporary_by_reference, "`co_await f(A{C(3), 4})`, taken by reference",
               drive(aggregate_temporary_by_reference()) == 7)

task<int> aggregate_braced_list() { co_return co_await take_labelled({witness(3), 4}); }
WEFT_CONSTRUCT(aggregate_braced_list, "`co_await f({C(3), 4})`, A an aggregate", drive(aggregate_braced_list()) == 7)

task<int> aggregate_designated() { co_return co_await take_labelled({.item = witness(3), .label = 4}); }
WEFT_CONSTRUCT(aggregate_designated, "`co_await f({.item = C(3), .label = 4})`", drive(aggregate_designated()) == 7)

struct three_members {
  witness first;
  int second;
  witness third;
};

task<int> take_three(three_members object) { co_return sum_of(object.first, object.second, object.third); }

task<int> aggregate_of_three_temporary() { co_return co_await take_three(three_members{witness(1), 2, witness(4)}); }
WEFT_CONSTRUCT(aggregate_of_three_temporary, "`co_await f(A{C(1), 2, C(4)})`",
               drive(aggregate_of_three_temporary()) == 7)

task<int> aggregate_of_three_braced_list() { co_return co_await take_three({witness(1), 2, witness(4)}); }
WEFT_CONSTRUCT(aggregate_of_three_braced_list, "`co_await f({C(1), 2, C(4)})`",
               drive(aggregate_of_three_braced_list()) == 7)

task<int> aggregate_local_around_await() {
  three_members const local{witness(1), co_await value_of(witness(2)), witness(4)};
  co_return sum_of(local.first, local.second, local.third);
}
WEFT_CONSTRUCT(aggregate_local_around_await, "`A a{C(1), co_await t, C(4)};`",
               drive(aggregate_local_around_await()) == 7)

task<int> aggregate_local_of_awaited() {
  labelled const local{co_await make_witness(3), 4};
  co_return local.item.value() + local.label;
}
WEFT_CONSTRUCT(aggregate_local_of_awaited, "`A a{co_await t, 4};`, t yields a class",
               drive(aggregate_local_of_awaited()) == 7)

labelled make_labelled() { return labelled{witness(3), 4}; }

task<int> aggregate_from_call() { co_return co_await take_labelled(make_labelled()); }
WEFT_CONSTRUCT(aggregate_from_call, "`co_await f(g())`, g returns an aggregate", drive(aggregate_from_call()) == 7)

task<int> aggregate_named() {
  labelled local{witness(3), 4};
  co_return co_await take_labelled(local);
}
WEFT_CONSTRUCT(aggregate_named, "`A a{C(3), 4}; co_await f(a);`", drive(aggregate_named()) == 7)

task<int> aggregate_moved() {
  labelled local{witness(3), 4};
  co_return co_await take_labelled(std::move(local));
}
WEFT_CONSTRUCT(aggregate_moved, "`A a{C(3), 4}; co_await f(std::move(a));`", drive(aggregate_moved()) == 7)

task<int> aggregate_in_named_operation() {
  auto operation = take_labelled({witness(3), 4});
  co_return co_await operation;
}
WEFT_CONSTRUCT(aggregate_in_named_operation, "`auto t = f({C(3), 4}); co_await t;`",
               drive(aggregate_in_named_operation()) == 7)

task<labelled> make_labelled_later() { co_return labelled{witness(3), 4}; }

task<int> aggregate_returned() {
  labelled const local = co_await make_labelled_later();
  co_return local.item.value() + local.label;
}
WEFT_CONSTRUCT(aggregate_returned, "`co_return A{C(3), 4};` and `A a = co_await t;`", drive(aggregate_returned()) == 7)

task<int> aggregate_passed_on() { co_return co_await take_labelled(co_await make_labelled_later()); }
WEFT_CONSTRUCT(aggregate_passed_on, "`co_await f(co_await t)`, t yields an aggregate",
               drive(aggregate_passed_on()) == 7)

task<int> aggregate_member_of_result() { co_return (co_await make_labelled_later()).label + 3; }
WEFT_CONSTRUCT(aggregate_member_of_result, "`(co_await t).member`, t yields an aggregate",
               drive(aggregate_member_of_result()) == 7)

struct name_and_number {
  std::string name;
  int number;
};

task<int> take_name(name_and_number object) { co_return static_cast<int>(object.name.size()) + object.number; }

task<int> aggregate_of_string() { co_return co_await take_name({std::string(40, 'x'), 2}); }
WEFT_CONSTRUCT(aggregate_of_string, "`co_await f({std::string(...), 2})`, A an aggregate",
               drive(aggregate_of_string()) == 42)

task<int> aggregate_of_string_designated() {
  co_return co_await take_name(name_and_number{.name = std::string(40, 'x'), .number = 2});
}
WEFT_CONSTRUCT(aggregate_of_string_designated, "`co_await f(A{.name = std::string(...)})`",
               drive(aggregate_of_string_designated()) == 42)

// Options as weft takes them: numbers and views only.

struct options {
  int grain = 0;
  int limit = 0;
  std::string_view name = {};
};

task<int> take_options(options chosen = {}) { co_return chosen.grain + chosen.limit; }

task<int> options_braced() { co_return co_await take_options({3, 4}); }
WEFT_CONSTRUCT(options_braced, "`co_await f({3, 4})`, a trivially destructible aggregate", drive(options_braced()) == 7)

task<int> options_designated() { co_return co_await take_options({.limit = 7, .name = "options"}); }
WEFT_CONSTRUCT(options_designated, "`co_await f({.limit = 7})`, trivially destructible",
               drive(options_designated()) == 7)

task<int> options_temporary() { co_return co_await take_options(options{.grain = 7}); }
WEFT_CONSTRUCT(options_temporary, "`co_await f(A{.grain = 7})`, trivially destructible",
               drive(options_temporary()) == 7)

task<int> options_defaulted() { co_return 7 + co_await take_options(); }
WEFT_CONSTRUCT(options_defaulted, "`co_await f()`, `f(A = {})`, trivially destructible",
               drive(options_defaulted()) == 7)

task<int> options_around_await() {
  options const chosen{.grain = co_await number(3), .limit = co_await later{4}};
  co_return chosen.grain + chosen.limit;
}
WEFT_CONSTRUCT(options_around_await, "`A a{.grain = co_await t, .limit = co_await u};`, trivial",
               drive(options_around_await()) == 7)

// What the standard library offers.

task<int> take_pair(std::pair<witness, int> both) { co_return both.first.value() + both.second; }

task<int> pair_braced_list() { co_return co_await take_pair({witness(3), 4}); }
WEFT_CONSTRUCT(pair_braced_list, "`co_await f({C(3), 4})`, std::pair", drive(pair_braced_list()) == 7)

task<int> pair_temporary() { co_return co_await take_pair(std::pair<witness, int>(witness(3), 4)); }
WEFT_CONSTRUCT(pair_temporary, "`co_await f(std::pair(C(3), 4))`", drive(pair_temporary()) == 7)

task<int> take_tuple(std::tuple<witness, int> both) { co_return std::get<0>(both).value() + std::get<1>(both); }

task<int> tuple_temporary() { co_return co_await take_tuple({witness(3), 4}); }
WEFT_CONSTRUCT(tuple_temporary, "`co_await f({C(3), 4})`, std::tuple", drive(tuple_temporary()) == 7)

task<int> take_array(std::array<witness, 2> both) { co_return both[0].value() + both[1].value(); }

task<int> array_temporary() {
  std::array<witness, 2> both{witness(3), witness(4)};
  co_return co_await take_array(std::move(both));
}
WEFT_CONSTRUCT(array_temporary, "`std::array a{C(3), C(4)}; co_await f(std::move(a));`", drive(array_temporary()) == 7)

task<int> take_optional(std::optional<witness> object) { co_return object ? object->value() : 0; }

task<int> optional_temporary() { co_return co_await take_optional(witness(7)); }
WEFT_CONSTRUCT(optional_temporary, "`co_await f(C(7))`, taken as std::optional", drive(optional_temporary()) == 7)

task<int> size_of(std::string text) {
  int const nothing = co_await later{0};
  co_return static_cast<int>(text.size()) + nothing;
}

task<int> string_temporary() { co_return co_await size_of(std::string(40, 'x')); }
WEFT_CONSTRUCT(string_temporary, "`co_await f(std::string(...))`", drive(string_temporary()) == 40)

task<int> string_from_literal() { co_return co_await size_of("a string that is too long for the small buffer"); }
WEFT_CONSTRUCT(string_from_literal, "`co_await f(\"literal\")`, taken as std::string",
               drive(string_from_literal()) == 46)

task<int> string_sum() {
  std::string const name = "a string that is too long";
  co_return co_await size_of(name + " for the small buffer");
}
WEFT_CONSTRUCT(string_sum, "`co_await f(s + \"literal\")`", drive(string_sum()) == 46)

task<int> take_pointer(std::unique_ptr<witness> object) { co_return object->value(); }

task<int> unique_pointer_temporary() { co_return co_await take_pointer(std::make_unique<witness>(7)); }
WEFT_CONSTRUCT(unique_pointer_temporary, "`co_await f(std::make_unique<C>(7))`", drive(unique_pointer_temporary()) == 7)

template <class... Arguments>
task<int> forward_on(Arguments... arguments) {
  co_return co_await take_pointer(std::move(arguments)...);
}

task<int> forwarded_pack() { co_return co_await forward_on(std::make_unique<witness>(7)); }
WEFT_CONSTRUCT(forwarded_pack, "`co_await f(std::move(args)...)`", drive(forwarded_pack()) == 7)

task<int> take_vector(std::vector<witness> objects) {
  int sum = 0;
  for (witness const& object : objects) sum += object.value();
  co_return sum;
}

task<int> vector_named() {
  std::vector<witness> objects{witness(3), witness(4)};
  co_return co_await take_vector(std::move(objects));
}
WEFT_CONSTRUCT(vector_named, "`std::vector v{C(3), C(4)}; co_await f(std::move(v));`", drive(vector_named()) == 7)

task<int> vector_of_size() { co_return 7 + co_await take_vector(std::vector<witness>(2)); }
WEFT_CONSTRUCT(vector_of_size, "`co_await f(std::vector<C>(2))`", drive(vector_of_size()) == 7)

struct command {
  template <class... Words>
  explicit command(Words... all) : words(sizeof...(all)) {
    int index = 0;
    ((words[static_cast<std::size_t>(index++)] = all), ...);
  }
  std::vector<std::string> words;
};

task<int> take_command(command line) {
  std::size_t size = 0;
  for (std::string const& word : line.words) size += word.size();
  co_return static_cast<int>(size);
}

task<int> variadic_class() { co_return co_await take_command(command("git", "push")); }
WEFT_CONSTRUCT(variadic_class, "`co_await f(K(\"a\", \"b\"))`, in place of a braced list", drive(variadic_class()) == 7)

// An awaitable that is put together from others.

task<int> sum_of_tasks(task<int> first, task<int> second) {
  int const sum = co_await first;
  co_return sum + co_await second;
}

task<int> tasks_as_arguments() { co_return co_await sum_of_tasks(value_of(witness(3)), number(4)); }
WEFT_CONSTRUCT(tasks_as_arguments, "`co_await both(f(C(3)), g(4))`", drive(tasks_as_arguments()) == 7)

task<int> tasks_nested_twice() {
  co_return co_await sum_of_tasks(sum_of_tasks(number(1), number(2)), value_of(witness(4)));
}
WEFT_CONSTRUCT(tasks_nested_twice, "`co_await both(both(f(), g()), h(C(4)))`", drive(tasks_nested_twice()) == 7)

task<int> tasks_moved() {
  auto first = number(3);
  auto second = number(4);
  co_return co_await sum_of_tasks(std::move(first), std::move(second));
}
WEFT_CONSTRUCT(tasks_moved, "`co_await both(std::move(a), std::move(b))`", drive(tasks_moved()) == 7)

task<int> named_operation() {
  auto operation = value_of(witness(7));
  co_return co_await operation;
}
WEFT_CONSTRUCT(named_operation, "`auto t = f(C(7)); co_await t;`", drive(named_operation()) == 7)

task<int> named_operation_moved() {
  auto operation = value_of(witness(7));
  co_return co_await std::move(operation);
}
WEFT_CONSTRUCT(named_operation_moved, "`auto t = f(C(7)); co_await std::move(t);`", drive(named_operation_moved()) == 7)

}  // namespace
}  // namespace constructs
