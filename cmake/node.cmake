# The package for Node, in ${PROJECT_BINARY_DIR}/node; with the library, for `npm pack`, in ${PROJECT_BINARY_DIR}/npm.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_INCLUDES ${NODE_INCLUDE})
check_cxx_source_compiles("
  #define NAPI_EXPERIMENTAL
  #include <node_api.h>
  node_api_basic_env env;
  int main() { return 0; }" RUSHLIGHT_NODE_HEADERS)
unset(CMAKE_REQUIRED_INCLUDES)
if(NOT RUSHLIGHT_NODE_HEADERS)
  message(STATUS "Node's headers in ${NODE_INCLUDE} are older than this package needs: it isn't built")
  return()
endif()

set(node_folder ${PROJECT_BINARY_DIR}/node)
file(GLOB node_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/node/src/*.cpp)
add_library(rushlight_node MODULE ${node_sources})
target_include_directories(rushlight_node SYSTEM PRIVATE ${NODE_INCLUDE})
target_link_libraries(rushlight_node PRIVATE rushlight)
set_target_properties(rushlight_node PROPERTIES PREFIX "" OUTPUT_NAME rushlight SUFFIX ".node" LIBRARY_OUTPUT_DIRECTORY ${node_folder}
  CXX_VISIBILITY_PRESET hidden BUILD_RPATH "$ORIGIN")
# node has napi_* itself
target_link_options(rushlight_node PRIVATE -Wl,-z,undefs)

file(MAKE_DIRECTORY ${node_folder})
foreach(name index.js package.json README.md)
  configure_file(${PROJECT_SOURCE_DIR}/node/${name} ${node_folder}/${name} COPYONLY)  # Node would look beside a link's target
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/LICENSE ${node_folder}/LICENSE COPYONLY)
add_custom_command(
  OUTPUT ${node_folder}/index.d.ts
  COMMAND ${Python_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/gen_node_types.py ${PROJECT_SOURCE_DIR} ${node_folder}/index.d.ts $<TARGET_FILE:schemas>
  COMMAND ${CMAKE_COMMAND} -E touch ${node_folder}/index.d.ts
  DEPENDS ${op_sources} schemas tools/gen_api.py tools/gen_stubs.py tools/gen_node_types.py node/index.d.ts rushlight/core/dtype.h
  COMMENT "Deriving Node's type declarations from the operator records"
  VERBATIM)
add_custom_target(node_types DEPENDS ${node_folder}/index.d.ts)
add_dependencies(rushlight_node node_types)

set(npm_folder ${PROJECT_BINARY_DIR}/npm)
add_custom_target(rushlight_npm
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${npm_folder}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${npm_folder}
  COMMAND sh -c "cp '${node_folder}'/* '$<TARGET_FILE:rushlight>' '${npm_folder}' && strip '${npm_folder}'/rushlight.node '${npm_folder}'/librushlight.so"
  DEPENDS rushlight_node
  COMMENT "The package with the library: npm pack ${npm_folder}"
  VERBATIM)
