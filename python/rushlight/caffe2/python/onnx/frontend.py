"""caffe2.python.onnx.frontend: nets as models of ONNX."""

from __future__ import annotations

import io
from typing import Any

import rushlight
from rushlight.caffe2 import _bridge
from rushlight.caffe2.proto import _messages

# Element types of ONNX.
_DTYPES = {
    1: rushlight.float32, 2: rushlight.uint8, 3: rushlight.int8, 5: rushlight.int16, 6: rushlight.int32, 7: rushlight.int64,
    9: rushlight.bool, 10: rushlight.float16, 11: rushlight.float64,
}  # fmt: skip


def _model(data: bytes) -> Any:
    try:
        import onnx
    except ImportError:
        return _messages.classes["OnnxModelProto"].FromString(data)
    return onnx.load_model_from_string(data)


class Caffe2Frontend:
    """Nets as ONNX models: the net as a module, and that exported."""

    target_opset_version = 9

    @classmethod
    def caffe2_net_to_onnx_model(
        cls, predict_net: Any, init_net: Any = None, value_info: Any = None, **kwargs: Any
    ) -> Any:
        """A ModelProto (of the onnx package where it is there) of a net and the net that fills its parameters.

        Args:
            value_info: for each input its element type in ONNX and its shape: ``{"data": (1, (1, 3, 224, 224))}``.
        Errors: RuntimeError for an input without a shape, NotImplementedError for an operator that ONNX has not.
        """
        init = init_net if init_net is not None else b""
        module = _bridge.to_module(init, predict_net)
        net = _bridge._net(predict_net)
        given = dict(value_info or {})
        filled = {o for op in _bridge._net(init).op for o in op.output}
        names = [n for n in _bridge.inputs_of(net) if n not in filled]
        missing = [n for n in names if n not in given]
        if missing:
            raise RuntimeError(f"value_info has no type and shape of the input '{missing[0]}'")
        examples = tuple(rushlight.zeros(tuple(given[n][1]), dtype=_DTYPES[given[n][0]]) for n in names)
        f = io.BytesIO()
        rushlight.onnx.export(
            module.eval(),
            examples,
            f,
            input_names=names,
            output_names=list(net.external_output) or None,
            opset_version=cls.target_opset_version,
            dynamo=False,
        )
        return _model(f.getvalue())

    @classmethod
    def caffe2_net_to_onnx_graph(cls, predict_net: Any, init_net: Any = None, value_info: Any = None) -> Any:
        return cls.caffe2_net_to_onnx_model(predict_net, init_net, value_info).graph


caffe2_net_to_onnx_graph = Caffe2Frontend.caffe2_net_to_onnx_graph
caffe2_net_to_onnx_model = Caffe2Frontend.caffe2_net_to_onnx_model
