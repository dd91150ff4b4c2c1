"""The work of src/compressors in PyTorch, its usual way, on one thread; `npm run bench:compare` runs it beside ours.

    python scripts/compare-pytorch.py [parameters]        a multiple of 512; 10,000,384 unless told

Every compressor does both halves that error feedback needs: squeeze (encode to the bytes that would be sent, and leave
v - C(v) in v) and add_to (out += scale * C(v) from those bytes). Medians over several runs in milliseconds; the last
line is JSON. Kinds and settings are those of scripts/bench-kernels.mjs; min-max has no refit here.
"""

import json
import statistics
import sys
import time

try:
    import torch
except ImportError:
    sys.exit("compare-pytorch: torch is missing; point PYTHON at an interpreter that has it")

SCALE = 0.37
POWERS = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8)


def pack_bits(bits):
    return (bits.view(-1, 8) * POWERS).sum(dim=1, dtype=torch.uint8)


def unpack_bits(packed):
    return (packed.unsqueeze(1) & POWERS).ne(0).view(-1)


def pack_pairs(codes):
    return codes[:, 0::2] | (codes[:, 1::2] << 4)


def unpack_pairs(packed):
    return torch.stack((packed & 15, packed >> 4), dim=2).view(packed.shape[0], -1)


class Identity:
    def squeeze(self, v):
        payload = v.clone()
        v.zero_()
        return payload

    def add_to(self, out, payload):
        out.add_(payload, alpha=SCALE)


class Float16:
    def squeeze(self, v):
        half = v.half()
        v.sub_(half.float())
        return half

    def add_to(self, out, half):
        out.add_(half.float(), alpha=SCALE)


class Sign:
    def __init__(self, block=None):
        self.block = block

    def decode(self, scales, packed):
        signs = unpack_bits(packed).float().mul_(2).sub_(1)
        return (signs.view(scales.shape[0], -1) * scales).view(-1)

    def squeeze(self, v):
        blocks = v.view(-1, self.block or v.numel())
        scales = blocks.abs().mean(dim=1, keepdim=True)
        packed = pack_bits(v >= 0)
        v.sub_(self.decode(scales, packed))
        return scales, packed

    def add_to(self, out, payload):
        out.add_(self.decode(*payload), alpha=SCALE)


class Minmax:
    def __init__(self, bits, block=256, stochastic=True):
        self.bits, self.block, self.stochastic = bits, block, stochastic

    def decode(self, least, step, packed):
        codes = unpack_pairs(packed) if self.bits == 4 else packed
        return (codes.float() * step + least).view(-1)

    def squeeze(self, v):
        blocks = v.view(-1, self.block)
        least = blocks.amin(dim=1, keepdim=True)
        step = (blocks.amax(dim=1, keepdim=True) - least) / (2**self.bits - 1)
        places = (blocks - least) / step
        rounded = (places + torch.rand_like(places)).floor_() if self.stochastic else places.round_()
        codes = rounded.clamp_(0, 2**self.bits - 1).to(torch.uint8)
        payload = least, step, pack_pairs(codes) if self.bits == 4 else codes
        v.sub_(self.decode(*payload))
        return payload

    def add_to(self, out, payload):
        out.add_(self.decode(*payload), alpha=SCALE)


class Qsgd:
    def __init__(self, levels, block=512):
        self.levels, self.block = levels, block

    def decode(self, unit, packed):
        return ((unpack_pairs(packed).float() - self.levels) * unit).view(-1)

    def squeeze(self, v):
        blocks = v.view(-1, self.block)
        norm = blocks.norm(dim=1, keepdim=True)
        omega = min(self.block / self.levels**2, self.block**0.5 / self.levels)
        places = blocks * (self.levels / norm)
        codes = (places + torch.rand_like(places)).floor_().add_(self.levels).to(torch.uint8)
        payload = norm / (self.levels * (1 + omega)), pack_pairs(codes)
        v.sub_(self.decode(*payload))
        return payload

    def add_to(self, out, payload):
        out.add_(self.decode(*payload), alpha=SCALE)


class Natural:
    def decode(self, codes):
        magnitude = torch.ldexp(torch.ones(()), (codes & 127).int() - 100)
        return torch.where(codes >= 128, -magnitude, magnitude)

    def squeeze(self, v):
        mantissa, exponent = torch.frexp(v)
        up = torch.rand_like(v) < mantissa.abs().mul_(2).sub_(1)
        codes = (exponent - 1 + up + 100).clamp_(0, 127).to(torch.uint8) | ((v < 0).to(torch.uint8) << 7)
        v.sub_(self.decode(codes))
        return codes

    def add_to(self, out, codes):
        out.add_(self.decode(codes), alpha=SCALE)


class Ternary:
    def __init__(self, block=256):
        self.block = block

    def decode(self, scales, kept, signs):
        trits = unpack_bits(kept).float() * unpack_bits(signs).float().mul_(2).sub_(1)
        return (trits.view(scales.shape[0], -1) * scales).view(-1)

    def squeeze(self, v):
        blocks = v.view(-1, self.block)
        magnitudes = blocks.abs()
        kept = magnitudes >= 0.7 * magnitudes.mean(dim=1, keepdim=True)
        scales = (magnitudes * kept).sum(dim=1, keepdim=True) / kept.sum(dim=1, keepdim=True)
        payload = scales, pack_bits(kept.view(-1)), pack_bits(v >= 0)
        v.sub_(self.decode(*payload))
        return payload

    def add_to(self, out, payload):
        out.add_(self.decode(*payload), alpha=SCALE)


class TopK:
    def __init__(self, ratio):
        self.ratio = ratio

    def places(self, v):
        return v.abs().topk(int(self.ratio * v.numel()), sorted=False).indices

    def squeeze(self, v):
        places = self.places(v)
        values = v[places]
        v[places] = 0
        return places, values

    def add_to(self, out, payload):
        places, values = payload
        out.index_add_(0, places, values, alpha=SCALE)


class RandomK(TopK):
    def places(self, v):
        return torch.randperm(v.numel())[: int(self.ratio * v.numel())]


CASES = {
    "identity": Identity(),
    "sign, block 256": Sign(256),
    "sign, tensor": Sign(),
    "float16": Float16(),
    "min–max 4 bit": Minmax(4),
    "min–max 4 bit, block 64": Minmax(4, block=64),
    "min–max 4 bit, nearest": Minmax(4, stochastic=False),
    "min–max 8 bit": Minmax(8),
    "QSGD 7 levels": Qsgd(7),
    "natural": Natural(),
    "ternary": Ternary(),
    "top-k 1 %": TopK(0.01),
    "random-k 1 %": RandomK(0.01),
}


def milliseconds(act):
    started = time.perf_counter()
    result = act()
    return (time.perf_counter() - started) * 1e3, result


def main():
    torch.set_num_threads(1)
    torch.manual_seed(7)
    length = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_384
    source = torch.randn(length) * 0.05
    out = torch.zeros(length)
    v = torch.empty(length)
    results = {}
    for name, compressor in CASES.items():
        squeezes, adds = [], []
        for _ in range(6):
            v.copy_(source)
            squeeze_ms, payload = milliseconds(lambda: compressor.squeeze(v))
            add_ms, _ = milliseconds(lambda: compressor.add_to(out, payload))
            squeezes.append(squeeze_ms)
            adds.append(add_ms)
        # The first run warms up.
        results[name] = {
            "squeezeMs": statistics.median(squeezes[1:]),
            "addToMs": statistics.median(adds[1:]),
        }
        print(f"{name:24} squeeze {results[name]['squeezeMs']:9.1f} ms   addTo {results[name]['addToMs']:9.1f} ms")
    report = {"benchmark": "pytorch", "version": torch.__version__, "parameters": length, "results": results}
    print(json.dumps(report, ensure_ascii=False))


main()
