// AT_DISPATCH_V2; see rushlight/api/dispatch.h.
#pragma once
#include "rushlight/api/dispatch.h"
