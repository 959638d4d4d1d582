// search: what is looked for, what is printed of it, and how a portion of files is searched.
#pragma once

#include "file.hpp"
#include "matches.hpp"
#include "needle.hpp"
#include "options.hpp"
#include "portion.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace seek {

enum class paths_printed { yes, no };

/// What is looked for, and what is printed of it.
struct query {
  query(options const& wanted, paths_printed paths)
      : what(wanted.what), binary(wanted.binary), named(paths), pattern(wanted.pattern, wanted.letters) {}

  /// What stands before a line or a number.
  [[nodiscard]] std::string prefix(std::string_view path) const {
    std::string before;
    if (named == paths_printed::yes) before.append(path) += ':';
    return before;
  }

  output const what;
  binary_files const binary;
  paths_printed const named;
  needle const pattern;
};

/// As grep: a file with a hole has NUL bytes, though none have been read yet.
inline bool has_hole(file const& opened, std::size_t size) noexcept {
  if (size <= binary_block) return false;
  auto const hole = ::lseek(opened.number(), binary_block, SEEK_HOLE);
  return hole >= 0 && static_cast<std::size_t>(hole) < size;
}

/// Adds what is to be printed of a file whose text is this.
inline void search_text(query const& q, std::string_view path, std::string_view text, file const& opened,
                        findings& found) {
  ++found.sum.files;
  found.sum.bytes += text.size();
  bool const any = q.pattern.find(text.data(), text.data() + text.size()) != nullptr;
  if (!any && q.what != output::counts) return;

  if (any && q.binary == binary_files::skipped) {
    auto const all = text.size();
    text = before_binary(text);
    // What is missing of a binary file would be missing in its count.
    if (text.size() != all && (q.what == output::counts || has_hole(opened, all))) text = {};
  }
  std::size_t count = 0;
  line_numbers numbers(text);
  auto const prefix = q.prefix(path);
  for_each_match(text, q.pattern, [&](std::string_view line) {
    ++count;
    if (q.what == output::lines) append_line(found.lines, prefix, numbers.of(line), line);
    return q.what != output::names;
  });
  if (q.what == output::counts) append_count(found.lines, prefix, count);
  if (q.what == output::names && count != 0) found.lines.append(path) += '\n';
  found.sum.found |= count != 0;
}

/// Files that do not fill it are searched in one piece.
inline constexpr std::size_t block_size = 1024 * 1024;

/// Goes on with a portion: to its end, to a file that fills the block, or until much has been found, which is to be printed
/// first. False: a file is not in memory, or the system cannot tell.
inline bool search_files(query const& q, portion& files, waiting how, weft::stop_token stop) {
  static constexpr std::size_t much = block_size / 4;
  static thread_local auto const block = std::make_unique_for_overwrite<char[]>(block_size);
  for (; !files.done() && files.found.lines.size() < much; ++files.next) {
    stop.throw_if_stopped();
    std::string const& path = files.paths[files.next];
    file const opened = open_file(path.c_str(), O_NONBLOCK, how);
    auto const size = opened ? read_file(opened, block.get(), block_size, how) : -1;
    if (size < 0) {
      if (how == waiting::never) return false;
      files.found.complain(path, errno);
      continue;
    }
    std::string_view text(block.get(), static_cast<std::size_t>(size));
    if (text.size() == block_size) {
      auto const beginning = text.substr(0, binary_block);
      if (q.binary == binary_files::as_text || beginning.find('\0') == std::string_view::npos) {
        files.first_left = portion::state::too_large;
        return true;
      }
      text = beginning;
    }
    search_text(q, path, text, opened, files.found);
  }
  return true;
}

/// What is in memory is searched here. From the first file that is not, on a thread that may wait.
inline weft::task<portion> search_portion(query const& q, portion files) {
  if (files.first_left != portion::state::searching) co_return files;
  auto const stop = weft::this_task::stop_token();
  if (!search_files(q, files, waiting::never, stop)) {
    auto patiently = weft::blocking([&] { search_files(q, files, waiting::allowed, stop); });
    co_await std::move(patiently);
  }
  co_return files;
}

}  // namespace seek
