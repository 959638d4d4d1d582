// Children of one task: when_all, when_any and a scope, on a real pool. Each child runs once or not at all, and the parent goes on once.
#include <weft/combine/when_all.hpp>
#include <weft/combine/when_any.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/scope/scope.hpp>

#include <model/model.hpp>
#include <model/parts/pool.hpp>
#include <utility>

namespace {

using weft::task;
using weft_model::expect;
using weft_model::small_pool;
using weft_model::together;

task<int> counts(int& plain, int v) {
  int one_local = 0;
  static_cast<void>(one_local);
  ++plain;
  co_return v;
}
task<int> throws(int& plain) {
  int one_local = 0;
  static_cast<void>(one_local);
  ++plain;
  throw 1;
  co_return 0;
}

task<int> both(int& a, int& b) {
  auto children = weft::when_all(counts(a, 1), counts(b, 2));
  auto [x, y] = co_await std::move(children);
  co_return a + b == 2 ? x + y : 0;
}
void all_of_two() {
  small_pool p(2);
  int a = 0, b = 0;
  expect(p.run(both(a, b)) == 3, "the results of both, and what they wrote");
}
weft_model::part const p1("siblings: when_all of two", all_of_two, {1, 0});

task<int> three(int& a, int& b, int& c) {
  auto children = weft::when_all(counts(a, 1), counts(b, 2), counts(c, 3));
  auto [x, y, z] = co_await std::move(children);
  co_return a + b + c == 3 ? x + y + z : 0;
}
void all_of_three() {
  small_pool p(2);
  int a = 0, b = 0, c = 0;
  expect(p.run(three(a, b, c)) == 6, "the results of all, and what they wrote");
}
weft_model::part const p2("siblings: when_all of three", all_of_three, {1, 0});

task<int> one_fails(int& a, int& b) {
  auto children = weft::when_all(throws(a), counts(b, 2));
  int caught = 0;
  try {
    static_cast<void>(co_await std::move(children));
  } catch (int i) {
    caught = i;
  }
  co_return caught == 1 && a == 1 && b <= 1 ? 1 : 0;
}
void a_failure() {
  small_pool p(2);
  int a = 0, b = 0;
  expect(p.run(one_fails(a, b)) == 1, "the failure arrives when all have ended");
}
weft_model::part const p3("siblings: one of two throws", a_failure, {1, 0});

task<int> first_of(int& a, int& b) {
  auto children = weft::when_any(counts(a, 1), counts(b, 2));
  auto first = co_await std::move(children);
  bool const right =
      first.index == 0 ? std::get<0>(first.value) == 1 && a == 1 : std::get<1>(first.value) == 2 && b == 1;
  co_return right&& a + b >= 1 ? 1 : 0;
}
void any_of_two() {
  small_pool p(2);
  int a = 0, b = 0;
  expect(p.run(first_of(a, b)) == 1, "the first, and what it wrote");
}
weft_model::part const p4("siblings: when_any of two", any_of_two, {1, 0});

void add(int& plain) { ++plain; }

task<> in_scope(int& a, int& b) {
  auto const body = [&](weft::scope& s) {
    s.spawn(add, std::ref(a));
    s.spawn(add, std::ref(b));
  };
  co_await weft::with_scope(body);
}
void scope_of_two() {
  small_pool p(2);
  int a = 0, b = 0;
  p.run(in_scope(a, b));
  expect(a == 1 && b == 1, "each has run once when the scope ends");
}
weft_model::part const p5("siblings: a scope with two children", scope_of_two, {1, 0});

}  // namespace
