"""Data sets in local files, under torchvision's names; there is no network: ``download=True`` says where the files have to be.

>>> data = FakeData(size=3, image_size=(3, 8, 8), num_classes=4)
>>> image, label = data[0]
>>> image.size, len(data)
((8, 8), 3)
"""

from .archives import (  # noqa: F401
    STL10,
    SVHN,
    Caltech101,
    Caltech256,
    CocoCaptions,
    CocoDetection,
    EuroSAT,
    Food101,
    ImageNet,
    VOCDetection,
    VOCSegmentation,
)
from .cifar import CIFAR10, CIFAR100  # noqa: F401
from .folder import DatasetFolder, FakeData, ImageFolder  # noqa: F401
from .mnist import EMNIST, KMNIST, MNIST, FashionMNIST  # noqa: F401
from .vision import VisionDataset  # noqa: F401
