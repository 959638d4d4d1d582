// One direction of a handle: operations, events, a stop and a close meet in one word. The descriptor is the kernel's: a lock, and bytes.
#include <weft/concurrent/mutex.hpp>
#include <weft/coro/run.hpp>
#include <weft/io/readiness.hpp>

#include <model/model.hpp>

namespace {

using namespace weft::detail;
using weft_model::expect;
using weft_model::together;

/// What the kernel does under its locks comes in one order, and so does what is told of it.
class descriptor {
 public:
  void put() {
    small_lock const guard(lock_);
    expect(!closed_, "the descriptor is open");
    ++bytes_;
  }
  bool take() {
    small_lock const guard(lock_);
    expect(!closed_, "the descriptor is open");
    if (bytes_ == 0) return false;
    --bytes_;
    return true;
  }
  void close() {
    small_lock const guard(lock_);
    expect(!closed_, "it is closed once");
    closed_ = true;
  }
  [[nodiscard]] int left() const { return bytes_; }
  [[nodiscard]] bool closed() const { return closed_; }

 private:
  small_mutex lock_;
  int bytes_ = 0;        // guarded by lock_
  bool closed_ = false;  // guarded by lock_
};

/// The steps of io_operation. Those who take it out of the word tell it what has come, and fire it.
class reader {
 public:
  enum class ended { read, stopped, closed };

  reader(readiness& word, descriptor& d) : word_(word), descriptor_(d) {}

  [[nodiscard]] io_operation* name() noexcept { return reinterpret_cast<io_operation*>(this); }
  static void fire(io_operation* op, readiness::bits what) {
    if (!op) return;
    auto& me = *reinterpret_cast<reader*>(op);
    me.came_ = what;
    me.fired_->signal();  // Past here *op may be gone.
  }

  ended read() {
    readiness::bits known = 0;
    for (;;) {
      auto const how = word_.enter(known);
      if (how == readiness::entered::yes) break;
      if (how == readiness::entered::closed) return ended::closed;
      relax();
    }
    return read_on(known);
  }

  ended read_on(readiness::bits known) {
    for (;;) {
      if (descriptor_.take()) {
        leave(descriptor_more_);
        return ended::read;
      }
      one_end fired;
      fired_ = &fired;
      switch (word_.wait(name(), known)) {
        case readiness::waited::begun:
          fired.wait();
          known = came_;
          if (detached_) return ended::closed;
          if (stopped_) {
            leave(0);
            return ended::stopped;
          }
          break;
        case readiness::waited::ready: break;
        case readiness::waited::stopped: leave(0); return ended::stopped;
        case readiness::waited::closed: leave(0); return ended::closed;
      }
    }
  }

  /// By whoever asks to stop.
  void stop() {
    if (!word_.withdraw(name())) return;
    stopped_ = true;
    fired_->signal();
  }
  /// By whoever closes and has taken it out.
  static void detach(io_operation* op) {
    auto& me = *reinterpret_cast<reader*>(op);
    me.detached_ = true;
    me.fired_->signal();
  }

 private:
  void leave(readiness::bits keep) {
    if (word_.leave(keep) == readiness::left::closed) descriptor_.close();
  }

  readiness& word_;
  descriptor& descriptor_;
  readiness::bits descriptor_more_ = 0;
  one_end* fired_ = nullptr;
  readiness::bits came_ = 0;
  bool stopped_ = false, detached_ = false;
};

void happen(readiness& word, descriptor& d) {
  d.put();
  reader::fire(word.event(readiness::ready), readiness::ready);
}

void close(readiness& word, descriptor& d) {
  auto const [how, waiter] = word.close();
  expect(how != readiness::closing::already, "it is closed once");
  if (how == readiness::closing::nobody) d.close();
  if (waiter) reader::detach(waiter);
}

void one_event() {
  readiness word;
  word.reset(0);
  descriptor d;
  reader r(word, d);
  together([&] { happen(word, d); }, [&] { expect(r.read() == reader::ended::read, "it is read"); });
}
weft_model::part const p1("readiness: an event and a reader", one_event, {4, 4});

// The second may come while the bit of the first is there, has been taken, or the reader waits again.
void two_events() {
  readiness word;
  word.reset(readiness::ready);
  descriptor d;
  together([&] { happen(word, d), happen(word, d); },
           [&] {
             reader a(word, d), b(word, d);
             expect(a.read() == reader::ended::read && b.read() == reader::ended::read, "both are read");
           });
}
weft_model::part const p2("readiness: two events, one reader after the other", two_events, {3, 3});

// E2: what one operation did is there for the next, on another thread.
void two_readers() {
  readiness word;
  word.reset(0);
  descriptor d;
  int plain = 0;
  auto const read = [&] {
    readiness::bits known = 0;
    while (word.enter(known) != readiness::entered::yes) relax();
    ++plain;
    expect(word.leave(0) == readiness::left::open, "nobody closes it");
  };
  together(read, read);
  expect(plain == 2, "one at a time");
}
weft_model::part const p3("readiness: two operations, one at a time", two_readers, {4, 4});

void stopped() {
  readiness word;
  word.reset(0);
  descriptor d;
  reader r(word, d);
  auto how = reader::ended::read;
  atomic<bool> entered{false};
  together([&] { happen(word, d); },
           [&] {
             while (!entered.load(memory_order_acquire)) relax();
             r.stop();
           },
           [&] {
             readiness::bits known = 0;
             expect(word.enter(known) == readiness::entered::yes, "nobody else is there");
             entered.store(true, memory_order_release);
             how = r.read_on(known);
           });
  expect(d.left() == (how == reader::ended::read ? 0 : 1), "what was not read is left");
  // An event that came after the stop, or none: who reads next finds what is left.
  if (how == reader::ended::stopped) {
    reader next(word, d);
    expect(next.read() == reader::ended::read, "the next one reads it");
  }
}
weft_model::part const p4("readiness: an event and a stop", stopped, {3, 2});

// A reader, an event and a close: the descriptor is closed once, when nobody uses it any more.
void closed() {
  readiness word;
  word.reset(0);
  descriptor d;
  reader r(word, d);
  together([&] { reader::fire(word.event(readiness::ready), readiness::ready); }, [&] { close(word, d); },
           [&] { expect(r.read() == reader::ended::closed, "there is nothing to read"); });
  expect(d.closed(), "it is closed");
}
weft_model::part const p5("readiness: an event and a close", closed, {3, 2});

void stopped_and_closed() {
  readiness word;
  word.reset(0);
  descriptor d;
  reader r(word, d);
  atomic<bool> entered{false};
  together([&] { close(word, d); },
           [&] {
             while (!entered.load(memory_order_acquire)) relax();
             r.stop();
           },
           [&] {
             readiness::bits known = 0;
             bool const in = word.enter(known) == readiness::entered::yes;
             entered.store(true, memory_order_release);
             if (in) expect(r.read_on(known) != reader::ended::read, "there is nothing to read");
           });
  expect(d.closed(), "it is closed");
}
weft_model::part const p6("readiness: a stop and a close", stopped_and_closed, {3, 2});

// E3: what the event told of is there, where nothing but the word says so.
void carries_data() {
  readiness word;
  word.reset(0);
  int plain = 0;
  together(
      [&] {
        plain = 1;
        io_operation* const op = word.event(readiness::ready);
        if (op) reinterpret_cast<one_end*>(op)->signal();
      },
      [&] {
        one_end fired;
        readiness::bits known = 0;
        expect(word.enter(known) == readiness::entered::yes, "nobody else is there");
        if (known == 0) {
          auto const how = word.wait(reinterpret_cast<io_operation*>(&fired), known);
          if (how == readiness::waited::begun) fired.wait();
        }
        expect(plain == 1, "what was written before the event is there");
        expect(word.leave(0) == readiness::left::open, "nobody closes it");
      });
}
weft_model::part const p8("readiness: an event carries what was written before", carries_data, {4, 4});

// E2, for a close: what the last operation did comes before what the closer does.
void closed_after_use() {
  readiness word;
  word.reset(0);
  int plain = 0;
  together(
      [&] {
        readiness::bits known = 0;
        if (word.enter(known) != readiness::entered::yes) return;
        ++plain;
        if (word.leave(0) == readiness::left::closed) ++plain;
      },
      [&] {
        if (word.close().how == readiness::closing::nobody) ++plain;
      });
  expect(plain == 1 || plain == 2, "closed once");
}
weft_model::part const p9("readiness: a close after an operation", closed_after_use, {4, 4});

// E4: the watcher says that it has gone, and looks for who waits; who begins to wait looks whether it has gone. Nobody waits for ever.
void unwatched() {
  readiness word;
  word.reset(0);
  atomic<bool> alive{true};
  int fires = 0;
  together(
      [&] {
        alive.store(false, memory_order_relaxed);
        if (io_operation* const op = word.unwatched()) {
          ++fires;
          reinterpret_cast<one_end*>(op)->signal();
        }
      },
      [&] {
        one_end fired;
        readiness::bits known = 0;
        expect(word.enter(known) == readiness::entered::yes, "nobody else is there");
        auto* const me = reinterpret_cast<io_operation*>(&fired);
        while (word.wait(me, known) != readiness::waited::begun) {
          // A vain system call, and the bit is gone.
        }
        if (alive.load(memory_order_relaxed) || !word.take_out(me)) fired.wait();
        expect(word.leave(0) == readiness::left::open, "nobody closes it");
      });
  expect(fires <= 1, "fired at most once");
}
weft_model::part const p7("readiness: the watcher goes", unwatched, {4, 4});

}  // namespace
