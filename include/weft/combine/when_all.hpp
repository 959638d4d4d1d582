// when_all: wait for several things at once, and go on when all have ended.
#pragma once

#include <weft/base/results.hpp>
#include <weft/base/utility.hpp>
#include <weft/combine/sibling_pack.hpp>
#include <weft/combine/siblings.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/promise.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

/// What a sibling gave, in a group where nobody has failed.
template <class S>
[[gnu::always_inline]] inline decltype(auto) take_success(S& s) {
  if (s.has_failed()) __builtin_unreachable();
  return take_value(s);
}

template <class... X>
class [[nodiscard]] when_all_operation : public sibling_pack<decided_by::failure, X...> {
 public:
  using result = results<unit_if_void<result_of<X>>...>;
  using sibling_pack<decided_by::failure, X...>::sibling_pack;

  result await_resume() {
    if (this->group().decided()) [[unlikely]]
      throw_failure_of(this->group().decider());
    // g++ would else hand the results over in memory, by two stores and one load of both, which waits for them.
    return this->with_all([](auto&... s) __attribute__((always_inline)) { return result{take_success(s)...}; });
  }

 private:
  [[noreturn, gnu::noinline, gnu::cold]] void throw_failure_of(sibling* first) {
    std::rethrow_exception(this->with_one(first, [](auto& s, auto) { return s.take_failure(); }));
  }
};

/// Of a range. A coroutine that is alone in it is awaited as if by itself: there is nobody whom its failure would stop.
template <class X>
class when_all_range : public sibling_range<decided_by::failure, X> {
  using base = sibling_range<decided_by::failure, X>;
  using typename base::member;

 public:
  using base::base;

  template <weft_promise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
    if constexpr (member::is_coroutine)
      if (alone()) return (*this)[0].begin_alone(parent);
    return base::await_suspend(parent);
  }

 protected:
  void throw_if_failed() {
    if (alone()) {
      if ((*this)[0].has_failed()) [[unlikely]]
        throw_failure_of((*this)[0]);
    } else if (!this->empty() && this->group().decided()) [[unlikely]] {
      throw_failure_of((*this)[this->index_of(this->group().decider())]);
    }
  }

 private:
  [[nodiscard]] bool alone() const noexcept { return this->count() == 1; }

  [[noreturn, gnu::noinline, gnu::cold]] static void throw_failure_of(member& s) {
    std::rethrow_exception(s.take_failure());
  }
};

/// Reads the results of siblings that have not failed: once, in order. What a container needs to be made of them in one piece.
template <class Sibling>
class taken_results {
 public:
  using value_type = storable_t<typename Sibling::result>;
  using difference_type = std::ptrdiff_t;
  using iterator_category = std::random_access_iterator_tag;  // the number is known before
  using pointer = void;
  using reference = value_type;

  explicit taken_results(Sibling* at) noexcept : at_(at) {}
  value_type operator*() const { return take_success(*at_); }
  taken_results& operator++() noexcept {
    ++at_;
    return *this;
  }
  taken_results operator++(int) noexcept { return taken_results(at_++); }
  friend bool operator==(taken_results, taken_results) noexcept = default;
  friend difference_type operator-(taken_results a, taken_results b) noexcept { return a.at_ - b.at_; }

 private:
  Sibling* at_;
};

template <class X>
class [[nodiscard]] when_all_range_operation : public when_all_range<X> {
 public:
  using result = std::vector<storable_t<result_of<X>>>;
  using when_all_range<X>::when_all_range;

  result await_resume() {
    typename when_all_range<X>::ends_here const last{*this};
    this->throw_if_failed();
    using taken = taken_results<typename sibling_range<decided_by::failure, X>::member>;
    return result(taken(this->begin()), taken(this->end()));
  }
};

/// What a value and the results of a range are folded with.
template <class Op, class T, class X>
concept folds = std::movable<T> && std::is_invocable_r_v<T, Op&, T, unit_if_void<result_of<X>>>;

/// The same folded into one value.
template <class X, class T, class Op>
class [[nodiscard]] when_all_fold_operation : public when_all_range<X> {
 public:
  using result = T;

  template <range_of_work R>
  when_all_fold_operation(R&& range, T&& init, Op&& op)
      : when_all_range<X>(static_cast<R&&>(range)), init_(std::move(init)), op_(std::move(op)) {}

  result await_resume() {
    typename when_all_range<X>::ends_here const last{*this};
    this->throw_if_failed();
    T so_far = std::move(init_);
    for (auto* s = this->begin(); s != this->end(); ++s)
      so_far = static_cast<T>(std::invoke(op_, std::move(so_far), take_success(*s)));
    return so_far;
  }

 private:
  T init_;
  [[no_unique_address]] Op op_;
};

}  // namespace detail

/// co_await when_all(x...);             2 to 16 awaitables and callables, mixed freely; each is moved in
/// co_await when_all(range_of_x);       any number of one kind
/// co_await when_all(range_of_x, init, op);       the same, folded: when_all(tasks, 0, std::plus<>()) gives their sum
///   completes   when all have ended; the first begins here at once, the others here or on idle workers
///   result      results<…>, an aggregate: `auto [a, b] = co_await when_all(x, y);`, or a std::vector, in order; void is weft::unit,
///               and a reference stays one, in a vector as a std::reference_wrapper. Folded: op(op(init, first), second) and so on, in
///               order, by the awaiting task when all have ended. The children of a range are gone when it goes on, unless they give
///               references
///   on error    the first failure stops the others, and is thrown when all have ended; those that have not begun never do.
///               Where every failure matters: when_all_settled
///   on stop     goes on: the children inherit the stop, and their weft::stopped is the failure
///   resumes on  the worker of the last one to end
/// They may run at the same time, and may run one after the other: they wait for each other by co_await alone.
/// Cost: when nobody steals, no atomic read-modify-write and no allocation but the children's own frames; of a range the vector, which a
/// fold has not, and, where it has more than a few elements, one block for all. A range that knows its size is read once, as it is: of a view
/// that makes the tasks there is no vector before.
template <class... X>
  requires(sizeof...(X) >= 2) && (runnable<X> && ...)
[[nodiscard]] auto when_all(X... x) {
  static_assert(
      sizeof...(X) <= 16,
      "when_all takes 2 to 16 things at a time; for more, give a range: when_all(std::move(vector_of_tasks))");
  return detail::when_all_operation<X...>(std::move(x)...);
}

template <detail::range_of_work R>
[[nodiscard]] auto when_all(R&& range) {
  using x = std::ranges::range_value_t<R>;
  return detail::when_all_range_operation<x>(std::forward<R>(range));
}

template <detail::range_of_work R, class T, class Op>
  requires(!(runnable<R> && runnable<T> && runnable<Op>))
[[nodiscard]] auto when_all(R&& range, T init, Op op) {
  using x = std::ranges::range_value_t<R>;
  static_assert(detail::folds<Op, T, x>,
                "when_all(range, init, op): op is called with a value of init's type, which is moved in, and a result, "
                "and gives such a value");
  return detail::when_all_fold_operation<x, T, Op>(std::forward<R>(range), std::move(init), std::move(op));
}

}  // namespace weft
