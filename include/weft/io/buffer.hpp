// Reading a stream by lines rather than by pieces, and passing one stream on to another.
#pragma once

#include <weft/coro/concepts.hpp>
#include <weft/coro/task.hpp>
#include <weft/io/stream.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

/// Something to read bytes from: read(span) gives their number when some have come, 0 at the end.
template <class S>
concept byte_source = detail::reads_bytes<S>;
/// Something to write bytes to: write(span) takes all of them.
template <class S>
concept byte_sink = detail::writes_bytes<S>;

/// How a buffered_reader is made.
struct buffer_options {
  std::size_t size = 16 * 1024;  ///< bytes read at once
  std::size_t longest =
      1024 * 1024;  ///< bytes of a line; a longer one is an error, so that a peer cannot fill the memory
};

/// Reads a stream, which it borrows, through a buffer: by lines, up to a mark, or as it comes. One task at a time.
template <byte_source Stream>
class buffered_reader {
 public:
  explicit buffered_reader(Stream& s, buffer_options options = {})
      : stream_(s), options_(options), buffer_(std::make_unique_for_overwrite<std::byte[]>(options.size)) {}

  /// while (auto line = co_await r.read_line()) …
  ///   completes   when a line has come
  ///   result      the line, without "\n" or "\r\n"; at last what comes after the last "\n", if there is anything; then nothing
  ///   on error    throws what the stream throws; std::length_error for a line that is too long
  ///   on stop     completes as stopped; what has come of the line is lost
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] task<std::optional<std::string>> read_line() {
    auto line = co_await read_until("\n");
    if (line && line->ends_with('\r')) line->pop_back();
    co_return line;
  }

  /// auto head = co_await r.read_until("\r\n\r\n");
  ///   completes   when the mark has come
  ///   result      what came before it, without it; at last what comes after the last mark, if there is anything; then nothing
  ///   on error    throws what the stream throws; std::length_error where the mark does not come in time; std::invalid_argument for
  ///               an empty mark
  ///   on stop     completes as stopped; what has come before the mark is lost
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] task<std::optional<std::string>> read_until(std::string mark) {
    if (mark.empty()) throw std::invalid_argument("weft::buffered_reader: an empty mark");
    std::string text;
    for (;;) {
      if (begin_ == end_) {
        bool const more = co_await fill();
        if (!more) {
          if (text.empty()) co_return std::nullopt;
          co_return text;
        }
      }
      // Looked for one byte at a time from its last one on, so that a mark that comes in pieces is found.
      auto const fresh = rest();
      auto const last = mark.back();
      std::size_t at = 0;
      while (at < fresh.size()) {
        auto const* const found = static_cast<char const*>(std::memchr(fresh.data() + at, last, fresh.size() - at));
        auto const end = found ? static_cast<std::size_t>(found - fresh.data()) + 1 : fresh.size();
        text.append(fresh.substr(at, end - at));
        at = end;
        if (text.size() > options_.longest && text.size() - options_.longest > mark.size())
          throw std::length_error(too_long());
        if (found && text.ends_with(mark)) {
          begin_ += at;
          text.resize(text.size() - mark.size());
          if (text.size() > options_.longest) throw std::length_error(too_long());
          co_return text;
        }
      }
      begin_ = end_;
    }
  }

  /// As the stream's read, but first what is in the buffer.
  [[nodiscard]] task<std::size_t> read(std::span<std::byte> into) {
    if (begin_ == end_ && !into.empty()) {
      if (into.size() >= options_.size) co_return co_await stream_.read(into);  // no detour for large pieces
      bool const more = co_await fill();
      if (!more) co_return std::size_t{0};
    }
    auto const n = std::min(into.size(), end_ - begin_);
    if (n != 0) std::memcpy(into.data(), buffer_.get() + begin_, n);
    begin_ += n;
    co_return n;
  }

  /// As the stream's read_exactly. Throws weft::unexpected_end.
  [[nodiscard]] task<std::size_t> read_exactly(std::span<std::byte> into) {
    std::size_t got = 0;
    while (got < into.size()) {
      auto const n = co_await read(into.subspan(got));
      if (n == 0) throw unexpected_end(got, into.size(), "buffered_reader");
      got += n;
    }
    co_return got;
  }

  /// What has come and was not read yet.
  [[nodiscard]] std::span<std::byte const> buffered() const noexcept { return {buffer_.get() + begin_, end_ - begin_}; }

 private:
  [[nodiscard]] std::string_view rest() const noexcept {
    return {reinterpret_cast<char const*>(buffer_.get()) + begin_, end_ - begin_};
  }
  [[nodiscard]] std::string too_long() const {
    return "weft::buffered_reader: more than " + std::to_string(options_.longest) + " bytes without the mark";
  }

  task<bool> fill() {
    begin_ = end_ = 0;
    auto const n = co_await stream_.read(std::span(buffer_.get(), options_.size));
    end_ = n;
    co_return n != 0;
  }

  Stream& stream_;
  buffer_options options_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

/// auto n = co_await copy(from, to);         both are borrowed
///   completes   when `from` has ended and `to` has taken all of it
///   result      the number of bytes
///   on error    throws what either throws
///   on stop     completes as stopped; a part may have been copied
///   resumes on  the pool it was awaited on
template <byte_source From, byte_sink To>
[[nodiscard]] task<std::uint64_t> copy(From& from, To& to) {
  constexpr std::size_t piece = 64 * 1024;
  auto const buffer = std::make_unique_for_overwrite<std::byte[]>(piece);
  std::uint64_t total = 0;
  for (;;) {
    auto const n = co_await from.read(std::span(buffer.get(), piece));
    if (n == 0) co_return total;
    co_await to.write(std::span<std::byte const>(buffer.get(), n));
    total += n;
  }
}

}  // namespace weft
