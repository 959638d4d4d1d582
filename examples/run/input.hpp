// input: the lines that jobs are made of, read as they come, so that the first job runs before the last line is written.
#pragma once

#include <weft/coro/task.hpp>
#include <weft/io/wait.hpp>
#include <weft/os/file_handle.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace run {

/// Used by one task.
class input {
 public:
  /// The standard input, where no file is named. Throws std::system_error.
  input(std::string const& file, char end_of_line)
      : file_(file.empty() ? weft::detail::file_handle() : weft::detail::file_handle::open(file, O_RDONLY)),
        end_of_line_(end_of_line) {}

  /// The next line, without its end; nothing after the last. A stop is heard while it waits for somebody to type.
  weft::task<std::optional<std::string>> next() {
    for (;;) {
      if (auto const end = pending_.find(end_of_line_, searched_); end != std::string::npos) {
        auto line = pending_.substr(0, end);
        pending_.erase(0, end + 1);
        searched_ = 0;
        co_return line;
      }
      searched_ = pending_.size();
      bool const more = co_await read();
      if (more) continue;
      if (pending_.empty()) co_return std::nullopt;
      searched_ = 0;
      co_return std::exchange(pending_, {});
    }
  }

 private:
  weft::task<bool> read() {
    int const from = file_.get() < 0 ? STDIN_FILENO : file_.get();
    std::array<char, 16 * 1024> block;
    ssize_t n = -1;
    do {
      co_await weft::wait_readable(from);
      n = ::read(from, block.data(), block.size());
    } while (n < 0 && (errno == EINTR || errno == EAGAIN));
    if (n < 0) throw std::system_error(errno, std::system_category(), "the input");
    pending_.append(block.data(), static_cast<std::size_t>(n));
    co_return n != 0;
  }

  weft::detail::file_handle file_;
  char const end_of_line_;
  std::string pending_;
  std::size_t searched_ = 0;  // of pending_: no end of a line is there
};

}  // namespace run
