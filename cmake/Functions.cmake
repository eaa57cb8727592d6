# oxherd_library, oxherd_program, oxherd_test, oxherd_fuzz: one call per folder.

# A name in DEPENDS is a folder of supervisor/ ("core"), a library of cmake/Libraries.cmake ("fmt"),
# or any other target or file to link.
function(oxherd_link target visibility)
  foreach(dependency IN LISTS ARGN)
    if(dependency IN_LIST OXHERD_FOLDERS)
      target_link_libraries(${target} ${visibility} oxherd_${dependency})
    else()
      target_link_libraries(${target} ${visibility} ${dependency})
    endif()
  endforeach()
endfunction()

set(OXHERD_FOLDERS base core config control os keeper daemon cli)

function(oxherd_after_layer_check target)
  if(TARGET oxherd_layers)
    add_dependencies(${target} oxherd_layers)
  endif()
endfunction()

function(oxherd_require_no_leftovers function)
  if(ARGN)
    message(FATAL_ERROR "${function}: not understood: ${ARGN}")
  endif()
endfunction()

# oxherd_library(<name> SOURCES <file>... [DEPENDS <name>...] [PCH <header>...])
# The static library oxherd_<name> of the current folder. Includes are written from supervisor/.
# PCH: headers so heavy that they are worth precompiling, e.g. <boost/asio.hpp>.
function(oxherd_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS;LINK;PCH")
  oxherd_require_no_leftovers("oxherd_library(${name})" ${arg_UNPARSED_ARGUMENTS})
  set(target oxherd_${name})
  if(arg_SOURCES MATCHES "\\.cc")
    add_library(${target} STATIC ${arg_SOURCES})
    set(visibility PUBLIC)
    target_link_libraries(${target} PRIVATE oxherd_flags)
  else()
    add_library(${target} INTERFACE)  # headers only, so far
    set(visibility INTERFACE)
  endif()
  target_include_directories(${target} ${visibility} "${CMAKE_SOURCE_DIR}/supervisor")
  oxherd_link(${target} ${visibility} ${arg_DEPENDS} ${arg_LINK})
  if(arg_PCH)
    target_precompile_headers(${target} PRIVATE ${arg_PCH})
  endif()
  oxherd_after_layer_check(${target})
endfunction()

# oxherd_program(<target> OUTPUT <file> SOURCES <file>... [DEPENDS <name>...] [STATIC])
# A program at <build>/<file>. All link libstdc++ and libgcc statically; STATIC also libc, for the
# programs that must start in a millisecond or outlive an upgrade of the system.
# Those of supervisor/ and examples/ are what `./dev build` builds, through the target "programs".
add_custom_target(programs)

function(oxherd_program target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "STATIC" "OUTPUT" "SOURCES;DEPENDS;LINK;PCH")
  oxherd_require_no_leftovers("oxherd_program(${target})" ${arg_UNPARSED_ARGUMENTS})
  if(NOT arg_OUTPUT)
    set(arg_OUTPUT ${target})
  endif()
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE oxherd_flags)
  target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/supervisor")
  oxherd_link(${target} PRIVATE ${arg_DEPENDS} ${arg_LINK})
  if(arg_PCH)
    target_precompile_headers(${target} PRIVATE ${arg_PCH})
  endif()
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME "${arg_OUTPUT}" RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
  if(NOT OXHERD_SANITIZE)  # the sanitizers' run time wants the shared libraries
    if(arg_STATIC)
      target_link_options(${target} PRIVATE -static)
    else()
      target_link_options(${target} PRIVATE -static-libstdc++ -static-libgcc)
    endif()
  endif()
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_link_options(${target} PRIVATE -s)
  endif()
  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY "${CMAKE_SOURCE_DIR}"
    OUTPUT_VARIABLE folder)
  if(folder MATCHES "^(supervisor|examples)")
    add_dependencies(programs ${target})
  endif()
  oxherd_after_layer_check(${target})
endfunction()

# oxherd_test(<name> SOURCES <file>... [DEPENDS <name>...] [LABELS <label>...] [TIMEOUT <seconds>]
#             [NEEDS <target>...] [ALONE] [SUITES <suite>...])
# The doctest program <name>_test, known to ctest as <name>; main() is tests/doctest_main.cc.
# NEEDS: programs that must be built before it runs. ALONE: no other test at the same time.
# SUITES: doctest suites that ctest knows and runs as <name>_<suite>; <name> then runs the rest.
# OXHERD_BINARY_DIR (where the programs are) and OXHERD_SOURCE_DIR are defined as string literals.
function(oxherd_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "ALONE" "TIMEOUT" "SOURCES;DEPENDS;LINK;LABELS;NEEDS;PCH;SUITES")
  oxherd_require_no_leftovers("oxherd_test(${name})" ${arg_UNPARSED_ARGUMENTS})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  set(target ${name}_test)
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE oxherd_flags oxherd_doctest_main)
  if(NOT TARGET oxherd_test_flags)  # linked after oxherd_flags, as the last word on a warning counts
    add_library(oxherd_test_flags INTERFACE)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # g++ 12's false alarms inside std::string and doctest
      target_compile_options(oxherd_test_flags INTERFACE
        -Wno-null-dereference -Wno-array-bounds -Wno-stringop-overflow)
    endif()
  endif()
  target_link_libraries(${target} PRIVATE oxherd_test_flags)
  target_include_directories(${target} PRIVATE
    "${CMAKE_SOURCE_DIR}/supervisor" "${CMAKE_SOURCE_DIR}")
  target_compile_definitions(${target} PRIVATE
    OXHERD_BINARY_DIR="${CMAKE_BINARY_DIR}" OXHERD_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  oxherd_link(${target} PRIVATE ${arg_DEPENDS} ${arg_LINK})
  if(arg_PCH)
    target_precompile_headers(${target} PRIVATE ${arg_PCH})
  endif()
  if(arg_NEEDS)
    add_dependencies(${target} ${arg_NEEDS})
  endif()
  list(JOIN arg_SUITES "," suites)
  add_test(NAME ${name} COMMAND ${target} "--test-suite-exclude=${suites}")
  set(tests ${name})
  foreach(suite IN LISTS arg_SUITES)
    add_test(NAME ${name}_${suite} COMMAND ${target} "--test-suite=${suite}")
    list(APPEND tests ${name}_${suite})
  endforeach()
  set_tests_properties(${tests} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
  if(arg_ALONE)
    set_tests_properties(${tests} PROPERTIES RUN_SERIAL ON)
  endif()
  oxherd_after_layer_check(${target})
endfunction()

# oxherd_fuzz(<name> SOURCES <file>... [DEPENDS <name>...])
# The libFuzzer program <build>/fuzz/<name>, built only with OXHERD_FUZZ; its kept corpus is the
# folder corpus/<name> beside the CMakeLists.txt.
function(oxherd_fuzz name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS;LINK")
  oxherd_require_no_leftovers("oxherd_fuzz(${name})" ${arg_UNPARSED_ARGUMENTS})
  if(NOT OXHERD_FUZZ)
    return()
  endif()
  set(target fuzz_${name})
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE oxherd_flags)
  target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/supervisor")
  oxherd_link(${target} PRIVATE ${arg_DEPENDS} ${arg_LINK})
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME "${name}" RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
  oxherd_after_layer_check(${target})
endfunction()
