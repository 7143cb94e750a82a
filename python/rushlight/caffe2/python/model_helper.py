"""caffe2.python.model_helper: a net with its parameters and the net that initialises them."""

from __future__ import annotations

from rushlight.caffe2.python import _references, core, scope
from rushlight.caffe2.python.modeling.initializers import (  # noqa: F401 (Caffe2's programs import them from here too)
    ExternalInitializer,
    Initializer,
    initializer_of,
)
from rushlight.caffe2.python.modeling.parameter_info import ParameterInfo, ParameterTags
from rushlight.caffe2.python.modeling.parameter_sharing import (  # noqa: F401
    ParameterSharing,
    parameter_sharing_context,
)
from rushlight.caffe2.python.optimizer_context import DEFAULT_OPTIM, OptimizerContext


def _listed(tags):
    return list(tags) if isinstance(tags, (list, tuple, set)) else [tags] if tags else []


class ModelHelper:
    """A model: ``net`` computes it, ``param_init_net`` makes its parameters.

    >>> from rushlight.caffe2.python import brew, model_helper, workspace
    >>> model = model_helper.ModelHelper(name="tiny")
    >>> y = brew.fc(model, "x", "y", dim_in=3, dim_out=2)
    >>> [str(p) for p in model.params]
    ['y_w', 'y_b']
    """

    def __init__(
        self,
        name=None,
        init_params=True,
        allow_not_known_ops=True,
        skip_sparse_optim=False,
        param_model=None,
        arg_scope=None,
    ):
        self.name = name or "model"
        self.net = core.Net(self.name)
        if param_model is not None:
            self.param_init_net, self.param_to_grad = param_model.param_init_net, param_model.param_to_grad
            self.params, self._parameters_info = param_model.params, param_model._parameters_info
            self._computed_params = param_model._computed_params
        else:
            self.param_init_net = core.Net(self.name + "_init")
            self.param_to_grad = {}
            self.params, self._computed_params, self._parameters_info = [], [], {}
        self._param_info_deprecated, self._devices, self._optimizer_params = [], [], {}
        self.gradient_ops_added = False
        self.init_params = init_params
        self.allow_not_known_ops = allow_not_known_ops
        self.skip_sparse_optim = skip_sparse_optim
        self.weights, self.biases = [], []
        self._arg_scope = {"order": "NCHW", "use_cudnn": True, "cudnn_exhaustive_search": False}
        if arg_scope is not None:
            self._arg_scope.update(arg_scope)

    @property
    def arg_scope(self):
        return self._arg_scope

    def get_name(self):
        return self.name

    def create_param(self, param_name, shape, initializer, tags=None):
        """A parameter by its name in the current scope; one that is there already is shared. A BlobReference is a name in full.

        An optimizer of the surrounding UseOptimizer, for one of the tags or for all, is the parameter's.
        """
        if isinstance(param_name, core.BlobReference):
            name = str(param_name)
        elif isinstance(param_name, str):
            name = parameter_sharing_context.get_parameter_name(param_name)
        else:
            raise TypeError(
                f"Unsupported type for param_name: {type(param_name).__name__}; it is a str or a BlobReference"
            )
        if name in self._parameters_info:
            there = self._parameters_info[name].shape
            assert list(there or []) == list(shape or []), f"parameter {name} has the shape {there}, not {shape}"
            return self._parameters_info[name].blob
        with scope.EmptyNameScope():
            made = initializer if self.init_params else ExternalInitializer()
            info = made.create_param(core.BlobReference(name), self.param_init_net, shape)
        if isinstance(info, core.BlobReference):  # an initialiser of one's own
            info = ParameterInfo(None, info, shape=shape)
        info.initializer, info.tags = initializer, frozenset(_listed(tags))
        optimizers = OptimizerContext.current()
        for tag in [t for t in _listed(tags) if optimizers.has_optimizer(t)] or [DEFAULT_OPTIM]:
            if optimizers.has_optimizer(tag):
                info.optimizer = optimizers.get_optimizer(tag)
        self._parameters_info[name] = info
        self.AddParameter(info.blob, tags)
        return info.blob

    def get_param_info(self, param):
        return self._parameters_info.get(str(param))

    def AddParameter(self, param, tags=None):
        assert isinstance(param, core.BlobReference), f"a parameter is a BlobReference, got {type(param).__name__}"
        tags = _listed(tags)
        (self._computed_params if ParameterTags.COMPUTED_PARAM in tags else self.params).append(param)
        if ParameterTags.WEIGHT in tags:
            self.weights.append(param)
        if ParameterTags.BIAS in tags:
            self.biases.append(param)

    def GetParams(self, namescope=None, top_scope=False):
        """Parameters of the current (or that) name scope."""
        namescope = scope.CurrentNameScope() if namescope is None else namescope
        if namescope and not namescope.endswith("/"):
            namescope += "/"
        if not namescope:
            return self.params[:]
        return [p for p in self.params if p.GetNameScope().startswith(namescope)]

    def GetComputedParams(self, namescope=None):
        namescope = scope.CurrentNameScope() if namescope is None else namescope
        return [p for p in self._computed_params if p.GetNameScope().startswith(namescope)]

    def GetAllParams(self, namescope=None):
        return self.GetParams(namescope) + self.GetComputedParams(namescope)

    def GetOptimizationParamInfo(self, params=None):
        """What is known of the parameters that have a gradient (of `params`; None: of all)."""
        if not self.gradient_ops_added:
            raise RuntimeError("Need to call AddGradientOperators first")
        grads = self.get_param_to_grad(params) if params else self.param_to_grad
        return [
            self.get_param_info(p)
            for p, g in grads.items()
            if not (self.skip_sparse_optim and isinstance(g, core.GradientSlice))
        ]

    def GetOptimizationPairs(self, params=None):
        params = self.params if params is None else params
        return {p: self.param_to_grad[p] for p in params if p in self.param_to_grad}

    def AddGradientOperators(self, *args, **kwargs):
        """Adds the gradient operators of the net; returns the gradients of the parameters."""
        if self.gradient_ops_added:
            raise RuntimeError("You cannot run AddGradientOperators twice.")
        self.gradient_ops_added = True
        self.grad_map = self.net.AddGradientOperators(*args, **kwargs)
        self.param_to_grad = self.get_param_to_grad(self.params)
        for param, grad in self.param_to_grad.items():
            info = self._parameters_info.setdefault(str(param), ParameterInfo(None, param))
            info.grad = grad
        return self.grad_map

    def get_param_to_grad(self, params):
        return {p: self.grad_map[str(p)] for p in params if str(p) in self.grad_map}

    def AddOperator(self, op_type, inputs, parameters, *args, **kwargs):
        inputs = list(inputs) + list(parameters)
        return getattr(self.net, op_type)(inputs, *args, **kwargs)

    def LossScale(self):
        return 1.0

    def RunAllOnGPU(self, *args, **kwargs):
        self.param_init_net.RunAllOnGPU(*args, **kwargs)
        self.net.RunAllOnGPU(*args, **kwargs)

    def CreateDB(self, blob_out, db, db_type, **kwargs):
        return self.param_init_net.CreateDB([], blob_out, db=db, db_type=db_type, **kwargs)

    def AddGradientOperatorsOf(self, loss):
        return self.AddGradientOperators([loss])

    def TensorProtosDBInput(self, unused_blob_in, blob_out, batch_size, db, db_type, **kwargs):
        return TensorProtosDBInput(self, unused_blob_in, blob_out, batch_size, db, db_type, **kwargs)

    def _Validate(self):
        """Names of parameters that are there more than once."""
        names = [str(p) for p in self.params]
        return sorted({n for n in names if names.count(n) > 1})

    def Validate(self):
        twice = self._Validate()
        assert not twice, f"Duplicate params: {twice}"

    def GetDevices(self):
        assert self._devices, "Use data_parallel_model to run model on multiple GPUs."
        return self._devices

    def GetCompleteNet(self):
        """One net that makes the parameters and then computes."""
        net = self.param_init_net.Clone(self.name + "_complete_net", keep_schema=True)
        for op in net.Proto().op:
            op.debug_info += "/param_init_net"
        net.AppendNet(self.net)
        if self.net.Proto().HasField("type"):
            net.Proto().type = self.net.Proto().type
        return net

    def ConstructInitTrainNetfromNet(self, net):
        """Takes the two nets of a net that GetCompleteNet gave."""
        parts = [[], []]
        for at, op in enumerate(net.Proto().op):
            parts[not op.debug_info.endswith("/param_init_net")].append(at)
        self.param_init_net, self.net = (
            net.Clone(f"{net.Name()}/{name}", keep_schema=True, op_id_mask=part, update_external_list=True)
            for name, part in zip(("generated_param_init_net", "generated_net"), parts, strict=True)
        )

    def Proto(self):
        return self.net.Proto()

    def InitProto(self):
        return self.param_init_net.Proto()

    def UsePredictor(self):
        pass

    def __getattr__(self, op_type):
        if op_type.startswith("__") or "net" not in self.__dict__:
            raise AttributeError(op_type)
        if not core.IsOperator(op_type):
            raise AttributeError(
                f"Method {op_type} is not a registered operator. Did you mean: [{_references._near(op_type)}]"
            )
        return getattr(self.net, op_type)

    def __dir__(self):
        return sorted({*_references._registered(), *object.__dir__(self)})


def TensorProtosDBInput(model, unused_blob_in, blob_out, batch_size, db, db_type, **kwargs):
    """Adds a reader of a database and the operator that takes batches of it."""
    dbreader = model.param_init_net.CreateDB([], "dbreader_" + db, db=db, db_type=db_type)
    return model.net.TensorProtosDBInput(dbreader, blob_out, batch_size=batch_size, **kwargs)


def _renamed(names, renames):
    names[:] = [renames.get(n, n) for n in names]


def _without_gradient(op, renames, device, outside):
    """Makes of a RecurrentNetwork the one of a net that only predicts; gives what its step reads of `outside`."""
    found = []
    for arg in op.arg:
        if arg.name == "backward_step_net":
            arg.ClearField("n")
        if arg.name == "step_net":
            for step in arg.n.op:
                _renamed(step.input, renames), _renamed(step.output, renames)
                if device is not None:
                    step.device_option.CopyFrom(device)
            found += [b for b in arg.n.external_input if b in outside]
            _renamed(arg.n.external_input, renames), _renamed(arg.n.external_output, renames)
    return found


def ExtractPredictorNet(net_proto, input_blobs, output_blobs, device=None, renames=None, disabled_inputs=None):
    """The part of a net that predicts `output_blobs` from `input_blobs`: without readers of data, labels and gradients.

    Walks from the first operator that reads one of the inputs to the last that writes one of the outputs, and takes those all of whose inputs
    are known: the inputs, what the net has from outside (but `disabled_inputs`), what operators taken so far make. `renames` maps
    names of blobs to new ones; operators are put on `device`. Raises ValueError where no operator reads or writes what is
    named, and where one has is_test=0: it is of a net for training. Gives the net, and the blobs besides the inputs that it needs.
    """
    proto = net_proto.Proto() if hasattr(net_proto, "Proto") else net_proto
    renames = {str(k): str(v) for k, v in (renames or {}).items()}
    inputs, outputs = [str(b) for b in input_blobs], [str(b) for b in output_blobs]
    outside = set(proto.external_input)
    known = (outside | set(inputs)) - {str(b) for b in disabled_inputs or []}
    ops = list(proto.op)
    reads = [k for k, op in enumerate(ops) if op.type != "StopGradient" and set(inputs) & set(op.input)]
    writes = [k for k, op in enumerate(ops) if set(outputs) & set(op.output)]
    for found, blobs, what in ((reads, inputs, "input"), (writes, outputs, "output")):
        if not found:
            raise ValueError(f"ExtractPredictorNet: no ops with {what}={blobs} in the net {proto.name}")
    predict = core.Net(proto.name + "_predict")
    new = predict.Proto()
    new.type = proto.type
    read, written = dict.fromkeys(inputs), dict.fromkeys(outputs)
    for op in ops[reads[0] : writes[-1] + 1]:
        if not known.issuperset(op.input):
            continue
        taken = core.caffe2_pb2.OperatorDef()
        taken.CopyFrom(op)
        if any(a.name == "is_test" and a.i == 0 for a in taken.arg):
            raise ValueError(
                "An operator had is_test=0, did you try to extract a predictor from a train model (instead of test model)? "
                f"Op was: {op}"
            )
        if taken.type == "RecurrentNetwork":
            read.update(dict.fromkeys(_without_gradient(taken, renames, device, outside)))
        if device is not None:
            taken.device_option.CopyFrom(device)
        known.update(op.output)
        read.update(dict.fromkeys(b for b in op.input if b in outside))
        written.update(dict.fromkeys(b for b in op.output if b in set(proto.external_output)))
        _renamed(taken.input, renames), _renamed(taken.output, renames)
        new.op.extend([taken])
    new.external_input.extend(renames.get(b, b) for b in read)
    new.external_output.extend(renames.get(b, b) for b in written)
    given = {renames.get(b, b) for b in inputs}
    return predict, [b for b in new.external_input if b not in given]
