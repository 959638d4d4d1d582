// job: one command, from its start to its end, whatever brings it about.
#pragma once

#include "console.hpp"
#include "options.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/command.hpp>
#include <weft/io/process.hpp>

#include <unistd.h>

#include <chrono>
#include <exception>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <utility>

namespace run {

inline constexpr std::chrono::seconds grace{2};

/// The processes that run now, for who has lost patience with them. Any thread.
class running {
 public:
  void add(weft::process& p) {
    std::lock_guard const guard(lock_);
    all_.insert(&p);
  }
  void remove(weft::process& p) {
    std::lock_guard const guard(lock_);
    all_.erase(&p);
  }
  void kill_all() {
    std::lock_guard const guard(lock_);
    for (auto* const p : all_) p->kill();
  }

 private:
  std::mutex lock_;
  std::set<weft::process*> all_;  // guarded by lock_
};

/// What jobs share.
struct surroundings {
  options const& wanted;
  console& out;
  running& now;
};

inline weft::command command_for(options const& wanted, std::string const& line) {
  if (wanted.command.empty()) return weft::command("/bin/sh", "-c", line);
  weft::command c(wanted.command.front());
  bool replaced = false;
  for (auto word = wanted.command.begin() + 1; word != wanted.command.end(); ++word) {
    auto const place = word->find("{}");
    replaced = replaced || place != std::string::npos;
    c.arg(place == std::string::npos ? *word : std::string(*word).replace(place, 2, line));
  }
  if (!replaced) c.arg(line);
  return c;
}

inline weft::task<weft::exit_status> to_its_end(weft::process& p, std::string const& tag, surroundings const& s) {
  auto both = weft::when_all(p.wait(), pass_on(p.std_out, STDOUT_FILENO, tag, s.wanted.how, s.out),
                             pass_on(p.std_err, STDERR_FILENO, tag, s.wanted.how, s.out));
  auto const ended = co_await std::move(both);
  co_return ended.first;
}

/// How it has failed, in words; "": it has not. Throws std::system_error where it could not be started; what else is thrown, such as
/// weft::stopped, is thrown when the process has ended.
inline weft::task<std::string> run_job(std::string line, surroundings const& s) {
  weft::process_options const how{.std_in = weft::stdio::null,
                                  .std_out = weft::stdio::pipe,
                                  .std_err = weft::stdio::pipe,
                                  .group = weft::process_group::own};
  auto p = co_await weft::process::start(command_for(s.wanted, line), how);
  s.now.add(p);
  std::string const tag = s.wanted.tag == tags::on ? line + "\t" : "";
  std::exception_ptr reason;
  std::string failure;
  try {
    weft::exit_status status;
    if (s.wanted.timeout.count() > 0) {
      auto bounded = weft::timeout(s.wanted.timeout, to_its_end(p, tag, s));
      status = co_await std::move(bounded);
    } else {
      status = co_await to_its_end(p, tag, s);
    }
    if (!status.success()) failure = status.to_string();
  } catch (weft::timed_out const&) {
    failure = "timed out";
  } catch (...) {
    reason = std::current_exception();
  }
  // Nothing where it has ended by itself.
  static_cast<void>(co_await p.terminate(grace));
  s.now.remove(p);
  if (reason) std::rethrow_exception(reason);
  co_return failure;
}

}  // namespace run
