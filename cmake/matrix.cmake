# cmake -P cmake/matrix.cmake: builds and runs every test with each compiler, optimisation, sanitizer and library that weft is held to, and
# measures the coverage. Hours on two cores. A row is a call of check.cmake, in build/matrix/<row>, with its log beside it.
#
# Before -P, all optional: -DONLY="row;row", -DTARGETS="unit_base;unit_os" (builds these alone, and runs the tests of no others),
# -DLINES=95 -DBRANCHES=90 (what the coverage must be at least, in percent), -DLIST=ON (says what the rows are, and no more).
#
# What is not installed is skipped, with its name; a row that fails stops no other. Ends with an error if any has failed, or none has run.
cmake_minimum_required(VERSION 3.24)
include("${CMAKE_CURRENT_LIST_DIR}/steps.cmake")

if(NOT LINES)
  set(LINES 95)
endif()
if(NOT BRANCHES)
  set(BRANCHES 90)
endif()

# weft_row(name [NEEDS program...] [FILES file...] [PACKAGE name] [ARGS -D...]): NEEDS and FILES are what PACKAGE of Debian's has.
set(rows)
macro(weft_row name)
  cmake_parse_arguments(row "" "PACKAGE" "NEEDS;FILES;ARGS" ${ARGN})
  list(APPEND rows ${name})
  foreach(part IN ITEMS PACKAGE NEEDS FILES ARGS)
    set(${name}_${part} "${row_${part}}")
  endforeach()
endmacro()

set(clang_19 NEEDS clang++-19 PACKAGE clang-19)
# Warnings of the compilers that CI builds with are errors, those of others are not.
set(werror -DWERROR=ON)
# What no option of a compiler changes is shown by one row of each compiler.
set(programs -DBENCHMARKS=OFF -DEXAMPLES=OFF -DBUILD_TARGETS=weft_tests "-DTEST_ARGS=-L unit|stress|zoo|sim|fault|fuzz")
weft_row(gcc-O0 NEEDS g++ PACKAGE g++ ARGS -DCOMPILER=g++ -DBUILD_TYPE=Debug ${werror})
weft_row(gcc-O2 NEEDS g++ PACKAGE g++ ARGS ${programs} -DCOMPILER=g++ -DBUILD_TYPE=None -DFLAGS=-O2 ${werror})
weft_row(gcc-O3 NEEDS g++ PACKAGE g++ ARGS ${programs} -DCOMPILER=g++ -DBUILD_TYPE=Release)
weft_row(gcc-asan-ubsan NEEDS g++ PACKAGE g++ ARGS ${programs} -DCOMPILER=g++ -DSANITIZE=address,undefined ${werror})
weft_row(clang-19 ${clang_19} ARGS -DCOMPILER=clang++-19 -DBUILD_TYPE=Release -DBENCHMARKS=OFF ${werror})
weft_row(clang-19-asan-ubsan ${clang_19} ARGS ${programs} -DCOMPILER=clang++-19 -DSANITIZE=address,undefined)
weft_row(clang-19-tsan ${clang_19} ARGS ${programs} -DCOMPILER=clang++-19 -DSANITIZE=thread "-DTEST_ARGS=-L unit|stress|zoo" ${werror})
# Clang has no shared library of this one, and its operator new takes the place of ours. g++'s crashes in its own list of
# threads where thousands come and go, and fails in the child of a fork; AddressSanitizer, which looks for leaks as well, runs those two.
weft_row(gcc-lsan NEEDS g++ PACKAGE g++ ARGS ${programs} -DCOMPILER=g++ -DSANITIZE=leak
  "-DTEST_ARGS=-L unit|stress|zoo|sim|fault|fuzz -E ^(unit_sched[.]fork|stress[.]pool_stress)$")
weft_row(clang-16 NEEDS clang++-16 PACKAGE clang-16 ARGS ${programs} -DCOMPILER=clang++-16 -DBUILD_TYPE=Release)
# Google Benchmark is built with libstdc++; Catch 2 is headers alone.
weft_row(clang-19-libc++ ${clang_19} FILES /usr/lib/llvm-19/include/c++/v1/version PACKAGE libc++-19-dev
  ARGS ${programs} -DCOMPILER=clang++-19 -DFLAGS=-stdlib=libc++ -DBUILD_TYPE=Release)
# What the processor does, but not in which order others see it: qemu on x86 keeps to the order of x86. Three files of tests ask qemu for what it does
# not do: to say that a program could not be executed, to hand on every real-time signal, to fork while it has threads.
weft_row(aarch64 NEEDS aarch64-linux-gnu-g++ qemu-aarch64 PACKAGE "g++-aarch64-linux-gnu qemu-user" ARGS ${programs} -DEMULATED=aarch64
  -DBUILD_TYPE=None -DFLAGS=-O1 "-DTEST_ARGS=-L unit|fuzz -E ^unit_(io[.](process|signal)|sched[.]fork)$")
# That both compilers say so in a sentence; nothing is built for it.
weft_row(gcc-no-exceptions NEEDS g++ PACKAGE g++ ARGS -DCOMPILER=g++ -DBUILD_TARGETS=none -DBENCHMARKS=OFF -DTEST_ARGS=-R\ exceptions_off)
weft_row(clang-no-exceptions ${clang_19} ARGS -DCOMPILER=clang++-19 -DBUILD_TARGETS=none -DBENCHMARKS=OFF -DTEST_ARGS=-R\ exceptions_off)
# Not what draws its programs, nor the model, whose atomics are not the library's. What is always inlined would have its branches once for each
# caller. A child that aborts writes its counts down with __gcov_dump.
weft_row(coverage NEEDS g++ gcovr python3 PACKAGE gcovr ARGS ${programs} -DCOMPILER=g++ -DBUILD_TYPE=None
  "-DFLAGS=-O0 --coverage -fprofile-update=atomic -Dalways_inline=noinline -Wl,-u,__gcov_dump" "-DTEST_ARGS=-L unit|sim|fault|fuzz|zoo")

if(LIST)
  list(JOIN rows "\n" rows)
  message("${rows}")
  return()
endif()

foreach(name IN LISTS ONLY)
  if(NOT name IN_LIST rows)
    message(FATAL_ERROR "there is no row ${name}; -DLIST=ON says which there are")
  endif()
endforeach()
if(NOT ONLY)
  set(ONLY ${rows})
endif()

# Sets `result` to what a row lacks, "" if nothing.
function(weft_missing name result)
  set(missing)
  foreach(program IN LISTS ${name}_NEEDS)
    find_program(found_program "${program}" NO_CACHE)
    if(NOT found_program)
      list(APPEND missing "${program}")
    endif()
    unset(found_program)
  endforeach()
  foreach(file IN LISTS ${name}_FILES)
    if(NOT EXISTS "${file}")
      list(APPEND missing "${file}")
    endif()
  endforeach()
  list(JOIN missing ", " missing)
  set(${result} "${missing}" PARENT_SCOPE)
endfunction()

# Lines and branches of include/weft that no test has been through. gcov.py says which branches count.
function(weft_report_coverage build log result)
  set(uncovered "${build}/uncovered.txt")
  execute_process(
    COMMAND gcovr --root "${root}" --filter "${root}/include/weft/" --object-directory "${build}"
      --gcov-executable "python3 '${CMAKE_CURRENT_FUNCTION_LIST_DIR}/gcov.py'" --exclude-unreachable-branches --txt "${uncovered}" --print-summary
      --fail-under-line ${LINES} --fail-under-branch ${BRANCHES} "${build}"
    WORKING_DIRECTORY "${build}"
    OUTPUT_VARIABLE summary ERROR_VARIABLE said RESULT_VARIABLE status)
  file(APPEND "${log}" "${summary}${said}")
  string(REGEX REPLACE "functions:[^\n]*\n" "" summary "${summary}")
  message("${summary}")
  if(EXISTS "${uncovered}")
    file(READ "${uncovered}" lines)
    message("${lines}")
  endif()
  set(${result} ${status} PARENT_SCOPE)
endfunction()

set(table)
set(failed_rows 0)
set(passed_rows 0)
foreach(name IN LISTS ONLY)
  weft_missing(${name} missing)
  if(missing)
    set(outcome "skipped: no ${missing} (Debian: apt-get install ${${name}_PACKAGE})")
    set(seconds -)
  else()
    set(build "${root}/build/matrix/${name}")
    set(log "${build}.log")
    set(chosen)
    if(TARGETS AND NOT ${name}_ARGS MATCHES "BUILD_TARGETS=none")
      list(JOIN TARGETS "|" tests)
      string(REPLACE ";" "\\;" targets "${TARGETS}")
      set(chosen "-DBUILD_TARGETS=${targets}" "-DTEST_ARGS=-R \"^(${tests})[.]\"")
    endif()
    message("\n=== ${name}, log in ${log}")
    file(MAKE_DIRECTORY "${root}/build/matrix")
    string(TIMESTAMP begun "%s" UTC)
    if(name STREQUAL coverage)
      # What an earlier run has counted is not this one's.
      file(GLOB_RECURSE counts "${build}/*.gcda")
      if(counts)
        file(REMOVE ${counts})
      endif()
    endif()
    execute_process(
      COMMAND "${CMAKE_COMMAND}" "-DBUILD_DIR=${build}" ${${name}_ARGS} ${chosen} -P "${CMAKE_CURRENT_LIST_DIR}/check.cmake"
      OUTPUT_FILE "${log}" ERROR_FILE "${log}" RESULT_VARIABLE status)
    set(outcome passed)
    if(NOT status EQUAL 0)
      execute_process(COMMAND tail -n 30 "${log}")
      set(outcome "FAILED, see ${log}")
    endif()
    if(name STREQUAL coverage)
      weft_report_coverage("${build}" "${log}" below)
      if("${outcome}" STREQUAL "passed" AND NOT below EQUAL 0)
        set(outcome "FAILED: less than ${LINES} % of lines or ${BRANCHES} % of branches")
      endif()
    endif()
    if("${outcome}" STREQUAL "passed")
      math(EXPR passed_rows "${passed_rows} + 1")
    else()
      math(EXPR failed_rows "${failed_rows} + 1")
    endif()
    string(TIMESTAMP now "%s" UTC)
    math(EXPR seconds "${now} - ${begun}")
  endif()
  string(APPEND table "| ${name} | ${outcome} | ${seconds} |\n")
endforeach()

message("\n| row | result | s |\n|---|---|---|\n${table}")
if(failed_rows GREATER 0)
  message(FATAL_ERROR "${failed_rows} failed")
elseif(passed_rows EQUAL 0)
  message(FATAL_ERROR "nothing was run")
endif()
