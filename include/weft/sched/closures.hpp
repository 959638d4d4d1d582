// Which of the coroutines made last are lambdas with captures: what a debug build knows, so that spawn can warn of them.
//
// A coroutine lambda's captures stay in the lambda; its task does not keep them. Whoever spawns the task in place of the lambda
// reads them after the lambda is gone, unless somebody keeps it. GCC tells a promise about the lambda (and about any object whose
// member function is a coroutine), clang does not; so the warning is GCC's alone, and costs builds with NDEBUG nothing.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <string_view>
#include <type_traits>

namespace weft::detail {

template <class T>
consteval std::string_view text_of_type() {
  return __PRETTY_FUNCTION__;  // … [with T = name]
}

/// Is T the type of a lambda? By its name, which ends in <lambda(…)>: there is no other way to tell.
template <class T>
consteval bool named_as_lambda() {
  std::string_view name = text_of_type<T>();
  if (auto const end = name.find("; std::string_view"); end != name.npos) name = name.substr(0, end);
  while (name.ends_with(']')) name.remove_suffix(1);
  int depth = 0;
  for (std::size_t i = name.size(); i-- > 0;) {
    if (name[i] == '>') ++depth;
    else if (name[i] == '<' && --depth == 0) return name.substr(i).starts_with("<lambda");
    else if (depth == 0) return false;
  }
  return false;
}

/// With captures? T may be anything that a parameter refers to, an incomplete class too.
template <class T>
consteval bool captures_something() {
  if constexpr (named_as_lambda<T>()) return !std::is_empty_v<T>;
  else return false;
}

/// The warning is given once for each lambda.
struct closure_kind {
  std::string_view name;
  atomic<bool> told{false};
};
template <class Lambda>
inline constinit closure_kind kind_of_closure{text_of_type<Lambda>()};

/// The coroutines of lambdas with captures that this thread made last, as far as they fit. One thread.
class closures : pinned {
 public:
  void frame_made(void const* frame, std::size_t bytes) noexcept {
    last_ = static_cast<std::byte const*>(frame);
    bytes_ = bytes;
    static_cast<void>(take(frame));  // of one that had this address before
  }

  /// `object` is the first argument of the coroutine in `frame`, made last: a copy inside the frame, or a lambda that lies elsewhere.
  void object_seen(void const* frame, void const* object, closure_kind& kind) noexcept {
    auto const* const at = static_cast<std::byte const*>(object);
    if (frame != last_ || (at >= last_ && at < last_ + bytes_)) return;
    notes_[next_++ % notes_.size()] = {frame, &kind};
  }

  /// What is known about the coroutine, once; null: it is no lambda's.
  [[nodiscard]] closure_kind* take(void const* frame) noexcept {
    for (auto& n : notes_)
      if (n.frame == frame) {
        n.frame = nullptr;
        return n.kind;
      }
    return nullptr;
  }

 private:
  struct note {
    void const* frame = nullptr;
    closure_kind* kind = nullptr;
  };
  std::array<note, 8> notes_{};
  std::size_t next_ = 0;
  std::byte const* last_ = nullptr;
  std::size_t bytes_ = 0;
};

WEFT_SHARED inline constinit thread_local closures this_thread_closures;

/// Never inlined: safe on both sides of a suspension point.
[[gnu::noinline]] inline closures& closures_of_this_thread() noexcept { return this_thread_closures; }

/// `verb` is about to keep the coroutine in `frame`, and nothing else.
[[gnu::noinline]] inline void warn_of_closure(void const* frame, char const* verb) noexcept {
  closure_kind* const kind = closures_of_this_thread().take(frame);
  if (!kind || kind->told.exchange(true, memory_order_relaxed)) return;
  std::fprintf(stderr,
               "weft: %s was given the task of a lambda with captures, and does not keep the lambda: if that goes "
               "before the task ends, its captures dangle. Give %s the lambda itself, which it keeps (%.*s)\n",
               verb, verb, static_cast<int>(kind->name.size()), kind->name.data());
}

}  // namespace weft::detail
