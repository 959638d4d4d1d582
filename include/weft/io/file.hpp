// Files: what is in memory is read at once; what has to be waited for, io_uring or a thread set aside for blocking calls does.
#pragma once

#include <weft/concurrent/atomic.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/io/operation.hpp>
#include <weft/io/reactor.hpp>
#include <weft/io/ring_operation.hpp>
#include <weft/io/socket.hpp>
#include <weft/os/file_handle.hpp>
#include <weft/os/io_choice.hpp>
#include <weft/os/simulation.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

/// What a file is opened for.
enum class file_mode {
  read,        ///< must exist
  write,       ///< made if it does not exist, emptied if it does
  read_write,  ///< must exist
  create,      ///< made, for reading and writing; an error if it exists
  append       ///< made if it does not exist; write_at adds at the end, whatever the offset
};

namespace detail {

/// A file and how to get at it. Any thread.
class opened_file : pinned {
 public:
  explicit opened_file(std::string named) : path(std::move(named)) {}

  std::string const path;
  file_handle handle;  // both constant once it has been opened
  bool has_offsets = false;

  struct so_far {
    std::size_t bytes;
    bool over;  // nothing is left to be read
  };

  /// Is it worth while to look for so many bytes in memory? More take longer to copy than to hand over.
  [[nodiscard]] bool looks_into_memory(std::uint64_t offset, std::size_t bytes) const noexcept {
    return bytes <= most_at_once && tells_.load(memory_order_relaxed) && has_place(offset) && !current_simulation();
  }

  /// Without waiting.
  [[nodiscard]] so_far read_from_memory(std::uint64_t offset, std::span<std::byte> into) noexcept {
    std::size_t done = 0;
    while (done < into.size()) {
      auto const now = handle.read_in_memory(offset + done, into.subspan(done));
      if (now.what == file_handle::found::not_offered) tells_.store(false, memory_order_relaxed);
      if (now.what != file_handle::found::bytes) return {done, false};
      if (now.bytes == 0) break;
      done += now.bytes;
    }
    return {done, true};
  }

  /// By a task: does its pool wait for this by io_uring?
  [[nodiscard]] bool uses_ring(std::uint64_t offset) const noexcept {
    return has_place(offset) && current_worker()->home.settings().io == io_backend::io_uring && !current_simulation();
  }

 private:
  static constexpr std::size_t most_at_once = std::size_t{256} << 10;

  // Others get their errors from the plain calls: to a ring an offset is no error on a pipe, and ~0 says "where it stands".
  [[nodiscard]] bool has_place(std::uint64_t offset) const noexcept {
    return has_offsets && offset <= std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  }

  atomic<bool> tells_{true};  // what is in memory, as far as anybody knows
};

}  // namespace detail

/// An open file. Closed when the last copy and the last operation on it are gone, close-on-exec. Every operation is awaited:
///   completes   when it has been done: a read of what is in memory at once, anything else by io_uring where the pool uses it
///               (pool_options::io), else on a blocking thread
///   on error    throws std::system_error that names the call and the path
///   on stop     one that has not begun is not made, and completes as stopped. One that has begun goes on to its end, or, by io_uring, ends as
///               soon as the system lets go of the bytes: as stopped if a part is missing then
///   resumes on  the pool it was awaited on
/// Copies share the file. Any thread; operations on one file may be in flight at the same time.
template <class = void>
class basic_file {
 public:
  /// auto f = co_await file::open(path, file_mode::read);
  [[nodiscard]] static task<basic_file> open(std::string path, file_mode mode) {
    basic_file opened(std::move(path));
    auto call = blocking([&opened, mode] {
      auto& f = *opened.shared_;
      f.handle = detail::file_handle::open(f.path, flags(mode));
      f.has_offsets = f.handle.has_offsets();
    });
    co_await std::move(call);
    co_return opened;
  }

  /// Reads from `offset` until the buffer is full or the file ends; the result is the number of bytes. The buffer stays until then.
  [[nodiscard]] task<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const {
    basic_file const self = *this;
    auto& f = *self.shared_;
    this_task::stop_token().throw_if_stopped();
    for (std::size_t done = 0;;) {
      if (f.looks_into_memory(offset + done, into.size() - done)) {
        if (detail::io_operation::out_of_turn(*detail::current_worker())) co_await this_task::yield();
        auto const now = f.read_from_memory(offset + done, into.subspan(done));
        done += now.bytes;
        if (now.over) co_return done;
      }
      auto const at = offset + done;
      auto const rest = into.subspan(done);
      if (f.uses_ring(at)) {
        auto const got = co_await detail::ring_operation::read(f.handle.get(), at, rest);
        if (got && got->error != 0) detail::throw_io(got->error, "read", f.path);
        if (got) {
          done += got->bytes;
          if (got->bytes == 0 || done == into.size()) co_return done;
          continue;
        }
      }
      auto call = blocking([&f, at, rest] { return f.handle.read_at(at, rest, f.path); });
      co_return done + co_await std::move(call);
    }
  }

  /// Writes all bytes at `offset`. The bytes stay until then.
  [[nodiscard]] task<> write_at(std::uint64_t offset, std::span<std::byte const> bytes) const {
    basic_file const self = *this;
    auto& f = *self.shared_;
    std::size_t done = 0;
    while (done < bytes.size() && f.uses_ring(offset + done)) {
      auto const put = co_await detail::ring_operation::write(f.handle.get(), offset + done, bytes.subspan(done));
      if (put && put->error != 0) detail::throw_io(put->error, "write", f.path);
      if (!put || put->bytes == 0) break;
      done += put->bytes;
    }
    if (done != 0 && done == bytes.size()) co_return;
    auto call = blocking([&f, offset, bytes, done] { f.handle.write_at(offset + done, bytes.subspan(done), f.path); });
    co_await std::move(call);
  }
  [[nodiscard]] task<> write_at(std::uint64_t offset, std::string_view text) const {
    return write_at(offset, std::as_bytes(std::span(text)));
  }

  /// Bytes.
  [[nodiscard]] task<std::uint64_t> size() const {
    basic_file const self = *this;
    auto call = blocking([&self] { return self.shared_->handle.size(self.path()); });
    co_return co_await std::move(call);
  }

  /// What was written is on the device.
  [[nodiscard]] task<> sync() const {
    basic_file const self = *this;
    auto& f = *self.shared_;
    if (f.uses_ring(0)) {
      auto const done = co_await detail::ring_operation::sync(f.handle.get());
      if (done && done->error != 0) detail::throw_io(done->error, "fsync", f.path);
      if (done) co_return;
    }
    auto call = blocking([&f] { f.handle.sync(f.path); });
    co_await std::move(call);
  }

  [[nodiscard]] std::string const& path() const noexcept { return shared_->path; }

 private:
  explicit basic_file(std::string path) : shared_(std::make_shared<detail::opened_file>(std::move(path))) {}

  static int flags(file_mode mode) noexcept {
    switch (mode) {
      case file_mode::read: return O_RDONLY;
      case file_mode::write: return O_WRONLY | O_CREAT | O_TRUNC;
      case file_mode::read_write: return O_RDWR;
      case file_mode::create: return O_RDWR | O_CREAT | O_EXCL;
      case file_mode::append: return O_WRONLY | O_CREAT | O_APPEND;
    }
    return O_RDONLY;
  }

  std::shared_ptr<detail::opened_file> shared_;
};
using file = basic_file<>;

namespace detail {

inline std::string read_whole_file(std::string const& path) {
  auto const handle = file_handle::open(path, O_RDONLY);
  // The size is a hint: files of /proc say 0, others grow while they are read.
  std::string content(static_cast<std::size_t>(handle.size(path)) + 1, '\0');
  std::size_t filled = 0;
  for (;;) {
    auto const room = std::as_writable_bytes(std::span(content)).subspan(filled);
    auto const n = handle.read_at(filled, room, path);
    filled += n;
    if (n < room.size()) break;
    content.resize(content.size() * 2 + 4096);
  }
  content.resize(filled);
  return content;
}

inline void write_whole_file(std::string const& path, std::span<std::byte const> bytes) {
  file_handle::open(path, O_WRONLY | O_CREAT | O_TRUNC).write_at(0, bytes, path);
}

}  // namespace detail

/// std::string text = co_await read_file(path);       the whole file, in one blocking call
///   completes   when the file has been read
///   on error    throws std::system_error that names the call and the path
///   on stop     one that has not begun is not made, and completes as stopped
///   resumes on  the pool it was awaited on
[[nodiscard]] task<std::string> read_file(std::string path);

/// co_await write_file(path, bytes);      the whole file, replaced, in one blocking call; the bytes stay until then
///   completes   when the file has been written
///   on error    throws std::system_error that names the call and the path; the file may be incomplete
///   on stop     one that has not begun is not made, and completes as stopped
///   resumes on  the pool it was awaited on
[[nodiscard]] task<> write_file(std::string path, std::span<std::byte const> bytes);
[[nodiscard]] task<> write_file(std::string path, std::string_view text);

template <class>
class whole_file_bodies {
  static task<std::string> read(std::string path) {
    auto call = blocking([&path] { return detail::read_whole_file(path); });
    co_return co_await std::move(call);
  }
  static task<> write(std::string path, std::span<std::byte const> bytes) {
    auto call = blocking([&path, bytes] { detail::write_whole_file(path, bytes); });
    co_await std::move(call);
  }

  friend task<std::string> read_file(std::string path) { return read(std::move(path)); }
  friend task<> write_file(std::string path, std::span<std::byte const> bytes) { return write(std::move(path), bytes); }
  friend task<> write_file(std::string path, std::string_view text) {
    return write(std::move(path), std::as_bytes(std::span(text)));
  }
};
WEFT_DEFINE_FRIENDS(whole_file_bodies);

}  // namespace weft
