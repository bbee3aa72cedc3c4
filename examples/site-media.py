"""Draws the moving and the pixel pictures of examples/site: run once, the results are committed.

Needs rsvg-convert, ffmpeg and cwebp. Every picture is drawn here from its own shapes; nothing is
taken from elsewhere. The video has a cue point every second, so that seeking has something to find.
"""

import math
import pathlib
import subprocess
import tempfile

SITE = pathlib.Path(__file__).parent / "site"
FRAMES_PER_SECOND, SECONDS = 24, 12
WIDTH, HEIGHT, WATERLINE = 640, 360, 190

BODY = """<path fill="#fff" d="M-96 0c0-9 14-15 34-16 34-2 62 0 84 6 22 5 40 8 74 10-34 2-52 5-74 10-22
6-50 8-84 6-20-1-34-7-34-16z"/><path fill="#e8ad3f" d="M-100 0c2-9 14-14 28-15 8 4 12 9 12 15s-4
11-12 15c-14-1-26-6-28-15z"/><path fill="#b5c7d4" d="M-97-5-132 0-97 5z"/>"""
WING = "M-26-6C-34-40-34-72-20-106-10-130 12-152 40-164l18-6C44-154 32-136 27-116c-5 22 1 48 9 76l4 34z"


def bird(x, y, angle, spread, size=0.45):
    """A gannet at (x, y), its bill towards `angle` degrees; `spread` 1 is gliding, 0 folded."""
    # Folding a wing turns it back along the body and narrows it.
    turn, narrow = (1 - spread) * 58, 0.35 + 0.65 * spread
    wing = f'<g transform="rotate({turn}) scale({narrow} {0.75 + 0.25 * spread})">' \
           f'<path fill="#f3f4ee" d="{WING}"/><path fill="#1f2a35" clip-path="url(#tip)" d="{WING}"/></g>'
    return f'<g transform="translate({x} {y}) rotate({angle + 180}) scale({size})">{wing}' \
           f'<g transform="scale(1 -1)">{wing}</g>{BODY}</g>'


def fish(x, y, facing):
    """One mackerel, looking left (-1) or right (1)."""
    return f'<g transform="translate({x} {y}) scale({-facing} 1)"><path fill="#9fc3d6" d="M-20 0c8-8 ' \
           f'22-8 32-1l9-6v14l-9-6c-10 7-24 7-32-1z"/><circle cx="-12" cy="-1" r="1.5" fill="#10222f"/></g>'


def wave(y, time, height, colour):
    """The sea from a moving line at `y` downwards."""
    line = " ".join(f"L{x} {y + height * math.sin(x / 46 + time * 1.9) + height * math.sin(x / 83 - time)}"
                    for x in range(0, WIDTH + 16, 16))
    return f'<path fill="{colour}" d="M0 {HEIGHT} {line} L{WIDTH} {HEIGHT}z"/>'


def ease(value):
    """From 0 to 1 with a soft start and a soft end."""
    value = min(max(value, 0), 1)
    return value * value * (3 - 2 * value)


def scene(time):
    """The whole picture at `time` seconds."""
    glide, fold, dive, rise = (ease((time - a) / b) for a, b in ((0, 4), (3.6, 0.9), (4.2, 1.5), (6.4, 3)))
    leave = ease((time - 9.2) / 2.8)
    if time < 9.2:
        x = 90 + 300 * glide + 40 * dive + 50 * rise
        y = 96 + 12 * math.sin(time * 1.6) * (1 - fold) + 199 * dive - 100 * rise
        angle = 80 * fold - 150 * ease((time - 5.5) / 1.2) + 70 * rise
        spread = 1 - fold + 0.25 * rise
    else:
        x, y, angle = 480 + 190 * leave, 185 - 130 * leave, -25 * (1 - leave)
        spread = 0.25 + 0.75 * ease((time - 9.2) / 0.8)
    caught = time > 5.9
    school = "".join(fish(430 + 40 * i + 14 * math.sin(time + i) + (60 * ease((time - 5.4) / 1.5) * (i + 1)),
                          292 + 18 * (i % 3) + 4 * math.sin(time * 2 + i), 1) for i in range(0 + caught, 5))
    splash = "".join(
        f'<circle cx="{at + (i - 6) * (6 + i % 3) * age}" cy="{y_drop}" r="{4.5 - 1.5 * age}" fill="#eef7fb"/>'
        for start, at, force in ((4.75, 402, 150), (8.9, 470, 90))
        for age in [time - start] if 0 < age < 1.6
        for i in range(13)
        for y_drop in [WATERLINE - (force - abs(i - 6) * 12 - 17 * (i % 2)) * age + 130 * age * age]
        if y_drop < WATERLINE)
    done = 40 + 560 * time / SECONDS
    return f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"><defs>
<linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#8fc1e3"/><stop offset="1"
stop-color="#f3e6c8"/></linearGradient><linearGradient id="sea" x1="0" y1="0" x2="0" y2="1"><stop offset="0"
stop-color="#2f7a9c"/><stop offset="1" stop-color="#0d2f49"/></linearGradient>
<clipPath id="tip"><path d="M-60-110 80-132V-200H-60z"/></clipPath></defs>
<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#sky)"/><circle cx="540" cy="70" r="30" fill="#fdf3d3"/>
<path fill="#5d7486" d="M0 {WATERLINE + 8}V120c30-8 50-40 78-46s46 18 62 44 26 40 52 46 38 12 46 {44 - 20}z"/>
<path fill="#f5f5ef" d="M44 108c12-16 22-24 34-26s22 8 34 26c-20-12-44-14-68 0z" opacity=".8"/>
{wave(WATERLINE - 8, time, 3, "#5b9cb8")}{wave(WATERLINE, time + 2, 4, "url(#sea)")}
{school}{bird(x, y, angle, spread)}{splash}
<rect x="40" y="340" width="560" height="4" rx="2" fill="#fff" opacity=".25"/>
<rect x="40" y="340" width="{done - 40}" height="4" rx="2" fill="#e8ad3f"/>
<text x="40" y="332" font-family="DejaVu Sans" font-size="13" fill="#fff" opacity=".8">{int(time)} s</text></svg>'''


def draw(svg, png, width):
    subprocess.run(["rsvg-convert", "-w", str(width), "-o", png], input=svg.encode(), check=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        frames = pathlib.Path(folder)
        for number in range(FRAMES_PER_SECOND * SECONDS):
            draw(scene(number / FRAMES_PER_SECOND), frames / f"{number:04}.png", WIDTH)
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-framerate", str(FRAMES_PER_SECOND), "-i",
                        frames / "%04d.png", "-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "34", "-g",
                        str(FRAMES_PER_SECOND), "-row-mt", "1", "-pix_fmt", "yuv420p", SITE / "dive.webm"],
                       check=True)
        draw(scene(3.2), SITE / "images/dive.png", 640)
        for name, time in (("1-looking", 2.5), ("2-folding", 4.3), ("3-falling", 4.9), ("4-splash", 5.4)):
            draw(scene(time), frames / "still.png", 960)
            subprocess.run(["cwebp", "-quiet", "-q", "82", frames / "still.png", "-o",
                            SITE / f"gallery/{name}.webp"], check=True)


if __name__ == "__main__":
    main()
