// oneshot<T>: one message, from whoever has the answer to whoever waits for it.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/channel/channel.hpp>
#include <weft/concurrent/spin_lock.hpp>
#include <weft/sync/waiter.hpp>

#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>

namespace weft {

/// Room for one message, on the way from one task to another. Unlike a promise and its future it lives where it is declared and
/// allocates nothing, its receiver can be selected on and stopped as often as wanted, and its sender learns that nobody wants the message
/// any more. Any thread. Destroyed while somebody waits in it, it asserts; it may be destroyed as soon as the message has arrived.
template <class T>
class oneshot : detail::pinned {
  static_assert(message<T>, "oneshot<T> carries an object whose move constructor does not throw");

 public:
  using value_type = T;

  oneshot() noexcept = default;
  ~oneshot() { WEFT_ASSERT(receivers_.empty() && senders_.empty(), "a oneshot is destroyed while tasks wait in it"); }

  /// Sends the message, once. True: it can be received. False: the oneshot is closed; v is as it was. Never waits.
  [[nodiscard]] bool send(T&& v) noexcept {
    detail::waiter_queue told;
    {
      detail::spin_lock const locked(lock_);
      if (phase_ == phase::closed) return false;
      WEFT_ASSERT(phase_ == phase::open, "a oneshot carries one message: this one has been sent already");
      if (detail::waiter* const receiver = receivers_.pop_claimed()) {
        static_cast<receiving&>(*receiver).into->emplace(std::move(v));
        phase_ = phase::received;
        told.push_back(receiver);
      } else {
        message_.emplace(std::move(v));
        phase_ = phase::sent;
      }
      receivers_.claim_all(told);  // there is no second message for them
      senders_.claim_all(told);
    }
    told.fire_all();  // Past here *this may be gone.
    return true;
  }
  [[nodiscard]] bool send(T const& v)
    requires std::copy_constructible<T>
  {
    return send(T(v));
  }

  /// std::optional<T> v = co_await o.receive();
  ///   completes   when the message is there, or there will be none
  ///   result      the message; nothing: closed without one, or it has been received before
  ///   on error    never fails
  ///   on stop     leaves, and completes as stopped; the message stays for another receive, unless it was handed over before
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto receive() noexcept { return receive_operation(*this); }

  /// The message, if it is there. Never waits.
  [[nodiscard]] std::optional<T> try_receive() noexcept {
    std::optional<T> v;
    detail::spin_lock const locked(lock_);
    take(v);
    return v;
  }

  /// By either side: there will be no message, or nobody wants it. One that was sent before stays. Any number of times.
  void close() noexcept {
    detail::waiter_queue told;
    {
      detail::spin_lock const locked(lock_);
      if (phase_ == phase::open) phase_ = phase::closed;
      senders_.claim_all(told);
      receivers_.claim_all(told);
    }
    told.fire_all();  // Past here *this may be gone.
  }

  /// co_await o.closed();        for the sender, who can spare itself the work
  ///   completes   when o is closed, or the message has been sent
  ///   on error    never fails
  ///   on stop     leaves, and completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto closed() noexcept { return closed_operation(*this); }

  /// Closed without a message, at some moment during the call.
  [[nodiscard]] bool is_closed() const noexcept {
    detail::spin_lock const locked(lock_);
    return phase_ == phase::closed;
  }

 private:
  enum class phase : std::uint8_t { open, sent, received, closed };

  struct receiving : detail::waiter {
    using waiter::waiter;
    std::optional<T>* into = nullptr;
  };

  // With lock_. False: there may still be a message.
  bool take(std::optional<T>& into) noexcept {
    if (phase_ == phase::sent) {
      into.emplace(std::move(*message_));
      message_.reset();
      phase_ = phase::received;
    }
    return phase_ != phase::open;
  }

  void leave(detail::waiter_queue& queue, detail::waiter& w) noexcept {
    detail::spin_lock const locked(lock_);
    queue.leave(w);
  }

  class [[nodiscard]] receive_operation : public detail::waitable_operation<receive_operation> {
   public:
    using node = receiving;
    explicit receive_operation(oneshot& o) noexcept : oneshot_(&o) {}
    bool try_complete() noexcept {
      detail::spin_lock const locked(oneshot_->lock_);
      return oneshot_->take(message_);
    }
    detail::enqueued enqueue(node& n) noexcept {
      n.into = &message_;
      detail::spin_lock const locked(oneshot_->lock_);
      if (oneshot_->phase_ == phase::open) {
        oneshot_->receivers_.push_back(&n);
        return detail::enqueued::waits;
      }
      if (!n.claim()) return detail::enqueued::lost;
      oneshot_->take(message_);
      return detail::enqueued::completed;
    }
    detail::left withdraw(node& n) noexcept {
      oneshot_->leave(oneshot_->receivers_, n);
      return detail::left::now;
    }
    [[nodiscard]] std::optional<T> take() noexcept { return std::exchange(message_, std::nullopt); }

   private:
    oneshot* oneshot_;
    std::optional<T> message_;
  };

  class [[nodiscard]] closed_operation : public detail::waitable_operation<closed_operation> {
   public:
    using node = detail::waiter;
    explicit closed_operation(oneshot& o) noexcept : oneshot_(&o) {}
    bool try_complete() noexcept {
      detail::spin_lock const locked(oneshot_->lock_);
      return oneshot_->phase_ != phase::open;
    }
    detail::enqueued enqueue(node& n) noexcept {
      detail::spin_lock const locked(oneshot_->lock_);
      if (oneshot_->phase_ != phase::open) return n.claim() ? detail::enqueued::completed : detail::enqueued::lost;
      oneshot_->senders_.push_back(&n);
      return detail::enqueued::waits;
    }
    detail::left withdraw(node& n) noexcept {
      oneshot_->leave(oneshot_->senders_, n);
      return detail::left::now;
    }
    void take() const noexcept {}

   private:
    oneshot* oneshot_;
  };

  mutable detail::spin_mutex lock_;
  phase phase_ = phase::open;                 // guarded by lock_
  std::optional<T> message_;                  // guarded by lock_
  detail::waiter_queue receivers_, senders_;  // guarded by lock_; senders: those who wait for the close
};

}  // namespace weft
