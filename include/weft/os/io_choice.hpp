// Which of the system's ways to wait for files a pool takes: its option and the environment variable WEFT_IO decide.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/function.hpp>
#include <weft/os/cpu_quota.hpp>

#include <string>
#include <string_view>

namespace weft {

/// How a pool waits for its files. Sockets, pipes and signals are waited for by epoll in any case.
enum class io_backend {
  automatic,  ///< as the environment variable WEFT_IO says, `epoll` or `io_uring`; where it is not set, epoll
  epoll,      ///< on the threads for blocking calls
  io_uring    ///< by io_uring where the system permits it, else as epoll; WEFT_IO=epoll overrules it
};

namespace detail {

/// What a pool takes that was asked for `asked`: epoll or io_uring. With `requested`, the value of WEFT_IO (null: not set), a person who
/// runs the program can ask for io_uring where the program does not care, and refuse it in any case. A program with raised privileges
/// never takes it. `complain` receives the line about a value that is not understood.
[[nodiscard]] inline io_backend chosen_io(io_backend asked, char const* requested, privileges of_program,
                                          function_ref<void(std::string const& line)> complain) {
  if (of_program == privileges::raised) return io_backend::epoll;
  auto const by_program = asked == io_backend::automatic ? io_backend::epoll : asked;
  std::string_view const wish = requested != nullptr ? requested : "";
  if (wish.empty()) return by_program;  // WEFT_IO= in a shell takes the variable back
  if (wish == "epoll") return io_backend::epoll;
  if (wish == "io_uring") return asked == io_backend::automatic ? io_backend::io_uring : asked;
  complain("weft: WEFT_IO=" + quoted(wish) + " is ignored: expected epoll or io_uring; using " +
           (by_program == io_backend::epoll ? "epoll" : "io_uring") + "\n");
  return by_program;
}

/// One line per process, whatever the environment says.
WEFT_SHARED inline void complain_of_io_once(std::string const& line) {
  [[maybe_unused]] static bool const written = complain(line);
}

/// The same in this process.
[[nodiscard]] inline io_backend chosen_io(io_backend asked) {
  return chosen_io(asked, trusted_environment("WEFT_IO"), privileges_of_program(),
                   [](std::string const& line) { complain_of_io_once(line); });
}

}  // namespace detail
}  // namespace weft
