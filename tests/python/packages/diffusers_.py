# needs: diffusers transformers huggingface_hub safetensors regex
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DConditionModel, UNet2DModel

torch.manual_seed(0)
unet = UNet2DModel(
    sample_size=16, block_out_channels=(32, 64), layers_per_block=1,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
)  # fmt: skip
clean, noise, steps = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16), torch.tensor([1, 5])
schedule = DDPMScheduler(num_train_timesteps=10)
torch.nn.functional.mse_loss(unet(schedule.add_noise(clean, noise, steps), steps).sample, noise).backward()
conditioned = UNet2DConditionModel(
    sample_size=16, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=32, attention_head_dim=8,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
)  # fmt: skip
conditioned(torch.randn(2, 4, 16, 16), 1, torch.randn(2, 7, 32)).sample.sum().backward()
AutoencoderKL(block_out_channels=(32,), norm_num_groups=32)(torch.randn(1, 3, 16, 16)).sample.sum().backward()
for scheduler in (schedule, DDIMScheduler(num_train_timesteps=10)):
    pipeline = DDPMPipeline(unet, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline(batch_size=1, num_inference_steps=2, output_type="np").images.shape == (1, 16, 16, 3)
unet.save_pretrained("unet")
assert UNet2DModel.from_pretrained("unet").config.sample_size == 16
print("ran")
