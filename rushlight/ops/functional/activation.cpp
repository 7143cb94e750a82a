// Softmax over a dimension that need not be named, and dropout of whole channels, as nn.functional has them.
#include "rushlight/dispatch/scripted.h"

namespace rushlight {

OP(functional_softmax_dim, {.schema = "functional::_softmax_dim(str name, int ndim) -> int",
                            .doc = "The dimension that softmax takes where none is named, with a warning.",
                            .kernel = RL_SCRIPT(R"py(
warn(f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.")
return 0 if ndim == 0 or ndim == 1 or ndim == 3 else 1
)py")})

OP(functional_softmax,
   {.schema = "functional::softmax(Tensor input, int? dim=None, int _stacklevel=3, ScalarType? dtype=None) -> Tensor",
    .doc = "exp(input) scaled to sum to one along `dim`. >>> torch.nn.functional.softmax(torch.zeros(2), dim=0)",
    .kernel = RL_SCRIPT(R"py(
along = functional._softmax_dim("softmax", input.dim()) if dim is None else dim
return input.softmax(along, dtype=dtype)
)py")})

OP(functional_softmin,
   {.schema = "functional::softmin(Tensor input, int? dim=None, int _stacklevel=3, ScalarType? dtype=None) -> Tensor",
    .doc = "softmax(-input).",
    .kernel = RL_SCRIPT(R"py(
along = functional._softmax_dim("softmin", input.dim()) if dim is None else dim
return (-input).softmax(along, dtype=dtype)
)py")})

OP(functional_log_softmax,
   {.schema =
        "functional::log_softmax(Tensor input, int? dim=None, int _stacklevel=3, ScalarType? dtype=None) -> Tensor",
    .doc = "log(softmax(input)) without overflow.",
    .kernel = RL_SCRIPT(R"py(
along = functional._softmax_dim("log_softmax", input.dim()) if dim is None else dim
return input.log_softmax(along, dtype=dtype)
)py")})

OP(functional_gumbel_softmax,
   {.schema = "functional::gumbel_softmax(Tensor logits, float tau=1, bool hard=False, float eps=1e-10, int dim=-1) "
              "-> Tensor",
    .doc = "Draws from the Gumbel-softmax distribution; `hard` gives one-hot draws with the soft gradient.",
    .kernel = RL_SCRIPT(R"py(
if eps != 1e-10:
    warn("`eps` parameter is deprecated and has no effect.")
noise = -torch.empty_like(logits, memory_format=torch.contiguous_format).exponential_().log()
soft = ((logits + noise) / tau).softmax(dim)
if not hard:
    return soft
index = soft.max(dim, keepdim=True)[1]
one_hot = torch.zeros_like(logits, memory_format=torch.contiguous_format).scatter_(dim, index, 1.0)
return one_hot - soft.detach() + soft
)py"),
    .draws = "always"})

OP(functional_channel_dropout,
   {.schema = "functional::_channel_dropout(Tensor input, float p, bool training, bool inplace, int batched) -> Tensor",
    .doc = "Zeroes whole channels; an input of other than `batched` dimensions has no batch.",
    .kernel = RL_SCRIPT(R"py(
if p < 0.0 or p > 1.0:
    raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
if input.dim() == batched:
    return torch.feature_dropout_(input, p, training) if inplace else torch.feature_dropout(input, p, training)
if inplace:
    return torch.feature_dropout_(input.unsqueeze_(0), p, training).squeeze_(0)
return torch.feature_dropout(input.unsqueeze(0), p, training).squeeze(0)
)py"),
    .writes = {"input:inplace"},
    .shares = {"input"},
    .reshapes = true,
    .draws = "training"})

OP(functional_dropout1d,
   {.schema = "functional::dropout1d(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
    .doc = "Dropout of whole channels of (N, C, L) or (C, L).",
    .kernel = RL_SCRIPT(R"py(
ndim = input.dim()
if ndim != 2 and ndim != 3:
    raise RuntimeError(
        f"dropout1d: Expected 2D or 3D input, but received a {ndim}D input. Note that dropout1d exists to provide channel-wise "
        "dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs).")
return functional._channel_dropout(input, p, training, inplace, 3)
)py"),
    .writes = {"input:inplace"},
    .shares = {"input"},
    .reshapes = true,
    .draws = "training"})

OP(functional_dropout2d,
   {.schema = "functional::dropout2d(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
    .doc = "Dropout of whole channels of (N, C, H, W).",
    .kernel = RL_SCRIPT(R"py(
ndim = input.dim()
if ndim != 3 and ndim != 4:
    warn(f"dropout2d: Received a {ndim}-D input to dropout2d, which is deprecated and will result in an error in a future release. To "
         "retain the behavior and silence this warning, please use dropout instead. Note that dropout2d exists to provide "
         "channel-wise dropout on inputs with 2 spatial dimensions, a channel dimension, and an optional batch dimension "
         "(i.e. 3D or 4D inputs).")
if ndim == 3:
    warn("dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired - input is "
         "interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a future release to interpret the "
         "input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise dropout behavior, please "
         "switch to using dropout1d instead.")
return functional._channel_dropout(input, p, training, inplace, ndim)
)py"),
    .writes = {"input:inplace"},
    .shares = {"input"},
    .reshapes = true,
    .draws = "training"})

OP(functional_dropout3d,
   {.schema = "functional::dropout3d(Tensor input, float p=0.5, bool training=True, bool inplace=False) -> Tensor",
    .doc = "Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W).",
    .kernel = RL_SCRIPT(R"py(
ndim = input.dim()
if ndim != 4 and ndim != 5:
    warn(f"dropout3d: Received a {ndim}-D input to dropout3d, which is deprecated and will result in an error in a future release. To "
         "retain the behavior and silence this warning, please use dropout instead. Note that dropout3d exists to provide "
         "channel-wise dropout on inputs with 3 spatial dimensions, a channel dimension, and an optional batch dimension "
         "(i.e. 4D or 5D inputs).")
return functional._channel_dropout(input, p, training, inplace, 5)
)py"),
    .writes = {"input:inplace"},
    .shares = {"input"},
    .reshapes = true,
    .draws = "training"})

}  // namespace rushlight
