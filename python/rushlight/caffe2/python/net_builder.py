"""caffe2.python.net_builder: nets with conditions and loops, as `with` blocks.

>>> from rushlight.caffe2.python import core, workspace
>>> from rushlight.caffe2.python.net_builder import NetBuilder, ops
>>> with NetBuilder(name="count") as builder:
...     n = ops.Const(5)
...     total = ops.Const(0)
...     with ops.WhileNet():
...         with ops.Condition():
...             _ = ops.GT([n, ops.Const(0)])
...         _ = ops.Add([total, n], [total])
...         _ = ops.Sub([n, ops.Const(1)], [n])
>>> workspace.RunNetOnce(builder.Net())
True
>>> int(workspace.FetchBlob(str(total)))
15
"""

from __future__ import annotations

from rushlight.caffe2.python import core


class NetBuilder:
    """Collects operators; blocks inside of it become nets of If and While operators."""

    _stack: list = []

    def __init__(self, name=None, initial_scope=None, _use_control_ops=True, **kwargs):
        self.name = name or "net"
        self._net = core.Net(self.name) if not NetBuilder._stack else None
        self._nets = []

    @staticmethod
    def current(required=True):
        if not NetBuilder._stack:
            assert not required, "Not in a NetBuilder block."
            return None
        return None if not required else NetBuilder._stack[-1]

    def __enter__(self):
        if self._net is None:
            self._net = core.Net(self.name)
        NetBuilder._stack.append(_Block(self._net, self.name))
        return self

    def __exit__(self, kind, *_):
        NetBuilder._stack.pop()

    def Net(self):
        return self._net

    def get(self):
        return [self._net]


class _Block:
    def __init__(self, net, name):
        self.net, self.name, self.count = net, name, {}

    def fresh(self, name):
        k = self.count.get(name, -1) + 1
        self.count[name] = k
        return f"{self.name}/{name}" + (f"_{k}" if k else "")


def _touched(net):
    """What a net reads before it makes it, and what it makes; the nets of its operators too."""
    used, made = [], []
    for op in net.op:
        reads, writes = list(op.input), list(op.output)
        for arg in op.arg if op.type != "Do" else ():  # which names all
            if arg.HasField("n"):
                inner = _touched(arg.n)
                reads += inner[0]
                writes += inner[1]
        used += [i for i in dict.fromkeys(reads) if i not in used and i not in made]
        made += [o for o in dict.fromkeys(writes) if o not in made]
    return used, made


class _Inner:
    """A block whose operators are a net of their own."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.outer = NetBuilder._stack[-1]
        name = self.outer.fresh(self.name)
        self.net = core.Net(name)
        NetBuilder._stack.append(_Block(self.net, name))
        return self

    def __exit__(self, kind, *_):
        NetBuilder._stack.pop()
        if kind is None:
            self.finish()

    def finish(self):
        pass

    def outside(self, *nets):
        """What the nets read of the outer net, and what they write of it."""
        known = self.outer.net.UsedBlobNames() | set(self.outer.net.Proto().external_input)
        reads, writes = [], []
        for net in nets:
            made = set()
            for op in net.Proto().op:
                for i in op.input:
                    if i not in made and i not in reads and i in known:
                        reads.append(i)
                made.update(op.output)
                for o in op.output:
                    if o not in writes and o in known:
                        writes.append(o)
        return reads, writes

    def scoped(self):
        """The net, in a workspace of its own where it makes blobs that the nets around it don't have: those end with the block."""
        around = set()
        for block in NetBuilder._stack:
            around |= block.net.UsedBlobNames() | set(block.net.Proto().external_input)
        used, made = _touched(self.net.Proto())
        if all(o in around for o in made) or any(i not in around for i in used):
            return self.net
        # A blob for the workspaces, which the net around it makes.
        stack = f"{self.net.Name()}/workspace"
        written = [o for o in made if o in around]
        bound = [*used, *(o for o in written if o not in used)]
        places = [used.index(b) if b in used else len(used) + written.index(b) for b in bound]
        net = core.Net(f"{self.net.Name()}/scope")
        net.CreateScope([], [stack])
        net.Do([*used, stack], [*written, stack], net=self.net.Proto(), inner_blobs=bound, outer_blobs_idx=places)
        return net


class _If(_Inner):
    def __init__(self, condition, name="if"):
        super().__init__(name)
        self.condition = condition

    def finish(self):
        ops._last_if = self
        reads, writes = self.outside(self.net)
        self.outer.net.If([self.condition, *reads], writes, then_net=self.scoped().Proto())
        self.op = self.outer.net.Proto().op[-1]


class _Else(_Inner):
    def __init__(self, name="else"):
        super().__init__(name)

    def finish(self):
        before = ops._last_if
        assert before is not None and before.outer is self.outer, "Else without If"
        reads, writes = self.outside(before.net, self.net)
        before.op.input[:] = [str(before.condition), *[str(r) for r in reads]]
        before.op.output[:] = [str(w) for w in writes]
        before.op.arg.add().CopyFrom(core.utils.MakeArgument("else_net", self.scoped().Proto()))
        ops._last_if = None


class _While(_Inner):
    condition_net = None

    def __init__(self, name="while"):
        super().__init__(name)

    def finish(self):
        assert self.condition_net is not None, "WhileNet wants a Condition block"
        reads, writes = self.outside(self.condition_net, self.net)
        cond = self.condition_net.Proto().op[-1].output[-1]
        outer = self.outer.net
        outer.ConstantFill([], cond, shape=[], value=True, dtype=core.DataType.BOOL)
        outer.While([cond, *reads], writes, loop_net=self.net.Proto(), cond_net=self.condition_net.Proto())


class _Condition(_Inner):
    def __init__(self):
        super().__init__("cond")

    def finish(self):
        ops._loops[-1].condition_net = self.net


class Operations:
    """Operators of the block that is open, and the blocks."""

    def __init__(self):
        self._last_if, self._loops = None, []

    def net(self, net=None, name=None):
        block = NetBuilder.current()
        if net is not None:
            block.net.AppendNet(net)
            return net
        return block.net

    def Const(self, value, dtype=None, blob_out=None):
        import numpy as np

        block = NetBuilder.current()
        array = np.asarray(value, dtype=dtype)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        return block.net.Const(array, blob_out or block.fresh("Const"))

    def If(self, condition, name=None):
        return _If(condition)

    IfNet = If

    def Else(self, name=None):
        return _Else()

    ElseNet = Else

    def WhileNet(self, name=None):
        loop = _While()
        inner_enter, inner_exit = loop.__enter__, loop.__exit__

        class Loop:
            def __enter__(_self):
                ops._loops.append(loop)
                return inner_enter()

            def __exit__(_self, *why):
                try:
                    inner_exit(*why)
                finally:
                    ops._loops.pop()

        return Loop()

    def Condition(self, name=None):
        return _Condition()

    def __getattr__(self, op_type):
        if op_type.startswith("_"):
            raise AttributeError(op_type)
        block = NetBuilder.current()
        call = getattr(block.net, op_type)

        def make(inputs=None, outputs=None, **kwargs):
            if outputs is None:
                outputs = block.fresh(op_type)
            return call(inputs if inputs is not None else [], outputs, **kwargs)

        return make


ops = Operations()
