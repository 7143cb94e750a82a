"""caffe2.python.net_builder: what a block consists of."""

from __future__ import annotations

from rushlight.caffe2.python import context, core


class NetBuilder(context.Managed):
    """A block, whose operators, nets, steps and inner blocks run in their order: ``core.to_execution_step(builder)``.

    Args:
        name: behind that of the block around it, or instead of it with _fullname.
        initial_scope: blobs that its operators may read and write, besides those of the blocks around it.
        _use_control_ops: whether the block becomes one net, whose inner blocks are operators.
        _stop_blob, _stop_blob_required: the blob that ends the step, and whether there has to be one.
    """

    def __init__(
        self,
        name=None,
        initial_scope=None,
        _stop_blob_required=False,
        _stop_blob=None,
        _fullname=None,
        _use_control_ops=False,
    ):
        around = NetBuilder.current(required=False)
        assert not _fullname or not name, "Cannot set both _fullname and name"
        assert not _use_control_ops or (not _stop_blob_required and not _stop_blob), (
            "Stop blobs are not used with control operators"
        )
        outer_name = around.name if around else None
        self.name = _fullname or "/".join(n for n in (outer_name, name) if n)
        self._frozen = False
        self._current_net = None
        self._children = []
        self._init_lexical_scope = {str(b) for b in initial_scope or ()}
        if around is not None:
            around._update_lexical_scope()  # its nets may have got operators
            self._init_lexical_scope |= around._lexical_scope
        self._lexical_scope = set(self._init_lexical_scope)
        self._stop_blob, self._stop_blob_required = _stop_blob, _stop_blob_required
        self._use_control_ops = _use_control_ops

    def __str__(self):
        return self.name or "Un-named NetBuilder"

    def Net(self):
        """The block as one net, where its parts are nets and operators: it has no steps."""
        self.freeze()
        nets = all(
            isinstance(c, core.Net) or (isinstance(c, NetBuilder) and c._use_control_ops) for c in self._children
        )
        assert self._children and nets, f"{self} has steps, and is no net"
        if len(self._children) > 1 or not isinstance(self._children[0], core.Net):
            self._children = [NetBuilder.merge_nets(self._children, self._lexical_scope)]
        return self._children[0]

    # ---- what ends it

    def _assert_steps(self):
        assert not self._use_control_ops, "Stop blobs are not used with control operators"

    def stop_blob(self):
        """The blob that ends the step. The net that is being built sets it to false, and so does one at the beginning if that is another."""
        self._assert_steps()
        if self._stop_blob is None:
            net = self.current_net()
            self._stop_blob = core.BlobReference(net.NextName("stop_blob"), net=net)
            net.Const(False, blob_out=self._stop_blob)
            if net is not self._children[0]:
                init = core.Net("stop_blob_init")
                init.Const(False, blob_out=self._stop_blob)
                self._children.insert(0, init)
        return self._stop_blob

    def stop_if(self, blob):
        """Ends the step behind the net that is being built where the blob is true."""
        self._assert_steps()
        stop = self.stop_blob()
        self.current_net().Or([stop, blob], [stop])
        self._current_net = None

    # ---- its parts

    def _assert_mutable(self):
        assert not self._frozen, f"This NetBuilder ({self.name}) has been built already."

    def _update_lexical_scope(self):
        """Has the scope know what the nets of the block have by now."""
        self._lexical_scope = set(self._init_lexical_scope)
        for child in self._children:
            if isinstance(child, core.Net):
                self._lexical_scope |= child.UsedBlobNames()
            elif isinstance(child, NetBuilder) and child._use_control_ops:
                self._lexical_scope |= child._lexical_scope

    def _take_children(self):
        children, self._children, self._current_net = self._children, [], None
        self._lexical_scope = set(self._init_lexical_scope)
        return children

    def _become(self, net):
        """Has the block be one net."""
        self._children, self._current_net = [net], net

    def add(self, child):
        """Adds a net, a step or a block."""
        self._assert_mutable()
        if self._use_control_ops:
            assert isinstance(child, core.Net) or (isinstance(child, NetBuilder) and child._use_control_ops), (
                "Expected Net or NetBuilder with control ops"
            )
        self._children.append(child)
        self._current_net = child if isinstance(child, core.Net) else None
        self._update_lexical_scope()
        return child

    def current_net(self, name=None):
        """The net that operators are added to; with a name a new one."""
        self._assert_mutable()
        if self._current_net is None or name is not None:
            self.add(core.Net(name))
        return self._current_net

    def freeze(self):
        for child in self._children:
            if hasattr(child, "freeze"):
                child.freeze()
        self._current_net = None
        self._frozen = True

    def get(self):
        """The parts; nothing can be added from now on."""
        self.freeze()
        return self._children

    def _merged(self):
        """One net of all parts, which are taken; None if there are none."""
        return NetBuilder.merge_nets(self._take_children(), self._lexical_scope)

    def _finish(self):
        """What inner kinds of blocks do at their end."""

    def __exit__(self, kind, *args):
        if kind is None:
            self._finish()
        super().__exit__(kind, *args)
        if kind is None and self._use_control_ops and self._children:
            self._become(self._merged())
        self.freeze()
        assert kind is not None or not self._stop_blob_required or self._stop_blob is not None, (
            f"This NetBuilder ({self.name}) requires a stop condition to be set with `stop` or `stop_if`"
        )

    @staticmethod
    def merge_nets(nets_or_builders, outer_blob_names):
        """One net of nets and of blocks that are nets. External outputs that the outer net doesn't have are none."""
        merged = None
        for part in nets_or_builders:
            if isinstance(part, NetBuilder):
                assert part._use_control_ops, "Merging of NetBuilder supported only for control ops"
                parts = part.get()
                assert len(parts) == 1 and isinstance(parts[0], core.Net), "Invalid control op net builder"
                part = parts[0]
            assert isinstance(part, core.Net), f"expected a Net, got {type(part).__name__}"
            merged = part if merged is None else merged.AppendNet(part)
        if merged is not None:
            proto = merged.Proto()
            proto.external_output[:] = [o for o in proto.external_output if o in outer_blob_names]
        return merged
