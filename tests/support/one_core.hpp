// The calling thread, and the threads that it makes, on one core.
#pragma once

#include <sched.h>

namespace weft_test {

/// Binds the calling thread to the first of its cores, and puts its mask back at the end. Threads inherit the mask of who creates them.
class one_core {
 public:
  one_core() noexcept {
    if (::sched_getaffinity(0, sizeof before_, &before_) != 0) return;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &before_)) continue;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      bound_ = ::sched_setaffinity(0, sizeof one, &one) == 0;
      return;
    }
  }
  one_core(one_core const&) = delete;
  one_core& operator=(one_core const&) = delete;
  ~one_core() {
    if (bound_) static_cast<void>(::sched_setaffinity(0, sizeof before_, &before_));
  }

  [[nodiscard]] bool bound() const noexcept { return bound_; }

 private:
  cpu_set_t before_{};
  bool bound_ = false;
};

}  // namespace weft_test
