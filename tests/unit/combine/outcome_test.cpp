#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/misuse.hpp"

#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/outcome.hpp>

#include <concepts>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using weft::outcome;
using weft_test::counted;

namespace {

std::exception_ptr failure(char const* what) { return std::make_exception_ptr(std::runtime_error(what)); }

}  // namespace

static_assert(std::same_as<outcome<>, outcome<weft::unit>>);
static_assert(std::is_copy_constructible_v<outcome<int>>);
static_assert(!std::is_copy_constructible_v<outcome<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_constructible_v<outcome<std::unique_ptr<int>>>);
static_assert(!std::is_convertible_v<outcome<int>, bool>);
static_assert(std::same_as<decltype(std::declval<outcome<int>&>().value()), int&>);
static_assert(std::same_as<decltype(std::declval<outcome<int> const&>().value()), int const&>);
static_assert(std::same_as<decltype(std::declval<outcome<int>>().value()), int>);
static_assert(std::same_as<decltype(std::declval<outcome<int&> const&>().value()), int&>);

TEST_CASE("an outcome is one of three: a value, a failure, or stopped") {
  outcome<int> const value(std::in_place, 3);
  CHECK(value.has_value());
  CHECK(static_cast<bool>(value));
  CHECK_FALSE(value.failed());
  CHECK_FALSE(value.stopped());
  CHECK(value.value() == 3);
  CHECK(*value == 3);
  CHECK(value.exception() == nullptr);

  outcome<int> const failed(failure("no"));
  CHECK_FALSE(failed.has_value());
  CHECK(failed.failed());
  CHECK_FALSE(failed.stopped());
  CHECK_THROWS_WITH(failed.value(), "no");
  CHECK_THROWS_WITH(std::rethrow_exception(failed.exception()), "no");

  outcome<int> const stopped(std::make_exception_ptr(weft::stopped()));
  CHECK_FALSE(stopped.has_value());
  CHECK_FALSE(stopped.failed());
  CHECK(stopped.stopped());
  CHECK(stopped.exception() == nullptr);
  CHECK_THROWS_AS(stopped.value(), weft::stopped);
}

TEST_CASE("what is derived from stopped is stopped, and thrown as what it is") {
  struct stopped_by_hand : weft::stopped {};
  outcome<int> const o(std::make_exception_ptr(stopped_by_hand()));
  CHECK(o.stopped());
  CHECK_THROWS_AS(o.value(), stopped_by_hand);
}

TEST_CASE("an outcome may be of a reference, of something that only moves, or of nothing") {
  int number = 1;
  outcome<int&> const reference(std::in_place, number);
  reference.value() = 5;
  CHECK(number == 5);
  CHECK(&*reference == &number);

  outcome<std::unique_ptr<int>> owned(std::in_place, std::make_unique<int>(7));
  auto moved = std::move(owned);
  CHECK(**moved == 7);
  CHECK(*moved->get() == 7);
  auto const pointer = std::move(moved).value();
  CHECK(*pointer == 7);

  outcome<> const nothing(std::in_place);
  CHECK(nothing.value() == weft::unit{});
}

TEST_CASE("value_or gives the value, or what is given in its place") {
  CHECK(outcome<int>(std::in_place, 1).value_or(2) == 1);
  CHECK(outcome<int>(failure("no")).value_or(2) == 2);
  outcome<std::string> const kept(std::in_place, "kept");
  CHECK(kept.value_or("else") == "kept");
  CHECK(outcome<std::string>(std::make_exception_ptr(weft::stopped())).value_or("else") == "else");
}

TEST_CASE("the value of an outcome moves when it is asked to, and else stays") {
  counted::reset();
  {
    outcome<counted> o(std::in_place, 4);
    CHECK(counted::moves() == 0);
    CHECK(o.value().value() == 4);
    CHECK(counted::moves() + counted::copies() == 0);
    auto const out = std::move(o).value();
    CHECK(out.value() == 4);
    CHECK(counted::copies() == 0);
    CHECK(counted::moves() == 1);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("looking at the value of a failure without asking ends the program with a sentence") {
  weft_test::expect_misuse("the value of an outcome is asked for that has none",
                           [] { static_cast<void>(*outcome<int>(failure("no"))); });
}
