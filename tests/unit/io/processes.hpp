// What tests of processes share: small programs, and what the system knows of them.
#pragma once

#include <weft/coro/run.hpp>
#include <weft/io/command.hpp>
#include <weft/sched/pool.hpp>

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

namespace weft_test {

/// On a pool that ends with the call: the default pool never does, and the threads that it keeps for blocking calls, once they have been
/// idle for long, are what ThreadSanitizer takes for lost.
template <class X>
auto run(X&& x) {
  weft::pool pool{{.workers = 2}};
  return pool.run(std::forward<X>(x));
}

/// A program of the shell.
inline weft::command shell(std::string script) { return weft::command("sh", "-c", std::move(script)); }

/// As /proc tells: 'R', 'S', 'T', 'Z', …; 0: there is no such process.
inline char state_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(in, text);
  auto const name_end = text.rfind(')');
  return name_end == std::string::npos ? '\0' : text[name_end + 2];
}

/// Waits until it is so; the test's watchdog says how long.
template <class Condition>
bool eventually(Condition condition) {
  while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return true;
}

/// This process has no child, not even a dead one.
inline bool no_children() {
  ::siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
}

/// The disposition of a signal as it was, at the end.
class disposition_kept {
 public:
  explicit disposition_kept(int signal) : signal_(signal) { ::sigaction(signal, nullptr, &before_); }
  disposition_kept(disposition_kept const&) = delete;
  disposition_kept& operator=(disposition_kept const&) = delete;
  ~disposition_kept() { ::sigaction(signal_, &before_, nullptr); }

 private:
  int const signal_;
  struct ::sigaction before_;
};

}  // namespace weft_test
