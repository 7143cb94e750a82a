"""Initialisers of parameters."""

from rushlight.caffe2.python.model_helper import ExternalInitializer, Initializer, initializer_of


def update_initializer(initializer_class, operator_name_and_kwargs, default_operator_name_and_kwargs):
    """The initialiser that the arguments of a brew helper mean."""
    given = operator_name_and_kwargs or default_operator_name_and_kwargs
    if initializer_class is not None and operator_name_and_kwargs is None:
        return initializer_class(given[0], **given[1]) if isinstance(initializer_class, type) else initializer_class
    return Initializer(given[0], **given[1])


__all__ = ["ExternalInitializer", "Initializer", "initializer_of", "update_initializer"]
