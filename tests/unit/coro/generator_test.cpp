#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/misuse.hpp"
#include "support/stack_depth.hpp"
#include "support/watchdog.hpp"

#include <weft/base/config.hpp>
#include <weft/coro/generator.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/sched/pool.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using weft::generator;
using weft_test::counted;

static_assert(std::ranges::input_range<generator<int>> && std::ranges::input_range<generator<std::string const&>>);
static_assert(std::is_same_v<std::ranges::range_reference_t<generator<int>>, int&>);
static_assert(std::is_same_v<std::ranges::range_reference_t<generator<int const>>, int const&>);
static_assert(std::is_same_v<std::ranges::range_reference_t<generator<int const&>>, int const&>);
static_assert(std::is_same_v<std::ranges::range_reference_t<generator<int&&>>, int&&>);
static_assert(std::is_same_v<std::ranges::range_value_t<generator<int const&>>, int>);
static_assert(!std::is_copy_constructible_v<generator<int>> && std::is_nothrow_move_constructible_v<generator<int>>);

namespace {

generator<int> count_to(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

generator<int> nothing() { co_return; }

generator<counted> counts(int n) {
  counted const own(100);
  for (int i = 0; i < n; ++i) co_yield counted(i);
}

struct node {
  int value;
  std::unique_ptr<node> left, right;
};

std::unique_ptr<node> make_tree(int first, int last) {
  if (first >= last) return nullptr;
  int const middle = first + (last - first) / 2;
  return std::make_unique<node>(node{middle, make_tree(first, middle), make_tree(middle + 1, last)});
}

generator<int> in_order(node const* n) {
  if (n == nullptr) co_return;
  co_yield in_order(n->left.get());
  co_yield int{n->value};
  co_yield in_order(n->right.get());
}

generator<int> halved(int first, int last) {
  if (last - first <= 10) {
    for (int i = first; i < last; ++i) co_yield int{i};
  } else {
    int const middle = first + (last - first) / 2;
    co_yield halved(first, middle);
    co_yield halved(middle, last);
  }
}

struct notes_order {
  std::vector<int>* order;
  int depth;
  ~notes_order() { order->push_back(depth); }
};

generator<int> notes_ends(int depth, std::vector<int>& order) {
  notes_order const own{&order, depth};
  if (depth > 0) co_yield notes_ends(depth - 1, order);
  co_yield int{depth};
}

generator<int> one_deep_down(int depth, weft_test::stack_depth& stack) {
  stack.look();
  if (depth == 0) {
    for (int i = 0; i < 100; ++i) {
      stack.look();
      co_yield i;
    }
  } else {
    co_yield one_deep_down(depth - 1, stack);
  }
  stack.look();
}

}  // namespace

TEST_CASE("a generator gives what it yields, in order, and then ends") {
  weft_test::balance const balance;
  {
    std::vector<int> all;
    for (int i : count_to(5)) all.push_back(i);
    CHECK(all == std::vector<int>{0, 1, 2, 3, 4});
  }
}

TEST_CASE("a generator that yields nothing is an empty range") {
  auto g = nothing();
  CHECK(g.begin() == g.end());
}

TEST_CASE("a generator does not begin before it is asked for an element, and goes no further than it is asked") {
  int at = 0;
  auto const steps = [](int& where) -> generator<int> {
    where = 1;
    co_yield 1;
    where = 2;
    co_yield 2;
    where = 3;
  };
  auto g = steps(at);
  CHECK(at == 0);
  auto i = g.begin();
  CHECK(at == 1);
  CHECK(*i == 1);
  ++i;
  CHECK(at == 2);
  CHECK(g.begin() != g.end());
  CHECK(*g.begin() == 2);  // where the iterator stands
  ++i;
  CHECK(at == 3);
  CHECK(i == g.end());
}

TEST_CASE(
    "a generator that is dropped without having begun destroys its arguments, one dropped half-way also its locals") {
  counted::reset();
  weft_test::balance const balance;
  {
    auto const takes = [](counted) -> generator<int> { co_yield 1; };
    auto const dropped = takes(counted(1));
    CHECK(counted::live() == 1);
  }
  CHECK(counted::live() == 0);
  {
    auto g = counts(10);
    auto const i = g.begin();
    CHECK(i->value() == 0);
    CHECK(counted::live() == 2);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("elements are references to what was yielded: they can be changed and moved from") {
  counted::reset();
  int in_between = 0;
  auto const shows = [](int& seen) -> generator<int> {
    int own = 1;
    co_yield own;
    seen = own;
  };
  for (int& v : shows(in_between)) v = 42;
  CHECK(in_between == 42);

  std::vector<counted> kept;
  kept.reserve(3);
  for (auto& c : counts(3)) kept.push_back(std::move(c));
  CHECK(counted::copies() == 0);
  CHECK(kept.back().value() == 2);
}

TEST_CASE("a constant is yielded as a copy that lives until the next element") {
  counted::reset();
  {
    auto const yields = [](counted const& c) -> generator<counted> { co_yield c; };
    counted const original(7);
    for (auto& c : yields(original)) {
      CHECK(&c != &original);
      c = counted(8);
    }
    CHECK(original.value() == 7);
    CHECK(counted::copies() == 1);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a generator of references gives the objects themselves") {
  std::vector<std::string> texts{"a", "b"};
  auto const each = [](std::vector<std::string>& v) -> generator<std::string&> {
    for (auto& s : v) co_yield s;
  };
  for (auto& s : each(texts)) s += "!";
  CHECK(texts == std::vector<std::string>{"a!", "b!"});

  auto const constant = [](std::vector<std::string> const& v) -> generator<std::string const&> {
    for (auto const& s : v) co_yield s;
    co_yield std::string("temporary");
  };
  std::vector<std::string const*> where;
  std::string last;
  for (auto const& s : constant(texts)) {
    where.push_back(&s);
    last = s;
  }
  CHECK(where[1] == &texts[1]);
  CHECK(last == "temporary");

  auto const moving = [](std::unique_ptr<int> p) -> generator<std::unique_ptr<int>&&> { co_yield std::move(p); };
  for (auto&& p : moving(std::make_unique<int>(4))) {
    auto const owned = std::forward<decltype(p)>(p);
    CHECK(*owned == 4);
  }
}

TEST_CASE("an element may be made from another type, and may be something that only moves") {
  auto const texts = []() -> generator<std::string> {
    co_yield "literal";
    co_yield std::string("text");
  };
  std::string all;
  for (auto& s : texts()) all += s;
  CHECK(all == "literaltext");
  auto const owners = []() -> generator<std::unique_ptr<int>> {
    for (int i = 0; i < 3; ++i) co_yield std::make_unique<int>(i);
  };
  int sum = 0;
  for (auto& p : owners()) sum += *std::unique_ptr<int>(std::move(p));
  CHECK(sum == 3);
}

TEST_CASE("an exception before the first element comes out of begin, a later one out of ++, and ends the generator") {
  weft_test::balance const balance;
  auto const fails = [](int after) -> generator<int> {
    for (int i = 0; i < after; ++i) co_yield i;
    throw std::runtime_error("no more");
  };
  {
    auto at_once = fails(0);
    CHECK_THROWS_WITH(at_once.begin(), "no more");
    CHECK(at_once.begin() == at_once.end());

    auto later = fails(2);
    auto i = later.begin();
    ++i;
    CHECK(*i == 1);
    CHECK_THROWS_WITH(++i, "no more");
    CHECK(i == later.end());
  }
}

TEST_CASE("a generator works with algorithms and views, as an lvalue a part at a time") {
  auto g = count_to(10);
  std::vector<int> first;
  for (int i : g | std::views::take(3)) first.push_back(i);
  CHECK(first == std::vector<int>{0, 1, 2});

  std::vector<int> squares;
  std::ranges::copy(count_to(5) | std::views::transform([](int v) { return v * v; }), std::back_inserter(squares));
  CHECK(squares == std::vector<int>{0, 1, 4, 9, 16});
  auto source = count_to(100);
  CHECK(std::ranges::count_if(source, [](int v) { return v % 2 == 0; }) == 50);
  CHECK(std::ranges::equal(count_to(7), count_to(7)));
  CHECK_FALSE(std::ranges::equal(count_to(7), count_to(8)));
}

TEST_CASE("a generator owns the temporaries that it is given by value, and borrows what it is given by reference") {
  auto const concat = []<class First, class Second>(First&& first, Second&& second) {
    return [](First a, Second b) -> generator<char> {
      for (char c : a) co_yield c;
      for (char c : b) co_yield c;
    }(std::forward<First>(first), std::forward<Second>(second));
  };
  std::string borrowed = "bar";
  auto g = concat(std::string("foo"), concat(borrowed, std::vector<char>{'b', 'a', 'z'}));
  borrowed = "buzz";
  std::string all;
  for (char c : g) all += c;
  CHECK(all == "foobuzzbaz");
}

TEST_CASE("a generator is lazy: its sequence may be endless") {
  auto const fibonacci = []() -> generator<std::uint64_t> {
    std::uint64_t a = 0, b = 1;
    for (;;) {
      co_yield a;
      a = std::exchange(b, a + b);
    }
  };
  std::uint64_t last = 0;
  for (auto f : fibonacci())
    if ((last = f) > 1'000'000) break;
  CHECK(last == 1'346'269);
}

TEST_CASE("a moved generator goes on where it stood") {
  auto g = count_to(4);
  auto i = g.begin();
  ++i;
  auto moved = std::move(g);
  std::vector<int> rest;
  for (int v : moved) rest.push_back(v);
  CHECK(rest == std::vector<int>{1, 2, 3});
  moved = count_to(1);
  CHECK(*moved.begin() == 0);
}

TEST_CASE("a generator yields all elements of another, however deep they nest") {
  weft_test::balance const balance;
  {
    auto const root = make_tree(0, 500);
    std::vector<int> all;
    for (int v : in_order(root.get())) all.push_back(v);
    std::vector<int> expected(500);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(all == expected);
  }
}

TEST_CASE("generators nested 10,000 deep, and a million that end without an element, do not build up the stack") {
  weft_test::watchdog const guard("generator_test: deep");
  weft_test::balance const balance;
  weft_test::stack_depth stack;
  int sum = 0;
  for (int v : one_deep_down(10'000, stack)) sum += v;
  CHECK(sum == 4950);
  CHECK(stack.bytes() <= 4096);

  auto const empties = [](int n) -> generator<int> {
    for (int i = 0; i < n; ++i) co_yield nothing();
    co_yield 1;
  };
  int const many = weft::detail::small_capacities ? 100'000 : 1'000'000;
  auto g = empties(many);
  CHECK(*g.begin() == 1);
}

TEST_CASE("an exception of a yielded generator comes out of the co_yield, where it can be caught") {
  weft_test::balance const balance;
  auto const fails = []() -> generator<int> {
    co_yield 1;
    throw std::runtime_error("inner");
  };
  auto const passes = [&fails]() -> generator<int> {
    co_yield 0;
    co_yield fails();
    co_yield 2;
  };
  auto const catches = [&passes]() -> generator<int> {
    bool failed = false;
    try {
      co_yield passes();
    } catch (std::runtime_error const&) {
      failed = true;
    }
    co_yield failed ? 10 : 20;
  };
  {
    std::vector<int> all;
    for (int v : catches()) all.push_back(v);
    CHECK(all == std::vector<int>{0, 1, 10});
    auto uncaught = passes();
    auto i = uncaught.begin();
    ++i;
    CHECK_THROWS_WITH(++i, "inner");
    CHECK(i == uncaught.end());
  }
}

TEST_CASE("what one level catches and throws on passes the levels above in turn, between their elements") {
  weft_test::balance const balance;
  // Each level but the innermost gives its number, then what the next gives, and its number tenfold once that has failed; then it fails, too.
  auto const level = [](auto const& self, int number, int innermost) -> generator<int> {
    if (number == innermost) throw std::runtime_error("level " + std::to_string(number));
    co_yield int{number};
    bool failed = false;
    try {
      co_yield self(self, number + 1, innermost);
    } catch (std::runtime_error const& e) {
      failed = e.what() == "level " + std::to_string(number + 1);
    }
    co_yield failed ? 10 * number : -1;
    throw std::runtime_error("level " + std::to_string(number));
  };
  auto g = level(level, 1, 5);
  std::vector<int> all;
  CHECK_THROWS_WITH(
      [&] {
        for (int v : g) all.push_back(v);
      }(),
      "level 1");
  CHECK(all == std::vector<int>{1, 2, 3, 4, 40, 30, 20, 10});
  // Two that fail, one behind the other, beside one that does not.
  auto const both = [&level]() -> generator<int> {
    for (int i = 0; i != 2; ++i) try {
        co_yield level(level, 4, 5);
      } catch (std::runtime_error const&) {
      }
    co_yield count_to(2);
  };
  all.clear();
  for (int v : both()) all.push_back(v);
  CHECK(all == std::vector<int>{4, 40, 4, 40, 0, 1});
}

TEST_CASE("a range that is halved again and again gives every element once, in order, to any algorithm") {
  weft_test::balance const balance;
  int const count = weft::detail::small_capacities ? 10'000 : 100'000;
  auto all = halved(0, count);
  std::int64_t sum = 0;
  bool in_order = true;
  for (int expected = 0; int v : all) {
    in_order = in_order && v == expected++;
    sum += v;
  }
  CHECK(in_order);
  CHECK(sum == std::int64_t{count} * (count - 1) / 2);
  CHECK(std::ranges::equal(halved(5, 30), halved(5, 30)));
  CHECK(std::ranges::equal(halved(5, 30), std::views::iota(5, 30)));
  CHECK_FALSE(std::ranges::equal(halved(5, 30), halved(5, 300)));
}

TEST_CASE("a view sees the elements of yielded generators, and leaves out the gaps between them") {
  weft_test::balance const balance;
  auto const parts = [](int first, int last, int length, int stride) -> generator<int> {
    for (; first < last; first += stride) {
      co_yield nothing();
      co_yield halved(first, std::min(last, first + length));
    }
  };
  std::vector<int> tripled;
  for (int v : parts(0, 28, 5, 10) | std::views::transform([](int i) { return 3 * i; })) tripled.push_back(v);
  CHECK(tripled == std::vector<int>{0, 3, 6, 9, 12, 30, 33, 36, 39, 42, 60, 63, 66, 69, 72});
  tripled.clear();
  for (int v : parts(0, 23, 5, 10) | std::views::filter([](int i) { return i % 2 == 0; })) tripled.push_back(v);
  CHECK(tripled == std::vector<int>{0, 2, 4, 10, 12, 14, 20, 22});
}

TEST_CASE("dropped in the middle of a nested one, all generators on the way destroy their locals") {
  counted::reset();
  {
    weft_test::balance const balance;
    auto const outer = [](int n) -> generator<counted> {
      counted const own(1);
      co_yield counts(n);
      co_yield counted(2);
    };
    auto g = outer(5);
    auto i = g.begin();
    ++i;
    CHECK(i->value() == 1);
    CHECK(counted::live() == 3);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE(
    "a generator that has ended in the expression where it is dropped in the middle of another is destroyed, too") {
  counted::reset();
  {
    weft_test::balance const balance;
    auto const both = []() -> generator<counted> { co_yield counts(1), co_yield counts(2); };
    auto g = both();
    auto i = g.begin();
    ++i;
    CHECK(counted::live() == 2);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE(
    "dropped in the middle, 200,000 nested generators are destroyed from the innermost outwards, on little stack") {
  weft_test::watchdog const guard("generator_test: dropped deep down");
  weft_test::balance const balance;
  int const depth = weft::detail::small_capacities ? 100'000 : 200'000;
  std::vector<int> order, inside_out(static_cast<std::size_t>(depth) + 1);
  order.reserve(inside_out.size());
  std::iota(inside_out.begin(), inside_out.end(), 0);
  {
    auto g = notes_ends(depth, order);
    CHECK(*g.begin() == 0);
    CHECK(order.empty());
  }
  CHECK((order == inside_out));

  // Half of them have ended.
  order.clear();
  {
    auto g = notes_ends(depth, order);
    auto i = g.begin();
    while (*i != depth / 2) ++i;
    CHECK(order.size() == static_cast<std::size_t>(depth / 2));
  }
  CHECK((order == inside_out));
}

TEST_CASE("a task may hold a generator across its waits, and resume it on another worker") {
  weft_test::watchdog const guard("generator_test: in a task");
  weft_test::balance const balance;
  weft::pool pool{{.workers = 4}};
  int const sum = pool.run([]() -> weft::task<int> {
    auto g = count_to(100);
    int total = 0;
    for (auto i = g.begin(); i != g.end(); ++i) {
      co_await weft::this_task::yield();
      total += *i;
    }
    co_return total;
  });
  CHECK(sum == 4950);
}

TEST_CASE("misuse of a generator ends the program with a sentence") {
  weft_test::expect_misuse("moved from", [] {
    auto g = count_to(1);
    auto const other = std::move(g);
    static_cast<void>(g.begin());
  });
  weft_test::expect_misuse("has not begun", [] {
    auto const outer = [](generator<int> inner) -> generator<int> { co_yield std::move(inner); };
    auto inner = count_to(3);
    static_cast<void>(inner.begin());
    auto g = outer(std::move(inner));
    static_cast<void>(g.begin());
  });
}
