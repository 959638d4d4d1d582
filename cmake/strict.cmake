# weft_strict: weft with the warnings and sanitizers that its own programs are built with.
add_library(weft_strict INTERFACE)
target_link_libraries(weft_strict INTERFACE weft::weft)
target_compile_options(weft_strict INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(WEFT_WERROR)
  target_compile_options(weft_strict INTERFACE -Werror)
endif()

if(WEFT_SANITIZE)
  list(JOIN WEFT_SANITIZE "," sanitizers)
  # -O1: at -O0 sanitized programs are too slow to be stressed; a target that sets WEFT_UNOPTIMIZED takes half the time to compile.
  # -g1 is enough for the lines of a report, and saves a quarter.
  target_compile_options(weft_strict INTERFACE
    -fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1
    $<IF:$<BOOL:$<TARGET_PROPERTY:WEFT_UNOPTIMIZED>>,-O0,-O1>
    # GCC takes what a sanitizer inserts for uses of the uninitialized.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  if(WEFT_SANITIZE MATCHES undefined)
    # To look at an object's type it opens a pipe, and reports the object where a test has used up the descriptors.
    target_compile_options(weft_strict INTERFACE -fno-sanitize=vptr)
  endif()
  target_link_options(weft_strict INTERFACE -fsanitize=${sanitizers})
endif()
