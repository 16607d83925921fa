"""The program's own operators, for the processor: schemas by which ONNX checks the graphs that use them.

They compute what several ONNX operators compute together, and keep nothing between them in memory. Tensors
are float32 but for masks (uint8) and sizes (int64); pictures are [1, C, h, w].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from onnx import TensorProto, TypeProto, defs, helper
from onnx.shape_inference import InferenceContext

DOMAIN = "impasto"
VERSION = 1

Dim = int | str | None
Infer = Callable[[InferenceContext], None]
Option = defs.OpSchema.FormalParameterOption

FLOAT, MASK, SIZE, WEIGHT = "tensor(float)", "tensor(uint8)", "tensor(int64)", "W"


def _conv(ctx: InferenceContext) -> None:
    """X, padding and B -> Y, and its mask if there is one."""
    _set_types(ctx, [1, *_dims(ctx, 2), *_dims(ctx, 0)[2:]])


def _conv_pool(ctx: InferenceContext) -> None:
    """X and B -> the pool, its mask and the size before."""
    _set_types(ctx, [1, *_dims(ctx, 1), *map(_halved, _dims(ctx, 0)[2:])])
    ctx.set_output_type(2, _tensor(TensorProto.INT64, [2]))


def _set_types(ctx: InferenceContext, shape: Sequence[Dim]) -> None:
    """Of a tensor, and of its mask if there is one."""
    for index, kind in enumerate([TensorProto.FLOAT, TensorProto.UINT8][: ctx.get_num_outputs()]):
        ctx.set_output_type(index, _tensor(kind, shape))


def _conv_gradient(ctx: InferenceContext) -> None:
    """The channels are those of weights that only the forward operator has."""
    ctx.set_output_type(0, _tensor(TensorProto.FLOAT, [1, None, *_dims(ctx, 0)[2:]]))


def _conv_pool_gradient(ctx: InferenceContext) -> None:
    """The size is in a tensor."""
    ctx.set_output_type(0, _tensor(TensorProto.FLOAT, [1, None, None, None]))


def _pool(ctx: InferenceContext) -> None:
    batch, channels, *size = _dims(ctx, 0)
    ctx.set_output_type(0, _tensor(TensorProto.FLOAT, [batch, channels, *map(_halved, size)]))


def _moments(ctx: InferenceContext) -> None:
    """F and guide -> S, and s where it is wanted."""
    channels, regions = _dims(ctx, 0)[1], _dims(ctx, 1)[0]
    for index, shape in enumerate([(channels, channels), (channels,)][: ctx.get_num_outputs()]):
        ctx.set_output_type(index, _tensor(TensorProto.FLOAT, [regions, *shape]))


def _one(ctx: InferenceContext) -> None:
    ctx.set_output_type(0, _tensor(TensorProto.FLOAT, [1]))


def _like(index: int) -> Infer:
    """The output is like an input."""
    return lambda ctx: ctx.set_output_type(0, ctx.get_input_type(index))


def _halved(dim: Dim) -> Dim:
    """What a pool makes of a dimension; a symbol says what it was divided by, rounded down each time."""
    if not isinstance(dim, str):
        return dim and dim // 2
    symbol, _, divisor = dim.partition("_over_")
    return f"{symbol}_over_{2 * int(divisor or 1)}"


def _dims(ctx: InferenceContext, index: int) -> list[Dim]:
    shape = ctx.get_input_type(index).tensor_type.shape
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in shape.dim]


def _tensor(elem_type: int, dims: Sequence[Dim]) -> TypeProto:
    return helper.make_tensor_type_proto(elem_type, dims)


def _parameters(parameters: Mapping[str, str]) -> list[defs.OpSchema.FormalParameter]:
    """By name; those with a "?" may be left out; W, the last input, is weights, or indices and a codebook."""

    def parameter(name: str, kind: str) -> defs.OpSchema.FormalParameter:
        option = {"?": Option.Optional, "W": Option.Variadic}.get(name[-1], Option.Single)
        return defs.OpSchema.FormalParameter(
            name.rstrip("?"), kind, param_option=option, is_homogeneous=name != "W"
        )

    return [parameter(name, kind) for name, kind in parameters.items()]


def _register(
    name: str,
    infer: Infer,
    inputs: Mapping[str, str],
    attributes: Sequence[str] = (),
    outputs: Mapping[str, str] | None = None,
) -> str:
    schema = defs.OpSchema(
        name,
        DOMAIN,
        VERSION,
        inputs=_parameters(inputs),
        outputs=_parameters(outputs or {"Y": FLOAT}),
        type_constraints=[(WEIGHT, [FLOAT, MASK], "weights")] if "W" in inputs else [],
        attributes=[
            defs.OpSchema.Attribute(attribute, defs.OpSchema.AttrType.STRING, "") for attribute in attributes
        ],
    )
    schema.set_type_and_shape_inference_function(infer)
    defs.register_schema(schema)
    return name


_WEIGHTS = {"B": FLOAT, "W": WEIGHT}
_PADDING = {"padding?": FLOAT}
_MASKED = {"Y": FLOAT, "mask": MASK}
_POOLED = {"P": FLOAT, "mask": MASK, "size": SIZE}

OPERATORS = frozenset({
    _register("ConvRelu", _conv, {"X": FLOAT} | _PADDING | _WEIGHTS, ["layer"]),
    _register("ConvReluMask", _conv, {"X": FLOAT} | _PADDING | _WEIGHTS, ["layer"], _MASKED),
    _register("ConvReluPool", _conv_pool, {"X": FLOAT} | _WEIGHTS, ["layer", "pool"], _POOLED),
    _register("ConvGradient", _conv_gradient, {"dY": FLOAT, "mask?": MASK} | _PADDING, ["layer"]),
    _register("ConvReluPoolGradient", _conv_pool_gradient, {"dP": FLOAT} | dict(list(_POOLED.items())[1:]),
              ["layer", "pool"]),
    _register("Pool", _pool, {"X": FLOAT}, ["pool"]),
    _register("PoolGradient", _like(1), {"dP": FLOAT, "X": FLOAT}, ["pool"]),
    _register("Moments", _moments, {"F": FLOAT, "guide": FLOAT}, outputs={"S": FLOAT, "s?": FLOAT}),
    _register("MomentsGradient", _like(0),
              {"F": FLOAT, "guide": FLOAT, "A": FLOAT, "b?": FLOAT, "add?": FLOAT}),
    _register("SquareDifference", _one, {"F": FLOAT, "target": FLOAT, "guide": FLOAT}),
    _register("ContentGradient", _like(0),
              {"F": FLOAT, "target": FLOAT, "guide": FLOAT, "coefficient": FLOAT, "add?": FLOAT}),
    _register("TotalVariation", _one, {"X": FLOAT, "guide": FLOAT}),
    _register("TotalVariationGradient", _like(0),
              {"X": FLOAT, "guide": FLOAT, "weight": FLOAT, "add?": FLOAT}),
})  # fmt: skip
"""onnx/README.md says what they compute."""

IN_PLACE = {"MomentsGradient": 4}
"""The input, by its number, whose memory the output may take."""

OPTIONAL_OUTPUTS = {"Moments": (1,)}
"""The outputs, by their numbers, that are not made where nobody wants them."""
