"""cuBLAS's switches: kept so that programs can set them; no CUDA device is used, so they change nothing."""


class matmul:
    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True


def is_built() -> bool:
    return False
