# The steps that demo.cmake and check.cmake share. Output goes to the terminal; a failing command ends the script.
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)

include(ProcessorCount)
ProcessorCount(jobs)
if(jobs EQUAL 0)
  set(jobs 1)
endif()

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(configure build)
  set(generator)
  find_program(ninja ninja)
  if(ninja AND NOT EXISTS "${build}/CMakeCache.txt")
    set(generator -G Ninja)
  endif()
  run("${CMAKE_COMMAND}" -S "${root}" -B "${build}" ${generator} ${ARGN})
endfunction()

function(build build)
  run("${CMAKE_COMMAND}" --build "${build}" --parallel ${jobs} ${ARGN})
endfunction()
