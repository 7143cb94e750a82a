// Functions of the module torch that Python alone has in PyTorch.
#include "rushlight/dispatch/scripted.h"

namespace rushlight {

OP(functional_unravel_index,
   {.schema = "functional::unravel_index(Tensor indices, int[1] shape) -> Tensor[]",
    .doc = "The coordinates, a tensor for each dimension, of places in a flat tensor of that shape. "
           ">>> torch.unravel_index(torch.tensor([5]), (2, 3))",
    .kernel = RL_SCRIPT(R"py(
if torch.is_complex(indices) or indices.is_floating_point() or indices.dtype == torch.bool:
    raise TypeError("expected 'indices' to be integer dtype, but got another")
for n in shape:
    if n < 0:
        raise ValueError(f"'shape' cannot have negative values, but got {shape}")
places = indices.to(torch.int64)
found: List[Tensor] = []
step = 1
for i in range(len(shape)):
    n = shape[len(shape) - 1 - i]
    found.append(torch.remainder(torch.floor_divide(places, step), n))
    step *= n
found.reverse()
return found
)py")})

}  // namespace rushlight
