// The calls of the system that the library makes, with the errors of their manual pages.
#include "fault/system_calls.hpp"

#include <netdb.h>

#include <array>
#include <cerrno>

namespace weft_test {

namespace {

using made = system_call::made;

// Not here: EAGAIN of what waits for a handle, and EINPROGRESS and EALREADY of connect, which the system says itself wherever a program of the
// table waits; said of a handle that is ready they would be untrue, and nobody would tell when that ends.
std::span<system_call const> rows() {
  static std::vector<system_call> const all{
      // ── files ──
      {"open", {}, {EACCES, EBUSY,      EDQUOT,       EEXIST, EFAULT, EFBIG,   EINTR,      EINVAL, EISDIR,
                    ELOOP,  EMFILE,     ENAMETOOLONG, ENFILE, ENODEV, ENOENT,  ENOMEM,     ENOSPC, ENOTDIR,
                    ENXIO,  EOPNOTSUPP, EOVERFLOW,    EPERM,  EROFS,  ETXTBSY, EWOULDBLOCK}},
      {"close", {EBADF, EINTR, EIO, ENOSPC, EDQUOT}, {}, refusal::afterwards},
      {"pread",
       {EINTR, short_count},
       {EBADF, EFAULT, EINVAL, EIO, EISDIR, ENXIO, EOVERFLOW, ESPIPE},
       {},
       made::sometimes},
      {"preadv2", {EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EIO, EISDIR, ENOSYS, EOPNOTSUPP, EPERM}, {}},
      {"pwrite",
       {EINTR, short_count},
       {EBADF, EDQUOT, EFAULT, EFBIG, EINVAL, EIO, ENOSPC, ENXIO, EOVERFLOW, EPERM, ESPIPE}},
      {"fstat", {}, {EBADF, EFAULT, ENOMEM, EOVERFLOW}},
      {"fsync", {EINTR}, {EBADF, EINVAL, EIO, ENOSPC, EROFS, EDQUOT}},
      {"unlink",
       {EACCES, EBUSY, EFAULT, EIO, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS},
       {},
       refusal::afterwards},
      {"read", {EINTR}, {EBADF, EFAULT, EINVAL, EIO, EISDIR}},
      {"write", {EINTR}, {EBADF, EDESTADDRREQ, EDQUOT, EFAULT, EFBIG, EINVAL, EIO, ENOSPC, EPERM, EPIPE}},
      {"fcntl", {}, {EBADF, EINVAL, EMFILE, EPERM}},
      {"pipe2", {}, {EFAULT, EINVAL, EMFILE, ENFILE}},
      {"poll", {EINTR}, {EFAULT, EINVAL, ENOMEM}},
      // ── events ──
      {"epoll_create1", {}, {EINVAL, EMFILE, ENFILE, ENOMEM}},
      {"epoll_ctl", {}, {EBADF, EEXIST, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC, EPERM}},
      {"epoll_wait", {EBADF, EFAULT, EINTR, EINVAL}, {}},
      {"epoll_pwait2", {EBADF, EFAULT, EINTR, EINVAL, ENOSYS, EPERM}, {}, {}, made::sometimes},
      {"eventfd", {}, {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM}},
      // What else the manual page has, no eventfd that is open says.
      {"eventfd read", {EINTR}, {}, {}, made::sometimes},
      {"eventfd write", {EINTR}, {}, {}, made::sometimes},
      {"futex", {EAGAIN, EINTR, ETIMEDOUT}, {}},
      {"io_uring_setup", {EFAULT, EINVAL, EMFILE, ENFILE, ENOMEM, EPERM, ENOSYS}, {}},
      {"io_uring_enter",
       {EAGAIN, EBADF, EBADFD, EBADR, EBUSY, EEXIST, EFAULT, EINTR, EINVAL, ENXIO, EOPNOTSUPP, EPERM},
       {},
       {},
       made::sometimes},
      // ── sockets ──
      {"socket", {}, {EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTONOSUPPORT}},
      {"bind",
       {},
       {EACCES, EADDRINUSE, EADDRNOTAVAIL, EBADF, EFAULT, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR,
        ENOTSOCK, EROFS}},
      {"listen", {}, {EADDRINUSE, EBADF, ENOTSOCK, EOPNOTSUPP}},
      {"accept4",
       {EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH},
       {EBADF, EFAULT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOTSOCK, EPERM, ENOSR, ESOCKTNOSUPPORT,
        EPROTONOSUPPORT, ETIMEDOUT}},
      // EISCONN of a socket that is not connected would be untrue.
      {"connect",
       {EINTR},
       {EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EBADF, ECONNREFUSED, EFAULT, ENETUNREACH, ENOTSOCK,
        EPERM, EPROTOTYPE, ETIMEDOUT, EHOSTUNREACH, ECONNRESET, ENOENT}},
      {"getsockname", {}, {EBADF, EFAULT, EINVAL, ENOBUFS, ENOTSOCK}},
      {"setsockopt", {}, {EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK, ENOMEM, ENOBUFS, EDOM}},
      {"shutdown", {EBADF, EINVAL, ENOTCONN, ENOTSOCK}, {}, refusal::afterwards},
      {"recv", {EINTR}, {EBADF, ECONNREFUSED, ECONNRESET, EFAULT, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK, ETIMEDOUT}},
      {"recvfrom", {EINTR}, {EBADF, ECONNREFUSED, EFAULT, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK}},
      {"send",
       {EINTR},
       {EACCES, EALREADY, EBADF, ECONNRESET, EDESTADDRREQ, EFAULT, EINVAL, EISCONN, EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN,
        ENOTSOCK, EOPNOTSUPP, EPIPE, ETIMEDOUT}},
      {"sendto",
       {EINTR},
       {EACCES, EALREADY, EBADF, ECONNREFUSED, ECONNRESET, EDESTADDRREQ, EFAULT, EINVAL, EISCONN, EMSGSIZE, ENOBUFS,
        ENOMEM, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE, ENETUNREACH, EHOSTUNREACH}},
      {"getaddrinfo",
       {},
       {EAI_ADDRFAMILY, EAI_AGAIN, EAI_BADFLAGS, EAI_FAIL, EAI_FAMILY, EAI_MEMORY, EAI_NODATA, EAI_NONAME, EAI_SERVICE,
        EAI_SOCKTYPE}},
      // ── processes and signals ──
      {"posix_spawn",
       {},
       {EAGAIN, ENOMEM, EACCES, E2BIG, EINVAL, ENOENT, ENOEXEC, ENOTDIR, EPERM, ETXTBSY, ENOSYS, EMFILE}},
      {"faccessat",
       {},
       {EACCES, EBADF, EFAULT, EINVAL, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS, ETXTBSY}},
      {"pidfd_open", {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM, ESRCH, ENOSYS, EPERM}, {}},
      {"pidfd_send_signal", {ENOSYS, EPERM}, {EBADF, EINVAL}},
      {"kill", {}, {EINVAL, EPERM}},
      {"waitid", {EINTR}, {ECHILD, EINVAL}},
      {"sigaction", {}, {EFAULT, EINVAL}},
      {"sigtimedwait", {EINTR, EINVAL}, {}, refusal::afterwards},
      // ── threads, memory ──
      {"pthread_create", {}, {EAGAIN, EINVAL, EPERM}},
      {"sched_getaffinity", {EFAULT, EINVAL, EPERM, ESRCH}, {}, {}, made::sometimes},
      {"sched_setaffinity", {EFAULT, EINVAL, EPERM, ESRCH}, {}, {}, made::sometimes},
      {"timer_create", {EAGAIN, EINVAL, ENOMEM, ENOTSUP}, {}},
      {"timer_settime", {EFAULT, EINVAL}, {}},
      {"timer_delete", {EINVAL}, {}, refusal::afterwards},
      {"nanosleep", {EINTR, EFAULT, EINVAL}, {}, {}, made::sometimes},
      {"mmap",
       {EACCES, EAGAIN, EBADF, EINVAL, ENFILE, ENODEV, ENOMEM, EOVERFLOW, EPERM, ETXTBSY},
       {},
       {},
       made::sometimes},
  };
  return all;
}

constexpr std::array others{
    no_system_call{"syscall", "its numbers are rows"},
    no_system_call{"SYS_gettid", "cannot fail"},
    no_system_call{"munmap", "of what was mapped: cannot fail but by an error of the library's"},
    no_system_call{"mprotect", "of the stacks of simulated worlds, which are made without it then"},
    no_system_call{"sched_yield", "cannot fail"},
    no_system_call{"sysconf", "of constants"},
    no_system_call{"getauxval", "cannot fail"},
    no_system_call{"clock_gettime", "asked for a thread that may have ended: 0 then"},
    no_system_call{"if_nametoindex", "addresses: a unit test"},
    no_system_call{"if_indextoname", "addresses: a unit test"},
    no_system_call{"inet_ntop", "computes"},
    no_system_call{"inet_pton", "computes"},
    no_system_call{"strnlen", "computes"},
    no_system_call{"gai_strerror", "computes"},
    no_system_call{"freeaddrinfo", "computes"},
    no_system_call{"sigdescr_np", "computes"},
    no_system_call{"getcontext", "computes, in simulated worlds"},
    no_system_call{"makecontext", "computes, in simulated worlds"},
    no_system_call{"swapcontext", "computes, in simulated worlds"},
    no_system_call{"__cxa_get_globals", "computes"},
};

}  // namespace

std::span<system_call const> system_calls() { return rows(); }
std::span<no_system_call const> no_system_calls() { return others; }

}  // namespace weft_test
