// Lambdas written inside a co_await expression. A lambda with captures is an aggregate to g++ 12,
// and its non-trivial by-value captures are destroyed twice; no shape of the function that takes it
// helps, only the call site does.

#include "probe.hpp"

#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#define WEFT_CONSTRUCT_GROUP "lambdas in a co_await expression"

namespace constructs {
namespace {

template <class F>
task<int> call_forwarded(F&& function) {
  co_return function();
}

template <class F>
class calling_awaiter {
 public:
  explicit calling_awaiter(F function) : function_(std::move(function)) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
  int await_resume() { return function_(); }

 private:
  F function_;
};

template <class F>
struct calling_aggregate {
  F function;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
  int await_resume() { return function(); }
};

template <class F>
calling_awaiter<F> awaiter_by_value(F function) {
  return calling_awaiter<F>(std::move(function));
}

template <class F>
calling_awaiter<std::decay_t<F>> awaiter_forwarded(F&& function) {
  return calling_awaiter<std::decay_t<F>>(std::forward<F>(function));
}

template <class F>
calling_aggregate<std::decay_t<F>> aggregate_forwarded(F&& function) {
  return calling_aggregate<std::decay_t<F>>{std::forward<F>(function)};
}

/// Awaits what the callable returns; the callable lives in this frame meanwhile.
template <class F, class... Arguments>
task<int> call_coroutine(F function, Arguments... arguments) {
  auto body = function(std::move(arguments)...);
  co_return co_await body;
}

// Captures by value, not trivial.

task<int> capture_to_coroutine() {
  witness seven(7);
  co_return co_await call([seven] { return seven.value(); });
}
WEFT_CONSTRUCT(capture_to_coroutine, "`co_await f([c] {...})`, f a coroutine that takes F",
               drive(capture_to_coroutine()) == 7)

task<int> capture_then_used() {
  witness seven(7);
  int const result = co_await call([seven] { return seven.value(); });
  co_return result;
}
WEFT_CONSTRUCT(capture_then_used, "`int v = co_await f([c] {...});`", drive(capture_then_used()) == 7)

task<int> capture_moved_in() {
  witness seven(7);
  int const result = co_await call([seven = std::move(seven)] { return seven.value(); });
  co_return result;
}
WEFT_CONSTRUCT(capture_moved_in, "`co_await f([c = std::move(c)] {...})`", drive(capture_moved_in()) == 7)

task<int> capture_to_forwarding_coroutine() {
  witness seven(7);
  co_return co_await call_forwarded([seven] { return seven.value(); });
}
WEFT_CONSTRUCT(capture_to_forwarding_coroutine, "`co_await f([c] {...})`, f a coroutine that takes F&&",
               drive(capture_to_forwarding_coroutine()) == 7)

task<int> capture_to_function() {
  witness seven(7);
  co_return co_await awaiter_by_value([seven] { return seven.value(); });
}
WEFT_CONSTRUCT(capture_to_function, "`co_await f([c] {...})`, f a function that takes F",
               drive(capture_to_function()) == 7)

task<int> capture_to_forwarding_function() {
  witness seven(7);
  co_return co_await awaiter_forwarded([seven] { return seven.value(); });
}
WEFT_CONSTRUCT(capture_to_forwarding_function, "`co_await f([c] {...})`, f a function that takes F&&",
               drive(capture_to_forwarding_function()) == 7)

task<int> capture_to_aggregate_awaiter() {
  witness seven(7);
  co_return co_await aggregate_forwarded([seven] { return seven.value(); });
}
WEFT_CONSTRUCT(capture_to_aggregate_awaiter, "`co_await f([c] {...})`, f returns an awaiter that is an aggregate",
               drive(capture_to_aggregate_awaiter()) == 7)

task<int> capture_of_string() {
  std::string text(40, 'x');
  co_return co_await call([text] { return static_cast<int>(text.size()); });
}
WEFT_CONSTRUCT(capture_of_string, "`co_await f([s] {...})`, a std::string", drive(capture_of_string()) == 40)

task<int> capture_of_shared_pointer() {
  auto seven = std::make_shared<witness>(7);
  int const result = co_await call([seven] { return seven->value(); });
  co_return seven.use_count() == 1 ? result : 0;
}
WEFT_CONSTRUCT(capture_of_shared_pointer, "`co_await f([p] {...})`, a std::shared_ptr",
               drive(capture_of_shared_pointer()) == 7)

task<int> call_function(std::function<int()> function) { co_return function(); }

task<int> capture_to_std_function() {
  witness seven(7);
  co_return co_await call_function([seven] { return seven.value(); });
}
WEFT_CONSTRUCT(capture_to_std_function, "`co_await f([c] {...})`, f takes a std::function",
               drive(capture_to_std_function()) == 7)

task<int> shared_pointer_to_std_function() {
  auto seven = std::make_shared<witness>(7);
  int const result = co_await call_function([seven] { return seven->value(); });
  co_return seven.use_count() == 1 ? result : 0;
}
WEFT_CONSTRUCT(shared_pointer_to_std_function, "`co_await f([p] {...})`, the same, a shared_ptr",
               drive(shared_pointer_to_std_function()) == 7)

task<int> capture_in_std_function() {
  witness seven(7);
  co_return co_await call(std::function<int()>([seven] { return seven.value(); }));
}
WEFT_CONSTRUCT(capture_in_std_function, "`co_await f(std::function<int()>([c] {...}))`",
               drive(capture_in_std_function()) == 7)

// Captures by value, trivial.

task<int> capture_of_number() {
  int seven = 7;
  co_return co_await call([seven] { return seven; });
}
WEFT_CONSTRUCT(capture_of_number, "`co_await f([i] {...})`, a number", drive(capture_of_number()) == 7)

task<int> capture_of_pointer() {
  witness seven(7);
  co_return co_await call([pointer = &seven] { return pointer->value(); });
}
WEFT_CONSTRUCT(capture_of_pointer, "`co_await f([p = &c] {...})`, a pointer", drive(capture_of_pointer()) == 7)

class owner {
 public:
  task<int> capture_this() {
    co_return co_await call([this] { return seven_.value(); });
  }
  task<int> capture_this_in_coroutine() {
    co_return co_await call_coroutine([this]() -> task<int> {
      int const nothing = co_await later{0};
      co_return seven_.value() + nothing;
    });
  }
  task<int> plain_member() { co_return co_await value_of(seven_); }

 private:
  witness seven_{7};
};

bool check_capture_of_this() {
  owner object;
  return drive(object.capture_this()) == 7;
}
WEFT_CONSTRUCT(capture_of_this, "`co_await f([this] {...})`", check_capture_of_this())

bool check_capture_of_this_in_coroutine() {
  owner object;
  return drive(object.capture_this_in_coroutine()) == 7;
}
WEFT_CONSTRUCT(capture_of_this_in_coroutine, "`co_await f([this]() -> task<int> {...})`",
               check_capture_of_this_in_coroutine())

bool check_member_function() {
  owner object;
  return drive(object.plain_member()) == 7;
}
WEFT_CONSTRUCT(member_function, "a member function that is a coroutine", check_member_function())

// Captures by reference, or none.

task<int> capture_by_reference() {
  witness seven(7);
  co_return co_await call([&seven] { return seven.value(); });
}
WEFT_CONSTRUCT(capture_by_reference, "`co_await f([&c] {...})`", drive(capture_by_reference()) == 7)

task<int> capture_all_by_reference() {
  witness three(3);
  std::string text(4, 'x');
  co_return co_await call([&] { return three.value() + static_cast<int>(text.size()); });
}
WEFT_CONSTRUCT(capture_all_by_reference, "`co_await f([&] {...})`", drive(capture_all_by_reference()) == 7)

task<int> capture_by_reference_in_function() {
  witness seven(7);
  co_return co_await awaiter_forwarded([&] { return seven.value(); });
}
WEFT_CONSTRUCT(capture_by_reference_in_function, "`co_await f([&] {...})`, f a function that takes F&&",
               drive(capture_by_reference_in_function()) == 7)

task<int> captureless_with_arguments() {
  witness seven(7);
  co_return co_await call_coroutine([](witness object) -> task<int> { co_return object.value(); }, seven);
}
WEFT_CONSTRUCT(captureless_with_arguments, "`co_await f([](C c) -> task<int> {...}, c)`",
               drive(captureless_with_arguments()) == 7)

task<int> reference_coroutine_lambda() {
  witness three(3);
  co_return co_await call_coroutine([&]() -> task<int> {
    int const four = co_await later{4};
    co_return three.value() + four;
  });
}
WEFT_CONSTRUCT(reference_coroutine_lambda, "`co_await f([&]() -> task<int> { ... co_await ...; })`",
               drive(reference_coroutine_lambda()) == 7)

struct small_options {
  int limit = 0;
};

task<int> with_options(std::function<int()> const& function, small_options chosen) {
  int const nothing = co_await later{0};
  co_return function() + chosen.limit + nothing;
}

template <class F>
task<int> with_lambda_and_options(F function, small_options chosen) {
  auto body = function();
  co_return chosen.limit + co_await body;
}

task<int> reference_lambda_and_options() {
  witness three(3);
  co_return co_await with_lambda_and_options([&]() -> task<int> { co_return three.value(); }, {.limit = 4});
}
WEFT_CONSTRUCT(reference_lambda_and_options, "`co_await f([&]() -> task<int> {...}, {.limit = 4})`",
               drive(reference_lambda_and_options()) == 7)

task<int> reference_lambda_as_std_function() {
  witness three(3);
  co_return co_await with_options([&] { return three.value(); }, {.limit = 4});
}
WEFT_CONSTRUCT(reference_lambda_as_std_function, "`co_await f([&] {...})`, converted to a std::function",
               drive(reference_lambda_as_std_function()) == 7)

struct two_results {
  int first;
  int second;
};

template <class F>
task<two_results> task_and_lambda(task<int> first, F second) {
  int const value = co_await first;
  co_return two_results{value, second()};
}

template <class T>
task<T> within(long, task<T> work) {
  co_return co_await work;
}

task<int> bindings_over_nested_calls() {
  witness four(4);
  auto [first, second] = co_await within(2L, task_and_lambda(value_of(witness(3)), [&] { return four.value(); }));
  co_return first + second;
}
WEFT_CONSTRUCT(bindings_over_nested_calls, "`auto [a, b] = co_await f(2, g(h(C(3)), [&] {...}));`",
               drive(bindings_over_nested_calls()) == 7)

template <class F>
task<int> sum_mapped(std::string const& text, F function, small_options chosen) {
  int sum = chosen.limit;
  for (char const letter : text) sum += co_await function(letter - 'a');
  co_return sum;
}

task<int> function_and_options() {
  std::string const text = "bc";
  int const sum = co_await sum_mapped(text, number, {.limit = 4});
  co_return sum;
}
WEFT_CONSTRUCT(function_and_options, "`co_await f(range, g, {.limit = 4})`, g a coroutine",
               drive(function_and_options()) == 7)

// Named first.

task<int> lambda_named() {
  witness seven(7);
  auto const function = [seven] { return seven.value(); };
  co_return co_await call(function);
}
WEFT_CONSTRUCT(lambda_named, "`auto l = [c] {...}; co_await f(l);`", drive(lambda_named()) == 7)

task<int> lambda_named_and_moved() {
  witness seven(7);
  auto function = [seven] { return seven.value(); };
  co_return co_await call(std::move(function));
}
WEFT_CONSTRUCT(lambda_named_and_moved, "`auto l = [c] {...}; co_await f(std::move(l));`",
               drive(lambda_named_and_moved()) == 7)

task<int> operation_named() {
  witness seven(7);
  auto operation = call([seven] { return seven.value(); });
  co_return co_await operation;
}
WEFT_CONSTRUCT(operation_named, "`auto t = f([c] {...}); co_await t;`", drive(operation_named()) == 7)

task<int> operation_named_and_moved() {
  witness seven(7);
  auto operation = call([seven] { return seven.value(); });
  co_return co_await std::move(operation);
}
WEFT_CONSTRUCT(operation_named_and_moved, "`auto t = f([c] {...}); co_await std::move(t);`",
               drive(operation_named_and_moved()) == 7)

task<int> coroutine_lambda_in_named_operation() {
  witness three(3);
  auto operation = call_coroutine([three]() -> task<int> {
    int const four = co_await later{4};
    co_return three.value() + four;
  });
  co_return co_await operation;
}
WEFT_CONSTRUCT(coroutine_lambda_in_named_operation,
               "`auto t = f([c]() -> task<int> { ... co_await ...; }); co_await t;`",
               drive(coroutine_lambda_in_named_operation()) == 7)

task<int> awaiter_named() {
  witness seven(7);
  auto operation = awaiter_forwarded([seven] { return seven.value(); });
  co_return co_await operation;
}
WEFT_CONSTRUCT(awaiter_named, "`auto a = f([c] {...}); co_await a;`, a an awaiter", drive(awaiter_named()) == 7)

task<int> coroutine_lambda_named() {
  witness three(3);
  auto const function = [three](int more) -> task<int> { co_return three.value() + more; };
  int const result = co_await function(4);
  co_return result;
}
WEFT_CONSTRUCT(coroutine_lambda_named, "`auto l = [c](int) -> task<int> {...}; co_await l(4);`",
               drive(coroutine_lambda_named()) == 7)

task<int> lambda_with_awaited_capture() {
  auto const function = [three = co_await value_of(witness(3))] { return three + 4; };
  co_return function();
}
WEFT_CONSTRUCT(lambda_with_awaited_capture, "`auto l = [v = co_await t] {...};`, a number",
               drive(lambda_with_awaited_capture()) == 7)

task<int> lambda_with_awaited_class_capture() {
  auto const function = [three = co_await make_witness(3)] { return three.value() + 4; };
  co_return function();
}
WEFT_CONSTRUCT(lambda_with_awaited_class_capture, "`auto l = [c = co_await t] {...};`, a class",
               drive(lambda_with_awaited_class_capture()) == 7)

// Called at once.

task<int> invoked_with_argument() {
  witness seven(7);
  co_return co_await [](witness object) -> task<int> { co_return object.value(); }(seven);
}
WEFT_CONSTRUCT(invoked_with_argument, "`co_await [](C c) -> task<int> {...}(c)`", drive(invoked_with_argument()) == 7)

task<int> invoked_by_reference() {
  witness seven(7);
  co_return co_await [&]() -> task<int> { co_return seven.value(); }();
}
WEFT_CONSTRUCT(invoked_by_reference, "`co_await [&]() -> task<int> {...}()`", drive(invoked_by_reference()) == 7)

task<int> invoked_with_capture() {
  witness seven(7);
  co_return co_await [seven]() -> task<int> { co_return seven.value(); }();
}
WEFT_CONSTRUCT(invoked_with_capture, "`co_await [c]() -> task<int> {...}()`", drive(invoked_with_capture()) == 7)

task<int> invoked_with_capture_suspending() {
  witness seven(7);
  co_return co_await [seven]() -> task<int> {
    int const nothing = co_await later{0};
    co_return seven.value() + nothing;
  }();
}
WEFT_CONSTRUCT(invoked_with_capture_suspending, "`co_await [c]() -> task<int> { ... co_await ...; }()`",
               drive(invoked_with_capture_suspending()) == 7)

}  // namespace
}  // namespace constructs
