# find_package(octavo): octavo::octavo is the shared library, octavo::static the archive.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
include("${CMAKE_CURRENT_LIST_DIR}/octavo-targets.cmake")
