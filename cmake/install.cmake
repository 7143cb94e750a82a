# Where an installed rushlight puts things, in two layouts:
#   a prefix (cmake --install)  lib/librushlight.so, lib/cmake/Rushlight, include/
#   a wheel                     all of it in rushlight/, beside the Python files and _C
# Both carry oneDNN and OpenBLAS, stripped, where the library looks for them, and the licence texts of what they carry.
include(GNUInstallDirs)
if(SKBUILD)
  set(library_dir rushlight)
  set(provider_dir rushlight/lib)
  set(include_dir rushlight/include)
  set(cmake_dir rushlight/lib/cmake)
  set(licence_dir rushlight/licenses)
else()
  set(library_dir ${CMAKE_INSTALL_LIBDIR})
  set(provider_dir ${CMAKE_INSTALL_LIBDIR})
  set(include_dir ${CMAKE_INSTALL_INCLUDEDIR})
  set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake)
  set(licence_dir ${CMAKE_INSTALL_DOCDIR}/licenses)
endif()

install(TARGETS rushlight rushlight_data EXPORT RushlightTargets LIBRARY DESTINATION ${library_dir})
install(TARGETS rushlight_vision LIBRARY DESTINATION ${library_dir})
target_include_directories(rushlight PUBLIC $<INSTALL_INTERFACE:${include_dir}>)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/rushlight ${generated}/rushlight DESTINATION ${include_dir}
        FILES_MATCHING PATTERN "*.h" PATTERN "*.inc")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${include_dir} FILES_MATCHING PATTERN "*.h")

# The CMake package, installed and, so that a project can build against this tree, beside the library in the build tree.
set(tree ${package}/lib/cmake)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${tree}/Rushlight/RushlightConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(cmake/RushlightConfig.cmake ${tree}/Rushlight/RushlightConfig.cmake COPYONLY)
configure_file(cmake/TorchConfig.cmake ${tree}/Torch/TorchConfig.cmake COPYONLY)
install(DIRECTORY ${tree}/ DESTINATION ${cmake_dir} PATTERN RushlightTargets.cmake EXCLUDE)
install(EXPORT RushlightTargets NAMESPACE rushlight:: DESTINATION ${cmake_dir}/Rushlight)
export(EXPORT RushlightTargets NAMESPACE rushlight:: FILE ${tree}/Rushlight/RushlightTargets.cmake)

# install_stripped(FILE NAME): a library of someone else's, under the name it is loaded by.
function(install_stripped file name)
  install(PROGRAMS ${file} DESTINATION ${provider_dir} RENAME ${name})
  install(CODE "execute_process(COMMAND \"${CMAKE_STRIP}\" --strip-unneeded
    \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${provider_dir}/${name}\")")
endfunction()
foreach(library ${RL_ONEDNN_LIBRARY} ${RL_OPENBLAS_LIBRARY})
  cmake_path(GET library FILENAME name)
  install_stripped(${library} ${name})
endforeach()

if(SKBUILD)
  if(TARGET _C)
    install(TARGETS _C _data LIBRARY DESTINATION rushlight)
    install(FILES ${package}/_C.pyi ${package}/__init__.pyi DESTINATION rushlight)
  endif()
  if(RL_SLEEF)  # Debian's package of it may not be where the wheel goes
    file(REAL_PATH ${RL_SLEEF} sleef)
    string(REGEX MATCH "libsleef\\.so\\.[0-9]+" name ${sleef})
    install_stripped(${sleef} ${name})
  endif()
endif()

# The licence texts, each from the package that the library came from.
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${licence_dir} RENAME rushlight.txt)
foreach(line ${RL_LICENCES})
  string(REGEX MATCH "^([^=]+)=(.+)$" line "${line}")
  if(line)
    install(FILES ${CMAKE_MATCH_2} DESTINATION ${licence_dir} RENAME ${CMAKE_MATCH_1})
  endif()
endforeach()
find_file(RL_SLEEF_LICENCE copyright PATHS /usr/share/doc/libsleef-dev /usr/share/doc/libsleef3 NO_DEFAULT_PATH)
if(RL_SLEEF AND RL_SLEEF_LICENCE)
  install(FILES ${RL_SLEEF_LICENCE} DESTINATION ${licence_dir} RENAME SLEEF.txt)
endif()
