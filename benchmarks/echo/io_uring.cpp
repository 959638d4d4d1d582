// The echo server by hand on io_uring, one thread: what the system itself costs there. Prints the port; fails where there is none.
//
//   echo_io_uring [multishot | linked [deferred | anywhere]]
//
// multishot: one receive for a connection's whole life, into buffers that all connections share, and a send for each message.
// linked: each message is a send and, linked to it, the next receive, into the connection's own buffer; the send tells nobody.
// deferred: completions wait until this thread enters the system (IORING_SETUP_DEFER_TASKRUN), the cheapest there is; anywhere: they
// do not, as in a pool whose worker may compute for long meanwhile.
//
// Connections are entries of the ring's own table, for which nobody counts references, and accepting goes on by itself.
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace {

constexpr unsigned entry_count = 1024, completion_count = 16384, most_connections = 8192;
constexpr unsigned buffer_count = 1024;                               // shared; no more than the cache has room for
constexpr std::size_t buffer_size = 4096, stride = buffer_size + 64;  // not all in the same places of the cache
constexpr std::uint16_t group = 0;

[[noreturn]] void fail(char const* what) {
  std::perror(what);
  std::exit(1);
}

long enroll(int ring, unsigned what, void const* argument, unsigned count) {
  return ::syscall(SYS_io_uring_register, ring, what, argument, count);
}

enum class kind : std::uint32_t { accepted, received, sent, closed };
constexpr std::uint64_t key_of(kind k, std::uint32_t connection, std::uint32_t buffer = 0) {
  return std::uint64_t{static_cast<std::uint32_t>(k)} << 56 | std::uint64_t{buffer} << 32 | connection;
}

class ring {
 public:
  explicit ring(std::uint32_t flags) {
    ::io_uring_params p{};
    p.flags = flags | IORING_SETUP_CQSIZE;
    p.cq_entries = completion_count;
    fd_ = static_cast<int>(::syscall(SYS_io_uring_setup, entry_count, &p));
    if (fd_ < 0) fail("io_uring_setup");
    if (!(p.features & IORING_FEAT_SINGLE_MMAP)) fail("an old io_uring");
    auto const queues = map(std::max<std::size_t>(p.sq_off.array + p.sq_entries * sizeof(std::uint32_t),
                                                  p.cq_off.cqes + p.cq_entries * sizeof(::io_uring_cqe)),
                            IORING_OFF_SQ_RING);
    auto const word = [queues](std::uint32_t at) { return reinterpret_cast<std::uint32_t*>(queues + at); };
    submission_head_ = word(p.sq_off.head);
    submission_tail_ = word(p.sq_off.tail);
    completion_head_ = word(p.cq_off.head);
    completion_tail_ = word(p.cq_off.tail);
    completions_ = reinterpret_cast<::io_uring_cqe*>(queues + p.cq_off.cqes);
    entries_ = reinterpret_cast<::io_uring_sqe*>(map(p.sq_entries * sizeof(::io_uring_sqe), IORING_OFF_SQES));
    for (std::uint32_t i = 0; i < entry_count; ++i) word(p.sq_off.array)[i] = i;
    ::io_uring_rsrc_register table{};
    table.nr = most_connections;
    table.flags = IORING_RSRC_REGISTER_SPARSE;
    if (enroll(fd_, IORING_REGISTER_FILES2, &table, sizeof table) < 0) fail("IORING_REGISTER_FILES2");
  }

  /// With room for so many more, which are submitted together.
  void reserve(std::uint32_t count) {
    if (tail_ + count - std::atomic_ref(*submission_head_).load(std::memory_order_acquire) > entry_count) enter(0);
  }
  ::io_uring_sqe& next(std::uint8_t what, int fd, std::uint64_t key) {
    auto& e = entries_[tail_++ & (entry_count - 1)];
    e = {};
    e.opcode = what;
    e.fd = fd;
    e.user_data = key;
    return e;
  }

  /// Submits what there is, and waits for so many completions.
  void enter(unsigned wanted) {
    std::atomic_ref(*submission_tail_).store(tail_, std::memory_order_release);
    auto const count = tail_ - std::atomic_ref(*submission_head_).load(std::memory_order_acquire);
    auto const done =
        ::syscall(SYS_io_uring_enter, fd_, count, wanted, wanted ? IORING_ENTER_GETEVENTS : 0, nullptr, 0);
    if (done < 0 && errno != EINTR && errno != EBUSY && errno != EAGAIN) fail("io_uring_enter");
  }

  template <class F>
  void take(F&& f) {
    auto const end = std::atomic_ref(*completion_tail_).load(std::memory_order_acquire);
    for (; head_ != end; ++head_) f(::io_uring_cqe(completions_[head_ & (completion_count - 1)]));
    std::atomic_ref(*completion_head_).store(head_, std::memory_order_release);
  }

  int descriptor() const { return fd_; }

 private:
  std::byte* map(std::size_t size, std::uint64_t what) const {
    void* const p =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, static_cast<::off_t>(what));
    if (p == MAP_FAILED) fail("mmap");
    return static_cast<std::byte*>(p);
  }

  int fd_;
  std::uint32_t *submission_head_, *submission_tail_, *completion_head_, *completion_tail_;
  ::io_uring_sqe* entries_;
  ::io_uring_cqe* completions_;
  std::uint32_t tail_ = 0, head_ = 0;
};

/// Buffers that the system takes from, for whichever connection something comes. Room for the connections' own, where they have some.
class buffers {
 public:
  explicit buffers(std::size_t count) : bytes_(static_cast<char*>(std::malloc(count * stride))) {
    if (!bytes_) fail("malloc");
  }
  char* operator[](std::uint32_t number) const { return bytes_.get() + number * stride; }

  void share(int ring) {
    constexpr std::size_t size = buffer_count * sizeof(::io_uring_buf);
    void* const p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) fail("mmap");
    queue_ = static_cast<::io_uring_buf*>(p);
    ::io_uring_buf_reg what{};
    what.ring_addr = reinterpret_cast<std::uintptr_t>(p);
    what.ring_entries = buffer_count;
    what.bgid = group;
    if (enroll(ring, IORING_REGISTER_PBUF_RING, &what, 1) < 0) fail("IORING_REGISTER_PBUF_RING");
    for (std::uint32_t i = 0; i < buffer_count; ++i) give_back(i);
  }
  void give_back(std::uint32_t number) {
    auto& place = queue_[tail_ & (buffer_count - 1)];
    place.addr = reinterpret_cast<std::uintptr_t>((*this)[number]);
    place.len = buffer_size;
    place.bid = static_cast<std::uint16_t>(number);
    // The system finds the tail in the first place's spare word.
    std::atomic_ref(queue_[0].resv).store(++tail_, std::memory_order_release);
  }

 private:
  struct release {
    void operator()(char* p) const { std::free(p); }
  };
  std::unique_ptr<char[], release> bytes_;  // untouched until somebody reads into them
  ::io_uring_buf* queue_ = nullptr;
  std::uint16_t tail_ = 0;
};

enum class way { multishot, linked };

class server {
 public:
  server(int listener, way how, std::uint32_t flags) : listener_(listener), how_(how), ring_(flags) {
    if (how == way::multishot) buffers_.share(ring_.descriptor());
  }

  [[noreturn]] void run() {
    accept();
    for (;;) {
      ring_.enter(sending_ + 1);  // sends end as they are submitted: more is to come
      ring_.take([this](::io_uring_cqe const& c) {
        auto const k = static_cast<kind>(c.user_data >> 56);
        auto const connection = static_cast<std::uint32_t>(c.user_data);
        ring_.reserve(2);
        if (k == kind::accepted) accepted(c);
        else if (k == kind::received && how_ == way::multishot) received_shared(connection, c);
        else if (k == kind::received) received_own(connection, c);
        else if (k == kind::sent) sent(static_cast<std::uint32_t>(c.user_data >> 32) & 0xFFFFFF);
      });
    }
  }

 private:
  void accept() {
    auto& e = ring_.next(IORING_OP_ACCEPT, listener_, key_of(kind::accepted, 0));
    e.ioprio = IORING_ACCEPT_MULTISHOT;
    e.file_index = IORING_FILE_INDEX_ALLOC;
  }
  void accepted(::io_uring_cqe const& c) {
    if (!(c.flags & IORING_CQE_F_MORE)) accept();
    if (c.res >= 0) receive(static_cast<std::uint32_t>(c.res));
  }

  void receive(std::uint32_t connection) {
    auto& e = ring_.next(IORING_OP_RECV, static_cast<int>(connection), key_of(kind::received, connection));
    e.flags = IOSQE_FIXED_FILE;
    if (how_ == way::multishot) {
      e.ioprio = IORING_RECV_MULTISHOT;
      e.flags |= IOSQE_BUFFER_SELECT;
      e.buf_group = group;
    } else {
      e.ioprio = IORING_RECVSEND_POLL_FIRST;  // nothing comes before the answer has gone
      e.addr = reinterpret_cast<std::uintptr_t>(buffers_[connection]);
      e.len = buffer_size;
    }
  }
  ::io_uring_sqe& send(std::uint32_t connection, std::uint32_t buffer, std::int32_t count) {
    auto& e = ring_.next(IORING_OP_SEND, static_cast<int>(connection), key_of(kind::sent, connection, buffer));
    e.flags = IOSQE_FIXED_FILE;
    e.addr = reinterpret_cast<std::uintptr_t>(buffers_[buffer]);
    e.len = static_cast<std::uint32_t>(count);
    e.msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    return e;
  }

  void received_shared(std::uint32_t connection, ::io_uring_cqe const& c) {
    if (c.res <= 0 && c.res != -ENOBUFS) return close(connection);
    if (c.res > 0) {
      send(connection, c.flags >> IORING_CQE_BUFFER_SHIFT, c.res);
      ++sending_;
    }
    if (!(c.flags & IORING_CQE_F_MORE)) receive(connection);
  }
  void sent(std::uint32_t buffer) {
    --sending_;
    buffers_.give_back(buffer);
  }
  void received_own(std::uint32_t connection, ::io_uring_cqe const& c) {
    if (c.res <= 0) return close(connection);
    send(connection, connection, c.res).flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
    receive(connection);
  }
  void close(std::uint32_t connection) {
    auto& e = ring_.next(IORING_OP_CLOSE, 0, key_of(kind::closed, connection));
    e.file_index = connection + 1;
  }

  int const listener_;
  way const how_;
  ring ring_;
  buffers buffers_{most_connections};
  unsigned sending_ = 0;  // for whose completions there is one each
};

}  // namespace

int main(int argc, char** argv) {
  ::alarm(120);  // whoever has started it may be gone
  std::string_view const how = argc > 1 ? argv[1] : "multishot", when = argc > 2 ? argv[2] : "deferred";
  int const listener = ::socket(AF_INET, SOCK_STREAM, 0), one = 1;
  ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // what it accepts inherits that
  ::sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::socklen_t length = sizeof address;
  if (::bind(listener, reinterpret_cast<::sockaddr*>(&address), length) != 0 || ::listen(listener, 8192) != 0) return 1;
  ::getsockname(listener, reinterpret_cast<::sockaddr*>(&address), &length);
  server s(listener, how == "linked" ? way::linked : way::multishot,
           when == "anywhere" ? 0 : IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
  if (how == "probe") return 0;
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  s.run();
}
