// Caffe2's header of this name; see rushlight/caffe2/api.h.
#pragma once
#include "rushlight/caffe2/api.h"
