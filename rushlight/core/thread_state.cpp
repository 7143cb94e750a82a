#include "rushlight/core/thread_state.h"

namespace rushlight {
thread_local constinit ThreadState thread_state;
}
