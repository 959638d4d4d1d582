// A file descriptor that closes itself, and the blocking calls on files, whole: no short reads, no EINTR.
#pragma once

#include <weft/os/system_calls.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace weft::detail {

[[noreturn]] inline void throw_errno(char const* call, std::string const& path) {
  int const error = errno;
  throw std::system_error(error, std::system_category(), std::string(call) + " " + path);
}

/// Owns a descriptor, or none. One thread at a time.
class file_handle {
 public:
  file_handle() noexcept = default;
  file_handle(file_handle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  file_handle& operator=(file_handle&& other) noexcept {
    file_handle old(std::move(*this));
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  ~file_handle() {
    if (fd_ >= 0) sys::close(fd_);
  }

  /// Close-on-exec. Throws std::system_error that names the path.
  static file_handle open(std::string const& path, int flags) {
    if (path.find('\0') != std::string::npos) {  // the system would open another file: what stands before it
      errno = EINVAL;
      throw_errno("open", path);
    }
    for (;;) {
      int const fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
      if (fd >= 0) return file_handle(fd);
      if (errno != EINTR) throw_errno("open", path);
    }
  }

  /// Owns it from here on.
  [[nodiscard]] static file_handle adopt(int fd) noexcept { return file_handle(fd); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  /// The caller owns it from here on.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  /// Bytes, at the time of the call.
  [[nodiscard]] std::uint64_t size(std::string const& path) const {
    struct stat s;
    if (::fstat(fd_, &s) != 0) throw_errno("fstat", path);
    return static_cast<std::uint64_t>(s.st_size);
  }

  /// What a read that does not wait has come to.
  enum class found : std::uint8_t {
    bytes,       ///< or the end of the file, where there are none
    nothing,     ///< a read would wait, or fail
    not_offered  ///< this kind of file says nothing about that
  };
  struct in_memory {
    found what;
    std::size_t bytes;
  };

  /// Reads as much as is in memory.
  [[nodiscard]] in_memory read_in_memory(std::uint64_t offset, std::span<std::byte> into) const noexcept {
#if defined(RWF_NOWAIT)
    ::iovec const buffer{into.data(), into.size()};
    auto const n = ::preadv2(fd_, &buffer, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    if (n > 0) return {found::bytes, static_cast<std::size_t>(n)};
    // Linux 5.9 and 5.10 may say so where there is more.
    if (n == 0) return {ends_before(offset) ? found::bytes : found::nothing, 0};
    bool const offered = errno != EOPNOTSUPP && errno != ENOSYS && errno != EPERM;
    return {offered ? found::nothing : found::not_offered, 0};
#else
    static_cast<void>(offset);
    static_cast<void>(into);
    return {found::not_offered, 0};
#endif
  }

  /// Is it read and written at offsets, as a file on a disk is, and a pipe or a terminal is not?
  [[nodiscard]] bool has_offsets() const noexcept {
    struct stat s;
    return ::fstat(fd_, &s) == 0 && (S_ISREG(s.st_mode) || S_ISBLK(s.st_mode));
  }

  /// Reads until the buffer is full or the file ends; returns how many bytes.
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> into, std::string const& path) const {
    std::size_t done = 0;
    while (done < into.size()) {
      auto const n = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (n > 0) {
        done += static_cast<std::size_t>(n);
      } else if (n == 0) {
        break;
      } else if (errno != EINTR) {
        throw_errno("read", path);
      }
    }
    return done;
  }

  /// Writes all of it.
  void write_at(std::uint64_t offset, std::span<std::byte const> bytes, std::string const& path) const {
    for (std::size_t done = 0; done < bytes.size();) {
      auto const n = ::pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
      if (n >= 0) {
        done += static_cast<std::size_t>(n);
      } else if (errno != EINTR) {
        throw_errno("write", path);
      }
    }
  }

  void sync(std::string const& path) const {
    while (::fsync(fd_) != 0)
      if (errno != EINTR) throw_errno("fsync", path);
  }

 private:
  [[nodiscard]] bool ends_before(std::uint64_t offset) const noexcept {
    struct stat s;
    return ::fstat(fd_, &s) == 0 && S_ISREG(s.st_mode) && offset >= static_cast<std::uint64_t>(s.st_size);
  }

  explicit file_handle(int fd) noexcept : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace weft::detail
