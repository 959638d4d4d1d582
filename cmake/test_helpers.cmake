include("${CMAKE_CURRENT_LIST_DIR}/batch.cmake")

# weft_add_test(name source... LABELS label... [TIMEOUT seconds] [OPTIMIZED])
#
# OPTIMIZED: under every sanitizer, since what it does is many times as slow without, see strict.cmake.
# One Catch2 program, a part of the target weft_tests. CTest runs it source by source, so that a report names the file and a timeout bounds no more than one.
add_custom_target(weft_tests)
function(weft_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg OPTIMIZED TIMEOUT LABELS)
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  # A source without a test case fails; Catch 3 does so by itself.
  set(none_fails)
  if(Catch2_VERSION VERSION_LESS 3 AND Catch2_VERSION)
    set(none_fails --warn NoTests)
  endif()

  set(files ${arg_UNPARSED_ARGUMENTS})
  if(WEFT_BATCH_TESTS)
    weft_batch(files ${name} ${files})
  endif()
  add_executable(${name} ${files})
  add_dependencies(weft_tests ${name})
  target_link_libraries(${name} PRIVATE weft_test_main)
  if(WEFT_BATCH_TESTS)
    # What lies beside a source lies elsewhere for its batch.
    foreach(source IN LISTS arg_UNPARSED_ARGUMENTS)
      cmake_path(GET source PARENT_PATH folder)
      target_include_directories(${name} PRIVATE "${folder}")
    endforeach()
    # It is given for whatever is not in the file that is compiled.
    target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
  get_target_property(unoptimized weft_test_main WEFT_UNOPTIMIZED)
  if(unoptimized AND arg_OPTIMIZED)
    target_precompile_headers(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/support/catch.hpp")
  else()
    set_target_properties(${name} PROPERTIES WEFT_UNOPTIMIZED "${unoptimized}")
    target_precompile_headers(${name} REUSE_FROM weft_test_main)
  endif()
  foreach(source IN LISTS arg_UNPARSED_ARGUMENTS)
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "_test$" "" test "${name}.${stem}")
    add_test(NAME ${test} COMMAND ${name} --filenames-as-tags "[#${stem}]~[.]" ${none_fails})
    set_tests_properties(${test} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
  endforeach()
endfunction()

# The configured compiler, as a command line that finds weft's headers and nothing else.
separate_arguments(weft_compiler NATIVE_COMMAND "${CMAKE_CXX_FLAGS}")
list(PREPEND weft_compiler "${CMAKE_CXX_COMPILER}")
list(APPEND weft_compiler -std=c++20 -pthread -Wall -Wextra "-I${PROJECT_SOURCE_DIR}/include")
