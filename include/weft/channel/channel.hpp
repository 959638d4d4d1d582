// channel<T>: messages from any number of senders to any number of receivers, in order, kept in between or handed over directly.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/channel/message_queue.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/spin_lock.hpp>
#include <weft/sync/waiter.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// What a channel carries: an object that is moved without failing, since a message that was taken from its sender must arrive.
template <class T>
concept message = std::is_object_v<T> && !std::is_const_v<T> && std::is_nothrow_move_constructible_v<T> &&
                  std::is_nothrow_destructible_v<T>;

namespace detail {
template <class T, class Held>
class send_operation;
template <class T>
class receive_operation;
}  // namespace detail

/// A queue of messages between tasks. First sent, first received; who has waited longest, be it to send or to receive, comes first.
/// Any thread. Allocates when it is made, room for `capacity` messages; an unbounded one while it grows. Destroyed while
/// somebody waits in it, it asserts; it may be destroyed as soon as the last message has arrived. What is still in it is destroyed.
/// Cost of a send or a receive that does not wait: one atomic operation and a move.
template <class T>
class channel : detail::pinned {
  static_assert(message<T>,
                "channel<T> carries objects whose move constructor does not throw: for a reference send a pointer or "
                "std::reference_wrapper, for nothing weft::unit");

 public:
  using value_type = T;

  /// capacity: messages that are kept while nobody receives them; a send beyond that waits. 0: each send waits until its message has
  /// been received (a rendezvous). weft::unbounded: no send waits. Throws std::bad_alloc.
  template <std::integral Integer = std::size_t>
  explicit channel(Integer capacity = 0) : messages_(checked(capacity)) {}
  ~channel() { WEFT_ASSERT(senders_.empty() && receivers_.empty(), "a channel is destroyed while tasks wait in it"); }

  /// bool sent = co_await c.send(v);
  ///   completes   when there is room for v behind those who came before, in a rendezvous when it is received, or when c is closed
  ///   result      true: v will be received, if anybody receives long enough. False: the channel is closed, v was not sent
  ///   on error    std::bad_alloc, where an unbounded channel finds no memory; v was not sent
  ///   on stop     leaves the queue, and completes as stopped: v was not sent; what was taken before the stop was sent, and says so
  ///   resumes on  the pool it was awaited on
  /// v is copied or moved into the operation, and goes with it if it is not sent. std::ref(v) borrows it: it is moved from if it is
  /// sent, and only then.
  [[nodiscard]] auto send(T&& v) noexcept { return detail::send_operation<T, T>(*this, std::move(v)); }
  [[nodiscard]] auto send(T const& v)
    requires std::copy_constructible<T>
  {
    return detail::send_operation<T, T>(*this, T(v));
  }
  // A template, so that a T alone does not become a reference to itself.
  template <std::same_as<std::reference_wrapper<T>> Borrowed>
  [[nodiscard]] auto send(Borrowed v) noexcept {
    return detail::send_operation<T, T*>(*this, &v.get());
  }

  /// std::optional<T> v = co_await c.receive();        while (auto v = co_await c.receive()) …
  ///   completes   when there is a message for this task, in order of arrival, or when there will be none any more
  ///   result      the message; nothing: the channel is closed, and all that was sent before has been received
  ///   on error    never fails
  ///   on stop     leaves the queue, takes nothing, and completes as stopped; a message that was handed over before the stop is
  ///               delivered
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto receive() noexcept { return detail::receive_operation<T>(*this); }

  /// Whether v was sent: if a receiver waits, or there is room. False: it would have to wait, or the channel is closed; v is
  /// as it was. Never waits. Throws std::bad_alloc, as send.
  [[nodiscard]] bool try_send(T&& v) { return try_send_now(v) == offered::taken; }
  [[nodiscard]] bool try_send(T const& v)
    requires std::copy_constructible<T>
  {
    T copy(v);
    return try_send_now(copy) == offered::taken;
  }

  /// A message, if one is there, or a sender waits. Nothing: it would have to wait, or the channel is closed. Never waits.
  [[nodiscard]] std::optional<T> try_receive() noexcept {
    std::optional<T> v;
    try_receive_now(v);
    return v;
  }

  /// Nothing more is sent: every send, of those who wait too, says false. What was sent before is still received, then every receive
  /// says that there is nothing. Any number of times.
  void close() noexcept;

  /// Whether close has been called, at some moment during the call; messages may be left.
  [[nodiscard]] bool is_closed() const noexcept {
    if ((state_.load(detail::memory_order_relaxed) & closed_bit) == 0) return false;
    detail::spin_lock const after_close(lock_);
    return true;
  }
  /// Messages that are kept, at some moment during the call.
  [[nodiscard]] std::size_t size() const noexcept {
    detail::spin_lock const locked(lock_);
    return messages_.size();
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return messages_.capacity(); }

 private:
  template <class, class>
  friend class detail::send_operation;
  friend class detail::receive_operation<T>;

  struct sending : detail::waiter {
    using waiter::waiter;
    T* message = nullptr;  // guarded by lock_; the winner's, once claimed
    bool* sent = nullptr;
  };
  struct receiving : detail::waiter {
    using waiter::waiter;
    std::optional<T>* into = nullptr;
  };

  //   messages_        senders_     receivers_    what a newcomer does
  //   none             nobody       may wait      send: hands over to the first receiver; none: keeps it, or waits if there is no room
  //   some, not full   nobody       nobody        send: keeps it; receive: takes the oldest
  //   full             may wait     nobody        receive: takes the oldest, moves the first sender's message in
  //   closed           nobody       nobody        send: false; receive: takes the oldest; none: nothing
  //
  // "Nobody" may be one whose task goes on with something else already, and who is about to leave. A rendezvous is empty and full at
  // once: a sender and a receiver that both wait in it are two cases of one select.
  //
  // Whoever gives, or takes, does both halves under lock_, and fires outside it. state_ is written with it, so that who finds nothing
  // there need not take the lock to learn it. Who finds it closed takes it all the same: so it has what the closer did before, and close has
  // let go of the lock, its last touch, before anybody is told and may destroy the channel.
  static constexpr std::uint32_t closed_bit = 1, message_bit = 2, room_bit = 4, sender_bit = 8, receiver_bit = 16;

  enum class offered { taken, closed, no_room };
  enum class got { message, end, nothing };

  static std::size_t checked(std::integral auto capacity) noexcept {
    WEFT_ASSERT(std::cmp_greater_equal(capacity, 0), "the capacity of a channel is not negative");
    return static_cast<std::size_t>(capacity);
  }

  // With lock_, after each change.
  void note_state() noexcept {
    std::uint32_t s = closed_ ? closed_bit : 0;
    if (!messages_.empty()) s |= message_bit;
    if (!messages_.full()) s |= room_bit;
    if (!senders_.empty()) s |= sender_bit;
    if (!receivers_.empty()) s |= receiver_bit;
    state_.store(s, detail::memory_order_relaxed);
  }
  // The same, where nothing has changed but that somebody waits, or one of them no longer does.
  void note_waiting(std::uint32_t bit) noexcept {
    WEFT_ASSERT(!closed_, "nobody waits at a closed channel");
    state_.store(state_.load(detail::memory_order_relaxed) | bit, detail::memory_order_relaxed);
  }
  void note_left(detail::waiter_queue& queue, std::uint32_t bit) noexcept {
    if (queue.empty()) state_.store(state_.load(detail::memory_order_relaxed) & ~bit, detail::memory_order_relaxed);
  }
  static void give(detail::waiter& to, T& message) noexcept {
    static_cast<receiving&>(to).into->emplace(std::move(message));
  }
  static void take(detail::waiter& from, std::optional<T>& into) noexcept {
    auto& s = static_cast<sending&>(from);
    into.emplace(std::move(*s.message));
    *s.sent = true;
  }

  // With lock_, of a queue that is not empty. Returns the sender whose message has moved in, to be fired.
  [[nodiscard]] detail::waiter* take_oldest(std::optional<T>& into) noexcept {
    into.emplace(messages_.pop());
    if (senders_.empty()) [[likely]]
      return nullptr;
    detail::waiter* const next = senders_.pop_claimed();
    if (next) {
      auto& s = static_cast<sending&>(*next);
      messages_.make_room();  // does not throw: nobody waits for room in an unbounded channel
      messages_.push(std::move(*s.message));
      *s.sent = true;
    }
    return next;
  }

  [[gnu::always_inline]] offered try_send_now(T& v) {
    auto const seen = state_.load(detail::memory_order_relaxed);
    return (seen & (receiver_bit | room_bit | closed_bit)) == 0 ? offered::no_room : send_locked(v);
  }
  [[gnu::noinline]] offered send_locked(T& v) {
    detail::waiter* receiver = nullptr;
    {
      detail::spin_lock const locked(lock_);
      if (closed_) return offered::closed;
      if (!receivers_.empty()) receiver = receivers_.pop_claimed();
      if (receiver) {
        give(*receiver, v);
        note_left(receivers_, receiver_bit);
      } else {
        if (messages_.full()) return offered::no_room;
        messages_.make_room();
        messages_.push(std::move(v));
        note_state();
      }
    }
    if (receiver) receiver->fire();  // Past here *this may be gone.
    return offered::taken;
  }

  [[gnu::always_inline]] got try_receive_now(std::optional<T>& v) noexcept {
    auto const seen = state_.load(detail::memory_order_relaxed);
    return (seen & (message_bit | sender_bit | closed_bit)) == 0 ? got::nothing : receive_locked(v);
  }
  [[gnu::noinline]] got receive_locked(std::optional<T>& v) noexcept {
    detail::waiter* sender = nullptr;
    {
      detail::spin_lock const locked(lock_);
      if (!messages_.empty()) {
        sender = take_oldest(v);
      } else {
        sender = senders_.pop_claimed();
        if (!sender) return closed_ ? got::end : got::nothing;
        take(*sender, v);
      }
      note_state();
    }
    if (sender) sender->fire();  // Past here *this may be gone.
    return got::message;
  }

  detail::enqueued enqueue(sending& mine);
  detail::enqueued enqueue(receiving& mine) noexcept;
  void leave(detail::waiter_queue& queue, detail::waiter& w) noexcept {
    detail::spin_lock const locked(lock_);
    if (queue.leave(w)) note_state();
  }

  mutable detail::spin_mutex lock_;
  bool closed_ = false;                       // guarded by lock_
  detail::message_queue<T> messages_;         // guarded by lock_
  detail::waiter_queue senders_, receivers_;  // guarded by lock_
  detail::atomic<std::uint32_t> state_{
      messages_.full() ? 0 : room_bit};  // what lock_ guards, at a glance; written with lock_
};

/// The cases of a select: on(receive(c), f), on(send(c, v), f). The same as the members.
template <class T>
[[nodiscard]] auto receive(channel<T>& c) noexcept {
  return c.receive();
}
template <class T, class V>
[[nodiscard]] auto send(channel<T>& c, V&& v) {
  return c.send(std::forward<V>(v));
}

template <class T>
detail::enqueued channel<T>::enqueue(sending& mine) {
  detail::waiter* receiver = nullptr;
  {
    detail::spin_lock const locked(lock_);
    if (closed_) return mine.claim() ? detail::enqueued::completed : detail::enqueued::lost;
    if (!receivers_.empty()) receiver = receivers_.pop_for(mine);
    if (receiver) {
      give(*receiver, *mine.message);
    } else if (mine.owner().claimed()) {
      return detail::enqueued::lost;
    } else if (messages_.full()) {
      if (!senders_.stand(mine)) return detail::enqueued::lost;
      note_waiting(sender_bit);
      return detail::enqueued::waits;
    } else {
      messages_.make_room();
      if (!mine.claim()) return detail::enqueued::lost;
      messages_.push(std::move(*mine.message));
    }
    *mine.sent = true;
    note_state();
  }
  if (receiver) receiver->fire();  // Past here *this may be gone.
  return detail::enqueued::completed;
}

template <class T>
detail::enqueued channel<T>::enqueue(receiving& mine) noexcept {
  detail::waiter* sender = nullptr;
  {
    detail::spin_lock const locked(lock_);
    if (!messages_.empty()) {
      if (!mine.claim()) return detail::enqueued::lost;
      sender = take_oldest(*mine.into);
    } else if (!senders_.empty() && (sender = senders_.pop_for(mine))) {
      take(*sender, *mine.into);
    } else if (mine.owner().claimed()) {
      return detail::enqueued::lost;
    } else if (closed_) {
      return mine.claim() ? detail::enqueued::completed : detail::enqueued::lost;
    } else {
      if (!receivers_.stand(mine)) return detail::enqueued::lost;
      note_waiting(receiver_bit);
      return detail::enqueued::waits;
    }
    note_state();
  }
  if (sender) sender->fire();  // Past here *this may be gone.
  return detail::enqueued::completed;
}

template <class T>
void channel<T>::close() noexcept {
  detail::waiter_queue told;
  {
    detail::spin_lock const locked(lock_);
    closed_ = true;
    senders_.claim_all(told);
    receivers_.claim_all(told);
    note_state();
  }
  told.fire_all();  // Past here *this may be gone.
}

namespace detail {

/// Held: the message, or a pointer to somebody else's.
template <class T, class Held>
class [[nodiscard]] send_operation : public waitable_operation<send_operation<T, Held>> {
 public:
  using node = typename channel<T>::sending;
  static constexpr bool can_wait_alone = true;

  send_operation(channel<T>& c, Held&& held) noexcept : channel_(&c), held_(std::move(held)) {}
  // One that has not begun: see receive_operation.
  send_operation(send_operation&& other) noexcept : channel_(other.channel_), held_(std::move(other.held_)) {}

  bool try_complete() {
    auto const said = channel_->try_send_now(message());
    sent_ = said == channel<T>::offered::taken;
    return said != channel<T>::offered::no_room;
  }
  enqueued enqueue(node& n) {
    n.message = &message();
    n.sent = &sent_;
    return channel_->enqueue(n);
  }
  left withdraw(node& n) noexcept {
    channel_->leave(channel_->senders_, n);
    return left::now;
  }
  [[nodiscard]] bool take() const noexcept { return sent_; }

 private:
  T& message() noexcept {
    if constexpr (std::is_same_v<Held, T>) return held_;
    else return *held_;
  }

  channel<T>* channel_;
  Held held_;
  bool sent_ = false;
};

template <class T>
class [[nodiscard]] receive_operation : public waitable_operation<receive_operation<T>> {
 public:
  using node = typename channel<T>::receiving;
  static constexpr bool can_wait_alone = true;

  explicit receive_operation(channel<T>& c) noexcept : channel_(&c) {}
  // One that has not begun. It has nothing but its channel, and copying the rest, too, costs: a load that is wider than the stores before
  // it has to wait for them.
  receive_operation(receive_operation&& other) noexcept : channel_(other.channel_) {}

  bool try_complete() noexcept { return channel_->try_receive_now(message_) != channel<T>::got::nothing; }
  enqueued enqueue(node& n) noexcept {
    n.into = &message_;
    return channel_->enqueue(n);
  }
  left withdraw(node& n) noexcept {
    channel_->leave(channel_->receivers_, n);
    return left::now;
  }
  [[nodiscard]] std::optional<T> take() noexcept {
    if (!message_) return std::nullopt;
    scope_exit const forget([this] { message_.reset(); });
    return std::move(*message_);
  }

 private:
  channel<T>* channel_;
  std::optional<T> message_;
};

}  // namespace detail
}  // namespace weft
