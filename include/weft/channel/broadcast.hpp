// broadcast<T>: every subscription gets every message; who is too slow learns how many it has missed.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/channel/news.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// Sends each message to all who have subscribed before. Sending never waits: the last `capacity` messages are kept, and a subscription
/// that is further behind loses the oldest and counts them. Any thread. Destroyed before its subscriptions, it asserts.
template <class T>
  requires std::copy_constructible<T>
class broadcast : detail::pinned {
 public:
  using value_type = T;
  class subscription;

  /// capacity: at least 1. Allocates room for as many. Throws std::bad_alloc.
  template <std::integral Integer>
  explicit broadcast(Integer capacity) : kept_(checked(capacity) + spare) {}
  ~broadcast() { WEFT_ASSERT(subscriptions_ == 0, "a broadcast is destroyed before its subscriptions"); }

  /// How many subscriptions it goes to. 0: nobody, or closed; then it is not kept either. Never waits. Cost: a move, and a wake-up for
  /// each who waits. Throws what moving throws: then nobody gets the message, and nothing else is lost.
  std::size_t send(T v) {
    std::size_t receivers = 0;
    news_.publish([&] {
      if (closed_ || subscriptions_ == 0) return;
      kept_[static_cast<std::size_t>(sent_ % kept_.size())].emplace(std::move(v));
      ++sent_;
      receivers = subscriptions_;
    });
    return receivers;
  }

  /// Nothing more is sent; what was sent before can be received.
  void close() noexcept {
    news_.publish([this] { closed_ = true; });
  }

  /// Gets what is sent from now on.
  [[nodiscard]] subscription subscribe() noexcept { return subscription(*this); }

  [[nodiscard]] std::size_t subscriptions() const noexcept {
    return news_.look([this] { return subscriptions_; });
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return kept_.size() - spare; }

 private:
  // A message whose move fails takes the place of one that nobody can receive any more.
  static constexpr std::size_t spare = std::is_nothrow_move_constructible_v<T> ? 0 : 1;

  static std::size_t checked(std::integral auto capacity) noexcept {
    WEFT_ASSERT(std::cmp_greater(capacity, 0), "a broadcast keeps at least one message");
    return static_cast<std::size_t>(capacity);
  }

  detail::news news_;                   // its lock guards the others
  std::vector<std::optional<T>> kept_;  // message n at n % size
  std::uint64_t sent_ = 0;
  std::size_t subscriptions_ = 0;
  bool closed_ = false;
};

/// A place in the stream of messages. One task at a time; movable while nobody waits in it. Ends with its end.
template <class T>
  requires std::copy_constructible<T>
class [[nodiscard]] broadcast<T>::subscription {
 public:
  subscription(subscription&& other) noexcept
      : from_(std::exchange(other.from_, nullptr)), next_(other.next_), missed_(other.missed_) {}
  subscription& operator=(subscription&&) = delete;
  ~subscription() {
    if (from_) from_->news_.look([this] { --from_->subscriptions_; });
  }

  /// std::optional<T> v = co_await s.receive();
  ///   completes   when there is a message that s has not had, or there will be none
  ///   result      a copy of the oldest that is kept; nothing: closed, and all has been received
  ///   on error    throws what copying throws; the message can be received again
  ///   on stop     completes as stopped, and takes nothing
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto receive() noexcept { return detail::news_operation<subscription>(*this); }

  /// A message, if one is there. Never waits.
  [[nodiscard]] std::optional<T> try_receive() { return take(); }

  /// How many messages have been overwritten before this subscription received them, up to the last receive: more than after
  /// the one before means that there was a gap between these two.
  [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }

  /// Messages that are sent and not yet received, lost ones included.
  [[nodiscard]] std::uint64_t behind() const noexcept {
    return from_->news_.look([this] { return from_->sent_ - next_; });
  }

  /// Another that gets what is sent from now on.
  [[nodiscard]] subscription subscribe_again() const noexcept { return from_->subscribe(); }

 private:
  friend class broadcast;
  friend class detail::news_operation<subscription>;

  explicit subscription(broadcast& b) noexcept : from_(&b) {
    b.news_.look([this, &b] {
      ++b.subscriptions_;
      next_ = b.sent_;
    });
  }

  detail::news& source() const noexcept { return from_->news_; }
  bool is_new() const noexcept { return next_ != from_->sent_ || from_->closed_; }
  std::optional<T> take() {
    return from_->news_.look([this]() -> std::optional<T> {
      auto const kept = static_cast<std::uint64_t>(from_->capacity());
      if (from_->sent_ - next_ > kept) {
        missed_ += from_->sent_ - kept - next_;
        next_ = from_->sent_ - kept;
      }
      if (next_ == from_->sent_) return std::nullopt;
      std::optional<T> v(from_->kept_[static_cast<std::size_t>(next_ % from_->kept_.size())]);
      ++next_;
      return v;
    });
  }

  broadcast* from_;
  std::uint64_t next_ = 0;  // the message to be received next
  std::uint64_t missed_ = 0;
};

}  // namespace weft
