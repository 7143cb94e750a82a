# needs: mace ase e3nn opt_einsum_fx matscipy lmdb
import numpy as np
import torch
from ase import Atoms
from e3nn import o3
from mace import data, modules, tools
from mace.tools import torch_geometric

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
elements = tools.AtomicNumberTable([1, 8])
block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
model = modules.MACE(
    r_max=5,
    num_bessel=8,
    num_polynomial_cutoff=6,
    max_ell=2,
    interaction_cls=block,
    interaction_cls_first=block,
    num_interactions=2,
    num_elements=2,
    hidden_irreps=o3.Irreps("8x0e+8x1o"),
    MLP_irreps=o3.Irreps("8x0e"),
    gate=torch.nn.functional.silu,
    atomic_energies=np.array([1.0, 3.0]),
    avg_num_neighbors=3,
    atomic_numbers=elements.zs,
    correlation=2,
)
places = np.array([[0, 0, 1.0], [0, 1.0, 0], [0, 0, 0]])
turn = np.array([[0, -1.0, 0], [1.0, 0, 0], [0, 0, 1.0]])


def water(places):
    given = data.config_from_atoms(Atoms("H2O", positions=places))
    return data.AtomicData.from_config(given, z_table=elements, cutoff=3.0)


loader = torch_geometric.dataloader.DataLoader(dataset=[water(places), water(places @ turn.T)], batch_size=2)
out = model(next(iter(loader)).to_dict(), training=True, compute_force=True)
forces = out["forces"].reshape(2, 3, 3)
assert torch.allclose(out["energy"][0], out["energy"][1])
assert torch.allclose(forces[0] @ torch.tensor(turn).T, forces[1], atol=1e-8)
(forces**2).sum().backward()
assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
print("ran")
