// Catch2, whichever is there: version 3, or version 2 with the names of version 3 that our tests use.
// Its assertions belong on the thread that runs the test case: other threads hand their findings over to it.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>

#include <string>

namespace Catch::Matchers {
inline auto ContainsSubstring(std::string const& text) { return Contains(text); }
}  // namespace Catch::Matchers
#endif
