// The memory orders of the program, by the place where each is written: which there are, and one of them weakened at run time.
#pragma once

#include <cstdint>
#include <model/policy.hpp>
#include <string>
#include <vector>

namespace weft_model {

enum class operation { load, store, update, failed_exchange };

/// One order at one place.
struct order_site {
  std::string file;  // its last two names
  std::uint32_t line = 0, column = 0;
  operation what = operation::load;
  std::memory_order order = std::memory_order_relaxed;

  friend auto operator<=>(order_site const&, order_site const&) = default;
};

/// "concurrent/parking.hpp:35:14 update release"
[[nodiscard]] std::string print(order_site const& s);

[[nodiscard]] char const* name_of(std::memory_order o) noexcept;

/// The next weaker orders that an operation may have; none for relaxed.
[[nodiscard]] std::vector<std::memory_order> weaker(operation what, std::memory_order order);

/// One at a time; the explorer passes every order through it.
class order_table {
 public:
  static order_table& the() noexcept { return the_one_; }

  /// Notes each order from here on, or no longer.
  void collect(bool on) noexcept { collecting_ = on, busy_ = on || weakened_; }
  /// What was noted, in order of place; forgotten then.
  [[nodiscard]] std::vector<order_site> take();

  void weaken(order_site const& site, std::memory_order to);
  void restore() noexcept { weakened_ = false, busy_ = collecting_; }
  /// What was weakened, if that is so now.
  [[nodiscard]] order_site const* weakened() const noexcept { return weakened_ ? &site_ : nullptr; }
  /// Whether the last order passed was that one.
  [[nodiscard]] bool at_weakened() const noexcept { return matched_; }

  [[nodiscard]] std::memory_order pass(operation what, std::memory_order order, where const& w) {
    return busy_ ? look(what, order, w) : order;
  }

 private:
  std::memory_order look(operation what, std::memory_order order, where const& w);

  static order_table the_one_;

  bool busy_ = false, collecting_ = false, weakened_ = false, matched_ = false;
  std::vector<order_site> seen_;
  order_site site_;
  std::memory_order to_ = std::memory_order_relaxed;
};

}  // namespace weft_model
