# find_package(Rushlight): the target rushlight::rushlight. Its modules (torch::nn, torch::optim) and data sets (torch::data) are libraries of
# their own, which only programs that use them are linked to.
include("${CMAKE_CURRENT_LIST_DIR}/RushlightTargets.cmake")
target_link_libraries(rushlight::rushlight INTERFACE
  "-Wl,--push-state,--as-needed,$<TARGET_FILE:rushlight::rushlight_nn>,$<TARGET_FILE:rushlight::rushlight_data>,--pop-state")
