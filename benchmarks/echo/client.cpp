// Plays ping-pong with an echo server on many connections, and tells what it cost the server.
//
//   client PORT PID CONNECTIONS SECONDS [REQUESTS]       one line: requests/s, µs of server CPU a request, latency µs p50, p99
//
// One thread on one epoll, 64 bytes a message; each connection sends its next when the answer has come and is right. PID is the
// server, whose threads' time on a CPU is read from /proc before and after. With REQUESTS it ends after so many, to count system
// calls by.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;
constexpr std::size_t message_size = 64;

[[noreturn]] void fail(char const* what) {
  std::perror(what);
  std::exit(1);
}

struct connection {
  int fd = -1;
  std::uint64_t number = 0;
  std::size_t received = 0;
  std::array<char, message_size> answer;
  clock_type::time_point sent;
};

void send_next(connection& c) {
  std::array<char, message_size> message;
  ++c.number;
  std::memset(message.data(), static_cast<int>(c.number & 0xFF), message.size());
  std::memcpy(message.data(), &c.number, sizeof c.number);
  c.received = 0;
  c.sent = clock_type::now();
  if (::send(c.fd, message.data(), message.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(message.size())) fail("send");
}

/// True: the whole answer is there.
bool receive(connection& c) {
  while (c.received < message_size) {
    auto const n = ::recv(c.fd, c.answer.data() + c.received, message_size - c.received, MSG_DONTWAIT);
    if (n == 0) fail("the server has closed");
    if (n < 0) {
      if (errno == EAGAIN) return false;
      fail("recv");
    }
    c.received += static_cast<std::size_t>(n);
  }
  std::uint64_t number;
  std::memcpy(&number, c.answer.data(), sizeof number);
  if (number != c.number || c.answer.back() != static_cast<char>(c.number & 0xFF)) fail("a wrong answer");
  return true;
}

/// Nanoseconds that the threads of a process have spent on a CPU.
std::uint64_t cpu_of(std::string const& pid) {
  std::uint64_t sum = 0;
  for (auto const& thread : std::filesystem::directory_iterator("/proc/" + pid + "/task")) {
    std::ifstream file(thread.path() / "schedstat");
    std::uint64_t ns = 0;
    if (file >> ns) sum += ns;
  }
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return std::fprintf(stderr, "client PORT PID CONNECTIONS SECONDS [REQUESTS]\n"), 2;
  std::string const pid = argv[2];
  auto const count = static_cast<std::size_t>(std::atoi(argv[3]));
  std::chrono::duration<double> const seconds(std::atof(argv[4]));
  std::uint64_t const most = argc > 5 ? std::strtoull(argv[5], nullptr, 10) : UINT64_MAX;
  ::sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<in_port_t>(std::atoi(argv[1])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

  int const set = ::epoll_create1(0);
  std::vector<connection> connections(count);
  for (auto& c : connections) {
    c.fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(c.fd, reinterpret_cast<::sockaddr*>(&address), sizeof address) != 0) fail("connect");
    int const one = 1;
    ::setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::epoll_event e{};
    e.events = EPOLLIN | EPOLLET;
    e.data.ptr = &c;
    ::epoll_ctl(set, EPOLL_CTL_ADD, c.fd, &e);
  }
  for (auto& c : connections) send_next(c);

  // The first tenth warms up and is not counted.
  bool const counted = most != UINT64_MAX;
  auto const begin = clock_type::now();
  auto const warm = begin + (counted ? std::chrono::duration<double>(0) : seconds / 10);
  auto from = begin;
  bool measuring = counted;
  std::uint64_t requests = 0, cpu_before = cpu_of(pid);
  std::vector<float> latencies;
  latencies.reserve(1 << 22);
  std::array<::epoll_event, 256> events;
  for (bool done = false; !done;) {
    int const n = ::epoll_wait(set, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < n; ++i) {
      auto& c = *static_cast<connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!receive(c)) continue;
      auto const now = clock_type::now();
      if (measuring) {
        ++requests;
        latencies.push_back(std::chrono::duration<float, std::micro>(now - c.sent).count());
      }
      if (requests >= most) {
        done = true;
        break;
      }
      send_next(c);
    }
    auto const now = clock_type::now();
    if (!measuring && now >= warm) {
      measuring = true;
      from = now;
      cpu_before = cpu_of(pid);
    }
    done = done || (!counted && now - from >= seconds && measuring);
  }
  auto const cpu = cpu_of(pid) - cpu_before;
  std::chrono::duration<double> const took = clock_type::now() - from;
  std::sort(latencies.begin(), latencies.end());
  auto const at = [&](double q) {
    return latencies[static_cast<std::size_t>(q * static_cast<double>(latencies.size() - 1))];
  };
  std::printf("%.0f %.3f %.1f %.1f\n", static_cast<double>(requests) / took.count(),
              static_cast<double>(cpu) / 1000.0 / static_cast<double>(requests), static_cast<double>(at(0.5)),
              static_cast<double>(at(0.99)));
}
