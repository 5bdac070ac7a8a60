# Cross builds with zig, a clang that brings the headers and libraries of many systems (ziglang on
# PyPI). The environment says for what:
#   OCTAVO_ZIG         the program
#   OCTAVO_ZIG_TARGET  architecture-system-abi, after which may stand the oldest C library to run
#                      on: aarch64-linux-gnu.2.17, x86_64-windows-gnu, aarch64-macos
string(REGEX MATCH "^([a-z0-9_]+)-([a-z]+)" _ "$ENV{OCTAVO_ZIG_TARGET}")
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
if(CMAKE_MATCH_2 STREQUAL "linux")
  set(CMAKE_SYSTEM_NAME Linux)
elseif(CMAKE_MATCH_2 STREQUAL "windows")
  set(CMAKE_SYSTEM_NAME Windows)
elseif(CMAKE_MATCH_2 STREQUAL "macos")
  set(CMAKE_SYSTEM_NAME Darwin)
else()
  message(FATAL_ERROR "OCTAVO_ZIG_TARGET: got '$ENV{OCTAVO_ZIG_TARGET}', expected a target of "
                      "linux, windows or macos")
endif()

# Undefined behaviour is trapped unless this is said; sanitizers have builds of their own.
set(_flags -target $ENV{OCTAVO_ZIG_TARGET} -fno-sanitize=undefined)
set(CMAKE_C_COMPILER "$ENV{OCTAVO_ZIG}" cc ${_flags})
set(CMAKE_CXX_COMPILER "$ENV{OCTAVO_ZIG}" c++ ${_flags})
# CMAKE_AR is a program alone, and zig's is an argument of zig.
foreach(language C CXX)
  set(CMAKE_${language}_ARCHIVE_CREATE "\"$ENV{OCTAVO_ZIG}\" ar qc <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_APPEND "\"$ENV{OCTAVO_ZIG}\" ar q <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_FINISH "\"$ENV{OCTAVO_ZIG}\" ranlib <TARGET>")
endforeach()
# Nor does the machine's strip know other machines' objects: the linker strips.
set(CMAKE_STRIP "" CACHE FILEPATH "None: programs are linked without symbols")
foreach(kind EXE SHARED MODULE)
  set(CMAKE_${kind}_LINKER_FLAGS_INIT -Wl,-s)
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
