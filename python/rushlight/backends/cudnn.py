"""cuDNN's switches: kept so that programs can set them; no CUDA device is used, so they change nothing."""

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    return False


def version() -> None:
    return None
