#include "fault/operations.hpp"

#include <weft/weft.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::sleep_for;
using weft::task;
namespace this_task = weft::this_task;

namespace weft_test {

namespace {

std::atomic<std::int64_t> until_thrown{-1};
std::atomic<bool> thrown{false};

task<int> later(int v) {
  user_code();
  co_await this_task::yield();
  co_return v;
}

int at_once(int v) {
  user_code();
  return v;
}

std::vector<int> numbers(int count) {
  std::vector<int> v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i != v.size(); ++i) v[i] = static_cast<int>(i * 7919 % 1009);
  return v;
}

bool odd(int v) {
  user_code();
  return v % 2 != 0;
}
bool less(int a, int b) {
  user_code();
  return a < b;
}
int plus(int a, int b) {
  user_code();
  return a + b;
}

constexpr weft::loop_options split{.grain = 8};
constexpr int some = 24;  // elements: three chunks

// ── tasks and futures ──

task<> spawns() {
  auto a = weft::spawn(later, 1), b = weft::spawn(at_once, 2);
  auto c = weft::pool::current()->spawn(later, 3);
  int const sum = co_await std::move(a) + co_await std::move(b) + co_await std::move(c);
  must(sum == 6, "spawn: a wrong result");
  co_await this_task::checkpoint();
}

task<> runs() {
  must(weft::run(later, 1) == 1 && weft::run(at_once, 2) == 2, "run: a wrong result");
  must(weft::default_pool().run(later, 3) == 3, "pool::run: a wrong result");
  co_return;
}

task<> continues() {
  auto f = weft::spawn(later, 1).then(at_once).then([](int v) { return later(v + 1); });
  must(co_await std::move(f) == 2, "then: a wrong result");
  auto ready = weft::make_ready_future(4).then(at_once);
  must(ready.get() == 4, "then: a wrong result");
}

task<> promises() {
  weft::promise<int> p;
  auto f = p.get_future();
  auto kept = weft::spawn([](weft::promise<int> mine) { mine.set_value(at_once(5)); }, std::move(p));
  co_await std::move(kept);
  must(co_await std::move(f) == 5, "promise: a wrong result");
}

task<> shares() {
  auto shared = weft::spawn(later, 7).share();
  auto read = [](weft::shared_future<int> s) -> task<int> {
    int const v = co_await s;
    co_return v;
  };
  auto a = weft::spawn(read, shared), b = weft::spawn(read, shared);
  must(co_await std::move(a) + co_await std::move(b) == 14, "shared_future: a wrong result");
}

task<> goes_to_std() {
  auto f = weft::to_std_future(weft::spawn(later, 3));
  while (f.wait_for(0s) != std::future_status::ready) co_await this_task::checkpoint();
  must(f.get() == 3, "to_std_future: a wrong result");
}

task<> calls_back() {
  auto begin = [](auto done) {
    user_code();
    static_cast<void>(weft::spawn([mine = std::move(done)]() mutable { mine(6); }));
  };
  auto call = weft::from_callback<int>(begin);
  must(co_await std::move(call) == 6, "from_callback: a wrong result");
}

task<> generates() {
  auto one = [](int n) -> weft::generator<int> {
    for (int i = 0; i != n; ++i) {
      user_code();
      co_yield i;
    }
  };
  int sum = 0;
  for (int const v : one(4)) sum += v;
  auto other = [](int n) -> weft::stream<int> {
    for (int i = 0; i != n; ++i) co_yield co_await later(i);
  };
  auto s = other(4);
  while (auto const v = co_await s.next()) sum += *v;
  must(sum == 12, "generator, stream: a wrong sum");
}

weft::local<int> const place{0};

task<> binds() {
  auto look = []() -> task<int> {
    user_code();
    co_await this_task::yield();
    co_return *place;
  };
  must(co_await weft::with(place, 3, look) == 3, "local: a wrong value");
  must(weft::with(place, 4, [] { return at_once(*place); }) == 4, "local: a wrong value");
  auto f = weft::spawn(weft::named("a long name, longer than any buffer in a string", later, 5));
  must(co_await std::move(f) == 5, "named: a wrong result");
  must(this_task::name().empty(), "name: somebody else's");
}

task<> blocks() {
  must(co_await weft::blocking(at_once, 8) == 8, "blocking: a wrong result");
  auto a = weft::spawn([]() -> task<int> { co_return co_await weft::blocking(at_once, 1); });
  auto b = weft::spawn([]() -> task<int> { co_return co_await weft::blocking(at_once, 2); });
  must(co_await std::move(a) + co_await std::move(b) == 3, "blocking: a wrong result");
}

task<> makes_pools() {
  weft::pool other{{.workers = 3, .name = "other"}};
  must(other.size() >= 1 && other.size() <= 3, "pool: a wrong size");
  auto visit = [](weft::pool& there) -> task<bool> {
    auto* const home = weft::pool::current();
    co_await this_task::resume_on(there);
    bool const arrived = weft::pool::current() == &there;
    co_await this_task::resume_on(*home);
    co_return arrived;
  };
  // A visitor who is stopped on the way is waited for.
  auto visits = weft::when_all(visit(other), visit(other));
  auto const [a, b] = co_await std::move(visits);
  must(a && b, "resume_on: not there");
  auto f = other.spawn(later, 9);
  must(co_await std::move(f) == 9, "another pool: a wrong result");
  other.shutdown(weft::drain_or_stop::drain);
  must(other.stats().jobs > 0, "stats: no jobs");
}

task<> stops() {
  weft::stop_source source;
  int called = 0;
  auto const note = [&called] { ++called; };
  {
    weft::stop_callback const callback(source.get_token(), note);
    source.request_stop();
  }
  must(called == 1 && source.get_token().stop_requested(), "stop_callback: not called once");
  auto endless = []() -> task<> {
    for (;;) co_await this_task::checkpoint();
  };
  auto f = weft::spawn(endless);
  f.stop();
  auto settled = weft::when_all_settled(std::move(f), later(1));
  auto const [ended, other] = co_await std::move(settled);
  if (!ended.stopped()) static_cast<void>(ended.value());  // a failure comes out here
  must(ended.stopped() && other.value() == 1, "stop: not stopped");
}

// ── combining ──

task<> joins_all() {
  auto all = weft::when_all(later(1), weft::spawn(later, 2), sleep_for(10us));
  auto const [a, b, nothing] = co_await std::move(all);
  static_cast<void>(nothing);
  must(a + b == 3, "when_all: a wrong result");
  std::vector<task<int>> range;
  for (int i = 0; i != 5; ++i) range.push_back(later(i));
  auto many = weft::when_all(std::move(range));
  auto const results = co_await std::move(many);
  must(results == std::vector{0, 1, 2, 3, 4}, "when_all of a range: wrong results");
}

task<> settles_all() {
  auto all = weft::when_all_settled(later(1), weft::spawn(later, 2));
  auto const [a, b] = co_await std::move(all);
  must(a.value() + b.value() == 3, "when_all_settled: a wrong result");
  std::vector<task<int>> range;
  for (int i = 0; i != 3; ++i) range.push_back(later(i));
  auto many = weft::when_all_settled(std::move(range));
  auto const results = co_await std::move(many);
  must(results[0].value() + results[1].value() + results[2].value() == 3, "when_all_settled of a range: wrong results");
}

task<int> sleeps(weft::clock::duration d, int v) {
  co_await sleep_for(d);
  co_return at_once(v);
}

task<> takes_first() {
  auto any = weft::when_any(sleeps(1h, 0), later(1));
  auto const first = co_await std::move(any);
  must(first.index == 1 && std::get<1>(first.value) == 1, "when_any: a wrong result");
  std::vector<task<int>> range;
  for (int i = 1; i != 4; ++i) range.push_back(sleeps(i * 100us, i));
  auto many = weft::when_any(std::move(range));
  auto const one = co_await std::move(many);
  must(one.index < 3, "when_any of a range: a wrong index");
}

task<> races() {
  auto all = weft::race(sleeps(1h, 1), later(1));
  must(co_await std::move(all) == 1, "race: a wrong result");
  std::vector<task<int>> range;
  for (int i = 1; i != 4; ++i) range.push_back(sleeps(i * 100us, i));
  auto many = weft::race(std::move(range));
  must(co_await std::move(many) >= 1, "race of a range: a wrong result");
}

task<> times_out() {
  must(co_await weft::timeout(1h, later, 1) == 1, "timeout: a wrong result");
  must(co_await weft::deadline(weft::clock::now() + 1h, later(2)) == 2, "deadline: a wrong result");
  bool late = false;
  try {
    static_cast<void>(co_await weft::timeout(100us, sleeps, 1h, 3));
  } catch (weft::timed_out const&) {
    late = true;
  }
  must(late, "timeout: too late");
}

task<> tries_again() {
  int tries = 0;
  auto fails = [&tries]() -> task<int> {
    user_code();
    if (++tries < 3) throw weft::timed_out();
    co_return 5;
  };
  auto trying = weft::retry(
      {.tries = 5, .first_delay = 10us, .max_delay = 20us, .retries = &weft::retry_on<weft::timed_out>}, fails);
  must(co_await std::move(trying) == 5 && tries == 3, "retry: a wrong result");
}

task<> shields() {
  auto shielded = weft::shield(later(3));
  must(co_await std::move(shielded) == 3, "shield: a wrong result");
}

task<> selects() {
  weft::channel<int> a{1}, b{0};
  weft::event never;
  int got = 0;
  auto const take = [&got](std::optional<int> v) {
    user_code();
    got += v.value_or(0);
  };
  co_await weft::select(weft::on(weft::send(a, 4), [](bool) {}), weft::on(weft::receive(b), take));
  auto taking = weft::select(weft::on(weft::receive(b), take), weft::on(weft::receive(a), take),
                             weft::on(never.wait(), [] {}), weft::on(sleep_for(1h), [] {}));
  co_await std::move(taking);
  co_await weft::select(weft::on(weft::receive(a), take), weft::otherwise([] { user_code(); }));
  must(got == 4, "select: a wrong message");
}

task<> opens_scopes() {
  std::atomic<int> sum{0};
  auto body = [&sum](weft::scope& s) -> task<> {
    auto child = [&sum](int i) -> task<> {
      user_code();
      co_await this_task::yield();
      sum += i;
    };
    for (int i = 1; i != 5; ++i) s.spawn(child, i);
    s.spawn([&sum] { sum += at_once(10); });
    co_return;
  };
  co_await weft::with_scope(body, {.limit = 2});
  must(sum == 20, "scope: a child is missing");
}

// ── channels ──

task<> sends() {
  for (std::size_t const capacity : {std::size_t{0}, std::size_t{2}, std::size_t{weft::unbounded}}) {
    weft::channel<int> c{capacity};
    auto produce = [&c]() -> task<> {
      weft::detail::scope_exit const close([&c] { c.close(); });
      for (int i = 0; i != 5; ++i) must(co_await c.send(at_once(i)), "channel: closed");
    };
    auto consume = [&c]() -> task<int> {
      int sum = 0;
      while (auto const v = co_await c.receive()) sum += at_once(*v);
      co_return sum;
    };
    auto both = weft::when_all(produce(), consume());
    auto const [nothing, sum] = co_await std::move(both);
    static_cast<void>(nothing);
    must(sum == 10, "channel: a message is lost");
  }
}

task<> tells() {
  weft::oneshot<int> once;
  weft::broadcast<int> all{4};
  weft::watch<int> latest{0};
  auto first = all.subscribe(), second = all.subscribe();
  auto seen = latest.subscribe();
  must(once.send(at_once(1)), "oneshot: not sent");
  all.send(at_once(2));
  latest.set(at_once(3));
  int sum = (co_await once.receive()).value_or(0);
  sum += (co_await first.receive()).value_or(0);
  sum += (co_await second.receive()).value_or(0);
  sum += (co_await seen.receive()).value_or(0);
  must(sum == 8, "oneshot, broadcast, watch: a message is lost");
  all.close();
  latest.close();
}

task<> acts() {
  struct state {
    int sum = 0;
    int add(int v) { return sum += at_once(v); }
    task<int> add_later(int v) { co_return sum += co_await later(v); }
  };
  weft::actor<state> a;
  a.post(&state::add, 1);
  must(co_await a.call(&state::add, 2) >= 2, "actor: a wrong sum");
  must(co_await a.call(&state::add_later, 3) >= 5, "actor: a wrong sum");
}

// ── synchronising ──

task<> locks() {
  weft::mutex m;
  weft::shared_mutex shared;
  weft::semaphore permits{1};
  weft::guarded<int> value{0};
  weft::condition_variable changed;
  int turn = 0;
  auto one = [&](int i) -> task<> {
    {
      auto l = co_await m.lock();
      user_code();
      turn = std::max(turn, i + 1);
      changed.notify_all();
      co_await changed.wait(l, [&] { return turn >= 2; });
    }
    {
      auto const l = co_await shared.lock_shared();
      co_await this_task::yield();
    }
    {
      auto const l = co_await shared.lock();
      co_await this_task::yield();
    }
    auto const p = co_await permits.acquire();
    auto const add = [](int& v) { v += at_once(1); };
    co_await value.with(add);
  };
  auto all = weft::when_all(one(0), one(1), one(0));
  co_await std::move(all);
  auto const look = [](int& v) { return v; };
  must(co_await value.with(look) == 3, "locks: somebody is missing");
}

task<> meets() {
  weft::latch down{2};
  weft::barrier meet{2};
  weft::wait_group group;
  weft::event opened;
  weft::auto_event turnstile;
  auto one = [&](int i) -> task<> {
    user_code();
    if (i == 0) {
      opened.set();
      turnstile.set();
    }
    co_await opened.wait();
    co_await down.arrive_and_wait();
    co_await meet.arrive_and_wait();
    co_await turnstile.wait();
    turnstile.set();
  };
  group.add(1);
  auto all = weft::when_all(one(0), one(1));
  co_await std::move(all);
  group.done();
  co_await group.wait();
}

// ── time ──

task<> sleeps_and_ticks() {
  co_await sleep_for(10us);
  co_await weft::sleep_until(weft::clock::now() + 10us);
  weft::interval every{100us};
  std::uint64_t ticks = 0;
  for (int i = 0; i != 3; ++i) ticks += co_await every.tick();
  must(ticks >= 3, "interval: a tick is lost");
}

// ── loops ──

task<> loops() {
  std::vector<std::atomic<int>> hits(some);
  auto const hit = [&](int i) {
    user_code();
    ++hits[static_cast<std::size_t>(i)];
  };
  auto const all_are = [&](int n) {
    return std::all_of(hits.begin(), hits.end(), [n](auto const& h) { return h == n; });
  };
  weft::parallel_for(0, some, hit, split);
  auto const indices = std::views::iota(0, some);
  weft::parallel_for(indices, hit, split);
  weft::parallel_for_chunks(indices, [&](auto chunk) { std::ranges::for_each(chunk, hit); }, split);
  weft::parallel_for_2d(8, some / 8, [&](int row, int column) { hit(row * (some / 8) + column); });
  must(all_are(4), "parallel_for: an index is lost or doubled");
  auto waits = [&](int i) -> task<> {
    co_await this_task::yield();
    hit(i);
  };
  auto loop = weft::parallel_for(0, some, waits, {.limit = 4});
  co_await std::move(loop);
  must(all_are(5), "parallel_for that waits: an index is lost or doubled");
  auto const squares = weft::parallel_map(numbers(some), at_once, split);
  must(squares == numbers(some), "parallel_map: wrong results");
  auto map = weft::parallel_map(indices, later, {.limit = 4});
  auto const same = co_await std::move(map);
  must(same.size() == some && same[5] == 5, "parallel_map that waits: wrong results");
}

task<> forks() {
  auto const [a, b] = weft::fork_join([] { return at_once(1); }, [] { return at_once(2); });
  auto both = weft::fork_join([] { return later(1); }, [] { return later(2); });
  auto const [c, d] = co_await std::move(both);
  must(a + b + c + d == 6, "fork_join: a wrong result");
}

task<> reduces() {
  auto const v = numbers(some);
  auto const sum = std::accumulate(v.begin(), v.end(), 0);
  must(weft::parallel_reduce(v, 0, plus, split) == sum, "parallel_reduce: a wrong sum");
  must(weft::parallel_reduce(weft::reproducible, v, 0, plus, split) == sum, "parallel_reduce: a wrong sum");
  must(weft::parallel_transform_reduce(v, 0, plus, at_once, split) == sum, "parallel_transform_reduce: a wrong sum");
  std::vector<int> out(v.size()), expected(v.size());
  weft::parallel_inclusive_scan(v, out.begin(), 0, plus, split);
  std::partial_sum(v.begin(), v.end(), expected.begin());
  must(out == expected, "parallel_inclusive_scan: wrong sums");
  weft::parallel_exclusive_scan(v, out.begin(), 0, plus, split);
  must(out[0] == 0 && out[5] == expected[4], "parallel_exclusive_scan: wrong sums");
  co_return;
}

task<> transforms() {
  auto const v = numbers(some);
  std::vector<int> out(v.size());
  weft::parallel_transform(v, out.begin(), at_once, split);
  must(out == v, "parallel_transform: wrong results");
  weft::parallel_fill(out, 3, split);
  must(out[7] == 3, "parallel_fill: a wrong value");
  weft::parallel_generate(out, [] { return at_once(4); }, split);
  must(out[7] == 4, "parallel_generate: a wrong value");
  weft::parallel_copy(v, out.begin(), split);
  must(out == v, "parallel_copy: wrong values");
  co_return;
}

task<> searches() {
  auto const v = numbers(some);
  must(weft::parallel_find(v, v[20], split) == std::ranges::find(v, v[20]), "parallel_find: another");
  must(weft::parallel_find_if(v, odd, split) == std::ranges::find_if(v, odd), "parallel_find_if: another");
  must(weft::parallel_any_of(v, odd, split) && !weft::parallel_all_of(v, odd, split) &&
           !weft::parallel_none_of(v, odd, split),
       "parallel_any_of: wrong");
  must(weft::parallel_count_if(v, odd, split) == std::ranges::count_if(v, odd), "parallel_count_if: wrong");
  must(weft::parallel_count(v, v[3], split) == 1, "parallel_count: wrong");
  must(weft::parallel_min_element(v, less, split) == std::ranges::min_element(v), "parallel_min_element: another");
  must(weft::parallel_max_element(v, less, split) == std::ranges::max_element(v), "parallel_max_element: another");
  must(weft::parallel_minmax_element(v, less, split).min == std::ranges::min_element(v), "parallel_minmax_element");
  co_return;
}

// Long enough for the ways that allocate. The comparison throws now and then only: there are too many to try each.
task<> sorts() {
  auto v = numbers(3000);
  auto expected = v;
  std::ranges::sort(expected);
  int calls = 0;
  std::atomic<int> all{0};
  auto const seldom = [&all](int a, int b) {
    if (all.fetch_add(1, std::memory_order_relaxed) % 4096 == 0) user_code();
    return a < b;
  };
  auto const sorted = [&](auto sort) {
    v = numbers(3000);
    sort();
    ++calls;
    must(v == expected, "a wrong order");
  };
  sorted([&] { weft::parallel_sort(v, seldom, {.grain = 300}); });
  sorted([&] { weft::parallel_sort(v); });
  sorted([&] { weft::parallel_stable_sort(v, seldom, {.grain = 300}); });
  std::vector<int> merged(2 * v.size());
  weft::parallel_merge(v, expected, merged.begin(), seldom, {.grain = 300});
  must(std::ranges::is_sorted(merged), "parallel_merge: a wrong order");
  v = numbers(3000);
  weft::parallel_nth_element(v, v.begin() + 1500, seldom, {.grain = 300});
  must(v[1500] == expected[1500], "parallel_nth_element: another");
  must(calls == 3, "a sort is missing");
  co_return;
}

task<> selects_elements() {
  auto v = numbers(some);
  std::vector<int> out(v.size());
  auto const end = weft::parallel_copy_if(v, out.begin(), odd, split).out;
  must(end - out.begin() == std::ranges::count_if(v, odd), "parallel_copy_if: wrong");
  auto const rest = weft::parallel_partition(v, odd, split);
  must(std::ranges::none_of(rest, odd), "parallel_partition: wrong");
  std::vector<int> doubled;
  for (int i = 0; i != some; ++i) doubled.push_back(i / 2);
  auto const same = [](int a, int b) {
    user_code();
    return a == b;
  };
  auto const others = weft::parallel_unique(doubled, same, split);
  must(others.size() == some / 2, "parallel_unique: wrong");
  co_return;
}

// ── graphs and pipelines ──

task<> runs_graphs() {
  weft::graph g;
  auto one = g.add([] { return at_once(1); });
  auto two = g.add([](int v) { return at_once(v + 1); }, one);
  auto three = g.add([](int v) { return later(v + 2); }, two);
  auto four = g.add([](weft::node_results<int> all) { return all[0] + all[1]; }, std::vector{one, three});
  g.run();
  co_await g.run_async();
  must(four.get() == 5, "graph: a wrong result");
}

task<> flows() {
  auto const v = numbers(some);
  std::vector<int> out;
  weft::pipeline(v) | weft::serial(at_once) | weft::parallel(3, at_once) | weft::into(out);
  must(out == v, "pipeline: wrong elements");
  std::vector<int> waited;
  auto source = [i = 0]() mutable { return i == 10 ? std::nullopt : std::optional<int>(at_once(i++)); };
  auto waiting = weft::pipeline(source) | weft::concurrent(4, later) | weft::into(waited);
  co_await std::move(waiting);
  must(waited.size() == 10 && waited[9] == 9, "pipeline that waits: wrong elements");
}

using enum thrown_in_a_callback;

constexpr std::array rows{
    operation{"spawn future task pool::spawn checkpoint yield", &spawns},
    operation{"run pool::run default_pool", &runs},
    operation{"then make_ready_future", &continues},
    operation{"promise", &promises},
    operation{"shared_future", &shares},
    operation{"to_std_future", &goes_to_std},
    operation{"from_callback callback", &calls_back},
    operation{"generator stream", &generates},
    operation{"local with named name", &binds},
    operation{"blocking", &blocks},
    operation{"pool resume_on", &makes_pools},
    operation{"stop_source stop_token stop_callback make_stop_token", &stops},
    operation{"when_all", &joins_all},
    operation{"when_all_settled outcome", &settles_all},
    operation{"when_any any_result", &takes_first, may_be_spent},
    operation{"race", &races, may_be_spent},
    operation{"timeout deadline timed_out", &times_out},
    operation{"retry retry_on retry_options any_failure", &tries_again},
    operation{"shield", &shields},
    operation{"select on otherwise send receive", &selects},
    operation{"with_scope scope scope_options", &opens_scopes},
    operation{"channel", &sends},
    operation{"oneshot broadcast watch", &tells},
    operation{"actor", &acts, may_be_spent},
    operation{"mutex shared_mutex semaphore guarded condition_variable", &locks},
    operation{"latch barrier wait_group event auto_event", &meets},
    operation{"sleep_for sleep_until interval", &sleeps_and_ticks},
    operation{"parallel_for parallel_for_chunks parallel_for_2d parallel_map loop_options", &loops},
    operation{"fork_join", &forks},
    operation{
        "parallel_reduce parallel_transform_reduce reproducible_t parallel_inclusive_scan parallel_exclusive_scan",
        &reduces},
    operation{"parallel_transform parallel_fill parallel_generate parallel_copy", &transforms},
    operation{"parallel_find parallel_find_if parallel_any_of parallel_all_of parallel_none_of parallel_count "
              "parallel_count_if parallel_min_element parallel_max_element parallel_minmax_element",
              &searches},
    operation{"parallel_sort parallel_stable_sort parallel_merge parallel_nth_element", &sorts},
    operation{"parallel_copy_if parallel_partition parallel_unique", &selects_elements},
    operation{"graph node node_results", &runs_graphs},
    operation{"pipeline serial parallel concurrent into", &flows},
};

}  // namespace

std::span<operation const> operations() { return rows; }

void plant(std::int64_t nth) noexcept {
  thrown = false;
  until_thrown = nth;
}
bool has_thrown() noexcept { return thrown; }

void user_code() {
  if (until_thrown.load(std::memory_order_relaxed) < 0) return;
  if (until_thrown.fetch_sub(1) != 0) return;
  thrown = true;
  throw planted();
}

}  // namespace weft_test
