// exchange: a request for what is at one address, and the answer, piece by piece.
#pragma once

#include "connection.hpp"
#include "reply.hpp"
#include "url.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/buffer.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace web {

struct manners {
  char const* agent = "weft";                  ///< who asks
  std::chrono::milliseconds patience{20'000};  ///< for a connection, and for each piece that comes
  std::size_t block = 64 * 1024;               ///< bytes of a piece, at most
};

// What both calls throw: temporary, refused, bad_url, bad_reply; weft::timed_out; std::length_error for a head that goes on and on;
// std::system_error.
/// begin, then next until it gives nothing. One task.
class exchange {
 public:
  exchange(url at, manners how) : at_(std::move(at)), how_(how) {}
  exchange(exchange const&) = delete;
  exchange& operator=(exchange const&) = delete;

  /// The content is on its way; or it is elsewhere: there, not here, is where to ask next.
  weft::task<std::optional<url>> begin() {
    auto connecting = weft::timeout(how_.patience, connection::to(at_));
    server_.emplace(co_await std::move(connecting));
    auto const request = "GET " + at_.target + " HTTP/1.1\r\nHost: " + at_.authority +
                         "\r\nConnection: close\r\nUser-Agent: " + how_.agent + "\r\n\r\n";
    auto asking = weft::timeout(how_.patience, server_->write(request));
    co_await std::move(asking);
    from_.emplace(*server_, weft::buffer_options{.size = how_.block, .longest = longest_head});
    int interim = 0;
    do {
      if (interim++ == most_interim) throw bad_reply("one answer after another that is not the last");
      auto hearing = weft::timeout(how_.patience, head());
      answer_ = reply::parse(co_await std::move(hearing));
    } while (answer_.status < 200);  // there is more to come
    auto const redirection = elsewhere();
    if (answer_.how == framing::length) left_ = answer_.length;
    if (answer_.how == framing::until_end) left_ = std::numeric_limits<std::uint64_t>::max();
    co_return redirection;
  }

  [[nodiscard]] reply const& answer() const noexcept { return answer_; }

  /// The next piece, which lasts until the next call. Nothing: that was the end.
  weft::task<std::span<std::byte const>> next() {
    std::span<std::byte const> piece;
    if (answer_.how == framing::chunks && left_ == 0 && !ended_) {
      auto going_on = begin_chunk();
      co_await std::move(going_on);
    }
    if (left_ == 0) co_return piece;
    if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(how_.block);
    std::span const room(buffer_.get(), static_cast<std::size_t>(std::min<std::uint64_t>(how_.block, left_)));
    auto reading = weft::timeout(how_.patience, from_->read(room));
    auto const n = co_await std::move(reading);
    if (n == 0) {
      if (answer_.how != framing::until_end) throw temporary("the server has hung up in the middle");
      left_ = 0;
    } else if (answer_.how != framing::until_end) {
      left_ -= n;
    }
    piece = room.first(n);
    co_return piece;
  }

 private:
  static constexpr std::size_t longest_head = 64 * 1024;
  static constexpr int most_interim = 10;

  /// The lines before the empty one. What ends without one has been cut off.
  weft::task<std::string> head() {
    std::string lines;
    for (;;) {
      auto const line = co_await from_->read_line();
      if (!line) throw temporary("the server has hung up");
      if (line->empty()) co_return lines;
      if (lines.size() + line->size() > longest_head) throw std::length_error("a head that goes on and on");
      if (!lines.empty()) lines += "\r\n";
      lines += *line;
    }
  }

  [[nodiscard]] std::optional<url> elsewhere() const {
    switch (answer_.status) {
      case 200: return std::nullopt;
      case 301:
      case 302:
      case 303:
      case 307:
      case 308:
        if (!answer_.location.empty()) return at_.resolved(answer_.location);
        [[fallthrough]];
      default: {
        auto const what = "status " + std::to_string(answer_.status);
        if (answer_.status >= 500 || answer_.status == 408 || answer_.status == 429) throw temporary(what);
        throw refused(what);
      }
    }
  }

  weft::task<> begin_chunk() {
    if (within_) {
      auto ending = weft::timeout(how_.patience, from_->read_line());
      auto const end = co_await std::move(ending);
      if (!end || !end->empty()) throw bad_reply("a piece that does not end where it said");
    }
    within_ = true;
    auto hearing = weft::timeout(how_.patience, from_->read_line());
    auto const line = co_await std::move(hearing);
    if (!line) throw temporary("the server has hung up in the middle");
    left_ = reply::chunk_size(*line);
    ended_ = left_ == 0;
  }

  url const at_;
  manners const how_;
  std::optional<connection> server_;
  std::optional<weft::buffered_reader<connection>> from_;
  reply answer_;
  std::uint64_t left_ = 0;  // of the content, or of this chunk
  bool within_ = false;     // the chunks
  bool ended_ = false;      // the last one has come
  std::unique_ptr<std::byte[]> buffer_;
};

}  // namespace web
