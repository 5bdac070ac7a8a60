# Cross build for 64-bit ARM Linux with Debian's g++-aarch64-linux-gnu; the programs run under
# qemu-user, whose own variable QEMU_CPU picks the CPU (max, neoverse-n1, cortex-a72).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static;-L;/usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
# No notes that calls differ from those of GCC 9, which nothing here is linked with.
set(CMAKE_CXX_FLAGS_INIT -Wno-psabi)
