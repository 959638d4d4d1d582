// The system says no: the calls that the library makes are answered by this program first, which can let one of them fail.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace weft_test {

/// Is the call not made then, or made, with its result thrown away? What is made has an effect that a program counts on, whatever it returned.
enum class refusal { instead, afterwards };

/// In the place of an error: the call succeeds, for one byte.
inline constexpr int short_count = -1;

/// What is to come of an error of a call.
struct system_call {
  std::string_view name;     ///< as in the headers; those of syscall() by their number's name, without SYS_
  std::vector<int> goes_on;  ///< errors after which the operation ends as if nothing had been
  std::vector<int>
      comes_out;  ///< errors that are thrown, as std::system_error with this code, where an operation finds no way around
  refusal how = refusal::instead;
  /// Not on every system, or not in every run.
  enum class made { always, sometimes } when = made::always;
};

/// Every one of them.
std::span<system_call const> system_calls();

/// Names with :: in front, in the headers, that are no rows, each with the reason.
struct no_system_call {
  std::string_view name, reason;
};
std::span<no_system_call const> no_system_calls();

/// In this scope the nth call of this name fails, on whatever thread; 0 is the next one, negative: none. One scope at a time.
class failing_call {
 public:
  failing_call(system_call const& call, int error, std::int64_t nth, std::int64_t count = 1) noexcept;
  ~failing_call();
  failing_call(failing_call const&) = delete;
  failing_call& operator=(failing_call const&) = delete;

  /// How many calls of this name there were.
  [[nodiscard]] std::int64_t seen() const noexcept;
};

/// In this scope the nth thread cannot be created, and those after it, `count` together; 0 is the next one. One scope at a time.
class refused_threads {
 public:
  refused_threads(std::int64_t nth, std::int64_t count) noexcept;
  ~refused_threads();
  refused_threads(refused_threads const&) = delete;
  refused_threads& operator=(refused_threads const&) = delete;

  /// Whether it came to that.
  [[nodiscard]] bool happened() const noexcept;
};

}  // namespace weft_test
