"""torch._C._distributed_rpc: what programs ask about remote calls, which there are none of."""


class PyRRef:
    """A reference to an object in another process: there are none."""

    def __init__(self, *args: object) -> None:
        from rushlight._missing import unsupported

        raise unsupported("torch.distributed.rpc", "run one process: torch.distributed.is_available() is False here")


def _is_current_rpc_agent_set() -> bool:
    return False
