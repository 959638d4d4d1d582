// Files, read and written on the threads set aside for blocking calls.
#pragma once

#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>
#include <weft/os/file_handle.hpp>

#include <cstddef>
#include <cstdint>
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

/// An open file. Closed when the last copy and the last operation on it are gone, close-on-exec. Every operation is awaited:
///   completes   when the call has been made on a blocking thread
///   on error    throws std::system_error that names the call and the path
///   on stop     one that has not begun is not made, and completes as stopped
///   resumes on  the pool it was awaited on
/// Copies share the file. Any thread; operations on one file may be in flight at the same time.
class file {
 public:
  /// auto f = co_await file::open(path, file_mode::read);
  [[nodiscard]] static task<file> open(std::string path, file_mode mode) {
    file opened(std::move(path));
    auto call =
        blocking([&opened, mode] { opened.shared_->handle = detail::file_handle::open(opened.path(), flags(mode)); });
    co_await std::move(call);
    co_return opened;
  }

  /// Reads from `offset` until the buffer is full or the file ends; the result is the number of bytes. The buffer stays until then.
  [[nodiscard]] task<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const {
    file const self = *this;
    auto call = blocking([&self, offset, into] { return self.shared_->handle.read_at(offset, into, self.path()); });
    co_return co_await std::move(call);
  }

  /// Writes all bytes at `offset`. The bytes stay until then.
  [[nodiscard]] task<> write_at(std::uint64_t offset, std::span<std::byte const> bytes) const {
    file const self = *this;
    auto call = blocking([&self, offset, bytes] { self.shared_->handle.write_at(offset, bytes, self.path()); });
    co_await std::move(call);
  }
  [[nodiscard]] task<> write_at(std::uint64_t offset, std::string_view text) const {
    return write_at(offset, std::as_bytes(std::span(text)));
  }

  /// Bytes.
  [[nodiscard]] task<std::uint64_t> size() const {
    file const self = *this;
    auto call = blocking([&self] { return self.shared_->handle.size(self.path()); });
    co_return co_await std::move(call);
  }

  /// What was written is on the device.
  [[nodiscard]] task<> sync() const {
    file const self = *this;
    auto call = blocking([&self] { self.shared_->handle.sync(self.path()); });
    co_await std::move(call);
  }

  [[nodiscard]] std::string const& path() const noexcept { return shared_->path; }

 private:
  struct opened_file {
    std::string path;
    detail::file_handle handle;
  };

  explicit file(std::string path) : shared_(std::make_shared<opened_file>()) { shared_->path = std::move(path); }

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

  std::shared_ptr<opened_file> shared_;
};

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
[[nodiscard]] inline task<std::string> read_file(std::string path) {
  auto call = blocking([&path] { return detail::read_whole_file(path); });
  co_return co_await std::move(call);
}

/// co_await write_file(path, bytes);      the whole file, replaced, in one blocking call; the bytes stay until then
///   completes   when the file has been written
///   on error    throws std::system_error that names the call and the path; the file may be incomplete
///   on stop     one that has not begun is not made, and completes as stopped
///   resumes on  the pool it was awaited on
[[nodiscard]] inline task<> write_file(std::string path, std::span<std::byte const> bytes) {
  auto call = blocking([&path, bytes] { detail::write_whole_file(path, bytes); });
  co_await std::move(call);
}
[[nodiscard]] inline task<> write_file(std::string path, std::string_view text) {
  return write_file(std::move(path), std::as_bytes(std::span(text)));
}

}  // namespace weft
