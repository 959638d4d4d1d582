# For check.cmake: building for another processor, and running what was built by qemu. Debian: g++-aarch64-linux-gnu, qemu-user.

# emulate(processor build result): sets `result` to what the configuration is to be told.
function(emulate processor build result)
  # Catch 2 is headers alone, and those of this machine do; but not its folder, which has all others of this machine, too.
  find_path(catch2 catch2/catch.hpp PATHS /usr/local/include /usr/include REQUIRED)
  file(MAKE_DIRECTORY "${build}/catch2/include")
  file(CREATE_LINK "${catch2}/catch2" "${build}/catch2/include/catch2" SYMBOLIC)
  file(WRITE "${build}/catch2/Catch2Config.cmake" "
add_library(Catch2::Catch2 INTERFACE IMPORTED)
target_include_directories(Catch2::Catch2 INTERFACE \"\${CMAKE_CURRENT_LIST_DIR}/include\")
set(Catch2_VERSION 2.13)
")
  set(ENV{QEMU_LD_PREFIX} /usr/${processor}-linux-gnu)  # where the libraries are, for ctest
  set(${result}
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=${processor} -DCMAKE_CXX_COMPILER=${processor}-linux-gnu-g++
    -DCMAKE_CROSSCOMPILING_EMULATOR=qemu-${processor}
    "-DCatch2_DIR=${build}/catch2" -DWEFT_FETCH_DEPS=OFF -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON PARENT_SCOPE)
endfunction()
