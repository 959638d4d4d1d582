// What is under way in a simulated world: bytes, ends, resets, datagrams and the steps of a connection, each of which arrives after a while.
// How long it takes, in how many pieces it comes and whether it comes at all is drawn from the world's seed.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/io/address.hpp>
#include <weft/os/clock.hpp>
#include <weft/os/simulation.hpp>
#include <weft/sim/sockets.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace weft {

/// How the network and the pipes of a world behave. Chances are from 0 to 1.
struct sim_network {
  clock::duration least_latency = std::chrono::microseconds(20);  ///< of what is sent, until it is there
  clock::duration most_latency = std::chrono::milliseconds(1);    ///< all between them are as likely
  double short_io = 0.2;  ///< a write takes a part, what was sent comes in pieces; rarer, a call is interrupted
  double reset = 0;       ///< of a TCP connection, at each write to it: both sides get ECONNRESET
  double loss = 0;        ///< of a datagram. They overtake each other in any case
  std::size_t buffer = 64 * 1024;  ///< bytes that a writer is ahead of its reader at most; at least 1
};

namespace detail {

/// What a network needs of its world. Threads go first in step and block alone.
class network_host {
 public:
  [[nodiscard]] virtual simulation::time_point time() const noexcept = 0;
  [[nodiscard]] virtual random_source& chance() noexcept = 0;
  /// Until then, or until somebody waits no longer, whichever is first.
  virtual void pass_time_until(simulation::time_point then) noexcept = 0;
  virtual void step() noexcept = 0;
  virtual void block(void const* address, simulation::time_point deadline) noexcept = 0;
  virtual void wake_one(void const* address) noexcept = 0;

 protected:
  network_host() = default;
  ~network_host() = default;
};

//   a connection:   connect ── knock ──▶ the listener has a place ── answer ──▶ connected ── arrival ──▶ waits to be accepted
//                                        └── it has none, or there is none ── refusal ──▶ dead
//
// What was written is under way, and then in the other's buffer; when it has been read, word of that is under way. To a stream that is
// closed bytes come in vain, and it answers with a reset. Functions give at least 0, or a negative error, as system calls do inside.
/// The threads of one world; none of it lets another go first.
class transport : pinned {
 public:
  using time_point = simulation::time_point;

  /// When something arrives next; the end of time: nothing is under way.
  [[nodiscard]] time_point next_arrival() const noexcept {
    return underway_.empty() ? time_point::max() : underway_.front().at;
  }
  /// Something arrives then, and a time after it at which more may have come, and it is all told at once.
  [[nodiscard]] time_point late(time_point arrival) noexcept {
    return arrival + latency_above(clock::duration::zero());
  }
  /// What is to be there by now is there, and who waits for it is woken.
  void arrive() noexcept;

 protected:
  using object = simulated_object;
  using stream = simulated_stream;
  using listener = simulated_listener;
  using mailbox = simulated_mailbox;

  transport(network_host& host, sim_network const& o) noexcept : host_(host), options_(o) {}
  ~transport() = default;

  /// Who gets what is sent to this name; null: nobody.
  [[nodiscard]] virtual std::shared_ptr<listener> listener_at(endpoint const& name) const = 0;
  [[nodiscard]] virtual std::shared_ptr<mailbox> mailbox_at(endpoint const& name) const = 0;

  /// `s` is fresh.
  [[nodiscard]] int begin_to_connect(std::shared_ptr<stream> const& s);
  [[nodiscard]] ssize_t write_to(std::shared_ptr<stream> const& to, std::span<std::byte const> bytes);
  [[nodiscard]] ssize_t read_from(stream& s, std::span<std::byte> into);
  void close_stream(stream& s);
  void close_listener(listener& l) {
    for (auto const& s : std::exchange(l.waiting, {})) send_along(*s, cargo::reset, {}, ECONNRESET);
  }
  void end_writing(stream& s) {
    if (!std::exchange(s.end_sent, true)) send_along(s, cargo::end);
  }
  void send_letter(endpoint from, endpoint to, std::span<std::byte const> bytes) {
    if (happens(options_.loss)) return;
    send(
        after_latency(),
        {.what = cargo::letter, .bytes = {bytes.begin(), bytes.end()}, .from = std::move(from), .name = std::move(to)});
  }

  /// Polls are told that something has come of it.
  void edge(object& o);

  [[nodiscard]] bool happens(double chance) noexcept {
    constexpr std::uint32_t whole = 1u << 24;
    return chance > 0 && host_.chance().below(whole) < chance * whole;
  }
  /// Of a call that could be made again at once.
  [[nodiscard]] bool interrupted() noexcept { return happens(options_.short_io / 16); }

  void forget_what_is_underway() noexcept { underway_.clear(); }

  network_host& host_;
  sim_network const options_;

 private:
  enum class cargo : std::uint8_t { bytes, end, reset, room, knock, refusal, answer, arrival, letter };

  struct parcel {
    time_point at{};
    std::uint64_t number = 0;  // of two with the same time the older one is first
    cargo what = cargo::bytes;
    std::shared_ptr<object> to{};
    std::shared_ptr<stream> made{};  // answer, arrival: the listener's end
    std::vector<std::byte> bytes{};
    std::size_t count = 0;    // room: bytes. reset, refusal: the error
    endpoint from{}, name{};  // letter

    [[nodiscard]] static bool is_later(parcel const& a, parcel const& b) noexcept {
      return a.at != b.at ? a.at > b.at : a.number > b.number;
    }
  };

  // A listener for IPv6 sees what comes by IPv4 at ::ffff:a.b.c.d.
  [[nodiscard]] static endpoint as_seen_from(endpoint const& bound, endpoint const& name) noexcept;
  [[nodiscard]] std::size_t part_of(std::size_t size) noexcept {
    return 1 + static_cast<std::size_t>(host_.chance().next() % size);
  }
  [[nodiscard]] time_point after_latency() noexcept {
    return host_.time() + options_.least_latency + latency_above(options_.least_latency);
  }
  [[nodiscard]] clock::duration latency_above(clock::duration least) noexcept {
    auto const range = std::max(options_.most_latency - least, clock::duration::zero());
    return clock::duration(
        static_cast<clock::rep>(host_.chance().next() % (static_cast<std::uint64_t>(range.count()) + 1)));
  }

  void send(time_point when, parcel p) {
    p.at = when;
    p.number = ++sent_;
    underway_.push_back(std::move(p));
    std::push_heap(underway_.begin(), underway_.end(), parcel::is_later);
  }
  // Behind all that the stream has sent. Nothing, where the other end is gone.
  void send_along(stream& from, cargo what, std::vector<std::byte> bytes = {}, std::size_t count = 0);
  void deliver(parcel& p);
  void fall(stream& s, int error);
  [[nodiscard]] int connect_here(std::shared_ptr<stream> const& s);
  void knock(std::shared_ptr<stream> const& s);
  void answer(std::shared_ptr<stream> const& s, std::shared_ptr<stream> const& made);

  std::vector<parcel> underway_;  // a heap
  std::uint64_t sent_ = 0;
};

inline void transport::edge(object& o) {
  for (auto& w : o.watches) {
    if (!w.queued) w.by->queue.push_back(&o), w.queued = true;
    host_.wake_one(w.by);
  }
}

inline void transport::arrive() noexcept {
  while (!underway_.empty() && underway_.front().at <= host_.time()) {
    std::pop_heap(underway_.begin(), underway_.end(), parcel::is_later);
    auto p = std::move(underway_.back());
    underway_.pop_back();
    deliver(p);
  }
}

inline void transport::send_along(stream& from, cargo what, std::vector<std::byte> bytes, std::size_t count) {
  auto other = from.peer.lock();
  if (!other) return;
  from.last_arrival = std::max(from.last_arrival, after_latency());
  parcel p{.what = what, .to = std::move(other), .bytes = std::move(bytes), .count = count};
  send(from.last_arrival, std::move(p));
}

inline void transport::fall(stream& s, int error) {
  if (s.state == stream::condition::dead) return;
  s.state = stream::condition::dead;
  s.error = error;
  edge(s);
}

inline void transport::deliver(parcel& p) {
  if (p.what == cargo::letter) {
    auto const found = mailbox_at(p.name);
    if (!found || found->letters.size() == mailbox::most_letters) return;
    found->letters.push_back({std::move(p.from), std::move(p.bytes)});
    return edge(*found);
  }
  if (p.what == cargo::arrival) {
    auto& l = static_cast<listener&>(*p.to);
    --l.expected;
    if (l.closed) return send_along(*p.made, cargo::reset, {}, ECONNRESET);
    l.waiting.push_back(std::move(p.made));
    return edge(l);
  }
  auto const s = std::static_pointer_cast<stream>(p.to);
  bool const open = !s->closed && s->state == stream::condition::connected;
  switch (p.what) {
    case cargo::bytes:
      if (s->closed && s->state == stream::condition::connected) return send_along(*s, cargo::reset, {}, ECONNRESET);
      if (!open) return;
      s->arrived.insert(s->arrived.end(), p.bytes.begin(), p.bytes.end());
      return edge(*s);
    case cargo::end:
      if (!open) return;
      s->ended = true;
      return edge(*s);
    case cargo::room:
      if (!open) return;
      s->room += p.count;
      if (std::exchange(s->wants_room, false)) edge(*s);
      return;
    // Who knows that the other has ended reads that end all the same; its writes get EPIPE.
    case cargo::reset: return fall(*s, s->ended ? 0 : static_cast<int>(p.count));
    case cargo::refusal: return fall(*s, static_cast<int>(p.count));
    case cargo::knock: return knock(s);
    case cargo::answer: return answer(s, p.made);
    case cargo::arrival:
    case cargo::letter: return;
  }
}

// ── connections ──

inline int transport::begin_to_connect(std::shared_ptr<stream> const& s) {
  if (s->how == stream::sort::unix_socket) return connect_here(s);
  send(after_latency(), {.what = cargo::knock, .to = s});
  s->state = stream::condition::connecting;
  return -EINPROGRESS;
}

// A unix socket's: at once, or not at all.
inline int transport::connect_here(std::shared_ptr<stream> const& s) {
  auto const l = listener_at(s->remote);
  if (!l) return -ECONNREFUSED;
  if (l->waiting.size() >= l->backlog) return -EAGAIN;
  auto made = std::make_shared<stream>(stream::sort::unix_socket, options_.buffer);
  made->local = l->name;
  made->peer = s;
  s->peer = made;
  made->state = s->state = stream::condition::connected;
  l->waiting.push_back(std::move(made));
  edge(*l);
  return 0;
}

inline endpoint transport::as_seen_from(endpoint const& bound, endpoint const& name) noexcept {
  if (bound.type() != endpoint::kind::ipv6 || name.type() != endpoint::kind::ipv4) return name;
  ::sockaddr_storage four;
  name.to(four);
  ::sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(name.port());
  six.sin6_addr.s6_addr[10] = six.sin6_addr.s6_addr[11] = 0xFF;
  std::memcpy(&six.sin6_addr.s6_addr[12], &reinterpret_cast<::sockaddr_in const&>(four).sin_addr, 4);
  return endpoint::from(reinterpret_cast<::sockaddr const*>(&six), sizeof six);
}

// At the listener's side. Where there is no room it is silent, and is asked again.
inline void transport::knock(std::shared_ptr<stream> const& s) {
  constexpr int most_tries = 6;
  if (s->closed) return;
  auto const l = listener_at(s->remote);
  if (!l) return send(after_latency(), {.what = cargo::refusal, .to = s, .count = ECONNREFUSED});
  if (l->waiting.size() + l->expected >= l->backlog) {
    auto const pause = std::chrono::seconds(1 << s->tries);
    if (++s->tries <= most_tries) return send(host_.time() + pause, {.what = cargo::knock, .to = s});
    return send(host_.time() + pause, {.what = cargo::refusal, .to = s, .count = ETIMEDOUT});
  }
  auto made = std::make_shared<stream>(stream::sort::tcp, options_.buffer);
  made->local = as_seen_from(l->name, s->remote);
  made->remote = as_seen_from(l->name, s->local);
  made->peer = s;
  made->accepted_by = l;
  made->state = stream::condition::connected;
  ++l->expected;
  send(after_latency(), {.what = cargo::answer, .to = s, .made = std::move(made)});
}

inline void transport::answer(std::shared_ptr<stream> const& s, std::shared_ptr<stream> const& made) {
  auto const l = made->accepted_by.lock();
  if (s->closed || !l) {
    if (l) --l->expected;
    return fall(*s, ECONNREFUSED);
  }
  s->peer = made;
  s->state = stream::condition::connected;
  s->last_arrival = after_latency();
  send(s->last_arrival, {.what = cargo::arrival, .to = l, .made = made});
  edge(*s);
}

// ── bytes ──

inline ssize_t transport::write_to(std::shared_ptr<stream> const& to, std::span<std::byte const> bytes) {
  stream& s = *to;
  if (!s.writes) return -EBADF;
  if (s.state == stream::condition::fresh || s.state == stream::condition::connecting) return -ENOTCONN;
  if (s.error != 0) return -std::exchange(s.error, 0);
  if (s.state == stream::condition::dead || s.end_sent) return -EPIPE;
  auto const other = s.peer.lock();
  if (s.how != stream::sort::tcp && (!other || other->closed)) return -EPIPE;
  if (interrupted()) return -EINTR;
  if (bytes.empty()) return 0;
  if (s.room == 0) {
    s.wants_room = true;
    return -EAGAIN;
  }
  auto count = std::min(bytes.size(), s.room);
  if (happens(options_.short_io)) count = part_of(count);
  if (!other) {  // it has been closed, and answers with a reset, behind all that it has sent
    auto when = after_latency();
    for (auto const& p : underway_)
      if (p.to == to) when = std::max(when, p.at);
    send(when, {.what = cargo::reset, .to = to, .count = ECONNRESET});
    return static_cast<ssize_t>(count);
  }
  for (auto rest = bytes.first(count); !rest.empty();) {
    auto const piece = rest.first(happens(options_.short_io) ? part_of(rest.size()) : rest.size());
    send_along(s, cargo::bytes, {piece.begin(), piece.end()});
    rest = rest.subspan(piece.size());
  }
  s.room -= count;
  if (s.how == stream::sort::tcp && happens(options_.reset)) {
    send_along(s, cargo::reset, {}, ECONNRESET);
    send_along(*other, cargo::reset, {}, ECONNRESET);
  }
  return static_cast<ssize_t>(count);
}

inline ssize_t transport::read_from(stream& s, std::span<std::byte> into) {
  if (!s.reads) return -EBADF;
  if (s.state == stream::condition::fresh || s.state == stream::condition::connecting) return -ENOTCONN;
  if (interrupted()) return -EINTR;
  if (auto count = std::min(into.size(), s.unread()); count != 0) {
    // A TCP socket gives less than it is asked for where there is no more, and epoll's users rely on that.
    if (s.how != stream::sort::tcp && happens(options_.short_io)) count = part_of(count);
    s.take(into.first(count));
    send_along(s, cargo::room, {}, count);
    return static_cast<ssize_t>(count);
  }
  if (into.empty()) return 0;
  if (s.error != 0) return -std::exchange(s.error, 0);
  return s.ended || s.state == stream::condition::dead ? 0 : -EAGAIN;
}

// A reset where something has not been read, as TCP and unix sockets do it; else the end, behind all that was written.
inline void transport::close_stream(stream& s) {
  if (s.state != stream::condition::connected) return;
  if (s.how == stream::sort::pipe) {
    if (s.writes) return send_along(s, cargo::end);
    if (auto const writer = s.peer.lock()) fall(*writer, 0);
    return;
  }
  if (s.unread() != 0) return send_along(s, cargo::reset, {}, ECONNRESET);
  if (!s.end_sent) send_along(s, cargo::end);
}

}  // namespace detail
}  // namespace weft
