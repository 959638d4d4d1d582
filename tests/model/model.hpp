// What a model is written with. A model is a function that the explorer calls once for each schedule: it makes what is to be checked, runs
// a few threads on it, joins them, and says what must hold.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <model/policy.hpp>
#include <string_view>
#include <utility>

namespace weft_model {

/// Wrong in this schedule, unless it holds.
void expect(bool holds, char const* sentence, where const& w = where::current()) noexcept;

/// A thread of the model. Joined before it is destroyed.
template <class F>
class thread {
 public:
  explicit thread(F f) : f_(static_cast<F&&>(f)) {
    handle_ = start_thread(
        [](void* self) -> void* {
          static_cast<thread*>(self)->f_();
          return nullptr;
        },
        this);
    if (handle_ == 0) misuse("a model has too many threads", __FILE__, __LINE__);
  }
  thread(thread const&) = delete;
  thread& operator=(thread const&) = delete;
  void join() noexcept { join_thread(handle_); }

 private:
  F f_;
  std::uintptr_t handle_ = 0;
};

/// Runs all at once, the last of them on the calling thread, and joins them.
template <class F>
void together(F&& last) {
  std::forward<F>(last)();
}
template <class F, class... Others>
void together(F&& first, Others&&... others) {
  thread<F&> t(first);
  together(std::forward<Others>(others)...);
  t.join();
}

/// An object that is no atomic: two accesses of different threads, one of them a write, without an order between them are wrong. Where
/// the program is compiled with the instrumentation (see README.md) every variable is watched, and this is no more than a name for it.
template <class T>
class plain {
 public:
  plain() = default;
  plain(T v) : value_(std::move(v)) {}
  plain(plain const& other) : value_(other.get()) {}
  plain& operator=(plain const& other) {
    set(other.get());
    return *this;
  }
  operator T() const { return get(); }
  [[nodiscard]] T get() const;
  void set(T v);

 private:
  T value_{};
};

enum class access { read, write };
/// An access to plain memory by the running thread.
void note_access(void const* at, std::size_t bytes, access how, void const* code) noexcept;

template <class T>
T plain<T>::get() const {
  note_access(&value_, sizeof(T), access::read, __builtin_return_address(0));
  return value_;
}
template <class T>
void plain<T>::set(T v) {
  note_access(&value_, sizeof(T), access::write, __builtin_return_address(0));
  value_ = std::move(v);
}

/// A thread_local variable of the library: each modelled thread has its own.
void keep_apart(void** thread_local_variable) noexcept;

/// While it lives, there is no memory: for steps between two operations on atomics, which nobody comes between.
class no_memory {
 public:
  no_memory() noexcept;
  ~no_memory();
  no_memory(no_memory const&) = delete;
  no_memory& operator=(no_memory const&) = delete;
};

/// From here on it is wrong if everybody sleeps on past that time; `never` takes it back.
void due_by(std::int64_t time) noexcept;

/// What this schedule has come to: a litmus test says which are possible.
void outcome(std::string_view text);

// ── what the program runs ──

using body = void (*)();

struct limits {
  unsigned preemptions = 2;  // of a thread that could have gone on
  unsigned deviations = 1;   // old values read, stores put before others, spurious failures, deadlines that come early
};

/// A model of something in include/weft: every schedule must be right.
struct part {
  part(char const* name, body run, limits within = {});
};
/// A mistake planted on purpose: some schedule must be found wrong.
struct mutant {
  mutant(char const* name, body run);
};
/// All that the memory model allows is explored, and must be exactly this.
struct litmus {
  litmus(char const* name, body run, std::initializer_list<char const*> outcomes);
};

}  // namespace weft_model
