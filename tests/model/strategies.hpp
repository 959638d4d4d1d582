// How schedules are chosen: at random, by priorities, all within limits, or as a string says.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <model/explorer.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
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

/// Depth first, all there is within the limits; of executions that are equivalent (see dependence.hpp) not each.
//
// At first the thread that has been running goes on, or else the next that is able. Where an execution has two steps, j before i, that depend on
// each other with nothing between that holds them in this order, the thread of i is tried in place of j: at that choice, where it costs a
// preemption if j's thread was in the middle of something; and at the choice at which j's thread began to run without a break, where it may
// cost none. If it is not able there, all that are able are tried. (Coons, Musuvathi, McKinley, "Bounded partial-order reduction", OOPSLA
// 2013; Flanagan, Godefroid, "Dynamic partial-order reduction for model checking software", POPL 2005.)
//
// Each execution E from a state s within the limits is then equivalent to one that is run. Let T be the threads tried at s. If E begins with one of
// T, this holds by induction. Else E = a t1..tm c: t the first of T to come in E; a without steps of T; t1..tm its steps until another takes over.
// 1. If they depend on nothing in a, t1..tm a c is equivalent, begins with one of T, and needs no more preemptions. t is not in the middle of
//    something at s: then to choose t costs what it costs to choose a's first, and a is left for c as it was for t1; where t was preempted after
//    tm for c, it is so now for a. Or it is: then t1 alone goes before a, and the preemption that was before t1 comes behind it.
// 2. Else let t run on from s without a break until it gives way, sleeps or ends (or for t1 alone, if it is in the middle of something), and then a.
//    That is within the limits, so one equivalent to it is run: after t's steps, as these are tried first wherever they can go on. There
//    the first in a that depends on one of them, of a thread p, makes p be tried at s, or all that are able; so p, or a's first, is in T, which a has no step of.
// The limit of deviations is kept by every exchange of neighbours, as old values and places are counted by object.
//
// Two beginnings of executions that are equivalent and have used as much of the limits lead to the same state, if nobody is in the middle of
// something: all that is behind the first is equivalent to what is behind the second. So it is run once; what was found there about
// steps of the beginning is said of the second one, too, where these steps may stand elsewhere. (Musuvathi, Qadeer, "Partial-order reduction for
// context-bounded state exploration", MSR-TR-2007-12.) The second is run to its end in the plain way.
class exhaustive final : public strategy {
 public:
  static constexpr unsigned no_limit = ~0u;
  enum class run { each, one_of_equivalent };

  explicit exhaustive(limits within, run how = run::one_of_equivalent) noexcept : within_(within), how_(how) {}
  void begin() override;
  bool focused() override { return focus_; }
  void focus() noexcept { focus_ = true; }
  [[nodiscard]] std::uint64_t class_name() const noexcept { return related_.class_name(); }

  dependence* relates() override { return &related_; }
  unsigned choose(question what, unsigned alternatives) override;
  unsigned choose_step(turn const& t) override;
  bool next() override;

 private:
  static constexpr unsigned nobody = ~0u;
  static constexpr std::uint32_t nowhere = ~0u;
  static constexpr std::size_t most_kept = std::size_t{1} << 19;  // words: all models have a search each in a long run

  struct branch {
    question what;       // thread: who takes the next step, and chosen is a thread
    std::uint32_t step;  // of the execution, by which all is as it was before
    unsigned alternatives = 0, chosen = 0;
    unsigned goes_on = nobody;                 // unless it is preempted
    unsigned able = 0, to_try = 0, tried = 0;  // a bit for each thread
    std::uint64_t name = 0;                    // of the state, where it is kept
    std::vector<std::uint64_t> reversed{};     // what was found from here on about steps before
  };

  unsigned* counter(branch const& b, unsigned chosen) noexcept;
  [[nodiscard]] bool affordable(branch const& b, unsigned chosen) noexcept;
  unsigned answer_at(std::size_t place) noexcept;
  void try_at(std::uint32_t place, unsigned thread) noexcept;
  bool another(branch& b) noexcept;
  void keep_found();
  void leave_branch();
  [[nodiscard]] std::uint64_t name_of_state() const noexcept;
  bool known_from_here();

  limits within_;
  run how_;
  bool focus_ = false;
  dependence related_;
  std::vector<branch> path_;
  std::size_t at_ = 0;
  unsigned preemptions_ = 0, deviations_ = 0;
  // Of each step of this execution the place in path_ where it was chosen, and where its thread began to run without a break.
  std::vector<std::array<std::uint32_t, 2>> chosen_at_;
  unsigned running_ = 0;
  std::uint32_t since_ = nowhere;
  std::uint32_t new_from_ = 0;  // the first step that is not as in the execution before
  // States from which all has been run, and what was found from there about the steps before: as event and thread.
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> known_;
  std::size_t kept_ = 0;
  bool known_now_ = false;  // this execution has come to such a state, and is run to its end without looking
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
