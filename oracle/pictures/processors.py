"""Configurations as published models write them, small, and the rarer keys: name -> (class of transformers, preprocessor_config.json)."""

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
HALF = [0.5, 0.5, 0.5]


def clip(**changes):
    return {"image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": 56},
            "resample": 3, "do_center_crop": True, "crop_size": {"height": 56, "width": 56}, "do_rescale": True,
            "rescale_factor": 0.00392156862745098, "do_normalize": True, "image_mean": CLIP_MEAN, "image_std": CLIP_STD} | changes


def siglip(**changes):
    return {"image_processor_type": "SiglipImageProcessor", "do_resize": True, "size": {"height": 64, "width": 64}, "resample": 3,
            "do_rescale": True, "rescale_factor": 0.00392156862745098, "do_normalize": True, "image_mean": HALF, "image_std": HALF,
            "do_convert_rgb": None, "processor_class": "SiglipProcessor"} | changes


def vit(**changes):
    return {"image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 48, "width": 40}, "resample": 2,
            "do_rescale": True, "rescale_factor": 0.00392156862745098, "do_normalize": True, "image_mean": HALF, "image_std": HALF} | changes


PROCESSORS = {
    "clip": ("CLIPImageProcessor", clip()),
    "clip-224": ("CLIPImageProcessor", {"image_processor_type": "CLIPImageProcessor"}),
    # What the first published CLIP models carry.
    "clip-old": ("CLIPFeatureExtractor", {
        "crop_size": 40, "do_center_crop": True, "do_normalize": True, "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": CLIP_MEAN, "image_std": CLIP_STD, "resample": 3, "size": 40}),
    "clip-crop-wide": ("CLIPImageProcessor", clip(size={"shortest_edge": 40}, crop_size={"height": 33, "width": 60}, resample=1)),
    "clip-square": ("CLIPImageProcessor", clip(size={"height": 45, "width": 70}, resample=5)),
    "clip-both-edges": ("CLIPImageProcessor", clip(size={"shortest_edge": 56, "longest_edge": 60})),
    "clip-pad": ("CLIPImageProcessor", clip(do_resize=False, crop_size={"height": 71, "width": 90})),
    "clip-pad-odd": ("CLIPImageProcessor", clip(size={"shortest_edge": 30}, crop_size={"height": 45, "width": 31})),
    "clip-levels": ("CLIPImageProcessor", clip(do_rescale=False, do_normalize=False, resample=4)),
    "clip-unscaled": ("CLIPImageProcessor", clip(do_rescale=False, image_mean=127.5, image_std=64.25)),
    # A key of parley's own: composited over a colour before anything else.
    "clip-over-white": ("CLIPImageProcessor", clip(alpha_background=[255, 255, 255])),
    "clip-over-green": ("CLIPImageProcessor", clip(do_resize=False, crop_size=24, alpha_background=[12, 200, 99])),
    "bit": ("BitImageProcessor", clip(image_processor_type="BitImageProcessor", size=48, crop_size=47, resample=2)),
    "siglip": ("SiglipImageProcessor", siglip()),
    "siglip-bilinear": ("SiglipImageProcessor", siglip(size={"height": 50, "width": 63}, resample=2, rescale_factor=0.00784313725490196)),
    "vit": ("ViTImageProcessor", vit()),
    "vit-nearest": ("ViTImageProcessor", vit(resample=0, do_normalize=False)),
    "vit-old": ("ViTFeatureExtractor", {
        "do_normalize": True, "do_resize": True, "feature_extractor_type": "ViTFeatureExtractor", "image_mean": HALF, "image_std": HALF,
        "resample": 2, "size": 32}),
}
