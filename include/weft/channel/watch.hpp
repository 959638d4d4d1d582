// watch<T>: a value that changes, and tasks that want to know its latest state, not each step on the way.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/channel/news.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

namespace weft {

/// A value, and news of it: settings, a state of health, progress. Any thread. Destroyed before its subscriptions, it asserts.
template <class T>
  requires std::copy_constructible<T>
class watch : detail::pinned {
 public:
  using value_type = T;
  class subscription;

  explicit watch(T initial = T()) : value_(std::move(initial)) {}
  ~watch() { WEFT_ASSERT(subscriptions_ == 0, "a watch is destroyed before its subscriptions"); }

  /// Puts v in place of what was there, and tells everybody. After a close too, though nobody is told any more.
  void set(T v) {
    update([&v](T& value) { value = std::move(v); });
  }

  /// f(value) changes it in place; nobody sees it meanwhile, so f is short. If f throws, nobody is told.
  template <std::invocable<T&> F>
  void update(F&& f) {
    news_.publish([&] {
      std::invoke(std::forward<F>(f), value_);
      ++version_;
    });
  }

  /// A copy of the value as it is now.
  [[nodiscard]] T get() const {
    return news_.look([this] { return T(value_); });
  }

  /// There will be no more news.
  void close() noexcept {
    news_.publish([this] { closed_ = true; });
  }

  /// Knows the value as it is now: the next change is news. With seen::nothing the value itself is.
  enum class seen { current, nothing };
  [[nodiscard]] subscription subscribe(seen s = seen::current) noexcept { return subscription(*this, s); }

  [[nodiscard]] std::size_t subscriptions() const noexcept {
    return news_.look([this] { return subscriptions_; });
  }

 private:
  detail::news news_;  // its lock guards the others
  T value_;
  std::uint64_t version_ = 1;
  std::size_t subscriptions_ = 0;
  bool closed_ = false;
};

/// What somebody has seen of a watch. One task at a time; movable while nobody waits in it.
template <class T>
  requires std::copy_constructible<T>
class [[nodiscard]] watch<T>::subscription {
 public:
  subscription(subscription&& other) noexcept : from_(std::exchange(other.from_, nullptr)), seen_(other.seen_) {}
  subscription& operator=(subscription&&) = delete;
  ~subscription() {
    if (from_) from_->news_.look([this] { --from_->subscriptions_; });
  }

  /// std::optional<T> v = co_await s.receive();
  ///   completes   when the value has changed since it was seen last, or will not any more
  ///   result      a copy of the latest value; nothing: closed, and the latest has been seen
  ///   on error    throws what copying throws; the value counts as not seen
  ///   on stop     completes as stopped; the change is not lost to the next receive
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto receive() noexcept { return detail::news_operation<subscription>(*this); }

  /// The latest value, if it has not been seen. Never waits.
  [[nodiscard]] std::optional<T> try_receive() { return take(); }

  /// Whether there is something to receive, at some moment during the call.
  [[nodiscard]] bool has_changed() const noexcept {
    return from_->news_.look([this] { return seen_ != from_->version_; });
  }

 private:
  friend class watch;
  friend class detail::news_operation<subscription>;

  subscription(watch& w, seen s) noexcept : from_(&w) {
    w.news_.look([&] {
      ++w.subscriptions_;
      seen_ = s == seen::current ? w.version_ : 0;
    });
  }

  detail::news& source() const noexcept { return from_->news_; }
  bool is_new() const noexcept { return seen_ != from_->version_ || from_->closed_; }
  std::optional<T> take() {
    return from_->news_.look([this]() -> std::optional<T> {
      if (seen_ == from_->version_) return std::nullopt;
      std::optional<T> v(from_->value_);
      seen_ = from_->version_;
      return v;
    });
  }

  watch* from_;
  std::uint64_t seen_ = 0;
};

}  // namespace weft
