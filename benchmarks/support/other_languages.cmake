# <problem>/rayon.rs and <problem>/go.go: rivals in other languages, each a program of its own, bench_<problem>_rayon and
# bench_<problem>_go, where Rust with Rayon's sources and Go are installed.
set(WEFT_RUST_SOURCES /usr/share/cargo/registry CACHE PATH "Folder of unpacked crates, Rayon and what it needs; Debian: librust-rayon-dev")
mark_as_advanced(WEFT_RUST_SOURCES)
file(GLOB rayon "${WEFT_RUST_SOURCES}/rayon-[0-9]*/Cargo.toml")

# weft_build_bench(PROGRAM FOLDER SOURCES... COMMAND...): weft_build_rival, and a run of it as a test.
function(weft_build_bench program folder)
  weft_build_rival(${program} "${folder}" ${ARGN})
  # 77 says that there is nothing to run: see SKIP_RETURN_CODE.
  string(REGEX REPLACE "^bench_" "" name "${program}")
  list(GET ARGN 1 source)
  weft_add_bench_smoke(${name} "${source}" sh -c "test -x \"$0\" && exec \"$0\" \"$@\" || exit 77" "${CMAKE_CURRENT_BINARY_DIR}/${program}")
endfunction()

if(WEFT_CARGO AND rayon)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/rayon")
  file(GLOB sources CONFIGURE_DEPENDS */rayon.rs)
  set(rayon_programs "")
  foreach(source IN LISTS sources)
    cmake_path(GET source PARENT_PATH problem)
    cmake_path(GET problem FILENAME name)
    string(APPEND rayon_programs "\n[[bin]]\nname = \"bench_${name}_rayon\"\npath = \"${source}\"\n")
    weft_build_bench(bench_${name}_rayon "${folder}"
      SOURCES "${source}" "${CMAKE_CURRENT_SOURCE_DIR}/support/bench.rs" "${folder}/Cargo.toml"
      COMMAND "${WEFT_CARGO}" build --release --offline --quiet --target-dir target --bin bench_${name}_rayon
      AND "${CMAKE_COMMAND}" -E copy target/release/bench_${name}_rayon ..)
  endforeach()
  configure_file(support/Cargo.toml.in "${folder}/Cargo.toml" @ONLY)
  file(CONFIGURE OUTPUT "${folder}/.cargo/config.toml" @ONLY CONTENT
    "[source.crates-io]\nreplace-with = \"installed\"\n[source.installed]\ndirectory = \"@WEFT_RUST_SOURCES@\"\n")
else()
  message(STATUS "weft: no Rayon in the benchmarks: that takes cargo, and Rayon's sources in WEFT_RUST_SOURCES")
endif()

if(WEFT_GO)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/go")
  file(CONFIGURE OUTPUT "${folder}/go.mod" CONTENT "module rivals\n\ngo 1.18\n")
  file(GLOB sources CONFIGURE_DEPENDS */go.go)
  foreach(source IN LISTS sources)
    cmake_path(GET source PARENT_PATH problem)
    cmake_path(GET problem FILENAME name)
    # A Go package is a folder of Go alone.
    set(support "${CMAKE_CURRENT_SOURCE_DIR}/support/bench.go")
    weft_build_bench(bench_${name}_go "${folder}"
      SOURCES "${source}" "${support}"
      COMMAND "${CMAKE_COMMAND}" -E make_directory ${name}
      AND "${CMAKE_COMMAND}" -E copy "${source}" "${support}" ${name}
      AND "${CMAKE_COMMAND}" -E env GOTOOLCHAIN=local GOPROXY=off GOFLAGS= "GOCACHE=${folder}/cache"
          "${WEFT_GO}" build -o ../bench_${name}_go ./${name})
  endforeach()
else()
  message(STATUS "weft: no Go in the benchmarks: it is not installed")
endif()

# <problem>/asyncio_.py and <problem>/node.js: programs without a build, bench_<problem>_asyncio and bench_<problem>_node, where Python and
# Node are installed.
function(weft_add_script_rivals file name path_variable interpreter)
  file(GLOB sources CONFIGURE_DEPENDS "*/${file}")
  foreach(source IN LISTS sources)
    cmake_path(GET source PARENT_PATH problem)
    cmake_path(GET problem FILENAME problem)
    set(program "${CMAKE_CURRENT_BINARY_DIR}/bench_${problem}_${name}")
    file(CONFIGURE OUTPUT "${program}" @ONLY CONTENT
      "#!/bin/sh\n@path_variable@='@CMAKE_CURRENT_SOURCE_DIR@/support' PYTHONDONTWRITEBYTECODE=1 exec '@interpreter@' '@source@' \"$@\"\n")
    file(CHMOD "${program}" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
    weft_add_bench_smoke(${problem}_${name} "${source}" "${program}")
  endforeach()
endfunction()
if(WEFT_PYTHON)
  weft_add_script_rivals(asyncio_.py asyncio PYTHONPATH "${WEFT_PYTHON}")
endif()
if(WEFT_NODE)
  weft_add_script_rivals(node.js node NODE_PATH "${WEFT_NODE}")
endif()
