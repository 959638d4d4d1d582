// process: a program that is run beside this one, talked to through pipes, signalled, and waited for.
//
// A child is watched by a descriptor of its own (pidfd), not by SIGCHLD: no disposition of a signal is changed, nobody else's children
// are touched, and a signal that comes late never meets another process that has got the same number.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/combine/shield.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/child.hpp>
#include <weft/io/command.hpp>
#include <weft/io/pipe.hpp>
#include <weft/io/wait.hpp>
#include <weft/time/sleep.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace weft {

/// How a program is started.
struct process_options {
  stdio std_in = stdio::inherit;
  stdio std_out = stdio::inherit;
  stdio std_err = stdio::inherit;
  process_group group = process_group::inherited;
};

/// A program that has been started. It has the three descriptors that it was given, those of command::pass, and no other of this
/// process's; no signal blocked, whatever the threads here block; SIGPIPE as it is by default.
///
/// A process that nobody has waited for is killed with its owner, with its group where it has one of its own, and reaped: no zombie
/// stays, and no program goes on that nobody knows of. One task at a time waits for it, reads or writes each pipe; any thread
/// kills. Moving it is for one.
template <class = void>
class [[nodiscard]] basic_process {
 public:
  /// auto p = co_await process::start(command("git", "rev-parse", "HEAD"), {.std_out = stdio::pipe});
  ///   completes   when the program runs, on a blocking thread: the system holds up the thread that starts one until then
  ///   result      the process, with a pipe in std_in, std_out and std_err where that was asked for
  ///   on error    throws std::system_error that names the program: ENOENT (no such program, or no such directory), EACCES (not to be
  ///               executed), ENOEXEC (no program), E2BIG (too many arguments), EMFILE, EAGAIN (too many processes), EINVAL (a zero
  ///               byte in an argument, or a name of a variable that is none); nothing has been started then
  ///   on stop     one that has not begun is not started, and completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] static task<basic_process> start(command what, process_options options = {});

  basic_process(basic_process&&) noexcept = default;
  basic_process& operator=(basic_process&& other) noexcept {
    basic_process old(std::move(*this));
    child_ = std::move(other.child_);
    std_in = std::move(other.std_in);
    std_out = std::move(other.std_out);
    std_err = std::move(other.std_err);
    return *this;
  }
  ~basic_process() {
    if (child_) detail::the_orphanage.take(std::move(child_));
  }

  /// auto status = co_await p.wait();
  ///   completes   when it has ended; at once where it had before, again and again
  ///   result      its exit code, or the signal that killed it
  ///   on error    throws std::system_error, ECHILD, where the status has gone to somebody else: to a wait for any child, or to
  ///               nobody, where SIGCHLD is ignored
  ///   on stop     ends at once, as stopped; the process goes on
  ///   resumes on  the pool it was awaited on
  /// Pipes go on: what it has written can be read after its end. Who reads nothing of a full pipe makes it wait, perhaps for good.
  [[nodiscard]] task<exit_status> wait() { return wait_for(the_child()); }

  /// auto status = co_await p.terminate(5s);
  ///   completes   when it has ended, which it was asked to by SIGTERM, and after the time of grace made to by SIGKILL
  ///   result      as wait()
  ///   on error    as wait()
  ///   on stop     goes on: afterwards there is no process
  ///   resumes on  the pool it was awaited on
  template <class Rep, class Period>
  [[nodiscard]] task<exit_status> terminate(std::chrono::duration<Rep, Period> grace) {
    return end_within(the_child(), detail::whole_duration(grace));
  }

  /// Sends a signal. False: it has been waited for, there is nobody to get one. Throws std::system_error where there is no such signal,
  /// or where it runs as somebody else.
  bool kill(int signal = SIGKILL) {
    auto& c = the_child();
    int const error = c.signal(signal);
    if (error == 0 || error == ESRCH) return error == 0;
    throw std::system_error(error, std::system_category(),
                            "kill " + c.name() + " with signal " + std::to_string(signal));
  }

  /// Its number, for messages. Another may have it once this one has been waited for.
  [[nodiscard]] pid_t pid() const noexcept { return child_ ? child_->pid() : -1; }

  pipe_writer std_in;   ///< what it reads, if asked for; closed: it reads the end
  pipe_reader std_out;  ///< what it writes, if asked for
  pipe_reader std_err;  ///< what it complains of, if asked for

 private:
  explicit basic_process(std::unique_ptr<detail::child> c) noexcept : child_(std::move(c)) {}

  [[nodiscard]] detail::child& the_child() const noexcept {
    WEFT_ASSERT(child_ != nullptr, "a process that was moved from is used");
    return *child_;
  }

  static basic_process launch(command const& what, process_options const& options);
  static task<exit_status> wait_for(detail::child& c);
  static task<exit_status> end_within(detail::child& c, clock::duration grace);

  std::unique_ptr<detail::child> child_;
};
using process = basic_process<>;

namespace detail {

/// The descriptors of a child. The ends of its pipes that stay here go to the process.
class child_descriptors : pinned {
 public:
  template <class T>
  child_descriptors(prepared_command const& c, process_options const& options, std::vector<int> const& passed,
                    basic_process<T>& p)
      : command_(c) {
    if (auto ours = connect(0, options.std_in)) p.std_in = pipe_writer(std::move(*ours));
    if (auto ours = connect(1, options.std_out)) p.std_out = pipe_reader(std::move(*ours));
    if (auto ours = connect(2, options.std_err)) p.std_err = pipe_reader(std::move(*ours));
    for (int const fd : passed) all_.push_back(checked(fd));
  }

  [[nodiscard]] std::vector<int> const& all() const noexcept { return all_; }

 private:
  [[nodiscard]] int checked(int fd) const {
    if (fd < 0 || ::fcntl(fd, F_GETFD) < 0) command_.fail(EBADF, "descriptor " + std::to_string(fd));
    return fd;
  }
  void give(file_handle&& h) {
    all_.push_back(h.get());
    kept_.push_back(std::move(h));
  }

  // The end that stays here, if it is a pipe.
  std::optional<file_handle> connect(int which, stdio const& s) {
    switch (s.type()) {
      case stdio::kind::inherit: all_.push_back(-1); break;
      case stdio::kind::descriptor: all_.push_back(checked(s.descriptor())); break;
      case stdio::kind::null: {
        int const fd = ::open("/dev/null", O_CLOEXEC | (which == 0 ? O_RDONLY : O_WRONLY));
        if (fd < 0) command_.fail(errno, "/dev/null");
        give(file_handle::adopt(fd));
        break;
      }
      case stdio::kind::as_out:
        if (which != 2) command_.fail(EINVAL, "stdio::as_out is for std_err");
        all_.push_back(all_[1] >= 0 ? all_[1] : checked(1));
        break;
      case stdio::kind::pipe: {
        // Only our end does not block: programs do not expect it of theirs.
        std::array<int, 2> ends;
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) command_.fail(errno, "a pipe");
        file_handle reader = file_handle::adopt(ends[0]), writer = file_handle::adopt(ends[1]);
        if (which == 0) std::swap(reader, writer);
        if (::fcntl(reader.get(), F_SETFL, O_NONBLOCK) != 0) command_.fail(errno, "a pipe");
        give(std::move(writer));
        return reader;
      }
    }
    return std::nullopt;
  }

  prepared_command const& command_;
  std::vector<int> all_;
  std::vector<file_handle> kept_;
};

}  // namespace detail

template <class T>
basic_process<T> basic_process<T>::launch(command const& what, process_options const& options) {
  detail::prepared_command const prepared(what);
  basic_process p(std::make_unique<detail::child>(what.program(), options.group));
  detail::child_descriptors const descriptors(prepared, options, detail::command_access::passed(what), p);
  auto plan = prepared.plan();
  plan.descriptors = descriptors.all();
  plan.own_group = options.group == process_group::own;
  if (int const error = p.child_->start(plan); error != 0) prepared.fail(error);
  return p;
}

template <class T>
task<basic_process<T>> basic_process<T>::start(command what, process_options options) {
  auto call = blocking([&what, &options] { return launch(what, options); });
  co_return co_await std::move(call);
}

// Without a descriptor to watch it is looked at, more and more seldom: a wait in a blocked thread could not be stopped, and a pool
// could not end before the child.
template <class T>
task<exit_status> basic_process<T>::wait_for(detail::child& c) {
  using namespace std::chrono_literals;
  for (std::chrono::milliseconds pause = 1ms;; pause = std::min(2 * pause, 50ms)) {
    if (auto const status = c.look()) co_return *status;
    if (detail::handle_record* const end = c.watched()) {
      co_await detail::descriptor_wait(end, detail::direction::reading);
    } else {
      co_await sleep_for(pause);
    }
  }
}

template <class T>
task<exit_status> basic_process<T>::end_within(detail::child& c, clock::duration grace) {
  auto end = [](detail::child& ending, clock::duration most) -> task<exit_status> {
    std::optional<exit_status> status;
    static_cast<void>(ending.signal(SIGTERM));
    try {
      auto patiently = timeout(most, wait_for(ending));
      status = co_await std::move(patiently);
    } catch (timed_out const&) {
      static_cast<void>(ending.signal(SIGKILL));
    }
    if (!status) status = co_await wait_for(ending);
    co_return *status;
  };
  auto ended = shield(end(c, grace));
  co_return co_await std::move(ended);
}

}  // namespace weft
