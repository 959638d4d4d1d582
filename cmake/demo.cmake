# cmake -P cmake/demo.cmake: builds examples/seek and searches this tree with it.
cmake_minimum_required(VERSION 3.24)
include("${CMAKE_CURRENT_LIST_DIR}/steps.cmake")

set(folder "${root}/build/demo")
configure("${folder}" -DCMAKE_BUILD_TYPE=Release
  -DWEFT_BUILD_EXAMPLES=ON -DWEFT_BUILD_TESTS=OFF -DWEFT_BUILD_BENCHMARKS=OFF)
build("${folder}" --target seek)

file(GLOB tree RELATIVE "${root}" "${root}/*")
list(REMOVE_ITEM tree build .git)
message("\nseek --stats parallel_for, in ${root}:\n")
execute_process(COMMAND "${folder}/examples/seek" --stats parallel_for ${tree} WORKING_DIRECTORY "${root}"
  COMMAND_ERROR_IS_FATAL ANY)
