#include "support/balance.hpp"
#include "support/catch.hpp"
#include "support/seeded.hpp"
#include "support/watchdog.hpp"
#include "support/workers.hpp"
#include "unit/io/sockets.hpp"

#include <weft/combine/when_all.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/file.hpp>
#include <weft/io/reactor.hpp>
#include <weft/io/ring_operation.hpp>
#include <weft/os/pipe.hpp>
#include <weft/os/uring.hpp>
#include <weft/sched/pool.hpp>
#include <weft/time/sleep.hpp>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using weft::file;
using weft::file_mode;
using weft::io_backend;
using weft::task;
using weft::detail::io_ring;
using weft::detail::ring_operation;
using weft::detail::uring_completion;
using weft::detail::uring_entry;
using weft::detail::uring_parameters;
using namespace std::chrono_literals;

// What os/uring.hpp writes down is what the system's header says.
static_assert(sizeof(uring_entry) == sizeof(::io_uring_sqe) && sizeof(uring_completion) == sizeof(::io_uring_cqe) &&
              sizeof(uring_parameters) == sizeof(::io_uring_params));
#define SAME_PLACE(ours, theirs, our_member, their_member)                     \
  static_assert(offsetof(ours, our_member) == offsetof(theirs, their_member)); \
  static_assert(sizeof(ours::our_member) == sizeof(theirs::their_member))
SAME_PLACE(uring_entry, ::io_uring_sqe, what, opcode);
SAME_PLACE(uring_entry, ::io_uring_sqe, flags, flags);
SAME_PLACE(uring_entry, ::io_uring_sqe, priority, ioprio);
SAME_PLACE(uring_entry, ::io_uring_sqe, descriptor, fd);
SAME_PLACE(uring_entry, ::io_uring_sqe, offset, off);
SAME_PLACE(uring_entry, ::io_uring_sqe, address, addr);
SAME_PLACE(uring_entry, ::io_uring_sqe, length, len);
SAME_PLACE(uring_entry, ::io_uring_sqe, more_flags, rw_flags);
SAME_PLACE(uring_entry, ::io_uring_sqe, key, user_data);
SAME_PLACE(uring_completion, ::io_uring_cqe, key, user_data);
SAME_PLACE(uring_completion, ::io_uring_cqe, result, res);
SAME_PLACE(uring_completion, ::io_uring_cqe, flags, flags);
SAME_PLACE(uring_parameters, ::io_uring_params, entry_count, sq_entries);
SAME_PLACE(uring_parameters, ::io_uring_params, completion_count, cq_entries);
SAME_PLACE(uring_parameters, ::io_uring_params, flags, flags);
SAME_PLACE(uring_parameters, ::io_uring_params, features, features);
SAME_PLACE(uring_parameters, ::io_uring_params, submission, sq_off);
SAME_PLACE(uring_parameters, ::io_uring_params, completion, cq_off);
SAME_PLACE(uring_parameters::submission_offsets, ::io_sqring_offsets, head, head);
SAME_PLACE(uring_parameters::submission_offsets, ::io_sqring_offsets, tail, tail);
SAME_PLACE(uring_parameters::submission_offsets, ::io_sqring_offsets, mask, ring_mask);
SAME_PLACE(uring_parameters::submission_offsets, ::io_sqring_offsets, flags, flags);
SAME_PLACE(uring_parameters::submission_offsets, ::io_sqring_offsets, indices, array);
SAME_PLACE(uring_parameters::completion_offsets, ::io_cqring_offsets, head, head);
SAME_PLACE(uring_parameters::completion_offsets, ::io_cqring_offsets, tail, tail);
SAME_PLACE(uring_parameters::completion_offsets, ::io_cqring_offsets, mask, ring_mask);
SAME_PLACE(uring_parameters::completion_offsets, ::io_cqring_offsets, completions, cqes);
static_assert(static_cast<int>(uring_entry::code::sync) == IORING_OP_FSYNC &&
              static_cast<int>(uring_entry::code::cancel) == IORING_OP_ASYNC_CANCEL &&
              static_cast<int>(uring_entry::code::read) == IORING_OP_READ &&
              static_cast<int>(uring_entry::code::write) == IORING_OP_WRITE);
static_assert(uring_entry::on_a_thread == IOSQE_ASYNC &&
              uring_parameters::with_completion_count == IORING_SETUP_CQSIZE);
static_assert(weft::detail::uring::needed == (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NATIVE_WORKERS));

namespace {

/// Says why, where this system has no io_uring for us.
bool permitted() {
  io_ring const ring;
  if (ring.error()) WARN("no io_uring here, not tested: " << ring.error().message());
  return !ring.error();
}

/// Rings that this process has open.
int rings() {
  int count = 0;
  for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    count += std::filesystem::read_symlink(entry.path(), ignored) == "anon_inode:[io_uring]";
  }
  return count;
}

/// In this scope WEFT_IO has this value, or none. Meanwhile no other thread looks at the environment.
class weft_io {
 public:
  explicit weft_io(char const* value) {
    if (char const* const now = std::getenv("WEFT_IO")) before_ = now;
    set(value);
  }
  weft_io(weft_io const&) = delete;
  weft_io& operator=(weft_io const&) = delete;
  ~weft_io() { set(before_ ? before_->c_str() : nullptr); }

 private:
  static void set(char const* value) {
    if (value) ::setenv("WEFT_IO", value, 1);
    else ::unsetenv("WEFT_IO");
  }
  std::optional<std::string> before_;
};

/// A file that is gone at the end.
class temporary_file {
 public:
  temporary_file() : path_((std::filesystem::temp_directory_path() / "weft-ring-test-XXXXXX").string()) {
    int const fd = ::mkstemp(path_.data());
    if (fd < 0) throw std::system_error(errno, std::system_category(), "mkstemp " + path_);
    ::close(fd);
  }
  temporary_file(temporary_file const&) = delete;
  temporary_file& operator=(temporary_file const&) = delete;
  ~temporary_file() { ::unlink(path_.c_str()); }
  std::string const& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// The pages of a file are in memory no more, so that who reads it has to wait. A hint.
void forget(std::string const& path) {
  auto const handle = weft::detail::file_handle::open(path, O_RDWR);
  handle.sync(path);
  ::posix_fadvise(handle.get(), 0, 0, POSIX_FADV_DONTNEED);
}

/// A byte of a pipe, through the ring: -1 at the end of the pipe, -2 where it has not been done.
task<int> read_byte(int fd) {
  std::byte b{};
  auto const got = co_await ring_operation::read(fd, 0, std::span(&b, 1));
  if (!got) co_return -2;
  if (got->error != 0) throw std::system_error(got->error, std::system_category(), "read_byte");
  co_return got->bytes == 0 ? -1 : std::to_integer<int>(b);
}

/// Both ends of a pipe whose reads block.
std::pair<weft::detail::file_handle, weft::detail::file_handle> blocking_pipe() {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe2");
  return {weft::detail::file_handle::adopt(ends[0]), weft::detail::file_handle::adopt(ends[1])};
}

/// What is written to a file at random places by several tasks, and read back, is what was written.
task<> write_and_read(std::string path, std::uint64_t seed) {
  constexpr std::size_t size = 1 << 20, lanes = 8;
  auto const f = co_await file::open(path, file_mode::read_write);
  std::vector<std::byte> whole(size);
  // Each task has a lane of the file, so that nobody reads what is being written.
  auto lane = [&](std::size_t number) -> task<> {
    std::mt19937_64 random(seed + number);
    constexpr std::size_t length = size / lanes;
    std::vector<std::byte> buffer(length);
    auto const own = std::span(whole).subspan(number * length, length);
    for (int i = 0; i < 20; ++i) {
      auto const at = random() % length;
      auto const n = random() % (i % 4 == 0 ? length - at + 1 : std::min<std::size_t>(length - at, 5000) + 1);
      for (auto& b : own.subspan(at, n)) b = static_cast<std::byte>(random());
      co_await f.write_at(number * length + at, own.subspan(at, n));
      if (i % 8 == 3) co_await f.sync();
      auto const from = random() % length;
      auto const back = std::span(buffer).subspan(from, std::min<std::size_t>(length - from, 9000));
      auto const got = co_await f.read_at(number * length + from, back);
      // Lanes that have not been written yet are not there.
      if (!std::equal(back.begin(), back.begin() + static_cast<std::ptrdiff_t>(got),
                      own.begin() + static_cast<std::ptrdiff_t>(from)))
        throw std::logic_error("another content in lane " + std::to_string(number));
    }
  };
  std::vector<task<>> all;
  for (std::size_t i = 0; i < lanes; ++i) all.push_back(lane(i));
  auto operation = weft::when_all(std::move(all));
  co_await std::move(operation);

  auto const length = co_await f.size();
  forget(path);
  std::vector<std::byte> back(size + 10'000);  // more than there is, in one read
  auto const got = co_await f.read_at(0, back);
  if (got != length) throw std::logic_error("got " + std::to_string(got) + " of " + std::to_string(length));
  if (!std::equal(back.begin(), back.begin() + static_cast<std::ptrdiff_t>(got), whole.begin()))
    throw std::logic_error("another content");
  forget(path);
  for (std::size_t at = 0; at < got; at += 100'000) {
    auto const n = co_await f.read_at(at, std::span(back).first(4096));
    if (n != std::min<std::size_t>(4096, got - at)) throw std::logic_error("short at " + std::to_string(at));
    if (!std::equal(back.begin(), back.begin() + static_cast<std::ptrdiff_t>(n),
                    whole.begin() + static_cast<std::ptrdiff_t>(at)))
      throw std::logic_error("another content at " + std::to_string(at));
  }
  co_return;
}

/// Calls f on a thread, and on those that it starts, for which a system call fails with this error. False: that cannot be had here.
bool with_denied(long call, int error, std::function<void()> const& f) {
  bool denied = false;
  std::exception_ptr failure;
  std::thread([&] {
    std::array<::sock_filter, 4> program{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct ::seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    ::sock_fprog const filter{.len = program.size(), .filter = program.data()};
    denied = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
             ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 && ::syscall(call, 0, 0, 0, 0, 0, 0) < 0 &&
             errno == error;
    if (!denied) return;
    try {
      f();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  if (!denied) WARN("no seccomp here: not tested");
  return denied;
}

}  // namespace

TEST_CASE("what is written is what is read, by io_uring and by threads") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  auto const io = GENERATE(io_backend::epoll, io_backend::io_uring);
  weft_test::watchdog const guard("ring_operation_test: random", 60s);
  weft_test::seeded random;
  temporary_file const there;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers, .max_blocking = 8, .io = io}};
  pool.run(write_and_read, there.path(), random());
}

TEST_CASE("a ring is made with the first operation that waits by it, and goes with the pool") {
  if (!permitted()) return;
  weft_test::watchdog const guard("ring_operation_test: rings");
  weft_io const unset(nullptr);
  temporary_file const there;
  auto const write = [&]() -> task<> {
    auto const f = co_await file::open(there.path(), file_mode::read_write);
    co_await f.write_at(0, "text");
  };
  int const before = rings();
  {
    weft::pool pool{{.workers = 2, .io = io_backend::io_uring}};
    pool.run([] {});
    CHECK(rings() == before);
    pool.run(write);
    int const made = rings();
    CHECK(made > before);
    CHECK(made <= before + 2);
    weft::pool other{{.workers = 2, .io = io_backend::epoll}};
    other.run(write);
    CHECK(rings() == made);
  }
  CHECK(rings() == before);
}

TEST_CASE("WEFT_IO decides for pools that do not care") {
  if (!permitted()) return;
  weft_test::watchdog const guard("ring_operation_test: WEFT_IO");
  temporary_file const there;
  auto const rings_of = [&](io_backend asked) {
    int const before = rings();
    weft::pool pool{{.workers = 1, .io = asked}};
    pool.run([&]() -> task<> {
      auto const f = co_await file::open(there.path(), file_mode::read_write);
      co_await f.write_at(0, "text");
    });
    return rings() - before;
  };
  {
    weft_io const set("io_uring");
    CHECK(rings_of(io_backend::automatic) == 1);
    CHECK(rings_of(io_backend::epoll) == 0);
  }
  {
    weft_io const set("epoll");
    CHECK(rings_of(io_backend::automatic) == 0);
    CHECK(rings_of(io_backend::io_uring) == 0);
  }
  weft_io const unset(nullptr);
  CHECK(rings_of(io_backend::automatic) == 0);
  CHECK(rings_of(io_backend::io_uring) == 1);
}

TEST_CASE("where the system denies io_uring, threads read and write in its place") {
  auto const error = GENERATE(EPERM, ENOSYS, ENOMEM, EMFILE);
  weft_test::watchdog const guard("ring_operation_test: denied", 60s);
  weft_test::seeded random;
  temporary_file const there;
  std::uint64_t const seed = random();
  int made = 0;
  bool const denied = with_denied(SYS_io_uring_setup, error, [&] {
    weft::pool pool{{.workers = 2, .max_blocking = 8, .io = io_backend::io_uring}};
    pool.run(write_and_read, there.path(), seed);
    made = rings();
  });
  if (denied) CHECK(made == 0);
}

TEST_CASE("a ring that could not be had for want of descriptors is made when there are some again") {
  if (!permitted()) return;
  weft_test::watchdog const guard("ring_operation_test: no descriptors", 60s);
  weft_io const unset(nullptr);
  temporary_file const there;
  int const before = rings();
  weft::pool pool{{.workers = 2, .io = io_backend::io_uring}};
  auto const f = pool.run([&]() -> task<file> {
    static_cast<void>(weft::detail::reactor::of(weft::detail::current_worker()->home));  // has descriptors of its own
    co_return co_await file::open(there.path(), file_mode::read_write);
  });
  auto const write = [&](std::string_view text) { pool.run(f.write_at(0, text)); };
  {
    weft_test::few_descriptors const none(0);
    write("by a thread");
  }
  REQUIRE(rings() == before);
  auto const give_up = std::chrono::steady_clock::now() + 40s;
  while (rings() == before && std::chrono::steady_clock::now() < give_up) {
    write("by a ring, in the end");
    std::this_thread::sleep_for(5ms);
  }
  CHECK(rings() > before);
  CHECK(pool.run(weft::read_file(there.path())) == "by a ring, in the end");
}

TEST_CASE("want of descriptors and memory passes, and that io_uring is not offered does not") {
  for (int const passing : {EMFILE, ENFILE, ENOMEM, ENOSPC, EAGAIN})
    CHECK(io_ring::passes({passing, std::system_category()}));
  for (int const lasting : {ENOSYS, EPERM, EACCES, EINVAL, EOPNOTSUPP})
    CHECK(!io_ring::passes({lasting, std::system_category()}));
}

TEST_CASE("a ring that may be made and not used is no reason to fail") {
  auto const error = GENERATE(EPERM, EAGAIN);
  weft_test::watchdog const guard("ring_operation_test: enter denied", 60s);
  weft_test::seeded random;
  temporary_file const there;
  std::uint64_t const seed = random();
  with_denied(SYS_io_uring_enter, error, [&] {
    weft::pool pool{{.workers = 2, .max_blocking = 8, .io = io_backend::io_uring}};
    pool.run(write_and_read, there.path(), seed);
  });
}

TEST_CASE("a pipe is refused as a file in the same words, by io_uring and by threads") {
  auto const io = GENERATE(io_backend::epoll, io_backend::io_uring);
  weft_test::watchdog const guard("ring_operation_test: pipe as file");
  auto const ends = blocking_pipe();
  auto const name = "/dev/fd/" + std::to_string(ends.second.get());
  weft::pool pool{{.workers = 1, .io = io}};
  auto const seeks = [&](task<> work) {
    try {
      pool.run(std::move(work));
    } catch (std::system_error const& e) {
      CHECK_THAT(e.what(), Catch::Matchers::ContainsSubstring("write " + name));
      return e.code() == std::errc::invalid_seek;
    }
    return false;
  };
  CHECK(seeks([](std::string path) -> task<> {
    auto const f = co_await file::open(path, file_mode::write);
    co_await f.write_at(0, "text");
  }(name)));
}

TEST_CASE("a read through the ring waits for what comes later") {
  if (!permitted()) return;
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("ring_operation_test: later");
  weft_test::balance const balance;
  auto ends = blocking_pipe();
  weft::pool pool{{.workers = workers}};
  for (int i = 0; i < 50; ++i) {
    auto waiting = pool.spawn(read_byte, ends.first.get());
    if (i % 5 == 0) std::this_thread::sleep_for(1ms);
    char const c = static_cast<char>(i);
    REQUIRE(::write(ends.second.get(), &c, 1) == 1);
    CHECK(waiting.get() == i);
  }
  auto last = pool.spawn(read_byte, ends.first.get());
  ends.second = {};
  CHECK(last.get() == -1);
}

TEST_CASE("a stopped read takes no byte, and one that took a byte was not stopped") {
  if (!permitted()) return;
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("ring_operation_test: stop", 60s);
  weft_test::seeded random;
  weft_test::balance const balance;
  auto const ends = blocking_pipe();
  weft::pool pool{{.workers = workers}};
  enum class order { only_stop, write_first, stop_first };
  for (int i = 0; i < 600; ++i) {
    auto waiting = pool.spawn(read_byte, ends.first.get());
    // So that the read has not begun, is under way, or waits.
    for (auto n = random.below(3000); n > 0; --n) weft::detail::relax();
    auto const what = static_cast<order>(random.below(3));
    char c = 7;
    if (what == order::write_first) REQUIRE(::write(ends.second.get(), &c, 1) == 1);
    waiting.stop();
    if (what == order::stop_first) REQUIRE(::write(ends.second.get(), &c, 1) == 1);
    bool taken = false;
    try {
      taken = waiting.get() == 7;
      CHECK(taken);
    } catch (weft::stopped const&) {
    }
    // The byte is where it was, or it was given out: nobody else has an eye on the pipe any more.
    REQUIRE(::fcntl(ends.first.get(), F_SETFL, O_NONBLOCK) == 0);
    CHECK((::read(ends.first.get(), &c, 1) == 1) == (what != order::only_stop && !taken));
    REQUIRE(::fcntl(ends.first.get(), F_SETFL, 0) == 0);
  }
}

TEST_CASE("a pool that ends waits for what the system still does for it") {
  if (!permitted()) return;
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("ring_operation_test: shutdown");
  weft_test::balance const balance;
  auto const ends = blocking_pipe();
  std::vector<weft::future<int>> waiting;
  {
    weft::pool pool{{.workers = workers}};
    for (unsigned i = 0; i < io_ring::most_in_flight; ++i) waiting.push_back(pool.spawn(read_byte, ends.first.get()));
  }
  for (auto& f : waiting) CHECK_THROWS_AS(f.get(), weft::stopped);
  char const c = 1;
  REQUIRE(::write(ends.second.get(), &c, 1) == 1);
  char back = 0;
  CHECK(::read(ends.first.get(), &back, 1) == 1);
}

TEST_CASE("a ring takes as many operations as it has room for, and more when those have ended") {
  io_ring ring;
  if (ring.error()) return;
  weft_test::watchdog const guard("ring_operation_test: room");
  auto const ends = blocking_pipe();
  std::vector<std::byte> buffers(io_ring::most_in_flight + 1);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::uint64_t> keys;
    for (auto& b : buffers) {
      uring_entry e{};
      e.what = uring_entry::code::read;
      e.descriptor = ends.first.get();
      e.address = reinterpret_cast<std::uint64_t>(&b);
      e.length = 1;
      e.key = ring.key_of(&b);
      auto const taken = ring.submit(e);
      CHECK((taken == io_ring::submitted::yes) == (&b != &buffers.back()));
      if (taken == io_ring::submitted::yes) keys.push_back(e.key);
    }
    // Nobody takes what ends meanwhile: all have room.
    for (auto const key : keys) ring.cancel(key);
    std::vector<void*> ended;
    while (ended.size() != keys.size())
      ring.take([&](void* address, int result) {
        ended.push_back(address);
        CHECK(result == -ECANCELED);
      });
    std::sort(ended.begin(), ended.end());
    CHECK(std::unique(ended.begin(), ended.end()) == ended.end());
  }
}

TEST_CASE("more files may be waited for than a ring has room for") {
  auto const workers = GENERATE(from_range(weft_test::worker_counts()));
  weft_test::watchdog const guard("ring_operation_test: many", 60s);
  temporary_file const there;
  weft_test::balance const balance;
  weft::pool pool{{.workers = workers, .max_blocking = 8, .io = io_backend::io_uring}};
  static constexpr unsigned count = 3 * io_ring::most_in_flight;
  pool.run([&]() -> task<> {
    auto const f = co_await file::open(there.path(), file_mode::read_write);
    auto write = [](file to, unsigned i) -> task<> {
      std::string const page(4096, static_cast<char>('a' + i % 26));
      co_await to.write_at(std::uint64_t{i} * 4096, page);
    };
    std::vector<task<>> writing;
    for (unsigned i = 0; i < count; ++i) writing.push_back(write(f, i));
    auto all_written = weft::when_all(std::move(writing));
    co_await std::move(all_written);
    forget(there.path());
    auto read = [](file from, unsigned i) -> task<> {
      std::vector<std::byte> page(4096);
      auto const n = co_await from.read_at(std::uint64_t{i} * 4096, page);
      if (n != 4096) throw std::logic_error("short");
      for (auto const b : page)
        if (std::to_integer<unsigned>(b) != 'a' + i % 26) throw std::logic_error("another content");
    };
    std::vector<task<>> reading;
    for (unsigned i = 0; i < count; ++i) reading.push_back(read(f, i));
    auto all_read = weft::when_all(std::move(reading));
    co_await std::move(all_read);
  });
}

TEST_CASE("what the system does not take can be done in another way, and what it refuses is told") {
  if (!permitted()) return;
  weft_test::watchdog const guard("ring_operation_test: refusals");
  weft::pool pool{{.workers = 1}};
  // Not open: an error. A pipe is written where it has no reading end: an error, and no signal.
  auto const outcome = pool.run([]() -> task<int> {
    std::byte b{};
    auto const got = co_await ring_operation::read(1'000'000, 0, std::span(&b, 1));
    co_return got ? got->error : -1;
  });
  CHECK(outcome == EBADF);
  // fsync of a pipe is no valid call: whoever asked makes it again, and gets the error there.
  auto const ends = blocking_pipe();
  CHECK(pool.run([&]() -> task<bool> {
    auto const done = co_await ring_operation::sync(ends.first.get());
    co_return !done;
  }));
}

TEST_CASE("an operation is told of when it ends, also where the thread has gone that began it") {
  io_ring ring;
  if (ring.error()) return;
  weft_test::watchdog const guard("ring_operation_test: thread");
  auto const ends = blocking_pipe();
  int marker = 0;
  std::byte b{};
  bool submitted = false;
  std::thread([&] {
    uring_entry e{};
    e.what = uring_entry::code::read;
    e.descriptor = ends.first.get();
    e.address = reinterpret_cast<std::uint64_t>(&b);
    e.length = 1;
    e.key = ring.key_of(&marker);
    submitted = ring.submit(e) == io_ring::submitted::yes;
  }).join();
  REQUIRE(submitted);
  char c = 7;
  REQUIRE(::write(ends.second.get(), &c, 1) == 1);
  std::vector<std::pair<void*, int>> ended;
  while (ended.empty()) ring.take([&](void* address, int result) { ended.emplace_back(address, result); });
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].first == &marker);
  // Done, or not done at all.
  INFO("result " << ended[0].second);
  REQUIRE(::fcntl(ends.first.get(), F_SETFL, O_NONBLOCK) == 0);
  CHECK((::read(ends.first.get(), &c, 1) == 1) == (ended[0].second != 1));
  CHECK((ended[0].second == 1 || ended[0].second == -ECANCELED || ended[0].second == -EINTR ||
         ended[0].second == -EFAULT));
}
