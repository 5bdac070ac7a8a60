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

# Of what zig does unasked, this is undone: it traps undefined behaviour (sanitizers have builds of
# their own) and keeps frame pointers. -s: no debug information, beside which zig would tell clang
# -O2 for -O3. What it links, such as libc++, it compiles first, once for each set of such flags, which
# are therefore those of CMake's own checks too.
set(_flags -target $ENV{OCTAVO_ZIG_TARGET} -O3 -s -fno-sanitize=undefined -fomit-frame-pointer)
set(CMAKE_C_COMPILER "$ENV{OCTAVO_ZIG}" cc ${_flags})
set(CMAKE_CXX_COMPILER "$ENV{OCTAVO_ZIG}" c++ ${_flags})
# Else pybind11 asks for link-time optimisation, for which libc++ would be compiled once more.
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF)
# CMAKE_AR is a program alone, and zig's is an argument of zig.
foreach(language C CXX)
  set(CMAKE_${language}_ARCHIVE_CREATE "\"$ENV{OCTAVO_ZIG}\" ar qc <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_APPEND "\"$ENV{OCTAVO_ZIG}\" ar q <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_FINISH "\"$ENV{OCTAVO_ZIG}\" ranlib <TARGET>")
endforeach()
# Nor does the machine's strip know other machines' objects.
set(CMAKE_STRIP "" CACHE FILEPATH "None: programs are linked without symbols")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
