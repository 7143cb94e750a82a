"""Where PyTorch defines streams and events; programs import them from here too."""

from . import Event, Stream

__all__ = ["Event", "Stream"]
