// files: opening and reading what lies in one folder, and nothing else. What is in memory is opened and read at once, on the worker;
// what the system would have to wait for goes to a thread that may wait.
#pragma once

#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace serve {

/// An open file of the folder, or none.
class file {
 public:
  enum class kind { none, regular, directory };

  file() noexcept = default;
  explicit file(int descriptor) : descriptor_(descriptor) {
    struct ::stat s;
    if (descriptor < 0 || ::fstat(descriptor, &s) != 0) return;
    kind_ = S_ISREG(s.st_mode) ? kind::regular : S_ISDIR(s.st_mode) ? kind::directory : kind::none;
    size_ = static_cast<std::uint64_t>(s.st_size);
    changed_ = s.st_mtim;
  }
  file(file&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)),
        kind_(other.kind_),
        size_(other.size_),
        changed_(other.changed_) {}
  file& operator=(file&&) = delete;
  ~file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  [[nodiscard]] kind what() const noexcept { return kind_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] std::time_t changed() const noexcept { return changed_.tv_sec; }
  /// Another where its content is another, as far as time and size tell.
  [[nodiscard]] std::string tag() const {
    return '"' + std::to_string(changed_.tv_sec) + '.' + std::to_string(changed_.tv_nsec) + '-' +
           std::to_string(size_) + '"';
  }

  /// Sends so many bytes from `offset` on, as far as they are in memory and the socket has room for them now: they are not copied on the
  /// way. How many went.
  [[nodiscard]] std::size_t send_now(int socket, std::uint64_t offset, std::size_t count) const noexcept {
    count = in_memory(offset, count);
    auto from = static_cast<::off_t>(offset);
    while (count != 0) {
      auto const n = ::sendfile(socket, descriptor_, &from, count);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) return 0;
    }
    return 0;
  }

  /// Some bytes from `offset` on, at least one; 0: it ends there. Throws std::system_error.
  [[nodiscard]] weft::task<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const {
    auto got = read_once(offset, into, RWF_NOWAIT);
    if (got < 0) {
      // Not in memory, or the file system does not say.
      auto waiting = weft::blocking([&] { return read_once(offset, into, 0); });
      got = co_await std::move(waiting);
      if (got < 0) throw std::system_error(static_cast<int>(-got), std::system_category(), "read");
    }
    co_return static_cast<std::size_t>(got);
  }

 private:
  // How many bytes from `offset` on can be had without waiting. The last byte of each stretch tells of all of it: the system reads as much in
  // one go, and forgets in that order, so that at worst one such read is waited for.
  [[nodiscard]] std::size_t in_memory(std::uint64_t offset, std::size_t count) const noexcept {
    constexpr std::size_t stretch = 128 * 1024;
    for (std::size_t known = 0; known != count;) {
      auto const next = std::min(count, known + stretch);
      char last;
      if (read_once(offset + next - 1, std::span(&last, 1), RWF_NOWAIT) != 1) return known;
      known = next;
    }
    return count;
  }

  // Negative: the error.
  [[nodiscard]] ::ssize_t read_once(std::uint64_t offset, std::span<char> into, int flags) const noexcept {
    ::iovec part{into.data(), into.size()};
    for (;;) {
      auto const n = ::preadv2(descriptor_, &part, 1, static_cast<::off_t>(offset), flags);
      if (n >= 0) return n;
      if (errno != EINTR) return -errno;
    }
  }

  int descriptor_ = -1;
  kind kind_ = kind::none;
  std::uint64_t size_ = 0;
  ::timespec changed_{};
};

/// The folder that is served. Any thread.
class folder {
 public:
  /// Throws std::system_error.
  explicit folder(char const* path) : descriptor_(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ < 0) throw std::system_error(errno, std::system_category(), std::string("open ") + path);
    int const self = open_below(".", 0);
    if (self < 0) throw std::system_error(-self, std::system_category(), std::string("openat2 ") + path);
    ::close(self);
  }
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;
  ~folder() { ::close(descriptor_); }

  /// By a path without a slash in front. Of kind none: there is nothing to serve. The system itself sees to it that no link leads
  /// anywhere: none is followed. Throws std::system_error, where it fails for want of something.
  [[nodiscard]] weft::task<file> open(std::string path) const {
    int descriptor = open_below(path.c_str(), RESOLVE_CACHED);
    if (descriptor == -EAGAIN || descriptor == -EINVAL) {  // not in memory; an older Linux does not say
      auto waiting = weft::blocking([&] { return open_below(path.c_str(), 0); });
      descriptor = co_await std::move(waiting);
    }
    if (descriptor == -EMFILE || descriptor == -ENFILE || descriptor == -ENOMEM)
      throw std::system_error(-descriptor, std::system_category(), "open " + path);
    co_return file(descriptor);
  }

 private:
  // Negative: the error. Without O_NONBLOCK, to open a pipe would be to wait for who writes to it.
  [[nodiscard]] int open_below(char const* path, std::uint64_t more) const noexcept {
    ::open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | more;
    for (;;) {
      auto const fd = ::syscall(SYS_openat2, descriptor_, path, &how, sizeof how);
      if (fd >= 0) return static_cast<int>(fd);
      if (errno != EINTR) return -errno;
    }
  }

  int descriptor_;
};

}  // namespace serve
