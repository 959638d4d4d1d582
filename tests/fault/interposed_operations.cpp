#include "fault/system_calls.hpp"

#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft_test {

namespace {

// Read inside signal handlers, too.
std::atomic<char const*> failing_name{nullptr};
std::atomic<std::size_t> failing_length{0};
std::atomic<int> failing_error{0};
std::atomic<refusal> failing_how{refusal::instead};
std::atomic<std::int64_t> first{0}, last{0}, calls{0};
std::atomic<std::int64_t> threads_asked{0}, threads_first{-1}, threads_last{-1};

/// Is it about calls of this name at all?
bool armed(std::string_view name) noexcept {
  char const* const wanted = failing_name.load(std::memory_order_acquire);
  return wanted != nullptr && std::string_view(wanted, failing_length.load(std::memory_order_relaxed)) == name;
}

/// The error that this call is to end with; 0: none.
int due(std::string_view name, refusal how) noexcept {
  if (!armed(name) || failing_how.load(std::memory_order_relaxed) != how) return 0;
  auto const number = calls.fetch_add(1, std::memory_order_relaxed);
  bool const fails = number >= first.load(std::memory_order_relaxed) && number < last.load(std::memory_order_relaxed);
  return fails ? failing_error.load(std::memory_order_relaxed) : 0;
}

template <class F>
F* next(std::atomic<void*>& known, char const* name) noexcept {
  void* p = known.load(std::memory_order_relaxed);
  if (p == nullptr) known.store(p = ::dlsym(RTLD_NEXT, name), std::memory_order_relaxed);
  return reinterpret_cast<F*>(p);
}

/// The same for read and write, which have a row more for eventfds: a wake-up that is lost there is one that no system loses.
int due(std::string_view name, std::string_view of_events, int fd) noexcept {
  if (!armed(name) && !armed(of_events)) return 0;
  struct ::stat s;
  int const error = errno;
  // Not fstat by its name, which is one of those that fail.
  bool const none = ::fstatat(fd, "", &s, 0x1000 /* AT_EMPTY_PATH */) == 0 && (s.st_mode & S_IFMT) == 0;
  errno = error;
  return due(none ? of_events : name, refusal::instead);
}

/// How much of so many bytes this call is to be given.
std::size_t cut(std::size_t bytes, int& error) noexcept {
  if (error != short_count) return bytes;
  error = 0;
  return bytes < 1 ? bytes : 1;
}

}  // namespace

failing_call::failing_call(system_call const& call, int error, std::int64_t nth, std::int64_t count) noexcept {
  calls = 0;
  first = nth;
  last = nth < 0 ? nth : nth + count;
  failing_error = error;
  failing_how = call.how;
  failing_length = call.name.size();
  failing_name.store(call.name.data(), std::memory_order_release);
}
failing_call::~failing_call() { failing_name = nullptr; }
std::int64_t failing_call::seen() const noexcept { return calls; }

refused_threads::refused_threads(std::int64_t nth, std::int64_t count) noexcept {
  threads_asked = 0;
  threads_last = nth + count;
  threads_first = nth;
}
refused_threads::~refused_threads() { threads_first = -1; }
bool refused_threads::happened() const noexcept { return threads_asked > threads_first; }

}  // namespace weft_test

using weft_test::cut;
using weft_test::due;
using weft_test::refusal;

// Under names of this program's own, and in the system's place by their labels: what the headers of the system promise about them (exceptions,
// attributes) is not repeated here.
#define WEFT_INTERPOSE(result, name, parameters, arguments)                          \
  extern "C" result weft_test_##name parameters asm(#name);                          \
  extern "C" result weft_test_##name parameters {                                    \
    static constinit std::atomic<void*> known{nullptr};                              \
    if (int const error = due(#name, refusal::instead)) return errno = error, -1;    \
    auto const r = weft_test::next<result parameters>(known, #name) arguments;       \
    if (int const error = due(#name, refusal::afterwards)) return errno = error, -1; \
    return r;                                                                        \
  }                                                                                  \
  static_assert(true)

WEFT_INTERPOSE(int, open, (char const* path, int flags, unsigned mode), (path, flags, mode));
WEFT_INTERPOSE(int, close, (int fd), (fd));
WEFT_INTERPOSE(ssize_t, preadv2, (int fd, void const* v, int n, off_t at, int flags), (fd, v, n, at, flags));
WEFT_INTERPOSE(int, fstat, (int fd, void* s), (fd, s));
WEFT_INTERPOSE(int, fsync, (int fd), (fd));
WEFT_INTERPOSE(int, fcntl, (int fd, int what, long argument), (fd, what, argument));
WEFT_INTERPOSE(int, pipe2, (int* fds, int flags), (fds, flags));
WEFT_INTERPOSE(int, unlink, (char const* path), (path));
WEFT_INTERPOSE(int, faccessat, (int at, char const* path, int mode, int flags), (at, path, mode, flags));
WEFT_INTERPOSE(int, poll, (void* fds, unsigned long n, int ms), (fds, n, ms));
WEFT_INTERPOSE(int, epoll_create1, (int flags), (flags));
WEFT_INTERPOSE(int, epoll_ctl, (int ep, int what, int fd, void* event), (ep, what, fd, event));
WEFT_INTERPOSE(int, epoll_wait, (int ep, void* events, int n, int ms), (ep, events, n, ms));
WEFT_INTERPOSE(int, eventfd, (unsigned n, int flags), (n, flags));
WEFT_INTERPOSE(int, socket, (int family, int type, int protocol), (family, type, protocol));
WEFT_INTERPOSE(int, bind, (int fd, void const* name, unsigned n), (fd, name, n));
WEFT_INTERPOSE(int, listen, (int fd, int n), (fd, n));
WEFT_INTERPOSE(int, accept4, (int fd, void* name, void* n, int flags), (fd, name, n, flags));
WEFT_INTERPOSE(int, connect, (int fd, void const* name, unsigned n), (fd, name, n));
WEFT_INTERPOSE(int, getsockname, (int fd, void* name, void* n), (fd, name, n));
WEFT_INTERPOSE(int, setsockopt, (int fd, int level, int what, void const* v, unsigned n), (fd, level, what, v, n));
WEFT_INTERPOSE(int, shutdown, (int fd, int how), (fd, how));
WEFT_INTERPOSE(ssize_t, recv, (int fd, void* p, std::size_t n, int flags), (fd, p, n, flags));
WEFT_INTERPOSE(ssize_t, send, (int fd, void const* p, std::size_t n, int flags), (fd, p, n, flags));
WEFT_INTERPOSE(ssize_t, recvfrom, (int fd, void* p, std::size_t n, int flags, void* from, void* m),
               (fd, p, n, flags, from, m));
WEFT_INTERPOSE(ssize_t, sendto, (int fd, void const* p, std::size_t n, int flags, void const* to, unsigned m),
               (fd, p, n, flags, to, m));
WEFT_INTERPOSE(int, kill, (pid_t pid, int number), (pid, number));
WEFT_INTERPOSE(int, waitid, (int kind, unsigned id, void* info, int flags), (kind, id, info, flags));
WEFT_INTERPOSE(int, sigaction, (int number, void const* now, void* before), (number, now, before));
WEFT_INTERPOSE(int, sigtimedwait, (void const* set, void* info, void const* limit), (set, info, limit));
WEFT_INTERPOSE(int, timer_create, (int clock, void* event, void* timer), (clock, event, timer));
WEFT_INTERPOSE(int, timer_settime, (void* timer, int flags, void const* now, void* before),
               (timer, flags, now, before));
WEFT_INTERPOSE(int, timer_delete, (void* timer), (timer));
WEFT_INTERPOSE(int, nanosleep, (void const* time, void* left), (time, left));
WEFT_INTERPOSE(int, sched_getaffinity, (pid_t pid, std::size_t n, void* mask), (pid, n, mask));
WEFT_INTERPOSE(int, sched_setaffinity, (pid_t pid, std::size_t n, void const* mask), (pid, n, mask));

extern "C" {

ssize_t weft_test_read(int fd, void* p, std::size_t n) asm("read");
ssize_t weft_test_read(int fd, void* p, std::size_t n) {
  static constinit std::atomic<void*> known{nullptr};
  if (int const error = due("read", "eventfd read", fd)) return errno = error, -1;
  return weft_test::next<ssize_t(int, void*, std::size_t)>(known, "read")(fd, p, n);
}

ssize_t weft_test_write(int fd, void const* p, std::size_t n) asm("write");
ssize_t weft_test_write(int fd, void const* p, std::size_t n) {
  static constinit std::atomic<void*> known{nullptr};
  if (int const error = due("write", "eventfd write", fd)) return errno = error, -1;
  return weft_test::next<ssize_t(int, void const*, std::size_t)>(known, "write")(fd, p, n);
}

ssize_t weft_test_pread(int fd, void* p, std::size_t n, off_t at) asm("pread");
ssize_t weft_test_pread(int fd, void* p, std::size_t n, off_t at) {
  static constinit std::atomic<void*> known{nullptr};
  int error = due("pread", refusal::instead);
  n = cut(n, error);
  if (error) return errno = error, -1;
  return weft_test::next<ssize_t(int, void*, std::size_t, off_t)>(known, "pread")(fd, p, n, at);
}

ssize_t weft_test_pwrite(int fd, void const* p, std::size_t n, off_t at) asm("pwrite");
ssize_t weft_test_pwrite(int fd, void const* p, std::size_t n, off_t at) {
  static constinit std::atomic<void*> known{nullptr};
  int error = due("pwrite", refusal::instead);
  n = cut(n, error);
  if (error) return errno = error, -1;
  return weft_test::next<ssize_t(int, void const*, std::size_t, off_t)>(known, "pwrite")(fd, p, n, at);
}

// These return the error.
int weft_test_posix_spawn(pid_t* pid, char const* path, void const* actions, void const* attributes, char* const* argv,
                          char* const* environment) asm("posix_spawn");
int weft_test_posix_spawn(pid_t* pid, char const* path, void const* actions, void const* attributes, char* const* argv,
                          char* const* environment) {
  static constinit std::atomic<void*> known{nullptr};
  if (int const error = due("posix_spawn", refusal::instead)) return error;
  return weft_test::next<int(pid_t*, char const*, void const*, void const*, char* const*, char* const*)>(
      known, "posix_spawn")(pid, path, actions, attributes, argv, environment);
}

int weft_test_getaddrinfo(char const* host, char const* service, void const* hints, void* found) asm("getaddrinfo");
int weft_test_getaddrinfo(char const* host, char const* service, void const* hints, void* found) {
  static constinit std::atomic<void*> known{nullptr};
  if (int const error = due("getaddrinfo", refusal::instead)) return error;
  return weft_test::next<int(char const*, char const*, void const*, void*)>(known, "getaddrinfo")(host, service, hints,
                                                                                                  found);
}

int weft_test_pthread_create(void* thread, void const* attributes, void* (*entry)(void*),
                             void* argument) asm("pthread_create");
int weft_test_pthread_create(void* thread, void const* attributes, void* (*entry)(void*), void* argument) {
  static constinit std::atomic<void*> known{nullptr};
  if (auto const nth = weft_test::threads_first.load(); nth >= 0) {
    auto const number = weft_test::threads_asked.fetch_add(1);
    if (number >= nth && number < weft_test::threads_last.load()) return EAGAIN;
  }
  if (int const error = due("pthread_create", refusal::instead)) return error;
  return weft_test::next<int(void*, void const*, void* (*)(void*), void*)>(known, "pthread_create")(thread, attributes,
                                                                                                    entry, argument);
}

void* weft_test_mmap(void* at, std::size_t n, int access, int flags, int fd, off_t offset) asm("mmap");
void* weft_test_mmap(void* at, std::size_t n, int access, int flags, int fd, off_t offset) {
  static constinit std::atomic<void*> known{nullptr};
  // Of a ring: what has no descriptor may be a sanitizer's.
  int const error = fd >= 0 ? due("mmap", refusal::instead) : 0;
  if (error) return errno = error, reinterpret_cast<void*>(-1);
  return weft_test::next<void*(void*, std::size_t, int, int, int, off_t)>(known, "mmap")(at, n, access, flags, fd,
                                                                                         offset);
}

long weft_test_syscall(long number, long a, long b, long c, long d, long e, long f) asm("syscall");
long weft_test_syscall(long number, long a, long b, long c, long d, long e, long f) {
  static constinit std::atomic<void*> known{nullptr};
  std::string_view name;
  switch (number) {
    case SYS_futex: name = (b & 127) == 9 ? "futex" : ""; break;  // those that wait: FUTEX_WAIT_BITSET
    case SYS_epoll_pwait2: name = "epoll_pwait2"; break;
    case SYS_io_uring_setup: name = "io_uring_setup"; break;
    case SYS_io_uring_enter: name = "io_uring_enter"; break;
    case SYS_pidfd_open: name = "pidfd_open"; break;
    case SYS_pidfd_send_signal: name = "pidfd_send_signal"; break;
    default: break;
  }
  if (!name.empty())
    if (int const error = due(name, refusal::instead)) return errno = error, -1;
  return weft_test::next<long(long, long, long, long, long, long, long)>(known, "syscall")(number, a, b, c, d, e, f);
}

}  // extern "C"
