// server: talks with one client after the other, and with all of them at the same time.
#pragma once

#include "answer.hpp"
#include "files.hpp"
#include "http.hpp"
#include "primes.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/io/tcp.hpp>
#include <weft/os/clock.hpp>
#include <weft/sync/semaphore.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace serve {

/// The connections that are open, so that they can be ended.
class guests {
 public:
  class stay {
   public:
    stay(guests& all, weft::tcp_stream& s) : all_(all), stream_(s) {
      std::lock_guard const guard(all_.lock_);
      all_.open_.insert(&s);
      if (all_.leaving()) no_more_requests(s);
    }
    stay(stay const&) = delete;
    ~stay() {
      std::lock_guard const guard(all_.lock_);
      all_.open_.erase(&stream_);
    }

   private:
    guests& all_;
    weft::tcp_stream& stream_;
  };

  /// Those who have asked get their answers; nobody is waited for who has not.
  void see_off() {
    std::lock_guard const guard(lock_);
    leaving_ = true;
    for (auto* const s : open_) no_more_requests(*s);
  }
  /// Without an answer.
  void throw_out() {
    std::lock_guard const guard(lock_);
    for (auto* const s : open_) s->close();
  }
  [[nodiscard]] bool leaving() const noexcept { return leaving_; }

 private:
  // What has come can still be read, and then the end.
  static void no_more_requests(weft::tcp_stream& s) {
    s.with_descriptor([](int fd) { ::shutdown(fd, SHUT_RD); });
  }

  std::mutex lock_;
  std::set<weft::tcp_stream*> open_;  // guarded by lock_
  std::atomic<bool> leaving_ = false;
};

class server {
 public:
  /// patience: for a client to send what it asks, to take a block of the answer, or to ask for something else.
  server(char const* path, std::chrono::milliseconds patience) : folder_(path), patience_(patience) {}

  guests& connections() noexcept { return guests_; }

  /// Answers one client, until either has had enough.
  weft::task<> converse(weft::tcp_stream client) {
    guests::stay const stay(guests_, client);
    std::string come;  // and not yet understood
    for (bool more = true; more;) {
      auto next = answer_one(client, come);
      more = co_await std::move(next) == connection::keep;
    }
  }

 private:
  static constexpr std::size_t block = 64 * 1024;
  static constexpr std::size_t worth_no_copy = 8 * 1024, most_at_once = 1024 * 1024;
  static constexpr std::uint64_t longest_body = 64 * 1024;  // which nobody reads, but which has to be read over
  static constexpr std::uint64_t most_primes = 1'000'000'000;

  weft::task<connection> answer_one(weft::tcp_stream& client, std::string& come) {
    head_parser head;
    auto heard = listen(client, come, head);
    if (auto const refusal = co_await std::move(heard); refusal) {
      auto sent = refuse(client, *refusal, head.result().what);
      co_await std::move(sent);
      co_return connection::close;
    }
    if (head.now() != head_parser::state::done) co_return connection::close;  // it has gone, or says nothing
    request& asked = head.result();
    if (guests_.leaving()) asked.after = connection::close;
    auto answered = answer(client, asked);
    bool const whole = co_await std::move(answered);
    co_return whole ? asked.after : connection::close;
  }

  /// Reads a head, and over a body. What is to be said if that cannot be.
  weft::task<std::optional<status>> listen(weft::tcp_stream& client, std::string& come, head_parser& head) {
    auto until = weft::clock::now() + patience_;
    std::array<char, 4096> buffer;
    for (bool begun = false;;) {
      come.erase(0, head.feed(come));
      if (head.now() != head_parser::state::reading) break;
      // From its first byte on, a head has so long altogether.
      if (head.begun() && !std::exchange(begun, true)) until = weft::clock::now() + patience_;
      auto reading = read(client, until, std::as_writable_bytes(std::span(buffer)));
      auto const n = co_await std::move(reading);
      if (!n) co_return begun ? std::optional(status::request_timeout) : std::nullopt;
      if (*n == 0) co_return std::nullopt;
      come.assign(buffer.data(), *n);
    }
    if (head.now() == head_parser::state::refused) co_return head.why();
    if (head.result().content_length > longest_body) co_return status::content_too_large;
    auto left = static_cast<std::size_t>(head.result().content_length);
    for (;;) {
      auto const here = std::min(left, come.size());
      come.erase(0, here);
      left -= here;
      if (left == 0) co_return std::nullopt;
      auto reading = read(client, until, std::as_writable_bytes(std::span(buffer)));
      auto const n = co_await std::move(reading);
      if (!n || *n == 0) co_return status::request_timeout;
      come.assign(buffer.data(), *n);
    }
  }

  /// Nothing: it took too long.
  static weft::task<std::optional<std::size_t>> read(weft::tcp_stream& client, weft::clock::time_point until,
                                                     std::span<std::byte> into) {
    std::optional<std::size_t> n;
    try {
      auto reading = weft::deadline(until, client.read(into));
      n = co_await std::move(reading);
    } catch (weft::timed_out const&) {
      // Then there is no number.
    }
    co_return n;
  }

  /// False: it does not take it. What the system takes at once, nearly always all, needs no clock.
  weft::task<bool> write(weft::tcp_stream& client, std::string_view bytes) const {
    client.with_descriptor([&bytes](int fd) {
      auto const n = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
    });
    if (bytes.empty()) co_return true;
    bool taken = false;
    try {
      auto writing = weft::timeout(patience_, client.write(bytes));
      co_await std::move(writing);
      taken = true;
    } catch (weft::timed_out const&) {
      // It is not taken.
    }
    co_return taken;
  }

  /// Says so, and listens for a moment more: closed with something unread, a connection is reset, and the other side may never see
  /// what it was told.
  weft::task<> refuse(weft::tcp_stream& client, status why, method asked) {
    auto const text = failure_answer(why, connection::close, asked);
    auto said = write(client, text);
    bool const taken = co_await std::move(said);
    if (!taken) co_return;
    client.shutdown_write();
    std::array<std::byte, 4096> ignored;
    auto const until = weft::clock::now() + std::min(patience_, std::chrono::milliseconds(500));
    for (int pieces = 0; pieces < 256; ++pieces) {
      auto reading = read(client, until, ignored);
      auto const n = co_await std::move(reading);
      if (!n || *n == 0) break;
    }
  }

  /// False: not all of it was taken.
  weft::task<bool> answer(weft::tcp_stream& client, request const& asked) {
    if (asked.path == "/primes" && !asked.query.empty()) {
      auto counted = primes(asked);
      auto const text = co_await std::move(counted);
      co_return co_await write(client, text);
    }
    auto path = asked.path.substr(1);
    bool const of_folder = path.empty() || path.ends_with('/');
    if (of_folder) path += "index.html";
    auto opening = folder_.open(path);
    file const found = co_await std::move(opening);
    if (found.what() == file::kind::directory) {
      auto const text = moved(asked);
      co_return co_await write(client, text);
    }
    if (found.what() != file::kind::regular) {
      auto const text = failure_answer(status::not_found, asked.after, asked.what);
      co_return co_await write(client, text);
    }
    auto sending = send(client, asked, found, media_type(path));
    co_return co_await std::move(sending);
  }

  /// A folder's name ends with a slash, so that what its page refers to is found.
  static std::string moved(request const& asked) {
    auto head = begin_head(status::moved_permanently, asked.after);
    auto const path_ends = asked.target.find('?');
    auto to = asked.target.substr(0, path_ends) + '/';
    if (path_ends != std::string::npos) to += asked.target.substr(path_ends);
    add_field(head, "Location", to);
    add_field(head, "Content-Length", "0");
    return head + "\r\n";
  }

  /// The whole answer.
  weft::task<std::string> primes(request const& asked) {
    constexpr std::string_view name = "below=";
    auto const& q = asked.query;
    auto const below = q.starts_with(name) ? detail::number(std::string_view(q).substr(name.size())) : std::nullopt;
    if (!below || *below > most_primes) co_return failure_answer(status::bad_request, asked.after, asked.what);
    // One after the other, each on all cores; files are served meanwhile.
    auto const turn = co_await computing_.acquire();
    auto const count = count_primes_below(*below);
    co_return text_answer(status::ok, asked.after, asked.what, std::to_string(count) + "\n");
  }

  weft::task<bool> send(weft::tcp_stream& client, request const& asked, file const& found,
                        std::string_view type) const {
    auto const tag = found.tag(), changed = http_date(found.changed());
    bool const known = !asked.if_none_match.empty() ? asked.if_none_match == "*" || lists(asked.if_none_match, tag)
                                                    : asked.if_modified_since == changed;
    byte_range part{0, found.size()};
    auto how = range_asked::none;
    if (asked.what == method::get && (asked.if_range.empty() || asked.if_range == tag || asked.if_range == changed))
      how = asked_range(asked.range, found.size(), part);
    auto const code = known                               ? status::not_modified
                      : how == range_asked::unsatisfiable ? status::range_not_satisfiable
                      : how == range_asked::satisfiable   ? status::partial_content
                                                          : status::ok;
    auto out = begin_head(code, asked.after);
    if (code == status::not_modified || code == status::range_not_satisfiable) part.size = 0;
    if (code == status::partial_content)
      add_field(out, "Content-Range",
                "bytes " + std::to_string(part.first) + '-' + std::to_string(part.first + part.size - 1) + '/' +
                    std::to_string(found.size()));
    if (code == status::range_not_satisfiable)
      add_field(out, "Content-Range", "bytes */" + std::to_string(found.size()));
    if (code != status::not_modified) {
      add_field(out, "Content-Type", type);
      add_field(out, "Content-Length", std::to_string(part.size));
      add_field(out, "Accept-Ranges", "bytes");
    }
    add_field(out, "Last-Modified", changed);
    add_field(out, "ETag", tag);
    out += "\r\n";
    if (asked.what == method::head) part.size = 0;
    do {
      auto const left = part.size;
      send_now(client, out, found, part);
      if (out.empty() && part.size == 0) break;
      if (left - part.size == most_at_once) {  // and there may be room for more
        co_await weft::this_task::checkpoint();
        continue;
      }
      // What there is no room for, or is not in memory, goes by the block. The head and the first bytes go together.
      auto const head = out.size();
      out.resize(head + static_cast<std::size_t>(std::min<std::uint64_t>(block, part.size)));
      auto filling = fill(found, part.first, std::span(out).subspan(head));
      bool const there = co_await std::move(filling);
      if (!there) co_return false;  // the file has shrunk: the promised length cannot be had any more
      part.first += out.size() - head;
      part.size -= out.size() - head;
      auto writing = write(client, out);
      bool const taken = co_await std::move(writing);
      if (!taken) co_return false;
      out.clear();
    } while (part.size != 0);
    co_return true;
  }

  /// As much as the client's socket takes at once, if it is worth it; the rest is left in `head` and `part`.
  static void send_now(weft::tcp_stream& client, std::string& head, file const& from, byte_range& part) {
    if (part.size < worth_no_copy) return;
    client.with_descriptor([&](int fd) {
      if (!head.empty()) {
        auto const said = ::send(fd, head.data(), head.size(), MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE);
        if (said > 0) head.erase(0, static_cast<std::size_t>(said));
        if (!head.empty()) return;
      }
      auto const count = static_cast<std::size_t>(std::min<std::uint64_t>(part.size, most_at_once));
      auto const sent = from.send_now(fd, part.first, count);
      part.first += sent;
      part.size -= sent;
    });
  }

  /// False: the file ends before.
  static weft::task<bool> fill(file const& from, std::uint64_t offset, std::span<char> into) {
    while (!into.empty()) {
      auto reading = from.read_at(offset, into);
      auto const n = co_await std::move(reading);
      if (n == 0) co_return false;
      offset += n;
      into = into.subspan(n);
    }
    co_return true;
  }

  /// Is the tag in the list, weak or not?
  static bool lists(std::string_view list, std::string_view tag) noexcept {
    while (!list.empty()) {
      auto const comma = list.find(',');
      auto one = detail::without_spaces(list.substr(0, comma));
      if (one.starts_with("W/")) one.remove_prefix(2);
      if (one == tag) return true;
      list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    }
    return false;
  }

  folder const folder_;
  std::chrono::milliseconds const patience_;
  guests guests_;
  weft::semaphore computing_{1};
};

}  // namespace serve
