"""Checkpoints of PyTorch's server by model: the enum, its default; then each member, its file, and how its images are prepared."""

# ruff: noqa: E501
TABLE = """
alexnet AlexNet IMAGENET1K_V1
  IMAGENET1K_V1 alexnet-owt-7be5be79.pth crop=224
convnext_base ConvNeXt_Base IMAGENET1K_V1
  IMAGENET1K_V1 convnext_base-6075fbad.pth crop=224 resize=232
convnext_large ConvNeXt_Large IMAGENET1K_V1
  IMAGENET1K_V1 convnext_large-ea097f82.pth crop=224 resize=232
convnext_small ConvNeXt_Small IMAGENET1K_V1
  IMAGENET1K_V1 convnext_small-0c510722.pth crop=224 resize=230
convnext_tiny ConvNeXt_Tiny IMAGENET1K_V1
  IMAGENET1K_V1 convnext_tiny-983f1562.pth crop=224 resize=236
deeplabv3_mobilenet_v3_large DeepLabV3_MobileNet_V3_Large COCO_WITH_VOC_LABELS_V1
  COCO_WITH_VOC_LABELS_V1 deeplabv3_mobilenet_v3_large-fc3c493d.pth resize=520
deeplabv3_resnet101 DeepLabV3_ResNet101 COCO_WITH_VOC_LABELS_V1
  COCO_WITH_VOC_LABELS_V1 deeplabv3_resnet101_coco-586e9e4e.pth resize=520
deeplabv3_resnet50 DeepLabV3_ResNet50 COCO_WITH_VOC_LABELS_V1
  COCO_WITH_VOC_LABELS_V1 deeplabv3_resnet50_coco-cd0a2569.pth resize=520
densenet121 DenseNet121 IMAGENET1K_V1
  IMAGENET1K_V1 densenet121-a639ec97.pth crop=224
densenet161 DenseNet161 IMAGENET1K_V1
  IMAGENET1K_V1 densenet161-8d451a50.pth crop=224
densenet169 DenseNet169 IMAGENET1K_V1
  IMAGENET1K_V1 densenet169-b2777c0a.pth crop=224
densenet201 DenseNet201 IMAGENET1K_V1
  IMAGENET1K_V1 densenet201-c1103571.pth crop=224
efficientnet_b0 EfficientNet_B0 IMAGENET1K_V1
  IMAGENET1K_V1 efficientnet_b0_rwightman-7f5810bc.pth crop=224 resize=256 by=bicubic
efficientnet_b1 EfficientNet_B1 IMAGENET1K_V2
  IMAGENET1K_V1 efficientnet_b1_rwightman-bac287d4.pth crop=240 resize=256 by=bicubic
  IMAGENET1K_V2 efficientnet_b1-c27df63c.pth crop=240 resize=255 by=bilinear
efficientnet_b2 EfficientNet_B2 IMAGENET1K_V1
  IMAGENET1K_V1 efficientnet_b2_rwightman-c35c1473.pth crop=288 resize=288 by=bicubic
efficientnet_b3 EfficientNet_B3 IMAGENET1K_V1
  IMAGENET1K_V1 efficientnet_b3_rwightman-b3899882.pth crop=300 resize=320 by=bicubic
efficientnet_b4 EfficientNet_B4 IMAGENET1K_V1
  IMAGENET1K_V1 efficientnet_b4_rwightman-23ab8bcd.pth crop=380 resize=384 by=bicubic
efficientnet_b5 EfficientNet_B5 IMAGENET1K_V1
  IMAGENET1K_V1 efficientnet_b5_lukemelas-1a07897c.pth crop=456 resize=456 by=bicubic
efficientnet_b6 EfficientNet_B6 IMAGENET1K_V1
  IMAGENET1K_V1 efficientnet_b6_lukemelas-24a108a5.pth crop=528 resize=528 by=bicubic
efficientnet_b7 EfficientNet_B7 IMAGENET1K_V1
  IMAGENET1K_V1 efficientnet_b7_lukemelas-c5b4e57e.pth crop=600 resize=600 by=bicubic
efficientnet_v2_l EfficientNet_V2_L IMAGENET1K_V1
  IMAGENET1K_V1 efficientnet_v2_l-59c71312.pth crop=480 resize=480 by=bicubic mean=0.5,0.5,0.5 std=0.5,0.5,0.5
efficientnet_v2_m EfficientNet_V2_M IMAGENET1K_V1
  IMAGENET1K_V1 efficientnet_v2_m-dc08266a.pth crop=480 resize=480 by=bilinear
efficientnet_v2_s EfficientNet_V2_S IMAGENET1K_V1
  IMAGENET1K_V1 efficientnet_v2_s-dd5fe13b.pth crop=384 resize=384 by=bilinear
fasterrcnn_mobilenet_v3_large_320_fpn FasterRCNN_MobileNet_V3_Large_320_FPN COCO_V1
  COCO_V1 fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth
fasterrcnn_mobilenet_v3_large_fpn FasterRCNN_MobileNet_V3_Large_FPN COCO_V1
  COCO_V1 fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth
fasterrcnn_resnet50_fpn FasterRCNN_ResNet50_FPN COCO_V1
  COCO_V1 fasterrcnn_resnet50_fpn_coco-258fb6c6.pth
fasterrcnn_resnet50_fpn_v2 FasterRCNN_ResNet50_FPN_V2 COCO_V1
  COCO_V1 fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth
fcn_resnet101 FCN_ResNet101 COCO_WITH_VOC_LABELS_V1
  COCO_WITH_VOC_LABELS_V1 fcn_resnet101_coco-7ecb50ca.pth resize=520
fcn_resnet50 FCN_ResNet50 COCO_WITH_VOC_LABELS_V1
  COCO_WITH_VOC_LABELS_V1 fcn_resnet50_coco-1167a1af.pth resize=520
fcos_resnet50_fpn FCOS_ResNet50_FPN COCO_V1
  COCO_V1 fcos_resnet50_fpn_coco-99b0c9b7.pth
googlenet GoogLeNet IMAGENET1K_V1
  IMAGENET1K_V1 googlenet-1378be20.pth crop=224
inception_v3 Inception_V3 IMAGENET1K_V1
  IMAGENET1K_V1 inception_v3_google-0cc3c7bd.pth crop=299 resize=342
keypointrcnn_resnet50_fpn KeypointRCNN_ResNet50_FPN COCO_V1
  COCO_LEGACY keypointrcnn_resnet50_fpn_coco-9f466800.pth
  COCO_V1 keypointrcnn_resnet50_fpn_coco-fc266e95.pth
lraspp_mobilenet_v3_large LRASPP_MobileNet_V3_Large COCO_WITH_VOC_LABELS_V1
  COCO_WITH_VOC_LABELS_V1 lraspp_mobilenet_v3_large-d234d4ea.pth resize=520
maskrcnn_resnet50_fpn MaskRCNN_ResNet50_FPN COCO_V1
  COCO_V1 maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth
maskrcnn_resnet50_fpn_v2 MaskRCNN_ResNet50_FPN_V2 COCO_V1
  COCO_V1 maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth
maxvit_t MaxVit_T IMAGENET1K_V1
  IMAGENET1K_V1 maxvit_t-bc5ab103.pth crop=224 resize=224 by=bicubic
mnasnet0_5 MNASNet0_5 IMAGENET1K_V1
  IMAGENET1K_V1 mnasnet0.5_top1_67.823-3ffadce67e.pth crop=224
mnasnet0_75 MNASNet0_75 IMAGENET1K_V1
  IMAGENET1K_V1 mnasnet0_75-7090bc5f.pth crop=224 resize=232
mnasnet1_0 MNASNet1_0 IMAGENET1K_V1
  IMAGENET1K_V1 mnasnet1.0_top1_73.512-f206786ef8.pth crop=224
mnasnet1_3 MNASNet1_3 IMAGENET1K_V1
  IMAGENET1K_V1 mnasnet1_3-a4c69d6f.pth crop=224 resize=232
mobilenet_v2 MobileNet_V2 IMAGENET1K_V2
  IMAGENET1K_V1 mobilenet_v2-b0353104.pth crop=224
  IMAGENET1K_V2 mobilenet_v2-7ebf99e0.pth crop=224 resize=232
mobilenet_v3_large MobileNet_V3_Large IMAGENET1K_V2
  IMAGENET1K_V1 mobilenet_v3_large-8738ca79.pth crop=224
  IMAGENET1K_V2 mobilenet_v3_large-5c1a4163.pth crop=224 resize=232
mobilenet_v3_small MobileNet_V3_Small IMAGENET1K_V1
  IMAGENET1K_V1 mobilenet_v3_small-047dcff4.pth crop=224
regnet_x_16gf RegNet_X_16GF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_x_16gf-2007eb11.pth crop=224
  IMAGENET1K_V2 regnet_x_16gf-ba3796d7.pth crop=224 resize=232
regnet_x_1_6gf RegNet_X_1_6GF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_x_1_6gf-e3633e7f.pth crop=224
  IMAGENET1K_V2 regnet_x_1_6gf-a12f2b72.pth crop=224 resize=232
regnet_x_32gf RegNet_X_32GF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_x_32gf-9d47f8d0.pth crop=224
  IMAGENET1K_V2 regnet_x_32gf-6eb8fdc6.pth crop=224 resize=232
regnet_x_3_2gf RegNet_X_3_2GF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_x_3_2gf-f342aeae.pth crop=224
  IMAGENET1K_V2 regnet_x_3_2gf-7071aa85.pth crop=224 resize=232
regnet_x_400mf RegNet_X_400MF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_x_400mf-adf1edd5.pth crop=224
  IMAGENET1K_V2 regnet_x_400mf-62229a5f.pth crop=224 resize=232
regnet_x_800mf RegNet_X_800MF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_x_800mf-ad17e45c.pth crop=224
  IMAGENET1K_V2 regnet_x_800mf-94a99ebd.pth crop=224 resize=232
regnet_x_8gf RegNet_X_8GF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_x_8gf-03ceed89.pth crop=224
  IMAGENET1K_V2 regnet_x_8gf-2b70d774.pth crop=224 resize=232
regnet_y_128gf RegNet_Y_128GF IMAGENET1K_SWAG_E2E_V1
  IMAGENET1K_SWAG_E2E_V1 regnet_y_128gf_swag-c8ce3e52.pth crop=384 resize=384 by=bicubic
  IMAGENET1K_SWAG_LINEAR_V1 regnet_y_128gf_lc_swag-cbe8ce12.pth crop=224 resize=224 by=bicubic
regnet_y_16gf RegNet_Y_16GF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_y_16gf-9e6ed7dd.pth crop=224
  IMAGENET1K_V2 regnet_y_16gf-3e4a00f9.pth crop=224 resize=232
  IMAGENET1K_SWAG_E2E_V1 regnet_y_16gf_swag-43afe44d.pth crop=384 resize=384 by=bicubic
  IMAGENET1K_SWAG_LINEAR_V1 regnet_y_16gf_lc_swag-f3ec0043.pth crop=224 resize=224 by=bicubic
regnet_y_1_6gf RegNet_Y_1_6GF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_y_1_6gf-b11a554e.pth crop=224
  IMAGENET1K_V2 regnet_y_1_6gf-0d7bc02a.pth crop=224 resize=232
regnet_y_32gf RegNet_Y_32GF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_y_32gf-4dee3f7a.pth crop=224
  IMAGENET1K_V2 regnet_y_32gf-8db6d4b5.pth crop=224 resize=232
  IMAGENET1K_SWAG_E2E_V1 regnet_y_32gf_swag-04fdfa75.pth crop=384 resize=384 by=bicubic
  IMAGENET1K_SWAG_LINEAR_V1 regnet_y_32gf_lc_swag-e1583746.pth crop=224 resize=224 by=bicubic
regnet_y_3_2gf RegNet_Y_3_2GF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_y_3_2gf-b5a9779c.pth crop=224
  IMAGENET1K_V2 regnet_y_3_2gf-9180c971.pth crop=224 resize=232
regnet_y_400mf RegNet_Y_400MF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_y_400mf-c65dace8.pth crop=224
  IMAGENET1K_V2 regnet_y_400mf-e6988f5f.pth crop=224 resize=232
regnet_y_800mf RegNet_Y_800MF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_y_800mf-1b27b58c.pth crop=224
  IMAGENET1K_V2 regnet_y_800mf-58fc7688.pth crop=224 resize=232
regnet_y_8gf RegNet_Y_8GF IMAGENET1K_V2
  IMAGENET1K_V1 regnet_y_8gf-d0d0e4a8.pth crop=224
  IMAGENET1K_V2 regnet_y_8gf-dc2b1b54.pth crop=224 resize=232
resnet101 ResNet101 IMAGENET1K_V2
  IMAGENET1K_V1 resnet101-63fe2227.pth crop=224
  IMAGENET1K_V2 resnet101-cd907fc2.pth crop=224 resize=232
resnet152 ResNet152 IMAGENET1K_V2
  IMAGENET1K_V1 resnet152-394f9c45.pth crop=224
  IMAGENET1K_V2 resnet152-f82ba261.pth crop=224 resize=232
resnet18 ResNet18 IMAGENET1K_V1
  IMAGENET1K_V1 resnet18-f37072fd.pth crop=224
resnet34 ResNet34 IMAGENET1K_V1
  IMAGENET1K_V1 resnet34-b627a593.pth crop=224
resnet50 ResNet50 IMAGENET1K_V2
  IMAGENET1K_V1 resnet50-0676ba61.pth crop=224
  IMAGENET1K_V2 resnet50-11ad3fa6.pth crop=224 resize=232
resnext101_32x8d ResNeXt101_32X8D IMAGENET1K_V2
  IMAGENET1K_V1 resnext101_32x8d-8ba56ff5.pth crop=224
  IMAGENET1K_V2 resnext101_32x8d-110c445d.pth crop=224 resize=232
resnext101_64x4d ResNeXt101_64X4D IMAGENET1K_V1
  IMAGENET1K_V1 resnext101_64x4d-173b62eb.pth crop=224 resize=232
resnext50_32x4d ResNeXt50_32X4D IMAGENET1K_V2
  IMAGENET1K_V1 resnext50_32x4d-7cdf4587.pth crop=224
  IMAGENET1K_V2 resnext50_32x4d-1a0047aa.pth crop=224 resize=232
retinanet_resnet50_fpn RetinaNet_ResNet50_FPN COCO_V1
  COCO_V1 retinanet_resnet50_fpn_coco-eeacb38b.pth
retinanet_resnet50_fpn_v2 RetinaNet_ResNet50_FPN_V2 COCO_V1
  COCO_V1 retinanet_resnet50_fpn_v2_coco-5905b1c5.pth
shufflenet_v2_x0_5 ShuffleNet_V2_X0_5 IMAGENET1K_V1
  IMAGENET1K_V1 shufflenetv2_x0.5-f707e7126e.pth crop=224
shufflenet_v2_x1_0 ShuffleNet_V2_X1_0 IMAGENET1K_V1
  IMAGENET1K_V1 shufflenetv2_x1-5666bf0f80.pth crop=224
shufflenet_v2_x1_5 ShuffleNet_V2_X1_5 IMAGENET1K_V1
  IMAGENET1K_V1 shufflenetv2_x1_5-3c479a10.pth crop=224 resize=232
shufflenet_v2_x2_0 ShuffleNet_V2_X2_0 IMAGENET1K_V1
  IMAGENET1K_V1 shufflenetv2_x2_0-8be3c8ee.pth crop=224 resize=232
squeezenet1_0 SqueezeNet1_0 IMAGENET1K_V1
  IMAGENET1K_V1 squeezenet1_0-b66bff10.pth crop=224
squeezenet1_1 SqueezeNet1_1 IMAGENET1K_V1
  IMAGENET1K_V1 squeezenet1_1-b8a52dc0.pth crop=224
ssd300_vgg16 SSD300_VGG16 COCO_V1
  COCO_V1 ssd300_vgg16_coco-b556d3b4.pth
ssdlite320_mobilenet_v3_large SSDLite320_MobileNet_V3_Large COCO_V1
  COCO_V1 ssdlite320_mobilenet_v3_large_coco-a79551df.pth
swin_b Swin_B IMAGENET1K_V1
  IMAGENET1K_V1 swin_b-68c6b09e.pth crop=224 resize=238 by=bicubic
swin_s Swin_S IMAGENET1K_V1
  IMAGENET1K_V1 swin_s-5e29d889.pth crop=224 resize=246 by=bicubic
swin_t Swin_T IMAGENET1K_V1
  IMAGENET1K_V1 swin_t-704ceda3.pth crop=224 resize=232 by=bicubic
swin_v2_b Swin_V2_B IMAGENET1K_V1
  IMAGENET1K_V1 swin_v2_b-781e5279.pth crop=256 resize=272 by=bicubic
swin_v2_s Swin_V2_S IMAGENET1K_V1
  IMAGENET1K_V1 swin_v2_s-637d8ceb.pth crop=256 resize=260 by=bicubic
swin_v2_t Swin_V2_T IMAGENET1K_V1
  IMAGENET1K_V1 swin_v2_t-b137f0e2.pth crop=256 resize=260 by=bicubic
vgg11 VGG11 IMAGENET1K_V1
  IMAGENET1K_V1 vgg11-8a719046.pth crop=224
vgg11_bn VGG11_BN IMAGENET1K_V1
  IMAGENET1K_V1 vgg11_bn-6002323d.pth crop=224
vgg13 VGG13 IMAGENET1K_V1
  IMAGENET1K_V1 vgg13-19584684.pth crop=224
vgg13_bn VGG13_BN IMAGENET1K_V1
  IMAGENET1K_V1 vgg13_bn-abd245e5.pth crop=224
vgg16 VGG16 IMAGENET1K_V1
  IMAGENET1K_V1 vgg16-397923af.pth crop=224
  IMAGENET1K_FEATURES vgg16_features-amdegroot-88682ab5.pth crop=224 mean=0.48235,0.45882,0.40784 std=0.00392156862745098,0.00392156862745098,0.00392156862745098
vgg16_bn VGG16_BN IMAGENET1K_V1
  IMAGENET1K_V1 vgg16_bn-6c64b313.pth crop=224
vgg19 VGG19 IMAGENET1K_V1
  IMAGENET1K_V1 vgg19-dcbb9e9d.pth crop=224
vgg19_bn VGG19_BN IMAGENET1K_V1
  IMAGENET1K_V1 vgg19_bn-c79401a0.pth crop=224
vit_b_16 ViT_B_16 IMAGENET1K_V1
  IMAGENET1K_V1 vit_b_16-c867db91.pth crop=224
  IMAGENET1K_SWAG_E2E_V1 vit_b_16_swag-9ac1b537.pth crop=384 resize=384 by=bicubic
  IMAGENET1K_SWAG_LINEAR_V1 vit_b_16_lc_swag-4e70ced5.pth crop=224 resize=224 by=bicubic
vit_b_32 ViT_B_32 IMAGENET1K_V1
  IMAGENET1K_V1 vit_b_32-d86f8d99.pth crop=224
vit_h_14 ViT_H_14 IMAGENET1K_SWAG_E2E_V1
  IMAGENET1K_SWAG_E2E_V1 vit_h_14_swag-80465313.pth crop=518 resize=518 by=bicubic
  IMAGENET1K_SWAG_LINEAR_V1 vit_h_14_lc_swag-c1eb923e.pth crop=224 resize=224 by=bicubic
vit_l_16 ViT_L_16 IMAGENET1K_V1
  IMAGENET1K_V1 vit_l_16-852ce7e3.pth crop=224 resize=242
  IMAGENET1K_SWAG_E2E_V1 vit_l_16_swag-4f3808c9.pth crop=512 resize=512 by=bicubic
  IMAGENET1K_SWAG_LINEAR_V1 vit_l_16_lc_swag-4d563306.pth crop=224 resize=224 by=bicubic
vit_l_32 ViT_L_32 IMAGENET1K_V1
  IMAGENET1K_V1 vit_l_32-c7638314.pth crop=224
wide_resnet101_2 Wide_ResNet101_2 IMAGENET1K_V2
  IMAGENET1K_V1 wide_resnet101_2-32ee1156.pth crop=224
  IMAGENET1K_V2 wide_resnet101_2-d733dc28.pth crop=224 resize=232
wide_resnet50_2 Wide_ResNet50_2 IMAGENET1K_V2
  IMAGENET1K_V1 wide_resnet50_2-95faca4d.pth crop=224
  IMAGENET1K_V2 wide_resnet50_2-9ba9bcbe.pth crop=224 resize=232
"""
