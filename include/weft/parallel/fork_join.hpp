// fork_join: several calls that may run at the same time, at the price of calls.
#pragma once

#include <weft/base/function.hpp>
#include <weft/base/result.hpp>
#include <weft/base/results.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/run.hpp>
#include <weft/sched/external.hpp>
#include <weft/sched/join.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {

/// Calls every f, possibly at the same time, and returns all results when all have returned: `auto [a, b] = fork_join(f, g);`.
/// Computing: a plain call, from any thread, inside any task. The first runs here at once; the others run here after it,
/// unless an idle worker has taken them. While it waits for one that was taken, the thread runs nothing but parts of it: a lock may
/// be held across fork_join. They may run at the same time, and may run one after the other: they must not wait for each other.
///
/// void becomes weft::unit, references stay references. If any throws, those after it that have not begun are not run, those that run are
/// asked to stop; all are waited for, and the exception of the lowest index is thrown. Those before it are not asked: they have ended, or
/// run on the caller's thread.
/// Cost: when nobody steals, a few plain instructions per call, no atomic read-modify-write, no allocation.
/// Source: Acar, Charguéraud, Rainey (PPoPP 2013) for the deque; Wagner, Calder (PPoPP 1993) for leapfrogging.
template <class... F>
  requires(sizeof...(F) >= 2) && (computing<F&> && ...)
auto fork_join(F&&... f);

namespace detail {

template <class F>
using plain_result = std::invoke_result_t<F&>;

template <class F>
using kept_result = unit_if_void<plain_result<F>>;

/// Calls f; void becomes unit.
template <class F>
inline kept_result<F> call(F& f) {
  if constexpr (std::is_void_v<plain_result<F>>) {
    std::invoke(f);
    return unit{};
  } else {
    return std::invoke(f);
  }
}

/// The second body of a fork_join, in its frame.
template <class G>
class forked_call : public forked {
 public:
  forked_call(G& body, context* c) noexcept : forked(&forked_call::act_as_job, c), body_(body) {}
  ~forked_call() {}

  /// The owner, after its own body: the job was public, and may have been taken. The result, from the thief or from here.
  [[gnu::noinline]] kept_result<G> join_public() {
    if (!join_thief()) return call(body_);
    scope_exit const gone([this]() noexcept { end_result(); });
    return result_.take();
  }

  /// The same, both results in a pair. Where moving the owner's may throw, nobody may be at work on this one by then.
  template <class Pair, class A>
  [[gnu::noinline]] Pair join_public_with(A&& a) {
    bool const stolen = join_thief();
    scope_exit const gone([this, stolen]() noexcept {
      if (stolen) end_result();
    });
    return Pair{static_cast<A&&>(a), stolen ? result_.take() : call(body_)};
  }

  /// The owner's body has thrown: nothing of this one is to be left.
  [[gnu::noinline, gnu::cold]] void abandon() noexcept {
    worker& self = *current_worker();
    if (self.deque.pop()) return;
    ask_to_stop();
    if (!wait(self)) return;
    end_stop_state();
    end_result();
  }

 private:
  using slot = result_slot<kept_result<G>>;

  /// True: a thief has settled the result. False: the call is still to be made, here.
  bool join_thief() {
    worker& self = *current_worker();
    if (self.deque.take_back() || !wait(self)) return false;
    end_stop_state();
    return true;
  }

  void end_result() noexcept { result_.~slot(); }

  static void act_as_job(job* j, worker& self, job_order order) noexcept {
    auto& me = *static_cast<forked_call*>(j);
    if (order == job_order::give_back) return me.give_back(self);
    me.run_as_thief(self, [&me] {
      ::new (static_cast<void*>(&me.result_)) slot;
      settle_with(me.result_, [&me]() -> kept_result<G> { return call(me.body_); });
    });
  }

  G& body_;
  union {
    slot result_;  // raw until a thief begins
  };
};

/// The heart: nothing here but plain loads and stores, unless somebody asks for work or has taken it. Part of its caller, and after the
/// first call it looks up the worker again: that load costs less than a register that every call of a recursion saves and restores.
template <class F, class G>
[[gnu::always_inline]] inline results<kept_result<F>, kept_result<G>> fork_join_two(worker& self, F& f, G& g) {
  using pair = results<kept_result<F>, kept_result<G>>;
  forked_call<G> right(g, self.current);
  auto const place = self.deque.mark();
  if (!self.deque.push(&right)) [[unlikely]] {
    kept_result<F> a = call(f);
    return pair{static_cast<kept_result<F>&&>(a), call(g)};
  }
  if (self.deque.wanted()) [[unlikely]]
    self.home.share(self);
  auto left = [&]() -> kept_result<F> {
    if constexpr (std::is_nothrow_invocable_v<F&>) {
      return call(f);
    } else {
      try {
        return call(f);
      } catch (...) {
        right.abandon();
        throw;
      }
    }
  };
  kept_result<F> a = left();
  if (current_worker_inline()->deque.pop_private(place)) [[likely]]
    return pair{static_cast<kept_result<F>&&>(a), call(g)};
  if constexpr (std::is_nothrow_move_constructible_v<kept_result<F>>)
    return pair{static_cast<kept_result<F>&&>(a), right.join_public()};
  else return right.template join_public_with<pair>(static_cast<kept_result<F>&&>(a));
}

/// Three and more: halves, whose results wait in the slots of the caller's frame.
template <class... Slots>
class fork_join_many {
 public:
  explicit fork_join_many(Slots&... slots) noexcept : slots_(slots...) {}

  void run(worker& self) { range<0, sizeof...(Slots)>(&self); }

 private:
  // A stolen half runs on another worker, which asks who it is.
  template <std::size_t First, std::size_t Last>
  void range(worker* self) {
    if constexpr (Last - First == 1) {
      std::get<First>(slots_)();
    } else {
      if (!self) self = current_worker_inline();
      constexpr auto middle = First + (Last - First) / 2;
      auto left = [this, self] { range<First, middle>(self); };
      auto right = [this] { range<middle, Last>(nullptr); };
      fork_join_two(*self, left, right);
    }
  }

  std::tuple<Slots&...> slots_;
};

/// A body and the place of its result.
template <class F>
class kept_call : pinned {
 public:
  explicit kept_call(F& f) noexcept : f_(f) {}
  void operator()() { result_.set_value(call(f_)); }
  kept_result<F> take() { return result_.take(); }

 private:
  F& f_;
  result_slot<kept_result<F>> result_;
};

template <class... F>
[[gnu::always_inline]] inline results<kept_result<F>...> fork_join_on(worker& self, F&... f) {
  if constexpr (sizeof...(F) == 2) {
    return fork_join_two(self, f...);
  } else {
    std::tuple<kept_call<F>...> calls(f...);
    std::apply([&self](auto&... slot) { fork_join_many(slot...).run(self); }, calls);
    return std::apply([](auto&... slot) { return results<kept_result<F>...>{slot.take()...}; }, calls);
  }
}

/// From a plain thread: as a worker of the default pool for the length of the call.
template <class R, class Call>
[[gnu::noinline]] R as_worker(Call&& call) {
  result_slot<R> slot;
  auto const keep = [&]() noexcept { settle_with(slot, [&]() -> R { return call(*current_worker()); }); };
  join_default_pool(keep);
  return slot.take();
}

}  // namespace detail

template <class... F>
  requires(sizeof...(F) >= 2) && (computing<F&> && ...)
inline auto fork_join(F&&... f) {
  static_assert(sizeof...(F) <= 16,
                "fork_join takes 2 to 16 callables; for more, give a range: parallel_for or parallel_map");
  using all = results<detail::kept_result<F>...>;
  detail::worker* const self = detail::current_worker_inline();
  if (self) [[likely]]
    return detail::fork_join_on(*self, f...);
  return detail::as_worker<all>([&](detail::worker& w) -> all { return detail::fork_join_on(w, f...); });
}

/// co_await fork_join(f...): where a body returns something to await, the call is awaitable: see when_all.
template <class... F>
  requires(sizeof...(F) >= 2) && (runnable<F> && ...) && (!computing<F&> || ...)
[[nodiscard]] auto fork_join(F&&... f) {
  return when_all(std::forward<F>(f)...);
}

}  // namespace weft
