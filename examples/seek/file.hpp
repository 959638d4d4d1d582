// file: opening and reading, either at once or not at all, or with as much waiting as it takes.
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#endif

#include <cerrno>
#include <cstddef>
#include <utility>

namespace seek {

/// Whether the system may put the calling thread to sleep until a disk or a network has answered. Where it may not, a call
/// that would do so fails, and so does one of which the system cannot tell (a file system that does not say, an old Linux):
/// any failure then means to try again where waiting is allowed.
enum class waiting { never, allowed };

/// Owns an open file.
class file {
 public:
  file() noexcept = default;
  explicit file(int number) noexcept : number_(number) {}
  file(file&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  file& operator=(file&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~file() {
    if (number_ >= 0) ::close(number_);
  }

  explicit operator bool() const noexcept { return number_ >= 0; }
  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

/// Opens for reading; a file that is false says why in errno.
inline file open_file(char const* path, int flags, waiting how) noexcept {
  flags |= O_RDONLY | O_CLOEXEC | O_NOCTTY;
  if (how == waiting::allowed) return file(::open(path, flags));
#if defined(RESOLVE_CACHED)
  ::open_how cached{};
  cached.flags = static_cast<unsigned>(flags);
  cached.resolve = RESOLVE_CACHED;
  return file(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path, &cached, sizeof cached)));
#else
  errno = EAGAIN;
  return file();
#endif
}

inline constexpr ::off_t where_it_stands = -1;
inline constexpr std::size_t least_page = 4096;

/// Reads until `room` bytes have come or the file ends, from where it stands or from an offset at the start of a page.
/// Returns how many; -1: errno says why, and what had come is lost.
inline ::ssize_t read_file(file const& from, char* to, std::size_t room, waiting how,
                           ::off_t offset = where_it_stands) noexcept {
  std::size_t have = 0;
  while (have != room) {
    ::iovec part{to + have, room - have};
    auto const at = offset == where_it_stands ? offset : offset + static_cast<::off_t>(have);
    auto const got = ::preadv2(from.number(), &part, 1, at, how == waiting::never ? RWF_NOWAIT : 0);
    if (got == 0) break;
    if (got > 0) have += static_cast<std::size_t>(got);
    else if (errno != EINTR) return -1;
    // What is in memory ends between two pages only where the file does: there is no need to ask again.
    if (how == waiting::never && have % least_page != 0) break;
  }
  return static_cast<::ssize_t>(have);
}

}  // namespace seek
