// One program again and again, each time with the next thing failing.
#pragma once

#include "fault/operations.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/time/sleep.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>

namespace weft_test {

/// How a program has ended.
enum class came_out { nothing, value, no_memory, system_error, planted, stopped, wrong };

/// Of the exception that is being handled. What is wrong is said, as far as there is memory for it.
inline came_out what_came_out(std::string& said, int* error = nullptr) noexcept {
  auto const say = [&said](char const* what) { said.assign(what, std::min(std::strlen(what), said.capacity())); };
  try {
    throw;
  } catch (std::bad_alloc const&) {
    return came_out::no_memory;
  } catch (std::system_error const& e) {
    say(e.what());
    if (error) *error = e.code().value();
    return came_out::system_error;
  } catch (planted const&) {
    return came_out::planted;
  } catch (weft::stopped const&) {
    return came_out::stopped;
  } catch (std::exception const& e) {
    say(e.what());
    return came_out::wrong;
  } catch (...) {
    say("something that is no std::exception");
    return came_out::wrong;
  }
}

/// What is being tried: said where a program ends this one, by an exception that cannot get out or by a failed assertion.
class attempt {
 public:
  attempt(char const* kind, std::string_view names, std::int64_t nth, unsigned variant) noexcept
      : kind_(kind), names_(names), nth_(nth), variant_(variant) {
    current_ = this;
    static auto const before = std::set_terminate(&attempt::end);
    before_ = before;
  }
  attempt(attempt const&) = delete;
  attempt& operator=(attempt const&) = delete;
  ~attempt() { current_ = nullptr; }

  [[nodiscard]] std::string text() const {
    return std::string(kind_) + " " + std::to_string(nth_) + ", variant " + std::to_string(variant_) + ", of " +
           std::string(names_);
  }
  static void report() noexcept {
    if (attempt const* const a = current_)
      std::fprintf(stderr, "tried: %s %lld, variant %u, of %.*s\n", a->kind_, static_cast<long long>(a->nth_),
                   a->variant_, static_cast<int>(a->names_.size()), a->names_.data());
  }

 private:
  [[noreturn]] static void end() {
    report();
    if (before_) before_();
    std::abort();
  }
  static inline attempt const* current_ = nullptr;
  static inline std::terminate_handler before_ = nullptr;
  char const* const kind_;
  std::string_view const names_;
  std::int64_t const nth_;
  unsigned const variant_;
};

/// Does the pool that it runs on still do all that a pool does?
inline weft::task<> check_pool() {
  auto later = [](int v) -> weft::task<int> {
    co_await weft::this_task::yield();
    co_return v;
  };
  auto a = weft::spawn(later, 1), b = weft::spawn(later, 2);
  co_await weft::sleep_for(std::chrono::microseconds(1));
  int const sum = co_await std::move(a) + co_await std::move(b) + co_await weft::blocking([] { return 4; });
  must(sum == 7, "the pool does not work any more");
}

/// Rows of a table that is printed when it is complete.
class table {
 public:
  explicit table(char const* title) : title_(title) {}
  void row(std::string_view names, std::int64_t points) {
    std::printf("%-12s %6lld  %.*s\n", title_, static_cast<long long>(points), static_cast<int>(names.size()),
                names.data());
    ++rows_;
    points_ += points;
  }
  ~table() {
    std::printf("%-12s %6lld  points of %d operations, 100 %%\n", title_, static_cast<long long>(points_), rows_);
  }
  table(table const&) = delete;
  table& operator=(table const&) = delete;

 private:
  char const* const title_;
  int rows_ = 0;
  std::int64_t points_ = 0;
};

}  // namespace weft_test
