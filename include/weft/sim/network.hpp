// The sockets and pipes of a simulated world behind their descriptors: the system calls on them, their names, and polls that tell of edges
// as epoll does.
#pragma once

#include <weft/io/address.hpp>
#include <weft/os/simulation.hpp>
#include <weft/os/system_calls.hpp>
#include <weft/sim/sockets.hpp>
#include <weft/sim/transport.hpp>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace weft::detail {

//   descriptor ── table_ ──▶ object    what has come for it (sockets.hpp), and what comes to it (transport.hpp)
//
// No other thread of the world runs during a call but at its beginning and its end, and while a poll waits: so there are no locks.
/// The threads of one world.
class network final : public simulated_system, public transport {
 public:
  using time_point = simulation::time_point;

  network(network_host& host, sim_network const& o) noexcept : transport(host, o) {}
  ~network() = default;

  // ── for the world ──

  [[nodiscard]] std::size_t descriptors() const noexcept {
    return table_.size() - static_cast<std::size_t>(std::count(table_.begin(), table_.end(), nullptr));
  }
  /// Nobody calls for what there is any more.
  void forget_all() noexcept {
    table_.clear();
    forget_what_is_underway();
  }

  // ── as the system ──

  [[nodiscard]] int socket(int family, int type) noexcept override;
  [[nodiscard]] int pipe(int* ends) noexcept override;
  [[nodiscard]] int bind(int fd, ::sockaddr const* name, ::socklen_t length) noexcept override;
  [[nodiscard]] int listen(int fd, int backlog) noexcept override;
  [[nodiscard]] int connect(int fd, ::sockaddr const* to, ::socklen_t length) noexcept override;
  [[nodiscard]] int accept(int fd, ::sockaddr* peer, ::socklen_t* length) noexcept override;
  [[nodiscard]] int local_name(int fd, ::sockaddr* name, ::socklen_t* length) noexcept override;
  [[nodiscard]] ssize_t read(int fd, void* into, std::size_t size) noexcept override;
  [[nodiscard]] ssize_t write(int fd, void const* bytes, std::size_t size) noexcept override;
  [[nodiscard]] ssize_t receive_from(int fd, void* into, std::size_t size, ::sockaddr* from,
                                     ::socklen_t* length) noexcept override;
  [[nodiscard]] ssize_t send_to(int fd, void const* bytes, std::size_t size, ::sockaddr const* to,
                                ::socklen_t length) noexcept override;
  int shutdown_writing(int fd) noexcept override;
  int close(int fd) noexcept override;
  [[nodiscard]] int make_event() noexcept override;
  [[nodiscard]] int make_poll() noexcept override;
  int control(int poll, int operation, int fd, ::epoll_event const* event) noexcept override;
  [[nodiscard]] int wait(int poll, ::epoll_event* events, int most, time_point deadline) noexcept override;

 private:
  using bell = simulated_bell;
  using poll = simulated_poll;

  // Others go first, what is due arrives, f() says what the call comes to, at least 0 or a negative error; others may go on before the
  // caller learns of it, and more may arrive.
  template <class F>
  [[nodiscard]] ssize_t call(F&& f) noexcept;
  [[nodiscard]] std::shared_ptr<object> at(int fd) const noexcept {
    auto const index = static_cast<std::size_t>(fd - first_simulated_descriptor);
    return index < table_.size() ? table_[index] : nullptr;
  }
  // Null: it stands for something else.
  template <class T>
  [[nodiscard]] std::shared_ptr<T> find(int fd) const noexcept {
    auto o = at(fd);
    return o && o->what == T::own ? std::static_pointer_cast<T>(std::move(o)) : nullptr;
  }
  [[nodiscard]] int not_a(int fd) const noexcept { return at(fd) ? -ENOTSOCK : -EBADF; }

  // At the lowest number that is free, as the system does it.
  [[nodiscard]] int add(std::shared_ptr<object> o) {
    auto const place = std::find(table_.begin(), table_.end(), nullptr);
    auto const index = place - table_.begin();
    if (place == table_.end()) table_.push_back(std::move(o));
    else *place = std::move(o);
    return first_simulated_descriptor + static_cast<int>(index);
  }

  // Calls f(object) for all of this kind.
  template <class T, class F>
  void each(F&& f) const {
    for (auto const& o : table_)
      if (o && o->what == T::own) f(std::static_pointer_cast<T>(o));
  }

  // As the system does it: what is sent to every address is for this machine's own.
  [[nodiscard]] static endpoint destination(::sockaddr const* to, ::socklen_t length) noexcept;
  [[nodiscard]] static bool is_any(endpoint const& name) noexcept;
  // Does what is bound to `bound` get what is sent to `wanted`? Who is bound to every address of IPv6 is to those of IPv4 as well.
  [[nodiscard]] static bool reaches(endpoint const& wanted, endpoint const& bound) noexcept;
  [[nodiscard]] std::shared_ptr<listener> listener_at(endpoint const& name) const override {
    return bound<listener>(name);
  }
  [[nodiscard]] std::shared_ptr<mailbox> mailbox_at(endpoint const& name) const override {
    return bound<mailbox>(name);
  }
  template <class T>
  [[nodiscard]] std::shared_ptr<T> bound(endpoint const& name) const;
  [[nodiscard]] int take_name(endpoint wanted, object::kind who, endpoint& name);
  // Is somebody there who would be confused with one of this name? Listeners of TCP, and sockets that are bound or connected, or mailboxes.
  [[nodiscard]] bool is_taken(endpoint const& name, object::kind who) const;
  // The next one that nobody has; 0: there is none.
  [[nodiscard]] std::uint16_t free_port(endpoint const& of, object::kind who);
  void unwatch(object& o, poll const* by) noexcept;
  [[nodiscard]] int take_queued(poll& p, std::span<::epoll_event> events);

  static int tell(endpoint const& e, ::sockaddr* name, ::socklen_t* length) noexcept {
    ::sockaddr_storage whole;
    auto const size = e.to(whole);
    std::memcpy(name, &whole, std::min(size, *length));
    *length = size;
    return 0;
  }

  static constexpr std::uint16_t first_free_port = 49152, last_free_port = 65535;

  std::vector<std::shared_ptr<object>> table_;  // by number; null: free
  std::uint16_t next_port_ = first_free_port;
};

template <class F>
ssize_t network::call(F&& f) noexcept {
  host_.step();
  arrive();
  ssize_t result;
  try {
    result = f();
  } catch (std::bad_alloc const&) {
    result = -ENOBUFS;
  }
  constexpr std::uint32_t long_calls = 8;  // one in so many
  if (host_.chance().below(long_calls) == 0) {
    host_.pass_time_until(std::min(next_arrival(), host_.time() + options_.most_latency));
    arrive();
  }
  host_.step();
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}
// ── edges ──

inline void network::unwatch(object& o, poll const* by) noexcept {
  std::erase_if(o.watches, [&](object::watch const& w) {
    if (by && w.by != by) return false;
    if (w.queued) std::erase(w.by->queue, &o);
    return true;
  });
}

inline int network::make_event() noexcept {
  return static_cast<int>(call([&] { return add(std::make_shared<bell>()); }));
}

inline int network::make_poll() noexcept {
  return static_cast<int>(call([&] { return add(std::make_shared<poll>()); }));
}

inline int network::control(int fd, int operation, int of, ::epoll_event const* event) noexcept {
  return static_cast<int>(call([&]() -> ssize_t {
    auto const p = find<poll>(fd);
    auto const o = at(of);
    if (!p || !o) return -EBADF;
    if (operation == EPOLL_CTL_DEL) {
      unwatch(*o, p.get());
      return 0;
    }
    o->watches.push_back({p.get(), event->data.u64, event->events, false});
    if (o->level() != 0) edge(*o);
    return 0;
  }));
}

// Some of those that are queued, in any order, with what holds of each now.
inline int network::take_queued(poll& p, std::span<::epoll_event> events) {
  std::size_t count = 0;
  while (!p.queue.empty() && count != events.size()) {
    if (count != 0 && happens(0.125)) break;
    auto const place = p.queue.begin() + host_.chance().below(static_cast<std::uint32_t>(p.queue.size()));
    object& o = **place;
    *place = p.queue.back();
    p.queue.pop_back();
    for (auto& w : o.watches) {
      if (w.by != &p) continue;
      w.queued = false;
      if (auto const now = o.level() & (w.asked | EPOLLERR | EPOLLHUP); now != 0) {
        events[count].events = now;
        events[count++].data.u64 = w.tag;
      }
    }
  }
  if (!p.queue.empty()) host_.wake_one(&p);
  return static_cast<int>(count);
}

inline int network::wait(int fd, ::epoll_event* events, int most, time_point deadline) noexcept {
  return static_cast<int>(call([&]() -> ssize_t {
    auto const p = find<poll>(fd);
    if (!p) return -EBADF;
    for (;;) {
      if (int const count = take_queued(*p, {events, static_cast<std::size_t>(most)}); count != 0) return count;
      if (deadline <= host_.time()) return 0;
      if (interrupted()) return -EINTR;
      host_.block(p.get(), deadline);
      arrive();
    }
  }));
}

// ── names ──

inline bool network::is_any(endpoint const& name) noexcept {
  ::sockaddr_storage bytes{};
  name.to(bytes);
  switch (name.type()) {
    case endpoint::kind::ipv4: return reinterpret_cast<::sockaddr_in&>(bytes).sin_addr.s_addr == htonl(INADDR_ANY);
    case endpoint::kind::ipv6: return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<::sockaddr_in6&>(bytes).sin6_addr);
    case endpoint::kind::none:
    case endpoint::kind::unix_path: break;
  }
  return false;
}

inline endpoint network::destination(::sockaddr const* to, ::socklen_t length) noexcept {
  auto const name = endpoint::from(to, length);
  if (!is_any(name)) return name;
  if (name.type() == endpoint::kind::ipv4) return endpoint::loopback(name.port());
  ::sockaddr_in6 own{};
  own.sin6_family = AF_INET6;
  own.sin6_port = htons(name.port());
  own.sin6_addr = in6addr_loopback;
  return endpoint::from(reinterpret_cast<::sockaddr const*>(&own), sizeof own);
}

inline bool network::reaches(endpoint const& wanted, endpoint const& bound) noexcept {
  if (wanted == bound) return true;
  if (wanted.type() == endpoint::kind::unix_path || wanted.port() != bound.port() || !is_any(bound)) return false;
  return wanted.type() == bound.type() ||
         (wanted.type() == endpoint::kind::ipv4 && bound.type() == endpoint::kind::ipv6);
}

template <class T>
std::shared_ptr<T> network::bound(endpoint const& name) const {
  std::shared_ptr<T> found;
  each<T>([&](std::shared_ptr<T> const& o) {
    if (reaches(name, o->name)) found = o;
  });
  return found;
}

inline bool network::is_taken(endpoint const& name, object::kind who) const {
  bool taken = false;
  auto const compare = [&](endpoint const& other) { taken = taken || reaches(name, other) || reaches(other, name); };
  if (who == object::kind::mailbox) {
    each<mailbox>([&](std::shared_ptr<mailbox> const& m) { compare(m->name); });
  } else {
    each<listener>([&](std::shared_ptr<listener> const& l) { compare(l->name); });
  }
  return taken;
}

inline std::uint16_t network::free_port(endpoint const& of, object::kind who) {
  for (auto left = last_free_port - first_free_port + 1; left != 0; --left) {
    auto const port = std::exchange(
        next_port_, static_cast<std::uint16_t>(next_port_ == last_free_port ? first_free_port : next_port_ + 1));
    auto const name = of.with_port(port);
    bool taken = is_taken(name, who);
    if (who != object::kind::mailbox)
      each<stream>([&](std::shared_ptr<stream> const& s) { taken = taken || s->local == name; });
    if (!taken) return port;
  }
  return 0;
}

inline int network::take_name(endpoint wanted, object::kind who, endpoint& name) {
  if (wanted.type() != endpoint::kind::unix_path && wanted.port() == 0) {
    auto const port = free_port(wanted, who);
    if (port == 0) return -EADDRINUSE;
    wanted = wanted.with_port(port);
  } else if (is_taken(wanted, who)) {
    return -EADDRINUSE;
  }
  name = std::move(wanted);
  return 0;
}

inline int network::socket(int family, int type) noexcept {
  return static_cast<int>(call([&]() -> ssize_t {
    if (type & SOCK_DGRAM) return add(std::make_shared<mailbox>());
    auto const how = family == AF_UNIX ? stream::sort::unix_socket : stream::sort::tcp;
    return add(std::make_shared<stream>(how, options_.buffer));
  }));
}

inline int network::bind(int fd, ::sockaddr const* name, ::socklen_t length) noexcept {
  return static_cast<int>(call([&]() -> ssize_t {
    auto wanted = endpoint::from(name, length);
    if (auto const m = find<mailbox>(fd)) return take_name(std::move(wanted), m->what, m->name);
    if (auto const s = find<stream>(fd)) return take_name(std::move(wanted), object::kind::listener, s->local);
    return not_a(fd);
  }));
}

inline int network::listen(int fd, int backlog) noexcept {
  return static_cast<int>(call([&]() -> ssize_t {
    auto const s = find<stream>(fd);
    if (!s) return not_a(fd);
    if (s->state != stream::condition::fresh) return -EINVAL;
    if (is_taken(s->local, object::kind::listener)) return -EADDRINUSE;  // two may be bound to a name, but not listen
    auto const l = std::make_shared<listener>();
    l->name = s->local;
    l->backlog = static_cast<std::size_t>(std::max(backlog, 1));
    unwatch(*s, nullptr);
    table_[static_cast<std::size_t>(fd - first_simulated_descriptor)] = l;
    return 0;
  }));
}

inline int network::local_name(int fd, ::sockaddr* name, ::socklen_t* length) noexcept {
  return static_cast<int>(call([&]() -> ssize_t {
    if (auto const s = find<stream>(fd)) return tell(s->local, name, length);
    if (auto const l = find<listener>(fd)) return tell(l->name, name, length);
    if (auto const m = find<mailbox>(fd)) return tell(m->name, name, length);
    return not_a(fd);
  }));
}

// ── calls on streams ──

inline int network::connect(int fd, ::sockaddr const* to, ::socklen_t length) noexcept {
  return static_cast<int>(call([&]() -> ssize_t {
    auto const s = find<stream>(fd);
    if (!s) return not_a(fd);
    switch (s->state) {
      case stream::condition::connecting: return -EALREADY;
      case stream::condition::connected: return std::exchange(s->told, true) ? -EISCONN : 0;
      case stream::condition::dead: return s->error != 0 ? -std::exchange(s->error, 0) : -ECONNABORTED;
      case stream::condition::fresh: break;
    }
    s->remote = destination(to, length);
    if (s->how == stream::sort::tcp && s->local.type() == endpoint::kind::none) {
      auto const port = free_port(s->remote, object::kind::stream);
      if (port == 0) return -EADDRNOTAVAIL;
      s->local = s->remote.with_port(port);
    }
    return begin_to_connect(s);
  }));
}

inline int network::accept(int fd, ::sockaddr* peer, ::socklen_t* length) noexcept {
  return static_cast<int>(call([&]() -> ssize_t {
    auto const l = find<listener>(fd);
    if (!l) return at(fd) ? -EINVAL : -EBADF;
    if (interrupted()) return -EINTR;
    if (l->waiting.empty()) return -EAGAIN;
    auto const s = l->waiting.front();
    int const own = add(s);
    l->waiting.pop_front();
    tell(s->remote, peer, length);
    if (s->remote.type() == endpoint::kind::none) {  // of a unix socket without a name
      peer->sa_family = AF_UNIX;
      *length = sizeof peer->sa_family;
    }
    return own;
  }));
}

inline int network::pipe(int* ends) noexcept {
  return static_cast<int>(call([&] {
    auto const reader = std::make_shared<stream>(stream::sort::pipe, options_.buffer);
    auto const writer = std::make_shared<stream>(stream::sort::pipe, options_.buffer);
    reader->writes = writer->reads = false;
    reader->peer = writer;
    writer->peer = reader;
    reader->state = writer->state = stream::condition::connected;
    ends[0] = add(reader);
    ends[1] = add(writer);
    return 0;
  }));
}

inline ssize_t network::write(int fd, void const* bytes, std::size_t size) noexcept {
  return call([&]() -> ssize_t {
    if (auto const s = find<stream>(fd)) return write_to(s, {static_cast<std::byte const*>(bytes), size});
    auto const b = find<bell>(fd);
    if (!b) return not_a(fd);
    std::uint64_t more = 0;
    std::memcpy(&more, bytes, std::min(size, sizeof more));
    b->count += more;
    edge(*b);
    return static_cast<ssize_t>(sizeof more);
  });
}

inline ssize_t network::read(int fd, void* into, std::size_t size) noexcept {
  return call([&]() -> ssize_t {
    if (auto const s = find<stream>(fd)) return read_from(*s, {static_cast<std::byte*>(into), size});
    auto const b = find<bell>(fd);
    if (!b) return not_a(fd);
    if (b->count == 0) return -EAGAIN;
    std::memcpy(into, &b->count, std::min(size, sizeof b->count));
    b->count = 0;
    return static_cast<ssize_t>(sizeof b->count);
  });
}

inline int network::shutdown_writing(int fd) noexcept {
  return static_cast<int>(call([&]() -> ssize_t {
    auto const s = find<stream>(fd);
    if (!s) return not_a(fd);
    if (s->state != stream::condition::connected) return -ENOTCONN;
    end_writing(*s);
    return 0;
  }));
}

inline int network::close(int fd) noexcept {
  return static_cast<int>(call([&]() -> ssize_t {
    auto const o = at(fd);
    if (!o) return -EBADF;
    table_[static_cast<std::size_t>(fd - first_simulated_descriptor)] = nullptr;
    o->closed = true;
    unwatch(*o, nullptr);
    if (o->what == object::kind::poll) {
      for (auto const& other : table_)
        if (other) unwatch(*other, static_cast<poll const*>(o.get()));
    } else if (o->what == object::kind::listener) {
      close_listener(static_cast<listener&>(*o));
    } else if (o->what == object::kind::stream) {
      close_stream(static_cast<stream&>(*o));
    }
    return 0;
  }));
}

// ── datagrams ──

inline ssize_t network::send_to(int fd, void const* bytes, std::size_t size, ::sockaddr const* to,
                                ::socklen_t length) noexcept {
  return call([&]() -> ssize_t {
    constexpr std::size_t longest = 65'507;
    auto const m = find<mailbox>(fd);
    if (!m) return not_a(fd);
    if (size > longest) return -EMSGSIZE;
    if (interrupted()) return -EINTR;
    // Who is bound to every address sends from that of this machine.
    bool const anywhere = m->name == endpoint::any(m->name.port());
    send_letter(anywhere ? endpoint::loopback(m->name.port()) : m->name, destination(to, length),
                {static_cast<std::byte const*>(bytes), size});
    return static_cast<ssize_t>(size);
  });
}

inline ssize_t network::receive_from(int fd, void* into, std::size_t size, ::sockaddr* from,
                                     ::socklen_t* length) noexcept {
  return call([&]() -> ssize_t {
    auto const m = find<mailbox>(fd);
    if (!m) return not_a(fd);
    if (interrupted()) return -EINTR;
    if (m->letters.empty()) return -EAGAIN;
    auto const first = std::move(m->letters.front());
    m->letters.pop_front();
    std::copy_n(first.bytes.begin(), std::min(size, first.bytes.size()), static_cast<std::byte*>(into));
    tell(first.from, from, length);
    return static_cast<ssize_t>(first.bytes.size());  // as with MSG_TRUNC
  });
}

}  // namespace weft::detail
