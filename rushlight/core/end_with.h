// A process that ends when another does: worker processes use it, so that none outlives the program that started it.
#pragma once

namespace rushlight {

// From now on this process ends, with exit code 1, as soon as the process `pid` has ended, whatever its own threads are doing. A thread
// sleeps on it; signals go to the other threads. Throws RuntimeError if the system has no thread for it.
void end_with_process(int pid);

}  // namespace rushlight
