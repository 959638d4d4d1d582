// pipe: bytes that go one way, inside this process or to a program that it starts.
#pragma once

#include <weft/io/operation.hpp>
#include <weft/io/reactor.hpp>
#include <weft/io/stream.hpp>
#include <weft/os/file_handle.hpp>
#include <weft/os/pipe.hpp>
#include <weft/os/system_calls.hpp>

#include <unistd.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

namespace detail {

struct pipe_calls {
  static std::string name(endpoint const&) { return "pipe"; }
  static ssize_t read(int fd, std::span<std::byte> into) noexcept { return sys::read(fd, into.data(), into.size()); }
  static ssize_t write(int fd, std::span<std::byte const> bytes) noexcept {
    return write_without_signal(fd, bytes.data(), bytes.size());
  }
};

}  // namespace detail

/// The end that is read. One task at a time reads; any thread may close. Closed with its owner, not inherited by programs that are
/// started. What is in flight at close(), or begun after it, completes as stopped.
class pipe_reader {
 public:
  /// Nothing: every operation on it fails.
  pipe_reader() noexcept = default;
  /// The reading end of a pipe that somebody else has made, and that does not block. Throws std::bad_alloc.
  explicit pipe_reader(detail::file_handle&& descriptor)
      : handle_(std::move(descriptor), detail::short_read::says_nothing) {}

  /// auto n = co_await p.read(buffer);
  ///   completes   when at least one byte has come, or all writers have gone; at once where the buffer is empty
  ///   result      the number of bytes at the beginning of the buffer; 0: the end
  ///   on error    throws std::system_error
  ///   on stop     takes no bytes, completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto read(std::span<std::byte> into) noexcept {
    return operation<detail::read_until::something>(handle_.record(), into);
  }

  /// co_await p.read_exactly(buffer);
  ///   completes   when the buffer is full
  ///   result      its size
  ///   on error    throws weft::unexpected_end if all writers have gone before
  ///   on stop     completes as stopped; what has come until then is lost
  ///   resumes on  the pool it was awaited on
  auto read_exactly(std::span<std::byte> into) noexcept {
    return operation<detail::read_until::full>(handle_.record(), into);
  }

  /// A read in flight completes as stopped. Any thread, again and again.
  void close() noexcept { handle_.close(); }

  template <class F>
  bool with_descriptor(F&& f) const {
    return handle_.with_descriptor(static_cast<F&&>(f));
  }

 private:
  template <detail::read_until Until>
  using operation = detail::read_operation<detail::pipe_calls, Until>;
  detail::io_handle handle_;
};

/// The end that is written. As pipe_reader.
class pipe_writer {
 public:
  pipe_writer() noexcept = default;
  explicit pipe_writer(detail::file_handle&& descriptor)
      : handle_(std::move(descriptor), detail::short_read::says_nothing) {}

  /// co_await p.write(bytes);         the bytes stay until then
  ///   completes   when the pipe has taken all of them
  ///   on error    throws std::system_error; EPIPE, without a signal, where nobody reads any more
  ///   on stop     completes as stopped; a part may have been written
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto write(std::span<std::byte const> bytes) noexcept {
    return detail::write_operation<detail::pipe_calls>(handle_.record(), bytes);
  }
  [[nodiscard]] auto write(std::string_view text) noexcept { return write(std::as_bytes(std::span(text))); }

  /// The reader gets the end after what has been written. A write in flight completes as stopped. Any thread, again and again.
  void close() noexcept { handle_.close(); }

  template <class F>
  bool with_descriptor(F&& f) const {
    return handle_.with_descriptor(static_cast<F&&>(f));
  }

 private:
  detail::io_handle handle_;
};

/// Both ends of one: `weft::pipe p; co_await p.writer.write("…");`
class pipe {
 public:
  /// Throws std::system_error where descriptors are short.
  pipe() : pipe(detail::make_pipe()) {}

  pipe_reader reader;
  pipe_writer writer;

 private:
  explicit pipe(std::pair<detail::file_handle, detail::file_handle>&& ends)
      : reader(std::move(ends.first)), writer(std::move(ends.second)) {}
};

}  // namespace weft
