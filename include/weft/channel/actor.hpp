// actor<State>: an object that is used by one call at a time, in the order in which the calls were made.
#pragma once

#include <weft/base/result.hpp>
#include <weft/base/utility.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/root.hpp>
#include <weft/coro/task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/sched/pool.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/waiter.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// What an actor can be asked: f(state, args...), where f is a member of State or anything that takes one.
template <class F, class State, class... Args>
concept actor_call = std::invocable<std::decay_t<F>, State&, std::decay_t<Args>...>;

/// The state and the queue of its callers; lives as long as its actor, or as a call that was posted.
template <class State>
struct actor_core : pinned {
  template <class... Args>
  explicit actor_core(std::in_place_t, Args&&... args) : state(std::forward<Args>(args)...) {}
  mutex turn;
  State state;
};

/// f with its arguments, to be called on the state.
template <class State, class F, class... Args>
struct bound_call {
  F f;
  std::tuple<Args...> args;

  decltype(auto) operator()(State& state) {
    return std::apply([&](Args&... a) -> decltype(auto) { return std::invoke(std::move(f), state, std::move(a)...); },
                      args);
  }
};

template <class R>
struct settled_call {
  using type = R;
};
template <awaitable R>
struct settled_call<R> {
  using type = await_result_t<R>;
};

}  // namespace detail

/// A State behind a queue. Each call has it to itself, from its beginning to its end, waits in between included; the calls begin in the
/// order in which they were made, posted or not. There is no thread and no loop: a call runs where its caller runs, a posted one in
/// the pool. So an actor that has nothing to do costs its state, and one that is free is called at the cost of a lock.
///
/// Any thread. One allocation. The end of an actor does not wait: what was posted is still done, in order, and then the state is
/// destroyed; a pool waits for that before it ends. Those who await a call keep the actor until they have the result.
template <class State>
class actor : detail::pinned {
  using core = detail::actor_core<State>;

 public:
  /// State(args...).
  template <class... Args>
    requires std::constructible_from<State, Args...>
  explicit actor(Args&&... args) : core_(std::make_shared<core>(std::in_place, std::forward<Args>(args)...)) {}

  /// auto r = co_await a.call(&State::f, args...);        a.call([](State& s, …) { … }, args...)
  ///   completes   when it was this call's turn, and f has returned, or what f returned to await has ended
  ///   result      what f gave, no reference: the state is another's by then
  ///   on error    throws what f threw
  ///   on stop     before its turn: leaves the queue, and completes as stopped. After that f itself is asked to stop
  ///   resumes on  the pool it was awaited on
  /// Arguments are moved (std::ref to borrow). Its place in the queue it has when it is awaited. A call that awaits another of
  /// the same actor waits for itself: post that one.
  template <class F, class... Args>
  [[nodiscard]] auto call(F&& f, Args&&... args) {
    static_assert(detail::actor_call<F, State, Args...>,
                  "actor::call takes a member of the state, or a callable that takes the state, and its arguments");
    using bound = detail::bound_call<State, std::decay_t<F>, std::decay_t<Args>...>;
    using given = std::invoke_result_t<bound&, State&>;
    static_assert(!std::is_reference_v<typename detail::settled_call<given>::type>,
                  "actor::call gives values: when the caller has the reference, the state is another's");
    return run(*core_, bound{std::forward<F>(f), {std::forward<Args>(args)...}});
  }

  /// The same without waiting for it: it has its place in the queue when post returns. Runs in the current pool, else in the default
  /// one. A result is dropped; a failure goes to the pool's handler. Throws std::bad_alloc, and std::logic_error on a pool that
  /// has been shut down: then nothing was posted.
  template <class F, class... Args>
  void post(F&& f, Args&&... args) {
    static_assert(detail::actor_call<F, State, Args...>,
                  "actor::post takes a member of the state, or a callable that takes the state, and its arguments");
    using bound = detail::bound_call<State, std::decay_t<F>, std::decay_t<Args>...>;
    posted<bound>::start(core_, bound{std::forward<F>(f), {std::forward<Args>(args)...}});
  }

 private:
  template <class Bound>
  static auto run(core& c, Bound bound)
      -> task<typename detail::settled_call<std::invoke_result_t<Bound&, State&>>::type> {
    using given = std::invoke_result_t<Bound&, State&>;
    auto const mine = co_await c.turn.lock();
    if constexpr (awaitable<given>) {
      auto waiting = bound(c.state);
      co_return co_await std::move(waiting);
    } else {
      co_return bound(c.state);
    }
  }

  /// What begins when it is this call's turn.
  template <class Bound>
  struct turn_work {
    std::shared_ptr<core> keeps;
    Bound bound;
    decltype(auto) operator()() && { return bound(keeps->state); }
  };

  //   start ── nobody is at it ──▶ submitted ──▶ begin ──▶ ended: the turn goes to the next, and *this is gone
  //   start ── somebody is ──▶ waits in the queue ── fire ──▶ submitted
  //
  /// A call without a caller: a root that stands in the queue of the mutex like a task.
  template <class Bound>
  class posted final : detail::cached_allocation, detail::selection {
    using work = turn_work<Bound>;
    using root_type = detail::root<work>;
    using result = result_of<work>;

    struct runner : root_type {
      runner(posted& p, detail::scheduler& home, work&& w)
          : root_type(home, &home.stop(), p.result_, &posted::ended, std::move(w)), owner(p) {}
      posted& owner;
    };

   public:
    static void start(std::shared_ptr<core> const& c, Bound&& bound) {
      detail::scheduler& home = detail::ambient_scheduler();
      detail::counted_root counted(home);
      auto* const me = new posted(home, c, std::move(bound));
      counted.keep();
      auto asking = c->turn.lock();
      if (asking.enqueue(me->node_) == detail::enqueued::waits) {
        if (me->arm()) return;  // Past here *me may be gone.
      }
      home.submit(&me->runner_);
    }

   private:
    posted(detail::scheduler& home, std::shared_ptr<core> const& c, Bound&& bound)
        : selection(nullptr),
          core_(c),
          around_{.stop = nullptr, .home = &home, .locals = nullptr},
          runner_(*this, home, work{c, std::move(bound)}) {
      this->ambient = &around_;
      this->act = &posted::begin;
    }

    // Called in the place of a resumption.
    static void begin(detail::job* j, detail::worker& self, detail::job_order) noexcept {
      auto& me = *static_cast<posted*>(static_cast<detail::resumption*>(static_cast<detail::ready_job*>(j)));
      me.runner_.begin(self);
    }

    static void ended(root_type* r, detail::worker& self) noexcept {
      auto* const me = &static_cast<runner*>(r)->owner;
      detail::scheduler& home = r->home();
      try {
        static_cast<void>(me->result_.take());
      } catch (stopped const&) {
      } catch (...) {
        home.report(std::current_exception());
      }
      auto const keeps = std::move(me->core_);
      auto turn = keeps->turn.lock().take();  // what it has had since it began
      delete me;
      turn.unlock();
      self.home.root_ended(&self);
    }

    std::shared_ptr<core> core_;
    detail::context around_;
    detail::waiter node_{*this};
    detail::result_slot<result> result_;
    runner runner_;
  };

  std::shared_ptr<core> core_;
};

}  // namespace weft
