// The explorer: runs a model once for each schedule, on one thread of the system, and looks at what it comes to.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <model/dependence.hpp>
#include <model/fiber.hpp>
#include <model/memory.hpp>
#include <model/model.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft_model {

/// One answer of an execution, where there was more than one.
struct answer {
  question what;
  std::uint16_t alternatives;
  std::uint16_t chosen;
};

/// Who may take the next step.
struct turn {
  unsigned const* threads;  // the first has been running if a choice of another is a preemption
  unsigned count;
  bool preempts;
  bool deadline;  // may come
};

/// Chooses; and says after each execution whether there is another.
class strategy {
 public:
  virtual ~strategy() = default;
  virtual void begin() {}
  virtual unsigned choose(question what, unsigned alternatives) = 0;
  /// Which of the threads goes on; the first of them has been running if this is a preemption.
  virtual unsigned choose_thread(question what, unsigned const* threads, unsigned count) {
    static_cast<void>(threads);
    return choose(what, count);
  }
  /// Where steps that do not depend on each other are told from those that do: by this.
  virtual dependence* relates() { return nullptr; }
  /// There, in place of the others, who takes the next step, also where there is no choice: one of these, or the clockwork, which comes
  /// behind them if there is a deadline to come.
  virtual unsigned choose_step(turn const& t) {
    static_cast<void>(t);
    return 0;
  }
  /// Where one order is weakened: whether old values are to be read of the objects alone that it is about.
  virtual bool focused() { return false; }
  /// False: all there is has been run.
  virtual bool next() = 0;
};

struct tracing {
  enum class mode { off, on };
};

class explorer final : private chooser {
 public:
  static explorer& the() noexcept { return the_one_; }

  struct result {
    bool right = true;
    std::string what;     // is wrong
    std::string outcome;  // of a litmus test
    std::vector<answer> answers;
    std::vector<std::string> steps;  // where a trace was asked for
  };

  /// Runs the model once. The result is valid until the next.
  result const& run(body model, strategy& by, tracing::mode trace = tracing::mode::off);

  [[nodiscard]] std::uint64_t executions() const noexcept { return executions_; }

  // ── what the running thread does: see policy.hpp ──

  /// Whether a modelled thread runs, and not the explorer on its behalf.
  [[nodiscard]] static bool watching() noexcept { return watching_; }
  [[nodiscard]] memory_view& view() noexcept { return now_running().view; }
  [[nodiscard]] unsigned current() const noexcept { return current_; }
  [[nodiscard]] std::uint64_t execution() const noexcept { return executions_; }

  std::uint64_t load(void const* at, std::size_t bytes, std::memory_order order, where const& w);
  void store(void const* at, std::size_t bytes, std::uint64_t value, std::memory_order order, where const& w);
  std::uint64_t read_modify_write(void const* at, std::size_t bytes, change how, std::uint64_t operand,
                                  std::memory_order order, where const& w);
  bool compare_exchange(void const* at, std::size_t bytes, std::uint64_t& expected, std::uint64_t value, strength s,
                        std::memory_order success, std::memory_order failure, where const& w);
  void construct(void const* at, std::uint64_t value);
  void destroy(void const* at);
  void fence(std::memory_order order, where const& w);
  void give_way();
  std::int64_t now();
  void futex_wait(void const* word, std::uint32_t expected, std::int64_t deadline, where const& w);
  void futex_wake(void const* word, int count, where const& w);
  std::uintptr_t start_thread(void* (*entry)(void*), void* argument);
  void join_thread(std::uintptr_t thread);
  void keep_apart(void** variable);
  void say_outcome(std::string_view text);
  void due_by(std::int64_t time) noexcept { due_ = time; }

  [[noreturn]] void wrong(char const* what, void const* at) override;
  [[noreturn]] void wrong(std::string text);

  /// While it lives, the explorer works on behalf of the running thread.
  class working {
   public:
    working() noexcept : before_(std::exchange(watching_, false)) {}
    ~working() { watching_ = before_; }
    working(working const&) = delete;
    working& operator=(working const&) = delete;

   private:
    bool before_;
  };

 private:
  enum class weakening { none, here };
  enum class state { ready, asleep, joining, ended };
  struct modelled {
    memory_view view;
    fiber stack;
    state is = state::ended;
    void* (*entry)(void*) = nullptr;
    void* argument = nullptr;
    void const* sleeps_on = nullptr;
    std::int64_t deadline = never;
    std::uint64_t asleep_since = 0;
    unsigned joins = 0;
    bool gave_way = false;
    std::uint64_t gave_way_at = 0;
    bool newest_only = false;
    // Where steps are related: the values that it has looked at since it gave way, and between the two times before.
    struct look {
      location const* at;
      std::uint64_t value;
      friend bool operator==(look const&, look const&) = default;
    };
    std::vector<look> looks, looks_before;
    bool did_more = false;                       // than look, since it gave way
    bool waits = false;                          // until one of looks_before is another
    std::array<std::uintptr_t, 2> exceptions{};  // what the C++ runtime keeps for a thread
    std::vector<void*> apart;                    // its values of thread_local variables
  };

  static constexpr unsigned most_steps = 20'000;  // of an execution that comes to an end
  static constexpr unsigned steps_with_choice = 4'000;
  static constexpr unsigned most_idle_rounds = 200;
  static constexpr unsigned most_steps_in_a_row = 300;
  static constexpr unsigned most_spurious = 2;

  modelled& now_running() noexcept { return *running_; }
  modelled& begin_thread(void* (*entry)(void*), void* argument);
  static void run_thread() noexcept;
  void end_thread() noexcept;
  void step();
  void reschedule();
  unsigned pick();
  unsigned pick_related();
  [[nodiscard]] static bool nothing_new(modelled const& t) noexcept;
  void use_deadlines();
  void nobody_able(bool ready, bool timed);
  void looks(location const& l, std::uint64_t value);
  void changes(location const& l, std::memory_order order);
  void related_order(std::memory_order order);
  void change_to(unsigned next);
  [[noreturn]] void leave();
  bool fire_deadline();
  [[nodiscard]] modelled* first_deadline() noexcept;
  [[nodiscard]] std::int64_t& time() noexcept { return related_ ? related_->time_of(current_) : time_; }
  void note_change() noexcept { ++changes_, idle_rounds_ = 0; }
  unsigned choose(question what, unsigned alternatives) override;
  bool only_newest() override;
  location& usable(void const* at, std::size_t bytes, weakening w = weakening::none);
  [[nodiscard]] static weakening looked_at() noexcept;
  std::pair<void const*, vector_clock>& bucket(void const* word);
  std::string deadlock() const;
  void trace(char const* what, void const* at, std::uint64_t value, char const* order, where const& w);
  std::string name_of(void const* at);

  static explorer the_one_;
  static inline bool watching_ = false;

  memory memory_{*this};
  strategy* by_ = nullptr;
  dependence* related_ = nullptr;
  std::vector<std::unique_ptr<modelled>> threads_;  // kept for the next execution
  unsigned count_ = 0;                              // of threads in this execution
  unsigned current_ = 0;
  modelled* running_ = nullptr;
  fiber root_{fiber::original{}};
  body model_ = nullptr;
  result result_;
  bool tracing_ = false;
  std::uint64_t executions_ = 0;
  bool focused_ = false, in_focus_ = true;
  unsigned steps_ = 0, in_a_row_ = 0, idle_rounds_ = 0, spurious_ = 0;
  std::uint64_t changes_ = 0, sleeps_ = 0;
  std::int64_t time_ = 0;
  std::int64_t due_ = never;
  std::vector<std::pair<void const*, vector_clock>> buckets_;
  std::vector<void**> apart_;
};

/// What stands on the heap, and who touches plain memory: plain_memory.cpp.
namespace plain_memory {
void begin_execution() noexcept;
/// Until the execution ends, the variable is not watched.
void keep_apart(void const* variable);
/// Gives back what was allocated. The text says what had been left, or is empty.
std::string end_execution();
/// Whether the address lies in a block that has been freed.
[[nodiscard]] bool freed(void const* at) noexcept;
}  // namespace plain_memory

/// The name of a place in the program's code.
std::string place_in_code(void const* code);

}  // namespace weft_model
