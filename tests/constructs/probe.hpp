// What the forms of the probe are written with: a task, awaitables, an object that notices when it
// is copied or destroyed behind its back, and the register that the probe walks.
//
// Nothing of weft is included: the probe judges the compiler, so that a fault here is the
// compiler's and not the library's. Every form runs in a child process of its own (probe.cpp); a
// crash is a finding there, and the registers below need no reset.

#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

namespace constructs {

/// One form: a name for lists, the code that it stands for, and a check that is true if the
/// compiled code did what the source says. Without a check the compiler refused the source.
struct form {
  char const* group;
  char const* name;
  char const* text;
  bool (*check)();
};

void enlist(form const& entry);

struct enlisted {
  explicit enlisted(form const& entry) { enlist(entry); }
};

/// Registers the form `name`; WEFT_CONSTRUCT_GROUP is defined by the file.
/// Sources in may_not_compile/ are compiled once more without their bodies if they are refused.
#ifdef WEFT_CONSTRUCT_REFUSED
#define WEFT_CONSTRUCT(name, text, ...) \
  static enlisted const name##_entry{form{WEFT_CONSTRUCT_GROUP, #name, text, nullptr}};
#else
#define WEFT_CONSTRUCT(name, text, ...) \
  static enlisted const name##_entry{form{WEFT_CONSTRUCT_GROUP, #name, text, []() -> bool { return (__VA_ARGS__); }}};
#endif

// The registers live in probe.cpp, out of the optimizer's sight: what an object stores in itself
// while it dies may be dropped as dead, and a bitwise copy would carry it along.
void note_birth(void const* object);
void note_death(void const* object);
void note_use(void const* object);

/// What a check can say beyond "wrong value".
void note_stack_growth();
void note_stale_thread();

/// Frames are filled with a pattern, and their memory is never given back: a later write shows.
void* allocate_frame(std::size_t size);
void release_frame(void* frame);

/// The address of the innermost stack frame, to see whether a stack grows.
std::size_t stack_position();

/// A class whose every construction, use and destruction is noted by address.
class witness {
 public:
  explicit(false) witness(int value = 0) : value_(value) { note_birth(this); }
  witness(witness const& other) : value_(other.value()) { note_birth(this); }
  witness(witness&& other) : value_(other.value()) {
    other.value_ = moved_from;
    note_birth(this);
  }
  witness& operator=(witness const& other) {
    value_ = other.value();
    return *this;
  }
  ~witness() { note_death(this); }

  int value() const {
    note_use(this);
    return value_;
  }

 private:
  static constexpr int moved_from = -1000;
  int value_;
};

/// A plain aggregate with a member that is not trivial.
struct labelled {
  witness item;
  int label;
};

/// The same with a constructor, which is all that makes the difference to g++ 12.
class labelled_class {
 public:
  labelled_class(witness item, int label) : item_(std::move(item)), label_(label) {}
  int sum() const { return item_.value() + label_; }

 private:
  witness item_;
  int label_;
};

/// The handle that the last `later` left behind; drive() resumes it.
inline std::coroutine_handle<> parked;

/// Does not suspend.
struct now {
  int value = 0;
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  int await_resume() const noexcept { return value; }
};

/// Suspends for good, until the driver resumes it.
struct later {
  int value = 0;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const noexcept { parked = handle; }
  int await_resume() const noexcept { return value; }
};

struct frame_in_quarantine {
  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame) { release_frame(frame); }
};

/// Lazy, single owner, hands over by symmetric transfer: the shape of every task library's task.
template <class T>
class task {
 public:
  struct promise_type : frame_in_quarantine {
    struct hand_over {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> finished) const noexcept {
        return finished.promise().continuation;
      }
      void await_resume() const noexcept {}
    };

    task get_return_object() { return task{handle_type::from_promise(*this)}; }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    hand_over final_suspend() const noexcept { return {}; }
    template <class U>
    void return_value(U&& value) {
      result.emplace(std::forward<U>(value));
    }
    void unhandled_exception() { failure = std::current_exception(); }

    T take() {
      if (failure) std::rethrow_exception(failure);
      return std::move(*result);
    }

    std::coroutine_handle<> continuation = std::noop_coroutine();
    std::optional<T> result;
    std::exception_ptr failure;
  };
  using handle_type = std::coroutine_handle<promise_type>;

  struct awaiter {
    handle_type handle;
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> continuation) const noexcept {
      handle.promise().continuation = continuation;
      return handle;
    }
    T await_resume() const { return handle.promise().take(); }
  };

  task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  task& operator=(task&&) = delete;
  ~task() {
    if (handle_) handle_.destroy();
  }

  awaiter operator co_await() const noexcept { return {handle_}; }
  handle_type handle() const { return handle_; }

 private:
  explicit task(handle_type handle) : handle_(handle) {}
  handle_type handle_;
};

/// Runs a task to its end, resuming it here wherever it suspends.
template <class T>
T drive(task<T> work) {
  work.handle().resume();
  while (!work.handle().done()) std::exchange(parked, nullptr).resume();
  return work.handle().promise().take();
}

/// Runs a task to its first suspension and destroys it there. What leaks or dies twice is noted.
template <class T>
bool abandon(task<T> work) {
  work.handle().resume();
  return !work.handle().done();
}

inline task<int> number(int value) { co_return value; }

inline task<bool> truth(bool value) { co_return value; }

inline task<int> value_of(witness object) { co_return object.value(); }

inline task<witness> make_witness(int value) { co_return witness(value); }

/// Calls what it was given; the callable is a parameter and so lives in the frame.
template <class F>
task<int> call(F function) {
  co_return function();
}

}  // namespace constructs
