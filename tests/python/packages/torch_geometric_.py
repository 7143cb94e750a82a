# needs: torch_geometric xxhash aiohttp fsspec jinja2 psutil requests tqdm
import torch
from torch_geometric import nn
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import NormalizeFeatures, ToUndirected
from torch_geometric.utils import add_self_loops, degree, to_dense_adj

torch.manual_seed(0)
edges = torch.randint(0, 6, (2, 14))
data = ToUndirected()(Data(x=torch.rand(6, 8), edge_index=edges, y=torch.randint(0, 3, (6,))))
data = NormalizeFeatures()(data)
for layer in (
    nn.GCNConv(8, 3), nn.GATConv(8, 3, heads=2, concat=False), nn.GATv2Conv(8, 3), nn.SAGEConv(8, 3), nn.ChebConv(8, 3, K=2),
    nn.GINConv(torch.nn.Linear(8, 3)), nn.TransformerConv(8, 3), nn.GraphConv(8, 3), nn.ARMAConv(8, 3), nn.TAGConv(8, 3),
    nn.SGConv(8, 3), nn.EdgeConv(torch.nn.Linear(16, 3)), nn.ResGatedGraphConv(8, 3), nn.GENConv(8, 3),
):  # fmt: skip
    optimizer = torch.optim.Adam(layer.parameters(), 0.05)
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.cross_entropy(layer(data.x, data.edge_index), data.y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0], layer
assert add_self_loops(edges)[0].shape == (2, 20) and degree(edges[0], 6).sum() == 14
assert to_dense_adj(edges).sum() == 14
graphs = [
    Data(x=torch.rand(n, 8), edge_index=torch.randint(0, n, (2, 2 * n)), y=torch.tensor([n % 2])) for n in (3, 4, 5)
]
for batch in DataLoader(graphs, batch_size=2):
    pooled = nn.global_mean_pool(nn.GraphNorm(8)(batch.x), batch.batch)
    assert pooled.shape == (batch.num_graphs, 8)
    nn.TopKPooling(8)(batch.x, batch.edge_index, batch=batch.batch)[0].sum().backward()
many = HeteroData()
many["user"].x, many["item"].x = torch.rand(4, 5), torch.rand(3, 6)
many["user", "likes", "item"].edge_index = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 0]])
both = nn.HeteroConv({("user", "likes", "item"): nn.SAGEConv((-1, -1), 2)})
assert both(many.x_dict, many.edge_index_dict)["item"].shape == (3, 2)
print("ran")
