#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"

#include <weft/base/result.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace {

using weft::detail::result_slot;
using weft::detail::settle_with;
using weft_test::counted;

std::exception_ptr failure(char const* what) { return std::make_exception_ptr(std::runtime_error(what)); }

/// Its move constructor throws.
struct heavy {
  heavy() = default;
  heavy(heavy&&) { throw std::length_error("too heavy"); }
};

}  // namespace

static_assert(!std::is_copy_constructible_v<result_slot<int>> && !std::is_move_constructible_v<result_slot<int>>);
static_assert(std::is_same_v<decltype(std::declval<result_slot<int&>>().take()), int&>);
static_assert(std::is_same_v<decltype(std::declval<result_slot<void>>().take()), void>);

TEST_CASE("a slot gives the value that was set, moved and not copied") {
  counted::reset();
  {
    result_slot<counted> slot;
    CHECK_FALSE(slot.has_result());
    slot.set_value(4);
    CHECK(slot.has_result());
    CHECK_FALSE(slot.has_failure());
    CHECK(slot.failure() == nullptr);
    CHECK(slot.peek().value() == 4);
    CHECK(slot.take().value() == 4);
  }
  CHECK(counted::live() == 0);
  CHECK(counted::copies() == 0);
}

TEST_CASE("nothing of a value stays in the slot it has been taken from") {
  counted::reset();
  result_slot<counted> slot;
  slot.set_value(4);
  CHECK(slot.take().value() == 4);
  CHECK(counted::live() == 0);
}

TEST_CASE("a value that nobody takes is destroyed with the slot") {
  counted::reset();
  {
    result_slot<counted> slot;
    slot.set_value(1);
    CHECK(counted::live() == 1);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a slot keeps what cannot be copied, references, and the fact that there is nothing") {
  result_slot<std::unique_ptr<int>> owner;
  owner.set_value(std::make_unique<int>(6));
  CHECK(*owner.take() == 6);

  std::string text = "here";
  result_slot<std::string&> reference;
  reference.set_value(text);
  CHECK(&reference.take() == &text);
  CHECK(&reference.peek() == &text);

  result_slot<std::string&&> passed;
  passed.set_value(text);
  std::string const moved = passed.take();
  CHECK(moved == "here");

  result_slot<void> nothing;
  nothing.set_value();
  CHECK_NOTHROW(nothing.take());
  CHECK_NOTHROW(nothing.peek());
}

TEST_CASE("a failure is thrown to whoever takes or peeks") {
  weft_test::balance const memory;
  result_slot<int> slot;
  slot.set_failure(failure("first"));
  CHECK(slot.has_failure());
  CHECK_THROWS_WITH(slot.peek(), "first");
  CHECK_THROWS_WITH(slot.peek(), "first");
  CHECK_THROWS_WITH(slot.take(), "first");
}

TEST_CASE("a failure replaces what was there, and the former result is destroyed") {
  weft_test::balance const memory;
  counted::reset();
  result_slot<counted> slot;
  slot.set_value(1);
  slot.set_failure(failure("second"));
  CHECK(counted::live() == 0);
  slot.set_failure(failure("third"));
  CHECK_THROWS_WITH(slot.take(), "third");
}

TEST_CASE("a taken failure has left the slot") {
  weft_test::balance const memory;
  result_slot<void> slot;
  slot.set_failure(failure("gone"));
  auto const taken = slot.take_failure();
  CHECK(taken != nullptr);
  CHECK(slot.failure() == nullptr);
}

TEST_CASE("how another slot ended is taken over, whatever that was") {
  weft_test::balance const memory;
  result_slot<std::string> from, to;
  from.set_value("value");
  to.take_over(from);
  CHECK(to.take() == "value");

  result_slot<int> failed, also_failed;
  failed.set_failure(failure("why"));
  also_failed.take_over(failed);
  CHECK_THROWS_WITH(also_failed.take(), "why");

  int n = 0;
  result_slot<int&> reference, same;
  reference.set_value(n);
  same.take_over(reference);
  CHECK(&same.take() == &n);

  result_slot<heavy> light, broken;
  light.set_value();
  broken.take_over(light);
  CHECK_THROWS_AS(broken.peek(), std::length_error);
}

TEST_CASE("taking over that there is nothing to have") {
  result_slot<void> from, to;
  from.set_value();
  to.take_over(from);
  CHECK(to.has_result());
  CHECK_FALSE(to.has_failure());
}

TEST_CASE("settle_with keeps how a call ended") {
  result_slot<int> value;
  settle_with(value, [] { return 3; });
  CHECK(value.take() == 3);

  int n = 0;
  result_slot<int&> reference;
  settle_with(reference, [&]() -> int& { return n; });
  CHECK(&reference.take() == &n);

  result_slot<void> nothing;
  settle_with(nothing, [] {});
  CHECK(nothing.has_result());

  result_slot<int> failed;
  settle_with(failed, []() -> int { throw std::runtime_error("in the call"); });
  CHECK_THROWS_WITH(failed.take(), "in the call");

  result_slot<heavy> too_heavy;
  settle_with(too_heavy, [] { return heavy{}; });
  CHECK(too_heavy.has_failure());
}
