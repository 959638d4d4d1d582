// operation_of: what select waits for, where it is not an operation of sync/ itself: a sleep, a tick, a future. Each says how it is asked, enqueued
// and withdrawn again without loss.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/future/future.hpp>
#include <weft/future/shared_future.hpp>
#include <weft/sync/waiter.hpp>
#include <weft/time/interval.hpp>
#include <weft/time/sleep.hpp>

#include <cstdint>
#include <stdexcept>
#include <utility>

namespace weft::detail {

/// What an awaitable is waited for by: an operation (sync/waiter.hpp). Specialised for what is not an operation itself.
template <class A>
struct operation_of;

template <selectable Op>
struct operation_of<Op> {
  using type = Op;
};

/// An operation that stays where it is: one that has lost can be selected on again.
template <selectable Op>
struct operation_of<Op&> {
  class type {
   public:
    using node = typename Op::node;
    explicit type(Op& op) noexcept : op_(&op) {}
    bool try_complete() { return op_->try_complete(); }
    enqueued enqueue(node& n) { return op_->enqueue(n); }
    left withdraw(node& n) noexcept { return op_->withdraw(n); }
    decltype(auto) take() { return op_->take(); }
    void give_back() noexcept {
      if constexpr (can_give_back<Op>) op_->give_back();
    }

   private:
    Op* op_;
  };
};

/// A sleep: its timer is a late one, once it has been taken from its wheel.
class sleep_case {
 public:
  struct node : waiter, timer {
    explicit node(selection& s) noexcept : waiter(s), timer({}, &node::time_is_up) {}

   private:
    static void time_is_up(timer& t, worker&) noexcept {
      auto& me = static_cast<node&>(t);
      if (me.claim()) me.waiter::fire();
      else me.owner().came_too_late();  // Past here t may be gone.
    }
  };

  explicit sleep_case(sleep_operation const& s) noexcept : until_(s.until()) {}
  bool try_complete() const noexcept { return until_ <= clock::now(); }
  enqueued enqueue(node& n) {
    scheduler& home = *n.owner().ambient->home;
    timers_ = &timers_of(home);
    n.deadline = until_;
    if (timers_->add(*current_worker(), n)) home.deadline_moved();
    return enqueued::waits;
  }
  left withdraw(node& n) noexcept { return timers_->remove(n) ? left::now : left::later; }
  void take() const noexcept {}

 private:
  clock::time_point until_;
  timer_service* timers_ = nullptr;
};

template <>
struct operation_of<sleep_operation> {
  using type = sleep_case;
};
template <>
struct operation_of<sleep_operation&> {
  using type = sleep_case;
};
template <>
struct operation_of<sleep_operation const&> {
  using type = sleep_case;
};

/// A tick of an interval: a sleep that counts, where it wins.
class tick_case : public sleep_case {
 public:
  explicit tick_case(tick_operation const& t) noexcept
      : sleep_case(sleep_operation(t.schedule().next())), schedule_(&t.schedule()) {}
  std::uint64_t take() const noexcept { return schedule_->take(clock::now()); }

 private:
  tick_schedule* schedule_;
};

template <>
struct operation_of<tick_operation> {
  using type = tick_case;
};
template <>
struct operation_of<tick_operation&> {
  using type = tick_case;
};
template <>
struct operation_of<tick_operation const&> {
  using type = tick_case;
};

/// A future, kept (Future is future<T>) or borrowed (future<T>&): it is consumed if it wins. Of several cases of one select that borrow the
/// same future the first that is enqueued listens for all.
template <class T, class Future>
class future_case {
 public:
  struct node : waiter, listener {
    explicit node(selection& s) noexcept : waiter(s), listener(&node::is_ready) {}
    bool listens = false;

    // Is it another case of the same select?
    [[nodiscard]] bool is_sibling(listener const& other) const noexcept {
      return other.notify == this->notify && &static_cast<node const&>(other).owner() == &this->owner();
    }

   private:
    static void is_ready(listener* l) noexcept {
      auto& me = *static_cast<node*>(l);
      if (me.claim()) me.fire();
      else me.owner().came_too_late();  // Past here *l may be gone.
    }
  };

  explicit future_case(Future&& f) noexcept : future_(static_cast<Future&&>(f)) {}
  bool try_complete() const noexcept { return future_access::look<T>(future_)->ready(); }
  enqueued enqueue(node& n) {
    auto const& state = future_access::look<T>(future_);
    n.listens = state->attach(n);
    if (n.listens) return enqueued::waits;
    if (listener const* const other = state->listening()) {
      if (n.is_sibling(*other)) return enqueued::waits;
      throw std::logic_error("weft::select: somebody else waits for this future; several can wait for a shared_future");
    }
    return n.claim() ? enqueued::completed : enqueued::lost;
  }
  left withdraw(node& n) noexcept {
    return !n.listens || future_access::look<T>(future_)->detach(n) ? left::now : left::later;
  }
  T take() {
    auto const taken = future_access::take<T>(future_);
    return taken->result().take();
  }

 private:
  Future future_;
};

template <class T>
struct operation_of<future<T>> {
  using type = future_case<T, future<T>>;
};
template <class T>
struct operation_of<future<T>&> {
  using type = future_case<T, future<T>&>;
};

/// A shared future: it stays as it is, and every reader that wins gets the value where it stands.
template <class T>
class shared_future_case {
 public:
  struct node : waiter, shared_reader {
    explicit node(selection& s) noexcept : waiter(s), shared_reader(&node::wake) {}

   private:
    static void wake(shared_reader* r, among how) noexcept {
      auto& me = *static_cast<node*>(r);
      if (me.claim()) me.fire(how == among::one ? selection::among::one : selection::among::several);
      else me.owner().came_too_late();  // Past here *r may be gone.
    }
  };

  explicit shared_future_case(shared_future<T> f) noexcept : future_(std::move(f)) {}
  bool try_complete() const noexcept { return future_.ready(); }
  enqueued enqueue(node& n) noexcept {
    if (shared_access::look(future_).attach(n)) return enqueued::waits;
    return n.claim() ? enqueued::completed : enqueued::lost;
  }
  left withdraw(node& n) noexcept { return shared_access::look(future_).detach(n) ? left::now : left::later; }
  decltype(auto) take() { return shared_access::look(future_).read(); }

 private:
  shared_future<T> future_;
};

template <class T>
struct operation_of<shared_future<T>> {
  using type = shared_future_case<T>;
};
template <class T>
struct operation_of<shared_future<T>&> {
  using type = shared_future_case<T>;
};
template <class T>
struct operation_of<shared_future<T> const&> {
  using type = shared_future_case<T>;
};

/// What on() takes: A is deduced from a forwarding reference.
template <class A>
concept can_be_selected = requires { typename operation_of<A>::type; };

}  // namespace weft::detail
