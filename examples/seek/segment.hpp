// segment: a piece of a large file, searched on its own, and how the pieces become one file again.
#pragma once

#include "file.hpp"
#include "matches.hpp"
#include "portion.hpp"
#include "search.hpp"

#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace seek {

/// So many bytes of a large file, and what is in them. They begin with a block of grep's; their first and last lines may be
/// pieces of lines that only the neighbours complete.
struct segment {
  static constexpr std::size_t capacity = 3 * binary_block;

  struct match {
    std::size_t lines_before;  // in this segment
    std::string_view line;
  };

  std::unique_ptr<char[]> bytes;
  std::size_t size = 0;
  int error = 0;

  std::string_view first_piece;  // up to the first newline, which it includes; all, where there is none
  std::string_view last_piece;   // after the last newline
  std::vector<match> matches;    // in the whole lines between them
  std::size_t lines = 0;         // that end here
  bool is_binary = false;        // the file is over: what is said above is what stands before

  [[nodiscard]] bool is_last() const noexcept { return size != capacity || is_binary; }

  bool read(file const& from, ::off_t offset, waiting how) {
    if (!bytes) bytes = std::make_unique_for_overwrite<char[]>(capacity);
    auto const got = read_file(from, bytes.get(), capacity, how, offset);
    size = got < 0 ? 0 : static_cast<std::size_t>(got);
    error = got < 0 ? errno : 0;
    return got >= 0;
  }

  void search(query const& q) {
    std::string_view text(bytes.get(), size);
    auto const nul = q.binary == binary_files::skipped ? text.find('\0') : std::string_view::npos;
    is_binary = nul != std::string_view::npos;
    if (is_binary) text = text.substr(0, nul / binary_block * binary_block);

    auto const newline = text.find('\n');
    auto const begin = newline == std::string_view::npos ? text.size() : newline + 1;
    auto const end = newline == std::string_view::npos ? text.size() : text.rfind('\n') + 1;
    first_piece = text.substr(0, begin);
    last_piece = text.substr(end);
    lines = count_newlines(text.data(), text.data() + end);
    matches.clear();
    line_numbers numbers(text, 0);
    for_each_match(text.substr(begin, end - begin), q.pattern, [&](std::string_view line) {
      matches.push_back({q.what == output::lines ? numbers.of(line) : 0, line});
      return q.what != output::names;
    });
  }
};

/// Puts the segments of a file together again.
class reassembly {
 public:
  reassembly(query const& q, std::string const& path) : q_(q), path_(path), prefix_(q.prefix(path)) {}

  /// The next segment: adds what is to be printed of it.
  void add(segment const& s, findings& found) {
    found.sum.bytes += s.size;
    unfinished_ += s.first_piece;
    if (s.lines == 0) return;
    search_unfinished(found);
    for (auto const& m : s.matches) report(lines_ + m.lines_before, m.line, found);
    lines_ += s.lines;
    unfinished_ = s.last_piece;
  }

  /// No more is wanted to be known.
  [[nodiscard]] bool decided() const noexcept { return q_.what == output::names && count_ != 0; }

  enum class file_kind { text, binary };
  void finish(file_kind kind, findings& found) {
    ++found.sum.files;
    if (kind == file_kind::text) search_unfinished(found);
    // What is missing of a binary file would be missing in its count.
    if (kind == file_kind::binary && q_.what == output::counts) count_ = 0;
    if (q_.what == output::counts) append_count(found.lines, prefix_, count_);
    if (decided()) found.lines.append(path_) += '\n';
    found.sum.found |= count_ != 0;
  }

 private:
  void search_unfinished(findings& found) {
    for_each_match(unfinished_, q_.pattern, [&](std::string_view line) {
      report(lines_, line, found);
      return true;
    });
    unfinished_.clear();
  }

  void report(std::size_t lines_before, std::string_view line, findings& found) {
    ++count_;
    if (q_.what == output::lines) append_line(found.lines, prefix_, lines_before + 1, line);
  }

  query const& q_;
  std::string const& path_;
  std::string const prefix_;
  std::string unfinished_;  // the line that the last segment ended in, or all of it
  std::size_t lines_ = 0;
  std::size_t count_ = 0;
};

}  // namespace seek
