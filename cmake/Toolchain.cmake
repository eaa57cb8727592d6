# Language, warnings, sanitizers and the compiler cache, the same for every target of ours.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")
# For the check preset: clang with sanitizers takes three times as long at -O1.
set(CMAKE_CXX_FLAGS_CHECK "-O0 -g1")
# Without -DNDEBUG: toml++ would then take its own assertions for granted, and be wrong.
set(CMAKE_CXX_FLAGS_RELEASE "-O2")

find_program(OXHERD_CCACHE ccache)
if(OXHERD_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # A precompiled header is cached only when its time stamp may differ; and a build in another
  # folder of this tree, or in another clone, may use the same results.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${OXHERD_CCACHE}")
endif()

# Everything of ours links this; third-party headers are SYSTEM and keep their warnings to themselves.
add_library(oxherd_flags INTERFACE)
target_compile_options(oxherd_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast -Wswitch-enum -Wnull-dereference
  -Werror -fno-omit-frame-pointer -fstack-protector-strong -ffunction-sections -fdata-sections)
target_compile_definitions(oxherd_flags INTERFACE _GLIBCXX_ASSERTIONS)
target_link_options(oxherd_flags INTERFACE -Wl,--gc-sections -Wl,-z,relro,-z,now)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # ccache needs the preprocessed text to be usable with a precompiled header.
  target_compile_options(oxherd_flags INTERFACE -fpch-preprocess)
  # g++ 12 sees overlapping copies inside std::string that cannot happen (GCC bugs 105329, 105651).
  target_compile_options(oxherd_flags INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # libstdc++ 12 deprecates what its own stable_sort uses, and clang holds that against the caller.
  target_compile_options(oxherd_flags INTERFACE -Wno-deprecated-declarations)
  target_compile_options(oxherd_flags INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
endif()

if(OXHERD_SANITIZE)
  target_compile_options(oxherd_flags INTERFACE
    -fsanitize=${OXHERD_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(oxherd_flags INTERFACE -fsanitize=${OXHERD_SANITIZE})
endif()
if(OXHERD_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "OXHERD_FUZZ needs clang: configure with -DCMAKE_CXX_COMPILER=clang++-19")
  endif()
  if(NOT OXHERD_SANITIZE)
    message(FATAL_ERROR "OXHERD_FUZZ needs sanitizers: add -DOXHERD_SANITIZE=address,undefined")
  endif()
  # Coverage for the fuzzers in every library; only the fuzz targets link the fuzzer itself.
  target_compile_options(oxherd_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
