// The memory of C++20: for each atomic object the stores in modification order, and which of them a thread may read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <model/clocks.hpp>
#include <model/policy.hpp>
#include <vector>

namespace weft_model {

//   An execution is built in the order in which the explorer runs the steps, which extends sequenced-before and reads-from. At each
//   step the rest is a choice among what the standard leaves open ([intro.races], [atomics.order] of C++20):
//
//   load             any store that is not older, in modification order, than one which the thread knows of: a store that happens
//                    before, or what was read by a load that happens before
//   store            any place in modification order behind those; so orders that differ from the order of the steps are seen as well
//   read-modify-write  as a load, of a store that no other has read in this way; it stands immediately behind it
//   seq_cst          and the total order S of all seq_cst operations must exist: strongly-happens-before and coherence-order between
//                    them have no cycle. S need not be the order of the steps
//
//   A release sequence is its head and the read-modify-writes that continue it: later stores of the same thread do not, since C++20.
//   Fences: a release fence dresses the relaxed stores behind it, relaxed loads dress an acquire fence behind them. seq_cst fences stand in
//   S in the order of the steps; that, and C++'s ban on values out of thin air (a load reads what has been stored), is all that is narrower
//   here than the standard allows.
//
// Sources: Batty and others, "Mathematizing C++ concurrency" (POPL 2011); Lahav and others, "Repairing sequential consistency in C/C++11"
// (PLDI 2017); Norris and Demsky, "CDSChecker" (OOPSLA 2013), for histories under vector clocks.

struct location;

struct seq_cst_event {
  unsigned thread;
  std::uint32_t index;  // among those of its thread
  std::uint32_t stamp;  // its step, among all seq_cst operations and fences
  location* of;
  struct stored* at;  // written, or read
  bool writes;
  vector_clock before;  // what strongly happens before it
  std::uint32_t visited = 0;
};

/// One store in the history of an object.
struct stored {
  std::uint64_t value = 0;
  std::uint32_t position = 0;  // in modification order
  std::uint32_t time = 0;
  unsigned thread = 0;
  bool continued = false;  // a read-modify-write has read it, and stands behind it
  message handed;
};

/// The newest store that a thread has touched by a certain time.
struct touched {
  std::uint32_t time;
  stored* which;
  touched* before;
};

struct location {
  void const* address = nullptr;
  std::uint32_t number = 0;
  bool alive = true;
  bool weakened = false;  // an operation on it has had its order weakened
  unsigned born_by = 0;
  std::uint32_t born_at = 0;
  unsigned users = 0;  // a bit for each thread in by
  std::vector<stored*> order;
  std::array<touched*, most_threads> by{};
  std::array<std::uint32_t, most_threads> last{};  // each thread's last operation on it
  std::vector<seq_cst_event*> seq_cst;
  stored* newest_seq_cst = nullptr;  // the last in modification order that one of them has written or read
};

/// The memory's part of a modelled thread.
struct memory_view {
  unsigned id = 0;
  knowledge now;
  knowledge at_release_fence;
  bool fenced = false;
  std::vector<stored const*> relaxed_reads;  // for the next acquire fence

  void begin(unsigned thread) noexcept {
    id = thread;
    now = {};
    fenced = false;
    relaxed_reads.clear();
  }
};

/// What is chosen at a step. The first alternative is always the plain one: go on, read the newest, append.
enum class question { thread, preemption, value, place, spurious, deadline, sleeper };

/// Who answers.
class chooser {
 public:
  virtual unsigned choose(question what, unsigned alternatives) = 0;
  /// Only the newest value, for a thread that could otherwise read an old one for ever.
  virtual bool only_newest() = 0;
  [[noreturn]] virtual void wrong(char const* what, void const* at) = 0;

 protected:
  ~chooser() = default;
};

/// The atomic objects of one execution after the other.
class memory {
 public:
  explicit memory(chooser& who) noexcept : who_(who) {}

  void begin_execution() noexcept;

  void construct(memory_view& t, void const* at, std::uint64_t value);
  void destroy(memory_view& t, void const* at);
  std::uint64_t load(memory_view& t, location& l, std::memory_order order);
  void store(memory_view& t, location& l, std::uint64_t value, std::memory_order order);
  std::uint64_t read_modify_write(memory_view& t, location& l, change how, std::uint64_t operand, std::size_t bytes,
                                  std::memory_order order);
  bool compare_exchange(memory_view& t, location& l, std::uint64_t& expected, std::uint64_t value, strength s,
                        std::memory_order success, std::memory_order failure);
  void fence(memory_view& t, std::memory_order order);

  /// The object at the address; made known if it is not.
  location& at(void const* address, std::size_t bytes);
  /// As at, and wrong unless it is alive and its construction happens before.
  location& use(memory_view& t, void const* address, std::size_t bytes);
  /// What was there before the execution, or was put there by a constructor.
  [[nodiscard]] static std::uint64_t standing_at(void const* address, std::size_t bytes) noexcept {
    std::uint64_t value = 0;
    std::memcpy(&value, address, bytes);
    return value;
  }

  /// Between steps of one thread, so that what it hands on tells plain accesses before from those behind.
  static void advance(memory_view& t) noexcept {
    auto const time = t.now.happened.of(t.id) + 1;
    t.now.happened.set(t.id, time);
    t.now.seen.set(t.id, time);
  }
  static void join(memory_view& t, knowledge const& k) noexcept { t.now.join(k); }

  /// Of the last operation, for a trace: how many stores newer than the one it read, or those it was put before.
  [[nodiscard]] unsigned last_age() const noexcept { return last_age_; }

 private:
  struct entry {
    void const* address = nullptr;
    std::uint32_t execution = 0;
    std::uint32_t born_at = 0;
    std::uint64_t value = 0;   // at first
    location* what = nullptr;  // made when it is first used: most objects of a large array never are
    std::uint8_t born_by = 0;
    bool alive = true;
  };
  static constexpr std::size_t table_size = std::size_t{1} << 14;

  template <class T>
  class recycled {  // objects that are used again in the next execution
   public:
    T& next() {
      if (used_ == all_.size() * together) all_.push_back(std::make_unique<T[]>(together));
      T& t = all_[used_ / together][used_ % together];
      ++used_;
      return t;
    }
    void clear() noexcept { used_ = 0; }
    [[nodiscard]] std::size_t used() const noexcept { return used_; }

   private:
    static constexpr std::size_t together = 64;
    std::vector<std::unique_ptr<T[]>> all_;
    std::size_t used_ = 0;
  };

  entry& slot(void const* address) noexcept;
  entry& know(void const* address, std::uint64_t value, unsigned thread, std::uint32_t time);
  location& make(entry& e);
  [[nodiscard]] std::uint32_t floor(memory_view const& t, location const& l, bool seq_cst) const noexcept;
  void touch(memory_view& t, location& l, stored& s);
  stored& place(location& l, std::uint32_t position);
  void read(memory_view& t, location& l, stored& s, std::memory_order order);
  void update(memory_view& t, location& l, stored& from, std::uint64_t value, std::memory_order order);
  void write(memory_view& t, location& l, stored& s, std::memory_order order, stored const* continues);
  void take(memory_view& t, stored const& s, std::memory_order order);
  void note_seq_cst(memory_view& t, location& l, stored& s, bool writes);
  // Is there an S with a new operation of t on l: a load of the store at `position`, or a store put there?
  [[nodiscard]] bool has_order(memory_view const& t, location const& l, std::uint32_t position, bool writes,
                               message const* read);

  chooser& who_;
  std::uint32_t execution_ = 0;
  std::uint32_t stamp_ = 0, visit_ = 0;
  bool fences_ = false;
  vector_clock fence_view_;
  std::vector<entry> table_ = std::vector<entry>(table_size);
  std::size_t known_ = 0;
  recycled<location> locations_;
  recycled<stored> stores_;
  recycled<touched> touches_;
  recycled<seq_cst_event> events_;
  std::array<std::vector<seq_cst_event*>, most_threads> events_of_;
  std::vector<seq_cst_event*> stack_;
  std::vector<stored*> candidates_;
  unsigned last_age_ = 0;
};

}  // namespace weft_model
