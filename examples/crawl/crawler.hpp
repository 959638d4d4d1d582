// crawler: pages, from some addresses on, by the links between them.
//
// Level by level: all pages so many links away are asked for at the same time, as many as are allowed, and only then those that they link to,
// in the order in which the links stand there. So the pages are the same every time, whoever answers first.
#pragma once

#include "../web/exchange.hpp"
#include "html.hpp"

#include <weft/combine/timeout.hpp>
#include <weft/coro/task.hpp>
#include <weft/parallel/for_each.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace crawl {

using web::url;

struct limits {
  int depth = 2;                   ///< links from the start
  std::size_t pages = 100;         ///< at most, those that fail among them
  std::size_t at_once = 16;        ///< connections
  std::uint64_t bytes = 16 << 20;  ///< of one page
  web::manners how{.agent = "weft-crawl"};
};

struct page {
  enum class state { waiting, read, not_text, elsewhere, failed };
  url at;
  state now = state::waiting;
  std::uint64_t bytes = 0;
  std::string text;     ///< of one that has been read
  std::string failure;  ///< of one that has failed
  std::vector<url> links;
};

/// What can be seen of it while it goes on. Any thread.
struct progress {
  std::atomic<std::size_t> asked = 0, read = 0;
  std::atomic<std::uint64_t> bytes = 0;
};

class crawler {
 public:
  crawler(std::vector<url> const& starts, limits most) : most_(most) {
    for (auto const& at : starts) hosts_.insert(key(at.origin()));
    for (auto const& at : starts) add(at);
    starts_ = pages_.size();
  }

  /// To the end of what there is to read or may be read. Stopped in the middle, it has what had been read by then.
  weft::task<> run() {
    std::size_t begin = 0;
    for (int depth = 0; begin != pages_.size(); ++depth) {
      auto const end = pages_.size();
      auto const each = [this](std::size_t i) { return visit(pages_[i]); };
      auto level = weft::parallel_for(begin, end, each, {.limit = most_.at_once});
      co_await std::move(level);
      for (; begin != end; ++begin) {
        note_redirection(pages_[begin]);
        if (depth == most_.depth) continue;
        for (auto const& link : pages_[begin].links) add(link);
      }
    }
  }

  /// When run has ended, or has been stopped and has ended.
  [[nodiscard]] std::deque<page> const& pages() const noexcept { return pages_; }
  /// The first of them are those that it began with.
  [[nodiscard]] std::size_t starts() const noexcept { return starts_; }
  [[nodiscard]] progress const& seen() const noexcept { return seen_; }

 private:
  static constexpr int most_redirections = 5;
  static constexpr std::size_t longest_address = 8192;

  /// Hosts are the same in small letters.
  static std::string key(std::string_view origin) {
    std::string small(origin);
    for (char& c : small)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return small;
  }
  [[nodiscard]] bool within(url const& at) const { return hosts_.contains(key(at.origin())); }

  void add(url const& at) {
    if (pages_.size() == most_.pages || !within(at) || !known_.insert(key(at.origin()) + at.target).second) return;
    pages_.emplace_back().at = at;
  }

  /// A page that another address has led to counts once.
  void note_redirection(page& p) {
    if (p.now != page::state::read || !redirected_.contains(&p)) return;
    if (known_.insert(key(p.at.origin()) + p.at.target).second) return;
    p.now = page::state::elsewhere;
    p.text.clear();
    p.links.clear();
  }

  weft::task<> visit(page& p) {
    ++seen_.asked;
    std::string failure;
    try {
      auto reading = read(p);
      co_await std::move(reading);
    } catch (weft::stopped const&) {
      throw;
    } catch (weft::timed_out const&) {
      failure = "too slow";
    } catch (std::length_error const&) {
      failure = "an answer that goes on and on";
    } catch (std::exception const& e) {
      failure = e.what();
    }
    if (failure.empty()) co_return;
    p.failure = std::move(failure);
    p.now = page::state::failed;
  }

  weft::task<> read(page& p) {
    url at = p.at;
    for (int hops = 0;; ++hops) {
      web::exchange server(at, most_.how);
      auto asking = server.begin();
      auto const elsewhere = co_await std::move(asking);
      if (!elsewhere) {
        if (hops != 0) moved(p, at);
        auto keeping = keep(p, server);
        co_await std::move(keeping);
        co_return;
      }
      if (hops == most_redirections) throw std::runtime_error("sent on again and again");
      if (!within(*elsewhere)) break;
      at = *elsewhere;
    }
    p.now = page::state::elsewhere;
  }

  void moved(page& p, url const& to) {
    std::lock_guard const guard(lock_);
    redirected_.insert(&p);
    p.at = to;
  }

  weft::task<> keep(page& p, web::exchange& server) {
    auto const& type = server.answer().type;
    bool const is_html = type == "text/html" || type == "application/xhtml+xml";
    if (!is_html && !type.starts_with("text/")) {
      p.now = page::state::not_text;
      co_return;
    }
    std::string content;
    for (;;) {
      auto hearing = server.next();
      auto const piece = co_await std::move(hearing);
      if (piece.empty()) break;
      if (content.size() + piece.size() > most_.bytes) throw std::runtime_error("too long a page");
      content.append(reinterpret_cast<char const*>(piece.data()), piece.size());
      seen_.bytes += piece.size();
    }
    p.bytes = content.size();
    if (is_html) {
      html said(content);
      p.text = std::move(said.text());
      find_links(p, said);
    } else {
      p.text = std::move(content);
    }
    p.now = page::state::read;
    ++seen_.read;
  }

  /// Those that may be read, each once, and no more of them than there may be pages.
  void find_links(page& p, html& said) const {
    url from = p.at;
    try {
      if (!said.base().empty() && said.base().size() <= longest_address) from = from.resolved(tidy(said.base()));
    } catch (web::bad_url const&) {  // as if it were not there
    }
    std::set<std::string> found;
    for (auto const& link : said.links()) {
      if (found.size() == most_.pages) return;
      if (link.size() > longest_address) continue;
      try {
        auto to = from.resolved(tidy(link));
        if (within(to) && found.insert(key(to.origin()) + to.target).second) p.links.push_back(std::move(to));
      } catch (web::bad_url const&) {  // mailto:, javascript: and the like
      }
    }
  }

  /// As it can be sent: without blanks around, and with those inside and what is no ASCII as %20 and the like.
  static std::string tidy(std::string_view link) {
    auto const begin = link.find_first_not_of(" \t\r\n\f"), end = link.find_last_not_of(" \t\r\n\f");
    std::string tidied;
    if (begin == std::string_view::npos) return tidied;
    for (char const c : link.substr(begin, end - begin + 1)) {
      auto const byte = static_cast<unsigned char>(c);
      if (byte > ' ' && byte < 0x7F) {
        tidied += c;
      } else if (c != '\t' && c != '\r' && c != '\n') {
        constexpr char digits[] = "0123456789ABCDEF";
        tidied += {'%', digits[byte >> 4], digits[byte & 15]};
      }
    }
    return tidied;
  }

  limits const most_;
  std::deque<page> pages_;
  std::size_t starts_ = 0;
  std::set<std::string> hosts_, known_;
  std::mutex lock_;
  std::set<page const*> redirected_;  // guarded by lock_ while a level is under way
  progress seen_;
};

}  // namespace crawl
