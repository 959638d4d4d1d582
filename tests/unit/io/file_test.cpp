#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"

#include <weft/cancel/stop_token.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/file.hpp>
#include <weft/parallel/map.hpp>
#include <weft/sched/pool.hpp>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

using weft::file;
using weft::file_mode;
using weft::read_file;
using weft::task;
using weft::write_file;

static_assert(std::is_copy_constructible_v<file> && !std::is_default_constructible_v<file>);

namespace {

/// A folder that is gone at the end.
class temporary_folder {
 public:
  temporary_folder() {
    auto name = (std::filesystem::temp_directory_path() / "weft-file-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::system_category(), "mkdtemp " + name);
    path_ = name;
  }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(std::string const& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string plain_read(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  return std::move(content).str();
}
void plain_write(std::string const& path, std::string_view content) {
  std::ofstream out(path, std::ios::binary);
  out << content;
}

/// Content in which every place is different.
std::string lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string(i) + '\n';
  return text;
}

task<std::string> read_part(file f, std::uint64_t offset, std::size_t most) {
  std::vector<std::byte> buffer(most);
  auto const n = co_await f.read_at(offset, buffer);
  std::string part(n, '\0');
  std::transform(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n), part.begin(),
                 [](std::byte b) { return static_cast<char>(b); });
  co_return part;
}

std::optional<std::system_error> error_of(weft::pool& pool, task<> work) {
  try {
    pool.run(std::move(work));
  } catch (std::system_error const& e) {
    return e;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("read_file gives the whole file, of any size") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const io = GENERATE(weft::io_backend::epoll, weft::io_backend::io_uring);
  weft_test::watchdog const guard("file_test: read_file");
  temporary_folder const folder;
  weft::pool pool{{.workers = workers, .io = io}};
  for (int const count : {0, 1, 1000, 300'000}) {
    auto const path = folder / ("lines-" + std::to_string(count));
    auto const content = lines(count);
    plain_write(path, content);
    CHECK((pool.run(read_file, path) == content));
    CHECK((pool.run(read_file(path)) == content));
  }
  std::string const zeros(10'000, '\0');
  plain_write(folder / "zeros", zeros);
  CHECK((pool.run(read_file, folder / "zeros") == zeros));
}

TEST_CASE("files that do not say their size are read to their end") {
  weft_test::watchdog const guard("file_test: /proc");
  weft::pool pool{{.workers = 1}};
  auto const status = pool.run(read_file, std::string("/proc/self/status"));
  CHECK_THAT(status, Catch::Matchers::ContainsSubstring("VmRSS"));
  CHECK(status.back() == '\n');
  auto const maps = pool.run(read_file, std::string("/proc/self/maps"));
  CHECK(maps.size() > 4096);
  CHECK(pool.run(read_file, std::string("/dev/null")).empty());
}

TEST_CASE("write_file replaces the whole file, or makes it") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const io = GENERATE(weft::io_backend::epoll, weft::io_backend::io_uring);
  weft_test::watchdog const guard("file_test: write_file");
  temporary_folder const folder;
  weft::pool pool{{.workers = workers, .io = io}};
  auto const path = folder / "written";
  auto const long_text = lines(100'000);
  pool.run([&]() -> task<> { co_await write_file(path, std::string_view(long_text)); });
  CHECK((plain_read(path) == long_text));
  pool.run([&]() -> task<> { co_await write_file(path, "short"); });
  CHECK(plain_read(path) == "short");
  std::vector<std::byte> const bytes{std::byte{0}, std::byte{255}, std::byte{10}};
  pool.run([&]() -> task<> { co_await write_file(path, std::span<std::byte const>(bytes)); });
  CHECK(plain_read(path) == std::string("\0\xff\n", 3));
  pool.run([&]() -> task<> { co_await write_file(path, std::string_view()); });
  CHECK(plain_read(path).empty());
}

TEST_CASE("an error names the call and the path") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const io = GENERATE(weft::io_backend::epoll, weft::io_backend::io_uring);
  weft_test::watchdog const guard("file_test: errors");
  temporary_folder const folder;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers, .io = io}};
  auto const missing = folder / "no such file";
  auto const nowhere = folder / "no such folder/file";

  auto const reading =
      error_of(pool, [](std::string path) -> task<> { static_cast<void>(co_await read_file(path)); }(missing));
  REQUIRE(reading);
  CHECK(reading->code() == std::errc::no_such_file_or_directory);
  CHECK_THAT(reading->what(), Catch::Matchers::ContainsSubstring("open " + missing));

  auto const writing = error_of(pool, write_file(nowhere, "text"));
  REQUIRE(writing);
  CHECK(writing->code() == std::errc::no_such_file_or_directory);
  CHECK_THAT(writing->what(), Catch::Matchers::ContainsSubstring("open " + nowhere));

  auto const opening = error_of(pool, [](std::string path) -> task<> {
    auto const f = co_await file::open(path, file_mode::read);
    static_cast<void>(f);
  }(missing));
  REQUIRE(opening);
  CHECK_THAT(opening->what(), Catch::Matchers::ContainsSubstring(missing));

  auto const directory =
      error_of(pool, [](std::string path) -> task<> { static_cast<void>(co_await read_file(path)); }(folder / "."));
  REQUIRE(directory);
  CHECK(directory->code() == std::errc::is_a_directory);
  CHECK_THAT(directory->what(), Catch::Matchers::ContainsSubstring("read " + (folder / ".")));

  // Reading what was opened for writing, and the other way round.
  plain_write(folder / "there", "text");
  auto const wrong_way = error_of(pool, [](std::string path) -> task<> {
    auto const f = co_await file::open(path, file_mode::write);
    auto const part = co_await read_part(f, 0, 4);
    static_cast<void>(part);
  }(folder / "there"));
  REQUIRE(wrong_way);
  CHECK(wrong_way->code() == std::errc::bad_file_descriptor);
  CHECK_THAT(wrong_way->what(), Catch::Matchers::ContainsSubstring(folder / "there"));
  auto const other_way = error_of(pool, [](std::string path) -> task<> {
    auto const f = co_await file::open(path, file_mode::read);
    co_await f.write_at(0, "text");
  }(folder / "there"));
  REQUIRE(other_way);
  CHECK_THAT(other_way->what(), Catch::Matchers::ContainsSubstring("write " + (folder / "there")));

  auto const full = error_of(pool, write_file("/dev/full", "text"));
  REQUIRE(full);
  CHECK(full->code() == std::errc::no_space_on_device);
}

TEST_CASE("a path with a zero byte is not cut short in silence") {
  weft_test::watchdog const guard("file_test: a zero byte");
  temporary_folder const folder;
  weft::pool pool{{.workers = 1}};
  plain_write(folder / "real", "secret");
  CHECK_THROWS_AS(pool.run(read_file, (folder / "real") + std::string("\0.txt", 5)), std::system_error);
}

TEST_CASE("each mode opens as it says") {
  weft_test::watchdog const guard("file_test: modes");
  temporary_folder const folder;
  weft::pool pool{{.workers = 2}};
  auto const path = folder / "file";
  auto opens = [&](file_mode mode) {
    return !error_of(pool, [](std::string p, file_mode m) -> task<> {
      auto const f = co_await file::open(p, m);
      static_cast<void>(f);
    }(path, mode));
  };

  CHECK_FALSE(opens(file_mode::read));
  CHECK_FALSE(opens(file_mode::read_write));
  CHECK(opens(file_mode::create));
  CHECK_FALSE(opens(file_mode::create));
  plain_write(path, "content");
  CHECK(opens(file_mode::read));
  CHECK(opens(file_mode::read_write));
  CHECK(opens(file_mode::append));
  CHECK(plain_read(path) == "content");
  CHECK(opens(file_mode::write));
  CHECK(plain_read(path).empty());

  auto const made = folder / "made";
  pool.run([&]() -> task<> {
    auto const appended = co_await file::open(made, file_mode::append);
    co_await appended.write_at(0, "one ");
    co_await appended.write_at(0, "two");
    auto const both = co_await file::open(made, file_mode::read_write);
    co_await both.write_at(0, "ONE");
    auto const part = co_await read_part(both, 2, 3);
    if (part != "E t") throw std::logic_error(part);
    auto const created = co_await file::open(made + "-too", file_mode::create);
    co_await created.write_at(3, "x");
    auto const read_back = co_await read_part(created, 0, 10);
    if (read_back != std::string("\0\0\0x", 4)) throw std::logic_error("created");
  });
  CHECK(plain_read(made) == "ONE two");
}

TEST_CASE("an open file reads and writes at any offset, and tells its size and its path") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const io = GENERATE(weft::io_backend::epoll, weft::io_backend::io_uring);
  weft_test::watchdog const guard("file_test: offsets");
  temporary_folder const folder;
  weft::pool pool{{.workers = workers, .io = io}};
  auto const path = folder / "file";
  auto const text = lines(10'000);
  plain_write(path, text);
  pool.run([&]() -> task<> {
    auto const f = co_await file::open(path, file_mode::read_write);
    if (f.path() != path) throw std::logic_error("path");
    auto const size = co_await f.size();
    if (size != text.size()) throw std::logic_error("size");
    for (std::size_t const offset : {std::size_t{0}, std::size_t{1}, std::size_t{4095}, text.size() - 5}) {
      auto const part = co_await read_part(f, offset, 1000);
      if (part != text.substr(offset, 1000)) throw std::logic_error("at " + std::to_string(offset));
    }
    auto const beyond = co_await read_part(f, text.size() + 100, 10);
    auto const nothing = co_await read_part(f, 0, 0);
    if (!beyond.empty() || !nothing.empty()) throw std::logic_error("beyond the end");
    co_await f.write_at(text.size(), "end");
    co_await f.write_at(0, std::string_view());
    co_await f.sync();
    auto const grown = co_await f.size();
    if (grown != text.size() + 3) throw std::logic_error("grown");
    // Sparse: far beyond 4 GiB.
    co_await f.write_at(std::uint64_t{5} << 30, "far");
    auto const far = co_await read_part(f, (std::uint64_t{5} << 30) - 1, 10);
    if (far != std::string("\0far", 4)) throw std::logic_error("far");
  });
}

TEST_CASE("an offset beyond what a file can have is an error") {
  weft_test::watchdog const guard("file_test: impossible offsets");
  temporary_folder const folder;
  weft::pool pool{{.workers = 1}};
  auto const path = folder / "file";
  auto const failed = error_of(pool, [](std::string p) -> task<> {
    auto const f = co_await file::open(p, file_mode::create);
    co_await f.write_at(~std::uint64_t{0}, "text");
  }(path));
  REQUIRE(failed);
  CHECK_THAT(failed->what(), Catch::Matchers::ContainsSubstring(path));
}

TEST_CASE("many files are read at the same time") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const io = GENERATE(weft::io_backend::epoll, weft::io_backend::io_uring);
  weft_test::watchdog const guard("file_test: many files", std::chrono::seconds(60));
  temporary_folder const folder;
  std::vector<std::string> paths;
  for (int i = 0; i < 200; ++i) {
    paths.push_back(folder / std::to_string(i));
    plain_write(paths.back(), lines(i));
  }
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers, .max_blocking = 8, .io = io}};
  int const wrong = pool.run([&paths]() -> task<int> {
    auto const contents = co_await weft::parallel_map(paths, read_file, {.limit = 32});
    int differences = 0;
    for (std::size_t i = 0; i < paths.size(); ++i) differences += contents[i] != lines(static_cast<int>(i));
    co_return differences;
  });
  CHECK(wrong == 0);
}

TEST_CASE("many operations on one file are in flight at the same time") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const io = GENERATE(weft::io_backend::epoll, weft::io_backend::io_uring);
  weft_test::watchdog const guard("file_test: one file", std::chrono::seconds(60));
  temporary_folder const folder;
  weft::pool pool{{.workers = workers, .max_blocking = 8, .io = io}};
  auto const path = folder / "shared";
  pool.run([&path]() -> task<> {
    auto const f = co_await file::open(path, file_mode::create);
    auto write_block = [](file to, int i) -> task<> {
      std::string const block(100, static_cast<char>('a' + i % 26));
      co_await to.write_at(static_cast<std::uint64_t>(i) * 100, block);
    };
    std::vector<task<>> all;
    for (int i = 0; i < 200; ++i) all.push_back(write_block(f, i));
    auto operation = weft::when_all(std::move(all));
    co_await std::move(operation);
  });
  auto const content = plain_read(path);
  REQUIRE(content.size() == 20'000);
  int wrong = 0;
  for (int i = 0; i < 20'000; ++i) wrong += content[static_cast<std::size_t>(i)] != 'a' + i / 100 % 26;
  CHECK(wrong == 0);
}

TEST_CASE("a file is closed when its last copy is gone, also in an operation that was dropped") {
  weft_test::watchdog const guard("file_test: closing");
  temporary_folder const folder;
  auto const path = folder / "file";
  plain_write(path, "text");
  auto const open_handles = [] {
    int count = 0;
    for ([[maybe_unused]] auto const& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
  };
  weft::pool pool{{.workers = 1}};
  pool.run(read_file, path);
  auto const before = open_handles();
  {
    std::optional<file> kept =
        pool.run([](std::string p) -> task<file> { co_return co_await file::open(p, file_mode::read); }, path);
    CHECK(open_handles() == before + 1);
    auto copy = *kept;
    kept.reset();
    CHECK(open_handles() == before + 1);
    CHECK(pool.run(read_part, copy, 0u, std::size_t{10}) == "text");
    auto const never_awaited = copy.size();
    static_cast<void>(never_awaited);
  }
  CHECK(open_handles() == before);
}

TEST_CASE("a file is not inherited by programs that are started") {
  weft_test::watchdog const guard("file_test: close on exec");
  temporary_folder const folder;
  plain_write(folder / "file", "text");
  weft::pool pool{{.workers = 1}};
  auto const f =
      pool.run([](std::string p) -> task<file> { co_return co_await file::open(p, file_mode::read); }, folder / "file");
  int found = 0;
  for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    if (std::filesystem::read_symlink(entry.path(), ignored) != folder / "file") continue;
    ++found;
    CHECK((::fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK(found == 1);
}

TEST_CASE("a file that grows while it is read gives its beginning") {
  weft_test::watchdog const guard("file_test: a file that grows");
  temporary_folder const folder;
  auto const path = folder / "growing";
  plain_write(path, "");
  weft::pool pool{{.workers = 2}};
  // Whatever of it was there at the time: a beginning of the whole.
  auto const whole = lines(50'000);
  bool const is_beginning = pool.run([&]() -> task<bool> {
    auto write = [&]() -> task<> {
      auto const f = co_await file::open(path, file_mode::append);
      for (std::size_t at = 0; at < whole.size(); at += 10'000)
        co_await f.write_at(0, std::string_view(whole).substr(at, 10'000));
    };
    auto read = [&]() -> task<std::string> {
      std::string seen;
      for (int i = 0; i < 5; ++i) seen = co_await read_file(path);
      co_return seen;
    };
    auto const both = co_await weft::when_all(write(), read());
    co_return whole.compare(0, both.second.size(), both.second) == 0;
  });
  CHECK(is_beginning);
  CHECK((plain_read(path) == whole));
}

TEST_CASE("a stopped task reads no file") {
  weft_test::watchdog const guard("file_test: stop");
  temporary_folder const folder;
  auto const path = folder / "not written";
  weft::pool pool{{.workers = 1}};
  auto f = pool.spawn([&path]() -> task<> {
    auto const token = weft::this_task::stop_token();
    while (!token.stop_requested()) co_await weft::this_task::yield();
    co_await write_file(path, "text");
  });
  f.stop();
  CHECK_THROWS_AS(f.get(), weft::stopped);
  CHECK_FALSE(std::filesystem::exists(path));
}
