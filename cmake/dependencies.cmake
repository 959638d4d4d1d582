# The packages that only tests and benchmarks need: the installed one, else a pinned download, else none.

# Downloads a pinned release and adds it, with its headers as system headers and none of its install rules. The download
# is ours and not FetchContent's, whose failure would end the configuration.
function(weft_fetch name url sha256)
  string(TOUPPER "${name}" upper)
  set(archive "${CMAKE_BINARY_DIR}/_deps/${name}.tar.gz")
  if(NOT FETCHCONTENT_SOURCE_DIR_${upper})
    if(NOT EXISTS "${archive}")
      file(DOWNLOAD "${url}" "${archive}" TIMEOUT 120 INACTIVITY_TIMEOUT 10 STATUS ignored)
    endif()
    file(SHA256 "${archive}" found)
    if(NOT found STREQUAL sha256)
      file(REMOVE "${archive}")
      return()
    endif()
  endif()
  include(FetchContent)
  # The SOURCE_SUBDIR that does not exist leaves add_subdirectory to us.
  FetchContent_Declare(${name} URL "${archive}" URL_HASH SHA256=${sha256} DOWNLOAD_EXTRACT_TIMESTAMP ON SOURCE_SUBDIR none)
  FetchContent_MakeAvailable(${name})
  FetchContent_GetProperties(${name})
  add_subdirectory("${${name}_SOURCE_DIR}" "${${name}_BINARY_DIR}" EXCLUDE_FROM_ALL)
  foreach(target IN LISTS ARGN)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    set_target_properties(${target} PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${directories}")
  endforeach()
endfunction()

macro(weft_find_catch2)
  find_package(Catch2 QUIET)
  if(NOT TARGET Catch2::Catch2 AND WEFT_FETCH_DEPS)
    weft_fetch(catch2 https://github.com/catchorg/Catch2/archive/refs/tags/v3.7.1.tar.gz
      c991b247a1a0d7bb9c39aa35faf0fe9e19764213f28ffba3109388e62ee0269c Catch2)
  endif()
endmacro()

macro(weft_find_benchmark)
  find_package(benchmark QUIET)
  if(NOT TARGET benchmark::benchmark_main AND WEFT_FETCH_DEPS)
    set(BENCHMARK_ENABLE_TESTING OFF)
    set(BENCHMARK_ENABLE_WERROR OFF)
    weft_fetch(benchmark https://github.com/google/benchmark/archive/refs/tags/v1.9.4.tar.gz
      b334658edd35efcf06a99d9be21e4e93e092bd5f95074c1673d5c8705d95c104 benchmark)
  endif()
endmacro()

# One message for what a missing package leaves out; check.cmake fails on it.
function(weft_leave_out what package)
  message(STATUS "weft: ${what} left out: ${package} is neither installed nor to be had by download")
  set(WEFT_LEFT_OUT ${WEFT_LEFT_OUT} "${what} (no ${package})" CACHE INTERNAL "")
endfunction()
