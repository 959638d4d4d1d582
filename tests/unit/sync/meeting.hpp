// A place where two tasks meet and exchange a number: the smallest rendezvous that can be built on sync/waiter.hpp.
#pragma once

#include <weft/concurrent/mutex.hpp>
#include <weft/sync/waiter.hpp>

namespace weft_test {

/// co_await place.meet(7): what the other one has brought. Two cases of one select do not meet each other.
class meeting {
  struct node : weft::detail::waiter {
    using waiter::waiter;
    int brought = 0, got = 0;
  };

 public:
  class [[nodiscard]] operation : public weft::detail::waitable_operation<operation> {
   public:
    using node = meeting::node;
    operation(meeting& m, int brought) noexcept : meeting_(&m), brought_(brought) {}

    bool try_complete() noexcept {
      weft::detail::waiter* theirs = nullptr;
      {
        weft::detail::small_lock const locked(meeting_->lock_);
        theirs = meeting_->waiting_.pop_claimed();
        if (theirs) exchange(*static_cast<node*>(theirs));
      }
      if (theirs) theirs->fire();
      return theirs != nullptr;
    }

    weft::detail::enqueued enqueue(node& mine) noexcept {
      weft::detail::waiter* theirs = nullptr;
      {
        weft::detail::small_lock const locked(meeting_->lock_);
        theirs = meeting_->waiting_.pop_for(mine);
        if (!theirs && mine.owner().claimed()) return weft::detail::enqueued::lost;
        if (theirs) {
          exchange(*static_cast<node*>(theirs));
        } else {
          mine.brought = brought_;
          mine_ = &mine;
          meeting_->waiting_.push_back(&mine);
        }
      }
      if (!theirs) return weft::detail::enqueued::waits;
      theirs->fire();
      return weft::detail::enqueued::completed;
    }

    weft::detail::left withdraw(node& mine) noexcept {
      weft::detail::small_lock const locked(meeting_->lock_);
      meeting_->waiting_.leave(mine);
      return weft::detail::left::now;
    }

    int take() const noexcept { return mine_ ? mine_->got : got_; }

   private:
    void exchange(node& theirs) noexcept {
      theirs.got = brought_;
      got_ = theirs.brought;
    }

    meeting* meeting_;
    int brought_;
    int got_ = 0;
    node* mine_ = nullptr;
  };

  operation meet(int brought) noexcept { return operation(*this, brought); }

 private:
  weft::detail::small_mutex lock_;
  weft::detail::waiter_queue waiting_;  // guarded by lock_
};

}  // namespace weft_test
