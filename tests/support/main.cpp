#define CATCH_CONFIG_RUNNER  // Catch 2: this file holds Catch itself.
#include "support/catch.hpp"

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
