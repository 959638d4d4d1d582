#include "support/catch.hpp"

#include <weft/coro/concepts.hpp>
#include <weft/coro/task.hpp>

#include <concepts>
#include <coroutine>
#include <functional>
#include <memory>
#include <string>

namespace {

struct plain_awaiter {
  bool await_ready() { return true; }
  void await_suspend(std::coroutine_handle<>) {}
  int await_resume() { return 1; }
};
struct with_member_operator {
  plain_awaiter operator co_await() { return {}; }
};
struct on_rvalues_only {
  plain_awaiter operator co_await() && { return {}; }
};
struct with_free_operator {};
plain_awaiter operator co_await(with_free_operator) { return {}; }
struct yields_reference {
  bool await_ready() { return true; }
  void await_suspend(std::coroutine_handle<>) {}
  std::string& await_resume() { return text; }
  std::string text;
};
struct lacks_resume {
  bool await_ready() { return true; }
  void await_suspend(std::coroutine_handle<>) {}
};
struct ready_is_no_bool {
  std::string await_ready() { return {}; }
  void await_resume() {}
};
struct awaitable_and_callable : plain_awaiter {
  double operator()() { return 0.5; }
};
struct moves_only {
  std::unique_ptr<int> value;
};
struct member {
  int number = 0;
  int get() const { return number; }
};

}  // namespace

// Only named.
int computes(int a);
weft::task<std::string> waits(int);
void nothing();

static_assert(weft::awaitable<plain_awaiter> && weft::awaitable<plain_awaiter&>);
static_assert(weft::awaitable<with_member_operator> && weft::awaitable<with_free_operator>);
static_assert(weft::awaitable<on_rvalues_only> && !weft::awaitable<on_rvalues_only&>);
static_assert(weft::awaitable<weft::task<int>> && weft::awaitable<std::suspend_always>);
static_assert(!weft::awaitable<int> && !weft::awaitable<void> && !weft::awaitable<std::string>);
static_assert(!weft::awaitable<lacks_resume> && !weft::awaitable<ready_is_no_bool>);
static_assert(!weft::awaitable<decltype(&computes)> && !weft::awaitable<std::coroutine_handle<>>);

static_assert(std::same_as<weft::await_result_t<plain_awaiter>, int>);
static_assert(std::same_as<weft::await_result_t<with_member_operator>, int>);
static_assert(std::same_as<weft::await_result_t<yields_reference>, std::string&>);
static_assert(std::same_as<weft::await_result_t<weft::task<>>, void>);
static_assert(std::same_as<weft::await_result_t<weft::task<int&>>, int&>);

// Arguments are decayed and moved in, so a call that needs an lvalue is not offered one.
static_assert(weft::callable_with<int (&)(int), int&> && weft::callable_with<int (*)(int), short>);
static_assert(!weft::callable_with<int (*)(int), std::string>);
static_assert(!weft::callable_with<void (*)(int&), int&>);
static_assert(weft::callable_with<void (*)(int&), std::reference_wrapper<int>>);
static_assert(weft::callable_with<void (*)(moves_only), moves_only>);
static_assert(weft::callable_with<int (member::*)() const, member>);

static_assert(weft::runnable<decltype(computes), int> && weft::runnable<decltype(waits), int>);
static_assert(weft::runnable<weft::task<int>> && weft::runnable<plain_awaiter&>);
static_assert(!weft::runnable<weft::task<int>, int>, "an awaitable takes no arguments");
static_assert(!weft::runnable<int> && !weft::runnable<decltype(computes)> &&
              !weft::runnable<decltype(computes), int, int>);

static_assert(std::same_as<weft::result_of<decltype(computes), int>, int>);
static_assert(std::same_as<weft::result_of<decltype(waits), int>, std::string>);
static_assert(std::same_as<weft::result_of<decltype(nothing)>, void>);
static_assert(std::same_as<weft::result_of<weft::task<moves_only>>, moves_only>);
static_assert(std::same_as<weft::result_of<awaitable_and_callable>, int>, "what can be awaited is awaited");

static_assert(weft::waiting<decltype(waits), int> && !weft::computing<decltype(waits), int>);
static_assert(weft::computing<decltype(computes), int> && !weft::waiting<decltype(computes), int>);
static_assert(weft::waiting<weft::task<int>> && weft::waiting<with_free_operator>);

TEST_CASE("the concepts hold, since this file was compiled") { SUCCEED(); }
