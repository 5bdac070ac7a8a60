# Flags of every target of this project. They come after those of the environment (CXXFLAGS), so
# what is said here holds: full optimisation, and IEEE arithmetic exactly as written.

add_compile_options(
  $<$<CONFIG:Release,RelWithDebInfo>:-O3>
  -fno-fast-math
  -ffp-contract=off
  -fno-math-errno
  -Wall
  -Wextra)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC bug 105651: false alarms inside std::string's operator+.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12's std::stable_sort uses a function that it declares deprecated itself.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-deprecated-declarations>)
endif()

if(OCTAVO_WERROR)
  add_compile_options(-Werror)
endif()

if(OCTAVO_SANITIZE)
  if(NOT OCTAVO_SANITIZE MATCHES "^(address|undefined|thread|address,undefined)$")
    message(FATAL_ERROR "OCTAVO_SANITIZE: got '${OCTAVO_SANITIZE}', expected address, undefined, "
                        "thread or address,undefined")
  endif()
  set(_sanitize -fsanitize=${OCTAVO_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_compile_options(${_sanitize})
  add_link_options(${_sanitize})
endif()
