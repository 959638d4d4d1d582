// The echo server with libuv: one loop, one buffer for all connections, and written at once where there is room. Prints the port.
#include <unistd.h>
#include <uv.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr unsigned backlog = 8192;
std::array<char, 65536> buffer;

void release(uv_handle_t* h) { std::free(h); }
void close(uv_stream_t* s) { uv_close(reinterpret_cast<uv_handle_t*>(s), &release); }

struct rest {
  uv_write_t request;
  char bytes[1];
};

void rest_written(uv_write_t* w, int status) {
  if (status < 0 && status != UV_ECANCELED) close(w->handle);
  std::free(w);
}

// There was no room for it all.
void write_later(uv_stream_t* s, char const* bytes, std::size_t count) {
  auto* const r = static_cast<rest*>(std::malloc(sizeof(rest) + count));
  if (!r) return close(s);
  std::memcpy(r->bytes, bytes, count);
  uv_buf_t const b = uv_buf_init(r->bytes, static_cast<unsigned>(count));
  if (uv_write(&r->request, s, &b, 1, &rest_written) != 0) std::free(r);
}

void come(uv_stream_t* s, ssize_t n, uv_buf_t const*) {
  if (n < 0) return close(s);
  if (n == 0) return;
  auto const count = static_cast<std::size_t>(n);
  uv_buf_t const b = uv_buf_init(buffer.data(), static_cast<unsigned>(n));
  int const written = uv_try_write(s, &b, 1);
  auto const done = written > 0 ? static_cast<std::size_t>(written) : 0;
  if (done < count) write_later(s, buffer.data() + done, count - done);
}

void connected(uv_stream_t* listener, int status) {
  if (status < 0) return;
  auto* const client = static_cast<uv_tcp_t*>(std::malloc(sizeof(uv_tcp_t)));
  uv_tcp_init(listener->loop, client);
  auto* const s = reinterpret_cast<uv_stream_t*>(client);
  if (uv_accept(listener, s) != 0) return close(s);
  uv_tcp_nodelay(client, 1);
  uv_read_start(
      s, [](uv_handle_t*, std::size_t, uv_buf_t* b) { *b = uv_buf_init(buffer.data(), buffer.size()); }, &come);
}

}  // namespace

int main() {
  ::alarm(120);  // whoever has started it may be gone
  uv_loop_t* const loop = uv_default_loop();
  uv_tcp_t listener;
  uv_tcp_init(loop, &listener);
  sockaddr_in address;
  int length = sizeof address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  if (uv_tcp_bind(&listener, reinterpret_cast<sockaddr const*>(&address), 0) != 0 ||
      uv_listen(reinterpret_cast<uv_stream_t*>(&listener), backlog, &connected) != 0)
    return 1;
  uv_tcp_getsockname(&listener, reinterpret_cast<sockaddr*>(&address), &length);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
