# find_package(Rushlight): the target rushlight::rushlight.
include("${CMAKE_CURRENT_LIST_DIR}/RushlightTargets.cmake")
