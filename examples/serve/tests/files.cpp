// Files of serve: what is sent without waiting is what the file has, and only what is in memory.
#include "../files.hpp"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

constexpr std::size_t size = 8 << 20, middle = size / 2, part = 1 << 20;

[[noreturn]] void fail(char const* what) {
  std::perror(what);
  std::exit(1);
}

int failures = 0;
void expect(bool right, char const* what) {
  if (right) return;
  ++failures;
  std::printf("wrong: %s\n", what);
}

std::string content() {
  std::string all(size, '\0');
  for (std::size_t i = 0; i < size; ++i) all[i] = static_cast<char>((i * 2654435761u) >> 13);
  return all;
}

/// Is the byte in memory? Asking does not fetch it, as reading without waiting may.
bool in_memory(int fd, std::size_t at) {
  std::size_t const page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const p = ::mmap(nullptr, page, PROT_READ, MAP_SHARED, fd, static_cast<::off_t>(at / page * page));
  if (p == MAP_FAILED) fail("mmap");
  unsigned char is = 0;
  if (::mincore(p, page, &is) != 0) fail("mincore");
  ::munmap(p, page);
  return (is & 1) != 0;
}

struct pair {
  std::array<int, 2> ends{};
  pair() {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) != 0) fail("socketpair");
  }
  pair(pair const&) = delete;
  ~pair() {
    for (int const fd : ends) ::close(fd);
  }
  std::string take() const {
    std::string all, some(65536, '\0');
    for (::ssize_t n; (n = ::recv(ends[1], some.data(), some.size(), 0)) > 0;)
      all.append(some, 0, static_cast<std::size_t>(n));
    return all;
  }
};

}  // namespace

int main() {
  ::alarm(120);
  auto const all = content();
  std::string path = "/tmp/serve-files-test-XXXXXX";
  int const fd = ::mkstemp(path.data());
  if (fd < 0) fail("mkstemp");
  ::unlink(path.c_str());
  if (::write(fd, all.data(), all.size()) != static_cast<::ssize_t>(all.size()) || ::fsync(fd) != 0) fail("write");
  serve::file const f(::dup(fd));
  expect(f.what() == serve::file::kind::regular && f.size() == size, "a file and its size");

  // Everything is in memory: it goes in as many parts as the socket takes.
  pair sockets;
  std::size_t at = 1;
  for (int vain = 0; at < size && vain < 3;) {
    auto const count = std::min(part, size - at);
    auto const sent = f.send_now(sockets.ends[0], at, count);
    auto const got = sockets.take();
    expect(sent <= count && got == std::string_view(all).substr(at, sent), "what has been sent is what the file has");
    vain = sent == 0 ? vain + 1 : 0;
    at += sent;
  }
  // Who computes beside this may need the memory; then nothing can be said.
  if (at < size) std::printf("not all in memory: %zu of %zu sent\n", at, size);
  expect(f.send_now(sockets.ends[0], size - 10, 20) == 0, "beyond the end nothing is sent");

  // The first half of a part is not in memory, its last byte is.
  bool refused = false;
  int tried = 0;
  for (int i = 0; i < 20 && !refused; ++i) {
    sockets.take();
    char last;
    if (::pread(fd, &last, 1, middle + part / 2 - 1) != 1) fail("pread");
    ::posix_fadvise(fd, 0, middle, POSIX_FADV_DONTNEED);
    auto const from = middle - part / 2;
    if (in_memory(fd, from) || !in_memory(fd, middle + part / 2 - 1)) continue;
    ++tried;
    refused = f.send_now(sockets.ends[0], from, part) == 0;
  }
  if (tried == 0) std::printf("this file system forgets nothing: not tested what is not in memory\n");
  else expect(refused, "what is not in memory is not sent, whatever comes after it");
  ::close(fd);
  return failures == 0 ? 0 : 1;
}
