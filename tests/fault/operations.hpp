// The public operations of the library, each with a small program that uses it and checks what it gives. The tests beside this file run all of
// them again and again, and let something fail each time: another allocation, another call of a user's function, …
#pragma once

#include <weft/coro/task.hpp>

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string_view>

namespace weft_test {

/// What comes of a user's function that throws.
enum class thrown_in_a_callback {
  comes_out,    // of the program, whichever call it is
  may_be_spent  // in some: a retry tries again, a race has another runner, …
};

struct operation {
  std::string_view names;  ///< of the API, with blanks between
  weft::task<> (*program)();
  thrown_in_a_callback how = thrown_in_a_callback::comes_out;
};

std::span<operation const> operations();

/// Those that need the system.
std::span<operation const> system_operations();

/// What user_code throws.
struct planted : std::runtime_error {
  planted() : std::runtime_error("planted") {}
};

/// Each callable of a program begins with it: counts, and throws where that is planted. Any thread.
void user_code();

/// From here on the nth call of user_code throws, once; 0 is the next one; negative: none.
void plant(std::int64_t nth) noexcept;
/// Whether it came to that.
[[nodiscard]] bool has_thrown() noexcept;

/// A program's result is wrong otherwise.
inline void must(bool condition, char const* what) {
  if (!condition) throw std::logic_error(what);
}

}  // namespace weft_test
