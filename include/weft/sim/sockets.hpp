// What the descriptors of a simulated world stand for: streams, listeners, mailboxes, bells and polls, each with what has come for it.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/io/address.hpp>
#include <weft/os/simulation.hpp>

#include <sys/epoll.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace weft::detail {

struct simulated_poll;

/// What a descriptor stands for. One that is closed lives on for what is under way to it.
struct simulated_object : pinned {
  enum class kind : std::uint8_t { stream, listener, mailbox, bell, poll };

  /// A poll that is told of edges.
  struct watch {
    simulated_poll* by;
    std::uint64_t tag;
    std::uint32_t asked;
    bool queued;  // it is in the poll's queue
  };

  explicit simulated_object(kind k) noexcept : what(k) {}
  virtual ~simulated_object() = default;

  /// What epoll would say now.
  [[nodiscard]] virtual std::uint32_t level() const noexcept = 0;

  kind const what;
  bool closed = false;
  std::vector<watch> watches;
};

/// An epoll: those that had an edge since they were last told of.
struct simulated_poll final : simulated_object {
  static constexpr kind own = kind::poll;
  simulated_poll() noexcept : simulated_object(own) {}
  [[nodiscard]] std::uint32_t level() const noexcept override { return 0; }

  std::vector<simulated_object*> queue;
};

/// An eventfd.
struct simulated_bell final : simulated_object {
  static constexpr kind own = kind::bell;
  simulated_bell() noexcept : simulated_object(own) {}
  [[nodiscard]] std::uint32_t level() const noexcept override { return count != 0 ? EPOLLIN : 0u; }

  std::uint64_t count = 0;
};

/// A socket for datagrams.
struct simulated_mailbox final : simulated_object {
  static constexpr kind own = kind::mailbox;
  static constexpr std::size_t most_letters = 256;
  struct letter {
    endpoint from;
    std::vector<std::byte> bytes;
  };

  simulated_mailbox() noexcept : simulated_object(own) {}
  [[nodiscard]] std::uint32_t level() const noexcept override { return EPOLLOUT | (letters.empty() ? 0u : EPOLLIN); }

  endpoint name;
  std::deque<letter> letters;
};

struct simulated_listener;

//               connect            established                reset, or refused
//     fresh ─────────────▶ connecting ─────────────▶ connected ─────────────▶ dead
//       └──────────────────────────────────────────────▲  a unix socket at once, a pipe from the beginning
/// One end of a connection, or of a pipe.
struct simulated_stream final : simulated_object {
  static constexpr kind own = kind::stream;
  enum class condition : std::uint8_t { fresh, connecting, connected, dead };
  enum class sort : std::uint8_t { tcp, unix_socket, pipe };

  simulated_stream(sort s, std::size_t buffer) noexcept : simulated_object(own), how(s), room(buffer) {}

  [[nodiscard]] std::uint32_t level() const noexcept override {
    if (state == condition::fresh) return EPOLLOUT | EPOLLHUP;
    if (state == condition::connecting) return 0;
    bool const dead = state == condition::dead;
    std::uint32_t now = 0;
    if (reads && (unread() != 0 || ended || dead)) now |= EPOLLIN;
    if (reads && (ended || dead)) now |= EPOLLRDHUP;
    if (writes && (room != 0 || end_sent || dead)) now |= EPOLLOUT;
    if (dead || (ended && (end_sent || !writes))) now |= EPOLLHUP;
    if (error != 0 || (dead && !reads)) now |= EPOLLERR;
    return now;
  }

  [[nodiscard]] std::size_t unread() const noexcept { return arrived.size() - taken; }

  /// As many of the oldest as there is place for.
  void take(std::span<std::byte> into) noexcept {
    std::copy_n(arrived.begin() + static_cast<std::ptrdiff_t>(taken), into.size(), into.begin());
    taken += into.size();
    if (taken == arrived.size()) arrived.clear(), taken = 0;
  }

  sort const how;
  bool reads = true, writes = true;  // a pipe's ends do one of them
  condition state = condition::fresh;
  int error = 0;  // told once
  endpoint local, remote;
  std::weak_ptr<simulated_stream> peer;  // gone: closed, and nothing is under way to it

  // Of what comes.
  std::vector<std::byte> arrived;
  std::size_t taken = 0;  // of them
  bool ended = false;

  // Of what goes.
  std::size_t room;         // in the other's buffer, as far as is known here
  bool wants_room = false;  // a write found none
  bool end_sent = false;
  simulation::time_point last_arrival{};  // nothing overtakes what was sent before

  // Of its connection.
  bool told = false;                              // connect has said that it is made
  int tries = 0;                                  // to reach a listener that is full
  std::weak_ptr<simulated_listener> accepted_by;  // of the end that a listener makes
};

/// Where connections come in.
struct simulated_listener final : simulated_object {
  static constexpr kind own = kind::listener;
  simulated_listener() noexcept : simulated_object(own) {}
  [[nodiscard]] std::uint32_t level() const noexcept override { return waiting.empty() ? 0u : EPOLLIN; }

  endpoint name;
  std::size_t backlog = 0;
  std::size_t expected = 0;  // places that are taken by connections under way
  std::deque<std::shared_ptr<simulated_stream>> waiting;
};

}  // namespace weft::detail
