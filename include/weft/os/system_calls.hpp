// The system calls of sockets, pipes and epoll, by the names and with the contracts that they have there. A simulated world (weft::sim)
// answers those about its own descriptors, which have numbers that the system never gives out: outside a world, and for all of the
// system's, a call costs a comparison more.
#pragma once

#include <weft/base/config.hpp>
#include <weft/os/simulation.hpp>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <type_traits>

namespace weft::detail {

/// What a world answers to who calls the system: as there, -1 and errno for an error. All may let other threads of the world go first.
class simulated_system {
 public:
  [[nodiscard]] virtual int socket(int family, int type) noexcept = 0;
  [[nodiscard]] virtual int pipe(int* ends) noexcept = 0;
  [[nodiscard]] virtual int bind(int fd, ::sockaddr const* name, ::socklen_t length) noexcept = 0;
  [[nodiscard]] virtual int listen(int fd, int backlog) noexcept = 0;
  [[nodiscard]] virtual int connect(int fd, ::sockaddr const* to, ::socklen_t length) noexcept = 0;
  [[nodiscard]] virtual int accept(int fd, ::sockaddr* peer, ::socklen_t* length) noexcept = 0;
  [[nodiscard]] virtual int local_name(int fd, ::sockaddr* name, ::socklen_t* length) noexcept = 0;
  [[nodiscard]] virtual ssize_t read(int fd, void* into, std::size_t size) noexcept = 0;
  [[nodiscard]] virtual ssize_t write(int fd, void const* bytes, std::size_t size) noexcept = 0;
  [[nodiscard]] virtual ssize_t receive_from(int fd, void* into, std::size_t size, ::sockaddr* from,
                                             ::socklen_t* length) noexcept = 0;
  [[nodiscard]] virtual ssize_t send_to(int fd, void const* bytes, std::size_t size, ::sockaddr const* to,
                                        ::socklen_t length) noexcept = 0;
  virtual int shutdown_writing(int fd) noexcept = 0;
  virtual int close(int fd) noexcept = 0;

  [[nodiscard]] virtual int make_event() noexcept = 0;
  [[nodiscard]] virtual int make_poll() noexcept = 0;
  virtual int control(int poll, int operation, int fd, ::epoll_event const* event) noexcept = 0;
  [[nodiscard]] virtual int wait(int poll, ::epoll_event* events, int most,
                                 simulation::time_point deadline) noexcept = 0;

 protected:
  simulated_system() = default;
  ~simulated_system() = default;
};

/// Descriptors of worlds have this number and those above. Linux gives out none above its sysctl nr_open, which is at most 2^30 - 64.
inline constexpr int first_simulated_descriptor = 1 << 30;

[[nodiscard]] constexpr bool is_simulated(int fd) noexcept { return fd >= first_simulated_descriptor; }

/// The calls. Those that make a descriptor make one of the world that the caller runs in, if it runs in one.
namespace sys {

/// What f(system of the caller's world) returns. A descriptor that has left its world is nobody's.
template <class F>
[[gnu::noinline, gnu::cold]] std::invoke_result_t<F&, simulated_system&> ask_world(F f) noexcept {
  if (simulation* const world = current_simulation()) return f(world->system());
  errno = EBADF;
  return -1;
}

inline int socket(int family, int type, int protocol) noexcept {
  if (simulation* const world = current_simulation()) [[unlikely]]
    return world->system().socket(family, type);
  return ::socket(family, type, protocol);
}

inline int pipe2(int* ends, int flags) noexcept {
  if (simulation* const world = current_simulation()) [[unlikely]]
    return world->system().pipe(ends);
  return ::pipe2(ends, flags);
}

inline int bind(int fd, ::sockaddr const* name, ::socklen_t length) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.bind(fd, name, length); });
  return ::bind(fd, name, length);
}

inline int listen(int fd, int backlog) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.listen(fd, backlog); });
  return ::listen(fd, backlog);
}

inline int connect(int fd, ::sockaddr const* to, ::socklen_t length) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.connect(fd, to, length); });
  return ::connect(fd, to, length);
}

inline int accept4(int fd, ::sockaddr* peer, ::socklen_t* length, int flags) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.accept(fd, peer, length); });
  return ::accept4(fd, peer, length, flags);
}

inline int getsockname(int fd, ::sockaddr* name, ::socklen_t* length) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.local_name(fd, name, length); });
  return ::getsockname(fd, name, length);
}

/// A world has no options: there it does nothing.
inline int setsockopt(int fd, int level, int option, void const* value, ::socklen_t length) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return 0;
  return ::setsockopt(fd, level, option, value, length);
}

inline ssize_t recv(int fd, void* into, std::size_t size, int flags) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.read(fd, into, size); });
  return ::recv(fd, into, size, flags);
}

inline ssize_t send(int fd, void const* bytes, std::size_t size, int flags) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.write(fd, bytes, size); });
  return ::send(fd, bytes, size, flags);
}

inline ssize_t read(int fd, void* into, std::size_t size) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.read(fd, into, size); });
  return ::read(fd, into, size);
}

inline ssize_t write(int fd, void const* bytes, std::size_t size) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.write(fd, bytes, size); });
  return ::write(fd, bytes, size);
}

inline ssize_t recvfrom(int fd, void* into, std::size_t size, int flags, ::sockaddr* from,
                        ::socklen_t* length) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.receive_from(fd, into, size, from, length); });
  return ::recvfrom(fd, into, size, flags, from, length);
}

inline ssize_t sendto(int fd, void const* bytes, std::size_t size, int flags, ::sockaddr const* to,
                      ::socklen_t length) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.send_to(fd, bytes, size, to, length); });
  return ::sendto(fd, bytes, size, flags, to, length);
}

/// `how` is SHUT_WR.
inline int shutdown(int fd, int how) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.shutdown_writing(fd); });
  return ::shutdown(fd, how);
}

inline int close(int fd) noexcept {
  if (is_simulated(fd)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.close(fd); });
  return ::close(fd);
}

/// The name of a unix socket: a world's are not in the file system, and end with their listener.
inline int unlink(char const* path) noexcept {
  if (current_simulation()) [[unlikely]]
    return 0;
  return ::unlink(path);
}

inline int eventfd(unsigned count, int flags) noexcept {
  if (simulation* const world = current_simulation()) [[unlikely]]
    return world->system().make_event();
  return ::eventfd(count, flags);
}

inline int epoll_create1(int flags) noexcept {
  if (simulation* const world = current_simulation()) [[unlikely]]
    return world->system().make_poll();
  return ::epoll_create1(flags);
}

inline int epoll_ctl(int poll, int operation, int fd, ::epoll_event* event) noexcept {
  if (is_simulated(poll)) [[unlikely]]
    return ask_world([&](simulated_system& s) { return s.control(poll, operation, fd, event); });
  return ::epoll_ctl(poll, operation, fd, event);
}

}  // namespace sys
}  // namespace weft::detail
