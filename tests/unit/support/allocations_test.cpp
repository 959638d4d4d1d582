#include "support/allocations.hpp"

#include "support/catch.hpp"

#include <new>

TEST_CASE("operator new counts in this build, so that checks of what is left check something") {
  auto const before = weft_test::live_allocations();
  auto const calls = weft_test::allocation_count();
  void* const block = ::operator new(100);
  auto const during = weft_test::live_allocations();
  ::operator delete(block);
  auto const after = weft_test::live_allocations();
  CHECK(weft_test::allocation_count() == calls + 1);
  CHECK(during.blocks == before.blocks + 1);
  CHECK(during.bytes >= before.bytes + 100);
  CHECK((after == before));
}

TEST_CASE("an allocation fails when it is told to, once") {
  bool refused = false, early = true, happened = false;
  {
    weft_test::failing_allocation const second(1);
    ::operator delete(::operator new(1));
    early = second.happened();
    try {
      ::operator delete(::operator new(1));
    } catch (std::bad_alloc const&) {
      refused = true;
    }
    happened = second.happened();
    ::operator delete(::operator new(1));
  }
  CHECK_FALSE(early);
  CHECK(refused);
  CHECK(happened);
}
