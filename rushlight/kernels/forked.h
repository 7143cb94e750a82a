// What a forked child must know of the libraries' thread pools, whose threads it does not have.
#pragma once

namespace rushlight {

// The count itself, or 1 in a child whose parent gave such a library more than one: OpenMP would wait for threads that are not there.
// Called before each use of oneDNN or OpenBLAS with the number of threads that it is to have.
int library_threads(int wanted);

}  // namespace rushlight
