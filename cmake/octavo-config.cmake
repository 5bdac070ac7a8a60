# find_package(octavo): octavo::octavo is the shared library, octavo::static the archive, if
# it was installed.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
include("${CMAKE_CURRENT_LIST_DIR}/octavo-targets.cmake")

# The archive needs the C++ runtime, which a project in C alone does not link by itself.
get_property(_octavo_languages GLOBAL PROPERTY ENABLED_LANGUAGES)
if(TARGET octavo::static AND NOT CXX IN_LIST _octavo_languages)
  set_property(TARGET octavo::static APPEND PROPERTY INTERFACE_LINK_LIBRARIES stdc++ m)
endif()
