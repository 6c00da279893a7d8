"""Training pictures that no camera took: text, plots, windows, line art, pixel art, stripes.

    python benchmarks/drawn_pictures.py OUT

OUT gets `train/` and `validation/`, as PNG, the same on each run. They are ours: any use. Needs
Matplotlib, whose fonts they are written in.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Callable

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

SIZE = (512, 384)  # width and height
COUNT = {"train": 30, "validation": 6}
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral")
SYLLABLES = "ka lo mi ren tas sol ve dor nu pel in gra thu wex zi bo quen far jy hal".split()

Random = np.random.Generator
Colour = tuple[int, int, int]


def font(random: Random, size: int, name: str = "") -> ImageFont.FreeTypeFont:
    """One of `FONTS`."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / f"{name or random.choice(FONTS)}.ttf"), size)


def words(random: Random, count: int) -> str:
    """Made-up words, some of them capital or numbers."""
    made = []
    for _ in range(count):
        word = "".join(random.choice(SYLLABLES, random.integers(1, 4)))
        kind = random.random()
        made.append(
            word.title() if kind < 0.15 else f"{random.integers(1e4)}" if kind < 0.2 else word
        )
    return " ".join(made)


def colours(random: Random) -> tuple[Colour, Colour]:
    """A ground and what is written on it, mostly dark on light."""
    light = tuple(int(c) for c in random.integers(215, 256, 3))
    dark = tuple(int(c) for c in random.integers(0, 90, 3))
    if random.random() < 0.4:
        light, dark = (255, 255, 255), (0, 0, 0)
    return (light, dark) if random.random() < 0.7 else (dark, light)  # type: ignore[return-value]


def text(random: Random) -> Image.Image:
    """Paragraphs of several sizes, some lines in a colour."""
    ground, ink = colours(random)
    picture = Image.new("RGB", SIZE, ground)
    draw = ImageDraw.Draw(picture)
    y = 8
    while y < SIZE[1]:
        size = int(random.choice([9, 11, 12, 13, 14, 16, 20, 28, 40]))
        face = font(random, size)
        for _ in range(random.integers(1, 7)):
            written = tuple(random.integers(0, 256, 3)) if random.random() < 0.1 else ink
            line = words(random, SIZE[0] // size // 3)
            draw.text((12, y), line, font=face, fill=tuple(map(int, written)))
            y += int(1.35 * size)
        y += size
    return picture


def plot(random: Random) -> Image.Image:
    """Lines, bars, points or an image with axes and labels."""
    figure = Figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100)
    axes = figure.add_subplot()
    kind = random.integers(4)
    x = np.linspace(0, 10, 60)
    if kind == 0:
        for _ in range(random.integers(1, 6)):
            axes.plot(x, np.cumsum(random.normal(size=60)), label=words(random, 1))
        axes.legend()
        axes.grid(random.random() < 0.5)
    elif kind == 1:
        axes.bar(
            [words(random, 1) for _ in range(6)], random.random(6), color=random.random((6, 3))
        )
    elif kind == 2:
        axes.scatter(*random.normal(size=(2, 150)), c=random.random(150), s=30 * random.random(150))
    else:
        field = np.cumsum(np.cumsum(random.normal(size=(40, 50)), 0), 1)
        figure.colorbar(axes.imshow(field, cmap=str(random.choice(["viridis", "jet", "gray"]))))
    axes.set(title=words(random, 4), xlabel=words(random, 2), ylabel=words(random, 2))
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return Image.open(file).convert("RGB")


def window(random: Random) -> Image.Image:
    """A program's window: bars, buttons, a list, a text field."""
    ground, ink = colours(random)
    picture = Image.new("RGB", SIZE, ground)
    draw = ImageDraw.Draw(picture)
    accent = tuple(map(int, random.integers(30, 220, 3)))
    draw.rectangle((0, 0, SIZE[0], 26), fill=accent)
    draw.text((8, 6), words(random, 4), font=font(random, 12, "DejaVuSans"), fill="white")
    draw.rectangle((0, 27, 130, SIZE[1]), outline=ink)
    for row in range(14):
        fill = accent if random.random() < 0.1 else ink
        draw.text(
            (10, 36 + 24 * row), words(random, 2), font=font(random, 11, "DejaVuSans"), fill=fill
        )
    for row in range(int(random.integers(3, 7))):
        y = 40 + 50 * row
        box = (145, y, 145 + int(random.integers(60, 160)), y + 28)
        draw.rounded_rectangle(box, 5, fill=accent if random.random() < 0.4 else None, outline=ink)
        draw.text((152, y + 7), words(random, 1), font=font(random, 12, "DejaVuSans"), fill=ink)
        draw.line((320, y + 14, 500, y + 14), fill=accent, width=int(random.integers(1, 5)))
    draw.text((320, 320), words(random, 5), font=font(random, 12, "DejaVuSansMono"), fill=ink)
    return picture


def line_art(random: Random) -> Image.Image:
    """Curves, polygons and ellipses, smoothed as vector graphics are."""
    ground, ink = colours(random)
    picture = Image.new("RGB", (2 * SIZE[0], 2 * SIZE[1]), ground)
    draw = ImageDraw.Draw(picture)
    for _ in range(25):
        points = random.uniform((0, 0), picture.size, (random.integers(3, 7), 2))
        fill = tuple(map(int, random.integers(0, 256, 3)))
        width, kind = int(random.integers(1, 8)), random.integers(3)
        if kind == 0:
            draw.polygon([tuple(p) for p in points], fill if random.random() < 0.4 else None, ink)
        elif kind == 1:
            (x, y), (w, h) = points[0], random.uniform(10, 200, 2)
            draw.ellipse((x, y, x + w, y + h), fill if random.random() < 0.5 else None, ink, width)
        else:
            draw.line([tuple(p) for p in points], ink, width, "curve")
    return picture.resize(SIZE, Image.Resampling.LANCZOS)


def pixel_art(random: Random) -> Image.Image:
    """Few colours in large squares, symmetric sprites among them."""
    scale = int(random.choice([2, 4, 8]))
    rows, columns = SIZE[1] // scale, SIZE[0] // scale
    palette = random.integers(0, 256, (random.integers(4, 16), 3))
    cells = np.zeros((rows, columns), int)
    for _ in range(60):
        size = int(random.integers(4, 14))
        half = random.integers(0, len(palette), (size, size // 2))
        sprite = np.concatenate([half, half[:, ::-1]], 1)
        y, x = random.integers(rows - size), random.integers(columns - size)
        cells[y : y + size, x : x + sprite.shape[1]] = sprite
    pixels = palette[cells].astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    return Image.fromarray(pixels)


def stripes(random: Random) -> Image.Image:
    """Gratings of several angles and widths, hard and soft, as buildings have them."""
    y, x = np.indices((SIZE[1], SIZE[0]))
    pixels = np.empty((SIZE[1], SIZE[0], 3))
    for top in range(0, SIZE[1], 96):
        for left in range(0, SIZE[0], 128):
            part = (slice(top, top + 96), slice(left, left + 128))
            angle, period = random.uniform(0, np.pi), random.uniform(3, 24)
            wave = np.sin(2 * np.pi / period * (np.cos(angle) * x[part] + np.sin(angle) * y[part]))
            wave = np.clip(wave * random.choice([1, 3, 20]), -1, 1)[..., None]
            low, high = random.integers(0, 256, (2, 3))
            pixels[part] = low + (high - low) * (wave + 1) / 2
    return Image.fromarray(pixels.round().astype(np.uint8))


KINDS: tuple[Callable[[Random], Image.Image], ...] = (
    text,
    plot,
    window,
    line_art,
    pixel_art,
    stripes,
)


def main() -> None:
    """Draws all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    for seed, (folder, count) in enumerate(COUNT.items()):
        (out / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            draw = KINDS[number % len(KINDS)]
            picture = draw(np.random.default_rng([seed, number]))
            picture.save(out / folder / f"{draw.__name__}_{number // len(KINDS)}.png")


if __name__ == "__main__":
    main()
