// Plays ping-pong with an echo server on many connections, and tells what it cost the server.
//
//   echo_client PORT PID CONNECTIONS SECONDS [REQUESTS [PAUSE]]
//
// One line: requests/s, µs of server CPU a request, latency in µs: p50, p99, the longest.
//
// One thread on one epoll, 64 bytes a message; each connection sends its next when the answer has come and is right. PID is the
// server, whose time on CPUs is read before and after. With REQUESTS it ends after so many, to count system calls by; with PAUSE, a
// time in µs, a request follows the answer only after so long.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <thread>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;
constexpr std::size_t message_size = 64;
constexpr unsigned longest_run = 100;  // seconds

[[noreturn]] void fail(char const* what) {
  std::perror(what);
  std::exit(1);
}

[[noreturn]] void wrong(char const* what) {
  std::fprintf(stderr, "echo_client: %s\n", what);
  std::exit(1);
}

struct connection {
  int fd = -1;
  std::uint64_t number = 0;
  std::size_t received = 0;
  std::array<char, message_size> answer{};
  clock_type::time_point sent;
};

void send_next(connection& c) {
  std::array<char, message_size> message;
  ++c.number;
  std::memset(message.data(), static_cast<int>(c.number & 0xFF), message.size());
  std::memcpy(message.data(), &c.number, sizeof c.number);
  c.received = 0;
  c.sent = clock_type::now();
  auto const n = ::send(c.fd, message.data(), message.size(), MSG_NOSIGNAL);
  if (n < 0) fail("send");
  if (n != static_cast<ssize_t>(message.size())) wrong("no room for one message");
}

/// True: the whole answer is there.
bool receive(connection& c) {
  while (c.received < message_size) {
    auto const n = ::recv(c.fd, c.answer.data() + c.received, message_size - c.received, MSG_DONTWAIT);
    if (n == 0) wrong("the server has closed a connection");
    if (n < 0) {
      if (errno == EAGAIN) return false;
      fail("recv");
    }
    c.received += static_cast<std::size_t>(n);
  }
  std::uint64_t number;
  std::memcpy(&number, c.answer.data(), sizeof number);
  if (number != c.number || c.answer.back() != static_cast<char>(c.number & 0xFF)) wrong("an answer to something else");
  return true;
}

/// Nanoseconds that a process has spent on CPUs.
std::uint64_t cpu_of(::pid_t pid) {
  ::clockid_t clock;
  ::timespec t;
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &t) != 0) fail("clock_getcpuclockid");
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

std::vector<connection> connect_all(std::uint16_t port, std::size_t count, int set) {
  ::sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::vector<connection> connections(count);
  for (auto& c : connections) {
    c.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c.fd < 0) fail("socket");
    if (::connect(c.fd, reinterpret_cast<::sockaddr*>(&address), sizeof address) != 0) fail("connect");
    int const one = 1;
    ::setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::epoll_event e{};
    e.events = EPOLLIN | EPOLLET;
    e.data.ptr = &c;
    if (::epoll_ctl(set, EPOLL_CTL_ADD, c.fd, &e) != 0) fail("epoll_ctl");
  }
  return connections;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return std::fputs("echo_client PORT PID CONNECTIONS SECONDS [REQUESTS [PAUSE]]\n", stderr), 2;
  auto const pid = static_cast<::pid_t>(std::atoi(argv[2]));
  auto const count = std::strtoull(argv[3], nullptr, 10);
  std::chrono::duration<double> const seconds(std::atof(argv[4]));
  std::uint64_t const most = argc > 5 ? std::strtoull(argv[5], nullptr, 10) : 0;
  std::chrono::microseconds const pause(argc > 6 ? std::atoi(argv[6]) : 0);
  ::alarm(longest_run);

  int const set = ::epoll_create1(EPOLL_CLOEXEC);
  auto connections = connect_all(static_cast<std::uint16_t>(std::atoi(argv[1])), count, set);
  for (auto& c : connections) send_next(c);

  // The first tenth warms up and is not counted, unless the requests are.
  auto const begin = clock_type::now();
  auto const warm = begin + std::chrono::duration_cast<clock_type::duration>(seconds / 10);
  auto from = begin;
  bool measuring = most != 0;
  std::uint64_t requests = 0, cpu_before = cpu_of(pid);
  std::vector<float> latencies;
  latencies.reserve(1 << 20);
  std::array<::epoll_event, 256> events;
  for (bool done = false; !done;) {
    int const n = ::epoll_wait(set, events.data(), static_cast<int>(events.size()), 10);
    for (int i = 0; i < n && !done; ++i) {
      auto& c = *static_cast<connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!receive(c)) continue;
      if (measuring) {
        ++requests;
        latencies.push_back(std::chrono::duration<float, std::micro>(clock_type::now() - c.sent).count());
        done = most != 0 && requests >= most;
      }
      if (pause.count() != 0) std::this_thread::sleep_for(pause);
      if (!done) send_next(c);
    }
    auto const now = clock_type::now();
    if (!measuring && now >= warm) {
      measuring = true;
      from = now;
      cpu_before = cpu_of(pid);
    } else if (measuring && most == 0 && now - from >= seconds) {
      done = !latencies.empty();  // on a machine with much else to do a short run is over before the first answer
    }
  }
  auto const cpu = cpu_of(pid) - cpu_before;
  std::chrono::duration<double> const took = clock_type::now() - from;
  std::sort(latencies.begin(), latencies.end());
  auto const at = [&](double q) {
    return static_cast<double>(latencies[static_cast<std::size_t>(q * static_cast<double>(latencies.size() - 1))]);
  };
  std::printf("%.0f %.3f %.1f %.1f %.1f\n", static_cast<double>(requests) / took.count(),
              static_cast<double>(cpu) / 1000.0 / static_cast<double>(requests), at(0.5), at(0.99), at(1));
}
