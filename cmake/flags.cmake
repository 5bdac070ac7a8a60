# Flags of every target of this project. They come after those of the environment (CXXFLAGS), so
# what is said here holds: full optimisation, and IEEE arithmetic exactly as written.

if(MSVC)
  # cl and clang-cl. /wd4068: unrolling pragmas are GCC's.
  add_compile_options(/fp:precise /W4 /wd4068 /utf-8 /permissive- /Zc:__cplusplus /Zc:preprocessor
                      $<$<COMPILE_LANGUAGE:CXX>:/EHsc>)
  add_compile_definitions(_CRT_SECURE_NO_WARNINGS)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(/clang:-ffp-contract=off /clang:-fno-math-errno)
  elseif(MSVC_VERSION LESS 1930)
    message(FATAL_ERROR "MSVC ${MSVC_VERSION}: got a compiler that contracts a * b + c under "
                        "/fp:precise, expected Visual Studio 2022 or newer")
  endif()
else()
  add_compile_options(
    $<$<CONFIG:Release,RelWithDebInfo>:-O3>
    -fno-fast-math
    -ffp-contract=off
    -fno-math-errno
    -Wall
    -Wextra)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC bug 105651: false alarms inside std::string's operator+.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT MSVC)
  # libstdc++ 12's std::stable_sort uses a function that it declares deprecated itself.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-deprecated-declarations>)
endif()

if(MINGW AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC bug 54412: on 64-bit Windows it does not align the stack for vectors of 32 bytes and more,
  # but loads them as if it had. The assembler makes those loads unaligned ones.
  add_compile_options(-Wa,-muse-unaligned-vector-move)
  message(WARNING "MinGW-w64's fmaf rounds twice: the scalar backend will not have the bits of the "
                  "others. Use MSVC or clang-cl for more than compiling.")
endif()

if(WIN32)
  add_compile_definitions(NOMINMAX WIN32_LEAN_AND_MEAN)
endif()

if(OCTAVO_NO_EXTENSIONS)
  add_compile_definitions(OCTAVO_NO_EXTENSIONS)
endif()

if(OCTAVO_WERROR)
  add_compile_options($<IF:$<BOOL:${MSVC}>,/WX,-Werror>)
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

# What compiles an ISA's kernels: OCTAVO_FLAGS_<isa>.
if(MSVC AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # cl knows all intrinsics under any of these flags, and those of ARM without one.
  set(OCTAVO_FLAGS_avx2 /arch:AVX2)
  set(OCTAVO_FLAGS_avxvnni /arch:AVX2)
  set(OCTAVO_FLAGS_avx512vnni /arch:AVX512)
  set(OCTAVO_FLAGS_avx512vbmi /arch:AVX512)
else()
  set(OCTAVO_FLAGS_avx2 -mavx2 -mfma -mpopcnt)
  set(OCTAVO_FLAGS_avxvnni ${OCTAVO_FLAGS_avx2} -mavxvnni)
  set(OCTAVO_FLAGS_avx512vnni ${OCTAVO_FLAGS_avx2} -mavx512f -mavx512bw -mavx512vl -mavx512dq
                              -mavx512vnni)
  set(OCTAVO_FLAGS_avx512vbmi ${OCTAVO_FLAGS_avx512vnni} -mavx512vbmi)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Its arm_neon.h has these instructions under ARMv8.2 only.
    set(OCTAVO_FLAGS_neondot -march=armv8.2-a+dotprod)
    set(OCTAVO_FLAGS_neoni8mm -march=armv8.2-a+dotprod+i8mm)
  else()
    # zig, which is a clang, knows CPUs by name and no architectures.
    set(OCTAVO_FLAGS_neondot -mcpu=generic+dotprod)
    set(OCTAVO_FLAGS_neoni8mm -mcpu=generic+dotprod+i8mm)
  endif()
endif()
