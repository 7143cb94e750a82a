"""Models that find things in images: boxes with classes and scores, masks, keypoints; under torchvision's names."""

from .._registry import weights_getattr
from .faster_rcnn import *  # noqa: F403
from .fcos import *  # noqa: F403
from .keypoint_rcnn import *  # noqa: F403
from .mask_rcnn import *  # noqa: F403
from .retinanet import *  # noqa: F403

__getattr__ = weights_getattr(__name__)
