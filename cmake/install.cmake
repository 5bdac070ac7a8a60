# What `cmake --install` and the wheel carry for embedders: header, libraries, CMake package,
# pkg-config file. All of it finds its files relative to itself.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

if(SKBUILD)
  set(_prefix octavo)  # the Python package
  set(_lib octavo/lib)
  set(_include octavo/include)
else()
  set(_prefix .)
  set(_lib ${CMAKE_INSTALL_LIBDIR})
  set(_include ${CMAKE_INSTALL_INCLUDEDIR})
endif()
set(_cmake ${_lib}/cmake/octavo)
set(_pkgconfig ${_lib}/pkgconfig)

set(_libraries octavo_shared)
if(OCTAVO_INSTALL_STATIC)
  list(APPEND _libraries octavo_static)
endif()
foreach(target IN LISTS _libraries)
  target_include_directories(${target} PUBLIC $<INSTALL_INTERFACE:${_include}>)
endforeach()
if(SKBUILD AND UNIX AND NOT APPLE)
  # A wheel holds no symbolic links: where liboctavo.so would be one, a line for the linker says so.
  set(_namelink NAMELINK_SKIP)
  get_target_property(_soversion octavo_shared SOVERSION)
  set(_linker_script ${CMAKE_CURRENT_BINARY_DIR}/wheel/liboctavo.so)
  file(WRITE ${_linker_script} "INPUT(liboctavo.so.${_soversion})\n")
  install(FILES ${_linker_script} DESTINATION ${_lib})
endif()
install(
  TARGETS ${_libraries}
  EXPORT octavo
  LIBRARY DESTINATION ${_lib} ${_namelink}
  ARCHIVE DESTINATION ${_lib}
  RUNTIME DESTINATION ${_lib})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/csrc/include/octavo DESTINATION ${_include})

install(EXPORT octavo NAMESPACE octavo:: FILE octavo-targets.cmake DESTINATION ${_cmake})
write_basic_package_version_file(octavo-config-version.cmake VERSION ${PROJECT_VERSION}
                                 COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_SOURCE_DIR}/cmake/octavo-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/octavo-config-version.cmake DESTINATION ${_cmake})

file(RELATIVE_PATH _up /-/${_pkgconfig} /-/${_prefix})
string(REGEX REPLACE "/$" "" OCTAVO_PC_PREFIX "\${pcfiledir}/${_up}")
file(RELATIVE_PATH OCTAVO_PC_LIB /-/${_prefix} /-/${_lib})
file(RELATIVE_PATH OCTAVO_PC_INCLUDE /-/${_prefix} /-/${_include})
configure_file(${PROJECT_SOURCE_DIR}/cmake/octavo.pc.in octavo.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/octavo.pc DESTINATION ${_pkgconfig})
