// Ends a stuck test by name, before CTest's timeout ends it without one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace weft_test {

/// Aborts the program with the given name on standard error if the scope is not left within the limit: more than enough on a machine of
/// its own, and four times as much is waited, since that of a test has much else to do. report() says more before that.
class watchdog {
 public:
  explicit watchdog(std::string name, std::chrono::seconds limit = std::chrono::seconds(30),
                    std::function<void()> report = {})
      : name_(std::move(name)), limit_(4 * limit), report_(std::move(report)), thread_([this] { watch(); }) {}

  watchdog(watchdog const&) = delete;
  watchdog& operator=(watchdog const&) = delete;

  ~watchdog() {
    {
      std::lock_guard const lock(mutex_);
      left_ = true;
    }
    left_changed_.notify_one();
    thread_.join();
  }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    if (left_changed_.wait_for(lock, limit_, [this] { return left_; })) return;
    std::fprintf(stderr, "watchdog: %s: stuck for %lld s\n", name_.c_str(), static_cast<long long>(limit_.count()));
    if (report_) report_();
    std::abort();
  }

  std::string const name_;
  std::chrono::seconds const limit_;
  std::function<void()> const report_;
  std::mutex mutex_;
  std::condition_variable left_changed_;
  bool left_ = false;   // guarded by mutex_
  std::thread thread_;  // last: it uses the others from its first instruction on
};

}  // namespace weft_test
