// The functions that -fsanitize=thread makes a compiler call. The models are compiled with it and linked without its run-time library:
// these stand in its place, so that every plain access of the library's own headers is watched.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <model/explorer.hpp>

namespace {

using weft_model::access;
using weft_model::note_access;
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

}  // namespace

#define WEFT_MODEL_CODE __builtin_return_address(0)
#define WEFT_MODEL_ACCESS(name, bytes, how) \
  void __tsan_##name(void* p) { note_access(p, bytes, access::how, WEFT_MODEL_CODE); }
#define WEFT_MODEL_BOTH(name, bytes)                       \
  void __tsan_##name(void* p) {                            \
    note_access(p, bytes, access::read, WEFT_MODEL_CODE);  \
    note_access(p, bytes, access::write, WEFT_MODEL_CODE); \
  }
#define WEFT_MODEL_SIZE(n)                        \
  WEFT_MODEL_ACCESS(read##n, n, read)             \
  WEFT_MODEL_ACCESS(write##n, n, write)           \
  WEFT_MODEL_ACCESS(unaligned_read##n, n, read)   \
  WEFT_MODEL_ACCESS(unaligned_write##n, n, write) \
  WEFT_MODEL_ACCESS(volatile_read##n, n, read)    \
  WEFT_MODEL_ACCESS(volatile_write##n, n, write)  \
  WEFT_MODEL_BOTH(read_write##n, n)               \
  WEFT_MODEL_BOTH(unaligned_read_write##n, n)

// Atomics that are not the policy's: the fork counter's and the C++ library's own. They are steps of nobody, and touch no history.
#define WEFT_MODEL_ATOMIC(bits)                                                                             \
  u##bits __tsan_atomic##bits##_load(u##bits const volatile* p, int) { return *p; }                         \
  void __tsan_atomic##bits##_store(u##bits volatile* p, u##bits v, int) { *p = v; }                         \
  u##bits __tsan_atomic##bits##_exchange(u##bits volatile* p, u##bits v, int) {                             \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                     \
  }                                                                                                         \
  u##bits __tsan_atomic##bits##_fetch_add(u##bits volatile* p, u##bits v, int) {                            \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                         \
  u##bits __tsan_atomic##bits##_fetch_sub(u##bits volatile* p, u##bits v, int) {                            \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_strong(u##bits volatile* p, u##bits* e, u##bits v, int, int) { \
    return __atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                 \
  }                                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_weak(u##bits volatile* p, u##bits* e, u##bits v, int, int) {   \
    return __atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                 \
  }

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_ignore_thread_begin() {}
void __tsan_ignore_thread_end() {}

WEFT_MODEL_ACCESS(read1, 1, read)
WEFT_MODEL_ACCESS(write1, 1, write)
WEFT_MODEL_BOTH(read_write1, 1)
WEFT_MODEL_ACCESS(volatile_read1, 1, read)
WEFT_MODEL_ACCESS(volatile_write1, 1, write)
WEFT_MODEL_SIZE(2)
WEFT_MODEL_SIZE(4)
WEFT_MODEL_SIZE(8)
WEFT_MODEL_SIZE(16)
WEFT_MODEL_ACCESS(vptr_read, sizeof(void*), read)

void __tsan_vptr_update(void** p, void* value) {
  if (*p != value) note_access(p, sizeof(void*), access::write, WEFT_MODEL_CODE);
}
void __tsan_read_range(void* p, unsigned long n) { note_access(p, n, access::read, WEFT_MODEL_CODE); }
void __tsan_write_range(void* p, unsigned long n) { note_access(p, n, access::write, WEFT_MODEL_CODE); }

void* __tsan_memcpy(void* to, void const* from, unsigned long n) {
  note_access(from, n, access::read, WEFT_MODEL_CODE);
  note_access(to, n, access::write, WEFT_MODEL_CODE);
  return std::memcpy(to, from, n);
}
void* __tsan_memmove(void* to, void const* from, unsigned long n) {
  note_access(from, n, access::read, WEFT_MODEL_CODE);
  note_access(to, n, access::write, WEFT_MODEL_CODE);
  return std::memmove(to, from, n);
}
void* __tsan_memset(void* to, int value, unsigned long n) {
  note_access(to, n, access::write, WEFT_MODEL_CODE);
  return std::memset(to, value, n);
}

WEFT_MODEL_ATOMIC(8)
WEFT_MODEL_ATOMIC(16)
WEFT_MODEL_ATOMIC(32)
WEFT_MODEL_ATOMIC(64)

// An execution with a fence would be judged without it.
void __tsan_atomic_thread_fence(int) {
  std::fputs("a fence, which the checker does not follow: say the order at the atomic\n", stderr);
  std::abort();
}
void __tsan_atomic_signal_fence(int) {}

}  // extern "C"
