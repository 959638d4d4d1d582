// The small programs by which memory models are told apart, and exactly what C++20 lets each of them come to.
#include <model/model.hpp>
#include <string>

namespace {

using namespace weft_model;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;
using order = std::memory_order;

template <class... Values>
void saw(Values... values) {
  std::string text;
  ((text += std::to_string(values) + ' '), ...);
  text.pop_back();
  outcome(text);
}

void no_fence() {}
template <order O>
void fenced() {
  fence(O);
}

// ── store buffering: x = 1, r1 = y  ∥  y = 1, r2 = x ──

template <order Store, order Load, void (*Between)() = no_fence>
void store_buffering() {
  atomic<int> x{0}, y{0};
  int r1 = 0, r2 = 0;
  together([&] { x.store(1, Store), Between(), r1 = y.load(Load); },
           [&] { y.store(1, Store), Between(), r2 = x.load(Load); });
  saw(r1, r2);
}
litmus const sb1("litmus: SB, relaxed", store_buffering<memory_order_relaxed, memory_order_relaxed>,
                 {"0 0", "0 1", "1 0", "1 1"});
litmus const sb2("litmus: SB, release and acquire", store_buffering<memory_order_release, memory_order_acquire>,
                 {"0 0", "0 1", "1 0", "1 1"});
litmus const sb3("litmus: SB, seq_cst", store_buffering<memory_order_seq_cst, memory_order_seq_cst>,
                 {"0 1", "1 0", "1 1"});
litmus const sb4("litmus: SB, seq_cst stores, acquire loads",
                 store_buffering<memory_order_seq_cst, memory_order_acquire>, {"0 0", "0 1", "1 0", "1 1"});
litmus const sb5("litmus: SB, release stores, seq_cst loads",
                 store_buffering<memory_order_release, memory_order_seq_cst>, {"0 0", "0 1", "1 0", "1 1"});
litmus const sb6("litmus: SB, seq_cst fences",
                 store_buffering<memory_order_relaxed, memory_order_relaxed, fenced<memory_order_seq_cst>>,
                 {"0 1", "1 0", "1 1"});
litmus const sb7("litmus: SB, acq_rel fences",
                 store_buffering<memory_order_relaxed, memory_order_relaxed, fenced<memory_order_acq_rel>>,
                 {"0 0", "0 1", "1 0", "1 1"});

void store_buffering_exchange() {
  atomic<int> x{0}, y{0};
  int r1 = 0, r2 = 0;
  together([&] { x.exchange(1, memory_order_seq_cst), r1 = y.fetch_add(0, memory_order_seq_cst); },
           [&] { y.exchange(1, memory_order_seq_cst), r2 = x.fetch_add(0, memory_order_seq_cst); });
  saw(r1, r2);
}
litmus const sb8("litmus: SB, seq_cst read-modify-writes", store_buffering_exchange, {"0 1", "1 0", "1 1"});

// The fetch_add stands in modification order before or behind the other's store; either way one of the two sees the other.
void store_buffering_acq_rel_update() {
  atomic<int> x{0}, y{0};
  int r1 = 0, r2 = 0;
  together([&] { x.store(1, memory_order_relaxed), r1 = y.fetch_add(10, memory_order_acq_rel); },
           [&] { y.fetch_add(1, memory_order_acq_rel), r2 = x.load(memory_order_relaxed); });
  saw(r1, r2);
}
litmus const sb9("litmus: SB, both through one acq_rel object", store_buffering_acq_rel_update, {"0 1", "1 0", "1 1"});

// ── message passing: data = 1, flag = 1  ∥  r1 = flag, r2 = data ──

template <order Store, order Load, void (*Publish)() = no_fence, void (*Take)() = no_fence,
          order Data = memory_order_relaxed>
void message_passing() {
  atomic<int> data{0}, flag{0};
  int r1 = 0, r2 = 0;
  together([&] { data.store(1, Data), Publish(), flag.store(1, Store); },
           [&] { r1 = flag.load(Load), Take(), r2 = data.load(Data); });
  saw(r1, r2);
}
litmus const mp1("litmus: MP, relaxed", message_passing<memory_order_relaxed, memory_order_relaxed>,
                 {"0 0", "0 1", "1 0", "1 1"});
litmus const mp2("litmus: MP, release and acquire", message_passing<memory_order_release, memory_order_acquire>,
                 {"0 0", "0 1", "1 1"});
litmus const mp3("litmus: MP, release and relaxed", message_passing<memory_order_release, memory_order_relaxed>,
                 {"0 0", "0 1", "1 0", "1 1"});
litmus const mp4("litmus: MP, relaxed and acquire", message_passing<memory_order_relaxed, memory_order_acquire>,
                 {"0 0", "0 1", "1 0", "1 1"});
litmus const mp5("litmus: MP, fences",
                 message_passing<memory_order_relaxed, memory_order_relaxed, fenced<memory_order_release>,
                                 fenced<memory_order_acquire>>,
                 {"0 0", "0 1", "1 1"});
litmus const mp6("litmus: MP, release fence and acquire load",
                 message_passing<memory_order_relaxed, memory_order_acquire, fenced<memory_order_release>>,
                 {"0 0", "0 1", "1 1"});
litmus const mp7("litmus: MP, release store and acquire fence",
                 message_passing<memory_order_release, memory_order_relaxed, no_fence, fenced<memory_order_acquire>>,
                 {"0 0", "0 1", "1 1"});
litmus const mp8("litmus: MP, release fence alone",
                 message_passing<memory_order_relaxed, memory_order_relaxed, fenced<memory_order_release>>,
                 {"0 0", "0 1", "1 0", "1 1"});
// seq_cst data does not make a relaxed flag carry it: S need not follow the flag.
litmus const mp9("litmus: MP, seq_cst data, relaxed flag",
                 message_passing<memory_order_relaxed, memory_order_relaxed, no_fence, no_fence, memory_order_seq_cst>,
                 {"0 0", "0 1", "1 0", "1 1"});
litmus const mp10("litmus: MP, seq_cst", message_passing<memory_order_seq_cst, memory_order_seq_cst>,
                  {"0 0", "0 1", "1 1"});

// ── load buffering: r1 = x, y = 1  ∥  r2 = y, x = 1. No value comes out of thin air: not both ──

template <order Load, order Store>
void load_buffering() {
  atomic<int> x{0}, y{0};
  int r1 = 0, r2 = 0;
  together([&] { r1 = x.load(Load), y.store(1, Store); }, [&] { r2 = y.load(Load), x.store(1, Store); });
  saw(r1, r2);
}
litmus const lb1("litmus: LB, relaxed", load_buffering<memory_order_relaxed, memory_order_relaxed>,
                 {"0 0", "0 1", "1 0"});
litmus const lb2("litmus: LB, acquire and release", load_buffering<memory_order_acquire, memory_order_release>,
                 {"0 0", "0 1", "1 0"});

// ── independent reads of independent writes ──

template <order Store, order Load, void (*Between)() = no_fence>
void independent_reads() {
  atomic<int> x{0}, y{0};
  int r1 = 0, r2 = 0, r3 = 0, r4 = 0;
  together([&] { x.store(1, Store); }, [&] { y.store(1, Store); },
           [&] { r1 = x.load(Load), Between(), r2 = y.load(Load); },
           [&] { r3 = y.load(Load), Between(), r4 = x.load(Load); });
  saw(r1, r2, r3, r4);
}
#define ALL_BUT_OPPOSITE                                                                                        \
  "0 0 0 0", "0 0 0 1", "0 0 1 0", "0 0 1 1", "0 1 0 0", "0 1 0 1", "0 1 1 0", "0 1 1 1", "1 0 0 0", "1 0 0 1", \
      "1 0 1 1", "1 1 0 0", "1 1 0 1", "1 1 1 0", "1 1 1 1"
litmus const iriw1("litmus: IRIW, release and acquire", independent_reads<memory_order_release, memory_order_acquire>,
                   {ALL_BUT_OPPOSITE, "1 0 1 0"});
litmus const iriw2("litmus: IRIW, seq_cst", independent_reads<memory_order_seq_cst, memory_order_seq_cst>,
                   {ALL_BUT_OPPOSITE});
litmus const iriw3("litmus: IRIW, relaxed, seq_cst fences",
                   independent_reads<memory_order_relaxed, memory_order_relaxed, fenced<memory_order_seq_cst>>,
                   {ALL_BUT_OPPOSITE});
litmus const iriw4("litmus: IRIW, seq_cst stores, acquire loads",
                   independent_reads<memory_order_seq_cst, memory_order_acquire>, {ALL_BUT_OPPOSITE, "1 0 1 0"});

// ── 2+2W: x = 1, y = 2  ∥  y = 1, x = 2; in the end, x and y ──

template <order Store>
void two_and_two_writes() {
  atomic<int> x{0}, y{0};
  together([&] { x.store(1, Store), y.store(2, Store); }, [&] { y.store(1, Store), x.store(2, Store); });
  saw(x.load(memory_order_relaxed), y.load(memory_order_relaxed));
}
litmus const w1("litmus: 2+2W, relaxed", two_and_two_writes<memory_order_relaxed>, {"1 1", "1 2", "2 1", "2 2"});
litmus const w2("litmus: 2+2W, release", two_and_two_writes<memory_order_release>, {"1 1", "1 2", "2 1", "2 2"});
litmus const w3("litmus: 2+2W, seq_cst", two_and_two_writes<memory_order_seq_cst>, {"1 2", "2 1", "2 2"});

// ── release sequences: data = 1, x = 1 released; then what follows in modification order ──

void own_later_store() {
  atomic<int> data{0}, x{0};
  int r1 = 0, r2 = 0;
  together(
      [&] {
        data.store(1, memory_order_relaxed);
        x.store(1, memory_order_release);
        x.store(2, memory_order_relaxed);  // no part of the sequence since C++20
      },
      [&] { r1 = x.load(memory_order_acquire), r2 = data.load(memory_order_relaxed); });
  saw(r1, r2);
}
litmus const rs1("litmus: release sequence, own later store", own_later_store, {"0 0", "0 1", "1 1", "2 0", "2 1"});

template <order Update>
void updated_by_another() {
  atomic<int> data{0}, x{0};
  int r1 = 0, r2 = 0;
  together([&] { data.store(1, memory_order_relaxed), x.store(1, memory_order_release); },
           [&] { x.fetch_add(10, Update); },
           [&] { r1 = x.load(memory_order_acquire), r2 = data.load(memory_order_relaxed); });
  saw(r1, r2);
}
litmus const rs2("litmus: release sequence, relaxed update by another", updated_by_another<memory_order_relaxed>,
                 {"0 0", "0 1", "1 1", "10 0", "10 1", "11 1"});

void stored_by_another() {
  atomic<int> data{0}, x{0};
  int r1 = 0, r2 = 0;
  together([&] { data.store(1, memory_order_relaxed), x.store(1, memory_order_release); },
           [&] { x.load(memory_order_relaxed), x.store(2, memory_order_relaxed); },
           [&] { r1 = x.load(memory_order_acquire), r2 = data.load(memory_order_relaxed); });
  saw(r1, r2);
}
litmus const rs3("litmus: release sequence, store by another", stored_by_another, {"0 0", "0 1", "1 1", "2 0", "2 1"});

// ── coherence of one object ──

void read_read() {
  atomic<int> x{0};
  int r1 = 0, r2 = 0;
  together([&] { x.store(1, memory_order_relaxed); },
           [&] { r1 = x.load(memory_order_relaxed), r2 = x.load(memory_order_relaxed); });
  saw(r1, r2);
}
litmus const co1("litmus: CoRR", read_read, {"0 0", "0 1", "1 1"});

void read_read_of_two() {
  atomic<int> x{0};
  int r1 = 0, r2 = 0, r3 = 0, r4 = 0;
  together([&] { x.store(1, memory_order_relaxed); }, [&] { x.store(2, memory_order_relaxed); },
           [&] { r1 = x.load(memory_order_relaxed), r2 = x.load(memory_order_relaxed); },
           [&] { r3 = x.load(memory_order_relaxed), r4 = x.load(memory_order_relaxed); });
  if (r1 != 0 && r2 != 0 && r1 != r2 && r3 != 0 && r4 != 0 && r3 != r4) saw(r1 == r3);
  else outcome("other");
}
litmus const co2("litmus: CoRR2, readers agree on the order of two stores", read_read_of_two, {"1", "other"});

void write_read() {
  atomic<int> x{0};
  int r = 0;
  together([&] { x.store(1, memory_order_relaxed), r = x.load(memory_order_relaxed); },
           [&] { x.store(2, memory_order_relaxed); });
  saw(r, x.load(memory_order_relaxed));
}
litmus const co3("litmus: CoWR", write_read, {"1 1", "1 2", "2 2"});

void read_write() {
  atomic<int> x{0};
  int r = 0;
  together([&] { r = x.load(memory_order_relaxed), x.store(1, memory_order_relaxed); },
           [&] { x.store(2, memory_order_relaxed); });
  saw(r, x.load(memory_order_relaxed));
}
litmus const co4("litmus: CoRW", read_write, {"0 1", "0 2", "2 1"});

void updates_are_atomic() {
  atomic<int> x{0};
  int r1 = 0, r2 = 0, r3 = 0;
  together([&] { r1 = x.fetch_add(1, memory_order_relaxed); }, [&] { r2 = x.fetch_add(1, memory_order_relaxed); },
           [&] { r3 = x.fetch_add(1, memory_order_relaxed); });
  saw(r1, r2, r3, x.load(memory_order_relaxed));
}
litmus const at1("litmus: updates are atomic", updates_are_atomic,
                 {"0 1 2 3", "0 2 1 3", "1 0 2 3", "1 2 0 3", "2 0 1 3", "2 1 0 3"});

void one_exchange_wins() {
  atomic<int> x{0};
  bool a = false, b = false;
  together(
      [&] {
        int e = 0;
        a = x.compare_exchange_strong(e, 1, memory_order_relaxed);
      },
      [&] {
        int e = 0;
        b = x.compare_exchange_strong(e, 2, memory_order_relaxed);
      });
  saw(a, b);
}
litmus const at2("litmus: one strong compare-exchange wins", one_exchange_wins, {"0 1", "1 0"});

void weak_may_fail() {
  atomic<int> x{0};
  int e = 0;
  saw(x.compare_exchange_weak(e, 1, memory_order_relaxed), e);
}
litmus const at3("litmus: a weak compare-exchange may fail", weak_may_fail, {"0 0", "1 0"});

// ── chains ──

template <order Store, order Load>
void write_to_read_causality() {
  atomic<int> x{0}, y{0};
  int r1 = 0, r2 = 0, r3 = 0;
  together([&] { x.store(1, memory_order_relaxed); }, [&] { r1 = x.load(memory_order_relaxed), y.store(1, Store); },
           [&] { r2 = y.load(Load), r3 = x.load(memory_order_relaxed); });
  saw(r1, r2, r3);
}
litmus const wrc1("litmus: WRC, release and acquire",
                  write_to_read_causality<memory_order_release, memory_order_acquire>,
                  {"0 0 0", "0 0 1", "0 1 0", "0 1 1", "1 0 0", "1 0 1", "1 1 1"});
litmus const wrc2("litmus: WRC, relaxed", write_to_read_causality<memory_order_relaxed, memory_order_relaxed>,
                  {"0 0 0", "0 0 1", "0 1 0", "0 1 1", "1 0 0", "1 0 1", "1 1 0", "1 1 1"});

// S: x = 2, y = 1  ∥  r = y, x = 1; in the end, x
template <order Store, order Load>
void store_after_message() {
  atomic<int> x{0}, y{0};
  int r = 0;
  together([&] { x.store(2, memory_order_relaxed), y.store(1, Store); },
           [&] { r = y.load(Load), x.store(1, memory_order_relaxed); });
  saw(r, x.load(memory_order_relaxed));
}
litmus const s1("litmus: S, relaxed: a store goes before one that was read about",
                store_after_message<memory_order_relaxed, memory_order_relaxed>, {"0 1", "0 2", "1 1", "1 2"});
litmus const s2("litmus: S, release and acquire", store_after_message<memory_order_release, memory_order_acquire>,
                {"0 1", "0 2", "1 1"});

// R: x = 1, y = 1  ∥  y = 2, r = x; in the end, y
template <order O, order Load>
void store_then_read() {
  atomic<int> x{0}, y{0};
  int r = 0;
  together([&] { x.store(1, O), y.store(1, O); }, [&] { y.store(2, O), r = x.load(Load); });
  saw(y.load(memory_order_relaxed), r);
}
litmus const sr1("litmus: R, seq_cst", store_then_read<memory_order_seq_cst, memory_order_seq_cst>,
                 {"1 0", "1 1", "2 1"});
litmus const sr2("litmus: R, release and acquire", store_then_read<memory_order_release, memory_order_acquire>,
                 {"1 0", "1 1", "2 0", "2 1"});

// C++20 lets S go against happens-before where an acquire or release that is not seq_cst stands between (P0668): "1 3 0" is possible.
void seq_cst_and_release() {
  atomic<int> x{0}, y{0};
  int r1 = 0, r2 = 0, r3 = 0;
  together([&] { x.store(1, memory_order_seq_cst), y.store(1, memory_order_release); },
           [&] { r1 = y.fetch_add(1, memory_order_seq_cst), r2 = y.load(memory_order_relaxed); },
           [&] { y.store(3, memory_order_seq_cst), r3 = x.load(memory_order_seq_cst); });
  if (r1 == 1 && r2 == 3) saw(r3);
  else outcome("other");
}
litmus const z6("litmus: Z6.U, seq_cst against a release", seq_cst_and_release, {"0", "1", "other"});

void seq_cst_throughout() {
  atomic<int> x{0}, y{0};
  int r1 = 0, r2 = 0, r3 = 0;
  together([&] { x.store(1, memory_order_seq_cst), y.store(1, memory_order_seq_cst); },
           [&] { r1 = y.fetch_add(1, memory_order_seq_cst), r2 = y.load(memory_order_relaxed); },
           [&] { y.store(3, memory_order_seq_cst), r3 = x.load(memory_order_seq_cst); });
  if (r1 == 1 && r2 == 3) saw(r3);
  else outcome("other");
}
litmus const z7("litmus: Z6.U, seq_cst throughout", seq_cst_throughout, {"1", "other"});

}  // namespace
