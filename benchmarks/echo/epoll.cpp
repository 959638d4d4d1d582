// The echo server by hand: one thread, one edge-triggered epoll, no coroutine and no error handling to speak of: what the system
// itself costs. With the argument `computing` another thread of the process computes all the time. Prints the port.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <thread>

namespace {

void serve(int fd) {
  static std::array<char, 4096> buffer;
  for (;;) {
    auto const n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) {
      if (n == 0) ::close(fd);
      return;
    }
    if (::send(fd, buffer.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL) < 0) return;
    if (static_cast<std::size_t>(n) < buffer.size()) return;  // it was all there was
  }
}

}  // namespace

int main(int argc, char** argv) {
  ::alarm(120);  // whoever has started it may be gone
  if (argc > 1 && std::string_view(argv[1]) == "computing")
    std::thread([] {
      for (std::uint64_t x = 1;;) asm volatile("imul $3, %0" : "+r"(x));
    }).detach();
  int const listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  ::sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::socklen_t length = sizeof address;
  if (::bind(listener, reinterpret_cast<::sockaddr*>(&address), length) != 0 || ::listen(listener, 8192) != 0) return 1;
  ::getsockname(listener, reinterpret_cast<::sockaddr*>(&address), &length);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);

  int const set = ::epoll_create1(0);
  ::epoll_event e{};
  e.events = EPOLLIN;
  e.data.fd = listener;
  ::epoll_ctl(set, EPOLL_CTL_ADD, listener, &e);
  std::array<::epoll_event, 128> events;
  for (;;) {
    int const count = ::epoll_wait(set, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      int const fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd != listener) {
        serve(fd);
        continue;
      }
      for (;;) {
        int const connection = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        if (connection < 0) break;
        ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        e.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
        e.data.fd = connection;
        ::epoll_ctl(set, EPOLL_CTL_ADD, connection, &e);
      }
    }
  }
}
