option(WEFT_INSTALL "Install the headers and the CMake package" ${PROJECT_IS_TOP_LEVEL})
option(WEFT_BUILD_TESTS "Build the tests; needs Catch2" ${PROJECT_IS_TOP_LEVEL})
option(WEFT_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(WEFT_BUILD_BENCHMARKS "Build the benchmarks; needs Google Benchmark" ${PROJECT_IS_TOP_LEVEL})

option(WEFT_FETCH_DEPS "Download Catch2 and Google Benchmark where they are not installed" ON)
option(WEFT_BUILD_FUZZERS "With the tests, build the fuzzers; without libFuzzer they run their corpora alone" ON)
option(WEFT_WERROR "A warning in weft's tests, examples and benchmarks is an error" OFF)
set(WEFT_SANITIZE "" CACHE STRING "Sanitizers for weft's tests and examples, e.g. address;undefined or thread")
