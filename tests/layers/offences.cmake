# "Every offence against the layers is reported with its file and line, and nothing else is."
# Run with -DCHECK=check_layers.cmake -DTREE=<scratch folder>.

function(run_check result output)
  execute_process(COMMAND ${CMAKE_COMMAND} "-DROOT=${TREE}" -P "${CHECK}"
    RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE err)
  set(${result} ${code} PARENT_SCOPE)
  set(${output} "${out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${TREE}")
foreach(header core/state.h os/fd.h keeper/book.h keeper/protocol.h daemon/store/state_file.h base/error.h)
  file(WRITE "${TREE}/supervisor/${header}" "#pragma once\n")
endforeach()
file(WRITE "${TREE}/supervisor/core/state.cc"
  "#include \"core/state.h\"\n#include \"base/error.h\"\n// the daemon passes Clock::now() in\n")
file(WRITE "${TREE}/supervisor/daemon/store/state_file.cc"
  "#include \"keeper/protocol.h\"\n#include <nlohmann/json.hpp>\n#include <boost/beast.hpp>\n")

run_check(code output)
if(NOT code EQUAL 0 OR output)
  message(FATAL_ERROR "a tree in order was refused: ${output}")
endif()

string(REPEAT "// line\n" 501 long)
file(WRITE "${TREE}/tests/core/long_test.cc" "${long}")
file(WRITE "${TREE}/supervisor/base/up.cc" "\n#include \"core/state.h\"\n")
file(WRITE "${TREE}/supervisor/core/impure.cc"
  "#include \"os/fd.h\"\n#include <unistd.h>\nauto t = Clock::now();\n#include <toml++/toml.h>\n")
file(WRITE "${TREE}/supervisor/cli/client.cc" "#include \"keeper/book.h\"\n#include \"client.h\"\n")
file(WRITE "${TREE}/supervisor/helpers/x.cc" "\n")
file(WRITE "${TREE}/supervisor/daemon/probes/probes.cc"
  "#include <nlohmann/json.hpp>\n#include \"core/gone.h\"\n")
foreach(number 1 2 3)
  file(WRITE "${TREE}/supervisor/daemon/http${number}.cc" "#include <boost/beast/http.hpp>\n")
endforeach()

set(expected
  "tests/core/long_test.cc:501: 501 lines"
  "supervisor/base/up.cc:2: base may not include \"core/state.h\""
  "supervisor/core/impure.cc:1: core may not include \"os/fd.h\""
  "supervisor/core/impure.cc:2: core is pure"
  "supervisor/core/impure.cc:3: core is pure"
  "supervisor/core/impure.cc:4: <toml++/toml.h> has no home here"
  "supervisor/cli/client.cc:1: cli may not include \"keeper/book.h\""
  "supervisor/cli/client.cc:2: \"client.h\": write includes from supervisor/"
  "supervisor/helpers/x.cc:1: \"helpers\" is no layer"
  "supervisor/daemon/probes/probes.cc:1: <nlohmann/json.hpp> has no home here"
  "supervisor/daemon/probes/probes.cc:2: \"core/gone.h\" does not exist"
  "supervisor: 4 files include Beast, at most 3")

run_check(code output)
if(code EQUAL 0)
  message(FATAL_ERROR "a tree full of offences passed")
endif()
foreach(line IN LISTS expected)
  string(FIND "${output}" "${line}" position)
  if(position LESS 0)
    message(FATAL_ERROR "not reported: ${line}\nreported:\n${output}")
  endif()
endforeach()
string(REGEX MATCHALL "\n" lines "${output}")
list(LENGTH lines reported)
list(LENGTH expected wanted)
if(NOT reported EQUAL wanted)
  message(FATAL_ERROR "${wanted} offences, but ${reported} reports:\n${output}")
endif()
message("layers: ${wanted} offences, each reported once")
