"""Writers for the parts of PNG, GIF and WebP that Pillow cannot write: 16-bit channels, interlacing, offset frames."""
import struct
import zlib

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_rows(pixels, depth):
    """pixels: rows of lists of samples (channels flattened)."""
    out = b""
    for row in pixels:
        if depth == 16:
            packed = b"".join(struct.pack(">H", v) for v in row)
        elif depth == 8:
            packed = bytes(row)
        else:
            bits = "".join(format(v, f"0{depth}b") for v in row)
            bits += "0" * (-len(bits) % 8)
            packed = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
        out += b"\0" + packed
    return out


def png(samples, depth, colour, extra=b"", interlaced=False):
    """samples: height x width x channels array of integers."""
    height, width = samples.shape[:2]
    passes = [samples]
    if interlaced:
        passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
    raw = b"".join(png_rows([[int(v) for v in row.reshape(-1)] for row in part], depth) for part in passes if part.size)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra
            + png_chunk(b"IDAT", zlib.compress(raw, 9)) + png_chunk(b"IEND", b""))


def gif_lzw(indices):
    """LZW codes of 9 bits only: a clear code before the table could grow to ten."""
    codes = []
    for i, value in enumerate(indices):
        if i % 250 == 0:
            codes.append(256)
        codes.append(value)
    codes.append(257)
    bits = 0
    for i, code in enumerate(codes):
        bits |= code << (9 * i)
    data = bits.to_bytes((9 * len(codes) + 7) // 8, "little")
    return b"\x08" + b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255)) + b"\0"


def gif_frame(x, y, indices, palette=None, transparent=None, interlaced=False):
    height, width = indices.shape
    out = b""
    if transparent is not None:
        out += b"!\xf9\x04" + struct.pack("<BHB", 1, 10, transparent) + b"\0"
    flags = 0x40 if interlaced else 0
    if palette:
        flags |= 0x80 | (len(palette) // 3).bit_length() - 2
    rows = list(range(height))
    if interlaced:
        rows = [r for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for r in range(start, height, step)]
    return (out + b"," + struct.pack("<HHHHB", x, y, width, height, flags) + bytes(palette or b"")
            + gif_lzw([int(v) for r in rows for v in indices[r]]))


def gif(width, height, frames, palette=None, background=0):
    flags = 0x80 | (len(palette) // 3).bit_length() - 2 if palette else 0
    return (b"GIF89a" + struct.pack("<HHBBB", width, height, flags, background, 0) + bytes(palette or b"")
            + b"".join(frames) + b";")


def webp_chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def webp_animation(width, height, frames, alpha):
    """frames: (x, y, width, height, a still WebP file) each; x and y even."""
    def three(value):
        return struct.pack("<I", value)[:3]

    body = webp_chunk(b"VP8X", struct.pack("<I", 0x02 | (0x10 if alpha else 0)) + three(width - 1) + three(height - 1))
    body += webp_chunk(b"ANIM", struct.pack("<IH", 0xff336699, 0))
    for x, y, w, h, still in frames:
        image = still[12:]
        if image.startswith(b"VP8X"):
            image = image[18:]
        body += webp_chunk(b"ANMF", three(x // 2) + three(y // 2) + three(w - 1) + three(h - 1) + three(100) + b"\0" + image)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
