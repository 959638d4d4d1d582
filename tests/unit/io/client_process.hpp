// Many clients of a server, in a process of their own, so that neither process needs more than one descriptor for a connection.
#pragma once

#include <weft/io/address.hpp>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <system_error>

namespace weft_test {

/// In this scope the process may have as many descriptors as the system allows it.
class all_descriptors {
 public:
  all_descriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    auto all = before_;
    all.rlim_cur = all.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &all) == 0) most_ = all.rlim_max;
    else most_ = before_.rlim_cur;
  }
  all_descriptors(all_descriptors const&) = delete;
  all_descriptors& operator=(all_descriptors const&) = delete;
  ~all_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  [[nodiscard]] std::size_t most() const noexcept { return most_; }

 private:
  ::rlimit before_{};
  std::size_t most_ = 0;
};

/// A child of this process with `count` plain connections; begun before there are threads that hold a lock, since it makes nothing but
/// system calls. It ends with the scope, or after a minute. Calls wait for its answer; errno of what failed, or 0.
class client_process {
 public:
  explicit client_process(std::size_t count) : count_(count) {
    std::array<int, 2> orders, answers;
    if (::pipe(orders.data()) != 0 || ::pipe(answers.data()) != 0)
      throw std::system_error(errno, std::system_category(), "pipe");
    // Reserved here: the child allocates nothing.
    sockets_ = static_cast<int*>(std::calloc(count, sizeof(int)));
    if (!sockets_) throw std::system_error(ENOMEM, std::system_category(), "calloc");
    child_ = ::fork();
    if (child_ < 0) throw std::system_error(errno, std::system_category(), "fork");
    if (child_ == 0) {
      ::alarm(60);
      ::close(orders[1]);
      ::close(answers[0]);
      obey(orders[0], answers[1]);
      ::_exit(0);
    }
    ::close(orders[0]);
    ::close(answers[1]);
    orders_ = orders[1];
    answers_ = answers[0];
  }
  client_process(client_process const&) = delete;
  client_process& operator=(client_process const&) = delete;
  ~client_process() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    ::close(orders_);
    ::close(answers_);
    std::free(sockets_);
  }

  /// Makes the next `some` connections. More than the listener's backlog, unaccepted, take a second each.
  [[nodiscard]] int connect(std::uint16_t port, std::size_t some) const { return order('c', port, some); }
  /// Sends a byte on each, and waits until it has come back on each. EBADMSG: another byte came, or the end.
  [[nodiscard]] int exchange() const { return order('x'); }
  /// Closes all: every second one by a reset.
  [[nodiscard]] int close_all() const { return order('e'); }

 private:
  struct message {
    char what;
    std::uint16_t port;
    std::size_t some;
  };

  int order(char what, std::uint16_t port = 0, std::size_t some = 0) const {
    message const m{what, port, some};
    int answer = EPIPE;
    if (::write(orders_, &m, sizeof m) != sizeof m) return errno;
    ::ssize_t n;
    do n = ::read(answers_, &answer, sizeof answer);
    while (n < 0 && errno == EINTR);
    return n == sizeof answer ? answer : EPIPE;
  }

  // ── in the child ──

  void obey(int orders, int answers) noexcept {
    message m;
    while (::read(orders, &m, sizeof m) == sizeof m) {
      int const answer = m.what == 'c' ? connect_here(m.port, m.some) : m.what == 'x' ? exchange_here() : close_here();
      if (::write(answers, &answer, sizeof answer) != sizeof answer) return;
    }
  }

  int connect_here(std::uint16_t port, std::size_t some) noexcept {
    ::sockaddr_in to{}, from{};
    to.sin_family = from.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (; some != 0; --some, ++made_) {
      auto const i = made_;
      if (i == count_) return ENOSPC;
      int const s = sockets_[i] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (s < 0) return errno;
      // From several addresses: of one, other programs may have taken most ports.
      constexpr std::size_t of_an_address = 4096;
      int const one = 1;
      ::setsockopt(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
      from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + static_cast<std::uint32_t>(i / of_an_address));
      if (::bind(s, reinterpret_cast<::sockaddr*>(&from), sizeof from) != 0) return errno;
      if (::connect(s, reinterpret_cast<::sockaddr*>(&to), sizeof to) != 0) return errno;
    }
    return 0;
  }

  int exchange_here() const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      auto const byte = static_cast<char>(i % 251);
      if (::send(sockets_[i], &byte, 1, MSG_NOSIGNAL) != 1) return errno;
    }
    for (std::size_t i = 0; i < count_; ++i) {
      char byte = 0;
      auto const n = ::recv(sockets_[i], &byte, 1, 0);
      if (n < 0) return errno;
      if (n == 0 || byte != static_cast<char>(i % 251)) return EBADMSG;
    }
    return 0;
  }

  int close_here() const noexcept {
    ::linger const at_once{.l_onoff = 1, .l_linger = 0};
    for (std::size_t i = 0; i < count_; ++i) {
      if (i % 2 != 0) ::setsockopt(sockets_[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ::close(sockets_[i]);
    }
    return 0;
  }

  std::size_t const count_;
  int* sockets_ = nullptr;
  std::size_t made_ = 0;  // the child's
  ::pid_t child_ = -1;
  int orders_ = -1, answers_ = -1;
};

}  // namespace weft_test
