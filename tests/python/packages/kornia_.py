# needs: kornia kornia_rs
import kornia
import kornia.augmentation as augment
import torch

torch.manual_seed(0)
x = torch.rand(2, 3, 32, 32, requires_grad=True)
kornia.filters.gaussian_blur2d(x, (3, 3), (1.0, 1.0)).sum().backward()
pipeline = augment.AugmentationSequential(
    augment.RandomHorizontalFlip(p=1.0),
    augment.ColorJitter(0.1, 0.1, 0.1, 0.1, p=1.0),
    augment.RandomAffine(10.0, p=1.0),
    augment.RandomResizedCrop((24, 24)),
    augment.RandomErasing(p=1.0),
)
pipeline(x).sum().backward()
image = x.detach()
assert torch.allclose(kornia.color.hsv_to_rgb(kornia.color.rgb_to_hsv(image)), image, atol=1e-4)
assert torch.allclose(kornia.color.lab_to_rgb(kornia.color.rgb_to_lab(image)), image, atol=1e-3)
kornia.filters.canny(image)
kornia.filters.median_blur(image, (3, 3))
kornia.enhance.equalize(image)
kornia.morphology.dilation(image, torch.ones(3, 3))
same = kornia.geometry.warp_perspective(image, torch.eye(3)[None].repeat(2, 1, 1), (32, 32))
assert torch.allclose(same, image, atol=1e-4)
assert kornia.losses.ssim_loss(image, image, 5).abs() < 1e-5
corners = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.3]]])
found = kornia.geometry.find_homography_dlt(corners, corners + 1)
assert torch.allclose(found / found[..., 2:, 2:], torch.tensor([[[1.0, 0, 1], [0, 1, 1], [0, 0, 1]]]), atol=1e-3)
print("ran")
