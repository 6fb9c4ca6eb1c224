"""Small pictures with what tells resamplers and decoders apart: gradients, hard colour edges, thin lines, noise."""
import numpy as np
from PIL import Image, ImageDraw


def noise(width, height, seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def drawing(width, height, seed=0):
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    base = np.stack([x / max(width - 1, 1), y / max(height - 1, 1), (x + y) / (width + height)], axis=-1) * 255
    image = Image.fromarray(base.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse([width * 0.1, height * 0.1, width * 0.55, height * 0.7], fill=(220, 20, 30))
    draw.rectangle([width * 0.5, height * 0.35, width * 0.9, height * 0.9], fill=(10, 40, 230))
    draw.line([0, height - 1, width - 1, 0], fill=(255, 255, 255))
    grain = np.random.default_rng(seed).normal(0, 4, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def with_alpha(image, seed=0):
    """An alpha channel with every kind of value; the colours below the clear parts stay."""
    width, height = image.size
    alpha = np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))
    alpha[: height // 3] = 255
    alpha[-(height // 4):] = 0
    return Image.fromarray(np.dstack([np.asarray(image), alpha]), "RGBA")
