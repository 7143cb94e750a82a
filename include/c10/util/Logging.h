// CHECK, LOG and CAFFE_ENFORCE as PyTorch's logging has them; see rushlight/api/logging.h.
#pragma once
#include "rushlight/api/logging.h"
