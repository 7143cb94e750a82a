# needs: captum matplotlib
import torch
from captum import attr

torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(36, 3)
)
x, target = torch.randn(2, 1, 8, 8, requires_grad=True), torch.tensor([0, 1])
for method, options in (
    (attr.Saliency(model), {}),
    (attr.InputXGradient(model), {}),
    (attr.DeepLift(model), {}),
    (attr.GuidedBackprop(model), {}),
    (attr.Deconvolution(model), {}),
    (attr.FeatureAblation(model), {}),
    (attr.Occlusion(model), {"sliding_window_shapes": (1, 3, 3)}),
    (attr.GradientShap(model), {"baselines": torch.zeros(3, 1, 8, 8)}),
    (attr.NoiseTunnel(attr.Saliency(model)), {}),
    (attr.GuidedGradCam(model, model[0]), {}),
):
    assert method.attribute(x, target=target, **options).shape == x.shape, method
attributions, delta = attr.IntegratedGradients(model).attribute(
    x, target=target, return_convergence_delta=True, n_steps=200
)
assert delta.abs().max() < 0.05
for layer in (attr.LayerConductance(model, model[0]), attr.LayerIntegratedGradients(model, model[0])):
    assert layer.attribute(x, target=target).shape == (2, 4, 6, 6)
print("ran")
