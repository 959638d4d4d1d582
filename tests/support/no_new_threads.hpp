// The system is out of threads.
#pragma once

#include "support/catch.hpp"

#include <pthread.h>

#include <cstddef>

namespace weft_test {

/// In this scope no thread with a default stack can be created: pthread_create says EAGAIN. One thread at a time.
class no_new_threads {
 public:
  no_new_threads() {
    pthread_attr_t impossible;
    REQUIRE(::pthread_getattr_default_np(&before_) == 0);
    REQUIRE(::pthread_getattr_default_np(&impossible) == 0);
    // More than any address space holds.
    REQUIRE(::pthread_attr_setstacksize(&impossible, std::size_t{1} << 60) == 0);
    REQUIRE(::pthread_setattr_default_np(&impossible) == 0);
    ::pthread_attr_destroy(&impossible);
  }
  no_new_threads(no_new_threads const&) = delete;
  no_new_threads& operator=(no_new_threads const&) = delete;
  ~no_new_threads() {
    ::pthread_setattr_default_np(&before_);
    ::pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_;
};

}  // namespace weft_test
