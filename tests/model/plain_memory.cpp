// Plain memory: who has touched which bytes, by the calls that a compiler inserts for ThreadSanitizer and that are answered here; and the
// heap, whose blocks are given back only when the execution has ended.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <model/explorer.hpp>
#include <new>
#include <unordered_map>

extern "C" char __executable_start;

namespace weft_model {
namespace {

enum kind : std::uint8_t { is_read, is_write };

/// An access, in one word: where in the program, when, by whom, of which bytes, how.
class record {
 public:
  record() = default;
  record(std::uint32_t code, std::uint32_t time, unsigned thread, std::uint8_t bytes, kind how) noexcept
      : all_((code & 0xFFFFFF) | std::uint64_t{time & 0xFFFFF} << 24 | std::uint64_t{thread} << 44 |
             std::uint64_t{bytes} << 48 | std::uint64_t{how} << 56) {}

  [[nodiscard]] std::uint32_t code() const noexcept { return all_ & 0xFFFFFF; }
  [[nodiscard]] std::uint32_t time() const noexcept { return all_ >> 24 & 0xFFFFF; }
  [[nodiscard]] unsigned thread() const noexcept { return all_ >> 44 & 15; }
  [[nodiscard]] unsigned bytes() const noexcept { return all_ >> 48 & 0xFF; }
  [[nodiscard]] kind how() const noexcept { return static_cast<kind>(all_ >> 56); }
  /// Of the same bytes by the same thread.
  [[nodiscard]] bool beside(record const& r) const noexcept {
    return ((all_ ^ r.all_) & std::uint64_t{0xFFF} << 44) == 0;
  }

 private:
  std::uint64_t all_ = 0;
};

/// Eight bytes of memory.
struct alignas(64) granule {
  std::uint64_t execution = 0;  // in which it was touched; what is from an earlier one is as good as nothing
  std::uint8_t count = 0;
  bool is_freed = false, is_apart = false;
  std::array<record, 6> records{};
};
static_assert(sizeof(granule) == 64);

constexpr unsigned page_bits = 12;
constexpr std::size_t page_size = std::size_t{1} << (page_bits - 3);  // granules

/// The granules of a page of memory, kept from one execution to the next: the heap gives out the same pages again.
using page = std::unique_ptr<granule[]>;
std::unordered_map<std::uintptr_t, page> pages;
constexpr std::size_t most_pages = 2048;  // 64 MiB
std::uint64_t the_execution = 0;

/// Those that were asked for last.
struct recent {
  std::uintptr_t number = 0;
  granule* granules = nullptr;
};
std::array<recent, 64> recently;

[[gnu::noinline]] granule* page_of(std::uintptr_t number) {
  explorer::working const on_behalf;
  page& p = pages[number];
  if (!p) {
    if (pages.size() > most_pages)
      explorer::the().wrong("a model touches more memory than the checker has room for", nullptr);
    p = std::make_unique<granule[]>(page_size);
  }
  recently[number % recently.size()] = {number, p.get()};
  return p.get();
}

granule& find(std::uintptr_t address) noexcept {
  auto const number = address >> page_bits;
  recent const& r = recently[number % recently.size()];
  granule* const all = r.number == number ? r.granules : page_of(number);
  return all[address / 8 % page_size];
}

bool is_known(granule const& g) noexcept { return g.execution == the_execution; }

/// False: it is made known by this.
bool was_known(granule& g) noexcept {
  if (is_known(g)) return true;
  g.execution = the_execution;
  g.count = 0;
  g.is_freed = g.is_apart = false;
  return false;
}

std::uint32_t offset_of(void const* code) noexcept {
  return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(code) -
                                    reinterpret_cast<std::uintptr_t>(&__executable_start));
}
std::string place_of(std::uint32_t code) { return place_in_code(&__executable_start + code); }

[[noreturn, gnu::noinline]] void race(record const& before, kind how, void const* code) {
  explorer::working const on_behalf;
  auto const name = [](unsigned k) { return k == is_write ? std::string("write") : std::string("read"); };
  explorer::the().wrong("data race: " + name(how) + " at " + place_in_code(code) + ", not ordered with the " +
                        name(before.how()) + " by T" + std::to_string(before.thread()) + " at " +
                        place_of(before.code()));
}

[[noreturn, gnu::noinline]] void used_after_free(void const* code) {
  explorer::working const on_behalf;
  explorer::the().wrong("memory is used after it has been freed, at " + place_in_code(code));
}

// What others have done must happen before. What this says as well is left out.
void note(granule& g, memory_view const& t, record const& mine, void const* code) {
  auto const bytes = mine.bytes();
  auto const how = mine.how();
  std::uint8_t kept = 0;
  bool noted = false;
  for (std::uint8_t i = 0; i != g.count; ++i) {
    record const r = g.records[i];
    if ((r.bytes() & bytes) != 0) {
      bool const covered = (r.bytes() & ~bytes) == 0;
      if (r.thread() == t.id) {
        // Of the same bytes: a write stands for reads before it, and each for itself.
        if (covered && (how == is_write || r.how() == is_read)) continue;
        if (r.how() == is_write && r.time() == mine.time() && (bytes & ~r.bytes()) == 0) noted = true;
      } else {
        bool const ordered = t.now.happened.covers(r.thread(), r.time());
        if (!ordered && (how == is_write || r.how() == is_write)) [[unlikely]]
          race(r, how, code);
        if (ordered && covered && (how == is_write || r.how() == is_read)) continue;
      }
    }
    g.records[kept++] = r;
  }
  g.count = kept;
  if (noted) return;
  if (g.count == g.records.size()) {
    // The oldest gives way: a race with it may be missed here, and is found in another schedule.
    std::memmove(&g.records[0], &g.records[1], sizeof(record) * (g.records.size() - 1));
    --g.count;
  }
  g.records[g.count++] = mine;
}

inline void touch(std::uintptr_t address, std::uint8_t bytes, kind how, void const* code) {
  memory_view const& t = explorer::the().view();
  record const mine(offset_of(code), t.now.happened.of(t.id), t.id, bytes, how);
  granule& g = find(address);
  if (!was_known(g)) {
    g.records[0] = mine;
    g.count = 1;
    return;
  }
  if (g.is_freed) [[unlikely]]
    used_after_free(code);
  if (g.is_apart) return;
  if (g.count != 0) {
    // Nobody has come between: what others did was looked at then, and is known of now as well.
    record& r = g.records[g.count - 1u];
    if (r.beside(mine)) {
      if (r.how() == how || (r.how() < how && g.count == 1)) {
        r = mine;
        return;
      }
      if (r.how() > how) {
        if (r.time() == mine.time()) return;
        if (g.count != g.records.size()) {
          g.records[g.count++] = mine;
          return;
        }
      }
    }
  }
  note(g, t, mine, code);
}

/// All before it must happen before it, and nothing comes behind it.
void touch_for_the_last_time(std::uintptr_t address, void const* code) {
  granule& g = find(address);
  if (was_known(g)) {
    if (g.is_freed) used_after_free(code);
    memory_view const& t = explorer::the().view();
    if (!g.is_apart)
      for (std::uint8_t i = 0; i != g.count; ++i)
        if (record const r = g.records[i]; r.thread() != t.id && !t.now.happened.covers(r.thread(), r.time()))
          race(r, is_write, code);
  }
  g.is_freed = true;
}

void touch_range(void const* at, std::size_t size, kind how, void const* code) {
  auto address = reinterpret_cast<std::uintptr_t>(at);
  while (size != 0) {
    auto const in = address % 8;
    auto const here = std::min<std::size_t>(8 - in, size);
    touch(address - in, static_cast<std::uint8_t>(((1u << here) - 1) << in), how, code);
    address += here;
    size -= here;
  }
}

// ── the heap ──

struct alignas(16) block {
  std::uint64_t mark;  // its address, changed in one of two ways
  std::size_t size;
  void* memory;
  block* next;
};
constexpr std::uint64_t live = 0x6D6F64656C206E65, freed_mark = 0x6672656564206F6E;
std::uint64_t mark_of(block const* b, std::uint64_t how) noexcept { return reinterpret_cast<std::uintptr_t>(b) ^ how; }
block* blocks = nullptr;
bool no_memory_now = false;

void* allocate(std::size_t size, std::size_t alignment) {
  if (!explorer::watching()) {
    auto* const p =
        static_cast<char*>(std::aligned_alloc(alignment, (size + 2 * alignment - 1) / alignment * alignment));
    if (!p) throw std::bad_alloc();
    return p;
  }
  explorer::working const on_behalf;
  if (no_memory_now) throw std::bad_alloc();
  alignment = std::max<std::size_t>(alignment, sizeof(block));
  auto const bytes = (alignment + size + alignment - 1) / alignment * alignment;
  auto* const memory = static_cast<char*>(std::aligned_alloc(alignment, bytes));
  if (!memory) throw std::bad_alloc();
  auto* const b = ::new (memory + alignment - sizeof(block)) block{0, size, memory, blocks};
  b->mark = mark_of(b, live);
  blocks = b;
  return b + 1;
}

void give_back(void* p) noexcept {
  if (!p) return;
  if (!explorer::watching()) return std::free(p);
  explorer::working const on_behalf;
  auto* const b = static_cast<block*>(p) - 1;
  if (b->mark == mark_of(b, freed_mark)) explorer::the().wrong("memory is freed twice", nullptr);
  if (b->mark != mark_of(b, live)) return std::free(p);  // from before the execution
  auto const first = reinterpret_cast<std::uintptr_t>(p) / 8 * 8;
  auto const end = reinterpret_cast<std::uintptr_t>(p) + std::min<std::size_t>(b->size, 4096);
  b->mark = mark_of(b, freed_mark);
  for (auto a = first; a < end; a += 8) touch_for_the_last_time(a, __builtin_return_address(0));
}

}  // namespace

namespace plain_memory {

void begin_execution() noexcept {
  // Before there are too many because the heap has moved.
  if (pages.size() > most_pages / 2) {
    pages.clear();
    recently.fill({});
  }
  ++the_execution;
  no_memory_now = false;
}

void keep_apart(void const* variable) {
  granule& g = find(reinterpret_cast<std::uintptr_t>(variable));
  was_known(g);
  g.is_apart = true;
}

std::string end_execution() {
  std::string text;
  while (block* const b = blocks) {
    blocks = b->next;
    if (b->mark == mark_of(b, live) && text.empty())
      text = "a leak: " + std::to_string(b->size) + " bytes have not been freed";
    b->mark = 0;
    std::free(b->memory);
  }
  return text;
}

bool freed(void const* at) noexcept {
  granule const& g = find(reinterpret_cast<std::uintptr_t>(at));
  return is_known(g) && g.is_freed;
}

}  // namespace plain_memory

std::string place_in_code(void const* code) {
  // One before the return address: in the call.
  std::array<char, 4096> path{};
  if (::readlink("/proc/self/exe", path.data(), path.size() - 1) <= 0) return "?";
  std::array<char, 4400> command;
  std::snprintf(command.data(), command.size(), "addr2line -e '%s' 0x%x 2>/dev/null", path.data(), offset_of(code) - 1);
  std::string line;
  if (FILE* const out = ::popen(command.data(), "r")) {
    std::array<char, 1024> text{};
    if (std::fgets(text.data(), text.size(), out)) line = text.data();
    ::pclose(out);
  }
  while (!line.empty() && (line.back() == '\n' || line.back() == ')')) line.pop_back();
  if (auto const more = line.find(" (discriminator"); more != std::string::npos) line.resize(more);
  if (auto const slash = line.rfind('/'); slash != std::string::npos) line.erase(0, slash + 1);
  return line.empty() ? "?" : line;
}

no_memory::no_memory() noexcept { no_memory_now = true; }
no_memory::~no_memory() { no_memory_now = false; }

void note_access(void const* at, std::size_t bytes, access how, void const* code) noexcept {
  if (!explorer::watching()) return;
  auto const address = reinterpret_cast<std::uintptr_t>(at);
  auto const k = how == access::write ? is_write : is_read;
  if (address % 8 + bytes <= 8)
    touch(address / 8 * 8, static_cast<std::uint8_t>(((1u << bytes) - 1) << address % 8), k, code);
  else touch_range(at, bytes, k, code);
}

}  // namespace weft_model

void* operator new(std::size_t size) { return weft_model::allocate(size, 16); }
void* operator new(std::size_t size, std::align_val_t a) {
  return weft_model::allocate(size, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t size) { return weft_model::allocate(size, 16); }
void* operator new[](std::size_t size, std::align_val_t a) {
  return weft_model::allocate(size, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { weft_model::give_back(p); }
void operator delete(void* p, std::size_t) noexcept { weft_model::give_back(p); }
void operator delete(void* p, std::align_val_t) noexcept { weft_model::give_back(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { weft_model::give_back(p); }
void operator delete[](void* p) noexcept { weft_model::give_back(p); }
void operator delete[](void* p, std::size_t) noexcept { weft_model::give_back(p); }
void operator delete[](void* p, std::align_val_t) noexcept { weft_model::give_back(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { weft_model::give_back(p); }
