"""The mistakes that users make most: each raises PyTorch's type of exception, and the text says what, with which shapes or values, and
what to do. Where PyTorch says something, ours begins as it does."""

import copy
import io
import re

import numpy
import pytest
import torch
from nn_support import message

import rushlight as rl


def deep(fw):
    class Layer(fw.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = fw.nn.Linear(4, 5)

        def forward(self, x):
            return self.fc1(x)

    class Net(fw.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = fw.nn.Module()
            self.encoder.layers = fw.nn.ModuleList(Layer() for _ in range(4))

        def forward(self, x):
            return self.encoder.layers[3](x)

    Net()(fw.ones(2, 3))


def without_super(fw):
    class Net(fw.nn.Module):
        def __init__(self):
            self.fc = fw.nn.Linear(1, 1)

    Net()


def without_forward(fw):
    class Net(fw.nn.Module):
        pass

    Net()(fw.ones(1))


def in_place_on_a_leaf(fw):
    w = fw.ones(2, requires_grad=True)
    w += 1


def another_optimizer(fw):
    linear = fw.nn.Linear(1, 1)
    saved = fw.optim.Adam(fw.nn.Sequential(linear, fw.nn.Linear(1, 1)).parameters())
    fw.optim.Adam(linear.parameters()).load_state_dict(saved.state_dict())


def backward_twice(fw):
    w = fw.ones(2, requires_grad=True)
    loss = (w * w).sum()
    loss.backward()
    loss.backward()


def changed_before_backward(fw):
    w = fw.ones(2, requires_grad=True)
    y = w.exp()
    y.add_(1)
    y.sum().backward()


def choosing_by_many(fw):
    if fw.ones(3) > 0:
        pass


def batches(fw, items):
    return list(fw.utils.data.DataLoader(items, batch_size=2))


def tensor_as_parameter(fw):
    fw.nn.Linear(2, 2).weight = fw.ones(2, 2)


def attention(fw, **masks):
    x = fw.ones(5, 2, 8)
    return fw.nn.MultiheadAttention(8, 2)(x, x, x, **masks)


def attention_by_integers(fw):
    x = fw.ones(1, 2, 3, 4)
    fw.nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=fw.ones(3, 3).long())


def calls_an_object_of_a_function(fw):
    class Fn(fw.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with pytest.warns(DeprecationWarning):
        twice = Fn()
    twice(fw.ones(2))


def shuffles_without_a_length(fw):
    class Samples(fw.utils.data.Dataset):
        def __getitem__(self, i):
            return i

    fw.utils.data.DataLoader(Samples(), shuffle=True)


def steps_too_often(fw):
    optimizer = fw.optim.SGD(fw.nn.Linear(1, 1).parameters(), 0.1)
    schedule = fw.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=2)
    for _ in range(4):
        optimizer.step()
        schedule.step()


def returns_one_gradient(fw):
    class Fn(fw.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    Fn.apply(fw.ones(2, requires_grad=True), fw.ones(2)).sum().backward()


# The call, and what its text must have besides PyTorch's own.
MISTAKES = {
    "a learning rate in text": (
        lambda fw: fw.optim.SGD(fw.nn.Linear(1, 1).parameters(), lr="1e-3"),
        ["SGD", "lr", "'1e-3'", r"float\(lr\)"],
    ),
    "many numbers in a format": (lambda fw: f"{fw.ones(2):.2f}", [r"\.2f", r"\(2,\)", r"x\.item\(\)"]),
    "many numbers as one": (lambda fw: int(fw.ones(2)), [r"\[2\]", "mean", "tolist"]),
    "t of a batch": (lambda fw: fw.ones(2, 3, 4).t(), ["3D", r"x\.mT"]),
    "a step that leads away": (lambda fw: fw.arange(5, 1), ["step of 1", "from 5.* to 1"]),
    "a mask of integers": (lambda fw: fw.ones(2).masked_select(fw.tensor([1, 0])), ["int64", r"mask\.bool\(\)"]),
    "a matrix of indices": (lambda fw: fw.ones(3).index_select(0, fw.tensor([[0]])), [r"\[1, 1\]", r"flatten\(\)"]),
    "rows of several lengths in numpy": (
        lambda fw: fw.from_numpy(numpy.array([[1], [2, 3]], dtype=object)),
        ["object_", "astype", "one length"],
    ),
    "matmul": (lambda fw: fw.ones(2, 3) @ fw.ones(4, 5), ["2x3", "4x5", "rows of the second", r"\.mT"]),
    "matmul dtypes": (lambda fw: fw.ones(2, 2) @ fw.ones(2, 2, dtype=fw.float64), ["float", "double", r"\.to\("]),
    "linear": (lambda fw: fw.nn.Linear(4, 2)(fw.ones(3, 5)), ["linear", r"\[3, 5\]", r"\[2, 4\]", "in_features=5"]),
    "linear dtypes": (lambda fw: fw.nn.Linear(4, 2)(fw.ones(3, 4).double()), ["linear", r"\.to\(weight\.dtype\)"]),
    "deep in a model": (deep, ["in_features=3", r"encoder\.layers\.3\.fc1"]),
    "conv channels": (lambda fw: fw.nn.Conv2d(3, 8, 3)(fw.ones(1, 1, 8, 8)), ["conv2d", "in_channels=1", "permute"]),
    "conv dimensions": (lambda fw: fw.nn.Conv2d(1, 1, 3)(fw.ones(8, 8)), [r"\[8, 8\]", r"unsqueeze\(0\)"]),
    "conv size": (lambda fw: fw.nn.Conv1d(1, 1, 5)(fw.ones(1, 1, 3)), ["conv1d", r"\[1, 1, 3\]", "padding"]),
    "broadcast": (lambda fw: fw.ones(2, 3) + fw.ones(4), [r"\[2, 3\]", r"\[4\]", "unsqueeze"]),
    "loss shapes": (lambda fw: fw.nn.functional.mse_loss(fw.ones(3, 2), fw.ones(4, 2)), [r"\[3, 2\]", r"\[4, 2\]"]),
    "loss batch": (
        lambda fw: fw.nn.functional.cross_entropy(fw.ones(3, 5), fw.tensor([0, 1])),
        [r"\[3, 5\]", r"\[2\]", "reshape"],
    ),
    "loss target dtype": (
        lambda fw: fw.nn.functional.cross_entropy(fw.ones(3, 5), fw.tensor([0.0, 1.0, 2.0])),
        [r"target\.long\(\)"],
    ),
    "label out of range": (
        lambda fw: fw.nn.functional.cross_entropy(fw.ones(3, 5), fw.tensor([0, 1, 5])),
        ["5 classes", "0 to 4", "as many outputs", "ignore_index"],
    ),
    "probabilities": (
        lambda fw: fw.nn.functional.binary_cross_entropy(fw.tensor([1.5]), fw.tensor([1.0])),
        ["1.5", "sigmoid", "binary_cross_entropy_with_logits"],
    ),
    "embedding range": (
        lambda fw: fw.nn.Embedding(10, 3)(fw.tensor([3, 10])),
        ["index 10", "0 to 9", "num_embeddings"],
    ),
    "embedding dtype": (lambda fw: fw.nn.Embedding(10, 3)(fw.tensor([3.0])), [r"indices\.long\(\)"]),
    "missing keys": (
        lambda fw: fw.nn.Linear(2, 2).load_state_dict({"weight": fw.ones(2, 2)}),
        ['"bias"', "strict=False"],
    ),
    "prefixed keys": (
        lambda fw: fw.nn.Linear(2, 2).load_state_dict({"module.weight": fw.ones(2, 2), "module.bias": fw.ones(2)}),
        ["'module.'", "removeprefix"],
    ),
    "sizes of keys": (
        lambda fw: fw.nn.Linear(2, 2).load_state_dict({"weight": fw.ones(3, 2), "bias": fw.ones(2)}),
        [r"\[3, 2\]", r"\[2, 2\]", "strict=False"],
    ),
    "devices": (lambda fw: fw.ones(2) + fw.ones(2, device="meta"), ["add", "cpu", "meta", r"\.to\(device\)"]),
    "cuda": (lambda fw: fw.ones(2).cuda(), ["not compiled with CUDA", r"is_available\(\)"]),
    "in place on a leaf": (in_place_on_a_leaf, [r"no_grad\(\)"]),
    "backward twice": (backward_twice, ["retain_graph=True"]),
    "backward of many": (lambda fw: (fw.ones(2, requires_grad=True) * 2).backward(), [r"\[2\]", r"\.sum\(\)"]),
    "backward of none": (lambda fw: fw.ones(2).sum().backward(), ["requires_grad=True", "detach"]),
    "changed before backward": (changed_before_backward, ["set_detect_anomaly", "exp"]),
    "view": (lambda fw: fw.ones(2, 3).t().view(6), [r"\.reshape\("]),
    "reshape": (lambda fw: fw.ones(2, 3).reshape(4, 2), ["8 elements", "-1"]),
    "numpy": (lambda fw: fw.ones(2, requires_grad=True).numpy(), [r"detach\(\)\.numpy\(\)"]),
    "super": (without_super, [r"super\(\)\.__init__\(\)"]),
    "forward": (without_forward, ["def forward"]),
    "ragged batch": (lambda fw: batches(fw, [fw.ones(2), fw.ones(3)]), [r"\[2\]", r"\[3\]", "pad_sequence"]),
    "objects in a batch": (lambda fw: batches(fw, [deep, deep]), ["function", "collate_fn"]),
    "no parameters": (lambda fw: fw.optim.SGD(fw.nn.ReLU().parameters(), lr=0.1), ["ModuleList"]),
    "computed parameter": (lambda fw: fw.optim.SGD([fw.ones(2, requires_grad=True) * 2], lr=0.1), ["detach"]),
    "LSTM input": (lambda fw: fw.nn.LSTM(8, 4)(fw.ones(5, 2, 7)), [r"\[5, 2, 7\]", "input_size=7"]),
    "LSTM dtype": (lambda fw: fw.nn.LSTM(8, 4)(fw.ones(5, 2, 8).double()), [r"input\.to\(torch\.float32\)"]),
    "LSTM state": (
        lambda fw: fw.nn.LSTM(8, 4)(fw.ones(5, 2, 8), (fw.ones(1, 3, 4), fw.ones(1, 3, 4))),
        [r"\[1, 3, 4\]", "hidden_size"],
    ),
    "attention mask": (lambda fw: attention(fw, attn_mask=fw.ones(4, 4)), [r"\(5, 5\)"]),
    "padding mask": (lambda fw: attention(fw, key_padding_mask=fw.zeros(5, 2).bool()), ["to be 2, but got 5"]),
    "einsum sizes": (lambda fw: fw.einsum("ij,jk->ik", fw.ones(2, 3), fw.ones(4, 5)), [r"einsum", "3", "4", "letters"]),
    "einsum letters": (
        lambda fw: fw.einsum("ijk,jk->ik", fw.ones(2, 3), fw.ones(3, 5)),
        ["'ijk'", r"\[2, 3\]", r"\.\.\."],
    ),
    "cat": (lambda fw: fw.cat([fw.ones(2, 3), fw.ones(2, 4)]), [r"\[2, 3\]", r"\[2, 4\]", "dim=1"]),
    "index": (lambda fw: fw.ones(3)[5], ["index 5", "size 3"]),
    "dim": (lambda fw: fw.ones(3).sum(2), [r"\[-1, 0\]"]),
    "item": (lambda fw: fw.ones(3).item(), [r"\[3\]", "tolist"]),
    "truth": (choosing_by_many, [r"\[3\]", r"\.any\(\)", r"\.all\(\)"]),
    "batch of one": (lambda fw: fw.nn.BatchNorm1d(4)(fw.ones(1, 4)), [r"\[1, 4\]", "drop_last"]),
    "batch norm": (lambda fw: fw.nn.BatchNorm2d(4)(fw.ones(2, 3, 2, 2)), [r"\[2, 3, 2, 2\]", "num_features=3"]),
    "layer norm": (lambda fw: fw.nn.LayerNorm(8)(fw.ones(2, 7)), [r"\[2, 7\]", "normalized_shape"]),
    "mean of integers": (lambda fw: fw.ones(3).long().mean(), [r"float\(\)"]),
    "gradient of integers": (lambda fw: fw.tensor([1, 2], requires_grad=True), ["int64", r"1\.0"]),
    "mask": (lambda fw: fw.ones(3)[fw.tensor([True, False])], [r"\[2\]", r"\[3\]"]),
    "ragged lists": (lambda fw: fw.tensor([[1, 2], [3]]), ["pad"]),
    "scatter": (lambda fw: fw.zeros(3).scatter_(0, fw.tensor([0]), fw.ones(1).double()), ["scatter", r"\.to\("]),
    "tensor as parameter": (tensor_as_parameter, ["torch.nn.Parameter"]),
    "deepcopy": (lambda fw: copy.deepcopy(fw.ones(2, requires_grad=True) * 2), [r"detach\(\)\.clone\(\)"]),
    "loss of probabilities": (
        lambda fw: fw.nn.functional.binary_cross_entropy(fw.ones(4, 1), fw.ones(4)),
        [r"\[4, 1\]", "unsqueeze"],
    ),
    "heads": (lambda fw: fw.nn.MultiheadAttention(10, 3), ["embed_dim=10", "num_heads=3"]),
    "groups": (lambda fw: fw.nn.Conv2d(3, 4, 3, groups=2), ["in_channels=3", "groups=2"]),
    "gather": (lambda fw: fw.ones(2, 3).gather(1, fw.tensor([[0, 5]])), ["index 5", "0 to 2"]),
    "missing file": (lambda fw: fw.load("/nonexistent.pt"), ["/nonexistent.pt"]),
    "pictures of bytes": (
        lambda fw: fw.nn.Conv2d(3, 8, 3)(fw.zeros(2, 3, 8, 8, dtype=fw.uint8)),
        [r"x\.to\(weight\.dtype\)"],
    ),
    "attention width": (
        lambda fw: fw.nn.MultiheadAttention(8, 2)(*[fw.ones(5, 2, 6)] * 3),
        ["embed_dim=6", "d_model", "features last"],
    ),
    "targets with a channel": (
        lambda fw: fw.nn.functional.cross_entropy(fw.zeros(4, 3, 8, 8), fw.zeros(4, 1, 8, 8).long()),
        [r"\[4, 1, 8, 8\]", r"squeeze\(1\)"],
    ),
    "targets in a column": (
        lambda fw: fw.nn.functional.nll_loss(fw.zeros(4, 3), fw.zeros(4, 1).long()),
        [r"\[4, 1\]", r"squeeze\(1\)", r"argmax\(1\)"],
    ),
    "bce shapes": (
        lambda fw: fw.nn.functional.binary_cross_entropy_with_logits(fw.zeros(4, 1), fw.zeros(4)),
        [r"view_as\(input\)", r"squeeze\(1\)"],
    ),
    "index of a dimension": (lambda fw: fw.zeros(2, 3)[:, 5], ["index 5", "dimension 1", "indices are 0 to 2"]),
    "floats as indices": (lambda fw: fw.zeros(3)[fw.tensor([0.5])], [r"\.long\(\)", "mask"]),
    "loop over a number": (lambda fw: list(fw.tensor(3.0)), [r"item\(\)"]),
    "words": (lambda fw: fw.tensor(["a", "b"]), ["tensors hold numbers", "enumerate"]),
    "a model for its parameters": (lambda fw: fw.optim.SGD(fw.nn.Linear(2, 2)), [r"model\.parameters\(\)"]),
    "a model to clip": (
        lambda fw: fw.nn.utils.clip_grad_norm_(fw.nn.Linear(2, 2), 1.0),
        [r"model\.parameters\(\)"],
    ),
    "split lengths": (
        lambda fw: fw.utils.data.random_split([1, 2, 3], [2, 2]),
        [r"\[2, 2\] add up to 4", "the dataset has 3", "fractions"],
    ),
    "a model for its state": (
        lambda fw: fw.nn.Linear(2, 3).load_state_dict(fw.nn.Linear(2, 3)),
        [r"state_dict\(\)"],
    ),
    "a list of layers": (lambda fw: fw.nn.Sequential([fw.nn.Linear(2, 2)]), [r"Sequential\(\*layers\)", "ModuleList"]),
    "a class for a layer": (lambda fw: fw.nn.Sequential(fw.nn.ReLU), ["class itself", r"ReLU\(\.\.\.\)"]),
    "a called list": (lambda fw: fw.nn.ModuleList([fw.nn.Linear(2, 2)])(1), ["its items", r"nn\.Sequential"]),
    "a list for a tensor": (lambda fw: fw.nn.Linear(2, 2)([1.0, 2.0]), [r"torch\.tensor\(x\)"]),
    "an array for a tensor": (
        lambda fw: fw.nn.Linear(2, 2)(numpy.ones((1, 2), "f4")),
        [r"torch\.from_numpy\(x\)"],
    ),
    "from_numpy of a list": (lambda fw: fw.from_numpy([1, 2]), [r"torch\.tensor makes"]),
    "one_hot range": (
        lambda fw: fw.nn.functional.one_hot(fw.tensor([0, 5]), num_classes=3),
        ["value 5", "num_classes=3", "0 to 2"],
    ),
    "interpolate without batch": (
        lambda fw: fw.nn.functional.interpolate(fw.zeros(3, 8, 8), scale_factor=2, mode="bilinear"),
        [r"unsqueeze\(0\)"],
    ),
    "grid": (
        lambda fw: fw.nn.functional.grid_sample(fw.zeros(1, 3, 8, 8), fw.zeros(1, 8, 8, 3)),
        [r"coordinates \(x, y\)"],
    ),
    "pool size": (lambda fw: fw.nn.functional.max_pool2d(fw.zeros(1, 1, 2, 2), 4), ["smaller kernel_size"]),
    "permute": (lambda fw: fw.zeros(2, 3).permute(0, 1, 2), ["each dimension once", "unsqueeze"]),
    "expand": (lambda fw: fw.zeros(2, 3).expand(4, 3), ["only dimensions of size 1 expand", "repeat"]),
    "repeat": (lambda fw: fw.zeros(2, 3).repeat(2), [r"\[2, 3\]", r"\[2\]", "for each dimension"]),
    "a negative scale": (lambda fw: fw.distributions.Normal(0.0, -1.0), ["scale is positive", "softplus"]),
    "logits as probs": (lambda fw: fw.distributions.Categorical(fw.tensor([-1.0, 2.0])), ["logits=", "softmax"]),
    "no weights": (lambda fw: fw.multinomial(fw.zeros(2), 1), ["above 0", "softmax"]),
    "a mask of numbers": (lambda fw: fw.ones(3).masked_fill(fw.ones(3), 0), [r"mask == 0", r"mask\.bool\(\)"]),
    "a condition of numbers": (lambda fw: fw.where(fw.ones(3), 1.0, 0.0), [r"condition > 0"]),
    "one_hot of floats": (lambda fw: fw.nn.functional.one_hot(fw.tensor([0.0, 1.0])), ["float32", r"x\.long\(\)"]),
    "topk": (lambda fw: fw.ones(3).topk(4), ["k=4", "3 elements along dimension 0", "min"]),
    "pixel_shuffle": (lambda fw: fw.nn.functional.pixel_shuffle(fw.ones(1, 3, 2, 2), 2), [r"upscale_factor \*\* 2"]),
    "odd padding": (
        lambda fw: fw.nn.functional.pad(fw.ones(2, 2), (1, 1, 1)),
        ["got 3 numbers", "last dimension first"],
    ),
    "bmm of matrices": (lambda fw: fw.bmm(fw.ones(3, 4), fw.ones(4, 5)), [r"\[3, 4\]", "matmul", "unsqueeze"]),
    "bmm sizes": (lambda fw: fw.bmm(fw.ones(2, 3, 4), fw.ones(3, 4, 5)), [r"\[2, 3, 4\] and \[3, 4, 5\]", r"\.mT"]),
    "gather dimensions": (
        lambda fw: fw.ones(3, 2).gather(1, fw.tensor([0, 1])),
        [r"shape \[3, 2\], the index \[2\]", r"unsqueeze\(1\)"],
    ),
    "gather dtype": (lambda fw: fw.ones(3, 2).gather(1, fw.ones(3, 1)), ["float32", r"index\.long\(\)"]),
    "integers need no gradient": (lambda fw: fw.ones(3).long().requires_grad_(), ["int64", r"x\.float\(\)"]),
    "too many indices": (lambda fw: fw.ones(3)[0, 1], [r"got 2 for the shape \[3\]", "unsqueeze"]),
    "cat ranks": (lambda fw: fw.cat([fw.ones(2, 3), fw.ones(2)]), [r"\[2, 3\] and \[2\]", "unsqueeze", "stack"]),
    "the norm of integers": (lambda fw: fw.ones(3).long().norm(), [r"x\.float\(\)\.norm\(\)"]),
    "integer probabilities": (
        lambda fw: fw.nn.functional.cross_entropy(fw.ones(2, 3), fw.zeros(2, 3).long()),
        [r"target\.float\(\)", r"target\.argmax\(1\)"],
    ),
    "an unknown device": (lambda fw: fw.ones(2, device="gpu"), ["gpu", r"cuda\.is_available"]),
    "output_padding": (
        lambda fw: fw.nn.ConvTranspose2d(2, 2, 2, output_padding=3)(fw.ones(1, 2, 2, 2)),
        ["among the sizes that a stride maps to one"],
    ),
    "sizes of a split": (lambda fw: fw.ones(5).split([2, 2]), ["single number"]),
    "ctc lengths": (
        lambda fw: fw.nn.functional.ctc_loss(
            fw.ones(5, 2, 4), fw.ones(2, 3).long(), fw.tensor([5, 6]), fw.tensor([3, 3])
        ),
        [r"\(time, batch, classes\)"],
    ),
    "in place into less": (lambda fw: fw.ones(3).add_(fw.ones(2, 3)), [r"\[3\]", r"\[2, 3\]", r"x = x \+ y"]),
    "in place into integers": (lambda fw: fw.ones(3).long().sqrt_(), ["compute a new tensor"]),
    "rank of batch_norm": (
        lambda fw: fw.nn.BatchNorm2d(3)(fw.ones(2, 3)),
        [r"shape \[2, 3\]", "BatchNorm1d takes such"],
    ),
    "num_groups": (lambda fw: fw.nn.GroupNorm(3, 8), [r"\[1, 2, 4, 8\]"]),
    "a state for an LSTM": (lambda fw: fw.nn.GRU(2, 3)(fw.ones(1, 1, 2), fw.ones(1, 3)), ["num_layers", "hidden_size"]),
    "a tensor for an optimizer": (lambda fw: fw.optim.SGD(fw.ones(3, requires_grad=True), lr=0.1), [r"\[x\]"]),
    "another optimizer's state": (another_optimizer, [r"\[4\]", r"\[2\]", "the model that was saved"]),
    "a model for a schedule": (lambda fw: fw.optim.lr_scheduler.StepLR(fw.nn.Linear(1, 1), 1), ["pass the optimizer"]),
    "a list of tensors": (lambda fw: fw.tensor([fw.ones(2), fw.ones(2)]), [r"\[2\]", r"torch\.stack"]),
    "numbers to cat": (lambda fw: fw.cat([fw.tensor(1.0), fw.tensor(2.0)]), [r"torch\.stack"]),
    "a dtype in quotes": (lambda fw: fw.ones(2).to("float32"), [r"torch\.float32, without quotes"]),
    "integers for a mask of attention": (attention_by_integers, [r"mask\.bool\(\)", "int64|long int"]),
    "tensors for a loss's options": (
        lambda fw: fw.nn.MSELoss(fw.ones(2), fw.ones(2)),
        [r"nn\.MSELoss\(\)\(input, target\)"],
    ),
    "an object of a function": (calls_an_object_of_a_function, [r"Fn\.apply\(", "staticmethod"]),
    "shuffled without a length": (shuffles_without_a_length, ["__len__", "IterableDataset"]),
    "tensors of two lengths": (lambda fw: fw.utils.data.TensorDataset(fw.ones(2), fw.ones(3)), [r"\[2, 3\]"]),
    "a tuple of a layer's": (
        lambda fw: fw.nn.Linear(3, 1)(fw.nn.GRU(2, 3)(fw.ones(4, 1, 2))),
        [r"nn\.LSTM does", "one of its items"],
    ),
    "transposed conv channels": (
        lambda fw: fw.nn.ConvTranspose2d(4, 2, 2)(fw.ones(1, 3, 4, 4)),
        ["conv_transpose2d", "in_channels=3", "permute"],
    ),
    "class weights": (
        lambda fw: fw.nn.functional.cross_entropy(fw.ones(2, 3), fw.tensor([1, 0]), weight=fw.ones(4)),
        [r"\[4\]", r"\[2, 3\]", "for each class"],
    ),
    "loss of integers": (
        lambda fw: fw.nn.functional.mse_loss(fw.tensor([1, 2]), fw.tensor([1, 2])),
        ["mse_loss", r"input\.float\(\)"],
    ),
    "too many steps": (steps_too_often, ["OneCycleLR", r"epochs \* len\(loader\)"]),
    "gradients of a function": (returns_one_gradient, ["for each argument", "None"]),
    "a missing value": (lambda fw: fw.tensor([None, 1.0]), ["NoneType", "nan"]),
    "a slice backwards": (lambda fw: fw.ones(3)[::-1], [r"flip\(dim\)"]),
    "a right side": (lambda fw: fw.linalg.solve(fw.eye(2), fw.ones(3)), ["needs 2 rows"]),
    "dot": (lambda fw: fw.dot(fw.ones(2), fw.ones(3)), ["matmul"]),
    "mv": (lambda fw: fw.mv(fw.ones(2, 3), fw.ones(2)), [r"\.mT"]),
    "outer of matrices": (lambda fw: fw.outer(fw.ones(2, 2), fw.ones(2)), [r"unsqueeze\(-1\)"]),
    "einsum terms": (lambda fw: fw.einsum("ij,jk", fw.ones(2, 3)), ["2 terms", "1 tensors"]),
    "cell input": (lambda fw: fw.nn.LSTMCell(4, 3)(fw.ones(2, 5)), ["input_size=5"]),
    "bags without offsets": (lambda fw: fw.nn.EmbeddingBag(5, 3)(fw.tensor([1, 2])), ["each bag", "2D input"]),
    "bfloat16 for numpy": (lambda fw: fw.ones(2, dtype=fw.bfloat16).numpy(), [r"x\.float\(\)"]),
    "index_select": (lambda fw: fw.ones(3).index_select(0, fw.tensor([5])), ["index 5", "0 to 2"]),
    "bincount": (lambda fw: fw.bincount(fw.tensor([-1, 2])), ["there is -1"]),
    "multinomial": (lambda fw: fw.multinomial(fw.ones(3), 5), ["5 of 3", "replacement=True"]),
    "chances": (lambda fw: fw.bernoulli(fw.tensor([2.0])), ["is 2", "sigmoid"]),
    "numbers for an optimizer": (lambda fw: fw.optim.SGD([3], lr=0.1), [r"model\.parameters\(\)"]),
    "mask of an encoder": (
        lambda fw: fw.nn.TransformerEncoderLayer(8, 2)(fw.ones(5, 2, 8), fw.ones(4, 4)),
        [r"\(5, 5\)", r"\(queries, keys\)", r"\[5, 2, 8\]"],
    ),
    "batches of attention": (
        lambda fw: fw.nn.MultiheadAttention(8, 2)(fw.ones(5, 2, 8), fw.ones(4, 3, 8), fw.ones(4, 3, 8)),
        ["query is 2", "key 3", "batch_first"],
    ),
}
# What the texts of the two differ in before the hint.
OTHER_WORDS = {
    "a learning rate in text",
    "index_select",
    "chances",
    "a dtype in quotes",
    "integers for a mask of attention",
    "an object of a function",
    "pixel_shuffle",
    "an unknown device",
    "output_padding",
    "topk",
    "gather dtype",
    "bmm of matrices",
    "ctc lengths",
    "in place into less",
    "in place into integers",
    "sizes of a split",
    "a mask of numbers",
    "cat ranks",
    "a condition of numbers",
    "pictures of bytes",
    "targets with a channel",
    "an array for a tensor",
    "pool size",
    "devices",
    "cuda",
    "einsum sizes",
    "embedding range",
    "embedding dtype",
    "changed before backward",
    "forward",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_text_says_what_to_do(name):
    call, wanted = MISTAKES[name]
    with pytest.raises(Exception) as e:
        call(rl)
    text = "\n".join([str(e.value), *getattr(e.value, "__notes__", [])])
    for pattern in wanted:
        assert re.search(pattern, text), f"{pattern!r} is missing in: {text}"
    ours, theirs = message(call, rl), message(call, torch)
    assert ours[0] == theirs[0]
    if name not in OTHER_WORDS:
        assert ours[1] == theirs[1]


def test_a_function_in_a_file():
    for fw in (rl, torch):
        with pytest.raises(AttributeError, match="local object" + (r".*state_dict\(\)" if fw is rl else "")):
            fw.save(lambda x: x, io.BytesIO())


def test_matrices_without_inverse_or_root():
    with pytest.raises(rl.linalg.LinAlgError, match="input matrix is singular. Hint: use pinv.*diagonal"):
        rl.linalg.inv(rl.zeros(2, 2))
    with pytest.raises(rl.linalg.LinAlgError, match="not positive-definite.*Hint: .*1e-6.*eigh"):
        rl.linalg.cholesky(-rl.eye(2))


def test_a_module_says_which_attribute_was_asked_for():
    module = rl.nn.Linear(2, 2)
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'wieght'") as e:
        module.wieght  # noqa: B018
    assert e.value.name == "wieght" and e.value.obj is module  # what Python's own suggestion is made from


def test_tensors_of_one_element_are_numbers_in_lists():
    for lists in ([rl.ones(1), rl.full((1, 1), 2.0)], [[rl.tensor(1.0), 2]]):
        theirs = [[torch.tensor(1.0), 2]] if isinstance(lists[0], list) else [torch.ones(1), torch.full((1, 1), 2.0)]
        assert rl.tensor(lists).tolist() == torch.tensor(theirs).tolist()


def test_heaviside_of_two_dtypes():
    with pytest.raises(RuntimeError, match=r"different dtypes, got .*float32 and .*float64. Hint: convert one"):
        rl.heaviside(rl.zeros(2), rl.zeros(2, dtype=rl.float64))
