// What a resumption may do to the stack, and what a coroutine still believes about its thread after
// it was resumed on another one.

#include "probe.hpp"

#include <pthread.h>

#include <algorithm>
#include <cstdint>
#include <thread>
#include <utility>

namespace constructs {
namespace {

#define WEFT_CONSTRUCT_GROUP "stack depth of synchronous co_awaits"

constexpr int rounds = 4000;
constexpr std::size_t depth_allowed = 16 * 1024;

class stack_gauge {
 public:
  void mark() {
    std::size_t const here = stack_position();
    lowest_ = std::min(lowest_, here);
    highest_ = std::max(highest_, here);
  }
  bool is_flat() const { return highest_ != 0 && highest_ - lowest_ <= depth_allowed; }

 private:
  std::size_t lowest_ = SIZE_MAX;
  std::size_t highest_ = 0;
};

stack_gauge gauge;

bool stayed_flat() {
  if (!gauge.is_flat()) note_stack_growth();
  return true;
}

task<int> marks(int value) {
  gauge.mark();
  co_return value;
}

task<int> awaits_in_loop() {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) sum += co_await marks(1);
  co_return sum;
}
WEFT_CONSTRUCT(symmetric_transfer_in_loop, "a loop of `co_await task`, started and ended by symmetric transfer",
               drive(awaits_in_loop()) == rounds && stayed_flat())

task<int> awaits_ready_in_loop() {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) {
    sum += co_await now{1};
    gauge.mark();
  }
  co_return sum;
}
WEFT_CONSTRUCT(ready_in_loop, "a loop of co_awaits with await_ready() true",
               drive(awaits_ready_in_loop()) == rounds && stayed_flat())

struct stays {
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
  void await_resume() const { gauge.mark(); }
};

task<int> stays_in_loop() {
  for (int i = 0; i < rounds; ++i) co_await stays{};
  co_return rounds;
}
WEFT_CONSTRUCT(suspend_false_in_loop, "a loop of co_awaits with await_suspend() false",
               drive(stays_in_loop()) == rounds && stayed_flat())

struct transfers_to_itself {
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) const noexcept { return handle; }
  void await_resume() const { gauge.mark(); }
};

task<int> transfers_to_itself_in_loop() {
  for (int i = 0; i < rounds; ++i) co_await transfers_to_itself{};
  co_return rounds;
}
WEFT_CONSTRUCT(own_handle_in_loop, "a loop of co_awaits with await_suspend() returning its own handle",
               drive(transfers_to_itself_in_loop()) == rounds && stayed_flat())

struct swaps_with {
  std::coroutine_handle<>& partner;
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) const noexcept {
    return std::exchange(partner, handle);
  }
  void await_resume() const { gauge.mark(); }
};

task<int> swaps_in_loop(std::coroutine_handle<>& partner) {
  for (int i = 0; i < rounds; ++i) co_await swaps_with{partner};
  co_return rounds;
}

bool check_two_that_swap() {
  auto second = swaps_in_loop(parked);
  parked = second.handle();
  return drive(swaps_in_loop(parked)) == rounds && stayed_flat();
}
WEFT_CONSTRUCT(two_that_swap, "two coroutines that transfer to each other", check_two_that_swap())

// Resumes the child as a call, and does not suspend at all if the child has ended by then.
struct runs_as_call {
  task<int>& child;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<>) const {
    child.handle().resume();
    return false;
  }
  int await_resume() const { return child.handle().promise().take(); }
};

task<int> calls_in_loop() {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) {
    auto child = marks(1);
    sum += co_await runs_as_call{child};
  }
  co_return sum;
}
WEFT_CONSTRUCT(child_as_call_in_loop, "a loop of children resumed as a call, await_suspend() then false",
               drive(calls_in_loop()) == rounds && stayed_flat())

#undef WEFT_CONSTRUCT_GROUP
#define WEFT_CONSTRUCT_GROUP "identity of the thread across a suspension"

constexpr int hops = 4;

struct worker {
  int index;
};

worker workers[hops + 1] = {{0}, {1}, {2}, {3}, {4}};
thread_local worker* this_worker = nullptr;

inline worker* inline_worker() { return this_worker; }

inline worker* laundered_worker() {
  worker** place = &this_worker;
  asm volatile("" : "+r"(place) : : "memory");
  return *place;
}

[[gnu::noinline]] worker* outlined_worker() { return this_worker; }

[[gnu::noinline]] worker*& outlined_place() { return this_worker; }

struct hop : later {};

void expect(worker const* seen, int index) {
  if (seen != &workers[index]) note_stale_thread();
}

// Resumes it once on each of as many new threads as it suspends.
bool run_over_threads(task<int> work) {
  this_worker = &workers[0];
  work.handle().resume();
  for (int index = 1; !work.handle().done(); ++index) {
    std::thread([index] {
      this_worker = &workers[index];
      std::exchange(parked, nullptr).resume();
    }).join();
  }
  return work.handle().promise().take() == hops;
}

template <class Accessor>
task<int> looks_in_body(Accessor accessor) {
  int i = 0;
  for (; i < hops; ++i) {
    expect(accessor(), i);
    co_await hop{};
    expect(accessor(), i + 1);
  }
  co_return i;
}

template <class Accessor>
struct looking_awaiter {
  int index;
  bool await_ready() const {
    expect(Accessor{}(), index);
    return false;
  }
  void await_suspend(std::coroutine_handle<> handle) const {
    expect(Accessor{}(), index);
    parked = handle;
  }
  void await_resume() const { expect(Accessor{}(), index + 1); }
};

template <class Accessor>
task<int> looks_in_awaiter_loop(Accessor) {
  int i = 0;
  for (; i < hops; ++i) co_await looking_awaiter<Accessor>{i};
  co_return i;
}

template <class Accessor>
task<int> looks_in_awaiter_line(Accessor) {
  co_await looking_awaiter<Accessor>{0};
  co_await looking_awaiter<Accessor>{1};
  co_await looking_awaiter<Accessor>{2};
  co_await looking_awaiter<Accessor>{3};
  co_return 4;
}

struct by_inline {
  worker* operator()() const { return inline_worker(); }
};
struct by_laundering {
  worker* operator()() const { return laundered_worker(); }
};
struct by_call {
  worker* operator()() const { return outlined_worker(); }
};
struct by_call_for_place {
  worker* operator()() const { return outlined_place(); }
};

// Out of the optimizer's sight: it may know what two addresses of one variable compare to.
[[gnu::noinline]] bool same_place(worker** left, worker** right) {
  asm volatile("" : "+r"(left), "+r"(right) : : "memory");
  return left == right;
}

worker** place_before = nullptr;

task<int> takes_address_anew() {
  place_before = &this_worker;
  co_await hop{};
  if (same_place(place_before, &this_worker)) note_stale_thread();
  co_return hops;
}
WEFT_CONSTRUCT(thread_local_address_anew, "`&tls` taken again after `co_await`", run_over_threads(takes_address_anew()))

task<int> keeps_address() {
  worker** const before = &this_worker;
  place_before = &outlined_place();
  co_await hop{};
  if (!same_place(before, place_before)) note_stale_thread();
  co_return hops;
}
WEFT_CONSTRUCT(thread_local_address_kept, "`p = &tls; co_await t;`, p still the old thread's",
               run_over_threads(keeps_address()))

task<int> looks_in_body_line() {
  expect(inline_worker(), 0);
  co_await hop{};
  expect(inline_worker(), 1);
  co_await hop{};
  expect(inline_worker(), 2);
  co_return hops;
}
WEFT_CONSTRUCT(thread_local_inline_line, "an inline accessor, in a coroutine without a loop",
               run_over_threads(looks_in_body_line()))
WEFT_CONSTRUCT(thread_local_inline, "an inline accessor, in a coroutine with a loop",
               run_over_threads(looks_in_body(by_inline{})))
WEFT_CONSTRUCT(thread_local_inline_in_awaiter, "an inline accessor, in awaiters of a loop",
               run_over_threads(looks_in_awaiter_loop(by_inline{})))
WEFT_CONSTRUCT(thread_local_inline_in_awaiter_line, "an inline accessor, in awaiters without a loop",
               run_over_threads(looks_in_awaiter_line(by_inline{})))
WEFT_CONSTRUCT(thread_local_laundered, "an inline accessor through asm, in a coroutine with a loop",
               run_over_threads(looks_in_body(by_laundering{})))
WEFT_CONSTRUCT(thread_local_laundered_in_awaiter, "an inline accessor through asm, in awaiters",
               run_over_threads(looks_in_awaiter_loop(by_laundering{})))
WEFT_CONSTRUCT(thread_local_outlined, "a noinline accessor, in a coroutine with a loop",
               run_over_threads(looks_in_body(by_call{})))
WEFT_CONSTRUCT(thread_local_outlined_in_awaiter, "a noinline accessor, in awaiters of a loop",
               run_over_threads(looks_in_awaiter_loop(by_call{})))
WEFT_CONSTRUCT(thread_local_outlined_in_awaiter_line, "a noinline accessor, in awaiters without a loop",
               run_over_threads(looks_in_awaiter_line(by_call{})))
WEFT_CONSTRUCT(thread_local_outlined_reference, "a noinline accessor that returns a reference to the variable",
               run_over_threads(looks_in_body(by_call_for_place{})))
WEFT_CONSTRUCT(thread_local_outlined_reference_in_awaiter, "the same, in awaiters of a loop",
               run_over_threads(looks_in_awaiter_loop(by_call_for_place{})))

[[gnu::noinline]] std::thread::id outlined_id() {
  asm volatile("" : : : "memory");
  return std::this_thread::get_id();
}

struct identifying_awaiter {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const {
    if (std::this_thread::get_id() != outlined_id()) note_stale_thread();
    parked = handle;
  }
  void await_resume() const {
    if (std::this_thread::get_id() != outlined_id()) note_stale_thread();
  }
};

task<int> identifies_in_awaiter() {
  int i = 0;
  for (; i < hops; ++i) co_await identifying_awaiter{};
  co_return i;
}
WEFT_CONSTRUCT(get_id_in_awaiter, "std::this_thread::get_id() in awaiters of a loop",
               run_over_threads(identifies_in_awaiter()))

task<int> identifies_in_body() {
  int i = 0;
  for (; i < hops; ++i) {
    if (std::this_thread::get_id() != outlined_id()) note_stale_thread();
    co_await hop{};
    if (std::this_thread::get_id() != outlined_id()) note_stale_thread();
  }
  co_return i;
}
WEFT_CONSTRUCT(get_id_in_body, "std::this_thread::get_id() in a coroutine with a loop",
               run_over_threads(identifies_in_body()))

[[gnu::noinline]] pthread_t outlined_self() {
  asm volatile("" : : : "memory");
  return pthread_self();
}

task<int> asks_self() {
  if (!pthread_equal(pthread_self(), outlined_self())) note_stale_thread();
  co_await hop{};
  if (!pthread_equal(pthread_self(), outlined_self())) note_stale_thread();
  co_return hops;
}
WEFT_CONSTRUCT(pthread_self_in_body, "pthread_self() before and after `co_await`", run_over_threads(asks_self()))

}  // namespace
}  // namespace constructs
