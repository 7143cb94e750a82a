// Fields of options and states in archives, as optimizers that programs define write and read them.
#pragma once
#include "rushlight/optim/optim.h"

#define _TORCH_OPTIM_SERIALIZE_TORCH_ARG(name) archive.write(#name, ::torch::IValue(name()))
#define _TORCH_OPTIM_DESERIALIZE_TORCH_ARG(T, name)                         \
  do {                                                                      \
    ::torch::IValue rl_value;                                               \
    if (archive.try_read(#name, rl_value)) name(rl_value.template to<T>()); \
  } while (false)
#define _TORCH_OPTIM_DESERIALIZE_TORCH_ARG_OPTIONAL(T, name)                                 \
  do {                                                                                       \
    ::torch::IValue rl_value;                                                                \
    if (archive.try_read(#name, rl_value)) name(rl_value.template to<::std::optional<T>>()); \
  } while (false)
#define _TORCH_OPTIM_SERIALIZE_WITH_TEMPLATE_ARG(Name) \
  ::torch::optim::serialize<Name##ParamState, Name##Options>(archive, self)
