// Shapes of awaiters and promises: what a library writes, as opposed to what its users write.

#include "probe.hpp"

#include <memory>
#include <thread>
#include <utility>

#define WEFT_CONSTRUCT_GROUP "awaiters and promises"

namespace constructs {
namespace {

// Awaiters that hold something.

struct aggregate_awaiter {
  witness object;
  int result;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
  int await_resume() const { return object.value() == 1 ? result : 0; }
};

class class_awaiter {
 public:
  class_awaiter(witness object, int result) : object_(std::move(object)), result_(result) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
  int await_resume() const { return object_.value() == 1 ? result_ : 0; }

 private:
  witness object_;
  int result_;
};

task<int> aggregate_awaiter_temporary() {
  int const value = co_await aggregate_awaiter{witness(1), 7};
  co_return value;
}
WEFT_CONSTRUCT(aggregate_awaiter_temporary, "`co_await A{C(1), 7}`, the awaiter an aggregate",
               drive(aggregate_awaiter_temporary()) == 7)

aggregate_awaiter make_aggregate_awaiter() { return aggregate_awaiter{witness(1), 7}; }

task<int> aggregate_awaiter_from_call() { co_return co_await make_aggregate_awaiter(); }
WEFT_CONSTRUCT(aggregate_awaiter_from_call, "`co_await f()`, f returns an aggregate awaiter",
               drive(aggregate_awaiter_from_call()) == 7)

task<int> aggregate_awaiter_named() {
  aggregate_awaiter awaiter{witness(1), 7};
  co_return co_await awaiter;
}
WEFT_CONSTRUCT(aggregate_awaiter_named, "`A a{C(1), 7}; co_await a;`, the awaiter an aggregate",
               drive(aggregate_awaiter_named()) == 7)

task<int> trivial_awaiter_temporary() { co_return co_await later{.value = 7}; }
WEFT_CONSTRUCT(trivial_awaiter_temporary, "`co_await A{7}`, the awaiter a trivial aggregate",
               drive(trivial_awaiter_temporary()) == 7)

task<int> class_awaiter_temporary() {
  int const value = co_await class_awaiter{witness(1), 7};
  co_return value;
}
WEFT_CONSTRUCT(class_awaiter_temporary, "`co_await K{C(1), 7}`, the awaiter with a constructor",
               drive(class_awaiter_temporary()) == 7)

struct makes_aggregate_awaiter {
  int result;
  aggregate_awaiter operator co_await() const { return aggregate_awaiter{witness(1), result}; }
};

task<int> operator_yields_aggregate() { co_return co_await makes_aggregate_awaiter{7}; }
WEFT_CONSTRUCT(operator_yields_aggregate, "operator co_await returns an aggregate awaiter",
               drive(operator_yields_aggregate()) == 7)

struct makes_class_awaiter {
  int result;
  class_awaiter operator co_await() const { return class_awaiter(witness(1), result); }
};

task<int> operator_yields_class() { co_return co_await makes_class_awaiter{7}; }
WEFT_CONSTRUCT(operator_yields_class, "operator co_await returns an awaiter with a constructor",
               drive(operator_yields_class()) == 7)

class awaits_once {
 public:
  explicit awaits_once(witness object) : object_(std::move(object)) {}
  class_awaiter operator co_await() && { return class_awaiter(std::move(object_), 7); }

 private:
  witness object_;
};

task<int> operator_on_rvalue() { co_return co_await awaits_once(witness(1)); }
WEFT_CONSTRUCT(operator_on_rvalue, "`operator co_await() &&` on a temporary", drive(operator_on_rvalue()) == 7)

task<int> operator_on_moved() {
  awaits_once operation(witness(1));
  co_return co_await std::move(operation);
}
WEFT_CONSTRUCT(operator_on_moved, "`operator co_await() &&` on a moved local", drive(operator_on_moved()) == 7)

struct free_operand {
  witness object;
  explicit free_operand(int value) : object(value) {}
};
class_awaiter operator co_await(free_operand const& operand) { return class_awaiter(operand.object, 7); }

task<int> operator_as_free_function() { co_return co_await free_operand(1); }
WEFT_CONSTRUCT(operator_as_free_function, "a free operator co_await on a temporary",
               drive(operator_as_free_function()) == 7)

class derived_awaiter : class_awaiter {
 public:
  explicit derived_awaiter(int result) : class_awaiter(witness(1), result) {}
  using class_awaiter::await_ready;
  using class_awaiter::await_suspend;
  int await_resume() const { return class_awaiter::await_resume(); }
};

task<int> inherited_awaiter() { co_return co_await derived_awaiter(7); }
WEFT_CONSTRUCT(inherited_awaiter, "an awaiter that inherits its members", drive(inherited_awaiter()) == 7)

class pinned_awaiter {
 public:
  explicit pinned_awaiter(int value) : object_(value) {}
  pinned_awaiter(pinned_awaiter&&) = delete;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    self_ = this;
    parked = handle;
  }
  int await_resume() const { return self_ == this ? object_.value() : 0; }

 private:
  witness object_;
  pinned_awaiter const* self_ = nullptr;
};

pinned_awaiter make_pinned(int value) { return pinned_awaiter(value); }

task<int> pinned_awaiter_from_call() { co_return co_await make_pinned(7); }
WEFT_CONSTRUCT(pinned_awaiter_from_call, "an awaiter that cannot move, returned by a function",
               drive(pinned_awaiter_from_call()) == 7)

struct reference_awaiter {
  int& target;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const noexcept { parked = handle; }
  int& await_resume() const noexcept { return target; }
};

task<int> result_by_reference() {
  int value = 0;
  (co_await reference_awaiter{value}) = 7;
  int& same = co_await reference_awaiter{value};
  co_return &same == &value ? value : 0;
}
WEFT_CONSTRUCT(result_by_reference, "await_resume returns a reference", drive(result_by_reference()) == 7)

class lock {
 public:
  explicit lock(int& holders) : holders_(&holders) { ++holders; }
  lock(lock&& other) noexcept : holders_(std::exchange(other.holders_, nullptr)) {}
  ~lock() {
    if (holders_ != nullptr) --*holders_;
  }

 private:
  int* holders_;
};

struct acquire {
  int& holders;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const noexcept { parked = handle; }
  lock await_resume() const { return lock(holders); }
};

task<int> guard_from_await() {
  int holders = 0;
  {
    auto const guard = co_await acquire{holders};
    co_await later{};
    if (holders != 1) co_return 0;
  }
  co_return holders == 0 ? 7 : 0;
}
WEFT_CONSTRUCT(guard_from_await, "`auto l = co_await m.lock();`", drive(guard_from_await()) == 7)

// await_transform.

class transforming {
 public:
  struct promise_type : frame_in_quarantine {
    transforming get_return_object() { return transforming{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_value(int value) noexcept { result = value; }
    void unhandled_exception() { throw; }

    class_awaiter await_transform(witness object) {
      int const value = object.value();
      return class_awaiter(witness(1), value);
    }
    template <class T>
    decltype(auto) await_transform(T&& operand) {
      return std::forward<T>(operand);
    }

    int result = 0;
  };

  explicit transforming(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  transforming(transforming&&) = delete;
  ~transforming() { handle_.destroy(); }

  int run() {
    handle_.resume();
    while (!handle_.done()) std::exchange(parked, nullptr).resume();
    return handle_.promise().result;
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

transforming transformed_by_value() {
  int const value = co_await witness(7);
  co_return value;
}
WEFT_CONSTRUCT(transform_by_value, "await_transform takes a class by value", transformed_by_value().run() == 7)

transforming transformed_by_forwarding() {
  int const value = co_await later{7};
  co_return value;
}
WEFT_CONSTRUCT(transform_by_forwarding, "await_transform forwards an awaiter", transformed_by_forwarding().run() == 7)

transforming transformed_task() {
  auto work = value_of(witness(7));
  int const value = co_await work;
  co_return value;
}
WEFT_CONSTRUCT(transform_of_task, "await_transform forwards a task", transformed_task().run() == 7)

// A promise that sees the parameters, and one whose frame comes from an allocator argument.

class observing {
 public:
  struct promise_type : frame_in_quarantine {
    promise_type(witness const& first, int second) : sum(first.value() + second) {}
    observing get_return_object() { return observing{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() { throw; }
    int sum;
  };
  explicit observing(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  observing(observing&&) = delete;
  ~observing() { handle_.destroy(); }
  int sum() const { return handle_.promise().sum; }

 private:
  std::coroutine_handle<promise_type> handle_;
};

observing observed(witness first, int second) {
  co_await std::suspend_always{};
  static_cast<void>(first.value() + second);
}
WEFT_CONSTRUCT(promise_sees_parameters, "a promise constructed from the parameters", observed(witness(3), 4).sum() == 7)

struct allocator_tag {
  int* allocations;
};

class allocating {
 public:
  struct promise_type {
    static void* operator new(std::size_t size, allocator_tag tag, int) {
      ++*tag.allocations;
      return allocate_frame(size);
    }
    static void operator delete(void* frame) { release_frame(frame); }
    allocating get_return_object() { return allocating{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_value(int value) noexcept { result = value; }
    void unhandled_exception() { throw; }
    int result = 0;
  };
  explicit allocating(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  allocating(allocating&&) = delete;
  ~allocating() { handle_.destroy(); }
  int run() {
    handle_.resume();
    return handle_.promise().result;
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

allocating allocated(allocator_tag, int value) { co_return value; }

bool check_allocator_argument() {
  int allocations = 0;
  int const value = allocated(allocator_tag{&allocations}, 7).run();
  // A compiler may put the frame on the caller's stack and not ask for memory at all.
  return value == 7 && allocations <= 1;
}
WEFT_CONSTRUCT(allocator_argument, "operator new of the promise sees the parameters", check_allocator_argument())

// await_suspend that gives the coroutine away: it may be resumed, run to its end and be gone before
// await_suspend returns. The frame is filled with a pattern then, so that a late write shows.

class detached {
 public:
  struct promise_type : frame_in_quarantine {
    detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() { throw; }
  };
};

void resume_on_another_thread(std::coroutine_handle<> handle) {
  std::thread([handle] { handle.resume(); }).join();
}

template <class Derived>
struct seven_when_resumed {
  bool await_ready() const noexcept { return false; }
  int await_resume() const noexcept { return 7; }
};

struct given_away_void : seven_when_resumed<given_away_void> {
  void await_suspend(std::coroutine_handle<> handle) const { resume_on_another_thread(handle); }
};

struct given_away_bool : seven_when_resumed<given_away_bool> {
  bool await_suspend(std::coroutine_handle<> handle) const {
    resume_on_another_thread(handle);
    return true;
  }
};

struct given_away_handle : seven_when_resumed<given_away_handle> {
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) const {
    resume_on_another_thread(handle);
    return std::noop_coroutine();
  }
};

template <class Awaiter>
detached give_away(int& result) {
  witness object(7);
  char buffer[100] = {};
  buffer[5] = 1;
  int const value = co_await Awaiter{};
  result = value + buffer[5] - 1 + object.value();
}

template <class Awaiter>
bool check_given_away() {
  int result = 0;
  give_away<Awaiter>(result);
  return result == 14;
}
WEFT_CONSTRUCT(gone_before_suspend_returns, "ended before await_suspend returns: void",
               check_given_away<given_away_void>())
WEFT_CONSTRUCT(gone_before_suspend_returns_true, "ended before await_suspend returns: true",
               check_given_away<given_away_bool>())
WEFT_CONSTRUCT(gone_before_suspend_returns_handle, "ended before await_suspend returns: a noop handle",
               check_given_away<given_away_handle>())

struct destroyed_void : seven_when_resumed<destroyed_void> {
  void await_suspend(std::coroutine_handle<> handle) const { handle.destroy(); }
};

struct destroyed_bool : seven_when_resumed<destroyed_bool> {
  bool await_suspend(std::coroutine_handle<> handle) const {
    handle.destroy();
    return true;
  }
};

struct destroyed_handle : seven_when_resumed<destroyed_handle> {
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) const {
    handle.destroy();
    return std::noop_coroutine();
  }
};

template <class Awaiter>
bool check_destroyed() {
  int result = 0;
  give_away<Awaiter>(result);
  return result == 0;
}
WEFT_CONSTRUCT(destroyed_in_suspend, "destroyed by await_suspend: void", check_destroyed<destroyed_void>())
WEFT_CONSTRUCT(destroyed_in_suspend_true, "destroyed by await_suspend: true", check_destroyed<destroyed_bool>())
WEFT_CONSTRUCT(destroyed_in_suspend_handle, "destroyed by await_suspend: a noop handle",
               check_destroyed<destroyed_handle>())

}  // namespace
}  // namespace constructs
