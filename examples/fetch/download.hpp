// download: one address into one file, with as many tries as it takes, or as are allowed.
#pragma once

#include "connection.hpp"
#include "reply.hpp"
#include "url.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/buffer.hpp>
#include <weft/io/file.hpp>
#include <weft/time/sleep.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace fetch {

struct manners {
  int tries = 4;
  std::chrono::milliseconds patience{20'000};  ///< for a connection, and for each piece that comes
  std::chrono::milliseconds first_pause{200};  ///< before the second try; then twice as long each time
};

/// What can be seen of a download while it goes on. Written by its task, read by any.
struct progress {
  enum class stage { waiting, running, done, failed };
  std::atomic<stage> now = stage::waiting;
  std::atomic<std::uint64_t> got = 0, all = 0;  // 0: nobody knows
  std::atomic<int> tries = 0;
};

class download {
 public:
  download(url from, std::string to, manners how) : from_(std::move(from)), to_(std::move(to)), how_(how) {}

  [[nodiscard]] std::string const& file() const noexcept { return to_; }
  [[nodiscard]] progress const& seen() const noexcept { return seen_; }
  /// Why it has failed.
  [[nodiscard]] std::string const& failure() const noexcept { return failure_; }

  /// Until the file is there, whole, or has to be given up. Nothing else stands under its name at any time.
  weft::task<> run() {
    seen_.now = progress::stage::running;
    auto pause = how_.first_pause;
    for (int left = how_.tries; left > 0; --left) {
      ++seen_.tries;
      auto trying = try_once();
      bool const again = co_await std::move(trying);
      if (seen_.now == progress::stage::done || !again) break;
      if (left == 1) break;
      co_await weft::sleep_for(pause);
      pause *= 2;
    }
    if (seen_.now == progress::stage::done) co_return;
    ::unlink(part().c_str());
    seen_.now = progress::stage::failed;
  }

 private:
  static constexpr std::size_t block = 256 * 1024, longest_head = 64 * 1024;
  static constexpr int most_redirections = 5;
  using reader = weft::buffered_reader<connection>;

  [[nodiscard]] std::string part() const { return to_ + ".part"; }

  /// True: it is worth another try, unless it is done.
  weft::task<bool> try_once() {
    bool again = true;
    try {
      url at = from_;
      for (int hops = 0;; ++hops) {
        auto going = get(at);
        auto const next = co_await std::move(going);
        if (!next) break;
        if (hops == most_redirections) throw refused("sent on again and again");
        at = *next;
      }
      seen_.now = progress::stage::done;
    } catch (weft::timed_out const&) {
      failure_ = "too slow";
    } catch (temporary const& e) {
      failure_ = e.what();
    } catch (refused const& e) {
      failure_ = e.what();
      again = false;
    } catch (bad_url const& e) {
      failure_ = e.what();
      again = false;
    } catch (bad_reply const& e) {
      failure_ = e.what();
      again = false;
    } catch (std::length_error const&) {
      failure_ = "an answer that goes on and on";
      again = false;
    } catch (std::system_error const& e) {
      failure_ = e.what();
      again = of_the_network(e.code());
    }
    co_return again;
  }

  static bool of_the_network(std::error_code const& e) noexcept {
    for (int const passing : {ECONNREFUSED, ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN})
      if (e == std::error_code(passing, std::system_category())) return true;
    return false;
  }

  /// Into the file; or where to go instead.
  weft::task<std::optional<url>> get(url const& at) {
    auto connecting = weft::timeout(how_.patience, connection::to(at));
    auto server = co_await std::move(connecting);
    auto const request = "GET " + at.target + " HTTP/1.1\r\nHost: " + at.authority +
                         "\r\nConnection: close\r\nUser-Agent: weft-fetch\r\n\r\n";
    auto asking = weft::timeout(how_.patience, server.write(request));
    co_await std::move(asking);
    reader from(server, {.size = block, .longest = longest_head});
    reply answer;
    do {
      auto hearing = weft::timeout(how_.patience, from.read_until("\r\n\r\n"));
      auto const head = co_await std::move(hearing);
      if (!head) throw temporary("the server has hung up");
      answer = reply::parse(*head);
    } while (answer.status < 200);  // there is more to come
    switch (answer.status) {
      case 200: break;
      case 301:
      case 302:
      case 303:
      case 307:
      case 308:
        if (!answer.location.empty()) co_return at.resolved(answer.location);
        [[fallthrough]];
      default: {
        auto const what = "status " + std::to_string(answer.status);
        if (answer.status >= 500 || answer.status == 408 || answer.status == 429) throw temporary(what);
        throw refused(what);
      }
    }
    auto keeping = keep(from, answer);
    co_await std::move(keeping);
    co_return std::nullopt;
  }

  weft::task<> keep(reader& from, reply const& answer) {
    seen_.got = 0;
    seen_.all = answer.how == framing::length ? answer.length : 0;
    auto opening = weft::file::open(part(), weft::file_mode::write);
    weft::file const to = co_await std::move(opening);
    if (answer.how == framing::chunks) {
      auto copying = copy_chunks(from, to);
      co_await std::move(copying);
    } else {
      auto copying = copy(from, to, answer.how == framing::length ? std::optional(answer.length) : std::nullopt);
      co_await std::move(copying);
    }
    if (std::rename(part().c_str(), to_.c_str()) != 0)
      throw std::system_error(errno, std::system_category(), "rename " + part());
  }

  weft::task<> copy_chunks(reader& from, weft::file const& to) {
    for (;;) {
      auto hearing = weft::timeout(how_.patience, from.read_line());
      auto const line = co_await std::move(hearing);
      if (!line) throw temporary("the server has hung up in the middle");
      auto const size = reply::chunk_size(*line);
      if (size == 0) co_return;
      auto copying = copy(from, to, size);
      co_await std::move(copying);
      auto ending = weft::timeout(how_.patience, from.read_line());
      auto const end = co_await std::move(ending);
      if (!end || !end->empty()) throw bad_reply("a piece that does not end where it said");
    }
  }

  /// So many bytes, or all there are.
  weft::task<> copy(reader& from, weft::file const& to, std::optional<std::uint64_t> size) {
    auto const buffer = std::make_unique_for_overwrite<std::byte[]>(block);
    while (!size || *size != 0) {
      auto const room = size ? static_cast<std::size_t>(std::min<std::uint64_t>(block, *size)) : block;
      auto reading = weft::timeout(how_.patience, from.read(std::span(buffer.get(), room)));
      auto const n = co_await std::move(reading);
      if (n == 0) {
        if (size) throw temporary("the server has hung up in the middle");
        break;
      }
      auto writing = to.write_at(seen_.got, std::span<std::byte const>(buffer.get(), n));
      co_await std::move(writing);
      seen_.got += n;
      if (size) *size -= n;
    }
  }

  url const from_;
  std::string const to_;
  manners const how_;
  progress seen_;
  std::string failure_;  // by run alone, until it has ended
};

}  // namespace fetch
