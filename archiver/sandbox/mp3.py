"""MP3 streams of any length, made without an encoder: `render(form, seconds, seed)` gives their bytes.

A frame can be written by hand when it is simple enough: no bit reservoir (`main_data_begin` = 0), no big values, and
every spectral line in the count1 region, where Huffman table B is four inverted bits and the signs (ISO/IEC 11172-3,
2.4.3.4 and table B.7; 13818-3 for the half sampling rates). `global_gain` is then the loudness of a frame, and a row
of such frames with a syllable-shaped loudness sounds like somebody talking behind a wall: audible to any decoder, and
never the same twice.
"""

import random
import re
from dataclasses import dataclass
from functools import lru_cache

from archiver.sandbox.mp3_tags import id3v1, id3v2, info_frame

_BITRATES_FULL = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BITRATES_HALF = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# sampling rate -> (version bits of the header, sampling rate index)
_RATES = {
    8000: (0b00, 2), 11025: (0b00, 0), 12000: (0b00, 1),
    16000: (0b10, 2), 22050: (0b10, 0), 24000: (0b10, 1),
    32000: (0b11, 2), 44100: (0b11, 0), 48000: (0b11, 1),
}  # fmt: skip

# Loudness steps, quietest first: global_gain, where 4 is a factor of two and 210 a full-scale line.
_GAINS = (156, 172, 178, 182, 185, 187)
_VARIANTS = 64
_TELEPHONE_BAND_HZ = 3400
# Milliseconds spent at each loudness step by one syllable (or by a pause), and how often it is drawn.
_SYLLABLES: tuple[tuple[tuple[tuple[int, int], ...], int], ...] = (
    (((2, 36), (4, 36), (5, 108), (4, 36), (3, 36), (1, 36)), 8),
    (((3, 36), (5, 72), (4, 72), (2, 36)), 8),
    (((2, 72), (3, 108), (4, 36), (2, 72), (1, 36)), 5),
    (((4, 36), (5, 36), (3, 72), (1, 36)), 5),
    (((0, 72),), 4),
    (((0, 396),), 2),
)
# Samples of silence that an encoder puts in front, and that a decoder needs after the last one.
_ENCODER_DELAY = 576
_DECODER_DELAY = 529
_LONGEST_RUN = 11  # ones in a row that are a frame's sync word
_FALSE_SYNC = re.compile(rb"\xff[\xe0-\xff]")
# Count1 table B: the four values v, w, x, y as inverted bits; a zero bit in the code is a value that needs a sign.
_QUADS = tuple(f"{15 ^ pattern:04b}" for pattern in range(16))


@dataclass(frozen=True)
class Mp3Form:
    """How a stream is coded. Rates in Hz and kbit/s; MPEG-2.5, 2 or 1 follows from the sampling rate.

    `vbr` lets quiet frames take fewer bits, `kbps` then being the loud ones' rate. `info` puts an `Info` (or, for
    VBR, a `Xing`) frame with LAME tag and checksums in front; `id3v2` and `id3v1` put tags around.
    """

    sample_rate: int = 16_000
    kbps: int = 32
    channels: int = 1
    vbr: bool = False
    info: bool = False
    id3v2: bool = False
    id3v1: bool = False

    def __post_init__(self) -> None:
        if self.sample_rate not in _RATES:
            raise ValueError(f"no MPEG audio has a sampling rate of {self.sample_rate} Hz")
        if self.kbps not in self.bitrates[1:]:
            raise ValueError(f"no bitrate of {self.kbps} kbit/s at {self.sample_rate} Hz")
        if self.channels not in (1, 2):
            raise ValueError("one channel or two")

    @property
    def full_rate(self) -> bool:
        """Whether this is MPEG-1: two granules a frame, and the longer side information."""
        return self.sample_rate >= 32_000

    @property
    def bitrates(self) -> tuple[int, ...]:
        return _BITRATES_FULL if self.full_rate else _BITRATES_HALF

    @property
    def samples_per_frame(self) -> int:
        return 1152 if self.full_rate else 576

    @property
    def side_info_bytes(self) -> int:
        if self.full_rate:
            return 17 if self.channels == 1 else 32
        return 9 if self.channels == 1 else 17

    def frame_bytes(self, kbps: int) -> int:
        """Length of a frame without padding, header included."""
        return self.samples_per_frame * kbps * 125 // self.sample_rate

    def header(self, kbps: int, *, padded: bool = False) -> bytes:
        """The four bytes that begin a frame: sync, version, Layer III, no frame CRC."""
        version, rate_index = _RATES[self.sample_rate]
        bits = 0x7FF << 21 | version << 19 | 0b01 << 17 | 1 << 16
        bits |= self.bitrates.index(kbps) << 12 | rate_index << 10 | int(padded) << 9
        bits |= (0b11 if self.channels == 1 else 0b00) << 6 | 1 << 2
        return bits.to_bytes(4, "big")


PLAIN = Mp3Form()


def frame_count(form: Mp3Form, seconds: float) -> int:
    """Audio frames (an Info frame not counted) that hold `seconds`; with a LAME tag also the encoder's delay."""
    samples = round(seconds * form.sample_rate) + (_ENCODER_DELAY + _DECODER_DELAY if form.info else 0)
    return max(1, -(-samples // form.samples_per_frame))


def seconds_for(form: Mp3Form, size: int) -> float:
    """Play time whose constant-rate stream takes about `size` bytes, tags left out of account."""
    return size / (form.kbps * 125)


def render(form: Mp3Form, seconds: float, seed: int) -> bytes:
    """Give the whole stream: the same for the same arguments, and another for another `seed`."""
    count = frame_count(form, seconds)
    rng = random.Random(seed)
    levels = _loudness(rng, form, count)
    variants = rng.randbytes(count)
    pools = _pools(form)
    if form.vbr or not _padding_needed(form):
        plain = pools[0]
        frames = [plain[level][variant] for level, variant in zip(levels, variants, strict=True)]
    else:
        flags = _padding(form, count)
        frames = [pools[pad][level][v] for pad, level, v in zip(flags, levels, variants, strict=True)]
    music = b"".join(frames)
    if form.info:
        music = _with_info_frame(form, frames, music, round(seconds * form.sample_rate))
    front = id3v2(f"recording {seed}") if form.id3v2 else b""
    back = id3v1(f"recording {seed}") if form.id3v1 else b""
    return front + music + back


def _with_info_frame(form: Mp3Form, frames: list[bytes], music: bytes, samples: int) -> bytes:
    # The tag needs room that a telephone-rate frame does not have, so this one frame may be coded at a higher rate.
    least = 4 + form.side_info_bytes + 156
    loud = max(_ladder(form))
    kbps = next(k for k in form.bitrates[1:] if k >= loud and form.frame_bytes(k) >= least)
    empty = form.header(kbps).ljust(4 + form.side_info_bytes, b"\0")
    gaps = (_ENCODER_DELAY, len(frames) * form.samples_per_frame - samples - _ENCODER_DELAY)
    head = info_frame(empty, form.frame_bytes(kbps), frames, music, vbr=form.vbr, gaps=gaps)
    return head + music


def _loudness(rng: random.Random, form: Mp3Form, count: int) -> bytes:
    """One loudness step per frame, syllable after syllable; begins with a voiced one, so that no stream is silent."""
    syllables, weights = _syllables(form)
    steps = syllables[0]
    while len(steps) < count:
        steps += b"".join(rng.choices(syllables, weights, k=1 + (count - len(steps)) // 4))
    return steps[:count]


@lru_cache(maxsize=64)
def _syllables(form: Mp3Form) -> tuple[list[bytes], list[int]]:
    frame_ms = 1000 * form.samples_per_frame / form.sample_rate
    shapes = [b"".join(bytes([step]) * max(1, round(ms / frame_ms)) for step, ms in shape) for shape, _ in _SYLLABLES]
    return shapes, [weight for _, weight in _SYLLABLES]


def _padding_needed(form: Mp3Form) -> bool:
    return form.samples_per_frame * form.kbps * 125 % form.sample_rate != 0


def _padding(form: Mp3Form, count: int) -> list[int]:
    """0 or 1 extra byte per frame, spread as encoders spread them, so that the mean rate is exact."""
    remainder = form.samples_per_frame * form.kbps * 125 % form.sample_rate
    rate = form.sample_rate
    return [(i + 1) * remainder // rate - i * remainder // rate for i in range(count)]


def _ladder(form: Mp3Form) -> list[int]:
    """The bitrate of each loudness step."""
    if not form.vbr:
        return [form.kbps] * len(_GAINS)
    top = form.bitrates.index(form.kbps)
    return [form.bitrates[max(1, top - len(_GAINS) + 1 + step)] for step in range(len(_GAINS))]


_Pools = tuple[list[list[bytes]], list[list[bytes]]]


@lru_cache(maxsize=32)
def _pools(form: Mp3Form) -> _Pools:
    """Frames ready to be drawn: [unpadded, padded][loudness step][any byte]."""
    rng = random.Random(form.sample_rate * 1000 + form.kbps)
    plain: list[list[bytes]] = []
    padded: list[list[bytes]] = []
    for gain, kbps in zip(_GAINS, _ladder(form), strict=True):
        frames = [_frame(rng, form, kbps, gain) for _ in range(_VARIANTS)]
        plain.append(frames * (256 // _VARIANTS))
        header = form.header(kbps, padded=True)
        padded.append([header + frame[4:] + b"\x55" for frame in frames] * (256 // _VARIANTS))
    return plain, padded


def _frame(rng: random.Random, form: Mp3Form, kbps: int, gain: int) -> bytes:
    """One whole frame; drawn again while its payload could be taken for the beginning of another one."""
    payload = form.frame_bytes(kbps) - 4 - form.side_info_bytes
    granules = (2 if form.full_rate else 1) * form.channels
    while True:
        coded = [_spectrum(rng, form, payload * 8 // granules) for _ in range(granules)]
        side = _side_info(form, [len(bits) for bits in coded], gain)
        bits = "".join(coded)
        used = -(-len(bits) // 8)
        main = int(bits.ljust(used * 8, "0") or "0", 2).to_bytes(used, "big")
        # What is left of the frame is ancillary data, which decoders skip.
        spare = rng.randbytes(payload - used).replace(b"\xff", b"\x55")
        body = side + main + spare
        if not _FALSE_SYNC.search(body) and body[-1] != 0xFF:
            return form.header(kbps) + body


def _spectrum(rng: random.Random, form: Mp3Form, budget: int) -> str:
    """Lines of one granule as bits: harmonics of a voice, some breath, nothing above the telephone band."""
    line_hz = form.sample_rate / 2 / 576
    lines = min(576, int(_TELEPHONE_BAND_HZ / line_hz))
    pitch = rng.uniform(90, 240) / line_hz
    voiced = {round(pitch * n) for n in range(1, int(lines / pitch)) if rng.random() < 1.2 - n * pitch / lines}
    bits: list[str] = []
    length = tail = 0
    for first in range(0, lines, 4):
        pattern = 0
        for line in range(first, first + 4):
            pattern = pattern << 1 | (line in voiced or rng.random() < 0.12)
        signs = pattern.bit_count()
        coded = _QUADS[pattern] + (f"{rng.getrandbits(signs):0{signs}b}" if signs else "")
        ones = tail + len(coded) - len(coded.lstrip("1"))
        if ones >= _LONGEST_RUN:  # quiet quads are ones only; speak up before they look like the next frame
            coded = _QUADS[0b1000] + "0"
        if length + len(coded) > min(budget, 4095):  # part2_3_length has 12 bits
            break
        tail = tail + len(coded) if "0" not in coded else len(coded) - len(coded.rstrip("1"))
        bits.append(coded)
        length += len(coded)
    return "".join(bits)


def _side_info(form: Mp3Form, lengths: list[int], gain: int) -> bytes:
    """Side information for granules of `lengths` bits: everything zero except length, gain and count1table_select."""
    if form.full_rate:
        # main_data_begin 9, private 5 or 3, scfsi 4 a channel; scalefac_compress 4, preflag before the last two flags
        prefix = "0" * (9 + (5 if form.channels == 1 else 3) + 4 * form.channels)
        compress, flags = "0" * 4, "001"
    else:
        prefix = "0" * (8 + form.channels)
        compress, flags = "0" * 9, "01"
    # big_values 9, global_gain 8, window_switching 1, table_select 15, region counts 7
    parts = [f"{length:012b}{0:09b}{gain:08b}{compress}{0:023b}{flags}" for length in lengths]
    return int(prefix + "".join(parts), 2).to_bytes(form.side_info_bytes, "big")
