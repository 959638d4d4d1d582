// console: what is printed, in order: lines, complaints, and how far the search has come.
#pragma once

#include "portion.hpp"

#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace seek {

/// Writes all of it; waits.
inline void write_all(int where, std::string_view text) {
  while (!text.empty()) {
    auto const written = ::write(where, text.data(), text.size());
    if (written >= 0) text.remove_prefix(static_cast<std::size_t>(written));
    else if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "write error");
  }
}

/// Used by one task at a time. A terminal that has been halted and a pipe that is full hold up no more than that task.
class console {
 public:
  /// Prints, or keeps for later. What is given is empty afterwards.
  weft::task<> print(findings& more) {
    pending_.take(more);
    bool const now =
        pending_.lines.size() >= enough || !pending_.complaints.empty() || (terminal_ && !pending_.lines.empty());
    if (now || report_is_due()) {
      auto written = write();
      co_await std::move(written);
    }
  }

  /// Prints what has been kept; the progress disappears.
  weft::task<totals> finish() {
    totals const all = pending_.sum;
    reports_ = false;
    if (!pending_.lines.empty() || report_shown_) {
      auto written = write();
      co_await std::move(written);
    }
    co_return all;
  }

 private:
  using clock = std::chrono::steady_clock;
  static constexpr std::size_t enough = 64 * 1024;
  static constexpr std::chrono::milliseconds between_reports{100};

  [[nodiscard]] bool report_is_due() const noexcept {
    return reports_ && clock::now() - last_report_ > between_reports;
  }

  weft::task<> write() {
    findings const now{
        .lines = std::move(pending_.lines), .complaints = std::move(pending_.complaints), .sum = pending_.sum};
    pending_.lines.clear();
    pending_.complaints.clear();
    auto patiently = weft::blocking([this, &now] {
      if (report_shown_) write_all(STDERR_FILENO, "\r\033[K");
      write_all(STDERR_FILENO, now.complaints);
      write_all(STDOUT_FILENO, now.lines);
      report_shown_ = reports_;
      if (!reports_) return;
      last_report_ = clock::now();
      write_all(STDERR_FILENO,
                std::to_string(now.sum.files) + " files, " + std::to_string(now.sum.bytes / 1'000'000) + " MB");
    });
    co_await std::move(patiently);
  }

  findings pending_;
  bool const terminal_ = ::isatty(STDOUT_FILENO) != 0;
  bool reports_ = ::isatty(STDERR_FILENO) != 0;
  bool report_shown_ = false;
  clock::time_point last_report_ = clock::now();
};

}  // namespace seek
