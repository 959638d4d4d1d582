// How schedules are chosen: at random, by priorities, all within limits, or as a string says.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <model/explorer.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace weft_model {

/// xorshift64*.
class dice {
 public:
  explicit dice(std::uint64_t seed) noexcept : state_(seed * 0x9E3779B97F4A7C15u + 0x2545F4914F6CDD1Du) {
    if (state_ == 0) state_ = 1;
  }
  unsigned below(unsigned bound) noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<unsigned>(((state_ * 0x2545F4914F6CDD1Du >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

/// Each execution with rates of its own for preemptions and for old values: some nearly in order, some wild.
class random_walk final : public strategy {
 public:
  explicit random_walk(std::uint64_t seed) noexcept : dice_(seed) {}
  void begin() override;
  unsigned choose(question what, unsigned alternatives) override;
  bool focused() override;
  bool next() override { return true; }

 private:
  dice dice_;
  std::array<unsigned, 7> rate_{};  // of the other alternatives, in 256
};

/// Priorities, lowered at a few random steps: an error that needs d such orders is found with probability at least 1 / (n k^(d-1)), n
/// threads, k steps (Burckhardt and others, "A randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010).
class by_priority final : public strategy {
 public:
  explicit by_priority(std::uint64_t seed) noexcept : dice_(seed) {}
  void begin() override;
  unsigned choose(question what, unsigned alternatives) override;
  unsigned choose_thread(question what, unsigned const* threads, unsigned count) override;
  bool focused() override;
  bool next() override { return true; }

 private:
  dice dice_;
  std::array<unsigned, most_threads> priority_{};
  std::array<unsigned, 3> changes_{};
  unsigned step_ = 0, longest_ = 16, lowest_ = 0, old_values_ = 0;
};

/// Depth first, all there is within the limits.
class exhaustive final : public strategy {
 public:
  static constexpr unsigned no_limit = ~0u;
  explicit exhaustive(limits within) noexcept : within_(within) {}
  void begin() override { at_ = preemptions_ = deviations_ = 0; }
  bool focused() override { return focus_; }
  void focus() noexcept { focus_ = true; }
  unsigned choose(question what, unsigned alternatives) override;
  bool next() override;

 private:
  struct branch {
    question what;
    unsigned alternatives;
    unsigned chosen;
  };
  unsigned& counter(question what) noexcept { return what == question::preemption ? preemptions_ : deviations_; }
  [[nodiscard]] unsigned limit(question what) const noexcept {
    return what == question::preemption ? within_.preemptions : within_.deviations;
  }

  limits within_;
  bool focus_ = false;
  std::vector<branch> path_;
  std::size_t at_ = 0;
  unsigned preemptions_ = 0, deviations_ = 0;
};

/// The plain alternative everywhere, but for some places.
class replay final : public strategy {
 public:
  using choices = std::map<unsigned, unsigned>;  // the how manieth answer, and what
  explicit replay(choices c) : choices_(std::move(c)) {}

  /// "12=1.30=2"; "-" for none.
  static std::string print(choices const& c);
  static choices parse(std::string_view text);
  static choices of(std::vector<answer> const& answers);

  void begin() override { at_ = 0; }
  unsigned choose(question what, unsigned alternatives) override;
  bool next() override { return false; }

 private:
  choices choices_;
  unsigned at_ = 0;
};

}  // namespace weft_model
