"""Makes worker/picture/testdata: python golden.py TESTDATA (versions: requirements.txt)."""
import hashlib
import io
import json
import pathlib
import struct
import sys

import numpy as np
import transformers
from PIL import Image, ImageOps, PngImagePlugin, __version__ as pillow_version
from transformers.image_utils import load_image

import containers
from processors import PROCESSORS
from scene import drawing, noise, with_alpha

OUT = pathlib.Path(sys.argv[1])
PICTURES = OUT / "pictures"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def write_json(name, value):
    (OUT / name).write_text(json.dumps(value, indent=1) + "\n")


def write_cases(name, cases, **versions):
    """One case a line."""
    lines = ",\n".join(json.dumps(case) for case in cases)
    (OUT / name).write_text(json.dumps(versions)[:-1] + ', "cases": [\n' + lines + "\n]}\n")


def save(name, image, **options):
    image.save(PICTURES / name, **options)


def put(name, data):
    (PICTURES / name).write_bytes(data)


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def xmp(orientation):
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>').encode()


def pngs():
    rgb = drawing(41, 29)
    save("rgb8.png", rgb)
    save("rgba8.png", with_alpha(rgb))
    save("grey8.png", rgb.convert("L"))
    save("grey-alpha8.png", with_alpha(rgb).convert("LA"))
    save("bilevel.png", rgb.convert("1"))
    palette = rgb.quantize(16)
    save("palette4.png", palette)
    save("palette8-clear-entries.png", rgb.quantize(200), transparency=bytes(range(0, 200, 2)))
    save("rgb8-orientation6.png", rgb, exif=exif(6))
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp(8).decode().replace('="8"', ">8<"))
    save("rgb8-xmp-orientation8.png", rgb, pnginfo=text)
    samples = np.asarray(rgb)
    put("rgb8-interlaced.png", containers.png(samples, 8, 2, interlaced=True))
    put("rgb8-clear-colour.png", containers.png(samples, 8, 2, containers.png_chunk(b"tRNS", struct.pack(">HHH", 220, 20, 30))))
    put("grey8-clear-level.png", containers.png(samples[..., :1] & 0xf0, 8, 0, containers.png_chunk(b"tRNS", struct.pack(">H", 0x40))))
    wide = samples.astype(np.int64) * 257 ^ np.random.default_rng(5).integers(0, 256, samples.shape)
    put("rgb16.png", containers.png(wide, 16, 2))
    put("rgba16.png", containers.png(np.dstack([wide, wide[..., 1:2]]), 16, 6))
    put("rgba16-interlaced.png", containers.png(np.dstack([wide, wide[..., 1:2]]), 16, 6, interlaced=True))
    put("grey-alpha16.png", containers.png(wide[..., :2], 16, 4))
    low = wide[..., :1] % 700
    put("grey16.png", containers.png(low, 16, 0))
    put("grey2.png", containers.png(samples[..., :1] >> 6, 2, 0))
    put("grey4-interlaced.png", containers.png(samples[..., :1] >> 4, 4, 0, interlaced=True))


def patched(data, before, after):
    assert data.count(before) == 1, data.count(before)
    return data.replace(before, after)


def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def jpegs():
    rgb = drawing(97, 61, seed=3)
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        put(f"photo-{name}.jpg", jpeg(rgb, quality=88, subsampling=subsampling))
    put("photo-420-progressive.jpg", jpeg(rgb, quality=80, subsampling=2, progressive=True))
    put("photo-420-restart.jpg", jpeg(rgb, quality=80, subsampling=2, restart_marker_blocks=3))
    put("photo-420-q30.jpg", jpeg(rgb, quality=30, subsampling=2))
    put("grey.jpg", jpeg(rgb.convert("L"), quality=85))
    put("kept-rgb.jpg", jpeg(rgb, quality=85, keep_rgb=True))
    cmyk = rgb.convert("CMYK")
    cmyk = Image.merge("CMYK", [*cmyk.split()[:3], rgb.convert("L")])
    put("cmyk.jpg", jpeg(cmyk, quality=85))
    # What takes most memory for a pixel.
    put("large-cmyk-progressive.jpg", jpeg(Image.new("CMYK", (800, 800), (40, 90, 200, 10)), quality=75, progressive=True, exif=exif(3)))
    # The same bytes read as YCCK: odd colours, and the other path of the decoder.
    put("ycck.jpg", patched(jpeg(cmyk, quality=85), b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\2"))
    # 4:4:0, which no writer at hand offers: as many blocks in a unit as 4:2:2, in another order.
    data = jpeg(drawing(96, 64), quality=85, subsampling=1)
    data = patched(data, struct.pack(">BHHB", 8, 64, 96, 3) + b"\1\x21", struct.pack(">BHHB", 8, 96, 64, 3) + b"\1\x12")
    put("photo-440.jpg", data)
    # 4:1:1 in the same way, from 4:2:0.
    data = jpeg(drawing(96, 64), quality=85, subsampling=2)
    data = patched(data, struct.pack(">BHHB", 8, 64, 96, 3) + b"\1\x22", struct.pack(">BHHB", 8, 32, 192, 3) + b"\1\x41")
    put("photo-411.jpg", data)
    for width, height in ((1, 1), (3, 2), (4, 4), (5, 3), (6, 7), (17, 2)):
        put(f"tiny-{width}x{height}-420.jpg", jpeg(drawing(width, height), quality=90, subsampling=2))
    put("tiny-4x9-422.jpg", jpeg(drawing(4, 9), quality=90, subsampling=1))
    small = drawing(21, 13)
    for orientation in range(1, 9):
        put(f"orientation{orientation}.jpg", jpeg(small, quality=95, subsampling=0, exif=exif(orientation)))
    put("orientation-xmp7.jpg", jpeg(small, quality=95, subsampling=0, xmp=xmp(7)))
    put("orientation-exif6-xmp3.jpg", jpeg(small, quality=95, subsampling=0, exif=exif(6), xmp=xmp(3)))


def gifs():
    rgb = drawing(40, 30)
    save("whole.gif", rgb.quantize(64))
    indices = np.asarray(rgb.convert("L")) >> 4
    palette = bytes(np.random.default_rng(9).integers(0, 256, 48, dtype=np.uint8))
    local = bytes(np.random.default_rng(10).integers(0, 256, 48, dtype=np.uint8))
    put("offset.gif", containers.gif(52, 37, [containers.gif_frame(7, 4, indices)], palette, background=5))
    put("offset-clear.gif", containers.gif(52, 37, [containers.gif_frame(7, 4, indices, transparent=6)], palette))
    put("local-palette-interlaced.gif", containers.gif(40, 30, [containers.gif_frame(0, 0, indices, local, interlaced=True)], palette))
    put("beyond-canvas.gif", containers.gif(20, 20, [containers.gif_frame(3, 2, indices)], palette))
    put("short-palette.gif", containers.gif(40, 30, [containers.gif_frame(0, 0, indices * 3)], palette))
    put("no-palette.gif", containers.gif(40, 30, [containers.gif_frame(0, 0, indices * 9)]))
    put("animated.gif", containers.gif(40, 30, [containers.gif_frame(0, 0, indices), containers.gif_frame(0, 0, indices[::-1])], palette))


def webps():
    for width, height in ((61, 43), (64, 48), (1, 1), (2, 3)):
        save(f"lossy-{width}x{height}.webp", drawing(width, height, seed=4), quality=80)
    save("lossy-q20.webp", drawing(97, 61), quality=20)
    save("lossy-alpha.webp", with_alpha(drawing(50, 37)), quality=80)
    save("lossless.webp", drawing(50, 37), lossless=True)
    save("lossless-alpha.webp", with_alpha(drawing(50, 37)), lossless=True, exact=True)
    save("lossy-orientation5.webp", drawing(50, 37), quality=80, exif=exif(5))
    save("lossless-xmp-orientation4.webp", drawing(50, 37), lossless=True, xmp=xmp(4))
    save("animated.webp", drawing(20, 20), save_all=True, append_images=[drawing(20, 20, seed=8).rotate(90)])


    def still(image, **options):
        out = io.BytesIO()
        image.save(out, "WEBP", **options)
        return out.getvalue()

    scene, small = drawing(30, 22), (8, 4, 30, 22)
    for name, image, options, alpha in (("lossy", scene, {}, False), ("lossless", scene, {"lossless": True}, False), ("lossy-alpha", with_alpha(scene), {}, True),
                                        ("lossless-alpha", with_alpha(scene), {"lossless": True, "exact": True}, True), ("opaque-on-clear", scene, {}, True)):
        frames = [(*small, still(image, **options)), (0, 0, 30, 22, still(scene))]
        put(f"animated-{name}.webp", containers.webp_animation(44, 31, frames, alpha))


def bmps():
    rgb = drawing(19, 13)
    save("rgb24.bmp", rgb)
    save("palette8.bmp", rgb.quantize(32))
    save("alpha32.bmp", with_alpha(rgb))


def decoded():
    """What load_image gives for every file; pictures that no other decoder gives to the last bit are kept whole."""
    out = {}
    (OUT / "pillow").mkdir(exist_ok=True)
    for path in sorted(PICTURES.iterdir()):
        rgb = load_image(str(path))
        case = {"width": rgb.width, "height": rgb.height, "rgb": sha256(rgb.tobytes()), "plain": None}
        with Image.open(path) as plain:
            case["plain"] = sha256(plain.convert("RGB").tobytes())
            case["size"] = list(plain.size)
            if plain.has_transparency_data:
                case["alpha"] = sha256(ImageOps.exif_transpose(plain).convert("RGBA").getchannel("A").tobytes())
        out[path.name] = case
        if path.suffix == ".jpg":
            rgb.save(OUT / "pillow" / (path.stem + ".png"), optimize=True)
    write_json("decoded.json", out)


def resized():
    sources = {"noise-37x23": noise(37, 23, 1), "drawing-160x120": drawing(160, 120, 2), "row-301x1": noise(301, 1, 3),
               "column-1x257": noise(1, 257, 4), "dot": noise(1, 1, 5), "blocks-64x64": noise(8, 8, 6).resize((64, 64), 0)}
    sizes = [(37, 23), (1, 1), (2, 3), (224, 224), (32, 32), (64, 64), (61, 7), (5, 97), (300, 2), (3, 400), (160, 40), (37, 50), (111, 69), (128, 96),
             # Tells float32 constants in the Hamming filter from float64.
             (2929, 1)]
    cases = []
    for name, image in sources.items():
        (OUT / "sources").mkdir(exist_ok=True)
        image.save(OUT / "sources" / (name + ".png"), optimize=True)
        for width, height in sizes:
            for resample in range(6):
                result = image.resize((width, height), resample=resample).tobytes()
                cases.append({"source": name, "width": width, "height": height, "resample": resample,
                              "sha256": sha256(result), "first": list(result[:12])})
    write_cases("resized.json", cases, pillow=pillow_version)


def over(path, background):
    """The picture in RGB; clear pixels over the background where there is one."""
    with Image.open(path) as image:
        if background and image.has_transparency_data:
            below = Image.new("RGBA", image.size, (*background, 255))
            below.alpha_composite(image.convert("RGBA"))
            return below.convert("RGB")
    return load_image(str(path))


def processed():
    cases = []
    inputs = ["sources/noise-37x23.png", "sources/drawing-160x120.png", "sources/row-301x1.png", "pictures/grey16.png",
              "pictures/rgba8.png", "pictures/palette8-clear-entries.png", "pictures/lossless.webp", "pictures/offset-clear.gif"]
    for name, (kind, config) in PROCESSORS.items():
        folder = OUT / "processors" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "preprocessor_config.json").write_text(json.dumps(config, indent=1) + "\n")
        background = config.get("alpha_background")
        processor = getattr(transformers, kind)(**config)
        for path in inputs:
            image = over(OUT / path, background)
            # Told, not guessed: a picture of one or three rows is else taken for channels first.
            pixels = processor(image, return_tensors="np", input_data_format="channels_last")["pixel_values"][0].astype("<f4")
            cases.append({"processor": name, "input": path, "shape": list(pixels.shape), "sha256": sha256(pixels.tobytes()),
                          "mean": float(pixels.mean(dtype=np.float64)), "first_row": [[float(v) for v in plane[0][:8]] for plane in pixels],
                          "middle_row": [[float(v) for v in plane[plane.shape[0] // 2][:8]] for plane in pixels]})
    write_cases("processed.json", cases, transformers=transformers.__version__, pillow=pillow_version)


if __name__ == "__main__":
    PICTURES.mkdir(parents=True, exist_ok=True)
    for make in (pngs, jpegs, gifs, webps, bmps, decoded, resized, processed):
        make()
