// console: what jobs write, passed on by whole lines.
#pragma once

#include "options.hpp"

#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/pipe.hpp>
#include <weft/sync/mutex.hpp>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace run {

/// What is printed has nowhere to go.
struct printing_failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Any task may print. One that prints to a terminal that has been halted, or to a pipe that is full, holds up no worker.
class console {
 public:
  /// All of it, with nothing of others in between.
  weft::task<> print(int where, std::string text) {
    if (text.empty()) co_return;
    auto const held = co_await lock_.lock();
    auto patiently = weft::blocking([where, &text] { write_all(where, text); });
    co_await std::move(patiently);
  }

 private:
  static void write_all(int where, std::string_view text) {
    while (!text.empty()) {
      auto const written = ::write(where, text.data(), text.size());
      if (written >= 0) text.remove_prefix(static_cast<std::size_t>(written));
      else if (errno != EINTR) throw printing_failed(std::string("the output: ") + std::strerror(errno));
    }
  }

  weft::mutex lock_;
};

/// Each line with the tag before it. A last one that has no end gets one.
inline std::string tagged(std::string_view tag, std::string_view text) {
  std::string all;
  while (!text.empty()) {
    auto const end = text.find('\n');
    all.append(tag).append(text.substr(0, end)).append("\n");
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return all;
}

/// Reads what a job writes to its end, and prints it, by lines or all at once.
inline weft::task<> pass_on(weft::pipe_reader& from, int where, std::string const& tag, printing how, console& out) {
  constexpr std::size_t longest = 1 << 20;  // of a line that is waited for
  std::array<std::byte, 16 * 1024> block;
  std::string pending;
  std::size_t n = 0;
  do {
    n = co_await from.read(block);
    pending.append(reinterpret_cast<char const*>(block.data()), n);
    auto ready = how == printing::jobs ? 0 : pending.rfind('\n') + 1;
    if (n == 0 || (how == printing::lines && ready == 0 && pending.size() >= longest)) ready = pending.size();
    auto text = tag.empty() ? pending.substr(0, ready) : tagged(tag, std::string_view(pending).substr(0, ready));
    pending.erase(0, ready);
    co_await out.print(where, std::move(text));
  } while (n != 0);
}

}  // namespace run
