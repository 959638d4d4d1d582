# cmake -DPROGRAM= -DSOURCE= -P run_example.cmake: PROGRAM prints what SOURCE promises after its line "// Output:".
cmake_minimum_required(VERSION 3.24)
file(READ "${SOURCE}" source)
if(NOT source MATCHES "\n// Output:\n(.+)$")
  message(FATAL_ERROR "${SOURCE} promises nothing: it has no line \"// Output:\"")
endif()
string(REGEX REPLACE "(^|\n)// ?" "\\1" expected "${CMAKE_MATCH_1}")

execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "expected:\n${expected}\nprinted:\n${printed}")
endif()
