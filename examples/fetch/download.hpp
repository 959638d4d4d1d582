// download: one address into one file, with as many tries as it takes, or as are allowed.
#pragma once

#include "../web/exchange.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/file.hpp>
#include <weft/time/sleep.hpp>

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace fetch {

using web::bad_reply;
using web::bad_url;
using web::refused;
using web::temporary;
using web::url;

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
  static constexpr std::size_t block = 256 * 1024;
  static constexpr int most_redirections = 5;

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
    web::exchange server(at, {.agent = "weft-fetch", .patience = how_.patience, .block = block});
    auto asking = server.begin();
    auto const elsewhere = co_await std::move(asking);
    if (!elsewhere) {
      auto keeping = keep(server);
      co_await std::move(keeping);
    }
    co_return elsewhere;
  }

  weft::task<> keep(web::exchange& server) {
    seen_.got = 0;
    seen_.all = server.answer().how == web::framing::length ? server.answer().length : 0;
    auto opening = weft::file::open(part(), weft::file_mode::write);
    weft::file const to = co_await std::move(opening);
    for (;;) {
      auto hearing = server.next();
      auto const piece = co_await std::move(hearing);
      if (piece.empty()) break;
      auto writing = to.write_at(seen_.got, piece);
      co_await std::move(writing);
      seen_.got += piece.size();
    }
    if (std::rename(part().c_str(), to_.c_str()) != 0)
      throw std::system_error(errno, std::system_category(), "rename " + part());
  }

  url const from_;
  std::string const to_;
  manners const how_;
  progress seen_;
  std::string failure_;  // by run alone, until it has ended
};

}  // namespace fetch
