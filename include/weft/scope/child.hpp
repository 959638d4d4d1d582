// How a child of a scope begins and ends. Most children are coroutine functions that take their arguments by value: of such a one nothing
// is left but the coroutine's frame once it has begun, so that is all that it costs.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/result.hpp>
#include <weft/coro/frame_allocator.hpp>
#include <weft/coro/promise.hpp>
#include <weft/coro/root.hpp>
#include <weft/coro/task.hpp>
#include <weft/sched/job.hpp>
#include <weft/sched/resume.hpp>
#include <weft/sched/worker.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft::detail {

template <class T>
inline constexpr bool is_reference_wrapper = false;
template <class T>
inline constexpr bool is_reference_wrapper<std::reference_wrapper<T>> = true;

/// Does a parameter P have all of an argument A, so that nothing of A is needed once the function has been called? Not where P refers to A,
/// nor where it may be a view of it: a class made from a pointer may keep that pointer's address, as one that refers to a function does.
template <class P, class A>
concept takes_all_of =
    !std::is_reference_v<P> && (std::same_as<std::remove_cv_t<P>, A> || (std::is_scalar_v<A> && std::is_scalar_v<P>));

/// Does P refer to what a std::reference_wrapper A refers to, and not to A?
template <class P, class A>
concept refers_past = is_reference_wrapper<A> && std::is_lvalue_reference_v<P> &&
                      std::is_convertible_v<typename A::type*, std::remove_reference_t<P>*>;

template <class... Args>
struct arguments {
  template <class... P>
  static constexpr bool all_taken_by(task<> (*)(P...)) noexcept {
    if constexpr (sizeof...(P) == sizeof...(Args)) return ((takes_all_of<P, Args> || refers_past<P, Args>) && ...);
    else return false;
  }
  template <class C, class... P>
  static constexpr bool all_taken_by(task<> (C::*)(P...)) noexcept {
    return all_taken_by(static_cast<task<> (*)(P...)>(nullptr));
  }
  template <class C, class... P>
  static constexpr bool all_taken_by(task<> (C::*)(P...) const) noexcept {
    return all_taken_by(static_cast<task<> (*)(P...)>(nullptr));
  }
  static constexpr bool all_taken_by(...) noexcept { return false; }

  template <class X>
  static consteval bool all_taken() noexcept {
    if constexpr (is_reference_wrapper<X>) return all_taken_by_borrowed<typename X::type>();
    else if constexpr (std::is_empty_v<X> && std::is_trivially_destructible_v<X>) return all_taken_by_borrowed<X>();
    else if constexpr (std::is_pointer_v<X>) return all_taken_by_borrowed<X>();
    else return false;
  }
  /// The same of a callable that is there for as long as the coroutine.
  template <class X>
  static consteval bool all_taken_by_borrowed() noexcept {
    if constexpr (std::is_function_v<std::remove_pointer_t<X>>)
      return all_taken_by(static_cast<std::remove_pointer_t<X>*>(nullptr));
    else if constexpr (requires { &X::operator(); })
      return all_taken_by(static_cast<decltype(&X::operator())>(nullptr));
    else return false;
  }
};

/// A coroutine that needs neither its function object nor its bound arguments once it has been made.
template <class X, class... Args>
concept stands_alone = arguments<Args...>::template all_taken<X>();

/// Told of the end of every child that is a frame and nothing else: destroys it, and calls `ended`, with its failure or null.
class frames : public completion, public epilogue, pinned {
 public:
  using ended_function = void (*)(frames&, std::exception_ptr failure) noexcept;
  explicit frames(ended_function ended) noexcept
      : completion(&frames::at_end_of_task), epilogue(&frames::finish), ended_(ended) {}

  /// On a worker of the pool, in nobody's context: enters a child.
  void begin(worker& self, task<>&& t, context& around) noexcept {
    auto const frame = task_access::release(t);
    WEFT_ASSERT(frame, "a task is awaited once: this one has been moved from or awaited already");
    frame.promise().complete_with(*this, around);
    resume(self, frame);  // Past here *this may be gone.
  }
  void failed_to_begin(worker& self, std::exception_ptr failure) noexcept {
    self.current = nullptr;
    ended_(*this, std::move(failure));  // Past here *this may be gone.
  }

 private:
  using promise = task<>::promise_type;

  static std::coroutine_handle<> at_end_of_task(completion* c, promise_base& ended) noexcept {
    worker& self = *current_worker();
    self.next_epilogue = static_cast<frames*>(c);
    self.ended_frame = std::coroutine_handle<promise>::from_promise(static_cast<promise&>(ended));
    return std::noop_coroutine();
  }

  static void finish(epilogue* e, worker& self) noexcept {
    auto& me = *static_cast<frames*>(e);
    auto const frame = std::coroutine_handle<promise>::from_address(std::exchange(self.ended_frame, {}).address());
    std::exception_ptr failure;
    if (frame.promise().failed()) [[unlikely]]
      failure = frame.promise().result.take_failure();
    frame.destroy();
    self.current = nullptr;
    me.ended_(me, std::move(failure));  // Past here me may be gone.
  }

  ended_function const ended_;
};

/// A child that stands alone, until it begins.
template <class X, class... Args>
class frame_to_be : public cached_allocation, public ready_job {
 public:
  template <class... Values>
  frame_to_be(frames& of, context& around, Values&&... values)
      : ready_job(&frame_to_be::begin), frames_(of), around_(around), parts_(std::forward<Values>(values)...) {}

 private:
  static void begin(job* j, worker& self, job_order) noexcept {
    auto* const me = static_cast<frame_to_be*>(static_cast<ready_job*>(j));
    frames& all = me->frames_;
    context& around = me->around_;
    self.current = &around;
    std::exception_ptr failure;
    try {
      task<> t =
          std::apply([](X& x, Args&... args) { return std::invoke(std::move(x), std::move(args)...); }, me->parts_);
      delete me;
      return all.begin(self, std::move(t), around);
    } catch (...) {
      failure = std::current_exception();
    }
    delete me;
    all.failed_to_begin(self, std::move(failure));
  }

  frames& frames_;
  context& around_;
  std::tuple<X, Args...> parts_;
};

}  // namespace weft::detail
