// Plain memory: who has touched which bytes, by the calls that a compiler inserts for ThreadSanitizer and that are answered here; and the
// heap, whose blocks are given back only when the execution has ended.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <model/explorer.hpp>
#include <new>
#include <vector>

extern "C" char __executable_start;

namespace weft_model {
namespace {

enum : std::uint8_t { is_read, is_write };

struct record {
  std::uint32_t time;
  std::uint32_t code;  // its offset in the program
  std::uint8_t thread, bytes, kind;
};

/// Eight bytes of memory.
struct granule {
  std::array<record, 6> records;
  std::uint8_t count = 0;
  bool is_freed = false, is_apart = false;
};

// Which eight bytes, in which execution: keys beside keys, and neighbours in memory are neighbours here.
constexpr std::size_t table_size = std::size_t{1} << 16;
constexpr unsigned address_bits = 45;  // of 48, eight bytes each
constexpr std::uint64_t last_execution = (std::uint64_t{1} << (64 - address_bits)) - 1;
std::vector<std::uint64_t> keys(table_size);
std::vector<granule> granules(table_size);
std::uint64_t the_execution = 0;
std::size_t used = 0;

std::uint64_t key_of(std::uintptr_t address) noexcept { return address >> 3 | the_execution << address_bits; }

// Where it is, or a free place.
std::size_t find(std::uintptr_t address) noexcept {
  auto const key = key_of(address);
  auto i = static_cast<std::size_t>((address >> 3) + (((address >> 12) * 0x9E3779B97F4A7C15u) >> 45 << 3)) % table_size;
  while (keys[i] != key && keys[i] >> address_bits == the_execution) i = (i + 1) % table_size;
  return i;
}

granule& known(std::uintptr_t address) noexcept {
  auto const i = find(address);
  granule& g = granules[i];
  if (auto const key = key_of(address); keys[i] != key) {
    if (++used > table_size / 2)
      explorer::the().wrong("a model touches more memory than the checker has room for", nullptr);
    keys[i] = key;
    g.count = 0;
    g.is_freed = g.is_apart = false;
  }
  return g;
}

std::uint32_t offset_of(void const* code) noexcept {
  return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(code) -
                                    reinterpret_cast<std::uintptr_t>(&__executable_start));
}
std::string place_of(std::uint32_t code) { return place_in_code(&__executable_start + code); }

[[noreturn, gnu::noinline]] void race(record const& before, std::uint8_t kind, void const* code) {
  explorer::working const on_behalf;
  auto const name = [](std::uint8_t k) { return k == is_write ? std::string("write") : std::string("read"); };
  explorer::the().wrong("data race: " + name(kind) + " at " + place_in_code(code) + ", not ordered with the " +
                        name(before.kind) + " by T" + std::to_string(before.thread) + " at " + place_of(before.code));
}

void touch(granule& g, std::uint8_t bytes, std::uint8_t kind, void const* code) {
  if (g.is_freed) [[unlikely]] {
    explorer::working const on_behalf;
    explorer::the().wrong("memory is used after it has been freed, at " + place_in_code(code));
  }
  if (g.is_apart) return;
  memory_view const& t = explorer::the().view();
  auto const self = static_cast<std::uint8_t>(t.id);
  auto const now = t.now.happened.of(t.id);
  if (g.count != 0) {
    record const& r = g.records[g.count - 1u];  // the same again
    if (r.thread == self && r.time == now && r.bytes == bytes && r.kind >= kind) return;
  }
  std::uint8_t kept = 0;
  bool noted = false;
  for (std::uint8_t i = 0; i != g.count; ++i) {
    record r = g.records[i];
    if ((r.bytes & bytes) != 0) {
      if (r.thread == self) {
        // Of the same bytes: a write stands for reads before it, and each for itself.
        if ((r.bytes & ~bytes) == 0 && (kind == is_write || r.kind == is_read)) continue;
        if (r.kind == is_write && r.time == now && (bytes & ~r.bytes) == 0) noted = true;
      } else {
        bool const ordered = t.now.happened.covers(r.thread, r.time);
        if (!ordered && (kind == is_write || r.kind == is_write)) [[unlikely]]
          race(r, kind, code);
        if (ordered && kind == is_write && (r.bytes & ~bytes) == 0) continue;
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
  g.records[g.count++] = {now, offset_of(code), self, bytes, kind};
}

void touch_range(void const* at, std::size_t size, std::uint8_t kind, void const* code) {
  auto address = reinterpret_cast<std::uintptr_t>(at);
  while (size != 0) {
    auto const in = address % 8;
    auto const here = std::min<std::size_t>(8 - in, size);
    touch(known(address - in), static_cast<std::uint8_t>(((1u << here) - 1) << in), kind, code);
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
  for (auto a = first; a < end; a += 8) {
    granule& g = known(a);
    touch(g, 0xFF, is_write, __builtin_return_address(0));
    g.is_freed = true;
  }
}

}  // namespace

namespace plain_memory {

void begin_execution() noexcept {
  if (the_execution == last_execution) {
    std::fill(keys.begin(), keys.end(), 0);
    the_execution = 0;
  }
  ++the_execution;
  used = 0;
  no_memory_now = false;
}

void keep_apart(void const* variable) { known(reinterpret_cast<std::uintptr_t>(variable)).is_apart = true; }

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
  auto const address = reinterpret_cast<std::uintptr_t>(at) / 8 * 8;
  auto const i = find(address);
  return keys[i] == key_of(address) && granules[i].is_freed;
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
  if (explorer::watching()) touch_range(at, bytes, how == access::write ? is_write : is_read, code);
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
