# What the benchmarks are compared with, looked for once. What is not installed is left out. Nothing is downloaded, and a compiler of
# another language that fails costs a warning, never the build.
find_package(Threads REQUIRED)
find_program(WEFT_CARGO cargo)
find_program(WEFT_GO go)
find_program(WEFT_NODE NAMES node nodejs)
find_program(WEFT_PYTHON python3)
find_path(WEFT_ASIO asio.hpp)
find_path(WEFT_LIBUV uv.h)
find_library(WEFT_LIBUV_LIBRARY uv)
mark_as_advanced(WEFT_CARGO WEFT_GO WEFT_NODE WEFT_PYTHON WEFT_ASIO WEFT_LIBUV WEFT_LIBUV_LIBRARY)

if(WEFT_ASIO)
  add_library(weft_asio INTERFACE)
  target_compile_features(weft_asio INTERFACE cxx_std_20)
  target_include_directories(weft_asio SYSTEM INTERFACE "${WEFT_ASIO}")
  # Older ones know of coroutines with GCC alone.
  target_compile_definitions(weft_asio INTERFACE ASIO_HAS_CO_AWAIT ASIO_HAS_STD_COROUTINE)
endif()
if(WEFT_LIBUV AND WEFT_LIBUV_LIBRARY)
  add_library(weft_libuv INTERFACE)
  target_compile_features(weft_libuv INTERFACE cxx_std_20)
  target_include_directories(weft_libuv SYSTEM INTERFACE "${WEFT_LIBUV}")
  target_link_libraries(weft_libuv INTERFACE "${WEFT_LIBUV_LIBRARY}")
endif()

# weft_build_rival(PROGRAM FOLDER SOURCES... COMMAND...): PROGRAM, in the current build folder, by COMMAND run in FOLDER. Of several commands
# AND stands between.
function(weft_build_rival program folder)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "SOURCES;COMMAND")
  set(file "${CMAKE_CURRENT_BINARY_DIR}/${program}")
  set(script "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/build_or_warn.cmake")
  add_custom_command(OUTPUT "${file}.tried"
    COMMAND "${CMAKE_COMMAND}" -E rm -f "${file}"
    COMMAND "${CMAKE_COMMAND}" "-DPROGRAM=${file}" "-DRUN=${arg_COMMAND}" -P "${script}"
    COMMAND "${CMAKE_COMMAND}" -E touch "${file}.tried"
    DEPENDS ${arg_SOURCES} "${script}"
    WORKING_DIRECTORY "${folder}" JOB_POOL weft_rivals COMMENT "Building ${program}" VERBATIM)
  add_custom_target(${program} ALL DEPENDS "${file}.tried")
endfunction()
# One at a time: cargo's builds wait for each other anyway.
set_property(GLOBAL APPEND PROPERTY JOB_POOLS weft_rivals=1)

# weft_build_go(PROGRAM SOURCE): of one file in Go, where Go is installed.
function(weft_build_go program source)
  if(WEFT_GO)
    weft_build_rival(${program} "${CMAKE_CURRENT_SOURCE_DIR}"
      SOURCES "${CMAKE_CURRENT_SOURCE_DIR}/${source}"
      COMMAND "${CMAKE_COMMAND}" -E env GO111MODULE=off GOTOOLCHAIN=local GOPROXY=off GOFLAGS= "GOCACHE=${CMAKE_CURRENT_BINARY_DIR}/go_cache"
          "${WEFT_GO}" build -o "${CMAKE_CURRENT_BINARY_DIR}/${program}" "${source}")
  endif()
endfunction()

# weft_add_rival(PROGRAM SOURCE LIBRARY...): in C++, where all libraries are there.
function(weft_add_rival program source)
  foreach(library IN LISTS ARGN)
    if(NOT TARGET ${library})
      return()
    endif()
  endforeach()
  add_executable(${program} ${source})
  target_link_libraries(${program} PRIVATE ${ARGN} Threads::Threads)
endfunction()

# weft_add_compare_smoke(NAME ARGUMENT...): the compare program of this folder as a test, where there is Python. 77 says that there is nothing
# to run.
function(weft_add_compare_smoke name)
  if(WEFT_BUILD_TESTS AND WEFT_PYTHON)
    add_test(NAME bench_smoke.${name} COMMAND "${WEFT_PYTHON}" "${CMAKE_CURRENT_SOURCE_DIR}/compare" ${ARGN})
    set_tests_properties(bench_smoke.${name} PROPERTIES LABELS bench_smoke TIMEOUT 120 SKIP_RETURN_CODE 77)
  endif()
endfunction()
