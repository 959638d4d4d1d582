# cmake -P cmake/check.cmake: configures, builds and runs every test.
#
# Before -P, all optional: -DBUILD_DIR=build/check, -DBUILD_TYPE=Debug, -DCOMPILER=clang++-19,
# -DSANITIZE=address,undefined, -DWERROR=ON, -DBENCHMARKS=OFF, -DEXAMPLES=OFF, -DTEST_ARGS="-L unit" (for ctest), -DFLAGS="-O2" (for the
# compiler), -DBUILD_TARGETS="unit_base;unit_os" (these alone are built; "none": nothing is), -DEMULATED=aarch64 (for that processor, run by
# qemu). What has not been built is not to be asked of ctest.
cmake_minimum_required(VERSION 3.24)
include("${CMAKE_CURRENT_LIST_DIR}/steps.cmake")

if(NOT BUILD_DIR)
  set(BUILD_DIR build/check)
endif()
cmake_path(ABSOLUTE_PATH BUILD_DIR BASE_DIRECTORY "${root}")
if(NOT BUILD_TYPE)
  set(BUILD_TYPE Debug)
endif()
if(NOT DEFINED BENCHMARKS)
  set(BENCHMARKS ON)
endif()
if(NOT DEFINED EXAMPLES)
  set(EXAMPLES ON)
endif()
if(COMPILER)
  set(compiler "-DCMAKE_CXX_COMPILER=${COMPILER}")
endif()
if(EMULATED)
  include("${CMAKE_CURRENT_LIST_DIR}/emulate.cmake")
  emulate(${EMULATED} "${BUILD_DIR}" compiler)
endif()
separate_arguments(TEST_ARGS UNIX_COMMAND "${TEST_ARGS}")

# Enough for the lines of a report.
configure("${BUILD_DIR}" ${compiler} -DWEFT_BATCH_TESTS=ON -DCMAKE_CXX_FLAGS_DEBUG=-g1 -DCMAKE_BUILD_TYPE=${BUILD_TYPE} -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
  "-DWEFT_SANITIZE=${SANITIZE}" "-DWEFT_WERROR=${WERROR}"
  "-DCMAKE_CXX_FLAGS=${FLAGS}"
  -DWEFT_BUILD_TESTS=ON -DWEFT_BUILD_EXAMPLES=${EXAMPLES} -DWEFT_BUILD_BENCHMARKS=${BENCHMARKS})

file(STRINGS "${BUILD_DIR}/CMakeCache.txt" left_out REGEX "^WEFT_LEFT_OUT:INTERNAL=.")
if(left_out AND NOT EMULATED)
  string(REGEX REPLACE "^[^=]*=" "" left_out "${left_out}")
  message(FATAL_ERROR "Not every test can be built: ${left_out}. On Debian: apt-get install catch2 libbenchmark-dev libssl-dev openssl")
endif()

if(NOT BUILD_TARGETS)
  build("${BUILD_DIR}")
elseif(NOT BUILD_TARGETS STREQUAL none)
  build("${BUILD_DIR}" --target ${BUILD_TARGETS})
endif()
run("${CMAKE_CTEST_COMMAND}" --test-dir "${BUILD_DIR}" --parallel ${jobs} --output-on-failure --no-tests=error ${TEST_ARGS})
