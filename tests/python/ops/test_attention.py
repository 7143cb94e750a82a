from .harness import case, f32, op, raises

op("nn.functional.scaled_dot_product_attention", [
    case(f32(2, 3, 4), f32(2, 5, 4), f32(2, 5, 6)),
    case(f32(2, 2, 3, 4), f32(2, 2, 3, 4), f32(2, 2, 3, 4), is_causal=True, grad=1),
    case(f32(2, 3, 4), f32(2, 5, 4), f32(2, 5, 6), f32(3, 5), scale=0.3),
    raises(RuntimeError, f32(4), f32(4), f32(4), match="at least 2 dimensional"),
])  # fmt: skip
