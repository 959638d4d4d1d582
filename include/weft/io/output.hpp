// output: runs a program to its end and gives what it has written: subprocess.run, exec.Command(...).Output().
#pragma once

#include <weft/combine/when_all.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/command.hpp>
#include <weft/io/pipe.hpp>
#include <weft/io/process.hpp>
#include <weft/os/clock.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace weft {

/// What a program has come to.
struct process_output {
  exit_status status;
  std::string out;  ///< what it wrote to its standard output
  std::string err;  ///< and to its standard error, if that was asked for
};

/// How output() runs a program.
struct output_options {
  std::string_view input = {};                      ///< what it reads; stays until the end. Empty: as std_in says
  stdio std_in = stdio::null;                       ///< where there is no input
  stdio std_err = stdio::pipe;                      ///< as_out: what it writes to both is in `out`, in order
  clock::duration grace = std::chrono::seconds(2);  ///< a stop: between SIGTERM and SIGKILL
  process_group group = process_group::inherited;
};

/// auto [status, out, err] = co_await output(command("git", "--version"));
///   completes   when the program has ended, and all who have its output open: what it leaves running behind it counts
///   result      its status, whatever it is, and what was written; both pipes are read and the input is written at the same time, so
///               that no amount of either makes the program wait. Input that it does not read is no error
///   on error    throws std::system_error as process::start does; std::bad_alloc where the output has no room: the program is ended
///               then as by a stop
///   on stop     the program gets SIGTERM and, if it has not ended after the time of grace, SIGKILL; then, completes as stopped
///   resumes on  the pool it was awaited on
[[nodiscard]] task<process_output> output(command what, output_options options = {});

template <class>
class output_bodies {
  static task<std::string> read_to_end(pipe_reader& from) {
    constexpr std::size_t least_room = 4096;
    std::string text;
    for (std::size_t filled = 0;;) {
      if (text.size() - filled < least_room) text.resize(std::max(2 * text.size(), 4 * least_room));
      auto const n = co_await from.read(std::as_writable_bytes(std::span(text)).subspan(filled));
      filled += n;
      if (n != 0) continue;
      text.resize(filled);
      co_return text;
    }
  }

  static task<> write_and_close(pipe_writer& to, std::string_view text) {
    try {
      co_await to.write(text);
    } catch (std::system_error const& e) {
      if (e.code() != std::error_code(EPIPE, std::system_category())) throw;  // a program need not read all
    }
    to.close();
  }

  static task<process_output> run_to_end(process& p, output_options const& options) {
    process_output result;
    auto read = [](pipe_reader& from, std::string& into, stdio const& how) -> task<> {
      if (how.type() == stdio::kind::pipe) into = co_await read_to_end(from);
    };
    auto feed = [](pipe_writer& to, std::string_view text) -> task<> {
      if (!text.empty()) co_await write_and_close(to, text);
    };
    auto all = when_all(p.wait(), read(p.std_out, result.out, stdio::pipe),
                        read(p.std_err, result.err, options.std_err), feed(p.std_in, options.input));
    auto const ended = co_await std::move(all);
    result.status = ended.first;
    co_return result;
  }

  static task<process_output> run(command what, output_options options) {
    process_options const how{.std_in = options.input.empty() ? options.std_in : stdio::pipe,
                              .std_out = stdio::pipe,
                              .std_err = options.std_err,
                              .group = options.group};
    auto p = co_await process::start(std::move(what), how);
    if (options.input.empty()) p.std_in.close();
    std::exception_ptr failure;
    try {
      auto result = run_to_end(p, options);
      co_return co_await std::move(result);
    } catch (...) {
      failure = std::current_exception();
    }
    p.std_in.close();  // the others stay open: what it writes on its way out does not kill it
    static_cast<void>(co_await p.terminate(options.grace));
    std::rethrow_exception(failure);
  }

  friend task<process_output> output(command what, output_options options) { return run(std::move(what), options); }
};
WEFT_DEFINE_FRIENDS(output_bodies);

}  // namespace weft
