#include "support/catch.hpp"
#include "support/counted.hpp"

#include <weft/base/function.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace {

using weft::detail::function_ref;
using weft_test::counted;

int twice(int n) { return 2 * n; }

struct member {
  int value = 5;
  int get() const { return value; }
};

}  // namespace

static_assert(sizeof(function_ref<void()>) == 2 * sizeof(void*));
static_assert(std::is_trivially_copyable_v<function_ref<int(int)>>);
static_assert(std::is_nothrow_constructible_v<function_ref<int(int)>, int (*&)(int)>);
static_assert(!std::is_constructible_v<function_ref<int(int)>, std::string (*&)(int)>);
static_assert(!std::is_constructible_v<function_ref<int()>, int (*&)(int)>);

TEST_CASE("a function_ref calls what it refers to, and shares its state") {
  int calls = 0;
  auto count = [calls]() mutable { return ++calls; };
  function_ref<int()> const first(count), second(first);
  CHECK(first() == 1);
  CHECK(second() == 2);
  CHECK(count() == 3);
}

TEST_CASE("a function_ref refers to function pointers, const callables and members as well") {
  auto* const function = &twice;
  CHECK(function_ref<int(int)>(function)(4) == 8);
  auto const constant = [](int n) { return n + 1; };
  CHECK(function_ref<int(int)>(constant)(4) == 5);
  auto const pointer = &member::get;
  CHECK(function_ref<int(member const&)>(pointer)(member{}) == 5);
}

TEST_CASE("a function_ref that was made from another one refers to what that one refers to") {
  auto one = [] { return 1; };
  auto two = [] { return 2; };
  function_ref<int()> first(one);
  function_ref<int()> const second(first);
  first = function_ref<int()>(two);
  CHECK(first() == 2);
  CHECK(second() == 1);
}

TEST_CASE("arguments and results pass through without copies") {
  counted::reset();
  auto identity = [](counted& c) -> counted& { return c; };
  counted value(3);
  CHECK(&function_ref<counted&(counted&)>(identity)(value) == &value);
  auto consume = [](counted c) { return c; };
  counted const back = function_ref<counted(counted)>(consume)(std::move(value));
  CHECK(back.value() == 3);
  CHECK(counted::copies() == 0);
  auto release = [](std::unique_ptr<int> p) { return *p; };
  CHECK(function_ref<int(std::unique_ptr<int>)>(release)(std::make_unique<int>(9)) == 9);
}

TEST_CASE("exceptions pass through a function_ref") {
  auto fail = [] { throw std::runtime_error("x"); };
  CHECK_THROWS_AS(function_ref<void()>(fail)(), std::runtime_error);
}
