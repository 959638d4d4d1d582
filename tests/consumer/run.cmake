# Builds and runs the consumer called WAY in FOLDER, from nothing.
cmake_minimum_required(VERSION 3.24)
file(REMOVE_RECURSE "${FOLDER}")

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

if(WAY STREQUAL find_package)
  run("${CMAKE_COMMAND}" --install "${INSTALL_FROM}" --prefix "${FOLDER}/prefix")
endif()
run("${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}/${WAY}" -B "${FOLDER}/build" -G "${GENERATOR}"
  "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_PREFIX_PATH=${FOLDER}/prefix" "-DWEFT_CHECKOUT=${CHECKOUT}")
run("${CMAKE_COMMAND}" --build "${FOLDER}/build")
run("${FOLDER}/build/consumer")

# A consumer builds its own program and nothing of ours; FetchContent's own machinery is in a subbuild.
file(GLOB_RECURSE targets LIST_DIRECTORIES ON RELATIVE "${FOLDER}/build" "${FOLDER}/build/*.dir")
list(FILTER targets INCLUDE REGEX "\\.dir$")
list(FILTER targets EXCLUDE REGEX "-subbuild/")
if(NOT targets STREQUAL "CMakeFiles/consumer.dir")
  message(FATAL_ERROR "built besides the consumer: ${targets}")
endif()
