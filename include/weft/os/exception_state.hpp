// Which exceptions a thread is handling: kept by the language's runtime for each thread, so that code which changes stacks on one thread
// has to put it away with the stack. Source: the Itanium C++ ABI, Exception Handling, 2.2.2.
#pragma once

#include <cstring>
#include <exception>

#if !defined(_LIBCPP_VERSION)
#include <cxxabi.h>
#else
// libc++abi has it and does not declare it.
namespace __cxxabiv1 {
struct __cxa_eh_globals;
extern "C" __cxa_eh_globals* __cxa_get_globals();
}  // namespace __cxxabiv1
#endif

namespace weft::detail {

/// Of a stack that does not run; at first, of one that handles none.
class exception_state {
 public:
  /// What is here becomes the calling thread's, and the other way round.
  void change_places() noexcept {
    auto* const live = static_cast<void*>(__cxxabiv1::__cxa_get_globals());
    fields other;
    std::memcpy(&other, live, sizeof other);
    std::memcpy(live, &kept_, sizeof other);
    kept_ = other;
  }

 private:
  struct fields {
    void* caught = nullptr;
    unsigned uncaught = 0;
  };
  fields kept_;
};

}  // namespace weft::detail
