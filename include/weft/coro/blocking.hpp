// blocking(f): a call that blocks its thread, made where it does no harm.
#pragma once

#include <weft/base/result.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/sched/locals.hpp>
#include <weft/sched/membership.hpp>

#include <functional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

template <class F, class... Args>
class blocking_awaiter : public stoppable_suspension<blocking_awaiter<F, Args...>>, blocking_call {
 public:
  using result = std::invoke_result_t<F, Args...>;

  explicit blocking_awaiter(std::tuple<F, Args...>&& work)
      : blocking_call(&blocking_awaiter::call), work_(std::move(work)) {}

  result await_resume() {
    this->finish_wait();
    return slot_.take();
  }

 private:
  friend class stoppable_suspension<blocking_awaiter>;

  bool start() {
    if (this->ambient->stop && this->ambient->stop->stop_requested()) throw stopped{};
    threads_ = &this->ambient->home->blocking();
    if (auto const error = threads_->submit(*this))
      throw std::system_error(error, "weft::blocking: no thread could be started");
    return true;
  }

  bool withdraw() noexcept { return threads_->cancel(*this); }

  static void call(blocking_call* c) noexcept {
    auto& me = *static_cast<blocking_awaiter*>(c);
    settle_with(me.slot_, [&me]() -> result {
      locals_scope const around(me.ambient->locals);
      return std::apply([](F& f, Args&... args) -> result { return std::invoke(std::move(f), std::move(args)...); },
                        me.work_);
    });
    me.fire();  // Past here *c may be gone.
  }

  std::tuple<F, Args...> work_;
  result_slot<result> slot_;
  blocking_threads* threads_ = nullptr;
};

template <class F, class... Args>
class [[nodiscard]] blocking_operation {
 public:
  explicit blocking_operation(std::tuple<F, Args...>&& work) : work_(std::move(work)) {}
  auto operator co_await() { return blocking_awaiter<F, Args...>(std::move(work_)); }

 private:
  std::tuple<F, Args...> work_;
};

}  // namespace detail

/// co_await blocking(f, args...);      f and args are moved in (std::ref to borrow)
///   completes   when f has returned, on one of the threads that the pool sets aside for this, at most pool_options::max_blocking;
///               calls beyond that wait their turn, in order
///   result      what f returned
///   on error    throws what f threw; std::system_error where no thread could be started
///   on stop     a call that has not begun is not made and completes as stopped; one that has begun runs to its end
///   resumes on  the pool it was awaited on
template <class F, class... Args>
  requires callable_with<F, Args...>
[[nodiscard]] auto blocking(F&& f, Args&&... args) {
  using parts = std::tuple<std::decay_t<F>, std::decay_t<Args>...>;
  return detail::blocking_operation<std::decay_t<F>, std::decay_t<Args>...>(
      parts(std::forward<F>(f), std::forward<Args>(args)...));
}

}  // namespace weft
