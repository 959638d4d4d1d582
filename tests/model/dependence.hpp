// Which steps of an execution may change places: the order that every equivalent execution keeps, and where the other order is another execution.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <model/clocks.hpp>
#include <vector>

namespace weft_model {

//   A step is what a thread does from the moment at which it is chosen until the next choice: one operation on an atomic, a futex or another
//   thread, and what is its own behind that. The clock that brings deadlines is a thread, too: a step of it wakes one sleeper.
//
//   Two steps of different threads depend on each other if both use one object and one of them changes it:
//
//   an atomic            a load and a compare-exchange that is refused use it; a store and an update change it
//   a futex's sleepers   to go to sleep, a wake-up and a deadline that comes change them
//   the deadlines        a deadline that comes changes them; to sleep until one, and to be woken before it, use them
//   the end of a thread  to end changes it, to join uses it
//   the threads' numbers  to start a thread changes them
//   the fences in S      a seq_cst fence changes them, every other seq_cst operation uses them
//
//   Two neighbours that do not depend on each other can change places: each reads what it read, every store keeps its place, and neither lets
//   the other go on or keeps it from that. So executions that differ by such changes alone are equivalent: they have the same outcome, the
//   same races and errors. A thread that gives way may go on once anybody has changed anything; going on, it uses nothing, so this orders nothing.
//   Of two seq_cst operations on two objects that both find an order S, each finds one in either order: memory::has_order asks whether
//   the whole of them has a cycle.

class dependence {
 public:
  /// The thread that brings deadlines.
  static constexpr unsigned clockwork = most_threads;

  enum class use { looks, changes };

  /// Two steps that depend on each other, with nothing between them that holds them in this order.
  struct reversible {
    std::uint32_t earlier;  // the step
    std::uint32_t step;     // the other
    unsigned later;         // its thread
  };

  /// An object; forgotten when the next execution begins.
  enum class shared : std::uint8_t { atomic, sleepers, end, deadlines, numbers, fences };

  void begin();
  /// From here on it is a step of that thread.
  void steps(unsigned thread);
  /// The running step uses an object.
  void uses(shared kind, std::uint32_t number, use how) { note(at(kind, number), running_, how); }
  /// The clockwork could take a step now, and not after it what the running step does; or another one.
  void forestalls_deadline() { found(step_, clockwork); }
  /// What `thread` does next comes after all that `other` has done.
  void follows(unsigned thread, unsigned other) noexcept { past_[thread].join(past_[other]); }

  /// Virtual time as the thread knows it: two who do not depend on each other do not see how often the other has looked.
  [[nodiscard]] std::int64_t& time_of(unsigned thread) noexcept { return past_[thread].time; }

  [[nodiscard]] std::uint32_t step() const noexcept { return step_; }
  /// Those whose later step is not before this one are noted.
  void note_from(std::uint32_t step) noexcept { from_ = step; }
  [[nodiscard]] std::vector<reversible> const& found() const noexcept { return found_; }

  /// A step by what is the same in equivalent executions.
  struct event {
    unsigned thread;
    std::uint32_t place;  // among the steps of its thread
  };
  [[nodiscard]] event event_of(std::uint32_t step) const noexcept { return {by_[step], place_[step]}; }
  [[nodiscard]] std::uint32_t step_of(event e) const noexcept { return steps_of_[e.thread][e.place]; }

  /// The same for equivalent beginnings of an execution, and else different but by chance.
  [[nodiscard]] std::uint64_t class_name() const noexcept { return name_ + name_of_step(); }
  /// An alternative that the running step has taken.
  void takes(unsigned question, unsigned chosen) noexcept { taken_ = taken_ * 31 + question * 16 + chosen + 1; }

 private:
  static constexpr unsigned everybody = most_threads + 1;

  /// What comes before: of each thread the last step.
  struct past {
    std::array<std::uint32_t, everybody> last{};
    std::int64_t time = 0;
    void join(past const& other) noexcept {
      for (unsigned t = 0; t != everybody; ++t) last[t] = std::max(last[t], other.last[t]);
      time = std::max(time, other.time);
    }
  };
  struct object {
    std::uint64_t execution = 0;
    std::uint32_t changed = 0;  // by the last step that did; 0: none
    unsigned changed_by = 0;
    unsigned looked_by = 0;                       // since then: a bit for each thread
    std::array<std::uint32_t, everybody> looked;  // by its last step that did
    past at_change, at_looks;
  };

  object& at(shared kind, std::uint32_t number);
  void note(object& o, unsigned thread, use how);
  void found(std::uint32_t earlier, unsigned later);
  [[nodiscard]] std::uint64_t name_of_step() const noexcept;

  std::uint64_t execution_ = 0;
  std::uint32_t step_ = 0, from_ = 0;
  unsigned running_ = 0;
  std::array<past, everybody> past_;
  std::array<std::vector<object>, 6> objects_;
  std::vector<reversible> found_;
  std::uint64_t taken_ = 0, name_ = 0;
  std::vector<std::uint32_t> place_;  // of each step, among those of its thread
  std::vector<std::uint8_t> by_;
  std::array<std::vector<std::uint32_t>, everybody> steps_of_;
};

}  // namespace weft_model
