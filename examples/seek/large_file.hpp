// large_file: a file that is split over the cores, and one with no end in sight: a device, a pipe, the standard input.
#pragma once

#include "console.hpp"
#include "file.hpp"
#include "in_order.hpp"
#include "portion.hpp"
#include "search.hpp"
#include "segment.hpp"

#include <weft/coro/blocking.hpp>
#include <weft/coro/task.hpp>
#include <weft/sched/pool.hpp>

#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace seek {

/// Reads and searches one segment; of a file that cannot seek, the next one.
inline weft::task<segment> search_segment(query const& q, std::shared_ptr<file const> from, ::off_t offset, segment s) {
  bool const read = offset != where_it_stands && s.read(*from, offset, waiting::never);
  if (!read) {
    auto patiently = weft::blocking([&] { s.read(*from, offset, waiting::allowed); });
    co_await std::move(patiently);
  }
  s.search(q);
  co_return s;
}

/// A file as it was opened.
struct large_file {
  file opened;
  std::size_t size = 0;
  bool seekable = false;  // can be read at any offset
  bool is_binary = false;
  int error = 0;

  large_file(std::string const& path, portion::state why, query const& q) {
    opened = why == portion::state::standard_input ? file(STDIN_FILENO) : open_file(path.c_str(), 0, waiting::allowed);
    struct ::stat status;
    if (!opened || ::fstat(opened.number(), &status) != 0) {
      error = errno;
      return;
    }
    seekable = S_ISREG(status.st_mode) && status.st_size > 0 && why != portion::state::standard_input;
    size = static_cast<std::size_t>(status.st_size);
    is_binary = seekable && q.binary == binary_files::skipped && has_hole(opened, size);
  }
};

/// Searches a file and prints what is found; nobody else prints meanwhile. Memory: a few segments for each worker, and, as
/// with grep, the longest line.
inline weft::task<> search_large_file(query const& q, std::string const& path, portion::state why, console& out) {
  findings found;
  std::optional<large_file> source;
  auto open = weft::blocking([&] { source.emplace(path, why, q); });
  co_await std::move(open);

  reassembly whole(q, path);
  bool binary = source->is_binary;
  int error = source->error;
  auto const from = std::make_shared<file const>(std::move(source->opened));
  auto const end = source->seekable ? source->size : std::numeric_limits<std::size_t>::max();
  // What cannot seek is read by one at a time.
  in_order<segment> ahead(source->seekable ? 2 * weft::pool::current()->size() + 2 : 1);
  segment free;
  for (std::size_t begin = 0; error == 0 && !binary && !whole.decided();) {
    for (; begin < end && !ahead.full(); begin += segment::capacity) {
      auto const offset = source->seekable ? static_cast<::off_t>(begin) : where_it_stands;
      ahead.start(search_segment, std::cref(q), from, offset, std::exchange(free, {}));
    }
    if (ahead.empty()) break;
    auto next = ahead.next();
    segment s = co_await std::move(next);
    whole.add(s, found);
    auto printed = out.print(found);
    co_await std::move(printed);
    error = s.error;
    binary = s.is_binary;
    if (s.is_last()) break;
    free = std::move(s);
  }
  if (error != 0) found.complain(path, error);
  else whole.finish(binary ? reassembly::file_kind::binary : reassembly::file_kind::text, found);
  auto printed = out.print(found);
  co_await std::move(printed);
}

}  // namespace seek
