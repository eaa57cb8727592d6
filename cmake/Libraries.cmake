# Third-party libraries from Debian 12 packages, all header-only but zlib. A folder names what it
# uses in DEPENDS (tomlplusplus, json, fmt, spdlog, cli11, asio, doctest, zlib); which folder may use
# which is decided in design.md and checked by tests/check_layers.cmake.

function(oxherd_header_library name header)
  find_path(OXHERD_HAVE_${name} "${header}" REQUIRED)
  add_library(${name} INTERFACE)
  target_include_directories(${name} SYSTEM INTERFACE "${OXHERD_HAVE_${name}}")
endfunction()

oxherd_header_library(tomlplusplus toml++/toml.h)

oxherd_header_library(json nlohmann/json.hpp)

oxherd_header_library(fmt fmt/format.h)
target_compile_definitions(fmt INTERFACE FMT_HEADER_ONLY)

oxherd_header_library(spdlog spdlog/spdlog.h)
target_compile_definitions(spdlog INTERFACE SPDLOG_FMT_EXTERNAL)
target_link_libraries(spdlog INTERFACE fmt)

oxherd_header_library(cli11 CLI/CLI.hpp)

oxherd_header_library(asio boost/asio.hpp)
target_compile_definitions(asio INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  BOOST_ASIO_NO_DEPRECATED BOOST_ERROR_CODE_HEADER_ONLY)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 warns inside any_executor once it is optimised and inlined, SYSTEM or not.
  target_compile_options(asio INTERFACE -Wno-null-dereference)
endif()

oxherd_header_library(doctest_headers doctest/doctest.h)

# The archive, so that no program needs libz.so at run time.
find_path(OXHERD_ZLIB_INCLUDE zlib.h REQUIRED)
find_library(OXHERD_ZLIB_ARCHIVE libz.a REQUIRED)
add_library(zlib INTERFACE)
target_include_directories(zlib SYSTEM INTERFACE "${OXHERD_ZLIB_INCLUDE}")
target_link_libraries(zlib INTERFACE "${OXHERD_ZLIB_ARCHIVE}")
