// serve: a server's loop. Accepts, gives each connection to a task of its own, and does not stop for the failure of one of them.
#pragma once

#include <weft/concurrent/mutex.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/suspension.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/sched/scheduler.hpp>
#include <weft/scope/child.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <new>
#include <system_error>
#include <type_traits>
#include <utility>

namespace weft {

/// How a server is bounded.
struct serve_options {
  std::size_t max_connections =
      10'000;  ///< at the same time; beyond that, those who come wait to be accepted. 0: any number
};

namespace detail {

template <class L>
concept accepts_connections = requires(L& l) {
  { l.accept() } -> awaitable;
};
template <accepts_connections L>
using connection_of = await_result_t<decltype(std::declval<L&>().accept())>;

/// Room for so many connections; one task waits for it.
class connection_limit : pinned {
 public:
  explicit connection_limit(std::size_t most) noexcept : most_(most) {}

  class awaiter : public stoppable_suspension<awaiter> {
   public:
    explicit awaiter(connection_limit& l) noexcept : limit_(l) {}
    void await_resume() { finish_wait(); }

   private:
    friend class stoppable_suspension<awaiter>;
    friend class connection_limit;
    bool start() noexcept {
      small_lock const guard(limit_.lock_);
      if (limit_.most_ == 0 || limit_.open_ < limit_.most_) {
        ++limit_.open_;
        return false;
      }
      limit_.waiter_ = this;
      return true;
    }
    bool withdraw() noexcept {
      small_lock const guard(limit_.lock_);
      return std::exchange(limit_.waiter_, nullptr) != nullptr;
    }
    connection_limit& limit_;
  };

  /// co_await limit.enter(); when there is room, which is the caller's until leave.
  [[nodiscard]] awaiter enter() noexcept { return awaiter(*this); }

  void leave() noexcept {
    awaiter* next;
    {
      small_lock const guard(lock_);
      next = std::exchange(waiter_, nullptr);
      if (!next) --open_;
    }
    if (next) next->fire();
  }

 private:
  std::size_t const most_;
  small_mutex lock_;
  std::size_t open_ = 0;       // guarded by lock_
  awaiter* waiter_ = nullptr;  // guarded by lock_
};

/// Something that will be there again: accept is worth another try.
[[nodiscard]] inline bool is_shortage(std::error_code const& e) noexcept {
  return e.category() == std::system_category() &&
         (e.value() == EMFILE || e.value() == ENFILE || e.value() == ENOBUFS || e.value() == ENOMEM);
}

/// Whoever was served has gone in the middle of it, as clients do.
[[nodiscard]] inline bool peer_has_gone(std::error_code const& e) noexcept {
  return e.category() == std::system_category() &&
         (e.value() == ECONNRESET || e.value() == EPIPE || e.value() == ETIMEDOUT);
}

/// What becomes of a handler's failure. Nobody waits for a connection alone, and the server goes on.
inline void end_of_connection(scheduler& home, std::exception_ptr failure) noexcept {
  try {
    std::rethrow_exception(failure);
  } catch (stopped const&) {
    // With the server, or because somebody has closed the connection.
  } catch (std::system_error const& e) {
    if (!peer_has_gone(e.code())) home.report(std::move(failure));
  } catch (...) {
    home.report(std::move(failure));
  }
}

/// The connections of a server, each of which is the frame of its handler and nothing else. Outlives the scope.
class served : public frames {
 public:
  served(connection_limit& limit, scheduler& home) noexcept : frames(&served::one_ended), limit_(limit), home_(home) {}

  /// Before the first is started, and not again: children read it on other threads.
  void begin(scope& connections) noexcept { scope_ = &connections; }

  /// Throws std::bad_alloc; then nobody leaves the limit.
  template <class Handler, class Connection>
  void start(Handler& handler, Connection&& connection) {
    scope_access::spawn(*scope_, *this, std::ref(handler), std::move(connection));
  }

 private:
  static void one_ended(frames& f, std::exception_ptr failure) noexcept {
    auto& me = static_cast<served&>(f);
    if (failure) end_of_connection(me.home_, std::move(failure));
    me.limit_.leave();
    scope_access::child_ended(*me.scope_);  // Past here me may be gone.
  }

  connection_limit& limit_;
  scheduler& home_;
  scope* scope_ = nullptr;  // set before the first has begun
};

/// A connection whose handler does not stand alone: it refers to what it was given, say, or is no task<>.
template <class Connection, class Handler>
task<> serve_one(connection_limit& limit, Handler& handler, Connection connection) {
  scope_exit const leave([&limit] { limit.leave(); });
  std::exception_ptr failure;
  try {
    auto operation = std::invoke(handler, std::move(connection));
    co_await std::move(operation);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) end_of_connection(current_worker()->home, std::move(failure));
}

template <class Listener, class Handler>
task<> accept_all(Listener& listener, Handler& handler, connection_limit& limit, served& all, scope& connections) {
  using namespace std::chrono_literals;
  auto pause = 5ms;
  all.begin(connections);
  for (;;) {
    co_await limit.enter();
    bool handed_over = false, short_of_something = false;
    scope_exit const leave([&] {
      if (!handed_over) limit.leave();
    });
    try {
      auto connection = co_await listener.accept();
      if constexpr (stands_alone<std::reference_wrapper<Handler>, connection_of<Listener>>) {
        all.start(handler, std::move(connection));
      } else {
        auto one = serve_one(limit, handler, std::move(connection));  // here, where a shortage of memory is caught
        connections.spawn(std::move(one));
      }
      handed_over = true;
      pause = 5ms;
    } catch (std::system_error const& e) {
      if (!is_shortage(e.code())) throw;
      short_of_something = true;
    } catch (std::bad_alloc const&) {
      short_of_something = true;  // what was accepted is closed
    }
    if (!short_of_something) continue;
    bool slept = false;
    try {
      co_await sleep_for(pause);
      slept = true;
    } catch (std::bad_alloc const&) {
    }
    if (!slept) co_await this_task::checkpoint();  // no memory for a timer either: others may give some back
    pause = std::min(2 * pause, 1000ms);
  }
}

template <class Listener, class Handler>
task<> serve_all(Listener listener, Handler handler, serve_options options) {
  std::unwrap_reference_t<Handler>& callable = handler;
  connection_limit limit(options.max_connections);
  served all(limit, current_worker()->home);
  bool closed = false;
  auto body = [&](scope& connections) -> task<> {
    try {
      co_await accept_all(listener, callable, limit, all, connections);
    } catch (stopped const&) {
      closed = !this_task::stop_token().stop_requested();
      if (!closed) throw;
    }
  };
  auto operation = with_scope(std::ref(body));
  co_await std::move(operation);
}

}  // namespace detail

/// co_await serve(listener, [](tcp_stream s) -> task<> { … }, {.max_connections = 1000});
///   completes   when the listener has been closed and the handlers have ended: close() it to let a server run out
///   on error    throws what accept threw. Not for want of descriptors or memory: then it waits, up to a second at a time, and goes on. What a
///               handler throws goes to the pool's failure handler, unless it says no more than that a peer has gone (ECONNRESET, EPIPE,
///               ETIMEDOUT), and the server goes on
///   on stop     accepts no more, stops the handlers, and completes as stopped when they have ended
///   resumes on  the pool it was awaited on
/// A listener given as an lvalue is borrowed, one that is moved in ends with the server. The handler (std::ref to
/// borrow) is kept until all has ended, and is called by several tasks at the same time.
template <class Listener, class Handler>
  requires detail::accepts_connections<std::remove_reference_t<Listener>> &&
           waiting<std::decay_t<Handler>&, detail::connection_of<std::remove_reference_t<Listener>>>
[[nodiscard]] task<> serve(Listener&& listener, Handler&& handler, serve_options options = {}) {
  return detail::serve_all<Listener, std::decay_t<Handler>>(std::forward<Listener>(listener),
                                                            std::forward<Handler>(handler), options);
}

}  // namespace weft
