// expect-error: guard
#include <weft/weft.hpp>

// The mutex itself does not say that it is held; a guard does.
weft::task<> waits(weft::condition_variable& cv, weft::mutex& m) { co_await cv.wait(m); }

int main() {
  weft::condition_variable cv;
  weft::mutex m;
  weft::run(waits(cv, m));
}
